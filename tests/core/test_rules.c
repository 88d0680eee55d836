/* SPDX-License-Identifier: MIT
 *
 * What the scripts do (protocol 3, 4 and 10), rule by rule: each is run on a real server, on keys that are made for it.
 * tests/core/mutants breaks the rules that stand in the scripts, and one of these must notice. */
#include "core.h"
#include "server.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The last fence is one of the year 2255: so the next is known. */
#define LAST "9000000000000000"
#define NEXT "9000000000000001"
#define AFTER "9000000000000002"

#define NAME "foo"
#define QUEUE "rlock-queue:{foo}:foo"
#define STATE "rlock-state:{foo}:foo"
#define CHANNEL "rlock-channel:foo"

enum { DAY_MS = 86400000, ARGUMENTS = 16 };

static struct test_server server;

static void set(const char *key, const char *value)
{
	assert_true(test_command(&server, NULL, 0, "SET", key, value, NULL));
}

static void set_for(const char *key, const char *value, const char *ttl)
{
	assert_true(test_command(&server, NULL, 0, "SET", key, value, "PX", ttl, NULL));
}

#define assert_value(key, expected) assert_value_at((key), (expected), __LINE__)
static void assert_value_at(const char *key, const char *expected, int line)
{
	char value[256];

	test_command(&server, value, sizeof(value), "GET", key, NULL);
	if (strcmp(value, expected) != 0)
		fail_msg("line %d: %s is \"%s\", not \"%s\"", line, key, value, expected);
}

static long long pttl(const char *key)
{
	return test_number(&server, "PTTL", key, NULL);
}

static long long waiting(void)
{
	return test_number(&server, "ZCARD", QUEUE, NULL);
}

/* A ticket behind all others. */
static void queue(const char *ticket)
{
	char score[24];

	snprintf(score, sizeof(score), "%lld", waiting() + 1);
	assert_int_equal(test_number(&server, "ZADD", QUEUE, score, ticket, NULL), 1);
}

static void queue_many(const char *client, int count)
{
	char ticket[64];

	for (int i = 0; i < count; i++) {
		snprintf(ticket, sizeof(ticket), "t%d %s 1000 l", i, client);
		queue(ticket);
	}
}

static char answer[512];

static void send_script(const char *text, int keys, const char *const *words, int count)
{
	const char *all[ARGUMENTS] = {
		"EVAL", text, keys == 1 ? "1" : keys == 4 ? "4" : "3", NAME, QUEUE, STATE, NAME
	};

	for (int i = 0; i < count; i++)
		all[3 + keys + i] = words[i];
	test_command_bytes(&server, answer, sizeof(answer), 3 + keys + count, all, NULL);
}

/* Runs a script with these arguments; `script_in` with so many keys. */
#define script_in(keys, script, ...)                                                                                   \
	send_script(rlk_script_sources[script].text.data, (keys), (const char *const[]) { __VA_ARGS__ },               \
	            (int)(sizeof((const char *const[]) { __VA_ARGS__ }) / sizeof(char *)))
#define script(...) script_in(3, __VA_ARGS__)

/* The same, and what it answers. */
#define assert_answer(expected, ...)                                                                                   \
	do {                                                                                                           \
		script(__VA_ARGS__);                                                                                   \
		assert_string_equal(answer, (expected));                                                               \
	} while (0)

/* One number of an answer that has several, from 0. */
static const char *part(int nth)
{
	static char line[128];
	const char *at = answer;

	while (nth-- > 0) {
		at = strchr(at, '\n');
		assert_non_null(at);
		at++;
	}
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	return line;
}

/* ---- listeners ---- */

static redisContext *listeners[4];
static size_t listening;

static redisReply *next_of(redisContext *context)
{
	void *reply = NULL;

	assert_int_equal(redisGetReply(context, &reply), REDIS_OK);
	return reply;
}

static redisContext *listen_by(const char *command, const char *channel)
{
	redisContext *context = redisConnectUnix(server.socket);

	assert_non_null(context);
	assert_int_equal(redisSetTimeout(context, (struct timeval) { TEST_DEADLINE_MS / 1000, 0 }), REDIS_OK);
	listeners[listening++] = context;
	redisAppendCommand(context, "%s %s", command, channel);
	freeReplyObject(next_of(context));
	return context;
}

static redisContext *listen_to(const char *channel)
{
	return listen_by("SUBSCRIBE", channel);
}

static void assert_heard(redisContext *context, const char *text)
{
	redisReply *reply = next_of(context);

	assert_int_equal(reply->elements, 3);
	assert_string_equal(reply->element[2]->str, text);
	freeReplyObject(reply);
}

static void assert_nothing_heard(redisContext *context, const char *channel)
{
	assert_true(test_command(&server, NULL, 0, "PUBLISH", channel, "the end", NULL));
	assert_heard(context, "the end");
}

static int tidy(void **state)
{
	(void)state;
	while (listening > 0)
		redisFree(listeners[--listening]);
	test_command(&server, NULL, 0, "FLUSHALL", NULL);
	return 0;
}

/* ---- LOCK ---- */

static void free_lock_is_taken_with_a_new_fence_and_expires(void **state)
{
	(void)state;
	script(RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_in_range(strlen(answer), 16, 16);
	assert_true(pttl(STATE) > DAY_MS);
	assert_value(NAME, "me");
	assert_in_range(pttl(NAME), 1, 5000);

	tidy(NULL);
	set(STATE, LAST " earlier - ");
	assert_answer(NEXT, RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_value(STATE, NEXT " me - label");
	assert_true(pttl(STATE) > DAY_MS);
}

static void fence_is_the_servers_time(void **state)
{
	char before[64], after[64];

	(void)state;
	test_command(&server, before, sizeof(before), "EVAL",
	             "local t = redis.call('TIME') return t[1] * 1000000 + t[2]", "0", NULL);
	script(RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	test_command(&server, after, sizeof(after), "EVAL", "local t = redis.call('TIME') return t[1] * 1000000 + t[2]",
	             "0", NULL);
	assert_in_range(strtoull(answer, NULL, 10), strtoull(before, NULL, 10), strtoull(after, NULL, 10));
}

/* Where dead waiters are in the way, too. */
static void fence_rises_behind_the_dead(void **state)
{
	(void)state;
	set(STATE, LAST " earlier - ");
	queue("t dead 1000 l");
	assert_answer(NEXT, RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_value(STATE, NEXT " me - label");
	assert_true(pttl(STATE) > DAY_MS);
	assert_int_equal(waiting(), 0);
}

static void fence_rises_where_the_servers_clock_begins_anew(void **state)
{
	static const char asks[] = "call('TIME')", early[] = "{ '5', '0' }";
	_Static_assert(sizeof(asks) == sizeof(early), "one stands in the place of the other");
	const char *whole = rlk_script_sources[RLK_LOCK].text.data;
	char *text = malloc(strlen(whole) + 1);

	(void)state;
	assert_non_null(text);
	strcpy(text, whole);
	for (char *at = text; (at = strstr(at, asks));)
		memcpy(at, early, sizeof(early) - 1);
	set(STATE, "1700000000000000 earlier - ");
	queue("t dead 1000 l");
	send_script(text, 3, (const char *const[]) { "me", "5000", "1000", "0", "here", "label" }, 6);
	assert_string_equal(answer, "1700000000000001");
	free(text);
}

static void queue_comes_before_whoever_asks(void **state)
{
	redisContext *inbox = listen_to("rlock-inbox:there");

	(void)state;
	set(STATE, LAST " earlier - ");
	queue("first there 1500 l");
	script(RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_string_equal(part(0), "3");
	assert_string_equal(part(3), NEXT);
	assert_value(NAME, "first");
	assert_heard(inbox, "grant first " NEXT " 1500 " NAME);
}

static void foremost_takes_it_though_its_inbox_is_deaf(void **state)
{
	(void)state;
	listen_to("rlock-inbox:there");
	set(STATE, LAST " earlier - ");
	queue("me here 1000 label");
	queue("second there 1000 l");
	assert_answer(NEXT, RLK_LOCK, "me", "5000", "1000", "1", "here", "label");
	assert_value(NAME, "me");
	assert_int_equal(waiting(), 1);
}

static void own_lock_is_extended_and_never_shortened(void **state)
{
	(void)state;
	set(STATE, LAST " me pending label");
	set_for(NAME, "me", "40000");
	assert_answer(LAST, RLK_LOCK, "me", "1000", "1000", "0", "here", "label");
	assert_in_range(pttl(NAME), 1001, 40000);
	assert_answer(LAST, RLK_LOCK, "me", "90000", "1000", "0", "here", "label");
	assert_in_range(pttl(NAME), 40001, 90000);
	assert_value(STATE, LAST " me - label");
}

static void own_lock_without_an_end_gets_none(void **state)
{
	(void)state;
	set(STATE, LAST " me - label");
	set(NAME, "me");
	assert_answer(LAST, RLK_LOCK, "me", "1000", "1000", "0", "here", "label");
	assert_int_equal(pttl(NAME), -1);
	assert_int_equal(pttl(STATE), -1);
}

static void own_lock_of_which_the_state_knows_nothing_has_a_new_fence(void **state)
{
	(void)state;
	set(STATE, LAST " other - label");
	set_for(NAME, "me", "5000");
	assert_answer(NEXT, RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
}

static void lock_of_another_is_busy_and_nobody_queues(void **state)
{
	(void)state;
	set(STATE, LAST " other - label");
	set_for(NAME, "other", "5000");
	queue("first there 1000 l");
	script(RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_string_equal(part(0), "3");
	assert_in_range(atoi(part(1)), 1, 5000);
	assert_string_equal(part(2), "1");
	assert_string_equal(part(3), LAST);
	assert_value(NAME, "other");
	assert_int_equal(waiting(), 1);
}

static void tickets_keep_the_order_of_their_arrival(void **state)
{
	(void)state;
	set(STATE, LAST " other - label");
	set_for(NAME, "other", "5000");
	script(RLK_LOCK, "z", "5000", "1000", "1", "here", "label");
	assert_string_equal(part(0), "2");
	assert_string_equal(part(2), "0");
	assert_string_equal(part(3), LAST);
	assert_string_equal(part(4), "1");
	assert_in_range(pttl(QUEUE), 1, 60000);
	script(RLK_LOCK, "a", "5000", "1000", "1", "here", "label");
	assert_string_equal(part(2), "1");
	script(RLK_LOCK, "z", "5000", "1000", "1", "here", "label");
	assert_string_equal(part(2), "0");
	assert_string_equal(part(4), "0");
	assert_int_equal(waiting(), 2);
}

static void last_try_leaves_the_queue(void **state)
{
	(void)state;
	set_for(NAME, "other", "5000");
	queue("me here 1000 label");
	queue("first there 1000 l");
	script(RLK_LOCK, "me", "5000", "1000", "2", "here", "label");
	assert_string_equal(part(0), "3");
	assert_int_equal(waiting(), 1);
	assert_value(NAME, "other");
}

static void whoever_missed_a_hand_off_goes_to_the_end(void **state)
{
	(void)state;
	listen_to("rlock-inbox:there");
	listen_to("rlock-inbox:paused");
	set(STATE, LAST " missed paused label");
	queue("a paused 1000 l");
	queue("b paused 1000 l");
	queue("c there 1000 l");
	script(RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_string_equal(part(0), "3");
	assert_value(NAME, "c");
	assert_int_equal(test_number(&server, "ZRANK", QUEUE, "b paused 1000 l", NULL), 1);
	assert_int_equal(waiting(), 2);
}

static void whoever_asks_again_after_a_missed_hand_off_keeps_its_place(void **state)
{
	(void)state;
	listen_to("rlock-inbox:there");
	set(STATE, LAST " missed here label");
	queue("me here 1000 label");
	queue("c there 1000 l");
	assert_answer(NEXT, RLK_LOCK, "me", "5000", "1000", "1", "here", "label");
}

static void no_call_requeues_more_than_it_can_carry(void **state)
{
	(void)state;
	listen_to("rlock-inbox:there");
	set(STATE, LAST " missed gone label");
	queue_many("gone", 257);
	queue("c there 1000 l");
	script(RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_value(NAME, "c");
	assert_int_equal(waiting(), 256);
}

static void no_call_drops_more_dead_than_it_can_carry(void **state)
{
	(void)state;
	set(STATE, LAST " earlier - ");
	queue_many("dead", 65);
	assert_answer("4", RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
	assert_int_equal(waiting(), 1);
	assert_value(NAME, "(nil)");
	assert_answer(NEXT, RLK_LOCK, "me", "5000", "1000", "0", "here", "label");
}

static void lock_without_an_end_begins_with_a_hand_off_lease(void **state)
{
	(void)state;
	script(RLK_LOCK, "me", "-1", "1000", "0", "here", "label");
	assert_in_range(pttl(NAME), 1, 1000);
	tidy(NULL);
	queue("t dead 1000 l");
	script(RLK_LOCK, "me", "-1", "1000", "0", "here", "label");
	assert_in_range(pttl(NAME), 1, 1000);
}

/* ---- EXTEND, RENEW ---- */

static void lock_of_another_is_not_extended(void **state)
{
	(void)state;
	set(STATE, LAST " other - label");
	set_for(NAME, "other", "5000");
	assert_answer("0", RLK_EXTEND, "me", "90000", LAST);
	assert_in_range(pttl(NAME), 1, 5000);
	assert_answer("0", RLK_RENEW, "me", "90000");
	assert_in_range(pttl(NAME), 1, 5000);
	test_command(&server, NULL, 0, "DEL", NAME, NULL);
	assert_answer("0", RLK_EXTEND, "other", "90000", LAST);
	assert_answer("0", RLK_RENEW, "other", "90000");
	assert_value(NAME, "(nil)");
}

static void hold_of_another_fence_is_not_extended(void **state)
{
	(void)state;
	set(STATE, NEXT " me - label");
	set_for(NAME, "me", "5000");
	assert_answer("0", RLK_EXTEND, "me", "90000", LAST);
	assert_in_range(pttl(NAME), 1, 5000);
}

static void extension_sets_both_expiries_and_acknowledges(void **state)
{
	(void)state;
	set_for(STATE, LAST " me here label", "5000");
	set_for(NAME, "me", "5000");
	assert_answer("1", RLK_EXTEND, "me", "90000", LAST);
	assert_in_range(pttl(NAME), 5001, 90000);
	assert_value(STATE, LAST " me - label");
	assert_true(pttl(STATE) > DAY_MS);
	assert_answer("1", RLK_EXTEND, "me", "1000", LAST);
	assert_in_range(pttl(NAME), 1, 1000);
}

static void extension_may_take_away_the_end(void **state)
{
	(void)state;
	set_for(STATE, LAST " me here label", "5000");
	set_for(NAME, "me", "5000");
	assert_answer("1", RLK_EXTEND, "me", "-1", LAST);
	assert_int_equal(pttl(NAME), -1);
	assert_int_equal(pttl(STATE), -1);
}

static void extension_leaves_a_state_of_others_alone(void **state)
{
	(void)state;
	set_for(STATE, LAST " other there theirs", "5000");
	set_for(NAME, "me", "5000");
	assert_answer("1", RLK_EXTEND, "me", "90000", LAST);
	assert_in_range(pttl(NAME), 5001, 90000);
	assert_value(STATE, LAST " other there theirs");
	assert_in_range(pttl(STATE), 1, 5000);
}

static void renewal_sets_the_locks_expiry_alone(void **state)
{
	(void)state;
	set_for(STATE, LAST " me here label", "5000");
	set_for(NAME, "me", "5000");
	script_in(1, RLK_RENEW, "me", "90000");
	assert_string_equal(answer, "1");
	assert_in_range(pttl(NAME), 5001, 90000);
	assert_in_range(pttl(STATE), 1, 5000);
}

static void senseless_ttl_is_an_error_and_changes_nothing(void **state)
{
	static const char *const senseless[] = { "0", "-2", "9007199254740993", "x" };

	(void)state;
	set(STATE, LAST " me - label");
	set_for(NAME, "me", "5000");
	for (size_t i = 0; i < sizeof(senseless) / sizeof(senseless[0]); i++) {
		script(RLK_EXTEND, "me", senseless[i], LAST);
		assert_int_equal(answer[0], '-');
		script_in(1, RLK_RENEW, "me", senseless[i]);
		assert_int_equal(answer[0], '-');
		script(RLK_LOCK, "me", senseless[i], "1000", "0", "here", "label");
		assert_int_equal(answer[0], '-');
	}
	assert_in_range(pttl(NAME), 1, 5000);
	assert_int_equal(pttl(STATE), -1);
}

/* ---- UNLOCK and the hand-over ---- */

static void lock_of_another_is_not_released(void **state)
{
	(void)state;
	set_for(NAME, "other", "5000");
	assert_answer("0", RLK_UNLOCK, "me", "0");
	assert_answer("0", RLK_UNLOCK, "me", "1");
	script_in(1, RLK_UNLOCK, "me", "0");
	assert_string_equal(answer, "0");
	assert_value(NAME, "other");
}

static void release_without_waiters_is_announced(void **state)
{
	static const char *const ways[] = { "0", "1" };
	redisContext *channel = listen_to(CHANNEL);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		set(STATE, LAST " me - label");
		set_for(NAME, "me", "5000");
		assert_answer("1", RLK_UNLOCK, "me", ways[i]);
		assert_value(NAME, "(nil)");
		assert_value(STATE, LAST " me - label");
		assert_heard(channel, "ok");
	}
}

static void release_hands_over_with_a_lease_a_fence_and_a_message(void **state)
{
	redisContext *inbox = listen_to("rlock-inbox:there");
	redisContext *channel = listen_to(CHANNEL);

	(void)state;
	set(STATE, LAST " me - label");
	set_for(NAME, "me", "500000");
	queue("a dead 1000 l");
	queue("b there 1500 theirs");
	queue("c there 1000 l");
	assert_answer("1", RLK_UNLOCK, "me", "0");
	assert_value(NAME, "b");
	assert_in_range(pttl(NAME), 1, 1500);
	assert_value(STATE, NEXT " b there theirs");
	assert_true(pttl(STATE) > DAY_MS);
	assert_heard(inbox, "grant b " NEXT " 1500 " NAME);
	assert_int_equal(waiting(), 1);
	assert_nothing_heard(channel, CHANNEL);
	/* Again, by the same token: it isn't its own any more. */
	assert_answer("0", RLK_UNLOCK, "me", "0");
}

static void release_goes_on_where_there_are_too_many_dead(void **state)
{
	(void)state;
	set(STATE, LAST " me - label");
	set_for(NAME, "me", "500000");
	queue_many("dead", 65);
	assert_answer("4", RLK_UNLOCK, "me", "0");
	assert_value(NAME, "me");
	assert_answer("1", RLK_UNLOCK, "me", "0");
	assert_value(NAME, "(nil)");
}

static void release_of_a_hand_off_puts_the_state_right(void **state)
{
	(void)state;
	set(STATE, LAST " me here label");
	set_for(NAME, "me", "5000");
	assert_answer("1", RLK_UNLOCK, "me", "1");
	assert_value(STATE, LAST " me - label");
	assert_true(pttl(STATE) > DAY_MS);
}

static void release_by_the_locks_key_alone_leaves_the_queue(void **state)
{
	redisContext *channel = listen_to(CHANNEL);

	(void)state;
	listen_to("rlock-inbox:there");
	set_for(NAME, "me", "5000");
	queue("b there 1000 l");
	script_in(1, RLK_UNLOCK, "me", "1");
	assert_string_equal(answer, "1");
	assert_value(NAME, "(nil)");
	assert_int_equal(waiting(), 1);
	assert_heard(channel, "ok");
}

static void key_of_another_type_stops_it_before_it_writes(void **state)
{
	(void)state;
	set(QUEUE, "no queue");
	script(RLK_LOCK, "me", "5000", "1000", "1", "here", "label");
	assert_non_null(strstr(answer, "WRONGTYPE"));
	assert_value(NAME, "(nil)");
	assert_value(STATE, "(nil)");
	set(NAME, "me");
	script(RLK_UNLOCK, "me", "1");
	assert_non_null(strstr(answer, "WRONGTYPE"));
	assert_value(NAME, "me");
	tidy(NULL);
	test_command(&server, NULL, 0, "RPUSH", STATE, "no state", NULL);
	script(RLK_LOCK, "me", "5000", "1000", "1", "here", "label");
	assert_non_null(strstr(answer, "WRONGTYPE"));
	assert_value(NAME, "(nil)");
	assert_int_equal(test_number(&server, "LLEN", STATE, NULL), 1);
}

/* ---- CANCEL, BREAK, INFO ---- */

static void cancel_takes_out_the_ticket_and_leaves_the_lock_of_others(void **state)
{
	(void)state;
	listen_to("rlock-inbox:there");
	set_for(NAME, "other", "5000");
	queue("me here 1000 label");
	queue("b there 1000 l");
	assert_answer("1", RLK_CANCEL, "me", "1000", "here", "label");
	assert_int_equal(waiting(), 1);
	assert_value(NAME, "other");
}

static void cancel_hands_over_what_came_meanwhile(void **state)
{
	(void)state;
	listen_to("rlock-inbox:there");
	set(STATE, LAST " me here label");
	set_for(NAME, "me", "5000");
	queue("b there 1000 l");
	assert_answer("1", RLK_CANCEL, "me", "1000", "here", "label");
	assert_value(NAME, "b");
	set(STATE, NEXT " me here label");
	set_for(NAME, "me", "5000");
	assert_answer("1", RLK_CANCEL, "me", "1000", "here", "label");
	assert_value(NAME, "(nil)");
	assert_value(STATE, NEXT " me - label");
}

static void break_takes_it_from_whom_it_is_told(void **state)
{
	redisContext *inbox = listen_to("rlock-inbox:there");

	(void)state;
	assert_answer("0", RLK_BREAK, "");
	set(STATE, LAST " holder - label");
	set_for(NAME, "holder", "5000");
	queue("b there 1000 l");
	assert_answer("0", RLK_BREAK, "other");
	assert_value(NAME, "holder");
	assert_answer("1", RLK_BREAK, "holder");
	assert_value(NAME, "b");
	assert_heard(inbox, "grant b " NEXT " 1000 " NAME);
	queue("c there 1000 l");
	assert_answer("1", RLK_BREAK, "");
	assert_value(NAME, "c");
	assert_heard(inbox, "grant c " AFTER " 1000 " NAME);
	assert_answer("1", RLK_BREAK, "");
	assert_value(STATE, AFTER " c - l");
}

static void info_looks_and_writes_nothing(void **state)
{
	(void)state;
	set_for(STATE, LAST " holder there label", "7000");
	set_for(NAME, "holder", "5000");
	queue("b dead 1000 l");
	script(RLK_INFO, "");
	assert_string_equal(part(0), "holder");
	assert_in_range(atoi(part(1)), 1, 5000);
	assert_string_equal(part(2), "1");
	assert_string_equal(part(3), LAST);
	assert_string_equal(part(4), "label");
	assert_value(STATE, LAST " holder there label");
	assert_in_range(pttl(STATE), 1, 7000);
	assert_int_equal(waiting(), 1);
	/* The label is that of the last who had a fence: no foreign holder's. */
	set_for(NAME, "foreign", "5000");
	script(RLK_INFO, "");
	assert_string_equal(part(4), "");
}

/* ---- clusters ---- */

static bool publishes_by_slots(void)
{
	return test_command(&server, NULL, 0, "PUBSUB", "SHARDNUMSUB", NULL);
}

static void in_a_cluster_a_hand_over_stays_in_its_slot(void **state)
{
	redisContext *inbox;

	(void)state;
	if (!publishes_by_slots())
		skip();
	inbox = listen_by("SSUBSCRIBE", "rlock-inbox:{foo}:foo:there");
	listen_to("rlock-inbox:deaf");
	set(STATE, LAST " me - label");
	set_for(NAME, "me", "5000");
	queue("a deaf 1000 l");
	queue("b there 1000 l");
	script_in(4, RLK_UNLOCK, "me", "0");
	assert_string_equal(answer, "1");
	assert_value(NAME, "b");
	assert_heard(inbox, "grant b " NEXT " 1000 " NAME);
}

static void in_a_cluster_nothing_is_announced_of_a_name_without_a_tag(void **state)
{
	static const char *const ways[] = { "0", "1" };
	redisContext *channel = listen_to(CHANNEL);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		set_for(NAME, "me", "5000");
		script_in(4, RLK_UNLOCK, "me", ways[i]);
		assert_string_equal(answer, "1");
		assert_value(NAME, "(nil)");
		assert_nothing_heard(channel, CHANNEL);
	}
}

/* ---- */

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_server_stop(&server);
	return 0;
}

#define rule(test) cmocka_unit_test_teardown(test, tidy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rule(free_lock_is_taken_with_a_new_fence_and_expires),
		rule(fence_is_the_servers_time),
		rule(fence_rises_behind_the_dead),
		rule(fence_rises_where_the_servers_clock_begins_anew),
		rule(queue_comes_before_whoever_asks),
		rule(foremost_takes_it_though_its_inbox_is_deaf),
		rule(own_lock_is_extended_and_never_shortened),
		rule(own_lock_without_an_end_gets_none),
		rule(own_lock_of_which_the_state_knows_nothing_has_a_new_fence),
		rule(lock_of_another_is_busy_and_nobody_queues),
		rule(tickets_keep_the_order_of_their_arrival),
		rule(last_try_leaves_the_queue),
		rule(whoever_missed_a_hand_off_goes_to_the_end),
		rule(whoever_asks_again_after_a_missed_hand_off_keeps_its_place),
		rule(no_call_requeues_more_than_it_can_carry),
		rule(no_call_drops_more_dead_than_it_can_carry),
		rule(lock_without_an_end_begins_with_a_hand_off_lease),
		rule(lock_of_another_is_not_extended),
		rule(hold_of_another_fence_is_not_extended),
		rule(extension_sets_both_expiries_and_acknowledges),
		rule(extension_may_take_away_the_end),
		rule(extension_leaves_a_state_of_others_alone),
		rule(renewal_sets_the_locks_expiry_alone),
		rule(senseless_ttl_is_an_error_and_changes_nothing),
		rule(lock_of_another_is_not_released),
		rule(release_without_waiters_is_announced),
		rule(release_hands_over_with_a_lease_a_fence_and_a_message),
		rule(release_goes_on_where_there_are_too_many_dead),
		rule(release_of_a_hand_off_puts_the_state_right),
		rule(release_by_the_locks_key_alone_leaves_the_queue),
		rule(key_of_another_type_stops_it_before_it_writes),
		rule(cancel_takes_out_the_ticket_and_leaves_the_lock_of_others),
		rule(cancel_hands_over_what_came_meanwhile),
		rule(break_takes_it_from_whom_it_is_told),
		rule(info_looks_and_writes_nothing),
		rule(in_a_cluster_a_hand_over_stays_in_its_slot),
		rule(in_a_cluster_nothing_is_announced_of_a_name_without_a_tag),
	};
	return cmocka_run_group_tests_name("rules", tests, start, stop);
}

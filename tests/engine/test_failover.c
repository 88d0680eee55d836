/* SPDX-License-Identifier: MIT
 *
 * What follows a failover follows at once: what a client that can't reach a primary adds to the time without one is
 * measured here in the engine's own time. */
#include "scripted.h"

#include "redislock/redislock.h"

#include <stdio.h>
#include <string.h>

/* What a primary may be away before there is another, and what the cluster's clients may take to notice that. */
enum { AWAY_MS = 4000, NOTICED_MS = 500, START_MS = 1000000 };

static struct rlk_engine engine;
static struct rlk_job job;
static struct scripted one, other, third;
static struct scripted *const servers[] = { &one, &other, &third, NULL };
static const struct scripted *primary; /* of whom it is said */
static int64_t now;

static bool never(void)
{
	return false;
}

/* Time passes as the engine wants it to, until then. */
static bool pass(int64_t until, bool (*condition)(void))
{
	while (!scripted_turn(&engine, servers, now, condition)) {
		int64_t next = rlk_engine_deadline(&engine);
		if (next > until) {
			now = until;
			return scripted_turn(&engine, servers, now, condition);
		}
		now = next;
	}
	return true;
}

static void begin(const char *url)
{
	now = START_MS;
	assert_int_equal(rlk_engine_init(&engine, url, NULL), REDISLOCK_OK);
	assert_int_equal(rlk_job_init(&engine, &job, RLK_PUBSUB, RLK_LITERAL("name")), REDISLOCK_OK);
	job.machine.wait = -1;
	job.machine.ttl = 5000;
	rlk_job_acquire(&engine, &job, (struct rlk_slice) { NULL, 0 }, now);
	rlk_engine_pump(&engine, now);
}

static int stop(void **state)
{
	(void)state;
	rlk_job_clear(&engine, &job);
	rlk_engine_clear(&engine);
	scripted_refuse(&one);
	scripted_refuse(&other);
	scripted_refuse(&third);
	return 0;
}

static bool third_is_asked(void)
{
	return third.asked > 0;
}

/* That it is asked is what counts. */
static const char *say_nothing(const char *command)
{
	(void)command;
	return NULL;
}

/* ---- sentinels ---- */

static const char *say_sentinel(const char *command)
{
	static char text[128];
	char port[16];

	if (strncmp(command, "SUBSCRIBE", 9) == 0)
		return "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";
	if (strncmp(command, "SENTINEL", 8) != 0)
		return "+OK\r\n";
	snprintf(port, sizeof(port), "%u", (unsigned)primary->port);
	snprintf(text, sizeof(text), "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
	return text;
}

static const char *say_primary(const char *command)
{
	return strncmp(command, "ROLE", 4) == 0 ? "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" : NULL;
}

static void announced_primary_is_gone_to_without_a_pause(void **state)
{
	char text[160], url[96], words[96];

	(void)state;
	scripted_start(&one, say_sentinel);
	scripted_start(&other, say_nothing);
	scripted_start(&third, say_primary);
	scripted_refuse(&other);
	primary = &other;
	snprintf(url, sizeof(url), "redis+sentinel://127.0.0.1:%u/guarded", (unsigned)one.port);
	begin(url);
	assert_false(pass(now + AWAY_MS, never));
	/* It is in the midst of a pause. */
	assert_false(engine.home.commands.open);
	assert_true(engine.home.commands.retry_at > now);
	primary = &third;
	snprintf(words, sizeof(words), "guarded 127.0.0.1 %u 127.0.0.1 %u", (unsigned)other.port, (unsigned)third.port);
	snprintf(text, sizeof(text), "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%zu\r\n%s\r\n", strlen(words),
	         words);
	scripted_say(&one, text);
	assert_true(scripted_turn(&engine, servers, now, third_is_asked));
}

/* ---- a cluster ---- */

static const char *say_slots(const char *command)
{
	static char text[256];

	if (strncmp(command, "PUBSUB", 6) == 0)
		return "*0\r\n";
	if (strncmp(command, "CLUSTER", 7) != 0)
		return NULL;
	snprintf(text, sizeof(text),
	         "*1\r\n*4\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n",
	         (unsigned)primary->port, (unsigned)one.port);
	return text;
}

static void begin_in_cluster(void)
{
	char url[96];

	scripted_start(&one, say_slots);
	scripted_start(&other, say_nothing);
	scripted_start(&third, say_nothing);
	primary = &other;
	snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%u", (unsigned)one.port);
	begin(url);
}

static void assert_followed(void)
{
	assert_int_equal(third.asked, 0);
	primary = &third;
	assert_true(pass(now + NOTICED_MS, third_is_asked));
}

static void owner_after_one_that_is_gone_is_noticed_soon(void **state)
{
	(void)state;
	begin_in_cluster();
	scripted_refuse(&other);
	assert_false(pass(START_MS + AWAY_MS, never));
	/* It is at the beginning of a pause. */
	assert_false(pass(engine.home.next->commands.retry_at, never));
	assert_followed();
}

static void owner_after_one_that_is_silent_is_noticed_soon(void **state)
{
	(void)state;
	begin_in_cluster();
	other.silent = true;
	assert_false(pass(START_MS + AWAY_MS, never));
	assert_followed();
}

static void silent_owner_is_not_asked_who_has_its_slots(void **state)
{
	unsigned taken;

	(void)state;
	begin_in_cluster();
	other.silent = true;
	assert_false(pass(START_MS + AWAY_MS, never));
	taken = other.accepted;
	assert_false(pass(now + (int64_t)10 * AWAY_MS, never));
	/* There it only goes when it gives the connection up that has no answer: with the command's timeout. */
	assert_in_range(other.accepted - taken, 1, (int64_t)10 * AWAY_MS / 5000 + 1);
}

static bool job_is_done(void)
{
	return job.machine.done;
}

static const char *say_no_cluster(const char *command)
{
	return strncmp(command, "PUBSUB", 6) == 0 ? "*0\r\n" : "-ERR This instance has cluster support disabled\r\n";
}

static void server_that_is_no_cluster_is_called_so_at_once(void **state)
{
	(void)state;
	begin_in_cluster();
	one.answer = say_no_cluster;
	assert_true(scripted_turn(&engine, servers, now, job_is_done));
	assert_int_equal(job.machine.status, REDISLOCK_UNSUPPORTED);
}

/* To the other one of the two that had it last. */
static const char *say_moved(const struct scripted *to)
{
	static char text[64];

	snprintf(text, sizeof(text), "-MOVED 5798 127.0.0.1:%u\r\n", (unsigned)to->port);
	return text;
}

static const char *say_third_has_it(const char *command)
{
	return strncmp(command, "EVALSHA", 7) == 0 ? say_moved(&third) : NULL;
}

static const char *say_other_has_it(const char *command)
{
	return strncmp(command, "EVALSHA", 7) == 0 ? say_moved(&other) : NULL;
}

static void nodes_that_do_not_agree_are_asked_by_and_by_and_that_is_told(void **state)
{
	(void)state;
	begin_in_cluster();
	other.answer = say_third_has_it;
	third.answer = say_other_has_it;
	assert_false(pass(now + AWAY_MS, never));
	/* A good many times, but not without a pause. */
	assert_in_range(other.asked + third.asked, 4, 200);
	assert_non_null(strstr(job.text, "don't agree"));
	assert_null(strstr(job.text, "MOVED"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(announced_primary_is_gone_to_without_a_pause, stop),
		cmocka_unit_test_teardown(owner_after_one_that_is_gone_is_noticed_soon, stop),
		cmocka_unit_test_teardown(owner_after_one_that_is_silent_is_noticed_soon, stop),
		cmocka_unit_test_teardown(silent_owner_is_not_asked_who_has_its_slots, stop),
		cmocka_unit_test_teardown(server_that_is_no_cluster_is_called_so_at_once, stop),
		cmocka_unit_test_teardown(nodes_that_do_not_agree_are_asked_by_and_by_and_that_is_told, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

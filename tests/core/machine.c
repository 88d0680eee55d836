/* SPDX-License-Identifier: MIT */
#include "machine.h"

struct rlk_pace pace;
struct rlk_room room;
struct rlk_machine machine;
uint32_t number;

static char names[128];

void make_another(struct rlk_machine *another, enum rlk_kind kind, int64_t wait)
{
	rlk_machine_init(another, &room, kind);
	another->ttl = TTL;
	another->renew = true;
	another->wait = wait;
	another->interval = another->interval_max = 100;
	another->growth = 100;
	another->label = RLK_LITERAL("me");
}

void make(enum rlk_kind kind, int64_t wait)
{
	assert_true(rlk_names_size("foo", 3) <= sizeof names);
	pace = (struct rlk_pace) { 0 };
	rlk_room_init(&room, RLK_LITERAL("client"), &pace);
	rlk_names_build(&room.names, names, "foo", 3);
	make_another(&machine, kind, wait);
}

void make_trying(enum rlk_kind kind, int64_t wait)
{
	make(kind, wait);
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
}

void make_waiting(int64_t wait)
{
	make_trying(RLK_PUBSUB, wait);
	room.listening = true;
	assert_locks("1", START);
	answer(RLK_LOCK, queued(10, true), START, START + 5);
	assert_int_equal(machine.phase, RLK_WAITING);
}

void make_holding(void)
{
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	assert_done(REDISLOCK_OK);
}

void make_handed(void)
{
	make_waiting(60000);
	assert_true(grant(11, START + 300));
	assert_done(REDISLOCK_OK);
}

void make_lost(void)
{
	make_holding();
	rlk_machine_tick(&machine, START + TTL_SURE);
	assert_int_equal(machine.phase, RLK_OVER);
}

void make_releasing(void)
{
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + 10);
	assert_sends(RLK_UNLOCK, START + 10);
}

struct rlk_answer held(uint64_t fence)
{
	return (struct rlk_answer) { .outcome = RLK_HELD, .fence = fence };
}

struct rlk_answer queued(uint64_t fence, bool new_ticket)
{
	return (struct rlk_answer) {
		.outcome = RLK_QUEUED, .fence = fence, .remaining = 20000, .new_ticket = new_ticket
	};
}

struct rlk_answer busy(uint64_t fence)
{
	return (struct rlk_answer) { .outcome = RLK_BUSY, .fence = fence, .remaining = 20000 };
}

struct rlk_answer told(enum rlk_outcome outcome)
{
	return (struct rlk_answer) { .outcome = outcome };
}

static void send(enum rlk_script script, struct rlk_words *words, int64_t now)
{
	assert_true(rlk_machine_ready(&machine, now));
	assert_int_equal(rlk_machine_send(&machine, words, false, &number, now), script);
}

void assert_sends(enum rlk_script script, int64_t now)
{
	struct rlk_words words;
	send(script, &words, now);
}

void assert_locks(const char *mode, int64_t now)
{
	enum { MODE = 9 };
	struct rlk_words words;
	send(RLK_LOCK, &words, now);
	assert_int_equal(words.word[MODE].length, 1);
	assert_int_equal(words.word[MODE].data[0], mode[0]);
}

void assert_sends_nothing(int64_t now)
{
	assert_false(rlk_machine_ready(&machine, now));
}

void answer(enum rlk_script script, struct rlk_answer it, int64_t sent_at, int64_t now)
{
	rlk_machine_answer(&machine, script, number, sent_at, it, now);
}

bool grant(uint64_t fence, int64_t now)
{
	struct rlk_grant it = { RLK_LITERAL(TOKEN), fence, HANDOFF, RLK_LITERAL("foo") };
	return rlk_machine_granted(&machine, &it, now);
}

void assert_undecided(void)
{
	assert_false(machine.done);
}

void assert_done(int32_t status)
{
	assert_true(machine.done);
	assert_int_equal(machine.status, status);
}

void assert_held_until(int64_t end)
{
	assert_int_equal(machine.valid_until, end);
	assert_true(rlk_machine_held(&machine, end - 1));
	assert_false(rlk_machine_held(&machine, end));
}

void assert_words(const struct rlk_words *words, const char *text)
{
	char joined[1024];
	size_t length = 0;
	for (size_t i = 2; i < words->count; i++) {
		struct rlk_slice word = words->word[i];
		assert_true(length + word.length + 2 <= sizeof joined);
		if (i > 2) {
			joined[length++] = '|';
		}
		memcpy(joined + length, word.data, word.length);
		length += word.length;
	}
	joined[length] = '\0';
	assert_string_equal(joined, text);
}

void assert_request(enum rlk_script script, const char *text, int64_t now)
{
	struct rlk_words words;
	send(script, &words, now);
	assert_memory_equal(words.word[1].data, rlk_script_sources[script].sha1.data, 40);
	assert_words(&words, text);
}

int64_t renewal_after(int64_t sent_at, int64_t ttl)
{
	return (sent_at / (ttl / 3) + 1) * (ttl / 3);
}

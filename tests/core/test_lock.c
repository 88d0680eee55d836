/* SPDX-License-Identifier: MIT
 *
 * The lock's machine with a fake clock and answers that are made up: no server, no sleep. */
#include "core.h"
#include "redislock/redislock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE = 10000, START = 1000000 };

static char buffer[256];
static struct rlk_pace pace;
static struct rlk_room room;
static struct rlk_machine machine;
static uint32_t number;

static const struct rlk_slice token = { "token-of-mine", 13 };

static void make(enum rlk_kind kind, int64_t wait)
{
	pace = (struct rlk_pace) { 0 };
	rlk_room_init(&room, RLK_LITERAL("client"), &pace);
	rlk_names_build(&room.names, buffer, "foo", 3);
	rlk_machine_init(&machine, &room, kind);
	machine.ttl = 30000;
	machine.renew = true;
	machine.wait = wait;
	machine.interval = machine.interval_max = 100;
	machine.growth = 100;
	machine.label = RLK_LITERAL("");
	rlk_machine_acquire(&machine, token, 7, PATIENCE, START);
}

/* Sends what is ready, which must be this script; for LOCK its mode is looked at, too. */
static void assert_sends(enum rlk_script script, const char *mode, int64_t now)
{
	struct rlk_words words;
	assert_true(rlk_machine_ready(&machine, now));
	assert_int_equal(rlk_machine_send(&machine, &words, false, &number, now), script);
	if (mode != NULL) {
		assert_int_equal(words.word[9].length, 1);
		assert_memory_equal(words.word[9].data, mode, 1);
	}
}

static void answer(enum rlk_script script, struct rlk_answer it, int64_t sent_at, int64_t now)
{
	rlk_machine_answer(&machine, script, number, sent_at, it, now);
}

static struct rlk_answer held(uint64_t fence)
{
	return (struct rlk_answer) { .outcome = RLK_HELD, .fence = fence };
}

static struct rlk_answer queued(uint64_t fence, bool new_ticket)
{
	return (struct rlk_answer) {
		.outcome = RLK_QUEUED, .fence = fence, .remaining = 20000, .new_ticket = new_ticket
	};
}

static struct rlk_answer busy(uint64_t fence)
{
	return (struct rlk_answer) { .outcome = RLK_BUSY, .fence = fence, .remaining = 20000 };
}

static void assert_done(int32_t status)
{
	assert_true(machine.done);
	assert_int_equal(machine.status, status);
}

/* A waiter with a ticket, whose LOCK was sent at START and told that the last fence was 10. */
static void make_waiting(int64_t wait)
{
	make(RLK_PUBSUB, wait);
	room.listening = true;
	assert_sends(RLK_LOCK, "1", START);
	answer(RLK_LOCK, queued(10, true), START, START + 5);
	assert_int_equal(machine.phase, RLK_WAITING);
}

static bool grant(uint64_t fence, int64_t now)
{
	struct rlk_grant it = { token, fence, 1000, RLK_LITERAL("foo") };
	return rlk_machine_granted(&machine, &it, now);
}

static void validity_counts_from_before_the_request(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends(RLK_LOCK, "0", START);
	answer(RLK_LOCK, held(11), START, START + 700);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.valid_until, START + 30000 - 300 - 2);
	assert_true(rlk_machine_held(&machine, START + 29697));
	assert_false(rlk_machine_held(&machine, START + 29698));
}

static void answer_that_comes_when_nothing_is_left_is_no_acquisition(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends(RLK_LOCK, "0", START);
	answer(RLK_LOCK, held(11), START, START + 29698);
	assert_false(machine.done);
	assert_sends(RLK_LOCK, "0", START + 29698);
}

static void nobody_queues_before_the_subscriptions_are_confirmed(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends(RLK_LOCK, "0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_int_equal(machine.phase, RLK_LISTENING);
	assert_false(rlk_machine_ready(&machine, START + 1));
	room.listening = true;
	rlk_machine_listening(&machine, START + 2);
	assert_sends(RLK_LOCK, "1", START + 2);
}

static void grant_above_the_witnessed_fence_counts_from_the_anchor(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_true(grant(11, START + 300));
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.fence, 11);
	assert_int_equal(machine.valid_until, START + 1000 - 10 - 2);
}

static void grant_at_or_below_the_witnessed_fence_proves_nothing(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_true(grant(10, START + 300));
	assert_false(machine.done);
	assert_sends(RLK_LOCK, "1", START + 300);
}

static void late_grant_proves_nothing_and_the_next_lease_is_longer(void **state)
{
	(void)state;
	pace.missed_at = 0;
	make_waiting(60000);
	assert_true(grant(11, START + 900));
	assert_false(machine.done);
	assert_int_equal(machine.handoff, 2000);
	assert_sends(RLK_LOCK, "1", START + 900);
	answer(RLK_LOCK, held(11), START + 900, START + 901);
	assert_done(REDISLOCK_OK);
}

static void hand_off_is_acknowledged_soon_and_not_mine_means_lost(void **state)
{
	(void)state;
	make_waiting(60000);
	grant(11, START + 300);
	int64_t due = rlk_machine_wake(&machine, START + 300);
	assert_in_range(due - START, 301, 500);
	assert_sends(RLK_EXTEND, NULL, due);
	answer(RLK_EXTEND, (struct rlk_answer) { .outcome = RLK_NOT_MINE }, due, due + 1);
	assert_int_equal(machine.phase, RLK_OVER);
	assert_false(rlk_machine_held(&machine, due + 1));
	rlk_machine_release(&machine, PATIENCE, due + 2);
	assert_done(REDISLOCK_LOST);
}

static void answer_to_an_older_request_means_nothing(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_sends(RLK_LOCK, "1", START + 500);
	uint32_t poll = number;
	grant(11, START + 510);
	assert_done(REDISLOCK_OK);
	rlk_machine_answer(&machine, RLK_LOCK, poll, START + 500, queued(10, false), START + 520);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_true(rlk_machine_held(&machine, START + 520));
}

static void lost_answer_is_asked_for_again_with_the_same_token(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends(RLK_LOCK, "0", START);
	rlk_machine_dropped(&machine, number, START + 10);
	assert_sends(RLK_LOCK, "0", START + 20);
	answer(RLK_LOCK, held(11), START + 20, START + 21);
	assert_done(REDISLOCK_OK);
}

static void release_whose_answer_was_lost_counts_as_released(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends(RLK_LOCK, "0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	rlk_machine_release(&machine, PATIENCE, START + 10);
	assert_sends(RLK_UNLOCK, NULL, START + 10);
	rlk_machine_dropped(&machine, number, START + 20);
	assert_sends(RLK_UNLOCK, NULL, START + 30);
	answer(RLK_UNLOCK, (struct rlk_answer) { .outcome = RLK_NOT_MINE }, START + 30, START + 31);
	assert_done(REDISLOCK_OK);
}

static void deadline_brings_a_last_try_that_leaves_the_queue(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_sends(RLK_LOCK, "2", START + 300);
	answer(RLK_LOCK, busy(10), START + 300, START + 301);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_false(machine.ticket);
}

static void last_try_without_an_answer_ends_and_leaves_something_to_clean_up(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_sends(RLK_LOCK, "2", START + 300);
	rlk_machine_tick(&machine, START + 300 + RLK_GRACE_MS);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_true(machine.ticket);
}

static void foremost_polls_at_half_of_the_hand_off_lease(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_int_equal(rlk_machine_wake(&machine, START + 5), START + 500);
	rlk_machine_tick(&machine, START + 499);
	assert_false(rlk_machine_ready(&machine, START + 499));
	rlk_machine_tick(&machine, START + 500);
	assert_sends(RLK_LOCK, "1", START + 500);
}

static void spinner_pauses_and_never_queues(void **state)
{
	(void)state;
	make(RLK_SPIN, 60000);
	assert_sends(RLK_LOCK, "0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_false(rlk_machine_ready(&machine, START + 100));
	rlk_machine_tick(&machine, START + 101);
	assert_sends(RLK_LOCK, "0", START + 101);
}

static void unanswered_renewals_end_at_the_local_validity(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends(RLK_LOCK, "0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	assert_int_equal(rlk_machine_wake(&machine, START + 1), START + 10000);
	assert_sends(RLK_RENEW, NULL, START + 10000);
	rlk_machine_tick(&machine, START + 29697);
	assert_int_equal(machine.phase, RLK_HOLDING);
	rlk_machine_tick(&machine, START + 29698);
	assert_int_equal(machine.phase, RLK_OVER);
}

static void shorter_lease_counts_from_its_sending(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends(RLK_LOCK, "0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, NULL, START + 100);
	assert_false(rlk_machine_held(&machine, START + 1100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validity_counts_from_before_the_request),
		cmocka_unit_test(answer_that_comes_when_nothing_is_left_is_no_acquisition),
		cmocka_unit_test(nobody_queues_before_the_subscriptions_are_confirmed),
		cmocka_unit_test(grant_above_the_witnessed_fence_counts_from_the_anchor),
		cmocka_unit_test(grant_at_or_below_the_witnessed_fence_proves_nothing),
		cmocka_unit_test(late_grant_proves_nothing_and_the_next_lease_is_longer),
		cmocka_unit_test(hand_off_is_acknowledged_soon_and_not_mine_means_lost),
		cmocka_unit_test(answer_to_an_older_request_means_nothing),
		cmocka_unit_test(lost_answer_is_asked_for_again_with_the_same_token),
		cmocka_unit_test(release_whose_answer_was_lost_counts_as_released),
		cmocka_unit_test(deadline_brings_a_last_try_that_leaves_the_queue),
		cmocka_unit_test(last_try_without_an_answer_ends_and_leaves_something_to_clean_up),
		cmocka_unit_test(foremost_polls_at_half_of_the_hand_off_lease),
		cmocka_unit_test(spinner_pauses_and_never_queues),
		cmocka_unit_test(unanswered_renewals_end_at_the_local_validity),
		cmocka_unit_test(shorter_lease_counts_from_its_sending),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Waiting: the last try at the deadline, and subscriptions that come and go. */
#include "machine.h"

/* ---- the deadline ---- */

static void deadline_brings_a_last_try_that_leaves_the_queue(void **state)
{
	(void)state;
	make_waiting(300);
	assert_int_equal(rlk_machine_wake(&machine, START + 5), START + 300);
	rlk_machine_tick(&machine, START + 299);
	assert_sends_nothing(START + 299);
	rlk_machine_tick(&machine, START + 300);
	assert_int_equal(machine.phase, RLK_LEAVING);
	assert_locks("2", START + 300);
	answer(RLK_LOCK, busy(10), START + 300, START + 301);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_false(machine.ticket);
	assert_null(rlk_room_foremost(&room));
}

static void last_try_may_succeed(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_locks("2", START + 300);
	answer(RLK_LOCK, held(11), START + 300, START + 310);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 300 + TTL_SURE);
	assert_null(rlk_room_foremost(&room));
}

static void last_try_without_an_answer_ends_and_leaves_something_to_clean_up(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_locks("2", START + 300);
	assert_int_equal(rlk_machine_wake(&machine, START + 300), START + 300 + RLK_GRACE_MS);
	rlk_machine_tick(&machine, START + 300 + RLK_GRACE_MS - 1);
	assert_undecided();
	rlk_machine_tick(&machine, START + 300 + RLK_GRACE_MS);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_true(machine.ticket);
}

static void last_try_whose_answer_was_lost_is_made_again(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_locks("2", START + 300);
	rlk_machine_dropped(&machine, number, START + 310);
	assert_locks("2", START + 310);
	answer(RLK_LOCK, busy(10), START + 310, START + 311);
	assert_done(REDISLOCK_NOT_ACQUIRED);
}

/* Whatever it says must not be lost: it may be the lock. */
static void answer_that_is_due_at_the_deadline_is_waited_for(void **state)
{
	(void)state;
	make_waiting(600);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_tick(&machine, START + 600);
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_sends_nothing(START + 600);
	answer(RLK_LOCK, queued(10, false), START + 500, START + 610);
	assert_int_equal(machine.phase, RLK_LEAVING);
	assert_locks("2", START + 610);

	make_waiting(600);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_tick(&machine, START + 600);
	answer(RLK_LOCK, held(11), START + 500, START + 610);
	assert_done(REDISLOCK_OK);
}

static void first_answer_after_the_deadline_is_followed_by_a_last_try(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 100);
	assert_locks("0", START);
	rlk_machine_tick(&machine, START + 100);
	assert_int_equal(machine.phase, RLK_TRYING);
	answer(RLK_LOCK, busy(10), START, START + 120);
	assert_int_equal(machine.phase, RLK_LEAVING);
	assert_locks("2", START + 120);
	rlk_machine_tick(&machine, START + 100 + RLK_GRACE_MS);
	assert_done(REDISLOCK_NOT_ACQUIRED);
}

static void spinner_tries_once_more_at_its_deadline(void **state)
{
	(void)state;
	make_trying(RLK_SPIN, 150);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 100);
	assert_int_equal(rlk_machine_wake(&machine, START + 100), START + 150);
	rlk_machine_tick(&machine, START + 150);
	assert_locks("2", START + 150);
	answer(RLK_LOCK, held(11), START + 150, START + 151);
	assert_done(REDISLOCK_OK);
}

static void whoever_still_wants_to_listen_at_the_deadline_tries_once_more(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 150);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_int_equal(machine.phase, RLK_LISTENING);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_REFUSED, false, START + 100);
	assert_undecided();
	rlk_machine_tick(&machine, START + 150);
	assert_locks("2", START + 150);
	answer(RLK_LOCK, busy(10), START + 150, START + 151);
	assert_done(REDISLOCK_NOT_ACQUIRED);
}

static void last_try_that_holds_too_late_is_repeated_until_patience_ends(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 300);
	machine.ttl = 20;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	rlk_machine_tick(&machine, START + 300);
	assert_locks("2", START + 300);
	answer(RLK_LOCK, held(11), START + 300, START + 330);
	assert_undecided();
	assert_locks("2", START + 330);
	rlk_machine_tick(&machine, START + 300 + RLK_GRACE_MS);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_true(machine.ticket);
}

static void lease_that_no_answer_could_bring_in_time_is_not_asked_for_at_once(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 300);
	machine.ttl = 2;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START);
	assert_undecided();
	assert_sends_nothing(START + 9);
	assert_locks("0", START + 10);
}

static void assert_no_answer(enum rlk_script script, struct rlk_answer it)
{
	answer(script, it, START, START + 1);
	assert_done(REDISLOCK_PROTOCOL);
}

static void answers_of_other_scripts_are_none(void **state)
{
	(void)state;
	for (int spin = 0; spin < 2; spin++) {
		for (int mine = 0; mine < 2; mine++) {
			make_trying(spin ? RLK_SPIN : RLK_PUBSUB, 60000);
			assert_locks("0", START);
			assert_no_answer(RLK_LOCK, mine ? held(0) : told(RLK_NOT_MINE));
			assert_int_equal(machine.phase, RLK_IDLE);
		}
	}
	make_releasing();
	assert_no_answer(RLK_UNLOCK, queued(11, true));
	make_releasing();
	assert_no_answer(RLK_UNLOCK, busy(11));
	make_releasing();
	assert_no_answer(RLK_UNLOCK, held(12));
}

/* ---- subscriptions that come and go ---- */

static void waiter_asks_when_the_subscriptions_are_confirmed_again(void **state)
{
	(void)state;
	make_waiting(60000);
	room.listening = false;
	assert_sends_nothing(START + 100);
	room.listening = true;
	rlk_machine_listening(&machine, START + 100);
	assert_locks("1", START + 100);
	assert_int_equal(machine.phase, RLK_WAITING);
}

/* What is under way was sent while nobody listened. */
static void confirmed_subscriptions_overtake_a_poll_under_way(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_listening(&machine, START + 510);
	assert_locks("1", START + 510);
	rlk_machine_answer(&machine, RLK_LOCK, number - 1, START + 500, queued(50, false), START + 511);
	assert_int_equal(room.witness.fence, 10);
}

static void answer_without_a_queue_leaves_a_waiter_waiting(void **state)
{
	(void)state;
	make_waiting(60000);
	room.listening = false;
	rlk_machine_tick(&machine, START + 500);
	assert_locks("0", START + 500);
	answer(RLK_LOCK, busy(12), START + 500, START + 501);
	assert_undecided();
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_true(machine.ticket);
	assert_ptr_equal(rlk_room_foremost(&room), &machine);
	assert_int_equal(room.witness.fence, 12);
	assert_int_equal(rlk_machine_wake(&machine, START + 501), START + 1000);
}

/* The answer to a try that queued was lost, and with it the subscriptions: what comes next doesn't queue, and its being
 * busy doesn't tell whether the first one is in the queue. */
static void ticket_that_may_be_there_is_not_forgotten(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	room.listening = true;
	assert_locks("1", START);
	rlk_machine_dropped(&machine, number, START + 10);
	room.listening = false;
	assert_locks("0", START + 10);
	answer(RLK_LOCK, busy(10), START + 10, START + 11);
	assert_int_equal(machine.phase, RLK_LISTENING);
	assert_true(machine.ticket);
	rlk_machine_cancel(&machine, PATIENCE, START + 12);
	assert_sends(RLK_CANCEL, START + 12);
}

static void ticket_that_cannot_be_there_needs_no_cleaning(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_int_equal(machine.phase, RLK_LISTENING);
	assert_false(machine.ticket);

	make_trying(RLK_SPIN, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_int_equal(machine.phase, RLK_PAUSING);
	assert_false(machine.ticket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadline_brings_a_last_try_that_leaves_the_queue),
		cmocka_unit_test(last_try_may_succeed),
		cmocka_unit_test(last_try_without_an_answer_ends_and_leaves_something_to_clean_up),
		cmocka_unit_test(last_try_whose_answer_was_lost_is_made_again),
		cmocka_unit_test(answer_that_is_due_at_the_deadline_is_waited_for),
		cmocka_unit_test(first_answer_after_the_deadline_is_followed_by_a_last_try),
		cmocka_unit_test(spinner_tries_once_more_at_its_deadline),
		cmocka_unit_test(whoever_still_wants_to_listen_at_the_deadline_tries_once_more),
		cmocka_unit_test(last_try_that_holds_too_late_is_repeated_until_patience_ends),
		cmocka_unit_test(lease_that_no_answer_could_bring_in_time_is_not_asked_for_at_once),
		cmocka_unit_test(answers_of_other_scripts_are_none),
		cmocka_unit_test(waiter_asks_when_the_subscriptions_are_confirmed_again),
		cmocka_unit_test(confirmed_subscriptions_overtake_a_poll_under_way),
		cmocka_unit_test(answer_without_a_queue_leaves_a_waiter_waiting),
		cmocka_unit_test(ticket_that_may_be_there_is_not_forgotten),
		cmocka_unit_test(ticket_that_cannot_be_there_needs_no_cleaning),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

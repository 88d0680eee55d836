/* SPDX-License-Identifier: MIT
 *
 * Waits that are suspended and resumed, given up or forgotten. */
#include "machine.h"

/* ---- suspended and resumed ---- */

static void resumed_waiter_keeps_token_and_place_and_asks_at_once(void **state)
{
	struct rlk_machine other;
	(void)state;
	make_waiting(60000);
	make_another(&other, RLK_PUBSUB, 60000);
	rlk_machine_acquire(&other, RLK_LITERAL("other"), 7, PATIENCE, START);
	rlk_pubsub_queued(&other, &(struct rlk_answer) { .outcome = RLK_QUEUED }, START);
	rlk_machine_suspend(&machine);
	assert_true(rlk_machine_wake(&machine, START + 10) == RLK_NEVER);
	rlk_machine_tick(&machine, START + 100000);
	assert_undecided();
	rlk_machine_resume(&machine, PATIENCE, START + 100000);
	assert_undecided();
	assert_ptr_equal(rlk_room_foremost(&room), &machine);
	assert_locks("1", START + 100000);
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_int_equal(machine.deadline, START + 160000);
	assert_memory_equal(machine.token, TOKEN, sizeof TOKEN - 1);
}

static void resumed_waiter_need_not_be_the_foremost(void **state)
{
	struct rlk_machine first;
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	room.listening = true;
	make_another(&first, RLK_PUBSUB, 60000);
	rlk_machine_acquire(&first, RLK_LITERAL("first"), 7, PATIENCE, START);
	rlk_pubsub_queued(&first, &(struct rlk_answer) { .outcome = RLK_QUEUED }, START);
	assert_locks("1", START);
	answer(RLK_LOCK, queued(10, true), START, START + 5);
	rlk_machine_suspend(&machine);
	rlk_machine_resume(&machine, PATIENCE, START + 100);
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_ptr_equal(rlk_room_foremost(&room), &first);
	assert_ptr_equal(first.next, &machine);
}

static void resumed_try_is_a_try_again(void **state)
{
	(void)state;
	make_trying(RLK_SPIN, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	rlk_machine_suspend(&machine);
	rlk_machine_resume(&machine, PATIENCE, START + 10);
	assert_int_equal(machine.phase, RLK_TRYING);
	assert_locks("0", START + 10);
}

static void resumed_last_try_waits_again(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	rlk_machine_suspend(&machine);
	rlk_machine_resume(&machine, PATIENCE, START + 310);
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_false(machine.late);
	assert_locks("1", START + 310);
}

static void lock_that_came_meanwhile_is_had_when_resumed(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_suspend(&machine);
	answer(RLK_LOCK, held(11), START + 500, START + 510);
	rlk_machine_resume(&machine, PATIENCE, START + 600);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 500 + TTL_SURE);
	assert_sends(RLK_RENEW, START + 10500);
}

static void lock_that_came_and_went_meanwhile_is_asked_for_when_resumed(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_suspend(&machine);
	answer(RLK_LOCK, held(11), START + 500, START + 510);
	rlk_machine_resume(&machine, PATIENCE, START + 500 + TTL_SURE);
	assert_undecided();
	assert_locks("1", START + 500 + TTL_SURE);
	answer(RLK_LOCK, queued(20, true), START + 500 + TTL_SURE, START + 31000);
	assert_int_equal(machine.phase, RLK_WAITING);
}

/* A grant may be followed by another one: believing it without doing anything about it would be in vain. */
static void grant_to_a_suspended_waiter_is_asked_about_when_resumed(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_suspend(&machine);
	assert_true(grant(11, START + 100));
	assert_undecided();
	rlk_machine_resume(&machine, PATIENCE, START + 200);
	assert_locks("1", START + 200);
	answer(RLK_LOCK, held(11), START + 200, START + 201);
	assert_done(REDISLOCK_OK);
}

static void request_of_a_suspended_waiter_that_got_lost_waits_for_its_return(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_suspend(&machine);
	rlk_machine_dropped(&machine, number, START + 510);
	assert_sends_nothing(START + 510);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_REFUSED, true, START + 520);
	assert_undecided();
	rlk_machine_listening(&machine, START + 530);
	assert_sends_nothing(START + 530);
	rlk_machine_resume(&machine, PATIENCE, START + 540);
	assert_locks("1", START + 540);
}

/* The wait may be set while it is suspended. */
static void ticket_of_a_wait_resumed_for_a_single_try_is_not_forgotten(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_suspend(&machine);
	machine.wait = 0;
	rlk_machine_resume(&machine, PATIENCE, START + 100);
	assert_locks("0", START + 100);
	answer(RLK_LOCK, busy(10), START + 100, START + 101);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
}

/* ---- given up ---- */

static void cancelled_wait_leaves_the_queue(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_suspend(&machine);
	rlk_machine_cancel(&machine, PATIENCE, START + 10);
	assert_undecided();
	assert_null(rlk_room_foremost(&room));
	assert_int_equal(rlk_machine_wake(&machine, START + 10), START + 10 + PATIENCE);
	assert_sends(RLK_CANCEL, START + 10);
	answer(RLK_CANCEL, told(RLK_HELD), START + 10, START + 11);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_false(machine.ticket);
}

static void cancel_of_what_the_server_never_saw_is_done_at_once(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	rlk_machine_suspend(&machine);
	rlk_machine_cancel(&machine, PATIENCE, START + 10);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_false(machine.suspended);
	assert_sends_nothing(START + 10);
}

static void cancel_is_repeated_until_it_is_answered(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_cancel(&machine, PATIENCE, START + 10);
	assert_sends(RLK_CANCEL, START + 10);
	rlk_machine_dropped(&machine, number, START + 20);
	assert_sends(RLK_CANCEL, START + 20);
	answer(RLK_CANCEL, told(RLK_MORE), START + 20, START + 21);
	assert_sends(RLK_CANCEL, START + 21);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_TRY_AGAIN, START + 22);
	assert_sends_nothing(START + 31);
	assert_sends(RLK_CANCEL, START + 32);
	answer(RLK_CANCEL, told(RLK_HELD), START + 32, START + 33);
	assert_done(REDISLOCK_OK);
}

static void cancel_without_an_answer_ends_and_leaves_something_to_clean_up(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_cancel(&machine, PATIENCE, START + 10);
	assert_sends(RLK_CANCEL, START + 10);
	rlk_machine_tick(&machine, START + 9 + PATIENCE);
	assert_undecided();
	rlk_machine_tick(&machine, START + 10 + PATIENCE);
	assert_done(REDISLOCK_TIMEOUT);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
}

static void cancel_that_is_refused_is_over(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_cancel(&machine, PATIENCE, START + 10);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_REFUSED, false, START + 20);
	assert_sends(RLK_CANCEL, START + 30);
	rlk_machine_error(&machine, number, REDISLOCK_PERMISSION, RLK_GIVE_UP, START + 40);
	assert_done(REDISLOCK_PERMISSION);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);

	make_waiting(60000);
	rlk_machine_cancel(&machine, PATIENCE, START + 10);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_REFUSED, false, START + 20);
	rlk_machine_tick(&machine, START + 10 + PATIENCE);
	assert_done(REDISLOCK_CONNECTION_REFUSED);
}

static void lock_that_came_meanwhile_is_given_up_too(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_suspend(&machine);
	answer(RLK_LOCK, held(11), START + 500, START + 510);
	rlk_machine_cancel(&machine, PATIENCE, START + 600);
	assert_false(rlk_machine_held(&machine, START + 600));
	assert_sends(RLK_CANCEL, START + 600);
	rlk_machine_dropped(&machine, number, START + 610);
	assert_sends(RLK_CANCEL, START + 610);
	answer(RLK_CANCEL, told(RLK_HELD), START + 610, START + 611);
	assert_done(REDISLOCK_OK);
	/* "Done" is no holding: nothing was learnt of the fence. */
	assert_int_equal(room.witness.at, START + 500);
}

static void abandoned_machine_tells_whether_the_server_may_know_its_token(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	rlk_machine_abandon(&machine);
	assert_false(machine.ticket);
	assert_int_equal(machine.phase, RLK_IDLE);

	make_waiting(60000);
	rlk_machine_suspend(&machine);
	rlk_machine_abandon(&machine);
	assert_true(machine.ticket);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_false(machine.suspended);
	assert_null(rlk_room_foremost(&room));
	assert_sends_nothing(START + 60000);

	make_holding();
	rlk_machine_abandon(&machine);
	assert_true(machine.ticket);
	assert_false(rlk_machine_held(&machine, START + 10));
	assert_false(rlk_machine_in_background(&machine));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resumed_waiter_keeps_token_and_place_and_asks_at_once),
		cmocka_unit_test(resumed_waiter_need_not_be_the_foremost),
		cmocka_unit_test(resumed_try_is_a_try_again),
		cmocka_unit_test(resumed_last_try_waits_again),
		cmocka_unit_test(lock_that_came_meanwhile_is_had_when_resumed),
		cmocka_unit_test(lock_that_came_and_went_meanwhile_is_asked_for_when_resumed),
		cmocka_unit_test(grant_to_a_suspended_waiter_is_asked_about_when_resumed),
		cmocka_unit_test(request_of_a_suspended_waiter_that_got_lost_waits_for_its_return),
		cmocka_unit_test(ticket_of_a_wait_resumed_for_a_single_try_is_not_forgotten),
		cmocka_unit_test(cancelled_wait_leaves_the_queue),
		cmocka_unit_test(cancel_of_what_the_server_never_saw_is_done_at_once),
		cmocka_unit_test(cancel_is_repeated_until_it_is_answered),
		cmocka_unit_test(cancel_without_an_answer_ends_and_leaves_something_to_clean_up),
		cmocka_unit_test(cancel_that_is_refused_is_over),
		cmocka_unit_test(lock_that_came_meanwhile_is_given_up_too),
		cmocka_unit_test(abandoned_machine_tells_whether_the_server_may_know_its_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

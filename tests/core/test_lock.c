/* SPDX-License-Identifier: MIT
 *
 * Acquiring: what every answer, error and broken connection does to a try. */
#include "machine.h"

/* ---- answers ---- */

static void validity_counts_from_before_the_request(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 700);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_int_equal(machine.fence, 11);
	assert_held_until(START + TTL_SURE);
}

static void answer_that_comes_when_nothing_is_left_is_no_acquisition(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + TTL_SURE);
	assert_undecided();
	assert_false(rlk_machine_held(&machine, START + TTL_SURE));
	assert_locks("0", START + TTL_SURE);
	answer(RLK_LOCK, held(11), START + TTL_SURE, START + TTL_SURE + 1);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + TTL_SURE + TTL_SURE);
}

static void answer_with_one_ms_left_is_an_acquisition(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + TTL_SURE - 1);
	assert_done(REDISLOCK_OK);
}

static void single_try_that_finds_it_busy_is_over(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 0);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_false(machine.ticket);
}

static void single_try_of_a_spinner_does_not_spin(void **state)
{
	(void)state;
	make_trying(RLK_SPIN, 0);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	assert_sends_nothing(START + 1000);
}

static void too_many_dead_before_me_means_ask_again_at_once(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 0);
	assert_locks("0", START);
	answer(RLK_LOCK, told(RLK_MORE), START, START + 1);
	assert_undecided();
	assert_locks("0", START + 1);
	answer(RLK_LOCK, told(RLK_MORE), START + 1, START + 2);
	assert_locks("0", START + 2);

	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	answer(RLK_LOCK, told(RLK_MORE), START + 500, START + 501);
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_locks("1", START + 501);

	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_locks("2", START + 300);
	answer(RLK_LOCK, told(RLK_MORE), START + 300, START + 301);
	assert_locks("2", START + 301);
}

static void answer_that_makes_no_sense_ends_it_and_leaves_something_to_clean_up(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, told(RLK_MALFORMED), START, START + 1);
	assert_done(REDISLOCK_PROTOCOL);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
}

static void answer_to_an_older_request_means_nothing(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	uint32_t older = number;
	rlk_machine_dropped(&machine, older, START + 1);
	rlk_machine_answer(&machine, RLK_LOCK, older, START, held(11), START + 2);
	assert_undecided();
	assert_int_equal(machine.phase, RLK_TRYING);
	assert_locks("0", START + 3);
	rlk_machine_answer(&machine, RLK_LOCK, older, START, held(11), START + 4);
	assert_undecided();
	assert_true(room.witness.at == INT64_MIN);
}

/* ---- lost connections ---- */

static void lost_answer_is_asked_for_again_with_the_same_token(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	rlk_machine_dropped(&machine, number, START + 10);
	assert_true(rlk_machine_ready(&machine, START + 10));
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|0|client|me", START + 20);
	answer(RLK_LOCK, held(11), START + 20, START + 21);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 20 + TTL_SURE);
}

static void passing_trouble_is_told_if_no_answer_ever_comes(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 1000);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_LOST, false, START + 10);
	assert_undecided();
	assert_true(rlk_machine_ready(&machine, START + 20));
	rlk_machine_tick(&machine, START + 1000 + RLK_GRACE_MS);
	assert_done(REDISLOCK_CONNECTION_LOST);
	assert_false(machine.ticket);
}

static void trouble_of_an_earlier_acquisition_is_forgotten(void **state)
{
	(void)state;
	passing_trouble_is_told_if_no_answer_ever_comes(NULL);
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START + 2000);
	rlk_machine_tick(&machine, START + 3000 + RLK_GRACE_MS);
	assert_done(REDISLOCK_TIMEOUT);
}

static void final_trouble_ends_it_at_once(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	rlk_machine_trouble(&machine, REDISLOCK_AUTHENTICATION, true, START + 10);
	assert_done(REDISLOCK_AUTHENTICATION);
	assert_int_equal(machine.phase, RLK_IDLE);

	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_int_equal(machine.phase, RLK_LISTENING);
	rlk_machine_trouble(&machine, REDISLOCK_PERMISSION, true, START + 10);
	assert_done(REDISLOCK_PERMISSION);
}

static void trouble_is_none_of_a_waiters_with_nothing_to_send(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_LOST, true, START + 10);
	assert_undecided();
	assert_int_equal(machine.phase, RLK_WAITING);
}

/* ---- errors ---- */

static void error_that_passes_is_waited_for_longer_and_longer(void **state)
{
	static const int64_t pauses[] = { 10, 20, 40, 80, 160, 320, 640, 640, 640 };
	static const enum rlk_remedy remedies[] = { RLK_TRY_AGAIN, RLK_RECONNECT };
	(void)state;
	for (size_t k = 0; k < 2; k++) {
		int64_t now = START;
		make_trying(RLK_PUBSUB, 60000);
		for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
			assert_locks("0", now);
			rlk_machine_error(&machine, number, REDISLOCK_SERVER, remedies[k], now);
			assert_undecided();
			assert_int_equal(rlk_machine_wake(&machine, now), now + pauses[i]);
			assert_sends_nothing(now + pauses[i] - 1);
			now += pauses[i];
		}
		assert_locks("0", now);
		answer(RLK_LOCK, told(RLK_MORE), now, now);
		assert_locks("0", now);
		rlk_machine_error(&machine, number, REDISLOCK_SERVER, remedies[k], now);
		assert_int_equal(rlk_machine_wake(&machine, now), now + 10);
	}
}

static void error_that_does_not_pass_in_time_is_told(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 100);
	assert_locks("0", START);
	rlk_machine_error(&machine, number, REDISLOCK_READ_ONLY, RLK_RECONNECT, START + 1);
	rlk_machine_tick(&machine, START + 100 + RLK_GRACE_MS);
	assert_done(REDISLOCK_READ_ONLY);
}

static void unknown_script_is_sent_at_once_and_is_no_failure(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 0);
	assert_locks("0", START);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_SEND_SCRIPT, START + 1);
	assert_locks("0", START + 1);
	assert_int_equal(machine.trouble, REDISLOCK_OK);
	answer(RLK_LOCK, held(11), START + 1, START + 2);
	assert_done(REDISLOCK_OK);
}

static void error_that_does_not_pass_goes_to_the_caller_and_leaves_something_to_clean_up(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	rlk_machine_error(&machine, number, REDISLOCK_WRONG_TYPE, RLK_GIVE_UP, START + 1);
	assert_done(REDISLOCK_WRONG_TYPE);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);

	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	rlk_machine_error(&machine, number, REDISLOCK_PERMISSION, RLK_GIVE_UP, START + 501);
	assert_done(REDISLOCK_PERMISSION);
	assert_null(rlk_room_foremost(&room));
	assert_true(machine.ticket);
}

/* ---- patience ---- */

static void single_try_without_an_answer_ends_with_its_patience(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 0);
	assert_locks("0", START);
	assert_int_equal(rlk_machine_wake(&machine, START), START + PATIENCE);
	rlk_machine_tick(&machine, START + PATIENCE - 1);
	assert_undecided();
	rlk_machine_tick(&machine, START + PATIENCE);
	assert_done(REDISLOCK_TIMEOUT);
	assert_true(machine.ticket);
}

static void wait_without_an_answer_ends_soon_after_its_deadline(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 1000);
	assert_locks("0", START);
	assert_int_equal(rlk_machine_wake(&machine, START), START + 1000);
	rlk_machine_tick(&machine, START + 1000);
	assert_undecided();
	assert_int_equal(rlk_machine_wake(&machine, START + 1000), START + 1000 + RLK_GRACE_MS);
	rlk_machine_tick(&machine, START + 1000 + RLK_GRACE_MS - 1);
	assert_undecided();
	rlk_machine_tick(&machine, START + 1000 + RLK_GRACE_MS);
	assert_done(REDISLOCK_TIMEOUT);
}

static void endless_wait_has_no_end(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, -1);
	assert_locks("0", START);
	assert_true(rlk_machine_wake(&machine, START) == RLK_NEVER);
	rlk_machine_tick(&machine, RLK_NEVER - 1);
	assert_undecided();
}

static void wait_beyond_all_time_has_no_end(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, INT64_MAX);
	assert_true(machine.deadline == RLK_NEVER);
	assert_true(machine.end_at == RLK_NEVER);
	make_trying(RLK_PUBSUB, RLK_NEVER - 1 - START);
	assert_true(machine.deadline == RLK_NEVER - 1);
	assert_true(machine.end_at == RLK_NEVER);
}

static void tries_that_are_answered_late_end_as_not_acquired(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 0);
	assert_locks("0", START);
	answer(RLK_LOCK, told(RLK_MORE), START, START + 1);
	rlk_machine_tick(&machine, START + PATIENCE);
	assert_done(REDISLOCK_NOT_ACQUIRED);
}

/* ---- once more ---- */

static void held_lock_is_not_acquired_twice(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_acquire(&machine, RLK_LITERAL("other"), 7, PATIENCE, START + 100);
	assert_done(REDISLOCK_IN_USE);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_held_until(START + TTL_SURE);
	assert_int_equal(machine.token_length, sizeof TOKEN - 1);
}

static void renewed_lease_that_was_lost_is_told_before_it_is_acquired_again(void **state)
{
	(void)state;
	make_lost();
	rlk_machine_acquire(&machine, RLK_LITERAL("other"), 7, PATIENCE, START + 40000);
	assert_done(REDISLOCK_LOST);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
	rlk_machine_acquire(&machine, RLK_LITERAL("other"), 7, PATIENCE, START + 40001);
	assert_undecided();
	assert_locks("0", START + 40001);
}

static void renewed_lease_that_ran_out_unnoticed_is_told_too(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_acquire(&machine, RLK_LITERAL("other"), 7, PATIENCE, START + TTL_SURE);
	assert_done(REDISLOCK_LOST);
	assert_int_equal(machine.phase, RLK_IDLE);
}

static void lease_that_was_to_run_out_may_be_followed_by_another(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	machine.renew = false;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	assert_true(rlk_machine_wake(&machine, START + 1) == START + TTL_SURE);
	rlk_machine_tick(&machine, START + TTL_SURE);
	rlk_machine_acquire(&machine, RLK_LITERAL("other"), 7, PATIENCE, START + 40000);
	assert_undecided();
	assert_int_equal(machine.token_length, 5);
	assert_memory_equal(machine.token, "other", 5);
	assert_locks("0", START + 40000);
}

static void every_acquisition_starts_afresh(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_locks("2", START + 300);
	answer(RLK_LOCK, busy(10), START + 300, START + 301);
	assert_done(REDISLOCK_NOT_ACQUIRED);
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 0, PATIENCE, START + 400);
	assert_undecided();
	assert_false(machine.answered);
	assert_false(machine.late);
	assert_false(machine.ticket);
	assert_int_equal(machine.jitter, 1);
	assert_int_equal(machine.deadline, START + 700);
	assert_locks("1", START + 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(validity_counts_from_before_the_request),
		cmocka_unit_test(answer_that_comes_when_nothing_is_left_is_no_acquisition),
		cmocka_unit_test(answer_with_one_ms_left_is_an_acquisition),
		cmocka_unit_test(single_try_that_finds_it_busy_is_over),
		cmocka_unit_test(single_try_of_a_spinner_does_not_spin),
		cmocka_unit_test(too_many_dead_before_me_means_ask_again_at_once),
		cmocka_unit_test(answer_that_makes_no_sense_ends_it_and_leaves_something_to_clean_up),
		cmocka_unit_test(answer_to_an_older_request_means_nothing),
		cmocka_unit_test(lost_answer_is_asked_for_again_with_the_same_token),
		cmocka_unit_test(passing_trouble_is_told_if_no_answer_ever_comes),
		cmocka_unit_test(trouble_of_an_earlier_acquisition_is_forgotten),
		cmocka_unit_test(final_trouble_ends_it_at_once),
		cmocka_unit_test(trouble_is_none_of_a_waiters_with_nothing_to_send),
		cmocka_unit_test(error_that_passes_is_waited_for_longer_and_longer),
		cmocka_unit_test(error_that_does_not_pass_in_time_is_told),
		cmocka_unit_test(unknown_script_is_sent_at_once_and_is_no_failure),
		cmocka_unit_test(error_that_does_not_pass_goes_to_the_caller_and_leaves_something_to_clean_up),
		cmocka_unit_test(single_try_without_an_answer_ends_with_its_patience),
		cmocka_unit_test(wait_without_an_answer_ends_soon_after_its_deadline),
		cmocka_unit_test(endless_wait_has_no_end),
		cmocka_unit_test(wait_beyond_all_time_has_no_end),
		cmocka_unit_test(tries_that_are_answered_late_end_as_not_acquired),
		cmocka_unit_test(held_lock_is_not_acquired_twice),
		cmocka_unit_test(renewed_lease_that_was_lost_is_told_before_it_is_acquired_again),
		cmocka_unit_test(renewed_lease_that_ran_out_unnoticed_is_told_too),
		cmocka_unit_test(lease_that_was_to_run_out_may_be_followed_by_another),
		cmocka_unit_test(every_acquisition_starts_afresh),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

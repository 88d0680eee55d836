/* SPDX-License-Identifier: MIT
 *
 * Releasing: once, whatever gets lost, and never with a wrong answer. */
#include "machine.h"

static void release_ends_the_hold(void **state)
{
	(void)state;
	make_releasing();
	assert_undecided();
	answer(RLK_UNLOCK, told(RLK_HELD), START + 10, START + 11);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_false(rlk_machine_held(&machine, START + 11));
	assert_false(machine.ticket);
	assert_true(rlk_machine_wake(&machine, START + 11) == RLK_NEVER);
}

static void release_of_what_is_not_held_says_so(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	rlk_machine_release(&machine, PATIENCE, START);
	assert_done(REDISLOCK_NOT_OWNED);
	assert_sends_nothing(START);
}

static void release_of_a_lock_that_is_not_owned_any_more_says_lost(void **state)
{
	(void)state;
	make_releasing();
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 10, START + 11);
	assert_done(REDISLOCK_LOST);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_false(rlk_machine_held(&machine, START + 11));
	/* A LOCK that was on its way too long may have queued once more: CANCEL follows. */
	assert_true(machine.ticket);
}

static void release_after_the_local_validity_may_still_find_it(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + TTL_SURE);
	assert_sends(RLK_UNLOCK, START + TTL_SURE);
	answer(RLK_UNLOCK, told(RLK_HELD), START + TTL_SURE, START + TTL_SURE + 1);
	assert_done(REDISLOCK_OK);
}

static void too_many_dead_waiters_mean_release_again_at_once(void **state)
{
	(void)state;
	make_releasing();
	answer(RLK_UNLOCK, told(RLK_MORE), START + 10, START + 11);
	assert_undecided();
	assert_sends(RLK_UNLOCK, START + 11);
}

/* ---- renewal ends before the release is sent ---- */

static void nothing_is_renewed_once_the_release_was_asked_for(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + 9000);
	assert_false(rlk_machine_in_background(&machine));
	assert_sends(RLK_UNLOCK, START + 9000);
	assert_sends_nothing(START + 20000);
	assert_int_equal(rlk_machine_wake(&machine, START + 9000), START + 9000 + PATIENCE);

	make_handed();
	rlk_machine_release(&machine, PATIENCE, START + 310);
	assert_sends(RLK_UNLOCK, START + 310);
	assert_sends_nothing(START + 900);
}

static void answer_to_a_renewal_under_way_means_nothing_to_a_release(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	uint32_t renewal = number;
	rlk_machine_release(&machine, PATIENCE, START + 10010);
	assert_sends(RLK_UNLOCK, START + 10010);
	rlk_machine_answer(&machine, RLK_RENEW, renewal, START + 10000, told(RLK_NOT_MINE), START + 10020);
	assert_undecided();
	rlk_machine_dropped(&machine, renewal, START + 10020);
	assert_sends_nothing(START + 10020);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 10010, START + 10021);
	assert_done(REDISLOCK_OK);
}

/* ---- lost replies ---- */

static void release_whose_answer_was_lost_counts_as_released(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_dropped(&machine, number, START + 20);
	assert_sends(RLK_UNLOCK, START + 30);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 30, START + 31);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
}

static void release_within_the_validity_counts_even_if_its_answer_was_lost_and_the_retry_is_late(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + TTL_SURE - 1);
	assert_sends(RLK_UNLOCK, START + TTL_SURE - 1);
	rlk_machine_dropped(&machine, number, START + TTL_SURE + 100);
	assert_sends(RLK_UNLOCK, START + TTL_SURE + 100);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + TTL_SURE + 100, START + TTL_SURE + 101);
	assert_done(REDISLOCK_OK);
}

static void release_after_the_validity_whose_answer_was_lost_says_lost(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + TTL_SURE);
	assert_sends(RLK_UNLOCK, START + TTL_SURE);
	rlk_machine_dropped(&machine, number, START + TTL_SURE + 10);
	assert_sends(RLK_UNLOCK, START + TTL_SURE + 10);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + TTL_SURE + 10, START + TTL_SURE + 11);
	assert_done(REDISLOCK_LOST);
}

/* It was lost in the past: no UNLOCK is in doubt. */
static void extension_whose_answer_was_lost_does_not_make_a_lost_lock_released(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 10);
	assert_sends(RLK_EXTEND, START + 10);
	rlk_machine_dropped(&machine, number, START + 20);
	assert_sends(RLK_EXTEND, START + 20);
	answer(RLK_EXTEND, told(RLK_HELD), START + 20, START + 21);
	rlk_machine_release(&machine, PATIENCE, START + 30);
	assert_sends(RLK_UNLOCK, START + 30);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 30, START + 31);
	assert_done(REDISLOCK_LOST);

	make_holding();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 10);
	assert_sends(RLK_EXTEND, START + 10);
	rlk_machine_dropped(&machine, number, START + 20);
	assert_sends(RLK_EXTEND, START + 20);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_GIVE_UP, START + 21);
	assert_true(rlk_machine_held(&machine, START + 30));
	rlk_machine_release(&machine, PATIENCE, START + 30);
	assert_sends(RLK_UNLOCK, START + 30);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 30, START + 31);
	assert_done(REDISLOCK_LOST);
}

static void lock_whose_answer_was_lost_does_not_make_a_lost_lock_released(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	rlk_machine_dropped(&machine, number, START + 10);
	assert_locks("0", START + 10);
	answer(RLK_LOCK, held(11), START + 10, START + 11);
	rlk_machine_release(&machine, PATIENCE, START + 30);
	assert_sends(RLK_UNLOCK, START + 30);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 30, START + 31);
	assert_done(REDISLOCK_LOST);
}

/* ---- failures ---- */

static void release_that_passing_errors_delay_is_sent_again(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_TRY_AGAIN, START + 20);
	assert_sends_nothing(START + 29);
	assert_sends(RLK_UNLOCK, START + 30);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_SEND_SCRIPT, START + 31);
	assert_sends(RLK_UNLOCK, START + 31);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 31, START + 32);
	assert_done(REDISLOCK_OK);
}

/* Its slot moves, and the other keys are elsewhere or nowhere. */
static void release_can_do_with_the_lock_alone(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_TRY_ALONE, START + 20);
	assert_request(RLK_UNLOCK, "1|foo|" TOKEN "|0", START + 20);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_TRY_ALONE, START + 21);
	assert_sends_nothing(START + 30);
	assert_request(RLK_UNLOCK, "1|foo|" TOKEN "|0", START + 31);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 31, START + 32);
	assert_done(REDISLOCK_OK);
	assert_false(machine.alone);
}

static void redirection_is_followed_at_once_but_not_in_circles(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_REDIRECT, START + 20);
	assert_sends(RLK_UNLOCK, START + 20);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_REDIRECT, START + 21);
	assert_sends_nothing(START + 40);
	assert_sends(RLK_UNLOCK, START + 41);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 41, START + 42);
	assert_done(REDISLOCK_OK);
}

static void refused_release_leaves_the_hold_as_it_was_but_renews_it_no_more(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_error(&machine, number, REDISLOCK_PERMISSION, RLK_GIVE_UP, START + 20);
	assert_done(REDISLOCK_PERMISSION);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_held_until(START + TTL_SURE);
	assert_false(rlk_machine_in_background(&machine));
	assert_sends_nothing(START + 20000);
	rlk_machine_release(&machine, PATIENCE, START + 20001);
	assert_sends(RLK_UNLOCK, START + 20001);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 20001, START + 20002);
	assert_done(REDISLOCK_LOST);
}

static void release_that_makes_no_sense_can_be_tried_again(void **state)
{
	(void)state;
	make_releasing();
	answer(RLK_UNLOCK, told(RLK_MALFORMED), START + 10, START + 11);
	assert_done(REDISLOCK_PROTOCOL);
	rlk_machine_release(&machine, PATIENCE, START + 20);
	assert_sends(RLK_UNLOCK, START + 20);
}

static void release_without_a_connection_ends_with_its_patience(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + 10);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_REFUSED, false, START + 20);
	assert_int_equal(rlk_machine_wake(&machine, START + 20), START + 10 + PATIENCE);
	rlk_machine_tick(&machine, START + 9 + PATIENCE);
	assert_undecided();
	rlk_machine_tick(&machine, START + 10 + PATIENCE);
	assert_done(REDISLOCK_CONNECTION_REFUSED);
	/* Nothing was sent: it is held for sure, and a later release that doesn't find it tells of a loss. */
	assert_held_until(START + TTL_SURE);
	rlk_machine_release(&machine, PATIENCE, START + 20000);
	assert_sends(RLK_UNLOCK, START + 20000);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 20000, START + 20001);
	assert_done(REDISLOCK_LOST);
}

static void release_that_was_given_up_unanswered_may_have_released(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_tick(&machine, START + 10 + PATIENCE);
	assert_done(REDISLOCK_TIMEOUT);
	rlk_machine_release(&machine, PATIENCE, START + 20000);
	assert_sends(RLK_UNLOCK, START + 20000);
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 20000, START + 20001);
	assert_done(REDISLOCK_OK);
}

/* Somebody else may hold the lock from the moment on when the release was sent. */
static void lock_under_release_is_not_believed_to_be_held(void **state)
{
	(void)state;
	make_holding();
	assert_true(rlk_machine_held(&machine, START + 10));
	rlk_machine_release(&machine, PATIENCE, START + 10);
	assert_sends(RLK_UNLOCK, START + 10);
	assert_false(rlk_machine_held(&machine, START + 10));
	rlk_machine_dropped(&machine, number, START + 20);
	assert_false(rlk_machine_held(&machine, START + 20));
	rlk_machine_tick(&machine, START + 10 + PATIENCE);
	assert_done(REDISLOCK_TIMEOUT);
	assert_false(rlk_machine_held(&machine, START + 10 + PATIENCE));
	/* Nor is it free for another acquisition. */
	rlk_machine_acquire(&machine, RLK_LITERAL("other"), 7, PATIENCE, START + 20000);
	assert_done(REDISLOCK_IN_USE);
	rlk_machine_release(&machine, PATIENCE, START + 20001);
	assert_sends(RLK_UNLOCK, START + 20001);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 20001, START + 20002);
	assert_done(REDISLOCK_OK);
}

/* That the lock is there still says nothing: the release may come after the extension. */
static void hold_whose_release_got_no_answer_is_not_extended(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_dropped(&machine, number, START + 20);
	rlk_machine_tick(&machine, START + 10 + PATIENCE);
	assert_done(REDISLOCK_TIMEOUT);
	rlk_machine_extend(&machine, TTL, PATIENCE, START + 20000);
	assert_done(REDISLOCK_NOT_OWNED);
	assert_sends_nothing(START + 20000);
	assert_false(rlk_machine_held(&machine, START + 20000));
	rlk_machine_release(&machine, PATIENCE, START + 20001);
	assert_sends(RLK_UNLOCK, START + 20001);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 20001, START + 20002);
	assert_done(REDISLOCK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(release_ends_the_hold),
		cmocka_unit_test(release_of_what_is_not_held_says_so),
		cmocka_unit_test(release_of_a_lock_that_is_not_owned_any_more_says_lost),
		cmocka_unit_test(release_after_the_local_validity_may_still_find_it),
		cmocka_unit_test(too_many_dead_waiters_mean_release_again_at_once),
		cmocka_unit_test(nothing_is_renewed_once_the_release_was_asked_for),
		cmocka_unit_test(answer_to_a_renewal_under_way_means_nothing_to_a_release),
		cmocka_unit_test(release_whose_answer_was_lost_counts_as_released),
		cmocka_unit_test(release_within_the_validity_counts_even_if_its_answer_was_lost_and_the_retry_is_late),
		cmocka_unit_test(release_after_the_validity_whose_answer_was_lost_says_lost),
		cmocka_unit_test(extension_whose_answer_was_lost_does_not_make_a_lost_lock_released),
		cmocka_unit_test(lock_whose_answer_was_lost_does_not_make_a_lost_lock_released),
		cmocka_unit_test(release_that_passing_errors_delay_is_sent_again),
		cmocka_unit_test(release_can_do_with_the_lock_alone),
		cmocka_unit_test(redirection_is_followed_at_once_but_not_in_circles),
		cmocka_unit_test(refused_release_leaves_the_hold_as_it_was_but_renews_it_no_more),
		cmocka_unit_test(release_that_makes_no_sense_can_be_tried_again),
		cmocka_unit_test(release_without_a_connection_ends_with_its_patience),
		cmocka_unit_test(release_that_was_given_up_unanswered_may_have_released),
		cmocka_unit_test(lock_under_release_is_not_believed_to_be_held),
		cmocka_unit_test(hold_whose_release_got_no_answer_is_not_extended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

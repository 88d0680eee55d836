/* SPDX-License-Identifier: MIT
 *
 * Another lease for a held lock, and none at all. */
#include "machine.h"

/* ---- another lease ---- */

static void extended_lease_counts_from_the_sending_and_is_renewed_as_such(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 100);
	assert_undecided();
	assert_sends(RLK_EXTEND, START + 110);
	answer(RLK_EXTEND, told(RLK_HELD), START + 110, START + 120);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_held_until(START + 110 + 6000 - 60 - 2);
	assert_sends(RLK_RENEW, START + 2110);
	answer(RLK_RENEW, told(RLK_HELD), START + 2110, START + 2111);
	assert_held_until(START + 2110 + 6000 - 60 - 2);
}

static void extension_of_a_lost_lock_says_lost(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	answer(RLK_EXTEND, told(RLK_NOT_MINE), START + 100, START + 101);
	assert_done(REDISLOCK_LOST);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
}

static void extension_after_the_lease_ran_out_says_lost(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + TTL_SURE);
	assert_done(REDISLOCK_LOST);
	assert_int_equal(machine.phase, RLK_IDLE);
}

static void extension_whose_lease_runs_out_meanwhile_says_lost(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 60000, PATIENCE, START + 25000);
	assert_sends(RLK_EXTEND, START + 25000);
	assert_int_equal(rlk_machine_wake(&machine, START + 25000), START + TTL_SURE);
	rlk_machine_tick(&machine, START + TTL_SURE);
	assert_done(REDISLOCK_LOST);
	assert_int_equal(machine.phase, RLK_IDLE);
}

static void extension_of_what_is_not_held_says_so(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	rlk_machine_extend(&machine, 6000, PATIENCE, START);
	assert_done(REDISLOCK_NOT_OWNED);
}

static void answer_to_a_renewal_that_an_extension_overtook_means_nothing(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	uint32_t renewal = number;
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 10001);
	assert_sends(RLK_EXTEND, START + 10001);
	rlk_machine_answer(&machine, RLK_RENEW, renewal, START + 10000, told(RLK_HELD), START + 10002);
	assert_held_until(START + 10001 + 988);
	assert_undecided();
}

static void extension_that_got_lost_is_sent_again(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	rlk_machine_dropped(&machine, number, START + 200);
	assert_sends(RLK_EXTEND, START + 200);
	assert_held_until(START + 100 + 5938);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_TRY_AGAIN, START + 210);
	assert_sends(RLK_EXTEND, START + 220);
	answer(RLK_EXTEND, told(RLK_HELD), START + 220, START + 221);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 220 + 5938);
}

static void extension_that_fails_goes_back_to_the_former_lease(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 60000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	rlk_machine_error(&machine, number, REDISLOCK_PERMISSION, RLK_GIVE_UP, START + 101);
	assert_done(REDISLOCK_PERMISSION);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_int_equal(machine.lease, TTL);
	assert_held_until(START + TTL_SURE);

	make_holding();
	rlk_machine_extend(&machine, 60000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	assert_int_equal(rlk_machine_wake(&machine, START + 100), START + 10000);
	rlk_machine_tick(&machine, START + 100 + PATIENCE - 1);
	assert_undecided();
	rlk_machine_tick(&machine, START + 100 + PATIENCE);
	assert_done(REDISLOCK_TIMEOUT);
	assert_int_equal(machine.lease, TTL);
	answer(RLK_EXTEND, told(RLK_HELD), START + 100, START + 100 + PATIENCE + 1);
	assert_held_until(START + TTL_SURE);
	assert_request(RLK_RENEW, "1|foo|" TOKEN "|30000", START + 10200);
}

/* The shorter lease counts as soon as it is sent. What is to be renewed needs that before it is over, not at a third of
 * the longer one. */
static void shorter_extension_that_fails_does_not_end_a_renewed_lease(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_GIVE_UP, START + 101);
	assert_done(REDISLOCK_SERVER);
	assert_held_until(START + 100 + 988);
	assert_sends(RLK_RENEW, START + 101);
	answer(RLK_RENEW, told(RLK_HELD), START + 101, START + 102);
	assert_held_until(START + 101 + TTL_SURE);
}

static void extension_that_fails_leaves_it_to_a_hand_off_to_be_acknowledged(void **state)
{
	(void)state;
	make_handed();
	machine.renew = false;
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 310);
	assert_sends(RLK_EXTEND, START + 310);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_GIVE_UP, START + 320);
	assert_done(REDISLOCK_SERVER);
	assert_sends(RLK_EXTEND, START + 320);
	answer(RLK_EXTEND, told(RLK_HELD), START + 320, START + 321);
	assert_held_until(START + 320 + TTL_SURE);
}

static void extension_that_fails_renews_no_lease_that_is_not_to_be_renewed(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	machine.renew = false;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	rlk_machine_extend(&machine, 60000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_GIVE_UP, START + 101);
	assert_done(REDISLOCK_SERVER);
	assert_held_until(START + TTL_SURE);
	assert_sends_nothing(START + TTL_SURE - 1);
}

static void extension_without_a_connection_fails_and_keeps_the_hold(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 100);
	rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_REFUSED, false, START + 200);
	rlk_machine_tick(&machine, START + 100 + PATIENCE);
	assert_done(REDISLOCK_CONNECTION_REFUSED);
	assert_held_until(START + TTL_SURE);

	make_holding();
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 100);
	rlk_machine_trouble(&machine, REDISLOCK_AUTHENTICATION, true, START + 200);
	assert_done(REDISLOCK_AUTHENTICATION);
	assert_held_until(START + TTL_SURE);
}

static void extension_acknowledges_a_hand_off(void **state)
{
	(void)state;
	make_handed();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 310);
	assert_sends(RLK_EXTEND, START + 310);
	assert_held_until(START + HANDOFF_SURE);
	assert_sends_nothing(START + 500);
	answer(RLK_EXTEND, told(RLK_HELD), START + 310, START + 500);
	assert_false(machine.unacknowledged);
	assert_held_until(START + 310 + 5938);
}

/* ---- a lease without an end ---- */

static void make_permanent(void)
{
	make(RLK_PUBSUB, 60000);
	machine.ttl = -1;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_request(RLK_LOCK, KEYS TOKEN "|-1|1000|0|client|me", START);
	answer(RLK_LOCK, held(11), START, START + 100);
	assert_done(REDISLOCK_OK);
}

static void lease_without_an_end_begins_with_one_and_is_made_permanent_by_the_acknowledgement(void **state)
{
	(void)state;
	make_permanent();
	assert_held_until(START + HANDOFF_SURE);
	assert_true(machine.unacknowledged);
	assert_true(rlk_machine_in_background(&machine));
	int64_t due = rlk_machine_wake(&machine, START + 100);
	assert_int_equal(due, START + 100 + (HANDOFF_SURE - 100) / 16);
	assert_sends(RLK_EXTEND, due);
	assert_held_until(START + HANDOFF_SURE);
	answer(RLK_EXTEND, told(RLK_HELD), due, due + 1);
	assert_true(machine.valid_until == RLK_NEVER);
	assert_false(machine.unacknowledged);
	assert_false(rlk_machine_in_background(&machine));
	assert_true(rlk_machine_wake(&machine, due + 1) == RLK_NEVER);
	assert_sends_nothing(RLK_NEVER - 1);
	assert_true(rlk_machine_held(&machine, RLK_NEVER - 1));
}

static void lease_without_an_end_that_is_not_acknowledged_ends(void **state)
{
	(void)state;
	make_permanent();
	rlk_machine_tick(&machine, START + HANDOFF_SURE);
	assert_int_equal(machine.phase, RLK_OVER);
}

static void answer_for_a_lease_without_an_end_that_comes_too_late_is_no_acquisition(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	machine.ttl = -1;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + HANDOFF_SURE);
	assert_undecided();
	assert_locks("0", START + HANDOFF_SURE);
}

static void lease_may_lose_its_end_and_get_one_again(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, -1, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	assert_held_until(START + TTL_SURE);
	answer(RLK_EXTEND, told(RLK_HELD), START + 100, START + 101);
	assert_true(machine.valid_until == RLK_NEVER);
	assert_sends_nothing(START + 100 * TTL);
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 100 * TTL);
	assert_sends(RLK_EXTEND, START + 100 * TTL);
	assert_held_until(START + 100 * TTL + 5938);
	answer(RLK_EXTEND, told(RLK_HELD), START + 100 * TTL, START + 100 * TTL + 1);
	assert_sends(RLK_RENEW, START + 100 * TTL + 2000);
}

static void lease_without_an_end_outlasts_an_extension_that_fails(void **state)
{
	(void)state;
	make_permanent();
	assert_sends(RLK_EXTEND, START + 200);
	answer(RLK_EXTEND, told(RLK_HELD), START + 200, START + 201);
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 300);
	assert_sends(RLK_EXTEND, START + 300);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_GIVE_UP, START + 301);
	assert_done(REDISLOCK_SERVER);
	assert_held_until(START + 300 + 988);
	assert_request(RLK_EXTEND, KEYS TOKEN "|-1|11", START + 301);
	answer(RLK_EXTEND, told(RLK_HELD), START + 301, START + 302);
	assert_true(machine.valid_until == RLK_NEVER);
	assert_sends_nothing(START + 100 * TTL);
}

/* ---- requests that may come late ---- */

/* Its connection broke, and it may still be on its way. */
static void make_with_a_lost_renewal(void)
{
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	rlk_machine_dropped(&machine, number, START + 10001);
}

static void extend_at(int64_t ttl, int64_t now)
{
	rlk_machine_extend(&machine, ttl, PATIENCE, now);
	assert_sends(RLK_EXTEND, now);
	answer(RLK_EXTEND, told(RLK_HELD), now, now + 1);
	assert_done(REDISLOCK_OK);
}

static void lost_renewal_may_still_shorten_a_longer_lease(void **state)
{
	(void)state;
	make_with_a_lost_renewal();
	extend_at(300000, START + 10002);
	assert_held_until(START + 10002 + TTL_SURE);
	int64_t due = renewal_after(START + 10002, TTL);
	assert_sends_nothing(due - 1);
	assert_request(RLK_RENEW, "1|foo|" TOKEN "|300000", due);
	answer(RLK_RENEW, told(RLK_HELD), due, due + 1);
	assert_held_until(due + TTL_SURE);
}

static void lost_renewal_may_still_end_a_lease_without_an_end(void **state)
{
	(void)state;
	make_with_a_lost_renewal();
	machine.renew = false;
	extend_at(-1, START + 10002);
	assert_held_until(START + 10002 + TTL_SURE);
	assert_request(RLK_EXTEND, KEYS TOKEN "|-1|11", START + 20002);
	answer(RLK_EXTEND, told(RLK_HELD), START + 20002, START + 20003);
	assert_held_until(START + 20002 + TTL_SURE);
}

static void lost_renewal_does_no_harm_to_a_lease_that_is_no_longer(void **state)
{
	(void)state;
	make_with_a_lost_renewal();
	assert_sends(RLK_RENEW, START + 10002);
	answer(RLK_RENEW, told(RLK_HELD), START + 10002, START + 10003);
	assert_held_until(START + 10002 + TTL_SURE);
	extend_at(6000, START + 10010);
	assert_held_until(START + 10010 + 5938);
	assert_int_equal(rlk_machine_wake(&machine, START + 10011), renewal_after(START + 10010, 6000));
}

static void renewal_that_an_extension_overtook_may_come_late_too(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	uint32_t renewal = number;
	rlk_machine_extend(&machine, 300000, PATIENCE, START + 10001);
	assert_sends(RLK_EXTEND, START + 10001);
	rlk_machine_dropped(&machine, renewal, START + 10010);
	rlk_machine_dropped(&machine, number, START + 10010);
	assert_sends(RLK_EXTEND, START + 10010);
	answer(RLK_EXTEND, told(RLK_HELD), START + 10010, START + 10011);
	assert_held_until(START + 10010 + TTL_SURE);
}

/* Of one connection requests are executed in their order. */
static void renewal_under_way_when_it_is_extended_does_no_harm(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	extend_at(-1, START + 10001);
	assert_true(machine.valid_until == RLK_NEVER);
}

static void lost_extension_may_still_shorten_the_next_one(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 6000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	rlk_machine_dropped(&machine, number, START + 110);
	assert_sends(RLK_EXTEND, START + 110);
	answer(RLK_EXTEND, told(RLK_HELD), START + 110, START + 111);
	extend_at(60000, START + 200);
	assert_held_until(START + 200 + 5938);
	assert_int_equal(rlk_machine_wake(&machine, START + 201), renewal_after(START + 200, 6000));
}

static void extension_that_was_given_up_unanswered_may_come_late(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	rlk_machine_extend(&machine, 20000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	rlk_machine_tick(&machine, START + 100 + PATIENCE);
	assert_done(REDISLOCK_TIMEOUT);
	assert_sends(RLK_RENEW, START + 10100);
	answer(RLK_RENEW, told(RLK_HELD), START + 10100, START + 10101);
	assert_held_until(START + 10100 + 20000 - 200 - 2);
}

static void next_acquisition_has_nothing_to_fear_of_it(void **state)
{
	(void)state;
	make_with_a_lost_renewal();
	rlk_machine_release(&machine, PATIENCE, START + 10010);
	assert_sends(RLK_UNLOCK, START + 10010);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 10010, START + 10011);
	rlk_machine_acquire(&machine, RLK_LITERAL("other"), 7, PATIENCE, START + 10020);
	assert_locks("0", START + 10020);
	answer(RLK_LOCK, held(12), START + 10020, START + 10021);
	extend_at(300000, START + 10030);
	assert_held_until(START + 10030 + 300000 - 3000 - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extended_lease_counts_from_the_sending_and_is_renewed_as_such),
		cmocka_unit_test(extension_of_a_lost_lock_says_lost),
		cmocka_unit_test(extension_after_the_lease_ran_out_says_lost),
		cmocka_unit_test(extension_whose_lease_runs_out_meanwhile_says_lost),
		cmocka_unit_test(extension_of_what_is_not_held_says_so),
		cmocka_unit_test(answer_to_a_renewal_that_an_extension_overtook_means_nothing),
		cmocka_unit_test(extension_that_got_lost_is_sent_again),
		cmocka_unit_test(extension_that_fails_goes_back_to_the_former_lease),
		cmocka_unit_test(shorter_extension_that_fails_does_not_end_a_renewed_lease),
		cmocka_unit_test(extension_that_fails_leaves_it_to_a_hand_off_to_be_acknowledged),
		cmocka_unit_test(extension_that_fails_renews_no_lease_that_is_not_to_be_renewed),
		cmocka_unit_test(extension_without_a_connection_fails_and_keeps_the_hold),
		cmocka_unit_test(extension_acknowledges_a_hand_off),
		cmocka_unit_test(lease_without_an_end_begins_with_one_and_is_made_permanent_by_the_acknowledgement),
		cmocka_unit_test(lease_without_an_end_that_is_not_acknowledged_ends),
		cmocka_unit_test(answer_for_a_lease_without_an_end_that_comes_too_late_is_no_acquisition),
		cmocka_unit_test(lease_may_lose_its_end_and_get_one_again),
		cmocka_unit_test(lease_without_an_end_outlasts_an_extension_that_fails),
		cmocka_unit_test(lost_renewal_may_still_shorten_a_longer_lease),
		cmocka_unit_test(lost_renewal_may_still_end_a_lease_without_an_end),
		cmocka_unit_test(lost_renewal_does_no_harm_to_a_lease_that_is_no_longer),
		cmocka_unit_test(renewal_that_an_extension_overtook_may_come_late_too),
		cmocka_unit_test(renewal_under_way_when_it_is_extended_does_no_harm),
		cmocka_unit_test(lost_extension_may_still_shorten_the_next_one),
		cmocka_unit_test(extension_that_was_given_up_unanswered_may_come_late),
		cmocka_unit_test(next_acquisition_has_nothing_to_fear_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Holding: renewal, and losing it. */
#include "machine.h"

/* ---- renewal ---- */

static void lease_is_renewed_at_a_third_from_its_last_sending(void **state)
{
	(void)state;
	make_holding();
	assert_true(rlk_machine_in_background(&machine));
	assert_int_equal(rlk_machine_wake(&machine, START + 1), START + 10000);
	assert_sends_nothing(START + 9999);
	assert_sends(RLK_RENEW, START + 10050);
	assert_sends_nothing(START + 10060);
	assert_held_until(START + TTL_SURE);
	assert_true(rlk_machine_in_background(&machine));
	answer(RLK_RENEW, told(RLK_HELD), START + 10050, START + 10070);
	assert_held_until(START + 10050 + TTL_SURE);
	assert_int_equal(rlk_machine_wake(&machine, START + 10070), renewal_after(START + 10050, TTL));
}

static void lease_that_is_not_to_be_renewed_is_not(void **state)
{
	(void)state;
	make(RLK_SPIN, 0);
	machine.renew = false;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	assert_false(rlk_machine_in_background(&machine));
	assert_int_equal(rlk_machine_wake(&machine, START + 1), START + TTL_SURE);
	assert_sends_nothing(START + TTL_SURE - 1);
}

static void unanswered_renewal_ends_at_the_local_validity(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	assert_int_equal(rlk_machine_wake(&machine, START + 10000), START + TTL_SURE);
	rlk_machine_tick(&machine, START + TTL_SURE - 1);
	assert_int_equal(machine.phase, RLK_HOLDING);
	rlk_machine_tick(&machine, START + TTL_SURE);
	assert_int_equal(machine.phase, RLK_OVER);
	answer(RLK_RENEW, told(RLK_HELD), START + 10000, START + TTL_SURE + 1);
	assert_int_equal(machine.phase, RLK_OVER);
	assert_false(rlk_machine_held(&machine, START + TTL_SURE + 1));
}

static void renewal_that_got_lost_is_sent_again_at_once(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	rlk_machine_dropped(&machine, number, START + 15000);
	assert_sends(RLK_RENEW, START + 15000);
	answer(RLK_RENEW, told(RLK_HELD), START + 15000, START + 15001);
	assert_held_until(START + 15000 + TTL_SURE);
}

static void renewal_is_tried_for_as_long_as_the_lease_lasts_whatever_the_error(void **state)
{
	static const enum rlk_remedy remedies[] = { RLK_GIVE_UP, RLK_TRY_AGAIN, RLK_RECONNECT };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make_holding();
		int64_t now = START + 10000, pause = 10;
		while (now < START + TTL_SURE) {
			assert_sends(RLK_RENEW, now);
			rlk_machine_error(&machine, number, REDISLOCK_SERVER, remedies[i], now);
			assert_int_equal(machine.phase, RLK_HOLDING);
			assert_held_until(START + TTL_SURE);
			assert_sends_nothing(now + pause - 1);
			now += pause;
			pause = pause < 640 ? pause * 2 : 640;
		}
		rlk_machine_tick(&machine, now);
		assert_int_equal(machine.phase, RLK_OVER);
	}
}

/* Its slot moves. The state still calls the hand-off pending: a release has to put that right. */
static void acknowledgement_can_do_with_the_lock_alone(void **state)
{
	(void)state;
	make_handed();
	int64_t due = rlk_machine_wake(&machine, START + 300);
	assert_sends(RLK_EXTEND, due);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_TRY_ALONE, due + 1);
	assert_request(RLK_RENEW, "1|foo|" TOKEN "|30000", due + 1);
	answer(RLK_RENEW, told(RLK_HELD), due + 1, due + 2);
	assert_held_until(due + 1 + TTL_SURE);
	assert_true(machine.unacknowledged);
	due = rlk_machine_wake(&machine, due + 2);
	assert_sends(RLK_EXTEND, due);
	answer(RLK_EXTEND, told(RLK_HELD), due, due + 1);
	assert_false(machine.unacknowledged);
}

static void renewal_that_makes_no_sense_is_tried_again(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	answer(RLK_RENEW, told(RLK_MALFORMED), START + 10000, START + 10001);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_sends(RLK_RENEW, START + 10011);
}

static void unknown_script_of_a_renewal_is_sent_at_once(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_SEND_SCRIPT, START + 10001);
	assert_sends(RLK_RENEW, START + 10001);
}

static void not_mine_to_a_renewal_means_lost_at_once(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	answer(RLK_RENEW, told(RLK_NOT_MINE), START + 10000, START + 10001);
	assert_int_equal(machine.phase, RLK_OVER);
	assert_false(rlk_machine_held(&machine, START + 10001));
	assert_false(rlk_machine_in_background(&machine));
	assert_true(rlk_machine_wake(&machine, START + 10001) == RLK_NEVER);
	/* A request that was on its way too long may have queued it once more: it has to be taken out. */
	assert_true(machine.ticket);
}

static void lost_lock_is_told_once_by_whatever_is_asked_next(void **state)
{
	(void)state;
	make_lost();
	rlk_machine_release(&machine, PATIENCE, START + 40000);
	assert_done(REDISLOCK_LOST);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
	rlk_machine_release(&machine, PATIENCE, START + 40001);
	assert_done(REDISLOCK_NOT_OWNED);

	make_lost();
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 40000);
	assert_done(REDISLOCK_LOST);
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 40001);
	assert_done(REDISLOCK_NOT_OWNED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease_is_renewed_at_a_third_from_its_last_sending),
		cmocka_unit_test(lease_that_is_not_to_be_renewed_is_not),
		cmocka_unit_test(unanswered_renewal_ends_at_the_local_validity),
		cmocka_unit_test(renewal_that_got_lost_is_sent_again_at_once),
		cmocka_unit_test(renewal_is_tried_for_as_long_as_the_lease_lasts_whatever_the_error),
		cmocka_unit_test(acknowledgement_can_do_with_the_lock_alone),
		cmocka_unit_test(renewal_that_makes_no_sense_is_tried_again),
		cmocka_unit_test(unknown_script_of_a_renewal_is_sent_at_once),
		cmocka_unit_test(not_mine_to_a_renewal_means_lost_at_once),
		cmocka_unit_test(lost_lock_is_told_once_by_whatever_is_asked_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

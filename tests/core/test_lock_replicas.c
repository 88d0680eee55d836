/* SPDX-License-Identifier: MIT
 *
 * Acquisitions that replicas must have (protocol 9). */
#include "machine.h"

/* How long replicas may take, and after that the answer about them. */
enum { PATIENT = 1000, GRACE = 250 };

static void make_confirming(int64_t wait)
{
	make(RLK_SPIN, wait);
	machine.min_replicas = 2;
	machine.replicas_wait = PATIENT;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 10);
	assert_int_equal(machine.phase, RLK_CONFIRMING);
}

static void assert_not_held(int64_t now)
{
	assert_undecided();
	assert_false(rlk_machine_held(&machine, now));
}

/* Whoever cleans up behind it must know that the lock may be its own. */
static void assert_given_up(int32_t status)
{
	assert_done(status);
	assert_int_equal(machine.phase, RLK_IDLE);
	assert_true(machine.ticket);
}

static void acquisition_counts_when_enough_replicas_have_it(void **state)
{
	(void)state;
	make_confirming(0);
	assert_not_held(START + 10);
	assert_request(RLK_EXTEND, KEYS TOKEN "|30000|11", START + 12);
	assert_sends_nothing(START + 13);
	answer(RLK_EXTEND, told(RLK_HELD), START + 12, START + 20);
	assert_not_held(START + 20);
	assert_sends_nothing(START + 20);
	rlk_machine_replicas(&machine, number, 2, START + 30);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.fence, 11);
	assert_held_until(START + 12 + TTL_SURE);
	/* Renewals don't wait. */
	assert_sends_nothing(renewal_after(START + 12, TTL) - 1);
	assert_sends(RLK_RENEW, renewal_after(START + 12, TTL));
	answer(RLK_RENEW, told(RLK_HELD), renewal_after(START + 12, TTL), renewal_after(START + 12, TTL) + 1);
	assert_int_equal(machine.phase, RLK_HOLDING);
}

static void grant_alone_is_no_acquisition(void **state)
{
	(void)state;
	make_waiting(-1);
	machine.min_replicas = 1;
	machine.replicas_wait = PATIENT;
	assert_true(grant(11, START + 300));
	assert_not_held(START + 300);
	assert_int_equal(machine.phase, RLK_CONFIRMING);
	assert_null(room.first);
	assert_request(RLK_EXTEND, KEYS TOKEN "|30000|11", START + 300);
	/* One more of the same changes nothing. */
	assert_true(grant(11, START + 301));
	answer(RLK_EXTEND, told(RLK_HELD), START + 300, START + 310);
	rlk_machine_replicas(&machine, number, 1, START + 320);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 300 + TTL_SURE);
}

static void too_few_replicas_give_the_lock_back(void **state)
{
	(void)state;
	make_confirming(60000);
	assert_sends(RLK_EXTEND, START + 10);
	answer(RLK_EXTEND, told(RLK_HELD), START + 10, START + 20);
	rlk_machine_replicas(&machine, number, 1, START + 990);
	assert_given_up(REDISLOCK_NOT_ENOUGH_REPLICAS);
}

static void silence_about_replicas_ends_in_time(void **state)
{
	(void)state;
	make_confirming(-1);
	assert_sends(RLK_EXTEND, START + 10);
	answer(RLK_EXTEND, told(RLK_HELD), START + 10, START + 20);
	assert_int_equal(rlk_machine_wake(&machine, START + 20), START + 10 + PATIENT + GRACE);
	rlk_machine_tick(&machine, START + 10 + PATIENT + GRACE - 1);
	assert_undecided();
	rlk_machine_tick(&machine, START + 10 + PATIENT + GRACE);
	assert_given_up(REDISLOCK_NOT_ENOUGH_REPLICAS);
	/* What comes later is for nobody. */
	rlk_machine_replicas(&machine, number, 2, START + 10 + PATIENT + GRACE + 1);
	assert_int_equal(machine.phase, RLK_IDLE);
}

static void replicas_may_take_no_longer_than_the_wait(void **state)
{
	(void)state;
	make_confirming(500);
	assert_int_equal(rlk_machine_replicas_wait(&machine, START + 80), 375);
	assert_int_equal(rlk_machine_wake(&machine, START + 80), START + 500 + RLK_GRACE_MS);
	rlk_machine_tick(&machine, START + 500 + RLK_GRACE_MS);
	assert_given_up(REDISLOCK_NOT_ENOUGH_REPLICAS);
	make_confirming(0);
	assert_int_equal(rlk_machine_replicas_wait(&machine, START + 10), PATIENT);
	/* A WAIT of 0 would never end. */
	assert_int_equal(rlk_machine_replicas_wait(&machine, START + 10 + PATIENT + GRACE), 1);
	assert_int_equal(rlk_machine_replicas_wait(&machine, START + 10 + 2 * PATIENT), 1);
}

static void connection_that_breaks_is_asked_again(void **state)
{
	uint32_t former;

	(void)state;
	make_confirming(-1);
	assert_sends(RLK_EXTEND, START + 10);
	former = number;
	answer(RLK_EXTEND, told(RLK_HELD), START + 10, START + 20);
	rlk_machine_dropped(&machine, former, START + 100); /* the EXTEND's flight, and the WAIT's */
	rlk_machine_dropped(&machine, former, START + 100);
	rlk_machine_replicas(&machine, former, 2, START + 100);
	assert_not_held(START + 100);
	assert_sends(RLK_EXTEND, START + 110);
	rlk_machine_replicas(&machine, former, 2, START + 111);
	assert_not_held(START + 111);
	answer(RLK_EXTEND, told(RLK_HELD), START + 110, START + 120);
	rlk_machine_replicas(&machine, number, 2, START + 130);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 110 + TTL_SURE);
}

static void error_to_the_extension_leaves_its_wait_without_a_meaning(void **state)
{
	(void)state;
	make_confirming(-1);
	assert_sends(RLK_EXTEND, START + 10);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_SEND_SCRIPT, START + 20);
	rlk_machine_replicas(&machine, number, 2, START + 21);
	assert_not_held(START + 21);
	assert_sends(RLK_EXTEND, START + 22);
	rlk_machine_error(&machine, number, REDISLOCK_PERMISSION, RLK_GIVE_UP, START + 30);
	assert_given_up(REDISLOCK_PERMISSION);
}

static void lock_that_is_gone_meanwhile_is_asked_for_again(void **state)
{
	(void)state;
	make_confirming(-1);
	assert_sends(RLK_EXTEND, START + 10);
	answer(RLK_EXTEND, told(RLK_NOT_MINE), START + 10, START + 20);
	rlk_machine_replicas(&machine, number, 2, START + 21);
	assert_not_held(START + 21);
	assert_locks("0", START + 22);
	answer(RLK_LOCK, held(12), START + 22, START + 23);
	assert_request(RLK_EXTEND, KEYS TOKEN "|30000|12", START + 24);
	answer(RLK_EXTEND, told(RLK_HELD), START + 24, START + 25);
	rlk_machine_replicas(&machine, number, 2, START + 26);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.fence, 12);
}

static void lease_that_ends_before_is_none(void **state)
{
	(void)state;
	make(RLK_SPIN, -1);
	machine.ttl = 100;
	machine.min_replicas = 1;
	machine.replicas_wait = PATIENT;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	assert_sends(RLK_EXTEND, START + 1);
	answer(RLK_EXTEND, told(RLK_HELD), START + 1, START + 2);
	rlk_machine_replicas(&machine, number, 1, START + 200);
	assert_given_up(REDISLOCK_NOT_ENOUGH_REPLICAS);
}

static void lease_without_an_end_is_confirmed_too(void **state)
{
	(void)state;
	make(RLK_SPIN, -1);
	machine.ttl = -1;
	machine.min_replicas = 1;
	machine.replicas_wait = PATIENT;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_locks("0", START);
	answer(RLK_LOCK, held(11), START, START + 1);
	assert_request(RLK_EXTEND, KEYS TOKEN "|-1|11", START + 1);
	answer(RLK_EXTEND, told(RLK_HELD), START + 1, START + 2);
	rlk_machine_replicas(&machine, number, 1, START + 3);
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.valid_until, RLK_NEVER);
}

static void interrupted_confirmation_begins_anew(void **state)
{
	uint32_t former;

	(void)state;
	make_confirming(-1);
	assert_sends(RLK_EXTEND, START + 10);
	former = number;
	rlk_machine_suspend(&machine);
	rlk_machine_tick(&machine, START + 10 + PATIENT + GRACE);
	rlk_machine_resume(&machine, PATIENCE, START + 5000);
	rlk_machine_replicas(&machine, former, 2, START + 5000);
	assert_not_held(START + 5000);
	assert_locks("0", START + 5000);
	answer(RLK_LOCK, held(11), START + 5000, START + 5010);
	assert_int_equal(machine.phase, RLK_CONFIRMING);
	/* And can be given up. */
	rlk_machine_suspend(&machine);
	rlk_machine_cancel(&machine, PATIENCE, START + 5020);
	assert_sends(RLK_CANCEL, START + 5020);
	answer(RLK_CANCEL, told(RLK_HELD), START + 5020, START + 5030);
	assert_done(REDISLOCK_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acquisition_counts_when_enough_replicas_have_it),
		cmocka_unit_test(grant_alone_is_no_acquisition),
		cmocka_unit_test(too_few_replicas_give_the_lock_back),
		cmocka_unit_test(silence_about_replicas_ends_in_time),
		cmocka_unit_test(replicas_may_take_no_longer_than_the_wait),
		cmocka_unit_test(connection_that_breaks_is_asked_again),
		cmocka_unit_test(error_to_the_extension_leaves_its_wait_without_a_meaning),
		cmocka_unit_test(lock_that_is_gone_meanwhile_is_asked_for_again),
		cmocka_unit_test(lease_that_ends_before_is_none),
		cmocka_unit_test(lease_without_an_end_is_confirmed_too),
		cmocka_unit_test(interrupted_confirmation_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

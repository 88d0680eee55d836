/* SPDX-License-Identifier: MIT
 *
 * What a waiter may believe of a grant, and how it acknowledges it (protocol 5). */
#include "machine.h"

/* ---- the anchor ---- */

static void grant_above_the_witnessed_fence_counts_from_the_anchor(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_true(grant(11, START + 300));
	assert_done(REDISLOCK_OK);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_int_equal(machine.fence, 11);
	assert_held_until(START + HANDOFF_SURE);
	assert_null(rlk_room_foremost(&room));
}

static void grant_at_or_below_the_witnessed_fence_proves_nothing(void **state)
{
	(void)state;
	for (uint64_t fence = 9; fence <= 10; fence++) {
		make_waiting(60000);
		assert_true(grant(fence, START + 300));
		assert_undecided();
		assert_false(rlk_machine_held(&machine, START + 300));
		assert_locks("1", START + 300);
		answer(RLK_LOCK, held(11), START + 300, START + 301);
		assert_done(REDISLOCK_OK);
		assert_int_equal(machine.fence, 11);
	}
}

/* It is one that was late, and no hand-off was missed; the ticket is still there, as it was made. */
static void grant_that_proves_nothing_leaves_the_ticket_as_it_is(void **state)
{
	(void)state;
	make_waiting(60000);
	pace.missed = 1;
	pace.missed_at = START - 10000;
	assert_true(grant(10, START + 300));
	assert_int_equal(pace.missed, 1);
	assert_int_equal(machine.handoff, HANDOFF);
}

static void grant_before_anything_is_known_proves_nothing(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	room.listening = true;
	assert_locks("1", START);
	assert_true(grant(11, START + 1));
	assert_undecided();
	assert_locks("1", START + 1);
}

static void anchor_is_whatever_the_client_learnt_by_any_of_its_machines(void **state)
{
	struct rlk_machine other;
	struct rlk_words words;
	(void)state;
	make_waiting(60000);
	make_another(&other, RLK_PUBSUB, 60000);
	rlk_machine_acquire(&other, RLK_LITERAL("other"), 7, PATIENCE, START + 600);
	rlk_machine_send(&other, &words, false, &number, START + 600);
	rlk_machine_answer(&other, RLK_LOCK, number, START + 600, queued(10, true), START + 610);
	assert_true(grant(11, START + 1200));
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 600 + HANDOFF_SURE);
}

/* The answer that told of the hand-off itself was here before the grant: the one before it is the anchor. */
static void grant_that_another_answer_overtook_counts_from_the_earlier_anchor(void **state)
{
	struct rlk_machine other;
	struct rlk_words words;
	(void)state;
	make_waiting(60000);
	make_another(&other, RLK_PUBSUB, 60000);
	rlk_machine_acquire(&other, RLK_LITERAL("other"), 7, PATIENCE, START + 200);
	rlk_machine_send(&other, &words, false, &number, START + 200);
	rlk_machine_answer(&other, RLK_LOCK, number, START + 200, queued(11, true), START + 210);
	assert_true(grant(11, START + 220));
	assert_done(REDISLOCK_OK);
	assert_held_until(START + HANDOFF_SURE);
}

static void poll_moves_the_anchor(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	answer(RLK_LOCK, queued(10, false), START + 500, START + 520);
	assert_true(grant(11, START + 1000));
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 500 + HANDOFF_SURE);
}

/* ---- grants that come late ---- */

static void late_grant_proves_nothing_and_the_next_lease_is_longer(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_true(grant(11, START + 900));
	assert_undecided();
	assert_int_equal(machine.phase, RLK_TRYING);
	assert_int_equal(pace.missed, 1);
	assert_null(rlk_room_foremost(&room));
	assert_locks("2", START + 900);
	answer(RLK_LOCK, busy(12), START + 900, START + 901);
	assert_int_equal(machine.handoff, 2 * HANDOFF);
	assert_locks("1", START + 901);
	answer(RLK_LOCK, queued(12, true), START + 901, START + 902);
	assert_int_equal(machine.phase, RLK_WAITING);
}

static void late_grant_may_still_be_in_force(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_true(grant(11, START + 900));
	assert_locks("2", START + 900);
	answer(RLK_LOCK, held(11), START + 900, START + 901);
	assert_done(REDISLOCK_OK);
	assert_held_until(START + 900 + TTL_SURE);
}

/* The lease stands in the ticket. A poll under way may have made one anew, which nobody would take out any more. */
static void another_lease_is_asked_for_only_when_no_ticket_with_the_former_one_is_left(void **state)
{
	struct rlk_words words;
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	assert_true(grant(11, START + 900));
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|2|client|me", START + 900);
	rlk_machine_dropped(&machine, number, START + 910);
	assert_locks("2", START + 910);
	rlk_machine_cancel_words(&machine, &words, false);
	assert_words(&words, KEYS TOKEN "|1000|client|me");
	assert_true(machine.ticket);
	answer(RLK_LOCK, busy(12), START + 910, START + 911);
	assert_false(machine.ticket);
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|2000|1|client|me", START + 911);
	assert_true(machine.ticket);
}

static void grant_is_late_when_less_than_a_quarter_of_its_lease_is_left(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_true(grant(11, START + HANDOFF_SURE - HANDOFF / 4));
	assert_done(REDISLOCK_OK);

	make_waiting(60000);
	assert_true(grant(11, START + HANDOFF_SURE - HANDOFF / 4 + 1));
	assert_undecided();
}

static void waiter_that_missed_its_hand_off_queues_again(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_true(grant(11, START + 2000));
	assert_locks("2", START + 2000);
	answer(RLK_LOCK, busy(12), START + 2000, START + 2001);
	assert_locks("1", START + 2001);
	answer(RLK_LOCK, queued(12, true), START + 2001, START + 2002);
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_ptr_equal(rlk_room_foremost(&room), &machine);
	/* It had left the room before: that is the same hand-off. */
	assert_int_equal(pace.missed, 1);
}

/* ---- grants to those that don't wait for one ---- */

static void grant_to_whoever_is_not_concerned_is_given_back(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_false(grant(11, START));
	assert_true(room.heard_at == INT64_MIN);
	make_lost();
	assert_false(grant(12, START + 40000));
	assert_int_equal(machine.phase, RLK_OVER);
}

static void grant_during_the_last_try_is_settled_by_its_answer(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_locks("2", START + 300);
	assert_true(grant(11, START + 301));
	assert_undecided();
	answer(RLK_LOCK, held(11), START + 300, START + 302);
	assert_done(REDISLOCK_OK);
}

static void grant_to_a_holder_changes_nothing(void **state)
{
	(void)state;
	make_holding();
	assert_true(grant(11, START + 100));
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_held_until(START + TTL_SURE);
	assert_int_equal(machine.keep_at, START + 10000);
}

static void grant_puts_off_the_rooms_poll(void **state)
{
	struct rlk_machine other;
	(void)state;
	make_waiting(60000);
	make_another(&other, RLK_PUBSUB, 60000);
	rlk_machine_acquire(&other, RLK_LITERAL("other"), 7, PATIENCE, START);
	rlk_pubsub_queued(&other, &(struct rlk_answer) { .outcome = RLK_QUEUED }, START);
	other.asked_at = START;
	other.free_at = RLK_NEVER;
	assert_true(grant(11, START + 300));
	assert_ptr_equal(rlk_room_foremost(&room), &other);
	assert_int_equal(rlk_pubsub_poll_at(&other), START + 300 + HANDOFF / 2);
}

static void answer_to_a_poll_that_the_grant_overtook_means_nothing(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	uint32_t poll = number;
	grant(11, START + 510);
	assert_done(REDISLOCK_OK);
	rlk_machine_answer(&machine, RLK_LOCK, poll, START + 500, queued(10, false), START + 520);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_held_until(START + HANDOFF_SURE);
	rlk_machine_error(&machine, poll, REDISLOCK_SERVER, RLK_GIVE_UP, START + 520);
	rlk_machine_dropped(&machine, poll, START + 520);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_sends(RLK_EXTEND, START + 550);
}

/* ---- the acknowledgement ---- */

/* A short hold is released before it needs one, and saves it. */
static void hand_off_is_acknowledged_after_a_sixteenth_of_what_is_left(void **state)
{
	(void)state;
	make_handed();
	int64_t due = START + 300 + (HANDOFF_SURE - 300) / 16;
	assert_true(rlk_machine_in_background(&machine));
	assert_int_equal(rlk_machine_wake(&machine, START + 300), due);
	assert_sends_nothing(due - 1);
	assert_sends(RLK_EXTEND, due);
	answer(RLK_EXTEND, told(RLK_HELD), due, due + 50);
	assert_false(machine.unacknowledged);
	assert_held_until(due + TTL_SURE);
	assert_int_equal(rlk_machine_wake(&machine, due + 50), renewal_after(due, TTL));
}

static void hand_off_is_acknowledged_even_without_renewal(void **state)
{
	(void)state;
	make_waiting(60000);
	machine.renew = false;
	assert_true(grant(11, START + 300));
	int64_t due = rlk_machine_wake(&machine, START + 300);
	assert_sends(RLK_EXTEND, due);
	answer(RLK_EXTEND, told(RLK_HELD), due, due + 1);
	assert_held_until(due + TTL_SURE);
	assert_false(rlk_machine_in_background(&machine));
	assert_sends_nothing(due + TTL_SURE - 1);
}

/* The hand-off lease may be longer than the TTL, which is in force from the acknowledgement on, answered or not. */
static void shorter_ttl_counts_from_the_sending_of_the_acknowledgement(void **state)
{
	(void)state;
	make_waiting(60000);
	machine.ttl = 500;
	assert_true(grant(11, START + 300));
	/* Whoever looks now must not be told more than what is left once that is sent. */
	assert_held_until(START + 343 + 493);
	assert_sends(RLK_EXTEND, START + 350);
	assert_held_until(START + 343 + 493);
	answer(RLK_EXTEND, told(RLK_HELD), START + 350, START + 360);
	assert_held_until(START + 350 + 493);

	/* It is sent earlier where an extension was refused. */
	make_waiting(60000);
	machine.ttl = 500;
	assert_true(grant(11, START + 300));
	rlk_machine_extend(&machine, 60000, PATIENCE, START + 301);
	assert_sends(RLK_EXTEND, START + 301);
	rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_GIVE_UP, START + 302);
	assert_done(REDISLOCK_SERVER);
	assert_sends(RLK_EXTEND, START + 302);
	assert_held_until(START + 302 + 493);
}

static void not_mine_to_the_acknowledgement_means_lost(void **state)
{
	(void)state;
	make_handed();
	assert_sends(RLK_EXTEND, START + 400);
	answer(RLK_EXTEND, told(RLK_NOT_MINE), START + 400, START + 401);
	assert_int_equal(machine.phase, RLK_OVER);
	assert_false(rlk_machine_held(&machine, START + 401));
	assert_true(machine.ticket);
}

static void not_mine_to_an_older_acknowledgement_means_nothing(void **state)
{
	(void)state;
	make_handed();
	assert_sends(RLK_EXTEND, START + 400);
	uint32_t older = number;
	rlk_machine_dropped(&machine, older, START + 410);
	assert_sends(RLK_EXTEND, START + 410);
	rlk_machine_answer(&machine, RLK_EXTEND, older, START + 400, told(RLK_NOT_MINE), START + 411);
	rlk_machine_error(&machine, older, REDISLOCK_SERVER, RLK_GIVE_UP, START + 411);
	rlk_machine_dropped(&machine, older, START + 411);
	assert_int_equal(machine.phase, RLK_HOLDING);
	assert_sends_nothing(START + 411);
	answer(RLK_EXTEND, told(RLK_HELD), START + 410, START + 412);
	assert_held_until(START + 410 + TTL_SURE);
}

static void acknowledgement_that_is_never_answered_ends_with_the_hand_off_lease(void **state)
{
	(void)state;
	make_handed();
	assert_sends(RLK_EXTEND, START + 400);
	assert_int_equal(rlk_machine_wake(&machine, START + 400), START + HANDOFF_SURE);
	rlk_machine_tick(&machine, START + HANDOFF_SURE - 1);
	assert_int_equal(machine.phase, RLK_HOLDING);
	rlk_machine_tick(&machine, START + HANDOFF_SURE);
	assert_int_equal(machine.phase, RLK_OVER);
	answer(RLK_EXTEND, told(RLK_HELD), START + 400, START + HANDOFF_SURE + 1);
	assert_int_equal(machine.phase, RLK_OVER);
	assert_false(rlk_machine_held(&machine, START + HANDOFF_SURE + 1));
}

/* ---- what an answer proves ---- */

static void assert_witness(int64_t at, uint64_t fence)
{
	assert_int_equal(room.witness.at, at);
	assert_int_equal(room.witness.fence, fence);
}

static void answers_to_lock_prove_the_last_fence_from_their_sending(void **state)
{
	const struct rlk_answer answers[] = { held(20), queued(20, true), busy(20) };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make_trying(RLK_PUBSUB, 60000);
		assert_locks("0", START);
		answer(RLK_LOCK, answers[i], START, START + 100);
		assert_witness(START, 20);
	}
}

static void answers_without_a_fence_prove_nothing(void **state)
{
	static const enum rlk_outcome outcomes[] = { RLK_NOT_MINE, RLK_MORE, RLK_MALFORMED };
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		make_trying(RLK_PUBSUB, 60000);
		assert_locks("0", START);
		answer(RLK_LOCK, told(outcomes[i]), START, START + 100);
		assert_true(room.witness.at == INT64_MIN);
	}
}

static void renewal_proves_that_the_own_fence_is_the_last(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	answer(RLK_RENEW, told(RLK_HELD), START + 10000, START + 10100);
	assert_witness(START + 10000, 11);

	make_handed();
	assert_sends(RLK_EXTEND, START + 400);
	answer(RLK_EXTEND, told(RLK_HELD), START + 400, START + 500);
	assert_witness(START + 400, 11);
	assert_int_equal(room.earlier.fence, 10);
}

static void release_proves_that_the_own_fence_was_the_last(void **state)
{
	(void)state;
	make_releasing();
	answer(RLK_UNLOCK, told(RLK_HELD), START + 10, START + 20);
	assert_witness(START + 10, 11);
}

/* The same token may have been granted the lock again: its last fence isn't known any more. */
static void release_after_the_hold_ran_out_proves_nothing(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + TTL_SURE);
	assert_sends(RLK_UNLOCK, START + TTL_SURE);
	answer(RLK_UNLOCK, told(RLK_HELD), START + TTL_SURE, START + TTL_SURE + 1);
	assert_done(REDISLOCK_OK);
	assert_witness(START, 11);
}

/* The first one may have released it, and the same token been granted it again. */
static void release_that_is_repeated_proves_nothing(void **state)
{
	(void)state;
	make_releasing();
	rlk_machine_dropped(&machine, number, START + 20);
	assert_sends(RLK_UNLOCK, START + 20);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 20, START + 21);
	assert_done(REDISLOCK_OK);
	assert_witness(START, 11);
}

static void not_mine_proves_nothing(void **state)
{
	(void)state;
	make_holding();
	assert_sends(RLK_RENEW, START + 10000);
	answer(RLK_RENEW, told(RLK_NOT_MINE), START + 10000, START + 10100);
	assert_witness(START, 11);

	make_releasing();
	answer(RLK_UNLOCK, told(RLK_NOT_MINE), START + 10, START + 20);
	assert_witness(START, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grant_above_the_witnessed_fence_counts_from_the_anchor),
		cmocka_unit_test(grant_at_or_below_the_witnessed_fence_proves_nothing),
		cmocka_unit_test(grant_that_proves_nothing_leaves_the_ticket_as_it_is),
		cmocka_unit_test(grant_before_anything_is_known_proves_nothing),
		cmocka_unit_test(anchor_is_whatever_the_client_learnt_by_any_of_its_machines),
		cmocka_unit_test(grant_that_another_answer_overtook_counts_from_the_earlier_anchor),
		cmocka_unit_test(poll_moves_the_anchor),
		cmocka_unit_test(late_grant_proves_nothing_and_the_next_lease_is_longer),
		cmocka_unit_test(late_grant_may_still_be_in_force),
		cmocka_unit_test(another_lease_is_asked_for_only_when_no_ticket_with_the_former_one_is_left),
		cmocka_unit_test(grant_is_late_when_less_than_a_quarter_of_its_lease_is_left),
		cmocka_unit_test(waiter_that_missed_its_hand_off_queues_again),
		cmocka_unit_test(grant_to_whoever_is_not_concerned_is_given_back),
		cmocka_unit_test(grant_during_the_last_try_is_settled_by_its_answer),
		cmocka_unit_test(grant_to_a_holder_changes_nothing),
		cmocka_unit_test(grant_puts_off_the_rooms_poll),
		cmocka_unit_test(answer_to_a_poll_that_the_grant_overtook_means_nothing),
		cmocka_unit_test(hand_off_is_acknowledged_after_a_sixteenth_of_what_is_left),
		cmocka_unit_test(hand_off_is_acknowledged_even_without_renewal),
		cmocka_unit_test(shorter_ttl_counts_from_the_sending_of_the_acknowledgement),
		cmocka_unit_test(not_mine_to_the_acknowledgement_means_lost),
		cmocka_unit_test(not_mine_to_an_older_acknowledgement_means_nothing),
		cmocka_unit_test(acknowledgement_that_is_never_answered_ends_with_the_hand_off_lease),
		cmocka_unit_test(answers_to_lock_prove_the_last_fence_from_their_sending),
		cmocka_unit_test(answers_without_a_fence_prove_nothing),
		cmocka_unit_test(renewal_proves_that_the_own_fence_is_the_last),
		cmocka_unit_test(release_proves_that_the_own_fence_was_the_last),
		cmocka_unit_test(release_after_the_hold_ran_out_proves_nothing),
		cmocka_unit_test(release_that_is_repeated_proves_nothing),
		cmocka_unit_test(not_mine_proves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

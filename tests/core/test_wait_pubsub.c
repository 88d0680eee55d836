/* SPDX-License-Identifier: MIT
 *
 * Not acquired, what next? Pub/Sub: the room, its polls, the hand-off lease and the anchor (protocol 5, 6). */
#include "machine.h"

static struct rlk_machine second, third;

static void put_in(struct rlk_machine *it, int64_t place, bool new_ticket, int64_t now)
{
	struct rlk_answer answer = { .outcome = RLK_QUEUED, .place = place, .new_ticket = new_ticket };
	it->asked_at = now;
	it->free_at = it->nudged_at = RLK_NEVER;
	rlk_pubsub_queued(it, &answer, now);
}

/* Three waiters in the room since START. */
static void make_three(void)
{
	make(RLK_PUBSUB, -1);
	make_another(&second, RLK_PUBSUB, -1);
	make_another(&third, RLK_PUBSUB, -1);
	put_in(&machine, 0, true, START);
	put_in(&second, 1, true, START);
	put_in(&third, 2, true, START);
	machine.handoff = second.handoff = third.handoff = HANDOFF;
}

/* ---- the room ---- */

static void whoever_has_the_first_ticket_is_foremost(void **state)
{
	(void)state;
	make_three();
	assert_ptr_equal(rlk_room_foremost(&room), &machine);
	assert_int_equal(machine.phase, RLK_WAITING);
	assert_int_equal(third.place, 2);
	rlk_pubsub_leave_room(&machine);
	assert_ptr_equal(rlk_room_foremost(&room), &second);
	rlk_pubsub_leave_room(&second);
	assert_ptr_equal(rlk_room_foremost(&room), &third);
	rlk_pubsub_leave_room(&third);
	assert_null(rlk_room_foremost(&room));
	assert_null(room.last);
}

static void leaving_keeps_the_others_in_order(void **state)
{
	(void)state;
	make_three();
	rlk_pubsub_leave_room(&second);
	assert_ptr_equal(machine.next, &third);
	assert_ptr_equal(third.previous, &machine);
	rlk_pubsub_leave_room(&third);
	assert_ptr_equal(room.last, &machine);
	put_in(&second, 1, true, START);
	assert_ptr_equal(machine.next, &second);
	assert_ptr_equal(room.last, &second);
}

static void whoever_is_not_in_the_room_may_leave_it(void **state)
{
	(void)state;
	make_three();
	rlk_pubsub_leave_room(&second);
	rlk_pubsub_leave_room(&second);
	assert_ptr_equal(room.first, &machine);
	assert_ptr_equal(machine.next, &third);
	assert_ptr_equal(room.last, &third);
}

static void suspended_waiter_lets_the_next_one_poll(void **state)
{
	(void)state;
	make_three();
	machine.suspended = true;
	assert_ptr_equal(rlk_room_foremost(&room), &second);
	second.suspended = third.suspended = true;
	assert_null(rlk_room_foremost(&room));
	rlk_room_nudge(&room, START);
	machine.suspended = false;
	assert_ptr_equal(rlk_room_foremost(&room), &machine);
	assert_true(machine.nudged_at == RLK_NEVER);
}

/* With a deaf inbox grants and polls could miss each other for ever, were it now one that polls and now another. */
static void new_ticket_does_not_change_who_polls(void **state)
{
	(void)state;
	make_three();
	put_in(&machine, 2, true, START + 1000);
	assert_ptr_equal(rlk_room_foremost(&room), &machine);
	assert_ptr_equal(machine.next, &second);
	assert_ptr_equal(room.last, &third);
	assert_int_equal(machine.place, 2);
}

static void assert_mode(struct rlk_machine *it, char mode, uint32_t *sent, int64_t now)
{
	struct rlk_words words;
	assert_true(rlk_machine_ready(it, now));
	assert_int_equal(rlk_machine_send(it, &words, false, sent, now), RLK_LOCK);
	assert_int_equal(words.word[9].data[0], mode);
}

/* The subscription is confirmed while one is on its way with a try that doesn't queue. */
static void first_try_does_not_pass_those_that_are_about_to_queue(void **state)
{
	const struct rlk_answer busy = { .outcome = RLK_BUSY, .fence = 10, .remaining = 20000 };
	uint32_t first, other;
	(void)state;
	make(RLK_PUBSUB, -1);
	make_another(&second, RLK_PUBSUB, -1);
	make_another(&third, RLK_PUBSUB, -1);
	room.listening = false;
	rlk_machine_acquire(&machine, RLK_LITERAL("first"), 7, PATIENCE, START);
	assert_mode(&machine, '0', &first, START);
	room.listening = true;
	rlk_machine_acquire(&second, RLK_LITERAL("second"), 7, PATIENCE, START + 1);
	assert_mode(&second, '0', &other, START + 1);
	rlk_machine_answer(&machine, RLK_LOCK, first, START, busy, START + 2);
	assert_mode(&machine, '1', &first, START + 2);
	rlk_machine_answer(&second, RLK_LOCK, other, START + 1, busy, START + 3);
	assert_mode(&second, '1', &other, START + 3);
	/* Now all that asked before are on their way into the queue. */
	rlk_machine_acquire(&third, RLK_LITERAL("third"), 7, PATIENCE, START + 4);
	assert_mode(&third, '1', &other, START + 4);
	assert_int_equal(room.trying, 0);
}

static void nobody_queues_before_the_subscriptions_are_confirmed(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_int_equal(machine.phase, RLK_LISTENING);
	assert_sends_nothing(START + 1);
	room.listening = true;
	rlk_machine_listening(&machine, START + 2);
	assert_locks("1", START + 2);
}

static void subscriptions_that_stand_are_not_waited_for(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	room.listening = true;
	answer(RLK_LOCK, busy(10), START, START + 1);
	assert_int_equal(machine.phase, RLK_TRYING);
	assert_locks("1", START + 1);
}

/* ---- polls ---- */

static void foremost_polls_half_a_hand_off_lease_after_it_asked(void **state)
{
	(void)state;
	make_waiting(60000);
	assert_int_equal(rlk_machine_wake(&machine, START + 5), START + HANDOFF / 2);
	rlk_machine_tick(&machine, START + HANDOFF / 2 - 1);
	assert_sends_nothing(START + HANDOFF / 2 - 1);
	rlk_machine_tick(&machine, START + HANDOFF / 2);
	assert_locks("1", START + HANDOFF / 2);
}

static void poll_under_way_is_waited_for(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	assert_true(rlk_machine_wake(&machine, START + 500) > START + 500);
	assert_locks("1", START + 500);
	rlk_machine_tick(&machine, START + 5000);
	assert_sends_nothing(START + 5000);
	assert_int_equal(rlk_machine_wake(&machine, START + 5000), START + 60000);
}

static void grant_to_another_of_the_room_puts_the_poll_off(void **state)
{
	(void)state;
	make_three();
	room.heard_at = START + 200;
	assert_int_equal(rlk_pubsub_poll_at(&machine), START + 700);
	machine.asked_at = START + 300;
	assert_int_equal(rlk_pubsub_poll_at(&machine), START + 800);
}

static void foremost_polls_when_the_holders_lease_runs_out(void **state)
{
	(void)state;
	make_three();
	machine.free_at = START + 100;
	assert_int_equal(rlk_pubsub_poll_at(&machine), START + 101);
	machine.free_at = START + 600;
	assert_int_equal(rlk_pubsub_poll_at(&machine), START + HANDOFF / 2);
}

static void clients_that_wait_for_the_same_expiry_poll_one_after_the_other(void **state)
{
	static const struct {
		int64_t place, delay;
	} cases[] = { { 0, 1 }, { 1, 3 }, { 49, 99 }, { 50, 101 }, { 51, 101 }, { 10000, 101 } };
	(void)state;
	make_three();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		machine.place = cases[i].place;
		machine.free_at = START + 100;
		assert_int_equal(rlk_pubsub_poll_at(&machine), START + 100 + cases[i].delay);
	}
}

static void holders_end_counts_from_the_receipt_and_minus_one_is_none(void **state)
{
	(void)state;
	make_waiting(60000);
	machine.place = 0;
	rlk_machine_listening(&machine, START + 10);
	assert_locks("1", START + 10);
	struct rlk_answer it = queued(10, false);
	it.remaining = 30;
	answer(RLK_LOCK, it, START + 10, START + 20);
	assert_int_equal(rlk_machine_wake(&machine, START + 20), START + 51);
	rlk_machine_tick(&machine, START + 51);
	assert_locks("1", START + 51);
	it.remaining = -1;
	answer(RLK_LOCK, it, START + 51, START + 60);
	assert_true(machine.free_at == RLK_NEVER);
	assert_int_equal(rlk_machine_wake(&machine, START + 60), START + 551);
}

static void others_poll_at_a_third_of_their_ttl_at_most_every_five_seconds(void **state)
{
	static const struct {
		int64_t ttl, handoff, poll;
	} cases[] = { { 9000, 1000, 3000 }, { 14999, 1000, 4999 }, { 30000, 1000, 5000 }, { -1, 1000, 5000 },
		      { 600, 1000, 500 },   { 9000, 8000, 4000 },  { 1, 1000, 500 } };
	(void)state;
	make_three();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		second.ttl = cases[i].ttl;
		second.handoff = cases[i].handoff;
		second.free_at = START + 1;
		room.heard_at = START + 100;
		assert_int_equal(rlk_pubsub_poll_at(&second), START + cases[i].poll);
	}
}

static void whoever_comes_to_the_front_polls_like_the_foremost(void **state)
{
	(void)state;
	make_three();
	assert_int_equal(rlk_pubsub_poll_at(&second), START + 5000);
	rlk_pubsub_leave_room(&machine);
	assert_int_equal(rlk_pubsub_poll_at(&second), START + HANDOFF / 2);
}

static void announced_release_brings_one_poll_of_the_foremost_by_its_place(void **state)
{
	(void)state;
	make_three();
	machine.place = 4;
	rlk_room_nudge(&room, START + 20);
	assert_int_equal(rlk_pubsub_poll_at(&machine), START + 28);
	assert_int_equal(rlk_pubsub_poll_at(&second), START + 5000);
	machine.place = 1000;
	rlk_room_nudge(&room, START + 20);
	assert_int_equal(rlk_pubsub_poll_at(&machine), START + 120);
}

static void nudge_never_puts_a_poll_off(void **state)
{
	(void)state;
	make_three();
	rlk_room_nudge(&room, START + 900);
	assert_int_equal(rlk_pubsub_poll_at(&machine), START + HANDOFF / 2);
}

static void nudge_is_over_with_the_next_answer(void **state)
{
	(void)state;
	make_waiting(60000);
	rlk_room_nudge(&room, START + 20);
	rlk_machine_tick(&machine, START + 20);
	assert_locks("1", START + 20);
	answer(RLK_LOCK, queued(10, false), START + 20, START + 21);
	assert_int_equal(rlk_machine_wake(&machine, START + 21), START + 520);
}

static void empty_room_is_nudged_in_vain(void **state)
{
	(void)state;
	make(RLK_PUBSUB, -1);
	rlk_room_nudge(&room, START);
	assert_null(rlk_room_foremost(&room));
}

/* ---- the hand-off lease ---- */

static void hand_off_lease_is_a_second_or_eight_round_trips_and_eight_seconds_at_most(void **state)
{
	static const struct {
		int64_t round_trip;
		int32_t missed;
		int64_t handoff;
	} cases[] = { { 0, 0, 1000 },    { 125, 0, 1000 }, { 126, 0, 1008 }, { 500, 0, 4000 },
		      { 5000, 0, 8000 }, { 0, 1, 2000 },   { 0, 2, 4000 },   { 0, 3, 8000 },
		      { 300, 1, 4800 },  { 300, 2, 8000 }, { 1000, 3, 8000 } };
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rlk_pace it = { .round_trip = cases[i].round_trip, .missed = cases[i].missed };
		assert_int_equal(rlk_pubsub_handoff(&it), cases[i].handoff);
	}
}

static void hand_offs_missed_at_a_time_count_once(void **state)
{
	struct rlk_pace it = { 0 };
	(void)state;
	rlk_pubsub_missed(&it, START);
	rlk_pubsub_missed(&it, START);
	rlk_pubsub_missed(&it, START + 1999);
	assert_int_equal(it.missed, 1);
	rlk_pubsub_missed(&it, START + 2000);
	assert_int_equal(it.missed, 2);
	rlk_pubsub_missed(&it, START + 2000 + 3999);
	assert_int_equal(it.missed, 2);
	rlk_pubsub_missed(&it, START + 2000 + 4000);
	assert_int_equal(it.missed, 3);
	rlk_pubsub_missed(&it, START + 100000);
	assert_int_equal(it.missed, RLK_MISSED_MAX);
}

static void new_ticket_of_whoever_had_one_is_a_missed_hand_off(void **state)
{
	(void)state;
	make_three();
	assert_int_equal(pace.missed, 0);
	put_in(&second, 1, false, START + 500);
	assert_int_equal(pace.missed, 0);
	put_in(&second, 2, true, START + 1000);
	assert_int_equal(pace.missed, 1);
}

static void next_acquisition_after_a_missed_hand_off_asks_for_twice_the_lease(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	rlk_pubsub_missed(&pace, START);
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|2000|0|client|me", START);
}

static void good_hand_off_brings_the_lease_back_to_its_start(void **state)
{
	(void)state;
	make_waiting(60000);
	pace.missed = 2;
	assert_true(grant(11, START + 300));
	assert_done(REDISLOCK_OK);
	assert_int_equal(pace.missed, 0);
	assert_int_equal(rlk_pubsub_handoff(&pace), HANDOFF);
}

/* It is part of the ticket by which the server knows it. */
static void lease_that_stands_in_the_ticket_stays_while_it_is_waited_with(void **state)
{
	(void)state;
	make_waiting(60000);
	pace.missed = 1;
	rlk_machine_tick(&machine, START + 500);
	assert_locks("1", START + 500);
	assert_int_equal(machine.handoff, HANDOFF);
}

/* ---- the anchor ---- */

static void assert_seen(int64_t at, uint64_t fence, int64_t earlier_at, uint64_t earlier_fence)
{
	assert_int_equal(room.witness.at, at);
	assert_int_equal(room.witness.fence, fence);
	assert_int_equal(room.earlier.at, earlier_at);
	assert_int_equal(room.earlier.fence, earlier_fence);
}

static void what_was_seen_last_is_the_witness_and_what_was_seen_below_it_the_earlier_one(void **state)
{
	(void)state;
	make(RLK_PUBSUB, -1);
	assert_seen(INT64_MIN, UINT64_MAX, INT64_MIN, UINT64_MAX);
	rlk_room_saw(&room, 100, 10);
	assert_seen(100, 10, INT64_MIN, UINT64_MAX);
	rlk_room_saw(&room, 200, 10);
	assert_seen(200, 10, INT64_MIN, UINT64_MAX);
	rlk_room_saw(&room, 200, 11);
	assert_seen(200, 11, 200, 10);
	rlk_room_saw(&room, 300, 11);
	assert_seen(300, 11, 200, 10);
	rlk_room_saw(&room, 400, 15);
	assert_seen(400, 15, 300, 11);
}

static void what_was_asked_earlier_and_answered_later_changes_nothing(void **state)
{
	(void)state;
	make(RLK_PUBSUB, -1);
	rlk_room_saw(&room, 200, 10);
	rlk_room_saw(&room, 199, 10);
	rlk_room_saw(&room, 199, 11);
	rlk_room_saw(&room, 199, 9);
	assert_seen(200, 10, INT64_MIN, UINT64_MAX);
}

/* The server has lost its data: no grant from before may ever count. */
static void lower_fence_than_the_witness_is_not_believed(void **state)
{
	(void)state;
	make(RLK_PUBSUB, -1);
	rlk_room_saw(&room, 200, 10);
	rlk_room_saw(&room, 300, 9);
	assert_seen(200, 10, INT64_MIN, UINT64_MAX);
}

static int64_t end_of_grant(uint64_t fence, int64_t handoff)
{
	struct rlk_grant it = { RLK_LITERAL(TOKEN), fence, handoff, RLK_LITERAL("foo") };
	return rlk_pubsub_grant_end(&machine, &it);
}

static void grant_counts_from_the_youngest_witness_below_it(void **state)
{
	(void)state;
	make_three();
	assert_true(end_of_grant(1, HANDOFF) == INT64_MIN);
	rlk_room_saw(&room, START, 10);
	assert_true(end_of_grant(10, HANDOFF) == INT64_MIN);
	assert_int_equal(end_of_grant(11, HANDOFF), START + HANDOFF_SURE);
	rlk_room_saw(&room, START + 300, 12);
	assert_int_equal(end_of_grant(13, HANDOFF), START + 300 + HANDOFF_SURE);
	assert_int_equal(end_of_grant(12, HANDOFF), START + HANDOFF_SURE);
	assert_int_equal(end_of_grant(11, HANDOFF), START + HANDOFF_SURE);
	assert_true(end_of_grant(10, HANDOFF) == INT64_MIN);
}

static void of_two_hand_off_leases_the_smaller_one_counts(void **state)
{
	(void)state;
	make_three();
	rlk_room_saw(&room, START, 10);
	assert_int_equal(end_of_grant(11, 500), START + 500 - 5 - 2);
	assert_int_equal(end_of_grant(11, 8000), START + HANDOFF_SURE);
	rlk_room_saw(&room, START + 1, 11);
	assert_int_equal(end_of_grant(11, 500), START + 500 - 5 - 2);
	assert_int_equal(end_of_grant(11, 8000), START + HANDOFF_SURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_has_the_first_ticket_is_foremost),
		cmocka_unit_test(leaving_keeps_the_others_in_order),
		cmocka_unit_test(whoever_is_not_in_the_room_may_leave_it),
		cmocka_unit_test(suspended_waiter_lets_the_next_one_poll),
		cmocka_unit_test(new_ticket_does_not_change_who_polls),
		cmocka_unit_test(first_try_does_not_pass_those_that_are_about_to_queue),
		cmocka_unit_test(nobody_queues_before_the_subscriptions_are_confirmed),
		cmocka_unit_test(subscriptions_that_stand_are_not_waited_for),
		cmocka_unit_test(foremost_polls_half_a_hand_off_lease_after_it_asked),
		cmocka_unit_test(poll_under_way_is_waited_for),
		cmocka_unit_test(grant_to_another_of_the_room_puts_the_poll_off),
		cmocka_unit_test(foremost_polls_when_the_holders_lease_runs_out),
		cmocka_unit_test(clients_that_wait_for_the_same_expiry_poll_one_after_the_other),
		cmocka_unit_test(holders_end_counts_from_the_receipt_and_minus_one_is_none),
		cmocka_unit_test(others_poll_at_a_third_of_their_ttl_at_most_every_five_seconds),
		cmocka_unit_test(whoever_comes_to_the_front_polls_like_the_foremost),
		cmocka_unit_test(announced_release_brings_one_poll_of_the_foremost_by_its_place),
		cmocka_unit_test(nudge_never_puts_a_poll_off),
		cmocka_unit_test(nudge_is_over_with_the_next_answer),
		cmocka_unit_test(empty_room_is_nudged_in_vain),
		cmocka_unit_test(hand_off_lease_is_a_second_or_eight_round_trips_and_eight_seconds_at_most),
		cmocka_unit_test(hand_offs_missed_at_a_time_count_once),
		cmocka_unit_test(new_ticket_of_whoever_had_one_is_a_missed_hand_off),
		cmocka_unit_test(next_acquisition_after_a_missed_hand_off_asks_for_twice_the_lease),
		cmocka_unit_test(good_hand_off_brings_the_lease_back_to_its_start),
		cmocka_unit_test(lease_that_stands_in_the_ticket_stays_while_it_is_waited_with),
		cmocka_unit_test(what_was_seen_last_is_the_witness_and_what_was_seen_below_it_the_earlier_one),
		cmocka_unit_test(what_was_asked_earlier_and_answered_later_changes_nothing),
		cmocka_unit_test(lower_fence_than_the_witness_is_not_believed),
		cmocka_unit_test(grant_counts_from_the_youngest_witness_below_it),
		cmocka_unit_test(of_two_hand_off_leases_the_smaller_one_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

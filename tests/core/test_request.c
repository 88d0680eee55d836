/* SPDX-License-Identifier: MIT
 *
 * The machine's requests: which are due, and in what words. */
#include "machine.h"

enum { HOUR = 3600000 };

/* ---- words ---- */

static void first_try_asks_for_the_lock_and_does_not_queue(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|0|client|me", START);
	assert_true(machine.ticket);
}

static void waiter_that_listens_queues(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	room.listening = true;
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|1|client|me", START);
}

/* It keeps its place, but gets no new one that it wouldn't hear of. */
static void waiter_that_listens_no_more_does_not_queue(void **state)
{
	(void)state;
	make_waiting(60000);
	room.listening = false;
	rlk_machine_tick(&machine, START + 500);
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|0|client|me", START + 500);
}

static void single_try_does_not_queue(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 0);
	room.listening = true;
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|0|client|me", START);
}

static void spinner_does_not_queue(void **state)
{
	(void)state;
	make_trying(RLK_SPIN, -1);
	room.listening = true;
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|0|client|me", START);
}

static void last_try_leaves_the_queue(void **state)
{
	(void)state;
	make_waiting(300);
	rlk_machine_tick(&machine, START + 300);
	assert_request(RLK_LOCK, KEYS TOKEN "|30000|1000|2|client|me", START + 300);
}

static void longest_token_ttl_and_label_are_sent_as_they_are(void **state)
{
	char token[RLK_TOKEN_MAX + 1], text[512];
	(void)state;
	make(RLK_SPIN, 0);
	memset(token, '~', RLK_TOKEN_MAX);
	token[RLK_TOKEN_MAX] = '\0';
	machine.ttl = (INT64_C(1) << 53) - 1;
	machine.label = RLK_LITERAL("somebody with a name");
	rlk_machine_acquire(&machine, (struct rlk_slice) { token, RLK_TOKEN_MAX }, 7, PATIENCE, START);
	strcpy(text, KEYS);
	strcat(text, token);
	strcat(text, "|9007199254740991|1000|0|client|somebody with a name");
	assert_request(RLK_LOCK, text, START);
}

static void cancel_names_the_ticket_as_it_was_made(void **state)
{
	struct rlk_words words;
	(void)state;
	make_waiting(60000);
	pace.missed = 1;
	rlk_machine_cancel_words(&machine, &words, false);
	assert_words(&words, KEYS TOKEN "|1000|client|me");
	rlk_machine_cancel(&machine, PATIENCE, START + 10);
	assert_request(RLK_CANCEL, KEYS TOKEN "|1000|client|me", START + 10);
}

static void acknowledgement_is_an_extension_of_lock_and_state(void **state)
{
	(void)state;
	make_handed();
	assert_request(RLK_EXTEND, KEYS TOKEN "|30000|11", rlk_machine_wake(&machine, START + 300));
}

static void renewal_is_of_the_lock_alone(void **state)
{
	(void)state;
	make_holding();
	assert_request(RLK_RENEW, "1|foo|" TOKEN "|30000", START + 10000);
}

static void callers_extension_is_of_lock_and_state(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 5000, PATIENCE, START + 10);
	assert_request(RLK_EXTEND, KEYS TOKEN "|5000|11", START + 10);
	answer(RLK_EXTEND, told(RLK_HELD), START + 10, START + 11);
	assert_request(RLK_RENEW, "1|foo|" TOKEN "|5000", START + 10 + 5000 / 3);
}

static void script_goes_as_a_whole_where_it_is_asked_for(void **state)
{
	struct rlk_words words;
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_int_equal(rlk_machine_send(&machine, &words, true, &number, START), RLK_LOCK);
	assert_int_equal(words.word[0].length, 4);
	assert_ptr_equal(words.word[1].data, rlk_script_sources[RLK_LOCK].text.data);
	assert_words(&words, KEYS TOKEN "|30000|1000|0|client|me");
}

/* ---- the release's flag: whether the state is to be put right ---- */

static void release_of_an_acknowledged_hold_leaves_the_state_alone(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + 10);
	assert_request(RLK_UNLOCK, KEYS TOKEN "|0", START + 10);
}

static void release_of_a_hand_off_puts_the_state_right_until_it_is_acknowledged(void **state)
{
	(void)state;
	make_handed();
	rlk_machine_release(&machine, PATIENCE, START + 310);
	assert_request(RLK_UNLOCK, KEYS TOKEN "|1", START + 310);

	make_handed();
	assert_sends(RLK_EXTEND, START + 400);
	answer(RLK_EXTEND, told(RLK_HELD), START + 400, START + 401);
	rlk_machine_release(&machine, PATIENCE, START + 410);
	assert_request(RLK_UNLOCK, KEYS TOKEN "|0", START + 410);
}

/* Its state has no expiry, even if the lease has got one since. */
static void release_after_a_lease_without_an_end_puts_the_state_right(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, -1, PATIENCE, START + 10);
	assert_request(RLK_EXTEND, KEYS TOKEN "|-1|11", START + 10);
	answer(RLK_EXTEND, told(RLK_HELD), START + 10, START + 11);
	rlk_machine_extend(&machine, 5000, PATIENCE, START + 20);
	assert_request(RLK_EXTEND, KEYS TOKEN "|5000|11", START + 20);
	answer(RLK_EXTEND, told(RLK_HELD), START + 20, START + 21);
	rlk_machine_release(&machine, PATIENCE, START + 30);
	assert_request(RLK_UNLOCK, KEYS TOKEN "|1", START + 30);
}

static void flag_does_not_outlive_its_acquisition(void **state)
{
	(void)state;
	release_after_a_lease_without_an_end_puts_the_state_right(NULL);
	answer(RLK_UNLOCK, told(RLK_HELD), START + 30, START + 31);
	rlk_machine_acquire(&machine, RLK_LITERAL("next"), 7, PATIENCE, START + 40);
	assert_locks("0", START + 40);
	answer(RLK_LOCK, held(12), START + 40, START + 41);
	rlk_machine_release(&machine, PATIENCE, START + 50);
	assert_request(RLK_UNLOCK, KEYS "next|0", START + 50);
}

/* ---- the state's own expiry ---- */

static void state_is_refreshed_once_an_hour(void **state)
{
	int64_t now = START, renewals = 0, refreshed = START;
	(void)state;
	make_holding();
	while (now < START + 5 * HOUR) {
		now = rlk_machine_wake(&machine, now);
		bool due = now - refreshed >= HOUR;
		if (due) {
			assert_request(RLK_EXTEND, KEYS TOKEN "|30000|11", now);
			refreshed = now;
		} else {
			assert_request(RLK_RENEW, "1|foo|" TOKEN "|30000", now);
		}
		answer(due ? RLK_EXTEND : RLK_RENEW, told(RLK_HELD), now, now + 1);
		assert_int_equal(machine.phase, RLK_HOLDING);
		renewals++;
	}
	assert_int_equal(renewals, 5 * HOUR / 10000);
}

static void extension_counts_as_a_refresh(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 3 * HOUR, PATIENCE, START + 10);
	assert_sends(RLK_EXTEND, START + 10);
	answer(RLK_EXTEND, told(RLK_HELD), START + 10, START + 11);
	rlk_machine_extend(&machine, HOUR, PATIENCE, START + HOUR - 1);
	assert_sends(RLK_EXTEND, START + HOUR - 1);
	answer(RLK_EXTEND, told(RLK_HELD), START + HOUR - 1, START + HOUR);
	assert_sends(RLK_RENEW, START + HOUR - 1 + HOUR / 3);
}

/* ---- which are due ---- */

static void every_request_has_a_number_of_its_own(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	assert_int_equal(number, 1);
	rlk_machine_dropped(&machine, number, START + 1);
	assert_locks("0", START + 1);
	assert_int_equal(number, 2);
	answer(RLK_LOCK, held(11), START + 1, START + 2);
	assert_sends(RLK_RENEW, START + 10001);
	assert_int_equal(number, 3);
	assert_int_equal(machine.keep.sent_at, START + 10001);
}

static void request_is_taken_once(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	assert_locks("0", START);
	assert_sends_nothing(START);
	assert_sends_nothing(START + 59999);
}

static void request_is_not_sent_before_its_time(void **state)
{
	(void)state;
	make_trying(RLK_SPIN, 60000);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 1);
	rlk_machine_tick(&machine, START + 100);
	assert_sends_nothing(START + 100);
	rlk_machine_tick(&machine, START + 101);
	assert_locks("0", START + 101);
}

static void idle_machine_sends_nothing(void **state)
{
	(void)state;
	make(RLK_PUBSUB, 60000);
	assert_sends_nothing(START);
	assert_sends_nothing(RLK_NEVER);
	assert_true(rlk_machine_wake(&machine, START) == RLK_NEVER);
}

static void suspended_machine_sends_nothing(void **state)
{
	(void)state;
	make_trying(RLK_PUBSUB, 60000);
	rlk_machine_suspend(&machine);
	assert_sends_nothing(START);

	make_waiting(60000);
	rlk_machine_tick(&machine, START + 500);
	rlk_machine_suspend(&machine);
	assert_sends_nothing(START + 500);

	make_holding();
	rlk_machine_suspend(&machine);
	assert_sends_nothing(START + 10000);
}

/* The server may have given the lock to another, who must not lose it again to a renewal that comes too late. */
static void nothing_is_sent_for_a_hold_that_has_run_out(void **state)
{
	(void)state;
	make_holding();
	assert_true(rlk_machine_ready(&machine, START + TTL_SURE - 1));
	assert_sends_nothing(START + TTL_SURE);

	make_handed();
	assert_true(rlk_machine_ready(&machine, START + HANDOFF_SURE - 1));
	assert_sends_nothing(START + HANDOFF_SURE);

	make_holding();
	rlk_machine_extend(&machine, 60000, PATIENCE, START + 25000);
	assert_true(rlk_machine_ready(&machine, START + TTL_SURE - 1));
	assert_sends_nothing(START + TTL_SURE);
}

static void release_is_sent_even_if_the_hold_has_run_out(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_release(&machine, PATIENCE, START + TTL_SURE);
	assert_sends(RLK_UNLOCK, START + TTL_SURE);
}

static void shorter_lease_counts_from_its_sending(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 1000, PATIENCE, START + 100);
	assert_held_until(START + TTL_SURE);
	assert_sends(RLK_EXTEND, START + 200);
	assert_held_until(START + 200 + 988);
}

static void longer_lease_counts_from_its_answer(void **state)
{
	(void)state;
	make_holding();
	rlk_machine_extend(&machine, 60000, PATIENCE, START + 100);
	assert_sends(RLK_EXTEND, START + 100);
	assert_held_until(START + TTL_SURE);
	answer(RLK_EXTEND, told(RLK_HELD), START + 100, START + 200);
	assert_held_until(START + 100 + 60000 - 600 - 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_try_asks_for_the_lock_and_does_not_queue),
		cmocka_unit_test(waiter_that_listens_queues),
		cmocka_unit_test(waiter_that_listens_no_more_does_not_queue),
		cmocka_unit_test(single_try_does_not_queue),
		cmocka_unit_test(spinner_does_not_queue),
		cmocka_unit_test(last_try_leaves_the_queue),
		cmocka_unit_test(longest_token_ttl_and_label_are_sent_as_they_are),
		cmocka_unit_test(cancel_names_the_ticket_as_it_was_made),
		cmocka_unit_test(acknowledgement_is_an_extension_of_lock_and_state),
		cmocka_unit_test(renewal_is_of_the_lock_alone),
		cmocka_unit_test(callers_extension_is_of_lock_and_state),
		cmocka_unit_test(script_goes_as_a_whole_where_it_is_asked_for),
		cmocka_unit_test(release_of_an_acknowledged_hold_leaves_the_state_alone),
		cmocka_unit_test(release_of_a_hand_off_puts_the_state_right_until_it_is_acknowledged),
		cmocka_unit_test(release_after_a_lease_without_an_end_puts_the_state_right),
		cmocka_unit_test(flag_does_not_outlive_its_acquisition),
		cmocka_unit_test(state_is_refreshed_once_an_hour),
		cmocka_unit_test(extension_counts_as_a_refresh),
		cmocka_unit_test(every_request_has_a_number_of_its_own),
		cmocka_unit_test(request_is_taken_once),
		cmocka_unit_test(request_is_not_sent_before_its_time),
		cmocka_unit_test(idle_machine_sends_nothing),
		cmocka_unit_test(suspended_machine_sends_nothing),
		cmocka_unit_test(nothing_is_sent_for_a_hold_that_has_run_out),
		cmocka_unit_test(release_is_sent_even_if_the_hold_has_run_out),
		cmocka_unit_test(shorter_lease_counts_from_its_sending),
		cmocka_unit_test(longer_lease_counts_from_its_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

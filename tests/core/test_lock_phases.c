/* SPDX-License-Identifier: MIT
 *
 * Every phase and every input: what a phase has no use for changes nothing. */
#include "machine.h"

enum { PHASES = RLK_OVER + 1, UNKNOWN = 1000 };

/* A moment at which nothing is due in any phase. */
static const int64_t quiet = START + 320;

/* A machine in this phase; its request, if the phase has one, is under way. */
static void make_in(enum rlk_phase phase)
{
	switch (phase) {
	case RLK_IDLE:
		make(RLK_PUBSUB, 60000);
		break;
	case RLK_TRYING:
		make_trying(RLK_PUBSUB, 60000);
		assert_locks("0", START);
		break;
	case RLK_PAUSING:
		make(RLK_SPIN, 60000);
		machine.interval = 10000;
		rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), 7, PATIENCE, START);
		assert_locks("0", START);
		answer(RLK_LOCK, busy(10), START, START + 1);
		break;
	case RLK_LISTENING:
		make_trying(RLK_PUBSUB, 60000);
		assert_locks("0", START);
		answer(RLK_LOCK, busy(10), START, START + 1);
		break;
	case RLK_WAITING:
		make_waiting(60000);
		break;
	case RLK_LEAVING:
		make_waiting(300);
		rlk_machine_tick(&machine, START + 300);
		assert_locks("2", START + 300);
		break;
	case RLK_CONFIRMING:
		make_waiting(60000);
		machine.min_replicas = 1;
		machine.replicas_wait = 10000;
		assert_true(grant(11, START + 300));
		assert_sends(RLK_EXTEND, START + 300);
		break;
	case RLK_CANCELLING:
		make_waiting(60000);
		rlk_machine_cancel(&machine, PATIENCE, START + 300);
		assert_sends(RLK_CANCEL, START + 300);
		break;
	case RLK_HOLDING:
		make_holding();
		break;
	case RLK_EXTENDING:
		make_holding();
		rlk_machine_extend(&machine, 6000, PATIENCE, START + 300);
		assert_sends(RLK_EXTEND, START + 300);
		break;
	case RLK_RELEASING:
		make_releasing();
		break;
	case RLK_OVER:
		make_lost();
		break;
	}
	assert_int_equal(machine.phase, phase);
}

static struct rlk_machine before;
static struct rlk_room room_before;

static void remember(void)
{
	memcpy(&before, &machine, sizeof before);
	memcpy(&room_before, &room, sizeof room_before);
}

static void assert_unchanged(void)
{
	assert_memory_equal(&machine, &before, sizeof machine);
	assert_memory_equal(&room, &room_before, sizeof room);
}

static void answers_to_unknown_requests_change_nothing(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		remember();
		for (int script = 0; script < RLK_SCRIPTS; script++) {
			for (int outcome = RLK_NOT_MINE; outcome <= RLK_MALFORMED; outcome++) {
				struct rlk_answer it = { .outcome = (enum rlk_outcome)outcome, .fence = 99 };
				rlk_machine_answer(&machine, (enum rlk_script)script, UNKNOWN, quiet, it, quiet);
				assert_unchanged();
			}
		}
	}
}

static void errors_and_losses_of_unknown_requests_change_nothing(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		remember();
		for (int remedy = RLK_GIVE_UP; remedy <= RLK_SEND_SCRIPT; remedy++) {
			rlk_machine_error(&machine, UNKNOWN, REDISLOCK_SERVER, (enum rlk_remedy)remedy, quiet);
			assert_unchanged();
		}
		rlk_machine_dropped(&machine, UNKNOWN, quiet);
		assert_unchanged();
	}
}

/* The request's answer is had once: a repetition is unknown. */
static void answers_are_taken_once(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		/* Where replicas confirm there are two of a number. */
		if (!machine.ask.flying || phase == RLK_CONFIRMING) {
			continue;
		}
		rlk_machine_answer(&machine, RLK_LOCK, number, START, held(11), quiet);
		remember();
		rlk_machine_answer(&machine, RLK_LOCK, number, START, queued(12, true), quiet);
		rlk_machine_error(&machine, number, REDISLOCK_SERVER, RLK_GIVE_UP, quiet);
		rlk_machine_dropped(&machine, number, quiet);
		assert_unchanged();
	}
}

static void every_request_under_way_is_sent_again_when_its_connection_breaks(void **state)
{
	static const bool asks[PHASES] = { [RLK_TRYING] = true,     [RLK_LEAVING] = true,   [RLK_CONFIRMING] = true,
		                           [RLK_CANCELLING] = true, [RLK_EXTENDING] = true, [RLK_RELEASING] = true };
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		rlk_machine_dropped(&machine, number, quiet);
		assert_int_equal(machine.phase, phase);
		assert_int_equal(rlk_machine_ready(&machine, quiet), asks[phase]);
	}
}

static void refusals_end_what_was_asked_for_and_no_hold(void **state)
{
	static const enum rlk_phase then[PHASES] = {
		[RLK_TRYING] = RLK_IDLE,     [RLK_LEAVING] = RLK_IDLE,      [RLK_CONFIRMING] = RLK_IDLE,
		[RLK_CANCELLING] = RLK_IDLE, [RLK_EXTENDING] = RLK_HOLDING, [RLK_RELEASING] = RLK_HOLDING
	};
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		if (!machine.ask.flying) {
			continue;
		}
		rlk_machine_error(&machine, number, REDISLOCK_PERMISSION, RLK_GIVE_UP, quiet);
		assert_done(REDISLOCK_PERMISSION);
		assert_int_equal(machine.phase, then[phase]);
		assert_true(machine.ticket);
	}
}

static void confirmed_subscriptions_concern_those_that_listen_or_wait(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		room.listening = true;
		remember();
		rlk_machine_listening(&machine, quiet);
		if (phase == RLK_LISTENING || phase == RLK_WAITING) {
			assert_locks("1", quiet);
		} else {
			assert_unchanged();
		}
	}
}

static void trouble_concerns_those_that_want_to_send_or_to_listen(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		remember();
		rlk_machine_trouble(&machine, REDISLOCK_CONNECTION_LOST, true, quiet);
		if (phase == RLK_LISTENING || phase == RLK_PAUSING) {
			assert_done(REDISLOCK_CONNECTION_LOST);
		} else {
			assert_unchanged();
		}
	}
}

static void grants_concern_all_but_those_that_are_idle_or_have_lost(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		remember();
		bool concerned = phase != RLK_IDLE && phase != RLK_OVER;
		assert_int_equal(grant(30, quiet), concerned);
		if (phase == RLK_TRYING || phase == RLK_WAITING) {
			continue;
		}
		assert_int_equal(room.heard_at, concerned ? quiet : INT64_MIN);
		room.heard_at = room_before.heard_at;
		assert_unchanged();
	}
}

static void time_in_which_nothing_is_due_changes_nothing(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		remember();
		int64_t wake = rlk_machine_wake(&machine, quiet);
		assert_true(wake > quiet);
		rlk_machine_tick(&machine, quiet);
		rlk_machine_tick(&machine, wake - 1);
		assert_unchanged();
	}
}

static void suspended_machine_lets_time_pass(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		rlk_machine_suspend(&machine);
		remember();
		assert_true(rlk_machine_wake(&machine, quiet) == RLK_NEVER);
		rlk_machine_tick(&machine, RLK_NEVER - 1);
		assert_unchanged();
		assert_sends_nothing(RLK_NEVER - 1);
	}
}

static void hold_is_believed_in_while_holding_or_extending(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		bool holds = phase == RLK_HOLDING || phase == RLK_EXTENDING;
		assert_int_equal(rlk_machine_held(&machine, quiet), holds);
		assert_int_equal(rlk_machine_in_background(&machine), holds);
	}
}

/* Whatever was going on, nothing more comes of it. */
static void abandoned_machine_is_idle(void **state)
{
	(void)state;
	for (int phase = 0; phase < PHASES; phase++) {
		make_in((enum rlk_phase)phase);
		rlk_machine_abandon(&machine);
		assert_int_equal(machine.phase, RLK_IDLE);
		assert_null(rlk_room_foremost(&room));
		assert_true(rlk_machine_wake(&machine, quiet) == RLK_NEVER);
		assert_sends_nothing(RLK_NEVER - 1);
		assert_false(rlk_machine_held(&machine, quiet));
		/* Only what was never sent, or was answered with "another holds it", leaves no trace. */
		bool traceless = phase == RLK_IDLE || phase == RLK_PAUSING || phase == RLK_LISTENING;
		assert_int_equal(machine.ticket, !traceless);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_to_unknown_requests_change_nothing),
		cmocka_unit_test(errors_and_losses_of_unknown_requests_change_nothing),
		cmocka_unit_test(answers_are_taken_once),
		cmocka_unit_test(every_request_under_way_is_sent_again_when_its_connection_breaks),
		cmocka_unit_test(refusals_end_what_was_asked_for_and_no_hold),
		cmocka_unit_test(confirmed_subscriptions_concern_those_that_listen_or_wait),
		cmocka_unit_test(trouble_concerns_those_that_want_to_send_or_to_listen),
		cmocka_unit_test(grants_concern_all_but_those_that_are_idle_or_have_lost),
		cmocka_unit_test(time_in_which_nothing_is_due_changes_nothing),
		cmocka_unit_test(suspended_machine_lets_time_pass),
		cmocka_unit_test(hold_is_believed_in_while_holding_or_extending),
		cmocka_unit_test(abandoned_machine_is_idle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Not acquired, what next? Spin: try again after a pause. */
#include "machine.h"

static void make_spinning(int64_t interval, int32_t growth, int64_t interval_max, uint32_t jitter)
{
	make(RLK_SPIN, -1);
	machine.interval = interval;
	machine.growth = growth;
	machine.interval_max = interval_max;
	rlk_machine_acquire(&machine, RLK_LITERAL(TOKEN), jitter, PATIENCE, START);
}

/* One try, sent and answered at now; the pause that follows. */
static int64_t pause_after_a_try(int64_t now)
{
	assert_locks("0", now);
	answer(RLK_LOCK, busy(10), now, now);
	assert_int_equal(machine.phase, RLK_PAUSING);
	int64_t again = rlk_machine_wake(&machine, now);
	rlk_machine_tick(&machine, again - 1);
	assert_sends_nothing(again - 1);
	rlk_machine_tick(&machine, again);
	assert_int_equal(machine.phase, RLK_TRYING);
	return again - now;
}

static void interval_is_constant_without_growth(void **state)
{
	int64_t now = START;
	(void)state;
	make_spinning(70, 100, 1000, 12345);
	for (int i = 0; i < 20; i++) {
		int64_t pause = pause_after_a_try(now);
		assert_int_equal(pause, 70);
		now += pause;
	}
}

static void pause_counts_from_the_answer(void **state)
{
	(void)state;
	make_spinning(70, 100, 70, 1);
	assert_locks("0", START);
	answer(RLK_LOCK, busy(10), START, START + 30);
	assert_int_equal(rlk_machine_wake(&machine, START + 30), START + 100);
}

static void growing_interval_keeps_to_its_bounds_less_up_to_a_quarter(void **state)
{
	static const int64_t longest[] = { 100, 150, 225, 337, 400, 400, 400 };
	bool shortened = false;
	(void)state;
	for (uint32_t jitter = 1; jitter < 200; jitter++) {
		int64_t now = START;
		make_spinning(100, 150, 400, jitter);
		for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
			int64_t pause = pause_after_a_try(now);
			assert_in_range(pause, longest[i] - longest[i] / 4, longest[i]);
			shortened |= pause < longest[i] - longest[i] / 5;
			now += pause;
		}
	}
	assert_true(shortened);
}

static void those_that_begin_together_do_not_stay_together(void **state)
{
	bool met[100] = { false };
	size_t moments = 0;
	(void)state;
	for (uint32_t jitter = 1; jitter <= 64; jitter++) {
		make_spinning(100, 200, 1000, jitter * 2654435761u);
		int64_t pause = pause_after_a_try(START);
		pause += pause_after_a_try(START + pause);
		moments += !met[pause % 100];
		met[pause % 100] = true;
	}
	assert_true(moments > 20);
}

static void cap_below_the_first_interval_holds_from_the_second_on(void **state)
{
	(void)state;
	make_spinning(100, 200, 40, 1);
	assert_in_range(pause_after_a_try(START), 75, 100);
	assert_in_range(pause_after_a_try(START + 100), 30, 40);
}

static void shortest_interval_is_not_shortened(void **state)
{
	(void)state;
	make_spinning(1, 101, 1, 3);
	for (int64_t now = START; now < START + 20; now++) {
		assert_int_equal(pause_after_a_try(now), 1);
	}
}

static void next_acquisition_begins_with_the_first_interval(void **state)
{
	int64_t now = START;
	(void)state;
	make_spinning(100, 1000, 100000, 5);
	for (int i = 0; i < 3; i++) {
		now += pause_after_a_try(now);
	}
	rlk_machine_cancel(&machine, PATIENCE, now);
	rlk_machine_acquire(&machine, RLK_LITERAL("another"), 5, PATIENCE, now);
	assert_in_range(pause_after_a_try(now), 75, 100);
}

static void spinner_never_queues_even_where_it_could(void **state)
{
	(void)state;
	make_spinning(100, 100, 100, 1);
	room.listening = true;
	pause_after_a_try(START);
	assert_locks("0", START + 100);
	assert_null(rlk_room_foremost(&room));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interval_is_constant_without_growth),
		cmocka_unit_test(pause_counts_from_the_answer),
		cmocka_unit_test(growing_interval_keeps_to_its_bounds_less_up_to_a_quarter),
		cmocka_unit_test(those_that_begin_together_do_not_stay_together),
		cmocka_unit_test(cap_below_the_first_interval_holds_from_the_second_on),
		cmocka_unit_test(shortest_interval_is_not_shortened),
		cmocka_unit_test(next_acquisition_begins_with_the_first_interval),
		cmocka_unit_test(spinner_never_queues_even_where_it_could),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

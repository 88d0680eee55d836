/* SPDX-License-Identifier: MIT */
#include "engine.h"
#include "test.h"

#include <stdlib.h>

#define TIMERS 500

static struct rlk_timers timers;
static struct rlk_timer all[TIMERS];

static int start(void **state)
{
	(void)state;
	for (size_t i = 0; i < TIMERS; i++) {
		all[i] = (struct rlk_timer) { .at = RLK_NEVER };
		assert_true(rlk_timers_reserve(&timers));
	}
	return 0;
}

static int stop(void **state)
{
	(void)state;
	rlk_timers_clear(&timers);
	return 0;
}

/* Takes out all that are set; they must come in the order of their times. Returns how many there were. */
static size_t drain(void)
{
	int64_t last = INT64_MIN;
	size_t count = 0;
	struct rlk_timer *first;

	while ((first = rlk_timers_first(&timers)) != NULL) {
		assert_true(first->at >= last);
		last = first->at;
		rlk_timers_set(&timers, first, RLK_NEVER);
		assert_int_equal(first->index, 0);
		count++;
	}
	return count;
}

static void none_is_set_in_the_beginning(void **state)
{
	(void)state;
	assert_null(rlk_timers_first(&timers));
	rlk_timers_set(&timers, &all[0], RLK_NEVER);
	assert_null(rlk_timers_first(&timers));
}

static void timers_come_in_the_order_of_their_times(void **state)
{
	(void)state;
	srand(1);
	for (size_t i = 0; i < TIMERS; i++)
		rlk_timers_set(&timers, &all[i], rand() % 100);
	assert_int_equal(drain(), TIMERS);
}

static void timer_that_is_set_anew_moves_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < TIMERS; i++)
		rlk_timers_set(&timers, &all[i], 1000 + (int64_t)i);
	rlk_timers_set(&timers, &all[TIMERS - 1], 1);
	assert_ptr_equal(rlk_timers_first(&timers), &all[TIMERS - 1]);
	rlk_timers_set(&timers, &all[TIMERS - 1], 5000);
	assert_ptr_equal(rlk_timers_first(&timers), &all[0]);
	srand(2);
	for (size_t i = 0; i < 10 * TIMERS; i++)
		rlk_timers_set(&timers, &all[(size_t)rand() % TIMERS], rand() % 3 == 0 ? RLK_NEVER : rand() % 1000);
	size_t set = 0;
	for (size_t i = 0; i < TIMERS; i++)
		set += all[i].at != RLK_NEVER;
	assert_int_equal(drain(), set);
}

static void timer_in_the_middle_can_be_taken_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < TIMERS; i++)
		rlk_timers_set(&timers, &all[i], (int64_t)((i * 37) % TIMERS));
	for (size_t i = 0; i < TIMERS; i += 3)
		rlk_timers_set(&timers, &all[i], RLK_NEVER);
	assert_int_equal(drain(), TIMERS - (TIMERS + 2) / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(none_is_set_in_the_beginning, start, stop),
		cmocka_unit_test_setup_teardown(timers_come_in_the_order_of_their_times, start, stop),
		cmocka_unit_test_setup_teardown(timer_that_is_set_anew_moves_both_ways, start, stop),
		cmocka_unit_test_setup_teardown(timer_in_the_middle_can_be_taken_out, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

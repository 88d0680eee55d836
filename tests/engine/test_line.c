/* SPDX-License-Identifier: MIT */
#include "engine.h"
#include "test.h"

static struct rlk_line line;
static struct rlk_job jobs[3];

static int stop(void **state)
{
	(void)state;
	rlk_line_clear(&line);
	return 0;
}

static void push(uint32_t number, struct rlk_job *job)
{
	assert_true(rlk_line_reserve(&line));
	rlk_line_push(&line, (struct rlk_flight) { .number = number, .job = job });
}

static void flights_come_back_in_order_however_many(void **state)
{
	uint32_t pushed = 0, popped = 0;
	struct rlk_flight flight;

	(void)state;
	/* The ring grows while it is in the middle of itself. */
	for (int round = 1; round < 60; round++) {
		for (int i = 0; i < round; i++)
			push(pushed++, NULL);
		for (int i = 0; i < round / 2; i++) {
			assert_true(rlk_line_pop(&line, &flight));
			assert_int_equal(flight.number, popped++);
		}
	}
	while (rlk_line_pop(&line, &flight))
		assert_int_equal(flight.number, popped++);
	assert_int_equal(popped, pushed);
	assert_false(rlk_line_pop(&line, &flight));
}

static void forgotten_flight_keeps_its_place(void **state)
{
	struct rlk_flight flight;

	(void)state;
	for (uint32_t i = 0; i < 9; i++)
		push(i, &jobs[i % 3]);
	rlk_line_forget(&line, &jobs[1]);
	for (uint32_t i = 0; i < 9; i++) {
		assert_true(rlk_line_pop(&line, &flight));
		assert_int_equal(flight.number, i);
		assert_ptr_equal(flight.job, i % 3 == 1 ? NULL : &jobs[i % 3]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(flights_come_back_in_order_however_many, stop),
		cmocka_unit_test_teardown(forgotten_flight_keeps_its_place, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

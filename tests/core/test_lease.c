/* SPDX-License-Identifier: MIT
 *
 * How long a hold may be believed. */
#include "machine.h"

static void lease_counts_from_its_sending_less_one_per_cent_and_two_ms(void **state)
{
	(void)state;
	assert_int_equal(rlk_lease_end(START, 30000), START + 30000 - 300 - 2);
	assert_int_equal(rlk_lease_end(START, 1000), START + 1000 - 10 - 2);
	assert_int_equal(rlk_lease_end(0, 1000), 988);
}

static void short_lease_keeps_two_ms_back(void **state)
{
	(void)state;
	assert_int_equal(rlk_lease_end(START, 100), START + 97);
	assert_int_equal(rlk_lease_end(START, 99), START + 97);
	assert_int_equal(rlk_lease_end(START, 3), START + 1);
}

static void lease_shorter_than_the_allowance_is_over_at_once(void **state)
{
	(void)state;
	assert_int_equal(rlk_lease_end(START, 2), START);
	assert_int_equal(rlk_lease_end(START, 1), START);
}

static void no_ttl_has_no_end(void **state)
{
	(void)state;
	assert_true(rlk_lease_end(START, -1) == RLK_NEVER);
	assert_true(rlk_lease_end(RLK_NEVER - 1, -1) == RLK_NEVER);
}

static void longest_ttl_ends_after_all(void **state)
{
	const int64_t longest = (INT64_C(1) << 53) - 1;
	(void)state;
	assert_true(rlk_lease_end(START, longest) == START + longest - longest / 100 - 2);
}

static void end_beyond_all_time_is_the_last_moment_but_not_never(void **state)
{
	(void)state;
	assert_true(rlk_lease_end(RLK_NEVER - 1 - 1000, 1000) == RLK_NEVER - 1 - 12);
	assert_true(rlk_lease_end(RLK_NEVER - 1 - 999, 1000) == RLK_NEVER - 1);
	assert_true(rlk_lease_end(RLK_NEVER - 1, 1) == RLK_NEVER - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease_counts_from_its_sending_less_one_per_cent_and_two_ms),
		cmocka_unit_test(short_lease_keeps_two_ms_back),
		cmocka_unit_test(lease_shorter_than_the_allowance_is_over_at_once),
		cmocka_unit_test(no_ttl_has_no_end),
		cmocka_unit_test(longest_ttl_ends_after_all),
		cmocka_unit_test(end_beyond_all_time_is_the_last_moment_but_not_never),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

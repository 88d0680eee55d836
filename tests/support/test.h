/* SPDX-License-Identifier: MIT
 *
 * What every test includes: cmocka with what it needs before it, and waiting for a condition with a deadline. */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* How long anything may take that is to happen at all. Machines are busy, and valgrind is slow. */
#ifndef TEST_DEADLINE_MS
#define TEST_DEADLINE_MS 30000
#endif

/* The clock that redislock uses as well. */
int64_t test_now_ms(void);
int64_t test_now_us(void);

/* Lets others run before a condition is looked at again, or lets time pass that is itself what is tested. */
void test_sleep_ms(int64_t duration_ms);

/* Waits for a condition; the test fails when it doesn't come true within the deadline. */
#define test_eventually(condition)                                                                                     \
	do {                                                                                                           \
		const int64_t test_until = test_now_ms() + TEST_DEADLINE_MS;                                           \
		while (!(condition)) {                                                                                 \
			if (test_now_ms() > test_until)                                                                \
				fail_msg("not within %d ms: %s", TEST_DEADLINE_MS, #condition);                        \
			test_sleep_ms(2);                                                                              \
		}                                                                                                      \
	} while (0)

#endif

/* SPDX-License-Identifier: MIT */
#include "test.h"

#include <errno.h>
#include <time.h>

int64_t test_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t test_now_ms(void)
{
	return test_now_us() / 1000;
}

void test_sleep_ms(int64_t duration_ms)
{
	struct timespec left = { (time_t)(duration_ms / 1000), (long)(duration_ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		continue;
}

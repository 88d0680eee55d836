/* SPDX-License-Identifier: MIT
 *
 * Time that no wall clock can change; it goes on while the machine is suspended, as a lease does. */
#include "cli.h"

#include <errno.h>
#include <time.h>

int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void monotonic_sleep(int64_t duration_ms)
{
	struct timespec rest = { (time_t)(duration_ms / 1000), (long)(duration_ms % 1000) * 1000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR) {
		/* rest holds what is left */
	}
}

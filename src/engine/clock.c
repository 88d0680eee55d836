/* SPDX-License-Identifier: MIT */
#include "engine.h"

#include <time.h>

int64_t rlk_now(void)
{
	struct timespec now;
	/* Suspended time counts: the server's clock ran on meanwhile. */
#ifdef CLOCK_BOOTTIME
	clock_gettime(CLOCK_BOOTTIME, &now);
#else
	clock_gettime(CLOCK_MONOTONIC, &now);
#endif
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* SPDX-License-Identifier: MIT
 *
 * The command that `redis-lock run` runs: faults-task NAME_NUMBER HOLD_US LOG RESOURCE. It knows no lease: until it is
 * told to end, by a signal, it believes to be alone. */
#include "record.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t told;

static void end(int number)
{
	(void)number;
	told = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	const char *fence_text = getenv("REDISLOCK_FENCE"), *token = getenv("REDISLOCK_TOKEN");
	int64_t started = record_now();

	sigaction(SIGTERM, &action, NULL);
	if (argc != 5 || fence_text == NULL || token == NULL || !record_open(argv[3], argv[4]))
		return 64;
	unsigned name = (unsigned)atoi(argv[1]), handle = (unsigned)getpid();
	int64_t hold_us = atoll(argv[2]);
	uint64_t fence = strtoull(fence_text, NULL, 10);
	const struct timespec duration = { hold_us / 1000000, hold_us % 1000000 * 1000 };

	record_line("g %u c%u %" PRId64 " %" PRId64 " %" PRIu64 " %" PRId64 " 0 %s", handle, name, started, started,
	            fence, INT64_MAX, token);
	record_line("w %u %" PRId64 " %d %" PRIu64 " 0", handle, record_now(), resource_write(name, fence), fence);
	record_flush();
	if (!told)
		nanosleep(&duration, NULL);
	record_line("r %u %" PRId64, handle, record_now());
	record_flush();
	return 0;
}

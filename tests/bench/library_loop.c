/* SPDX-License-Identifier: MIT
 *
 * Many waiters in one event loop, for one name or spread over several: whoever gets its lock releases it at once and
 * queues again. Usage: library_loop URL NAME WAITERS MILLISECONDS [NAMES] */
#include "bench.h"
#include "library_client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t *counts; /* of each waiter; its number is the tag */

static void started(int32_t status)
{
	if (status != REDISLOCK_OK)
		bench_die("not started: %s", redislock_strerror(status));
}

/* A turn of the loop; how often the lock was acquired in it. */
static unsigned turn(redislock_client *client)
{
	struct pollfd poller = { redislock_client_fd(client), POLLIN, 0 };
	redislock_event *event;
	unsigned acquired = 0;

	poll(&poller, 1, -1);
	redislock_client_dispatch(client);
	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		redislock_lock *lock = redislock_event_lock(event);

		switch (redislock_event_type(event)) {
		case REDISLOCK_EVENT_ACQUIRED:
			started(redislock_lock_start_release(lock, redislock_event_tag(event)));
			counts[redislock_event_tag(event)]++;
			acquired++;
			break;
		case REDISLOCK_EVENT_RELEASED:
			started(redislock_lock_start_acquire(lock, redislock_event_tag(event)));
			break;
		default:
			bench_die("%s", redislock_strerror(redislock_event_status(event)));
		}
	}
	return acquired;
}

int main(int argc, char **argv)
{
	redislock_client *client;
	uint64_t waiters, duration, begin, end, names, before, acquired = 0;

	if (argc != 5 && argc != 6)
		bench_die("usage: library_loop URL NAME WAITERS MILLISECONDS [NAMES]");
	waiters = bench_number(argv[3], 2, 100000);
	duration = bench_number(argv[4], 1, 600000) * 1000000;
	names = argc == 6 ? bench_number(argv[5], 1, waiters) : 1;
	counts = calloc(waiters, sizeof *counts);
	if (!counts)
		bench_die("out of memory");
	started(redislock_client_new_eventloop(argv[1], &client));
	for (uint64_t i = 0; i < waiters; i++) {
		char name[96];
		redislock_lock *lock;

		snprintf(name, sizeof name, "%.64s-%llu", argv[2], (unsigned long long)(i % names));
		lock = library_lock(client, name);
		redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER);
		started(redislock_lock_start_acquire(lock, i));
	}
	/* Once all have had it they all are in the queue. */
	while (acquired < waiters)
		acquired += turn(client);
	before = acquired;
	memset(counts, 0, waiters * sizeof *counts);
	begin = bench_now_ns();
	while (bench_now_ns() - begin < duration)
		acquired += turn(client);
	end = bench_now_ns();
	printf("{\"acquisitions\": %llu, \"all\": %llu, \"seconds\": %.6f, \"sockets\": %u, \"jain\": %.4f}\n",
	       (unsigned long long)(acquired - before), (unsigned long long)acquired, (double)(end - begin) / 1e9,
	       bench_sockets(), bench_fairness(counts, waiters));
	return 0;
}

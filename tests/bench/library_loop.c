/* SPDX-License-Identifier: MIT
 *
 * Many waiters for one name in one event loop: whoever gets the lock releases it at once and queues again.
 * Usage: library_loop URL NAME WAITERS MILLISECONDS */
#include "bench.h"
#include "library_client.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

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
			started(redislock_lock_start_release(lock, 0));
			acquired++;
			break;
		case REDISLOCK_EVENT_RELEASED:
			started(redislock_lock_start_acquire(lock, 0));
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
	uint64_t waiters, duration, begin, acquired = 0;

	if (argc != 5)
		bench_die("usage: library_loop URL NAME WAITERS MILLISECONDS");
	waiters = bench_number(argv[3], 2, 100000);
	duration = bench_number(argv[4], 1, 600000) * 1000000;
	started(redislock_client_new_eventloop(argv[1], &client));
	for (uint64_t i = 0; i < waiters; i++) {
		redislock_lock *lock = library_lock(client, argv[2]);

		redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER);
		started(redislock_lock_start_acquire(lock, 0));
	}
	/* Once all have had it they all are in the queue. */
	while (acquired < waiters)
		acquired += turn(client);
	acquired = 0;
	begin = bench_now_ns();
	while (bench_now_ns() - begin < duration)
		acquired += turn(client);
	printf("{\"acquisitions\": %llu, \"seconds\": %.6f, \"sockets\": %u}\n", (unsigned long long)acquired,
	       (double)(bench_now_ns() - begin) / 1e9, bench_sockets());
	return 0;
}

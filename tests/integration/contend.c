/* SPDX-License-Identifier: MIT
 *
 * A contender in C, for the test of interoperation: contend blocking|eventloop URL NAME ROUNDS
 *
 * It says "ready", and begins with the first line that it reads. Each hold becomes a line: when it began, when its
 * release began, in microseconds, and its fence. */
#include "test.h"

#include <redislock/redislock.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITERS = 2, HOLD_MS = 1, MOST_PAUSE_MS = 20 };

static void check(int32_t status, const char *what)
{
	if (status != REDISLOCK_OK) {
		fprintf(stderr, "%s: %s\n", what, redislock_error_name(status));
		exit(1);
	}
}

static redislock_lock *new_lock(redislock_client *client, int32_t kind, const char *name)
{
	redislock_lock *lock;

	check(redislock_lock_new(client, kind, name, strlen(name), &lock), "lock");
	check(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), "wait");
	check(redislock_lock_set_spin_interval_ms(lock, 5), "interval");
	return lock;
}

static void wait_for_start(void)
{
	char line[16];

	puts("ready");
	fflush(stdout);
	if (fgets(line, sizeof line, stdin) == NULL)
		exit(1);
}

/* Between the acquire and the release. */
static void hold(redislock_lock *lock)
{
	const int64_t acquired = test_now_us();

	test_sleep_ms(HOLD_MS);
	printf("%" PRId64 " %" PRId64 " %" PRIu64 "\n", acquired, test_now_us(), redislock_lock_fence(lock));
}

/* So that the queue runs dry now and then, and those have a chance that have no place in it. */
static void pause_for_others(void)
{
	test_sleep_ms(test_now_us() % MOST_PAUSE_MS);
}

static void run_blocking(const char *url, const char *name, int rounds)
{
	redislock_client *client;
	redislock_lock *locks[WAITERS];

	check(redislock_client_new(url, &client), "client");
	check(redislock_client_connect(client), "connect");
	locks[0] = new_lock(client, REDISLOCK_KIND_PUBSUB, name);
	locks[1] = new_lock(client, REDISLOCK_KIND_SPIN, name);
	wait_for_start();
	for (int i = 0; i < rounds; i++) {
		redislock_lock *lock = locks[i % WAITERS];

		check(redislock_lock_acquire(lock), "acquire");
		hold(lock);
		check(redislock_lock_release(lock), "release");
		pause_for_others();
	}
	for (int i = 0; i < WAITERS; i++)
		redislock_lock_free(locks[i]);
	redislock_client_free(client);
}

static void handle(const redislock_event *event, int *rounds, int *running)
{
	redislock_lock *lock = redislock_event_lock(event);

	switch (redislock_event_type(event)) {
	case REDISLOCK_EVENT_ACQUIRED:
		hold(lock);
		check(redislock_lock_start_release(lock, 0), "start release");
		break;
	case REDISLOCK_EVENT_RELEASED:
		pause_for_others();
		if ((*rounds)-- > 0)
			check(redislock_lock_start_acquire(lock, 0), "start acquire");
		else
			(*running)--;
		break;
	default:
		check(redislock_event_status(event), "event");
		exit(1);
	}
}

static void run_eventloop(const char *url, const char *name, int rounds)
{
	redislock_client *client;
	redislock_event *event;
	redislock_lock *locks[WAITERS];
	int running = WAITERS;

	check(redislock_client_new_eventloop(url, &client), "client");
	for (int i = 0; i < WAITERS; i++)
		locks[i] = new_lock(client, REDISLOCK_KIND_PUBSUB, name);
	wait_for_start();
	for (int i = 0; i < WAITERS; i++)
		check(redislock_lock_start_acquire(locks[i], 0), "start acquire");
	rounds -= WAITERS;
	while (running > 0) {
		struct pollfd fd = { .fd = redislock_client_fd(client), .events = POLLIN };

		poll(&fd, 1, -1);
		check(redislock_client_dispatch(client), "dispatch");
		while (redislock_client_next_event(client, &event) == REDISLOCK_OK)
			handle(event, &rounds, &running);
	}
	for (int i = 0; i < WAITERS; i++)
		redislock_lock_free(locks[i]);
	redislock_client_free(client);
}

int main(int argc, char **argv)
{
	if (argc != 5 || atoi(argv[4]) < WAITERS) {
		fprintf(stderr, "usage: contend blocking|eventloop URL NAME ROUNDS\n");
		return 64;
	}
	if (strcmp(argv[1], "blocking") == 0)
		run_blocking(argv[2], argv[3], atoi(argv[4]));
	else
		run_eventloop(argv[2], argv[3], atoi(argv[4]));
	return 0;
}

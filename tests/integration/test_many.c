/* SPDX-License-Identifier: MIT
 *
 * One process, one loop, one thread: ten thousand locks wait at once on a hundred names over two sockets. All are
 * served, in order. What a lock takes and how long the loop was held up is measured and told. */
#include "locks.h"

#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAMES 100

static struct test_server server;

struct clocks {
	int64_t wall, processor; /* microseconds: the longest stretch without a poll */
};

static int64_t processor_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void note(struct clocks *longest, int64_t wall, int64_t processor)
{
	wall = test_now_us() - wall;
	processor = processor_us() - processor;
	longest->wall = wall > longest->wall ? wall : longest->wall;
	longest->processor = processor > longest->processor ? processor : longest->processor;
}

/* A turn of the loop: waits, dispatches, and hands the lock of each that has it to the next. Returns how many had. */
static int turn(redislock_client *client, int *turns_of, struct clocks *longest)
{
	struct pollfd poller = { redislock_client_fd(client), POLLIN, 0 };
	redislock_event *event;
	int acquired = 0;

	poll(&poller, 1, 100);
	const int64_t wall = test_now_us(), processor = processor_us();
	assert_status(redislock_client_dispatch(client), REDISLOCK_OK);
	note(longest, wall, processor);
	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		const int type = redislock_event_type(event);

		if (type == REDISLOCK_EVENT_RELEASED)
			continue;
		assert_int_equal(type, REDISLOCK_EVENT_ACQUIRED);
		/* The tag is when it asked: after those of its name that asked before. */
		const uint64_t tag = redislock_event_tag(event);
		assert_int_equal(tag / NAMES, turns_of[tag % NAMES]++);
		assert_status(redislock_lock_start_release(redislock_event_lock(event), tag), REDISLOCK_OK);
		acquired++;
	}
	return acquired;
}

static long long tickets(void)
{
	return test_number(&server, "EVAL",
	                   "local sum = 0 for _, key in ipairs(redis.call('KEYS', 'rlock-queue:*')) do "
	                   "sum = sum + redis.call('ZCARD', key) end return sum",
	                   "0", NULL);
}

static void ten_thousand_locks_wait_in_one_loop(void **state)
{
	const int count = test_scaled(10000) / NAMES * NAMES > NAMES ? test_scaled(10000) / NAMES * NAMES : 2 * NAMES;
	redislock_client *holder_client = test_client(server.url), *client = NULL;
	redislock_lock **locks = calloc((size_t)count, sizeof(redislock_lock *)), *holders[NAMES];
	struct clocks starting = { 0, 0 }, waiting = { 0, 0 }, serving = { 0, 0 };
	int turns_of[NAMES] = { 0 }, served = 0;
	char name[32];

	(void)state;
	assert_non_null(locks);
	for (int i = 0; i < NAMES; i++) {
		snprintf(name, sizeof(name), "many-%d", i);
		holders[i] = test_lock(holder_client, REDISLOCK_KIND_PUBSUB, name);
		assert_status(redislock_lock_acquire(holders[i]), REDISLOCK_OK);
	}
	assert_status(redislock_client_new_eventloop(server.url, &client), REDISLOCK_OK);
	assert_status(redislock_client_set_name(client, "many"), REDISLOCK_OK);
	const struct mallinfo2 before = mallinfo2();
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "many-%d", i % NAMES);
		locks[i] = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
		assert_status(redislock_lock_set_wait_ms(locks[i], REDISLOCK_FOREVER), REDISLOCK_OK);
		const int64_t wall = test_now_us(), processor = processor_us();
		assert_status(redislock_lock_start_acquire(locks[i], (uint64_t)i), REDISLOCK_OK);
		note(&starting, wall, processor);
	}
	const int64_t until = test_now_ms() + TEST_DEADLINE_MS;
	while (tickets() < count) {
		assert_true(test_now_ms() < until);
		assert_int_equal(turn(client, turns_of, &waiting), 0);
	}
	const struct mallinfo2 after = mallinfo2();
	assert_int_equal(test_connections(&server, "name=many "), 2);
	for (int i = 0; i < NAMES; i++)
		redislock_lock_free(holders[i]);
	redislock_client_free(holder_client);
	const int64_t start = test_now_us();
	while (served < count) {
		assert_true(test_now_us() - start < 4 * TEST_DEADLINE_MS * INT64_C(1000));
		served += turn(client, turns_of, &serving);
	}
	const int64_t took = test_now_us() - start;
	assert_int_equal(test_connections(&server, "name=many "), 2);
	print_message("%d locks: %zu bytes for each that waits; all served in %.2f s, %.0f/s\n", count,
	              (after.uordblks - before.uordblks) / (size_t)count, (double)took / 1e6,
	              count * 1e6 / (double)took);
	print_message("longest start %.2f ms (%.2f of the processor), dispatch while they queue %.2f (%.2f), "
	              "while they are served %.2f (%.2f)\n",
	              (double)starting.wall / 1e3, (double)starting.processor / 1e3, (double)waiting.wall / 1e3,
	              (double)waiting.processor / 1e3, (double)serving.wall / 1e3, (double)serving.processor / 1e3);
	for (int i = 0; i < count; i++)
		redislock_lock_free(locks[i]);
	free(locks);
	redislock_client_free(client);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(ten_thousand_locks_wait_in_one_loop) };

	return cmocka_run_group_tests(tests, start, stop);
}

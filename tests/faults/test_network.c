/* SPDX-License-Identifier: MIT
 *
 * What a network does to connections: it cuts them anywhere, is slow, goes silent without a word. */
#include "locks.h"
#include "proxy.h"
#include "waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_server server;
static struct proxy *proxy;
static redislock_client *near, *far, *other_far; /* the far ones are behind the proxy */

static redislock_lock *held(redislock_client *owner, const char *name)
{
	redislock_lock *lock = test_lock(owner, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

static void start_waiting(struct waiter *waiter, redislock_lock *lock, const char *name, int place)
{
	waiter_start(waiter, lock);
	test_eventually(test_queue(&server, name) == place);
}

/* Every request is sent again where its answer was cut off, with the same token: it finds what it has done. */
static void reply_that_is_cut_off_at_any_byte_costs_no_lock(void **state)
{
	redislock_lock *lock = test_lock(far, REDISLOCK_KIND_PUBSUB, "cut");
	uint64_t fence = 0;

	(void)state;
	assert_status(redislock_client_connect(far), REDISLOCK_OK);
	for (int bytes = 0; bytes < 26; bytes++) {
		proxy_cut(proxy, 100, bytes);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_true(redislock_lock_fence(lock) > fence);
		fence = redislock_lock_fence(lock);
		proxy_cut(proxy, 100, bytes);
		assert_status(redislock_lock_extend(lock, 20000), REDISLOCK_OK);
		proxy_cut(proxy, 100, bytes);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_int_equal(test_pttl(&server, "cut"), -2);
	}
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* The same while it waits: in the queue, and at the moment of its turn. */
static void waiter_whose_replies_are_cut_off_gets_its_turn(void **state)
{
	redislock_lock *lock = test_lock(far, REDISLOCK_KIND_PUBSUB, "cut-waiter");

	(void)state;
	for (int bytes = 0; bytes < 60; bytes += 7) {
		redislock_lock *holder = held(near, "cut-waiter");
		struct waiter waiter;

		start_waiting(&waiter, lock, "cut-waiter", 1);
		proxy_cut(proxy, 100, bytes);
		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		redislock_lock_free(holder);
	}
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* Its connections are open, and nothing passes. Its turn costs the next one a hand-off lease, and not the 30 s of a
 * TTL; when the network is back it has its turn. */
static void waiter_that_is_cut_off_costs_a_hand_off_lease(void **state)
{
	redislock_lock *holder = held(near, "half-open"), *lock = test_lock(far, REDISLOCK_KIND_PUBSUB, "half-open"),
	               *next = test_lock(near, REDISLOCK_KIND_PUBSUB, "half-open");
	struct waiter cut_off, waiter;
	int64_t begin;

	(void)state;
	start_waiting(&cut_off, lock, "half-open", 1);
	start_waiting(&waiter, next, "half-open", 2);
	proxy_freeze(proxy, PROXY_REQUESTS, 100);
	proxy_freeze(proxy, PROXY_REPLIES, 100);
	begin = test_now_ms();
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_in_range(test_now_ms() - begin, 900, 15000);
	assert_false(atomic_load(&cut_off.done));
	proxy_thaw(proxy);
	test_sleep_ms(100);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	assert_int_equal(redislock_lock_is_held(next), 1);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	assert_status(waiter_join(&cut_off), REDISLOCK_OK);
	assert_true(redislock_lock_fence(lock) > redislock_lock_fence(next));
	redislock_lock_free(next);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

/* The hand-off lease of the first ticket of a name without braces. */
static long long handoff_asked_for(const char *name)
{
	char key[128], ticket[256];
	long long handoff = 0;

	snprintf(key, sizeof(key), "rlock-queue:{%s}:%s", name, name);
	assert_true(test_command(&server, ticket, sizeof(ticket), "ZRANGE", key, "0", "0", NULL));
	sscanf(ticket, "%*s %*s %lld", &handoff);
	return handoff;
}

/* Far away everything takes longer, and so may a hand-off. */
static void hand_off_lease_grows_with_the_distance(void **state)
{
	redislock_lock *locks[2] = { test_lock(far, REDISLOCK_KIND_PUBSUB, "slow"),
		                     test_lock(other_far, REDISLOCK_KIND_PUBSUB, "slow") };
	uint64_t fence = 0;

	(void)state;
	assert_status(redislock_client_connect(far), REDISLOCK_OK);
	assert_status(redislock_client_connect(other_far), REDISLOCK_OK);
	proxy_delay(proxy, 150, 150);
	assert_status(redislock_client_ping(far), REDISLOCK_OK);
	assert_status(redislock_client_ping(other_far), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(locks[0]), REDISLOCK_OK);
	for (int i = 0; i < 6; i++) {
		redislock_lock *holder = locks[i % 2], *next = locks[1 - i % 2];
		struct waiter waiter;

		assert_true(redislock_lock_fence(holder) > fence);
		fence = redislock_lock_fence(holder);
		start_waiting(&waiter, next, "slow", 1);
		/* Eight round trips of at least 300 ms. */
		assert_in_range(handoff_asked_for("slow"), 2400, 8000);
		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
	}
	proxy_delay(proxy, 0, 0);
	redislock_lock_free(locks[0]);
	redislock_lock_free(locks[1]);
	assert_nothing_left(&server);
}

/* Everything ends at its time, though nobody says that the connection is dead. */
static void silence_ends_every_call_in_time(void **state)
{
	redislock_lock *lock = test_lock(far, REDISLOCK_KIND_PUBSUB, "silence"), *holder = held(far, "held-in-silence");
	int64_t begin;

	(void)state;
	assert_status(redislock_client_set_command_timeout_ms(far, 300), REDISLOCK_OK);
	assert_status(redislock_client_set_connect_timeout_ms(far, 300), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, 700), REDISLOCK_OK);
	for (int way = 0; way < PROXY_WAYS; way++) {
		assert_status(redislock_client_ping(far), REDISLOCK_OK);
		proxy_refuse(proxy, true);
		proxy_freeze(proxy, (enum proxy_way)way, 100);
		begin = test_now_ms();
		assert_true(redislock_lock_acquire(lock) < 0);
		assert_in_range(test_now_ms() - begin, 290, 15000);
		assert_int_equal(redislock_lock_is_held(lock), 0);
		assert_true(redislock_client_ping(far) < 0);
		proxy_thaw(proxy);
		proxy_refuse(proxy, false);
		test_eventually(redislock_client_ping(far) == REDISLOCK_OK);
	}
	assert_int_equal(redislock_lock_is_held(holder), 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	redislock_lock_free(holder);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	char path[128], url[160];

	(void)state;
	test_server_start(&server, 0, NULL);
	snprintf(path, sizeof(path), "%s/proxy", server.folder);
	snprintf(url, sizeof(url), "unix://%s", path);
	proxy = proxy_start(path, server.socket);
	assert_non_null(proxy);
	near = test_client(server.url);
	far = test_client(url);
	other_far = test_client(url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(near);
	redislock_client_free(far);
	redislock_client_free(other_far);
	proxy_stop(proxy);
	test_server_stop(&server);
	return 0;
}

#define network_test(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		network_test(reply_that_is_cut_off_at_any_byte_costs_no_lock),
		network_test(waiter_whose_replies_are_cut_off_gets_its_turn),
		network_test(waiter_that_is_cut_off_costs_a_hand_off_lease),
		network_test(hand_off_lease_grows_with_the_distance),
		network_test(silence_ends_every_call_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

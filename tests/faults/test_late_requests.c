/* SPDX-License-Identifier: MIT
 *
 * Requests that were stuck on a connection which has died since, and arrive when nobody counts on them any more. */
#include "locks.h"
#include "proxy.h"
#include "waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MS = 1000 };

static struct test_server server;
static struct proxy *proxy;
static char proxy_url[160];
static redislock_client *client, *other;

/* The digits of a TTL that nothing else has are how the proxy knows a request. */
static redislock_lock *lock_with(redislock_client *owner, const char *name, int64_t ttl_ms)
{
	redislock_lock *lock = test_lock(owner, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_set_ttl_ms(lock, ttl_ms), REDISLOCK_OK);
	return lock;
}

static long long scripts_run(void)
{
	char info[4096];

	assert_true(test_command(&server, info, sizeof(info), "INFO", "commandstats", NULL));
	const char *evalsha = strstr(info, "cmdstat_evalsha:calls=");
	return evalsha != NULL ? atoll(evalsha + strlen("cmdstat_evalsha:calls=")) : 0;
}

/* The server knows the scripts, so that each request is one. */
static void warm_up(void)
{
	redislock_lock *lock = lock_with(client, "warm-up", 30000);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_extend(lock, 30000), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

/* The first request of it is stuck. The call and its connection give up in one moment: which is first is all the same.
 */
static void extend_at_the_second_try(redislock_lock *lock, int64_t ttl_ms)
{
	int32_t status = redislock_lock_extend(lock, ttl_ms);

	if (status == REDISLOCK_TIMEOUT)
		status = redislock_lock_extend(lock, ttl_ms);
	assert_int_equal(status, REDISLOCK_OK);
}

static void deliver_one(void)
{
	long long before = scripts_run();

	assert_true(proxy_held(proxy) > 0);
	proxy_deliver(proxy);
	test_eventually(scripts_run() > before);
}

static void start_stuck(struct waiter *waiter, redislock_lock *lock, const char *text)
{
	proxy_hold(proxy, PROXY_REQUESTS, text);
	waiter_start(waiter, lock);
	test_eventually(proxy_held(proxy) == 1);
}

/* The first LOCK is stuck; a second one acquires. The first one comes when the lock has been released: it takes it for
 * nobody, and that ends with the TTL that it asks for. */
static void late_lock_ends_by_its_ttl(void **state)
{
	redislock_lock *lock = lock_with(client, "late", 5777);
	struct waiter waiter;

	(void)state;
	start_stuck(&waiter, lock, "5777");
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_int_equal(test_pttl(&server, "late"), -2);
	deliver_one();
	assert_in_range(test_pttl(&server, "late"), 1, 5777);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	test_eventually(test_pttl(&server, "late") == -2);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* One that would queue, where it finds the lock taken, queues for nobody. Its turn comes: how long until it is handed
 * on? */
static int64_t hand_on_a_late_ticket(void)
{
	redislock_lock *holder = lock_with(other, "ticket", 30000), *next = lock_with(other, "ticket", 30000),
	               *lock = lock_with(client, "ticket", 5778);
	struct waiter waiter, last;
	int64_t begin, took;
	int32_t status;

	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "ticket") == 1);
	/* Its next poll is stuck, and it doesn't notice: the lock comes by a message. */
	proxy_hold(proxy, PROXY_REQUESTS, "5778");
	test_eventually(proxy_held(proxy) == 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	/* It is behind the poll, and gives up when its connection does, or comes too late for the hand-off lease. */
	test_eventually((status = redislock_lock_release(lock)) != REDISLOCK_TIMEOUT);
	assert_true(status == REDISLOCK_OK || status == REDISLOCK_LOST);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	deliver_one();
	assert_int_equal(test_queue(&server, "ticket"), 1);
	waiter_start(&last, next);
	test_eventually(test_queue(&server, "ticket") == 2);
	begin = test_now_ms();
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&last), REDISLOCK_OK);
	took = test_now_ms() - begin;
	redislock_lock_free(next);
	redislock_lock_free(holder);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
	return took;
}

/* At once, and not after a hand-off lease: nobody is missed. On a busy machine more than one try may be needed. */
static void late_ticket_is_handed_on(void **state)
{
	(void)state;
	test_eventually(hand_on_a_late_ticket() < 900);
}

/* The LOCK is stuck, and the request that would make its lease endless. They come one after the other when the lock has
 * been released. */
static void late_lock_and_late_extension_leave_no_lock_for_ever(void **state)
{
	redislock_lock *lock = lock_with(client, "for-ever", 5779);
	struct waiter waiter;

	(void)state;
	start_stuck(&waiter, lock, "5779");
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	proxy_hold(proxy, PROXY_REQUESTS, "\r\n-1\r\n");
	extend_at_the_second_try(lock, REDISLOCK_NO_EXPIRY);
	assert_int_equal(proxy_held(proxy), 2);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_int_equal(test_pttl(&server, "for-ever"), -2);
	deliver_one();
	assert_in_range(test_pttl(&server, "for-ever"), 1, 5779);
	deliver_one();
	assert_in_range(test_pttl(&server, "for-ever"), 1, 5779);
	test_eventually(test_pttl(&server, "for-ever") == -2);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* A release got no answer, and may come at any time. */
static void hold_whose_release_may_come_late_is_not_extended(void **state)
{
	redislock_lock *lock = lock_with(client, "in-doubt", 30000), *next = lock_with(other, "in-doubt", 30000);
	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&server, "in-doubt") == 1);
	proxy_hold(proxy, PROXY_REQUESTS, "in-doubt");
	proxy_refuse(proxy, true);
	assert_true(redislock_lock_release(lock) < 0);
	proxy_refuse(proxy, false);
	assert_int_equal(proxy_held(proxy), 1);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	assert_status(redislock_lock_extend(lock, 20000), REDISLOCK_NOT_OWNED);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	deliver_one();
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	/* It can be asked for again, and was done in the meantime. */
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(next);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* An extension to less is stuck. What is believed until it may come is the less of the two. */
static void late_extension_shortens_nothing_that_is_believed(void **state)
{
	redislock_lock *lock = lock_with(client, "shorter", 30000);

	(void)state;
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	proxy_hold(proxy, PROXY_REQUESTS, "5780");
	extend_at_the_second_try(lock, 5780);
	assert_status(redislock_lock_extend(lock, 30000), REDISLOCK_OK);
	assert_true(redislock_lock_remaining_ms(lock) <= 5780);
	deliver_one();
	assert_in_range(test_pttl(&server, "shorter"), redislock_lock_remaining_ms(lock), 5780);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	char path[128];

	(void)state;
	test_server_start(&server, 0, NULL);
	snprintf(path, sizeof(path), "%s/proxy", server.folder);
	snprintf(proxy_url, sizeof(proxy_url), "unix://%s", path);
	proxy = proxy_start(path, server.socket);
	assert_non_null(proxy);
	client = test_client(proxy_url);
	other = test_client(server.url);
	assert_status(redislock_client_set_command_timeout_ms(client, TIMEOUT_MS), REDISLOCK_OK);
	assert_status(redislock_client_set_connect_timeout_ms(client, TIMEOUT_MS), REDISLOCK_OK);
	warm_up();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	redislock_client_free(other);
	proxy_stop(proxy);
	test_server_stop(&server);
	return 0;
}

#define proxy_test(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		proxy_test(late_lock_ends_by_its_ttl),
		proxy_test(late_ticket_is_handed_on),
		proxy_test(late_lock_and_late_extension_leave_no_lock_for_ever),
		proxy_test(hold_whose_release_may_come_late_is_not_extended),
		proxy_test(late_extension_shortens_nothing_that_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

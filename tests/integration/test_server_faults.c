/* SPDX-License-Identifier: MIT
 *
 * What may befall the server and its connections, while locks are held and waited for. Each test has a server of its
 * own, as most leave it in a bad state. */
#include "locks.h"
#include "waiter.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct test_server server;
static redislock_client *client, *other;

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

static void assert_lost_fd(redislock_client *owner)
{
	struct pollfd poller = { redislock_client_lost_fd(owner), POLLIN, 0 };
	uint64_t count;

	assert_true(poller.fd >= 0);
	assert_int_equal(poll(&poller, 1, TEST_DEADLINE_MS), 1);
	assert_int_equal(read(poller.fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(poll(&poller, 1, 0), 0);
}

/* A lock that the keeper keeps, with a lease short enough to see its loss soon. */
static redislock_lock *kept(redislock_client *owner, const char *name)
{
	redislock_lock *lock = test_lock(owner, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_set_ttl_ms(lock, 2000), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

static void killed_message_connection_is_restored_and_nothing_missed(void **state)
{
	redislock_lock *holder = held(client, "messages"), *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "messages");
	struct waiter waiter;

	(void)state;
	start_waiting(&waiter, lock, "messages", 1);
	for (int i = 0; i < 5; i++) {
		assert_true(test_number(&server, "CLIENT", "KILL", "TYPE", "pubsub", NULL) >= 1);
		test_eventually(test_connections(&server, "flags=P") >= 1);
	}
	/* In the very moment of the release. */
	test_number(&server, "CLIENT", "KILL", "TYPE", "pubsub", NULL);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void killed_command_connection_is_not_noticed(void **state)
{
	redislock_lock *holder = held(client, "commands"), *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "commands");
	struct waiter waiter;

	(void)state;
	start_waiting(&waiter, lock, "commands", 1);
	test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL);
	assert_status(redislock_lock_extend(holder, 30000), REDISLOCK_OK);
	test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

/* Both connections of both sides are killed all the time, while two take turns. */
static void connections_killed_all_the_time_cost_no_lock(void **state)
{
	redislock_lock *locks[2] = { test_lock(client, REDISLOCK_KIND_PUBSUB, "hail"),
		                     test_lock(other, REDISLOCK_KIND_PUBSUB, "hail") };
	uint64_t fence = 0;
	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_acquire(locks[0]), REDISLOCK_OK);
	for (int i = 0; i < 20; i++) {
		redislock_lock *holder = locks[i % 2], *next = locks[1 - i % 2];

		assert_true(redislock_lock_fence(holder) > fence);
		fence = redislock_lock_fence(holder);
		waiter_start(&waiter, next);
		test_number(&server, "CLIENT", "KILL", "TYPE", i % 3 == 0 ? "pubsub" : "normal", NULL);
		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		test_number(&server, "CLIENT", "KILL", "TYPE", i % 3 == 1 ? "pubsub" : "normal", NULL);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
	}
	redislock_lock_free(locks[0]);
	redislock_lock_free(locks[1]);
	assert_nothing_left(&server);
}

static void flushed_scripts_are_not_noticed(void **state)
{
	redislock_lock *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "scripts"), *holder;
	struct waiter waiter;

	(void)state;
	for (int i = 0; i < 3; i++) {
		test_command(&server, NULL, 0, "SCRIPT", "FLUSH", NULL);
		holder = held(client, "scripts");
		start_waiting(&waiter, lock, "scripts", 1);
		test_command(&server, NULL, 0, "SCRIPT", "FLUSH", NULL);
		assert_status(redislock_lock_extend(holder, 30000), REDISLOCK_OK);
		test_command(&server, NULL, 0, "SCRIPT", "FLUSH", NULL);
		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		test_command(&server, NULL, 0, "SCRIPT", "FLUSH", NULL);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		redislock_lock_free(holder);
	}
	assert_nothing_left(&server);
	redislock_lock_free(lock);
}

static void flushed_data_is_a_lost_lock_and_the_waiter_gets_it(void **state)
{
	redislock_lock *holder = kept(client, "flushed"), *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "flushed");
	const uint64_t fence = redislock_lock_fence(holder);
	struct waiter waiter;

	(void)state;
	start_waiting(&waiter, lock, "flushed", 1);
	test_command(&server, NULL, 0, "FLUSHALL", NULL);
	assert_lost_fd(client);
	assert_int_equal(redislock_lock_is_held(holder), 0);
	assert_status(redislock_lock_release(holder), REDISLOCK_LOST);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_true(redislock_lock_fence(lock) > fence);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void kill_and_restart(void)
{
	test_server_kill(&server);
	test_sleep_ms(100);
	test_server_restart(&server);
}

static void lock_is_still_held_after_a_restart_with_its_data(void **state)
{
	redislock_lock *holder, *lock;
	struct waiter waiter;
	uint64_t fence;

	(void)state;
	test_server_stop(&server);
	test_server_start(&server, TEST_SERVER_AOF, NULL);
	redislock_client_free(client);
	redislock_client_free(other);
	client = test_client(server.url);
	other = test_client(server.url);
	holder = held(client, "durable");
	fence = redislock_lock_fence(holder);
	lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "durable");
	start_waiting(&waiter, lock, "durable", 1);
	kill_and_restart();
	assert_true(test_pttl(&server, "durable") > 0);
	assert_int_equal(redislock_lock_is_held(holder), 1);
	assert_status(redislock_lock_extend(holder, 30000), REDISLOCK_OK);
	assert_false(atomic_load(&waiter.done));
	kill_and_restart();
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_true(redislock_lock_fence(lock) > fence);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void lock_is_lost_after_a_restart_without_data_and_fences_rise(void **state)
{
	redislock_lock *holder = kept(client, "volatile"), *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "volatile");
	const uint64_t fence = redislock_lock_fence(holder);
	struct waiter waiter;

	(void)state;
	start_waiting(&waiter, lock, "volatile", 1);
	kill_and_restart();
	assert_lost_fd(client);
	assert_int_equal(redislock_lock_is_held(holder), 0);
	assert_status(redislock_lock_extend(holder, 1000), REDISLOCK_LOST);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_true(redislock_lock_fence(lock) > fence);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	assert_true(redislock_lock_fence(holder) > redislock_lock_fence(lock));
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void server_that_stays_away_is_lost_by_the_local_clock(void **state)
{
	redislock_lock *holder = kept(client, "away");

	(void)state;
	test_server_pause(&server);
	assert_lost_fd(client);
	assert_int_equal(redislock_lock_is_held(holder), 0);
	test_server_resume(&server);
	assert_status(redislock_lock_release(holder), REDISLOCK_LOST);
	redislock_lock_free(holder);
}

static void full_memory_is_a_server_error_and_a_release_works(void **state)
{
	redislock_lock *holder = held(client, "full"), *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "full-too");
	char text[512];

	(void)state;
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "1", NULL));
	assert_status(redislock_lock_acquire(lock), REDISLOCK_SERVER);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "OOM"));
	assert_int_equal(redislock_lock_is_held(lock), 0);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_int_equal(test_pttl(&server, "full"), -2);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "0", NULL));
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void full_memory_does_not_stop_a_hand_off(void **state)
{
	redislock_lock *holder = held(client, "full-queue"),
	               *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "full-queue");
	struct waiter waiter;

	(void)state;
	start_waiting(&waiter, lock, "full-queue", 1);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "1", NULL));
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "0", NULL));
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

/* A try that nobody answers in time. Its lock may have been taken on the server: it must not stay. */
static void slow_server_is_a_timeout_and_leaves_no_lock(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "slow");
	int64_t start;

	(void)state;
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_set_command_timeout_ms(client, 200), REDISLOCK_OK);
	assert_status(redislock_client_set_connect_timeout_ms(client, 200), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
	assert_status(redislock_lock_set_ttl_ms(lock, 3000), REDISLOCK_OK);
	test_server_pause(&server);
	start = test_now_ms();
	assert_status(redislock_lock_acquire(lock), REDISLOCK_TIMEOUT);
	assert_true(test_now_ms() - start >= 199);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	assert_true(redislock_client_ping(client) < 0);
	test_server_resume(&server);
	test_eventually(redislock_client_ping(client) == REDISLOCK_OK);
	test_eventually(redislock_lock_acquire(lock) == REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* Within a longer wait the same is not noticed but by the time that it takes. */
static void pause_of_the_server_is_waited_out(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "patient");
	int64_t start;

	(void)state;
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_set_command_timeout_ms(client, 300), REDISLOCK_OK);
	start = test_now_ms();
	assert_true(test_command(&server, NULL, 0, "CLIENT", "PAUSE", "1000", "ALL", NULL));
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_in_range(test_now_ms() - start, 500, TEST_DEADLINE_MS);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void wait_ends_in_time_while_the_server_is_gone(void **state)
{
	redislock_lock *holder = held(client, "gone"), *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "gone");
	struct waiter waiter;
	int64_t start = 0;

	(void)state;
	assert_status(redislock_lock_set_wait_ms(lock, 1500), REDISLOCK_OK);
	/* Again where it was over before a busy machine has seen it in the queue. */
	for (bool queued = false; !queued;) {
		start = test_now_ms();
		waiter_start(&waiter, lock);
		while (!(queued = test_queue(&server, "gone") == 1) && !atomic_load(&waiter.done))
			test_sleep_ms(2);
		if (!queued)
			assert_status(waiter_join(&waiter), REDISLOCK_NOT_ACQUIRED);
	}
	test_server_kill(&server);
	assert_true(waiter_join(&waiter) != REDISLOCK_OK);
	assert_in_range(test_now_ms() - start, 1400, TEST_DEADLINE_MS);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	test_server_restart(&server);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
}

static void server_that_was_never_there_is_refused_at_once(void **state)
{
	redislock_client *nobody = test_client("unix:///tmp/redislock-test-nobody/socket");
	redislock_lock *lock = test_lock(nobody, REDISLOCK_KIND_PUBSUB, "nobody");
	char text[512];

	(void)state;
	assert_status(redislock_client_connect(nobody), REDISLOCK_CONNECTION_REFUSED);
	assert_status(redislock_client_error(nobody, text, sizeof(text)), REDISLOCK_OK);
	assert_true(strlen(text) > 0);
	assert_status(redislock_client_ping(nobody), REDISLOCK_CONNECTION_REFUSED);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_CONNECTION_REFUSED);
	redislock_lock_free(lock);
	redislock_client_free(nobody);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	client = test_client(server.url);
	other = test_client(server.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	redislock_client_free(other);
	test_server_stop(&server);
	return 0;
}

#define server_test(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		server_test(killed_message_connection_is_restored_and_nothing_missed),
		server_test(killed_command_connection_is_not_noticed),
		server_test(connections_killed_all_the_time_cost_no_lock),
		server_test(flushed_scripts_are_not_noticed),
		server_test(flushed_data_is_a_lost_lock_and_the_waiter_gets_it),
		server_test(lock_is_still_held_after_a_restart_with_its_data),
		server_test(lock_is_lost_after_a_restart_without_data_and_fences_rise),
		server_test(server_that_stays_away_is_lost_by_the_local_clock),
		server_test(full_memory_is_a_server_error_and_a_release_works),
		server_test(full_memory_does_not_stop_a_hand_off),
		server_test(slow_server_is_a_timeout_and_leaves_no_lock),
		server_test(pause_of_the_server_is_waited_out),
		server_test(wait_ends_in_time_while_the_server_is_gone),
		server_test(server_that_was_never_there_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Interrupting a wait, resuming it, giving it up. */
#include "waiter.h"

#include <string.h>

static struct test_server server;
static redislock_client *client;

static redislock_lock *held(const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

static void interrupted_wait_keeps_its_place_and_its_token(void **state)
{
	redislock_lock *first = test_lock(client, REDISLOCK_KIND_PUBSUB, "resumed");
	redislock_lock *second = test_lock(client, REDISLOCK_KIND_PUBSUB, "resumed"), *holder = held("resumed");
	struct waiter waiters[2];
	char before[129], after[129];

	(void)state;
	for (int round = 0; round < 3; round++) {
		waiter_start(&waiters[0], first);
		test_eventually(test_queue(&server, "resumed") >= 1);
		if (round == 0) {
			waiter_start(&waiters[1], second);
			test_eventually(test_queue(&server, "resumed") == 2);
		}
		/* Again and again: one that comes before the wait has begun does not touch it. */
		test_eventually((redislock_lock_interrupt(first), atomic_load(&waiters[0].done)));
		assert_status(waiter_join(&waiters[0]), REDISLOCK_INTERRUPTED);
		assert_status(redislock_lock_token(first, after, sizeof(after)), REDISLOCK_OK);
		if (round > 0)
			assert_string_equal(before, after);
		strcpy(before, after);
		assert_int_equal(test_queue(&server, "resumed"), 2);
		assert_status(redislock_lock_set_ttl_ms(first, 1000), REDISLOCK_IN_USE);
		assert_status(redislock_lock_set_wait_ms(first, 60000), REDISLOCK_OK);
	}
	assert_false(atomic_load(&waiters[1].done));
	waiter_start(&waiters[0], first);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiters[0]), REDISLOCK_OK);
	assert_false(atomic_load(&waiters[1].done));
	assert_status(redislock_lock_token(first, after, sizeof(after)), REDISLOCK_OK);
	assert_string_equal(before, after);
	assert_status(redislock_lock_release(first), REDISLOCK_OK);
	assert_status(waiter_join(&waiters[1]), REDISLOCK_OK);
	redislock_lock_free(first);
	redislock_lock_free(second);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void client_interrupt_ends_every_wait_of_the_client(void **state)
{
	redislock_lock *holder = held("all"), *locks[4];
	struct waiter waiters[4];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		locks[i] = test_lock(client, test_kinds[i % 2], "all");
		waiter_start(&waiters[i], locks[i]);
	}
	test_eventually(test_queue(&server, "all") == 2);
	/* A spinner that has not begun yet is not touched. */
	for (size_t i = 0; i < 4; i++) {
		test_eventually((redislock_client_interrupt(client), atomic_load(&waiters[i].done)));
		assert_status(waiter_join(&waiters[i]), REDISLOCK_INTERRUPTED);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_status(redislock_lock_set_wait_ms(locks[i], 50), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(locks[i]), REDISLOCK_NOT_ACQUIRED);
		assert_status(redislock_lock_cancel(locks[i]), REDISLOCK_OK);
		redislock_lock_free(locks[i]);
	}
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void cancel_leaves_the_queue(void **state)
{
	redislock_lock *holder = held("given-up"), *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "given-up");
	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "given-up") == 1);
	assert_status(redislock_lock_interrupt(lock), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	assert_int_equal(test_queue(&server, "given-up"), 0);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_NOT_OWNED);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

/* The lock is handed to a wait that is interrupted, which then is given up, by cancelling or by freeing. */
static void lock_that_came_to_a_given_up_wait_is_handed_on(void **state)
{
	(void)state;
	for (int freed = 0; freed < 2; freed++) {
		redislock_client *other = test_client(server.url);
		redislock_lock *next = test_lock(other, REDISLOCK_KIND_PUBSUB, "on"), *holder = held("on");
		redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "on");
		struct waiter waiter, follower;
		char owner[256], token[129];

		waiter_start(&waiter, lock);
		test_eventually(test_queue(&server, "on") == 1);
		assert_status(redislock_lock_interrupt(lock), REDISLOCK_OK);
		assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
		waiter_start(&follower, next);
		test_eventually(test_queue(&server, "on") == 2);
		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		test_command(&server, owner, sizeof(owner), "GET", "on", NULL);
		assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		assert_string_equal(owner, token);
		if (freed == 0)
			assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
		else
			redislock_lock_free(lock);
		assert_status(waiter_join(&follower), REDISLOCK_OK);
		if (freed == 0)
			redislock_lock_free(lock);
		redislock_lock_free(next);
		redislock_lock_free(holder);
		redislock_client_free(other);
	}
	assert_nothing_left(&server);
}

static void resumed_wait_ends_by_its_new_time(void **state)
{
	redislock_lock *holder = held("new-time"), *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "new-time");
	struct waiter waiter;
	int64_t start;

	(void)state;
	assert_status(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "new-time") == 1);
	assert_status(redislock_lock_interrupt(lock), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
	assert_status(redislock_lock_set_wait_ms(lock, 300), REDISLOCK_OK);
	start = test_now_us();
	assert_status(redislock_lock_acquire(lock), REDISLOCK_NOT_ACQUIRED);
	assert_true(test_now_us() - start >= 299000);
	assert_int_equal(test_queue(&server, "new-time"), 0);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	client = test_client(server.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupted_wait_keeps_its_place_and_its_token),
		cmocka_unit_test(client_interrupt_ends_every_wait_of_the_client),
		cmocka_unit_test(cancel_leaves_the_queue),
		cmocka_unit_test(lock_that_came_to_a_given_up_wait_is_handed_on),
		cmocka_unit_test(resumed_wait_ends_by_its_new_time),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

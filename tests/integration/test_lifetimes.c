/* SPDX-License-Identifier: MIT
 *
 * Handles are freed in whatever order, and nothing stays behind: no lock, no descriptor, no thread. */
#include "locks.h"
#include "waiter.h"

static struct test_server server;

static void handles_can_be_freed_in_any_order(void **state)
{
	(void)state;
	for (int order = 0; order < 6; order++) {
		redislock_client *client = test_client(server.url);
		redislock_lock *locks[2] = { test_lock(client, REDISLOCK_KIND_PUBSUB, "first"),
			                     test_lock(client, REDISLOCK_KIND_SPIN, "second") };
		const int client_at = order % 3, first = order / 3;

		assert_status(redislock_lock_acquire(locks[0]), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(locks[1]), REDISLOCK_OK);
		for (int step = 0; step < 3; step++) {
			if (step == client_at)
				redislock_client_free(client);
			if (step < 2)
				redislock_lock_free(locks[step == 0 ? first : 1 - first]);
		}
		assert_nothing_left(&server);
	}
}

static void lock_works_after_its_client_was_freed(void **state)
{
	redislock_client *client = test_client(server.url);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "orphan");

	(void)state;
	redislock_client_free(client);
	for (int i = 0; i < 2; i++) {
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_int_equal(redislock_lock_is_held(lock), 1);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	}
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void list_and_info_outlive_what_they_came_from(void **state)
{
	redislock_client *client = test_client(server.url);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "listed");
	redislock_list *list;
	redislock_info *info;
	const char *name;
	size_t length;

	(void)state;
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_info_get(client, "listed", 6, &info), REDISLOCK_OK);
	assert_status(redislock_list_new(client, NULL, &list), REDISLOCK_OK);
	redislock_client_free(client);
	assert_status(redislock_list_next(list, &name, &length), REDISLOCK_OK);
	assert_int_equal(length, 6);
	assert_memory_equal(name, "listed", 6);
	redislock_lock_free(lock);
	redislock_list_free(list);
	assert_int_equal(redislock_info_locked(info), 1);
	redislock_info_free(info);
	assert_nothing_left(&server);
}

static void freeing_a_held_lock_hands_it_to_a_waiter(void **state)
{
	redislock_client *clients[2] = { test_client(server.url), test_client(server.url) };
	redislock_lock *holder = test_lock(clients[0], REDISLOCK_KIND_PUBSUB, "freed");
	redislock_lock *lock = test_lock(clients[1], REDISLOCK_KIND_PUBSUB, "freed");
	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "freed") == 1);
	redislock_client_free(clients[0]);
	redislock_lock_free(holder);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(clients[1]);
	assert_nothing_left(&server);
}

static void freeing_an_interrupted_wait_leaves_the_queue(void **state)
{
	redislock_client *client = test_client(server.url);
	redislock_lock *holder = test_lock(client, REDISLOCK_KIND_PUBSUB, "left");
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "left");
	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "left") == 1);
	assert_status(redislock_client_interrupt(client), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
	redislock_lock_free(lock);
	assert_int_equal(test_queue(&server, "left"), 0);
	redislock_lock_free(holder);
	redislock_client_free(client);
	assert_nothing_left(&server);
}

static void freeing_is_bounded_while_the_server_is_silent(void **state)
{
	redislock_client *client = test_client(server.url);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "silent");
	int64_t start;

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 1000), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	test_server_pause(&server);
	start = test_now_ms();
	redislock_lock_free(lock);
	redislock_client_free(client);
	/* Promised is a second; a busy machine gets more. */
	assert_true(test_now_ms() - start < 10000);
	test_server_resume(&server);
	test_eventually(test_pttl(&server, "silent") == -2);
}

static void nothing_stays_behind(void **state)
{
	int descriptors, threads;

	(void)state;
	descriptors = test_descriptors();
	threads = test_threads();
	if (descriptors < 0 || threads < 0) {
		print_message("SKIP: no /proc to count descriptors and threads in\n");
		skip();
	}
	for (int i = 0; i < 20; i++) {
		redislock_client *client = test_client(server.url);
		redislock_lock *lock = test_lock(client, test_kinds[i % 2], "behind");
		redislock_lock *waiting = test_lock(client, REDISLOCK_KIND_PUBSUB, "behind");

		assert_true(redislock_client_lost_fd(client) >= 0);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_set_wait_ms(waiting, 1), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(waiting), REDISLOCK_NOT_ACQUIRED);
		redislock_client_free(client);
		redislock_lock_free(lock);
		redislock_lock_free(waiting);
	}
	assert_int_equal(test_descriptors(), descriptors);
	test_eventually(test_threads() == threads);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handles_can_be_freed_in_any_order),
		cmocka_unit_test(lock_works_after_its_client_was_freed),
		cmocka_unit_test(list_and_info_outlive_what_they_came_from),
		cmocka_unit_test(freeing_a_held_lock_hands_it_to_a_waiter),
		cmocka_unit_test(freeing_an_interrupted_wait_leaves_the_queue),
		cmocka_unit_test(freeing_is_bounded_while_the_server_is_silent),
		cmocka_unit_test(nothing_stays_behind),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

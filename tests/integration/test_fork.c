/* SPDX-License-Identifier: MIT
 *
 * A child process must not use what it inherited, and can't do harm with it. */
#include "fork.h"
#include "locks.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct test_server server;

static void await_child(pid_t child)
{
	int status = 0;

	assert_true(child > 0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void use_inherited(redislock_client *client, redislock_lock *lock)
{
	redislock_lock *made = NULL;
	redislock_info *info = NULL;
	redislock_list *list = NULL;
	char token[129];

	child_check(redislock_lock_acquire(lock) == REDISLOCK_FORKED);
	child_check(redislock_lock_release(lock) == REDISLOCK_FORKED);
	child_check(redislock_lock_extend(lock, 1000) == REDISLOCK_FORKED);
	child_check(redislock_lock_cancel(lock) == REDISLOCK_FORKED);
	child_check(redislock_lock_set_ttl_ms(lock, 1000) == REDISLOCK_FORKED);
	child_check(redislock_lock_token(lock, token, sizeof(token)) == REDISLOCK_FORKED);
	child_check(redislock_lock_is_held(lock) == 0);
	child_check(redislock_lock_remaining_ms(lock) == 0);
	child_check(redislock_client_connect(client) == REDISLOCK_FORKED);
	child_check(redislock_client_ping(client) == REDISLOCK_FORKED);
	child_check(redislock_client_break(client, "forked", 6, NULL, 0) == REDISLOCK_FORKED);
	child_check(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "x", 1, &made) == REDISLOCK_FORKED);
	child_check(made == NULL);
	child_check(redislock_info_get(client, "forked", 6, &info) == REDISLOCK_FORKED);
	child_check(redislock_list_new(client, NULL, &list) == REDISLOCK_FORKED);
}

static void use_new(const char *url)
{
	redislock_client *client;
	redislock_lock *lock;

	child_check(redislock_client_new(url, &client) == REDISLOCK_OK);
	child_check(redislock_client_ping(client) == REDISLOCK_OK);
	child_check(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "forked", 6, &lock) == REDISLOCK_OK);
	child_check(redislock_lock_set_wait_ms(lock, 0) == REDISLOCK_OK);
	child_check(redislock_lock_acquire(lock) == REDISLOCK_NOT_ACQUIRED);
	redislock_lock_free(lock);
	child_check(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "of the child", 12, &lock) == REDISLOCK_OK);
	child_check(redislock_lock_acquire(lock) == REDISLOCK_OK);
	child_check(redislock_lock_release(lock) == REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

static void child_is_told_forked_and_the_parents_lock_is_intact(void **state)
{
	redislock_client *client = test_client(server.url);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "forked");

	(void)state;
	assert_status(redislock_client_set_name(client, "parent"), REDISLOCK_OK);
	assert_status(redislock_lock_set_ttl_ms(lock, 3000), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	for (int order = 0; order < 3; order++) {
		const int connections = test_connections(&server, "name=parent ");
		pid_t child = test_fork();

		if (child == 0) {
			use_inherited(client, lock);
			use_new(server.url);
			if (order == 1) {
				redislock_lock_free(lock);
				redislock_client_free(client);
			} else if (order == 2) {
				redislock_client_free(client);
				redislock_lock_free(lock);
			}
			_exit(0);
		}
		await_child(child);
		assert_int_equal(redislock_lock_is_held(lock), 1);
		assert_true(test_pttl(&server, "forked") > 0);
		assert_int_equal(test_connections(&server, "name=parent "), connections);
		assert_status(redislock_lock_extend(lock, 3000), REDISLOCK_OK);
	}
	/* Renewed still: it outlives its TTL. */
	test_sleep_ms(4000);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(client);
	assert_nothing_left(&server);
}

static void unused_client_is_forked_as_well(void **state)
{
	redislock_client *client = test_client(server.url);
	pid_t child = test_fork();

	(void)state;
	if (child == 0) {
		child_check(redislock_client_ping(client) == REDISLOCK_FORKED);
		redislock_client_free(client);
		_exit(0);
	}
	await_child(child);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	redislock_client_free(client);
}

static void grandchild_is_told_forked_of_both(void **state)
{
	redislock_client *client = test_client(server.url);
	pid_t child;

	(void)state;
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	child = test_fork();
	if (child == 0) {
		redislock_client *own;
		pid_t grandchild;
		int status = 0;

		child_check(redislock_client_new(server.url, &own) == REDISLOCK_OK);
		child_check(redislock_client_ping(own) == REDISLOCK_OK);
		grandchild = test_fork();
		if (grandchild == 0) {
			child_check(redislock_client_ping(own) == REDISLOCK_FORKED);
			child_check(redislock_client_ping(client) == REDISLOCK_FORKED);
			redislock_client_free(client);
			redislock_client_free(own);
			_exit(0);
		}
		child_check(waitpid(grandchild, &status, 0) == grandchild && status == 0);
		child_check(redislock_client_ping(own) == REDISLOCK_OK);
		_exit(0);
	}
	await_child(child);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	redislock_client_free(client);
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
		cmocka_unit_test(child_is_told_forked_and_the_parents_lock_is_intact),
		cmocka_unit_test(unused_client_is_forked_as_well),
		cmocka_unit_test(grandchild_is_told_forked_of_both),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

/* SPDX-License-Identifier: MIT
 *
 * What packaging/docs/servers.md says of servers that have less than others: by any server, with commands taken away.
 */
#include "locks.h"
#include "waiter.h"

#include <stdio.h>
#include <string.h>

/* Starts it without a command that others have. */
static void start_without(struct test_server *server, const char *command)
{
	const char *const arguments[] = { "--rename-command", command, "", NULL };
	char text[128];

	test_server_start(server, TEST_SERVER_TCP, arguments);
	assert_false(test_command(server, text, sizeof(text), command, "1", NULL));
	assert_non_null(strstr(text, "unknown command"));
}

static void one_that_speaks_resp2_alone_is_enough(void **state)
{
	struct test_server server;
	struct waiter waiter;

	(void)state;
	start_without(&server, "HELLO");
	redislock_client *client = test_client(server.tcp_url), *other = test_client(server.tcp_url);
	redislock_lock *holder = test_lock(client, REDISLOCK_KIND_PUBSUB, "foo");
	redislock_lock *next = test_lock(other, REDISLOCK_KIND_PUBSUB, "foo");

	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&server, "foo") == 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	redislock_lock_free(holder);
	redislock_lock_free(next);
	redislock_client_free(client);
	redislock_client_free(other);
	assert_nothing_left(&server);
	test_server_stop(&server);
}

static void cluster_that_does_not_publish_by_slots_is_called_too_old(void **state)
{
	struct test_server server;
	char url[64], text[256];

	(void)state;
	start_without(&server, "PUBSUB");
	snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%d", server.port);
	redislock_client *client = test_client(url);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "foo");

	assert_status(redislock_lock_acquire(lock), REDISLOCK_UNSUPPORTED);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "Redis 7.0 or later"));
	redislock_lock_free(lock);
	redislock_client_free(client);
	test_server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_speaks_resp2_alone_is_enough),
		cmocka_unit_test(cluster_that_does_not_publish_by_slots_is_called_too_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

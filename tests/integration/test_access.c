/* SPDX-License-Identifier: MIT
 *
 * Servers that don't let everybody in, or don't let him write: the right status, at once, and never a password in a
 * text. */
#include "locks.h"

#include <stdio.h>
#include <string.h>

#define PASSWORD "s3cr3t-w0rd"

static struct test_server server;

static void assert_refused(const char *url, int32_t expected, const char *secret)
{
	redislock_client *client = test_client(url);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "refused");
	const int64_t start = test_now_ms();
	char text[512];

	assert_status(redislock_client_connect(client), expected);
	assert_status(redislock_client_error(client, text, sizeof(text)), REDISLOCK_OK);
	assert_true(strlen(text) > 0);
	assert_null(strstr(text, secret));
	assert_status(redislock_lock_acquire(lock), expected);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_true(strlen(text) > 0);
	assert_null(strstr(text, secret));
	/* At once, that is not at the end of a wait of 60 s. */
	assert_true(test_now_ms() - start < TEST_DEADLINE_MS);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

static void assert_works(redislock_client *client)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "works");

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

static void wrong_password_is_an_authentication_error(void **state)
{
	char url[256];
	redislock_client *client;

	(void)state;
	assert_refused(server.url, REDISLOCK_AUTHENTICATION, PASSWORD);
	assert_refused(server.tcp_url, REDISLOCK_AUTHENTICATION, PASSWORD);
	snprintf(url, sizeof(url), "redis://:wr0ng-w0rd@127.0.0.1:%d", server.port);
	assert_refused(url, REDISLOCK_AUTHENTICATION, "wr0ng-w0rd");
	snprintf(url, sizeof(url), "redis://nobody:%s@127.0.0.1:%d", PASSWORD, server.port);
	assert_refused(url, REDISLOCK_AUTHENTICATION, PASSWORD);
	snprintf(url, sizeof(url), "redis://:%s@127.0.0.1:%d", PASSWORD, server.port);
	client = test_client(url);
	assert_works(client);
	redislock_client_free(client);
}

static void credentials_that_are_set_replace_those_of_the_url(void **state)
{
	char url[256];
	redislock_client *client;

	(void)state;
	snprintf(url, sizeof(url), "redis://:wr0ng-w0rd@127.0.0.1:%d", server.port);
	client = test_client(url);
	assert_status(redislock_client_connect(client), REDISLOCK_AUTHENTICATION);
	assert_status(redislock_client_set_credentials(client, "default", PASSWORD), REDISLOCK_OK);
	assert_works(client);
	/* They count at the next connect. */
	assert_status(redislock_client_set_credentials(client, "default", "wr0ng-w0rd"), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL);
	test_eventually(redislock_client_ping(client) == REDISLOCK_AUTHENTICATION);
	assert_status(redislock_client_set_credentials(client, NULL, PASSWORD), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	redislock_client_free(client);
}

static void user_without_rights_gets_a_permission_error(void **state)
{
	char url[256];
	redislock_client *client;
	redislock_lock *lock;
	char text[512];

	(void)state;
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "guest", "on", ">pass", "~allowed:*",
	                         "~rlock-*{allowed:*", "&*", "+@all", NULL));
	snprintf(url, sizeof(url), "redis://guest:pass@127.0.0.1:%d", server.port);
	client = test_client(url);
	lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "forbidden");
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_PERMISSION);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_true(strlen(text) > 0);
	redislock_lock_free(lock);
	lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "allowed:lock");
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);

	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "guest", "-evalsha", "-eval", NULL));
	lock = test_lock(client, REDISLOCK_KIND_SPIN, "allowed:lock");
	assert_status(redislock_lock_acquire(lock), REDISLOCK_PERMISSION);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

static void replica_is_read_only(void **state)
{
	char url[128];
	redislock_client *client;
	redislock_lock *lock;
	const int64_t start = test_now_ms();

	(void)state;
	/* Of a primary that isn't there, so that it stays what it is. */
	assert_true(test_command(&server, NULL, 0, "REPLICAOF", "127.0.0.1", "1", NULL));
	snprintf(url, sizeof(url), "redis://:%s@127.0.0.1:%d", PASSWORD, server.port);
	client = test_client(url);
	for (size_t i = 0; i < 2; i++) {
		lock = test_lock(client, test_kinds[i], "replica");
		assert_status(redislock_lock_set_wait_ms(lock, 500), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_READ_ONLY);
		redislock_lock_free(lock);
	}
	assert_true(test_now_ms() - start < TEST_DEADLINE_MS);
	/* It becomes the primary: a client that saw it as a replica finds out. */
	assert_true(test_command(&server, NULL, 0, "REPLICAOF", "NO", "ONE", NULL));
	assert_works(client);
	redislock_client_free(client);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, TEST_SERVER_TCP, NULL);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "requirepass", PASSWORD, NULL));
	strcpy(server.password, PASSWORD);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_nothing_left(&server);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_password_is_an_authentication_error),
		cmocka_unit_test(credentials_that_are_set_replace_those_of_the_url),
		cmocka_unit_test(user_without_rights_gets_a_permission_error),
		cmocka_unit_test(replica_is_read_only),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

/* SPDX-License-Identifier: MIT
 *
 * A server that still reads its data, and another one that takes its place: what that is to those that hold and wait.
 */
#include "locks.h"
#include "proxy.h"
#include "waiter.h"

#include <hiredis/hiredis.h>

#include <stdio.h>
#include <string.h>

/* Loading takes a while: each key of the file waits for a moment. */
static void loading_is_waited_out(void **state)
{
	const char *const slow[] = { "--key-load-delay", "300", NULL };
	struct test_server server;
	test_server_start(&server, TEST_SERVER_AOF, slow);
	redislock_client *client = test_client(server.url);
	redislock_lock *holder = test_lock(client, REDISLOCK_KIND_PUBSUB, "held"),
	               *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "loading");
	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	assert_true(test_command(&server, NULL, 0, "EVAL",
	                         "for i = 1, ARGV[1] do redis.call('SET', 'filler' .. i, i) end", "0", "3000", NULL));
	test_server_kill(&server);
	waiter_start(&waiter, lock);
	int64_t begin = test_now_ms();
	test_server_restart(&server);
	assert_true(test_now_ms() - begin > 500); /* it did load */
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_extend(holder, 30000), REDISLOCK_OK);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	redislock_lock_free(holder);
	redislock_lock_free(lock);
	redislock_client_free(client);
	test_server_stop(&server);
}

/* It says so as soon as it is connected to, before anything was asked, and hangs up. */
static void full_server_is_waited_out(void **state)
{
	struct test_server server;
	char text[512];
	struct waiter waiter;
	int told = 0;

	(void)state;
	test_server_start(&server, 0, NULL);
	redisContext *keeper = redisConnectUnix(server.socket); /* the only one that has a place */
	redislock_client *client = test_client(server.url), *other = test_client(server.url);
	redislock_lock *once = test_lock(client, REDISLOCK_KIND_PUBSUB, "once"),
	               *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "patient");

	assert_non_null(keeper);
	freeReplyObject(redisCommand(keeper, "CONFIG SET maxclients 1"));
	assert_status(redislock_client_set_command_timeout_ms(client, 300), REDISLOCK_OK);
	assert_status(redislock_client_set_connect_timeout_ms(client, 300), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(once, 0), REDISLOCK_OK);
	for (int i = 0; i < 10; i++) {
		int32_t status = redislock_lock_acquire(once);

		/* Or it has hung up before that could be read; or all took too long. */
		if (status == REDISLOCK_CONNECTION_LOST || status == REDISLOCK_TIMEOUT)
			continue;
		assert_status(status, REDISLOCK_CONNECTION_REFUSED);
		assert_status(redislock_lock_error(once, text, sizeof(text)), REDISLOCK_OK);
		told += strstr(text, "max number of clients") != NULL;
	}
	assert_true(told > 0);
	waiter_start(&waiter, lock);
	test_sleep_ms(300);
	assert_false(atomic_load(&waiter.done));
	freeReplyObject(redisCommand(keeper, "CONFIG SET maxclients 100"));
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	redisFree(keeper);
	redislock_lock_free(once);
	redislock_lock_free(lock);
	redislock_client_free(client);
	redislock_client_free(other);
	assert_nothing_left(&server);
	test_server_stop(&server);
}

static void start_replica(struct test_server *replica, const struct test_server *primary)
{
	char port[16], info[4096];

	test_server_start(replica, TEST_SERVER_TCP, NULL);
	snprintf(port, sizeof(port), "%d", primary->port);
	assert_true(test_command(replica, NULL, 0, "REPLICAOF", "127.0.0.1", port, NULL));
	test_eventually(test_command(replica, info, sizeof(info), "INFO", "replication", NULL) &&
	                strstr(info, "master_link_status:up") != NULL);
}

/* The primary is cut off, and its replica takes over. What was replicated is still held; the queue goes on. */
static void failover_is_followed(void **state)
{
	struct test_server primary, replica;
	char path[128], url[160];
	struct waiter waiter;

	(void)state;
	test_server_start(&primary, TEST_SERVER_TCP, NULL);
	start_replica(&replica, &primary);
	snprintf(path, sizeof(path), "%s/proxy", primary.folder);
	snprintf(url, sizeof(url), "unix://%s", path);
	struct proxy *proxy = proxy_start(path, primary.socket);
	assert_non_null(proxy);
	redislock_client *client = test_client(url), *other = test_client(url);
	redislock_lock *holder = test_lock(client, REDISLOCK_KIND_PUBSUB, "moved"),
	               *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "moved");

	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&replica, "moved") == 1);
	/* First the old one is silent, then everybody is sent to the new one, which doesn't take writes yet. */
	test_server_pause(&primary);
	proxy_redirect(proxy, replica.socket);
	proxy_cut(proxy, 100, -1);
	test_eventually(test_connections(&replica, "flags=") > 0);
	assert_true(test_command(&replica, NULL, 0, "REPLICAOF", "NO", "ONE", NULL));
	assert_status(redislock_lock_extend(holder, 30000), REDISLOCK_OK);
	assert_int_equal(redislock_lock_is_held(holder), 1);
	assert_false(atomic_load(&waiter.done));
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_true(redislock_lock_fence(lock) > redislock_lock_fence(holder));
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(holder);
	redislock_lock_free(lock);
	redislock_client_free(client);
	redislock_client_free(other);
	assert_nothing_left(&replica);
	proxy_stop(proxy);
	test_server_resume(&primary);
	test_server_stop(&replica);
	test_server_stop(&primary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loading_is_waited_out),
		cmocka_unit_test(full_server_is_waited_out),
		cmocka_unit_test(failover_is_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

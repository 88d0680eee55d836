/* SPDX-License-Identifier: MIT
 *
 * A server that is there, but can't or won't: busy with a script, without its replicas, unable to save; and one whose
 * every message somebody else listens to as well. */
#include "agent.h"
#include "waiter.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct test_server server;
static redislock_client *client;

static redislock_lock *held(const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

/* Holds the server up for a second. */
static void *keep_busy(void *argument)
{
	atomic_bool *over = argument;
	redisContext *connection = redisConnectUnix(server.socket);

	if (connection != NULL) {
		freeReplyObject(redisCommand(connection, "EVAL %s 0",
		                             "local function now() local t = redis.call('TIME') "
		                             "return t[1] * 1000 + t[2] / 1000 end "
		                             "local start = now() while now() < start + 1000 do end"));
		redisFree(connection);
	}
	atomic_store(over, true);
	return NULL;
}

static bool is_busy(void)
{
	char answer[256];

	return !test_command(&server, answer, sizeof(answer), "GET", "foo", NULL) && strncmp(answer, "-BUSY", 5) == 0;
}

static void busy_script_is_waited_out(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "busy");
	atomic_bool over = false;
	pthread_t thread;

	(void)state;
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "lua-time-limit", "20", NULL));
	assert_int_equal(pthread_create(&thread, NULL, keep_busy, &over), 0);
	test_eventually(is_busy() || atomic_load(&over));
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void too_few_replicas_is_an_error_that_says_so(void **state)
{
	redislock_lock *holder = held("replicated"), *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "other");
	char text[256];

	(void)state;
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "min-replicas-to-write", "1", NULL));
	assert_status(redislock_lock_acquire(lock), REDISLOCK_NOT_ENOUGH_REPLICAS);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "replicas"));
	/* It can't be released now, and says so; the hold is none the worse for it. */
	assert_status(redislock_lock_release(holder), REDISLOCK_NOT_ENOUGH_REPLICAS);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "min-replicas-to-write", "0", NULL));
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static long counted(const char *info, const char *error)
{
	const char *found = strstr(info, error);

	return found != NULL ? strtol(strchr(found, '=') + 1, NULL, 10) : 0;
}

/* Redis 6.2 counts by the beginning, which is ERR for all that happens in a script. */
static long refusals(void)
{
	char answer[4096];

	assert_true(test_command(&server, answer, sizeof(answer), "INFO", "errorstats", NULL));
	return counted(answer, "errorstat_NOREPLICAS:count=") + counted(answer, "errorstat_ERR:count=");
}

/* What takes its ticket out is refused as well, until they are back. */
static void waiter_that_lacked_replicas_leaves_the_queue_later(void **state)
{
	redislock_lock *holder = held("crowded");
	struct waiter waiter;
	long before;

	(void)state;
	waiter_start(&waiter, test_lock(client, REDISLOCK_KIND_PUBSUB, "crowded"));
	test_eventually(test_queue(&server, "crowded") == 1);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "min-replicas-to-write", "1", NULL));
	assert_status(waiter_join(&waiter), REDISLOCK_NOT_ENOUGH_REPLICAS);
	before = refusals();
	test_eventually(refusals() > before);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "min-replicas-to-write", "0", NULL));
	test_eventually(test_queue(&server, "crowded") == 0);
	redislock_lock_free(waiter.lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void server_that_cannot_save_is_an_error_that_says_so(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "saved");
	char text[256], path[128];

	(void)state;
	/* Its file can't be put where a folder is. */
	snprintf(path, sizeof(path), "%s/dump.rdb", server.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "save", "3600 1", NULL));
	test_command(&server, NULL, 0, "BGSAVE", NULL);
	test_eventually(!test_command(&server, text, sizeof(text), "SET", "probe", "1", NULL));
	assert_non_null(strstr(text, "MISCONF"));
	assert_status(redislock_lock_acquire(lock), REDISLOCK_SERVER);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "MISCONF"));
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "save", "", NULL));
	assert_int_equal(rmdir(path), 0);
	test_command(&server, NULL, 0, "DEL", "probe", NULL);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* PUBLISH counts it as a receiver, a hand-over must not. */
static void listener_to_everything_keeps_no_dead_waiter_alive(void **state)
{
	const struct agent_options options = { .url = server.url, .name = "heard" };
	redisContext *listener = redisConnectUnix(server.socket);
	redislock_lock *holder = held("heard");
	struct agent dead = { 0 }, next = { 0 };
	struct agent_answer answer;

	(void)state;
	assert_non_null(listener);
	freeReplyObject(redisCommand(listener, "PSUBSCRIBE *"));
	agent_start(&dead, &options);
	agent_start(&next, &options);
	agent_tell(&dead, AGENT_ACQUIRE, 0);
	test_eventually(test_queue(&server, "heard") == 1);
	agent_tell(&next, AGENT_ACQUIRE, 0);
	test_eventually(test_queue(&server, "heard") == 2);
	agent_kill(&dead);
	test_eventually(test_number(&server, "EVAL", "return #redis.call('PUBSUB', 'CHANNELS', 'rlock-inbox:*')", "0",
	                            NULL) == 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	/* Handed to the second in that very step. */
	assert_int_equal(test_queue(&server, "heard"), 0);
	answer = agent_answer(&next);
	assert_status(answer.status, REDISLOCK_OK);
	agent_do(&next, AGENT_END, 0);
	redislock_lock_free(holder);
	redisFree(listener);
	assert_nothing_left(&server);
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
		cmocka_unit_test(busy_script_is_waited_out),
		cmocka_unit_test(too_few_replicas_is_an_error_that_says_so),
		cmocka_unit_test(server_that_cannot_save_is_an_error_that_says_so),
		cmocka_unit_test(listener_to_everything_keeps_no_dead_waiter_alive),
		cmocka_unit_test(waiter_that_lacked_replicas_leaves_the_queue_later),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

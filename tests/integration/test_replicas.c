/* SPDX-License-Identifier: MIT
 *
 * Acquisitions that replicas must have: a primary with two of them, which are stopped, killed and brought back. */
#include "locks.h"
#include "waiter.h"

#include <stdio.h>
#include <string.h>

enum { REPLICAS = 2, SOON_MS = 300 };

static struct test_server server, replica[REPLICAS];
static redislock_client *client;

static bool are_connected(int expected)
{
	char info[8192], line[64];

	assert_true(test_command(&server, info, sizeof(info), "INFO", "replication", NULL));
	snprintf(line, sizeof(line), "connected_slaves:%d\r\n", expected);
	for (int i = 0; i < expected; i++) {
		char state[32];
		const char *found;
		snprintf(state, sizeof(state), "slave%d:", i);
		found = strstr(info, state);
		if (found == NULL || strstr(found, "state=online") == NULL)
			return false;
	}
	return strstr(info, line) != NULL;
}

static int32_t acquire(int32_t kind, const char *name, int64_t wait_ms, char *text, size_t size)
{
	redislock_lock *lock = test_lock(client, kind, name);
	int32_t status;

	assert_status(redislock_lock_set_wait_ms(lock, wait_ms), REDISLOCK_OK);
	status = redislock_lock_acquire(lock);
	assert_int_equal(redislock_lock_is_held(lock), status == REDISLOCK_OK);
	text[0] = '\0';
	if (status < 0)
		assert_status(redislock_lock_error(lock, text, size), REDISLOCK_OK);
	if (status == REDISLOCK_OK)
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	return status;
}

#define assert_acquires(name, expected)                                                                                \
	do {                                                                                                           \
		for (size_t kind = 0; kind < 2; kind++) {                                                              \
			char said[512];                                                                                \
			assert_status(acquire(test_kinds[kind], (name), 60000, said, sizeof(said)), (expected));       \
			assert_status(acquire(test_kinds[kind], (name), 0, said, sizeof(said)), (expected));           \
			test_eventually(test_number(&server, "EXISTS", (name), NULL) == 0);                            \
		}                                                                                                      \
	} while (0)

static void lock_is_with_the_replicas_when_it_is_acquired(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "there");
	redislock_lock *next = test_lock(client, REDISLOCK_KIND_PUBSUB, "there");
	struct waiter waiter;

	(void)state;
	assert_status(redislock_client_set_min_replicas(client, 2, TEST_DEADLINE_MS), REDISLOCK_OK);
	for (int round = 0; round < test_scaled(50); round++) {
		char token[129], value[256];

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		for (int i = 0; i < REPLICAS; i++) {
			test_command(&replica[i], value, sizeof(value), "GET", "there", NULL);
			assert_string_equal(value, token);
		}
		/* And handed over. */
		waiter_start(&waiter, next);
		test_eventually(test_queue(&server, "there") == 1);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		assert_status(redislock_lock_token(next, token, sizeof(token)), REDISLOCK_OK);
		for (int i = 0; i < REPLICAS; i++) {
			test_command(&replica[i], value, sizeof(value), "GET", "there", NULL);
			assert_string_equal(value, token);
		}
		assert_status(redislock_lock_release(next), REDISLOCK_OK);
	}
	redislock_lock_free(lock);
	redislock_lock_free(next);
}

static void more_replicas_than_there_are_is_told_and_nothing_held(void **state)
{
	char text[512];

	(void)state;
	assert_status(redislock_client_set_min_replicas(client, 3, SOON_MS), REDISLOCK_OK);
	assert_acquires("more", REDISLOCK_NOT_ENOUGH_REPLICAS);
	assert_status(acquire(REDISLOCK_KIND_PUBSUB, "more", 60000, text, sizeof(text)), REDISLOCK_NOT_ENOUGH_REPLICAS);
	if (strstr(text, "2 of the 3 replicas") == NULL)
		fail_msg("%s", text);
	/* Without replicas it is a lock like any other. */
	assert_status(redislock_client_set_min_replicas(client, 0, 0), REDISLOCK_OK);
	assert_acquires("more", REDISLOCK_OK);
}

static void paused_replica_is_missed_until_it_is_back(void **state)
{
	char text[512];

	(void)state;
	assert_status(redislock_client_set_min_replicas(client, 2, SOON_MS), REDISLOCK_OK);
	test_server_pause(&replica[0]);
	assert_acquires("paused", REDISLOCK_NOT_ENOUGH_REPLICAS);
	/* The other one is there. */
	assert_status(redislock_client_set_min_replicas(client, 1, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_acquires("paused", REDISLOCK_OK);
	test_server_pause(&replica[1]);
	assert_status(redislock_client_set_min_replicas(client, 1, SOON_MS), REDISLOCK_OK);
	assert_acquires("paused", REDISLOCK_NOT_ENOUGH_REPLICAS);
	test_server_resume(&replica[0]);
	test_server_resume(&replica[1]);
	assert_status(redislock_client_set_min_replicas(client, 2, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_status(acquire(REDISLOCK_KIND_SPIN, "paused", 60000, text, sizeof(text)), REDISLOCK_OK);
}

static void killed_replica_is_missed_until_it_is_back(void **state)
{
	(void)state;
	test_server_kill(&replica[0]);
	assert_status(redislock_client_set_min_replicas(client, 2, SOON_MS), REDISLOCK_OK);
	assert_acquires("killed", REDISLOCK_NOT_ENOUGH_REPLICAS);
	assert_status(redislock_client_set_min_replicas(client, 1, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_acquires("killed", REDISLOCK_OK);
	test_server_restart(&replica[0]);
	test_eventually(are_connected(2));
	assert_status(redislock_client_set_min_replicas(client, 2, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_acquires("killed", REDISLOCK_OK);
}

/* The next in the queue isn't kept waiting by one that gives up; and a WAIT holds up no other thing of the client's. */
static void others_go_on_while_replicas_are_waited_for(void **state)
{
	redislock_client *other = test_client(server.url);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "slow");
	redislock_lock *next = test_lock(other, REDISLOCK_KIND_PUBSUB, "slow");
	struct waiter confirming, waiting;

	(void)state;
	assert_status(redislock_client_set_min_replicas(client, 3, 2147483647), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, 3000), REDISLOCK_OK);
	waiter_start(&confirming, lock);
	test_eventually(test_connections(&server, "flags=b") == 1);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	waiter_start(&waiting, next);
	test_eventually(test_queue(&server, "slow") == 1 || atomic_load(&confirming.done));
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_status(waiter_join(&confirming), REDISLOCK_NOT_ENOUGH_REPLICAS);
	assert_status(waiter_join(&waiting), REDISLOCK_OK);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(next);
	redislock_client_free(other);
}

/* One that is given up must not hold up those behind it, as its WAIT would. */
static void freed_lock_is_waited_for_no_longer(void **state)
{
#ifndef TEST_EVENTLOOP
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "freed");
	struct waiter waiter;

	(void)state;
	assert_status(redislock_client_set_min_replicas(client, 3, 2147483647), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_connections(&server, "flags=b") == 1);
	test_eventually((redislock_lock_interrupt(lock), atomic_load(&waiter.done)));
	assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
	redislock_lock_free(lock);
	assert_int_equal(test_number(&server, "EXISTS", "freed", NULL), 0);
	assert_status(redislock_client_set_min_replicas(client, 2, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_acquires("freed", REDISLOCK_OK);
#else
	(void)state;
#endif
}

static void connections_that_break_are_made_again(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "cut");
	struct waiter waiter;

	(void)state;
	test_server_pause(&replica[0]);
	assert_status(redislock_client_set_min_replicas(client, 2, 2147483647), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	for (int i = 0; i < 3; i++) {
		test_eventually(test_connections(&server, "flags=b") == 1);
		test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL);
		test_eventually(test_connections(&server, "flags=b") == 1);
	}
	test_server_resume(&replica[0]);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

static void many_at_once_are_confirmed_together(void **state)
{
	enum { LOCKS = 20 };
	redislock_lock *locks[LOCKS];
	struct waiter waiters[LOCKS];

	(void)state;
	assert_status(redislock_client_set_min_replicas(client, 2, TEST_DEADLINE_MS), REDISLOCK_OK);
	for (int i = 0; i < LOCKS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "many-%d", i % 10);
		locks[i] = test_lock(client, test_kinds[i % 2], name);
	}
	for (int i = 0; i < LOCKS; i++)
		waiter_start(&waiters[i], locks[i]);
	for (int done = 0; done < LOCKS;) {
		for (int i = 0; i < LOCKS; i++) {
			if (waiters[i].lock != NULL && atomic_load(&waiters[i].done)) {
				assert_status(waiter_join(&waiters[i]), REDISLOCK_OK);
				assert_status(redislock_lock_release(locks[i]), REDISLOCK_OK);
				waiters[i].lock = NULL;
				done++;
			}
		}
		test_sleep_ms(2);
	}
	for (int i = 0; i < LOCKS; i++)
		redislock_lock_free(locks[i]);
}

static void what_makes_no_sense_is_refused(void **state)
{
	(void)state;
	assert_status(redislock_client_set_min_replicas(NULL, 1, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_min_replicas(client, -1, 1000), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_min_replicas(client, 1, 0), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_min_replicas(client, 1, -1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_min_replicas(client, 1, INT64_C(1) << 31), REDISLOCK_INVALID_ARGUMENT);
}

static int start(void **state)
{
	static char port[16];
	static const char *const primary[] = { "--repl-diskless-sync-delay", "0", NULL };
	const char *const arguments[] = { "--replicaof", "127.0.0.1", port, NULL };

	(void)state;
	test_server_start(&server, TEST_SERVER_TCP, primary);
	snprintf(port, sizeof(port), "%d", server.port);
	for (int i = 0; i < REPLICAS; i++)
		test_server_start(&replica[i], TEST_SERVER_TCP, arguments);
	test_eventually(are_connected(REPLICAS));
	client = test_client(server.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	assert_nothing_left(&server);
	for (int i = 0; i < REPLICAS; i++)
		test_server_stop(&replica[i]);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lock_is_with_the_replicas_when_it_is_acquired),
		cmocka_unit_test(more_replicas_than_there_are_is_told_and_nothing_held),
		cmocka_unit_test(paused_replica_is_missed_until_it_is_back),
		cmocka_unit_test(killed_replica_is_missed_until_it_is_back),
		cmocka_unit_test(others_go_on_while_replicas_are_waited_for),
		cmocka_unit_test(freed_lock_is_waited_for_no_longer),
		cmocka_unit_test(connections_that_break_are_made_again),
		cmocka_unit_test(many_at_once_are_confirmed_together),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

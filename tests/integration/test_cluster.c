/* SPDX-License-Identifier: MIT
 *
 * A cluster: three primaries, each with a replica. Slots move, and primaries end. */
#include "cluster.h"
#include "waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TTL_MS = 3000 };

static struct test_cluster cluster;
static redislock_client *client, *other;

static redislock_lock *held(redislock_client *of, const char *name)
{
	redislock_lock *lock = test_lock(of, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

static void assert_text(redislock_client *of, const char *said)
{
	char text[512];

	assert_status(redislock_client_error(of, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, said) == NULL)
		fail_msg("\"%s\" doesn't say \"%s\"", text, said);
}

/* What a waiter can be woken by. */
static bool listens(int node, const char *name)
{
	char pattern[128];

	snprintf(pattern, sizeof(pattern), "rlock-inbox:{%s}:*", name);
	return test_number(&cluster.nodes[node], "EVAL", "return #redis.call('PUBSUB', 'SHARDCHANNELS', ARGV[1])", "0",
	                   pattern, NULL) > 0;
}

static void locks_are_taken_wherever_their_slots_are(void **state)
{
	redislock_lock *locks[30];
	char name[32];

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "spread-%d", i);
		locks[i] = held(client, name);
		assert_int_equal(test_pttl(&cluster.nodes[test_cluster_owner(&cluster, name)], name) > 0, 1);
	}
	for (int i = 0; i < 30; i++) {
		assert_status(redislock_lock_extend(locks[i], 60000), REDISLOCK_OK);
		assert_status(redislock_lock_release(locks[i]), REDISLOCK_OK);
		redislock_lock_free(locks[i]);
	}
}

static void lock_is_handed_over_in_every_shard(void **state)
{
	(void)state;
	for (int node = 0; node < TEST_PRIMARIES; node++) {
		char name[32];
		struct waiter waiter;
		test_cluster_name(&cluster, node, name, sizeof(name));
		redislock_lock *holder = held(client, name), *next = test_lock(other, REDISLOCK_KIND_PUBSUB, name);
		uint64_t fence = redislock_lock_fence(holder);
		waiter_start(&waiter, next);
		test_eventually(test_queue(&cluster.nodes[node], name) == 1);
		assert_true(listens(node, name));
		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		/* By the release itself. */
		assert_true(test_pttl(&cluster.nodes[node], name) > 0);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		assert_true(redislock_lock_fence(next) > fence);
		assert_status(redislock_lock_release(next), REDISLOCK_OK);
		redislock_lock_free(holder);
		redislock_lock_free(next);
	}
}

static void questions_find_their_server(void **state)
{
	char names[TEST_PRIMARIES][32];
	redislock_lock *locks[TEST_PRIMARIES];
	redislock_info *info;

	(void)state;
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	for (int i = 0; i < TEST_PRIMARIES; i++) {
		test_cluster_name(&cluster, i, names[i], sizeof(names[i]));
		locks[i] = held(client, names[i]);
		assert_status(redislock_info_get(other, names[i], strlen(names[i]), &info), REDISLOCK_OK);
		assert_int_equal(redislock_info_locked(info), 1);
		redislock_info_free(info);
	}
#ifndef TEST_EVENTLOOP
	redislock_list *list;
	const char *name;
	size_t length;
	unsigned found = 0;
	assert_status(redislock_list_new(other, NULL, &list), REDISLOCK_OK);
	while (redislock_list_next(list, &name, &length) == REDISLOCK_OK) {
		for (int i = 0; i < TEST_PRIMARIES; i++) {
			if (strcmp(names[i], name) == 0)
				found |= 1u << i;
		}
	}
	assert_int_equal(found, (1u << TEST_PRIMARIES) - 1);
	redislock_list_free(list);
#endif
	for (int i = 0; i < TEST_PRIMARIES; i++) {
		assert_status(redislock_client_break(other, names[i], strlen(names[i]), NULL, 0), REDISLOCK_OK);
		assert_status(redislock_lock_release(locks[i]), REDISLOCK_LOST);
		redislock_lock_free(locks[i]);
	}
}

/* Each shard has one. */
static void replicas_of_the_slots_owner_are_counted(void **state)
{
	(void)state;
	for (int node = 0; node < TEST_PRIMARIES; node++) {
		char name[32], text[256];
		test_cluster_name(&cluster, node, name, sizeof(name));
		assert_status(redislock_client_set_min_replicas(client, 1, TEST_DEADLINE_MS), REDISLOCK_OK);
		redislock_lock *lock = held(client, name);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_status(redislock_client_set_min_replicas(client, 2, 300), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_NOT_ENOUGH_REPLICAS);
		assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
		if (strstr(text, "1 of the 2 replicas") == NULL)
			fail_msg("%s", text);
		test_eventually(test_number(&cluster.nodes[node], "EXISTS", name, NULL) == 0);
		redislock_lock_free(lock);
	}
	assert_status(redislock_client_set_min_replicas(client, 0, 0), REDISLOCK_OK);
}

/* Its connections end in the middle, and then its slot goes where the replica is awake. */
static void confirmation_follows_its_slot(void **state)
{
	char name[32];
	struct waiter waiter;
	redislock_info *info;

	(void)state;
	test_cluster_name(&cluster, 0, name, sizeof(name));
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	assert_status(redislock_client_set_min_replicas(client, 1, INT32_MAX), REDISLOCK_OK);
	test_server_pause(&cluster.nodes[TEST_PRIMARIES]);
	waiter_start(&waiter, lock);
	test_eventually(test_connections(&cluster.nodes[0], "flags=b") == 1);
	test_number(&cluster.nodes[0], "CLIENT", "KILL", "TYPE", "normal", NULL);
	test_eventually(test_connections(&cluster.nodes[0], "flags=b") == 1);
	/* With Valkey 8 no slot moves while a replica that is connected doesn't confirm it. */
	test_number(&cluster.nodes[0], "CLIENT", "KILL", "TYPE", "REPLICA", NULL);
	test_cluster_move_begin(&cluster, name, 0, 1);
	test_cluster_move_keys(&cluster, name, 0, 1);
	test_cluster_move_end(&cluster, name, 0, 1);
	assert_int_equal(atomic_load(&waiter.done), 0);
	/* Whoever asks is told where the slot is. */
	assert_status(redislock_info_get(client, name, strlen(name), &info), REDISLOCK_OK);
	redislock_info_free(info);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	test_server_resume(&cluster.nodes[TEST_PRIMARIES]);
	assert_status(redislock_client_set_min_replicas(client, 0, 0), REDISLOCK_OK);
	assert_true(test_pttl(&cluster.nodes[1], name) > 0);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	test_eventually(test_cluster_ok(&cluster));
}

static void name_whose_keys_have_no_common_slot_is_refused(void **state)
{
	static const char *const names[] = { "foo}", "{}foo", "a}{b" };
	redislock_lock *lock;
	redislock_info *info;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_status(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, names[i], strlen(names[i]), &lock),
		              REDISLOCK_INVALID_ARGUMENT);
		assert_text(client, "slot");
		assert_status(redislock_info_get(client, names[i], strlen(names[i]), &info),
		              REDISLOCK_INVALID_ARGUMENT);
	}
	redislock_lock_free(held(client, "a{foo}}"));
}

static void url_of_one_server_says_that_it_is_a_cluster(void **state)
{
	char name[32];

	(void)state;
	test_cluster_name(&cluster, 1, name, sizeof(name));
	redislock_client *single = test_client(cluster.nodes[0].tcp_url);
	redislock_lock *lock = test_lock(single, REDISLOCK_KIND_PUBSUB, name);
	redislock_info *info;
	char text[256];
	assert_status(redislock_lock_acquire(lock), REDISLOCK_SERVER);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "redis+cluster://"));
	assert_status(redislock_info_get(single, name, strlen(name), &info), REDISLOCK_SERVER);
	assert_status(redislock_client_error(single, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "redis+cluster://"));
	redislock_lock_free(lock);
	redislock_client_free(single);
}

/* What is told where the only server of a cluster's URL was started so. */
static void assert_told(const char *const *arguments, int32_t status, const char *expected)
{
	struct test_server server;
	char url[128], text[256];

	test_server_start(&server, TEST_SERVER_TCP, arguments);
	snprintf(url, sizeof(url), "redis+cluster://127.0.0.1:%d", server.port);
	redislock_client *single = test_client(url);
	redislock_lock *lock = test_lock(single, REDISLOCK_KIND_PUBSUB, "foo");
	assert_status(redislock_lock_acquire(lock), status);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, expected) == NULL)
		fail_msg("%s", text);
	redislock_lock_free(lock);
	redislock_client_free(single);
	test_server_stop(&server);
}

static void server_that_is_no_cluster_is_called_so(void **state)
{
	(void)state;
	assert_told(NULL, REDISLOCK_UNSUPPORTED, "no part of a cluster");
}

static void server_that_cannot_publish_by_slots_is_called_so(void **state)
{
	static const char *const arguments[] = { "--rename-command", "PUBSUB", "", NULL };

	(void)state;
	assert_told(arguments, REDISLOCK_UNSUPPORTED, "must publish by slots");
}

static void answer_that_tells_no_slots_is_a_protocol_error(void **state)
{
	static const char *const arguments[] = { "--rename-command", "CLUSTER", "", "--rename-command", "ECHO",
		                                 "CLUSTER",          NULL };

	(void)state;
	assert_told(arguments, REDISLOCK_PROTOCOL, "slots");
}

static void nobody_there_is_said_once_all_were_tried(void **state)
{
	redislock_client *single = test_client("redis+cluster://127.0.0.1:1,127.0.0.1:2");
	redislock_lock *lock = test_lock(single, REDISLOCK_KIND_PUBSUB, "foo");

	(void)state;
	assert_status(redislock_lock_acquire(lock), REDISLOCK_CONNECTION_REFUSED);
	redislock_lock_free(lock);
	redislock_client_free(single);
}

/* Whether it was renewed since then: it is sure to last longer than it could otherwise. */
static bool is_renewed_since(redislock_lock *lock, int64_t then, int64_t ttl_ms)
{
	int64_t remaining = redislock_lock_remaining_ms(lock);

	return remaining > 0 && test_now_ms() + remaining > then + ttl_ms;
}

/* The keys are in two places while it moves, and some in none. */
static void moving_slot_ends_no_lease_and_loses_no_waiter(void **state)
{
	char name[32];
	struct waiter waiter;

	(void)state;
	test_cluster_name(&cluster, 0, name, sizeof(name));
	redislock_lock *holder = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	redislock_lock *next = test_lock(other, REDISLOCK_KIND_PUBSUB, name);
	assert_status(redislock_lock_set_ttl_ms(holder, TTL_MS), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(holder, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	uint64_t fence = redislock_lock_fence(holder);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&cluster.nodes[0], name) == 1);

	/* It is renewed in each state. */
	test_cluster_move_begin(&cluster, name, 0, 1);
	int64_t then = test_now_ms();
	test_eventually(is_renewed_since(holder, then, TTL_MS));
	test_cluster_move_keys(&cluster, name, 0, 1);
	then = test_now_ms();
	test_eventually(is_renewed_since(holder, then, TTL_MS));
	test_cluster_move_end(&cluster, name, 0, 1);
	test_eventually(listens(1, name));
	then = test_now_ms();
	test_eventually(is_renewed_since(holder, then, TTL_MS));
	assert_int_equal(redislock_lock_is_held(holder), 1);
	assert_int_equal(atomic_load(&waiter.done), 0);
	assert_true(test_pttl(&cluster.nodes[1], name) > 0);

	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_true(redislock_lock_fence(next) > fence);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	redislock_lock_free(holder);
	redislock_lock_free(next);
}

static void lock_is_released_while_its_slot_moves(void **state)
{
	char name[32];
	struct waiter waiter;

	(void)state;
	test_cluster_name(&cluster, 1, name, sizeof(name));
	redislock_lock *holder = held(client, name), *next = test_lock(other, REDISLOCK_KIND_PUBSUB, name);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&cluster.nodes[1], name) == 1);
	test_cluster_move_begin(&cluster, name, 1, 2);
	/* The lock's own key alone is there already. */
	char port[16];
	snprintf(port, sizeof(port), "%d", cluster.nodes[2].port);
	assert_true(test_command(&cluster.nodes[1], NULL, 0, "MIGRATE", "127.0.0.1", port, name, "0", "5000", NULL));
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	test_cluster_move_keys(&cluster, name, 1, 2);
	test_cluster_move_end(&cluster, name, 1, 2);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	assert_int_equal(test_cluster_owner(&cluster, name), 2);
	redislock_lock_free(holder);
	redislock_lock_free(next);
}

static void replica_takes_over_and_locks_go_on(void **state)
{
	char name[32];
	struct waiter waiter;

	(void)state;
	test_cluster_name(&cluster, 2, name, sizeof(name));
	redislock_lock *holder = held(client, name), *next = test_lock(other, REDISLOCK_KIND_PUBSUB, name);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&cluster.nodes[2], name) == 1);
	/* What was written last must have reached the replica: an asynchronous failover promises no more. */
	test_replicate(&cluster.nodes[2], &cluster.nodes[5]);
	test_server_kill(&cluster.nodes[2]);
	test_eventually(test_cluster_owner(&cluster, name) == 5);
	test_eventually(listens(5, name));
	assert_int_equal(redislock_lock_is_held(holder), 1);
	assert_status(redislock_lock_extend(holder, 30000), REDISLOCK_OK);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	redislock_lock_free(holder);
	redislock_lock_free(next);
}

static void primary_that_is_away_is_left_for_its_successor(void **state)
{
	char name[32];

	(void)state;
	test_cluster_name(&cluster, 1, name, sizeof(name));
	redislock_lock *before = held(client, name);
	assert_status(redislock_lock_release(before), REDISLOCK_OK);
	test_server_pause(&cluster.nodes[1]);
	/* It answers nobody, and neither refuses nor closes. */
	assert_status(redislock_lock_acquire(before), REDISLOCK_OK);
	assert_status(redislock_lock_release(before), REDISLOCK_OK);
	test_server_resume(&cluster.nodes[1]);
	redislock_lock_free(before);
	test_eventually(test_cluster_ok(&cluster));
	assert_int_equal(test_cluster_owner(&cluster, name), 4);
}

/* Whether all that a node has are states that will expire. */
static bool has_states_only(struct test_server *node)
{
	static char keys[65536];

	test_command(node, keys, sizeof(keys), "KEYS", "*", NULL);
	for (char *rest = keys, *key = strtok_r(keys, "\n", &rest); key != NULL; key = strtok_r(NULL, "\n", &rest)) {
		char left[32];
		bool here = test_command(node, left, sizeof(left), "PTTL", key, NULL);
		if (strncmp(key, "rlock-state:", 12) != 0 || (here && strtol(left, NULL, 10) < 0))
			return false;
	}
	return true;
}

static void nothing_is_left_behind(void **state)
{
	(void)state;
	redislock_client_free(client);
	redislock_client_free(other);
	client = other = NULL;
	for (int i = 0; i < TEST_NODES; i++) {
		if (cluster.nodes[i].pid != 0) {
			test_eventually(has_states_only(&cluster.nodes[i]));
			test_eventually(test_number(&cluster.nodes[i], "EVAL",
			                            "return #redis.call('PUBSUB', 'SHARDCHANNELS')", "0", NULL) == 0);
		}
	}
}

static int start(void **state)
{
	(void)state;
	test_cluster_start(&cluster, 0);
	client = test_client(cluster.url);
	other = test_client(cluster.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	redislock_client_free(other);
	test_cluster_stop(&cluster);
	return 0;
}

int main(void)
{
	/* In this order: the last ones leave the cluster with other primaries. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_are_taken_wherever_their_slots_are),
		cmocka_unit_test(lock_is_handed_over_in_every_shard),
		cmocka_unit_test(questions_find_their_server),
		cmocka_unit_test(replicas_of_the_slots_owner_are_counted),
		cmocka_unit_test(confirmation_follows_its_slot),
		cmocka_unit_test(name_whose_keys_have_no_common_slot_is_refused),
		cmocka_unit_test(url_of_one_server_says_that_it_is_a_cluster),
		cmocka_unit_test(server_that_is_no_cluster_is_called_so),
		cmocka_unit_test(server_that_cannot_publish_by_slots_is_called_so),
		cmocka_unit_test(answer_that_tells_no_slots_is_a_protocol_error),
		cmocka_unit_test(nobody_there_is_said_once_all_were_tried),
		cmocka_unit_test(moving_slot_ends_no_lease_and_loses_no_waiter),
		cmocka_unit_test(lock_is_released_while_its_slot_moves),
		cmocka_unit_test(replica_takes_over_and_locks_go_on),
		cmocka_unit_test(primary_that_is_away_is_left_for_its_successor),
		cmocka_unit_test(nothing_is_left_behind),
	};

	if (!test_cluster_possible()) {
		puts("SKIP: the server doesn't publish by slots, as a cluster needs it; Redis does since 7.0");
		return 77;
	}
	return cmocka_run_group_tests(tests, start, stop);
}

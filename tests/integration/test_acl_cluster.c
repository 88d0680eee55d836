/* SPDX-License-Identifier: MIT
 *
 * The access rules of packaging/docs/access.md for a cluster, on each of its nodes. */
#include "access.h"
#include "chores.h"
#include "cluster.h"
#include "waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_cluster cluster;
static redislock_client *admin;

static void apply_everywhere(const char *user)
{
	for (int i = 0; i < TEST_NODES; i++)
		access_apply(&cluster.nodes[i], user);
}

static void allow_everywhere(const char *user, const char *right)
{
	for (int i = 0; i < TEST_NODES; i++)
		assert_true(test_command(&cluster.nodes[i], NULL, 0, "ACL", "SETUSER", user, right, NULL));
}

static void forget_everywhere(void)
{
	for (int i = 0; i < TEST_NODES; i++)
		access_forget(&cluster.nodes[i]);
}

static void nothing_refused_anywhere(void)
{
	for (int i = 0; i < TEST_NODES; i++)
		access_nothing_refused(&cluster.nodes[i]);
}

/* A new client under a rule as the page has it. */
static redislock_client *client_as(const char *user)
{
	redislock_client *client = test_client(cluster.url);

	apply_everywhere(user);
	forget_everywhere();
	assert_status(redislock_client_set_credentials(client, user, "PASSWORD"), REDISLOCK_OK);
	return client;
}

/* A name that the rules allow and a node has. */
static const char *name_at(int node)
{
	static char name[32];
	static int number;

	do
		snprintf(name, sizeof(name), "lock:%d", number++);
	while (test_cluster_owner(&cluster, name) != node);
	return name;
}

static void locker_can_do_all_that_lockers_do_on_every_node(void **state)
{
	redislock_client *client = client_as("cluster-locker");

	(void)state;
	for (int node = 0; node < TEST_PRIMARIES; node++)
		chores_of_a_locker(client, &cluster.nodes[node], name_at(node));
	redislock_client_free(client);
	nothing_refused_anywhere();
}

static void names_with_a_tag_need_what_the_page_says(void **state)
{
	static const char *const rights[] = { "~{shop}:*", "~rlock-queue:{shop}:{shop}:*",
		                              "~rlock-state:{shop}:{shop}:*", "&rlock-channel:{shop}:*",
		                              "&rlock-inbox:{shop}:{shop}:*" };
	struct test_server *owner = &cluster.nodes[test_cluster_owner(&cluster, "{shop}:a")];
	redislock_client *client = client_as("cluster-locker");

	(void)state;
	assert_non_null(strstr(access_page, "\nboth need the channels `&rlock-channel:` and `&rlock-inbox:{TAG}:` "));
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		allow_everywhere("cluster-locker", rights[i]);
	chores_of_a_locker(client, owner, "{shop}:a");
	redislock_client_free(client);
	nothing_refused_anywhere();

	client = client_as("cluster-operator");
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		allow_everywhere("cluster-operator", rights[i]);
	assert_non_null(strstr(access_page, "an operator needs `+publish` too"));
	allow_everywhere("cluster-operator", "+publish");
	assert_true(test_command(owner, NULL, 0, "SET", "{shop}:a", "somebody", "PX", "60000", NULL));
	assert_status(redislock_client_break(client, "{shop}:a", 8, NULL, 0), REDISLOCK_OK);
	redislock_client_free(client);
	nothing_refused_anywhere();
}

static long long times_asked(struct test_server *server)
{
	char info[8192], *line;

	assert_true(test_command(server, info, sizeof(info), "INFO", "commandstats", NULL));
	line = strstr(info, "cmdstat_asking:calls=");
	return line != NULL ? strtoll(strchr(line, '=') + 1, NULL, 10) : 0;
}

/* It is renewed and released where its key is already, and its waiter goes where the slot is. */
static void locker_follows_a_slot_that_moves(void **state)
{
	redislock_client *client = client_as("cluster-locker"), *other = client_as("cluster-locker");
	const char *name = name_at(0);
	redislock_lock *holder = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	redislock_lock *next = test_lock(other, REDISLOCK_KIND_PUBSUB, name);
	struct waiter waiter;
	char port[16];

	(void)state;
	snprintf(port, sizeof(port), "%d", cluster.nodes[1].port);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&cluster.nodes[0], name) == 1);
	test_cluster_move_begin(&cluster, name, 0, 1);
	assert_true(test_command(&cluster.nodes[0], NULL, 0, "MIGRATE", "127.0.0.1", port, name, "0", "5000", NULL));
	assert_int_equal(times_asked(&cluster.nodes[1]), 0);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_true(times_asked(&cluster.nodes[1]) > 0);
	test_cluster_move_keys(&cluster, name, 0, 1);
	test_cluster_move_end(&cluster, name, 0, 1);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	redislock_lock_free(holder);
	redislock_lock_free(next);
	redislock_client_free(client);
	redislock_client_free(other);
	nothing_refused_anywhere();
	test_eventually(test_cluster_ok(&cluster));
}

static void operator_can_look_list_and_break_on_every_node(void **state)
{
	redislock_client *client = client_as("cluster-operator");

	(void)state;
	for (int node = 0; node < TEST_PRIMARIES; node++)
		chores_of_an_operator(client, admin, &cluster.nodes[node], name_at(node));
	nothing_refused_anywhere();
	chore_acquire_refused(client, name_at(1));
	redislock_client_free(client);
}

static void watcher_can_only_look(void **state)
{
	redislock_client *client = client_as("cluster-watcher");

	(void)state;
	for (int node = 0; node < TEST_PRIMARIES; node++)
		chores_of_a_watcher(client, name_at(node));
	nothing_refused_anywhere();
	chore_acquire_refused(client, name_at(1));
	redislock_client_free(client);
}

static int32_t acquire(redislock_client *client, const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_SPIN, name);
	int32_t status = redislock_lock_acquire(lock);

	redislock_lock_free(lock);
	return status;
}

static void replicas_take_what_the_page_says(void **state)
{
	redislock_client *client = client_as("cluster-locker");
	const char *name = name_at(2);

	(void)state;
	assert_status(redislock_client_set_min_replicas(client, 1, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_status(acquire(client, name), REDISLOCK_PERMISSION);
	test_eventually(test_number(&cluster.nodes[2], "EXISTS", name, NULL) == 0);
	allow_everywhere("cluster-locker", "+wait");
	forget_everywhere();
	assert_status(acquire(client, name), REDISLOCK_OK);
	redislock_client_free(client);
	nothing_refused_anywhere();
}

/* ---- what is outside ---- */

static const char *const outside[][6] = {
	{ "CLUSTER", "NODES" },
	{ "CLUSTER", "INFO" },
	{ "CLUSTER", "FAILOVER" },
	{ "CLUSTER", "RESET" },
	{ "CLUSTER", "SETSLOT", "1", "STABLE" },
	{ "READONLY" },
	{ "ROLE" },
	{ "PUBSUB", "NUMSUB", "x" },
	{ "SSUBSCRIBE", "rlock-inbox:{other}:other:x" },
	{ "SPUBLISH", "rlock-inbox:{other}:other:x", "ok" },
};

static const char *const outside_an_operator[][6] = {
	{ "PUBLISH", "rlock-channel:lock:a", "ok" },
	{ "SUBSCRIBE", "rlock-channel:lock:a" },
	{ "SSUBSCRIBE", "rlock-inbox:{lock:a}:lock:a:x" },
	{ "PEXPIRE", "lock:a", "1" },
};

static const char *const outside_a_watcher[][6] = {
	{ "PUBLISH", "rlock-channel:lock:a", "ok" },
	{ "SET", "lock:a", "x" },
	{ "DEL", "lock:a" },
	{ "EVAL", "return redis.call('DEL', KEYS[1])", "1", "lock:a" },
	{ "SPUBLISH", "rlock-inbox:{lock:a}:lock:a:x", "ok" },
	{ "TIME" },
};

static void everything_else_is_refused(void **state)
{
	static const char *const users[] = { "cluster-locker", "cluster-operator", "cluster-watcher" };
	struct test_server *owner = &cluster.nodes[test_cluster_owner(&cluster, "lock:a")];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		apply_everywhere(users[i]);
		access_rest_refused(owner, users[i]);
		assert_all_refused(owner, users[i], outside);
	}
	assert_all_refused(owner, "cluster-operator", outside_an_operator);
	assert_all_refused(owner, "cluster-watcher", outside_a_watcher);
}

/* ---- nothing too much ---- */

static bool something_refused(void)
{
	char log[4096];

	for (int i = 0; i < TEST_NODES; i++) {
		assert_true(test_command(&cluster.nodes[i], log, sizeof(log), "ACL", "LOG", NULL));
		if (log[0] != '\0')
			return true;
	}
	return false;
}

/* A look and, by an operator, a break for the sake of one that waits; whatever comes of it. */
static bool is_refused_without(const char *user, const char *right)
{
	redislock_client *client = client_as(user);
	const char *name = name_at(0);
	redislock_lock *lock = test_lock(admin, REDISLOCK_KIND_PUBSUB, name);
	redislock_lock *next = test_lock(admin, REDISLOCK_KIND_PUBSUB, name);
	struct waiter waiter;
	char without[64];
	bool refused;

	snprintf(without, sizeof(without), "-%.*s", (int)strcspn(right + 1, "|"), right + 1);
	allow_everywhere(user, without);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&cluster.nodes[0], name) == 1);
	assert_true(test_command(&cluster.nodes[0], NULL, 0, "SCRIPT", "FLUSH", NULL));
	redislock_client_ping(client);
	chore_look(client, name);
	chore_look(client, name);
	if (strcmp(user, "cluster-operator") == 0)
		redislock_client_break(client, name, strlen(name), NULL, 0);
#ifndef TEST_EVENTLOOP
	redislock_list *list;
	size_t length;
	assert_status(redislock_list_new(client, "lock:*", &list), REDISLOCK_OK);
	redislock_list_next(list, &name, &length);
	redislock_list_free(list);
#endif
	refused = something_refused();
	redislock_lock_release(lock);
	waiter_join(&waiter);
	redislock_lock_free(lock);
	redislock_lock_free(next);
	redislock_client_free(client);
	return refused;
}

/* ASKING takes a slot that moves, SCAN the blocking form; a break of an empty queue is in the test of one server. */
static bool is_told_elsewhere(const char *right)
{
	bool elsewhere = strcmp(right, "+asking") == 0 || strcmp(right, "+del") == 0;
#ifdef TEST_EVENTLOOP
	elsewhere |= strcmp(right, "+scan") == 0;
#endif
	return elsewhere;
}

static void operator_and_watcher_need_each_of_their_rights(void **state)
{
	static const char *const users[] = { "cluster-operator", "cluster-watcher" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *words[ACCESS_WORDS];
		char *text;
		int count = access_rule(users[i], &text, words);

		assert_false(is_refused_without(users[i], "+flushall"));
		for (int k = 0; k < count; k++)
			if (words[k][0] == '+' && !is_told_elsewhere(words[k]) &&
			    !is_refused_without(users[i], words[k]))
				fail_msg("%s works without %s", users[i], words[k]);
		free(text);
	}
}

static int start(void **state)
{
	(void)state;
	access_page = access_read(REDISLOCK_SOURCE "/packaging/docs/access.md");
	test_cluster_start(&cluster, 0);
	admin = test_client(cluster.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(admin);
	test_cluster_stop(&cluster);
	free(access_page);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locker_can_do_all_that_lockers_do_on_every_node),
		cmocka_unit_test(names_with_a_tag_need_what_the_page_says),
		cmocka_unit_test(locker_follows_a_slot_that_moves),
		cmocka_unit_test(operator_can_look_list_and_break_on_every_node),
		cmocka_unit_test(watcher_can_only_look),
		cmocka_unit_test(replicas_take_what_the_page_says),
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(operator_and_watcher_need_each_of_their_rights),
	};

	if (!test_cluster_possible()) {
		puts("SKIP: the server doesn't publish by slots, as a cluster needs it; Redis does since 7.0");
		return 77;
	}
	return cmocka_run_group_tests(tests, start, stop);
}

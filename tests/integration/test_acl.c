/* SPDX-License-Identifier: MIT
 *
 * The access rules of packaging/docs/access.md, as they are written there: everything that redislock does is inside of
 * them, and everything else is refused. */
#include "access.h"
#include "agent.h"
#include "chores.h"
#include "waiter.h"

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct test_server server;

static redislock_client *client_as(const char *user)
{
	redislock_client *client = test_client(server.url);

	assert_status(redislock_client_set_credentials(client, user, "PASSWORD"), REDISLOCK_OK);
	return client;
}

/* A hand-off that runs out, as its client is paused. */
static void miss_a_turn(const char *name)
{
	struct agent agent;
	char url[256];
	redislock_client *client;
	redislock_lock *lock;

	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "locker", "+client|setname", NULL)); /* for it */
	snprintf(url, sizeof(url), "redis://locker:PASSWORD@127.0.0.1:%d", server.port);
	agent_start(&agent, &(struct agent_options) { .url = url, .name = name });
	client = client_as("locker");
	lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	agent_tell(&agent, AGENT_ACQUIRE, 0);
	test_eventually(test_queue(&server, name) == 1);
	agent_pause(&agent);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	agent_resume(&agent);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_status(agent_answer(&agent).status, REDISLOCK_OK);
	agent_do(&agent, AGENT_END, 0);
	agent_kill(&agent);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

static void locker_can_do_all_that_lockers_do(void **state)
{
	redislock_client *client;

	(void)state;
	access_apply(&server, "locker");
	access_forget(&server);
	miss_a_turn("lock:missed"); /* first, while there are no threads */
	access_apply(&server, "locker");
	client = client_as("locker");
	chores_of_a_locker(client, &server, "lock:a");
	redislock_client_free(client);
	access_nothing_refused(&server);
}

static void names_with_a_tag_need_their_own_keys(void **state)
{
	redislock_client *client;

	(void)state;
	access_apply(&server, "locker");
	client = client_as("locker");
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "locker", "~{shop}:*",
	                         "~rlock-queue:{shop}:{shop}:*", "~rlock-state:{shop}:{shop}:*",
	                         "&rlock-channel:{shop}:*", NULL));
	access_forget(&server);
	chore_take(client, &server, "{shop}:stock");
	redislock_client_free(client);
	access_nothing_refused(&server);
}

static void operator_can_look_list_and_break(void **state)
{
	redislock_client *admin = test_client(server.url), *client;

	(void)state;
	access_apply(&server, "operator");
	client = client_as("operator");
	access_forget(&server);
	chores_of_an_operator(client, admin, &server, "lock:stuck");
	access_nothing_refused(&server);
	chore_acquire_refused(client, "lock:stuck");
	redislock_client_free(admin);
	redislock_client_free(client);
}

static void watcher_can_only_look(void **state)
{
	redislock_client *client;

	(void)state;
	access_apply(&server, "watcher");
	client = client_as("watcher");
	access_forget(&server);
	chores_of_a_watcher(client, "lock:a");
	access_nothing_refused(&server);
	chore_acquire_refused(client, "lock:a");
	assert_true(test_command(&server, NULL, 0, "SET", "lock:a", "somebody", "PX", "60000", NULL));
	assert_status(redislock_client_break(client, "lock:a", 6, NULL, 0), REDISLOCK_PERMISSION);
	assert_int_equal(test_number(&server, "DEL", "lock:a", NULL), 1);
	redislock_client_free(client);
}

/* The page names in a list what clients with other wishes need. */
static void wishes_take_what_the_page_says(void **state)
{
	static const char *const wishes[] = { "+select", "+client|setname" };
	char url[256], item[64];

	(void)state;
	access_apply(&server, "locker");
	snprintf(url, sizeof(url), "redis://locker:PASSWORD@127.0.0.1:%d/1", server.port);
	for (size_t i = 0; i < 2; i++) {
		redislock_client *client = test_client(i == 0 ? url : server.url);

		assert_status(redislock_client_set_credentials(client, "locker", "PASSWORD"), REDISLOCK_OK);
		if (i == 1)
			assert_status(redislock_client_set_name(client, "somebody"), REDISLOCK_OK);
		assert_status(redislock_client_connect(client), REDISLOCK_PERMISSION);
		snprintf(item, sizeof(item), "\n- `%s` for ", wishes[i]);
		assert_non_null(strstr(access_page, item));
		assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "locker", wishes[i], NULL));
		access_forget(&server);
		assert_status(redislock_client_connect(client), REDISLOCK_OK);
		redislock_client_free(client);
		access_nothing_refused(&server);
	}
}

static int32_t acquire_with_replicas(redislock_client *client)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_SPIN, "lock:replicas");
	int32_t status = redislock_lock_acquire(lock);

	redislock_lock_free(lock);
	test_eventually(test_number(&server, "EXISTS", "lock:replicas", NULL) == 0);
	return status;
}

static void replicas_take_what_the_page_says(void **state)
{
	redislock_client *client;

	(void)state;
	access_apply(&server, "locker");
	client = client_as("locker");
	assert_status(redislock_client_set_min_replicas(client, 1, 50), REDISLOCK_OK);
	assert_status(acquire_with_replicas(client), REDISLOCK_PERMISSION);
	assert_non_null(strstr(access_page, "\n- `+wait` for "));
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "locker", "+wait", NULL));
	access_forget(&server);
	assert_status(acquire_with_replicas(client), REDISLOCK_NOT_ENOUGH_REPLICAS);
	redislock_client_free(client);
	access_nothing_refused(&server);
}

/* ---- the program ---- */

#ifdef REDISLOCK_PROGRAM
static void assert_exits(const char *user, const char *arguments, int expected)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command), "REDISLOCK_URL=redis://%s:PASSWORD@127.0.0.1:%d '%s' %s >/dev/null 2>&1",
	         user, server.port, REDISLOCK_PROGRAM, arguments);
	status = system(command); /* NOLINT(cert-env33-c): the test's own words */
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail_msg("%s: redis-lock %s: %d instead of %d", user, arguments, WEXITSTATUS(status), expected);
}

static void program_works_under_the_rules(void **state)
{
	static const char *const users[] = { "locker", "operator", "watcher" };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		access_apply(&server, users[i]);
	access_forget(&server);
	assert_exits("locker", "run lock:p -- true", 0);
	assert_exits("locker", "run --spin --ttl none lock:p -- true", 0);
	for (size_t i = 0; i < 3; i++) {
		assert_exits(users[i], "ping", 0);
		assert_exits(users[i], "status lock:p", 1);
		assert_exits(users[i], "wait lock:p", 0);
		assert_exits(users[i], "version", 0);
		assert_exits(users[i], "help", 0);
	}
	assert_exits("operator", "list 'lock:*'", 0);
	assert_exits("watcher", "list 'lock:*'", 0);
	assert_exits("operator", "break lock:p", 1);
	assert_exits("watcher", "break lock:p", 1); /* nothing to break */
	assert_true(test_command(&server, NULL, 0, "SET", "lock:p", "somebody", "PX", "60000", NULL));
	assert_exits("operator", "break lock:p", 0);
	access_nothing_refused(&server);
	assert_true(test_command(&server, NULL, 0, "SET", "lock:p", "somebody", "PX", "60000", NULL));
	assert_exits("watcher", "break lock:p", 77);
	assert_exits("locker", "list 'lock:*'", 77);
	assert_exits("operator", "list", 77); /* another test's state has another prefix */
	assert_int_equal(test_number(&server, "DEL", "lock:p", NULL), 1);
	assert_exits("watcher", "run lock:p -- true", 77);
	assert_exits("operator", "run lock:p -- true", 77);
	assert_exits("locker", "run other -- true", 77);
	assert_exits("operator", "status other", 77);
}
#endif

/* ---- what is outside ---- */

static const char *const outside_a_locker[][6] = { { "SCAN", "0" }, { "SUBSCRIBE", "__keyspace@0__:lock:a" } };

static const char *const outside_an_operator[][6] = {
	{ "SUBSCRIBE", "rlock-channel:lock:a" },
	{ "UNSUBSCRIBE", "rlock-channel:lock:a" },
	{ "ZADD", "rlock-queue:{lock:a}:lock:a", "1", "x" },
	{ "ZREM", "rlock-queue:{lock:a}:lock:a", "x" },
	{ "PEXPIRE", "lock:a", "1" },
	{ "PERSIST", "lock:a" },
	{ "EXISTS", "lock:a" },
};

static const char *const outside_a_watcher[][6] = {
	{ "SET", "lock:a", "x" },
	{ "DEL", "lock:a" },
	{ "EVAL", "return redis.call('SET', KEYS[1], 1)", "1", "lock:a" },
	{ "EVAL", "return redis.call('DEL', KEYS[1])", "1", "lock:a" },
	{ "ZPOPMIN", "rlock-queue:{lock:a}:lock:a" },
	{ "PUBLISH", "rlock-channel:lock:a", "ok" },
	{ "PUBSUB", "NUMSUB", "x" },
	{ "TIME" },
};

static void everything_else_is_refused(void **state)
{
	static const char *const users[] = { "locker", "operator", "watcher" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		access_apply(&server, users[i]);
		access_rest_refused(&server, users[i]);
	}
	assert_all_refused(&server, "locker", outside_a_locker);
	assert_all_refused(&server, "operator", outside_an_operator);
	assert_all_refused(&server, "watcher", outside_a_watcher);
	access_forget(&server);
}

/* ---- nothing forgotten, nothing too much ---- */

/* Those of one server and of a cluster, where the scripts publish by slots. */
static const struct locker {
	const char *user, *numsub;
} lockers[] = { { "locker", "pubsub|numsub" }, { "cluster-locker", "pubsub|shardnumsub" } };

enum { SCRIPTS = 8 };
static const char *const script_names[SCRIPTS] = { "lock",   "extend",  "renew", "unlock",
	                                           "cancel", "prelude", "info",  "break" };

static void assert_script_allowed(const struct locker *locker, const char *name, const char *script)
{
	char command[64];

	for (const char *at = script; (at = strstr(at, "call('")) != NULL; at += 6) {
		snprintf(command, sizeof(command), "%.*s", (int)strcspn(at + 6, "'"), at + 6);
		if (!access_allows(locker->user, strcmp(command, "PUBSUB") == 0 ? locker->numsub : command))
			fail_msg("%s.lua calls %s", name, command);
	}
}

/* Whether it is sent, or a script names it. */
static bool is_needed(const char *right, char *const *scripts)
{
	static const char *const sent[] = { "eval",       "evalsha",      "subscribe", "unsubscribe", "ping",
		                            "ssubscribe", "sunsubscribe", "asking",    "cluster" };
	const int length = (int)strcspn(right + 1, "|");
	char named[80];

	snprintf(named, sizeof(named), "'%.*s'", length, right + 1);
	for (size_t i = 0; i < SCRIPTS; i++)
		if (strcasestr(scripts[i], named) != NULL)
			return true;
	for (size_t i = 0; i < sizeof(sent) / sizeof(sent[0]); i++)
		if (strlen(sent[i]) == (size_t)length && strncmp(right + 1, sent[i], (size_t)length) == 0)
			return true;
	return false;
}

/* For the paths that no test takes: what the scripts call is allowed, and what is allowed is called or sent. */
static void rules_are_those_of_the_scripts(void **state)
{
	char *scripts[SCRIPTS], path[512];

	(void)state;
	for (size_t i = 0; i < SCRIPTS; i++) {
		snprintf(path, sizeof(path), "%s/src/core/scripts/%s.lua", REDISLOCK_SOURCE, script_names[i]);
		scripts[i] = access_read(path);
		assert_non_null(strstr(scripts[i], "call"));
	}
	for (size_t k = 0; k < sizeof(lockers) / sizeof(lockers[0]); k++) {
		const char *words[ACCESS_WORDS];
		char *text;
		int count = access_rule(lockers[k].user, &text, words);

		for (size_t i = 0; i < SCRIPTS; i++)
			assert_script_allowed(&lockers[k], script_names[i], scripts[i]);
		for (int i = 0; i < count; i++)
			if (words[i][0] == '+' && !is_needed(words[i], scripts))
				fail_msg("nobody needs %s", words[i]);
		free(text);
	}
	for (size_t i = 0; i < SCRIPTS; i++)
		free(scripts[i]);
}

#ifndef TEST_EVENTLOOP
static bool is_refused_without(const char *user, const char *right)
{
	redislock_client *client;
	redislock_list *list;
	const char *name;
	size_t length;
	char without[64], log[4096];

	access_apply(&server, user);
	snprintf(without, sizeof(without), "-%.*s", (int)strcspn(right + 1, "|"), right + 1);
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", user, without, NULL));
	/* A lock, and somebody who waits for it and listens. */
	assert_true(test_command(&server, NULL, 0, "SET", "lock:x", "somebody", "PX", "60000", NULL));
	assert_true(
	        test_command(&server, NULL, 0, "ZADD", "rlock-queue:{lock:x}:lock:x", "1", "t listener 1000 l", NULL));
	assert_true(test_command(&server, NULL, 0, "SCRIPT", "FLUSH", NULL));
	access_forget(&server);
	client = client_as(user);
	redislock_client_ping(client);
	chore_look(client, "lock:x");
	chore_look(client, "lock:x");
	if (strcmp(user, "operator") == 0) {
		redislock_client_break(client, "lock:x", 6, NULL, 0); /* to the one that waits */
		redislock_client_break(client, "lock:x", 6, NULL, 0);
	}
	assert_status(redislock_list_new(client, "lock:*", &list), REDISLOCK_OK);
	redislock_list_next(list, &name, &length);
	redislock_list_free(list);
	redislock_client_free(client);
	assert_true(test_command(&server, log, sizeof(log), "ACL", "LOG", NULL));
	assert_true(test_command(&server, NULL, 0, "DEL", "lock:x", "rlock-queue:{lock:x}:lock:x",
	                         "rlock-state:{lock:x}:lock:x", NULL));
	return log[0] != '\0';
}

static void operator_and_watcher_need_each_of_their_rights(void **state)
{
	static const char *const users[] = { "operator", "watcher" };
	redisContext *listener = redisConnectUnix(server.socket);

	(void)state;
	assert_non_null(listener);
	freeReplyObject(redisCommand(listener, "SUBSCRIBE rlock-inbox:listener"));
	for (size_t i = 0; i < 2; i++) {
		const char *words[ACCESS_WORDS];
		char *text;
		int count = access_rule(users[i], &text, words);

		assert_false(is_refused_without(users[i], "+flushall"));
		for (int k = 0; k < count; k++)
			if (words[k][0] == '+' && !is_refused_without(users[i], words[k]))
				fail_msg("%s works without %s", users[i], words[k]);
		free(text);
	}
	redisFree(listener);
	access_forget(&server);
}
#endif

/* A new function must be looked at: whether it says anything to the server, and is tried above. */
static void every_function_is_known_here(void **state)
{
	static const char *const tried[] = {
		"client_connect", "client_ping",        "client_start_ping", "client_break",       "client_start_break",
		"lock_acquire",   "lock_start_acquire", "lock_release",      "lock_start_release", "lock_extend",
		"lock_cancel",    "lock_start_extend",  "info_get",          "client_start_info",  "list_next",
		"lock_free",      "client_free",        "client_dispatch",   "lock_interrupt",     "client_interrupt",
	};
	static const char *const silent[] = {
		"client_new",
		"client_set_",
		"client_error",
		"client_fd",
		"client_lost_fd",
		"client_timeout_ms",
		"lock_new",
		"lock_set_",
		"lock_error",
		"lock_is_",
		"lock_remaining",
		"client_next_event",
		"lock_fence",
		"lock_token",
		"lock_name",
		"lock_place",
		"lock_channel",
		"info_",
		"list_new",
		"list_free",
		"event_",
		"version_",
		"has",
		"strerror",
		"error_name",
		"url_error",
		"quorum_", /* says what clients and locks say */
	};
	char *header = access_read(REDISLOCK_SOURCE "/include/redislock/redislock.h");
	int functions = 0;

	(void)state;
	for (char *line = strtok(header, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char *name = strstr(line, "redislock_"), *end = name != NULL ? strchr(name, '(') : NULL;
		bool known = false;

		if (!islower((unsigned char)line[0]) || end == NULL || strncmp(line, "typedef", 7) == 0)
			continue;
		*end = '\0';
		for (char *next; (next = strstr(name + 1, "redislock_")) != NULL;)
			name = next; /* behind its type */
		name += strlen("redislock_");
		for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++)
			known |= strcmp(name, tried[i]) == 0;
		for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
			known |= strncmp(name, silent[i], strlen(silent[i])) == 0;
		if (!known)
			fail_msg("redislock_%s: what does it send?", name);
		functions++;
	}
	assert_true(functions > 60);
	free(header);
}

static int start(void **state)
{
	(void)state;
	access_page = access_read(REDISLOCK_SOURCE "/packaging/docs/access.md");
	test_server_start(&server, TEST_SERVER_TCP, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_nothing_left(&server);
	test_server_stop(&server);
	free(access_page);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locker_can_do_all_that_lockers_do),
		cmocka_unit_test(names_with_a_tag_need_their_own_keys),
		cmocka_unit_test(operator_can_look_list_and_break),
		cmocka_unit_test(watcher_can_only_look),
		cmocka_unit_test(wishes_take_what_the_page_says),
		cmocka_unit_test(replicas_take_what_the_page_says),
#ifdef REDISLOCK_PROGRAM
		cmocka_unit_test(program_works_under_the_rules),
#endif
		cmocka_unit_test(everything_else_is_refused),
		cmocka_unit_test(rules_are_those_of_the_scripts),
#ifndef TEST_EVENTLOOP
		cmocka_unit_test(operator_and_watcher_need_each_of_their_rights),
#endif
		cmocka_unit_test(every_function_is_known_here),
	};

	return cmocka_run_group_tests(tests, start, stop);
}

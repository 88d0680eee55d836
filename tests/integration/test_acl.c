/* SPDX-License-Identifier: MIT
 *
 * The access rules of packaging/docs/access.md, as they are written there: everything that redislock does is inside of
 * them, and everything else is refused. */
#include "agent.h"
#include "waiter.h"

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { WORDS = 64 };

static struct test_server server;
static char *page;

/* ---- the page ---- */

static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text;
	size_t length;

	assert_non_null(file);
	text = calloc(1, 65536);
	assert_non_null(text);
	length = fread(text, 1, 65535, file);
	assert_true(length > 0 && length < 65535);
	fclose(file);
	return text;
}

/* Splits a text at white space, in place. */
static int split(char *text, const char **words)
{
	int count = 0;

	for (char *rest, *word = strtok_r(text, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
		assert_true(count < WORDS);
		words[count++] = word;
	}
	return count;
}

/* The words of a user's rule: from ACL SETUSER to the empty line. The caller frees the text. */
static int rule_of(const char *user, char **text, const char **words)
{
	char begin[64];
	const char *start, *end;

	snprintf(begin, sizeof(begin), "\n    ACL SETUSER %s ", user);
	start = strstr(page, begin);
	assert_non_null(start);
	assert_null(strstr(start + 1, begin));
	end = strstr(start, "\n\n");
	assert_non_null(end);
	*text = strndup(start, (size_t)(end - start));
	assert_non_null(*text);
	return split(*text, words);
}

static void apply(const char *user)
{
	const char *words[WORDS];
	char *text, answer[256];
	int count = rule_of(user, &text, words);

	if (!test_command_bytes(&server, answer, sizeof(answer), count, words, NULL))
		fail_msg("%s", answer);
	free(text);
}

static bool allows(const char *user, const char *command)
{
	const char *words[WORDS];
	char *text;
	int count = rule_of(user, &text, words);
	bool found = false;

	for (int i = 0; i < count; i++)
		found |= words[i][0] == '+' && strcasecmp(words[i] + 1, command) == 0;
	free(text);
	return found;
}

/* ---- what the server has refused ---- */

static void forget_refusals(void)
{
	assert_true(test_command(&server, NULL, 0, "ACL", "LOG", "RESET", NULL));
}

static void assert_nothing_refused(void)
{
	char log[4096];

	assert_true(test_command(&server, log, sizeof(log), "ACL", "LOG", NULL));
	if (log[0] != '\0')
		fail_msg("refused: %s", log);
}

/* A command as a user, on a connection of its own. */
static redisReply *ask_as(const char *user, const char *const *words)
{
	redisContext *context = redisConnectUnix(server.socket);
	redisReply *reply;
	const char *arguments[WORDS];
	int count = 0;

	assert_non_null(context);
	reply = redisCommand(context, "AUTH %s PASSWORD", user);
	assert_non_null(reply);
	assert_int_equal(reply->type, REDIS_REPLY_STATUS);
	freeReplyObject(reply);
	for (; words[count] != NULL; count++)
		arguments[count] = words[count];
	reply = redisCommandArgv(context, count, arguments, NULL);
	assert_non_null(reply);
	redisFree(context);
	return reply;
}

static void assert_refused(const char *user, const char *const *words)
{
	redisReply *reply;
	char log[4096];

	forget_refusals();
	reply = ask_as(user, words);
	if (reply->type != REDIS_REPLY_ERROR)
		fail_msg("%s may: %s %s", user, words[0], words[1] != NULL ? words[1] : "");
	/* A server that hasn't got the command can't allow it either. */
	if (strstr(reply->str, "unknown command") == NULL) {
		assert_true(test_command(&server, log, sizeof(log), "ACL", "LOG", NULL));
		if (log[0] == '\0')
			fail_msg("%s %s: not refused, but: %s", words[0], words[1] != NULL ? words[1] : "", reply->str);
	}
	freeReplyObject(reply);
}

/* ---- all that a locker does ---- */

static redislock_client *client_as(const char *user)
{
	redislock_client *client = test_client(server.url);

	assert_status(redislock_client_set_credentials(client, user, "PASSWORD"), REDISLOCK_OK);
	return client;
}

static void take_and_return(redislock_client *client, const char *name)
{
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], name),
		               *other = test_lock(client, test_kinds[i], name);

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_set_wait_ms(other, 0), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(other), REDISLOCK_NOT_ACQUIRED);
		assert_status(redislock_lock_set_wait_ms(other, 30), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(other), REDISLOCK_NOT_ACQUIRED);
		assert_status(redislock_lock_extend(lock, 40000), REDISLOCK_OK);
		assert_status(redislock_lock_extend(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_status(redislock_lock_set_ttl_ms(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		test_eventually(test_pttl(&server, name) == -1);
		redislock_lock_free(other);
		redislock_lock_free(lock); /* as it is held */
	}
}

static void renew(redislock_client *client, const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	long long left = 0, before;
	int renewals = 0;

	assert_status(redislock_lock_set_ttl_ms(lock, 3000), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	test_eventually((before = left, left = test_pttl(&server, name), renewals += left > before, renewals >= 3));
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

/* Handed from one to the next, by redislock and by others, and taken from one that is lost. */
static void wait_in_turn(redislock_client *client, const char *name)
{
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
		redislock_lock *next = test_lock(client, test_kinds[i], name);
		struct waiter waiter;

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		waiter_start(&waiter, next);
		if (i == 0)
			test_eventually(test_queue(&server, name) == 1);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		/* The hand-off is acknowledged by and by: then the TTL is the lock's own. */
		test_eventually(test_pttl(&server, name) > 10000);
		waiter_start(&waiter, lock);
		test_eventually(test_queue(&server, name) == 1);
		assert_true(test_command(&server, NULL, 0, "DEL", name, NULL));
		assert_int_equal(test_number(&server, "EXISTS", name, NULL), 0);
		test_command(&server, NULL, 0, "PUBLISH", "rlock-channel:lock:turn", "ok", NULL);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		assert_status(redislock_lock_release(next), REDISLOCK_LOST);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		redislock_lock_free(next);
		redislock_lock_free(lock);
	}
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

#ifndef TEST_EVENTLOOP
static void interrupt_and_cancel(redislock_client *client, const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	redislock_lock *waiting = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	struct waiter waiter;

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	waiter_start(&waiter, waiting);
	test_eventually(test_queue(&server, name) == 1);
	test_eventually((redislock_lock_interrupt(waiting), atomic_load(&waiter.done)));
	assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
	assert_status(redislock_lock_cancel(waiting), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(waiting);
	redislock_lock_free(lock);
}
#endif

static int32_t look(redislock_client *client, const char *name)
{
	redislock_info *info = NULL;
	int32_t status = redislock_info_get(client, name, strlen(name), &info);

	redislock_info_free(info);
	return status;
}

#ifndef TEST_EVENTLOOP
/* How many names are found. A walk is of the blocking form alone. */
static int walk(const char *user, const char *pattern)
{
	int found = 0;
	redislock_client *client = client_as(user);
	redislock_list *list;
	const char *name;
	size_t length;
	int32_t status;

	assert_status(redislock_list_new(client, pattern, &list), REDISLOCK_OK);
	while ((status = redislock_list_next(list, &name, &length)) == REDISLOCK_OK)
		found++;
	assert_status(status, REDISLOCK_END);
	redislock_list_free(list);
	redislock_client_free(client);
	return found;
}
#endif

static void locker_can_do_all_that_lockers_do(void **state)
{
	redislock_client *client;

	(void)state;
	apply("locker");
	forget_refusals();
	miss_a_turn("lock:missed"); /* first, while there are no threads */
	apply("locker");
	client = client_as("locker");
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_status(look(client, "lock:a"), REDISLOCK_OK);
	take_and_return(client, "lock:a");
	renew(client, "lock:renewed");
	wait_in_turn(client, "lock:turn");
#ifndef TEST_EVENTLOOP
	interrupt_and_cancel(client, "lock:cancelled");
#endif
	redislock_client_free(client);
	assert_nothing_refused();
}

static void names_with_a_tag_need_their_own_keys(void **state)
{
	redislock_client *client;

	(void)state;
	apply("locker");
	client = client_as("locker");
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "locker", "~{shop}:*",
	                         "~rlock-queue:{shop}:{shop}:*", "~rlock-state:{shop}:{shop}:*",
	                         "&rlock-channel:{shop}:*", NULL));
	forget_refusals();
	take_and_return(client, "{shop}:stock");
	redislock_client_free(client);
	assert_nothing_refused();
}

static void operator_can_look_list_and_break(void **state)
{
	redislock_client *admin = test_client(server.url), *client;
	redislock_lock *lock = test_lock(admin, REDISLOCK_KIND_PUBSUB, "lock:stuck");
	redislock_lock *next = test_lock(admin, REDISLOCK_KIND_PUBSUB, "lock:stuck");
	struct waiter waiter;

	(void)state;
	apply("operator");
	client = client_as("operator");
	forget_refusals();
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	waiter_start(&waiter, next);
	test_eventually(test_queue(&server, "lock:stuck") == 1);
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_status(look(client, "lock:stuck"), REDISLOCK_OK);
#ifndef TEST_EVENTLOOP
	assert_int_equal(walk("operator", "lock:*"), 1);
#endif
	assert_status(redislock_client_break(client, "lock:stuck", 10, NULL, 0), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_client_break(client, "lock:stuck", 10, "not-this-one", 12), REDISLOCK_NOT_LOCKED);
	assert_status(redislock_client_break(client, "lock:stuck", 10, NULL, 0), REDISLOCK_OK);
	assert_status(redislock_client_break(client, "lock:stuck", 10, NULL, 0), REDISLOCK_NOT_LOCKED);
	assert_nothing_refused();
	redislock_lock_free(lock);
	redislock_lock_free(next);
	redislock_client_free(admin);
	lock = test_lock(client, REDISLOCK_KIND_SPIN, "lock:stuck");
	assert_status(redislock_lock_acquire(lock), REDISLOCK_PERMISSION);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

static void watcher_can_only_look(void **state)
{
	redislock_client *client;
	redislock_lock *lock;

	(void)state;
	apply("watcher");
	client = client_as("watcher");
	forget_refusals();
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_status(look(client, "lock:a"), REDISLOCK_OK);
#ifndef TEST_EVENTLOOP
	assert_int_equal(walk("watcher", "lock:*"), 0);
#endif
	assert_nothing_refused();
	lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "lock:a");
	assert_status(redislock_lock_acquire(lock), REDISLOCK_PERMISSION);
	redislock_lock_free(lock);
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
	apply("locker");
	snprintf(url, sizeof(url), "redis://locker:PASSWORD@127.0.0.1:%d/1", server.port);
	for (size_t i = 0; i < 2; i++) {
		redislock_client *client = test_client(i == 0 ? url : server.url);

		assert_status(redislock_client_set_credentials(client, "locker", "PASSWORD"), REDISLOCK_OK);
		if (i == 1)
			assert_status(redislock_client_set_name(client, "somebody"), REDISLOCK_OK);
		assert_status(redislock_client_connect(client), REDISLOCK_PERMISSION);
		snprintf(item, sizeof(item), "\n- `%s` for ", wishes[i]);
		assert_non_null(strstr(page, item));
		assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "locker", wishes[i], NULL));
		forget_refusals();
		assert_status(redislock_client_connect(client), REDISLOCK_OK);
		redislock_client_free(client);
		assert_nothing_refused();
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
	apply("locker");
	client = client_as("locker");
	assert_status(redislock_client_set_min_replicas(client, 1, 50), REDISLOCK_OK);
	assert_status(acquire_with_replicas(client), REDISLOCK_PERMISSION);
	assert_non_null(strstr(page, "\n- `+wait` for "));
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "locker", "+wait", NULL));
	forget_refusals();
	assert_status(acquire_with_replicas(client), REDISLOCK_NOT_ENOUGH_REPLICAS);
	redislock_client_free(client);
	assert_nothing_refused();
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
		apply(users[i]);
	forget_refusals();
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
	assert_nothing_refused();
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

/* For all three. */
static const char *const outside[][6] = {
	/* other keys, the nearest ones too */
	{ "GET", "other" },
	{ "GET", "lock" },
	{ "GET", "a:lock:a" },
	{ "GET", "rlock-state:{other}:other" },
	{ "GET", "rlock-state:{other}:lock:a" },
	{ "ZCARD", "rlock-queue:{other}:other" },
	{ "PTTL", "other" },
	/* scripts with other keys, commands and channels */
	{ "EVAL", "return redis.call('GET', KEYS[1])", "1", "other" },
	{ "EVAL", "return redis.call('GET', 'other')", "0" },
	{ "EVAL", "return redis.call('GET', 'other')", "1", "lock:a" },
	{ "EVAL", "return redis.call('SET', 'other', 1)", "1", "lock:a" },
	{ "EVAL", "return redis.call('KEYS', '*')", "0" },
	{ "EVAL", "return redis.call('FLUSHALL')", "0" },
	{ "EVAL", "return redis.call('HSET', KEYS[1], 1, 2)", "1", "lock:a" },
	{ "EVAL", "return redis.call('PUBLISH', 'other', 1)", "0" },
	{ "EVAL", "return redis.call('PUBLISH', 'rlock-channel:other', 1)", "0" },
	{ "EVALSHA", "0000000000000000000000000000000000000000", "1", "other" },
	{ "EVAL_RO", "return 1", "0" },
	{ "SCRIPT", "LOAD", "return 1" },
	{ "SCRIPT", "FLUSH" },
	{ "SCRIPT", "KILL" },
	{ "FUNCTION", "LIST" },
	{ "FCALL", "f", "0" },
	/* channels */
	{ "SUBSCRIBE", "other" },
	{ "SUBSCRIBE", "rlock-channel:other" },
	{ "PSUBSCRIBE", "*" },
	{ "PSUBSCRIBE", "rlock-inbox:*" },
	{ "SSUBSCRIBE", "rlock-inbox:a" },
	{ "PUBLISH", "other", "ok" },
	{ "PUBLISH", "rlock-channel:other", "ok" },
	{ "SPUBLISH", "rlock-inbox:a", "ok" },
	{ "PUBSUB", "CHANNELS" },
	{ "PUBSUB", "NUMPAT" },
	/* other commands with the right keys */
	{ "INCR", "lock:a" },
	{ "APPEND", "lock:a", "x" },
	{ "GETDEL", "lock:a" },
	{ "GETSET", "lock:a", "x" },
	{ "EXPIRE", "lock:a", "1" },
	{ "UNLINK", "lock:a" },
	{ "RENAME", "lock:a", "lock:b" },
	{ "COPY", "lock:a", "lock:b" },
	{ "TYPE", "lock:a" },
	{ "OBJECT", "ENCODING", "lock:a" },
	{ "DUMP", "lock:a" },
	{ "RESTORE", "lock:a", "0", "x" },
	{ "MIGRATE", "127.0.0.1", "1", "lock:a", "0", "1" },
	{ "HSET", "lock:a", "f", "v" },
	{ "LPUSH", "lock:a", "x" },
	{ "SADD", "lock:a", "x" },
	{ "XADD", "lock:a", "*", "f", "v" },
	{ "ZINCRBY", "rlock-queue:{lock:a}:lock:a", "1", "x" },
	/* the server itself */
	{ "KEYS", "*" },
	{ "DBSIZE" },
	{ "RANDOMKEY" },
	{ "FLUSHALL" },
	{ "FLUSHDB" },
	{ "SWAPDB", "0", "1" },
	{ "SELECT", "1" },
	{ "INFO" },
	{ "CONFIG", "GET", "*" },
	{ "CONFIG", "SET", "maxmemory", "1" },
	{ "ACL", "LIST" },
	{ "ACL", "SETUSER", "locker", "+@all" },
	{ "CLIENT", "LIST" },
	{ "CLIENT", "KILL", "TYPE", "normal" },
	{ "CLIENT", "SETNAME", "x" },
	{ "MONITOR" },
	{ "SHUTDOWN", "NOSAVE" },
	{ "SAVE" },
	{ "REPLICAOF", "NO", "ONE" },
	{ "SLOWLOG", "GET" },
	{ "LATENCY", "LATEST" },
	{ "MEMORY", "USAGE", "lock:a" },
	{ "MODULE", "LIST" },
	{ "MULTI" },
	{ "COMMAND" },
	{ "WAIT", "0", "1" },
};

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

#define assert_all_refused(user, table)                                                                                \
	do {                                                                                                           \
		for (size_t row = 0; row < sizeof(table) / sizeof((table)[0]); row++)                                  \
			assert_refused((user), (table)[row]);                                                          \
	} while (0)

static void everything_else_is_refused(void **state)
{
	static const char *const users[] = { "locker", "operator", "watcher" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		apply(users[i]);
		assert_all_refused(users[i], outside);
	}
	assert_all_refused("locker", outside_a_locker);
	assert_all_refused("operator", outside_an_operator);
	assert_all_refused("watcher", outside_a_watcher);
	forget_refusals();
}

/* ---- nothing forgotten, nothing too much ---- */

/* Whether a script calls a command. */
static bool calls(const char *script, const char *command)
{
	char call[80];

	snprintf(call, sizeof(call), "call('%s'", command);
	return strcasestr(script, call) != NULL;
}

/* For the paths that no test takes: what the scripts call is allowed, and what is allowed is called or sent. */
static void rules_are_those_of_the_scripts(void **state)
{
	static const char *const names[] = {
		"lock", "extend", "renew", "unlock", "cancel", "prelude", "info", "break"
	};
	static const char *const sent[] = { "eval", "evalsha", "subscribe", "unsubscribe", "ping" };
	char *scripts[8], path[512], *text, command[64];
	const char *words[WORDS];
	int count, checked = 0;

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "%s/src/core/scripts/%s.lua", REDISLOCK_SOURCE, names[i]);
		scripts[i] = read_whole(path);
		for (const char *at = scripts[i]; (at = strstr(at, "call('")) != NULL; at += 6) {
			snprintf(command, sizeof(command), "%.*s", (int)strcspn(at + 6, "'"), at + 6);
			if (strcmp(command, "PUBSUB") == 0)
				strcpy(command, "pubsub|numsub");
			if (!allows("locker", command))
				fail_msg("%s.lua calls %s", names[i], command);
			checked++;
		}
	}
	assert_true(checked > 30);
	count = rule_of("locker", &text, words);
	for (int i = 0; i < count; i++) {
		const char *word = words[i] + 1;
		bool needed = words[i][0] != '+';

		snprintf(command, sizeof(command), "%.*s", (int)strcspn(word, "|"), word);
		for (size_t k = 0; k < sizeof(sent) / sizeof(sent[0]); k++)
			needed |= strcmp(command, sent[k]) == 0;
		for (size_t k = 0; k < 8; k++)
			needed |= calls(scripts[k], command);
		if (!needed)
			fail_msg("nobody needs %s", words[i]);
	}
	free(text);
	for (size_t i = 0; i < 8; i++)
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

	apply(user);
	snprintf(without, sizeof(without), "-%.*s", (int)strcspn(right + 1, "|"), right + 1);
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", user, without, NULL));
	/* A lock, and somebody who waits for it and listens. */
	assert_true(test_command(&server, NULL, 0, "SET", "lock:x", "somebody", "PX", "60000", NULL));
	assert_true(
	        test_command(&server, NULL, 0, "ZADD", "rlock-queue:{lock:x}:lock:x", "1", "t listener 1000 l", NULL));
	assert_true(test_command(&server, NULL, 0, "SCRIPT", "FLUSH", NULL));
	forget_refusals();
	client = client_as(user);
	redislock_client_ping(client);
	look(client, "lock:x");
	look(client, "lock:x");
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
		const char *words[WORDS];
		char *text;
		int count = rule_of(users[i], &text, words);

		assert_false(is_refused_without(users[i], "+flushall"));
		for (int k = 0; k < count; k++)
			if (words[k][0] == '+' && !is_refused_without(users[i], words[k]))
				fail_msg("%s works without %s", users[i], words[k]);
		free(text);
	}
	redisFree(listener);
	forget_refusals();
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
	char *header = read_whole(REDISLOCK_SOURCE "/include/redislock/redislock.h");
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
	page = read_whole(REDISLOCK_SOURCE "/packaging/docs/access.md");
	test_server_start(&server, TEST_SERVER_TCP, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_nothing_left(&server);
	test_server_stop(&server);
	free(page);
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

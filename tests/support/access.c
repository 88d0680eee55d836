/* SPDX-License-Identifier: MIT */
#include "access.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *access_page;

/* ---- the page ---- */

char *access_read(const char *path)
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
		assert_true(count < ACCESS_WORDS);
		words[count++] = word;
	}
	return count;
}

/* The words of a user's rule: from ACL SETUSER to the empty line. The caller frees the text. */
int access_rule(const char *user, char **text, const char **words)
{
	char begin[64];
	const char *start, *end;

	snprintf(begin, sizeof(begin), "\n    ACL SETUSER %s ", user);
	start = strstr(access_page, begin);
	assert_non_null(start);
	assert_null(strstr(start + 1, begin));
	end = strstr(start, "\n\n");
	assert_non_null(end);
	*text = strndup(start, (size_t)(end - start));
	assert_non_null(*text);
	return split(*text, words);
}

void access_apply(struct test_server *server, const char *user)
{
	const char *words[ACCESS_WORDS];
	char *text, answer[256];
	int count = access_rule(user, &text, words);

	if (!test_command_bytes(server, answer, sizeof(answer), count, words, NULL))
		fail_msg("%s", answer);
	free(text);
}

bool access_allows(const char *user, const char *command)
{
	const char *words[ACCESS_WORDS];
	char *text;
	int count = access_rule(user, &text, words);
	bool found = false;

	for (int i = 0; i < count; i++)
		found |= words[i][0] == '+' && strcasecmp(words[i] + 1, command) == 0;
	free(text);
	return found;
}

/* ---- what the server has refused ---- */

void access_forget(struct test_server *server)
{
	assert_true(test_command(server, NULL, 0, "ACL", "LOG", "RESET", NULL));
}

void access_nothing_refused(struct test_server *server)
{
	char log[4096];

	assert_true(test_command(server, log, sizeof(log), "ACL", "LOG", NULL));
	if (log[0] != '\0')
		fail_msg("refused: %s", log);
}

/* A command as a user, on a connection of its own. */
static redisReply *ask_as(struct test_server *server, const char *user, const char *const *words)
{
	redisContext *context = redisConnectUnix(server->socket);
	redisReply *reply;
	const char *arguments[ACCESS_WORDS];
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

void access_refused(struct test_server *server, const char *user, const char *const *words)
{
	redisReply *reply;
	char log[4096];

	access_forget(server);
	reply = ask_as(server, user, words);
	if (reply->type != REDIS_REPLY_ERROR)
		fail_msg("%s may: %s %s", user, words[0], words[1] != NULL ? words[1] : "");
	/* A server that hasn't got the command can't allow it either. */
	if (strstr(reply->str, "unknown command") == NULL) {
		assert_true(test_command(server, log, sizeof(log), "ACL", "LOG", NULL));
		if (log[0] == '\0')
			fail_msg("%s %s: not refused, but: %s", words[0], words[1] != NULL ? words[1] : "", reply->str);
	}
	freeReplyObject(reply);
}

/* For every rule for a server. */
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

void access_all_refused(struct test_server *server, const char *user, access_command table, size_t rows)
{
	for (size_t row = 0; row < rows; row++)
		access_refused(server, user, table[row]);
}

void access_rest_refused(struct test_server *server, const char *user)
{
	access_all_refused(server, user, outside, sizeof(outside) / sizeof(outside[0]));
}

/* SPDX-License-Identifier: MIT
 *
 * Commands from the test itself, each on a connection of its own: nothing that a test does to the server's connections
 * can break it, and any thread may ask. */
#include "server.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#define MAX_ARGUMENTS 32

struct text {
	char *data;
	size_t size;
	size_t length;
};

static void append(struct text *text, const char *data, size_t length)
{
	if (text->size == 0)
		return;
	if (length > text->size - 1 - text->length)
		length = text->size - 1 - text->length;
	memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

static void append_reply(struct text *text, const redisReply *reply)
{
	char number[32];

	switch (reply->type) {
	case REDIS_REPLY_INTEGER:
		snprintf(number, sizeof(number), "%lld", reply->integer);
		append(text, number, strlen(number));
		break;
	case REDIS_REPLY_NIL:
		append(text, "(nil)", 5);
		break;
	case REDIS_REPLY_ARRAY:
		for (size_t i = 0; i < reply->elements; i++) {
			if (i > 0)
				append(text, "\n", 1);
			append_reply(text, reply->element[i]);
		}
		break;
	case REDIS_REPLY_ERROR:
		append(text, "-", 1);
		append(text, reply->str, (size_t)reply->len);
		break;
	default:
		append(text, reply->str, (size_t)reply->len);
		break;
	}
}

static redisReply *ask(struct test_server *server, int count, const char **arguments, const size_t *lengths)
{
	const struct timeval patience = { TEST_DEADLINE_MS / 1000, 0 };
	redisContext *context = redisConnectUnixWithTimeout(server->socket, patience);
	redisReply *reply = NULL;

	if (context == NULL)
		return NULL;
	if (context->err == 0 && redisSetTimeout(context, patience) == REDIS_OK) {
		if (server->password[0] != '\0')
			freeReplyObject(redisCommand(context, "AUTH %s", server->password));
		if (context->err == 0)
			reply = redisCommandArgv(context, count, arguments, lengths);
	}
	redisFree(context);
	return reply;
}

bool test_command_bytes(struct test_server *server, char *reply, size_t size, int count, const char **arguments,
                        const size_t *lengths)
{
	struct text text = { reply, reply != NULL ? size : 0, 0 };
	redisReply *answer = ask(server, count, arguments, lengths);
	bool good;

	if (text.size > 0)
		text.data[0] = '\0';
	if (answer == NULL) {
		append(&text, "-no answer", 10);
		return false;
	}
	append_reply(&text, answer);
	good = answer->type != REDIS_REPLY_ERROR;
	freeReplyObject(answer);
	return good;
}

static int collect(const char **arguments, va_list list)
{
	int count = 0;
	const char *argument;

	while ((argument = va_arg(list, const char *)) != NULL) {
		assert_true(count < MAX_ARGUMENTS);
		arguments[count++] = argument;
	}
	return count;
}

bool test_command(struct test_server *server, char *reply, size_t size, ...)
{
	const char *arguments[MAX_ARGUMENTS];
	va_list list;
	int count;

	va_start(list, size);
	count = collect(arguments, list);
	va_end(list);
	return test_command_bytes(server, reply, size, count, arguments, NULL);
}

long long test_number(struct test_server *server, ...)
{
	const char *arguments[MAX_ARGUMENTS];
	redisReply *answer;
	long long number;
	va_list list;
	int count;

	va_start(list, server);
	count = collect(arguments, list);
	va_end(list);
	answer = ask(server, count, arguments, NULL);
	if (answer == NULL)
		fail_msg("%s: no answer", arguments[0]);
	if (answer->type != REDIS_REPLY_INTEGER)
		fail_msg("%s: no number but: %s", arguments[0], answer->str != NULL ? answer->str : "(nil)");
	number = answer->integer;
	freeReplyObject(answer);
	return number;
}

int test_connections(struct test_server *server, const char *text)
{
	const char *arguments[] = { "CLIENT", "LIST" };
	redisReply *answer = ask(server, 2, arguments, NULL);
	int count = 0;

	if (answer == NULL || answer->type == REDIS_REPLY_ERROR || answer->str == NULL)
		fail_msg("CLIENT LIST: no answer");
	for (char *line = answer->str; line != NULL && *line != '\0';) {
		char *end = strchr(line, '\n');

		if (end != NULL)
			*end++ = '\0';
		if (strstr(line, text) != NULL && strstr(line, "cmd=client") == NULL)
			count++;
		line = end;
	}
	freeReplyObject(answer);
	return count;
}

static long long offset_of(struct test_server *server, const char *field)
{
	char info[8192];
	const char *found = NULL;

	if (test_command(server, info, sizeof(info), "INFO", "replication", NULL))
		found = strstr(info, field);
	return found != NULL ? atoll(found + strlen(field)) : -1;
}

void test_replicate(struct test_server *primary, struct test_server *replica)
{
	const long long offset = offset_of(primary, "\nmaster_repl_offset:");

	assert_true(offset >= 0);
	test_eventually(offset_of(replica, "\nslave_repl_offset:") >= offset);
}

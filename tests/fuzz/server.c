/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 20, REPLY = 1024, LATE_MS = 20 };

#define STATE_KEY "rlock-state:{foo}:foo"
#define CHANNEL "rlock-channel:foo"

struct server server;

static const char *const errors[] = {
	"-LOADING Redis is loading the dataset in memory\r\n",
	"-READONLY You can't write against a read only replica.\r\n",
	"-NOSCRIPT No matching script.\r\n",
	"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
	"-BUSY Redis is busy running a script.\r\n",
	"-NOPERM no permissions\r\n",
	"-NOAUTH Authentication required.\r\n",
	"-WRONGTYPE Operation against a key\r\n",
	"-NOREPLICAS Not enough good replicas to write.\r\n",
	"-ERR\r\n",
	"-\r\n",
	"-ERR \x1b[2J\a\r\n",
	"-UNBLOCKED force unblock\r\n",
};

static bool is(struct rlk_slice word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.data, text, word.length) == 0;
}

static int64_t number(struct rlk_slice word)
{
	char text[32] = "";

	memcpy(text, word.data, word.length < sizeof(text) ? word.length : sizeof(text) - 1);
	return strtoll(text, NULL, 10);
}

/* The place of a text in a list, where it is put if it is new; -1 where there is no more room. */
static int place_in(char *list, size_t size, int *count, int room, struct rlk_slice word)
{
	if (word.length >= size)
		return -1;
	for (int i = 0; i < *count; i++)
		if (is(word, list + (size_t)i * size))
			return i;
	if (*count == room)
		return -1;
	memcpy(list + (size_t)*count * size, word.data, word.length);
	list[(size_t)*count * size + word.length] = '\0';
	return (*count)++;
}

static int token_number(struct rlk_slice word)
{
	return 1 + place_in(server.tokens[0], sizeof(server.tokens[0]), &server.token_count, SERVER_TOKENS, word);
}

static int client_number(struct rlk_slice word)
{
	return place_in(server.clients[0], sizeof(server.clients[0]), &server.client_count, SERVER_CLIENTS, word);
}

const char *server_owner(void)
{
	store_expire(&server.store);
	return server.store.owner > 0 ? server.tokens[server.store.owner - 1] : "";
}

/* ---- messages ---- */

static void say_message(struct net_line *line, const char *channel, const void *data, size_t length)
{
	char head[128], bytes[REPLY];
	int size = snprintf(head, sizeof(head), "*3\r\n$7\r\nmessage\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(channel),
	                    channel, length);

	if (length > REPLY - 2)
		return;
	net_say(line, head, (size_t)size, 0);
	memcpy(bytes, data, length);
	memcpy(bytes + length, "\r\n", 2);
	net_say(line, bytes, length + 2, 0);
}

static bool counts(const struct net_line *line)
{
	return line->fd >= 0 && line->end == NET_OPEN;
}

static bool listens(void *context, int client)
{
	(void)context;
	for (size_t i = 0; i < NET_LINES; i++)
		if (counts(&net.line[i]) && net.line[i].client == client)
			return true;
	return false;
}

static void say_inbox(int client, const void *data, size_t length)
{
	char inbox[64];

	snprintf(inbox, sizeof(inbox), RLK_INBOX_PREFIX "%s", server.clients[client]);
	for (size_t i = 0; i < NET_LINES; i++)
		if (counts(&net.line[i]) && net.line[i].client == client)
			say_message(&net.line[i], inbox, data, length);
}

/* The store knows tokens by their numbers. */
static void grant(void *context, int client, const char *message)
{
	char text[256], *rest;
	long token = strtol(message + sizeof("grant token-") - 1, &rest, 10);

	(void)context;
	snprintf(text, sizeof(text), "grant %s%s", server.tokens[token - 1], rest);
	say_inbox(client, text, strlen(text));
}

static void released(void *context)
{
	(void)context;
	server_publish(false, "ok", 2);
}

void server_publish(bool to_inbox, const void *data, size_t length)
{
	for (int i = 0; to_inbox && i < server.client_count; i++)
		say_inbox(i, data, length);
	for (size_t i = 0; !to_inbox && i < NET_LINES; i++)
		if (counts(&net.line[i]) && net.line[i].listens)
			say_message(&net.line[i], CHANNEL, data, length);
}

void server_push(const void *data, size_t length)
{
	for (size_t i = 0; i < NET_LINES; i++)
		if (counts(&net.line[i]) && (net.line[i].client >= 0 || net.line[i].listens))
			net_say(&net.line[i], data, length, 0);
}

void server_kill(bool commands, bool messages)
{
	for (size_t i = 0; i < NET_LINES; i++) {
		struct net_line *line = &net.line[i];
		bool is_messages = line->client >= 0 || line->listens;
		if (line->fd >= 0 && (is_messages ? messages : commands))
			net_hang_up(line, NET_CLOSED);
	}
}

void server_cut_off(void)
{
	for (size_t i = 0; i < NET_LINES; i++)
		if (counts(&net.line[i]) && (net.line[i].client >= 0 || net.line[i].listens))
			net.line[i].deaf = net.line[i].silent = true;
}

/* ---- commands ---- */

static size_t put_value(char *at, const struct rlk_value *value)
{
	switch (value->type) {
	case RLK_ARRAY:
		return (size_t)sprintf(at, "*%lld\r\n", (long long)value->integer);
	case RLK_INTEGER:
		return (size_t)sprintf(at, ":%lld\r\n", (long long)value->integer);
	default:
		return (size_t)sprintf(at, "$%zu\r\n%.*s\r\n", value->text.length, (int)value->text.length,
		                       value->text.data);
	}
}

static size_t execute(const struct store_request *request, char *reply)
{
	struct rlk_value values[STORE_REPLY];
	size_t count = store_execute(&server.store, request, values), length = 0;

	for (size_t i = 0; i < count; i++)
		length += put_value(reply + length, &values[i]);
	return length;
}

void server_execute_stray(void)
{
	char reply[REPLY];

	if (server.astray)
		execute(&server.stray, reply);
	server.astray = false;
}

static size_t info(char *reply)
{
	const char *owner = server_owner();
	int64_t left = server.store.expires_at == RLK_NEVER ? -1 : server.store.expires_at - server.store.now;
	size_t length = (size_t)sprintf(reply, "*5\r\n");

	length += (size_t)(owner[0] != '\0'
	                           ? sprintf(reply + length, "$%zu\r\n%.*s\r\n", strlen(owner), RLK_TOKEN_MAX, owner)
	                           : sprintf(reply + length, "$-1\r\n"));
	return length + (size_t)sprintf(reply + length, ":%lld\r\n:%zu\r\n:%llu\r\n$2\r\nme\r\n", (long long)left,
	                                server.store.waiting, (unsigned long long)server.store.fence);
}

/* ARGV of a script, behind its verb, text, number of keys and keys. */
static bool read_request(enum rlk_script script, const struct rlk_slice *words, size_t count,
                         struct store_request *request)
{
	size_t first = 3 + (size_t)number(words[2]);
	struct rlk_slice argument[6] = { { 0 } };

	if (first >= count || !is(words[3], "foo"))
		return false;
	for (size_t i = 0; i < 6 && first + i < count; i++)
		argument[i] = words[first + i];
	*request = (struct store_request) { .script = script, .token = token_number(argument[0]) };
	switch (script) {
	case RLK_LOCK:
		request->ttl = number(argument[1]);
		request->handoff = number(argument[2]);
		request->mode = (int)number(argument[3]);
		request->client = client_number(argument[4]);
		break;
	case RLK_CANCEL:
		request->handoff = number(argument[1]);
		request->client = client_number(argument[2]);
		break;
	case RLK_UNLOCK:
		request->mode = (int)number(argument[1]);
		break;
	default:
		request->ttl = number(argument[1]);
		request->fence = script == RLK_EXTEND ? (uint64_t)number(argument[2]) : 0;
	}
	return request->token > 0 && request->client >= 0 && server.store.waiting < STORE_TICKETS - 1;
}

static size_t run_script(const struct rlk_slice *words, size_t count, struct store_request *request, char *reply)
{
	int script = 0;
	bool whole = is(words[0], "EVAL");

	while (script < RLK_SCRIPTS &&
	       !is(words[1], whole ? rlk_script_sources[script].text.data : rlk_script_sources[script].sha1.data))
		script++;
	server.store.now = net.now;
	server.scripts |= whole ? 1u << script : 0;
	if (script == RLK_SCRIPTS || (server.scripts & 1u << script) == 0)
		return (size_t)sprintf(reply, "-NOSCRIPT No matching script.\r\n");
	if (script == RLK_INFO)
		return info(reply);
	if (script == RLK_BREAK) {
		const char *owner = server_owner();
		if (owner[0] == '\0' || (words[count - 1].length > 0 && !is(words[count - 1], owner)))
			return (size_t)sprintf(reply, ":0\r\n");
		*request = (struct store_request) { .script = RLK_UNLOCK, .token = server.store.owner, .mode = 1 };
	} else if (!read_request((enum rlk_script)script, words, count, request)) {
		return (size_t)sprintf(reply, "-OOM there is no room\r\n");
	}
	return server.fault == STRAY || server.fault == REFUSED ? 0 : execute(request, reply);
}

static size_t subscribe(struct net_line *line, const struct rlk_slice *words, char *reply)
{
	bool is_inbox = words[1].length > sizeof(RLK_INBOX_PREFIX) - 1 &&
	                memcmp(words[1].data, RLK_INBOX_PREFIX, sizeof(RLK_INBOX_PREFIX) - 1) == 0;
	bool on = is(words[0], "SUBSCRIBE");

	if (is_inbox) {
		struct rlk_slice client = { words[1].data + sizeof(RLK_INBOX_PREFIX) - 1,
			                    words[1].length - (sizeof(RLK_INBOX_PREFIX) - 1) };
		line->client = on ? client_number(client) : -1;
	} else {
		line->listens = on;
	}
	return (size_t)sprintf(reply, "*3\r\n$%d\r\n%s\r\n$%zu\r\n%.*s\r\n:1\r\n", on ? 9 : 11,
	                       on ? "subscribe" : "unsubscribe", words[1].length, (int)words[1].length, words[1].data);
}

static void say_piecewise(struct net_line *line, const char *reply, size_t length)
{
	for (size_t i = 0; i < length; i++)
		net_say(line, reply + i, 1, (int64_t)i);
}

static void answer(struct net_line *line, enum server_fault fault, const char *reply, size_t length)
{
	size_t some = server.amount < length ? server.amount : length;
	const char *error = errors[server.amount % (sizeof(errors) / sizeof(errors[0]))];

	switch (fault) {
	case LATE:
		net_say(line, reply, length, LATE_MS * server.amount);
		break;
	case CUT:
	case RESETS:
		net_say(line, reply, some, 0);
		net_hang_up(line, fault == CUT ? NET_CLOSED : NET_RESET);
		break;
	case PIECEWISE:
		say_piecewise(line, reply, length);
		break;
	case SILENT:
		line->silent = true;
		break;
	case STRAY:
		net_hang_up(line, NET_CLOSED);
		break;
	case REFUSED:
		net_say(line, error, strlen(error), 0);
		break;
	case REPLACED:
		server.lies = true;
		net_say(line, server.bytes, server.length, 0);
		break;
	default:
		net_say(line, reply, length, 0);
	}
}

static void obey(struct net_line *line, const struct rlk_slice *words, size_t count)
{
	char reply[REPLY];
	size_t length;
	enum server_fault fault = server.fault;
	struct store_request request = { .token = 0 };

	line->deaf |= fault == DEAF;
	if (line->deaf) {
		server.fault = NO_TROUBLE;
		return;
	}
	if (count >= 4 && (is(words[0], "EVAL") || is(words[0], "EVALSHA"))) {
		length = run_script(words, count, &request, reply);
		if (fault == STRAY && request.token > 0) {
			server.stray = request;
			server.astray = true;
		}
	} else if (count == 2 && (is(words[0], "SUBSCRIBE") || is(words[0], "UNSUBSCRIBE"))) {
		length = subscribe(line, words, reply);
	} else if (is(words[0], "PING") && (line->client >= 0 || line->listens)) {
		length = (size_t)sprintf(reply, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
	} else if (is(words[0], "PING")) {
		length = (size_t)sprintf(reply, "+PONG\r\n");
	} else if (is(words[0], "SCAN")) {
		length = (size_t)sprintf(reply, "*2\r\n$1\r\n0\r\n*1\r\n$21\r\n" STATE_KEY "\r\n");
	} else {
		length = (size_t)sprintf(reply, "+OK\r\n");
	}
	server.fault = NO_TROUBLE;
	answer(line, fault, reply, length);
}

/* Takes a command off the beginning of what was heard; 0 if there is no whole one. */
static size_t read_command(const struct net_line *line, struct rlk_slice *words, size_t *count)
{
	const char *at = line->in, *end = line->in + line->heard, *stop;

	stop = memchr(at, '\n', (size_t)(end - at));
	if (stop == NULL)
		return 0;
	*count = (size_t)number((struct rlk_slice) { at + 1, (size_t)(stop - at - 2) });
	at = stop + 1;
	for (size_t i = 0; i < *count; i++) {
		stop = memchr(at, '\n', (size_t)(end - at));
		if (i == WORDS || stop == NULL)
			return 0;
		words[i].length = (size_t)number((struct rlk_slice) { at + 1, (size_t)(stop - at - 2) });
		words[i].data = stop + 1;
		if (words[i].length + 2 > (size_t)(end - words[i].data))
			return 0;
		at = words[i].data + words[i].length + 2;
	}
	return (size_t)(at - line->in);
}

void server_hear(struct net_line *line)
{
	struct rlk_slice words[WORDS] = { { 0 } };
	size_t count, length;

	while ((length = read_command(line, words, &count)) > 0) {
		if (count > 0)
			obey(line, words, count);
		line->heard -= length;
		memmove(line->in, line->in + length, line->heard);
	}
}

void server_gone(struct net_line *line)
{
	line->client = -1;
	line->listens = false;
}

void server_start(void)
{
	memset(&server, 0, sizeof(server));
	store_init(&server.store);
	server.store.now = net.now;
	server.store.listens = listens;
	server.store.grant = grant;
	server.store.released = released;
}

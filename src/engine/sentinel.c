/* SPDX-License-Identifier: MIT
 *
 * A connection to one of the sentinels, for hearing that the primary was replaced: so that whoever talks to one that is
 * stopped or cut off moves at once. A sentinel may be cut off as well, or with the primary: so for as long as the
 * primary is silent another one is asked and listened to each second. */
#include "engine.h"

#include "redislock/redislock.h"

#include <string.h>

enum { DOUBT_MS = 1000 };

static struct rlk_slice text_slice(const char *text)
{
	return (struct rlk_slice) { text, strlen(text) };
}

static bool same(struct rlk_slice a, struct rlk_slice b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* Since when the primary owes an answer. */
static int64_t silent_since(const struct rlk_engine *engine)
{
	const struct rlk_line *line = &engine->home.commands;
	if (!line->up) {
		return engine->sentinel.opening_since;
	}
	return line->count > 0 ? line->flights[line->first].sent_at : RLK_NEVER;
}

static int64_t doubtful_at(const struct rlk_engine *engine)
{
	int64_t silent = silent_since(engine);
	return silent != RLK_NEVER ? silent + DOUBT_MS : RLK_NEVER;
}

/* When it is time to listen to another one. */
static int64_t next_at(const struct rlk_engine *engine)
{
	int64_t at = doubtful_at(engine), least = engine->sentinel.opened_at + DOUBT_MS;
	return at > least ? at : least;
}

static void close_line(struct rlk_engine *engine)
{
	struct rlk_sentinel *sentinel = &engine->sentinel;
	rlk_line_close(&sentinel->line);
	sentinel->number = sentinel->number + 1 < engine->address.host_count ? sentinel->number + 1 : 0;
}

static void give_up(struct rlk_engine *engine, int64_t now)
{
	bool was_up = engine->sentinel.line.up;
	close_line(engine);
	rlk_line_failed(engine, &engine->sentinel.line, was_up, now);
}

/* If the commands go anywhere else, or went there last, they are to go there, by what this very sentinel says: at once,
 * also where they would pause before the next try. */
static void move(struct rlk_engine *engine, struct rlk_slice host, struct rlk_slice port, int64_t now)
{
	struct rlk_line *commands = &engine->home.commands;
	if (rlk_connection_goes_to(commands->connection, host, port)) {
		return;
	}
	rlk_connection_ask_first(commands->connection, engine->sentinel.number);
	if (commands->up) {
		rlk_commands_drop(&engine->home, REDISLOCK_CONNECTION_LOST,
		                  "the primary was replaced by another server", now);
	} else {
		rlk_line_close(commands);
	}
	commands->failures = 0;
	commands->retry_at = now;
}

/* Splits off what stands before the next space. */
static struct rlk_slice next_word(struct rlk_slice *text)
{
	const char *space = text->length > 0 ? memchr(text->data, ' ', text->length) : NULL;
	size_t length = space != NULL ? (size_t)(space - text->data) : text->length;
	size_t taken = space != NULL ? length + 1 : length;
	struct rlk_slice word = { text->data, length };
	*text = (struct rlk_slice) { text->data + taken, text->length - taken };
	return word;
}

/* "SERVICE OLD_HOST OLD_PORT HOST PORT" */
static void take_switch(struct rlk_engine *engine, struct rlk_slice text, int64_t now)
{
	struct rlk_slice words[5];
	for (size_t i = 0; i < 5; i++) {
		words[i] = next_word(&text);
	}
	if (words[4].length > 0 && same(words[0], text_slice(engine->address.sentinels.service))) {
		move(engine, words[3], words[4], now);
	}
}

/* Returns whether it makes sense to listen on. */
static bool take(struct rlk_engine *engine, const struct rlk_value *reply, size_t count, int64_t now)
{
	if (count < 3 || reply[0].type != RLK_ARRAY || reply[1].type != RLK_STRING || reply[2].type != RLK_STRING) {
		return false;
	}
	if (count == 3) {
		/* The answer to the question. A sentinel that was cut off is behind the times: so the primary's own
		 * word counts for more, for as long as there is one. */
		if (!engine->home.commands.open || doubtful_at(engine) <= now) {
			move(engine, reply[1].text, reply[2].text, now);
		}
	} else if (same(reply[1].text, RLK_LITERAL("subscribe"))) {
		engine->sentinel.line.failures = 0;
	} else if (same(reply[1].text, RLK_LITERAL("message")) && count == 4 && reply[3].type == RLK_STRING) {
		take_switch(engine, reply[3].text, now);
	}
	return true;
}

static void read_all(struct rlk_engine *engine, int64_t now)
{
	struct rlk_line *line = &engine->sentinel.line;
	const struct rlk_value *reply;
	size_t count;
	rlk_connection_receive(line->connection);
	while ((reply = rlk_connection_reply(line->connection, &count)) != NULL) {
		if (!take(engine, reply, count, now)) {
			give_up(engine, now);
			return;
		}
	}
}

/* First the question, then the subscription: nothing can happen unheard between the two. */
static void greet(struct rlk_engine *engine)
{
	struct rlk_line *line = &engine->sentinel.line;
	const struct rlk_slice question[] = { RLK_LITERAL("SENTINEL"), RLK_LITERAL("GET-MASTER-ADDR-BY-NAME"),
		                              text_slice(engine->address.sentinels.service) };
	const struct rlk_slice subscription[] = { RLK_LITERAL("SUBSCRIBE"), RLK_LITERAL("+switch-master") };
	line->up = true;
	if (!rlk_connection_append(line->connection, question, 3) ||
	    !rlk_connection_append(line->connection, subscription, 2)) {
		rlk_connection_close(line->connection);
	}
}

static void open_line(struct rlk_engine *engine, int64_t now)
{
	struct rlk_sentinel *sentinel = &engine->sentinel;
	sentinel->line.open = true;
	sentinel->opened_at = now;
	rlk_connection_open_sentinel(sentinel->line.connection, &engine->address, sentinel->number,
	                             now + engine->connect_timeout, now);
}

void rlk_sentinel_watch(struct rlk_engine *engine, int64_t now)
{
	struct rlk_sentinel *sentinel = &engine->sentinel;
	struct rlk_line *line = &sentinel->line;
	if (line->connection == NULL) {
		return;
	}
	bool opening = engine->home.commands.open && !engine->home.commands.up;
	if (!opening) {
		sentinel->opening_since = RLK_NEVER;
	} else if (sentinel->opening_since == RLK_NEVER) {
		sentinel->opening_since = now;
	}
	if (line->open && now >= next_at(engine)) {
		close_line(engine);
		line->retry_at = now;
	}
	if (!line->open && engine->home.commands.open && now >= line->retry_at) {
		open_line(engine, now);
	}
	if (!line->open) {
		return;
	}
	if (rlk_connection_state(line->connection) == RLK_READY && !line->up) {
		greet(engine);
	}
	rlk_connection_flush(line->connection);
	if (rlk_connection_state(line->connection) == RLK_CLOSED) {
		give_up(engine, now);
	}
}

void rlk_sentinel_step(struct rlk_engine *engine, short events, int64_t now)
{
	struct rlk_line *line = &engine->sentinel.line;
	if (!line->open) {
		return;
	}
	if (line->up) {
		if ((events & ~POLLOUT) != 0) {
			read_all(engine, now);
		}
	} else if (events != 0 || now >= rlk_connection_deadline(line->connection)) {
		rlk_connection_step(line->connection, now);
	}
	rlk_sentinel_watch(engine, now);
}

int64_t rlk_sentinel_deadline(const struct rlk_engine *engine)
{
	const struct rlk_line *line = &engine->sentinel.line;
	if (line->connection == NULL) {
		return RLK_NEVER;
	}
	if (!line->open) {
		return engine->home.commands.open ? line->retry_at : RLK_NEVER;
	}
	int64_t deadline = line->up ? RLK_NEVER : rlk_connection_deadline(line->connection);
	int64_t next = next_at(engine);
	return next < deadline ? next : deadline;
}

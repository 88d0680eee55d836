/* SPDX-License-Identifier: MIT
 *
 * The line for messages: the client's inbox, and the channels of the names that it waits for (protocol 2, 6, 8). */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdio.h>
#include <string.h>

enum { SIGN_OF_LIFE_MS = 5000 };

static bool same(struct rlk_slice a, struct rlk_slice b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static struct rlk_slice text_slice(const char *text)
{
	return (struct rlk_slice) { text, strlen(text) };
}

/* One after the other of those that a server has. */
static struct rlk_place *next_place(const struct rlk_server *server, const struct rlk_place *place)
{
	const struct rlk_table *places = &server->engine->places;
	struct rlk_node *node = rlk_table_next(places, place != NULL ? &place->node : NULL);
	while (node != NULL && rlk_place_of(node)->server != server) {
		node = rlk_table_next(places, node);
	}
	return node != NULL ? rlk_place_of(node) : NULL;
}

static void say(struct rlk_server *server, struct rlk_slice verb, struct rlk_slice channel)
{
	struct rlk_slice words[2] = { verb, channel };
	if (!rlk_connection_append(server->messages.connection, words, 2)) {
		rlk_connection_close(server->messages.connection);
	}
}

static void subscribe_place(const struct rlk_place *place)
{
	if (place->inbox.length > 0) {
		say(place->server, RLK_LITERAL("SSUBSCRIBE"), place->inbox);
	}
	say(place->server, RLK_LITERAL("SUBSCRIBE"), place->room.names.channel);
}

/* What still comes finds no place and is ignored. */
void rlk_messages_leave(struct rlk_place *place)
{
	if (!place->wanted || !place->server->messages.up) {
		return;
	}
	if (place->inbox.length > 0) {
		say(place->server, RLK_LITERAL("SUNSUBSCRIBE"), place->inbox);
	}
	say(place->server, RLK_LITERAL("UNSUBSCRIBE"), place->room.names.channel);
}

static void tell_place(struct rlk_place *place, int64_t now)
{
	struct rlk_engine *engine = place->server->engine;
	bool inbox = place->inbox.length > 0 ? place->inbox_confirmed : place->server->inbox_confirmed;
	if (!inbox || !place->subscribed || place->room.listening) {
		return;
	}
	place->room.listening = true;
	/* First those that have a ticket, in the order of their tickets: they keep it. */
	for (struct rlk_machine *machine = place->room.first; machine != NULL; machine = machine->next) {
		struct rlk_job *job = rlk_job_of(machine);
		rlk_machine_listening(machine, now);
		rlk_job_settle(engine, job, now);
	}
	for (struct rlk_job *job = place->jobs; job != NULL; job = job->next_in_place) {
		if (job->machine.phase == RLK_LISTENING) {
			rlk_machine_listening(&job->machine, now);
			rlk_job_settle(engine, job, now);
		}
	}
}

/* Those that wait for a subscription learn why there is none. */
static void spread_trouble(struct rlk_server *server, int32_t status, const char *text, bool final, int64_t now)
{
	for (struct rlk_place *place = next_place(server, NULL); place != NULL; place = next_place(server, place)) {
		for (struct rlk_job *job = place->jobs; job != NULL; job = job->next_in_place) {
			if (job->machine.phase == RLK_LISTENING) {
				rlk_job_text(job, text_slice(text));
				rlk_machine_trouble(&job->machine, status, final, now);
				rlk_job_settle(server->engine, job, now);
			}
		}
	}
}

void rlk_messages_refuse(struct rlk_server *server, int32_t status, const char *text, int64_t now)
{
	spread_trouble(server, status, text, true, now);
}

void rlk_messages_want(struct rlk_place *place, int64_t now)
{
	struct rlk_server *server = place->server;
	bool first_time = !place->wanted;
	place->wanted = true;
	if (server->messages.up && first_time) {
		subscribe_place(place);
	}
	rlk_messages_watch(server, now);
}

void rlk_messages_drop(struct rlk_server *server, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	struct rlk_line *line = &server->messages;
	if (!line->open) {
		return;
	}
	const char *text = "";
	bool was_up = line->up;
	int32_t status = rlk_connection_failure(line->connection, &text);
	bool passing =
	        status == REDISLOCK_CONNECTION_REFUSED || status == REDISLOCK_CONNECTION_LOST || status == REDISLOCK_OK;
	snprintf(engine->text, sizeof engine->text, "%s", text);
	rlk_line_close(line);
	rlk_line_failed(engine, line, was_up, now);
	server->inbox_confirmed = false;
	server->pinged_at = INT64_MIN;
	for (struct rlk_place *place = next_place(server, NULL); place != NULL; place = next_place(server, place)) {
		place->subscribed = place->inbox_confirmed = place->room.listening = false;
	}
	if (status != REDISLOCK_OK) {
		spread_trouble(server, status, engine->text, !passing, now);
	}
}

static void greet(struct rlk_server *server, int64_t now)
{
	server->messages.up = true;
	server->heard_at = now;
	server->pinged_at = INT64_MIN;
	if (server->engine->cluster == NULL) {
		say(server, RLK_LITERAL("SUBSCRIBE"), text_slice(server->engine->inbox));
	}
	for (struct rlk_place *place = next_place(server, NULL); place != NULL; place = next_place(server, place)) {
		if (place->wanted) {
			subscribe_place(place);
		}
	}
}

void rlk_messages_watch(struct rlk_server *server, int64_t now)
{
	struct rlk_line *line = &server->messages;
	if (!line->open && server->listeners > 0 && server->commands.up && !rlk_server_is_scout(server) &&
	    now >= line->retry_at) {
		rlk_line_open(server, line, now);
	}
	if (!line->open) {
		return;
	}
	enum rlk_connection_state state = rlk_connection_state(line->connection);
	if (state == RLK_READY && !line->up) {
		greet(server, now);
	} else if (state == RLK_READY && server->listeners > 0 && server->pinged_at == INT64_MIN &&
	           now >= server->heard_at + SIGN_OF_LIFE_MS) {
		struct rlk_slice ping = RLK_LITERAL("PING");
		if (rlk_connection_append(line->connection, &ping, 1)) {
			server->pinged_at = now;
		}
	}
	if (state == RLK_READY) {
		rlk_connection_flush(line->connection);
		state = rlk_connection_state(line->connection);
	}
	if (state == RLK_CLOSED && !line->unread) {
		rlk_messages_drop(server, now);
	}
}

void rlk_messages_expire(struct rlk_server *server, int64_t now)
{
	if (server->messages.up && server->pinged_at > INT64_MIN &&
	    now >= server->pinged_at + server->engine->command_timeout) {
		rlk_messages_drop(server, now);
	}
}

static void take_grant(struct rlk_engine *engine, struct rlk_slice payload, int64_t now)
{
	struct rlk_grant grant;
	if (!rlk_grant_parse(payload, &grant)) {
		return;
	}
	struct rlk_node *node = rlk_table_find(&engine->tokens, grant.token);
	if (node != NULL) {
		struct rlk_job *job = (struct rlk_job *)(void *)((char *)node - offsetof(struct rlk_job, token_node));
		if (same(job->place->room.names.name, grant.name)) {
			bool taken = rlk_machine_granted(&job->machine, &grant, now);
			rlk_job_settle(engine, job, now);
			if (taken) {
				return;
			}
		}
	}
	/* Nobody here wants it (any more): it must not stay locked for nobody. */
	rlk_orphan_unlock(engine, &grant, now);
}

static void take_release(struct rlk_engine *engine, struct rlk_slice channel, int64_t now)
{
	size_t prefix = sizeof "rlock-channel:" - 1;
	struct rlk_slice name = { channel.data + prefix, channel.length - prefix };
	struct rlk_node *node = channel.length > prefix ? rlk_table_find(&engine->places, name) : NULL;
	if (node != NULL) {
		struct rlk_room *room = &rlk_place_of(node)->room;
		struct rlk_machine *foremost = rlk_room_foremost(room);
		rlk_room_nudge(room, now);
		if (foremost != NULL) {
			struct rlk_job *job = rlk_job_of(foremost);
			rlk_machine_tick(foremost, now);
			rlk_job_settle(engine, job, now);
		}
	}
}

static void take_confirmation(struct rlk_server *server, struct rlk_slice channel, int64_t now)
{
	const struct rlk_engine *engine = server->engine;
	if (same(channel, text_slice(engine->inbox))) {
		server->inbox_confirmed = true;
		server->messages.failures = 0;
		for (struct rlk_place *place = next_place(server, NULL); place != NULL;
		     place = next_place(server, place)) {
			tell_place(place, now);
		}
		return;
	}
	size_t prefix = sizeof "rlock-channel:" - 1;
	struct rlk_slice name = { channel.data + prefix, channel.length - prefix };
	struct rlk_node *node = channel.length > prefix ? rlk_table_find(&engine->places, name) : NULL;
	if (node != NULL) {
		rlk_place_of(node)->subscribed = true;
		tell_place(rlk_place_of(node), now);
	}
}

/* A server's word on the inbox of a place, which may be gone by now, or elsewhere. */
static void take_inbox(struct rlk_server *server, struct rlk_slice channel, bool subscribed, int64_t now)
{
	struct rlk_slice name;
	struct rlk_node *node =
	        rlk_names_of_inbox(channel, &name) ? rlk_table_find(&server->engine->places, name) : NULL;
	struct rlk_place *place = node != NULL ? rlk_place_of(node) : NULL;
	if (place == NULL || place->server != server || !place->wanted) {
		return;
	}
	place->inbox_confirmed = subscribed;
	if (subscribed) {
		server->messages.failures = 0;
		tell_place(place, now);
	} else {
		/* The slot has moved: the server will tell where to. */
		place->room.listening = false;
		say(server, RLK_LITERAL("SSUBSCRIBE"), place->inbox);
	}
}

static bool take_message(struct rlk_server *server, const struct rlk_value *reply, size_t count, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	server->heard_at = now;
	if (reply[0].type == RLK_ERROR) {
		snprintf(engine->text, sizeof engine->text, "%.*s", (int)reply[0].text.length, reply[0].text.data);
		enum rlk_remedy remedy;
		int32_t status = rlk_error_status(reply[0].text, &remedy);
		bool asks;
		if (remedy == RLK_REDIRECT && engine->cluster != NULL) {
			return rlk_cluster_redirected(server, reply[0].text, &asks, now) != NULL;
		}
		spread_trouble(server, status, engine->text, remedy == RLK_GIVE_UP, now);
		return false;
	}
	if (count < 3 || reply[0].type != RLK_ARRAY || reply[1].type != RLK_STRING || reply[2].type != RLK_STRING) {
		return false;
	}
	struct rlk_slice verb = reply[1].text, channel = reply[2].text;
	if (same(verb, RLK_LITERAL("message")) && count == 4 && reply[3].type == RLK_STRING) {
		if (same(channel, text_slice(engine->inbox))) {
			take_grant(engine, reply[3].text, now);
		} else {
			take_release(engine, channel, now);
		}
	} else if (same(verb, RLK_LITERAL("subscribe"))) {
		take_confirmation(server, channel, now);
	} else if (same(verb, RLK_LITERAL("smessage")) && count == 4 && reply[3].type == RLK_STRING) {
		take_grant(engine, reply[3].text, now);
	} else if (same(verb, RLK_LITERAL("ssubscribe"))) {
		take_inbox(server, channel, true, now);
	} else if (same(verb, RLK_LITERAL("sunsubscribe"))) {
		take_inbox(server, channel, false, now);
	} else if (same(verb, RLK_LITERAL("pong"))) {
		server->pinged_at = INT64_MIN;
	}
	return true;
}

void rlk_messages_read(struct rlk_server *server, bool receive, int64_t now)
{
	struct rlk_line *line = &server->messages;
	const struct rlk_value *reply;
	size_t count, taken = 0;
	if (receive) {
		rlk_connection_receive(line->connection);
	}
	line->unread = false;
	while (line->up && (reply = rlk_connection_reply(line->connection, &count)) != NULL) {
		if (!take_message(server, reply, count, now)) {
			rlk_messages_drop(server, now);
			return;
		}
		if (++taken >= server->engine->budget) {
			server->engine->unfinished = line->unread = line->up;
			return;
		}
	}
}

int64_t rlk_messages_deadline(const struct rlk_server *server)
{
	const struct rlk_line *line = &server->messages;
	if (!line->open) {
		bool wanted = server->listeners > 0 && server->commands.up && !rlk_server_is_scout(server);
		return wanted ? line->retry_at : RLK_NEVER;
	}
	if (!line->up) {
		return rlk_connection_deadline(line->connection);
	}
	if (server->pinged_at > INT64_MIN) {
		return server->pinged_at + server->engine->command_timeout;
	}
	return server->listeners > 0 ? server->heard_at + SIGN_OF_LIFE_MS : RLK_NEVER;
}

/* SPDX-License-Identifier: MIT
 *
 * A connection and what is under way on it: answers come in the order of the requests. */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdlib.h>

/* Up to 0.8 s, with the part at random: nobody tells of a server that is back, and not every failover is announced. */
enum { RETRY_MS = 10, RETRY_DOUBLINGS = 6 };

int32_t rlk_line_init(struct rlk_line *line, struct rlk_watch *watch)
{
	line->connection = rlk_connection_new(watch);
	return line->connection != NULL ? REDISLOCK_OK : REDISLOCK_NO_MEMORY;
}

void rlk_line_clear(struct rlk_line *line)
{
	rlk_connection_free(line->connection);
	free(line->flights);
	*line = (struct rlk_line) { 0 };
}

void rlk_line_open(struct rlk_server *server, struct rlk_line *line, int64_t now)
{
	const struct rlk_engine *engine = server->engine;
	const struct rlk_connection *twin = line != &server->commands ? server->commands.connection : NULL;
	line->known_scripts = line->unknown_scripts = 0;
	line->open = true;
	int64_t deadline = now + rlk_server_patience(server, engine->connect_timeout);
	server->doubted_at = now;
	if (engine->cluster == NULL) {
		rlk_connection_open(line->connection, &engine->address, twin, deadline, now);
	} else {
		rlk_connection_open_node(line->connection, &engine->address, &server->node, twin, deadline, now);
	}
}

void rlk_line_close(struct rlk_line *line)
{
	rlk_connection_close(line->connection);
	line->open = line->up = line->unread = false;
}

void rlk_line_failed(struct rlk_engine *engine, struct rlk_line *line, bool was_up, int64_t now)
{
	/* The first new try comes at once; then there is time to breathe, and some of it at random: others wait too. */
	int64_t pause = 0;
	if (!was_up || line->failures > 0) {
		uint8_t jitter = 0;
		pause = (int64_t)RETRY_MS << (line->failures < RETRY_DOUBLINGS ? line->failures : RETRY_DOUBLINGS);
		rlk_random_bytes(&engine->random, &jitter, 1);
		pause += pause * jitter / 1024;
	}
	line->failures++;
	line->retry_at = now + pause;
}

bool rlk_line_reserve(struct rlk_line *line)
{
	if (line->count < line->capacity) {
		return true;
	}
	size_t capacity = line->capacity > 0 ? line->capacity * 2 : 16;
	struct rlk_flight *flights = malloc(capacity * sizeof *flights);
	if (flights == NULL) {
		return false;
	}
	for (size_t i = 0; i < line->count; i++) {
		flights[i] = line->flights[(line->first + i) & (line->capacity - 1)];
	}
	free(line->flights);
	line->flights = flights;
	line->capacity = capacity;
	line->first = 0;
	return true;
}

void rlk_line_push(struct rlk_line *line, struct rlk_flight flight)
{
	line->flights[(line->first + line->count++) & (line->capacity - 1)] = flight;
}

bool rlk_line_say_asking(struct rlk_line *line, int64_t now)
{
	struct rlk_slice word = RLK_LITERAL("ASKING");
	if (!rlk_line_reserve(line) || !rlk_connection_append(line->connection, &word, 1)) {
		return false;
	}
	rlk_line_push(line, (struct rlk_flight) { .sent_at = now, .script = -1 });
	return rlk_line_reserve(line);
}

bool rlk_line_pop(struct rlk_line *line, struct rlk_flight *flight)
{
	if (line->count == 0) {
		return false;
	}
	*flight = line->flights[line->first];
	line->first = (line->first + 1) & (line->capacity - 1);
	line->count--;
	return true;
}

void rlk_line_forget(struct rlk_line *line, const void *job_or_call)
{
	for (size_t i = 0; i < line->count; i++) {
		struct rlk_flight *flight = &line->flights[(line->first + i) & (line->capacity - 1)];
		if (flight->job == job_or_call) {
			flight->job = NULL;
		}
		if (flight->call == job_or_call) {
			flight->call = NULL;
		}
	}
}

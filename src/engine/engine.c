/* SPDX-License-Identifier: MIT
 *
 * The engine's life, and its step: read what has come, let time pass, send what is ready. */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdlib.h>
#include <string.h>

/* With SENT_ALONE requests under way to a server a new one leaves together with others', as soon as the next answer
 * comes. */
enum { CONNECT_MS = 5000, COMMAND_MS = 5000, FAREWELL_MS = 250, SENT_ALONE = 4 };

bool rlk_server_init(struct rlk_engine *engine, struct rlk_server *server)
{
	server->engine = engine;
	server->pinged_at = INT64_MIN;
	return rlk_line_init(&server->commands, engine->watch) == REDISLOCK_OK &&
	       rlk_line_init(&server->messages, engine->watch) == REDISLOCK_OK &&
	       rlk_line_init(&server->replicas, engine->watch) == REDISLOCK_OK;
}

void rlk_server_clear(struct rlk_server *server)
{
	rlk_line_clear(&server->replicas);
	rlk_line_clear(&server->messages);
	rlk_line_clear(&server->commands);
}

int32_t rlk_engine_init(struct rlk_engine *engine, const char *url, struct rlk_watch *watch)
{
	memset(engine, 0, sizeof *engine);
	engine->connect_timeout = CONNECT_MS;
	engine->command_timeout = COMMAND_MS;
	engine->random.used = sizeof engine->random.pool;
	engine->watch = watch;
	engine->fds = engine->few;
	engine->fds_capacity = sizeof engine->few / sizeof engine->few[0];
	engine->budget = SIZE_MAX;
	int32_t status = rlk_address_parse(url, &engine->address, NULL, 0);
	if (status == REDISLOCK_OK && !rlk_server_init(engine, &engine->home)) {
		status = REDISLOCK_NO_MEMORY;
	}
	if (status == REDISLOCK_OK && engine->address.cluster) {
		status = rlk_cluster_init(engine);
	}
	if (status == REDISLOCK_OK && engine->address.sentinels.service != NULL) {
		status = rlk_line_init(&engine->sentinel.line, watch);
	}
	if (status == REDISLOCK_OK && !rlk_random_hex(&engine->random, engine->client, RLK_CLIENT_LENGTH)) {
		status = REDISLOCK_INTERNAL;
	}
	if (status != REDISLOCK_OK) {
		rlk_engine_clear(engine);
		return status;
	}
	rlk_random_bytes(&engine->random, &engine->pace.phase, sizeof engine->pace.phase);
	engine->pace.phase >>= 1;
	memcpy(engine->inbox, RLK_INBOX_PREFIX, sizeof RLK_INBOX_PREFIX - 1);
	memcpy(engine->inbox + sizeof RLK_INBOX_PREFIX - 1, engine->client, sizeof engine->client);
	return REDISLOCK_OK;
}

static bool any_up(const struct rlk_engine *engine)
{
	const struct rlk_server *server = &engine->home;
	while (server != NULL && !server->commands.up) {
		server = server->next;
	}
	return server != NULL;
}

/* What is worth waiting for: asking for a cluster's slots is not. */
static bool cleans_up(const struct rlk_engine *engine)
{
	bool asks = engine->cluster != NULL && engine->cluster->refresh != NULL;
	return engine->background > (asks ? 1 : 0);
}

void rlk_engine_bid_farewell(struct rlk_engine *engine)
{
	int64_t now = rlk_now(), end = now + FAREWELL_MS;
	while (cleans_up(engine) && any_up(engine) && now < end) {
		struct pollfd fds[64];
		const struct pollfd *all;
		size_t count = rlk_engine_fds(engine, &all);
		count = count < 64 ? count : 64;
		memcpy(fds, all, count * sizeof *fds);
		int ready = poll(fds, (nfds_t)count, (int)(end - now));
		now = rlk_now();
		rlk_engine_step(engine, fds, ready > 0 ? count : 0, now);
	}
}

void rlk_engine_clear(struct rlk_engine *engine)
{
	while (engine->calls != NULL) {
		rlk_call_forget(engine, engine->calls);
	}
	rlk_cluster_clear(engine);
	rlk_line_clear(&engine->sentinel.line);
	rlk_server_clear(&engine->home);
	rlk_timers_clear(&engine->timers);
	rlk_table_clear(&engine->tokens);
	rlk_places_clear(engine);
	rlk_address_clear(&engine->address);
	if (engine->fds != engine->few) {
		free(engine->fds);
	}
}

static size_t line_fds(const struct rlk_line *line, struct pollfd *fds, size_t capacity)
{
	return line->open ? rlk_connection_fds(line->connection, fds, capacity) : 0;
}

bool rlk_engine_make_room(struct rlk_engine *engine)
{
	size_t capacity = 2 * sizeof engine->few / sizeof engine->few[0];
	for (const struct rlk_server *server = engine->home.next; server != NULL; server = server->next) {
		capacity += RLK_SERVER_FDS;
	}
	if (capacity <= engine->fds_capacity) {
		return true;
	}
	struct pollfd *fds = malloc(2 * capacity * sizeof *fds);
	if (fds == NULL) {
		return false;
	}
	if (engine->fds != engine->few) {
		free(engine->fds);
	}
	engine->fds = fds;
	engine->fds_capacity = 2 * capacity;
	return true;
}

size_t rlk_engine_fds(struct rlk_engine *engine, const struct pollfd **fds)
{
	size_t count = 0;
	for (const struct rlk_server *server = &engine->home; server != NULL; server = server->next) {
		count += line_fds(&server->messages, engine->fds + count, engine->fds_capacity - count);
		count += line_fds(&server->commands, engine->fds + count, engine->fds_capacity - count);
		count += line_fds(&server->replicas, engine->fds + count, engine->fds_capacity - count);
	}
	count += line_fds(&engine->sentinel.line, engine->fds + count, engine->fds_capacity - count);
	*fds = engine->fds;
	return count;
}

static int64_t earlier_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t rlk_engine_deadline(const struct rlk_engine *engine)
{
	const struct rlk_timer *first = rlk_timers_first(&engine->timers);
	if (engine->unfinished) {
		return INT64_MIN;
	}
	int64_t deadline = earlier_of(first != NULL ? first->at : RLK_NEVER, rlk_cluster_deadline(engine));
	deadline = earlier_of(deadline, rlk_sentinel_deadline(engine));
	for (const struct rlk_server *server = &engine->home; server != NULL; server = server->next) {
		deadline = earlier_of(deadline, rlk_commands_deadline(server));
		deadline = earlier_of(deadline, rlk_messages_deadline(server));
		deadline = earlier_of(deadline, rlk_replicas_deadline(server));
	}
	return deadline;
}

/* What poll() said of a line's descriptors, as they are by now. */
static short happened(const struct rlk_line *line, const struct pollfd *ready, size_t count)
{
	struct pollfd fds[RLK_CONNECTION_FDS];
	size_t own = line_fds(line, fds, RLK_CONNECTION_FDS);
	short events = 0;
	for (size_t i = 0; i < own; i++) {
		for (size_t k = 0; k < count; k++) {
			if (ready[k].fd == fds[i].fd) {
				events = (short)(events | ready[k].revents);
			}
		}
	}
	return events;
}

static void let_time_pass(struct rlk_engine *engine, int64_t now)
{
	struct rlk_timer *timer;
	size_t done = 0;
	while ((timer = rlk_timers_first(&engine->timers)) != NULL && timer->at <= now) {
		if (done++ == engine->budget) {
			engine->unfinished = true;
			return;
		}
		if (timer->job != NULL) {
			rlk_machine_tick(&timer->job->machine, now);
			rlk_job_settle(engine, timer->job, now);
		} else {
			rlk_call_tick(engine, timer->call, now);
		}
	}
}

static void pump(struct rlk_server *server, int64_t now)
{
	rlk_replicas_pump(server, now);
	rlk_commands_pump(server, now);
	rlk_commands_watch(server, now);
	rlk_messages_watch(server, now);
}

void rlk_engine_pump(struct rlk_engine *engine, int64_t now)
{
	rlk_cluster_tend(engine, now);
	for (struct rlk_server *server = &engine->home; server != NULL; server = server->next) {
		pump(server, now);
	}
	rlk_sentinel_watch(engine, now);
}

bool rlk_engine_connected(const struct rlk_engine *engine)
{
	return engine->home.commands.up && engine->cluster == NULL;
}

bool rlk_engine_asks(const struct rlk_engine *engine)
{
	const struct rlk_server *server = &engine->home;
	while (server != NULL && server->commands.count == 0) {
		server = server->next;
	}
	return server != NULL;
}

bool rlk_engine_asks_a_lot(const struct rlk_engine *engine)
{
	return engine->home.commands.count >= SENT_ALONE && engine->home.commands.up;
}

const struct rlk_connection *rlk_engine_awaits_answer(const struct rlk_engine *engine, int64_t now)
{
	const struct rlk_line *line = &engine->home.commands;
	bool awaits = engine->cluster == NULL && line->up && line->count > 0 && !line->unread &&
	              !engine->home.messages.open && !engine->home.replicas.open && !engine->sentinel.line.open &&
	              rlk_connection_awaits_well(line->connection) && rlk_engine_deadline(engine) > now + RLK_AWAIT_MS;
	return awaits ? line->connection : NULL;
}

void rlk_engine_take(struct rlk_engine *engine, const struct rlk_awaited *awaited, int64_t now)
{
	rlk_connection_take(engine->home.commands.connection, awaited);
	engine->home.commands.unread = true;
	rlk_engine_step(engine, NULL, 0, now);
}

static bool opening(const struct rlk_line *line, short events, int64_t now)
{
	return line->open && !line->up && (events != 0 || now >= rlk_connection_deadline(line->connection));
}

/* Messages before answers: a grant is older than an answer that already tells of it. */
static void read_lines(struct rlk_server *server, const struct pollfd *ready, size_t count, int64_t now)
{
	struct rlk_line *messages = &server->messages, *commands = &server->commands, *replicas = &server->replicas;
	short message_events = happened(messages, ready, count), command_events = happened(commands, ready, count);
	short replica_events = happened(replicas, ready, count);

	if (opening(messages, message_events, now)) {
		rlk_connection_step(messages->connection, now);
	} else if (messages->up && ((message_events & ~POLLOUT) != 0 || messages->unread)) {
		rlk_messages_read(server, (message_events & ~POLLOUT) != 0, now);
	} else {
		rlk_messages_expire(server, now);
	}
	rlk_messages_watch(server, now);

	if (opening(commands, command_events, now)) {
		rlk_connection_step(commands->connection, now);
	} else if (commands->up && ((command_events & ~POLLOUT) != 0 || commands->unread)) {
		rlk_commands_read(server, (command_events & ~POLLOUT) != 0, now);
	} else {
		rlk_commands_expire(server, now);
	}
	rlk_commands_watch(server, now);

	if (opening(replicas, replica_events, now)) {
		rlk_connection_step(replicas->connection, now);
	} else if (replicas->up && (replica_events & ~POLLOUT) != 0) {
		rlk_replicas_read(server, now);
	}
	rlk_replicas_watch(server, now);
}

void rlk_engine_step(struct rlk_engine *engine, const struct pollfd *ready, size_t count, int64_t now)
{
	engine->unfinished = false;
	rlk_sentinel_step(engine, happened(&engine->sentinel.line, ready, count), now);
	for (struct rlk_server *server = &engine->home; server != NULL; server = server->next) {
		read_lines(server, ready, count, now);
	}
	let_time_pass(engine, now);
	rlk_engine_pump(engine, now);
}

/* SPDX-License-Identifier: MIT
 *
 * The engine's life, and its step: read what has come, let time pass, send what is ready. */
#include "engine.h"

#include "redislock/redislock.h"

#include <string.h>

enum { CONNECT_MS = 5000, COMMAND_MS = 5000, FAREWELL_MS = 250 };

int32_t rlk_engine_init(struct rlk_engine *engine, const char *url, struct rlk_watch *watch)
{
	memset(engine, 0, sizeof *engine);
	engine->connect_timeout = CONNECT_MS;
	engine->command_timeout = COMMAND_MS;
	engine->random.used = sizeof engine->random.pool;
	engine->pinged_at = INT64_MIN;
	engine->budget = SIZE_MAX;
	int32_t status = rlk_address_parse(url, &engine->address, NULL, 0);
	if (status == REDISLOCK_OK) {
		status = rlk_line_init(&engine->commands, watch);
	}
	if (status == REDISLOCK_OK) {
		status = rlk_line_init(&engine->messages, watch);
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

void rlk_engine_bid_farewell(struct rlk_engine *engine)
{
	int64_t now = rlk_now(), end = now + FAREWELL_MS;
	while (engine->background > 0 && engine->commands.up && now < end) {
		struct pollfd fds[RLK_ENGINE_FDS];
		size_t count = rlk_engine_fds(engine, fds);
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
	rlk_line_clear(&engine->messages);
	rlk_line_clear(&engine->commands);
	rlk_timers_clear(&engine->timers);
	rlk_table_clear(&engine->tokens);
	rlk_places_clear(engine);
	rlk_address_clear(&engine->address);
}

size_t rlk_engine_fds(const struct rlk_engine *engine, struct pollfd *fds)
{
	size_t count = 0;
	if (engine->messages.open) {
		count += rlk_connection_fds(engine->messages.connection, fds, RLK_CONNECTION_FDS);
	}
	if (engine->commands.open) {
		count += rlk_connection_fds(engine->commands.connection, fds + count, RLK_CONNECTION_FDS);
	}
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
	int64_t deadline = first != NULL ? first->at : RLK_NEVER;
	return earlier_of(deadline, earlier_of(rlk_commands_deadline(engine), rlk_messages_deadline(engine)));
}

/* What poll() said of a line's descriptors, as they are by now. */
static short happened(const struct rlk_line *line, const struct pollfd *ready, size_t count)
{
	struct pollfd fds[RLK_CONNECTION_FDS];
	size_t own = line->open ? rlk_connection_fds(line->connection, fds, RLK_CONNECTION_FDS) : 0;
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

void rlk_engine_pump(struct rlk_engine *engine, int64_t now)
{
	rlk_commands_pump(engine, now);
	rlk_commands_watch(engine, now);
	rlk_messages_watch(engine, now);
}

bool rlk_engine_awaits_answer(const struct rlk_engine *engine, int64_t now)
{
	const struct rlk_line *line = &engine->commands;
	return line->up && line->count > 0 && !line->unread && !engine->messages.open &&
	       rlk_connection_awaits_well(line->connection) && rlk_engine_deadline(engine) > now + RLK_AWAIT_MS;
}

void rlk_engine_take(struct rlk_engine *engine, const struct rlk_awaited *awaited, int64_t now)
{
	rlk_connection_take(engine->commands.connection, awaited);
	engine->commands.unread = true;
	rlk_engine_step(engine, NULL, 0, now);
}

static bool opening(const struct rlk_line *line, short events, int64_t now)
{
	return line->open && !line->up && (events != 0 || now >= rlk_connection_deadline(line->connection));
}

void rlk_engine_step(struct rlk_engine *engine, const struct pollfd *ready, size_t count, int64_t now)
{
	struct rlk_line *messages = &engine->messages, *commands = &engine->commands;
	short message_events = happened(messages, ready, count), command_events = happened(commands, ready, count);
	engine->unfinished = false;

	/* Messages before answers: a grant is older than an answer that already tells of it. */
	if (opening(messages, message_events, now)) {
		rlk_connection_step(messages->connection, now);
	} else if (messages->up && ((message_events & ~POLLOUT) != 0 || messages->unread)) {
		rlk_messages_read(engine, (message_events & ~POLLOUT) != 0, now);
	} else {
		rlk_messages_expire(engine, now);
	}
	rlk_messages_watch(engine, now);

	if (opening(commands, command_events, now)) {
		rlk_connection_step(commands->connection, now);
	} else if (commands->up && ((command_events & ~POLLOUT) != 0 || commands->unread)) {
		rlk_commands_read(engine, (command_events & ~POLLOUT) != 0, now);
	} else {
		rlk_commands_expire(engine, now);
	}
	rlk_commands_watch(engine, now);

	let_time_pass(engine, now);
	rlk_engine_pump(engine, now);
}

/* SPDX-License-Identifier: MIT
 *
 * The line for commands: sends what jobs and calls are ready to send, and tells them what became of it. */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdio.h>
#include <string.h>

/* A plain command has none. */
static uint32_t bit_of(int32_t script)
{
	return script >= 0 ? 1u << script : 0;
}

static bool script_unknown(struct rlk_line *line, int32_t script)
{
	uint32_t bit = bit_of(script);
	bool unknown = (line->unknown_scripts & bit) != 0;
	/* Once its text is sent the server knows it, and answers come in order. */
	line->unknown_scripts &= ~bit;
	return unknown;
}

static bool send_words(struct rlk_server *server, const struct rlk_words *words)
{
	return rlk_connection_append(server->commands.connection, words->word, words->count);
}

static bool send_job(struct rlk_server *server, struct rlk_job *job, int64_t now)
{
	struct rlk_line *line = &server->commands;
	struct rlk_words words;
	struct rlk_flight flight = { .job = job, .sent_at = now };
	if (!rlk_line_reserve(line)) {
		return false;
	}
	flight.script = (int32_t)rlk_machine_send(&job->machine, &words, false, &flight.number, now);
	if (script_unknown(line, flight.script)) {
		words.word[0] = RLK_LITERAL("EVAL");
		words.word[1] = rlk_script_sources[flight.script].text;
	}
	if ((job->detour == server && !rlk_line_say_asking(line, now)) || !send_words(server, &words)) {
		rlk_machine_error(&job->machine, flight.number, REDISLOCK_NO_MEMORY, RLK_GIVE_UP, now);
		return false;
	}
	job->flying++;
	rlk_line_push(line, flight);
	return true;
}

static bool send_call(struct rlk_server *server, struct rlk_call *call, int64_t now)
{
	struct rlk_line *line = &server->commands;
	if (!rlk_line_reserve(line)) {
		return false;
	}
	if (call->script >= 0) {
		/* Whoever cleans up may not be there any more when the server says that it doesn't know the script. */
		bool sure = !call->orphan || (line->known_scripts & 1u << call->script) != 0;
		bool whole = script_unknown(line, call->script) || !sure;
		const struct rlk_script_source *source = &rlk_script_sources[call->script];
		call->words.word[0] = whole ? RLK_LITERAL("EVAL") : RLK_LITERAL("EVALSHA");
		call->words.word[1] = whole ? source->text : source->sha1;
	}
	if ((call->asking && !rlk_line_say_asking(line, now)) || !send_words(server, &call->words)) {
		return false;
	}
	rlk_call_want(call, false);
	call->flying = true;
	rlk_line_push(line, (struct rlk_flight) { .call = call, .sent_at = now, .script = call->script });
	return true;
}

/* When the connection will be needed. Whoever listens needs it as well, as messages come from the same server only. */
static int64_t needed_at(const struct rlk_server *server)
{
	bool scouts = rlk_server_is_scout(server);
	if (!scouts && (rlk_jobs_ready(server) || server->confirming.first != NULL || server->listeners > 0)) {
		return INT64_MIN;
	}
	int64_t at = RLK_NEVER;
	size_t left = server->calls_wanted;
	for (const struct rlk_call *call = server->engine->calls; left > 0 && call != NULL; call = call->next) {
		bool wanted = call->wanted && call->server == server;
		left -= wanted;
		wanted &= !scouts || call->slot < 0;
		at = wanted && call->not_before < at ? call->not_before : at;
	}
	return at;
}

static bool send_calls(struct rlk_server *server, int64_t now)
{
	size_t left = server->calls_wanted;
	for (struct rlk_call *call = server->engine->calls; left > 0 && call != NULL; call = call->next) {
		bool wanted = call->wanted && call->server == server;
		left -= wanted;
		bool lost = call->slot >= 0 && rlk_server_is_scout(server);
		if (wanted && !lost && call->not_before <= now && !send_call(server, call, now)) {
			return false;
		}
	}
	return true;
}

static void out_of_memory(struct rlk_server *server, int64_t now)
{
	rlk_commands_drop(server, REDISLOCK_NO_MEMORY, "out of memory for the command", now);
}

void rlk_commands_pump(struct rlk_server *server, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	struct rlk_line *line = &server->commands;
	if (!line->up) {
		if (!line->open && now >= line->retry_at && now >= needed_at(server)) {
			rlk_line_open(server, line, now);
			rlk_commands_watch(server, now);
		}
		if (!line->up) {
			return;
		}
	}
	/* Calls first: those that clean up behind a lock are older than what its owner does next. */
	if (!send_calls(server, now)) {
		out_of_memory(server, now);
		return;
	}
	struct rlk_job *job;
	size_t sent = 0;
	bool scouts = rlk_server_is_scout(server);
	while (line->up && !scouts && sent++ < engine->budget && (job = rlk_job_next_ready(server)) != NULL) {
		while (rlk_machine_ready(&job->machine, now)) {
			if (!send_job(server, job, now)) {
				out_of_memory(server, now);
				return;
			}
		}
		job->detour = NULL;
		rlk_job_settle(engine, job, now);
	}
	engine->unfinished |= rlk_jobs_ready(server) && line->up && !scouts;
	if (line->up) {
		rlk_connection_flush(line->connection);
	}
}

static void note_round_trip(struct rlk_engine *engine, int64_t round_trip)
{
	int64_t *longest = &engine->pace.round_trip;
	*longest = round_trip > *longest ? round_trip : *longest - (*longest - round_trip) / 8;
}

/* This connection is of no use: another one may be, to another server or at another time. */
static void turn_away(struct rlk_server *server, int32_t status, struct rlk_slice error, int64_t now)
{
	char text[RLK_TEXT];
	if (status == REDISLOCK_READ_ONLY) {
		error = RLK_LITERAL("the server is a read-only replica: connect to its primary");
	}
	snprintf(text, sizeof text, "%.*s", (int)error.length, error.data);
	rlk_commands_drop(server, status, text, now);
}

/* Some errors come before anything was asked. */
static void take_unasked(struct rlk_server *server, const struct rlk_value *reply, int64_t now)
{
	enum rlk_remedy remedy = RLK_GIVE_UP;
	int32_t status = reply->type == RLK_ERROR ? rlk_error_status(reply->text, &remedy) : REDISLOCK_PROTOCOL;
	if (remedy == RLK_RECONNECT) {
		turn_away(server, status, reply->text, now);
	} else {
		rlk_commands_drop(server, REDISLOCK_PROTOCOL, "the server sent an answer that nobody asked for", now);
	}
}

int32_t rlk_job_refused(struct rlk_server *server, const struct rlk_flight *flight, struct rlk_slice error,
                        enum rlk_remedy *remedy, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	struct rlk_job *job = flight->job;
	int32_t status = rlk_error_status(error, remedy);
	if (*remedy == RLK_REDIRECT) {
		rlk_job_text(job, rlk_cluster_redirection(engine));
	} else if (*remedy != RLK_SEND_SCRIPT) {
		rlk_job_text(job, error);
	}
	if (*remedy == RLK_REDIRECT && engine->cluster == NULL) {
		*remedy = RLK_GIVE_UP;
	}
	rlk_machine_error(&job->machine, flight->number, status, *remedy, now);
	if (*remedy == RLK_REDIRECT) {
		bool asks;
		struct rlk_server *other = rlk_cluster_redirected(server, error, &asks, now);
		job->detour = asks ? other : NULL;
	} else if (*remedy == RLK_TRY_AGAIN) {
		rlk_cluster_doubt(engine);
	}
	rlk_job_settle(engine, job, now);
	return status;
}

static void answer_job(struct rlk_server *server, const struct rlk_flight *flight, const struct rlk_value *reply,
                       size_t count, int64_t now)
{
	struct rlk_job *job = flight->job;
	job->flying--;
	if (reply[0].type == RLK_ERROR) {
		enum rlk_remedy remedy;
		int32_t status = rlk_job_refused(server, flight, reply[0].text, &remedy, now);
		if (remedy == RLK_SEND_SCRIPT) {
			server->commands.unknown_scripts |= bit_of(flight->script);
		} else if (remedy == RLK_RECONNECT) {
			turn_away(server, status, reply[0].text, now);
		}
		return;
	}
	rlk_machine_answer(&job->machine, (enum rlk_script)flight->script, flight->number, flight->sent_at,
	                   rlk_answer_parse(reply, count), now);
	rlk_job_settle(server->engine, job, now);
}

void rlk_commands_read(struct rlk_server *server, bool receive, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	struct rlk_line *line = &server->commands;
	const struct rlk_value *reply;
	size_t count, taken = 0;
	if (receive) {
		rlk_connection_receive(line->connection);
	}
	line->unread = false;
	while (line->up && (reply = rlk_connection_reply(line->connection, &count)) != NULL) {
		struct rlk_flight flight;
		if (!rlk_line_pop(line, &flight)) {
			take_unasked(server, &reply[0], now);
			return;
		}
		note_round_trip(engine, now - flight.sent_at);
		line->failures = 0;
		server->doubted = false;
		if (flight.script >= 0 && reply[0].type != RLK_ERROR) {
			line->known_scripts |= 1u << flight.script;
		}
		if (flight.job != NULL) {
			answer_job(server, &flight, reply, count, now);
		} else if (flight.call != NULL) {
			if (rlk_call_answer(engine, flight.call, reply, count, now) == RLK_SEND_SCRIPT &&
			    flight.script >= 0) {
				line->unknown_scripts |= 1u << flight.script;
			}
		}
		if (++taken >= engine->budget) {
			engine->unfinished = line->unread = line->up;
			return;
		}
	}
}

/* Tells those that wait for a connection that there is none for now. */
static void spread_trouble(struct rlk_server *server, int32_t status, const char *text, bool was_up, int64_t now)
{
	bool refused = status == REDISLOCK_CONNECTION_REFUSED || status == REDISLOCK_CONNECTION_LOST ||
	               status == REDISLOCK_TIMEOUT || status == REDISLOCK_READ_ONLY;
	bool final = !refused || (!was_up && rlk_server_is_hopeless(server));
	bool clustered = server->engine->cluster != NULL;
	/* Some are ready again as soon as they know: each is told once. */
	struct rlk_job *told = NULL, **end = &told, *job;
	while ((job = rlk_job_next_ready(server)) != NULL) {
		*end = job;
		end = &job->next_ready;
	}
	*end = NULL;
	for (; told != NULL; told = job) {
		bool once = told->machine.wait == 0 && told->machine.phase == RLK_TRYING && !clustered;
		job = told->next_ready;
		told->detour = NULL;
		rlk_job_text(told, (struct rlk_slice) { text, strlen(text) });
		rlk_machine_trouble(&told->machine, status, final || (once && !was_up), now);
		rlk_job_settle(server->engine, told, now);
	}
	rlk_call_trouble(server, status, text, final || (!was_up && !clustered), now);
}

void rlk_commands_refuse(struct rlk_server *server, int32_t status, const char *text, int64_t now)
{
	spread_trouble(server, status, text, false, now);
}

void rlk_commands_drop(struct rlk_server *server, int32_t status, const char *text, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	struct rlk_line *line = &server->commands;
	struct rlk_flight flight;
	bool was_up = line->up;
	snprintf(engine->text, sizeof engine->text, "%s", text);
	rlk_line_close(line);
	rlk_line_failed(engine, line, was_up, now);
	rlk_cluster_failed(server, now);
	/* All connections go to the same server: the others must not outlive the commands'. */
	if (was_up) {
		rlk_messages_drop(server, now);
		rlk_replicas_drop(server, REDISLOCK_OK, "", now);
	}
	while (rlk_line_pop(line, &flight)) {
		if (flight.job != NULL) {
			flight.job->flying--;
			rlk_machine_dropped(&flight.job->machine, flight.number, now);
			rlk_job_settle(engine, flight.job, now);
		} else if (flight.call != NULL) {
			flight.call->flying = false;
			rlk_call_want(flight.call, true);
		}
	}
	spread_trouble(server, status, engine->text, was_up, now);
}

void rlk_commands_watch(struct rlk_server *server, int64_t now)
{
	struct rlk_line *line = &server->commands;
	if (!line->open) {
		return;
	}
	enum rlk_connection_state state = rlk_connection_state(line->connection);
	if (state == RLK_CLOSED && !line->unread) {
		const char *text = "";
		int32_t status = rlk_connection_failure(line->connection, &text);
		server->reached |= rlk_connection_located(line->connection);
		char copy[RLK_TEXT];
		snprintf(copy, sizeof copy, "%s", text);
		rlk_commands_drop(server, status != REDISLOCK_OK ? status : REDISLOCK_CONNECTION_LOST, copy, now);
	} else if (state == RLK_READY && !line->up) {
		line->up = true;
		server->reached = true;
	}
}

void rlk_commands_expire(struct rlk_server *server, int64_t now)
{
	const struct rlk_line *line = &server->commands;
	int64_t patience = rlk_server_patience(server, server->engine->command_timeout);
	rlk_cluster_expire(server, now);
	if (line->up && line->count > 0 && now >= line->flights[line->first].sent_at + patience) {
		rlk_commands_drop(server, REDISLOCK_TIMEOUT, "the server didn't answer within the command timeout",
		                  now);
	}
}

int64_t rlk_commands_deadline(const struct rlk_server *server)
{
	const struct rlk_line *line = &server->commands;
	if (!line->open) {
		/* Whatever is ready waits for the next try. */
		int64_t at = needed_at(server);
		return at > line->retry_at ? at : line->retry_at;
	}
	int64_t deadline = line->up ? RLK_NEVER : rlk_connection_deadline(line->connection);
	if (line->up && line->count > 0) {
		deadline = line->flights[line->first].sent_at +
		           rlk_server_patience(server, server->engine->command_timeout);
	}
	int64_t doubt = rlk_cluster_doubt_at(server);
	return doubt < deadline ? doubt : deadline;
}

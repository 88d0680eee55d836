/* SPDX-License-Identifier: MIT
 *
 * The line for confirmations, where acquisitions are to have reached replicas (protocol 9). WAIT blocks its connection,
 * so it has one of its own; and as it counts for what was written there, each goes behind an EXTEND. */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdio.h>
#include <string.h>

/* The flight of a WAIT; an EXTEND's has its script. */
enum { WAIT = -2 };

static bool send(struct rlk_line *line, const struct rlk_words *words, struct rlk_flight flight)
{
	if (!rlk_line_reserve(line) || !rlk_connection_append(line->connection, words->word, words->count)) {
		return false;
	}
	flight.job->flying++;
	rlk_line_push(line, flight);
	return true;
}

static bool send_extend(struct rlk_server *server, struct rlk_job *job, int64_t now)
{
	struct rlk_line *line = &server->replicas;
	struct rlk_words words;
	struct rlk_flight flight = { .job = job, .sent_at = now };
	/* Were the script unknown, the WAIT behind it would be for nothing. */
	bool whole = (line->known_scripts & 1u << RLK_EXTEND) == 0;

	flight.script = (int32_t)rlk_machine_send(&job->machine, &words, whole, &flight.number, now);
	return (job->detour != server || rlk_line_say_asking(line, now)) && send(line, &words, flight);
}

static bool send_wait(struct rlk_line *line, struct rlk_flight flight, int64_t now)
{
	struct rlk_words words = { .count = 0 };

	rlk_words_add(&words, RLK_LITERAL("WAIT"));
	rlk_words_add_number(&words, flight.job->machine.min_replicas);
	rlk_words_add_number(&words, rlk_machine_replicas_wait(&flight.job->machine, now));
	flight.script = WAIT;
	return send(line, &words, flight);
}

static bool is_confirming(const struct rlk_job *job, int64_t now)
{
	return job->machine.phase == RLK_CONFIRMING && rlk_machine_ready(&job->machine, now);
}

/* A WAIT that nobody waits for any more holds up the others: it ends with its connection. */
static bool is_stale(const struct rlk_server *server)
{
	const struct rlk_line *line = &server->replicas;
	const struct rlk_flight *first = &line->flights[line->first];
	bool alone = line->count < 2 && server->confirming.first == NULL;
	return line->count > 0 && first->script == WAIT && !alone &&
	       (first->job == NULL || first->job->machine.phase != RLK_CONFIRMING || !first->job->machine.ask.flying ||
	        first->job->machine.ask.number != first->number);
}

/* First all that is to be written: then one round trip to the replicas serves them all. */
static bool send_all(struct rlk_server *server, int64_t now)
{
	struct rlk_line *line = &server->replicas;
	size_t before = line->count;
	struct rlk_job *job;
	bool good = true;
	while (good && (job = rlk_ready_take(&server->confirming)) != NULL) {
		good = !is_confirming(job, now) || send_extend(server, job, now);
		job->detour = NULL;
		rlk_job_settle(server->engine, job, now);
	}
	for (size_t i = before, end = line->count; good && i < end; i++) {
		struct rlk_flight flight = line->flights[(line->first + i) & (line->capacity - 1)];
		good = flight.job == NULL || send_wait(line, flight, now);
	}
	return good;
}

/* A scout of a cluster is asked for nothing. */
static bool is_wanted(const struct rlk_server *server)
{
	return server->confirming.first != NULL && server->commands.up && !rlk_server_is_scout(server);
}

void rlk_replicas_pump(struct rlk_server *server, int64_t now)
{
	struct rlk_line *line = &server->replicas;
	if (line->up && is_stale(server)) {
		rlk_replicas_drop(server, REDISLOCK_OK, "", now);
	}
	if (!line->open && is_wanted(server) && now >= line->retry_at) {
		rlk_line_open(server, line, now);
	}
	rlk_replicas_watch(server, now);
	if (line->up && !send_all(server, now)) {
		rlk_replicas_drop(server, REDISLOCK_NO_MEMORY, "out of memory for the command", now);
	}
	if (line->up) {
		rlk_connection_flush(line->connection);
	}
}

static void say_how_many(struct rlk_job *job, int64_t replicas)
{
	char text[RLK_TEXT];
	int length = snprintf(text, sizeof text,
	                      "%lld of the %lld replicas that are asked for had it in time: are they connected?",
	                      (long long)replicas, (long long)job->machine.min_replicas);
	rlk_job_text(job, (struct rlk_slice) { text, (size_t)length });
}

/* Whether the connection is of use still. */
static bool take_answer(struct rlk_server *server, const struct rlk_flight *flight, const struct rlk_value *reply,
                        size_t count, int64_t now)
{
	struct rlk_machine *machine = &flight->job->machine;
	struct rlk_line *line = &server->replicas;
	if (reply[0].type == RLK_ERROR) {
		enum rlk_remedy remedy;
		rlk_job_refused(server, flight, reply[0].text, &remedy, now);
		if (remedy == RLK_SEND_SCRIPT) {
			line->known_scripts = 0;
		}
		return remedy != RLK_RECONNECT;
	}
	if (flight->script != WAIT) {
		line->known_scripts |= 1u << flight->script;
		rlk_machine_answer(machine, (enum rlk_script)flight->script, flight->number, flight->sent_at,
		                   rlk_answer_parse(reply, count), now);
	} else if (reply[0].type == RLK_INTEGER) {
		rlk_machine_replicas(machine, flight->number, reply[0].integer, now);
		if (machine->done && machine->status == REDISLOCK_NOT_ENOUGH_REPLICAS) {
			say_how_many(flight->job, reply[0].integer);
		}
	} else {
		rlk_machine_error(machine, flight->number, REDISLOCK_PROTOCOL, RLK_GIVE_UP, now);
	}
	rlk_job_settle(server->engine, flight->job, now);
	return true;
}

void rlk_replicas_read(struct rlk_server *server, int64_t now)
{
	struct rlk_line *line = &server->replicas;
	const struct rlk_value *reply;
	struct rlk_flight flight;
	size_t count;
	rlk_connection_receive(line->connection);
	while (line->up && (reply = rlk_connection_reply(line->connection, &count)) != NULL) {
		bool of_use = rlk_line_pop(line, &flight); /* else it is an answer that nobody asked for */
		line->failures = 0;
		if (of_use && flight.job != NULL) {
			flight.job->flying--;
			of_use = take_answer(server, &flight, reply, count, now);
		}
		if (!of_use) {
			rlk_replicas_drop(server, REDISLOCK_OK, "", now);
		}
	}
}

/* Those that wait for the line learn why there is none; each once, though they may be ready again at once. */
static void tell(struct rlk_server *server, int32_t status, const char *text, bool final, int64_t now)
{
	struct rlk_job *told = server->confirming.first, *job;
	server->confirming = (struct rlk_ready) { NULL, NULL };
	while ((job = told) != NULL) {
		told = job->next_ready;
		job->ready = NULL;
		job->detour = NULL;
		rlk_job_text(job, (struct rlk_slice) { text, strlen(text) });
		if (final) {
			rlk_machine_trouble(&job->machine, status, true, now);
		}
		rlk_job_settle(server->engine, job, now);
	}
}

void rlk_replicas_drop(struct rlk_server *server, int32_t status, const char *text, int64_t now)
{
	struct rlk_line *line = &server->replicas;
	struct rlk_flight flight;
	bool was_up = line->up;
	bool passing = status == REDISLOCK_OK || status == REDISLOCK_CONNECTION_REFUSED ||
	               status == REDISLOCK_CONNECTION_LOST || status == REDISLOCK_TIMEOUT;
	if (!line->open) {
		return;
	}
	rlk_line_close(line);
	rlk_line_failed(server->engine, line, was_up, now);
	while (rlk_line_pop(line, &flight)) {
		if (flight.job != NULL) {
			flight.job->flying--;
			rlk_machine_dropped(&flight.job->machine, flight.number, now);
			rlk_job_settle(server->engine, flight.job, now);
		}
	}
	tell(server, status, text, !passing, now);
}

void rlk_replicas_watch(struct rlk_server *server, int64_t now)
{
	struct rlk_line *line = &server->replicas;
	if (!line->open) {
		return;
	}
	enum rlk_connection_state state = rlk_connection_state(line->connection);
	if (state == RLK_READY) {
		line->up = true;
	} else if (state == RLK_CLOSED) {
		const char *text = "";
		char copy[RLK_TEXT];
		int32_t status = rlk_connection_failure(line->connection, &text);
		snprintf(copy, sizeof copy, "%s", text);
		rlk_replicas_drop(server, status, copy, now);
	}
}

int64_t rlk_replicas_deadline(const struct rlk_server *server)
{
	const struct rlk_line *line = &server->replicas;
	if (line->open) {
		/* Whoever waits for an answer wakes by itself. */
		return line->up ? RLK_NEVER : rlk_connection_deadline(line->connection);
	}
	return is_wanted(server) ? line->retry_at : RLK_NEVER;
}

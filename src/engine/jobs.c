/* SPDX-License-Identifier: MIT
 *
 * Locks as the engine handles them: who is ready to send, whose token is whose, who waits in which place. */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdlib.h>
#include <string.h>

struct rlk_job *rlk_job_of(struct rlk_machine *machine)
{
	return (struct rlk_job *)(void *)((char *)machine - offsetof(struct rlk_job, machine));
}

/* ---- places ---- */

struct rlk_place *rlk_place_of(struct rlk_node *node)
{
	return (struct rlk_place *)(void *)((char *)node - offsetof(struct rlk_place, node));
}

static struct rlk_place *place_get(struct rlk_engine *engine, struct rlk_slice name)
{
	struct rlk_node *node = rlk_table_find(&engine->places, name);
	if (node != NULL) {
		return rlk_place_of(node);
	}
	/* Room for the inbox as well: without the client it is no longer than the names. */
	size_t size = rlk_names_size(name.data, name.length);
	size_t more = engine->cluster != NULL ? size + sizeof engine->inbox : 0;
	struct rlk_place *place = calloc(1, sizeof *place + size + more);
	if (place == NULL) {
		return NULL;
	}
	rlk_names_build(&place->room.names, (char *)(place + 1), name.data, name.length);
	place->slot = -1;
	rlk_room_init(&place->room, (struct rlk_slice) { engine->client, RLK_CLIENT_LENGTH }, &engine->pace);
	if (engine->cluster != NULL) {
		place->room.names.sharded = true;
		place->slot = rlk_names_slot(&place->room.names);
		place->inbox = rlk_names_inbox(&place->room.names, (char *)(place + 1) + size, place->room.client);
	}
	place->server = rlk_engine_route(engine, place->slot);
	if (!rlk_table_add(&engine->places, &place->node, place->room.names.name)) {
		free(place);
		return NULL;
	}
	return place;
}

static void place_drop_if_unused(struct rlk_engine *engine, struct rlk_place *place)
{
	if (place->jobs != NULL) {
		return;
	}
	rlk_messages_leave(place);
	rlk_table_remove(&engine->places, &place->node);
	free(place);
}

void rlk_places_clear(struct rlk_engine *engine)
{
	struct rlk_node *node;
	while ((node = rlk_table_next(&engine->places, NULL)) != NULL) {
		rlk_table_remove(&engine->places, node);
		free((char *)node - offsetof(struct rlk_place, node));
	}
	rlk_table_clear(&engine->places);
}

/* ---- jobs ---- */

static void join_place(struct rlk_job *job)
{
	struct rlk_place *place = job->place;
	job->next_in_place = NULL;
	job->previous_in_place = place->last_job;
	*(place->last_job != NULL ? &place->last_job->next_in_place : &place->jobs) = job;
	place->last_job = job;
}

static void leave_place(struct rlk_job *job)
{
	struct rlk_place *place = job->place;
	*(job->previous_in_place != NULL ? &job->previous_in_place->next_in_place : &place->jobs) = job->next_in_place;
	*(job->next_in_place != NULL ? &job->next_in_place->previous_in_place : &place->last_job) =
	        job->previous_in_place;
}

int32_t rlk_job_init(struct rlk_engine *engine, struct rlk_job *job, enum rlk_kind kind, struct rlk_slice name)
{
	if (!rlk_timers_reserve(&engine->timers)) {
		return REDISLOCK_NO_MEMORY;
	}
	struct rlk_place *place = place_get(engine, name);
	if (place == NULL) {
		rlk_timers_unreserve(&engine->timers);
		return REDISLOCK_NO_MEMORY;
	}
	*job = (struct rlk_job) { .timer.job = job, .timer.at = RLK_NEVER, .place = place };
	join_place(job);
	rlk_machine_init(&job->machine, &place->room, kind);
	return REDISLOCK_OK;
}

static void leave_ready(struct rlk_job *job)
{
	struct rlk_ready *list = job->ready;
	struct rlk_job **at = &list->first, *before = NULL;
	while (*at != job) {
		before = *at;
		at = &(*at)->next_ready;
	}
	*at = job->next_ready;
	if (list->last == job) {
		list->last = before;
	}
	job->ready = NULL;
}

/* What was asked there may have been done or not: as when a connection breaks. */
static void take_back(struct rlk_line *line, struct rlk_job *job, int64_t now)
{
	for (size_t i = 0; i < line->count; i++) {
		struct rlk_flight *flight = &line->flights[(line->first + i) & (line->capacity - 1)];
		if (flight->job == job) {
			flight->job = NULL;
			job->flying--;
			rlk_machine_dropped(&job->machine, flight->number, now);
		}
	}
}

void rlk_place_move(struct rlk_place *place, struct rlk_server *server, int64_t now)
{
	struct rlk_server *former = place->server;
	rlk_messages_leave(place);
	place->server = server;
	place->subscribed = place->inbox_confirmed = place->room.listening = false;
	for (struct rlk_job *job = place->jobs; job != NULL; job = job->next_in_place) {
		former->listeners -= job->listens;
		server->listeners += job->listens;
		if (job->ready != NULL && job->detour == NULL) {
			leave_ready(job);
		}
		take_back(&former->commands, job, now);
		take_back(&former->replicas, job, now);
	}
	if (place->wanted) {
		place->wanted = false;
		rlk_messages_want(place, now);
	}
	for (struct rlk_job *job = place->jobs; job != NULL; job = job->next_in_place) {
		rlk_job_settle(server->engine, job, now);
	}
}

void rlk_job_clear(struct rlk_engine *engine, struct rlk_job *job)
{
	int64_t now = rlk_now();
	rlk_machine_abandon(&job->machine);
	rlk_job_settle(engine, job, now);
	if (job->ready != NULL) {
		leave_ready(job);
	}
	if (job->flying > 0) {
		for (struct rlk_server *server = &engine->home; server != NULL; server = server->next) {
			rlk_line_forget(&server->commands, job);
			rlk_line_forget(&server->replicas, job);
		}
	}
	rlk_timers_set(&engine->timers, &job->timer, RLK_NEVER);
	rlk_timers_unreserve(&engine->timers);
	leave_place(job);
	place_drop_if_unused(engine, job->place);
	free(job->text);
}

void rlk_job_text(struct rlk_job *job, struct rlk_slice text)
{
	/* Without one, or memory for it, there is the status's own text. */
	if (text.length == 0 || (job->text == NULL && (job->text = malloc(RLK_TEXT)) == NULL)) {
		return;
	}
	size_t length = text.length < RLK_TEXT - 1 ? text.length : RLK_TEXT - 1;
	memcpy(job->text, text.data, length);
	rlk_make_printable(job->text, length);
	job->text[length] = '\0';
}

void rlk_job_acquire(struct rlk_engine *engine, struct rlk_job *job, struct rlk_slice token, int64_t now)
{
	char random[RLK_CLIENT_LENGTH];
	uint32_t jitter = 0;
	struct rlk_machine *machine = &job->machine;
	int32_t status = REDISLOCK_OK;
	if (token.length == 0) {
		token = (struct rlk_slice) { random, sizeof random };
		if (!rlk_random_hex(&engine->random, random, sizeof random)) {
			status = REDISLOCK_INTERNAL;
		}
	} else if (rlk_table_find(&engine->tokens, token) != NULL && !job->in_tokens) {
		status = REDISLOCK_IN_USE;
	}
	rlk_random_bytes(&engine->random, &jitter, sizeof jitter);
	/* Those of a place stand in the order in which they asked. */
	leave_place(job);
	join_place(job);
	if (job->in_tokens && !rlk_machine_held(machine, now)) {
		rlk_table_remove(&engine->tokens, &job->token_node);
		job->in_tokens = false;
	}
	if (status == REDISLOCK_OK) {
		machine->min_replicas = engine->min_replicas;
		machine->replicas_wait = engine->replicas_wait;
		rlk_machine_acquire(machine, token, jitter, engine->connect_timeout + engine->command_timeout, now);
		if (!machine->done && !job->in_tokens) {
			job->in_tokens = rlk_table_add(&engine->tokens, &job->token_node,
			                               (struct rlk_slice) { machine->token, machine->token_length });
			status = job->in_tokens ? REDISLOCK_OK : REDISLOCK_NO_MEMORY;
		}
	}
	if (status != REDISLOCK_OK) {
		rlk_machine_abandon(machine);
		machine->done = true;
		machine->status = status;
	}
	rlk_job_settle(engine, job, now);
}

/* ---- taking note ---- */

bool rlk_jobs_ready(const struct rlk_server *server)
{
	return server->under_way.first != NULL || server->begun.first != NULL;
}

struct rlk_job *rlk_job_next_ready(struct rlk_server *server)
{
	return rlk_ready_take(server->under_way.first != NULL ? &server->under_way : &server->begun);
}

struct rlk_job *rlk_ready_take(struct rlk_ready *list)
{
	struct rlk_job *job = list->first;
	if (job != NULL) {
		list->first = job->next_ready;
		if (list->first == NULL) {
			list->last = NULL;
		}
		job->ready = NULL;
	}
	return job;
}

/* A first try comes after all that goes on: so it doesn't pass those of its own client that are about to queue. */
static void join_ready(struct rlk_server *server, struct rlk_job *job)
{
	bool is_new = job->machine.phase == RLK_TRYING && !job->machine.answered;
	bool confirms = job->machine.phase == RLK_CONFIRMING;
	struct rlk_ready *list = confirms ? &server->confirming : is_new ? &server->begun : &server->under_way;
	if (job->ready != NULL) {
		if ((job->ready == &server->confirming) == confirms) {
			return;
		}
		leave_ready(job);
	}
	job->ready = list;
	job->next_ready = NULL;
	*(list->last != NULL ? &list->last->next_ready : &list->first) = job;
	list->last = job;
}

static void set_timer(struct rlk_engine *engine, struct rlk_job *job, int64_t now)
{
	int64_t wake = rlk_machine_wake(&job->machine, now);
	rlk_timers_set(&engine->timers, &job->timer, wake > now ? wake : now + 1);
}

static void count(size_t *counter, bool *counted, bool counts)
{
	if (*counted != counts) {
		*counted = counts;
		*counter += counts ? 1 : (size_t)-1;
	}
}

void rlk_job_settle(struct rlk_engine *engine, struct rlk_job *job, int64_t now)
{
	struct rlk_machine *machine = &job->machine;
	struct rlk_server *server = job->detour != NULL ? job->detour : job->place->server;
	struct rlk_room *room = machine->room;
	bool waits = machine->phase == RLK_LISTENING || machine->phase == RLK_WAITING;
	count(&job->place->server->listeners, &job->listens, waits);
	if (machine->phase == RLK_LISTENING) {
		if (room->listening) {
			rlk_machine_listening(machine, now);
		} else {
			rlk_messages_want(job->place, now);
		}
	}
	if (machine->phase == RLK_IDLE && machine->ticket) {
		machine->ticket = false;
		rlk_orphan_cancel(engine, job, now);
	}
	bool known = machine->phase != RLK_IDLE && machine->phase != RLK_OVER;
	if (job->in_tokens && !known) {
		rlk_table_remove(&engine->tokens, &job->token_node);
		job->in_tokens = false;
	}
	count(&engine->background, &job->in_background, rlk_machine_in_background(machine));
	if (rlk_machine_ready(machine, now)) {
		join_ready(server, job);
	}
	set_timer(engine, job, now);
	struct rlk_machine *foremost = rlk_room_foremost(room);
	if (foremost != NULL && foremost != machine) {
		/* Whoever has come to the front polls more often from now on. */
		set_timer(engine, rlk_job_of(foremost), now);
	}
	if (machine->phase == RLK_OVER && !job->over && engine->job_lost != NULL) {
		engine->job_lost(engine, job);
	}
	job->over = machine->phase == RLK_OVER;
	if (machine->done && engine->job_done != NULL) {
		engine->job_done(engine, job);
	}
}

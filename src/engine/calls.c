/* SPDX-License-Identifier: MIT
 *
 * Questions outside of any lock, and the cleaning up behind locks whose owners are gone. */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKOFF_MS = 10, BACKOFF_DOUBLINGS = 6, ORPHAN_MS = 60000 };

void rlk_call_want(struct rlk_call *call, bool wanted)
{
	if (call->wanted != wanted) {
		call->wanted = wanted;
		call->server->calls_wanted += wanted ? 1 : (size_t)-1;
	}
}

bool rlk_call_start(struct rlk_engine *engine, struct rlk_call *call, int64_t deadline)
{
	if (!rlk_timers_reserve(&engine->timers)) {
		return false;
	}
	call->timer.call = call;
	call->server = rlk_engine_route(engine, call->slot);
	rlk_call_want(call, true);
	call->deadline = deadline;
	call->next = engine->calls;
	if (engine->calls != NULL) {
		engine->calls->previous = call;
	}
	engine->calls = call;
	rlk_timers_set(&engine->timers, &call->timer, deadline);
	return true;
}

/* Takes it out of the engine; an orphan ends here. */
void rlk_call_forget(struct rlk_engine *engine, struct rlk_call *call)
{
	if (call->flying) {
		rlk_line_forget(&call->server->commands, call);
	}
	rlk_call_want(call, false);
	rlk_timers_set(&engine->timers, &call->timer, RLK_NEVER);
	rlk_timers_unreserve(&engine->timers);
	*(call->previous != NULL ? &call->previous->next : &engine->calls) = call->next;
	if (call->next != NULL) {
		call->next->previous = call->previous;
	}
	if (call->orphan) {
		engine->background--;
		free(call);
	}
}

static void finish(struct rlk_engine *engine, struct rlk_call *call, int32_t status, int64_t now)
{
	bool orphan = call->orphan;
	call->done = true;
	call->status = status;
	rlk_cluster_asked(engine, call, now);
	rlk_call_forget(engine, call);
	if (!orphan && engine->call_done != NULL) {
		engine->call_done(engine, call);
	}
}

void rlk_call_tick(struct rlk_engine *engine, struct rlk_call *call, int64_t now)
{
	if (now >= call->deadline) {
		finish(engine, call, call->status != REDISLOCK_OK ? call->status : REDISLOCK_TIMEOUT, now);
	} else {
		rlk_timers_set(&engine->timers, &call->timer, call->deadline);
	}
}

void rlk_call_move(struct rlk_call *call, struct rlk_server *server)
{
	bool wanted = call->wanted;
	if (call->server == server) {
		return;
	}
	if (call->flying) {
		rlk_line_forget(&call->server->commands, call);
		call->flying = false;
		wanted = true;
	}
	rlk_call_want(call, false);
	call->server = server;
	rlk_call_want(call, wanted);
}

static void redirect(struct rlk_call *call, struct rlk_slice error, int64_t now)
{
	bool asks;
	struct rlk_server *other = rlk_cluster_redirected(call->server, error, &asks, now);
	if (other != NULL && asks) {
		rlk_call_move(call, other);
		call->asking = true;
	}
}

static void ask_again(struct rlk_engine *engine, struct rlk_call *call, int64_t at)
{
	if (call->asking) {
		call->asking = false;
		rlk_call_move(call, rlk_engine_route(engine, call->slot));
	}
	rlk_call_want(call, true);
	call->not_before = at;
	rlk_timers_set(&engine->timers, &call->timer, at < call->deadline ? at : call->deadline);
}

/* Whoever cleans up has time, and nobody to tell: a server that is full, can't save or lacks replicas may be better
 * soon. What it isn't allowed, or what is no lock's, stays so. Whoever asks, as for a cluster's slots, has neither. */
static bool is_final(const struct rlk_call *call, int32_t status, enum rlk_remedy remedy)
{
	if (call->orphan && call->script >= 0) {
		return remedy == RLK_GIVE_UP && status != REDISLOCK_SERVER && status != REDISLOCK_NOT_ENOUGH_REPLICAS;
	}
	return remedy == RLK_GIVE_UP || (call->script < 0 && status == REDISLOCK_READ_ONLY);
}

enum rlk_remedy rlk_call_answer(struct rlk_engine *engine, struct rlk_call *call, const struct rlk_value *reply,
                                size_t count, int64_t now)
{
	enum rlk_remedy remedy = RLK_GIVE_UP;
	call->flying = false;
	if (reply[0].type != RLK_ERROR) {
		int32_t status = call->take != NULL ? call->take(call, reply, count) : REDISLOCK_OK;
		if (status == RLK_ASK_AGAIN) {
			ask_again(engine, call, now);
		} else {
			finish(engine, call, status, now);
		}
		return remedy;
	}
	int32_t status = rlk_error_status(reply[0].text, &remedy);
	if (remedy == RLK_SEND_SCRIPT) {
		ask_again(engine, call, now);
		return remedy;
	}
	struct rlk_slice text = remedy == RLK_REDIRECT ? rlk_cluster_redirection(engine) : reply[0].text;
	snprintf(call->text, sizeof call->text, "%.*s", (int)text.length, text.data);
	rlk_make_printable(call->text, strlen(call->text));
	call->status = status;
	bool lone = remedy == RLK_REDIRECT && engine->cluster == NULL;
	if (lone || is_final(call, status, remedy)) {
		finish(engine, call, status, now);
	} else {
		bool redirected = remedy == RLK_REDIRECT;
		int64_t pause = redirected && call->backoff == 0 ? 0 : (int64_t)BACKOFF_MS << call->backoff;
		call->backoff += call->backoff < BACKOFF_DOUBLINGS;
		ask_again(engine, call, now + pause);
		if (redirected) {
			redirect(call, reply[0].text, now);
		}
	}
	return remedy;
}

void rlk_call_trouble(struct rlk_server *server, int32_t status, const char *text, bool final, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	for (struct rlk_call *call = engine->calls, *next; call != NULL; call = next) {
		next = call->next;
		if (call->server != server) {
			continue;
		}
		snprintf(call->text, sizeof call->text, "%s", text);
		call->status = status;
		if (final && !call->orphan) {
			finish(engine, call, status, now);
		}
	}
}

/* ---- orphans ---- */

struct orphan {
	struct rlk_call call;
	struct rlk_names names;
	char bytes[]; /* the names, the token and the label */
};

static int32_t take_done(struct rlk_call *call, const struct rlk_value *reply, size_t count)
{
	(void)call;
	return rlk_answer_parse(reply, count).outcome == RLK_MORE ? RLK_ASK_AGAIN : REDISLOCK_OK;
}

static struct orphan *orphan_new(const struct rlk_engine *engine, enum rlk_script script, struct rlk_slice name,
                                 size_t extra)
{
	size_t size = rlk_names_size(name.data, name.length);
	struct orphan *orphan = calloc(1, sizeof *orphan + size + extra);
	if (orphan != NULL) {
		rlk_names_build(&orphan->names, orphan->bytes, name.data, name.length);
		orphan->names.sharded = engine->cluster != NULL;
		orphan->call.slot = orphan->names.sharded ? rlk_names_slot(&orphan->names) : -1;
		orphan->call.orphan = true;
		orphan->call.script = (int32_t)script;
		orphan->call.take = take_done;
		rlk_words_begin(&orphan->call.words, script, false, &orphan->names);
	}
	return orphan;
}

static struct rlk_slice copy_behind(char **at, struct rlk_slice bytes)
{
	struct rlk_slice copy = { *at, bytes.length };
	if (bytes.length > 0) {
		memcpy(*at, bytes.data, bytes.length);
	}
	*at += bytes.length;
	return copy;
}

static void orphan_start(struct rlk_engine *engine, struct orphan *orphan, int64_t now)
{
	engine->background++;
	if (!rlk_call_start(engine, &orphan->call, now + ORPHAN_MS)) {
		/* The ticket or the lock ends by itself, later. */
		engine->background--;
		free(orphan);
	}
}

void rlk_orphan_cancel(struct rlk_engine *engine, const struct rlk_job *job, int64_t now)
{
	const struct rlk_machine *machine = &job->machine;
	struct rlk_slice name = machine->room->names.name;
	struct orphan *orphan = orphan_new(engine, RLK_CANCEL, name, machine->token_length + machine->label.length);
	if (orphan == NULL) {
		return;
	}
	char *at = orphan->bytes + rlk_names_size(name.data, name.length);
	struct rlk_words *words = &orphan->call.words;
	rlk_words_add(words, copy_behind(&at, (struct rlk_slice) { machine->token, machine->token_length }));
	rlk_words_add_number(words, machine->handoff);
	rlk_words_add(words, machine->room->client);
	rlk_words_add(words, copy_behind(&at, machine->label));
	orphan_start(engine, orphan, now);
}

void rlk_orphan_unlock(struct rlk_engine *engine, const struct rlk_grant *grant, int64_t now)
{
	struct orphan *orphan = orphan_new(engine, RLK_UNLOCK, grant->name, grant->token.length);
	if (orphan == NULL) {
		return;
	}
	char *at = orphan->bytes + rlk_names_size(grant->name.data, grant->name.length);
	rlk_words_add(&orphan->call.words, copy_behind(&at, grant->token));
	rlk_words_add(&orphan->call.words, RLK_LITERAL("1"));
	orphan_start(engine, orphan, now);
}

/* SPDX-License-Identifier: MIT */
#include "store.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_TTL = 60000, FIRST_ARGUMENT = 6 };

void store_init(struct store *store)
{
	memset(store, 0, sizeof *store);
	store->pending = STORE_NOBODY;
}

void store_lose_everything(struct store *store)
{
	store->owner = 0;
	store->waiting = 0;
	store->fence = 0;
	store->issued = 0;
	store->pending = STORE_NOBODY;
}

/* ---- reading commands ---- */

static bool is(struct rlk_slice word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.data, text, word.length) == 0;
}

static int64_t number_in(struct rlk_slice word, const char *prefix)
{
	char text[32];
	size_t skipped = strlen(prefix);
	assert_true(word.length > skipped && word.length - skipped < sizeof text);
	assert_memory_equal(word.data, prefix, skipped);
	memcpy(text, word.data + skipped, word.length - skipped);
	text[word.length - skipped] = '\0';
	return strtoll(text, NULL, 10);
}

struct store_request store_read(enum rlk_script script, const struct rlk_words *words)
{
	const struct rlk_slice *argument = words->word + (script == RLK_RENEW ? 4 : FIRST_ARGUMENT);
	struct store_request request = { .script = script, .token = (int)number_in(argument[0], "token-") };
	assert_true(is(words->word[3], "foo"));
	if (script != RLK_RENEW) {
		assert_true(is(words->word[4], "rlock-queue:{foo}:foo"));
		assert_true(is(words->word[5], "rlock-state:{foo}:foo"));
	}
	switch (script) {
	case RLK_LOCK:
		request.ttl = number_in(argument[1], "");
		request.handoff = number_in(argument[2], "");
		request.mode = (int)number_in(argument[3], "");
		request.client = (int)number_in(argument[4], "client-");
		break;
	case RLK_CANCEL:
		request.handoff = number_in(argument[1], "");
		request.client = (int)number_in(argument[2], "client-");
		break;
	case RLK_UNLOCK:
		request.mode = (int)number_in(argument[1], "");
		break;
	case RLK_EXTEND:
		request.ttl = number_in(argument[1], "");
		request.fence = (uint64_t)number_in(argument[2], "");
		break;
	default:
		request.ttl = number_in(argument[1], "");
		assert_true(request.ttl > 0);
		break;
	}
	return request;
}

/* ---- what the scripts share ---- */

void store_expire(struct store *store)
{
	if (store->owner != 0 && store->now >= store->expires_at) {
		store->owner = 0;
	}
	if (store->now >= store->queue_expires_at) {
		store->waiting = 0;
	}
}

static uint64_t later(struct store *store)
{
	uint64_t time = (uint64_t)store->now * 1000 + (uint64_t)(store->ticks++ % 1000);
	uint64_t fence = time > store->fence ? time : store->fence + 1;
	assert_true(fence > store->highest);
	store->highest = fence;
	return fence;
}

static size_t find(const struct store *store, struct store_ticket ticket)
{
	size_t at = 0;
	while (at < store->waiting &&
	       (store->queue[at].token != ticket.token || store->queue[at].client != ticket.client ||
	        store->queue[at].handoff != ticket.handoff)) {
		at++;
	}
	return at;
}

static void take_out(struct store *store, size_t at)
{
	if (at < store->waiting) {
		store->waiting--;
		memmove(store->queue + at, store->queue + at + 1, (store->waiting - at) * sizeof store->queue[0]);
	}
}

static void put_last(struct store *store, struct store_ticket ticket)
{
	assert_true(store->waiting < STORE_TICKETS);
	store->queue[store->waiting++] = ticket;
}

static void set_owner(struct store *store, int token, int64_t ttl)
{
	store->owner = token;
	store->expires_at = store->now + ttl;
}

/* The first of the queue is mine or has a client that listens; those before it are gone. */
static bool first_living(struct store *store, const struct store_ticket *mine)
{
	while (store->waiting > 0 && !(mine != NULL && find(store, *mine) == 0) &&
	       !store->listens(store->context, store->queue[0].client)) {
		take_out(store, 0);
	}
	return store->waiting > 0;
}

static void hand_to_first(struct store *store)
{
	struct store_ticket ticket = store->queue[0];
	char message[96];
	take_out(store, 0);
	set_owner(store, ticket.token, ticket.handoff);
	store->fence = later(store);
	store->issued = ticket.token;
	store->pending = ticket.client;
	snprintf(message, sizeof message, "grant token-%d %llu %lld foo", ticket.token,
	         (unsigned long long)store->fence, (long long)ticket.handoff);
	store->grant(store->context, ticket.client, message);
}

static void hand_over(struct store *store, bool unacknowledged)
{
	if (first_living(store, NULL)) {
		hand_to_first(store);
		return;
	}
	store->owner = 0;
	if (unacknowledged) {
		store->pending = STORE_NOBODY;
	}
	store->released(store->context);
}

/* ---- the scripts ---- */

static size_t answer_numbers(struct rlk_value *reply, size_t count, const int64_t *numbers)
{
	reply[0] = (struct rlk_value) { .type = RLK_ARRAY, .integer = (int64_t)count };
	for (size_t i = 0; i < count; i++) {
		reply[1 + i] = (struct rlk_value) { .type = RLK_INTEGER, .integer = numbers[i] };
	}
	return 1 + count;
}

/* One of the plain answers. */
static size_t answer_number(struct rlk_value *reply, int64_t number)
{
	*reply = (struct rlk_value) { .type = RLK_INTEGER, .integer = number };
	return 1;
}

/* Held: the fence as text. Far fewer answers than that are on their way at once. */
static size_t answer_held(struct rlk_value *reply, uint64_t fence)
{
	static char texts[1024][24];
	static size_t next;
	char *text = texts[next++ % 1024];
	*reply = (struct rlk_value) { .type = RLK_STRING, .text = { text, rlk_decimal(text, (int64_t)fence) } };
	return 1;
}

#define ANSWER(reply, ...)                                                                                             \
	answer_numbers(reply, sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t), (const int64_t[]) { __VA_ARGS__ })

static size_t take(struct store *store, int token, int64_t ttl, struct rlk_value *reply)
{
	set_owner(store, token, ttl);
	store->fence = later(store);
	store->issued = token;
	store->pending = STORE_NOBODY;
	return answer_held(reply, store->fence);
}

/* A hand-off ran out: its client is cut off or paused, so all that it waits for goes to the end. */
static void requeue(struct store *store, int client)
{
	for (size_t at = 0, left = store->waiting; left > 0; left--) {
		if (store->queue[at].client == client) {
			struct store_ticket ticket = store->queue[at];
			take_out(store, at);
			put_last(store, ticket);
		} else {
			at++;
		}
	}
}

static size_t lock(struct store *store, const struct store_request *request, struct rlk_value *reply)
{
	int64_t ttl = request->ttl > 0 ? request->ttl : request->handoff;
	struct store_ticket ticket = { request->token, request->client, request->handoff };
	if (store->owner == request->token) {
		if (store->issued != request->token) {
			store->fence = later(store);
		}
		if (store->expires_at < store->now + ttl) {
			store->expires_at = store->now + ttl;
		}
		store->issued = request->token;
		store->pending = STORE_NOBODY;
		return answer_held(reply, store->fence);
	}
	if (store->owner == 0) {
		if (store->pending != STORE_NOBODY && store->pending != request->client) {
			requeue(store, store->pending);
		}
		bool somebody = first_living(store, &ticket);
		if (!somebody || find(store, ticket) == 0) {
			take_out(store, find(store, ticket));
			return take(store, request->token, ttl, reply);
		}
		hand_to_first(store);
	}
	int64_t remaining = store->expires_at == RLK_NEVER ? -1 : store->expires_at - store->now;
	if (request->mode == 1) {
		size_t at = find(store, ticket);
		bool new = at == store->waiting;
		if (new) {
			put_last(store, ticket);
		}
		store->queue_expires_at = store->now + QUEUE_TTL;
		return ANSWER(reply, 2, remaining, (int64_t)at, (int64_t)store->fence, new);
	}
	if (request->mode == 2) {
		take_out(store, find(store, ticket));
	}
	return ANSWER(reply, 3, remaining, (int64_t)store->waiting, (int64_t)store->fence);
}

static size_t extend(struct store *store, const struct store_request *request, struct rlk_value *reply)
{
	bool another =
	        request->script == RLK_EXTEND && store->issued == request->token && store->fence != request->fence;
	if (store->owner != request->token || another) {
		return answer_number(reply, 0);
	}
	if (request->ttl < 0) {
		store->expires_at = RLK_NEVER;
	} else {
		set_owner(store, request->token, request->ttl);
	}
	if (request->script == RLK_EXTEND && store->issued == request->token) {
		store->pending = STORE_NOBODY;
	}
	return answer_number(reply, 1);
}

size_t store_execute(struct store *store, const struct store_request *request, struct rlk_value reply[STORE_REPLY])
{
	struct store_ticket ticket = { request->token, request->client, request->handoff };
	bool mine = (store_expire(store), store->owner == request->token);
	switch (request->script) {
	case RLK_LOCK:
		return lock(store, request, reply);
	case RLK_UNLOCK:
		if (!mine) {
			return answer_number(reply, 0);
		}
		hand_over(store, request->mode == 1);
		return answer_number(reply, 1);
	case RLK_CANCEL:
		take_out(store, find(store, ticket));
		if (mine) {
			hand_over(store, true);
		}
		return answer_number(reply, 1);
	default:
		return extend(store, request, reply);
	}
}

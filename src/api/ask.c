/* SPDX-License-Identifier: MIT
 *
 * Questions to the server outside of any lock, in both forms: asked and waited for, or asked and answered by an event.
 */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void inquiry_free(struct rlk_question *question)
{
	struct rlk_inquiry *inquiry = (struct rlk_inquiry *)(void *)question; /* its first member */
	redislock_info_free(inquiry->info);
	free(inquiry);
}

struct rlk_inquiry *rlk_inquiry_new(const redislock_client *client, int32_t script, const void *name, size_t length,
                                    int32_t (*take)(struct rlk_call *call, const struct rlk_value *reply, size_t count))
{
	struct rlk_inquiry *inquiry = calloc(1, sizeof *inquiry + (length > 0 ? rlk_names_size(name, length) : 0));
	if (inquiry != NULL) {
		struct rlk_call *call = &inquiry->question.call;
		call->script = script;
		call->slot = -1;
		call->take = take;
		inquiry->question.free = inquiry_free;
		if (length > 0) {
			rlk_names_build(&inquiry->names, inquiry->bytes, name, length);
			if (client->driver.engine.cluster != NULL) {
				inquiry->names.sharded = true;
				call->slot = rlk_names_slot(&inquiry->names);
			}
			rlk_words_begin(&call->words, (enum rlk_script)script, false, &inquiry->names);
		}
	}
	return inquiry;
}

static int64_t patience(const redislock_client *client)
{
	const struct rlk_engine *engine = &client->driver.engine;
	return engine->command_timeout + (rlk_engine_connected(engine) ? 0 : engine->connect_timeout);
}

int32_t rlk_client_ask(redislock_client *client, struct rlk_inquiry *inquiry)
{
	int32_t status = rlk_client_enter(client, true, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_call *call = inquiry != NULL ? &inquiry->question.call : NULL;
	if (call == NULL || !rlk_call_start(&client->driver.engine, call, rlk_now() + patience(client))) {
		return rlk_client_leave(client, REDISLOCK_NO_MEMORY);
	}
	status = rlk_blocking_run_call(&client->blocking, call);
	if (status < 0) {
		rlk_driver_enter(&client->driver);
		rlk_text_copy(call->text[0] != '\0' ? call->text : redislock_strerror(status), client->text,
		              sizeof client->text);
		rlk_driver_leave(&client->driver);
	}
	return status;
}

int32_t rlk_client_start_ask(redislock_client *client, struct rlk_inquiry *inquiry, uint64_t tag)
{
	int32_t status = rlk_client_enter(client, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		free(inquiry);
		return status;
	}
	status = REDISLOCK_NO_MEMORY;
	if (inquiry != NULL) {
		inquiry->question.notice.tag = tag;
		status = rlk_loop_ask(&client->loop, &inquiry->question, patience(client));
	}
	if (status != REDISLOCK_OK) {
		free(inquiry);
	}
	return rlk_client_leave(client, status);
}

/* ---- ping ---- */

static int32_t take_pong(struct rlk_call *call, const struct rlk_value *reply, size_t count)
{
	if (count == 1 && reply[0].type == RLK_STRING) {
		return REDISLOCK_OK;
	}
	snprintf(call->text, sizeof call->text, "the server's answer to PING is none");
	return REDISLOCK_PROTOCOL;
}

static struct rlk_inquiry *ping_new(const redislock_client *client)
{
	struct rlk_inquiry *inquiry = rlk_inquiry_new(client, -1, NULL, 0, take_pong);
	if (inquiry != NULL) {
		rlk_words_add(&inquiry->question.call.words, RLK_LITERAL("PING"));
	}
	return inquiry;
}

RLK_EXPORT int32_t redislock_client_ping(redislock_client *client)
{
	if (client == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	struct rlk_inquiry *inquiry = ping_new(client);
	int32_t status = rlk_client_ask(client, inquiry);
	free(inquiry);
	return status;
}

RLK_EXPORT int32_t redislock_client_start_ping(redislock_client *client, uint64_t tag)
{
	return client != NULL ? rlk_client_start_ask(client, ping_new(client), tag) : REDISLOCK_INVALID_ARGUMENT;
}

RLK_EXPORT int32_t redislock_client_connect(redislock_client *client)
{
	int32_t status = rlk_client_enter(client, true, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	bool up = rlk_engine_connected(&client->driver.engine);
	rlk_client_leave(client, REDISLOCK_OK);
	return up ? REDISLOCK_OK : redislock_client_ping(client);
}

/* ---- break ---- */

static int32_t take_broken(struct rlk_call *call, const struct rlk_value *reply, size_t count)
{
	switch (rlk_answer_parse(reply, count).outcome) {
	case RLK_HELD:
		return REDISLOCK_OK;
	case RLK_NOT_MINE:
		return REDISLOCK_NOT_LOCKED;
	case RLK_MORE:
		return RLK_ASK_AGAIN;
	default:
		snprintf(call->text, sizeof call->text, "the server's answer is none of the script's");
		return REDISLOCK_PROTOCOL;
	}
}

static bool break_valid(redislock_client *client, const void *name, size_t name_length, const char *token,
                        size_t token_length)
{
	bool any = token == NULL && token_length == 0;
	return client != NULL && rlk_name_fits(client, name, name_length) &&
	       (any || rlk_token_valid(token, token_length));
}

static struct rlk_inquiry *break_new(const redislock_client *client, const void *name, size_t name_length,
                                     const char *token, size_t token_length)
{
	struct rlk_inquiry *inquiry = rlk_inquiry_new(client, RLK_BREAK, name, name_length, take_broken);
	if (inquiry != NULL) {
		if (token != NULL) {
			memcpy(inquiry->token, token, token_length);
		}
		rlk_words_add(&inquiry->question.call.words, (struct rlk_slice) { inquiry->token, token_length });
	}
	return inquiry;
}

RLK_EXPORT int32_t redislock_client_break(redislock_client *client, const void *name, size_t name_length,
                                          const char *token, size_t token_length)
{
	if (!break_valid(client, name, name_length, token, token_length)) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	struct rlk_inquiry *inquiry = break_new(client, name, name_length, token, token_length);
	int32_t status = rlk_client_ask(client, inquiry);
	free(inquiry);
	return status;
}

RLK_EXPORT int32_t redislock_client_start_break(redislock_client *client, const void *name, size_t name_length,
                                                const char *token, size_t token_length, uint64_t tag)
{
	if (!break_valid(client, name, name_length, token, token_length)) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	return rlk_client_start_ask(client, break_new(client, name, name_length, token, token_length), tag);
}

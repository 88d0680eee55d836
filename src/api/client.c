/* SPDX-License-Identifier: MIT
 *
 * The client's handle. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TEXT_MAX = 4096, CLIENT_NAME_MAX = 255 };

RLK_EXPORT int32_t redislock_client_new(const char *url, redislock_client **client)
{
	if (client == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*client = NULL;
	if (url == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	redislock_client *made = calloc(1, sizeof *made);
	if (made == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	int32_t status = rlk_driver_init(&made->driver, url);
	if (status != REDISLOCK_OK) {
		free(made);
		return status;
	}
	atomic_init(&made->references, 1);
	made->generation = rlk_generation();
	*client = made;
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_url_error(const char *url, char *text, size_t size)
{
	struct rlk_address address;
	if (url == NULL || text == NULL || size == 0) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	text[0] = '\0';
	int32_t status = rlk_address_parse(url, &address, text, size);
	rlk_address_clear(&address);
	return status;
}

void rlk_client_retain(redislock_client *client)
{
	atomic_fetch_add(&client->references, 1);
}

void rlk_client_release(redislock_client *client)
{
	if (atomic_fetch_sub(&client->references, 1) == 1) {
		rlk_driver_clear(&client->driver, rlk_forked(client));
		free(client);
	}
}

RLK_EXPORT void redislock_client_free(redislock_client *client)
{
	if (client != NULL) {
		rlk_client_release(client);
	}
}

/* ---- setters ---- */

static int32_t enter(redislock_client *client, bool valid)
{
	if (client == NULL || !valid) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(client)) {
		return REDISLOCK_FORKED;
	}
	rlk_driver_enter(&client->driver);
	return REDISLOCK_OK;
}

static int32_t leave(redislock_client *client, int32_t status)
{
	rlk_driver_leave(&client->driver);
	return status;
}

RLK_EXPORT int32_t redislock_client_set_connect_timeout_ms(redislock_client *client, int64_t timeout_ms)
{
	int32_t status = enter(client, rlk_duration_valid(timeout_ms, 1, INT32_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->driver.engine.connect_timeout = timeout_ms;
	return leave(client, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_client_set_command_timeout_ms(redislock_client *client, int64_t timeout_ms)
{
	int32_t status = enter(client, rlk_duration_valid(timeout_ms, 1, INT32_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->driver.engine.command_timeout = timeout_ms;
	return leave(client, REDISLOCK_OK);
}

static bool client_name_valid(const char *name)
{
	size_t length = strnlen(name, CLIENT_NAME_MAX + 1);
	for (size_t i = 0; i < length; i++) {
		if (name[i] < '!' || name[i] > '~') {
			return false;
		}
	}
	return length <= CLIENT_NAME_MAX;
}

RLK_EXPORT int32_t redislock_client_set_name(redislock_client *client, const char *name)
{
	int32_t status = enter(client, name == NULL || client_name_valid(name));
	if (status != REDISLOCK_OK) {
		return status;
	}
	bool none = name == NULL || name[0] == '\0';
	return leave(client, rlk_address_set(&client->driver.engine.address.client_name, none ? NULL : name));
}

RLK_EXPORT int32_t redislock_client_set_credentials(redislock_client *client, const char *user, const char *password)
{
	bool named = user != NULL && user[0] != '\0';
	bool valid = (password != NULL || !named) && (user == NULL || strnlen(user, TEXT_MAX + 1) <= TEXT_MAX) &&
	             (password == NULL || strnlen(password, TEXT_MAX + 1) <= TEXT_MAX);
	int32_t status = enter(client, valid);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_address *address = &client->driver.engine.address;
	char *copy = NULL;
	/* Both or none. */
	status = rlk_address_set(&copy, named ? user : NULL);
	if (status == REDISLOCK_OK) {
		status = rlk_address_set(&address->password, password);
	}
	if (status == REDISLOCK_OK) {
		char *old = address->user;
		address->user = copy;
		copy = old;
	}
	rlk_address_set(&copy, NULL);
	return leave(client, status);
}

RLK_EXPORT int32_t redislock_client_set_interruptible(redislock_client *client, int32_t on)
{
	int32_t status = enter(client, on == 0 || on == 1);
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->driver.interruptible = on == 1;
	return leave(client, REDISLOCK_OK);
}

/* ---- calls ---- */

int32_t rlk_client_ask(redislock_client *client, struct rlk_call *call)
{
	struct rlk_engine *engine = &client->driver.engine;
	int32_t status = enter(client, true);
	if (status != REDISLOCK_OK) {
		return status;
	}
	int64_t patience = engine->command_timeout + (engine->commands.up ? 0 : engine->connect_timeout);
	if (!rlk_call_start(engine, call, rlk_now() + patience)) {
		return leave(client, REDISLOCK_NO_MEMORY);
	}
	status = rlk_driver_run_call(&client->driver, call);
	if (status < 0) {
		rlk_driver_enter(&client->driver);
		snprintf(client->text, sizeof client->text, "%s",
		         call->text[0] != '\0' ? call->text : redislock_strerror(status));
		rlk_driver_leave(&client->driver);
	}
	return status;
}

static int32_t take_pong(struct rlk_call *call, const struct rlk_value *reply, size_t count)
{
	if (count == 1 && reply[0].type == RLK_STRING) {
		return REDISLOCK_OK;
	}
	snprintf(call->text, sizeof call->text, "the server's answer to PING is none");
	return REDISLOCK_PROTOCOL;
}

RLK_EXPORT int32_t redislock_client_ping(redislock_client *client)
{
	struct rlk_call call = { .script = -1, .take = take_pong };
	if (client == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	rlk_words_add(&call.words, RLK_LITERAL("PING"));
	return rlk_client_ask(client, &call);
}

RLK_EXPORT int32_t redislock_client_connect(redislock_client *client)
{
	int32_t status = enter(client, true);
	if (status != REDISLOCK_OK) {
		return status;
	}
	bool up = client->driver.engine.commands.up;
	rlk_driver_leave(&client->driver);
	return up ? REDISLOCK_OK : redislock_client_ping(client);
}

RLK_EXPORT int32_t redislock_client_interrupt(redislock_client *client)
{
	if (client == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(client)) {
		return REDISLOCK_FORKED;
	}
	rlk_driver_interrupt(&client->driver, &client->driver.interrupts);
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_client_lost_fd(redislock_client *client)
{
	int32_t status = enter(client, true);
	if (status != REDISLOCK_OK) {
		return status;
	}
	int fd = atomic_load(&client->driver.lost_fd);
	if (fd < 0) {
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		atomic_store(&client->driver.lost_fd, fd);
	}
	return leave(client, fd >= 0 ? fd : REDISLOCK_NO_MEMORY);
}

RLK_EXPORT int32_t redislock_client_error(redislock_client *client, char *text, size_t size)
{
	int32_t status = enter(client, text != NULL && size > 0);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return leave(client, rlk_text_copy(client->text, text, size));
}

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

RLK_EXPORT int32_t redislock_client_break(redislock_client *client, const void *name, size_t name_length,
                                          const char *token, size_t token_length)
{
	bool any = token == NULL && token_length == 0;
	if (client == NULL || !rlk_name_valid(name, name_length) || (!any && !rlk_token_valid(token, token_length))) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	char *buffer = malloc(rlk_names_size(name, name_length));
	if (buffer == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	struct rlk_names names;
	struct rlk_call call = { .script = RLK_BREAK, .take = take_broken };
	rlk_names_build(&names, buffer, name, name_length);
	rlk_words_begin(&call.words, RLK_BREAK, false, &names);
	rlk_words_add(&call.words, any ? RLK_LITERAL("") : (struct rlk_slice) { token, token_length });
	int32_t status = rlk_client_ask(client, &call);
	free(buffer);
	return status;
}

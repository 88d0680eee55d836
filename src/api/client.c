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

static int32_t make(const char *url, enum rlk_form form, redislock_client **client)
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
	int32_t status =
	        form == RLK_BLOCKING ? rlk_blocking_init(&made->blocking, url) : rlk_loop_init(&made->loop, url);
	if (status != REDISLOCK_OK) {
		free(made);
		return status;
	}
	atomic_init(&made->references, 1);
	made->form = form;
	made->generation = rlk_generation();
	*client = made;
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_client_new(const char *url, redislock_client **client)
{
	return make(url, RLK_BLOCKING, client);
}

RLK_EXPORT int32_t redislock_client_new_eventloop(const char *url, redislock_client **client)
{
	return make(url, RLK_EVENTLOOP, client);
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
		if (client->form == RLK_BLOCKING) {
			rlk_blocking_clear(&client->blocking, rlk_forked(client));
		} else {
			rlk_loop_clear(&client->loop, rlk_forked(client));
		}
		redislock_info_free(client->event.info);
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

int32_t rlk_client_enter(redislock_client *client, bool valid, enum rlk_form form)
{
	if (client == NULL || !valid) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(client)) {
		return REDISLOCK_FORKED;
	}
	if (form != RLK_EITHER && form != client->form) {
		return REDISLOCK_WRONG_MODE;
	}
	rlk_driver_enter(&client->driver);
	return REDISLOCK_OK;
}

int32_t rlk_client_leave(redislock_client *client, int32_t status)
{
	if (status < 0) {
		rlk_text_copy(redislock_strerror(status), client->text, sizeof client->text);
	}
	rlk_driver_leave(&client->driver);
	return status;
}

RLK_EXPORT int32_t redislock_client_set_connect_timeout_ms(redislock_client *client, int64_t timeout_ms)
{
	int32_t status = rlk_client_enter(client, rlk_duration_valid(timeout_ms, 1, INT32_MAX), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->driver.engine.connect_timeout = timeout_ms;
	return rlk_client_leave(client, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_client_set_command_timeout_ms(redislock_client *client, int64_t timeout_ms)
{
	int32_t status = rlk_client_enter(client, rlk_duration_valid(timeout_ms, 1, INT32_MAX), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->driver.engine.command_timeout = timeout_ms;
	return rlk_client_leave(client, REDISLOCK_OK);
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
	int32_t status = rlk_client_enter(client, name == NULL || client_name_valid(name), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	bool none = name == NULL || name[0] == '\0';
	return rlk_client_leave(client,
	                        rlk_address_set(&client->driver.engine.address.client_name, none ? NULL : name));
}

static bool credentials_valid(const char *user, const char *password)
{
	bool named = user != NULL && user[0] != '\0';
	return (password != NULL || !named) && (user == NULL || strnlen(user, TEXT_MAX + 1) <= TEXT_MAX) &&
	       (password == NULL || strnlen(password, TEXT_MAX + 1) <= TEXT_MAX);
}

/* Both or none. */
static int32_t set_credentials(char **own_user, const char *user, struct rlk_secret *own_password, const char *password)
{
	bool named = user != NULL && user[0] != '\0';
	char *copy = NULL;
	int32_t status = rlk_address_set(&copy, named ? user : NULL);
	if (status == REDISLOCK_OK) {
		status = rlk_secret_set(own_password, password);
	}
	if (status == REDISLOCK_OK) {
		char *old = *own_user;
		*own_user = copy;
		copy = old;
	}
	rlk_address_set(&copy, NULL);
	return status;
}

RLK_EXPORT int32_t redislock_client_set_credentials(redislock_client *client, const char *user, const char *password)
{
	int32_t status = rlk_client_enter(client, credentials_valid(user, password), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_address *address = &client->driver.engine.address;
	return rlk_client_leave(client, set_credentials(&address->user, user, &address->password, password));
}

RLK_EXPORT int32_t redislock_client_set_sentinel_credentials(redislock_client *client, const char *user,
                                                             const char *password)
{
	int32_t status = rlk_client_enter(client, credentials_valid(user, password), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_sentinels *sentinels = &client->driver.engine.address.sentinels;
	status = sentinels->service == NULL ? REDISLOCK_INVALID_ARGUMENT
	                                    : set_credentials(&sentinels->user, user, &sentinels->password, password);
	return rlk_client_leave(client, status);
}

RLK_EXPORT int32_t redislock_client_set_min_replicas(redislock_client *client, int32_t replicas, int64_t timeout_ms)
{
	bool valid = replicas == 0 || (replicas > 0 && rlk_duration_valid(timeout_ms, 1, INT32_MAX));
	int32_t status = rlk_client_enter(client, valid, RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->driver.engine.min_replicas = replicas;
	client->driver.engine.replicas_wait = timeout_ms;
	return rlk_client_leave(client, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_client_set_interruptible(redislock_client *client, int32_t on)
{
	int32_t status = rlk_client_enter(client, on == 0 || on == 1, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->blocking.interruptible = on == 1;
	return rlk_client_leave(client, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_client_interrupt(redislock_client *client)
{
	if (client == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(client)) {
		return REDISLOCK_FORKED;
	}
	if (client->form != RLK_BLOCKING) {
		return REDISLOCK_WRONG_MODE;
	}
	rlk_blocking_interrupt(&client->blocking, &client->blocking.interrupts);
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_client_lost_fd(redislock_client *client)
{
	int32_t status = rlk_client_enter(client, true, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	int fd = atomic_load(&client->blocking.lost_fd);
	if (fd < 0) {
		fd = eventfd(client->blocking.lost_already, EFD_CLOEXEC | EFD_NONBLOCK);
		atomic_store(&client->blocking.lost_fd, fd);
	}
	return rlk_client_leave(client, fd >= 0 ? fd : REDISLOCK_NO_MEMORY);
}

RLK_EXPORT int32_t redislock_client_error(redislock_client *client, char *text, size_t size)
{
	int32_t status = rlk_client_enter(client, text != NULL && size > 0, RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return rlk_client_leave(client, rlk_text_copy(client->text, text, size));
}

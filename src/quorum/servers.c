/* SPDX-License-Identifier: MIT
 *
 * The servers of a quorum, and its handle. */
#include "quorum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TIMEOUT_MS = 500, WHERE_MAX = 300 };

static int32_t make(enum rlk_form form, redislock_quorum **quorum)
{
	if (quorum == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*quorum = NULL;
	redislock_quorum *made = calloc(1, sizeof *made);
	if (made == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	if (!rlk_turn_init(made)) {
		rlk_turn_clear(made);
		free(made);
		return REDISLOCK_NO_MEMORY;
	}
	pthread_mutex_init(&made->mutex, NULL);
	atomic_init(&made->references, 1);
	atomic_init(&made->interrupts, 0);
	atomic_init(&made->ends, false);
	made->form = form;
	made->generation = rlk_generation();
	made->timeout = TIMEOUT_MS;
	made->random.used = sizeof made->random.pool;
	made->lost_fd = -1;
	*quorum = made;
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_quorum_new(redislock_quorum **quorum)
{
	return make(RLK_BLOCKING, quorum);
}

RLK_EXPORT int32_t redislock_quorum_new_eventloop(redislock_quorum **quorum)
{
	return make(RLK_EVENTLOOP, quorum);
}

bool rlk_quorum_forked(const redislock_quorum *quorum)
{
	return quorum->generation != rlk_generation();
}

void rlk_quorum_release(redislock_quorum *quorum)
{
	if (atomic_fetch_sub(&quorum->references, 1) != 1) {
		return;
	}
	if (!rlk_quorum_forked(quorum)) {
		rlk_quorum_end_thread(quorum);
		pthread_mutex_destroy(&quorum->mutex);
	}
	for (size_t i = 0; i < quorum->count; i++) {
		redislock_client_free(quorum->members[i].client);
		free(quorum->members[i].where);
	}
	if (quorum->lost_fd >= 0) {
		close(quorum->lost_fd);
	}
	rlk_turn_clear(quorum);
	free(quorum);
}

RLK_EXPORT void redislock_quorum_free(redislock_quorum *quorum)
{
	if (quorum != NULL) {
		rlk_quorum_release(quorum);
	}
}

int32_t rlk_quorum_enter(redislock_quorum *quorum, bool valid, enum rlk_form form)
{
	if (quorum == NULL || !valid) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_quorum_forked(quorum)) {
		return REDISLOCK_FORKED;
	}
	if (form != RLK_EITHER && form != quorum->form) {
		return REDISLOCK_WRONG_MODE;
	}
	pthread_mutex_lock(&quorum->mutex);
	return REDISLOCK_OK;
}

int32_t rlk_quorum_leave(redislock_quorum *quorum, int32_t status)
{
	rlk_turn_refresh(quorum);
	pthread_mutex_unlock(&quorum->mutex);
	return status;
}

/* ---- the servers ---- */

static char *where(const struct rlk_address *address)
{
	char text[WHERE_MAX];
	if (address->path != NULL) {
		snprintf(text, sizeof text, "%s", address->path);
	} else {
		snprintf(text, sizeof text, strchr(address->host, ':') != NULL ? "[%s]:%u" : "%s:%u", address->host,
		         (unsigned)address->port);
	}
	return strdup(text);
}

/* A server that had two votes would be no majority's. Two databases of one server are one server. */
static bool known(const redislock_quorum *quorum, const char *place)
{
	for (size_t i = 0; i < quorum->count; i++) {
		if (strcmp(quorum->members[i].where, place) == 0) {
			return true;
		}
	}
	return false;
}

static int32_t add(redislock_quorum *quorum, redislock_client *client)
{
	struct rlk_member *member = &quorum->members[quorum->count];
	char *place = where(&client->driver.engine.address);
	if (place == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	if (known(quorum, place)) {
		free(place);
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*member = (struct rlk_member) { .client = client, .where = place };
	if (!rlk_turn_watch(quorum, quorum->count)) {
		free(place);
		return REDISLOCK_NO_MEMORY;
	}
	redislock_client_set_connect_timeout_ms(client, quorum->timeout);
	redislock_client_set_command_timeout_ms(client, quorum->timeout);
	quorum->count++;
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_quorum_add_server(redislock_quorum *quorum, const char *url)
{
	redislock_client *client;
	int32_t status = rlk_quorum_enter(quorum, url != NULL, RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	if (quorum->locks != NULL) {
		return rlk_quorum_leave(quorum, REDISLOCK_IN_USE);
	}
	if (quorum->count == RLK_SERVERS_MAX) {
		return rlk_quorum_leave(quorum, REDISLOCK_INVALID_ARGUMENT);
	}
	status = redislock_client_new_eventloop(url, &client);
	if (status == REDISLOCK_OK) {
		status = add(quorum, client);
		if (status != REDISLOCK_OK) {
			redislock_client_free(client);
		}
	}
	return rlk_quorum_leave(quorum, status);
}

RLK_EXPORT int32_t redislock_quorum_set_server_timeout_ms(redislock_quorum *quorum, int64_t timeout_ms)
{
	int32_t status = rlk_quorum_enter(quorum, rlk_duration_valid(timeout_ms, 1, INT32_MAX), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	quorum->timeout = timeout_ms;
	for (size_t i = 0; i < quorum->count; i++) {
		redislock_client_set_connect_timeout_ms(quorum->members[i].client, timeout_ms);
		redislock_client_set_command_timeout_ms(quorum->members[i].client, timeout_ms);
	}
	return rlk_quorum_leave(quorum, REDISLOCK_OK);
}

/* SPDX-License-Identifier: MIT
 *
 * A walk over the names that are locked: their state keys are scanned, and each is looked at. */
#include "api.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATTERN_MAX = 4096, CURSOR_MAX = 24 };

struct redislock_list {
	redislock_client *client;
	char *pattern; /* NULL: every name */
	char *match;   /* the same for the keys, as far as the server can tell */
	char cursor[CURSOR_MAX + 1];
	bool last; /* the cursor has come round */
	/* In a cluster one server is walked after the other, by their slots. */
	int32_t slot;                /* whose owner is being walked; -1: it is no cluster */
	char host[RLK_HOST_MAX + 1]; /* where the cursor is from */
	uint16_t port;
	uint8_t seen[RLK_SLOTS / 8];
	char *names; /* of this step, each behind its length */
	size_t size, at;
};

RLK_EXPORT int32_t redislock_list_new(redislock_client *client, const char *pattern, redislock_list **list)
{
	if (list == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*list = NULL;
	if (client == NULL || (pattern != NULL && strnlen(pattern, PATTERN_MAX + 1) > PATTERN_MAX)) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (rlk_forked(client)) {
		return REDISLOCK_FORKED;
	}
	if (client->form != RLK_BLOCKING) {
		return REDISLOCK_WRONG_MODE;
	}
	redislock_list *made = calloc(1, sizeof *made);
	if (made == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	static const char match[] = RLK_STATE_PREFIX "{*}:";
	const char *names = pattern != NULL ? pattern : "*";
	made->pattern = pattern != NULL ? strdup(pattern) : NULL;
	made->match = malloc(sizeof match + strlen(names));
	if (made->match == NULL || (pattern != NULL && made->pattern == NULL)) {
		free(made->pattern);
		free(made->match);
		free(made);
		return REDISLOCK_NO_MEMORY;
	}
	memcpy(made->match, match, sizeof match - 1);
	memcpy(made->match + sizeof match - 1, names, strlen(names) + 1);
	memcpy(made->cursor, "0", 2);
	made->slot = client->driver.engine.cluster != NULL ? 0 : -1;
	made->client = client;
	rlk_client_retain(client);
	*list = made;
	return REDISLOCK_OK;
}

RLK_EXPORT void redislock_list_free(redislock_list *list)
{
	if (list != NULL) {
		rlk_client_release(list->client);
		free(list->names);
		free(list->match);
		free(list->pattern);
		free(list);
	}
}

/* In a cluster. A cursor means something to its own server only: should another have the slot by now, the walk begins
 * anew there. Answers whether the next step is one of a walk that goes on. */
static bool take_server(redislock_list *list, const struct rlk_server *server)
{
	bool begins = strcmp(list->cursor, "0") == 0;
	bool same = strcmp(list->host, server->node.name) == 0 && list->port == server->node.port;
	snprintf(list->host, sizeof list->host, "%s", server->node.name);
	list->port = server->node.port;
	if (begins) {
		rlk_cluster_see(server->engine, list->slot, list->seen);
	}
	return begins || same;
}

/* Appends the names of a step's keys, each behind its length and with a NUL behind. */
static int32_t take_scan(struct rlk_call *call, const struct rlk_value *reply, size_t count)
{
	redislock_list *list = ((struct rlk_inquiry *)(void *)call)->list; /* its first member's first member */
	if (count < 3 || reply[0].type != RLK_ARRAY || reply[1].type != RLK_STRING || reply[2].type != RLK_ARRAY ||
	    reply[1].text.length > CURSOR_MAX) {
		snprintf(call->text, sizeof call->text, "the server's answer to SCAN is none");
		return REDISLOCK_PROTOCOL;
	}
	size_t size = 0;
	for (size_t i = 3; i < count; i++) {
		size += reply[i].text.length + sizeof(size_t) + 1;
	}
	char *names = malloc(size + 1);
	if (names == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	free(list->names);
	list->names = names;
	list->size = list->at = 0;
	for (size_t i = 3; i < count; i++) {
		struct rlk_slice name;
		if (reply[i].type == RLK_STRING && rlk_names_of_state(reply[i].text, &name)) {
			memcpy(names + list->size, &name.length, sizeof name.length);
			memcpy(names + list->size + sizeof name.length, name.data, name.length);
			list->size += sizeof name.length + name.length;
			names[list->size++] = '\0';
		}
	}
	struct rlk_slice cursor = reply[1].text;
	bool goes_on = list->slot < 0 || take_server(list, call->server);
	if (!goes_on) {
		cursor = RLK_LITERAL("0");
	}
	memcpy(list->cursor, cursor.data, cursor.length);
	list->cursor[cursor.length] = '\0';
	list->last = goes_on && strcmp(list->cursor, "0") == 0;
	return REDISLOCK_OK;
}

static int32_t scan(redislock_list *list)
{
	struct rlk_inquiry *inquiry = rlk_inquiry_new(list->client, -1, NULL, 0, take_scan);
	if (inquiry != NULL) {
		struct rlk_words *words = &inquiry->question.call.words;
		inquiry->question.call.slot = list->slot;
		inquiry->list = list;
		rlk_words_add(words, RLK_LITERAL("SCAN"));
		rlk_words_add(words, (struct rlk_slice) { list->cursor, strlen(list->cursor) });
		rlk_words_add(words, RLK_LITERAL("MATCH"));
		rlk_words_add(words, (struct rlk_slice) { list->match, strlen(list->match) });
		rlk_words_add(words, RLK_LITERAL("COUNT"));
		rlk_words_add(words, RLK_LITERAL("500"));
	}
	int32_t status = rlk_client_ask(list->client, inquiry);
	free(inquiry);
	return status;
}

/* Goes on to the next server; false if there is none. */
static bool next_server(redislock_list *list)
{
	struct rlk_driver *driver = &list->client->driver;
	if (list->slot < 0 || rlk_forked(list->client)) {
		return false;
	}
	rlk_driver_enter(driver);
	list->last = !rlk_cluster_next_slot(&driver->engine, list->seen, &list->slot);
	rlk_driver_leave(driver);
	return !list->last;
}

/* Whether a name is wanted: the server matched the pattern against a key that holds the name twice. */
static int32_t wanted(redislock_list *list, const char *name, size_t length, bool *is)
{
	redislock_info *info;
	*is = list->pattern == NULL || strlen(name) != length || fnmatch(list->pattern, name, 0) == 0;
	if (!*is) {
		return REDISLOCK_OK;
	}
	int32_t status = redislock_info_get(list->client, name, length, &info);
	if (status == REDISLOCK_WRONG_TYPE) {
		*is = false;
		return REDISLOCK_OK;
	}
	*is = redislock_info_locked(info) == 1;
	redislock_info_free(info);
	return status;
}

RLK_EXPORT int32_t redislock_list_next(redislock_list *list, const char **name, size_t *length)
{
	if (list == NULL || name == NULL || length == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	for (;;) {
		while (list->at < list->size) {
			bool is;
			memcpy(length, list->names + list->at, sizeof *length);
			*name = list->names + list->at + sizeof *length;
			int32_t status = wanted(list, *name, *length, &is);
			if (status != REDISLOCK_OK) {
				return status;
			}
			list->at += sizeof *length + *length + 1;
			if (is) {
				return REDISLOCK_OK;
			}
		}
		if (list->last && !next_server(list)) {
			return REDISLOCK_END;
		}
		int32_t status = scan(list);
		if (status != REDISLOCK_OK) {
			return status;
		}
	}
}

/* SPDX-License-Identifier: MIT
 *
 * Looking at a name from outside. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redislock_info {
	bool locked;
	int64_t remaining, waiters;
	uint64_t fence;
	size_t token_length, owner_length;
	char *owner;
	char token[]; /* the token, and then the label, each NUL-terminated */
};

static int32_t take_look(struct rlk_call *call, const struct rlk_value *reply, size_t count)
{
	struct rlk_inquiry *inquiry = (struct rlk_inquiry *)(void *)call; /* its first member's first member */
	if (count != 6 || reply[0].type != RLK_ARRAY || (reply[1].type != RLK_STRING && reply[1].type != RLK_NIL) ||
	    reply[2].type != RLK_INTEGER || reply[3].type != RLK_INTEGER || reply[4].type != RLK_INTEGER ||
	    reply[5].type != RLK_STRING) {
		snprintf(call->text, sizeof call->text, "the server's answer is none of the script's");
		return REDISLOCK_PROTOCOL;
	}
	struct rlk_slice token = reply[1].type == RLK_STRING ? reply[1].text : RLK_LITERAL("");
	struct rlk_slice owner = reply[5].text;
	redislock_info *info = calloc(1, sizeof *info + token.length + 1 + owner.length + 1);
	if (info == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	info->locked = reply[1].type == RLK_STRING;
	info->remaining = info->locked ? reply[2].integer : 0;
	info->waiters = reply[3].integer;
	info->fence = (uint64_t)reply[4].integer;
	info->token_length = token.length;
	info->owner_length = owner.length;
	info->owner = info->token + token.length + 1;
	memcpy(info->token, token.data, token.length);
	memcpy(info->owner, owner.data, owner.length);
	inquiry->info = info;
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_info_get(redislock_client *client, const void *name, size_t name_length,
                                      redislock_info **info)
{
	if (info == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*info = NULL;
	if (client == NULL || !rlk_name_fits(client, name, name_length)) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	struct rlk_inquiry *inquiry = rlk_inquiry_new(client, RLK_INFO, name, name_length, take_look);
	int32_t status = rlk_client_ask(client, inquiry);
	if (inquiry != NULL) {
		*info = inquiry->info;
	}
	free(inquiry);
	return status;
}

RLK_EXPORT int32_t redislock_client_start_info(redislock_client *client, const void *name, size_t name_length,
                                               uint64_t tag)
{
	if (client == NULL || !rlk_name_fits(client, name, name_length)) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	return rlk_client_start_ask(client, rlk_inquiry_new(client, RLK_INFO, name, name_length, take_look), tag);
}

RLK_EXPORT void redislock_info_free(redislock_info *info)
{
	free(info);
}

RLK_EXPORT int32_t redislock_info_locked(const redislock_info *info)
{
	return info != NULL && info->locked;
}

static const char *text(const char *data, size_t size, size_t *length)
{
	if (length != NULL) {
		*length = size;
	}
	return data;
}

RLK_EXPORT const char *redislock_info_token(const redislock_info *info, size_t *length)
{
	return info != NULL ? text(info->token, info->token_length, length) : text("", 0, length);
}

RLK_EXPORT const char *redislock_info_owner(const redislock_info *info, size_t *length)
{
	return info != NULL ? text(info->owner, info->owner_length, length) : text("", 0, length);
}

RLK_EXPORT int64_t redislock_info_remaining_ms(const redislock_info *info)
{
	return info != NULL ? info->remaining : 0;
}

RLK_EXPORT int64_t redislock_info_waiters(const redislock_info *info)
{
	return info != NULL ? info->waiters : 0;
}

RLK_EXPORT uint64_t redislock_info_fence(const redislock_info *info)
{
	return info != NULL ? info->fence : 0;
}

/* SPDX-License-Identifier: MIT
 *
 * What arguments must be like. */
#include "api.h"

#include <string.h>

bool rlk_name_valid(const void *name, size_t length)
{
	/* Redislock's own keys are no locks. */
	static const char queue[] = "rlock-queue:", state[] = "rlock-state:";
	size_t prefix = sizeof queue - 1;
	return name != NULL && length >= 1 && length <= RLK_NAME_MAX &&
	       (length < prefix || (memcmp(name, queue, prefix) != 0 && memcmp(name, state, prefix) != 0));
}

bool rlk_token_valid(const char *token, size_t length)
{
	if (token == NULL || length < 1 || length > RLK_TOKEN_MAX) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (token[i] < '!' || token[i] > '~') {
			return false;
		}
	}
	return true;
}

bool rlk_duration_valid(int64_t duration, int64_t least, int64_t most)
{
	return duration >= least && duration <= most;
}

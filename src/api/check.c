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

bool rlk_name_fits(redislock_client *client, const void *name, size_t length)
{
	if (!rlk_name_valid(name, length)) {
		return false;
	}
	if (client->driver.engine.cluster == NULL || rlk_name_has_slot(name, length)) {
		return true;
	}
	if (!rlk_forked(client)) {
		rlk_driver_enter(&client->driver);
		rlk_text_copy("the keys of a lock of that name have no common slot in the cluster: "
		              "put a hash tag into it, as in {name}",
		              client->text, sizeof client->text);
		rlk_driver_leave(&client->driver);
	}
	return false;
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

bool rlk_label_valid(const char *owner, size_t length)
{
	if (length > RLK_LABEL_MAX || (owner == NULL && length > 0)) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)owner[i] < ' ' || owner[i] == 0x7f) {
			return false;
		}
	}
	return true;
}

/* SPDX-License-Identifier: MIT
 *
 * A program of somebody who has only what is installed. It ends well if library and header belong together. */
#include <redislock/redislock.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	redislock_client *client = NULL;
	redislock_lock *lock = NULL;
	size_t length = 0;
	int good;

	if (redislock_client_new("redis://127.0.0.1:1/0", &client) != REDISLOCK_OK)
		return 1;
	if (redislock_lock_new(client, REDISLOCK_KIND_SPIN, "stranger", 8, &lock) != REDISLOCK_OK)
		return 2;
	good = strcmp(redislock_lock_name(lock, &length), "stranger") == 0 && length == 8 &&
	       strcmp(redislock_error_name(REDISLOCK_LOST), "LOST") == 0 && redislock_version_number() >= 1000000;
	printf("redislock %s\n", redislock_version_string());
	redislock_lock_free(lock);
	redislock_client_free(client);
	return good ? 0 : 3;
}

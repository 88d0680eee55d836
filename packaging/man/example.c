/* SPDX-License-Identifier: MIT
 *
 * The example of redislock(3): one holder at a time, on however many
 * machines. */
#include <redislock/redislock.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void complain(int32_t status, redislock_lock *lock)
{
	char text[256] = "";

	redislock_lock_error(lock, text, sizeof text);
	fprintf(stderr, "%s: %s\n", redislock_strerror(status), text);
}

int main(int count, char **arguments)
{
	const char *url = count > 1 ? arguments[1] : "redis://localhost";
	const char *name = count > 2 ? arguments[2] : "example";
	const int32_t kind = REDISLOCK_KIND_PUBSUB;
	redislock_client *client = NULL;
	redislock_lock *lock = NULL;
	int32_t status;

	status = redislock_client_new(url, &client);
	if (status == REDISLOCK_OK)
		status = redislock_lock_new(client, kind, name,
		                            strlen(name), &lock);
	if (status == REDISLOCK_OK)
		status = redislock_lock_acquire(lock);
	if (status == REDISLOCK_OK) {
		printf("got it, fence %" PRIu64 "\n",
		       redislock_lock_fence(lock));
		status = redislock_lock_release(lock);
	}
	if (status == REDISLOCK_OK)
		printf("released\n");
	else
		complain(status, lock);
	redislock_lock_free(lock);
	redislock_client_free(client);
	return status == REDISLOCK_OK ? 0 : 1;
}

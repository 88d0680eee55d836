/* SPDX-License-Identifier: MIT
 *
 * One lock on many masters: takes it on a majority of the servers, does something for a second, gives it back.
 * quorum NAME URL... */
#include <redislock/redislock.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TTL_MS = 10000, WAIT_MS = 30000, WORK_S = 1 };

static int work(redislock_quorum_lock *lock)
{
	char text[4096];
	int32_t status = redislock_quorum_lock_acquire(lock);

	if (status < 0)
		redislock_quorum_lock_error(lock, text, sizeof text);
	if (status != REDISLOCK_OK) {
		fprintf(stderr, "%s\n", status < 0 ? text : redislock_strerror(status));
		return 1;
	}
	printf("got it, for %" PRId64 " ms at least\n", redislock_quorum_lock_remaining_ms(lock));
	nanosleep(&(struct timespec) { .tv_sec = WORK_S }, NULL);
	/* There is no fence: whoever writes somewhere looks before it does. */
	if (!redislock_quorum_lock_is_held(lock))
		fprintf(stderr, "lost it\n");
	if (redislock_quorum_lock_release(lock) != REDISLOCK_OK)
		return 1;
	printf("released\n");
	return 0;
}

int main(int count, char **arguments)
{
	redislock_quorum *quorum;
	redislock_quorum_lock *lock;
	int failed;

	if (count < 3 || redislock_quorum_new(&quorum) != REDISLOCK_OK)
		return 64;
	for (int i = 2; i < count; i++) {
		if (redislock_quorum_add_server(quorum, arguments[i]) != REDISLOCK_OK) {
			fprintf(stderr, "%s: no URL of a server, or there twice\n", arguments[i]);
			return 64;
		}
	}
	if (redislock_quorum_lock_new(quorum, arguments[1], strlen(arguments[1]), &lock) != REDISLOCK_OK)
		return 64;
	redislock_quorum_lock_set_ttl_ms(lock, TTL_MS);
	redislock_quorum_lock_set_renewal(lock, 1);
	redislock_quorum_lock_set_wait_ms(lock, WAIT_MS);
	failed = work(lock);
	redislock_quorum_lock_free(lock);
	redislock_quorum_free(quorum);
	return failed;
}

/* SPDX-License-Identifier: MIT
 *
 * redislock in a loop of one's own around poll(): takes a lock, does something for a second, gives it back. */
#include <redislock/redislock.h>

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { TAKE = 1, GIVE_BACK = 2 }; /* tags: any numbers of one's own */

int main(int count, char **arguments)
{
	const char *url = count > 1 ? arguments[1] : "redis://127.0.0.1:6379",
	           *name = count > 2 ? arguments[2] : "example";
	redislock_client *client;
	redislock_lock *lock;
	redislock_event *event;
	int over = 0, working = 0;

	if (redislock_client_new_eventloop(url, &client) != REDISLOCK_OK)
		return 1;
	if (redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, strlen(name), &lock) != REDISLOCK_OK)
		return 1;
	redislock_lock_start_acquire(lock, TAKE);
	while (!over) {
		struct pollfd fds[1] = { { redislock_client_fd(client), POLLIN, 0 } };
		if (poll(fds, 1, working ? 1000 : -1) == 0) { /* the work is done */
			redislock_lock_start_release(lock, GIVE_BACK);
			working = 0;
		}
		redislock_client_dispatch(client);
		while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
			switch (redislock_event_type(event)) {
			case REDISLOCK_EVENT_ACQUIRED:
				printf("got it, fence %" PRIu64 "\n", redislock_lock_fence(lock));
				working = 1;
				break;
			case REDISLOCK_EVENT_RELEASED:
				printf("released\n");
				over = 1;
				break;
			default: /* not acquired, lost or failed */
				printf("%s\n", redislock_strerror(redislock_event_status(event)));
				over = 1;
			}
		}
	}
	redislock_lock_free(lock);
	redislock_client_free(client);
	return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * redislock in a loop around epoll_wait(), with a timer of the program's beside it. */
#include <redislock/redislock.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static int watch(int epoll, int fd)
{
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event) { .events = EPOLLIN, .data.fd = fd });
}

/* Whether that was the end. */
static int handle(redislock_client *client, redislock_lock *lock, int timer)
{
	const struct itimerspec second = { .it_value = { .tv_sec = 1 } };
	redislock_event *event;
	int over = 0;

	redislock_client_dispatch(client);
	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		if (redislock_event_type(event) == REDISLOCK_EVENT_ACQUIRED) {
			printf("got it, fence %" PRIu64 "\n", redislock_lock_fence(lock));
			timerfd_settime(timer, 0, &second, NULL); /* the work */
		} else {
			printf("%s\n", redislock_event_status(event) == REDISLOCK_OK ? "released" : "lost, or failed");
			over = 1;
		}
	}
	return over;
}

int main(int count, char **arguments)
{
	const char *url = count > 1 ? arguments[1] : "redis://127.0.0.1:6379",
	           *name = count > 2 ? arguments[2] : "example";
	int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), over = 0;
	struct epoll_event ready;
	redislock_client *client;
	redislock_lock *lock;

	if (redislock_client_new_eventloop(url, &client) != REDISLOCK_OK ||
	    redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, strlen(name), &lock) != REDISLOCK_OK ||
	    watch(epoll, redislock_client_fd(client)) != 0 || watch(epoll, timer) != 0)
		return 1;
	redislock_lock_start_acquire(lock, 1);
	while (!over && epoll_wait(epoll, &ready, 1, -1) >= 0)
		if (ready.data.fd != timer)
			over = handle(client, lock, timer);
		else if (redislock_lock_start_release(lock, 2) == REDISLOCK_OK)
			epoll_ctl(epoll, EPOLL_CTL_DEL, timer, NULL);
	redislock_lock_free(lock);
	redislock_client_free(client);
	return 0;
}

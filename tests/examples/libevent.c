/* SPDX-License-Identifier: MIT
 *
 * redislock in libevent: one persistent event on the client's descriptor. */
#include <redislock/redislock.h>

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static redislock_client *client;
static redislock_lock *lock;
static struct event_base *base;
static struct event *work;

static void on_work_done(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what, (void)data;
	redislock_lock_start_release(lock, 2);
}

static void on_readable(evutil_socket_t fd, short what, void *data)
{
	redislock_event *event;
	(void)fd, (void)what, (void)data;
	redislock_client_dispatch(client);
	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		if (redislock_event_type(event) == REDISLOCK_EVENT_ACQUIRED) {
			printf("got it, fence %" PRIu64 "\n", redislock_lock_fence(lock));
			event_add(work, &(struct timeval) { .tv_sec = 1 });
		} else {
			int32_t status = redislock_event_status(event);
			printf("%s\n", status == REDISLOCK_OK ? "released" : redislock_strerror(status));
			event_base_loopexit(base, NULL);
		}
	}
}

int main(int count, char **arguments)
{
	const char *url = count > 1 ? arguments[1] : "redis://127.0.0.1:6379",
	           *name = count > 2 ? arguments[2] : "example";

	if (redislock_client_new_eventloop(url, &client) != REDISLOCK_OK ||
	    redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, strlen(name), &lock) != REDISLOCK_OK)
		return 1;
	base = event_base_new();
	work = event_new(base, -1, 0, on_work_done, NULL);
	struct event *readable = event_new(base, redislock_client_fd(client), EV_READ | EV_PERSIST, on_readable, NULL);
	event_add(readable, NULL);
	redislock_lock_start_acquire(lock, 1);
	event_base_dispatch(base);
	event_free(readable);
	event_free(work);
	event_base_free(base);
	redislock_lock_free(lock);
	redislock_client_free(client);
	return 0;
}

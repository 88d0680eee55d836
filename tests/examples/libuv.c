/* SPDX-License-Identifier: MIT
 *
 * redislock in libuv: uv_poll on the client's descriptor, and nothing else. */
#include <redislock/redislock.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

static redislock_client *client;
static redislock_lock *lock;
static uv_poll_t readable;
static uv_timer_t work;

static void on_work_done(uv_timer_t *timer)
{
	(void)timer;
	redislock_lock_start_release(lock, 2);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	redislock_event *event;
	(void)poll, (void)status, (void)events;
	redislock_client_dispatch(client);
	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		if (redislock_event_type(event) == REDISLOCK_EVENT_ACQUIRED) {
			printf("got it, fence %" PRIu64 "\n", redislock_lock_fence(lock));
			uv_timer_start(&work, on_work_done, 1000, 0);
		} else {
			int32_t outcome = redislock_event_status(event);
			printf("%s\n", outcome == REDISLOCK_OK ? "released" : redislock_strerror(outcome));
			uv_close((uv_handle_t *)&readable, NULL);
			uv_close((uv_handle_t *)&work, NULL);
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
	uv_timer_init(uv_default_loop(), &work);
	uv_poll_init(uv_default_loop(), &readable, redislock_client_fd(client));
	uv_poll_start(&readable, UV_READABLE, on_readable);
	redislock_lock_start_acquire(lock, 1);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	redislock_lock_free(lock);
	redislock_client_free(client);
	return uv_loop_close(uv_default_loop());
}

/* SPDX-License-Identifier: MIT
 *
 * redislock in GLib's main loop: a watch on the client's descriptor. */
#include <redislock/redislock.h>

#include <glib-unix.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

static redislock_client *client;
static redislock_lock *lock;
static GMainLoop *loop;

static gboolean on_work_done(gpointer data)
{
	(void)data;
	redislock_lock_start_release(lock, 2);
	return G_SOURCE_REMOVE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
	redislock_event *event;
	(void)fd, (void)condition, (void)data;
	redislock_client_dispatch(client);
	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		if (redislock_event_type(event) == REDISLOCK_EVENT_ACQUIRED) {
			g_print("got it, fence %" PRIu64 "\n", redislock_lock_fence(lock));
			g_timeout_add(1000, on_work_done, NULL);
		} else {
			int32_t status = redislock_event_status(event);
			g_print("%s\n", status == REDISLOCK_OK ? "released" : redislock_strerror(status));
			g_main_loop_quit(loop);
		}
	}
	return G_SOURCE_CONTINUE;
}

int main(int count, char **arguments)
{
	const char *url = count > 1 ? arguments[1] : "redis://127.0.0.1:6379",
	           *name = count > 2 ? arguments[2] : "example";

	if (redislock_client_new_eventloop(url, &client) != REDISLOCK_OK ||
	    redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, strlen(name), &lock) != REDISLOCK_OK)
		return 1;
	loop = g_main_loop_new(NULL, FALSE);
	g_unix_fd_add(redislock_client_fd(client), G_IO_IN, on_readable, NULL);
	redislock_lock_start_acquire(lock, 1);
	g_main_loop_run(loop);
	g_main_loop_unref(loop);
	redislock_lock_free(lock);
	redislock_client_free(client);
	return 0;
}

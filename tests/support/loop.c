/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A client with the thread that drives it, for as long as the client lives: until the last lock is freed. */
struct loop {
	redislock_client *client;
	pthread_t thread;
	int end_fd, lost_fd;
	int references;
	struct loop *next;
};

struct user {
	redislock_lock *lock;
	struct loop *loop;
	struct user *next;
};

/* What somebody waits for; its address is the tag. */
struct wait {
	bool done;
	int32_t status;
	redislock_info *info;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static struct loop *loops;
static struct user *users;

static void read_events(struct loop *loop)
{
	redislock_event *event;

	while (redislock_client_next_event(loop->client, &event) == REDISLOCK_OK) {
		if (redislock_event_type(event) == REDISLOCK_EVENT_LOST) {
			eventfd_write(loop->lost_fd, 1);
			continue;
		}
		struct wait *wait = (struct wait *)(uintptr_t)redislock_event_tag(event);
		wait->status = redislock_event_status(event);
		wait->info = redislock_event_take_info(event);
		wait->done = true;
		pthread_cond_broadcast(&told);
	}
}

static void *drive(void *argument)
{
	struct loop *loop = argument;
	struct pollfd fds[2] = { { .fd = redislock_client_fd(loop->client), .events = POLLIN },
		                 { .fd = loop->end_fd, .events = POLLIN } };

	for (;;) {
		poll(fds, 2, -1);
		if (fds[1].revents != 0)
			return NULL;
		pthread_mutex_lock(&mutex);
		redislock_client_dispatch(loop->client);
		read_events(loop);
		pthread_mutex_unlock(&mutex);
	}
}

static struct loop *loop_of(const redislock_client *client)
{
	struct loop *loop = loops;

	while (loop != NULL && loop->client != client)
		loop = loop->next;
	return loop;
}

/* Gives up a reference. The thread ends before the last one, which frees the client. */
static void give_up(struct loop *loop)
{
	struct loop **at = &loops;

	if (--loop->references > 0) {
		pthread_mutex_unlock(&mutex);
		return;
	}
	while (*at != loop)
		at = &(*at)->next;
	*at = loop->next;
	pthread_mutex_unlock(&mutex);
	eventfd_write(loop->end_fd, 1);
	pthread_join(loop->thread, NULL);
	close(loop->end_fd);
	close(loop->lost_fd);
	free(loop);
}

int32_t loop_client_new(const char *url, redislock_client **client)
{
	int32_t status = redislock_client_new_eventloop(url, client);

	if (status == REDISLOCK_OK) {
		struct loop *loop = calloc(1, sizeof(*loop));
		loop->client = *client;
		loop->references = 1;
		loop->end_fd = eventfd(0, EFD_CLOEXEC);
		loop->lost_fd = eventfd(0, EFD_CLOEXEC);
		pthread_mutex_lock(&mutex);
		loop->next = loops;
		loops = loop;
		pthread_mutex_unlock(&mutex);
		pthread_create(&loop->thread, NULL, drive, loop);
	}
	return status;
}

void loop_client_free(redislock_client *client)
{
	if (client == NULL)
		return;
	pthread_mutex_lock(&mutex);
	give_up(loop_of(client));
	redislock_client_free(client);
}

int32_t loop_lock_new(redislock_client *client, int32_t kind, const void *name, size_t name_length,
                      redislock_lock **lock)
{
	int32_t status = redislock_lock_new(client, kind, name, name_length, lock);

	if (status == REDISLOCK_OK) {
		struct user *user = calloc(1, sizeof(*user));
		pthread_mutex_lock(&mutex);
		user->lock = *lock;
		user->loop = loop_of(client);
		user->loop->references++;
		user->next = users;
		users = user;
		pthread_mutex_unlock(&mutex);
	}
	return status;
}

void loop_lock_free(redislock_lock *lock)
{
	struct user **at = &users;

	if (lock == NULL)
		return;
	pthread_mutex_lock(&mutex);
	while ((*at)->lock != lock)
		at = &(*at)->next;
	struct user *user = *at;
	*at = user->next;
	give_up(user->loop);
	free(user);
	redislock_lock_free(lock);
}

/* Waits for the event of what has just been started, if it was. Leaves the mutex. */
static int32_t wait_for(struct wait *wait, int32_t status)
{
	while (status == REDISLOCK_OK && !wait->done)
		pthread_cond_wait(&told, &mutex);
	pthread_mutex_unlock(&mutex);
	return status == REDISLOCK_OK ? wait->status : status;
}

#define TAG(wait) ((uint64_t)(uintptr_t)(wait))

int32_t loop_client_lost_fd(redislock_client *client)
{
	pthread_mutex_lock(&mutex);
	int fd = loop_of(client)->lost_fd;
	pthread_mutex_unlock(&mutex);
	return fd;
}

int32_t loop_client_ping(redislock_client *client)
{
	struct wait wait = { .done = false };

	pthread_mutex_lock(&mutex);
	return wait_for(&wait, redislock_client_start_ping(client, TAG(&wait)));
}

int32_t loop_client_break(redislock_client *client, const void *name, size_t name_length, const char *token,
                          size_t token_length)
{
	struct wait wait = { .done = false };

	pthread_mutex_lock(&mutex);
	return wait_for(&wait,
	                redislock_client_start_break(client, name, name_length, token, token_length, TAG(&wait)));
}

int32_t loop_info_get(redislock_client *client, const void *name, size_t name_length, redislock_info **info)
{
	struct wait wait = { .done = false };

	pthread_mutex_lock(&mutex);
	int32_t status = wait_for(&wait, redislock_client_start_info(client, name, name_length, TAG(&wait)));
	*info = wait.info;
	return status;
}

int32_t loop_lock_acquire(redislock_lock *lock)
{
	struct wait wait = { .done = false };

	pthread_mutex_lock(&mutex);
	return wait_for(&wait, redislock_lock_start_acquire(lock, TAG(&wait)));
}

int32_t loop_lock_release(redislock_lock *lock)
{
	struct wait wait = { .done = false };

	pthread_mutex_lock(&mutex);
	return wait_for(&wait, redislock_lock_start_release(lock, TAG(&wait)));
}

int32_t loop_lock_extend(redislock_lock *lock, int64_t ttl_ms)
{
	struct wait wait = { .done = false };

	pthread_mutex_lock(&mutex);
	return wait_for(&wait, redislock_lock_start_extend(lock, ttl_ms, TAG(&wait)));
}

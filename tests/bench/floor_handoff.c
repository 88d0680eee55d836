/* SPDX-License-Identifier: MIT
 *
 * The floor of a hand-off between processes: LOCK, wait for the grant, UNLOCK, by blocking hiredis.
 * One thread in each process reads the messages itself; more have a reader that wakes them by a semaphore. */
#include "floor_client.h"
#include "handoff.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shared;

struct lock {
	struct shared *shared;
	sem_t granted;
	char token[FLOOR_TOKEN_SIZE];
	unsigned index;
	uint64_t number;
};

struct shared {
	struct floor_client client;
	pthread_mutex_t commands;
	atomic_uint joined;
	unsigned threads;
	struct lock locks[];
};

static void *deliver(void *argument)
{
	struct shared *self = argument;

	for (;;) {
		char token[FLOOR_TOKEN_SIZE];
		unsigned index;

		floor_grant(&self->client, token);
		if (sscanf(token, "%8x", &index) != 1 || index >= self->threads)
			bench_die("a grant for somebody else");
		sem_post(&self->locks[index].granted);
	}
	return NULL;
}

static void *open_shared(const char *url, const char *name, unsigned threads)
{
	struct shared *self = calloc(1, sizeof *self + threads * sizeof *self->locks);
	pthread_t reader;

	if (!self)
		bench_die("out of memory");
	floor_open(&self->client, url, name);
	pthread_mutex_init(&self->commands, NULL);
	self->threads = threads;
	if (threads > 1 && pthread_create(&reader, NULL, deliver, self))
		bench_die("can't start the reader");
	return self;
}

static void *join_shared(void *shared)
{
	struct shared *self = shared;
	unsigned index = atomic_fetch_add(&self->joined, 1);
	struct lock *lock = &self->locks[index];

	lock->shared = self;
	lock->index = index;
	sem_init(&lock->granted, 0, 0);
	return lock;
}

static void acquire(void *handle)
{
	struct lock *lock = handle;
	struct shared *shared = lock->shared;
	struct floor_client *client = &shared->client;
	long long answer;

	/* The index leads to the thread, the client makes it unique among processes. */
	snprintf(lock->token, sizeof lock->token, "%08x%.8s%016llx", lock->index, client->id,
	         (unsigned long long)++lock->number);
	pthread_mutex_lock(&shared->commands);
	floor_append_lock(client, lock->token);
	floor_flush(client);
	answer = floor_answer(client);
	pthread_mutex_unlock(&shared->commands);
	if (answer == 1)
		return;
	if (shared->threads > 1) {
		while (sem_wait(&lock->granted))
			continue;
	} else {
		char token[FLOOR_TOKEN_SIZE];

		floor_grant(client, token);
		if (strcmp(token, lock->token) != 0)
			bench_die("a grant for somebody else");
	}
}

static void release(void *handle)
{
	struct lock *lock = handle;
	struct shared *shared = lock->shared;

	pthread_mutex_lock(&shared->commands);
	floor_append_unlock(&shared->client, lock->token);
	floor_flush(&shared->client);
	floor_answer(&shared->client);
	pthread_mutex_unlock(&shared->commands);
}

int main(int argc, char **argv)
{
	static const struct handoff_kind kind = { open_shared, join_shared, acquire, release };

	return handoff_main(argc, argv, &kind);
}

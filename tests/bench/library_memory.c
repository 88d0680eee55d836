/* SPDX-License-Identifier: MIT
 *
 * What a waiting lock costs beside its thread. Usage: library_memory URL NAME WAITERS
 * The threads exist, and have used malloc, before the first look; the second comes when all of them are in the queue.
 */
#include "bench.h"
#include "library_client.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct crowd {
	redislock_client *client;
	const char *name;
	pthread_barrier_t ready, go;
};

static void *work(void *argument)
{
	struct crowd *crowd = argument;
	redislock_lock *lock;
	void *volatile first = malloc(64);

	free(first);
	pthread_barrier_wait(&crowd->ready);
	pthread_barrier_wait(&crowd->go);
	lock = library_lock(crowd->client, crowd->name);
	/* What comes after the look doesn't matter: thousands that are woken on a busy machine may come too late. */
	if (redislock_lock_acquire(lock) == REDISLOCK_OK)
		redislock_lock_release(lock);
	redislock_lock_free(lock);
	return NULL;
}

static size_t in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static int64_t waiters(redislock_client *client, const char *name)
{
	redislock_info *info;
	int64_t count;
	int32_t status = redislock_info_get(client, name, strlen(name), &info);

	if (status != REDISLOCK_OK)
		bench_die("%s: %s", name, redislock_strerror(status));
	count = redislock_info_waiters(info);
	redislock_info_free(info);
	return count;
}

int main(int argc, char **argv)
{
	struct crowd crowd;
	redislock_client *other;
	redislock_lock *held;
	pthread_t *ids;
	pthread_attr_t small;
	size_t before, after;
	uint64_t count, deadline;
	unsigned sockets;

	if (argc != 4)
		bench_die("usage: library_memory URL NAME WAITERS");
	count = bench_number(argv[3], 1, 100000);
	ids = calloc(count, sizeof *ids);
	if (!ids)
		bench_die("out of memory");
	crowd.name = argv[2];
	other = library_open(argv[1]);
	held = library_lock(other, crowd.name);
	library_acquire(held);
	waiters(other, crowd.name);
	sockets = bench_sockets();
	crowd.client = library_open(argv[1]);
	pthread_barrier_init(&crowd.ready, NULL, (unsigned)count + 1);
	pthread_barrier_init(&crowd.go, NULL, (unsigned)count + 1);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 * 1024);
	for (uint64_t i = 0; i < count; i++)
		if (pthread_create(&ids[i], &small, work, &crowd))
			bench_die("can't start thread %llu", (unsigned long long)i);
	pthread_barrier_wait(&crowd.ready);
	before = in_use();
	pthread_barrier_wait(&crowd.go);
	deadline = bench_now_ns() + 30000000000U;
	while (waiters(other, crowd.name) < (int64_t)count) {
		if (bench_now_ns() > deadline)
			bench_die("not all of them came to wait");
		nanosleep(&(struct timespec) { .tv_nsec = 20000000 }, NULL);
	}
	after = in_use();
	printf("{\"waiters\": %llu, \"bytes_each\": %.1f, \"sockets\": %u}\n", (unsigned long long)count,
	       ((double)after - (double)before) / (double)count, bench_sockets() - sockets);
	fflush(stdout);
	library_release(held);
	for (uint64_t i = 0; i < count; i++)
		pthread_join(ids[i], NULL);
	redislock_lock_free(held);
	redislock_client_free(other);
	redislock_client_free(crowd.client);
	free(ids);
	return 0;
}

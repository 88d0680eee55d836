/* SPDX-License-Identifier: MIT
 *
 * Uncontended pairs on one client. Usage: library_pair URL NAME THREADS
 * Each line of stdin says how many pairs each thread runs; several threads have a name each. */
#include "bench.h"
#include "library_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_THREADS = 1024, MOST_PAIRS = 10000000 };

struct worker {
	pthread_t id;
	pthread_barrier_t *start;
	redislock_lock *lock;
	uint64_t pairs;
};

static void *work(void *argument)
{
	const struct worker *self = argument;

	pthread_barrier_wait(self->start);
	for (uint64_t i = 0; i < self->pairs; i++)
		library_pair(self->lock);
	return NULL;
}

static void run_threads(redislock_client *client, const char *name, unsigned threads)
{
	struct worker *workers = calloc(threads, sizeof *workers);
	pthread_barrier_t start;
	char line[64];

	if (!workers)
		bench_die("out of memory");
	for (unsigned i = 0; i < threads; i++) {
		snprintf(line, sizeof line, "%.40s-%u", name, i);
		workers[i].lock = library_lock(client, line);
		workers[i].start = &start;
	}
	pthread_barrier_init(&start, NULL, threads + 1);
	while (fgets(line, sizeof line, stdin)) {
		uint64_t begin, end, pairs = bench_number(line, 1, MOST_PAIRS);

		for (unsigned i = 0; i < threads; i++) {
			workers[i].pairs = pairs;
			if (pthread_create(&workers[i].id, NULL, work, &workers[i]))
				bench_die("can't start thread %u", i);
		}
		pthread_barrier_wait(&start);
		begin = bench_now_ns();
		for (unsigned i = 0; i < threads; i++)
			pthread_join(workers[i].id, NULL);
		end = bench_now_ns();
		printf("{\"pairs\": %llu, \"seconds\": %.6f, \"sockets\": %u}\n", (unsigned long long)(pairs * threads),
		       (double)(end - begin) / 1e9, bench_sockets());
		fflush(stdout);
	}
	for (unsigned i = 0; i < threads; i++)
		redislock_lock_free(workers[i].lock);
	free(workers);
	pthread_barrier_destroy(&start);
}

int main(int argc, char **argv)
{
	redislock_client *client;
	unsigned threads;

	if (argc != 4)
		bench_die("usage: library_pair URL NAME THREADS");
	client = library_open(argv[1]);
	threads = (unsigned)bench_number(argv[3], 1, MOST_THREADS);
	if (threads > 1) {
		run_threads(client, argv[2], threads);
	} else {
		redislock_lock *lock = library_lock(client, argv[2]);

		bench_pair_rounds(library_pair, lock);
		redislock_lock_free(lock);
	}
	redislock_client_free(client);
	return 0;
}

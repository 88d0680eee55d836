/* SPDX-License-Identifier: MIT
 *
 * What it costs to keep many leases. Usage: library_renew URL NAME LEASES TTL_MS ROUNDS
 * Takes the locks, writes "begin", does nothing for that many thirds of the TTL, writes "end", looks after all locks
 * and writes a line of JSON. */
#include "bench.h"
#include "library_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* By write(2) itself, so that a trace of system calls shows where the quiet time begins and ends. */
static void mark(const char *text, size_t length)
{
	if (write(STDOUT_FILENO, text, length) != (ssize_t)length)
		bench_die("can't write");
}

int main(int argc, char **argv)
{
	redislock_client *client;
	redislock_lock **locks;
	uint64_t count, ttl, rounds, quiet, held = 0;
	double before, used;

	if (argc != 6)
		bench_die("usage: library_renew URL NAME LEASES TTL_MS ROUNDS");
	count = bench_number(argv[3], 1, 1000000);
	ttl = bench_number(argv[4], 100, 3600000);
	rounds = bench_number(argv[5], 1, 1000);
	client = library_open(argv[1]);
	locks = calloc(count, sizeof *locks);
	if (!locks)
		bench_die("out of memory");
	for (uint64_t i = 0; i < count; i++) {
		char name[96];

		snprintf(name, sizeof name, "%.64s-%llu", argv[2], (unsigned long long)i);
		locks[i] = library_lock(client, name);
		if (redislock_lock_set_ttl_ms(locks[i], (int64_t)ttl) != REDISLOCK_OK ||
		    redislock_lock_set_renewal(locks[i], 1) != REDISLOCK_OK)
			bench_die("a setter failed");
		library_acquire(locks[i]);
	}
	mark("begin\n", 6);
	before = cpu_seconds();
	quiet = ttl * rounds / 3;
	clock_nanosleep(CLOCK_MONOTONIC, 0,
	                &(struct timespec) { (time_t)(quiet / 1000), (long)(quiet % 1000 * 1000000) }, NULL);
	used = cpu_seconds() - before;
	mark("end\n", 4);
	for (uint64_t i = 0; i < count; i++)
		held += redislock_lock_is_held(locks[i]) == 1;
	printf("{\"leases\": %llu, \"held\": %llu, \"rounds\": %llu, \"cpu_seconds\": %.6f, \"sockets\": %u}\n",
	       (unsigned long long)count, (unsigned long long)held, (unsigned long long)rounds, used, bench_sockets());
	fflush(stdout);
	for (uint64_t i = 0; i < count; i++) {
		if (redislock_lock_is_held(locks[i]))
			library_release(locks[i]);
		redislock_lock_free(locks[i]);
	}
	redislock_client_free(client);
	free(locks);
	return 0;
}

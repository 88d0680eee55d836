/* SPDX-License-Identifier: MIT
 *
 * From dlopen(3) to the first lock, in a process that has nothing of it yet. Usage: library_start LIBRARY URL NAME */
#include "bench.h"

#include <redislock/redislock.h>

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void *library;

static void find(const char *name, void *function)
{
	void *found = dlsym(library, name);

	if (!found)
		bench_die("%s is not there", name);
	memcpy(function, &found, sizeof found);
}

int main(int argc, char **argv)
{
	int32_t (*client_new)(const char *, redislock_client **);
	int32_t (*lock_new)(redislock_client *, int32_t, const void *, size_t, redislock_lock **);
	int32_t (*acquire)(redislock_lock *);
	int32_t (*release)(redislock_lock *);
	redislock_client *client;
	redislock_lock *lock;
	uint64_t begin, loaded, locked;

	if (argc != 4)
		bench_die("usage: library_start LIBRARY URL NAME");
	begin = bench_now_ns();
	library = dlopen(argv[1], RTLD_NOW);
	if (!library)
		bench_die("%s", dlerror());
	loaded = bench_now_ns();
	find("redislock_client_new", &client_new);
	find("redislock_lock_new", &lock_new);
	find("redislock_lock_acquire", &acquire);
	find("redislock_lock_release", &release);
	if (client_new(argv[2], &client) != REDISLOCK_OK ||
	    lock_new(client, REDISLOCK_KIND_PUBSUB, argv[3], strlen(argv[3]), &lock) != REDISLOCK_OK ||
	    acquire(lock) != REDISLOCK_OK)
		bench_die("not locked");
	locked = bench_now_ns();
	if (release(lock) != REDISLOCK_OK)
		bench_die("not released");
	printf("{\"load_us\": %.1f, \"lock_us\": %.1f}\n", (double)(loaded - begin) / 1e3,
	       (double)(locked - loaded) / 1e3);
	return 0;
}

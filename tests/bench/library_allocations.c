/* SPDX-License-Identifier: MIT
 *
 * Who allocates in an uncontended pair. Usage: library_allocations URL NAME PAIRS
 * The program's malloc stands before that of libc for every library, and counts by the file of the caller. */
#include "bench.h"
#include "library_client.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static atomic_bool counting;
static atomic_ullong by_library, by_hiredis, by_others;

static void note(const void *caller)
{
	Dl_info info;

	if (!atomic_load(&counting))
		return;
	if (!dladdr(caller, &info) || !info.dli_fname)
		atomic_fetch_add(&by_others, 1);
	else if (strstr(info.dli_fname, "libredislock"))
		atomic_fetch_add(&by_library, 1);
	else if (strstr(info.dli_fname, "libhiredis"))
		atomic_fetch_add(&by_hiredis, 1);
	else
		atomic_fetch_add(&by_others, 1);
}

void *malloc(size_t size)
{
	note(__builtin_return_address(0));
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	note(__builtin_return_address(0));
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	note(__builtin_return_address(0));
	return __libc_realloc(memory, size);
}

int main(int argc, char **argv)
{
	redislock_client *client;
	redislock_lock *lock;
	uint64_t pairs;

	if (argc != 4)
		bench_die("usage: library_allocations URL NAME PAIRS");
	pairs = bench_number(argv[3], 1, 1000000);
	client = library_open(argv[1]);
	lock = library_lock(client, argv[2]);
	for (int i = 0; i < 10; i++)
		library_pair(lock);
	atomic_store(&counting, true);
	for (uint64_t i = 0; i < pairs; i++)
		library_pair(lock);
	atomic_store(&counting, false);
	printf("{\"pairs\": %llu, \"library\": %llu, \"hiredis\": %llu, \"others\": %llu}\n", (unsigned long long)pairs,
	       (unsigned long long)by_library, (unsigned long long)by_hiredis, (unsigned long long)by_others);
	redislock_lock_free(lock);
	redislock_client_free(client);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "library_client.h"

#include "bench.h"

#include <string.h>

redislock_client *library_open(const char *url)
{
	redislock_client *client;
	int32_t status = redislock_client_new(url, &client);

	if (status == REDISLOCK_OK)
		status = redislock_client_connect(client);
	if (status != REDISLOCK_OK)
		bench_die("%s: %s", url, redislock_strerror(status));
	return client;
}

redislock_lock *library_lock(redislock_client *client, const char *name)
{
	redislock_lock *lock;
	int32_t status = redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, strlen(name), &lock);

	if (status != REDISLOCK_OK)
		bench_die("%s: %s", name, redislock_strerror(status));
	return lock;
}

static void expect_ok(redislock_lock *lock, int32_t status, const char *what)
{
	char text[512] = "";

	if (status == REDISLOCK_OK)
		return;
	redislock_lock_error(lock, text, sizeof text);
	bench_die("%s: %s: %s %s", redislock_lock_name(lock, NULL), what, redislock_strerror(status), text);
}

void library_acquire(void *lock)
{
	expect_ok(lock, redislock_lock_acquire(lock), "acquire");
}

void library_release(void *lock)
{
	expect_ok(lock, redislock_lock_release(lock), "release");
}

void library_pair(void *lock)
{
	library_acquire(lock);
	library_release(lock);
}

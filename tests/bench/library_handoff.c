/* SPDX-License-Identifier: MIT
 *
 * Hand-off by the library, one client in each process. Arguments: see handoff.h. */
#include "bench.h"
#include "handoff.h"
#include "library_client.h"

#include <stdlib.h>

struct shared {
	redislock_client *client;
	const char *name;
};

static void *open_shared(const char *url, const char *name, unsigned threads)
{
	struct shared *self = malloc(sizeof *self);

	(void)threads;
	if (!self)
		bench_die("out of memory");
	*self = (struct shared) { library_open(url), name };
	return self;
}

static void *join_shared(void *shared)
{
	const struct shared *self = shared;
	redislock_lock *lock = library_lock(self->client, self->name);

	if (redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER) != REDISLOCK_OK)
		bench_die("can't wait for ever");
	return lock;
}

int main(int argc, char **argv)
{
	static const struct handoff_kind kind = { open_shared, join_shared, library_acquire, library_release };

	return handoff_main(argc, argv, &kind);
}

/* SPDX-License-Identifier: MIT
 *
 * Noticing a fork without a system call for each operation. */
#include "api.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_uint forks;

static void in_child(void)
{
	atomic_fetch_add(&forks, 1);
}

static void watch(void)
{
	pthread_atfork(NULL, NULL, in_child);
}

unsigned rlk_generation(void)
{
	pthread_once(&once, watch);
	return atomic_load(&forks);
}

bool rlk_forked(const redislock_client *client)
{
	return client->generation != atomic_load(&forks);
}

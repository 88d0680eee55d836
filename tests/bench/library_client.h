/* SPDX-License-Identifier: MIT
 *
 * The library through its public ABI; a failure ends the program. */
#ifndef BENCH_LIBRARY_CLIENT_H
#define BENCH_LIBRARY_CLIENT_H

#include <redislock/redislock.h>

redislock_client *library_open(const char *url);

/* A Pub/Sub lock with the default options. */
redislock_lock *library_lock(redislock_client *client, const char *name);

void library_acquire(void *lock);
void library_release(void *lock);

/* Both, one after the other. */
void library_pair(void *lock);

#endif

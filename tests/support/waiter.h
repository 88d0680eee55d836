/* SPDX-License-Identifier: MIT
 *
 * A thread that acquires a lock, while the test looks on. */
#ifndef TEST_WAITER_H
#define TEST_WAITER_H

#include "locks.h"

#include <pthread.h>
#include <stdatomic.h>

struct waiter {
	pthread_t thread;
	redislock_lock *lock;
	int32_t status;
	atomic_bool done;
};

void waiter_start(struct waiter *waiter, redislock_lock *lock);

/* What the acquire answered, once it has. */
int32_t waiter_join(struct waiter *waiter);

#endif

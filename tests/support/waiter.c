/* SPDX-License-Identifier: MIT */
#include "waiter.h"

static void *wait_for_lock(void *argument)
{
	struct waiter *waiter = argument;

	waiter->status = redislock_lock_acquire(waiter->lock);
	atomic_store(&waiter->done, true);
	return NULL;
}

void waiter_start(struct waiter *waiter, redislock_lock *lock)
{
	waiter->lock = lock;
	waiter->status = REDISLOCK_INTERNAL;
	atomic_init(&waiter->done, false);
	assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_lock, waiter), 0);
}

int32_t waiter_join(struct waiter *waiter)
{
	test_eventually(atomic_load(&waiter->done));
	assert_int_equal(pthread_join(waiter->thread, NULL), 0);
	return waiter->status;
}

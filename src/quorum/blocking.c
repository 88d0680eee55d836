/* SPDX-License-Identifier: MIT
 *
 * The blocking form: one thread turns the crank for everybody, from the first call that waits until the quorum ends.
 * Callers sleep until what they asked for is decided; so leases are renewed whoever sleeps. */
#include "quorum.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void *drive(void *argument)
{
	redislock_quorum *quorum = argument;
	while (!atomic_load(&quorum->ends)) {
		struct pollfd poller = { quorum->epoll_fd, POLLIN, 0 };
		poll(&poller, 1, -1);
		pthread_mutex_lock(&quorum->mutex);
		rlk_turn(quorum);
		rlk_quorum_leave(quorum, REDISLOCK_OK);
	}
	return NULL;
}

static bool start_thread(redislock_quorum *quorum)
{
	sigset_t all, before;
	if (!quorum->runs) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		quorum->runs = pthread_create(&quorum->thread, NULL, drive, quorum) == 0;
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	return quorum->runs;
}

void rlk_quorum_end_thread(redislock_quorum *quorum)
{
	if (quorum->runs) {
		atomic_store(&quorum->ends, true);
		rlk_signal_fd(quorum->wake_fd);
		pthread_join(quorum->thread, NULL);
	}
}

/* ---- waiting ---- */

void rlk_quorum_decided(redislock_quorum_lock *lock)
{
	if (lock->done_fd >= 0) {
		rlk_signal_fd(lock->done_fd);
	}
}

static bool may_be_interrupted(const redislock_quorum_lock *lock)
{
	return lock->operation == RLK_ACQUIRE && !lock->decided && !lock->interrupted;
}

static void interrupt(redislock_quorum_lock *lock)
{
	if (may_be_interrupted(lock)) {
		int64_t now = rlk_now();
		rlk_stage_give_up(lock, now);
		rlk_stage_step(lock, now);
	}
}

int32_t rlk_quorum_await(redislock_quorum_lock *lock)
{
	redislock_quorum *quorum = lock->quorum;
	bool interruptible = quorum->interruptible && lock->operation == RLK_ACQUIRE;
	struct pollfd poller = { lock->done_fd, POLLIN, 0 };
	sigset_t every, before;
	uint64_t count;
	if (interruptible) {
		/* A signal that is to end the wait must not come where it would go unnoticed. */
		sigfillset(&every);
		pthread_sigmask(SIG_SETMASK, &every, &before);
	}
	while (!lock->decided) {
		rlk_quorum_leave(quorum, REDISLOCK_OK);
		int ready = ppoll(&poller, 1, NULL, interruptible ? &before : NULL);
		bool signalled = ready < 0 && errno == EINTR;
		pthread_mutex_lock(&quorum->mutex);
		if (signalled && interruptible) {
			interrupt(lock);
		}
	}
	if (interruptible) {
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	ssize_t got = read(lock->done_fd, &count, sizeof count);
	(void)got;
	lock->operation = RLK_NO_OPERATION;
	return lock->status;
}

void rlk_quorum_look_for_interrupts(redislock_quorum *quorum, int64_t now)
{
	unsigned all = atomic_load(&quorum->interrupts);
	for (redislock_quorum_lock *lock = quorum->locks; lock != NULL; lock = lock->next) {
		if (may_be_interrupted(lock) &&
		    (lock->all_interrupts_before != all || lock->interrupts_before != atomic_load(&lock->interrupts))) {
			rlk_stage_give_up(lock, now);
		}
	}
}

/* ---- calls ---- */

static int32_t enter(redislock_quorum_lock *lock, bool valid)
{
	int32_t status = rlk_quorum_lock_enter(lock, valid, RLK_BLOCKING);
	if (status == REDISLOCK_OK && !start_thread(lock->quorum)) {
		return rlk_quorum_lock_leave(lock, REDISLOCK_NO_MEMORY);
	}
	return status;
}

/* What was begun is waited for. */
static int32_t finish(redislock_quorum_lock *lock, int32_t status)
{
	if (status == REDISLOCK_OK) {
		rlk_stage_step(lock, rlk_now());
		status = rlk_quorum_await(lock);
	}
	return rlk_quorum_lock_leave(lock, status);
}

RLK_EXPORT int32_t redislock_quorum_lock_acquire(redislock_quorum_lock *lock)
{
	int32_t status = enter(lock, true);
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->all_interrupts_before = atomic_load(&lock->quorum->interrupts);
	lock->interrupts_before = atomic_load(&lock->interrupts);
	return finish(lock, rlk_stage_acquire(lock, rlk_now()));
}

RLK_EXPORT int32_t redislock_quorum_lock_release(redislock_quorum_lock *lock)
{
	int32_t status = enter(lock, true);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return finish(lock, rlk_stage_release(lock, lock->quorum->timeout, rlk_now()));
}

RLK_EXPORT int32_t redislock_quorum_lock_extend(redislock_quorum_lock *lock, int64_t ttl_ms)
{
	int32_t status = enter(lock, rlk_duration_valid(ttl_ms, 1, RLK_DURATION_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	return finish(lock, rlk_stage_extend(lock, ttl_ms, rlk_now()));
}

/* ---- interrupts and losses ---- */

static int32_t raise_interrupt(redislock_quorum *quorum, atomic_uint *interrupts)
{
	if (rlk_quorum_forked(quorum)) {
		return REDISLOCK_FORKED;
	}
	if (quorum->form != RLK_BLOCKING) {
		return REDISLOCK_WRONG_MODE;
	}
	atomic_fetch_add(interrupts, 1);
	rlk_signal_fd(quorum->wake_fd);
	return REDISLOCK_OK;
}

RLK_EXPORT int32_t redislock_quorum_interrupt(redislock_quorum *quorum)
{
	return quorum != NULL ? raise_interrupt(quorum, &quorum->interrupts) : REDISLOCK_INVALID_ARGUMENT;
}

RLK_EXPORT int32_t redislock_quorum_lock_interrupt(redislock_quorum_lock *lock)
{
	return lock != NULL ? raise_interrupt(lock->quorum, &lock->interrupts) : REDISLOCK_INVALID_ARGUMENT;
}

RLK_EXPORT int32_t redislock_quorum_set_interruptible(redislock_quorum *quorum, int32_t on)
{
	int32_t status = rlk_quorum_enter(quorum, on == 0 || on == 1, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	quorum->interruptible = on == 1;
	return rlk_quorum_leave(quorum, REDISLOCK_OK);
}

void rlk_quorum_lost(redislock_quorum_lock *lock)
{
	redislock_quorum *quorum = lock->quorum;
	if (quorum->form == RLK_EVENTLOOP) {
		lock->lost_unread = true;
	} else if (lock->renew && quorum->lost_fd >= 0) {
		rlk_signal_fd(quorum->lost_fd);
	} else if (lock->renew) {
		quorum->lost_already = true;
	}
}

RLK_EXPORT int32_t redislock_quorum_lost_fd(redislock_quorum *quorum)
{
	int32_t status = rlk_quorum_enter(quorum, true, RLK_BLOCKING);
	if (status != REDISLOCK_OK) {
		return status;
	}
	if (quorum->lost_fd < 0) {
		quorum->lost_fd = eventfd(quorum->lost_already, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	return rlk_quorum_leave(quorum, quorum->lost_fd >= 0 ? quorum->lost_fd : REDISLOCK_NO_MEMORY);
}

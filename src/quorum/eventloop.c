/* SPDX-License-Identifier: MIT
 *
 * The event-loop form: whoever polls the descriptor turns the crank, and reads what was decided. */
#include "quorum.h"

RLK_EXPORT int32_t redislock_quorum_fd(redislock_quorum *quorum)
{
	int32_t status = rlk_quorum_enter(quorum, true, RLK_EVENTLOOP);
	return status == REDISLOCK_OK ? rlk_quorum_leave(quorum, quorum->epoll_fd) : status;
}

static int64_t soonest(const redislock_quorum *quorum)
{
	int64_t now = rlk_now(), wake = rlk_turn_wake(quorum, now);
	int64_t soonest = quorum->signalled ? 0 : -1;
	if (wake != RLK_NEVER && soonest != 0) {
		soonest = wake > now ? wake - now : 0;
	}
	for (size_t i = 0; i < quorum->count; i++) {
		int64_t timeout = redislock_client_timeout_ms(quorum->members[i].client);
		if (timeout >= 0 && (soonest < 0 || timeout < soonest)) {
			soonest = timeout;
		}
	}
	return soonest;
}

RLK_EXPORT int64_t redislock_quorum_timeout_ms(redislock_quorum *quorum)
{
	if (rlk_quorum_enter(quorum, true, RLK_EVENTLOOP) != REDISLOCK_OK) {
		return -1;
	}
	int64_t timeout = soonest(quorum);
	pthread_mutex_unlock(&quorum->mutex);
	return timeout;
}

RLK_EXPORT int32_t redislock_quorum_dispatch(redislock_quorum *quorum)
{
	int32_t status = rlk_quorum_enter(quorum, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	rlk_turn(quorum);
	return rlk_quorum_leave(quorum, REDISLOCK_OK);
}

/* ---- events ---- */

/* Reads what there is to tell of a lock: what it was asked for, then a loss of what that brought. */
static bool take(redislock_quorum_lock *lock, struct redislock_event *event)
{
	if (lock->operation != RLK_NO_OPERATION && lock->decided) {
		*event = (struct redislock_event) { .type = rlk_event_type(lock->operation, lock->status),
			                            .status = lock->operation == RLK_CANCELLATION ? REDISLOCK_OK
			                                                                          : lock->status,
			                            .tag = lock->tag,
			                            .quorum_lock = lock };
		lock->operation = RLK_NO_OPERATION;
	} else if (lock->lost_unread) {
		*event = (struct redislock_event) { .type = REDISLOCK_EVENT_LOST,
			                            .status = REDISLOCK_LOST,
			                            .tag = lock->held_tag,
			                            .quorum_lock = lock };
		lock->lost_unread = false;
	} else {
		return false;
	}
	return true;
}

RLK_EXPORT int32_t redislock_quorum_next_event(redislock_quorum *quorum, redislock_event **event)
{
	if (event == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*event = NULL;
	int32_t status = rlk_quorum_enter(quorum, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	for (redislock_quorum_lock *lock = quorum->locks; lock != NULL; lock = lock->next) {
		if (take(lock, &quorum->event)) {
			*event = &quorum->event;
			return rlk_quorum_leave(quorum, REDISLOCK_OK);
		}
	}
	return rlk_quorum_leave(quorum, REDISLOCK_END);
}

RLK_EXPORT redislock_quorum_lock *redislock_event_quorum_lock(const redislock_event *event)
{
	return event != NULL ? event->quorum_lock : NULL;
}

/* ---- locks ---- */

/* What was begun will be told by an event. */
static int32_t started(redislock_quorum_lock *lock, int32_t status, uint64_t tag)
{
	if (status == REDISLOCK_OK) {
		lock->tag = tag;
		rlk_stage_step(lock, rlk_now());
	}
	return rlk_quorum_lock_leave(lock, status);
}

RLK_EXPORT int32_t redislock_quorum_lock_start_acquire(redislock_quorum_lock *lock, uint64_t tag)
{
	int32_t status = rlk_quorum_lock_enter(lock, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return started(lock, rlk_stage_acquire(lock, rlk_now()), tag);
}

RLK_EXPORT int32_t redislock_quorum_lock_start_release(redislock_quorum_lock *lock, uint64_t tag)
{
	int32_t status = rlk_quorum_lock_enter(lock, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return started(lock, rlk_stage_release(lock, lock->quorum->timeout, rlk_now()), tag);
}

RLK_EXPORT int32_t redislock_quorum_lock_start_extend(redislock_quorum_lock *lock, int64_t ttl_ms, uint64_t tag)
{
	int32_t status = rlk_quorum_lock_enter(lock, rlk_duration_valid(ttl_ms, 1, RLK_DURATION_MAX), RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return started(lock, rlk_stage_extend(lock, ttl_ms, rlk_now()), tag);
}

RLK_EXPORT int32_t redislock_quorum_lock_cancel(redislock_quorum_lock *lock)
{
	if (lock == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	int32_t status = rlk_quorum_enter(lock->quorum, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	bool held = lock->decided && lock->status == REDISLOCK_OK;
	if (lock->operation == RLK_ACQUIRE && (!lock->decided || held)) {
		lock->operation = RLK_CANCELLATION;
		lock->lost_unread = false;
		rlk_stage_give_up(lock, rlk_now());
		rlk_stage_step(lock, rlk_now());
	} else if (lock->operation != RLK_CANCELLATION) {
		return rlk_quorum_leave(lock->quorum, REDISLOCK_END);
	}
	return rlk_quorum_leave(lock->quorum, REDISLOCK_OK);
}

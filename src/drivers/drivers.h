/* SPDX-License-Identifier: MIT
 *
 * Who turns the engine's crank: the calling threads themselves, one of them at a time; and the keeper, a thread that
 * does so while nobody else does, once there is a lease to keep. */
#ifndef RLK_DRIVERS_H
#define RLK_DRIVERS_H

#include "engine/engine.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

/* A thread that waits for a job or a call of its own. */
struct rlk_waiter {
	sem_t wake_up;
	bool done, asleep, interrupted;
	bool settled; /* woken because it is done */
	int32_t status;
	struct rlk_waiter *next, *previous;
};

struct rlk_driver {
	struct rlk_engine engine;
	pthread_mutex_t mutex; /* guards all of it, and is never held while polling */

	bool cranking; /* somebody polls, what follows */
	struct pollfd polled[RLK_ENGINE_FDS + 1];
	size_t polled_count;
	int64_t polled_until;
	struct rlk_waiter *first_asleep, *last_asleep;

	int wake_fd;            /* ends the poll */
	atomic_int lost_fd;     /* -1 until somebody asks for it */
	atomic_uint interrupts; /* of all waits, so far */
	atomic_uint alarms;     /* the same, and those of single waits */
	unsigned alarms_seen;
	bool interruptible;

	pthread_t keeper;
	pthread_cond_t keeper_wakes;
	bool keeper_runs, keeper_ends;
	int64_t keeper_wakes_at;
};

/* ---- blocking.c ---- */

int32_t rlk_driver_init(struct rlk_driver *driver, const char *url);

/* forked: in a child process, where the keeper isn't and nobody else's lock may be waited for. */
void rlk_driver_clear(struct rlk_driver *driver, bool forked);

void rlk_driver_enter(struct rlk_driver *driver);
void rlk_driver_leave(struct rlk_driver *driver);

/* Drive a job or a call, which was begun since rlk_driver_enter(), to its end, and leave. A wait with interrupts (a
 * counter of its own) may end with REDISLOCK_INTERRUPTED; the job is suspended then. */
int32_t rlk_driver_run_job(struct rlk_driver *driver, struct rlk_job *job, const atomic_uint *interrupts);
int32_t rlk_driver_run_call(struct rlk_driver *driver, struct rlk_call *call);

/* Has the waits look at the counter of interrupts that was raised. Safe in a signal handler. */
void rlk_driver_interrupt(struct rlk_driver *driver, atomic_uint *interrupts);

/* Makes poll() return. */
void rlk_driver_wake(struct rlk_driver *driver);

/* One turn of the crank, with the mutex held; nobody else may be at it. Returns whether a signal ended it. */
bool rlk_driver_crank(struct rlk_driver *driver);

/* Wakes a thread that sleeps, so that it takes over the crank. */
void rlk_driver_hand_on(struct rlk_driver *driver);

/* ---- keeper.c ---- */

/* Starts the keeper if there is something for it, and wakes it if that is earlier than it thinks. False if there is no
 * thread to be had. */
bool rlk_keeper_call(struct rlk_driver *driver);
void rlk_keeper_end(struct rlk_driver *driver);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Who turns the engine's crank. Blocking: the calling threads themselves, one of them at a time, and the keeper, a
 * thread that does so while nobody else does, once there is a lease to keep. Event loop: whoever polls the client's
 * descriptor. */
#ifndef RLK_DRIVERS_H
#define RLK_DRIVERS_H

#include "engine/engine.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

/* What both forms have: the first member of each. */
struct rlk_driver {
	struct rlk_engine engine;
	pthread_mutex_t mutex; /* guards all of it, and is never held while polling */
};

static inline void rlk_driver_enter(struct rlk_driver *driver)
{
	pthread_mutex_lock(&driver->mutex);
}

static inline void rlk_driver_leave(struct rlk_driver *driver)
{
	pthread_mutex_unlock(&driver->mutex);
}

/* ---- blocking.c ---- */

/* A thread that waits for a job or a call of its own. */
struct rlk_waiter {
	sem_t wake_up;
	bool done, asleep, interrupted;
	bool settled; /* woken because it is done */
	int32_t status;
	struct rlk_waiter *next, *previous;
};

struct rlk_blocking {
	struct rlk_driver base;

	bool cranking; /* somebody polls, what follows */
	bool awaiting; /* or rather waits for an answer, and nothing else: then nobody else may send */
	int company;   /* there are other threads about: so many more turns it is not worth it */
	struct pollfd *polled;
	size_t polled_count, polled_capacity;
	int64_t polled_until;
	struct rlk_waiter *first_asleep, *last_asleep;

	int wake_fd;            /* ends the poll */
	atomic_int lost_fd;     /* -1 until somebody asks for it */
	bool lost_already;      /* a lease, before that */
	atomic_uint interrupts; /* of all waits, so far */
	atomic_uint alarms;     /* the same, and those of single waits */
	unsigned alarms_seen;
	bool interruptible;

	pthread_t keeper;
	pthread_cond_t keeper_wakes;
	bool keeper_runs, keeper_ends;
	int64_t keeper_wakes_at, keeper_asked_for;
};

int32_t rlk_blocking_init(struct rlk_blocking *driver, const char *url);

/* forked: in a child process, where the keeper isn't and nobody else's lock may be waited for. */
void rlk_blocking_clear(struct rlk_blocking *driver, bool forked);

/* Drive a job or a call, which was begun since rlk_driver_enter(), to its end, and leave. A wait with interrupts (a
 * counter of its own) may end with REDISLOCK_INTERRUPTED; the job is suspended then. */
int32_t rlk_blocking_run_job(struct rlk_blocking *driver, struct rlk_job *job, const atomic_uint *interrupts);
int32_t rlk_blocking_run_call(struct rlk_blocking *driver, struct rlk_call *call);

/* Has the waits look at the counter of interrupts that was raised. Safe in a signal handler. */
void rlk_blocking_interrupt(struct rlk_blocking *driver, atomic_uint *interrupts);

/* Makes poll() return. */
void rlk_blocking_wake(struct rlk_blocking *driver);

/* One turn of the crank, with the mutex held; nobody else may be at it. mask: the thread's signals while it polls, or
 * NULL for no others. Returns whether a signal ended it. */
bool rlk_blocking_crank(struct rlk_blocking *driver, const sigset_t *mask);

/* Wakes a thread that sleeps, so that it takes over the crank. */
void rlk_blocking_hand_on(struct rlk_blocking *driver);

/* ---- keeper.c ---- */

/* Starts the keeper if there is something for it, and wakes it if that is earlier than it thinks. False if there is no
 * thread to be had. */
bool rlk_keeper_call(struct rlk_blocking *driver);
void rlk_keeper_end(struct rlk_blocking *driver);

/* ---- eventloop.c ---- */

enum rlk_operation { RLK_NO_OPERATION, RLK_ACQUIRE, RLK_RELEASE, RLK_EXTENSION, RLK_CANCELLATION };

/* What is to be told. It lives in what it is about, so that telling needs no memory. */
struct rlk_notice {
	struct rlk_notice *next, *previous;
	bool waiting; /* to be read */
	int32_t type, status;
	uint64_t tag;
	struct rlk_task *task; /* a lock's; or a question's: NULL */
};

/* What a lock is asked to do, one thing at a time from its start until its notice has been read. */
struct rlk_task {
	struct rlk_notice done, lost;
	enum rlk_operation operation; /* under way */
	uint64_t tag;                 /* of the operation */
	uint64_t held_tag;            /* of the acquire that took the lock */
};

/* A call that is answered by a notice. Whoever reads the notice frees it. */
struct rlk_question {
	struct rlk_call call;
	struct rlk_notice notice;
	void (*free)(struct rlk_question *question); /* with all that belongs to it */
};

struct rlk_loop {
	struct rlk_driver base;
	struct rlk_watch watch;
	int epoll_fd; /* the one that users poll; the others are in it */
	int timer_fd, notice_fd;
	int64_t timer_at; /* RLK_NEVER: not set */
	bool signalled;   /* notice_fd is readable */
	struct pollfd *watched;
	size_t watched_count, watched_capacity;
	struct rlk_notice *first, *last;
};

int32_t rlk_loop_init(struct rlk_loop *loop, const char *url);
void rlk_loop_clear(struct rlk_loop *loop, bool forked);

/* Begin what a lock or a client is asked for. REDISLOCK_OK: a notice will come. Else it is decided. */
int32_t rlk_loop_acquire(struct rlk_loop *loop, struct rlk_job *job, struct rlk_slice token, uint64_t tag);
int32_t rlk_loop_release(struct rlk_loop *loop, struct rlk_job *job, uint64_t tag);
int32_t rlk_loop_extend(struct rlk_loop *loop, struct rlk_job *job, int64_t ttl, uint64_t tag);
int32_t rlk_loop_ask(struct rlk_loop *loop, struct rlk_question *question, int64_t patience);

/* Gives up an acquire, also one whose notice has not been read. REDISLOCK_END: there is none. */
int32_t rlk_loop_cancel(struct rlk_loop *loop, struct rlk_job *job);

/* Ties a job to its task, and ends all that has to do with it. */
void rlk_loop_adopt(struct rlk_job *job, struct rlk_task *task);
void rlk_loop_forget(struct rlk_loop *loop, struct rlk_job *job);

/* Does what is due. */
int32_t rlk_loop_dispatch(struct rlk_loop *loop);

/* In how many milliseconds that is wanted at the latest; -1: whenever the descriptor says so. */
int64_t rlk_loop_timeout(const struct rlk_loop *loop);

/* Has a timer go off at a moment, if it wouldn't before. */
void rlk_timer_set(int timer_fd, int64_t *timer_at, int64_t at);

/* Takes the first notice, or NULL. */
struct rlk_notice *rlk_loop_next(struct rlk_loop *loop);

/* ---- what a quorum has in common with the drivers ---- */

/* Makes an eventfd readable; safe in a signal handler. */
void rlk_signal_fd(int fd);

/* The event that tells of an operation's outcome. */
int32_t rlk_event_type(enum rlk_operation operation, int32_t status);

#endif

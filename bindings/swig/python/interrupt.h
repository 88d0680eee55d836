/* SPDX-License-Identifier: MIT
 *
 * Waiting for a lock in such a way that signals are answered at once. */
#ifndef REDISLOCK_PYTHON_INTERRUPT_H
#define REDISLOCK_PYTHON_INTERRUPT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <redislock/redislock.h>

/* redislock_lock_acquire() for a thread that has Python's lock, which others get meanwhile. In Python's main thread a
 * signal that Python handles ends it with REDISLOCK_INTERRUPTED, whichever thread the signal came to. */
int32_t rlp_acquire(redislock_lock *lock);

/* The same of redislock_quorum_lock_acquire(). */
int32_t rlp_quorum_acquire(redislock_quorum_lock *lock);

/* Nothing is held and nothing is waited for any more, whatever there was. The same thread. */
int32_t rlp_give_up(redislock_lock *lock);

/* Which thread is Python's main one, as threading knows it, and signal.set_wakeup_fd, which C has no other way to. */
void rlp_set_main_thread(uint64_t ident, PyObject *setter);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What has to be done between two operations of Perl, where no handler of %SIG can come in between: waiting, and
 * holding until the end of a scope. */
#ifndef REDISLOCK_PERL_HOLD_H
#define REDISLOCK_PERL_HOLD_H

#include <redislock/redislock.h>

#define PERL_NO_GET_CONTEXT
#include <EXTERN.h>
#include <perl.h>

/* Waits for a lock. After each signal Perl runs its handler; the wait goes on in its place, or is given up if the
 * handler dies. */
int32_t lock_acquire_with_handlers(redislock_lock *lock);

/* A hold of a lock that ends with its scope. */
typedef struct redislock_hold redislock_hold;

/* Before the lock is taken. lock_handle: what stands for the lock in Perl; about: begins a warning. NULL without
 * memory. */
redislock_hold *hold_new(redislock_lock *lock, SV *lock_handle, const char *about);

/* The lock has been taken. */
void hold_arm(redislock_hold *hold);

/* Releases the lock, if this hold of it hasn't been ended. One that a fork inherits is the parent's. */
int32_t hold_end(redislock_hold *hold);

/* The same, but failures are warnings. */
void hold_free(redislock_hold *hold);

#endif

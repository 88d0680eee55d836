/* SPDX-License-Identifier: MIT
 *
 * What may wait for the server, done with Ruby's lock released, so that its other threads run meanwhile: functions for
 * SWIG's wrappers to call in place of the library's own. */
#ifndef REDISLOCK_RUBY_APART_H
#define REDISLOCK_RUBY_APART_H

#include <redislock/redislock.h>
#include <ruby.h>

int32_t apart_client_connect(redislock_client *client);
int32_t apart_client_ping(redislock_client *client);
int32_t apart_client_break(redislock_client *client, const void *name, size_t name_length, const char *token,
                           size_t token_length);
int32_t apart_lock_acquire(redislock_lock *lock);
int32_t apart_lock_cancel(redislock_lock *lock);
int32_t apart_lock_release(redislock_lock *lock);
int32_t apart_lock_extend(redislock_lock *lock, int64_t ttl_ms);
int32_t apart_info_get(redislock_client *client, const void *name, size_t name_length, redislock_info **info);
int32_t apart_list_next(redislock_list *list, const char **name, size_t *length);

/* Takes the lock, runs the block, and releases however the block ends. Where Ruby's code did that, an exception of
 * another thread could come in between. outcome: an array that receives the status of the release. */
int32_t lock_hold(redislock_lock *lock, VALUE outcome);

/* For the collector. */
void apart_client_free(redislock_client *client);
void apart_lock_free(redislock_lock *lock);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The blocking calls over the event-loop form, so that the tests of the one are tests of the other: included before
 * everything else, it has each client made for an event loop and driven by a thread of the test's. What makes no sense
 * there is left out by TEST_EVENTLOOP. */
#ifndef TEST_LOOP_H
#define TEST_LOOP_H

#include <redislock/redislock.h>

#define TEST_EVENTLOOP 1

#ifndef TEST_LOOP_ITSELF
#define redislock_client_new loop_client_new
#define redislock_client_free loop_client_free
#define redislock_client_ping loop_client_ping
#define redislock_client_connect loop_client_ping
#define redislock_client_break loop_client_break
#define redislock_client_lost_fd loop_client_lost_fd
#define redislock_info_get loop_info_get
#define redislock_lock_new loop_lock_new
#define redislock_lock_free loop_lock_free
#define redislock_lock_acquire loop_lock_acquire
#define redislock_lock_release loop_lock_release
#define redislock_lock_extend loop_lock_extend
#endif

int32_t loop_client_new(const char *url, redislock_client **client);
void loop_client_free(redislock_client *client);
int32_t loop_client_ping(redislock_client *client);
int32_t loop_client_break(redislock_client *client, const void *name, size_t name_length, const char *token,
                          size_t token_length);
int32_t loop_client_lost_fd(redislock_client *client);
int32_t loop_info_get(redislock_client *client, const void *name, size_t name_length, redislock_info **info);
int32_t loop_lock_new(redislock_client *client, int32_t kind, const void *name, size_t name_length,
                      redislock_lock **lock);
void loop_lock_free(redislock_lock *lock);
int32_t loop_lock_acquire(redislock_lock *lock);
int32_t loop_lock_release(redislock_lock *lock);
int32_t loop_lock_extend(redislock_lock *lock, int64_t ttl_ms);

#endif

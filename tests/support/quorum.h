/* SPDX-License-Identifier: MIT
 *
 * Five servers and a quorum over them, in either form of the library: what the tests of the quorum share. What is done
 * with a quorum fails no test by itself, so that forked children can do it as well. */
#ifndef TEST_QUORUM_H
#define TEST_QUORUM_H

#include "locks.h"

enum { SERVERS = 5, MAJORITY = 3, TTL_MS = 8000, TEST_TAG = 7 };

extern struct test_server servers[SERVERS]; /* with their data on disk */
extern bool stopped[SERVERS];
extern bool eventloop;            /* the form */
extern int64_t server_timeout_ms; /* long, unless some are to let it pass */

/* For groups of tests: starts the servers, ends them, and undoes whatever a test has done to them. */
int quorum_start(void **state);
int quorum_stop(void **state);
int quorum_restore(void **state);

#define quorum_test(test) cmocka_unit_test_teardown(test, quorum_restore)

void server_pause(size_t i);
void server_resume(size_t i);
void server_kill(size_t i);
void server_lose_data(size_t i);
void server_come_back(size_t i); /* from either */

/* In how many servers that can be asked there is a key of that name. */
size_t how_many_have(const char *name);

/* A quorum of all servers; and a lock without renewal that tries often. NULL if that failed. */
redislock_quorum *quorum_new(void);
redislock_quorum_lock *quorum_lock(redislock_quorum *quorum, const char *name);
void quorum_end(redislock_quorum *quorum, redislock_quorum_lock *lock);

/* Lets the quorum live for a moment. */
void quorum_turn(redislock_quorum *quorum, int most_ms);

#define turn_until(quorum, condition)                                                                                  \
	do {                                                                                                           \
		const int64_t turn_end = test_now_ms() + TEST_DEADLINE_MS;                                             \
		while (!(condition)) {                                                                                 \
			if (test_now_ms() > turn_end)                                                                  \
				fail_msg("not within %d ms: %s", TEST_DEADLINE_MS, #condition);                        \
			quorum_turn((quorum), 2);                                                                      \
		}                                                                                                      \
	} while (0)

/* The next event, or NULL if none comes. */
redislock_event *quorum_event(redislock_quorum *quorum);

/* The calls of the blocking form, or what the event loop has in their place; REDISLOCK_INTERNAL for an event that isn't
 * the one that belongs to it. */
int32_t quorum_acquire(redislock_quorum *quorum, redislock_quorum_lock *lock);
int32_t quorum_try(redislock_quorum *quorum, redislock_quorum_lock *lock);
int32_t quorum_release(redislock_quorum *quorum, redislock_quorum_lock *lock);
int32_t quorum_extend(redislock_quorum *quorum, redislock_quorum_lock *lock, int64_t ttl_ms);

/* Whether a loss was told since the last time. */
bool quorum_loss_told(redislock_quorum *quorum);

/* The hold ends at this moment, or later. INT64_MIN: there is none. */
int64_t quorum_held_until(redislock_quorum_lock *lock);

/* Whether a majority has renewed the lease since then. */
bool quorum_renewed_since(redislock_quorum_lock *lock, int64_t moment);

#endif

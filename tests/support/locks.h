/* SPDX-License-Identifier: MIT
 *
 * What the tests with a server share: checks that say which status came, handles that must come into being, and what
 * must be left on the server in the end. */
#ifndef TEST_LOCKS_H
#define TEST_LOCKS_H

#include "server.h"

#include <redislock/redislock.h>

/* Both kinds, for loops. */
extern const int32_t test_kinds[2];

#define assert_status(call, expected) test_status((call), (expected), #call, __FILE__, __LINE__)
void test_status(int32_t status, int32_t expected, const char *call, const char *file, int line);

/* A lock of which nothing is left on the server but a state that expires. */
#define assert_nothing_left(server) test_nothing_left((server), __FILE__, __LINE__)
void test_nothing_left(struct test_server *server, const char *file, int line);

redislock_client *test_client(const char *url);
redislock_lock *test_lock(redislock_client *client, int32_t kind, const char *name);

/* The server's view: the remaining time of a key, and how many wait in the queue of a name without braces, or that
 * begins with its tag. */
long long test_pttl(struct test_server *server, const char *key);
long long test_queue(struct test_server *server, const char *name);

/* A number of rounds, threads or the like, in percent of REDISLOCK_TEST_PERCENT: sanitizers take less, a soak more. */
int test_scaled(int number);

/* How many descriptors this process has open, and how many threads. */
int test_descriptors(void);
int test_threads(void);

#endif

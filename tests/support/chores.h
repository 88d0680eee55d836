/* SPDX-License-Identifier: MIT
 *
 * All that is done with locks by those that access rules are for, each on a name that nobody else uses. The server is
 * the one that has it. */
#ifndef TEST_CHORES_H
#define TEST_CHORES_H

#include "locks.h"

void chores_of_a_locker(redislock_client *client, struct test_server *server, const char *name);
/* Breaks what the admin's client holds and waits for. */
void chores_of_an_operator(redislock_client *client, redislock_client *admin, struct test_server *server,
                           const char *name);
void chores_of_a_watcher(redislock_client *client, const char *name);

/* Single ones: takes the lock in each way and gives it back; looks at it; is refused it. */
void chore_take(redislock_client *client, struct test_server *server, const char *name);
int32_t chore_look(redislock_client *client, const char *name);
void chore_acquire_refused(redislock_client *client, const char *name);

#endif

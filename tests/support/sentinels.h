/* SPDX-License-Identifier: MIT
 *
 * A primary, two replicas and three sentinels of the test's own, real ones on free ports. */
#ifndef TEST_SENTINELS_H
#define TEST_SENTINELS_H

#include "server.h"

enum { TEST_SENTINELS = 3 };

#define TEST_SERVICE "guarded"

struct test_sentinels {
	struct test_server servers[TEST_SENTINELS]; /* any of them may be the primary */
	struct test_server sentinels[TEST_SENTINELS];
	char hosts[96]; /* the sentinels', as a URL has them */
	char url[160];
};

/* With TEST_SERVER_TLS or 0. Comes back when all know each other. */
void test_sentinels_start(struct test_sentinels *all, unsigned flags);
void test_sentinels_stop(struct test_sentinels *all);

/* Whom a sentinel calls the primary, and whether that one says so himself. Ask for it only where both are running. */
struct test_server *test_primary(struct test_sentinels *all, size_t sentinel);
bool test_is_primary(struct test_server *server);

/* Starts again what was killed, lets go on what was paused, and waits until all is as in the beginning, though another
 * may be the primary. */
void test_sentinels_settle(struct test_sentinels *all);

#endif

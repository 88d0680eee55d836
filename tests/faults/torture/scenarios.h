/* SPDX-License-Identifier: MIT
 *
 * What is done while things fail: each scenario uses the public ABI as a program would, in one form or the other, and
 * checks what it is told. */
#ifndef TORTURE_SCENARIOS_H
#define TORTURE_SCENARIOS_H

#include <redislock/redislock.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum place {
	PLACE_SOCKET,
	PLACE_NAME,   /* the same server, found by a name */
	PLACE_SILENT, /* never says anything */
	PLACE_SENTINEL,
	PLACE_CLUSTER,
	PLACE_SECOND, /* with the first and the third a quorum */
	PLACE_THIRD
};

struct scenario {
	const char *name;
	void (*run)(void);
	enum place place;
	bool contended; /* another process holds the lock, and releases it once somebody queues */
	bool occupied;  /* another process holds it all the time */
	int step;       /* it takes long: each so many points are enough for everyday; 0 for all */
};

/* The last one has no name. */
extern const struct scenario scenarios[];

extern const char *torture_url;

/* Set by the scenarios: what went otherwise than it may; empty for nothing. */
extern char torture_failure[512];

/* A call was too late though nothing failed, as may happen on a busy machine: it is worth another try. */
extern bool torture_late;

/* Which of them are run by an event loop. */
extern bool torture_eventloop;

enum {
	TIMEOUT_MS = 300,
	WAIT_MS = 1500,
	SHORT_WAIT_MS = 40,
	TTL_MS = 1000,
	SHORT_TTL_MS = 240,
	STEP_MS = 5,
	IGNORED_MS = 60,
	RENEWED = 1000000,
	ENOUGH_MS = 20000
};

#define must(condition, ...)                                                                                           \
	do {                                                                                                           \
		if (!(condition) && torture_failure[0] == '\0')                                                        \
			snprintf(torture_failure, sizeof(torture_failure), __VA_ARGS__);                               \
	} while (0)

/* The status is the expected one, unless something has failed; then it is one that tells of it: true, if there must be
 * a text as well. */
bool torture_failed(const char *call, int32_t status, int32_t expected);

/* quorums.c: a lock on three servers. */
void quorum_holding(void);
void quorum_renewing(void);

#endif

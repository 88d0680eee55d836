/* SPDX-License-Identifier: MIT
 *
 * What is done while things fail: each scenario uses the public ABI as a program would, in one form or the other, and
 * checks what it is told. */
#ifndef TORTURE_SCENARIOS_H
#define TORTURE_SCENARIOS_H

#include <redislock/redislock.h>

#include <stdbool.h>
#include <stddef.h>

struct scenario {
	const char *name;
	void (*run)(void);
	bool contended; /* another process holds the lock, and releases it once somebody queues */
	bool occupied;  /* another process holds it all the time */
	bool by_name;   /* the server is found by a name */
	bool silent;    /* the server never says anything */
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

#endif

/* SPDX-License-Identifier: MIT
 *
 * A hostile server: it stands before a real one, passes everything on, and does one thing wrong with one of its
 * replies (messages are replies as well). On TCP, so that it can reset. */
#ifndef TEST_STUB_H
#define TEST_STUB_H

#include "server.h"

enum stub_fault {
	STUB_HONEST,
	STUB_CLOSES,  /* ends the connection behind `at` bytes of the reply */
	STUB_RESETS,  /* the same by a reset */
	STUB_STOPS,   /* the same without ending it: nothing comes any more */
	STUB_SAYS,    /* other bytes instead */
	STUB_REPEATS, /* the reply twice */
	STUB_DROPS,   /* not at all: what follows takes its place */
	STUB_LATE,    /* so many milliseconds later */
	STUB_FLOODS,  /* so many KiB of the other bytes instead, again and again */
	STUB_DRIPS    /* all replies byte by byte */
};

/* Starts, in a thread of its own. */
void stub_start(struct test_server *server);
void stub_stop(void);

extern char stub_url[64];

/* What to do wrong with the nth reply from now (from 1). The bytes must stay. */
void stub_arm(enum stub_fault fault, int nth, size_t at, const char *bytes, size_t length);

/* Does nothing wrong any more; answers how many replies there were since it was armed. */
int stub_disarm(void);

/* The longest of them that was at that place, ever. */
size_t stub_length(int nth);

#endif

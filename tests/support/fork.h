/* SPDX-License-Identifier: MIT
 *
 * fork() for a test whose process has other threads. */
#ifndef TEST_FORK_H
#define TEST_FORK_H

#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

/* fork(), in a moment in which every other thread of this process waits for something. The allocator of
 * AddressSanitizer doesn't look after its locks in a fork: what another thread held, as it does while it starts, is
 * held in the child for ever. -1 with EBUSY when there was no such moment for half a minute. */
pid_t test_fork(void);

/* In a child: a check that failed is the exit status. */
#define child_check(condition)                                                                                         \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "child: line %d: %s\n", __LINE__, #condition);                                 \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

#endif

/* SPDX-License-Identifier: MIT
 *
 * Allocations and system calls that fail when they are told to. A library of its own, which stands before libc where a
 * program is linked with it first, or is preloaded: what redislock, hiredis and c-ares call comes by here. */
#ifndef TEST_FAILING_H
#define TEST_FAILING_H

#include <poll.h>
#include <stdbool.h>

enum failing_call {
	FAIL_MEMORY, /* malloc, calloc, realloc and all that are made of them */
	FAIL_SOCKET,
	FAIL_CONNECT,
	FAIL_SEND,
	FAIL_RECV,
	FAIL_POLL, /* ppoll, too */
	FAIL_EPOLL_CREATE,
	FAIL_EPOLL_CTL,
	FAIL_EPOLL_WAIT,
	FAIL_TIMERFD,
	FAIL_EVENTFD,
	FAIL_READ,  /* of a descriptor that counts */
	FAIL_WRITE, /* the same */
	FAIL_CLOSE,
	FAIL_FCNTL,
	FAIL_SETSOCKOPT,
	FAIL_GETSOCKOPT,
	FAIL_GETNAME, /* getsockname, getpeername */
	FAIL_GETRANDOM,
	FAIL_THREAD,
	FAIL_OPEN, /* fopen */
	FAIL_CALLS
};

/* Besides errnos: what else a call may answer. */
enum { SHORT_COUNT = -1, END_OF_FILE = -2 };

/* What each may answer when it fails, ended by 0. */
struct failing_kind {
	const char *name;
	int errors[12];
};
extern const struct failing_kind failing_kinds[FAIL_CALLS];

/* From now on the nth call of that kind (from 1) fails so; for_good: and all behind it. nth 0: none, only count. */
void failing_arm(enum failing_call call, long nth, int error, bool for_good);
void failing_disarm(void);

/* How many there were since it was armed, and whether one of them has failed. */
long failing_count(enum failing_call call);
bool failing_reached(void);

/* Blocks of memory in use. */
long failing_live(void);

/* For the test itself: these never fail. */
int failing_poll(struct pollfd *fds, nfds_t count, int timeout);

#endif

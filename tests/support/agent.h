/* SPDX-License-Identifier: MIT
 *
 * An agent: a process of its own with one client and one lock, that does what it is told. It can be killed or stopped
 * at any moment, as real users of locks are. Other threads of the test must come to rest while one starts. */
#ifndef TEST_AGENT_H
#define TEST_AGENT_H

#include "locks.h"

struct agent {
	pid_t pid; /* 0 when it doesn't run */
	int socket;
};

struct agent_options {
	const char *url;
	const char *name;
	int32_t kind;    /* 0: REDISLOCK_KIND_PUBSUB */
	int32_t renewal; /* with a TTL: 1 renews */
	int64_t ttl_ms;  /* 0: the default, with renewal */
	int64_t wait_ms; /* 0: the default */
};

enum agent_task {
	AGENT_ACQUIRE,
	AGENT_TRY, /* acquire with a wait of 0 */
	AGENT_RELEASE,
	AGENT_EXTEND, /* the argument is the TTL */
	AGENT_LOOK,   /* only fills in the answer */
	AGENT_END     /* frees everything; the last answer */
};

struct agent_answer {
	int32_t status;
	int32_t held; /* this and the following as they were after the task */
	int64_t remaining_ms;
	uint64_t fence;
	int64_t called_us;
	int64_t answered_us;
	char token[129];
};

void agent_start(struct agent *agent, const struct agent_options *options);

/* Tells it what to do, and collects the answer. Between the two the test can look whether there is one. */
void agent_tell(struct agent *agent, enum agent_task task, int64_t argument);
struct agent_answer agent_answer(struct agent *agent);
bool agent_has_answered(struct agent *agent);

/* Both in one. */
struct agent_answer agent_do(struct agent *agent, enum agent_task task, int64_t argument);

/* SIGKILL, also of one that is stopped. One that doesn't run is welcome. */
void agent_kill(struct agent *agent);

/* SIGSTOP, waiting until it has stopped, and SIGCONT. */
void agent_pause(struct agent *agent);
void agent_resume(struct agent *agent);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Servers of the test's own that say what they are told to, driven from the test's one thread; and an engine that is
 * turned in a time of the test's own, so that pauses are measured and not waited for. */
#ifndef TEST_SCRIPTED_H
#define TEST_SCRIPTED_H

#include "engine.h"
#include "test.h"

enum { SCRIPTED_FDS = 128 };

struct scripted {
	int listener; /* -1: it refuses connections */
	uint16_t port;
	int fds[SCRIPTED_FDS]; /* -1: none */
	unsigned accepted, asked;
	bool silent; /* it takes connections, and says nothing */
	/* What to answer to a command, its words with a space behind each; NULL: nothing. */
	const char *(*answer)(const char *command);
};

/* Listens on a free port; or no more. */
void scripted_start(struct scripted *server, const char *(*answer)(const char *command));
void scripted_refuse(struct scripted *server);

/* To all that are connected. */
void scripted_say(struct scripted *server, const char *text);

/* Turns the engine and the servers at this time until a condition holds, or there is nothing more to do at this time
 * (then false). */
bool scripted_turn(struct rlk_engine *engine, struct scripted *const *servers, int64_t now, bool (*until)(void));

#endif

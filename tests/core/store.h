/* SPDX-License-Identifier: MIT
 *
 * A server in memory, with one lock: what the scripts of src/core/scripts do, in C and in fake time. */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include "core.h"

enum { STORE_TICKETS = 64, STORE_NOBODY = -1 };

/* A script with its arguments, as it was read from the words of a command. Tokens are numbers from 1, clients from 0.
 */
struct store_request {
	enum rlk_script script;
	int token, client;
	int64_t ttl, handoff;
	int mode;       /* of LOCK; the flag of UNLOCK */
	uint64_t fence; /* of EXTEND */
};

struct store_ticket {
	int token, client;
	int64_t handoff;
};

struct store {
	int64_t now;
	int ticks; /* of its clock: no two of its microseconds are the same */
	int owner; /* 0: nobody */
	int64_t expires_at;
	struct store_ticket queue[STORE_TICKETS]; /* in the order of their scores */
	size_t waiting;
	int64_t queue_expires_at;
	uint64_t fence;
	int issued, pending; /* the token that the fence was issued to; the client of a hand-off, or STORE_NOBODY */
	uint64_t highest;    /* fence ever */

	/* What the server does besides: whether a client's inbox has a subscriber, and the messages. */
	void *context;
	bool (*listens)(void *context, int client);
	void (*grant)(void *context, int client, const char *message);
	void (*released)(void *context);
};

void store_init(struct store *store);

/* Reads the words of a command; they must be those of a script on the lock "foo". */
struct store_request store_read(enum rlk_script script, const struct rlk_words *words);

/* Executes it, and writes the reply; answers how many values. */
enum { STORE_REPLY = 6 };
size_t store_execute(struct store *store, const struct store_request *request, struct rlk_value reply[STORE_REPLY]);

/* Lets what has run out go. */
void store_expire(struct store *store);

void store_lose_everything(struct store *store);

#endif

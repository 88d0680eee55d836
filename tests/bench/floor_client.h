/* SPDX-License-Identifier: MIT
 *
 * The library's scripts on bare, blocking hiredis: two connections, no polls, no acknowledgements, no
 * recovery. */
#ifndef BENCH_FLOOR_CLIENT_H
#define BENCH_FLOOR_CLIENT_H

#include "bench.h"

struct floor_client {
	redisContext *commands, *messages;
	char name[128], queue[256], state[256], id[33];
	char lock[BENCH_SHA_SIZE], unlock[BENCH_SHA_SIZE];
};

enum { FLOOR_TOKEN_SIZE = 33 };

/* Connects, loads the scripts, and listens on the inbox and the legacy channel. */
void floor_open(struct floor_client *client, const char *url, const char *name);

/* Appends, without sending. The UNLOCK is that of a hold which was not acknowledged yet: so short ones need not be. */
void floor_append_lock(struct floor_client *client, const char *token);
void floor_append_unlock(struct floor_client *client, const char *token);

/* Sends all that was appended. */
void floor_flush(struct floor_client *client);

/* Reads an answer: its first number. */
long long floor_answer(struct floor_client *client);

/* Blocks for the next grant and copies its token. */
void floor_grant(struct floor_client *client, char token[FLOOR_TOKEN_SIZE]);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The library's scripts on bare, blocking hiredis: two connections, no polls, no acknowledgements, no
 * recovery. Where FLOOR_RESP3 is defined it is one connection, and the messages are pushes on it. */
#ifndef BENCH_FLOOR_CLIENT_H
#define BENCH_FLOOR_CLIENT_H

#include "bench.h"

enum { FLOOR_TOKEN_SIZE = 33 };

struct floor_client {
	redisContext *commands, *messages; /* may be the same */
	char early[FLOOR_TOKEN_SIZE];      /* of a grant that was read when an answer was looked for; or empty */
	char name[128], queue[256], state[256], id[33];
	char lock[BENCH_SHA_SIZE], unlock[BENCH_SHA_SIZE];
};

/* Connects, and listens on the inbox and the legacy channel. */
void floor_listen(struct floor_client *client, const char *url, const char *name);

/* Listens, and loads the scripts. */
void floor_open(struct floor_client *client, const char *url, const char *name);
void floor_close(struct floor_client *client);

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

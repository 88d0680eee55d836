/* SPDX-License-Identifier: MIT
 *
 * The opaque handles of the public ABI. */
#ifndef RLK_API_H
#define RLK_API_H

#include "drivers/drivers.h"
#include "redislock/redislock.h"

#define RLK_EXPORT __attribute__((visibility("default")))

struct redislock_client {
	struct rlk_driver driver;
	atomic_uint references;
	unsigned generation; /* of the process that made it */
	char text[RLK_TEXT]; /* of the last failure of a call */
};

struct redislock_lock {
	struct rlk_job job;
	redislock_client *client;
	atomic_flag busy; /* in a caller's hands */
	atomic_uint interrupts;
	char *label;
	char *own_token;
	uint8_t own_token_length;
	int32_t status; /* of the last failure; its text is the job's, or else the status's own */
};

/* ---- fork.c ---- */

/* Counts the forks between here and the process's ancestors; a handle made at another count is the parent's. */
unsigned rlk_generation(void);
bool rlk_forked(const redislock_client *client);

/* ---- client.c ---- */

void rlk_client_retain(redislock_client *client);
void rlk_client_release(redislock_client *client);

/* Asks once and waits for the answer; the words of the call are set. */
int32_t rlk_client_ask(redislock_client *client, struct rlk_call *call);

/* ---- error.c ---- */

/* Copies a text into a caller's buffer, cut to fit. */
int32_t rlk_text_copy(const char *text, char *buffer, size_t size);

/* ---- check.c ---- */

bool rlk_name_valid(const void *name, size_t length);
bool rlk_token_valid(const char *token, size_t length);
bool rlk_duration_valid(int64_t duration, int64_t least, int64_t most);

#define RLK_DURATION_MAX INT64_C(9007199254740991)

#endif

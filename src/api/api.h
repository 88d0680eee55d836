/* SPDX-License-Identifier: MIT
 *
 * The opaque handles of the public ABI. */
#ifndef RLK_API_H
#define RLK_API_H

#include "drivers/drivers.h"
#include "redislock/redislock.h"

#define RLK_EXPORT __attribute__((visibility("default")))

/* What a client was made for. */
enum rlk_form { RLK_EITHER, RLK_BLOCKING, RLK_EVENTLOOP };

struct redislock_event {
	int32_t type, status;
	uint64_t tag;
	redislock_lock *lock;
	redislock_quorum_lock *quorum_lock;
	redislock_info *info; /* owned; NULL when there is none, or it was taken */
};

struct redislock_client {
	union {
		struct rlk_driver driver;
		struct rlk_blocking blocking;
		struct rlk_loop loop;
	};
	enum rlk_form form;
	atomic_uint references;
	unsigned generation;          /* of the process that made it */
	struct redislock_event event; /* the last one read */
	char text[RLK_TEXT];          /* of the last failure of a call */
};

struct redislock_lock {
	struct rlk_job job;
	struct rlk_task task; /* event loop only */
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

/* Enters the driver, if the arguments are valid and the client is of that form. */
int32_t rlk_client_enter(redislock_client *client, bool valid, enum rlk_form form);

/* Leaves it; a failure's text is the status's own. */
int32_t rlk_client_leave(redislock_client *client, int32_t status);

/* ---- lock.c ---- */

/* Takes the lock's handle into the caller's hands, and the driver with it. */
int32_t rlk_lock_enter(redislock_lock *lock, bool valid, enum rlk_form form);
int32_t rlk_lock_leave(redislock_lock *lock, int32_t status);
void rlk_lock_forget_text(redislock_lock *lock);

/* ---- ask.c: questions outside of any lock ---- */

/* A question about a name, or (length 0) about none. */
struct rlk_inquiry {
	struct rlk_question question;
	struct rlk_names names;
	redislock_info *info; /* the answer, if it is one */
	redislock_list *list; /* whose next step it is, if it is one */
	char token[RLK_TOKEN_MAX];
	char bytes[]; /* the names */
};

/* NULL if out of memory. script: -1 for a plain command. */
struct rlk_inquiry *rlk_inquiry_new(const redislock_client *client, int32_t script, const void *name, size_t length,
                                    int32_t (*take)(struct rlk_call *call, const struct rlk_value *reply,
                                                    size_t count));

/* Asks, and waits for the answer. Takes NULL, too. The inquiry stays the caller's. */
int32_t rlk_client_ask(redislock_client *client, struct rlk_inquiry *inquiry);

/* Asks; the answer will be an event. The inquiry is taken over in any case. */
int32_t rlk_client_start_ask(redislock_client *client, struct rlk_inquiry *inquiry, uint64_t tag);

/* ---- error.c ---- */

/* Copies a text into a caller's buffer, cut to fit. */
int32_t rlk_text_copy(const char *text, char *buffer, size_t size);

/* ---- check.c ---- */

bool rlk_name_valid(const void *name, size_t length);
/* Whether it can be a lock's name at that client; the client's text says it where a cluster has no slot for it. */
bool rlk_name_fits(redislock_client *client, const void *name, size_t length);
bool rlk_token_valid(const char *token, size_t length);
bool rlk_label_valid(const char *owner, size_t length);
bool rlk_duration_valid(int64_t duration, int64_t least, int64_t most);

#define RLK_DURATION_MAX INT64_C(9007199254740991)

#endif

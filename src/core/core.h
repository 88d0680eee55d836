/* SPDX-License-Identifier: MIT
 *
 * The protocol as machines without I/O: no socket, clock, thread, allocation or random source. Time, tokens and replies
 * are arguments. */
#ifndef RLK_CORE_H
#define RLK_CORE_H

#include "base/base.h"

#include <stdbool.h>

/* ---- names.c: keys and channels (protocol 2) ---- */

struct rlk_names {
	struct rlk_slice name;    /* the lock's key */
	struct rlk_slice queue;   /* sorted set of tickets */
	struct rlk_slice state;   /* last fence, its token, the pending hand-off, the holder's label */
	struct rlk_slice channel; /* where releases are announced to others than redislock */
	bool sharded; /* the server is one of a cluster's: what the scripts publish stays in the name's slot */
};

enum { RLK_NAME_MAX = 32768, RLK_TOKEN_MAX = 128, RLK_LABEL_MAX = 255, RLK_CLIENT_LENGTH = 32 };

/* The bytes that the four names take, each NUL-terminated. */
size_t rlk_names_size(const char *name, size_t length);

/* Builds them in buffer, which must stay. They are not sharded: that is the caller's to set. */
void rlk_names_build(struct rlk_names *names, char *buffer, const char *name, size_t length);

/* In a cluster: whether all keys of a name come out in one slot, which, and the channel of a client's inbox for it, of
 * rlk_names_inbox_size() bytes, NUL-terminated; and back to the name, false if it is none. */
bool rlk_name_has_slot(const char *name, size_t length);
uint16_t rlk_names_slot(const struct rlk_names *names);
size_t rlk_names_inbox_size(const struct rlk_names *names);
struct rlk_slice rlk_names_inbox(const struct rlk_names *names, char *buffer, struct rlk_slice client);
bool rlk_names_of_inbox(struct rlk_slice channel, struct rlk_slice *name);
enum { RLK_SLOTS = 16384 };

/* The name whose state key this is; false if it is none. */
bool rlk_names_of_state(struct rlk_slice key, struct rlk_slice *name);

#define RLK_INBOX_PREFIX "rlock-inbox:"
#define RLK_STATE_PREFIX "rlock-state:"

/* ---- scripts.c: what is sent (protocol 3) ---- */

enum rlk_script {
	RLK_LOCK,
	RLK_UNLOCK,
	RLK_CANCEL,
	RLK_BREAK,
	RLK_EXTEND,
	RLK_RENEW,
	RLK_INFO,
	RLK_SCRIPTS /* how many */
};

struct rlk_script_source {
	struct rlk_slice text;
	struct rlk_slice sha1;
};

/* Made at build time from scripts/. */
extern const struct rlk_script_source rlk_script_sources[RLK_SCRIPTS];

enum { RLK_WORDS = 16, RLK_NUMBERS = 4 };

/* A command, word by word; what the words point to must stay until it is appended. */
struct rlk_words {
	struct rlk_slice word[RLK_WORDS];
	size_t count;
	char digits[RLK_NUMBERS][24];
	size_t numbers;
};

/* Begins the words of a script on a name. whole: send its text (EVAL), not its digest (EVALSHA). */
void rlk_words_begin(struct rlk_words *words, enum rlk_script script, bool whole, const struct rlk_names *names);
/* The same with the lock's own key alone, for a script that can do with it: RENEW always, UNLOCK if need be. */
void rlk_words_begin_alone(struct rlk_words *words, enum rlk_script script, bool whole, const struct rlk_names *names);
void rlk_words_add(struct rlk_words *words, struct rlk_slice word);
void rlk_words_add_number(struct rlk_words *words, int64_t number);

#define RLK_LITERAL(text) ((struct rlk_slice) { (text), sizeof(text) - 1 })

/* ---- replies.c: what comes back ---- */

enum rlk_outcome {
	RLK_NOT_MINE = 0, /* 0 of every script */
	RLK_HELD = 1,     /* or "done", of scripts that take nothing */
	RLK_QUEUED = 2,
	RLK_BUSY = 3,
	RLK_MORE = 4,
	RLK_MALFORMED = 5
};

struct rlk_answer {
	enum rlk_outcome outcome;
	uint64_t fence;    /* held: mine; queued, busy: the last one issued */
	int64_t remaining; /* of the holder's TTL; -1 none */
	int64_t place;     /* queued: tickets before mine; busy: tickets in all */
	bool new_ticket;
};

struct rlk_answer rlk_answer_parse(const struct rlk_value *reply, size_t count);

struct rlk_grant {
	struct rlk_slice token;
	uint64_t fence;
	int64_t handoff;
	struct rlk_slice name;
};

/* Reads a message of the inbox; false if it is none. */
bool rlk_grant_parse(struct rlk_slice message, struct rlk_grant *grant);

enum rlk_remedy {
	RLK_GIVE_UP,    /* tell the caller */
	RLK_TRY_AGAIN,  /* it will pass: ask again in a moment */
	RLK_TRY_ALONE,  /* the same, but what can do with the lock's own key alone need not wait */
	RLK_REDIRECT,   /* another server of the cluster has that slot */
	RLK_RECONNECT,  /* this server is the wrong one now: connect anew, then ask again */
	RLK_SEND_SCRIPT /* it doesn't know the script: send its text */
};

/* What a server's error means: a status, and what helps. */
int32_t rlk_error_status(struct rlk_slice error, enum rlk_remedy *remedy);

/* ---- lease.c: how long a hold may be believed (protocol 5) ---- */

/* The end of a lease that was asked for at sent_at: less the allowance for clocks that differ. */
int64_t rlk_lease_end(int64_t sent_at, int64_t ttl);

/* ---- the lock as a machine ---- */

enum rlk_kind { RLK_PUBSUB = 1, RLK_SPIN = 2 };

enum rlk_phase {
	RLK_IDLE,
	RLK_TRYING,     /* a LOCK is to be sent or under way, no ticket known of */
	RLK_PAUSING,    /* spin: until the next try */
	RLK_LISTENING,  /* wants the subscriptions of its room */
	RLK_WAITING,    /* has a ticket */
	RLK_LEAVING,    /* the last try */
	RLK_CONFIRMING, /* has the lock, and waits for replicas to have it too */
	RLK_CANCELLING,
	RLK_HOLDING,
	RLK_EXTENDING,
	RLK_RELEASING,
	RLK_OVER /* held, and lost; not yet told */
};

/* What a client has learnt of its hand-offs; one for all of its machines (protocol 6). */
struct rlk_pace {
	int64_t round_trip; /* ms, the longest of late */
	int32_t missed;     /* hand-offs missed in a row */
	uint32_t phase;     /* of its renewals */
	int64_t missed_at;
};

struct rlk_machine;

/* Somebody who saw what the last fence was, at a moment not before `at`: a grant above that fence is younger. */
struct rlk_witness {
	int64_t at;
	uint64_t fence;
};

/* One client's waiting room for a name: its waiters in the order of their first tickets, and what it knows of
 * the name. */
struct rlk_room {
	struct rlk_names names;
	struct rlk_slice client; /* whose inbox */
	struct rlk_pace *pace;
	bool listening;             /* inbox and channel are confirmed */
	struct rlk_witness witness; /* the anchor (protocol 5); the client's, so any of its answers serves all */
	struct rlk_witness earlier; /* the last one with a lower fence */
	int64_t heard_at;           /* the last grant to this room */
	size_t trying;              /* waiters that have tried without queueing, and are about to queue */
	struct rlk_machine *first, *last;
};

void rlk_room_init(struct rlk_room *room, struct rlk_slice client, struct rlk_pace *pace);

/* Who polls for the others: the first that waits and isn't suspended; NULL for nobody. */
struct rlk_machine *rlk_room_foremost(const struct rlk_room *room);

/* A release was announced on the channel, or the holder's end is otherwise near: ask soon. */
void rlk_room_nudge(struct rlk_room *room, int64_t now);

/* Some answer proved that the last fence was this one, at a moment not before sent_at. */
void rlk_room_saw(struct rlk_room *room, int64_t sent_at, uint64_t fence);

/* One request of a machine. */
struct rlk_request {
	bool wanted, flying;
	uint32_t number;    /* of the flight, so that an answer to an older one is known */
	int64_t sent_at;    /* of the flight */
	int64_t not_before; /* when to send, if wanted */
};

struct rlk_machine {
	/* settings */
	struct rlk_room *room;
	enum rlk_kind kind;
	int64_t ttl; /* -1: none */
	bool renew;
	int64_t wait; /* -1: for ever */
	int64_t interval, interval_max;
	int32_t growth;
	struct rlk_slice label;
	int64_t min_replicas;  /* that must have an acquisition (protocol 9); 0: none */
	int64_t replicas_wait; /* how long that may take */

	/* the acquisition */
	enum rlk_phase phase;
	bool suspended;
	bool ticket;   /* a ticket of it may be in the queue, or the lock may be its own */
	bool queued;   /* a LOCK that queues was sent */
	bool requeues; /* a ticket that may still be there must go before it asks for another hand-off lease */
	bool trying;   /* as the room counts it */
	bool answered; /* the server was heard since it began */
	char token[RLK_TOKEN_MAX];
	uint8_t token_length;
	uint32_t jitter;
	int64_t deadline; /* the end of the wait; RLK_NEVER once it has passed */
	bool late;        /* it has passed */
	int64_t end_at;   /* the end of all patience */
	int64_t confirm_until;
	int64_t handoff; /* H, as it stands in the ticket */
	int64_t pause;
	int64_t asked_at;  /* sending of the last answered LOCK */
	int64_t free_at;   /* the holder's end, as far as known */
	int64_t nudged_at; /* an earlier poll */
	int64_t place;
	struct rlk_machine *next, *previous; /* in the room */

	/* the hold */
	uint64_t fence;
	int64_t valid_until;
	int64_t lease;        /* the TTL that is in force or being asked for */
	int64_t former_lease; /* while another is being asked for */
	uint32_t overtaken;   /* the renewal that was under way then */
	int64_t doubtful;     /* the shortest TTL that a lost request may still set; RLK_NEVER: none */
	int64_t stated_at;    /* when the state was last written, at the earliest */
	bool unacknowledged;  /* held by a hand-off, or by a hand-off lease, so far */
	bool lasting;         /* the state may have lost its expiry, for a lease without an end */
	bool released_in_time;
	bool uncertain; /* an UNLOCK was sent, and nobody knows what became of it */
	bool alone;     /* the slot moves: what can do with the lock's own key alone is asked so */

	struct rlk_request ask;  /* LOCK, CANCEL, UNLOCK, the caller's EXTEND */
	struct rlk_request keep; /* acknowledgement and renewal */
	int64_t keep_at;
	uint32_t flights;
	int32_t backoff;

	/* what the caller will be told */
	bool done;
	int32_t status;
	int32_t trouble; /* the last passing failure, in case patience ends */
};

void rlk_machine_init(struct rlk_machine *machine, struct rlk_room *room, enum rlk_kind kind);

/* What callers ask for. patience: how long the first answer (of a wait of 0), a release, ... may take. Each sets done
 * and status when it is decided, at once or in the course of what is fed later. */
void rlk_machine_acquire(struct rlk_machine *machine, struct rlk_slice token, uint32_t jitter, int64_t patience,
                         int64_t now);
void rlk_machine_resume(struct rlk_machine *machine, int64_t patience, int64_t now);
void rlk_machine_suspend(struct rlk_machine *machine);
void rlk_machine_cancel(struct rlk_machine *machine, int64_t patience, int64_t now);
void rlk_machine_release(struct rlk_machine *machine, int64_t patience, int64_t now);
void rlk_machine_extend(struct rlk_machine *machine, int64_t ttl, int64_t patience, int64_t now);

/* It has tried without queueing and is to queue, or not any more. */
void rlk_machine_try(struct rlk_machine *machine, bool trying);

/* Leaves the room and whatever was going on. The ticket flag tells whether the server may still know the token. */
void rlk_machine_abandon(struct rlk_machine *machine);

/* The words of a CANCEL in the machine's name, for whoever cleans up behind it. */
void rlk_machine_cancel_words(const struct rlk_machine *machine, struct rlk_words *words, bool whole);

/* Whether there is a request to send now. */
bool rlk_machine_ready(const struct rlk_machine *machine, int64_t now);

/* Takes it: its script, its words and its number. Call when it can be sent at once: validity counts from now. */
enum rlk_script rlk_machine_send(struct rlk_machine *machine, struct rlk_words *words, bool whole, uint32_t *number,
                                 int64_t now);

/* What became of the request: an answer; an error; or the connection broke. */
void rlk_machine_answer(struct rlk_machine *machine, enum rlk_script script, uint32_t number, int64_t sent_at,
                        struct rlk_answer answer, int64_t now);
void rlk_machine_error(struct rlk_machine *machine, uint32_t number, int32_t status, enum rlk_remedy remedy,
                       int64_t now);
void rlk_machine_dropped(struct rlk_machine *machine, uint32_t number, int64_t now);

/* While it confirms, requests are for a connection of their own, with a WAIT behind each: for so many milliseconds; and
 * so many replicas were the answer. */
int64_t rlk_machine_replicas_wait(const struct rlk_machine *machine, int64_t now);
void rlk_machine_replicas(struct rlk_machine *machine, uint32_t number, int64_t replicas, int64_t now);

/* No connection can be had for now; final: and waiting is no use. */
void rlk_machine_trouble(struct rlk_machine *machine, int32_t status, bool final, int64_t now);

/* The room's subscriptions were confirmed (again). */
void rlk_machine_listening(struct rlk_machine *machine, int64_t now);

/* It was handed the lock. False if it has no use for it: whoever asks must give it back. */
bool rlk_machine_granted(struct rlk_machine *machine, const struct rlk_grant *grant, int64_t now);

/* Time has passed. */
void rlk_machine_tick(struct rlk_machine *machine, int64_t now);

/* When it wants the next tick, provided that what is ready now is being sent. */
int64_t rlk_machine_wake(const struct rlk_machine *machine, int64_t now);

/* Whether it still believes to hold the lock. */
bool rlk_machine_held(const struct rlk_machine *machine, int64_t now);

/* Whether it wants to be driven though nobody waits for it. */
bool rlk_machine_in_background(const struct rlk_machine *machine);

/* ---- the two answers to "not acquired, what next?": used by the machine only ---- */

enum { RLK_GRACE_MS = 80, RLK_MISSED_MAX = 3 };

/* To be sent at `at`; what is under way becomes an older request. */
void rlk_request_want(struct rlk_request *request, int64_t at);
void rlk_request_clear(struct rlk_request *request);

void rlk_spin_busy(struct rlk_machine *machine, int64_t now);

int64_t rlk_pubsub_handoff(const struct rlk_pace *pace);
void rlk_pubsub_missed(struct rlk_pace *pace, int64_t now);
void rlk_pubsub_busy(struct rlk_machine *machine, int64_t now);
void rlk_pubsub_queued(struct rlk_machine *machine, const struct rlk_answer *answer, int64_t now);
void rlk_pubsub_leave_room(struct rlk_machine *machine);
int64_t rlk_pubsub_poll_at(const struct rlk_machine *machine);
/* Until when a grant lets its receiver believe to hold the lock; something past if it proves nothing. */
int64_t rlk_pubsub_grant_end(const struct rlk_machine *machine, const struct rlk_grant *grant);

#endif

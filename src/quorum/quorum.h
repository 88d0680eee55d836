/* SPDX-License-Identifier: MIT
 *
 * One lock on many servers (protocol 11): a layer above the event-loop form of clients and locks, one of each for every
 * server. What is here decides what a majority is worth; everything that one server is asked for, and the cleaning up
 * behind it, is the business of the lock on it. */
#ifndef RLK_QUORUM_H
#define RLK_QUORUM_H

#include "api/api.h"

enum { RLK_SERVERS_MAX = 31, RLK_HOLD_TOKEN = 32 };

/* One server. */
struct rlk_member {
	redislock_client *client;
	char *where;  /* for people: without a password */
	bool reached; /* it has answered, at least once */
	bool silent;  /* it has left the last question unanswered: nobody waits for it who can do without */
};

struct redislock_quorum {
	pthread_mutex_t mutex; /* guards all of it, and is never held while polling */
	enum rlk_form form;
	atomic_uint references;
	unsigned generation; /* of the process that made it */
	int64_t timeout;
	struct rlk_random random;
	redislock_quorum_lock *locks;
	struct rlk_member members[RLK_SERVERS_MAX];
	size_t count;

	int epoll_fd; /* the members', the timer and the eventfd are in it */
	int timer_fd;
	int wake_fd;      /* event loop: readable while there are unread events; blocking: has the thread look around */
	int64_t timer_at; /* RLK_NEVER: not set */
	bool signalled;   /* event loop: wake_fd is readable */
	struct redislock_event event; /* the last one read */

	/* blocking form only */
	pthread_t thread;
	bool runs;
	atomic_bool ends;
	bool interruptible;
	atomic_uint interrupts; /* of all waits, so far */
	int lost_fd;            /* -1 until somebody asks for it */
	bool lost_already;      /* a lease, before that */
};

/* What one server is doing for a lock. */
enum rlk_errand { RLK_NO_ERRAND, RLK_TAKE, RLK_PROLONG, RLK_GIVE_BACK };

/* The caller's extension, as one server stands to it. */
enum rlk_order { RLK_NO_ORDER, RLK_ORDER_DUE, RLK_ORDER_SENT, RLK_ORDER_OBEYED };

/* A lock's part on one server. */
struct rlk_seat {
	redislock_quorum_lock *of;
	struct rlk_member *member;
	redislock_lock *lock; /* NULL: to be made */
	enum rlk_errand errand;
	bool held;     /* it was taken, and nothing has said that it isn't any more */
	bool refused;  /* somebody else held it, in this round */
	bool doubtful; /* nobody knows whether it is held; it is being cleaned up behind */
	bool counted;  /* it was part of the majority when the release began */
	enum rlk_order order;
	int64_t asked_at, renew_at;
	int32_t status;      /* of the last failure */
	char text[RLK_TEXT]; /* the same for people */
};

enum rlk_stage {
	RLK_STAGE_FREE,
	RLK_STAGE_VOTING,  /* every server is asked */
	RLK_STAGE_UNDOING, /* no majority: every server is told to forget it */
	RLK_STAGE_RESTING, /* until the next round */
	RLK_STAGE_HOLDING,
	RLK_STAGE_RELEASING,
	RLK_STAGE_OVER /* held, and lost; not yet told */
};

struct redislock_quorum_lock {
	redislock_quorum *quorum;
	redislock_quorum_lock *next, *previous;
	char *name;
	size_t name_length;
	int64_t ttl, wait, interval;
	bool renew;
	char *owner;
	size_t owner_length;

	enum rlk_stage stage;
	int64_t stage_ends; /* of voting, undoing, releasing, and of an extension */
	int64_t deadline;   /* of the wait */
	int64_t lease;      /* the TTL in force */
	int64_t new_lease;  /* the caller's extension */
	int64_t try_at;
	int32_t verdict; /* what the last round came to */
	bool hopeless;   /* and whether another would be no better */
	char token[RLK_HOLD_TOKEN + 1];
	uint32_t tries; /* each question to take it has a token of its own */

	/* What the caller waits for. */
	enum rlk_operation operation; /* under way, or decided and not told */
	bool decided;
	bool interrupted;
	int32_t status;
	uint64_t tag, held_tag;
	bool lost_unread; /* event loop: a loss is to be told */
	int done_fd;      /* blocking form: readable when it is decided */
	atomic_uint interrupts;
	unsigned interrupts_before, all_interrupts_before;

	int32_t failure;         /* of the last call */
	struct rlk_seat seats[]; /* one for each server */
};

/* ---- seat.c: one server ---- */

void rlk_seat_take(struct rlk_seat *seat, int64_t now);
void rlk_seat_prolong(struct rlk_seat *seat, int64_t now);

/* Begins, or goes on, to give it back; the seat is quiet when that is done. */
void rlk_seat_let_go(struct rlk_seat *seat);

/* The round is over, and the server has not answered. */
void rlk_seat_unheard(struct rlk_seat *seat);

/* Gives it back without waiting for it; what was asked is cleaned up behind. The seat is quiet at once. */
void rlk_seat_drop(struct rlk_seat *seat);

/* Nothing is under way on it and nothing held. */
bool rlk_seat_quiet(const struct rlk_seat *seat);

/* Until when it is sure to be held; INT64_MIN if it isn't. */
int64_t rlk_seat_until(const struct rlk_seat *seat, int64_t now);

/* What has happened on its server. */
void rlk_seat_event(struct rlk_seat *seat, int32_t type, int32_t status, int64_t now);

/* ---- stages.c: what a majority decides ---- */

size_t rlk_quorum_majority(const redislock_quorum *quorum);

/* Until when a majority of the servers is sure to hold it; INT64_MIN without one. */
int64_t rlk_majority_until(const redislock_quorum_lock *lock, int64_t now);

/* What callers ask for. REDISLOCK_OK: the lock's operation is under way, or decided already. Else there is none. */
int32_t rlk_stage_acquire(redislock_quorum_lock *lock, int64_t now);
int32_t rlk_stage_release(redislock_quorum_lock *lock, int64_t patience, int64_t now);
int32_t rlk_stage_extend(redislock_quorum_lock *lock, int64_t ttl, int64_t now);

/* Gives up an acquire. */
void rlk_stage_give_up(redislock_quorum_lock *lock, int64_t now);

/* Does what is due, and tells when more will be. */
void rlk_stage_step(redislock_quorum_lock *lock, int64_t now);
int64_t rlk_stage_wake(redislock_quorum_lock *lock, int64_t now);

/* ---- servers.c ---- */

int32_t rlk_quorum_enter(redislock_quorum *quorum, bool valid, enum rlk_form form);
int32_t rlk_quorum_leave(redislock_quorum *quorum, int32_t status);
bool rlk_quorum_forked(const redislock_quorum *quorum);
void rlk_quorum_release(redislock_quorum *quorum);

/* ---- turn.c ---- */

bool rlk_turn_init(redislock_quorum *quorum);
void rlk_turn_clear(redislock_quorum *quorum);
bool rlk_turn_watch(redislock_quorum *quorum, size_t member);

/* Does what is due on all servers and for all locks. */
void rlk_turn(redislock_quorum *quorum);

/* When more will be due, apart from what the descriptor tells. */
int64_t rlk_turn_wake(const redislock_quorum *quorum, int64_t now);

/* The descriptor must tell of all that has changed. */
void rlk_turn_refresh(redislock_quorum *quorum);

/* ---- lock.c ---- */

int32_t rlk_quorum_lock_enter(redislock_quorum_lock *lock, bool valid, enum rlk_form form);
int32_t rlk_quorum_lock_leave(redislock_quorum_lock *lock, int32_t status);

/* ---- blocking.c ---- */

/* The operation is decided: whoever waits for it, wakes. */
void rlk_quorum_decided(redislock_quorum_lock *lock);
void rlk_quorum_lost(redislock_quorum_lock *lock);

/* Waits until the operation is decided, with the mutex held before and after. */
int32_t rlk_quorum_await(redislock_quorum_lock *lock);

/* Ends what an interrupt was meant for. */
void rlk_quorum_look_for_interrupts(redislock_quorum *quorum, int64_t now);
void rlk_quorum_end_thread(redislock_quorum *quorum);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the tests of the core share: one machine in a room of its own, with a fake clock and answers that are made up.
 * No server, no sleep. */
#ifndef CORE_MACHINE_H
#define CORE_MACHINE_H

#include "core.h"
#include "redislock/redislock.h"
#include "test.h"

#include <string.h>

/* The TTL and the hand-off lease that machines here have, and what of them may be believed. */
enum { START = 1000000, PATIENCE = 10000, TTL = 30000, TTL_SURE = 29698, HANDOFF = 1000, HANDOFF_SURE = 988 };

#define TOKEN "token-of-mine"

extern struct rlk_pace pace;
extern struct rlk_room room;
extern struct rlk_machine machine; /* the one that a test is about */
extern uint32_t number;            /* of its last request */

/* An empty room of the lock "foo" and of the client "client", and a machine in front of it. wait as in its settings. */
void make(enum rlk_kind kind, int64_t wait);

/* One more for that room. */
void make_another(struct rlk_machine *another, enum rlk_kind kind, int64_t wait);

/* made, and asked at START to acquire. */
void make_trying(enum rlk_kind kind, int64_t wait);

/* A waiter with a ticket: its LOCK was sent at START and told at START + 5 that the last fence was 10. */
void make_waiting(int64_t wait);

/* A holder: its LOCK was sent at START and told at START + 1 that its fence is 11. */
void make_holding(void);

/* A waiter that was handed the lock at START + 300, with the fence 11. */
void make_handed(void);

/* A holder whose lease came to its end and was noticed to. */
void make_lost(void);

/* A holder that was asked at START + 10 to release, and has sent so. */
void make_releasing(void);

struct rlk_answer held(uint64_t fence);
struct rlk_answer queued(uint64_t fence, bool new_ticket);
struct rlk_answer busy(uint64_t fence);
struct rlk_answer told(enum rlk_outcome outcome);

/* Sends what is ready, which must be this script. */
void assert_sends(enum rlk_script script, int64_t now);

/* Sends a LOCK, which must be of this mode. */
void assert_locks(const char *mode, int64_t now);

void assert_sends_nothing(int64_t now);

/* Answers the last request, as if it had been sent at sent_at. */
void answer(enum rlk_script script, struct rlk_answer it, int64_t sent_at, int64_t now);

/* When a lease of that TTL is renewed that was asked for at sent_at: all of a client's in the same moments. */
int64_t renewal_after(int64_t sent_at, int64_t ttl);

/* A message tells of a hand-off with the usual lease. */
bool grant(uint64_t fence, int64_t now);

void assert_undecided(void);
void assert_done(int32_t status);

/* Whether it believes to hold the lock until just before end. */
void assert_held_until(int64_t end);

/* The words of a command but for the first two, EVAL or EVALSHA and what it is to run, with a | between them. */
void assert_words(const struct rlk_words *words, const char *text);

/* Sends what is ready, which must be this script in these words. */
void assert_request(enum rlk_script script, const char *text, int64_t now);

/* With what the words of every script but RENEW begin. */
#define KEYS "3|foo|rlock-queue:{foo}:foo|rlock-state:{foo}:foo|"

#endif

/* SPDX-License-Identifier: MIT
 *
 * The lock as a machine: it is fed with what callers want, what the server said and what time it is, and asked for what
 * to send next. Both kinds are this one machine; they differ in what follows a LOCK that didn't acquire. */
#include "core.h"

#include "redislock/redislock.h"

#include <string.h>

enum {
	BACKOFF_MS = 10,
	BACKOFF_DOUBLINGS = 6,
	ACKNOWLEDGE_PART = 16,
	RENEW_PART = 3,
	GRANT_PART = 4,
	REPLICAS_GRACE_MS = 250
};

static void finish(struct rlk_machine *machine, int32_t status)
{
	machine->done = true;
	machine->status = status;
}

static void begin(struct rlk_machine *machine)
{
	machine->done = false;
	machine->trouble = REDISLOCK_OK;
	machine->backoff = 0;
	machine->alone = false;
}

static bool waits(const struct rlk_machine *machine)
{
	return machine->phase >= RLK_TRYING && machine->phase <= RLK_LEAVING;
}

static bool holds(const struct rlk_machine *machine)
{
	return machine->phase == RLK_HOLDING || machine->phase == RLK_EXTENDING;
}

static int64_t add(int64_t now, int64_t duration)
{
	return duration < 0 || now > RLK_NEVER - 1 - duration ? RLK_NEVER : now + duration;
}

void rlk_machine_init(struct rlk_machine *machine, struct rlk_room *room, enum rlk_kind kind)
{
	memset(machine, 0, sizeof *machine);
	machine->room = room;
	machine->kind = kind;
	machine->keep_at = RLK_NEVER;
}

/* ---- the phases ---- */

static void stop(struct rlk_machine *machine)
{
	rlk_pubsub_leave_room(machine);
	rlk_machine_try(machine, false);
	rlk_request_clear(&machine->ask);
	rlk_request_clear(&machine->keep);
	machine->keep_at = RLK_NEVER;
	machine->phase = RLK_IDLE;
}

static void hold(struct rlk_machine *machine, uint64_t fence, int64_t valid_until, int64_t keep_at)
{
	rlk_pubsub_leave_room(machine);
	rlk_machine_try(machine, false);
	rlk_request_clear(&machine->ask);
	rlk_request_clear(&machine->keep);
	machine->phase = RLK_HOLDING;
	machine->fence = fence;
	machine->lease = machine->ttl;
	machine->valid_until = valid_until;
	machine->keep_at = keep_at;
	machine->uncertain = false;
	finish(machine, REDISLOCK_OK);
}

/* Protocol 9: it is no acquisition before enough replicas have it. */
static void confirm(struct rlk_machine *machine, uint64_t fence, int64_t valid_until, int64_t now)
{
	int64_t until = add(now, machine->replicas_wait + REPLICAS_GRACE_MS);
	rlk_pubsub_leave_room(machine);
	rlk_machine_try(machine, false);
	machine->phase = RLK_CONFIRMING;
	machine->fence = fence;
	machine->lease = machine->ttl;
	machine->valid_until = valid_until;
	machine->uncertain = false;
	machine->confirm_until = until < machine->end_at ? until : machine->end_at;
	rlk_request_want(&machine->ask, now);
}

/* The lock is its own, by an answer or a grant. */
static void win(struct rlk_machine *machine, uint64_t fence, int64_t valid_until, int64_t keep_at, int64_t now)
{
	if (machine->min_replicas > 0) {
		confirm(machine, fence, valid_until, now);
	} else {
		hold(machine, fence, valid_until, keep_at);
	}
}

static void lose(struct rlk_machine *machine)
{
	bool extending = machine->phase == RLK_EXTENDING;
	stop(machine);
	machine->valid_until = INT64_MIN;
	machine->phase = RLK_OVER;
	if (extending) {
		machine->phase = RLK_IDLE;
		finish(machine, REDISLOCK_LOST);
	}
}

/* Protocol 3: whoever gives up at the deadline tries once more, and leaves the queue in the same step. */
static void leave(struct rlk_machine *machine, int64_t now)
{
	machine->phase = RLK_LEAVING;
	rlk_request_want(&machine->ask, now);
}

/* What was asked for can't be had. A hold survives that. */
static void fail(struct rlk_machine *machine, int32_t status, int64_t now)
{
	if (machine->phase == RLK_EXTENDING || machine->phase == RLK_RELEASING) {
		if (machine->phase == RLK_EXTENDING) {
			machine->lease = machine->former_lease;
			/* A shorter one may be in force. */
			if (machine->renew || machine->unacknowledged || machine->lease < 0) {
				machine->keep_at = now;
			}
		}
		rlk_request_clear(&machine->ask);
		machine->phase = RLK_HOLDING;
	} else {
		stop(machine);
	}
	finish(machine, status);
}

/* An acknowledgement is a renewal that is due soon: a short hold is released before it needs one, and saves it. */
static int64_t acknowledge_at(int64_t now, int64_t valid_until)
{
	return now + (valid_until - now) / ACKNOWLEDGE_PART;
}

/* A request for this lease whose connection broke may still be on its way, and be executed after those that follow. */
static void doubt(struct rlk_machine *machine, int64_t lease)
{
	if (lease > 0 && lease < machine->doubtful) {
		machine->doubtful = lease;
	}
}

/* What the lease is worth if such a request comes. */
static int64_t sure_lease(const struct rlk_machine *machine)
{
	bool doubtful = machine->doubtful < RLK_NEVER && (machine->lease < 0 || machine->lease > machine->doubtful);
	return doubtful ? machine->doubtful : machine->lease;
}

/* After a third of the TTL at the latest; up to that much earlier, so that all leases of a client with that TTL come
 * due in the same moment and leave in one write (protocol 9). Clients differ in the phase. */
static int64_t renew_at(const struct rlk_machine *machine, int64_t sent_at)
{
	int64_t lease = sure_lease(machine), part = lease / RENEW_PART;
	if (lease < 0 || !(machine->renew || machine->lease < 0)) {
		return RLK_NEVER;
	}
	return part > 0 ? sent_at + part - (sent_at + machine->room->pace->phase) % part : sent_at;
}

/* ---- what callers ask for ---- */

static void set_patience(struct rlk_machine *machine, int64_t patience, int64_t now)
{
	machine->late = false;
	machine->deadline = machine->wait > 0 ? add(now, machine->wait) : RLK_NEVER;
	machine->end_at = machine->wait == 0 ? add(now, patience) : add(machine->deadline, RLK_GRACE_MS);
	if (machine->wait < 0) {
		machine->end_at = RLK_NEVER;
	}
}

void rlk_machine_acquire(struct rlk_machine *machine, struct rlk_slice token, uint32_t jitter, int64_t patience,
                         int64_t now)
{
	begin(machine);
	if (holds(machine) && now < machine->valid_until) {
		finish(machine, REDISLOCK_IN_USE);
		return;
	}
	if ((machine->phase == RLK_HOLDING || machine->phase == RLK_OVER) && machine->renew) {
		stop(machine);
		finish(machine, REDISLOCK_LOST);
		return;
	}
	stop(machine);
	memcpy(machine->token, token.data, token.length);
	machine->token_length = (uint8_t)token.length;
	machine->jitter = jitter | 1;
	machine->ticket = machine->queued = machine->requeues = false;
	machine->answered = machine->suspended = machine->lasting = false;
	machine->overtaken = 0;
	machine->doubtful = RLK_NEVER;
	machine->stated_at = now;
	machine->handoff = rlk_pubsub_handoff(machine->room->pace);
	machine->pause = machine->interval;
	machine->nudged_at = RLK_NEVER;
	machine->place = 0;
	machine->phase = RLK_TRYING;
	set_patience(machine, patience, now);
	rlk_request_want(&machine->ask, now);
}

void rlk_machine_suspend(struct rlk_machine *machine)
{
	machine->suspended = true;
}

void rlk_machine_resume(struct rlk_machine *machine, int64_t patience, int64_t now)
{
	begin(machine);
	machine->suspended = false;
	set_patience(machine, patience, now);
	if (rlk_machine_held(machine, now)) {
		finish(machine, REDISLOCK_OK);
		return;
	}
	bool in_room = machine->previous != NULL || machine->room->first == machine;
	machine->phase = in_room ? RLK_WAITING : RLK_TRYING;
	rlk_request_want(&machine->ask, now);
}

void rlk_machine_cancel(struct rlk_machine *machine, int64_t patience, int64_t now)
{
	begin(machine);
	stop(machine);
	machine->suspended = false;
	if (!machine->ticket) {
		finish(machine, REDISLOCK_OK);
		return;
	}
	machine->phase = RLK_CANCELLING;
	machine->end_at = add(now, patience);
	rlk_request_want(&machine->ask, now);
}

void rlk_machine_release(struct rlk_machine *machine, int64_t patience, int64_t now)
{
	begin(machine);
	if (machine->phase != RLK_HOLDING) {
		finish(machine, machine->phase == RLK_OVER ? REDISLOCK_LOST : REDISLOCK_NOT_OWNED);
		stop(machine);
		return;
	}
	/* Renewal ends before the release is sent. */
	rlk_request_clear(&machine->keep);
	machine->keep_at = RLK_NEVER;
	machine->phase = RLK_RELEASING;
	machine->released_in_time = now < machine->valid_until;
	machine->end_at = add(now, patience);
	rlk_request_want(&machine->ask, now);
}

void rlk_machine_extend(struct rlk_machine *machine, int64_t ttl, int64_t patience, int64_t now)
{
	begin(machine);
	if (machine->phase != RLK_HOLDING || now >= machine->valid_until) {
		finish(machine, machine->phase == RLK_IDLE ? REDISLOCK_NOT_OWNED : REDISLOCK_LOST);
		stop(machine);
		return;
	}
	if (machine->uncertain) {
		/* The release may come yet: nothing makes a hold of that again. */
		finish(machine, REDISLOCK_NOT_OWNED);
		return;
	}
	/* From here on only an answer to this request tells what the lease is. */
	machine->overtaken = machine->keep.flying ? machine->keep.number : 0;
	rlk_request_clear(&machine->keep);
	machine->former_lease = machine->lease;
	machine->lease = ttl;
	machine->phase = RLK_EXTENDING;
	machine->end_at = add(now, patience);
	rlk_request_want(&machine->ask, now);
}

void rlk_machine_abandon(struct rlk_machine *machine)
{
	stop(machine);
	machine->suspended = false;
}

/* Whoever releases believes no more: another may hold the lock before the answer is here, or without one. */
bool rlk_machine_held(const struct rlk_machine *machine, int64_t now)
{
	return holds(machine) && !machine->uncertain && now < machine->valid_until;
}

bool rlk_machine_in_background(const struct rlk_machine *machine)
{
	return holds(machine) && (machine->keep_at < RLK_NEVER || machine->keep.flying);
}

/* ---- what became of it ---- */

static void answer_to_lock(struct rlk_machine *machine, int64_t sent_at, const struct rlk_answer *answer, int64_t now)
{
	bool last = machine->phase == RLK_LEAVING || machine->wait == 0;
	machine->answered = true;
	machine->asked_at = sent_at;
	machine->free_at = answer->remaining < 0 ? RLK_NEVER : add(now, answer->remaining);
	machine->nudged_at = RLK_NEVER;
	switch (answer->outcome) {
	case RLK_HELD: {
		bool none = machine->ttl < 0;
		int64_t end = rlk_lease_end(sent_at, none ? machine->handoff : machine->ttl);
		if (end <= now) {
			/* It came too late to be of use. Asking again extends it; at once, if that can be in time. */
			rlk_request_want(&machine->ask, end > sent_at ? now : now + BACKOFF_MS);
			return;
		}
		machine->unacknowledged = none;
		machine->lease = machine->ttl;
		win(machine, answer->fence, end, none ? acknowledge_at(now, end) : renew_at(machine, sent_at), now);
		return;
	}
	case RLK_QUEUED:
		rlk_pubsub_queued(machine, answer, now);
		break;
	case RLK_BUSY:
		/* Only where it left the queue is it sure that no earlier LOCK's ticket is there. */
		machine->queued &= machine->phase != RLK_LEAVING && !machine->requeues;
		machine->ticket = machine->queued;
		if (machine->requeues) {
			machine->requeues = false;
			machine->handoff = rlk_pubsub_handoff(machine->room->pace);
		}
		if (last) {
			stop(machine);
			finish(machine, REDISLOCK_NOT_ACQUIRED);
			return;
		}
		if (machine->phase == RLK_TRYING) {
			(machine->kind == RLK_SPIN ? rlk_spin_busy : rlk_pubsub_busy)(machine, now);
		}
		break;
	default:
		rlk_request_want(&machine->ask, now);
		return;
	}
	if (machine->late) {
		leave(machine, now);
	}
}

static void answer_to_release(struct rlk_machine *machine, const struct rlk_answer *answer, int64_t now)
{
	if (answer->outcome == RLK_MORE) {
		rlk_request_want(&machine->ask, now);
		return;
	}
	/* It may have been released by a request whose answer was lost. */
	bool released = answer->outcome == RLK_HELD || (machine->uncertain && machine->released_in_time);
	stop(machine);
	/* Not owned: a LOCK that was on its way too long may have queued once more. */
	machine->ticket = answer->outcome != RLK_HELD;
	machine->valid_until = INT64_MIN;
	finish(machine, released ? REDISLOCK_OK : REDISLOCK_LOST);
}

/* The lease that was asked for at sent_at is in force, or the lock is gone. */
static void extended(struct rlk_machine *machine, enum rlk_script script, int64_t sent_at)
{
	machine->unacknowledged &= script == RLK_RENEW;
	machine->valid_until = rlk_lease_end(sent_at, sure_lease(machine));
	machine->keep_at = renew_at(machine, sent_at);
}

static void answer_to_extend(struct rlk_machine *machine, enum rlk_script script, int64_t sent_at,
                             const struct rlk_answer *answer)
{
	if (answer->outcome != RLK_HELD) {
		lose(machine);
		return;
	}
	extended(machine, script, sent_at);
	if (machine->phase == RLK_EXTENDING) {
		machine->phase = RLK_HOLDING;
		finish(machine, REDISLOCK_OK);
	}
}

/* The same while it confirms; what replicas have of it is told by the next answer. Not mine: it ran out, or was broken.
 */
static void answer_to_confirmation(struct rlk_machine *machine, enum rlk_script script, int64_t sent_at,
                                   const struct rlk_answer *answer, int64_t now)
{
	if (answer->outcome != RLK_HELD) {
		machine->phase = RLK_TRYING;
		rlk_request_want(&machine->ask, now);
		return;
	}
	extended(machine, script, sent_at);
}

int64_t rlk_machine_replicas_wait(const struct rlk_machine *machine, int64_t now)
{
	int64_t left = machine->confirm_until - now;
	/* So that the answer is here by then: servers look ten times a second for what has timed out. */
	left -= left / 4 < REPLICAS_GRACE_MS ? left / 4 : REPLICAS_GRACE_MS;
	left = left < machine->replicas_wait ? left : machine->replicas_wait;
	/* 0 would have no end. */
	return left > 1 ? left : 1;
}

void rlk_machine_replicas(struct rlk_machine *machine, uint32_t number, int64_t replicas, int64_t now)
{
	if (machine->phase != RLK_CONFIRMING || !machine->ask.flying || machine->ask.number != number) {
		return;
	}
	if (replicas < machine->min_replicas || now >= machine->valid_until) {
		fail(machine, REDISLOCK_NOT_ENOUGH_REPLICAS, now);
	} else {
		hold(machine, machine->fence, machine->valid_until, machine->keep_at);
	}
}

static void answer_to_cancel(struct rlk_machine *machine, const struct rlk_answer *answer, int64_t now)
{
	if (answer->outcome == RLK_MORE) {
		rlk_request_want(&machine->ask, now);
		return;
	}
	stop(machine);
	machine->ticket = false;
	finish(machine, REDISLOCK_OK);
}

/* Whether it is one of that script's: each is told by a shape that others have as well. */
static bool makes_sense(enum rlk_script script, const struct rlk_answer *answer)
{
	switch (answer->outcome) {
	case RLK_NOT_MINE:
		return script != RLK_LOCK;
	case RLK_HELD:
		return (script == RLK_LOCK) == (answer->fence > 0);
	case RLK_QUEUED:
	case RLK_BUSY:
		return script == RLK_LOCK;
	default:
		return true;
	}
}

/* What an answer proves about the name, whatever became of the request since (protocol 5). */
static void take_evidence(struct rlk_machine *machine, enum rlk_script script, int64_t sent_at,
                          const struct rlk_answer *answer)
{
	if (script == RLK_LOCK && answer->outcome <= RLK_BUSY && answer->outcome != RLK_NOT_MINE) {
		rlk_room_saw(machine->room, sent_at, answer->fence);
	} else if (answer->outcome == RLK_HELD && script != RLK_CANCEL && sent_at < machine->valid_until &&
	           !machine->uncertain) {
		/* It tells no fence. The own one was the last while the hold was sure; later the same token may have
		 * been granted the lock again. */
		rlk_room_saw(machine->room, sent_at, machine->fence);
	}
}

void rlk_machine_answer(struct rlk_machine *machine, enum rlk_script script, uint32_t number, int64_t sent_at,
                        struct rlk_answer answer, int64_t now)
{
	bool asked = machine->ask.flying && machine->ask.number == number;
	bool kept = machine->keep.flying && machine->keep.number == number;
	if (!asked && !kept) {
		return;
	}
	if (answer.outcome == RLK_MALFORMED || !makes_sense(script, &answer)) {
		rlk_machine_error(machine, number, REDISLOCK_PROTOCOL, RLK_GIVE_UP, now);
		return;
	}
	take_evidence(machine, script, sent_at, &answer);
	machine->backoff = 0;
	machine->alone = false;
	if (machine->phase == RLK_CONFIRMING) {
		answer_to_confirmation(machine, script, sent_at, &answer, now);
		return;
	}
	rlk_request_clear(asked ? &machine->ask : &machine->keep);
	switch (script) {
	case RLK_LOCK:
		answer_to_lock(machine, sent_at, &answer, now);
		break;
	case RLK_UNLOCK:
		answer_to_release(machine, &answer, now);
		break;
	case RLK_CANCEL:
		answer_to_cancel(machine, &answer, now);
		break;
	default:
		answer_to_extend(machine, script, sent_at, &answer);
		break;
	}
}

/* The first redirection is followed at once. */
static int64_t pause_after(struct rlk_machine *machine, enum rlk_remedy remedy)
{
	int64_t pause = remedy == RLK_REDIRECT && machine->backoff == 0 ? 0 : (int64_t)BACKOFF_MS << machine->backoff;
	machine->backoff += machine->backoff < BACKOFF_DOUBLINGS;
	return pause;
}

void rlk_machine_error(struct rlk_machine *machine, uint32_t number, int32_t status, enum rlk_remedy remedy,
                       int64_t now)
{
	bool asked = machine->ask.flying && machine->ask.number == number;
	bool kept = machine->keep.flying && machine->keep.number == number;
	int64_t again = now;
	if (!asked && !kept) {
		return;
	}
	if (remedy == RLK_TRY_ALONE && !machine->alone) {
		machine->alone = true;
	} else if (remedy != RLK_SEND_SCRIPT) {
		machine->trouble = status;
		again = now + pause_after(machine, remedy);
	}
	if (kept) {
		/* A lease is worth trying for as long as it lasts, whatever the error. */
		rlk_request_clear(&machine->keep);
		machine->keep_at = again;
	} else if (remedy == RLK_GIVE_UP) {
		fail(machine, status, now);
	} else {
		rlk_request_want(&machine->ask, again);
	}
}

void rlk_machine_dropped(struct rlk_machine *machine, uint32_t number, int64_t now)
{
	if (machine->ask.flying && machine->ask.number == number) {
		machine->uncertain |= machine->phase == RLK_RELEASING;
		if (machine->phase == RLK_EXTENDING || machine->phase == RLK_CONFIRMING) {
			doubt(machine, machine->lease);
		}
		rlk_request_want(&machine->ask, now);
	} else if (machine->keep.flying && machine->keep.number == number) {
		doubt(machine, machine->lease);
		rlk_request_clear(&machine->keep);
		machine->keep_at = now;
	} else if (machine->overtaken == number) {
		doubt(machine, machine->former_lease);
	}
}

void rlk_machine_trouble(struct rlk_machine *machine, int32_t status, bool final, int64_t now)
{
	if (machine->suspended || !(machine->ask.wanted || machine->phase == RLK_LISTENING)) {
		return;
	}
	machine->trouble = status;
	if (final) {
		fail(machine, status, now);
	} else if (machine->phase == RLK_LISTENING && machine->late) {
		leave(machine, now);
	}
}

void rlk_machine_listening(struct rlk_machine *machine, int64_t now)
{
	if (machine->phase == RLK_LISTENING) {
		machine->phase = RLK_TRYING;
	} else if (machine->phase != RLK_WAITING) {
		return;
	}
	/* Whatever was said while nobody listened is asked for. */
	rlk_request_want(&machine->ask, now);
}

bool rlk_machine_granted(struct rlk_machine *machine, const struct rlk_grant *grant, int64_t now)
{
	struct rlk_room *room = machine->room;
	if (machine->phase == RLK_IDLE || machine->phase == RLK_OVER) {
		return false;
	}
	room->heard_at = now;
	if (machine->suspended || (machine->phase != RLK_WAITING && machine->phase != RLK_TRYING)) {
		/* Held already, or what is under way settles it, or resuming will. */
		return true;
	}
	int64_t end = rlk_pubsub_grant_end(machine, grant);
	if (end < now + machine->handoff / GRANT_PART) {
		/* It proves nothing any more: ask. If it came too late the next ticket asks for a longer lease. */
		if (end != INT64_MIN) {
			rlk_pubsub_missed(room->pace, now);
			machine->requeues = true;
		}
		rlk_pubsub_leave_room(machine);
		machine->phase = RLK_TRYING;
		rlk_request_want(&machine->ask, now);
		return true;
	}
	room->pace->missed = 0;
	machine->unacknowledged = true;
	int64_t at = acknowledge_at(now, end), acknowledged = rlk_lease_end(at, machine->ttl);
	/* From its acknowledgement on its own TTL counts: where that is the shorter one, nobody is told more before. */
	win(machine, grant->fence, acknowledged < end ? acknowledged : end, at, now);
	return true;
}

/* ---- time ---- */

static void tick_waiting(struct rlk_machine *machine, int64_t now)
{
	if (now >= machine->end_at) {
		int32_t unheard = machine->trouble != REDISLOCK_OK ? machine->trouble : REDISLOCK_TIMEOUT;
		fail(machine, machine->answered ? REDISLOCK_NOT_ACQUIRED : unheard, now);
		return;
	}
	if (now >= machine->deadline) {
		machine->deadline = RLK_NEVER;
		machine->late = true;
		if (machine->answered && machine->phase != RLK_LEAVING && !machine->ask.flying) {
			leave(machine, now);
		}
	}
	if (machine->phase == RLK_PAUSING && now >= machine->ask.not_before) {
		machine->phase = RLK_TRYING;
	} else if (machine->phase == RLK_WAITING && !machine->ask.wanted && !machine->ask.flying &&
	           now >= rlk_pubsub_poll_at(machine)) {
		rlk_request_want(&machine->ask, now);
	}
}

void rlk_machine_tick(struct rlk_machine *machine, int64_t now)
{
	if (machine->suspended) {
		return;
	}
	if (waits(machine)) {
		tick_waiting(machine, now);
	} else if (machine->phase == RLK_CONFIRMING && now >= machine->confirm_until) {
		fail(machine, REDISLOCK_NOT_ENOUGH_REPLICAS, now);
	} else if (holds(machine) && now >= machine->valid_until) {
		lose(machine);
	} else if (machine->ask.wanted || machine->ask.flying) {
		if (now >= machine->end_at) {
			machine->uncertain |= machine->phase == RLK_RELEASING && machine->ask.flying;
			if (machine->phase == RLK_EXTENDING && machine->ask.flying) {
				doubt(machine, machine->lease);
			}
			fail(machine, machine->trouble != REDISLOCK_OK ? machine->trouble : REDISLOCK_TIMEOUT, now);
		}
	}
}

static int64_t earlier_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t rlk_machine_wake(const struct rlk_machine *machine, int64_t now)
{
	int64_t wake = RLK_NEVER;
	if (machine->suspended) {
		return wake;
	}
	if (machine->ask.wanted && machine->ask.not_before > now) {
		wake = machine->ask.not_before;
	}
	if (waits(machine)) {
		wake = earlier_of(wake, earlier_of(machine->deadline, machine->end_at));
		if (machine->phase == RLK_WAITING && !machine->ask.wanted && !machine->ask.flying) {
			wake = earlier_of(wake, rlk_pubsub_poll_at(machine));
		}
	} else if (machine->phase == RLK_CONFIRMING) {
		wake = earlier_of(wake, machine->confirm_until);
	} else if (holds(machine)) {
		wake = earlier_of(wake, machine->valid_until);
		if (machine->keep_at > now) {
			wake = earlier_of(wake, machine->keep_at);
		}
	}
	if (machine->ask.wanted || machine->ask.flying) {
		wake = earlier_of(wake, waits(machine) ? RLK_NEVER : machine->end_at);
	}
	return wake;
}

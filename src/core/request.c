/* SPDX-License-Identifier: MIT
 *
 * The machine's requests: which are due, and in what words. */
#include "core.h"

enum { STATE_REFRESH_MS = 3600000 };

void rlk_request_want(struct rlk_request *request, int64_t at)
{
	request->wanted = true;
	request->flying = false;
	request->not_before = at;
}

void rlk_request_clear(struct rlk_request *request)
{
	request->wanted = request->flying = false;
}

/* A lease that ran out is not brought back to life: the machine is about to notice (protocol 5). */
static bool too_late(const struct rlk_machine *machine, int64_t now)
{
	return (machine->phase == RLK_HOLDING || machine->phase == RLK_EXTENDING) && now >= machine->valid_until;
}

static bool ask_ready(const struct rlk_machine *machine, int64_t now)
{
	return machine->ask.wanted && machine->ask.not_before <= now && !machine->suspended && !too_late(machine, now);
}

static bool keep_ready(const struct rlk_machine *machine, int64_t now)
{
	return machine->phase == RLK_HOLDING && machine->keep_at <= now && !machine->keep.flying &&
	       !machine->suspended && !too_late(machine, now);
}

bool rlk_machine_ready(const struct rlk_machine *machine, int64_t now)
{
	return ask_ready(machine, now) || keep_ready(machine, now);
}

static struct rlk_slice token_of(const struct rlk_machine *machine)
{
	return (struct rlk_slice) { machine->token, machine->token_length };
}

static struct rlk_slice lock_mode(const struct rlk_machine *machine)
{
	if (machine->phase == RLK_LEAVING || machine->requeues) {
		return RLK_LITERAL("2");
	}
	/* Whoever asks first shall not pass those of its own client that asked before and are still about to queue. */
	bool passes = !machine->answered && machine->room->trying > (machine->trying ? 1 : 0);
	bool queues = machine->kind == RLK_PUBSUB && machine->wait != 0 && machine->room->listening && !passes;
	return queues ? RLK_LITERAL("1") : RLK_LITERAL("0");
}

void rlk_machine_try(struct rlk_machine *machine, bool trying)
{
	if (machine->trying != trying) {
		machine->trying = trying;
		machine->room->trying += trying ? 1 : (size_t)-1;
	}
}

static void lock_words(struct rlk_machine *machine, struct rlk_words *words, bool whole)
{
	rlk_words_begin(words, RLK_LOCK, whole, &machine->room->names);
	rlk_words_add(words, token_of(machine));
	rlk_words_add_number(words, machine->ttl);
	rlk_words_add_number(words, machine->handoff);
	struct rlk_slice mode = lock_mode(machine);
	rlk_words_add(words, mode);
	rlk_words_add(words, machine->room->client);
	rlk_words_add(words, machine->label);
	machine->ticket = true;
	machine->queued |= mode.data[0] == '1';
	rlk_machine_try(machine, mode.data[0] == '0' && machine->kind == RLK_PUBSUB && machine->wait != 0);
}

void rlk_machine_cancel_words(const struct rlk_machine *machine, struct rlk_words *words, bool whole)
{
	rlk_words_begin(words, RLK_CANCEL, whole, &machine->room->names);
	rlk_words_add(words, token_of(machine));
	rlk_words_add_number(words, machine->handoff);
	rlk_words_add(words, machine->room->client);
	rlk_words_add(words, machine->label);
}

/* Most renewals are of the lock's own key alone; the state's expiry is refreshed now and then, well before its day is
 * over, and wherever a caller asks for another lease. What takes the end from a lease names the hold by its fence: it
 * must not meet a later one. */
static enum rlk_script extend_words(struct rlk_machine *machine, struct rlk_words *words, bool whole, int64_t now)
{
	bool states = machine->unacknowledged || machine->phase == RLK_EXTENDING || machine->phase == RLK_CONFIRMING ||
	              now - machine->stated_at >= STATE_REFRESH_MS;
	states = machine->lease < 0 || (states && !machine->alone);
	enum rlk_script script = states ? RLK_EXTEND : RLK_RENEW;
	/* It may come true without an answer: if it is the shorter lease, it counts at once. So may be the TTL of an
	 * acknowledgement, if the hand-off lease is long. */
	int64_t end = rlk_lease_end(now, machine->lease);
	if (end < machine->valid_until) {
		machine->valid_until = end;
	}
	if (states) {
		machine->stated_at = now;
		machine->lasting |= machine->lease < 0;
	}
	rlk_words_begin(words, script, whole, &machine->room->names);
	rlk_words_add(words, token_of(machine));
	rlk_words_add_number(words, machine->lease);
	if (states) {
		rlk_words_add_number(words, (int64_t)machine->fence);
	}
	return script;
}

static enum rlk_script ask_words(struct rlk_machine *machine, struct rlk_words *words, bool whole, int64_t now)
{
	switch (machine->phase) {
	case RLK_RELEASING:
		(machine->alone ? rlk_words_begin_alone : rlk_words_begin)(words, RLK_UNLOCK, whole,
		                                                           &machine->room->names);
		rlk_words_add(words, token_of(machine));
		rlk_words_add(words, machine->unacknowledged || machine->lasting ? RLK_LITERAL("1") : RLK_LITERAL("0"));
		return RLK_UNLOCK;
	case RLK_CANCELLING:
		rlk_machine_cancel_words(machine, words, whole);
		return RLK_CANCEL;
	case RLK_CONFIRMING:
	case RLK_EXTENDING:
		return extend_words(machine, words, whole, now);
	default:
		lock_words(machine, words, whole);
		return RLK_LOCK;
	}
}

enum rlk_script rlk_machine_send(struct rlk_machine *machine, struct rlk_words *words, bool whole, uint32_t *number,
                                 int64_t now)
{
	bool asks = ask_ready(machine, now);
	struct rlk_request *request = asks ? &machine->ask : &machine->keep;
	request->wanted = false;
	request->flying = true;
	request->sent_at = now;
	request->number = *number = ++machine->flights;
	return asks ? ask_words(machine, words, whole, now) : extend_words(machine, words, whole, now);
}

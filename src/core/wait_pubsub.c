/* SPDX-License-Identifier: MIT
 *
 * Not acquired, what next? Pub/Sub: be in the queue, be listening, be woken; and poll behind every wake-up
 * (protocol 5, 6). */
#include "core.h"

enum {
	HANDOFF_MS = 1000,
	HANDOFF_MAX_MS = 8000,
	ROUND_TRIPS = 8,
	OTHERS_POLL_MS = 5000,
	SPREAD_MS = 2, /* between the polls of clients that wait for the same expiry */
	SPREAD_PLACES = 50
};

void rlk_room_init(struct rlk_room *room, struct rlk_slice client, struct rlk_pace *pace)
{
	room->client = client;
	room->pace = pace;
	room->listening = false;
	room->witness = room->earlier = (struct rlk_witness) { INT64_MIN, UINT64_MAX };
	room->heard_at = INT64_MIN;
	room->first = room->last = NULL;
	room->trying = 0;
}

struct rlk_machine *rlk_room_foremost(const struct rlk_room *room)
{
	struct rlk_machine *machine = room->first;
	while (machine != NULL && machine->suspended) {
		machine = machine->next;
	}
	return machine;
}

static int64_t spread(const struct rlk_machine *machine)
{
	int64_t place = machine->place < SPREAD_PLACES ? machine->place : SPREAD_PLACES;
	return place * SPREAD_MS;
}

void rlk_room_nudge(struct rlk_room *room, int64_t now)
{
	struct rlk_machine *foremost = rlk_room_foremost(room);
	if (foremost != NULL) {
		foremost->nudged_at = now + spread(foremost);
	}
}

void rlk_room_saw(struct rlk_room *room, int64_t sent_at, uint64_t fence)
{
	struct rlk_witness *witness = &room->witness;
	if (witness->at == INT64_MIN) {
		*witness = (struct rlk_witness) { sent_at, fence };
	} else if (sent_at >= witness->at && fence == witness->fence) {
		witness->at = sent_at;
	} else if (sent_at >= witness->at && fence > witness->fence) {
		room->earlier = *witness;
		*witness = (struct rlk_witness) { sent_at, fence };
	}
	/* A lower fence at a later time: the server has lost data. The higher one stays, so that no grant from before
	 * the loss can ever count. */
}

int64_t rlk_pubsub_handoff(const struct rlk_pace *pace)
{
	int64_t handoff = pace->round_trip * ROUND_TRIPS;
	handoff = (handoff > HANDOFF_MS ? handoff : HANDOFF_MS) << pace->missed;
	return handoff < HANDOFF_MAX_MS ? handoff : HANDOFF_MAX_MS;
}

void rlk_pubsub_missed(struct rlk_pace *pace, int64_t now)
{
	/* Whoever was away misses one hand-off for each of its waiters; that counts once. */
	if (pace->missed < RLK_MISSED_MAX && now - pace->missed_at >= rlk_pubsub_handoff(pace)) {
		pace->missed++;
		pace->missed_at = now;
	}
}

void rlk_pubsub_busy(struct rlk_machine *machine, int64_t now)
{
	/* Nobody queues before the subscriptions are confirmed. */
	if (machine->room->listening) {
		machine->phase = RLK_TRYING;
		rlk_request_want(&machine->ask, now);
	} else {
		machine->phase = RLK_LISTENING;
	}
}

void rlk_pubsub_leave_room(struct rlk_machine *machine)
{
	struct rlk_room *room = machine->room;
	if (machine->previous != NULL) {
		machine->previous->next = machine->next;
	} else if (room->first == machine) {
		room->first = machine->next;
	} else {
		return;
	}
	if (machine->next != NULL) {
		machine->next->previous = machine->previous;
	} else {
		room->last = machine->previous;
	}
	machine->next = machine->previous = NULL;
}

void rlk_pubsub_queued(struct rlk_machine *machine, const struct rlk_answer *answer, int64_t now)
{
	struct rlk_room *room = machine->room;
	bool in_room = machine->previous != NULL || room->first == machine;
	if (in_room && answer->new_ticket) {
		/* The ticket was used up by a hand-off that wasn't heard, or it is lost with the data. The place in the
		 * room stays: were it now one waiter that polls and now another, with a deaf inbox grants and polls
		 * could miss each other for ever. */
		rlk_pubsub_missed(room->pace, now);
	} else if (!in_room) {
		machine->previous = room->last;
		*(room->last != NULL ? &room->last->next : &room->first) = machine;
		room->last = machine;
	}
	machine->phase = RLK_WAITING;
	machine->place = answer->place;
}

int64_t rlk_pubsub_poll_at(const struct rlk_machine *machine)
{
	const struct rlk_room *room = machine->room;
	int64_t poll = machine->handoff / 2;
	int64_t at;
	if (rlk_room_foremost(room) == machine) {
		int64_t heard = room->heard_at > machine->asked_at ? room->heard_at : machine->asked_at;
		at = heard + poll;
		if (machine->free_at < RLK_NEVER && machine->free_at + 1 + spread(machine) < at) {
			at = machine->free_at + 1 + spread(machine);
		}
	} else {
		int64_t rarely =
		        machine->ttl > 0 && machine->ttl / 3 < OTHERS_POLL_MS ? machine->ttl / 3 : OTHERS_POLL_MS;
		at = machine->asked_at + (rarely > poll ? rarely : poll);
	}
	return machine->nudged_at < at ? machine->nudged_at : at;
}

int64_t rlk_pubsub_grant_end(const struct rlk_machine *machine, const struct rlk_grant *grant)
{
	const struct rlk_room *room = machine->room;
	int64_t handoff = grant->handoff < machine->handoff ? grant->handoff : machine->handoff;
	if (grant->fence > room->witness.fence) {
		return rlk_lease_end(room->witness.at, handoff);
	}
	if (grant->fence > room->earlier.fence) {
		return rlk_lease_end(room->earlier.at, handoff);
	}
	return INT64_MIN;
}

/* SPDX-License-Identifier: MIT */
/*
 * The hand-off of a lock, in discrete time: one server, two clients, and waiters of which two share a client, so that
 * they share its inbox, its connections, its pauses and its witness. See README.md for what is in it; ./run checks it.
 *
 * A request is sent, executed by the server and answered in three steps. Time passes between them only if the client
 * is paused or far away, or if the request is one of the slow ones; everything else that can happen does so before the
 * next tick.
 *
 * What may go wrong in a run, its times and its wrong rule are settings: pan takes them from its environment, so that it
 * is built only once.
 */
#ifndef WAITERS
#define WAITERS 3
#endif
#define CLIENTS 2
#define TOKENS (2 * WAITERS)	/* one for each round of each waiter */
#define TICKETS (TOKENS + WAITERS)
#if WAITERS == 2
#define EACH 1			/* waiters of a client */
#else
#define EACH 2
#endif
#define client(w) ((w) / EACH)
#define waiter(t) ((t) % WAITERS)
#define token(w) ((w) + (wrong == BAD_SAME_TOKEN -> 0 : WAITERS * round[w]))

#define FOREIGN 14
#define NOBODY 15

/* A ticket is a token, and how often its hand-off lease was doubled. */
#define TICKET(t, doubled) ((t) + 16 * (doubled))
#define token_of(ticket) ((ticket) & 15)
#define doubled_of(ticket) ((ticket) >> 4)

/* A grant is a fence, and how often its lease was doubled. */
#define FENCES 64
#define GRANT(fence, doubled) ((fence) + FENCES * (doubled))
#define fence_of(grant) ((grant) & (FENCES - 1))
#define doublings_of(grant) ((grant) / FENCES)

/* Rules that can be broken: WRONG is one of these. */
#define BAD_GRANT_RECEIPT	1
#define BAD_LEASE_RECEIPT	2
#define BAD_ANY_FENCE		3
#define NO_ACK			4
#define BAD_WITNESS_RECEIPT	5
#define BAD_OLD_FENCE		6
#define BAD_NOT_OWNED		7
#define BAD_WITNESS_FROM_GRANT	8
#define NO_POLL			9
#define BAD_POLLER		10
#define NO_CANCEL		11
#define NO_DOUBT		12
#define BAD_INCR		13
#define BAD_OWN_FENCE		14
#define BAD_EARLIER		15
#define BAD_SAME_H		16
#define BAD_SAME_TOKEN		17
#define BAD_FOREIGN		18
#define BAD_BREAK		19
#define NO_REQUEUE		20
#define BAD_UNCERTAIN		21
#define BAD_SHORT_TTL		22
#define BAD_SHORTEN		23
#define NO_SHORTEST		24
#define BAD_TWO_TICKETS		25

/* In ticks: lease, a shorter one, hand-off lease, poll. bound: the most ticks without a holder while somebody live waits. */
/* no M where data is lost; a ticket may stay where requests repeat themselves */
hidden byte wiped, may_leave_tickets;
hidden byte ttl, brief, handoff, doublings, interval, bound, again, far, wrong;

/* how many faults of each kind are left */
byte pauses;	/* a client stops for any time */
byte halves;	/* a client dies and the server doesn't notice */
byte crashes;	/* a client dies and its connections close */
byte drops;	/* a message connection closes, with all that is in it */
byte deafs;	/* a message connection is dead and the server doesn't notice */
byte losses;	/* a request is executed, its reply lost: the client asks again */
byte slows;	/* a request takes any time to arrive */
byte strays;	/* a connection breaks: its request is repeated, but arrives after all, at any time */
byte lates;	/* a grant takes any time to arrive, and later ones may overtake it */
byte wipes;	/* the server loses all data */
byte breaks;	/* an operator breaks the lock */
byte foreigns;	/* somebody takes the lock by SET NX, releases it with or without a word, or leaves it to expire */
/* not faults */
byte renewals;
byte extensions; /* by the caller, to the shorter lease and back */
byte tries;	/* first requests from before the subscription is confirmed: they don't queue */

c_decl {
\#include <stdlib.h>
static int setting(const char *name, int otherwise)
{
	const char *value = getenv(name);
	return value != NULL ? atoi(value) : otherwise;
}
}

/* what a waiter is at */
#define NEW     0
#define WAITING 1
#define LEAVING 2	/* the deadline is over, the last LOCK under way */
#define QUITTING 3	/* its outcome is not known: CANCEL */
#define HOLDING 4
#define FREEING 5
#define DONE    6
#define DEAD    7

/* requests, and what comes back */
#define LOCK    1
#define TRY     2
#define LASTLOCK 3
#define EXTEND  4
#define RENEW   5
#define UNLOCK  6
#define CANCEL  7
#define BREAK   8

#define HELD    1
#define QUEUED  2
#define BUSY    3
#define YES     4
#define NO      5
#define NOTHING 6	/* the connection broke before the reply */

/* whether the server counts a subscriber, and whether anything reaches it */
#define OFF     0
#define LIVE    1
#define MUTE    2

/* the server: the state's last fence, the token it was issued to, the client of a pending hand-off + 1 */
byte owner = NOBODY, left, last, issued = NOBODY, pending;
byte queue[TICKETS], queued;
byte top;			/* the highest fence ever issued: the server's clock is beyond it */

/*
 * A waiter: state, round, ticks of validity, the fence it holds with; the doublings of the lease in its ticket;
 * acknowledgement owed, hand-off not acknowledged, LOCK owed, another lease to be asked for once its ticket is out; in
 * the room; the shorter lease is in force or asked for, and may yet be by a lost request; valid when it sent.
 */
byte at[WAITERS], round[WAITERS], valid[WAITERS], own[WAITERS], doubled[WAITERS];
bool owes[WAITERS], unacked[WAITERS], ask[WAITERS], requeues[WAITERS], inside[WAITERS], lesser[WAITERS], doubts[WAITERS],
	sure[WAITERS];
/* its request: kind, ticks since it was sent, ticks until it is there or back, answer, fence in it, whether new */
byte req[WAITERS], age[WAITERS], leg[WAITERS], ans[WAITERS], said[WAITERS];
bool slow[WAITERS], fresh[WAITERS];

/* grants that are received or due in so many ticks; and those that arrive some time */
byte grant[TOKENS], due[TOKENS], delayed[TOKENS];

/*
 * A client: inbox, paused; witness and earlier one, each as the ticks left of the longest hand-off lease from that moment,
 * and the fence; ticks until a poll is due; hand-offs missed; which of its waiters came into the room first.
 */
byte inbox[CLIENTS], seen[CLIENTS], floor[CLIENTS], seen1[CLIENTS], floor1[CLIENTS], timer[CLIENTS], missed[CLIENTS],
	front[CLIENTS];
bool paused[CLIENTS];

/* the one request that is still on its way on a dead connection */
byte strayed, stray_token, stray_doubled, stray_fence;
bool stray_short;

byte acquired;			/* the highest fence that somebody held with */
byte broken = NOBODY, broken_fence; /* the hold that was broken */
byte idle;

hidden byte i, j, k, n, w0;
/* a request at the server, and the answer */
hidden byte the, whose, with_doubled, with_fence, answer, fence, next;
hidden byte with_short, is_new, passes;

#define over(w) (at[w] >= DONE)
#define comes_again(w) ((again >> (w)) & 1)
#if WAITERS == 4
#define EVERY(f) (f(0) && f(1) && f(2) && f(3))
#define SOME(f) (f(0) || f(1) || f(2) || f(3))
#define SUM(f) (f(0) + f(1) + f(2) + f(3))
#define OF(c, f) ((c) == 0 && (f(0) || f(1)) || (c) == 1 && (f(2) || f(3)))
#elif WAITERS == 2
#define EVERY(f) (f(0) && f(1))
#define SOME(f) (f(0) || f(1))
#define SUM(f) (f(0) + f(1))
#define OF(c, f) ((c) == 0 && f(0) || (c) == 1 && f(1))
#else
#define EVERY(f) (f(0) && f(1) && f(2))
#define SOME(f) (f(0) || f(1) || f(2))
#define SUM(f) (f(0) + f(1) + f(2))
#define OF(c, f) ((c) == 0 && (f(0) || f(1)) || (c) == 1 && f(2))
#endif

#define longest (handoff << doublings)
#define oldest (ttl > longest -> ttl : longest)
#define lease_of(is_short) ((is_short) -> brief : ttl)
#define at_most(x, y) if :: x > (y) -> x = (y) :: else fi
#define at_least(x, y) if :: x < (y) -> x = (y) :: else fi
#define down(x) x = (x > 0 -> x - 1 : 0)

/* what is believed by somebody whose hold nobody has broken */
#define is_broken(w, f) (broken == token(w) && broken_fence == (f))
#define believes(w) (at[w] == HOLDING && valid[w] > 0 && !is_broken(w, own[w]))
#define BELIEVERS (SUM(believes) + (owner == FOREIGN))
#define one_holder() assert(BELIEVERS <= 1)	/* M */

/* ---- the server's scripts ---- */

inline remove_at(p) {
	j = p;
	queued--;
	do
	:: j < queued -> queue[j] = queue[j + 1]; j++
	:: else -> break
	od;
	queue[queued] = 0; j = 0
}

inline find(ticket) {
	i = 0;
	do
	:: i < queued && queue[i] != ticket -> i++
	:: else -> break
	od
}

inline leave_queue(ticket) {
	find(ticket);
	if
	:: i < queued -> remove_at(i)
	:: else
	fi;
	i = 0
}

inline join_queue(ticket) {
	find(ticket);
	is_new = (i == queued);
	if
	:: is_new -> assert(queued < TICKETS); queue[queued] = ticket; queued++
	:: else
	fi;
	i = 0
}

#define client_of(ticket) client(waiter(token_of(ticket)))

/* all tickets of the client whose hand-off ran out go to the end, in their order */
inline requeue(c) {
	i = 0; n = queued;
	do
	:: n > 0 && client_of(queue[i]) == c -> k = queue[i]; remove_at(i); queue[queued] = k; queued++; n--
	:: n > 0 && client_of(queue[i]) != c -> i++; n--
	:: else -> break
	od;
	i = 0; k = 0; n = 0
}

/* hand_on of the prelude, but for the taking */
inline drop_dead(mine) {
	do
	:: queued > 0 && queue[0] != mine && inbox[client_of(queue[0])] == OFF -> remove_at(0)
	:: else -> break
	od
}

inline issue(t) {
	if
	:: wrong == BAD_INCR -> last++
	:: else -> last = top + 1	/* max(last + 1, TIME) */
	fi;
	assert(last > top);	/* F */
	top = last; issued = t;
	assert(top < FENCES)
}

#define is_owner(t) (wrong == BAD_FOREIGN -> owner != NOBODY && issued == (t) : owner == (t))

/* LOCK: mine, or free and nobody alive before me; passes: it is somebody else's turn */
inline take() {
	k = TICKET(whose, with_doubled);
	if
	:: is_owner(whose) ->
		if
		:: issued != whose -> issue(whose)
		:: else
		fi;
		if
		:: wrong == BAD_SHORTEN -> left = ttl
		:: else -> at_least(left, ttl)
		fi;
		pending = 0; answer = HELD
	:: else ->
		if
		:: owner == NOBODY ->
			n = pending;
			if
			:: n > 0 && n != client(waiter(whose)) + 1 && wrong != NO_REQUEUE -> requeue(n - 1)
			:: else -> n = 0
			fi;
			k = TICKET(whose, with_doubled);
			drop_dead(k);
			if
			:: queued == 0 || queue[0] == k ->
				if
				:: queued > 0 -> remove_at(0)
				:: else
				fi;
				owner = whose; left = ttl; pending = 0; issue(whose); answer = HELD
			:: else -> passes = 1
			fi
		:: else
		fi
	fi;
	k = 0
}

/* to the first in the queue */
inline pass_on() {
	drop_dead(255);
	if
	:: queued > 0 ->
		owner = token_of(queue[0]); with_doubled = doubled_of(queue[0]);
		left = handoff << with_doubled; pending = client(waiter(owner)) + 1;
		remove_at(0);
		if
		:: the == BREAK && wrong == BAD_BREAK -> issued = owner
		:: else -> issue(owner)
		fi;
		if
		:: inbox[client(waiter(owner))] == LIVE && at[waiter(owner)] != DEAD -> next = owner
		:: else
		fi
	:: else ->
		owner = NOBODY; left = 0;
		if
		:: the != UNLOCK || with_fence -> pending = 0
		:: else
		fi
	fi
}

/*
 * Executes the request "the" of the token "whose"; with_fence: the fence that an EXTEND names, or whether an UNLOCK is to
 * put the state right. Leaves its result in answer, fence and is_new.
 */
inline execute() {
	printf("server: request %d of %d, owner %d (%d left), fence %d\n", the, whose, owner, left, last);
	d_step {
		answer = NO; is_new = 0; passes = 0; next = NOBODY; fence = with_doubled;
		if
		:: the <= LASTLOCK -> take()
		:: the == EXTEND && owner == whose && (issued != whose || last == with_fence) ->
			left = lease_of(with_short); answer = YES;
			if
			:: issued == whose -> pending = 0
			:: else
			fi
		:: the == RENEW && owner == whose -> left = lease_of(with_short); answer = YES
		:: the == UNLOCK && owner == whose -> passes = 1; answer = YES
		:: the == CANCEL ->
			leave_queue(TICKET(whose, with_doubled));
			passes = (owner == whose && wrong != NO_CANCEL); answer = YES
		:: the == BREAK && owner != NOBODY ->
			broken = owner; broken_fence = last; passes = 1
		:: else
		fi;
		if
		:: passes -> pass_on()
		:: else
		fi;
		if
		:: the <= LASTLOCK && answer != HELD ->
			if
			:: the == LOCK -> join_queue(TICKET(whose, fence)); answer = QUEUED
			:: the == LASTLOCK -> leave_queue(TICKET(whose, fence)); answer = BUSY
			:: else -> answer = BUSY
			fi
		:: else
		fi;
		fence = (the <= LASTLOCK -> last : 0)
	}
	if
	:: next != NOBODY -> grant[next] = GRANT(last, with_doubled); due[next] = far
	:: next != NOBODY && lates > 0 && delayed[next] == 0 -> lates--; delayed[next] = GRANT(last, with_doubled)
	:: next == NOBODY
	fi;
	next = 0; passes = 0; with_doubled = 0; with_fence = 0; with_short = 0; the = 0; whose = 0
}

#define bring(w, r) \
	the = r; whose = token(w); with_doubled = doubled[w]; with_short = lesser[w]; \
	with_fence = (r == UNLOCK -> unacked[w] : own[w])

/* ---- a waiter ---- */

/* "at a moment not before my sending, the last fence was f" */
inline saw(c, sent, f) {
	n = (sent < longest -> longest - sent : 0);
	if
	:: wrong == BAD_WITNESS_RECEIPT -> n = longest
	:: else
	fi;
	if
	:: n == 0 || n < seen[c]
	:: n > 0 && seen[c] == 0 -> seen[c] = n; floor[c] = f
	:: n > 0 && n >= seen[c] && seen[c] > 0 ->
		if
		:: f == floor[c] || f > floor[c] && wrong == BAD_OLD_FENCE -> seen[c] = n
		:: f > floor[c] && wrong != BAD_OLD_FENCE ->
			seen1[c] = seen[c]; floor1[c] = floor[c]; seen[c] = n; floor[c] = f
		:: else
		fi
	fi;
	n = 0
}

inline hold(w, c, ticks, f) {
	printf("waiter %d holds for %d, fence %d\n", w, ticks, f);
	leave_room(w, c);
	at[w] = HOLDING; valid[w] = ticks; own[w] = f; ask[w] = 0; requeues[w] = 0;
	if
	:: wiped || is_broken(w, f)
	:: else ->
		one_holder();
		assert(f > acquired);		/* F: in the order of the grants */
		acquired = f
	fi
}

#define other(w) ((w) ^ 1)
#define company(w) (EACH == 2 && other(w) < WAITERS && inside[other(w)])

/* the foremost, and that doesn't change before it is done; wrong: whichever it happens to be */
#define polls_for_all(w, c) (inside[w] && (front[c] == w || wrong == BAD_POLLER))

inline enter_room(w, c) {
	if
	:: !inside[w] && !company(w) -> front[c] = w
	:: else
	fi;
	inside[w] = 1
}

inline leave_room(w, c) {
	if
	:: inside[w] -> inside[w] = 0; front[c] = (company(w) -> other(w) : 0)
	:: else
	fi
}

inline forget_request(w) {
	sure[w] = 0; req[w] = 0; age[w] = 0; leg[w] = 0; ans[w] = 0; said[w] = 0; slow[w] = 0; fresh[w] = 0
}

inline finish(w, c) {
	leave_room(w, c);
	valid[w] = 0; own[w] = 0; owes[w] = 0; unacked[w] = 0; ask[w] = 0; requeues[w] = 0; lesser[w] = 0; doubts[w] = 0;
	doubled[w] = 0;
	if
	:: round[w] == 0 && comes_again(w) -> at[w] = NEW; round[w] = 1
	:: else -> at[w] = DONE
	fi;
	if
	:: !OF(c, !over) -> seen[c] = 0; floor[c] = 0; seen1[c] = 0; floor1[c] = 0; timer[c] = 0; missed[c] = 0
	:: else
	fi
}

/*
 * "Released" and "mine" tell no fence; the own one was the last when the request left, if the lease was good then. Later
 * the same token may have been granted the lock again.
 */
inline prove(w, c) {
	if
	:: sure[w] || wrong == BAD_OWN_FENCE -> saw(c, age[w], own[w])
	:: else
	fi
}

/* Not its own any more: a LOCK that was on its way too long may have queued once more. */
inline lost(w, c) {
	if
	:: wrong == NO_DOUBT -> finish(w, c)
	:: else -> at[w] = QUITTING; valid[w] = 0; owes[w] = 0
	fi
}

/* A hand-off of this client was missed: its next ticket asks for a longer lease. */
inline miss(c) {
	if
	:: missed[c] < doublings && wrong != BAD_SAME_H -> missed[c]++
	:: else
	fi
}

#define asks_lock(w) (req[w] >= LOCK && req[w] <= LASTLOCK)
#define extends(w) (req[w] == EXTEND || req[w] == RENEW)
/* the answer is to what it is still at */
#define heeds(w) (at[w] == WAITING && asks_lock(w) || at[w] == LEAVING && req[w] == LASTLOCK || \
	at[w] == HOLDING && extends(w) || at[w] == FREEING && req[w] == UNLOCK || at[w] == QUITTING && req[w] == CANCEL)

inline no_answer(w) {
	if
	:: at[w] == WAITING -> ask[w] = 1
	:: at[w] == LEAVING -> at[w] = QUITTING
	:: at[w] == HOLDING && extends(w) ->
		owes[w] = 1;
		if
		:: !lesser[w]
		:: lesser[w] -> doubts[w] = (wrong != NO_SHORTEST)
		:: lesser[w] -> doubts[w] = (wrong != NO_SHORTEST); lesser[w] = 0	/* the caller's patience is over */
		fi
	:: else					/* QUITTING and FREEING ask again */
	fi
}

inline receive(w, c) {
	printf("waiter %d (at %d): answer %d to %d, sent %d ago, fence %d\n", w, at[w], ans[w], req[w], age[w], said[w]);
	if
	:: ans[w] == NOTHING -> no_answer(w)
	:: ans[w] != NOTHING && !heeds(w)
	:: ans[w] == HELD && heeds(w) ->
		saw(c, age[w], said[w]);
		if
		:: wrong == BAD_LEASE_RECEIPT -> hold(w, c, ttl, said[w])
		:: wrong != BAD_LEASE_RECEIPT && age[w] < ttl -> hold(w, c, ttl - age[w], said[w])
		:: else ->
			if
			:: at[w] == WAITING -> ask[w] = 1
			:: else -> at[w] = QUITTING
			fi
		fi
	:: ans[w] == QUEUED && heeds(w) ->
		saw(c, age[w], said[w]);
		if
		:: inside[w] && fresh[w] -> miss(c)
		:: else
		fi;
		enter_room(w, c);
		if
		:: polls_for_all(w, c) -> timer[c] = (interval > age[w] -> interval - age[w] : 0)
		:: else
		fi
	:: ans[w] == BUSY && heeds(w) ->
		saw(c, age[w], said[w]);
		if
		:: at[w] == LEAVING -> finish(w, c)
		:: else ->
			ask[w] = 1;
			if
			:: requeues[w] -> requeues[w] = 0; doubled[w] = missed[c]
			:: else
			fi
		fi
	:: ans[w] == YES && extends(w) && heeds(w) ->
		prove(w, c);
		unacked[w] = 0;
		if
		:: wrong == BAD_LEASE_RECEIPT -> n = 0
		:: else -> n = age[w]
		fi;
		k = lease_of(lesser[w] || doubts[w]);
		valid[w] = (n < k -> k - n : 0);
		n = 0; k = 0
	:: ans[w] == NO && extends(w) && heeds(w) ->
		lost(w, c)
	:: ans[w] == YES && req[w] == UNLOCK && heeds(w) -> prove(w, c); finish(w, c)
	:: ans[w] == NO && req[w] == UNLOCK && heeds(w) ->
		if
		:: wrong == BAD_NOT_OWNED -> saw(c, age[w], own[w])
		:: else
		fi;
		lost(w, c)
	:: ans[w] == YES && req[w] == CANCEL && heeds(w) -> finish(w, c)
	fi;
	forget_request(w)
}

/* ticks that a grant of this token is good for, into n */
inline grant_end(w, c, g) {
	n = (doublings_of(g) < doubled[w] -> doublings_of(g) : doubled[w]);
	n = longest - (handoff << n);		/* what the witnesses' ticks say too much */
	if
	:: fence_of(g) > floor[c] || wrong == BAD_ANY_FENCE -> k = seen[c]
	:: fence_of(g) <= floor[c] && fence_of(g) > floor1[c] && wrong != BAD_ANY_FENCE ->
		k = (wrong == BAD_EARLIER -> seen[c] : seen1[c])
	:: else -> k = 0
	fi;
	n = (k > n -> k - n : 0);
	k = 0
}

/* t: one of the tokens of w */
inline hear(w, c, t) {
	printf("waiter %d (at %d): grant %d to %d, witness %d above %d\n", w, at[w], grant[t], t, seen[c], floor[c]);
	if
	:: t == token(w) && at[w] == WAITING ->
		grant_end(w, c, grant[t]);
		if
		:: n > 0 ->
			owes[w] = (wrong != NO_ACK); unacked[w] = 1; missed[c] = 0;
			if
			:: wrong == BAD_GRANT_RECEIPT -> n = handoff
			:: wrong == NO_ACK -> n = n + ttl - handoff
			:: else
			fi;
			k = fence_of(grant[t]);
			hold(w, c, n, k)
		:: else ->
			ask[w] = 1; miss(c); leave_room(w, c);
			if
			:: wrong == BAD_TWO_TICKETS -> doubled[w] = missed[c]
			:: else -> requeues[w] = (doubled[w] != missed[c])
			fi
		fi;
		n = 0; k = 0;
		timer[c] = interval
	:: t == token(w) && at[w] != WAITING && at[w] != NEW && !over(w)	/* what is under way settles it */
	:: else -> the = UNLOCK; whose = t; with_fence = 1	/* nobody wants it: given back */
	fi;
	if
	:: wrong == BAD_WITNESS_FROM_GRANT -> saw(c, 0, fence_of(grant[t]))
	:: else
	fi;
	grant[t] = 0
}

#define runs(w) (!paused[client(w)] && at[w] != DEAD)
#define idles(w) (runs(w) && !req[w])
#define answered(w) (ans[w] && !leg[w])
#define heard(t) (grant[t] && !due[t])
#define hears(w) (heard(w) || heard(w + WAITERS))

/* ---- polls ---- */

#define waits(w) (at[w] == WAITING)
#define asks(w) (req[w] == LOCK)
#define polls(w) (waits(w) && !req[w] && inside[w] && front[client(w)] == w)
#define poll_due(c) (!paused[c] && timer[c] == 0 && inbox[c] != OFF && wrong != NO_POLL)
#define polls_now(c) (poll_due(c) && (wrong == BAD_POLLER -> !OF(c, asks) && OF(c, waits) : OF(c, polls)))

proctype Waiter(byte w; byte c) {
	byte r;
end:	do
	:: atomic {
		if
		:: idles(w) && at[w] == NEW && inbox[c] == LIVE && (w % EACH == 0 || at[w - 1] != NEW || round[w - 1] > 0) ->
			at[w] = WAITING; doubled[w] = missed[c];
			if
			:: r = LOCK
			:: tries > 0 -> tries--; r = TRY
			fi
		:: runs(w) && answered(w) -> receive(w, c)
		:: runs(w) && hears(w) ->
			if
			:: heard(w) -> i = w
			:: else -> i = w + WAITERS
			fi;
			hear(w, c, i); i = 0
		:: idles(w) && at[w] == WAITING && inbox[c] != OFF && (ask[w] || wrong != NO_POLL) ->
			ask[w] = 0; r = (requeues[w] -> LASTLOCK : LOCK)
		:: idles(w) && at[w] == WAITING && inbox[c] != OFF ->
			ask[w] = 0; leave_room(w, c); at[w] = LEAVING; r = LASTLOCK
		:: runs(w) && at[w] == WAITING && (req[w] && !ans[w] || inbox[c] == OFF) ->
			ask[w] = 0; leave_room(w, c); at[w] = QUITTING
		:: runs(w) && at[w] == LEAVING && !ans[w] -> at[w] = QUITTING
		:: idles(w) && at[w] == QUITTING -> r = CANCEL
		:: idles(w) && at[w] == HOLDING && valid[w] > 0 && owes[w] -> r = (unacked[w] -> EXTEND : RENEW)
		:: idles(w) && at[w] == HOLDING && valid[w] > 0 && !owes[w] && renewals > 0 ->
			renewals--; r = (unacked[w] -> EXTEND : RENEW)
		:: idles(w) && at[w] == HOLDING && valid[w] > 0 && extensions > 0 ->
			extensions--; lesser[w] = !lesser[w]; r = EXTEND
		:: idles(w) && at[w] == HOLDING && valid[w] == 0 -> lost(w, c)
		:: idles(w) && at[w] == HOLDING ->
			sure[w] = (valid[w] > 0);
			valid[w] = 0; owes[w] = 0; at[w] = FREEING; r = UNLOCK
		:: idles(w) && at[w] == FREEING -> r = UNLOCK
		:: idles(w) && at[w] == FREEING && wrong == BAD_UNCERTAIN -> at[w] = HOLDING; valid[w] = 1; r = EXTEND
		fi;
		if
		:: r ->
			req[w] = r;
			printf("waiter %d sends %d\n", w, r);
			if
			:: r == EXTEND || r == RENEW ->
				owes[w] = 0; sure[w] = 1;
				if
				:: wrong != BAD_SHORT_TTL -> at_most(valid[w], lease_of(lesser[w]))
				:: else
				fi
			:: else
			fi;
			if
			:: far > 0 -> leg[w] = far
			:: far == 0 -> bring(w, r)
			:: losses > 0 -> losses--; ans[w] = NOTHING; bring(w, r)
			:: slows > 0 -> slows--; slow[w] = 1
			:: strays > 0 && !strayed ->
				strays--; ans[w] = NOTHING;
				strayed = r; stray_token = token(w); stray_doubled = doubled[w]; stray_short = lesser[w];
				stray_fence = (r == UNLOCK -> unacked[w] : own[w])
			fi
		:: else
		fi;
		if
		:: the ->
			execute();
			if
			:: r && !ans[w] -> ans[w] = answer; said[w] = fence; fresh[w] = is_new
			:: else
			fi;
			answer = 0; fence = 0; is_new = 0
		:: else
		fi;
		r = 0
	}
	od
}

/* ---- what is on its way, and who else comes to the server ---- */

#define transit(w) (req[w] && !ans[w])
#define arrives(w) (transit(w) && !slow[w] && !leg[w])
#define may_arrive(w) (transit(w) && !leg[w])
#define tarries(w) (transit(w) && slow[w])

#define none(t) (!grant[t] && !delayed[t])
#define calm(w) (over(w) && !req[w] && none(w) && none(w + WAITERS))
#define ENDED (EVERY(calm) && owner == NOBODY && !strayed)

proctype Network() {
	byte w = NOBODY;
end:	do
	:: atomic {
		if
		:: may_arrive(0) -> w = 0
		:: may_arrive(1) -> w = 1
#if WAITERS > 2
		:: may_arrive(2) -> w = 2
#endif
#if WAITERS > 3
		:: may_arrive(3) -> w = 3
#endif
		:: strayed ->
			the = strayed; whose = stray_token; with_doubled = stray_doubled; with_short = stray_short;
			with_fence = stray_fence;
			strayed = 0; stray_token = 0; stray_doubled = 0; stray_short = 0; stray_fence = 0
		:: breaks > 0 && owner != NOBODY -> breaks--; the = BREAK; whose = NOBODY
		fi;
		if
		:: w != NOBODY -> bring(w, req[w])
		:: else
		fi;
		execute();
		if
		:: w != NOBODY && at[w] == DEAD -> forget_request(w)
		:: w != NOBODY && at[w] != DEAD ->
			ans[w] = answer; said[w] = fence; fresh[w] = is_new; leg[w] = far; slow[w] = 0
		:: else
		fi;
		w = NOBODY; answer = 0; fence = 0; is_new = 0
	}
	:: atomic {
		if
		:: delayed[0] -> w = 0
		:: delayed[1] -> w = 1
		:: delayed[2] -> w = 2
		:: delayed[3] -> w = 3
#if WAITERS > 2
		:: delayed[4] -> w = 4
		:: delayed[5] -> w = 5
#endif
#if WAITERS > 3
		:: delayed[6] -> w = 6
		:: delayed[7] -> w = 7
#endif
		fi;
		grant[w] = delayed[w]; due[w] = 0; delayed[w] = 0; w = NOBODY
	}
	:: atomic { foreigns > 0 && owner == NOBODY && !ENDED ->
		foreigns--; owner = FOREIGN; left = ttl; printf("a foreigner takes it\n"); one_holder()
	}
	:: atomic { owner == FOREIGN ->
		owner = NOBODY; left = 0;
		if
		:: true
		:: inbox[0] == LIVE -> timer[0] = 0
		fi;
		if
		:: true
		:: inbox[1] == LIVE -> timer[1] = 0
		fi
	}
	od
}

/* ---- time ---- */

#define wants(w) (at[w] == WAITING || at[w] == LEAVING)
#define presses(w) (arrives(w) || runs(w) && (answered(w) || hears(w) || \
	!req[w] && (at[w] == QUITTING || at[w] == FREEING || at[w] == WAITING && (ask[w] || inbox[client(w)] == OFF) || \
	at[w] == HOLDING && (valid[w] == 0 || owes[w] && valid[w] == 1))))
#define hopes(c) (!paused[c] && OF(c, wants) && !OF(c, tarries))

proctype Clock() {
	do
	:: d_step {
		!SOME(presses) && !polls_now(0) && !polls_now(1) && !ENDED ->
		printf("tick, owner %d (%d left)\n", owner, left);
		if
		:: (hopes(0) || hopes(1)) && BELIEVERS == 0 -> idle++; assert(idle <= bound)	/* W */
		:: else -> idle = 0
		fi;
		if
		:: left == 1 -> left = 0; owner = NOBODY
		:: else -> down(left)
		fi;
		w0 = 0;
		do
		:: w0 < WAITERS ->
			down(valid[w0]); down(leg[w0]); down(due[w0]); down(due[w0 + WAITERS]);
			if
			:: req[w0] && age[w0] < oldest -> age[w0]++
			:: else
			fi;
			w0++
		:: else -> break
		od;
		w0 = 0;
		do
		:: w0 < CLIENTS ->
			down(timer[w0]); down(seen[w0]); down(seen1[w0]);
			if
			:: seen[w0] == 0 -> floor[w0] = 0
			:: else
			fi;
			if
			:: seen1[w0] == 0 -> floor1[w0] = 0
			:: else
			fi;
			w0++
		:: else -> break
		od;
		w0 = 0
	}
	:: atomic {
		ENDED ->
		idle = 0; w0 = 0;
		do
		:: w0 < queued && !may_leave_tickets ->
			assert(at[waiter(token_of(queue[w0]))] == DEAD); w0++	/* L */
		:: else -> break
		od;
		w0 = 0;
		break
	}
	od
}

/* ---- what goes wrong ---- */

#define alive(w) (at[w] < DONE)
#define busy(c) OF(c, alive)

#define EACH_OF(c) w0 = EACH * c; do :: w0 < WAITERS && w0 < EACH * c + EACH ->
#define END_EACH w0++ :: else -> break od; w0 = 0

inline lose_messages(c) {
	EACH_OF(c)
		grant[w0] = 0; due[w0] = 0; delayed[w0] = 0;
		grant[w0 + WAITERS] = 0; due[w0 + WAITERS] = 0; delayed[w0 + WAITERS] = 0;
	END_EACH
}

inline die(c, how) {
	lose_messages(c);
	inbox[c] = how; paused[c] = 0; seen[c] = 0; floor[c] = 0; seen1[c] = 0; floor1[c] = 0; timer[c] = 0; missed[c] = 0;
	front[c] = 0;
	EACH_OF(c)
		ask[w0] = 0; owes[w0] = 0; unacked[w0] = (req[w0] == UNLOCK && unacked[w0]); valid[w0] = 0;
		requeues[w0] = 0; inside[w0] = 0; doubts[w0] = 0;
		if
		:: ans[w0] || !req[w0] -> forget_request(w0); own[w0] = 0; doubled[w0] = 0; lesser[w0] = 0
		:: else -> age[w0] = 0
		fi;
		if
		:: at[w0] != DONE -> at[w0] = DEAD
		:: else
		fi;
	END_EACH
}

/* subscribed again: every waiter has to ask */
inline reconnect(c) {
	inbox[c] = LIVE;
	EACH_OF(c)
		ask[w0] = (at[w0] == WAITING);
	END_EACH
}

proctype Trouble(byte c) {
end:	do
	:: atomic { pauses > 0 && busy(c) && !paused[c] -> pauses--; paused[c] = 1; printf("client %d stops\n", c) }
	:: atomic { paused[c] -> paused[c] = 0; printf("client %d goes on\n", c) }
	:: atomic { crashes > 0 && busy(c) -> crashes--; die(c, OFF); printf("client %d crashes\n", c) }
	:: atomic { halves > 0 && busy(c) -> halves--; die(c, MUTE); printf("client %d dies unnoticed\n", c) }
	:: atomic { drops > 0 && inbox[c] == LIVE && OF(c, wants) -> drops--; inbox[c] = OFF; lose_messages(c) }
	:: atomic { deafs > 0 && inbox[c] == LIVE && OF(c, wants) -> deafs--; inbox[c] = MUTE; lose_messages(c) }
	:: atomic { inbox[c] == OFF && busy(c) && !paused[c] -> reconnect(c) }
	:: atomic { c == 0 && wipes > 0 && owner != NOBODY ->
		wipes--; owner = NOBODY; left = 0; pending = 0; last = 0; issued = NOBODY; w0 = 0;
		do
		:: w0 < queued -> queue[w0] = 0; w0++
		:: else -> break
		od;
		queued = 0; w0 = 0
	}
	od
}

init {
	atomic {
		c_code {
			ttl = setting("TTL", 6); brief = setting("BRIEF", 2); handoff = setting("HANDOFF", 3);
			doublings = setting("DOUBLINGS", 0); interval = setting("INTERVAL", 1); bound = setting("BOUND", 30);
			again = setting("AGAIN", 0); far = setting("FAR", 0); wrong = setting("WRONG", 0);
			now.pauses = setting("PAUSE", 0); now.halves = setting("HALF", 0); now.crashes = setting("CRASH", 0);
			now.drops = setting("DROP", 0); now.deafs = setting("DEAF", 0); now.losses = setting("LOSE", 0);
			now.slows = setting("SLOW", 0); now.strays = setting("STRAY", 0); now.lates = setting("LATE", 0);
			now.wipes = setting("WIPE", 0); now.breaks = setting("BREAK", 0);
			now.foreigns = setting("FOREIGN", 0); now.renewals = setting("RENEW", 0);
			now.extensions = setting("EXTEND", 0); now.tries = setting("TRY", 0);
			wiped = now.wipes > 0;
			may_leave_tickets = now.wipes > 0 || now.strays > 0;
		};
		inbox[0] = LIVE; inbox[1] = LIVE;
		run Waiter(0, client(0)); run Waiter(1, client(1));
#if WAITERS > 2
		run Waiter(2, 1);
#endif
#if WAITERS > 3
		run Waiter(3, 1);
#endif
		run Network(); run Clock(); run Trouble(0); run Trouble(1)
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * The hand-off of a lock, in discrete time: one server, two clients, and waiters of which two share a client, so that
 * they share its inbox, its connections, its pauses and its anchor. See README.md for what is in it; ./run checks it.
 *
 * A request is sent, executed by the server and answered in three steps. Time passes between them only if the client
 * is paused or the request is one of the slow ones; everything else that can happen does so before the next tick.
 */

/* Times in ticks: lease, hand-off lease, poll. W: the most ticks without a holder while somebody live waits. */
#ifndef T
#define T 6
#endif
#ifndef H
#define H 3
#endif
#ifndef P
#define P 1
#endif
#ifndef BOUND
#define BOUND 30
#endif
#ifndef WAITERS
#define WAITERS 3
#endif
#define CLIENTS 2
#define client(w) ((w) >> 1)

/* How many faults of each kind one run may see. */
#ifndef PAUSE	/* a client stops for any time */
#define PAUSE 0
#endif
#ifndef HALF	/* a client dies and the server doesn't notice */
#define HALF 0
#endif
#ifndef CRASH	/* a client dies and its connections close */
#define CRASH 0
#endif
#ifndef DROP	/* a message connection closes, with all that is in it */
#define DROP 0
#endif
#ifndef DEAF	/* a message connection is dead and the server doesn't notice */
#define DEAF 0
#endif
#ifndef LOSE	/* a request is executed, its reply lost: the client asks again */
#define LOSE 0
#endif
#ifndef SLOW	/* a request takes any time to arrive */
#define SLOW 0
#endif
#ifndef STRAY	/* a request seems lost and is repeated, but arrives after all, at any time */
#define STRAY 0
#endif
#ifndef LATE	/* a grant takes any time to arrive, and later ones may overtake it */
#define LATE 0
#endif
#ifndef WIPE	/* the server loses all data */
#define WIPE 0
#endif
#ifndef RENEW	/* not a fault: renewals of a held lock */
#define RENEW 0
#endif

#define NOBODY 7

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
#define LASTLOCK 2
#define EXTEND  3
#define UNLOCK  4
#define CANCEL  5

#define HELD    1
#define QUEUED  2
#define LEFT    3
#define YES     4
#define NO      5
#define NOTHING 6	/* the connection broke before the reply */

/* whether the server counts a subscriber, and whether anything reaches it */
#define OFF     0
#define LIVE    1
#define MUTE    2

/* the server */
byte owner = NOBODY, left, pending, last;
byte queue[WAITERS], queued;
byte top;			/* the highest fence ever issued: the server's clock is beyond it */

/*
 * A waiter: state, ticks of validity, fence it holds with, grant received, grant on its way; acknowledgement owed, LOCK
 * owed, and whether it was valid when it sent its request.
 */
byte at[WAITERS], valid[WAITERS], own[WAITERS], grant[WAITERS], delayed[WAITERS];
bool owes[WAITERS], ask[WAITERS], sure[WAITERS];
/* its request: kind, ticks since it was sent, answer, fence in the answer */
byte req[WAITERS], age[WAITERS], ans[WAITERS], said[WAITERS];

/* a client: inbox, paused, ticks until anchor + H, the anchor's fence, ticks until a poll is due */
byte inbox[CLIENTS], anchor[CLIENTS], floor[CLIENTS], timer[CLIENTS];
bool paused[CLIENTS];

byte strayed, strayer;		/* the one request that is still on its way on a dead connection */
byte acquired;			/* the highest fence that somebody held with */
byte idle;
byte pauses = PAUSE, halves = HALF, crashes = CRASH, drops = DROP, deafs = DEAF, losses = LOSE, slows = SLOW,
	strays = STRAY, lates = LATE, wipes = WIPE, renewals = RENEW;

hidden byte i, j, k, n, w0, answer, fence;

#define over(w) (at[w] >= DONE)
#if WAITERS == 4
#define EVERY(f) (f(0) && f(1) && f(2) && f(3))
#define SOME(f) (f(0) || f(1) || f(2) || f(3))
#define OF(c, f) ((c) == 0 && (f(0) || f(1)) || (c) == 1 && (f(2) || f(3)))
#else
#define EVERY(f) (f(0) && f(1) && f(2))
#define SOME(f) (f(0) || f(1) || f(2))
#define OF(c, f) ((c) == 0 && (f(0) || f(1)) || (c) == 1 && f(2))
#endif

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

inline leave_queue(w) {
	i = 0;
	do
	:: i < queued && queue[i] != w -> i++
	:: else -> break
	od;
	if
	:: i < queued -> remove_at(i)
	:: else
	fi;
	i = 0
}

inline join_queue(w) {
	i = 0;
	do
	:: i < queued && queue[i] != w -> i++
	:: else -> break
	od;
	if
	:: i == queued -> queue[queued] = w; queued++
	:: else
	fi;
	i = 0
}

/* all tickets of the client whose hand-off ran out go to the end, in their order */
inline punish(c) {
	i = 0; n = queued;
	do
	:: n > 0 && client(queue[i]) == c -> k = queue[i]; remove_at(i); queue[queued] = k; queued++; n--
	:: n > 0 && client(queue[i]) != c -> i++; n--
	:: else -> break
	od;
	i = 0; k = 0; n = 0
}

inline drop_dead(me) {
	do
	:: queued > 0 && queue[0] != me && inbox[client(queue[0])] == OFF -> remove_at(0)
	:: else -> break
	od
}

inline issue() {
#ifdef BAD_INCR
	last++;
#else
	last = top + 1;		/* max(last + 1, TIME) */
#endif
	assert(last > top);	/* F */
	top = last;
	assert(top < 100)
}

inline hand_to_first() {
	owner = queue[0]; left = H; pending = client(owner) + 1;
	remove_at(0);
	issue();
	if
	:: inbox[client(owner)] == LIVE && at[owner] != DEAD -> grant[owner] = last
	:: inbox[client(owner)] == LIVE && at[owner] != DEAD && lates > 0 && delayed[owner] == 0 ->
		lates--; delayed[owner] = last
	:: inbox[client(owner)] != LIVE || at[owner] == DEAD
	fi
}

inline hand_over() {
	drop_dead(NOBODY);
	if
	:: queued > 0 -> hand_to_first()
	:: else -> owner = NOBODY; left = 0; pending = 0
	fi
}

/* leaves the result in answer and fence */
inline execute(w, r) {
	printf("server: request %d of %d, owner %d (%d left), fence %d\n", r, w, owner, left, last);
	answer = NO;
	fence = last;
	if
	:: (r == LOCK || r == LASTLOCK) && owner == w -> left = T; pending = 0; answer = HELD
	:: (r == LOCK || r == LASTLOCK) && owner != w ->
		if
		:: owner == NOBODY ->
			if
			:: pending > 0 && pending != client(w) + 1 -> punish(pending - 1)
			:: else
			fi;
			drop_dead(w);
			if
			:: queued == 0 || queue[0] == w ->
				leave_queue(w);
				owner = w; left = T; pending = 0; issue(); answer = HELD
			:: else -> hand_to_first()
			fi
		:: else
		fi;
		fence = last;
		if
		:: answer == HELD
		:: answer != HELD && r == LOCK -> join_queue(w); answer = QUEUED
		:: answer != HELD && r == LASTLOCK -> leave_queue(w); answer = LEFT
		fi
	:: r == EXTEND && owner == w -> left = T; pending = 0; answer = YES
	:: r == UNLOCK && owner == w -> hand_over(); answer = YES		/* the fence before it */
	:: r == CANCEL ->
		leave_queue(w); answer = YES;
#ifndef NO_CANCEL
		if
		:: owner == w -> hand_over()
		:: else
		fi
#endif
	:: else
	fi;
#ifndef FENCE_TOLD
	if
	:: r >= EXTEND -> fence = 0
	:: else
	fi
#endif
}

/* ---- a waiter ---- */

/* "at a time not before my send, the last fence was f" */
inline refresh(c, sent, f) {
#ifdef BAD_OLD_FENCE
	if
	:: anchor[c] == 0 -> floor[c] = f
	:: else
	fi;
#else
	floor[c] = f;
#endif
#ifdef BAD_ANCHOR_RECEIPT
	anchor[c] = H;
#else
	anchor[c] = (sent < H -> H - sent : 0);
#endif
	if
	:: anchor[c] == 0 -> floor[c] = 0
	:: else
	fi
}

#define remember(w, f) own[w] = f

#define believes(w) (at[w] == HOLDING && valid[w] > 0)
#if WAITERS == 4
#define BELIEVERS (believes(0) + believes(1) + believes(2) + believes(3))
#else
#define BELIEVERS (believes(0) + believes(1) + believes(2))
#endif

inline hold(w, ticks, f) {
	printf("waiter %d holds for %d, fence %d\n", w, ticks, f);
	at[w] = HOLDING; valid[w] = ticks; remember(w, f);
#if WIPE == 0
	assert(BELIEVERS <= 1);		/* M */
	assert(f > acquired);		/* F: in the order of the grants */
	acquired = f
#endif
}

inline forget_request(w) { sure[w] = 0; req[w] = 0; age[w] = 0; ans[w] = 0; said[w] = 0 }

inline finish(w) {
	at[w] = DONE; valid[w] = 0; own[w] = 0; owes[w] = 0; ask[w] = 0;
	if
	:: !OF(client(w), !over) -> anchor[client(w)] = 0; floor[client(w)] = 0; timer[client(w)] = 0
	:: else
	fi
}

/*
 * "Released" and "mine" tell no fence; the client's own was the last one when it sent, if it was valid at that moment.
 * FENCE_TOLD: the answer tells the last fence instead.
 */
#if defined(FENCE_TOLD)
#define prove(w, c) refresh(c, age[w], said[w])
#elif defined(BAD_OWN_FENCE)
#define prove(w, c) refresh(c, age[w], own[w])
#else
#define prove(w, c) \
	if \
	:: sure[w] -> refresh(c, age[w], own[w]) \
	:: else \
	fi
#endif

/* Not its own any more: a LOCK that was on its way too long may have queued once more. */
#ifdef NO_DOUBT
#define lost(w) finish(w)
#else
#define lost(w) at[w] = QUITTING; valid[w] = 0; owes[w] = 0
#endif

#define waits(w) (at[w] == WAITING)
#ifdef BAD_POLLER
#define TIMES(w) true
#else
#define TIMES(w) (w % 2 == 0 || !waits(w - 1))
#endif

inline receive(w, c) {
	printf("waiter %d (at %d): answer %d to %d, sent %d ago, fence %d\n", w, at[w], ans[w], req[w], age[w], said[w]);
	if
	:: ans[w] == HELD ->
		refresh(c, age[w], said[w]);
		if
		:: at[w] == HOLDING ->
			if
#ifdef BAD_LEASE_RECEIPT
			:: true -> valid[w] = T
#else
			:: T - age[w] > valid[w] -> valid[w] = T - age[w]
			:: else
#endif
			fi;
			owes[w] = 0;
			if
			:: said[w] > own[w] -> remember(w, said[w])	/* never back to an older hold's */
			:: else
			fi
		:: (at[w] == WAITING || at[w] == LEAVING) ->
			ask[w] = 0;
			if
#ifdef BAD_LEASE_RECEIPT
			:: true -> hold(w, T, said[w])
#else
			:: age[w] < T -> hold(w, T - age[w], said[w])
			:: else -> 
				if
				:: at[w] == WAITING -> ask[w] = 1
				:: else -> at[w] = QUITTING
				fi
#endif
			fi
		:: else
		fi
	:: ans[w] == QUEUED || ans[w] == LEFT ->
		refresh(c, age[w], said[w]);
		if
		:: at[w] == WAITING && TIMES(w) -> timer[c] = P
		:: at[w] == LEAVING -> finish(w)
		:: else
		fi
	:: ans[w] == YES && req[w] == EXTEND ->
		prove(w, c);
		if
		:: at[w] == HOLDING && T - age[w] > valid[w] -> valid[w] = T - age[w]
		:: else
		fi
	:: ans[w] == NO && req[w] == EXTEND ->
		lost(w)
	:: ans[w] == YES && req[w] == UNLOCK -> prove(w, c); finish(w)
	:: ans[w] == NO && req[w] == UNLOCK ->
#ifdef BAD_REFRESH_NOT_OWNED
		refresh(c, age[w], own[w]);
#endif
		if
		:: at[w] == FREEING -> lost(w)
		:: else				/* a grant not wanted: best effort */
		fi
	:: ans[w] == YES && req[w] == CANCEL -> finish(w)
	:: ans[w] == NOTHING ->
		if
		:: at[w] == WAITING -> ask[w] = 1
		:: at[w] == LEAVING -> at[w] = QUITTING
		:: at[w] == HOLDING && req[w] == EXTEND -> owes[w] = 1
		:: at[w] == DONE && req[w] == UNLOCK	/* of a grant not wanted: best effort */
		:: else					/* QUITTING and FREEING ask again */
		fi
	fi;
	forget_request(w)
}

#ifdef BAD_ANY_FENCE
#define counts(w, c) (anchor[c] > 0)
#else
#define counts(w, c) (anchor[c] > 0 && grant[w] > floor[c])
#endif

inline hear(w, c) {
	printf("waiter %d (at %d): grant %d, anchor %d above %d\n", w, at[w], grant[w], anchor[c], floor[c]);
	if
	:: at[w] == WAITING || at[w] == LEAVING ->
		if
		:: counts(w, c) ->
			ask[w] = 0; owes[w] = 1;
#if defined(BAD_GRANT_RECEIPT)
			hold(w, H, grant[w])
#elif defined(NO_ACK)
			hold(w, anchor[c] + T - H, grant[w]); owes[w] = 0
#else
			hold(w, anchor[c], grant[w])
#endif
		:: else ->
			if
			:: at[w] == WAITING -> ask[w] = 1
			:: else
			fi
		fi
	:: at[w] == DONE -> r = UNLOCK; remember(w, grant[w])
	:: else
	fi;
#ifdef BAD_ANCHOR_FROM_GRANT
	refresh(c, 0, grant[w]);
#endif
	grant[w] = 0
}

#define asks(w) (req[w] == LOCK)
#define runs(w) (!paused[c] && at[w] != DEAD)
#define idles(w) (runs(w) && !req[w])
#ifdef NO_POLL
#define MAY_POLL false
#define polls_now(c) false
#else
#define MAY_POLL true
#define due(c) (!paused[c] && timer[c] == 0 && inbox[c] != OFF)
#ifdef BAD_POLLER		/* whichever of them it happens to be */
#define polls_now(c) (due(c) && !OF(c, asks) && OF(c, waits))
#else				/* the foremost, and that doesn't change before it is done */
#define polls(w) (waits(w) && !req[w] && (w % 2 == 0 || !waits(w - 1)))
#define polls_now(c) (due(c) && OF(c, polls))
#endif
#endif

proctype Waiter(byte w; byte c) {
	byte r;
end:	do
	:: atomic {
		if
		:: idles(w) && at[w] == NEW && inbox[c] == LIVE && (w % 2 == 0 || at[w - 1] != NEW) ->
			at[w] = WAITING; r = LOCK
		:: runs(w) && ans[w] -> receive(w, c)
		:: runs(w) && grant[w] && !(at[w] == DONE && req[w]) -> hear(w, c)
		:: idles(w) && at[w] == WAITING && inbox[c] != OFF && (ask[w] || MAY_POLL) -> ask[w] = 0; r = LOCK
		:: idles(w) && at[w] == WAITING && inbox[c] != OFF -> ask[w] = 0; at[w] = LEAVING; r = LASTLOCK
		:: runs(w) && at[w] == WAITING && (req[w] && !ans[w] || inbox[c] == OFF) ->
			ask[w] = 0; at[w] = QUITTING
		:: runs(w) && at[w] == LEAVING && !ans[w] -> at[w] = QUITTING
		:: idles(w) && at[w] == QUITTING -> r = CANCEL
		:: idles(w) && at[w] == HOLDING && valid[w] > 0 && owes[w] -> owes[w] = 0; sure[w] = 1; r = EXTEND
		:: idles(w) && at[w] == HOLDING && valid[w] > 0 && !owes[w] && renewals > 0 -> renewals--; sure[w] = 1; r = EXTEND
		:: idles(w) && at[w] == HOLDING ->
			sure[w] = (valid[w] > 0);
			valid[w] = 0; owes[w] = 0; at[w] = FREEING; r = UNLOCK
		:: idles(w) && at[w] == FREEING -> r = UNLOCK
		fi;
		if
		:: r ->
			req[w] = r;
			printf("waiter %d sends %d\n", w, r);
			if
			:: true
			:: losses > 0 -> losses--; ans[w] = NOTHING
			:: slows > 0 -> slows--; k = 1
			:: strays > 0 && !strayed -> strays--; ans[w] = NOTHING; strayed = r; strayer = w; k = 1
			fi;
			if
			:: k
			:: !k ->
				execute(w, r);
				if
				:: !ans[w] -> ans[w] = answer; said[w] = fence
				:: else
				fi
			fi;
			r = 0; k = 0; answer = 0; fence = 0
		:: else
		fi
	}
	od
}

/* ---- what is on its way ---- */

#define transit(w) (req[w] && !ans[w])

proctype Network() {
	byte w, r;
end:	do
	:: atomic {
		if
		:: transit(0) -> w = 0
		:: transit(1) -> w = 1
		:: transit(2) -> w = 2
#if WAITERS == 4
		:: transit(3) -> w = 3
#endif
		:: strayed -> w = strayer; r = strayed; strayed = 0; strayer = 0
		fi;
		if
		:: r -> execute(w, r)
		:: else ->
			execute(w, req[w]);
			if
			:: at[w] == DEAD -> forget_request(w)
			:: else -> ans[w] = answer; said[w] = fence
			fi
		fi;
		w = 0; r = 0; answer = 0; fence = 0
	}
	:: atomic {
		if
		:: delayed[0] -> grant[0] = delayed[0]; delayed[0] = 0
		:: delayed[1] -> grant[1] = delayed[1]; delayed[1] = 0
		:: delayed[2] -> grant[2] = delayed[2]; delayed[2] = 0
#if WAITERS == 4
		:: delayed[3] -> grant[3] = delayed[3]; delayed[3] = 0
#endif
		fi
	}
	od
}

/* ---- time ---- */

#define wants(w) (at[w] == WAITING || at[w] == LEAVING)
#define presses(w) (!paused[client(w)] && at[w] != DEAD && (ans[w] || grant[w] && !(at[w] == DONE && req[w]) || \
	!req[w] && (at[w] == QUITTING || at[w] == FREEING || at[w] == WAITING && (ask[w] || inbox[client(w)] == OFF) || \
	at[w] == HOLDING && (valid[w] == 0 || owes[w] && valid[w] == 1))))
#define hopes(c) (!paused[c] && OF(c, wants) && !OF(c, transit))
#define calm(w) (over(w) && !req[w] && !grant[w] && !delayed[w])
#define down(x) x = (x > 0 -> x - 1 : 0)
#define ENDED (EVERY(calm) && owner == NOBODY && !strayed)

proctype Clock() {
	do
	:: atomic {
		!SOME(presses) && !polls_now(0) && !polls_now(1) && !ENDED ->
		printf("tick, owner %d (%d left)\n", owner, left);
		if
		:: (hopes(0) || hopes(1)) && BELIEVERS == 0 -> idle++; assert(idle <= BOUND)	/* W */
		:: else -> idle = 0
		fi;
		if
		:: left == 1 -> left = 0; owner = NOBODY
		:: else -> down(left)
		fi;
		w0 = 0;
		do
		:: w0 < WAITERS ->
			down(valid[w0]);
			if
			:: req[w0] && age[w0] < T -> age[w0]++
			:: else
			fi;
			w0++
		:: else -> break
		od;
		w0 = 0;
		do
		:: w0 < CLIENTS ->
			down(timer[w0]); down(anchor[w0]);
			if
			:: anchor[w0] == 0 -> floor[w0] = 0
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
#if STRAY + WIPE == 0	/* else a ticket of somebody who is done may stay; its key expires */
		do
		:: w0 < queued -> assert(at[queue[w0]] == DEAD); w0++	/* L */
		:: else -> break
		od;
		w0 = 0;
#endif
		break
	}
	od
}

/* ---- what goes wrong ---- */

#define alive(w) (at[w] < DONE)
#define busy(c) OF(c, alive)

inline die(c, how) {
	inbox[c] = how; paused[c] = 0; anchor[c] = 0; floor[c] = 0; timer[c] = 0;
	w0 = 2 * c;
	do
	:: w0 < WAITERS && w0 < 2 * c + 2 ->
		grant[w0] = 0; delayed[w0] = 0; ask[w0] = 0; owes[w0] = 0; valid[w0] = 0; own[w0] = 0;
		if
		:: ans[w0] || at[w0] == DONE && !req[w0] -> forget_request(w0)
		:: else -> age[w0] = 0
		fi;
		if
		:: at[w0] != DONE -> at[w0] = DEAD
		:: else
		fi;
		w0++
	:: else -> break
	od;
	w0 = 0
}

inline lose_messages(c) {
	w0 = 2 * c;
	do
	:: w0 < WAITERS && w0 < 2 * c + 2 -> grant[w0] = 0; delayed[w0] = 0; w0++
	:: else -> break
	od;
	w0 = 0
}

/* subscribed again: every waiter has to ask */
inline reconnect(c) {
	inbox[c] = LIVE;
	w0 = 2 * c;
	do
	:: w0 < WAITERS && w0 < 2 * c + 2 -> ask[w0] = (at[w0] == WAITING); w0++
	:: else -> break
	od;
	w0 = 0
}

proctype Trouble(byte c) {
end:	do
	:: atomic { pauses > 0 && busy(c) && !paused[c] -> pauses--; paused[c] = 1; printf("client %d stops\n", c) }
	:: atomic { paused[c] -> paused[c] = 0; printf("client %d goes on\n", c) }
	:: atomic { crashes > 0 && busy(c) -> crashes--; die(c, OFF) }
	:: atomic { halves > 0 && busy(c) -> halves--; die(c, MUTE) }
	:: atomic { drops > 0 && inbox[c] == LIVE && OF(c, wants) -> drops--; inbox[c] = OFF; lose_messages(c) }
	:: atomic { deafs > 0 && inbox[c] == LIVE && OF(c, wants) -> deafs--; inbox[c] = MUTE; lose_messages(c) }
	:: atomic { inbox[c] == OFF && busy(c) && !paused[c] -> reconnect(c) }
	:: atomic { wipes > 0 && owner != NOBODY ->
		wipes--; owner = NOBODY; left = 0; pending = 0; last = 0; w0 = 0;
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
		inbox[0] = LIVE; inbox[1] = LIVE;
		run Waiter(0, 0); run Waiter(1, 0); run Waiter(2, 1);
#if WAITERS == 4
		run Waiter(3, 1);
#endif
		run Network(); run Clock(); run Trouble(0); run Trouble(1)
	}
}

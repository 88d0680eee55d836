/* SPDX-License-Identifier: MIT
 *
 * What a majority decides (protocol 11). All servers are asked at once, and whatever they say is looked at as it comes:
 * nobody waits for a server whose answer changes nothing any more. */
#include "quorum.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): a name to declare has none */
#define FOR_SEATS(seat, lock)                                                                                          \
	for (struct rlk_seat *seat = (lock)->seats; seat < (lock)->seats + (lock)->quorum->count; seat++)
/* NOLINTEND(bugprone-macro-parentheses) */

static int64_t add(int64_t now, int64_t duration)
{
	return duration < 0 || now > RLK_NEVER - 1 - duration ? RLK_NEVER : now + duration;
}

static int64_t earlier_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

size_t rlk_quorum_majority(const redislock_quorum *quorum)
{
	return quorum->count / 2 + 1;
}

int64_t rlk_majority_until(const redislock_quorum_lock *lock, int64_t now)
{
	int64_t until[RLK_SERVERS_MAX], best = INT64_MIN;
	size_t count = lock->quorum->count;
	for (size_t i = 0; i < count; i++) {
		until[i] = rlk_seat_until(&lock->seats[i], now);
	}
	/* The latest moment until which so many are sure. */
	for (size_t i = 0; i < count; i++) {
		size_t as_long = 0;
		for (size_t j = 0; j < count; j++) {
			as_long += until[j] >= until[i];
		}
		if (as_long >= rlk_quorum_majority(lock->quorum) && until[i] > best) {
			best = until[i];
		}
	}
	return best;
}

/* ---- what is decided ---- */

static void decide(redislock_quorum_lock *lock, int32_t status)
{
	if (lock->operation == RLK_NO_OPERATION || lock->decided) {
		return;
	}
	lock->decided = true;
	lock->status = status;
	if (status < 0) {
		lock->failure = status;
	}
	rlk_quorum_decided(lock);
}

static void begin(redislock_quorum_lock *lock, enum rlk_operation operation)
{
	lock->operation = operation;
	lock->decided = lock->interrupted = false;
	lock->failure = REDISLOCK_OK;
}

/* ---- giving everything back ---- */

static void let_all_go(redislock_quorum_lock *lock)
{
	FOR_SEATS(seat, lock)
	{
		rlk_seat_let_go(seat);
	}
}

static void drop_all(redislock_quorum_lock *lock)
{
	FOR_SEATS(seat, lock)
	{
		rlk_seat_drop(seat);
	}
}

/* Whether every server that is expected to answer has said that nothing is left. */
static bool all_quiet(redislock_quorum_lock *lock)
{
	FOR_SEATS(seat, lock)
	{
		if (!rlk_seat_quiet(seat) && !seat->member->silent) {
			return false;
		}
	}
	return true;
}

/* ---- taking it ---- */

static void vote(redislock_quorum_lock *lock, int64_t now)
{
	lock->stage = RLK_STAGE_VOTING;
	lock->stage_ends = now + lock->quorum->timeout;
	FOR_SEATS(seat, lock)
	{
		seat->refused = seat->doubtful = false;
		seat->order = RLK_NO_ORDER;
		seat->status = REDISLOCK_OK;
		rlk_seat_take(seat, now);
	}
}

/* Whether a server that failed may be hoped to do better in a moment. */
static bool passes(const struct rlk_seat *seat)
{
	switch (seat->status) {
	case REDISLOCK_TIMEOUT:
	case REDISLOCK_CONNECTION_REFUSED:
	case REDISLOCK_CONNECTION_LOST:
	case REDISLOCK_SERVER:
	case REDISLOCK_READ_ONLY:
		return seat->member->reached;
	default:
		return false;
	}
}

/* What the round came to. Too few servers to ever make a majority is a failure, anything else is somebody's hold. */
static void judge(redislock_quorum_lock *lock, int64_t now)
{
	size_t spare = lock->quorum->count - rlk_quorum_majority(lock->quorum), failures = 0, hopeless = 0;
	int32_t failure = REDISLOCK_TIMEOUT; /* also of answers that came too late for the TTL */
	bool contended = false;
	FOR_SEATS(seat, lock)
	{
		if (seat->errand == RLK_TAKE && now >= lock->stage_ends) {
			rlk_seat_unheard(seat);
		}
		contended |= seat->refused;
		if (seat->status != REDISLOCK_OK) {
			failure = failures == 0 ? seat->status : failure;
			failures++;
			hopeless += !passes(seat);
		}
	}
	lock->verdict = failures <= spare && contended ? REDISLOCK_NOT_ACQUIRED : failure;
	lock->hopeless = hopeless > spare;
}

static void undo(redislock_quorum_lock *lock, int64_t now)
{
	judge(lock, now);
	lock->stage = RLK_STAGE_UNDOING;
	lock->stage_ends = now + lock->quorum->timeout;
	let_all_go(lock);
}

static void step_voting(redislock_quorum_lock *lock, int64_t now)
{
	size_t held = 0, open = 0;
	bool contended = false;
	if (!lock->interrupted && rlk_majority_until(lock, now) > now) {
		lock->stage = RLK_STAGE_HOLDING;
		lock->held_tag = lock->tag;
		decide(lock, REDISLOCK_OK);
		return;
	}
	FOR_SEATS(seat, lock)
	{
		contended |= seat->refused;
	}
	FOR_SEATS(seat, lock)
	{
		held += seat->held;
		/* Whoever will try again doesn't wait for a server that is down to see that others are in the way. */
		open += seat->errand == RLK_TAKE && !(seat->member->silent && contended && now < lock->deadline);
	}
	if (lock->interrupted || held + open < rlk_quorum_majority(lock->quorum) || now >= lock->stage_ends) {
		undo(lock, now);
	}
}

/* Half of the interval to one and a half: contenders that split the votes must not meet again and again. */
static int64_t random_pause(redislock_quorum_lock *lock)
{
	uint32_t random = 0;
	rlk_random_bytes(&lock->quorum->random, &random, sizeof random);
	return lock->interval / 2 + 1 + (int64_t)(random % (uint64_t)lock->interval);
}

static void step_undoing(redislock_quorum_lock *lock, int64_t now)
{
	let_all_go(lock);
	if (!all_quiet(lock) && now < lock->stage_ends) {
		return;
	}
	drop_all(lock);
	if (lock->interrupted || lock->hopeless || now >= lock->deadline) {
		lock->stage = RLK_STAGE_FREE;
		decide(lock, lock->interrupted ? REDISLOCK_INTERRUPTED : lock->verdict);
		return;
	}
	/* The last try is at the deadline. */
	lock->stage = RLK_STAGE_RESTING;
	lock->try_at = earlier_of(now + random_pause(lock), lock->deadline);
}

static void step_resting(redislock_quorum_lock *lock, int64_t now)
{
	if (lock->interrupted) {
		lock->stage = RLK_STAGE_FREE;
		decide(lock, REDISLOCK_INTERRUPTED);
	} else if (now >= lock->try_at) {
		vote(lock, now);
	}
}

/* ---- keeping it ---- */

static void lose(redislock_quorum_lock *lock, int64_t now)
{
	bool told = lock->operation == RLK_EXTENSION && !lock->decided;
	lock->stage = told ? RLK_STAGE_FREE : RLK_STAGE_OVER;
	lock->stage_ends = now + lock->quorum->timeout;
	lock->failure = REDISLOCK_LOST;
	decide(lock, REDISLOCK_LOST);
	if (!told) {
		rlk_quorum_lost(lock);
	}
	let_all_go(lock);
}

/* A seat that the lock isn't held on is taken (again) as well: so servers may come and go during a hold, as long as
 * there is a majority at each moment. */
static void keep(redislock_quorum_lock *lock, struct rlk_seat *seat, int64_t now)
{
	if (seat->errand != RLK_NO_ERRAND) {
		return;
	}
	if (lock->operation == RLK_EXTENSION && !lock->decided) {
		if (seat->order == RLK_ORDER_DUE) {
			rlk_seat_prolong(seat, now);
		}
	} else if (lock->renew && now >= seat->renew_at) {
		if (seat->held) {
			rlk_seat_prolong(seat, now);
		} else {
			rlk_seat_take(seat, now);
		}
	}
}

static void step_extension(redislock_quorum_lock *lock, int64_t now)
{
	size_t obeyed = 0, open = 0;
	int32_t failure = REDISLOCK_TIMEOUT;
	FOR_SEATS(seat, lock)
	{
		obeyed += seat->order == RLK_ORDER_OBEYED;
		open += seat->order == RLK_ORDER_DUE || seat->order == RLK_ORDER_SENT;
		failure = seat->status != REDISLOCK_OK ? seat->status : failure;
	}
	if (obeyed >= rlk_quorum_majority(lock->quorum)) {
		lock->lease = lock->new_lease;
		decide(lock, REDISLOCK_OK);
	} else if (obeyed + open < rlk_quorum_majority(lock->quorum) || now >= lock->stage_ends) {
		decide(lock, failure);
	}
	FOR_SEATS(seat, lock)
	{
		seat->order = lock->decided && seat->order == RLK_ORDER_DUE ? RLK_NO_ORDER : seat->order;
	}
}

static void step_holding(redislock_quorum_lock *lock, int64_t now)
{
	FOR_SEATS(seat, lock)
	{
		keep(lock, seat, now);
	}
	if (rlk_majority_until(lock, now) <= now) {
		lose(lock, now);
	} else if (lock->operation == RLK_EXTENSION && !lock->decided) {
		step_extension(lock, now);
	}
}

/* ---- releasing it ---- */

/* Whoever released cares whether others can have the lock now, and whether it was its own until then. */
static int32_t release_status(redislock_quorum_lock *lock)
{
	size_t majority = rlk_quorum_majority(lock->quorum), own = 0, doubtful = 0;
	int32_t failure = REDISLOCK_TIMEOUT;
	FOR_SEATS(seat, lock)
	{
		own += seat->counted;
		doubtful += seat->doubtful;
		failure = seat->doubtful && seat->status != REDISLOCK_OK ? seat->status : failure;
	}
	if (own < majority) {
		return REDISLOCK_LOST;
	}
	return doubtful > lock->quorum->count - majority ? failure : REDISLOCK_OK;
}

static void step_releasing(redislock_quorum_lock *lock, int64_t now)
{
	size_t released = 0;
	let_all_go(lock);
	FOR_SEATS(seat, lock)
	{
		released += rlk_seat_quiet(seat) && !seat->doubtful;
	}
	if ((all_quiet(lock) && released >= rlk_quorum_majority(lock->quorum)) || now >= lock->stage_ends) {
		drop_all(lock);
		lock->stage = RLK_STAGE_FREE;
		decide(lock, release_status(lock));
	}
}

/* ---- what callers ask for ---- */

/* A hold whose end has passed unnoticed is noticed first. */
static void notice_the_end(redislock_quorum_lock *lock, int64_t now)
{
	if (lock->stage == RLK_STAGE_HOLDING && rlk_majority_until(lock, now) <= now) {
		lose(lock, now);
	}
}

int32_t rlk_stage_acquire(redislock_quorum_lock *lock, int64_t now)
{
	notice_the_end(lock, now);
	if (lock->stage == RLK_STAGE_HOLDING) {
		return REDISLOCK_IN_USE;
	}
	bool tell = lock->stage == RLK_STAGE_OVER && lock->quorum->form == RLK_BLOCKING && lock->renew;
	drop_all(lock);
	lock->stage = RLK_STAGE_FREE;
	if (tell) {
		return REDISLOCK_LOST;
	}
	if (!rlk_random_hex(&lock->quorum->random, lock->token, RLK_HOLD_TOKEN)) {
		return REDISLOCK_INTERNAL;
	}
	begin(lock, RLK_ACQUIRE);
	lock->lease = lock->ttl;
	lock->deadline = add(now, lock->wait);
	vote(lock, now);
	return REDISLOCK_OK;
}

/* The status of what only a holder may do: REDISLOCK_OK for one. */
static int32_t holder(redislock_quorum_lock *lock, int64_t now)
{
	notice_the_end(lock, now);
	if (lock->stage == RLK_STAGE_HOLDING) {
		return REDISLOCK_OK;
	}
	if (lock->stage != RLK_STAGE_OVER) {
		return REDISLOCK_NOT_OWNED;
	}
	drop_all(lock);
	lock->stage = RLK_STAGE_FREE;
	lock->lost_unread = false;
	return REDISLOCK_LOST;
}

int32_t rlk_stage_release(redislock_quorum_lock *lock, int64_t patience, int64_t now)
{
	int32_t status = holder(lock, now);
	if (status != REDISLOCK_OK) {
		return status;
	}
	begin(lock, RLK_RELEASE);
	FOR_SEATS(seat, lock)
	{
		seat->counted = rlk_seat_until(seat, now) > now;
		seat->doubtful = false;
	}
	lock->stage = RLK_STAGE_RELEASING;
	lock->stage_ends = now + patience;
	let_all_go(lock);
	return REDISLOCK_OK;
}

int32_t rlk_stage_extend(redislock_quorum_lock *lock, int64_t ttl, int64_t now)
{
	int32_t status = holder(lock, now);
	if (status != REDISLOCK_OK) {
		return status;
	}
	begin(lock, RLK_EXTENSION);
	lock->new_lease = ttl;
	lock->stage_ends = now + lock->quorum->timeout;
	FOR_SEATS(seat, lock)
	{
		seat->order = seat->held ? RLK_ORDER_DUE : RLK_NO_ORDER;
	}
	return REDISLOCK_OK;
}

void rlk_stage_give_up(redislock_quorum_lock *lock, int64_t now)
{
	lock->interrupted = true;
	/* If it came, nobody knows of it yet, so nobody will release it. */
	if (lock->stage == RLK_STAGE_HOLDING) {
		lock->decided = false;
		undo(lock, now);
	} else if (lock->stage == RLK_STAGE_OVER) {
		lock->stage = RLK_STAGE_FREE;
	}
}

/* ---- time ---- */

static void step(redislock_quorum_lock *lock, int64_t now)
{
	switch (lock->stage) {
	case RLK_STAGE_VOTING:
		step_voting(lock, now);
		break;
	case RLK_STAGE_UNDOING:
		step_undoing(lock, now);
		break;
	case RLK_STAGE_RESTING:
		step_resting(lock, now);
		break;
	case RLK_STAGE_HOLDING:
		step_holding(lock, now);
		break;
	case RLK_STAGE_RELEASING:
		step_releasing(lock, now);
		break;
	default: /* behind a loss there may be something left */
		let_all_go(lock);
		if (now >= lock->stage_ends) {
			drop_all(lock);
		}
		break;
	}
}

void rlk_stage_step(redislock_quorum_lock *lock, int64_t now)
{
	enum rlk_stage before;
	do {
		before = lock->stage;
		step(lock, now);
	} while (lock->stage != before);
}

static int64_t holding_wakes(redislock_quorum_lock *lock, int64_t now)
{
	int64_t wake = rlk_majority_until(lock, now);
	bool extending = lock->operation == RLK_EXTENSION && !lock->decided;
	FOR_SEATS(seat, lock)
	{
		if (lock->renew && !extending && seat->errand == RLK_NO_ERRAND) {
			wake = earlier_of(wake, seat->renew_at);
		} else if (extending && seat->order == RLK_ORDER_DUE && seat->errand == RLK_NO_ERRAND) {
			wake = now;
		}
	}
	return extending ? earlier_of(wake, lock->stage_ends) : wake;
}

int64_t rlk_stage_wake(redislock_quorum_lock *lock, int64_t now)
{
	switch (lock->stage) {
	case RLK_STAGE_RESTING:
		return lock->interrupted ? now : lock->try_at;
	case RLK_STAGE_HOLDING:
		return holding_wakes(lock, now);
	case RLK_STAGE_VOTING:
	case RLK_STAGE_UNDOING:
	case RLK_STAGE_RELEASING:
		return lock->stage_ends;
	default:
		FOR_SEATS(seat, lock)
		{
			if (!rlk_seat_quiet(seat)) {
				return lock->stage_ends;
			}
		}
		return RLK_NEVER;
	}
}

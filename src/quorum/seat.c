/* SPDX-License-Identifier: MIT
 *
 * A lock's part on one server. It never waits there, doesn't renew by itself, and has a token of its own for each time
 * that it is asked for: so nothing that was said earlier and is executed late can undo what was said since. */
#include "quorum.h"

#include <inttypes.h>
#include <stdio.h>

/* A lease is renewed after a third of it, and where that failed, four times as often. */
enum { RENEW_PART = 3, RETRY_PART = 12, RETRY_LEAST_MS = 5 };

static int64_t retry_at(const struct rlk_seat *seat, int64_t now)
{
	int64_t pause = seat->of->lease / RETRY_PART;
	return now + (pause > RETRY_LEAST_MS ? pause : RETRY_LEAST_MS);
}

static void failed(struct rlk_seat *seat, int32_t status, int64_t now)
{
	seat->status = status;
	if (seat->lock == NULL || redislock_lock_error(seat->lock, seat->text, sizeof seat->text) != REDISLOCK_OK ||
	    seat->text[0] == '\0') {
		rlk_text_copy(redislock_strerror(status), seat->text, sizeof seat->text);
	}
	seat->renew_at = retry_at(seat, now);
}

static void went_well(struct rlk_seat *seat, int64_t lease)
{
	seat->status = REDISLOCK_OK;
	seat->renew_at = seat->asked_at + lease / RENEW_PART;
}

static int32_t prepare(struct rlk_seat *seat)
{
	const redislock_quorum_lock *of = seat->of;
	char token[RLK_TOKEN_MAX + 1];
	int32_t status = REDISLOCK_OK;
	if (seat->lock == NULL) {
		status = redislock_lock_new(seat->member->client, REDISLOCK_KIND_SPIN, of->name, of->name_length,
		                            &seat->lock);
	}
	if (status == REDISLOCK_OK) {
		status = redislock_lock_set_wait_ms(seat->lock, 0);
	}
	if (status == REDISLOCK_OK) {
		status = redislock_lock_set_ttl_ms(seat->lock, of->lease); /* which turns its own renewal off */
	}
	if (status == REDISLOCK_OK) {
		status = redislock_lock_set_owner(seat->lock, of->owner, of->owner_length);
	}
	if (status == REDISLOCK_OK) {
		int length = snprintf(token, sizeof token, "%s.%" PRIu32, of->token, of->tries);
		status = redislock_lock_set_token(seat->lock, token, (size_t)length);
	}
	return status;
}

void rlk_seat_take(struct rlk_seat *seat, int64_t now)
{
	seat->of->tries++;
	seat->asked_at = now;
	int32_t status = prepare(seat);
	if (status == REDISLOCK_OK) {
		status = redislock_lock_start_acquire(seat->lock, (uint64_t)(uintptr_t)seat);
	}
	if (status == REDISLOCK_OK) {
		seat->errand = RLK_TAKE;
	} else {
		failed(seat, status, now);
	}
}

void rlk_seat_prolong(struct rlk_seat *seat, int64_t now)
{
	bool ordered = seat->order == RLK_ORDER_DUE;
	int64_t ttl = ordered ? seat->of->new_lease : seat->of->lease;
	int32_t status = redislock_lock_start_extend(seat->lock, ttl, (uint64_t)(uintptr_t)seat);
	seat->asked_at = now;
	if (status == REDISLOCK_OK) {
		seat->errand = RLK_PROLONG;
		seat->order = ordered ? RLK_ORDER_SENT : seat->order;
		return;
	}
	seat->held = status != REDISLOCK_LOST && status != REDISLOCK_NOT_OWNED;
	seat->order = RLK_NO_ORDER;
	failed(seat, status, now);
}

void rlk_seat_unheard(struct rlk_seat *seat)
{
	seat->member->silent = true;
	if (seat->status == REDISLOCK_OK) {
		seat->status = REDISLOCK_TIMEOUT;
		rlk_text_copy(redislock_strerror(seat->status), seat->text, sizeof seat->text);
	}
}

void rlk_seat_drop(struct rlk_seat *seat)
{
	if (rlk_seat_quiet(seat)) {
		return;
	}
	redislock_lock_free(seat->lock);
	seat->lock = NULL;
	seat->errand = RLK_NO_ERRAND;
	seat->held = false;
	seat->doubtful = true;
}

void rlk_seat_let_go(struct rlk_seat *seat)
{
	int32_t status = REDISLOCK_OK;
	if (seat->errand == RLK_TAKE) {
		/* Where it has failed already, its event is on its way. */
		status = redislock_lock_cancel(seat->lock);
		seat->errand = status == REDISLOCK_OK ? RLK_GIVE_BACK : RLK_TAKE;
	} else if (seat->errand == RLK_NO_ERRAND && seat->held) {
		status = redislock_lock_start_release(seat->lock, (uint64_t)(uintptr_t)seat);
		if (status == REDISLOCK_OK) {
			seat->errand = RLK_GIVE_BACK;
		} else if (status == REDISLOCK_LOST || status == REDISLOCK_NOT_OWNED) {
			seat->held = seat->counted = false;
		} else {
			rlk_seat_drop(seat);
		}
	}
}

bool rlk_seat_quiet(const struct rlk_seat *seat)
{
	return seat->errand == RLK_NO_ERRAND && !seat->held;
}

int64_t rlk_seat_until(const struct rlk_seat *seat, int64_t now)
{
	int64_t remaining = seat->held ? redislock_lock_remaining_ms(seat->lock) : 0;
	return remaining > 0 ? now + remaining : INT64_MIN;
}

/* The server has said something, or it has not. */
static void took_part(struct rlk_member *member, int32_t status)
{
	member->silent = status == REDISLOCK_TIMEOUT || status == REDISLOCK_CONNECTION_REFUSED ||
	                 status == REDISLOCK_CONNECTION_LOST;
	member->reached |= status >= 0 || status == REDISLOCK_LOST || status == REDISLOCK_NOT_OWNED;
}

static void errand_failed(struct rlk_seat *seat, enum rlk_errand errand, int32_t status, int64_t now)
{
	bool gone = status == REDISLOCK_LOST || status == REDISLOCK_NOT_OWNED;
	if (errand == RLK_GIVE_BACK && gone) {
		seat->held = seat->counted = false;
		return;
	}
	failed(seat, status, now);
	if (errand == RLK_GIVE_BACK) {
		rlk_seat_drop(seat);
	} else if (gone) {
		seat->held = false;
	}
}

void rlk_seat_event(struct rlk_seat *seat, int32_t type, int32_t status, int64_t now)
{
	enum rlk_errand errand = seat->errand;
	enum rlk_order order = seat->order;
	if (type == REDISLOCK_EVENT_LOST) {
		/* Its lease ended by itself; what is under way is told by another event. */
		seat->held = false;
		return;
	}
	seat->errand = RLK_NO_ERRAND;
	took_part(seat->member, status);
	switch (type) {
	case REDISLOCK_EVENT_ACQUIRED:
		seat->held = true;
		went_well(seat, seat->of->lease);
		break;
	case REDISLOCK_EVENT_NOT_ACQUIRED:
		seat->refused = true;
		seat->status = REDISLOCK_OK;
		seat->renew_at = retry_at(seat, now);
		break;
	case REDISLOCK_EVENT_EXTENDED:
		seat->order = order == RLK_ORDER_SENT ? RLK_ORDER_OBEYED : order;
		went_well(seat, order == RLK_ORDER_SENT ? seat->of->new_lease : seat->of->lease);
		break;
	case REDISLOCK_EVENT_FAILED:
		seat->order = order == RLK_ORDER_SENT ? RLK_NO_ORDER : order;
		errand_failed(seat, errand, status, now);
		break;
	default: /* released; or cancelled, and where that failed it goes on behind the scenes */
		seat->held = false;
		if (status < 0) {
			seat->doubtful = true;
			failed(seat, status, now);
		}
		break;
	}
}

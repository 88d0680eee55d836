/* SPDX-License-Identifier: MIT
 *
 * The handle of a lock on many servers. */
#include "quorum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	TTL_MS = 30000,
	WAIT_MS = 60000,
	INTERVAL_MS = 100,
	FAREWELL_MS = 1000 /* the most that freeing may take */
};

/* ---- beginning and end ---- */

static void dispose(redislock_quorum_lock *lock)
{
	if (lock->done_fd >= 0) {
		close(lock->done_fd);
	}
	free(lock->name);
	free(lock->owner);
	free(lock);
}

static redislock_quorum_lock *make(redislock_quorum *quorum, const void *name, size_t length)
{
	redislock_quorum_lock *lock = calloc(1, sizeof *lock + quorum->count * sizeof lock->seats[0]);
	if (lock == NULL) {
		return NULL;
	}
	lock->done_fd = quorum->form == RLK_BLOCKING ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	lock->name = malloc(length + 1);
	if (lock->name == NULL || (quorum->form == RLK_BLOCKING && lock->done_fd < 0)) {
		dispose(lock);
		return NULL;
	}
	memcpy(lock->name, name, length);
	lock->name[length] = '\0';
	lock->name_length = length;
	lock->ttl = TTL_MS;
	lock->renew = true;
	lock->wait = WAIT_MS;
	lock->interval = INTERVAL_MS;
	atomic_init(&lock->interrupts, 0);
	for (size_t i = 0; i < quorum->count; i++) {
		lock->seats[i].of = lock;
		lock->seats[i].member = &quorum->members[i];
	}
	return lock;
}

RLK_EXPORT int32_t redislock_quorum_lock_new(redislock_quorum *quorum, const void *name, size_t name_length,
                                             redislock_quorum_lock **lock)
{
	if (lock == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*lock = NULL;
	int32_t status = rlk_quorum_enter(quorum, rlk_name_valid(name, name_length), RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	if (quorum->count == 0) {
		return rlk_quorum_leave(quorum, REDISLOCK_INVALID_ARGUMENT);
	}
	redislock_quorum_lock *made = make(quorum, name, name_length);
	if (made == NULL) {
		return rlk_quorum_leave(quorum, REDISLOCK_NO_MEMORY);
	}
	made->quorum = quorum;
	made->next = quorum->locks;
	if (made->next != NULL) {
		made->next->previous = made;
	}
	quorum->locks = made;
	atomic_fetch_add(&quorum->references, 1);
	*lock = made;
	return rlk_quorum_leave(quorum, REDISLOCK_OK);
}

/* What is still to be given back on the servers is given back behind the scenes. */
static void leave_servers(redislock_quorum_lock *lock)
{
	for (size_t i = 0; i < lock->quorum->count; i++) {
		redislock_lock_free(lock->seats[i].lock);
	}
}

static void bid_farewell(redislock_quorum_lock *lock)
{
	int64_t now = rlk_now(), timeout = lock->quorum->timeout;
	if (lock->quorum->form == RLK_BLOCKING && lock->stage == RLK_STAGE_HOLDING &&
	    rlk_stage_release(lock, timeout < FAREWELL_MS ? timeout : FAREWELL_MS, now) == REDISLOCK_OK) {
		rlk_stage_step(lock, now);
		rlk_quorum_await(lock);
	}
	leave_servers(lock);
	*(lock->previous != NULL ? &lock->previous->next : &lock->quorum->locks) = lock->next;
	if (lock->next != NULL) {
		lock->next->previous = lock->previous;
	}
}

RLK_EXPORT void redislock_quorum_lock_free(redislock_quorum_lock *lock)
{
	if (lock == NULL) {
		return;
	}
	redislock_quorum *quorum = lock->quorum;
	if (rlk_quorum_forked(quorum)) {
		leave_servers(lock);
	} else {
		pthread_mutex_lock(&quorum->mutex);
		if (quorum->event.quorum_lock == lock) {
			quorum->event.quorum_lock = NULL;
		}
		bid_farewell(lock);
		rlk_quorum_leave(quorum, REDISLOCK_OK);
	}
	dispose(lock);
	rlk_quorum_release(quorum);
}

/* ---- one caller at a time ---- */

int32_t rlk_quorum_lock_enter(redislock_quorum_lock *lock, bool valid, enum rlk_form form)
{
	if (lock == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	int32_t status = rlk_quorum_enter(lock->quorum, valid, form);
	if (status == REDISLOCK_OK && lock->operation != RLK_NO_OPERATION) {
		return rlk_quorum_leave(lock->quorum, REDISLOCK_IN_USE);
	}
	return status;
}

int32_t rlk_quorum_lock_leave(redislock_quorum_lock *lock, int32_t status)
{
	if (status < 0) {
		lock->failure = status;
	}
	return rlk_quorum_leave(lock->quorum, status);
}

/* ---- setters ---- */

static int32_t enter_setter(redislock_quorum_lock *lock, bool valid)
{
	int32_t status = rlk_quorum_lock_enter(lock, valid, RLK_EITHER);
	if (status == REDISLOCK_OK && lock->stage == RLK_STAGE_HOLDING &&
	    rlk_majority_until(lock, rlk_now()) > rlk_now()) {
		return rlk_quorum_lock_leave(lock, REDISLOCK_IN_USE);
	}
	return status;
}

RLK_EXPORT int32_t redislock_quorum_lock_set_ttl_ms(redislock_quorum_lock *lock, int64_t ttl_ms)
{
	int32_t status = enter_setter(lock, rlk_duration_valid(ttl_ms, 1, RLK_DURATION_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->ttl = ttl_ms;
	lock->renew = false;
	return rlk_quorum_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_quorum_lock_set_renewal(redislock_quorum_lock *lock, int32_t on)
{
	int32_t status = enter_setter(lock, on == 0 || on == 1);
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->renew = on == 1;
	return rlk_quorum_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_quorum_lock_set_wait_ms(redislock_quorum_lock *lock, int64_t wait_ms)
{
	bool valid = wait_ms == REDISLOCK_FOREVER || rlk_duration_valid(wait_ms, 0, RLK_DURATION_MAX);
	int32_t status = rlk_quorum_lock_enter(lock, valid, RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->wait = wait_ms;
	return rlk_quorum_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_quorum_lock_set_spin_interval_ms(redislock_quorum_lock *lock, int64_t interval_ms)
{
	int32_t status = enter_setter(lock, rlk_duration_valid(interval_ms, 1, INT32_MAX));
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->interval = interval_ms;
	return rlk_quorum_lock_leave(lock, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_quorum_lock_set_owner(redislock_quorum_lock *lock, const char *owner, size_t owner_length)
{
	int32_t status = enter_setter(lock, rlk_label_valid(owner, owner_length));
	if (status != REDISLOCK_OK) {
		return status;
	}
	char *copy = malloc(owner_length + 1);
	if (copy == NULL) {
		return rlk_quorum_lock_leave(lock, REDISLOCK_NO_MEMORY);
	}
	if (owner_length > 0) {
		memcpy(copy, owner, owner_length);
	}
	free(lock->owner);
	lock->owner = copy;
	lock->owner_length = owner_length;
	return rlk_quorum_lock_leave(lock, REDISLOCK_OK);
}

/* ---- asking: any thread ---- */

/* Enters for a look, whatever is under way. */
static bool look(redislock_quorum_lock *lock)
{
	if (lock == NULL || rlk_quorum_forked(lock->quorum)) {
		return false;
	}
	pthread_mutex_lock(&lock->quorum->mutex);
	return true;
}

RLK_EXPORT int64_t redislock_quorum_lock_remaining_ms(redislock_quorum_lock *lock)
{
	if (!look(lock)) {
		return 0;
	}
	int64_t now = rlk_now();
	int64_t until = lock->stage == RLK_STAGE_HOLDING ? rlk_majority_until(lock, now) : INT64_MIN;
	pthread_mutex_unlock(&lock->quorum->mutex);
	return until > now ? until - now : 0;
}

RLK_EXPORT int32_t redislock_quorum_lock_is_held(redislock_quorum_lock *lock)
{
	return redislock_quorum_lock_remaining_ms(lock) != 0;
}

RLK_EXPORT int32_t redislock_quorum_lock_agreed(redislock_quorum_lock *lock)
{
	if (!look(lock)) {
		return 0;
	}
	int32_t agreed = 0;
	int64_t now = rlk_now();
	for (size_t i = 0; lock->stage == RLK_STAGE_HOLDING && i < lock->quorum->count; i++) {
		agreed += rlk_seat_until(&lock->seats[i], now) > now;
	}
	pthread_mutex_unlock(&lock->quorum->mutex);
	return agreed;
}

RLK_EXPORT int32_t redislock_quorum_lock_token(redislock_quorum_lock *lock, char *token, size_t size)
{
	if (lock == NULL || token == NULL || size == 0) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	if (!look(lock)) {
		return REDISLOCK_FORKED;
	}
	int32_t status = rlk_text_copy(lock->token, token, size);
	pthread_mutex_unlock(&lock->quorum->mutex);
	return status;
}

RLK_EXPORT const char *redislock_quorum_lock_name(redislock_quorum_lock *lock, size_t *length)
{
	if (length != NULL) {
		*length = lock != NULL ? lock->name_length : 0;
	}
	return lock != NULL ? lock->name : NULL;
}

/* Appends, cut to fit; answers how long the text is then. */
static size_t append(char *text, size_t size, size_t length, const char *what)
{
	int added = snprintf(text + length, size - length, "%s", what);
	return added < 0 || (size_t)added >= size - length ? size - 1 : length + (size_t)added;
}

RLK_EXPORT int32_t redislock_quorum_lock_error(redislock_quorum_lock *lock, char *text, size_t size)
{
	if (lock == NULL || text == NULL || size == 0) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	int32_t status = rlk_quorum_enter(lock->quorum, true, RLK_EITHER);
	if (status != REDISLOCK_OK) {
		return status;
	}
	size_t length = 0;
	text[0] = '\0';
	if (lock->failure != REDISLOCK_OK) {
		length = append(text, size, length, redislock_strerror(lock->failure));
	}
	for (size_t i = 0; i < lock->quorum->count; i++) {
		const struct rlk_seat *seat = &lock->seats[i];
		if (seat->status != REDISLOCK_OK) {
			length = append(text, size, length, length > 0 ? "; " : "");
			length = append(text, size, length, seat->member->where);
			length = append(text, size, length, ": ");
			length = append(text, size, length, seat->text);
		}
	}
	pthread_mutex_unlock(&lock->quorum->mutex);
	return REDISLOCK_OK;
}

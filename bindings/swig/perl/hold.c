/* SPDX-License-Identifier: MIT
 *
 * Waiting and holding, out of the reach of handlers of %SIG. */
#include "hold.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- waiting ---- */

struct wait {
	redislock_lock *lock;
	bool goes_on;
};

/* When the scope of the handlers is left, in whatever way. */
static void leave_handlers(pTHX_ void *data)
{
	struct wait *wait = data;
	PERL_UNUSED_CONTEXT;
	if (!wait->goes_on) {
		redislock_lock_cancel(wait->lock);
	}
}

int32_t lock_acquire_with_handlers(redislock_lock *lock)
{
	dTHX;
	for (;;) {
		struct wait wait = { lock, false };
		int32_t status = PL_sig_pending ? (int32_t)REDISLOCK_INTERRUPTED : redislock_lock_acquire(lock);
		if (status != REDISLOCK_INTERRUPTED) {
			return status;
		}
		ENTER;
		SAVEDESTRUCTOR_X(leave_handlers, &wait);
		PERL_ASYNC_CHECK();
		wait.goes_on = true;
		LEAVE;
	}
}

/* ---- holding ---- */

struct redislock_hold {
	redislock_lock *lock;
	SV *lock_handle; /* keeps the lock alive */
	uint64_t before; /* the fence of the hold before */
	uint64_t fence;  /* that of this one; 0 until it is armed */
	bool over;
	char about[];
};

redislock_hold *hold_new(redislock_lock *lock, SV *lock_handle, const char *about)
{
	size_t length = strlen(about);
	redislock_hold *hold = malloc(sizeof *hold + length + 1);
	if (hold == NULL) {
		return NULL;
	}
	*hold = (redislock_hold) { .lock = lock, .before = redislock_lock_fence(lock) };
	memcpy(hold->about, about, length + 1);
	hold->lock_handle = SvREFCNT_inc_NN(SvRV(lock_handle));
	return hold;
}

void hold_arm(redislock_hold *hold)
{
	hold->fence = redislock_lock_fence(hold->lock);
}

/* A handler may have died between the acquire and the arming. What a fork inherits has no fence. */
static bool is_mine(const redislock_hold *hold)
{
	uint64_t fence = redislock_lock_fence(hold->lock);
	return hold->fence != 0 ? fence == hold->fence
	                        : fence != hold->before && redislock_lock_is_held(hold->lock) == 1;
}

int32_t hold_end(redislock_hold *hold)
{
	if (hold->over || !is_mine(hold)) {
		return REDISLOCK_OK;
	}
	int32_t status = redislock_lock_release(hold->lock);
	hold->over = true;
	return status == REDISLOCK_NOT_OWNED ? (int32_t)REDISLOCK_OK : status;
}

void hold_free(redislock_hold *hold)
{
	enum { TEXT_SIZE = 1024 };
	dTHX;
	char text[TEXT_SIZE] = "";
	SV *warning = NULL;
	/* When Perl ends the locks release themselves, in any order. */
	if (PL_phase != PERL_PHASE_DESTRUCT) {
		sv_2mortal(hold->lock_handle);
		int32_t status = hold_end(hold);
		if (status != REDISLOCK_OK) {
			redislock_lock_error(hold->lock, text, sizeof text);
			const char *why = text[0] != '\0' ? text : redislock_strerror(status);
			warning = sv_2mortal(newSVpvf("(in cleanup) %s%s", hold->about, why));
		}
	}
	free(hold);
	if (warning != NULL) {
		warn("%" SVf, SVfARG(warning));
	}
}

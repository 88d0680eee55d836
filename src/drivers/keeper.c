/* SPDX-License-Identifier: MIT
 *
 * The keeper: a thread that turns the crank while nobody else does, for leases to be renewed, hand-offs to be
 * acknowledged and orphans to be cleaned up. It wakes by itself often enough that the acquisitions of an ordinary lock
 * neither start nor wake it. */
#include "drivers.h"

#include <signal.h>
#include <time.h>

enum { IDLE_MS = 10000 };

static void sleep_until(struct rlk_blocking *driver, int64_t now, int64_t at)
{
	struct timespec end;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (at - now) / 1000;
	end.tv_nsec += (at - now) % 1000 * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	driver->keeper_wakes_at = at;
	pthread_cond_timedwait(&driver->keeper_wakes, &driver->base.mutex, &end);
	driver->keeper_wakes_at = INT64_MIN;
}

static int64_t earlier_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The moments in which leases of the default TTL come due are those in which it looks by itself. And once it was woken
 * for a moment it stays with that, though the lease is released by now: the next one is renewed then, too. */
static int64_t idle_until(struct rlk_blocking *driver, int64_t now)
{
	int64_t next = now + IDLE_MS - (now + driver->base.engine.pace.phase) % IDLE_MS;
	if (driver->keeper_asked_for <= now) {
		driver->keeper_asked_for = RLK_NEVER;
	}
	return earlier_of(next, driver->keeper_asked_for);
}

static void *keep(void *argument)
{
	struct rlk_blocking *driver = argument;
	struct rlk_engine *engine = &driver->base.engine;
	pthread_mutex_lock(&driver->base.mutex);
	while (!driver->keeper_ends) {
		int64_t now = rlk_now();
		int64_t due = engine->background > 0 && !driver->cranking ? rlk_engine_deadline(engine) : RLK_NEVER;
		if (due > now) {
			sleep_until(driver, now, earlier_of(due, idle_until(driver, now)));
			continue;
		}
		/* What is asked now is answered soon: stay until then, unless somebody else is there to read it. */
		do {
			rlk_blocking_crank(driver, NULL);
		} while (!driver->keeper_ends && driver->first_asleep == NULL && rlk_engine_asks(engine) &&
		         !driver->cranking);
		rlk_blocking_hand_on(driver);
	}
	pthread_mutex_unlock(&driver->base.mutex);
	return NULL;
}

static bool start(struct rlk_blocking *driver)
{
	sigset_t all, before;
	sigfillset(&all);
	driver->keeper_wakes_at = INT64_MIN;
	driver->keeper_asked_for = RLK_NEVER;
	pthread_sigmask(SIG_SETMASK, &all, &before);
	driver->keeper_runs = pthread_create(&driver->keeper, NULL, keep, driver) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return driver->keeper_runs;
}

bool rlk_keeper_call(struct rlk_blocking *driver)
{
	if (driver->base.engine.background == 0 || driver->keeper_ends) {
		return true;
	}
	if (!driver->keeper_runs) {
		return start(driver);
	}
	int64_t due = rlk_engine_deadline(&driver->base.engine);
	if (!driver->cranking && driver->first_asleep == NULL && due < driver->keeper_wakes_at) {
		driver->keeper_asked_for = driver->keeper_wakes_at = due;
		pthread_cond_signal(&driver->keeper_wakes);
	}
	return true;
}

void rlk_keeper_end(struct rlk_blocking *driver)
{
	if (!driver->keeper_runs) {
		return;
	}
	pthread_mutex_lock(&driver->base.mutex);
	driver->keeper_ends = true;
	pthread_cond_signal(&driver->keeper_wakes);
	pthread_mutex_unlock(&driver->base.mutex);
	rlk_blocking_wake(driver);
	pthread_join(driver->keeper, NULL);
	driver->keeper_runs = false;
}

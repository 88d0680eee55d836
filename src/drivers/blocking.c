/* SPDX-License-Identifier: MIT
 *
 * The blocking driver: a thread that waits turns the crank itself, so that nothing is handed between threads where one
 * is alone. Where several share a client one of them turns it for all; the others sleep until what they wait for is
 * decided, or until the crank is theirs. */
#include "drivers.h"

#include "redislock/redislock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* POLL_MS bounds one poll, so that a deadline beyond it needs to wake nobody. */
enum { POLL_MS = 1000, COMPANY = 100, POLLED = 8 };

static void fall_asleep(struct rlk_blocking *driver, struct rlk_waiter *waiter)
{
	waiter->asleep = true;
	waiter->next = NULL;
	waiter->previous = driver->last_asleep;
	*(driver->last_asleep != NULL ? &driver->last_asleep->next : &driver->first_asleep) = waiter;
	driver->last_asleep = waiter;
}

static void awaken(struct rlk_blocking *driver, struct rlk_waiter *waiter)
{
	*(waiter->previous != NULL ? &waiter->previous->next : &driver->first_asleep) = waiter->next;
	*(waiter->next != NULL ? &waiter->next->previous : &driver->last_asleep) = waiter->previous;
	waiter->asleep = false;
	waiter->settled = waiter->done;
	sem_post(&waiter->wake_up);
}

static void decided(struct rlk_blocking *driver, struct rlk_waiter *waiter, int32_t status)
{
	if (waiter == NULL || waiter->done) {
		return;
	}
	waiter->done = true;
	waiter->status = status;
	if (waiter->asleep) {
		awaken(driver, waiter);
	}
}

static struct rlk_blocking *driver_of(struct rlk_engine *engine)
{
	return (struct rlk_blocking *)(void *)engine; /* its first member */
}

static void job_done(struct rlk_engine *engine, struct rlk_job *job)
{
	struct rlk_waiter *waiter = job->waiter;
	job->waiter = NULL;
	decided(driver_of(engine), waiter, job->machine.status);
}

static void call_done(struct rlk_engine *engine, struct rlk_call *call)
{
	decided(driver_of(engine), call->waiter, call->status);
}

void rlk_signal_fd(int fd)
{
	uint64_t one = 1;
	int error = errno;
	/* A full counter is readable already. */
	while (write(fd, &one, sizeof one) < 0 && errno == EINTR) {
	}
	errno = error;
}

static void job_lost(struct rlk_engine *engine, struct rlk_job *job)
{
	struct rlk_blocking *driver = driver_of(engine);
	int fd = atomic_load(&driver->lost_fd);
	if (job->machine.renew && fd >= 0) {
		rlk_signal_fd(fd);
	} else if (job->machine.renew) {
		driver->lost_already = true;
	}
}

int32_t rlk_blocking_init(struct rlk_blocking *driver, const char *url)
{
	memset(driver, 0, sizeof *driver);
	atomic_init(&driver->lost_fd, -1);
	atomic_init(&driver->interrupts, 0);
	atomic_init(&driver->alarms, 0);
	int32_t status = rlk_engine_init(&driver->base.engine, url, NULL);
	if (status != REDISLOCK_OK) {
		return status;
	}
	driver->polled_capacity = POLLED;
	driver->polled = malloc(driver->polled_capacity * sizeof *driver->polled);
	driver->wake_fd = driver->polled != NULL ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
	if (driver->wake_fd < 0) {
		free(driver->polled);
		rlk_engine_clear(&driver->base.engine);
		return REDISLOCK_NO_MEMORY;
	}
	driver->base.engine.job_done = job_done;
	driver->base.engine.call_done = call_done;
	driver->base.engine.job_lost = job_lost;
	pthread_mutex_init(&driver->base.mutex, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&driver->keeper_wakes, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return REDISLOCK_OK;
}

void rlk_blocking_clear(struct rlk_blocking *driver, bool forked)
{
	int lost_fd = atomic_load(&driver->lost_fd);
	if (!forked) {
		rlk_keeper_end(driver);
		rlk_engine_bid_farewell(&driver->base.engine);
		pthread_mutex_destroy(&driver->base.mutex);
		pthread_cond_destroy(&driver->keeper_wakes);
	}
	close(driver->wake_fd);
	if (lost_fd >= 0) {
		close(lost_fd);
	}
	rlk_engine_clear(&driver->base.engine);
	free(driver->polled);
}

void rlk_blocking_wake(struct rlk_blocking *driver)
{
	rlk_signal_fd(driver->wake_fd);
}

void rlk_blocking_interrupt(struct rlk_blocking *driver, atomic_uint *interrupts)
{
	atomic_fetch_add(interrupts, 1);
	atomic_fetch_add(&driver->alarms, 1);
	rlk_blocking_wake(driver);
}

void rlk_blocking_hand_on(struct rlk_blocking *driver)
{
	if (!driver->cranking && driver->first_asleep != NULL) {
		awaken(driver, driver->first_asleep);
	}
}

/* ---- the crank ---- */

/* Those that sleep look for themselves whether an interrupt is meant for them. */
static void take_wake_up(struct rlk_blocking *driver)
{
	uint64_t count;
	ssize_t got = read(driver->wake_fd, &count, sizeof count);
	(void)got;
	unsigned alarms = atomic_load(&driver->alarms);
	if (alarms != driver->alarms_seen) {
		driver->alarms_seen = alarms;
		while (driver->first_asleep != NULL) {
			awaken(driver, driver->first_asleep);
		}
	}
}

/* With one place more, for what wakes. Without the memory the last ones are left out for a while. */
static size_t list_polled(struct rlk_blocking *driver)
{
	const struct pollfd *fds;
	size_t count = rlk_engine_fds(&driver->base.engine, &fds);
	if (count >= driver->polled_capacity) {
		struct pollfd *larger = realloc(driver->polled, (2 * count + 1) * sizeof *larger);
		if (larger != NULL) {
			driver->polled = larger;
			driver->polled_capacity = 2 * count + 1;
		} else {
			count = driver->polled_capacity - 1;
		}
	}
	memcpy(driver->polled, fds, count * sizeof *fds);
	return count;
}

bool rlk_blocking_crank(struct rlk_blocking *driver, const sigset_t *mask)
{
	struct rlk_engine *engine = &driver->base.engine;
	size_t count = list_polled(driver);
	int64_t now = rlk_now();
	int64_t until = rlk_engine_deadline(engine);
	until = until > now + POLL_MS ? now + POLL_MS : until;
	driver->polled[count] = (struct pollfd) { .fd = driver->wake_fd, .events = POLLIN };
	driver->polled_count = count;
	driver->polled_until = until;
	driver->cranking = true;
	pthread_mutex_unlock(&driver->base.mutex);
	int64_t left = until > now ? until - now : 0;
	struct timespec patience = { (time_t)(left / 1000), (long)(left % 1000 * 1000000) };
	int ready = ppoll(driver->polled, count + 1, &patience, mask);
	bool signalled = ready < 0 && errno == EINTR;
	pthread_mutex_lock(&driver->base.mutex);
	driver->cranking = false;
	if (ready > 0 && driver->polled[count].revents != 0) {
		take_wake_up(driver);
	}
	if (!signalled) {
		/* Without memory to poll with there are still deadlines. */
		rlk_engine_step(engine, driver->polled, ready >= 0 ? count : 0, rlk_now());
	}
	return signalled;
}

/* The same for a thread that is alone and wants nothing but an answer: half the system calls. It can't be woken, but
 * that takes no longer than RLK_AWAIT_MS. */
static bool crank_alone(struct rlk_blocking *driver, const struct rlk_connection *answered, const sigset_t *mask)
{
	struct rlk_engine *engine = &driver->base.engine;
	struct rlk_awaited awaited;
	driver->cranking = driver->awaiting = true;
	pthread_mutex_unlock(&driver->base.mutex);
	bool signalled = rlk_connection_await(answered, &awaited);
	pthread_mutex_lock(&driver->base.mutex);
	driver->cranking = driver->awaiting = false;
	if (atomic_load(&driver->alarms) != driver->alarms_seen) {
		take_wake_up(driver);
	}
	if (mask != NULL && awaited.received < 0) {
		driver->company++; /* signals are held back as it waits: time to let them in */
	}
	rlk_engine_take(engine, &awaited, rlk_now());
	return signalled;
}

static bool crank(struct rlk_blocking *driver, const sigset_t *mask)
{
	if (driver->company > 0) {
		driver->company--;
	} else if (driver->first_asleep == NULL) {
		const struct rlk_connection *answered = rlk_engine_awaits_answer(&driver->base.engine, rlk_now());
		if (answered != NULL) {
			return crank_alone(driver, answered, mask);
		}
	}
	return rlk_blocking_crank(driver, mask);
}

/* Whoever polls must know of what has changed behind its back: other descriptors, an earlier deadline. */
static void refresh_poll(struct rlk_blocking *driver)
{
	const struct pollfd *fds;
	size_t count = rlk_engine_fds(&driver->base.engine, &fds);
	bool same = count == driver->polled_count;
	for (size_t i = 0; same && i < count; i++) {
		same = fds[i].fd == driver->polled[i].fd && fds[i].events == driver->polled[i].events;
	}
	if (!same || rlk_engine_deadline(&driver->base.engine) < driver->polled_until) {
		rlk_blocking_wake(driver);
	}
}

static void send_what_is_ready(struct rlk_blocking *driver)
{
	if (driver->awaiting) {
		driver->company = COMPANY;
	} else if (!driver->cranking) {
		rlk_engine_pump(&driver->base.engine, rlk_now());
	} else if (!rlk_engine_asks_a_lot(&driver->base.engine)) {
		rlk_engine_pump(&driver->base.engine, rlk_now());
		refresh_poll(driver);
	}
}

/* ---- waiting ---- */

/* Sleeps until what it waits for is decided or the crank may be its own. If it was woken because it is decided the
 * mutex isn't taken again: nobody else knows of the waiter then, and nobody counts on it. */
static bool sleep_until_woken(struct rlk_blocking *driver, struct rlk_waiter *waiter, const sigset_t *mask)
{
	sigset_t held_back;
	fall_asleep(driver, waiter);
	pthread_mutex_unlock(&driver->base.mutex);
	if (mask != NULL) {
		pthread_sigmask(SIG_SETMASK, mask, &held_back);
	}
	bool signalled = sem_wait(&waiter->wake_up) != 0;
	if (mask != NULL) {
		pthread_sigmask(SIG_SETMASK, &held_back, NULL);
	}
	if (!signalled && waiter->settled) {
		return true;
	}
	pthread_mutex_lock(&driver->base.mutex);
	if (signalled && waiter->asleep) {
		awaken(driver, waiter);
	}
	if (signalled) {
		/* Either way the post has come or comes now; take it, so that the next sleep isn't cut short. */
		while (sem_wait(&waiter->wake_up) != 0) {
		}
		waiter->interrupted = driver->interruptible;
	}
	return false;
}

/* Drives until the waiter's business is decided, or its wait interrupted. Whether the mutex is still held. mask: what
 * the thread's signals are when it sleeps, where they are held back otherwise; or NULL. */
static bool drive(struct rlk_blocking *driver, struct rlk_waiter *waiter, const atomic_uint *interrupts,
                  const sigset_t *mask)
{
	unsigned all = atomic_load(&driver->interrupts), own = interrupts != NULL ? atomic_load(interrupts) : 0;
	send_what_is_ready(driver);
	while (!waiter->done && !waiter->interrupted) {
		if (!driver->cranking) {
			bool signalled = crank(driver, mask);
			waiter->interrupted = signalled && driver->interruptible;
		} else if (sleep_until_woken(driver, waiter, mask)) {
			return false;
		}
		if (interrupts == NULL) {
			waiter->interrupted = false;
		} else if (atomic_load(&driver->interrupts) != all || atomic_load(interrupts) != own) {
			waiter->interrupted = true;
		}
	}
	rlk_blocking_hand_on(driver);
	return true;
}

/* A signal that is to end the wait must not come between two polls, where it would go unnoticed. */
static bool wait_for(struct rlk_blocking *driver, struct rlk_waiter *waiter, const atomic_uint *interrupts)
{
	sigset_t every, before;
	if (interrupts == NULL || !driver->interruptible) {
		return drive(driver, waiter, interrupts, NULL);
	}
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	bool locked = drive(driver, waiter, interrupts, &before);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return locked;
}

/* Whoever leaves makes sure that somebody looks after what goes on behind it. */
static void leave_to_keeper(struct rlk_blocking *driver)
{
	rlk_keeper_call(driver);
	pthread_mutex_unlock(&driver->base.mutex);
}

int32_t rlk_blocking_run_job(struct rlk_blocking *driver, struct rlk_job *job, const atomic_uint *interrupts)
{
	struct rlk_waiter waiter = { .done = job->machine.done, .status = job->machine.status };
	if (!waiter.done) {
		sem_init(&waiter.wake_up, 0, 0);
		job->waiter = &waiter;
		if (!wait_for(driver, &waiter, interrupts)) {
			return waiter.status;
		}
		job->waiter = NULL;
	}
	if (!waiter.done) {
		rlk_machine_suspend(&job->machine);
		rlk_job_settle(&driver->base.engine, job, rlk_now());
		waiter.status = REDISLOCK_INTERRUPTED;
	}
	leave_to_keeper(driver);
	return waiter.status;
}

int32_t rlk_blocking_run_call(struct rlk_blocking *driver, struct rlk_call *call)
{
	struct rlk_waiter waiter = { .done = false };
	sem_init(&waiter.wake_up, 0, 0);
	call->waiter = &waiter;
	if (wait_for(driver, &waiter, NULL)) {
		leave_to_keeper(driver);
	}
	return waiter.status;
}

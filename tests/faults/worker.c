/* SPDX-License-Identifier: MIT
 *
 * The workload in C: faults-worker blocking|eventloop URL NAMES LABEL SEED LOG RESOURCE
 *
 * Several handles of one client take and release locks until SIGTERM; in the blocking form each has a thread. */
#include "plan.h"
#include "record.h"

#include <redislock/redislock.h>

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum { MOST_HANDLES = 4, SPIN_INTERVAL_MS = 20, TIMEOUT_MS = 1000, NEVER = -1 };

enum phase { PAUSING, WAITING, HOLDING, EXTENDING, RELEASING, ENDED };

struct handle {
	unsigned number;
	uint64_t seed;
	struct plan plan;
	redislock_lock *lock;   /* of the plan's name and kind */
	int64_t asked, wait_ms; /* what was asked for in all, with what was resumed */
	enum phase phase;       /* the event loop's from here on */
	int64_t due;
};

static redislock_client *client;
static const char *label;
static unsigned names;
static struct handle handles[MOST_HANDLES];
static int handle_count;
static atomic_bool ending;
static atomic_uint running;

static void check(int32_t status, const char *what)
{
	if (status != REDISLOCK_OK) {
		fprintf(stderr, "%s: %s: %s\n", label, what, redislock_error_name(status));
		exit(1);
	}
}

static void nap(int64_t us)
{
	const struct timespec duration = { us / 1000000, us % 1000000 * 1000 };

	if (us > 0)
		nanosleep(&duration, NULL);
}

/* ---- what both forms say ---- */

static void plan_round(struct handle *handle)
{
	char name[16];

	handle->plan = plan_next(&handle->seed, names);
	snprintf(name, sizeof(name), "c%u", handle->plan.name);
	redislock_lock_free(handle->lock);
	check(redislock_lock_new(client, handle->plan.spin ? REDISLOCK_KIND_SPIN : REDISLOCK_KIND_PUBSUB, name,
	                         strlen(name), &handle->lock),
	      "lock");
	check(redislock_lock_set_ttl_ms(handle->lock, handle->plan.ttl_ms), "ttl");
	check(redislock_lock_set_renewal(handle->lock, handle->plan.renew), "renewal");
	check(redislock_lock_set_wait_ms(handle->lock, handle->plan.wait_ms), "wait");
	check(redislock_lock_set_spin_interval_ms(handle->lock, SPIN_INTERVAL_MS), "interval");
	check(redislock_lock_set_owner(handle->lock, label, strlen(label)), "owner");
	handle->wait_ms = handle->plan.wait_ms;
	handle->asked = record_now();
}

/* Until when it is held; 0: it isn't. */
static int64_t look(const struct handle *handle)
{
	int64_t before = record_now(), remaining = redislock_lock_remaining_ms(handle->lock);

	return redislock_lock_is_held(handle->lock) && remaining != 0 ? record_valid_until(before, remaining) : 0;
}

static void got(const struct handle *handle)
{
	int64_t answered = record_now(), until = look(handle);
	char token[129];

	check(redislock_lock_token(handle->lock, token, sizeof(token)), "token");
	record_line("g %u c%u %" PRId64 " %" PRId64 " %" PRIu64 " %" PRId64 " %" PRId64 " %s", handle->number,
	            handle->plan.name, handle->asked, answered, redislock_lock_fence(handle->lock), until,
	            handle->plan.ttl_ms, token);
}

static void failed(const struct handle *handle, int32_t status)
{
	record_line("f %u c%u %" PRId64 " %" PRId64 " %s %" PRId64 " %d", handle->number, handle->plan.name,
	            handle->asked, record_now(), redislock_error_name(status), handle->wait_ms, handle->plan.spin);
}

static void write_resource(const struct handle *handle)
{
	uint64_t fence = redislock_lock_fence(handle->lock);
	bool accepted = resource_write(handle->plan.name, fence);
	int64_t until = look(handle);

	/* The time is that after the look: whoever is told that it is over may be told so just in time. */
	record_line("w %u %" PRId64 " %d %" PRIu64 " %" PRId64, handle->number, record_now(), accepted, fence, until);
}

static void answered(const struct handle *handle, char what, int32_t status)
{
	record_line("%c %u %" PRId64 " %s %" PRId64, what, handle->number, record_now(), redislock_error_name(status),
	            what == 'y' ? look(handle) : 0);
}

/* What is about to be called ends what was believed: it must be on record before. */
static void calls(const struct handle *handle, char what)
{
	record_line("%c %u %" PRId64, what, handle->number, record_now());
	record_flush();
}

static bool is_over(int32_t status)
{
	return status == REDISLOCK_OK || status == REDISLOCK_LOST || status == REDISLOCK_NOT_OWNED;
}

/* ---- blocking ---- */

/* Each resumption has the whole time to wait. */
static void resume(struct handle *handle)
{
	if (handle->plan.wait_ms == 0)
		handle->asked = record_now();
	else
		handle->wait_ms = handle->plan.wait_ms + (record_now() - handle->asked) / 1000000;
}

static int32_t acquire(struct handle *handle)
{
	int32_t status = redislock_lock_acquire(handle->lock);

	while (status == REDISLOCK_INTERRUPTED && !ending && plan_random(&handle->seed) % 2 == 0) {
		resume(handle);
		status = redislock_lock_acquire(handle->lock);
	}
	if (status == REDISLOCK_INTERRUPTED)
		redislock_lock_cancel(handle->lock);
	return status;
}

static void hold(struct handle *handle)
{
	int32_t status;

	write_resource(handle);
	if (handle->plan.hold_us > 0) {
		record_flush();
		nap(handle->plan.hold_us / 2);
		if (handle->plan.extend_ms > 0) {
			calls(handle, 'x');
			status = redislock_lock_extend(handle->lock, handle->plan.extend_ms);
			answered(handle, 'y', status);
			record_flush();
		}
		nap(handle->plan.hold_us / 2);
		write_resource(handle);
	}
	do {
		calls(handle, 'r');
		status = redislock_lock_release(handle->lock);
		answered(handle, 'd', status);
	} while (!is_over(status) && !ending);
}

static void *run_handle(void *argument)
{
	struct handle *handle = argument;

	while (!ending) {
		plan_round(handle);
		int32_t status = acquire(handle);
		if (status == REDISLOCK_OK) {
			got(handle);
			hold(handle);
		} else {
			failed(handle, status);
			record_flush();
		}
		nap(handle->plan.pause_us);
	}
	redislock_lock_free(handle->lock);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void run_blocking(const char *url)
{
	pthread_t threads[MOST_HANDLES];
	uint64_t seed = handles[0].seed;

	check(redislock_client_new(url, &client), "client");
	check(redislock_client_set_command_timeout_ms(client, TIMEOUT_MS), "timeout");
	check(redislock_client_set_connect_timeout_ms(client, TIMEOUT_MS), "timeout");
	atomic_init(&running, (unsigned)handle_count);
	for (int i = 0; i < handle_count; i++)
		if (pthread_create(&threads[i], NULL, run_handle, &handles[i]) != 0)
			exit(1);
	/* Waits are interrupted now and then; in the end until nobody waits any more. */
	while (atomic_load(&running) > 0) {
		nap(ending ? 5000 : 20000);
		if (ending || plan_random(&seed) % 20 == 0)
			redislock_client_interrupt(client);
	}
	for (int i = 0; i < handle_count; i++)
		pthread_join(threads[i], NULL);
	redislock_client_free(client);
}

/* ---- event loop ---- */

static void pause_handle(struct handle *handle)
{
	handle->phase = ending ? ENDED : PAUSING;
	handle->due = record_now() + handle->plan.pause_us * 1000;
}

static void start_release(struct handle *handle)
{
	calls(handle, 'r');
	int32_t status = redislock_lock_start_release(handle->lock, handle->number);
	handle->phase = RELEASING;
	handle->due = NEVER;
	if (status != REDISLOCK_OK) {
		answered(handle, 'd', status);
		pause_handle(handle);
	}
}

static void start_acquire(struct handle *handle)
{
	plan_round(handle);
	int32_t status = redislock_lock_start_acquire(handle->lock, handle->number);
	handle->phase = WAITING;
	handle->due = NEVER;
	if (status != REDISLOCK_OK) {
		failed(handle, status);
		pause_handle(handle);
	}
}

static void begin_hold(struct handle *handle)
{
	got(handle);
	write_resource(handle);
	handle->phase = HOLDING;
	handle->due = record_now() + handle->plan.hold_us / 2 * 1000;
	if (handle->plan.hold_us > 0)
		record_flush();
	else
		start_release(handle);
}

static void go_on_holding(struct handle *handle)
{
	if (handle->plan.extend_ms > 0) {
		calls(handle, 'x');
		int32_t status = redislock_lock_start_extend(handle->lock, handle->plan.extend_ms, handle->number);
		handle->plan.extend_ms = 0;
		if (status == REDISLOCK_OK) {
			handle->phase = EXTENDING;
			handle->due = NEVER;
			return;
		}
		answered(handle, 'y', status);
	}
	write_resource(handle);
	start_release(handle);
}

static void take_event(const redislock_event *event)
{
	struct handle *handle = &handles[redislock_event_tag(event)];
	int32_t status = redislock_event_status(event);

	switch (redislock_event_type(event)) {
	case REDISLOCK_EVENT_ACQUIRED:
		begin_hold(handle);
		return;
	case REDISLOCK_EVENT_LOST:
		record_line("l %u %" PRId64, handle->number, record_now());
		return;
	case REDISLOCK_EVENT_CANCELLED:
		status = REDISLOCK_INTERRUPTED;
		break;
	default:
		break;
	}
	if (handle->phase == WAITING) {
		failed(handle, status);
		pause_handle(handle);
	} else if (handle->phase == EXTENDING) {
		answered(handle, 'y', status);
		record_flush();
		handle->phase = HOLDING;
		handle->due = record_now() + handle->plan.hold_us / 2 * 1000;
	} else if (handle->phase == RELEASING) {
		answered(handle, 'd', status);
		if (is_over(status) || ending)
			pause_handle(handle);
		else
			start_release(handle);
	}
}

/* How long until one of them has something to do, in ms. */
static int do_what_is_due(void)
{
	int64_t now = record_now(), next = now + 100000000;

	for (int i = 0; i < handle_count; i++) {
		struct handle *handle = &handles[i];

		if (handle->phase == WAITING && ending && handle->due == NEVER) {
			redislock_lock_cancel(handle->lock);
			handle->due = INT64_MAX;
		} else if (handle->due >= 0 && handle->due <= now && handle->phase == PAUSING) {
			if (ending)
				handle->phase = ENDED;
			else
				start_acquire(handle);
		} else if (handle->due >= 0 && handle->due <= now && handle->phase == HOLDING) {
			go_on_holding(handle);
		}
		if (handle->due >= 0 && handle->due < next)
			next = handle->due;
	}
	now = record_now();
	return next > now ? (int)((next - now) / 1000000) + 1 : 0;
}

static bool all_ended(void)
{
	for (int i = 0; i < handle_count; i++)
		if (handles[i].phase != ENDED)
			return false;
	return true;
}

static void run_eventloop(const char *url)
{
	redislock_event *event;

	check(redislock_client_new_eventloop(url, &client), "client");
	check(redislock_client_set_command_timeout_ms(client, TIMEOUT_MS), "timeout");
	check(redislock_client_set_connect_timeout_ms(client, TIMEOUT_MS), "timeout");
	while (!all_ended()) {
		struct pollfd fd = { .fd = redislock_client_fd(client), .events = POLLIN };

		poll(&fd, 1, do_what_is_due());
		check(redislock_client_dispatch(client), "dispatch");
		while (redislock_client_next_event(client, &event) == REDISLOCK_OK)
			take_event(event);
	}
	for (int i = 0; i < handle_count; i++)
		redislock_lock_free(handles[i].lock);
	redislock_client_free(client);
}

static void end(int signal_number)
{
	(void)signal_number;
	ending = 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 8 || !record_open(argv[6], argv[7])) {
		fprintf(stderr, "usage: faults-worker blocking|eventloop URL NAMES LABEL SEED LOG RESOURCE\n");
		return 64;
	}
	sigaction(SIGTERM, &action, NULL);
	names = (unsigned)atoi(argv[3]);
	label = argv[4];
	const char *count = getenv("FAULTS_HANDLES");
	handle_count = count != NULL && atoi(count) > 0 && atoi(count) < MOST_HANDLES ? atoi(count) : MOST_HANDLES;
	for (unsigned i = 0; i < MOST_HANDLES; i++)
		handles[i] = (struct handle) { .number = i, .seed = strtoull(argv[5], NULL, 10) * MOST_HANDLES + i };
	record_usage("before");
	if (strcmp(argv[1], "blocking") == 0)
		run_blocking(argv[2]);
	else
		run_eventloop(argv[2]);
	record_usage("after");
	record_flush();
	return 0;
}

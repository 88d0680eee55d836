/* SPDX-License-Identifier: MIT
 *
 * redis-lock run: wait for the lock, run the command, release the lock. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REPLICAS_MS = 1000 }; /* how long replicas may take to have the lock */

static const char *user_name(void)
{
	/* The environment first: a user directory may be far away. */
	const char *name = getenv("LOGNAME");
	if (name == NULL || name[0] == '\0') {
		name = getenv("USER");
	}
	if (name == NULL || name[0] == '\0') {
		const struct passwd *user = getpwuid(geteuid());
		name = user != NULL ? user->pw_name : "unknown";
	}
	return name;
}

/* size bytes, of which the label takes at most 255. */
static void default_owner(char *owner, size_t size)
{
	char host[65] = "";

	gethostname(host, sizeof host - 1);
	snprintf(owner, size, "%.150s@%s:%ld", user_name(), host, (long)getpid());
	for (char *next = owner; *next != '\0'; next++) {
		if ((unsigned char)*next < 0x20 || (unsigned char)*next >= 0x7F) {
			*next = '?';
		}
	}
}

static int32_t configure(redislock_lock *lock, const struct options *options)
{
	char label[256];
	const char *owner = options->owner;
	int32_t status = redislock_lock_set_wait_ms(lock, options->wait_ms);

	if (status == REDISLOCK_OK) {
		status = redislock_lock_set_ttl_ms(lock, options->ttl_ms);
	}
	if (status == REDISLOCK_OK) {
		status = redislock_lock_set_renewal(lock, 1);
	}
	if (status == REDISLOCK_OK && options->spin_ms > 0) {
		status = redislock_lock_set_spin_interval_ms(lock, options->spin_ms);
	}
	if (status == REDISLOCK_OK) {
		if (owner == NULL) {
			default_owner(label, sizeof label);
			owner = label;
		}
		status = redislock_lock_set_owner(lock, owner, strlen(owner));
	}
	return status;
}

static int32_t acquire(const struct run *run)
{
	int32_t status = REDISLOCK_INTERRUPTED;

	while (status == REDISLOCK_INTERRUPTED && signals_caught().number == 0) {
		status = redislock_lock_acquire(run->lock);
	}
	return status;
}

static int not_acquired(const struct run *run)
{
	if (!run->options->quiet) {
		complain("'%s' was not acquired %s", run->options->operands[0],
		         run->options->wait_ms == 0 ? "at once" : "in time");
	}
	return run->options->not_acquired;
}

static const char *release_failure(const struct run *run, bool is_lost)
{
	if (is_lost) {
		return "the lock was lost before the command ended";
	}
	if (run->options->ttl_ms == REDISLOCK_NO_EXPIRY) {
		return "the lock was not released and stays until redis-lock break";
	}
	return "the lock was not released and stays until its TTL ends";
}

static int release(struct run *run, int exit_status)
{
	int32_t status = redislock_lock_release(run->lock);
	bool is_lost = status == REDISLOCK_LOST || status == REDISLOCK_NOT_OWNED;

	if (status == REDISLOCK_OK) {
		if (run->options->verbose) {
			complain("released '%s'", run->options->operands[0]);
		}
		return exit_status;
	}
	if (!is_lost || !run->lost) {
		report_failure(release_failure(run, is_lost), status, NULL, run->lock);
	}
	run->lost = run->lost || is_lost;
	return is_lost ? EXIT_LOST : exit_status;
}

static int left_by_signal(struct run *run, struct caught signal)
{
	run->interrupted = signal.number == SIGINT && signal.from_keyboard;
	return EXIT_SIGNAL + signal.number;
}

static int hold(struct run *run, int64_t waited_ms)
{
	run->signals = signals_descriptor();
	struct caught signal = signals_caught();

	if (run->signals < 0) {
		complain("can't make a descriptor for signals: %s", strerror(errno));
		return release(run, EXIT_INTERNAL);
	}
	if (signal.number != 0) {
		/* It came together with the lock. */
		release(run, 0);
		return left_by_signal(run, signal);
	}
	if (run->options->verbose) {
		mention("got '%s' after %" PRId64 " ms, fence %" PRIu64, run->options->operands[0], waited_ms,
		        redislock_lock_fence(run->lock));
	}
	return release(run, job_run(run));
}

static int wait_and_hold(struct run *run)
{
	int64_t start = monotonic_ms();
	struct display *display = display_start(run);
	int32_t status = acquire(run);

	if (status == REDISLOCK_OK) {
		display_stop(display);
		return hold(run, monotonic_ms() - start);
	}
	/* From here on the next signal ends us at once. Freeing the lock will leave the queue, if the server answers
	 * soon: a ticket without a listener is passed over. */
	signals_inherited();
	display_stop(display);
	if (signals_caught().number != 0) {
		return left_by_signal(run, signals_caught());
	}
	if (status == REDISLOCK_NOT_ACQUIRED) {
		return not_acquired(run);
	}
	return report_failure("can't take the lock", status, NULL, run->lock);
}

static int with_lock(struct run *run)
{
	const char *name = run->options->operands[0];
	int32_t kind = run->options->spin_ms > 0 ? REDISLOCK_KIND_SPIN : REDISLOCK_KIND_PUBSUB;
	int32_t status = redislock_lock_new(run->client, kind, name, strlen(name), &run->lock);
	int exit_status;

	if (status != REDISLOCK_OK) {
		return report_failure("can't make a lock", status, run->client, NULL);
	}
	status = configure(run->lock, run->options);
	if (status == REDISLOCK_OK) {
		status = redislock_client_set_min_replicas(run->client, run->options->min_replicas, REPLICAS_MS);
	}
	if (status == REDISLOCK_OK) {
		signals_interrupt(run->client);
		exit_status = wait_and_hold(run);
	} else {
		exit_status = report_failure("the options don't fit", status, NULL, run->lock);
	}
	redislock_lock_free(run->lock);
	return exit_status;
}

static bool is_interrupted(const struct run *run)
{
	/* Ctrl-C may also have come while the lock was released. That it was lost is more important. */
	return !run->lost &&
	       (run->interrupted || (run->signals >= 0 && (signals_keys(run->signals) & KEY_INTERRUPT) != 0));
}

int run_command(const struct options *options)
{
	struct run run = { .options = options, .signals = -1 };
	int exit_status = server_open(options, &run.client);

	if (exit_status != 0) {
		return exit_status;
	}
	exit_status = with_lock(&run);
	redislock_client_free(run.client);
	signals_tell_group(run.untold);
	if (is_interrupted(&run)) {
		signals_die_of_interrupt();
	}
	return exit_status;
}

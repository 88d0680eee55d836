/* SPDX-License-Identifier: MIT
 *
 * redis-lock wait: looks again and again until a name is free, and takes nobody's place in the queue. */
#include "cli.h"

#include <string.h>

enum { FIRST_PAUSE_MS = 20, LONGEST_PAUSE_MS = 1000 };

static bool is_passing(int32_t status)
{
	return status == REDISLOCK_TIMEOUT || status == REDISLOCK_CONNECTION_LOST ||
	       status == REDISLOCK_CONNECTION_REFUSED;
}

static int64_t at_most(int64_t value, int64_t limit)
{
	return value < limit ? value : limit;
}

static int not_free(const struct options *options)
{
	if (!options->quiet) {
		complain("'%s' was not free in time", options->operands[0]);
	}
	return EXIT_NOT_ACQUIRED;
}

static int poll_until_free(const struct options *options, redislock_client *client)
{
	const char *name = options->operands[0];
	bool forever = options->wait_ms == REDISLOCK_FOREVER, reached = false;
	int64_t start = monotonic_ms();

	for (int64_t pause = FIRST_PAUSE_MS;; pause = at_most(pause * 3 / 2, LONGEST_PAUSE_MS)) {
		redislock_info *info = NULL;
		int32_t status = redislock_info_get(client, name, strlen(name), &info);
		int64_t waited = monotonic_ms() - start, nap = pause;
		bool late = !forever && waited >= options->wait_ms;

		if (status == REDISLOCK_OK) {
			bool locked = redislock_info_locked(info) != 0;
			int64_t lease = redislock_info_remaining_ms(info);
			redislock_info_free(info);
			reached = true;
			if (!locked) {
				return 0;
			}
			if (late) {
				return not_free(options);
			}
			/* If nobody renews it, it is free a moment after its lease. */
			nap = lease != REDISLOCK_NO_EXPIRY ? at_most(nap, lease + 1) : nap;
		} else if (!reached || late || !is_passing(status)) {
			return report_failure("can't look at the lock", status, client, NULL);
		}
		/* The last look is at the deadline. */
		monotonic_sleep(forever ? nap : at_most(nap, options->wait_ms - waited));
	}
}

int wait_command(const struct options *options)
{
	redislock_client *client;
	int exit_status = server_open(options, &client);

	if (exit_status == 0) {
		exit_status = poll_until_free(options, client);
		redislock_client_free(client);
	}
	return exit_status;
}

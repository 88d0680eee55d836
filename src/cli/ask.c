/* SPDX-License-Identifier: MIT
 *
 * redis-lock break and redis-lock ping: one question to the server each. */
#include "cli.h"

#include <string.h>
#include <time.h>

int break_command(const struct options *options)
{
	const char *name = options->operands[0], *token = options->token;
	redislock_client *client;
	int exit_status = server_open(options, &client);

	if (exit_status != 0) {
		return exit_status;
	}
	int32_t status = redislock_client_break(client, name, strlen(name), token, token != NULL ? strlen(token) : 0);
	if (status == REDISLOCK_NOT_LOCKED) {
		if (!options->quiet) {
			complain("'%s' is not locked%s", name, token != NULL ? " by that token" : "");
		}
		exit_status = EXIT_FREE;
	} else if (status != REDISLOCK_OK) {
		exit_status = report_failure("can't break the lock", status, client, NULL);
	}
	redislock_client_free(client);
	return exit_status;
}

int ping_command(const struct options *options)
{
	struct timespec before, after;
	redislock_client *client;
	int exit_status = server_open(options, &client);

	if (exit_status != 0) {
		return exit_status;
	}
	/* Connecting is not part of what is measured. */
	int32_t status = redislock_client_connect(client);
	clock_gettime(CLOCK_MONOTONIC, &before);
	if (status == REDISLOCK_OK) {
		status = redislock_client_ping(client);
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (status != REDISLOCK_OK) {
		exit_status = report_failure("no answer", status, client, NULL);
	} else if (!options->quiet) {
		double ms =
		        (double)(after.tv_sec - before.tv_sec) * 1e3 + (double)(after.tv_nsec - before.tv_nsec) / 1e6;
		printf("the server answered in %.3f ms\n", ms);
	}
	redislock_client_free(client);
	return exit_status;
}

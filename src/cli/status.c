/* SPDX-License-Identifier: MIT
 *
 * redis-lock status: a look at one name. */
#include "cli.h"

#include <inttypes.h>
#include <string.h>

/* By its label; a holder that isn't redislock has only a token. */
void print_holder(FILE *out, const redislock_info *info)
{
	size_t size;
	const char *owner = redislock_info_owner(info, &size);

	if (size > 0) {
		print_visible(out, owner, size);
		return;
	}
	owner = redislock_info_token(info, &size);
	fputs("token ", out);
	print_visible(out, owner, size);
}

static void print_text(const char *name, const redislock_info *info)
{
	int64_t remaining = redislock_info_remaining_ms(info);
	size_t size;
	const char *text;

	fputs("name     ", stdout);
	print_visible(stdout, name, strlen(name));
	if (redislock_info_locked(info)) {
		fputs("\nstate    locked\nowner    ", stdout);
		text = redislock_info_owner(info, &size);
		if (size > 0) {
			print_visible(stdout, text, size);
		} else {
			fputs("unknown", stdout);
		}
		fputs("\ntoken    ", stdout);
		text = redislock_info_token(info, &size);
		print_visible(stdout, text, size);
		fputs("\nlease    ", stdout);
		if (remaining == REDISLOCK_NO_EXPIRY) {
			fputs("without an end", stdout);
		} else {
			print_duration(stdout, remaining);
			fputs(" unless renewed", stdout);
		}
	} else {
		fputs("\nstate    free", stdout);
	}
	printf("\nwaiting  %" PRId64 "\nfence    %" PRIu64 "\n", redislock_info_waiters(info),
	       redislock_info_fence(info));
}

int status_command(const struct options *options)
{
	const char *name = options->operands[0];
	redislock_client *client;
	redislock_info *info;
	int exit_status = server_open(options, &client);

	if (exit_status != 0) {
		return exit_status;
	}
	int32_t status = redislock_info_get(client, name, strlen(name), &info);
	if (status != REDISLOCK_OK) {
		exit_status = report_failure("can't look at the lock", status, client, NULL);
		goto done;
	}
	exit_status = redislock_info_locked(info) ? 0 : EXIT_FREE;
	if (options->json) {
		json_info(stdout, name, strlen(name), info);
		putchar('\n');
	} else {
		print_text(name, info);
	}
	redislock_info_free(info);
done:
	redislock_client_free(client);
	return exit_status;
}

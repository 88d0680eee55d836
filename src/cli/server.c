/* SPDX-License-Identifier: MIT
 *
 * Which server, by --url or the environment. */
#include "cli.h"

int server_open(const struct options *options, redislock_client **client)
{
	char text[1024] = "";
	int32_t status = redislock_client_new(options->url, client);

	if (status == REDISLOCK_OK) {
		return 0;
	}
	redislock_url_error(options->url, text, sizeof text);
	complain("%s: %s", options->url_is_option ? "--url" : "REDISLOCK_URL",
	         text[0] != '\0' ? text : redislock_strerror(status));
	return status == REDISLOCK_INVALID_ARGUMENT || status == REDISLOCK_UNSUPPORTED ? EXIT_USAGE : EXIT_INTERNAL;
}

/* SPDX-License-Identifier: MIT
 *
 * Which server, by --url or the environment. */
#include "cli.h"

#include <string.h>

/* Who lists the processes sees their arguments. */
static void hide_passwords(char *url)
{
	char *scheme = strstr(url, "://"), *end = strrchr(url, '@'), *option = strstr(url, "sentinel_password=");
	char *start = scheme != NULL ? scheme + 3 : url;

	if (option != NULL) {
		option += strlen("sentinel_password=");
		memset(option, '*', strcspn(option, "&"));
	}
	if (end > start) {
		memset(start, '*', (size_t)(end - start));
	}
}

int server_open(const struct options *options, redislock_client **client)
{
	char text[1024] = "";
	int32_t status = redislock_client_new(options->url, client);

	if (status != REDISLOCK_OK) {
		redislock_url_error(options->url, text, sizeof text);
	}
	if (options->url_option != NULL) {
		hide_passwords(options->url_option);
	}
	if (status == REDISLOCK_OK) {
		return 0;
	}
	complain("%s: %s", options->url_option != NULL ? "--url" : "REDISLOCK_URL",
	         text[0] != '\0' ? text : redislock_strerror(status));
	return status == REDISLOCK_INVALID_ARGUMENT || status == REDISLOCK_UNSUPPORTED ? EXIT_USAGE : EXIT_INTERNAL;
}

/* SPDX-License-Identifier: MIT
 *
 * What goes to standard error, and which exit status a failure is. */
#include "cli.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* MARGIN is for what is put around a text. */
enum { MENTION_MS = 200, MARGIN = 32 };

/* In one write, so that the lines of several processes don't mix. */
void complain_visibly(const char *text)
{
	char *line = NULL;
	size_t length;
	FILE *out = open_memstream(&line, &length);

	if (out == NULL) {
		return;
	}
	fprintf(out, "redis-lock: %s\n", text);
	if (fclose(out) == 0 && write(STDERR_FILENO, line, length) < 0) {
		/* There is nobody left to tell. */
	}
	free(line);
}

__attribute__((format(printf, 1, 0))) static char *visible_message(const char *format, va_list arguments)
{
	char *text = NULL, *visible;
	int length = vasprintf(&text, format, arguments);

	if (length < 0) {
		return NULL;
	}
	visible = visible_text(text, (size_t)length);
	free(text);
	return visible;
}

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	char *text = visible_message(format, arguments);
	va_end(arguments);
	complain_visibly(text != NULL ? text : "out of memory");
	free(text);
}

void mention(const char *format, ...)
{
	struct pollfd messages = { .fd = STDERR_FILENO, .events = POLLOUT };
	va_list arguments;

	va_start(arguments, format);
	char *text = visible_message(format, arguments);
	va_end(arguments);
	if (text != NULL && poll(&messages, 1, MENTION_MS) == 1) {
		/* A pipe that takes anything takes PIPE_BUF bytes. */
		if (strlen(text) > PIPE_BUF - MARGIN) {
			text[PIPE_BUF - MARGIN] = '\0';
		}
		complain_visibly(text);
	}
	free(text);
}

int finish_output(int exit_status)
{
	if (fflush(stdout) == 0 && !ferror(stdout)) {
		return exit_status;
	}
	complain("standard output can't be written");
	return exit_status == 0 ? EXIT_INTERNAL : exit_status;
}

static int exit_status(int32_t status)
{
	switch (status) {
	case REDISLOCK_INVALID_ARGUMENT:
		return EXIT_USAGE;
	case REDISLOCK_TIMEOUT:
	case REDISLOCK_CONNECTION_REFUSED:
	case REDISLOCK_CONNECTION_LOST:
	case REDISLOCK_PROTOCOL:
	case REDISLOCK_SERVER:
	case REDISLOCK_READ_ONLY:
	case REDISLOCK_NOT_ENOUGH_REPLICAS:
	case REDISLOCK_UNTRUSTED:
		return EXIT_UNAVAILABLE;
	case REDISLOCK_AUTHENTICATION:
	case REDISLOCK_PERMISSION:
		return EXIT_PERMISSION;
	case REDISLOCK_LOST:
		return EXIT_LOST;
	default:
		return EXIT_INTERNAL;
	}
}

static const char *advice(int32_t status)
{
	switch (status) {
	case REDISLOCK_TIMEOUT:
	case REDISLOCK_CONNECTION_REFUSED:
	case REDISLOCK_CONNECTION_LOST:
		return "; is the server running, and is --url or REDISLOCK_URL its address?";
	case REDISLOCK_PROTOCOL:
		return "; is --url or REDISLOCK_URL the address of a Redis or Valkey server?";
	case REDISLOCK_READ_ONLY:
		return "; give the address of the primary";
	case REDISLOCK_AUTHENTICATION:
		return "; put the user and password into REDISLOCK_URL, as in redis://user:password@host";
	case REDISLOCK_PERMISSION:
		return "; the server's user needs the right to run scripts on the lock's keys and channels";
	case REDISLOCK_WRONG_TYPE:
		return "; choose another name";
	default:
		return "";
	}
}

int report_failure(const char *what, int32_t status, redislock_client *client, redislock_lock *lock)
{
	char text[1024] = "";

	if (lock != NULL) {
		redislock_lock_error(lock, text, sizeof text);
	} else if (client != NULL) {
		redislock_client_error(client, text, sizeof text);
	}
	complain("%s: %s%s", what, text[0] != '\0' ? text : redislock_strerror(status), advice(status));
	return exit_status(status);
}

/* SPDX-License-Identifier: MIT
 *
 * holder URL COMMAND...: the other process of the scenario. It holds a lock, runs the command, and releases once
 * somebody waits for the lock, so that nobody has to sleep. The fence is raised beforehand: what the command is given
 * is the highest there is, 2^53-1. It ends well if the command does and has left nothing behind. */
#include "server.h"

#include <redislock/redislock.h>

#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char name[] = "ffi\0lock"; /* a NUL in it: names are not C strings */
static const char state[] = "rlock-state:{ffi\0lock}:ffi\0lock";
enum { NAME_LENGTH = sizeof name - 1, STATE_LENGTH = sizeof state - 1 };
static const uint64_t highest = 9007199254740991;

static void check(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "holder: %s\n", what);
		exit(1);
	}
}

/* The state is "FENCE TOKEN PENDING LABEL" (protocol 2). */
static void raise_fence(const char *url, redislock_lock *lock)
{
	static const char scheme[] = "unix://";
	struct test_server server = { 0 };
	char token[129], value[192], reply[64];
	const char *arguments[] = { "SET", state, value };
	size_t lengths[] = { 3, STATE_LENGTH, 0 };

	check(strncmp(url, scheme, strlen(scheme)) == 0, "the URL is not a socket's");
	snprintf(server.socket, sizeof server.socket, "%s", url + strlen(scheme));
	check(redislock_lock_token(lock, token, sizeof token) == REDISLOCK_OK, "no token");
	lengths[2] = (size_t)snprintf(value, sizeof value, "%" PRIu64 " %s - ", highest - 1, token);
	check(test_command_bytes(&server, reply, sizeof reply, 3, arguments, lengths), reply);
}

static int64_t waiters(redislock_client *client, uint64_t *fence)
{
	redislock_info *info;
	int64_t count;

	check(redislock_info_get(client, name, NAME_LENGTH, &info) == REDISLOCK_OK, "no info");
	count = redislock_info_waiters(info);
	*fence = redislock_info_fence(info);
	redislock_info_free(info);
	return count;
}

static void check_nothing_is_left(redislock_client *client)
{
	redislock_list *list;
	const char *left;
	size_t length;
	uint64_t fence;

	check(redislock_list_new(client, NULL, &list) == REDISLOCK_OK, "no list");
	check(redislock_list_next(list, &left, &length) == REDISLOCK_END, "a lock was not released");
	redislock_list_free(list);
	check(waiters(client, &fence) == 0, "a waiter is left");
	check(fence == highest, "the lock was not taken just once");
}

int main(int count, char **arguments)
{
	extern char **environ;
	redislock_client *client;
	redislock_lock *lock;
	uint64_t fence;
	pid_t child;
	int status, released = 0;

	check(count > 2, "URL COMMAND...");
	check(redislock_client_new(arguments[1], &client) == REDISLOCK_OK, "no client");
	check(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, NAME_LENGTH, &lock) == REDISLOCK_OK, "no lock");
	check(redislock_lock_acquire(lock) == REDISLOCK_OK, "not acquired");
	raise_fence(arguments[1], lock);

	check(posix_spawnp(&child, arguments[2], NULL, NULL, arguments + 2, environ) == 0, "the command can't be run");
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (!released && waiters(client, &fence) > 0) {
			check(redislock_lock_release(lock) == REDISLOCK_OK, "not released");
			released = 1;
		}
		test_sleep_ms(2);
	}
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the command failed");
	check(released, "nobody waited");
	check_nothing_is_left(client);
	redislock_lock_free(lock);
	redislock_client_free(client);
	return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * holder [--interrupt] [--name NAME] URL COMMAND...: the other process of the scenario. It holds a lock, runs the
 * command, and releases once somebody waits for the lock, so that nobody has to sleep. The fence is raised beforehand:
 * what the command gets is the highest there is, 2^53-1. It ends well if the command does and has left nothing behind.
 * With --interrupt it doesn't release but sends SIGINT to the command, which must fail and leave nothing behind. */
#include "server.h"

#include <redislock/redislock.h>

#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const uint64_t highest = 9007199254740991;

static const char *name = "ffi\0lock"; /* a NUL in it: names are not C strings */
static size_t name_length = 8;
static pid_t child; /* the command's, while it runs */

static void check(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "holder: %s\n", what);
		if (child > 0)
			kill(child, SIGKILL);
		exit(1);
	}
}

/* The state is "FENCE TOKEN PENDING LABEL", under "rlock-state:{NAME}:NAME" (protocol 2). */
static void raise_fence(const char *url, redislock_lock *lock)
{
	static const char scheme[] = "unix://", prefix[] = "rlock-state:{";
	struct test_server server = { 0 };
	char token[129], key[128], value[192], reply[64], *end;
	const char *arguments[] = { "SET", key, value };
	size_t lengths[] = { 3, 0, 0 };

	check(strncmp(url, scheme, strlen(scheme)) == 0, "the URL is not a socket's");
	snprintf(server.socket, sizeof server.socket, "%s", url + strlen(scheme));
	check(2 * name_length < sizeof key - sizeof prefix - 2, "the name is too long");
	end = mempcpy(mempcpy(mempcpy(mempcpy(key, prefix, strlen(prefix)), name, name_length), "}:", 2), name,
	              name_length);
	lengths[1] = (size_t)(end - key);
	check(redislock_lock_token(lock, token, sizeof token) == REDISLOCK_OK, "no token");
	lengths[2] = (size_t)snprintf(value, sizeof value, "%" PRIu64 " %s - ", highest - 1, token);
	check(test_command_bytes(&server, reply, sizeof reply, 3, arguments, lengths), reply);
}

static int64_t waiters(redislock_client *client, uint64_t *fence)
{
	redislock_info *info;
	int64_t count;

	check(redislock_info_get(client, name, name_length, &info) == REDISLOCK_OK, "no info");
	count = redislock_info_waiters(info);
	*fence = redislock_info_fence(info);
	redislock_info_free(info);
	return count;
}

static void check_nothing_is_left(redislock_client *client, uint64_t last)
{
	redislock_list *list;
	const char *left;
	size_t length;
	uint64_t fence;

	check(redislock_list_new(client, NULL, &list) == REDISLOCK_OK, "no list");
	check(redislock_list_next(list, &left, &length) == REDISLOCK_END, "a lock was not released");
	redislock_list_free(list);
	check(waiters(client, &fence) == 0, "a waiter is left");
	check(fence == last, "the lock was not taken as often as it should");
}

/* Whatever the test was started from, such as a shell's background: SIGINT does what it does by default. */
static void run(char **command)
{
	extern char **environ;
	posix_spawnattr_t attributes;
	sigset_t interrupts;

	sigemptyset(&interrupts);
	sigaddset(&interrupts, SIGINT);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &interrupts);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	check(posix_spawnp(&child, command[0], NULL, &attributes, command, environ) == 0, "the command can't be run");
	posix_spawnattr_destroy(&attributes);
}

int main(int count, char **arguments)
{
	redislock_client *client;
	redislock_lock *lock;
	uint64_t fence;
	int64_t until = 0;
	int status, interrupt = 0, met = 0, good;

	for (; count > 1 && strncmp(arguments[1], "--", 2) == 0; count--, arguments++) {
		if (strcmp(arguments[1], "--interrupt") == 0) {
			interrupt = 1;
		} else {
			check(strcmp(arguments[1], "--name") == 0 && count > 2, "an unknown switch");
			name = arguments[2];
			name_length = strlen(name);
			count--;
			arguments++;
		}
	}
	check(count > 2, "URL COMMAND...");
	check(redislock_client_new(arguments[1], &client) == REDISLOCK_OK, "no client");
	check(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, name_length, &lock) == REDISLOCK_OK, "no lock");
	check(redislock_lock_acquire(lock) == REDISLOCK_OK, "not acquired");
	raise_fence(arguments[1], lock);

	run(arguments + 2);
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (!met && waiters(client, &fence) > 0) {
			met = 1;
			if (interrupt)
				check(kill(child, SIGINT) == 0, "not interrupted");
			else
				check(redislock_lock_release(lock) == REDISLOCK_OK, "not released");
			until = test_now_ms() + TEST_DEADLINE_MS;
		}
		check(!met || test_now_ms() < until, interrupt ? "it waits on" : "it doesn't end");
		test_sleep_ms(2);
	}
	child = 0;
	good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	check(good != interrupt, interrupt ? "the command ended well" : "the command failed");
	check(met, "nobody waited");
	if (interrupt)
		check(waiters(client, &fence) == 0, "a waiter is left");
	redislock_lock_free(lock);
	check_nothing_is_left(client, interrupt ? highest - 1 : highest);
	redislock_client_free(client);
	return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * Statuses for people. */
#include "api.h"

#include <stdio.h>

static const struct {
	int32_t status;
	const char *name;
	const char *text;
} statuses[] = {
	{ REDISLOCK_OK, "OK", "done" },
	{ REDISLOCK_NOT_ACQUIRED, "NOT_ACQUIRED", "the lock was held by somebody else until the wait ended" },
	{ REDISLOCK_NOT_LOCKED, "NOT_LOCKED",
	  "there was nothing to break: not locked, or by another token than the expected one" },
	{ REDISLOCK_END, "END", "there is nothing left: no more names, no event, no wait to give up" },
	{ REDISLOCK_INVALID_ARGUMENT, "INVALID_ARGUMENT", "an argument is missing, malformed or out of range" },
	{ REDISLOCK_NO_MEMORY, "NO_MEMORY", "out of memory, descriptors or threads: free some and try again" },
	{ REDISLOCK_NOT_OWNED, "NOT_OWNED", "this handle doesn't hold the lock: acquire it first" },
	{ REDISLOCK_LOST, "LOST",
	  "the lock ended before it was released: what it protected may have been touched by others" },
	{ REDISLOCK_TIMEOUT, "TIMEOUT", "the server didn't answer in time: check the server, or allow more time" },
	{ REDISLOCK_CONNECTION_REFUSED, "CONNECTION_REFUSED",
	  "no connection could be made: check that the server runs at that address" },
	{ REDISLOCK_CONNECTION_LOST, "CONNECTION_LOST",
	  "the connection broke and could not be restored in time: try again" },
	{ REDISLOCK_PROTOCOL, "PROTOCOL", "the peer doesn't talk like a Redis server: check address and port" },
	{ REDISLOCK_SERVER, "SERVER", "the server answered with an error" },
	{ REDISLOCK_AUTHENTICATION, "AUTHENTICATION", "the server wants other credentials: check user and password" },
	{ REDISLOCK_PERMISSION, "PERMISSION", "the server's access rules forbid it: extend the user's ACL" },
	{ REDISLOCK_READ_ONLY, "READ_ONLY", "the server is a read-only replica: connect to its primary" },
	{ REDISLOCK_NOT_ENOUGH_REPLICAS, "NOT_ENOUGH_REPLICAS",
	  "too few replicas took part: try again when they are back" },
	{ REDISLOCK_FORKED, "FORKED", "the handle belongs to the parent process: make a new client after fork()" },
	{ REDISLOCK_INTERRUPTED, "INTERRUPTED", "the wait was interrupted: acquire again to go on, or cancel" },
	{ REDISLOCK_UNSUPPORTED, "UNSUPPORTED", "this build, or this server, can't do that" },
	{ REDISLOCK_INTERNAL, "INTERNAL", "a bug in redislock, or no random numbers to be had: please report it" },
	{ REDISLOCK_IN_USE, "IN_USE",
	  "the lock is held, waiting or in another caller's hands, or its token is: finish that first" },
	{ REDISLOCK_WRONG_TYPE, "WRONG_TYPE",
	  "a key of that name exists and is no lock: choose another name, or remove the key" },
	{ REDISLOCK_WRONG_MODE, "WRONG_MODE",
	  "the client was made for the other form: use the calls of the event loop with a client of "
	  "redislock_client_new_eventloop(), and the blocking ones with one of redislock_client_new()" },
	{ REDISLOCK_UNTRUSTED, "UNTRUSTED",
	  "the server's certificate can't be trusted: check its host, its dates and the certificate authorities" },
};

RLK_EXPORT const char *redislock_strerror(int32_t status)
{
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		if (statuses[i].status == status) {
			return statuses[i].text;
		}
	}
	return "not a status of redislock";
}

RLK_EXPORT const char *redislock_error_name(int32_t status)
{
	for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
		if (statuses[i].status == status) {
			return statuses[i].name;
		}
	}
	return "UNKNOWN";
}

int32_t rlk_text_copy(const char *text, char *buffer, size_t size)
{
	if (buffer == NULL || size == 0) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	snprintf(buffer, size, "%s", text);
	return REDISLOCK_OK;
}

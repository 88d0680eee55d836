/* SPDX-License-Identifier: MIT
 *
 * What a server is told before all else, and what its refusals mean. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <stdio.h>
#include <string.h>

static struct rlk_slice word(const char *text)
{
	return (struct rlk_slice) { text, strlen(text) };
}

static bool append(struct rlk_greeting *greeting, struct rlk_output *output, enum rlk_greeting_step step,
                   const struct rlk_slice *words, size_t count)
{
	greeting->steps[greeting->count++] = step;
	return rlk_output_append(output, words, count);
}

static bool append_auth(struct rlk_greeting *greeting, const char *user, const char *password,
                        struct rlk_output *output)
{
	struct rlk_slice words[3] = { word("AUTH") };
	size_t count = 1;

	if (user != NULL) {
		words[count++] = word(user);
	}
	words[count++] = word(password != NULL ? password : "");
	/* All the room at once: when a buffer grows, its old place keeps what was in it. */
	return rlk_output_reserve(output, words[1].length + words[2].length + 1024) &&
	       append(greeting, output, RLK_GREET_AUTH, words, count);
}

/* What only a server has a use for. */
static bool append_settings(struct rlk_greeting *greeting, const struct rlk_address *address, struct rlk_output *output)
{
	char digits[20];

	if (address->db != 0) {
		const struct rlk_slice words[] = { word("SELECT"), { digits, rlk_decimal(digits, address->db) } };
		if (!append(greeting, output, RLK_GREET_SELECT, words, 2)) {
			return false;
		}
	}
	if (address->client_name != NULL && address->client_name[0] != '\0') {
		const struct rlk_slice words[] = { word("CLIENT"), word("SETNAME"), word(address->client_name) };
		return append(greeting, output, RLK_GREET_NAME, words, 3);
	}
	return true;
}

bool rlk_greeting_begin(struct rlk_greeting *greeting, const struct rlk_address *address, enum rlk_role role,
                        struct rlk_output *output)
{
	const char *user = role == RLK_SENTINEL ? address->sentinels.user : address->user;
	const char *password = role == RLK_SENTINEL ? address->sentinels.password.text : address->password.text;

	memset(greeting, 0, sizeof *greeting);
	if ((user != NULL || password != NULL) && !append_auth(greeting, user, password, output)) {
		return false;
	}
	if (role != RLK_SENTINEL && !append_settings(greeting, address, output)) {
		return false;
	}
	if (role == RLK_PRIMARY) {
		const struct rlk_slice words[] = { word("ROLE") };
		return append(greeting, output, RLK_GREET_ROLE, words, 1);
	}
	if (address->tls && greeting->count == 0) {
		/* A server that doesn't like our certificate says so after its part of the handshake. */
		const struct rlk_slice words[] = { word("PING") };
		return append(greeting, output, RLK_GREET_PING, words, 1);
	}
	return true;
}

static bool begins(struct rlk_slice text, const char *prefix)
{
	size_t length = strlen(prefix);

	return text.length >= length && memcmp(text.data, prefix, length) == 0;
}

/* The beginning of an error that passes by itself, so that the next connection may be luckier; NULL for others. */
static const char *passing(struct rlk_slice error)
{
	static const char *const beginnings[] = { "LOADING",     "BUSY",     "MASTERDOWN",
		                                  "CLUSTERDOWN", "TRYAGAIN", "ERR max number of clients reached" };

	for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
		if (begins(error, beginnings[i])) {
			return beginnings[i];
		}
	}
	return NULL;
}

/* What the server says is quoted, except about AUTH: one that doesn't know that command repeats its words, the password
 * among them. */
static int32_t refused_auth(struct rlk_slice error, char *text, size_t size)
{
	const char *problem = "the server refused the credentials";
	int32_t status = REDISLOCK_AUTHENTICATION;

	if (begins(error, "WRONGPASS") || begins(error, "ERR invalid password")) {
		problem = "the server refused the password, or the user's name with it";
	} else if (begins(error, "ERR AUTH <password> called without any") ||
	           begins(error, "ERR Client sent AUTH, but no password")) {
		problem = "the server has no password set, but one was given";
	} else if (begins(error, "ERR wrong number of arguments")) {
		problem = "the server takes a password, but no user's name with it";
	} else if (begins(error, "NOPERM")) {
		problem = "the server's access rules forbid AUTH";
		status = REDISLOCK_PERMISSION;
	}
	snprintf(text, size, "%s", problem);
	return status;
}

static int32_t refused(enum rlk_greeting_step step, struct rlk_slice error, char *text, size_t size)
{
	const char *about = step == RLK_GREET_SELECT ? "database"
	                    : step == RLK_GREET_NAME ? "client's name"
	                    : step == RLK_GREET_ROLE ? "question for its role"
	                                             : "greeting";
	const char *beginning = passing(error);
	int quoted = error.length < 160 ? (int)error.length : 160;

	if (beginning != NULL) {
		snprintf(text, size, "the server isn't ready: %.*s",
		         step == RLK_GREET_AUTH ? (int)strlen(beginning) : quoted, error.data);
		return REDISLOCK_CONNECTION_REFUSED;
	}
	if (begins(error, "NOAUTH")) {
		snprintf(text, size, "the server wants a password");
		return REDISLOCK_AUTHENTICATION;
	}
	if (step == RLK_GREET_AUTH) {
		return refused_auth(error, text, size);
	}
	if (step == RLK_GREET_ROLE && begins(error, "NOPERM")) {
		snprintf(text, size, "the user may not ask for its role, as is needed with Sentinel: allow +role");
		return REDISLOCK_PERMISSION;
	}
	snprintf(text, size, "the server refused the %s: %.*s", about, quoted, error.data);
	return begins(error, "NOPERM") ? REDISLOCK_PERMISSION : REDISLOCK_SERVER;
}

static bool is(const struct rlk_value *value, const char *text)
{
	return value->type == RLK_STRING && value->text.length == strlen(text) && begins(value->text, text);
}

static int32_t take_role(const struct rlk_value *answer, size_t count, char *text, size_t size)
{
	if (count < 2 || answer->type != RLK_ARRAY) {
		snprintf(text, size, "the server's answer about its role makes no sense");
		return REDISLOCK_PROTOCOL;
	}
	if (is(&answer[1], "master")) {
		return REDISLOCK_OK;
	}
	snprintf(text, size, "its sentinels call it the primary, but it is %s: is a failover under way?",
	         is(&answer[1], "slave") ? "a replica" : "none");
	return REDISLOCK_READ_ONLY;
}

int32_t rlk_greeting_answer(struct rlk_greeting *greeting, const struct rlk_value *answer, size_t count, char *text,
                            size_t size)
{
	enum rlk_greeting_step step = greeting->steps[greeting->answered++];

	if (answer->type == RLK_ERROR) {
		return refused(step, answer->text, text, size);
	}
	if (step == RLK_GREET_ROLE) {
		return take_role(answer, count, text, size);
	}
	if (answer->type != RLK_STRING) {
		snprintf(text, size, "the server's answer to the greeting makes no sense");
		return REDISLOCK_PROTOCOL;
	}
	return REDISLOCK_OK;
}

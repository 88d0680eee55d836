/* SPDX-License-Identifier: MIT
 *
 * What the server's answers, messages and errors mean. */
#include "core.h"

#include "redislock/redislock.h"

#include <string.h>

static bool to_number(struct rlk_slice word, int64_t *number)
{
	int64_t value = 0;
	if (word.length == 0 || word.length > 16) {
		return false;
	}
	for (size_t i = 0; i < word.length; i++) {
		if (word.data[i] < '0' || word.data[i] > '9') {
			return false;
		}
		value = value * 10 + (word.data[i] - '0');
	}
	*number = value;
	return true;
}

/* ---- answers of the scripts ---- */

/* Most say all by a number; held is told by its fence, which as text need not be made a number in between. */
static struct rlk_answer parse_scalar(const struct rlk_value *reply)
{
	struct rlk_answer answer = { .outcome = RLK_MALFORMED };
	int64_t fence;
	bool is_plain = reply->integer == RLK_NOT_MINE || reply->integer == RLK_HELD || reply->integer == RLK_MORE;
	if (reply->type == RLK_INTEGER && is_plain) {
		answer.outcome = (enum rlk_outcome)reply->integer;
	} else if (reply->type == RLK_STRING && to_number(reply->text, &fence)) {
		answer.outcome = RLK_HELD;
		answer.fence = (uint64_t)fence;
	}
	return answer;
}

struct rlk_answer rlk_answer_parse(const struct rlk_value *reply, size_t count)
{
	struct rlk_answer answer = { .outcome = RLK_MALFORMED };
	if (count == 0 || reply[0].type != RLK_ARRAY) {
		return count == 1 ? parse_scalar(&reply[0]) : answer;
	}
	for (size_t i = 1; i < count; i++) {
		if (reply[i].type != RLK_INTEGER) {
			return answer;
		}
	}
	bool is_queued = count == 6 && reply[1].integer == RLK_QUEUED;
	if (is_queued || (count == 5 && reply[1].integer == RLK_BUSY)) {
		answer.outcome = (enum rlk_outcome)reply[1].integer;
		answer.remaining = reply[2].integer;
		answer.place = reply[3].integer;
		answer.fence = (uint64_t)reply[4].integer;
		answer.new_ticket = is_queued && reply[5].integer != 0;
	}
	return answer;
}

/* ---- messages ---- */

static bool next_word(struct rlk_slice *rest, struct rlk_slice *word)
{
	const char *space = memchr(rest->data, ' ', rest->length);
	if (space == NULL || space == rest->data) {
		return false;
	}
	*word = (struct rlk_slice) { rest->data, (size_t)(space - rest->data) };
	rest->data = space + 1;
	rest->length -= word->length + 1;
	return true;
}

bool rlk_grant_parse(struct rlk_slice message, struct rlk_grant *grant)
{
	struct rlk_slice verb, fence, handoff;
	int64_t number;
	if (!next_word(&message, &verb) || verb.length != 5 || memcmp(verb.data, "grant", 5) != 0 ||
	    !next_word(&message, &grant->token) || grant->token.length > RLK_TOKEN_MAX ||
	    !next_word(&message, &fence) || !to_number(fence, &number) || !next_word(&message, &handoff) ||
	    !to_number(handoff, &grant->handoff) || message.length == 0 || message.length > RLK_NAME_MAX) {
		return false;
	}
	grant->fence = (uint64_t)number;
	grant->name = message;
	return true;
}

/* ---- errors ---- */

static const struct {
	struct rlk_slice code;
	int32_t status;
	enum rlk_remedy remedy;
} errors[] = {
	{ { "NOSCRIPT", 8 }, REDISLOCK_SERVER, RLK_SEND_SCRIPT },
	{ { "LOADING", 7 }, REDISLOCK_SERVER, RLK_TRY_AGAIN },
	{ { "BUSY", 4 }, REDISLOCK_SERVER, RLK_TRY_AGAIN },
	{ { "TRYAGAIN", 8 }, REDISLOCK_SERVER, RLK_TRY_ALONE },
	{ { "MOVED", 5 }, REDISLOCK_SERVER, RLK_REDIRECT },
	{ { "ASK", 3 }, REDISLOCK_SERVER, RLK_REDIRECT },
	{ { "CLUSTERDOWN", 11 }, REDISLOCK_SERVER, RLK_TRY_AGAIN },
	{ { "MASTERDOWN", 10 }, REDISLOCK_SERVER, RLK_TRY_AGAIN },
	{ { "READONLY", 8 }, REDISLOCK_READ_ONLY, RLK_RECONNECT },
	{ { "UNBLOCKED", 9 }, REDISLOCK_READ_ONLY, RLK_RECONNECT },
	{ { "ERR max number of clients reached", 33 }, REDISLOCK_CONNECTION_REFUSED, RLK_RECONNECT },
	{ { "NOAUTH", 6 }, REDISLOCK_AUTHENTICATION, RLK_GIVE_UP },
	{ { "WRONGPASS", 9 }, REDISLOCK_AUTHENTICATION, RLK_GIVE_UP },
	{ { "ERR Protocol error: unauthenticated", 35 }, REDISLOCK_AUTHENTICATION, RLK_GIVE_UP },
	{ { "NOPERM", 6 }, REDISLOCK_PERMISSION, RLK_GIVE_UP },
	/* The script may run, but not all that it calls: Redis 6.2, in its wrapping; since 7; since 7.2, and Valkey. */
	{ { "The user executing the script", 29 }, REDISLOCK_PERMISSION, RLK_GIVE_UP },
	{ { "ERR The user executing the script", 33 }, REDISLOCK_PERMISSION, RLK_GIVE_UP },
	{ { "ERR ACL failure in script:", 26 }, REDISLOCK_PERMISSION, RLK_GIVE_UP },
	{ { "WRONGTYPE", 9 }, REDISLOCK_WRONG_TYPE, RLK_GIVE_UP },
	{ { "NOREPLICAS", 10 }, REDISLOCK_NOT_ENOUGH_REPLICAS, RLK_GIVE_UP },
};

/* Redis before 7 wraps a script's error: "ERR Error running script (call to ...): @user_script:1: CODE text", and one
 * that it raises itself once more: "...: @user_script:1: @user_script: 1: -CODE text". */
static struct rlk_slice unwrap(struct rlk_slice error)
{
	static const char mark[] = "@user_script:", before_code[] = " -:0123456789";
	const size_t length = sizeof mark - 1;
	if (error.length < 3 || memcmp(error.data, "ERR", 3) != 0) {
		return error;
	}
	struct rlk_slice inner = error;
	for (size_t i = 0; i + length < error.length; i++) {
		if (memcmp(error.data + i, mark, length) == 0) {
			size_t code = i + length;
			while (code < error.length &&
			       memchr(before_code, error.data[code], sizeof before_code - 1) != NULL) {
				code++;
			}
			inner = (struct rlk_slice) { error.data + code, error.length - code };
		}
	}
	return inner;
}

static bool known(struct rlk_slice error, int32_t *status, enum rlk_remedy *remedy)
{
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct rlk_slice code = errors[i].code;
		if (error.length >= code.length && memcmp(error.data, code.data, code.length) == 0 &&
		    (error.length == code.length || error.data[code.length] == ' ')) {
			*status = errors[i].status;
			*remedy = errors[i].remedy;
			return true;
		}
	}
	return false;
}

int32_t rlk_error_status(struct rlk_slice error, enum rlk_remedy *remedy)
{
	int32_t status = REDISLOCK_SERVER;
	*remedy = RLK_GIVE_UP;
	if (!known(error, &status, remedy)) {
		known(unwrap(error), &status, remedy);
	}
	return status;
}

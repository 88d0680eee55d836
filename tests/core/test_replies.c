/* SPDX-License-Identifier: MIT
 *
 * What the server's answers, messages and errors mean. */
#include "machine.h"

enum { ELEMENTS_MAX = 8 };

/* The answer of a script that returns these numbers. */
static struct rlk_answer parse(size_t count, const int64_t *numbers)
{
	struct rlk_value reply[1 + ELEMENTS_MAX] = { { .type = RLK_ARRAY, .integer = (int64_t)count } };
	for (size_t i = 0; i < count; i++) {
		reply[1 + i] = (struct rlk_value) { .type = RLK_INTEGER, .integer = numbers[i] };
	}
	return rlk_answer_parse(reply, 1 + count);
}

#define PARSE(...) parse(sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t), (const int64_t[]) { __VA_ARGS__ })

static struct rlk_answer parse_number(int64_t plain)
{
	const struct rlk_value reply = { .type = RLK_INTEGER, .integer = plain };
	return rlk_answer_parse(&reply, 1);
}

static struct rlk_answer parse_text(struct rlk_slice text)
{
	const struct rlk_value reply = { .type = RLK_STRING, .text = text };
	return rlk_answer_parse(&reply, 1);
}

static void plain_answers_are_numbers(void **state)
{
	(void)state;
	assert_int_equal(parse_number(0).outcome, RLK_NOT_MINE);
	assert_int_equal(parse_number(1).outcome, RLK_HELD);
	assert_int_equal(parse_number(1).fence, 0);
	assert_int_equal(parse_number(4).outcome, RLK_MORE);
}

static void held_by_lock_is_told_by_the_fence_as_text(void **state)
{
	(void)state;
	assert_int_equal(parse_text(RLK_LITERAL("1700000000000001")).outcome, RLK_HELD);
	assert_int_equal(parse_text(RLK_LITERAL("1700000000000001")).fence, 1700000000000001);
	assert_int_equal(parse_text(RLK_LITERAL("7")).fence, 7);
}

static void text_that_is_no_fence_is_malformed(void **state)
{
	(void)state;
	assert_int_equal(parse_text(RLK_LITERAL("")).outcome, RLK_MALFORMED);
	assert_int_equal(parse_text(RLK_LITERAL("OK")).outcome, RLK_MALFORMED);
	assert_int_equal(parse_text(RLK_LITERAL("-1")).outcome, RLK_MALFORMED);
	assert_int_equal(parse_text(RLK_LITERAL("17000000000000011")).outcome, RLK_MALFORMED);
}

static void queued_tells_the_holders_time_the_place_the_last_fence_and_whether_the_ticket_is_new(void **state)
{
	(void)state;
	struct rlk_answer answer = PARSE(2, 20000, 3, 77, 1);
	assert_int_equal(answer.remaining, 20000);
	assert_int_equal(answer.place, 3);
	assert_int_equal(answer.fence, 77);
	assert_true(answer.new_ticket);
	answer = PARSE(2, -1, 0, 78, 0);
	assert_int_equal(answer.remaining, -1);
	assert_int_equal(answer.fence, 78);
	assert_false(answer.new_ticket);
}

static void busy_tells_the_holders_time_the_length_of_the_queue_and_the_last_fence(void **state)
{
	(void)state;
	struct rlk_answer answer = PARSE(3, 20000, 9, 77);
	assert_int_equal(answer.remaining, 20000);
	assert_int_equal(answer.place, 9);
	assert_int_equal(answer.fence, 77);
	assert_false(answer.new_ticket);
}

static void answer_that_lacks_something_is_malformed(void **state)
{
	(void)state;
	assert_int_equal(PARSE(2, 0, 0, 0).outcome, RLK_MALFORMED);
	assert_int_equal(PARSE(3, 0, 0).outcome, RLK_MALFORMED);
	assert_int_equal(parse(0, NULL).outcome, RLK_MALFORMED);
	assert_int_equal(rlk_answer_parse(NULL, 0).outcome, RLK_MALFORMED);
}

static void answer_that_says_too_much_is_malformed(void **state)
{
	(void)state;
	assert_int_equal(PARSE(2, 0, 0, 0, 0, 0).outcome, RLK_MALFORMED);
	assert_int_equal(PARSE(3, 0, 0, 0, 0).outcome, RLK_MALFORMED);
	assert_int_equal(PARSE(1).outcome, RLK_MALFORMED);
}

static void unknown_answer_is_malformed(void **state)
{
	(void)state;
	assert_int_equal(parse_number(2).outcome, RLK_MALFORMED);
	assert_int_equal(parse_number(5).outcome, RLK_MALFORMED);
	assert_int_equal(parse_number(-1).outcome, RLK_MALFORMED);
	assert_int_equal(parse_number(INT64_MAX).outcome, RLK_MALFORMED);
	assert_int_equal(PARSE(INT64_MAX, 0, 0, 0).outcome, RLK_MALFORMED);
}

static void what_is_neither_number_nor_text_nor_an_array_of_numbers_is_malformed(void **state)
{
	(void)state;
	struct rlk_value reply[5] = { { .type = RLK_ARRAY, .integer = 4 } };
	for (size_t i = 1; i < 5; i++) {
		reply[i] = (struct rlk_value) { .type = RLK_INTEGER, .integer = RLK_BUSY };
	}
	assert_int_equal(rlk_answer_parse(reply, 5).outcome, RLK_BUSY);
	reply[2] = (struct rlk_value) { .type = RLK_NIL };
	assert_int_equal(rlk_answer_parse(reply, 5).outcome, RLK_MALFORMED);
	reply[2] = (struct rlk_value) { .type = RLK_STRING, .text = RLK_LITERAL("11") };
	assert_int_equal(rlk_answer_parse(reply, 5).outcome, RLK_MALFORMED);
	reply[0] = (struct rlk_value) { .type = RLK_INTEGER, .integer = 1 };
	assert_int_equal(rlk_answer_parse(reply, 2).outcome, RLK_MALFORMED);
	reply[0] = (struct rlk_value) { .type = RLK_NIL };
	assert_int_equal(rlk_answer_parse(reply, 1).outcome, RLK_MALFORMED);
}

/* ---- messages ---- */

static bool parse_grant(const char *message, size_t length, struct rlk_grant *grant)
{
	return rlk_grant_parse((struct rlk_slice) { message, length }, grant);
}

#define PARSE_GRANT(message, grant) parse_grant(message, sizeof(message) - 1, grant)

static void grant_tells_token_fence_lease_and_name(void **state)
{
	struct rlk_grant grant;
	(void)state;
	assert_true(PARSE_GRANT("grant abc 1700000000000001 1000 foo", &grant));
	assert_int_equal(grant.token.length, 3);
	assert_memory_equal(grant.token.data, "abc", 3);
	assert_int_equal(grant.fence, 1700000000000001);
	assert_int_equal(grant.handoff, 1000);
	assert_int_equal(grant.name.length, 3);
	assert_memory_equal(grant.name.data, "foo", 3);
}

static void name_in_a_grant_is_all_that_follows(void **state)
{
	static const char name[] = " a b\0c ";
	struct rlk_grant grant;
	(void)state;
	assert_true(PARSE_GRANT("grant abc 1 1000  a b\0c ", &grant));
	assert_int_equal(grant.name.length, sizeof name - 1);
	assert_memory_equal(grant.name.data, name, sizeof name - 1);
}

static void message_that_is_no_grant_is_none(void **state)
{
	static const char *const messages[] = {
		"",
		"ok",
		"grant",
		"grant ",
		"grant abc",
		"grant abc 1",
		"grant abc 1 1000",
		"grant abc 1 1000 ",
		"grants abc 1 1000 foo",
		"Grant abc 1 1000 foo",
		"grunt abc 1 1000 foo",
		" grant abc 1 1000 foo",
		"grant  1 1000 foo",
		"grant abc  1000 foo",
		"grant abc 1  foo",
		"grant abc x 1000 foo",
		"grant abc -1 1000 foo",
		"grant abc 1e3 1000 foo",
		"grant abc 1 1s foo",
		"grant abc 1 : foo",
		"grant abc 12345678901234567 1000 foo",
		"grant abc 1 12345678901234567 foo",
	};
	struct rlk_grant grant;
	(void)state;
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		assert_false(parse_grant(messages[i], strlen(messages[i]), &grant));
	}
}

static void longest_token_and_name_fit_a_grant_and_no_longer_ones(void **state)
{
	static char message[RLK_NAME_MAX + 200];
	struct rlk_grant grant;
	(void)state;
	for (size_t token = RLK_TOKEN_MAX; token <= RLK_TOKEN_MAX + 1; token++) {
		for (size_t name = RLK_NAME_MAX; name <= RLK_NAME_MAX + 1; name++) {
			size_t length = 6 + token + 8 + name;
			memset(message, 'x', sizeof message);
			memcpy(message, "grant ", 6);
			memcpy(message + 6 + token, " 1 1000 ", 8);
			bool fits = token == RLK_TOKEN_MAX && name == RLK_NAME_MAX;
			assert_int_equal(parse_grant(message, length, &grant), fits);
		}
	}
}

/* ---- errors ---- */

static void assert_error(const char *text, int32_t status, enum rlk_remedy remedy)
{
	enum rlk_remedy found;
	assert_int_equal(rlk_error_status((struct rlk_slice) { text, strlen(text) }, &found), status);
	assert_int_equal(found, remedy);
}

static void error_is_known_by_its_code(void **state)
{
	(void)state;
	assert_error("NOSCRIPT No matching script. Please use EVAL.", REDISLOCK_SERVER, RLK_SEND_SCRIPT);
	assert_error("LOADING Redis is loading the dataset in memory", REDISLOCK_SERVER, RLK_TRY_AGAIN);
	assert_error("BUSY Redis is busy running a script.", REDISLOCK_SERVER, RLK_TRY_AGAIN);
	assert_error("TRYAGAIN Multiple keys request during rehashing of slot", REDISLOCK_SERVER, RLK_TRY_ALONE);
	assert_error("MOVED 3999 127.0.0.1:6381", REDISLOCK_SERVER, RLK_REDIRECT);
	assert_error("ASK 3999 127.0.0.1:6381", REDISLOCK_SERVER, RLK_REDIRECT);
	assert_error("CLUSTERDOWN The cluster is down", REDISLOCK_SERVER, RLK_TRY_AGAIN);
	assert_error("MASTERDOWN Link with MASTER is down", REDISLOCK_SERVER, RLK_TRY_AGAIN);
	assert_error("READONLY You can't write against a read only replica.", REDISLOCK_READ_ONLY, RLK_RECONNECT);
	assert_error("UNBLOCKED force unblock from blocking operation", REDISLOCK_READ_ONLY, RLK_RECONNECT);
	assert_error("ERR max number of clients reached", REDISLOCK_CONNECTION_REFUSED, RLK_RECONNECT);
	assert_error("NOAUTH Authentication required.", REDISLOCK_AUTHENTICATION, RLK_GIVE_UP);
	assert_error("WRONGPASS invalid username-password pair", REDISLOCK_AUTHENTICATION, RLK_GIVE_UP);
	assert_error("ERR Protocol error: unauthenticated multibulk length", REDISLOCK_AUTHENTICATION, RLK_GIVE_UP);
	assert_error("NOPERM this user has no permissions", REDISLOCK_PERMISSION, RLK_GIVE_UP);
	assert_error("ERR The user executing the script can't run this command or subcommand script: 0a1b, on "
	             "@user_script:1.",
	             REDISLOCK_PERMISSION, RLK_GIVE_UP);
	assert_error("ERR ACL failure in script: No permissions to access a key script: 0a1b, on @user_script:5.",
	             REDISLOCK_PERMISSION, RLK_GIVE_UP);
	assert_error("WRONGTYPE Operation against a key", REDISLOCK_WRONG_TYPE, RLK_GIVE_UP);
	assert_error("NOREPLICAS Not enough good replicas to write.", REDISLOCK_NOT_ENOUGH_REPLICAS, RLK_GIVE_UP);
}

static void any_other_error_goes_to_the_caller(void **state)
{
	(void)state;
	assert_error("OOM command not allowed when used memory > 'maxmemory'.", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("MISCONF Errors writing to the AOF file", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("ERR redislock: a TTL must be 1 to 2^53-1 milliseconds", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("ERR", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("E", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("", REDISLOCK_SERVER, RLK_GIVE_UP);
}

static void code_is_a_whole_word_at_the_beginning(void **state)
{
	(void)state;
	assert_error("LOADING", REDISLOCK_SERVER, RLK_TRY_AGAIN);
	assert_error("LOADINGS of data", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("BUSYGROUP Consumer Group name already exists", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("BUSYKEY Target key name already exists.", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("SOME WRONGTYPE", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("WRONGTYP", REDISLOCK_SERVER, RLK_GIVE_UP);
}

/* Up to version 6 the server put where it happened in front. An error that it raises itself, for not being willing to
 * execute a command of the script, has that twice, and the dash of a reply. */
static void error_inside_of_a_script_is_found_within_its_wrapping(void **state)
{
#define CALL "ERR Error running script (call to f_0123456789abcdef0123456789abcdef01234567): "
	(void)state;
	assert_error(CALL "@user_script:12: WRONGTYPE Operation against a key holding the wrong kind of value",
	             REDISLOCK_WRONG_TYPE, RLK_GIVE_UP);
	assert_error(CALL "@user_script:12: -READONLY You can't write against a read only slave.", REDISLOCK_READ_ONLY,
	             RLK_RECONNECT);
	assert_error(CALL "@user_script:4: @user_script: 4: -READONLY You can't write against a read only replica.",
	             REDISLOCK_READ_ONLY, RLK_RECONNECT);
	assert_error(CALL "@user_script:4: @user_script: 4: -NOREPLICAS Not enough good replicas to write.",
	             REDISLOCK_NOT_ENOUGH_REPLICAS, RLK_GIVE_UP);
	assert_error(CALL "@user_script:4: @user_script: 4: -NOPERM this user has no permissions", REDISLOCK_PERMISSION,
	             RLK_GIVE_UP);
	assert_error(CALL "@user_script:4: @user_script: 4: The user executing the script can't access at least one of "
	                  "the keys mentioned in the command arguments",
	             REDISLOCK_PERMISSION, RLK_GIVE_UP);
	assert_error(CALL "@user_script:4: @user_script: 4: -OOM command not allowed when used memory > 'maxmemory'.",
	             REDISLOCK_SERVER, RLK_GIVE_UP);
#undef CALL
}

static void wrapping_with_nothing_inside_is_some_error(void **state)
{
	(void)state;
	assert_error("ERR @user_script:", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("ERR @user_script:12:", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("ERR @user_script:12: ", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("ERR @user_script:12: -", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("ERR @user_script: 12", REDISLOCK_SERVER, RLK_GIVE_UP);
	assert_error("ERR @user_script:12: @user_script:", REDISLOCK_SERVER, RLK_GIVE_UP);
}

/* Since version 7 the code comes first, and where it happened last. */
static void only_a_plain_error_is_unwrapped(void **state)
{
	(void)state;
	assert_error("LOADING text, on @user_script:12: WRONGTYPE", REDISLOCK_SERVER, RLK_TRY_AGAIN);
	assert_error("WRONGTYPE Operation against a key script: 0123, on @user_script:1.", REDISLOCK_WRONG_TYPE,
	             RLK_GIVE_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_answers_are_numbers),
		cmocka_unit_test(held_by_lock_is_told_by_the_fence_as_text),
		cmocka_unit_test(text_that_is_no_fence_is_malformed),
		cmocka_unit_test(queued_tells_the_holders_time_the_place_the_last_fence_and_whether_the_ticket_is_new),
		cmocka_unit_test(busy_tells_the_holders_time_the_length_of_the_queue_and_the_last_fence),
		cmocka_unit_test(answer_that_says_too_much_is_malformed),
		cmocka_unit_test(answer_that_lacks_something_is_malformed),
		cmocka_unit_test(unknown_answer_is_malformed),
		cmocka_unit_test(what_is_neither_number_nor_text_nor_an_array_of_numbers_is_malformed),
		cmocka_unit_test(grant_tells_token_fence_lease_and_name),
		cmocka_unit_test(name_in_a_grant_is_all_that_follows),
		cmocka_unit_test(message_that_is_no_grant_is_none),
		cmocka_unit_test(longest_token_and_name_fit_a_grant_and_no_longer_ones),
		cmocka_unit_test(error_is_known_by_its_code),
		cmocka_unit_test(any_other_error_goes_to_the_caller),
		cmocka_unit_test(code_is_a_whole_word_at_the_beginning),
		cmocka_unit_test(error_inside_of_a_script_is_found_within_its_wrapping),
		cmocka_unit_test(wrapping_with_nothing_inside_is_some_error),
		cmocka_unit_test(only_a_plain_error_is_unwrapped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * Replies, from a peer that says what it likes. */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LIMIT (128 * 1024)

struct fixture {
	struct peer peer;
	struct rlk_connection *connection;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	peer_listen(&fixture->peer);
	fixture->connection = rlk_connection_new(NULL);
	assert_non_null(fixture->connection);
	open_fully(fixture->connection, &fixture->peer.address, NULL, TEST_DEADLINE_MS);
	assert_int_equal(rlk_connection_state(fixture->connection), RLK_READY);
	peer_accept(&fixture->peer);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	rlk_connection_free(fixture->connection);
	peer_end(&fixture->peer);
	free(fixture);
	return 0;
}

static void say(struct fixture *fixture, const char *text)
{
	peer_say(&fixture->peer, text, strlen(text));
}

static void assert_text(const struct rlk_value *value, enum rlk_value_type type, const char *text)
{
	assert_int_equal(value->type, type);
	assert_int_equal(value->text.length, strlen(text));
	assert_memory_equal(value->text.data, text, strlen(text));
}

/* A reply that has everything, and what it must be read as. */
static const char everything[] = "*7\r\n:-9223372036854775808\r\n$5\r\na\r\nb\0\r\n+OK\r\n-ERR no\r\n$-1\r\n"
                                 "*2\r\n*0\r\n:7\r\n$0\r\n\r\n";

static void assert_everything(const struct rlk_value *reply, const size_t *count)
{
	assert_non_null(reply);
	assert_int_equal(*count, 10);
	assert_int_equal(reply[0].type, RLK_ARRAY);
	assert_int_equal(reply[0].integer, 7);
	assert_int_equal(reply[1].type, RLK_INTEGER);
	assert_true(reply[1].integer == INT64_MIN);
	assert_int_equal(reply[2].type, RLK_STRING);
	assert_int_equal(reply[2].text.length, 5);
	assert_memory_equal(reply[2].text.data, "a\r\nb\0", 5);
	assert_text(&reply[3], RLK_STRING, "OK");
	assert_text(&reply[4], RLK_ERROR, "ERR no");
	assert_int_equal(reply[5].type, RLK_NIL);
	assert_int_equal(reply[6].type, RLK_ARRAY);
	assert_int_equal(reply[6].integer, 2);
	assert_int_equal(reply[7].type, RLK_ARRAY);
	assert_int_equal(reply[7].integer, 0);
	assert_int_equal(reply[8].type, RLK_INTEGER);
	assert_int_equal(reply[8].integer, 7);
	assert_text(&reply[9], RLK_STRING, "");
}

static void every_type_becomes_a_node_in_the_order_of_its_coming(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	peer_say(&fixture->peer, everything, sizeof(everything) - 1);
	assert_everything(await_reply(fixture->connection, &count), &count);
	assert_null(rlk_connection_reply(fixture->connection, &count));
	assert_int_equal(count, 0);
	assert_false(rlk_connection_receive(fixture->connection));
	assert_int_equal(rlk_connection_state(fixture->connection), RLK_READY);
}

static void a_reply_may_come_byte_by_byte(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	for (size_t i = 0; i < sizeof(everything) - 1; i++) {
		assert_null(rlk_connection_reply(fixture->connection, &count));
		peer_say(&fixture->peer, everything + i, 1);
		test_eventually(rlk_connection_receive(fixture->connection));
	}
	assert_everything(rlk_connection_reply(fixture->connection, &count), &count);
}

static void replies_that_come_together_are_given_one_by_one(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	say(fixture, "+one\r\n*1\r\n$3\r\ntwo\r\n:3\r\n:4");
	assert_text(await_reply(fixture->connection, &count), RLK_STRING, "one");
	assert_text(rlk_connection_reply(fixture->connection, &count) + 1, RLK_STRING, "two");
	assert_int_equal(rlk_connection_reply(fixture->connection, &count)->integer, 3);
	assert_null(rlk_connection_reply(fixture->connection, &count));
	say(fixture, "2\r\n");
	assert_int_equal(await_reply(fixture->connection, &count)->integer, 42);
}

static void a_reply_cut_at_any_byte_is_none_and_its_connection_is_lost(void **state)
{
	struct fixture *fixture = *state;

	for (size_t length = 0; length < sizeof(everything) - 1; length++) {
		size_t count;
		peer_say(&fixture->peer, everything, length);
		peer_hang_up(&fixture->peer);
		assert_null(await_reply(fixture->connection, &count));
		assert_failed(fixture->connection, REDISLOCK_CONNECTION_LOST, "closed the connection");
		open_fully(fixture->connection, &fixture->peer.address, NULL, TEST_DEADLINE_MS);
		peer_accept(&fixture->peer);
	}
	assert_int_equal(rlk_connection_state(fixture->connection), RLK_READY);
}

static void replies_before_the_end_are_still_to_be_had(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	say(fixture, "+one\r\n+two\r\n");
	peer_hang_up(&fixture->peer);
	while (rlk_connection_state(fixture->connection) == RLK_READY)
		rlk_connection_receive(fixture->connection);
	assert_text(rlk_connection_reply(fixture->connection, &count), RLK_STRING, "one");
	assert_text(rlk_connection_reply(fixture->connection, &count), RLK_STRING, "two");
	assert_null(rlk_connection_reply(fixture->connection, &count));
	assert_failed(fixture->connection, REDISLOCK_CONNECTION_LOST, fixture->peer.path);
}

static void a_reply_before_the_end_is_seen_when_sending_fails(void **state)
{
	struct fixture *fixture = *state;
	const struct rlk_slice word = { "PING", 4 };
	size_t count;

	say(fixture, "-ERR max number of clients reached\r\n");
	peer_hang_up(&fixture->peer);
	assert_true(rlk_connection_append(fixture->connection, &word, 1));
	rlk_connection_flush(fixture->connection);
	assert_text(await_reply(fixture->connection, &count), RLK_ERROR, "ERR max number of clients reached");
}

static void refused(struct fixture *fixture, const char *text, const char *part)
{
	size_t count;

	say(fixture, text);
	assert_null(await_reply(fixture->connection, &count));
	assert_failed(fixture->connection, REDISLOCK_PROTOCOL, part);
	assert_null(rlk_connection_reply(fixture->connection, &count));
	assert_false(rlk_connection_receive(fixture->connection));
	peer_hang_up(&fixture->peer);
	open_fully(fixture->connection, &fixture->peer.address, NULL, TEST_DEADLINE_MS);
	assert_int_equal(rlk_connection_state(fixture->connection), RLK_READY);
	peer_accept(&fixture->peer);
}

static void arrays_nest_seven_deep_and_no_deeper(void **state)
{
	struct fixture *fixture = *state;
	const struct rlk_value *reply;
	size_t count;

	say(fixture, "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n");
	reply = await_reply(fixture->connection, &count);
	assert_non_null(reply);
	assert_int_equal(count, 8);
	assert_int_equal(reply[7].integer, 1);
	refused(fixture, "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "nested deeper than 7");
	refused(fixture, "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n", "nested deeper than 7");
}

static void an_array_has_up_to_1024_elements(void **state)
{
	struct fixture *fixture = *state;
	const struct rlk_value *reply;
	char elements[4 * 1024 + 1];
	size_t count;

	say(fixture, "*1024\r\n");
	for (size_t i = 0; i < 1024; i++)
		memcpy(elements + i * 4, ":5\r\n", 5);
	say(fixture, elements);
	reply = await_reply(fixture->connection, &count);
	assert_non_null(reply);
	assert_int_equal(count, 1025);
	assert_int_equal(reply[1024].integer, 5);
	refused(fixture, "*1025\r\n", "more than 1024 elements");
	refused(fixture, "*2\r\n:1\r\n*1025\r\n", "more than 1024 elements");
}

static void huge_lengths_are_refused_before_anything_came(void **state)
{
	struct fixture *fixture = *state;

	refused(fixture, "*2147483647\r\n", "1024 elements");
	refused(fixture, "*4294967296\r\n", "");
	refused(fixture, "*9223372036854775807\r\n", "");
	refused(fixture, "*99999999999999999999\r\n", "");
	refused(fixture, "*-2\r\n", "");
	refused(fixture, "$131073\r\n", "more than 128 KiB");
	refused(fixture, "$4294967295\r\n", "more than 128 KiB");
	refused(fixture, "$9223372036854775807\r\n", "more than 128 KiB");
	refused(fixture, "$99999999999999999999", "more than 128 KiB");
	refused(fixture, "$-2\r\n", "");
	refused(fixture, "*2\r\n:1\r\n$131073\r\n", "more than 128 KiB");
}

static void garbage_is_refused(void **state)
{
	static const char *const garbage[] = { "HTTP/1.1 400 Bad Request\r\n",
		                               "\r\n",
		                               "\x16\x03\x01",
		                               ":x\r\n",
		                               ":\r\n",
		                               ":9223372036854775808\r\n",
		                               "$x\r\n",
		                               "$+1\r\n",
		                               "*x\r\n",
		                               "$2\r\nabXX",
		                               "*1\r\nx" };

	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		refused(*state, garbage[i], "server");
}

static void what_was_not_asked_for_is_refused(void **state)
{
	static const char *const types[] = { "%1\r\n", "~1\r\n", ">1\r\n",  ",1.5\r\n",
		                             "#t\r\n", "_\r\n",  "(12\r\n", "=7\r\ntxt:abc\r\n" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		refused(*state, types[i], "server");
}

/* Says a lot while the connection reads it, which the peer's buffer couldn't hold. */
static const struct rlk_value *flood(struct fixture *fixture, const char *text, size_t length, size_t *count)
{
	const int64_t until = test_now_ms() + TEST_DEADLINE_MS;

	for (size_t at = 0; at < length;) {
		size_t part = length - at < 4096 ? length - at : 4096;
		const struct rlk_value *reply = NULL;
		peer_say(&fixture->peer, text + at, part);
		at += part;
		/* A unix socket hands over at once, so that this empties it. */
		while (rlk_connection_receive(fixture->connection) && reply == NULL)
			reply = rlk_connection_reply(fixture->connection, count);
		if (reply != NULL || rlk_connection_state(fixture->connection) == RLK_CLOSED)
			return reply;
		assert_true(test_now_ms() < until);
	}
	return rlk_connection_reply(fixture->connection, count);
}

static char *filled(const char *head, size_t length, const char *tail)
{
	char *text = malloc(strlen(head) + length + strlen(tail) + 1);

	assert_non_null(text);
	strcpy(text, head);
	memset(text + strlen(head), 'x', length);
	strcpy(text + strlen(head) + length, tail);
	return text;
}

static void a_string_has_up_to_128_kib(void **state)
{
	struct fixture *fixture = *state;
	const struct rlk_value *reply;
	char *text = filled("$131072\r\n", LIMIT, "\r\n");
	size_t count;

	reply = flood(fixture, text, strlen(text), &count);
	assert_non_null(reply);
	assert_int_equal(reply->text.length, LIMIT);
	assert_memory_equal(reply->text.data, text + 9, LIMIT);
	free(text);
	text = filled("+", LIMIT, "\r\n");
	reply = flood(fixture, text, strlen(text), &count);
	assert_non_null(reply);
	assert_int_equal(reply->text.length, LIMIT);
	free(text);
}

static void a_line_without_an_end_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char *text = filled("-", 2 * LIMIT, "");
	size_t count;

	assert_null(flood(fixture, text, strlen(text), &count));
	assert_failed(fixture->connection, REDISLOCK_PROTOCOL, "more than 128 KiB");
	free(text);
}

static void a_reply_of_many_strings_is_bounded_too(void **state)
{
	struct fixture *fixture = *state;
	char *text = filled("$100000\r\n", 100000, "\r\n");
	size_t count;
	int strings = 0;

	say(fixture, "*1000\r\n");
	while (rlk_connection_state(fixture->connection) == RLK_READY) {
		assert_null(flood(fixture, text, strlen(text), &count));
		strings++;
	}
	assert_true(strings > 1 && strings <= 11);
	assert_failed(fixture->connection, REDISLOCK_PROTOCOL, "more than 768 KiB");
	free(text);
}

static void a_reply_of_many_arrays_is_bounded_too(void **state)
{
	struct fixture *fixture = *state;
	char text[8 * 1024 + 1];
	size_t count;

	for (size_t i = 0; i < 1024; i++)
		memcpy(text + i * 4, "*0\r\n", 5);
	say(fixture, "*1024\r\n");
	for (int i = 0; i < 1024 && rlk_connection_state(fixture->connection) == RLK_READY; i++) {
		say(fixture, "*1024\r\n");
		assert_null(flood(fixture, text, strlen(text), &count));
	}
	assert_failed(fixture->connection, REDISLOCK_PROTOCOL, "more than 768 KiB");
}

static void what_nobody_takes_is_not_read_on_and_on(void **state)
{
	struct fixture *fixture = *state;
	char text[4096];
	size_t said = 0, had = 0, count;

	for (size_t i = 0; i < sizeof(text) / 4; i++)
		memcpy(text + i * 4, ":5\r\n", 4);
	/* Until it reads no more, and the peer finds no room. */
	for (;;) {
		ssize_t sent = send(fixture->peer.fd, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0)
			break;
		assert_int_equal(sent, sizeof(text));
		said += (size_t)sent;
		assert_true(said < 64 * 1024 * 1024);
		assert_true(rlk_connection_receive(fixture->connection));
	}
	while (had < said / 4) {
		if (rlk_connection_reply(fixture->connection, &count) != NULL)
			had++;
		else
			assert_true(rlk_connection_receive(fixture->connection));
	}
	assert_null(rlk_connection_reply(fixture->connection, &count));
	assert_int_equal(rlk_connection_state(fixture->connection), RLK_READY);
}

static void control_characters_of_a_server_do_not_reach_a_text(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	say(fixture, "\x1b[2J\r\n");
	assert_null(await_reply(fixture->connection, &count));
	for (const char *at = assert_failed(fixture->connection, REDISLOCK_PROTOCOL, ""); *at != '\0'; at++)
		assert_true((unsigned char)*at >= ' ');
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(every_type_becomes_a_node_in_the_order_of_its_coming),
		test(a_reply_may_come_byte_by_byte),
		test(replies_that_come_together_are_given_one_by_one),
		test(a_reply_cut_at_any_byte_is_none_and_its_connection_is_lost),
		test(replies_before_the_end_are_still_to_be_had),
		test(a_reply_before_the_end_is_seen_when_sending_fails),
		test(arrays_nest_seven_deep_and_no_deeper),
		test(an_array_has_up_to_1024_elements),
		test(huge_lengths_are_refused_before_anything_came),
		test(garbage_is_refused),
		test(what_was_not_asked_for_is_refused),
		test(a_string_has_up_to_128_kib),
		test(a_line_without_an_end_is_refused),
		test(a_reply_of_many_strings_is_bounded_too),
		test(a_reply_of_many_arrays_is_bounded_too),
		test(what_nobody_takes_is_not_read_on_and_on),
		test(control_characters_of_a_server_do_not_reach_a_text),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}

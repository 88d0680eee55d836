/* SPDX-License-Identifier: MIT
 *
 * Connections to real servers, and to peers that misbehave. */
#include "peers.h"
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SHORT_MS 300

static struct test_server server;
static struct rlk_connection *connection;

static int start_server(void **state)
{
	static const char *const arguments[] = { "--user", "default", "on", "nopass",  "~*",    "&*",   "+@all",
		                                 "--user", "me",      "on", ">secret", "~*",    "&*",   "+@all",
		                                 "--user", "poor",    "on", ">secret", "+auth", "+get", NULL };

	(void)state;
	test_server_start(&server, TEST_SERVER_TCP, arguments);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	test_server_stop(&server);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	connection = rlk_connection_new(NULL);
	return connection != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	rlk_connection_free(connection);
	connection = NULL;
	return 0;
}

static void open_url(const char *url)
{
	struct rlk_address address;

	assert_int_equal(rlk_address_parse(url, &address, NULL, 0), REDISLOCK_OK);
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	rlk_address_clear(&address);
}

static void assert_ready(void)
{
	const char *text;

	rlk_connection_failure(connection, &text);
	if (rlk_connection_state(connection) != RLK_READY)
		fail_msg("not ready: %s", text);
	assert_true(rlk_connection_deadline(connection) == RLK_NEVER);
}

static void assert_answers(const char *const *words, const char *part)
{
	size_t count;
	const struct rlk_value *reply = ask(connection, &count, words);
	char text[512];

	assert_non_null(reply);
	snprintf(text, sizeof(text), "%.*s", (int)reply->text.length, reply->text.data);
	if (strstr(text, part) == NULL)
		fail_msg("%s: \"%s\" has no \"%s\"", words[0], text, part);
}

static const char *with_credentials(const char *credentials, const char *rest)
{
	static char url[256];

	snprintf(url, sizeof(url), "redis://%s@127.0.0.1:%d%s", credentials, server.port, rest);
	return url;
}

static void assert_refused_without_the_password(int32_t status, const char *part)
{
	if (strstr(assert_failed(connection, status, part), "secret") != NULL)
		fail_msg("the password is in the text");
}

static void a_new_one_is_closed_by_nobody(void **state)
{
	struct pollfd fds[RLK_CONNECTION_FDS];
	size_t count;

	(void)state;
	assert_string_equal(assert_failed(connection, REDISLOCK_OK, ""), "");
	assert_int_equal(rlk_connection_fds(connection, fds, RLK_CONNECTION_FDS), 0);
	assert_true(rlk_connection_deadline(connection) == RLK_NEVER);
	assert_false(rlk_connection_receive(connection));
	assert_null(rlk_connection_reply(connection, &count));
	rlk_connection_flush(connection);
	rlk_connection_close(connection);
	rlk_connection_free(NULL);
}

static void a_unix_socket_answers(void **state)
{
	(void)state;
	open_url(server.url);
	assert_ready();
	assert_answers((const char *[]) { "PING", NULL }, "PONG");
}

static void a_numeric_address_answers(void **state)
{
	(void)state;
	open_url(server.tcp_url);
	assert_ready();
	assert_answers((const char *[]) { "ECHO", "\r\n$1\r\n", NULL }, "\r\n$1\r\n");
}

static void localhost_is_found_and_every_address_is_tried(void **state)
{
	char url[64];

	(void)state;
	/* It may be ::1 first, where the server doesn't listen. */
	snprintf(url, sizeof(url), "redis://localhost:%d", server.port);
	open_url(url);
	assert_ready();
	assert_answers((const char *[]) { "PING", NULL }, "PONG");
}

static void many_commands_and_large_ones_arrive_whole(void **state)
{
	enum { LENGTH = 100000, TIMES = 50 };
	char *large = malloc(LENGTH);
	const struct rlk_slice words[] = { { "ECHO", 4 }, { large, LENGTH } }, empty[] = { { "ECHO", 4 }, { NULL, 0 } };
	size_t count;

	(void)state;
	open_url(server.url);
	assert_non_null(large);
	for (int i = 0; i < LENGTH; i++)
		large[i] = (char)(i * 7);
	for (int i = 0; i < TIMES; i++) {
		assert_true(rlk_connection_append(connection, words, 2));
		rlk_connection_flush(connection);
		assert_true(rlk_connection_append(connection, empty, 2));
	}
	rlk_connection_flush(connection);
	for (int i = 0; i < TIMES; i++) {
		const struct rlk_value *reply = await_reply(connection, &count);
		assert_non_null(reply);
		assert_int_equal(reply->text.length, LENGTH);
		assert_memory_equal(reply->text.data, large, LENGTH);
		reply = await_reply(connection, &count);
		assert_non_null(reply);
		assert_int_equal(reply->text.length, 0);
	}
	assert_false(rlk_connection_unsent(connection));
	free(large);
}

static void a_user_is_authenticated(void **state)
{
	(void)state;
	open_url(with_credentials("me:secret", ""));
	assert_ready();
	assert_answers((const char *[]) { "ACL", "WHOAMI", NULL }, "me");
}

static void a_password_alone_is_for_the_default_user(void **state)
{
	struct test_server other;
	struct rlk_address address;

	(void)state;
	test_server_start(&other, 0, NULL);
	assert_true(test_command(&other, NULL, 0, "CONFIG", "SET", "requirepass", "secret", NULL));
	assert_int_equal(rlk_address_parse(other.url, &address, NULL, 0), REDISLOCK_OK);
	assert_int_equal(rlk_secret_set(&address.password, "secret"), REDISLOCK_OK);
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_ready();
	assert_answers((const char *[]) { "ACL", "WHOAMI", NULL }, "default");
	assert_int_equal(rlk_secret_set(&address.password, "secreter"), REDISLOCK_OK);
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_refused_without_the_password(REDISLOCK_AUTHENTICATION, "password");
	assert_int_equal(rlk_secret_set(&address.password, NULL), REDISLOCK_OK);
	address.db = 1;
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_refused_without_the_password(REDISLOCK_AUTHENTICATION, "wants a password");
	rlk_address_clear(&address);
	test_server_stop(&other);
}

static void a_wrong_password_is_an_authentication_failure(void **state)
{
	(void)state;
	open_url(with_credentials("me:secrets", ""));
	assert_refused_without_the_password(REDISLOCK_AUTHENTICATION, "refused the password");
	open_url(with_credentials("nobody:secret", ""));
	assert_refused_without_the_password(REDISLOCK_AUTHENTICATION, "refused the password");
}

static void a_password_where_none_is_set_is_an_authentication_failure(void **state)
{
	(void)state;
	open_url(with_credentials(":secret", ""));
	assert_refused_without_the_password(REDISLOCK_AUTHENTICATION, "no password set");
}

static void a_forbidden_greeting_is_a_permission_failure(void **state)
{
	(void)state;
	open_url(with_credentials("poor:secret", "/3"));
	assert_refused_without_the_password(REDISLOCK_PERMISSION, "database");
}

static void the_database_is_selected(void **state)
{
	char url[128];

	(void)state;
	snprintf(url, sizeof(url), "%s?db=3", server.url);
	open_url(url);
	assert_ready();
	assert_answers((const char *[]) { "CLIENT", "INFO", NULL }, " db=3 ");
}

static void a_database_that_is_not_there_is_the_servers_error(void **state)
{
	char url[128];

	(void)state;
	snprintf(url, sizeof(url), "%s?db=99", server.url);
	open_url(url);
	assert_failed(connection, REDISLOCK_SERVER, "database: ERR DB index is out of range");
	assert_failed(connection, REDISLOCK_SERVER, server.socket);
}

static void the_client_gets_its_name(void **state)
{
	struct rlk_address address;

	(void)state;
	assert_int_equal(rlk_address_parse(with_credentials("me:secret", "/2"), &address, NULL, 0), REDISLOCK_OK);
	assert_int_equal(rlk_address_set(&address.client_name, "its-name"), REDISLOCK_OK);
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_ready();
	assert_answers((const char *[]) { "CLIENT", "INFO", NULL }, " name=its-name ");
	assert_answers((const char *[]) { "CLIENT", "INFO", NULL }, " db=2 ");
	rlk_address_clear(&address);
}

static void a_twin_goes_to_the_same_peer_and_resolves_no_name(void **state)
{
	struct rlk_connection *twin = rlk_connection_new(NULL);
	struct rlk_address address;

	(void)state;
	assert_non_null(twin);
	open_url(server.tcp_url);
	assert_ready();
	assert_int_equal(rlk_address_parse("redis://no-such-name.invalid:1", &address, NULL, 0), REDISLOCK_OK);
	open_fully(twin, &address, connection, TEST_DEADLINE_MS);
	assert_int_equal(rlk_connection_state(twin), RLK_READY);
	rlk_connection_close(connection);
	rlk_address_clear(&address);
	assert_int_equal(rlk_address_parse(server.url, &address, NULL, 0), REDISLOCK_OK);
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	rlk_connection_close(connection);
	open_fully(twin, &address, connection, TEST_DEADLINE_MS);
	assert_int_equal(rlk_connection_state(twin), RLK_READY);
	rlk_address_clear(&address);
	rlk_connection_free(twin);
}

static void a_port_where_nobody_listens_is_refused(void **state)
{
	(void)state;
	open_url("redis://127.0.0.1:1");
	assert_failed(connection, REDISLOCK_CONNECTION_REFUSED, "127.0.0.1:1: nobody listens");
	open_url("redis://[::1]:1");
	assert_failed(connection, REDISLOCK_CONNECTION_REFUSED, "[::1]:1: ");
}

static void a_socket_that_is_not_there_is_refused(void **state)
{
	(void)state;
	open_url("unix:///nowhere/redis.sock");
	assert_failed(connection, REDISLOCK_CONNECTION_REFUSED, "/nowhere/redis.sock: there is no such socket");
	rlk_connection_close(connection);
	assert_failed(connection, REDISLOCK_OK, "");
}

static void a_name_that_does_not_resolve_is_refused(void **state)
{
	struct rlk_address address;

	(void)state;
	/* Whether a name server says no, or there is none and the deadline ends it. */
	assert_int_equal(rlk_address_parse("redis://no-such-name.invalid", &address, NULL, 0), REDISLOCK_OK);
	open_fully(connection, &address, NULL, SHORT_MS);
	assert_failed(connection, REDISLOCK_CONNECTION_REFUSED, "no-such-name.invalid:6379: ");
	rlk_address_clear(&address);
}

static void it_can_be_closed_while_it_resolves(void **state)
{
	struct rlk_address address;

	(void)state;
	assert_int_equal(rlk_address_parse("redis://no-such-name.invalid", &address, NULL, 0), REDISLOCK_OK);
	for (int i = 0; i < 3; i++) {
		const int64_t now = test_now_ms();
		rlk_connection_open(connection, &address, NULL, now + TEST_DEADLINE_MS, now);
		if (i > 0)
			rlk_connection_step(connection, now);
		if (i > 1)
			rlk_connection_step(connection, test_now_ms());
		rlk_connection_close(connection);
		assert_failed(connection, REDISLOCK_OK, "");
	}
	rlk_address_clear(&address);
}

static void a_peer_that_never_answers_the_greeting_ends_at_the_deadline(void **state)
{
	struct peer peer;

	(void)state;
	peer_listen(&peer);
	assert_int_equal(rlk_secret_set(&peer.address.password, "secret"), REDISLOCK_OK);
	const int64_t start = test_now_ms();
	open_fully(connection, &peer.address, NULL, SHORT_MS);
	assert_true(test_now_ms() - start >= SHORT_MS);
	assert_refused_without_the_password(REDISLOCK_CONNECTION_REFUSED, "didn't answer within the timeout");
	peer_end(&peer);
}

static void a_full_backlog_of_a_unix_socket_ends_at_the_deadline_or_when_there_is_room(void **state)
{
	struct rlk_connection *before[8];
	struct peer peer;
	size_t count = 0;

	(void)state;
	peer_listen(&peer);
	do {
		assert_true(count < 8);
		before[count] = rlk_connection_new(NULL);
		assert_non_null(before[count]);
		open_fully(before[count], &peer.address, NULL, SHORT_MS);
	} while (rlk_connection_state(before[count++]) == RLK_READY);
	const int64_t now = test_now_ms();
	rlk_connection_open(connection, &peer.address, NULL, now + TEST_DEADLINE_MS, now);
	assert_int_equal(rlk_connection_state(connection), RLK_OPENING);
	assert_failed(before[count - 1], REDISLOCK_CONNECTION_REFUSED, "doesn't accept connections");
	peer_accept(&peer);
	turn(connection);
	assert_ready();
	while (count > 0)
		rlk_connection_free(before[--count]);
	peer_end(&peer);
}

static int listen_on_tcp(struct rlk_address *address)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char url[64];

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, length), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d", ntohs(name.sin_port));
	assert_int_equal(rlk_address_parse(url, address, NULL, 0), REDISLOCK_OK);
	return fd;
}

static void a_peer_that_never_accepts_ends_at_the_deadline(void **state)
{
	struct rlk_connection *before[8];
	struct rlk_address address;
	int listener = listen_on_tcp(&address);
	size_t count = 0;

	(void)state;
	do {
		assert_true(count < 8);
		before[count] = rlk_connection_new(NULL);
		assert_non_null(before[count]);
		open_fully(before[count], &address, NULL, SHORT_MS);
	} while (rlk_connection_state(before[count++]) == RLK_READY);
	assert_failed(before[count - 1], REDISLOCK_CONNECTION_REFUSED, "no answer within the timeout");
	while (count > 0)
		rlk_connection_free(before[--count]);
	close(listener);
	rlk_address_clear(&address);
}

static void a_reset_while_writing_is_a_lost_connection(void **state)
{
	const struct linger at_once = { 1, 0 };
	const int64_t until = test_now_ms() + TEST_DEADLINE_MS;
	const struct rlk_slice word = { "PING", 4 };
	struct rlk_address address;
	int listener = listen_on_tcp(&address), fd;

	(void)state;
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_ready();
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(fd);
	while (rlk_connection_state(connection) == RLK_READY) {
		assert_true(test_now_ms() < until);
		assert_true(rlk_connection_append(connection, &word, 1));
		rlk_connection_flush(connection);
	}
	assert_failed(connection, REDISLOCK_CONNECTION_LOST, "closed the connection");
	close(listener);
	rlk_address_clear(&address);
}

/* The signal would end this process, unless whoever started it had it ignored. */
static void a_peer_that_hung_up_raises_no_signal(void **state)
{
	const struct rlk_slice word = { "PING", 4 };
	struct peer peer;

	(void)state;
	assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	peer_listen(&peer);
	open_fully(connection, &peer.address, NULL, TEST_DEADLINE_MS);
	peer_accept(&peer);
	peer_hang_up(&peer);
	assert_true(rlk_connection_append(connection, &word, 1));
	rlk_connection_flush(connection);
	assert_failed(connection, REDISLOCK_CONNECTION_LOST, "closed the connection");
	peer_end(&peer);
}

static void a_peer_that_takes_nothing_leaves_bytes_unsent(void **state)
{
	static char bytes[100000];
	const struct rlk_slice words[] = { { "ECHO", 4 }, { bytes, sizeof(bytes) } };
	struct pollfd fds[RLK_CONNECTION_FDS];
	struct peer peer;
	int times = 0;

	(void)state;
	peer_listen(&peer);
	open_fully(connection, &peer.address, NULL, TEST_DEADLINE_MS);
	while (!rlk_connection_unsent(connection)) {
		assert_true(times++ < 1000);
		assert_true(rlk_connection_append(connection, words, 2));
		rlk_connection_flush(connection);
	}
	assert_int_equal(rlk_connection_fds(connection, fds, RLK_CONNECTION_FDS), 1);
	assert_int_equal(fds[0].events, POLLIN | POLLOUT);
	assert_ready();
	peer_end(&peer);
}

static void a_greeting_is_one_pipeline_of_which_all_answers_are_awaited(void **state)
{
	struct peer peer;

	(void)state;
	peer_listen(&peer);
	assert_int_equal(rlk_address_set(&peer.address.user, "me"), REDISLOCK_OK);
	assert_int_equal(rlk_secret_set(&peer.address.password, "secret"), REDISLOCK_OK);
	assert_int_equal(rlk_address_set(&peer.address.client_name, "its-name"), REDISLOCK_OK);
	peer.address.db = 12;
	const int64_t now = test_now_ms();
	rlk_connection_open(connection, &peer.address, NULL, now + TEST_DEADLINE_MS, now);
	peer_accept(&peer);
	peer_hear(&peer, "*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n"
	                 "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$8\r\nits-name\r\n");
	peer_say(&peer, "+OK\r\n+OK\r\n+O", 12);
	rlk_connection_step(connection, test_now_ms());
	assert_int_equal(rlk_connection_state(connection), RLK_OPENING);
	peer_say(&peer, "K\r\n:1\r\n", 7);
	turn(connection);
	assert_ready();
	/* What follows is the reply to a command. */
	size_t count;
	const struct rlk_value *reply = await_reply(connection, &count);
	assert_non_null(reply);
	assert_int_equal(reply->integer, 1);
	peer_end(&peer);
}

static void answers_to_auth_mean(const char *answer, int32_t status, const char *part)
{
	struct peer peer;

	peer_listen(&peer);
	assert_int_equal(rlk_secret_set(&peer.address.password, "secret"), REDISLOCK_OK);
	const int64_t now = test_now_ms();
	rlk_connection_open(connection, &peer.address, NULL, now + TEST_DEADLINE_MS, now);
	peer_accept(&peer);
	peer_say(&peer, answer, strlen(answer));
	peer_hang_up(&peer);
	turn(connection);
	assert_refused_without_the_password(status, part);
	peer_end(&peer);
}

static void answers_to_a_greeting_have_their_meaning(void **state)
{
	(void)state;
	answers_to_auth_mean("-ERR invalid password\r\n", REDISLOCK_AUTHENTICATION, "password");
	answers_to_auth_mean("-ERR unknown command 'AUTH', with args beginning with: 'secret'\r\n",
	                     REDISLOCK_AUTHENTICATION, "credentials");
	answers_to_auth_mean("-NOPERM secret\r\n", REDISLOCK_PERMISSION, "AUTH");
	answers_to_auth_mean("-LOADING secret\r\n", REDISLOCK_CONNECTION_REFUSED, "LOADING");
	answers_to_auth_mean("-ERR max number of clients reached\r\n", REDISLOCK_CONNECTION_REFUSED, "max number");
	answers_to_auth_mean(":1\r\n", REDISLOCK_PROTOCOL, "makes no sense");
	answers_to_auth_mean("HTTP/1.1 400\r\n", REDISLOCK_PROTOCOL, "like a Redis server");
	answers_to_auth_mean("", REDISLOCK_CONNECTION_REFUSED, "closed the connection");
}

static void one_can_be_opened_again_and_again(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		open_url(i % 3 == 0 ? server.url : i % 3 == 1 ? "redis://127.0.0.1:1" : server.tcp_url);
		if (i % 3 == 1) {
			assert_failed(connection, REDISLOCK_CONNECTION_REFUSED, "");
			continue;
		}
		assert_ready();
		assert_answers((const char *[]) { "PING", NULL }, "PONG");
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_new_one_is_closed_by_nobody),
		test(a_unix_socket_answers),
		test(a_numeric_address_answers),
		test(localhost_is_found_and_every_address_is_tried),
		test(many_commands_and_large_ones_arrive_whole),
		test(a_user_is_authenticated),
		test(a_password_alone_is_for_the_default_user),
		test(a_wrong_password_is_an_authentication_failure),
		test(a_password_where_none_is_set_is_an_authentication_failure),
		test(a_forbidden_greeting_is_a_permission_failure),
		test(the_database_is_selected),
		test(a_database_that_is_not_there_is_the_servers_error),
		test(the_client_gets_its_name),
		test(a_twin_goes_to_the_same_peer_and_resolves_no_name),
		test(a_port_where_nobody_listens_is_refused),
		test(a_socket_that_is_not_there_is_refused),
		test(a_name_that_does_not_resolve_is_refused),
		test(it_can_be_closed_while_it_resolves),
		test(a_peer_that_never_answers_the_greeting_ends_at_the_deadline),
		test(a_full_backlog_of_a_unix_socket_ends_at_the_deadline_or_when_there_is_room),
		test(a_peer_that_never_accepts_ends_at_the_deadline),
		test(a_reset_while_writing_is_a_lost_connection),
		test(a_peer_that_hung_up_raises_no_signal),
		test(a_peer_that_takes_nothing_leaves_bytes_unsent),
		test(a_greeting_is_one_pipeline_of_which_all_answers_are_awaited),
		test(answers_to_a_greeting_have_their_meaning),
		test(one_can_be_opened_again_and_again),
	};

	return cmocka_run_group_tests_name("connection", tests, start_server, stop_server);
}

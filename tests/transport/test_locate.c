/* SPDX-License-Identifier: MIT
 *
 * Sentinels that are wrong, silent or no sentinels, and primaries that are none: played here, as real ones are seldom
 * so bad. How real ones are followed is tested in integration. */
#include "peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MASTER "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
#define SLAVE "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$4\r\nsync\r\n:0\r\n"

enum { STUBS = 4, CLIENTS = 16 };

/* Whatever it is asked, it says the same. */
struct stub {
	int listener, port;
	char answer[160]; /* empty: none */
	atomic_int asked;
	int clients[CLIENTS];
	atomic_int count;
};

static struct stub stubs[STUBS];
static int end_pipe[2];
static pthread_t thread;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* for the answers */
static struct rlk_connection *connection;

static void hang_up(struct stub *stub, int fd)
{
	int count = stub->count;

	for (int i = 0; i < count; i++) {
		if (stub->clients[i] == fd) {
			close(fd);
			stub->clients[i] = stub->clients[count - 1];
			stub->count = count - 1;
			return;
		}
	}
}

static void serve(struct stub *stub, int fd)
{
	char request[1024];

	if (recv(fd, request, sizeof(request), MSG_DONTWAIT) <= 0) {
		hang_up(stub, fd);
		return;
	}
	atomic_fetch_add(&stub->asked, 1);
	pthread_mutex_lock(&mutex);
	if (stub->answer[0] != '\0')
		send(fd, stub->answer, strlen(stub->answer), MSG_NOSIGNAL);
	pthread_mutex_unlock(&mutex);
}

static void *play(void *argument)
{
	(void)argument;
	for (;;) {
		struct pollfd fds[1 + STUBS * (CLIENTS + 1)] = { { end_pipe[0], POLLIN, 0 } };
		struct stub *owners[1 + STUBS * (CLIENTS + 1)];
		nfds_t count = 1;

		for (int i = 0; i < STUBS; i++) {
			owners[count] = &stubs[i];
			fds[count++] = (struct pollfd) { stubs[i].listener, POLLIN, 0 };
			for (int k = 0; k < stubs[i].count; k++) {
				owners[count] = &stubs[i];
				fds[count++] = (struct pollfd) { stubs[i].clients[k], POLLIN, 0 };
			}
		}
		poll(fds, count, -1);
		if (fds[0].revents != 0)
			return NULL;
		for (nfds_t i = 1; i < count; i++) {
			struct stub *stub = owners[i];
			if ((fds[i].revents & POLLIN) == 0)
				continue;
			if (fds[i].fd == stub->listener && stub->count < CLIENTS)
				stub->clients[stub->count++] = accept(stub->listener, NULL, NULL);
			else if (fds[i].fd != stub->listener)
				serve(stub, fds[i].fd);
		}
	}
}

static void listen_stub(struct stub *stub)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	memset(stub, 0, sizeof(*stub));
	stub->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(stub->listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(stub->listener, CLIENTS), 0);
	assert_int_equal(getsockname(stub->listener, (struct sockaddr *)&address, &length), 0);
	stub->port = ntohs(address.sin_port);
}

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < STUBS; i++)
		listen_stub(&stubs[i]);
	assert_int_equal(pipe(end_pipe), 0);
	connection = rlk_connection_new(NULL);
	return connection != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	rlk_connection_free(connection);
	close(end_pipe[1]);
	pthread_join(thread, NULL);
	close(end_pipe[0]);
	for (int i = 0; i < STUBS; i++) {
		close(stubs[i].listener);
		for (int k = 0; k < stubs[i].count; k++)
			close(stubs[i].clients[k]);
	}
	return 0;
}

static void says(int stub, const char *answer)
{
	pthread_mutex_lock(&mutex);
	snprintf(stubs[stub].answer, sizeof(stubs[stub].answer), "%s", answer);
	pthread_mutex_unlock(&mutex);
}

static void names(int sentinel, int port)
{
	char digits[16], answer[160];

	snprintf(digits, sizeof(digits), "%d", port);
	snprintf(answer, sizeof(answer), "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(digits), digits);
	says(sentinel, answer);
}

/* The first two stubs are sentinels. */
static struct rlk_address address_of_both(void)
{
	struct rlk_address address;
	char url[96];

	pthread_create(&thread, NULL, play, NULL);
	snprintf(url, sizeof(url), "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d/guarded", stubs[0].port, stubs[1].port);
	assert_int_equal(rlk_address_parse(url, &address, NULL, 0), REDISLOCK_OK);
	return address;
}

static bool is_at(int stub)
{
	char digits[16];

	snprintf(digits, sizeof(digits), "%d", stubs[stub].port);
	return rlk_connection_state(connection) == RLK_READY &&
	       rlk_connection_goes_to(connection, (struct rlk_slice) { "127.0.0.1", 9 },
	                              (struct rlk_slice) { digits, strlen(digits) });
}

static void assert_finds(int stub)
{
	struct rlk_address address = address_of_both();

	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_true(is_at(stub));
	assert_true(rlk_connection_located(connection));
	rlk_address_clear(&address);
}

static void assert_fails(int32_t status, const char *part)
{
	struct rlk_address address = address_of_both();

	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_failed(connection, status, part);
	rlk_address_clear(&address);
}

static void primary_is_asked_for_its_role(void **state)
{
	(void)state;
	names(0, stubs[2].port);
	names(1, stubs[3].port);
	says(2, MASTER);
	assert_finds(2);
	assert_int_equal(stubs[0].asked, 1);
	assert_int_equal(stubs[1].asked, 0);
	assert_int_equal(stubs[2].asked, 1);
}

static void replica_sends_us_to_the_next_sentinel(void **state)
{
	(void)state;
	names(0, stubs[2].port);
	names(1, stubs[3].port);
	says(2, SLAVE);
	says(3, MASTER);
	assert_finds(3);
}

static void closed_port_sends_us_to_the_next_sentinel(void **state)
{
	(void)state;
	names(0, 1);
	names(1, stubs[3].port);
	says(3, MASTER);
	assert_finds(3);
}

static void replicas_alone_are_read_only(void **state)
{
	(void)state;
	names(0, stubs[2].port);
	names(1, stubs[2].port);
	says(2, SLAVE);
	assert_fails(REDISLOCK_READ_ONLY, "it is a replica");
	/* The second one only repeated what was known to be wrong. */
	assert_int_equal(stubs[1].asked, 1);
	assert_int_equal(stubs[2].asked, 1);
	assert_true(rlk_connection_located(connection));
}

static void nonsense_is_passed_over(void **state)
{
	(void)state;
	says(0, "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n");
	names(1, stubs[3].port);
	says(3, MASTER);
	assert_finds(3);
}

static void nonsense_alone_is_a_protocol_error(void **state)
{
	static const char *const answers[] = { "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n",
		                               "*2\r\n$0\r\n\r\n$4\r\n6379\r\n",
		                               "*2\r\n$3\r\na b\r\n$4\r\n6379\r\n",
		                               "*2\r\n$1\r\na\r\n$3\r\n6x9\r\n",
		                               "*2\r\n$1\r\na\r\n:6379\r\n",
		                               "*1\r\n$1\r\na\r\n",
		                               "*3\r\n$1\r\na\r\n$4\r\n6379\r\n:1\r\n",
		                               "+OK\r\n",
		                               ":1\r\n" };
	struct rlk_address address = address_of_both();

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		says(0, answers[i]);
		says(1, answers[i]);
		open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
		assert_failed(connection, REDISLOCK_PROTOCOL, "makes no sense");
		assert_false(rlk_connection_located(connection));
	}
	rlk_address_clear(&address);
}

static void errors_have_their_own_texts(void **state)
{
	static const struct {
		const char *answer;
		int32_t status;
		const char *part;
	} errors[] = {
		{ "*-1\r\n", REDISLOCK_CONNECTION_REFUSED, "knows the service guarded" },
		{ "-NOAUTH Authentication required.\r\n", REDISLOCK_AUTHENTICATION, "sentinel_password" },
		{ "-NOPERM this user\r\n", REDISLOCK_PERMISSION, "+sentinel|get-master-addr-by-name" },
		{ "-ERR unknown command `SENTINEL`, with args\r\n", REDISLOCK_PROTOCOL, "no sentinel" },
		{ "-ERR something else\r\n", REDISLOCK_SERVER, "ERR something else" },
		{ "nothing of the sort\r\n", REDISLOCK_PROTOCOL, "sentinel 127.0.0.1" },
	};
	struct rlk_address address = address_of_both();

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		/* In either order: what tells the user more is told. */
		says(i % 2 == 0, errors[i].answer);
		says(i % 2 == 1, "*-1\r\n");
		open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
		assert_failed(connection, errors[i].status, errors[i].part);
	}
	rlk_address_clear(&address);
}

static void refused_role_is_told(void **state)
{
	(void)state;
	names(0, stubs[2].port);
	says(2, "-NOPERM this user has no permissions to run the 'role' command\r\n");
	assert_fails(REDISLOCK_PERMISSION, "+role");
}

static void silent_sentinel_gets_its_share_of_the_time(void **state)
{
	(void)state;
	names(1, stubs[3].port);
	says(3, MASTER);
	assert_finds(3);
	assert_int_equal(stubs[0].asked, 1);
	/* The one who knew is asked first the next time. */
	struct rlk_address address;
	char url[96];
	snprintf(url, sizeof(url), "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d/guarded", stubs[0].port, stubs[1].port);
	assert_int_equal(rlk_address_parse(url, &address, NULL, 0), REDISLOCK_OK);
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_true(is_at(3));
	assert_int_equal(stubs[0].asked, 1);
	assert_int_equal(stubs[1].asked, 2);
	rlk_address_clear(&address);
}

static void silent_primary_is_not_believed_the_same_sentinel_twice(void **state)
{
	struct rlk_address address = address_of_both();

	(void)state;
	names(0, stubs[2].port);
	names(1, stubs[3].port);
	says(3, MASTER);
	open_fully(connection, &address, NULL, 300);
	assert_failed(connection, REDISLOCK_CONNECTION_REFUSED, "primary of guarded");
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_true(is_at(3));
	rlk_address_clear(&address);
}

static void twin_goes_where_the_first_one_is(void **state)
{
	struct rlk_connection *twin = rlk_connection_new(NULL);
	struct rlk_address address = address_of_both();

	(void)state;
	names(0, stubs[2].port);
	says(2, MASTER);
	open_fully(connection, &address, NULL, TEST_DEADLINE_MS);
	assert_true(is_at(2));
	names(0, stubs[3].port);
	open_fully(twin, &address, connection, TEST_DEADLINE_MS);
	assert_int_equal(rlk_connection_state(twin), RLK_READY);
	assert_int_equal(stubs[0].asked, 1);
	test_eventually(stubs[2].count == 2);
	rlk_connection_free(twin);
	rlk_address_clear(&address);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(primary_is_asked_for_its_role),
		CASE(replica_sends_us_to_the_next_sentinel),
		CASE(closed_port_sends_us_to_the_next_sentinel),
		CASE(replicas_alone_are_read_only),
		CASE(nonsense_is_passed_over),
		CASE(nonsense_alone_is_a_protocol_error),
		CASE(errors_have_their_own_texts),
		CASE(refused_role_is_told),
		CASE(silent_sentinel_gets_its_share_of_the_time),
		CASE(silent_primary_is_not_believed_the_same_sentinel_twice),
		CASE(twin_goes_where_the_first_one_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

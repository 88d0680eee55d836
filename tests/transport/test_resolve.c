/* SPDX-License-Identifier: MIT
 *
 * Names, with a name server of the test's own. It lives in namespaces of its own, in a child process: where those can't
 * be made, there is nothing to test. */
#include "peers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GOOD = 0, BAD = 1, IMPOSSIBLE = 77 };

#define PATIENCE_MS 10000

static int bind_to(int type, int port)
{
	struct sockaddr_in name = { .sin_family = AF_INET,
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                    .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		return -1;
	return fd;
}

/* A loopback and a resolv.conf of our own. */
static bool move_out(const char *resolv_conf)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd;
	bool good;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
		return false;
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(resolv_conf, "/etc/resolv.conf", "none", MS_BIND, NULL) != 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_UP;
	good = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return good;
}

static void in_a_world_of_its_own(int (*task)(int name_server))
{
	char path[] = "/tmp/redislock-resolv.XXXXXX";
	const char text[] = "nameserver 127.0.0.1\n";
	int fd = mkstemp(path), status;
	pid_t child;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	fchmod(fd, 0644);
	close(fd);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int name_server = move_out(path) ? bind_to(SOCK_DGRAM, 53) : -1;
		_exit(name_server >= 0 ? task(name_server) : IMPOSSIBLE);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	unlink(path);
	if (status != 0 && WIFEXITED(status) && WEXITSTATUS(status) == IMPOSSIBLE) {
		print_message("namespaces can't be made here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static bool is(struct rlk_connection *connection, int32_t status, const char *part)
{
	const char *text;
	int32_t failure = rlk_connection_failure(connection, &text);

	if (rlk_connection_state(connection) == RLK_CLOSED && failure == status && strstr(text, part) != NULL)
		return true;
	fprintf(stderr, "status %d: %s\n", (int)failure, text);
	return false;
}

/* One wait and one step. */
static void turn_once(struct rlk_connection *connection, int also)
{
	struct pollfd fds[RLK_CONNECTION_FDS + 1];
	size_t count = rlk_connection_fds(connection, fds, RLK_CONNECTION_FDS);
	int64_t wait = rlk_connection_deadline(connection) - test_now_ms();

	fds[count] = (struct pollfd) { .fd = also, .events = POLLIN };
	poll(fds, (nfds_t)count + 1, wait > 0 ? (int)wait : 0);
	rlk_connection_step(connection, test_now_ms());
}

static int ask_a_dead_one(int name_server)
{
	struct rlk_connection *connection = rlk_connection_new(NULL);
	struct rlk_address address;
	const int64_t now = test_now_ms();
	bool good;
	char query[512];

	if (connection == NULL || rlk_address_parse("redis://some.example", &address, NULL, 0) != REDISLOCK_OK)
		return BAD;
	rlk_connection_open(connection, &address, NULL, now + 1500, now);
	while (rlk_connection_state(connection) == RLK_OPENING)
		turn_once(connection, -1);
	good = test_now_ms() - now >= 1500 &&
	       is(connection, REDISLOCK_CONNECTION_REFUSED, "some.example:6379: no name server answered") &&
	       recv(name_server, query, sizeof(query), MSG_DONTWAIT) > 0;
	/* And closing it in the middle. */
	rlk_connection_open(connection, &address, NULL, test_now_ms() + PATIENCE_MS, test_now_ms());
	rlk_connection_step(connection, test_now_ms());
	good = good && rlk_connection_state(connection) == RLK_OPENING;
	rlk_connection_free(connection);
	rlk_address_clear(&address);
	return good ? GOOD : BAD;
}

/* Answers one question: no to AAAA, and to A two addresses, of which only the second has a listener. */
static bool answer(int fd, bool known)
{
	static const unsigned char record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0 };
	unsigned char message[512];
	struct sockaddr_storage from;
	socklen_t length = sizeof(from);
	ssize_t received = recvfrom(fd, message, sizeof(message), MSG_DONTWAIT, (struct sockaddr *)&from, &length);
	size_t end = 12;

	if (received < 17)
		return false;
	while (message[end] != 0)
		end += message[end] + 1u;
	bool ipv4 = message[end + 2] == 1;
	end += 5;
	message[2] = 0x81;
	message[3] = known ? 0x80 : 0x83;
	message[7] = known && ipv4 ? 2 : 0;
	memset(message + 8, 0, 4);
	for (unsigned char host = 2; known && ipv4 && host > 0; host--) {
		memcpy(message + end, record, sizeof(record));
		message[end + sizeof(record)] = host;
		end += sizeof(record) + 1;
	}
	return sendto(fd, message, end, 0, (struct sockaddr *)&from, length) == (ssize_t)end;
}

static int32_t ask_a_living_one(int name_server, struct rlk_connection *connection, bool known)
{
	struct rlk_address address;
	const int64_t now = test_now_ms();
	const char *text;

	if (rlk_address_parse("redis://some.example:7000", &address, NULL, 0) != REDISLOCK_OK)
		return REDISLOCK_INTERNAL;
	rlk_connection_open(connection, &address, NULL, now + PATIENCE_MS, now);
	while (rlk_connection_state(connection) == RLK_OPENING) {
		while (answer(name_server, known))
			continue;
		turn_once(connection, name_server);
	}
	rlk_address_clear(&address);
	return rlk_connection_failure(connection, &text);
}

static int ask_one_that_knows(int name_server)
{
	struct rlk_connection *connection = rlk_connection_new(NULL);
	int listener = bind_to(SOCK_STREAM, 7000);
	bool good;

	if (connection == NULL || listener < 0 || listen(listener, 1) != 0)
		return BAD;
	good = ask_a_living_one(name_server, connection, true) == REDISLOCK_OK &&
	       rlk_connection_state(connection) == RLK_READY;
	close(listener);
	good = good && ask_a_living_one(name_server, connection, true) == REDISLOCK_CONNECTION_REFUSED &&
	       is(connection, REDISLOCK_CONNECTION_REFUSED, "some.example:7000: nobody listens");
	rlk_connection_free(connection);
	return good ? GOOD : BAD;
}

static int ask_one_that_does_not_know(int name_server)
{
	struct rlk_connection *connection = rlk_connection_new(NULL);
	bool good;

	if (connection == NULL)
		return BAD;
	good = ask_a_living_one(name_server, connection, false) == REDISLOCK_CONNECTION_REFUSED &&
	       is(connection, REDISLOCK_CONNECTION_REFUSED, "can't be resolved");
	rlk_connection_free(connection);
	return good ? GOOD : BAD;
}

static void a_dead_name_server_ends_at_the_deadline(void **state)
{
	(void)state;
	in_a_world_of_its_own(ask_a_dead_one);
}

static void a_name_with_two_addresses_is_connected_to_the_one_that_listens(void **state)
{
	(void)state;
	in_a_world_of_its_own(ask_one_that_knows);
}

static void a_name_that_a_name_server_does_not_know_is_refused(void **state)
{
	(void)state;
	in_a_world_of_its_own(ask_one_that_does_not_know);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dead_name_server_ends_at_the_deadline),
		cmocka_unit_test(a_name_with_two_addresses_is_connected_to_the_one_that_listens),
		cmocka_unit_test(a_name_that_a_name_server_does_not_know_is_refused),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "peers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void await(int fd, short events)
{
	struct pollfd poller = { fd, events, 0 };

	if (poll(&poller, 1, TEST_DEADLINE_MS) != 1)
		fail_msg("nothing came");
}

void peer_listen(struct peer *peer)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	memset(peer, 0, sizeof(*peer));
	peer->fd = -1;
	strcpy(peer->folder, "/tmp/redislock-peer.XXXXXX");
	assert_non_null(mkdtemp(peer->folder));
	snprintf(peer->path, sizeof(peer->path), "%s/socket", peer->folder);
	strcpy(address.sun_path, peer->path);
	peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(peer->listener >= 0);
	assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(peer->listener, 1), 0);
	assert_int_equal(rlk_address_set(&peer->address.path, peer->path), REDISLOCK_OK);
}

void peer_accept(struct peer *peer)
{
	await(peer->listener, POLLIN);
	peer->fd = accept(peer->listener, NULL, NULL);
	assert_true(peer->fd >= 0);
}

void peer_say(struct peer *peer, const void *data, size_t length)
{
	assert_int_equal(send(peer->fd, data, length, MSG_NOSIGNAL), length);
}

void peer_hear(struct peer *peer, const char *expected)
{
	char heard[1024];
	size_t length = strlen(expected), at = 0;

	assert_true(length < sizeof(heard));
	while (at < length) {
		ssize_t received;
		await(peer->fd, POLLIN);
		received = recv(peer->fd, heard + at, length - at, 0);
		assert_true(received > 0);
		at += (size_t)received;
	}
	heard[at] = '\0';
	assert_string_equal(heard, expected);
}

void peer_hang_up(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

void peer_end(struct peer *peer)
{
	peer_hang_up(peer);
	close(peer->listener);
	unlink(peer->path);
	rmdir(peer->folder);
	rlk_address_clear(&peer->address);
}

/* One wait for what the connection wants to wait for. */
static void pause_for(struct rlk_connection *connection, int64_t until)
{
	struct pollfd fds[RLK_CONNECTION_FDS];
	size_t count = rlk_connection_fds(connection, fds, RLK_CONNECTION_FDS);
	int64_t wake = rlk_connection_deadline(connection);
	int64_t now = test_now_ms();

	if (now > until)
		fail_msg("a connection did not come on within %d ms", TEST_DEADLINE_MS);
	if (wake > until)
		wake = until;
	poll(fds, (nfds_t)count, wake > now ? (int)(wake - now) : 0);
}

void turn(struct rlk_connection *connection)
{
	const int64_t until = test_now_ms() + TEST_DEADLINE_MS;

	while (rlk_connection_state(connection) == RLK_OPENING) {
		pause_for(connection, until);
		rlk_connection_step(connection, test_now_ms());
	}
}

void open_fully(struct rlk_connection *connection, const struct rlk_address *address, const struct rlk_connection *twin,
                int64_t timeout_ms)
{
	int64_t now = test_now_ms();

	rlk_connection_open(connection, address, twin, now + timeout_ms, now);
	turn(connection);
}

const struct rlk_value *await_reply(struct rlk_connection *connection, size_t *count)
{
	const int64_t until = test_now_ms() + TEST_DEADLINE_MS;

	for (;;) {
		const struct rlk_value *reply = rlk_connection_reply(connection, count);
		if (reply != NULL || rlk_connection_state(connection) != RLK_READY)
			return reply;
		pause_for(connection, until);
		rlk_connection_flush(connection);
		if (rlk_connection_state(connection) == RLK_READY)
			rlk_connection_receive(connection);
	}
}

const struct rlk_value *ask(struct rlk_connection *connection, size_t *count, const char *const *words)
{
	struct rlk_slice slices[16];
	size_t length = 0;

	for (; words[length] != NULL; length++) {
		assert_true(length < 16);
		slices[length] = (struct rlk_slice) { words[length], strlen(words[length]) };
	}
	assert_true(rlk_connection_append(connection, slices, length));
	rlk_connection_flush(connection);
	return await_reply(connection, count);
}

const char *assert_failed(struct rlk_connection *connection, int32_t status, const char *part)
{
	const char *text;
	int32_t failure = rlk_connection_failure(connection, &text);

	assert_int_equal(rlk_connection_state(connection), RLK_CLOSED);
	if (failure != status)
		fail_msg("status %d instead of %d: %s", (int)failure, (int)status, text);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" doesn't say \"%s\"", text, part);
	return text;
}

/* SPDX-License-Identifier: MIT */
#include "scripted.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing may come any more after so long, in real time. On one machine what was sent is there at once. */
enum { QUIET_MS = 20, MOST_TURNS = 100000 };

void scripted_start(struct scripted *server, const char *(*answer)(const char *command))
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	*server = (struct scripted) { .listener = -1, .answer = answer };
	for (int i = 0; i < SCRIPTED_FDS; i++)
		server->fds[i] = -1;
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(server->listener >= 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(listen(server->listener, SCRIPTED_FDS), 0);
	server->port = ntohs(address.sin_port);
}

static void hang_up(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void scripted_refuse(struct scripted *server)
{
	hang_up(&server->listener);
	for (int i = 0; i < SCRIPTED_FDS; i++)
		hang_up(&server->fds[i]);
}

void scripted_say(struct scripted *server, const char *text)
{
	for (int i = 0; i < SCRIPTED_FDS; i++)
		if (server->fds[i] >= 0)
			assert_int_equal(send(server->fds[i], text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool take_connection(struct scripted *server)
{
	int fd = server->listener >= 0 ? accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1,
	    i = 0;

	if (fd < 0)
		return false;
	server->accepted++;
	while (i < SCRIPTED_FDS && server->fds[i] >= 0)
		i++;
	assert_true(i < SCRIPTED_FDS);
	server->fds[i] = fd;
	return true;
}

/* One command, of which the whole has come: the test's are short. Returns where it ends. */
static const char *take_command(const char *at, const char *end, char *command, size_t size)
{
	char *next;
	long words = strtol(at + 1, &next, 10);
	size_t used = 0;

	assert_true(*at == '*');
	at = next + 2;
	for (long i = 0; i < words; i++) {
		size_t length = (size_t)strtol(at + 1, &next, 10);

		at = next + 2;
		assert_true(at + length + 2 <= end && used + length + 1 < size);
		memcpy(command + used, at, length);
		used += length;
		command[used++] = ' ';
		at += length + 2;
	}
	command[used] = '\0';
	return at;
}

static bool serve(struct scripted *server, int *fd)
{
	static char bytes[65536], command[65536];
	ssize_t got = *fd >= 0 ? recv(*fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT) : -1;

	if (got == 0)
		hang_up(fd);
	if (got <= 0)
		return got == 0;
	bytes[got] = '\0';
	for (const char *at = bytes; at < bytes + got;) {
		at = take_command(at, bytes + got, command, sizeof(command));
		server->asked++;
		const char *answer = server->answer(command);
		if (answer != NULL)
			assert_int_equal(send(*fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
	}
	return true;
}

static bool turn_server(struct scripted *server)
{
	bool any = take_connection(server);

	for (int i = 0; i < SCRIPTED_FDS && !server->silent; i++)
		any |= serve(server, &server->fds[i]);
	return any;
}

static bool turn_engine(struct rlk_engine *engine, int64_t now, int patience)
{
	const struct pollfd *fds;
	struct pollfd copy[64];
	size_t count = rlk_engine_fds(engine, &fds);

	assert_true(count <= 64);
	memcpy(copy, fds, count * sizeof(*copy));
	bool due = rlk_engine_deadline(engine) <= now;
	int ready = poll(copy, (nfds_t)count, due ? 0 : patience);
	if (ready <= 0 && !due)
		return false;
	rlk_engine_step(engine, copy, count, now);
	return true;
}

bool scripted_turn(struct rlk_engine *engine, struct scripted *const *servers, int64_t now, bool (*until)(void))
{
	for (int turns = 0; turns < MOST_TURNS; turns++) {
		bool any = turn_engine(engine, now, 0);

		for (size_t i = 0; servers[i] != NULL; i++)
			any |= turn_server(servers[i]);
		if (until())
			return true;
		if (!any && !turn_engine(engine, now, QUIET_MS))
			return false;
	}
	fail_msg("the engine turns in circles");
	return false;
}

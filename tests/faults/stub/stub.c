/* SPDX-License-Identifier: MIT */
#include "stub.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS = 32, BUFFER = 1 << 16, REPLIES = 64, KIB = 1024 };

struct pair {
	int client, server; /* -1: none */
	bool stopped;
	bool late; /* its first reply waits until: */
	int64_t until;
	size_t count;
	char bytes[BUFFER]; /* from the server */
};

char stub_url[64];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct {
	enum stub_fault fault;
	int nth, replies;
	size_t at, length;
	const char *bytes;
	size_t lengths[REPLIES];
} plan;

static struct pair pairs[PAIRS];
static struct test_server *real;
static int listener, end_fd;
static pthread_t thread;

void stub_arm(enum stub_fault fault, int nth, size_t at, const char *bytes, size_t length)
{
	pthread_mutex_lock(&mutex);
	plan.fault = fault;
	plan.nth = nth;
	plan.replies = 0;
	plan.at = at;
	plan.bytes = bytes;
	plan.length = length;
	pthread_mutex_unlock(&mutex);
}

int stub_disarm(void)
{
	pthread_mutex_lock(&mutex);
	int replies = plan.replies;
	plan.fault = STUB_HONEST;
	pthread_mutex_unlock(&mutex);
	return replies;
}

size_t stub_length(int nth)
{
	pthread_mutex_lock(&mutex);
	size_t length = nth < REPLIES ? plan.lengths[nth] : 0;
	pthread_mutex_unlock(&mutex);
	return length;
}

/* ---- replies ---- */

/* The bytes of the first whole reply; 0 if there is none. */
static size_t reply_length(const char *bytes, size_t count)
{
	const char *end = memchr(bytes, '\n', count);
	size_t length;
	long number;

	if (end == NULL)
		return 0;
	length = (size_t)(end - bytes) + 1;
	number = strtol(bytes + 1, NULL, 10);
	if (bytes[0] == '$' && number >= 0)
		length += (size_t)number + 2;
	for (long i = 0; bytes[0] == '*' && i < number; i++) {
		size_t one = length < count ? reply_length(bytes + length, count - length) : 0;
		if (one == 0)
			return 0;
		length += one;
	}
	return length <= count ? length : 0;
}

static void say(const struct pair *pair, const char *bytes, size_t length)
{
	while (length > 0 && pair->client >= 0 && !pair->stopped) {
		ssize_t sent = send(pair->client, bytes, length, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		bytes += sent;
		length -= (size_t)sent;
	}
}

static void end(struct pair *pair, bool reset)
{
	const struct linger at_once = { 1, 0 };

	if (reset)
		setsockopt(pair->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(pair->client);
	close(pair->server);
	pair->client = pair->server = -1;
}

static void drip(const struct pair *pair, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		say(pair, bytes + i, 1);
		/* Others run meanwhile, and read it. */
		sched_yield();
	}
}

static void do_wrong(struct pair *pair, const char *bytes, size_t length)
{
	const size_t some = plan.at < length ? plan.at : length;

	switch (plan.fault) {
	case STUB_CLOSES:
	case STUB_RESETS:
		say(pair, bytes, some);
		end(pair, plan.fault == STUB_RESETS);
		break;
	case STUB_STOPS:
		say(pair, bytes, some);
		pair->stopped = true;
		break;
	case STUB_SAYS:
		say(pair, plan.bytes, plan.length);
		break;
	case STUB_FLOODS:
		for (size_t sent = 0; sent < plan.at * KIB; sent += plan.length)
			say(pair, plan.bytes, plan.length);
		break;
	case STUB_REPEATS:
		say(pair, bytes, length);
		say(pair, bytes, length);
		break;
	case STUB_LATE:
		pair->late = true;
		pair->until = test_now_ms() + (int64_t)plan.at;
		break;
	default:
		break;
	}
}

static void pass_on(struct pair *pair)
{
	size_t length;

	while (pair->client >= 0 && (length = reply_length(pair->bytes, pair->count)) > 0) {
		if (pair->late) {
			if (test_now_ms() < pair->until)
				return;
			pair->late = false;
			say(pair, pair->bytes, length);
		} else {
			plan.replies++;
			if (plan.replies < REPLIES && plan.lengths[plan.replies] < length)
				plan.lengths[plan.replies] = length;
			if (plan.fault == STUB_DRIPS)
				drip(pair, pair->bytes, length);
			else if (plan.fault != STUB_HONEST && plan.replies == plan.nth)
				do_wrong(pair, pair->bytes, length);
			else
				say(pair, pair->bytes, length);
			if (pair->late)
				return;
		}
		pair->count -= length;
		memmove(pair->bytes, pair->bytes + length, pair->count);
	}
}

/* ---- connections ---- */

static void meet(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = 5 };
	const int on = 1;

	for (size_t i = 0; i < PAIRS; i++) {
		struct pair *pair = &pairs[i];
		if (pair->client >= 0)
			continue;
		pair->client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (pair->client < 0)
			return;
		pair->server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", real->socket);
		if (connect(pair->server, (struct sockaddr *)&address, sizeof(address)) != 0) {
			end(pair, false);
			return;
		}
		setsockopt(pair->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(pair->client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		pair->stopped = pair->late = false;
		pair->count = 0;
		return;
	}
}

/* False if that side is gone. */
static bool hear_client(const struct pair *pair)
{
	char bytes[4096];
	ssize_t heard = recv(pair->client, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (heard > 0)
		return send(pair->server, bytes, (size_t)heard, MSG_NOSIGNAL) == heard;
	return heard < 0 && errno == EAGAIN;
}

static bool hear_server(struct pair *pair)
{
	ssize_t heard = recv(pair->server, pair->bytes + pair->count, BUFFER - pair->count, MSG_DONTWAIT);

	if (heard > 0)
		pair->count += (size_t)heard;
	return heard > 0 || (heard < 0 && errno == EAGAIN);
}

static void attend(struct pair *pair)
{
	if (!hear_client(pair) || !hear_server(pair)) {
		end(pair, false);
		return;
	}
	pthread_mutex_lock(&mutex);
	pass_on(pair);
	pthread_mutex_unlock(&mutex);
}

static void *serve(void *argument)
{
	for (;;) {
		struct pollfd fds[2 * PAIRS + 2] = { { end_fd, POLLIN, 0 }, { listener, POLLIN, 0 } };
		int timeout = -1;

		for (size_t i = 0; i < PAIRS; i++) {
			fds[2 + 2 * i] = (struct pollfd) { pairs[i].client, POLLIN, 0 };
			fds[3 + 2 * i] = (struct pollfd) { pairs[i].server, POLLIN, 0 };
			timeout = pairs[i].late ? 1 : timeout;
		}
		poll(fds, 2 * PAIRS + 2, timeout);
		if (fds[0].revents != 0)
			return argument;
		for (size_t i = 0; i < PAIRS; i++)
			if (pairs[i].client >= 0)
				attend(&pairs[i]);
		if (fds[1].revents != 0)
			meet();
	}
}

void stub_start(struct test_server *server)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	real = server;
	for (size_t i = 0; i < PAIRS; i++)
		pairs[i].client = pairs[i].server = -1;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	end_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(listener >= 0 && end_fd >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listener, PAIRS), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	snprintf(stub_url, sizeof(stub_url), "redis://127.0.0.1:%d", ntohs(address.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

void stub_stop(void)
{
	assert_int_equal(eventfd_write(end_fd, 1), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	for (size_t i = 0; i < PAIRS; i++)
		if (pairs[i].client >= 0)
			end(&pairs[i], false);
	close(listener);
	close(end_fd);
}

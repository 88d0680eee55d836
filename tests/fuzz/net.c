/* SPDX-License-Identifier: MIT */
#include "net.h"

#include "drivers/drivers.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { WATCHED = 16, PATIENCE_MS = 50 };

struct net net;

/* The descriptors of one event loop at a time. */
static struct {
	int fd;
	uint32_t events;
} watched[WATCHED];
static int64_t timer_at;
static int timer_fd;

void net_start(void)
{
	net.now = 1000000;
	net.limit = INT64_MAX;
	net.latency = 0;
	net.refusals = 0;
	net.mouthful = 0;
	net.random = 1;
	timer_at = INT64_MAX;
	timer_fd = -1;
	for (size_t i = 0; i < NET_LINES; i++)
		net.line[i].fd = -1;
	for (size_t i = 0; i < WATCHED; i++)
		watched[i].fd = -1;
}

static struct net_line *line_of(int fd)
{
	for (size_t i = 0; i < NET_LINES; i++)
		if (fd >= 0 && net.line[i].fd == fd)
			return &net.line[i];
	return NULL;
}

int net_open_lines(void)
{
	int count = 0;

	for (size_t i = 0; i < NET_LINES; i++)
		count += net.line[i].fd >= 0;
	return count;
}

/* ---- the server's side ---- */

void net_say(struct net_line *line, const void *data, size_t length, int64_t delay)
{
	int64_t at = net.now + delay;

	if (line->end != NET_OPEN || line->silent || length == 0 || line->said + length > NET_OUT ||
	    line->chunks == NET_CHUNKS)
		return;
	if (line->chunks > 0 && line->chunk[line->chunks - 1].at > at)
		at = line->chunk[line->chunks - 1].at;
	memcpy(line->out + line->said, data, length);
	line->said += length;
	line->chunk[line->chunks].at = at;
	line->chunk[line->chunks++].end = line->said;
}

void net_hang_up(struct net_line *line, enum net_end end)
{
	if (line->end == NET_OPEN) {
		line->end = end;
		line->end_at = line->chunks > 0 ? line->chunk[line->chunks - 1].at : net.now;
	}
}

/* ---- the client's side ---- */

static size_t arrived(const struct net_line *line)
{
	size_t end = 0;

	for (size_t i = 0; i < line->chunks && line->chunk[i].at <= net.now; i++)
		end = line->chunk[i].end;
	return end;
}

static bool ended(const struct net_line *line)
{
	return line->end != NET_OPEN && line->end_at <= net.now && line->read == line->said;
}

static short readiness(const struct net_line *line)
{
	if (line->up_at > net.now)
		return 0;
	return (short)(POLLOUT | (arrived(line) > line->read || ended(line) ? POLLIN : 0));
}

/* When something will be different. */
static int64_t next_change(void)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < NET_LINES; i++) {
		const struct net_line *line = &net.line[i];
		if (line->fd < 0)
			continue;
		if (line->up_at > net.now && line->up_at < next)
			next = line->up_at;
		if (line->end != NET_OPEN && line->end_at > net.now && line->end_at < next)
			next = line->end_at;
		for (size_t k = 0; k < line->chunks; k++)
			if (line->chunk[k].at > net.now && line->chunk[k].at < next)
				next = line->chunk[k].at;
	}
	return next;
}

/* Lets time pass until something changes, at most until then. Nobody may sleep for ever. */
static void pass(int64_t until)
{
	int64_t next = next_change();

	next = next < until ? next : until;
	next = next < net.limit ? next : net.limit;
	if (next == INT64_MAX)
		abort();
	net.now = next;
}

static int real_poll(struct pollfd *fds, nfds_t count)
{
	const struct timespec none = { 0, 0 };

	return (int)syscall(SYS_ppoll, fds, count, &none, NULL, 0);
}

static int look(struct pollfd *fds, nfds_t count)
{
	int ready = 0;

	for (nfds_t i = 0; i < count; i++) {
		const struct net_line *line = line_of(fds[i].fd);
		fds[i].revents = 0;
		if (line != NULL)
			fds[i].revents = (short)(readiness(line) & fds[i].events);
		else if (fds[i].fd == timer_fd)
			fds[i].revents = timer_at <= net.now ? POLLIN : 0;
		else if (real_poll(&fds[i], 1) < 0)
			fds[i].revents = 0;
		ready += fds[i].revents != 0;
	}
	return ready;
}

static int wait_until(struct pollfd *fds, nfds_t count, int64_t until)
{
	for (;;) {
		int ready = look(fds, count);
		if (ready > 0 || net.now >= until || net.now >= net.limit)
			return ready;
		pass(until);
	}
}

bool net_loop_readable(void)
{
	for (size_t i = 0; i < WATCHED; i++) {
		struct pollfd poller = { watched[i].fd, (short)watched[i].events, 0 };
		if (watched[i].fd >= 0 && look(&poller, 1) > 0)
			return true;
	}
	return false;
}

int64_t net_next(void)
{
	int64_t next = next_change();

	return next < timer_at ? next : timer_at;
}

/* ---- system calls ---- */

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return wait_until(fds, count, timeout < 0 ? INT64_MAX : net.now + timeout);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	int64_t ms = timeout != NULL ? timeout->tv_sec * 1000 + timeout->tv_nsec / 1000000 : 0;

	(void)mask;
	return wait_until(fds, count, timeout == NULL ? INT64_MAX : net.now + ms);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	(void)address;
	(void)length;
	if (net.refusals > 0) {
		net.refusals--;
		errno = ECONNREFUSED;
		return -1;
	}
	for (size_t i = 0; i < NET_LINES; i++) {
		struct net_line *line = &net.line[i];
		if (line->fd >= 0)
			continue;
		line->fd = fd;
		line->up_at = net.now + net.latency;
		line->end = NET_OPEN;
		line->heard = line->said = line->read = line->chunks = 0;
		line->client = -1;
		line->listens = line->silent = line->deaf = false;
		if (net.latency == 0)
			return 0;
		errno = EINPROGRESS;
		return -1;
	}
	errno = ECONNREFUSED;
	return -1;
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
	struct net_line *line = line_of(fd);

	(void)flags;
	if (line == NULL || line->end != NET_OPEN) {
		errno = line != NULL && line->end == NET_RESET ? ECONNRESET : EPIPE;
		return -1;
	}
	if (net.mouthful > 0 && length > net.mouthful)
		length = net.mouthful;
	if (length > NET_IN - line->heard) {
		net_hang_up(line, NET_RESET);
		errno = ECONNRESET;
		return -1;
	}
	memcpy(line->in + line->heard, data, length);
	line->heard += length;
	server_hear(line);
	return (ssize_t)length;
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
	struct net_line *line = line_of(fd);

	if (line == NULL) {
		errno = EBADF;
		return -1;
	}
	if ((flags & MSG_DONTWAIT) == 0) {
		struct pollfd poller = { fd, POLLIN, 0 };
		wait_until(&poller, 1, net.now + PATIENCE_MS);
	}
	size_t there = arrived(line) - line->read;
	if (there > 0) {
		size_t count = there < size ? there : size;
		memcpy(data, line->out + line->read, count);
		line->read += count;
		if (line->read == line->said)
			line->read = line->said = line->chunks = 0;
		return (ssize_t)count;
	}
	if (ended(line)) {
		errno = ECONNRESET;
		return line->end == NET_RESET ? -1 : 0;
	}
	errno = EAGAIN;
	return -1;
}

int close(int fd)
{
	struct net_line *line = line_of(fd);

	if (line != NULL) {
		server_gone(line);
		line->fd = -1;
	}
	for (size_t i = 0; i < WATCHED; i++)
		if (watched[i].fd == fd)
			watched[i].fd = -1;
	return (int)syscall(SYS_close, fd);
}

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	(void)epoll_fd;
	for (size_t i = 0; i < WATCHED; i++) {
		if (operation == EPOLL_CTL_ADD ? watched[i].fd >= 0 : watched[i].fd != fd)
			continue;
		watched[i].fd = operation == EPOLL_CTL_DEL ? -1 : fd;
		watched[i].events = event != NULL ? event->events : 0;
		return 0;
	}
	errno = ENOENT;
	return -1;
}

int epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout)
{
	int found = 0;

	(void)epoll_fd;
	(void)timeout;
	for (size_t i = 0; i < WATCHED && found < count; i++) {
		struct pollfd poller = { watched[i].fd, (short)watched[i].events, 0 };
		if (watched[i].fd >= 0 && look(&poller, 1) > 0) {
			events[found].events = (uint32_t)poller.revents;
			events[found++].data.fd = watched[i].fd;
		}
	}
	if (timer_at <= net.now)
		timer_at = INT64_MAX;
	return found;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *before)
{
	(void)flags;
	(void)before;
	timer_fd = fd;
	timer_at = when->it_value.tv_sec * 1000 + when->it_value.tv_nsec / 1000000;
	return 0;
}

ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
	(void)flags;
	for (size_t i = 0; i < length; i++) {
		net.random = net.random * 6364136223846793005u + 1442695040888963407u;
		((unsigned char *)buffer)[i] = (unsigned char)(net.random >> 56);
	}
	return (ssize_t)length;
}

/* ---- what stands for clock.c and keeper.c ---- */

int64_t rlk_now(void)
{
	return net.now;
}

/* Whoever lets time pass turns the crank itself. */
bool rlk_keeper_call(struct rlk_blocking *driver)
{
	(void)driver;
	return true;
}

void rlk_keeper_end(struct rlk_blocking *driver)
{
	(void)driver;
}

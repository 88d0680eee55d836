/* SPDX-License-Identifier: MIT */
#include "proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 65536, MOST_LINKS = 512, MOST_TEXT = 128, IDLE_MS = 60000 };

struct piece {
	struct piece *next;
	int64_t due_us;
	size_t size, sent;
	char bytes[];
};

/* One way of a connection: read from `from`, written to `to`. */
struct way {
	int from, to; /* indexes of the ends */
	struct piece *first, *last;
	bool held, frozen;
	bool ended; /* nothing more comes from there */
};

struct link {
	int ends[2]; /* the client's, the server's; -1 when closed */
	bool blocked[2];
	struct way ways[PROXY_WAYS];
	int64_t cut_after;   /* bytes of the next reply; -1: not at all */
	unsigned held_since; /* a number that grows with each */
};

struct proxy {
	pthread_t thread;
	pthread_mutex_t mutex;
	int listener, wake;
	bool stopping, refusing;
	char server_path[108];
	char text[MOST_TEXT];
	enum proxy_way text_way;
	int64_t least_us, most_us;
	uint64_t random;
	unsigned holds; /* so far */
	pthread_cond_t passed_on;
	size_t count;
	struct link links[MOST_LINKS];
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t next_random(struct proxy *proxy)
{
	proxy->random ^= proxy->random << 13;
	proxy->random ^= proxy->random >> 7;
	proxy->random ^= proxy->random << 17;
	return proxy->random;
}

static void close_end(struct link *link, int end)
{
	if (link->ends[end] >= 0) {
		close(link->ends[end]);
		link->ends[end] = -1;
	}
}

static void drop_pieces(struct way *way)
{
	while (way->first != NULL) {
		struct piece *piece = way->first;

		way->first = piece->next;
		free(piece);
	}
	way->last = NULL;
}

/* ---- one connection ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -1;
	}
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void accept_one(struct proxy *proxy)
{
	int client = accept4(proxy->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (client < 0)
		return;
	int server = proxy->refusing || proxy->count == MOST_LINKS ? -1 : connect_to(proxy->server_path);
	if (server < 0) {
		close(client);
		return;
	}
	proxy->links[proxy->count++] = (struct link) {
		.ends = { client, server },
		.ways = { [PROXY_REQUESTS] = { .from = 0, .to = 1 }, [PROXY_REPLIES] = { .from = 1, .to = 0 } },
		.cut_after = -1,
	};
}

static void receive(struct proxy *proxy, struct link *link, enum proxy_way number)
{
	static char buffer[PIECE]; /* of the one thread */
	struct way *way = &link->ways[number];
	ssize_t got = read(link->ends[way->from], buffer, sizeof(buffer));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		way->ended = true;
		return;
	}
	struct piece *piece = malloc(sizeof(*piece) + (size_t)got);
	if (piece == NULL)
		abort();
	uint64_t spread = (uint64_t)(proxy->most_us - proxy->least_us) + 1;
	*piece = (struct piece) { .size = (size_t)got };
	memcpy(piece->bytes, buffer, piece->size);
	piece->due_us = now_us() + proxy->least_us + (int64_t)(next_random(proxy) % spread);
	if (way->last != NULL && piece->due_us < way->last->due_us)
		piece->due_us = way->last->due_us;
	*(way->last != NULL ? &way->last->next : &way->first) = piece;
	way->last = piece;
	if (proxy->text[0] != '\0' && proxy->text_way == number &&
	    memmem(piece->bytes, piece->size, proxy->text, strlen(proxy->text)) != NULL) {
		way->held = true;
		link->held_since = ++proxy->holds;
		proxy->text[0] = '\0';
	}
}

/* Passes on what is due. When that is next the case, or -1. */
static int64_t pass_on(struct link *link, enum proxy_way number, int64_t now)
{
	struct way *way = &link->ways[number];

	while (way->first != NULL && !way->held && !way->frozen) {
		struct piece *piece = way->first;
		size_t size = piece->size - piece->sent;

		if (piece->due_us > now)
			return piece->due_us;
		if (number == PROXY_REPLIES && link->cut_after >= 0 && (size_t)link->cut_after < size)
			size = (size_t)link->cut_after;
		ssize_t written = link->ends[way->to] < 0
		                          ? (ssize_t)size
		                          : send(link->ends[way->to], piece->bytes + piece->sent, size, MSG_NOSIGNAL);
		if (written < 0 && errno == EAGAIN) {
			link->blocked[way->to] = true;
			return -1;
		}
		if (number == PROXY_REPLIES && link->cut_after >= 0) {
			close_end(link, 0);
			close_end(link, 1);
			return -1;
		}
		if (written < 0) {
			/* Whoever is gone gets no more; the other way goes on. */
			drop_pieces(way);
			close_end(link, way->to);
			return -1;
		}
		piece->sent += (size_t)written;
		if (piece->sent == piece->size) {
			way->first = piece->next;
			if (way->first == NULL)
				way->last = NULL;
			free(piece);
		}
	}
	if (way->first == NULL && way->ended && !way->held && !way->frozen) {
		/* Everything was passed on, so the end is, too. */
		close_end(link, way->to);
		close_end(link, way->from);
	}
	return -1;
}

static bool is_over(const struct link *link)
{
	bool waits = link->ways[PROXY_REQUESTS].first != NULL && link->ends[1] >= 0;

	return (link->ends[0] < 0 && link->ends[1] < 0) || (link->ends[0] < 0 && !waits) || link->ends[1] < 0;
}

static void end_link(struct proxy *proxy, size_t index)
{
	struct link *link = &proxy->links[index];

	close_end(link, 0);
	close_end(link, 1);
	drop_pieces(&link->ways[PROXY_REQUESTS]);
	drop_pieces(&link->ways[PROXY_REPLIES]);
	*link = proxy->links[--proxy->count];
}

/* ---- the thread ---- */

/* The descriptors to poll, two for each connection, and how long in ms. */
static int prepare(struct proxy *proxy, struct pollfd *fds)
{
	int64_t now = now_us(), next = now + (int64_t)IDLE_MS * 1000;

	for (size_t i = proxy->count; i-- > 0;) {
		struct link *link = &proxy->links[i];

		link->blocked[0] = link->blocked[1] = false;
		for (int way = 0; way < PROXY_WAYS; way++) {
			int64_t due = pass_on(link, (enum proxy_way)way, now);

			if (due >= 0 && due < next)
				next = due;
		}
		if (is_over(link))
			end_link(proxy, i);
	}
	fds[0] = (struct pollfd) { .fd = proxy->listener, .events = POLLIN };
	fds[1] = (struct pollfd) { .fd = proxy->wake, .events = POLLIN };
	for (size_t i = 0; i < proxy->count; i++) {
		struct link *link = &proxy->links[i];

		for (int end = 0; end < 2; end++) {
			const struct way *way = &link->ways[end == 0 ? PROXY_REQUESTS : PROXY_REPLIES];
			short events = way->ended || way->frozen ? 0 : POLLIN;

			if (link->blocked[end])
				events |= POLLOUT;
			fds[2 + 2 * i + (size_t)end] =
			        (struct pollfd) { .fd = events != 0 ? link->ends[end] : -1, .events = events };
		}
	}
	return (int)((next - now + 999) / 1000);
}

static void *run(void *argument)
{
	static struct pollfd fds[2 + 2 * MOST_LINKS]; /* of the one thread */
	struct proxy *proxy = argument;
	uint64_t wakes;

	pthread_mutex_lock(&proxy->mutex);
	while (!proxy->stopping) {
		int timeout = prepare(proxy, fds);

		pthread_cond_broadcast(&proxy->passed_on);
		size_t count = proxy->count;
		pthread_mutex_unlock(&proxy->mutex);
		poll(fds, (nfds_t)(2 + 2 * count), timeout);
		pthread_mutex_lock(&proxy->mutex);
		if (fds[1].revents != 0 && read(proxy->wake, &wakes, sizeof(wakes)) < 0)
			continue;
		/* No connection is ended but here and in prepare(), so the numbers still fit; a client's side may have
		 * been closed meanwhile. */
		for (size_t i = 0; i < count; i++)
			for (int way = 0; way < PROXY_WAYS; way++) {
				struct link *link = &proxy->links[i];
				int from = link->ways[way].from;

				if ((fds[2 + 2 * i + (size_t)from].revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
				    link->ends[from] >= 0)
					receive(proxy, link, (enum proxy_way)way);
			}
		if (fds[0].revents != 0)
			accept_one(proxy);
	}
	pthread_mutex_unlock(&proxy->mutex);
	return NULL;
}

static void lock(struct proxy *proxy)
{
	pthread_mutex_lock(&proxy->mutex);
}

static void unlock(struct proxy *proxy)
{
	uint64_t one = 1;
	ssize_t written = write(proxy->wake, &one, sizeof(one));

	(void)written;
	pthread_mutex_unlock(&proxy->mutex);
}

/* ---- what the test says ---- */

struct proxy *proxy_start(const char *listen_path, const char *server_path)
{
	struct proxy *proxy = calloc(1, sizeof(*proxy));
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (proxy == NULL || strlen(listen_path) >= sizeof(address.sun_path) ||
	    strlen(server_path) >= sizeof(proxy->server_path)) {
		free(proxy);
		return NULL;
	}
	strcpy(address.sun_path, listen_path);
	strcpy(proxy->server_path, server_path);
	proxy->random = 88172645463325252;
	unlink(listen_path);
	proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	proxy->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&proxy->mutex, NULL);
	pthread_cond_init(&proxy->passed_on, NULL);
	if (proxy->listener < 0 || proxy->wake < 0 ||
	    bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(proxy->listener, 128) != 0 || pthread_create(&proxy->thread, NULL, run, proxy) != 0) {
		close(proxy->listener);
		close(proxy->wake);
		free(proxy);
		return NULL;
	}
	return proxy;
}

void proxy_stop(struct proxy *proxy)
{
	if (proxy == NULL)
		return;
	lock(proxy);
	proxy->stopping = true;
	unlock(proxy);
	pthread_join(proxy->thread, NULL);
	while (proxy->count > 0)
		end_link(proxy, 0);
	close(proxy->listener);
	close(proxy->wake);
	pthread_mutex_destroy(&proxy->mutex);
	pthread_cond_destroy(&proxy->passed_on);
	free(proxy);
}

void proxy_hold(struct proxy *proxy, enum proxy_way way, const char *text)
{
	lock(proxy);
	proxy->text_way = way;
	strncpy(proxy->text, text != NULL ? text : "", sizeof(proxy->text) - 1);
	unlock(proxy);
}

static bool holds(const struct link *link)
{
	return link->ways[PROXY_REQUESTS].held || link->ways[PROXY_REPLIES].held;
}

size_t proxy_held(struct proxy *proxy)
{
	size_t count = 0;

	lock(proxy);
	for (size_t i = 0; i < proxy->count; i++)
		count += holds(&proxy->links[i]);
	unlock(proxy);
	return count;
}

void proxy_hang_up(struct proxy *proxy)
{
	lock(proxy);
	for (size_t i = 0; i < proxy->count; i++)
		if (holds(&proxy->links[i])) {
			close_end(&proxy->links[i], 0);
			proxy->links[i].ways[PROXY_REQUESTS].ended = true;
		}
	unlock(proxy);
}

static struct link *oldest(struct proxy *proxy)
{
	struct link *found = NULL;

	for (size_t i = 0; i < proxy->count; i++)
		if (holds(&proxy->links[i]) && (found == NULL || proxy->links[i].held_since < found->held_since))
			found = &proxy->links[i];
	return found;
}

/* Whether the connection that began to hold then has something left to pass on. */
static bool is_passing(struct proxy *proxy, unsigned held_since)
{
	for (size_t i = 0; i < proxy->count; i++)
		if (proxy->links[i].held_since == held_since && (proxy->links[i].ways[PROXY_REQUESTS].first != NULL ||
		                                                 proxy->links[i].ways[PROXY_REPLIES].first != NULL))
			return true;
	return false;
}

void proxy_deliver(struct proxy *proxy)
{
	lock(proxy);
	struct link *link = oldest(proxy);
	unsigned held_since = link != NULL ? link->held_since : 0;

	for (int way = 0; link != NULL && way < PROXY_WAYS; way++)
		link->ways[way].held = false;
	unlock(proxy);
	lock(proxy);
	while (held_since != 0 && is_passing(proxy, held_since))
		pthread_cond_wait(&proxy->passed_on, &proxy->mutex);
	unlock(proxy);
}

void proxy_delay(struct proxy *proxy, int64_t least_ms, int64_t most_ms)
{
	lock(proxy);
	proxy->least_us = least_ms * 1000;
	proxy->most_us = (most_ms > least_ms ? most_ms : least_ms) * 1000;
	unlock(proxy);
}

void proxy_freeze(struct proxy *proxy, enum proxy_way way, unsigned percent)
{
	lock(proxy);
	for (size_t i = 0; i < proxy->count; i++)
		if (next_random(proxy) % 100 < percent)
			proxy->links[i].ways[way].frozen = true;
	unlock(proxy);
}

void proxy_thaw(struct proxy *proxy)
{
	lock(proxy);
	for (size_t i = 0; i < proxy->count; i++)
		for (int way = 0; way < PROXY_WAYS; way++)
			proxy->links[i].ways[way].frozen = false;
	unlock(proxy);
}

void proxy_cut(struct proxy *proxy, unsigned percent, int64_t bytes)
{
	lock(proxy);
	for (size_t i = 0; i < proxy->count; i++)
		if (next_random(proxy) % 100 < percent) {
			proxy->links[i].cut_after = bytes;
			if (bytes < 0) {
				close_end(&proxy->links[i], 0);
				close_end(&proxy->links[i], 1);
			}
		}
	unlock(proxy);
}

void proxy_refuse(struct proxy *proxy, bool refuse)
{
	lock(proxy);
	proxy->refusing = refuse;
	unlock(proxy);
}

void proxy_redirect(struct proxy *proxy, const char *server_path)
{
	lock(proxy);
	strncpy(proxy->server_path, server_path, sizeof(proxy->server_path) - 1);
	unlock(proxy);
}

void proxy_seed(struct proxy *proxy, uint64_t seed)
{
	lock(proxy);
	proxy->random = seed * 2685821657736338717u + 1;
	unlock(proxy);
}

size_t proxy_connections(struct proxy *proxy)
{
	size_t count = 0;

	lock(proxy);
	for (size_t i = 0; i < proxy->count; i++)
		count += proxy->links[i].ends[0] >= 0;
	unlock(proxy);
	return count;
}

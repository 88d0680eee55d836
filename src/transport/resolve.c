/* SPDX-License-Identifier: MIT
 *
 * Names by c-ares: without a thread and without blocking. Its callbacks only note down what they are told, for they
 * may come from within any of its functions, the one that ends it included. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <ares.h>
#include <pthread.h>
#include <string.h>
#include <sys/time.h>

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void start_library(void)
{
	library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

static void finish(struct rlk_resolver *resolver, int status)
{
	resolver->done = true;
	resolver->text = ares_strerror(status);
	if (status == ARES_SUCCESS && resolver->peer_count == 0) {
		status = ARES_ENODATA;
		resolver->text = "the name has no address";
	}
	if (status == ARES_SUCCESS) {
		resolver->status = REDISLOCK_OK;
	} else if (status == ARES_ENOMEM) {
		resolver->status = REDISLOCK_NO_MEMORY;
	} else {
		resolver->status = REDISLOCK_CONNECTION_REFUSED;
	}
}

static void keep(struct rlk_resolver *resolver, const struct sockaddr *address, size_t length)
{
	struct rlk_peer *peer = &resolver->peers[resolver->peer_count];

	if (resolver->peer_count == RLK_PEERS || length > sizeof peer->address) {
		return;
	}
	memset(peer, 0, sizeof *peer);
	memcpy(&peer->address, address, length);
	peer->length = (socklen_t)length;
	if (address->sa_family == AF_INET) {
		peer->address.in.sin_port = htons(resolver->port);
	} else if (address->sa_family == AF_INET6) {
		peer->address.in6.sin6_port = htons(resolver->port);
	} else {
		return;
	}
	resolver->peer_count++;
}

static void on_answer(void *data, int status, int timeouts, struct ares_addrinfo *answer)
{
	struct rlk_resolver *resolver = data;

	(void)timeouts;
	if (!resolver->stopping) {
		if (status == ARES_SUCCESS && answer != NULL) {
			for (const struct ares_addrinfo_node *node = answer->nodes; node != NULL;
			     node = node->ai_next) {
				keep(resolver, node->ai_addr, (size_t)node->ai_addrlen);
			}
		}
		finish(resolver, status);
	}
	if (answer != NULL) {
		ares_freeaddrinfo(answer);
	}
}

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
	struct rlk_resolver *resolver = data;
	struct pollfd *sockets = resolver->sockets;
	size_t at = 0;

	while (at < resolver->socket_count && sockets[at].fd != fd) {
		at++;
	}
	if (!readable && !writable) {
		if (at < resolver->socket_count) {
			if (resolver->watch != NULL) {
				resolver->watch->closing(resolver->watch, fd);
			}
			sockets[at] = sockets[--resolver->socket_count];
		}
		return;
	}
	if (at == RLK_CONNECTION_FDS) {
		return;
	}
	if (at == resolver->socket_count) {
		resolver->socket_count++;
	}
	sockets[at].fd = fd;
	sockets[at].events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
	sockets[at].revents = 0;
}

static void look_up(struct rlk_resolver *resolver, const char *name)
{
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct ares_options options;
	int status;

	memset(&options, 0, sizeof options);
	/* No TCP, for older releases write to it without MSG_NOSIGNAL: a cut answer still has addresses. */
	options.flags = ARES_FLAG_IGNTC;
	/* The next name server must get its turn well before our own deadline. */
	options.timeout = 1000;
	options.sock_state_cb = on_socket;
	options.sock_state_cb_data = resolver;
	pthread_once(&library_once, start_library);
	status = library_status;
	if (status == ARES_SUCCESS) {
		status = ares_init_options(&resolver->channel, &options,
		                           ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_SOCK_STATE_CB);
	}
	if (status != ARES_SUCCESS) {
		resolver->channel = NULL;
		finish(resolver, status);
		return;
	}
	ares_getaddrinfo(resolver->channel, name, NULL, &hints, on_answer, resolver);
}

void rlk_resolver_take(struct rlk_resolver *resolver, const struct rlk_peer *peer)
{
	memset(resolver, 0, sizeof *resolver);
	resolver->peers[0] = *peer;
	resolver->peer_count = 1;
	resolver->done = true;
}

void rlk_resolver_start(struct rlk_resolver *resolver, const char *path, const char *host, uint16_t port,
                        struct rlk_watch *watch)
{
	struct rlk_peer peer;

	memset(resolver, 0, sizeof *resolver);
	resolver->port = port;
	resolver->watch = watch;
	if (path != NULL ? rlk_peer_unix(&peer, path) : rlk_peer_numeric(&peer, host, port)) {
		rlk_resolver_take(resolver, &peer);
	} else if (path != NULL) {
		resolver->status = REDISLOCK_CONNECTION_REFUSED;
		resolver->text = "the path is too long for a unix socket";
		resolver->done = true;
	} else {
		look_up(resolver, host);
	}
}

void rlk_resolver_step(struct rlk_resolver *resolver)
{
	struct pollfd sockets[RLK_CONNECTION_FDS];
	size_t count = resolver->socket_count;

	/* c-ares changes the list while it works. */
	memcpy(sockets, resolver->sockets, count * sizeof *sockets);
	if (poll(sockets, (nfds_t)count, 0) > 0) {
		for (size_t i = 0; i < count && !resolver->done; i++) {
			bool readable = (sockets[i].revents & (POLLIN | POLLERR | POLLHUP)) != 0;
			bool writable = (sockets[i].revents & POLLOUT) != 0;
			if (readable || writable) {
				ares_process_fd(resolver->channel, readable ? sockets[i].fd : ARES_SOCKET_BAD,
				                writable ? sockets[i].fd : ARES_SOCKET_BAD);
			}
		}
	}
	if (!resolver->done) {
		/* No descriptor: only what has timed out. */
		ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	}
}

int64_t rlk_resolver_patience(const struct rlk_resolver *resolver)
{
	struct timeval buffer;
	const struct timeval *left = ares_timeout(resolver->channel, NULL, &buffer);

	if (left == NULL) {
		return -1;
	}
	return (int64_t)left->tv_sec * 1000 + (left->tv_usec + 999) / 1000;
}

void rlk_resolver_stop(struct rlk_resolver *resolver)
{
	if (resolver->channel == NULL) {
		return;
	}
	resolver->stopping = true;
	ares_destroy(resolver->channel);
	resolver->channel = NULL;
	resolver->socket_count = 0;
}

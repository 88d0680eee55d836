/* SPDX-License-Identifier: MIT
 *
 * Sockets that never block, don't leak into child programs and raise no signal. */
#include "transport_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static bool parse_scope(const char *text, uint32_t *scope)
{
	char *end;
	unsigned long number;

	*scope = if_nametoindex(text);
	if (*scope != 0) {
		return true;
	}
	if (text[0] < '0' || text[0] > '9') {
		return false;
	}
	errno = 0;
	number = strtoul(text, &end, 10);
	*scope = (uint32_t)number;
	return errno == 0 && *end == '\0' && number <= UINT32_MAX;
}

bool rlk_peer_numeric(struct rlk_peer *peer, const char *host, uint16_t port)
{
	char text[INET6_ADDRSTRLEN];
	const char *scope = strchr(host, '%');
	size_t length = scope != NULL ? (size_t)(scope - host) : strlen(host);

	memset(peer, 0, sizeof *peer);
	if (length >= sizeof text) {
		return false;
	}
	memcpy(text, host, length);
	text[length] = '\0';
	if (scope == NULL && inet_pton(AF_INET, text, &peer->address.in.sin_addr) == 1) {
		peer->address.in.sin_family = AF_INET;
		peer->address.in.sin_port = htons(port);
		peer->length = sizeof peer->address.in;
		return true;
	}
	if (inet_pton(AF_INET6, text, &peer->address.in6.sin6_addr) != 1) {
		return false;
	}
	peer->address.in6.sin6_family = AF_INET6;
	peer->address.in6.sin6_port = htons(port);
	peer->length = sizeof peer->address.in6;
	return scope == NULL || parse_scope(scope + 1, &peer->address.in6.sin6_scope_id);
}

bool rlk_peer_unix(struct rlk_peer *peer, const char *path)
{
	size_t length = strlen(path);

	memset(peer, 0, sizeof *peer);
	if (length >= sizeof peer->address.un.sun_path) {
		return false;
	}
	peer->address.un.sun_family = AF_UNIX;
	memcpy(peer->address.un.sun_path, path, length + 1);
	peer->length = sizeof peer->address.un;
	return true;
}

/* Small commands must not wait for each other, and a peer that is gone should be noticed some day. A socket without
 * these works as well, so their failures don't count. */
static void tune(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int rlk_socket_connect(const struct rlk_peer *peer, int *fd)
{
	int error;

	*fd = socket(peer->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0) {
		return errno;
	}
	if (peer->address.any.sa_family != AF_UNIX) {
		tune(*fd);
	}
	if (connect(*fd, &peer->address.any, peer->length) == 0) {
		return 0;
	}
	error = errno;
	/* A signal doesn't stop a connect: it goes on. */
	if (error == EINPROGRESS || error == EINTR) {
		return EINPROGRESS;
	}
	close(*fd);
	*fd = -1;
	return error;
}

int rlk_socket_progress(int fd)
{
	struct pollfd poller = { fd, POLLOUT, 0 };
	int error = 0;
	socklen_t length = sizeof error;

	if (poll(&poller, 1, 0) <= 0) {
		return EINPROGRESS;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
		return errno;
	}
	return error;
}

bool rlk_socket_is_self(int fd)
{
	struct rlk_peer here, there;

	memset(&here, 0, sizeof here);
	memset(&there, 0, sizeof there);
	here.length = there.length = sizeof here.address;
	if (getsockname(fd, &here.address.any, &here.length) != 0 ||
	    getpeername(fd, &there.address.any, &there.length) != 0) {
		return false;
	}
	return here.address.any.sa_family != AF_UNIX && here.length == there.length &&
	       memcmp(&here.address, &there.address, here.length) == 0;
}

ssize_t rlk_socket_send(int fd, const void *data, size_t length)
{
	ssize_t sent;

	do {
		sent = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent;
}

ssize_t rlk_socket_receive(int fd, void *data, size_t size)
{
	ssize_t received;

	do {
		received = recv(fd, data, size, MSG_DONTWAIT);
	} while (received < 0 && errno == EINTR);
	return received;
}

void rlk_socket_connected(int fd)
{
	const struct timeval patience = { .tv_usec = RLK_AWAIT_MS * 1000 };

	/* Calls say themselves that they don't want to wait; the one that does is bounded by this, or doesn't. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0) {
		fcntl(fd, F_SETFL, 0);
	}
}

ssize_t rlk_socket_await(int fd, void *data, size_t size)
{
	return recv(fd, data, size, 0);
}

const char *rlk_socket_problem(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "nobody listens there; is the server running?";
	case ENOENT:
		return "there is no such socket; is the server running, with this unixsocket?";
	case EACCES:
	case EPERM:
		return "no permission to connect; check the socket's mode or the firewall";
	case ETIMEDOUT:
		return "no answer within the timeout; is the server reachable from here?";
	case EAGAIN:
		return "the server doesn't accept connections; is it busy or stopped?";
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EADDRNOTAVAIL:
		return "there is no way to that host; check the address and the network";
	case ECONNRESET:
	case EPIPE:
		return "the server closed the connection";
	case EMFILE:
	case ENFILE:
		return "too many open files; raise the limit of descriptors";
	case ENOMEM:
	case ENOBUFS:
		return "out of memory for a socket";
	default:
		return NULL;
	}
}

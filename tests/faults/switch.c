/* SPDX-License-Identifier: MIT
 *
 * The network between servers, and from clients to servers: faults-switch. Every server is known by a port of the
 * switch's only, which passes on what comes there. A server's own connections come from an address of its own, so that
 * the switch knows who talks to whom and can cut one off, from all or from the other servers only. While it is cut off
 * nothing is refused and nothing closed: what was sent arrives when the network is whole again, as it does with TCP.
 *
 * It reads: "pass NUMBER PORT", a port for what goes to the server with that number, which is told; "cut NUMBER WHOM",
 * where 1 is the servers, 2 the clients, 3 both; "heal". It ends with its input. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_SERVERS = 16, MOST_PORTS = 32, MOST_LINKS = 1024, PIECE = 65536, NOBODY = -1, SERVERS = 1, CLIENTS = 2 };
/* Server N talks from 127.0.0.(FIRST_ADDRESS + N). */
enum { FIRST_ADDRESS = 100 };

struct port {
	int listener, server;
	uint16_t behind;
};

/* What was read from one end and not yet written to the other. */
struct way {
	char *bytes;
	size_t start, end;
};

struct link {
	int ends[2];  /* who has come, and whom it came to */
	int from, to; /* servers; NOBODY: a client */
	struct way ways[2];
	bool ended; /* an end has nothing more to say */
};

static struct port ports[MOST_PORTS];
static struct link links[MOST_LINKS];
static size_t port_count, link_count;
static int cuts[MOST_SERVERS];
static struct pollfd fds[1 + MOST_PORTS + 2 * MOST_LINKS];

static int new_socket(uint16_t port, bool listens, uint16_t *chosen)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		                       .sin_port = htons(port) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	bool done = listens ? bind(fd, (struct sockaddr *)&address, length) == 0 && listen(fd, 128) == 0 &&
	                              getsockname(fd, (struct sockaddr *)&address, &length) == 0
	                    : connect(fd, (struct sockaddr *)&address, length) == 0 || errno == EINPROGRESS;
	if (!done) {
		close(fd);
		return -1;
	}
	if (listens)
		*chosen = ntohs(address.sin_port);
	return fd;
}

static void take_connection(const struct port *port)
{
	struct sockaddr_in address = { 0 };
	socklen_t length = sizeof(address);
	int one = 1, fd = accept4(port->listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	int server = link_count < MOST_LINKS ? new_socket(port->behind, false, NULL) : -1;
	if (server < 0) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	int from = (int)(ntohl(address.sin_addr.s_addr) & 0xff) - FIRST_ADDRESS;
	links[link_count++] = (struct link) { .ends = { fd, server },
		                              .from = from >= 0 && from < MOST_SERVERS ? from : NOBODY,
		                              .to = port->server };
}

static bool is_cut(const struct link *link)
{
	if (link->from == NOBODY)
		return (cuts[link->to] & CLIENTS) != 0;
	return ((cuts[link->to] | cuts[link->from]) & SERVERS) != 0;
}

static void end_link(size_t index)
{
	struct link *link = &links[index];

	for (int i = 0; i < 2; i++) {
		close(link->ends[i]);
		free(link->ways[i].bytes);
	}
	*link = links[--link_count];
}

static void pass_on(struct link *link, int number)
{
	struct way *way = &link->ways[number];

	if (way->start == way->end && !link->ended) {
		if (way->bytes == NULL && (way->bytes = malloc(PIECE)) == NULL)
			abort();
		ssize_t got = recv(link->ends[number], way->bytes, PIECE, 0);
		way->start = 0;
		way->end = got > 0 ? (size_t)got : 0;
		link->ended |= got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
	}
	if (way->start < way->end) {
		ssize_t sent = send(link->ends[!number], way->bytes + way->start, way->end - way->start, MSG_NOSIGNAL);
		if (sent > 0)
			way->start += (size_t)sent;
		else if (errno != EAGAIN && errno != EINTR)
			way->start = way->end; /* that one is gone, which will be read */
	}
}

/* What one end waits for: to be read, or to take what is left over for it. */
static short events_of(const struct link *link, int end)
{
	bool reads = link->ways[end].start == link->ways[end].end,
	     writes = link->ways[!end].start < link->ways[!end].end;

	return (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
}

static size_t prepare(void)
{
	size_t count = 0;

	fds[count++] = (struct pollfd) { .fd = STDIN_FILENO, .events = POLLIN };
	for (size_t i = 0; i < port_count; i++)
		fds[count++] = (struct pollfd) { .fd = ports[i].listener, .events = POLLIN };
	for (size_t i = 0; i < link_count; i++)
		for (int end = 0; end < 2; end++)
			fds[count++] = (struct pollfd) { .fd = is_cut(&links[i]) ? -1 : links[i].ends[end],
				                         .events = events_of(&links[i], end) };
	return count;
}

/* False when there is nothing more to obey. */
static bool obey(void)
{
	static char text[1024];
	static size_t used;
	ssize_t got = read(STDIN_FILENO, text + used, sizeof(text) - 1 - used);

	if (got <= 0)
		return false;
	used += (size_t)got;
	text[used] = '\0';
	for (char *end; (end = strchr(text, '\n')) != NULL;) {
		int server = 0, number = 0;
		uint16_t chosen = 0;
		*end = '\0';
		/* NOLINTNEXTLINE(cert-err34-c): it is the campaign's own */
		if (sscanf(text, "pass %d %d", &server, &number) == 2 && port_count < MOST_PORTS) {
			int fd = new_socket(0, true, &chosen);
			if (fd < 0)
				return false;
			ports[port_count++] = (struct port) { fd, server, (uint16_t)number };
			/* NOLINTNEXTLINE(cert-err34-c) */
		} else if (sscanf(text, "cut %d %d", &server, &number) == 2) {
			cuts[server] = number;
		} else if (strcmp(text, "heal") == 0) {
			memset(cuts, 0, sizeof(cuts));
		} else {
			return false;
		}
		printf("%u\n", (unsigned)chosen);
		fflush(stdout);
		used -= (size_t)(end + 1 - text);
		memmove(text, end + 1, used + 1);
	}
	return true;
}

int main(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		size_t count = prepare(), links_then = link_count;

		poll(fds, (nfds_t)count, -1);
		for (size_t i = links_then; i-- > 0;) {
			struct link *link = &links[i];
			const struct pollfd *polled = &fds[1 + port_count + 2 * i];
			if ((polled[0].revents | polled[1].revents) == 0)
				continue;
			pass_on(link, 0);
			pass_on(link, 1);
			bool left = link->ways[0].start < link->ways[0].end || link->ways[1].start < link->ways[1].end;
			if (link->ended && !left)
				end_link(i);
		}
		for (size_t i = 0; i < port_count; i++)
			if (fds[1 + i].revents != 0)
				take_connection(&ports[i]);
		if (fds[0].revents != 0 && !obey())
			return 0;
	}
}

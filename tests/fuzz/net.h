/* SPDX-License-Identifier: MIT
 *
 * A network in memory and in time of its own. It takes the place of the system calls that a client makes: a connect
 * goes to the server of server.c, a poll that finds nothing moves the clock. The same input always goes the same way,
 * and a wait of a minute takes no time. One thread. */
#ifndef FUZZ_NET_H
#define FUZZ_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NET_LINES = 16, NET_IN = 1 << 17, NET_OUT = 1 << 16, NET_CHUNKS = 4096 };

enum net_end { NET_OPEN, NET_CLOSED, NET_RESET };

/* A connection, as its server sees it. */
struct net_line {
	int fd; /* -1: none */
	int64_t up_at;
	enum net_end end; /* once all that was said has been read */
	int64_t end_at;
	size_t heard; /* from the client */
	size_t said, read, chunks;
	struct {
		int64_t at;
		size_t end;
	} chunk[NET_CHUNKS];
	int client; /* the server's: whose inbox it listens to; -1: none */
	bool listens;
	bool silent, deaf; /* nothing is said any more; nothing is heard */
	char in[NET_IN];
	char out[NET_OUT];
};

struct net {
	int64_t now;
	int64_t limit;   /* no poll lets time go beyond it */
	int64_t latency; /* of new connections */
	int refusals;    /* so many connects fail */
	size_t mouthful; /* the most that a send takes; 0: everything */
	unsigned long long random;
	struct net_line line[NET_LINES];
};

extern struct net net;

void net_start(void);

/* How many connections and other descriptors are open. */
int net_open_lines(void);

/* The server says something, so many milliseconds from now and after all that it has said before. */
void net_say(struct net_line *line, const void *data, size_t length, int64_t delay);

/* It ends the connection, after all of that. */
void net_hang_up(struct net_line *line, enum net_end end);

/* Whether the descriptor of the event loop is readable, and when something will happen by itself. */
bool net_loop_readable(void);
int64_t net_next(void);

/* server.c: a client has sent something; a connection has come, or is gone. */
void server_hear(struct net_line *line);
void server_gone(struct net_line *line);

#endif

/* SPDX-License-Identifier: MIT
 *
 * A connection's inside, for the two files that are its own: connection.c, which carries bytes and fails, and
 * opening.c, which brings it to where it can. */
#ifndef RLK_CONNECTION_H
#define RLK_CONNECTION_H

#include "transport_internal.h"

enum rlk_phase {
	RLK_PHASE_LOCATING,
	RLK_PHASE_RESOLVING,
	RLK_PHASE_CONNECTING,
	RLK_PHASE_PAUSING,
	RLK_PHASE_SECURING,
	RLK_PHASE_GREETING
};

struct rlk_connection {
	enum rlk_connection_state state;
	enum rlk_phase phase; /* of the opening */
	int fd;               /* -1: none */
	struct rlk_watch *watch;
	const struct rlk_address *address;
	enum rlk_role role;          /* of whom it goes to */
	char host[RLK_HOST_MAX + 1]; /* empty for a unix socket */
	uint16_t port;
	struct rlk_locator locator;
	int64_t deadline; /* of the opening */
	int64_t patience; /* of its present phase; never later */
	struct rlk_resolver resolver;
	size_t peer; /* of the resolver's, the one in use */
	int error;   /* of the last one tried */
	struct rlk_tls tls;
	enum rlk_tls_step securing;
	bool heard; /* anything at all */
	struct rlk_greeting greeting;
	struct rlk_output output;
	struct rlk_reader reader;
	int32_t failure;
	char name[400]; /* for people: host and port, or path */
	char text[640];
};

/* What opening.c needs of connection.c. */

/* Ends it, but keeps what was read: it counts, though the connection broke. */
void rlk_connection_shut(struct rlk_connection *connection);

/* The same with a reason; the text says what is wrong, the name of the peer is put before it. */
void rlk_connection_fail(struct rlk_connection *connection, int32_t status, const char *problem);
void rlk_connection_fail_by_memory(struct rlk_connection *connection);
void rlk_connection_fail_by_errno(struct rlk_connection *connection, int32_t status, int error);

/* By what TLS said last: it has statuses of its own. */
void rlk_connection_fail_by_tls(struct rlk_connection *connection);

void rlk_connection_drop_socket(struct rlk_connection *connection);

/* Reads what has come, without a look at the state: true if there was anything. */
bool rlk_connection_absorb(struct rlk_connection *connection);

/* Sends what waits, as far as the socket takes it. */
void rlk_connection_push(struct rlk_connection *connection);

/* Wipes what a greeting sent and read: the password went out, and it may have come back, for a server that doesn't know
 * AUTH repeats what it was told. */
void rlk_connection_wipe(struct rlk_connection *connection);

#endif

/* SPDX-License-Identifier: MIT
 *
 * The server of net.c: it has one lock, "foo", as tests/core/store.c keeps it, and answers as it is told to. */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "net.h"
#include "store.h"

/* What becomes of the next request, once. */
enum server_fault {
	NO_TROUBLE,
	LATE,      /* answered later, by `amount` times 20 ms */
	CUT,       /* answered, but the connection ends behind `amount` bytes */
	RESETS,    /* the same with a reset */
	PIECEWISE, /* byte by byte */
	SILENT,    /* executed, but nothing more is said on this connection */
	DEAF,      /* nothing more is heard on this connection */
	STRAY,     /* the connection ends, and it is executed all the same, later */
	REFUSED,   /* answered by an error */
	REPLACED,  /* executed, and answered by other bytes */
	SERVER_FAULTS
};

enum { SERVER_TOKENS = 250, SERVER_CLIENTS = 60 };

struct server {
	struct store store;
	enum server_fault fault;
	uint8_t amount;
	const uint8_t *bytes; /* REPLACED: by these */
	size_t length;
	bool lies;        /* it has said what isn't so: nothing can be promised any more */
	uint32_t scripts; /* known */
	char tokens[SERVER_TOKENS][RLK_TOKEN_MAX + 1];
	int token_count;
	char clients[SERVER_CLIENTS][RLK_CLIENT_LENGTH + 1];
	int client_count;
	struct store_request stray;
	bool astray;
};

extern struct server server;

void server_start(void);

/* The one who holds the lock by the server's view; "" for nobody. */
const char *server_owner(void);

/* Executes the request that went astray, if there is one. */
void server_execute_stray(void);

/* Ends the connections: of commands, of messages. */
void server_kill(bool commands, bool messages);

/* Connections of messages are half open from now on: nobody notices by them alone. */
void server_cut_off(void);

/* Sends a message, to every inbox or on the channel; or any bytes to whoever listens. */
void server_publish(bool to_inbox, const void *data, size_t length);
void server_push(const void *data, size_t length);

#endif

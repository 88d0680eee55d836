/* SPDX-License-Identifier: MIT
 *
 * What the tests of connections share: a peer of the test's own on a unix socket, driven from the test's one thread,
 * and turning a connection until something is true of it. */
#ifndef TEST_PEERS_H
#define TEST_PEERS_H

#include "test.h"

#include "transport/transport.h"

#include <redislock/redislock.h>

/* Listens, and talks to the last one that it accepted. */
struct peer {
	char folder[64];
	char path[80];
	int listener;
	int fd; /* -1: none */
	struct rlk_address address;
};

void peer_listen(struct peer *peer);

/* Accepts one; waits for it. */
void peer_accept(struct peer *peer);

/* Sends to the connection; there must be room for it. */
void peer_say(struct peer *peer, const void *data, size_t length);

/* Waits for these very bytes. */
void peer_hear(struct peer *peer, const char *expected);

void peer_hang_up(struct peer *peer);
void peer_end(struct peer *peer);

/* Opens and turns it until it is ready or closed. */
void open_fully(struct rlk_connection *connection, const struct rlk_address *address, const struct rlk_connection *twin,
                int64_t timeout_ms);

/* Waits until it is ready or closed. */
void turn(struct rlk_connection *connection);

/* Waits for a reply, or the end of the connection (then NULL). */
const struct rlk_value *await_reply(struct rlk_connection *connection, size_t *count);

/* Sends words, which end with NULL, and waits for the reply. */
const struct rlk_value *ask(struct rlk_connection *connection, size_t *count, const char *const *words);

/* Checks why it is closed; returns the text. */
const char *assert_failed(struct rlk_connection *connection, int32_t status, const char *part);

#endif

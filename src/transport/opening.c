/* SPDX-License-Identifier: MIT
 *
 * How a connection opens, step by step: it asks where to (locate), looks the name up (resolve), connects, secures and
 * greets. */
#include "connection.h"

#include <redislock/redislock.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The pause before a unix socket is tried again whose backlog is full: nothing tells when there is room again. */
enum { BACKLOG_PAUSE_MS = 10 };

static void fail_by_deadline(struct rlk_connection *connection)
{
	const char *problem = NULL;

	if (connection->phase == RLK_PHASE_RESOLVING) {
		problem = "no name server answered within the timeout";
	} else if (connection->phase == RLK_PHASE_SECURING) {
		problem = "connected, but the TLS handshake was not answered within the timeout; does the server speak "
		          "TLS there?";
	} else if (connection->phase == RLK_PHASE_GREETING) {
		problem =
		        "connected, but the server didn't answer within the timeout; is it busy, stopped, or no Redis?";
	}
	if (problem != NULL) {
		rlk_connection_fail(connection, REDISLOCK_CONNECTION_REFUSED, problem);
	} else {
		rlk_connection_fail_by_errno(connection, REDISLOCK_CONNECTION_REFUSED,
		                             connection->phase == RLK_PHASE_PAUSING ? EAGAIN : ETIMEDOUT);
	}
}

static void ready(struct rlk_connection *connection)
{
	rlk_connection_wipe(connection);
	connection->locator.first = connection->locator.number;
	connection->state = RLK_READY;
}

static void greet(struct rlk_connection *connection)
{
	connection->phase = RLK_PHASE_GREETING;
	if (!rlk_greeting_begin(&connection->greeting, connection->address, connection->role, &connection->output)) {
		rlk_connection_fail_by_memory(connection);
	} else if (connection->greeting.count == 0) {
		ready(connection);
	} else {
		rlk_connection_push(connection);
	}
}

static void step_securing(struct rlk_connection *connection)
{
	connection->securing = rlk_tls_shake(&connection->tls);
	if (connection->securing == RLK_TLS_DONE) {
		greet(connection);
	} else if (connection->securing == RLK_TLS_FAILED) {
		rlk_connection_fail_by_tls(connection);
	}
}

static void connected(struct rlk_connection *connection)
{
	connection->patience = connection->deadline;
	rlk_socket_connected(connection->fd);
	if (!connection->address->tls) {
		greet(connection);
		return;
	}
	connection->phase = RLK_PHASE_SECURING;
	if (rlk_tls_start(&connection->tls, connection->fd, connection->host, &connection->address->tls_files)) {
		step_securing(connection);
	} else {
		rlk_connection_fail_by_tls(connection);
	}
}

static void step_greeting(struct rlk_connection *connection)
{
	struct rlk_greeting *greeting = &connection->greeting;
	char text[208]; /* enough for what a greeting says; the connection's has room for it and the name */

	/* First what came, for a server that refuses says so at once and closes. */
	rlk_connection_absorb(connection);
	while (greeting->answered < greeting->count) {
		size_t count;
		const struct rlk_value *answer = rlk_connection_reply(connection, &count);
		int32_t status;
		if (answer == NULL) {
			break;
		}
		status = rlk_greeting_answer(greeting, answer, count, text, sizeof text);
		if (status != REDISLOCK_OK) {
			rlk_connection_fail(connection, status, text);
			return;
		}
	}
	if (connection->state == RLK_CLOSED) {
		return;
	}
	if (greeting->answered == greeting->count && !rlk_connection_unsent(connection)) {
		ready(connection);
	} else {
		rlk_connection_push(connection);
	}
}

/* Tries the peers in turn from the present one on, until one can be waited for. */
static void connect_next(struct rlk_connection *connection, int64_t now)
{
	const struct rlk_resolver *resolver = &connection->resolver;

	for (; connection->peer < resolver->peer_count; connection->peer++) {
		const struct rlk_peer *peer = &resolver->peers[connection->peer];
		int error = rlk_socket_connect(peer, &connection->fd);
		if (error == 0) {
			connected(connection);
			return;
		}
		if (error == EINPROGRESS) {
			/* Whoever follows gets an equal share of the time that is left. */
			int64_t left = connection->deadline - now;
			connection->phase = RLK_PHASE_CONNECTING;
			connection->patience = now + left / (int64_t)(resolver->peer_count - connection->peer);
			return;
		}
		if (error == EAGAIN && peer->address.any.sa_family == AF_UNIX) {
			connection->phase = RLK_PHASE_PAUSING;
			connection->patience = now + BACKLOG_PAUSE_MS;
			return;
		}
		connection->error = error;
	}
	rlk_connection_fail_by_errno(connection, REDISLOCK_CONNECTION_REFUSED, connection->error);
}

static void step_connecting(struct rlk_connection *connection, int64_t now)
{
	int error = rlk_socket_progress(connection->fd);

	if (error == 0 && rlk_socket_is_self(connection->fd)) {
		error = ECONNREFUSED;
	}
	if (error == EINPROGRESS && now >= connection->patience) {
		error = ETIMEDOUT;
	}
	if (error == 0) {
		connected(connection);
	} else if (error != EINPROGRESS) {
		rlk_connection_drop_socket(connection);
		connection->error = error;
		connection->peer++;
		connect_next(connection, now);
	}
}

/* The resolver is waited for, or has its answer. */
static void resolved(struct rlk_connection *connection, int64_t now)
{
	struct rlk_resolver *resolver = &connection->resolver;

	if (!resolver->done) {
		int64_t patience = rlk_resolver_patience(resolver);
		connection->patience = patience < 0 ? connection->deadline : now + patience;
		return;
	}
	rlk_resolver_stop(resolver);
	if (resolver->status == REDISLOCK_OK) {
		connect_next(connection, now);
	} else {
		char text[160];
		snprintf(text, sizeof text, "the name can't be resolved: %s", resolver->text);
		rlk_connection_fail(connection, resolver->status, text);
	}
}

static void set_name(struct rlk_connection *connection)
{
	const struct rlk_address *address = connection->address;
	bool brackets = strchr(connection->host, ':') != NULL;
	char where[RLK_HOST_MAX + 10];

	snprintf(where, sizeof where, brackets ? "[%s]:%u" : "%s:%u", connection->host, (unsigned)connection->port);
	if (connection->role == RLK_SENTINEL) {
		snprintf(connection->name, sizeof connection->name, "sentinel %s", where);
	} else if (connection->role == RLK_PRIMARY) {
		snprintf(connection->name, sizeof connection->name, "%s, primary of %.64s", where,
		         address->sentinels.service);
	} else {
		snprintf(connection->name, sizeof connection->name, "%s",
		         address->path != NULL ? address->path : where);
	}
}

/* Sets out for a host, or the address's socket; to a peer of it that is known, or NULL. */
static void go_to(struct rlk_connection *connection, enum rlk_role role, const char *host, uint16_t port,
                  const struct rlk_peer *peer, int64_t now)
{
	connection->state = RLK_OPENING;
	connection->phase = RLK_PHASE_RESOLVING;
	connection->role = role;
	connection->peer = 0;
	connection->heard = false;
	connection->failure = REDISLOCK_OK;
	snprintf(connection->host, sizeof connection->host, "%s", host != NULL ? host : "");
	connection->port = port;
	set_name(connection);
	if (!rlk_reader_start(&connection->reader)) {
		rlk_connection_fail_by_memory(connection);
		return;
	}
	if (peer != NULL) {
		rlk_resolver_take(&connection->resolver, peer);
	} else {
		rlk_resolver_start(&connection->resolver, connection->address->path, connection->host, port,
		                   connection->watch);
	}
	resolved(connection, now);
}

/* The sentinels are waited for, or one has answered, or none will. */
static void located(struct rlk_connection *connection, int64_t now)
{
	struct rlk_locator *locator = &connection->locator;

	if (locator->state == RLK_LOCATING) {
		connection->patience = rlk_locator_deadline(locator);
	} else if (locator->state == RLK_LOCATED) {
		go_to(connection, RLK_PRIMARY, locator->host, locator->port, NULL, now);
	} else {
		rlk_connection_shut(connection);
		connection->failure = locator->status;
		snprintf(connection->text, sizeof connection->text, "%s", locator->text);
	}
}

static void locate(struct rlk_connection *connection, int64_t now)
{
	connection->state = RLK_OPENING;
	connection->phase = RLK_PHASE_LOCATING;
	if (rlk_locator_start(&connection->locator, connection->address, connection->watch, connection->deadline,
	                      now)) {
		located(connection, now);
	} else {
		connection->name[0] = '\0';
		rlk_connection_fail_by_memory(connection);
	}
}

/* Where the sentinels have led to is no primary, or can't be reached: another of them may know better. */
static void look_elsewhere(struct rlk_connection *connection, int64_t now)
{
	while (connection->state == RLK_CLOSED && connection->phase != RLK_PHASE_LOCATING &&
	       connection->role == RLK_PRIMARY &&
	       (connection->failure == REDISLOCK_CONNECTION_REFUSED || connection->failure == REDISLOCK_READ_ONLY)) {
		connection->state = RLK_OPENING;
		connection->phase = RLK_PHASE_LOCATING;
		rlk_locator_reject(&connection->locator, connection->failure, connection->text, now);
		located(connection, now);
	}
}

static void fail_if_late(struct rlk_connection *connection, int64_t now)
{
	if (connection->state == RLK_OPENING && now >= connection->deadline) {
		fail_by_deadline(connection);
	}
	look_elsewhere(connection, now);
}

void rlk_connection_step(struct rlk_connection *connection, int64_t now)
{
	if (connection->state != RLK_OPENING) {
		return;
	}
	switch (connection->phase) {
	case RLK_PHASE_LOCATING:
		rlk_locator_step(&connection->locator, now);
		located(connection, now);
		break;
	case RLK_PHASE_RESOLVING:
		rlk_resolver_step(&connection->resolver);
		resolved(connection, now);
		break;
	case RLK_PHASE_CONNECTING:
		step_connecting(connection, now);
		break;
	case RLK_PHASE_PAUSING:
		if (now >= connection->patience) {
			connect_next(connection, now);
		}
		break;
	case RLK_PHASE_SECURING:
		step_securing(connection);
		break;
	case RLK_PHASE_GREETING:
		step_greeting(connection);
		break;
	}
	fail_if_late(connection, now);
}

static void begin(struct rlk_connection *connection, const struct rlk_address *address, int64_t deadline)
{
	rlk_connection_close(connection);
	connection->address = address;
	connection->deadline = deadline;
}

/* With a twin that is ready to its very peer. */
static void open_at(struct rlk_connection *connection, const struct rlk_address *address, const char *host,
                    uint16_t port, const struct rlk_connection *twin, int64_t deadline, int64_t now)
{
	bool led = twin != NULL && twin->state == RLK_READY;

	begin(connection, address, deadline);
	go_to(connection, RLK_SERVER, host, port, led ? &twin->resolver.peers[twin->peer] : NULL, now);
	fail_if_late(connection, now);
}

void rlk_connection_open(struct rlk_connection *connection, const struct rlk_address *address,
                         const struct rlk_connection *twin, int64_t deadline, int64_t now)
{
	if (address->sentinels.service == NULL) {
		open_at(connection, address, address->host, address->port, twin, deadline, now);
	} else if (twin != NULL && twin->state == RLK_READY) {
		/* It has asked what there is to be asked. */
		open_at(connection, address, twin->host, twin->port, twin, deadline, now);
	} else {
		begin(connection, address, deadline);
		locate(connection, now);
		fail_if_late(connection, now);
	}
}

void rlk_connection_open_node(struct rlk_connection *connection, const struct rlk_address *address,
                              const struct rlk_host *node, const struct rlk_connection *twin, int64_t deadline,
                              int64_t now)
{
	open_at(connection, address, node->name, node->port, twin, deadline, now);
}

void rlk_connection_open_sentinel(struct rlk_connection *connection, const struct rlk_address *address, size_t number,
                                  int64_t deadline, int64_t now)
{
	const struct rlk_host *host = &address->hosts[number];

	begin(connection, address, deadline);
	go_to(connection, RLK_SENTINEL, host->name, host->port, NULL, now);
	fail_if_late(connection, now);
}

void rlk_connection_ask_first(struct rlk_connection *connection, size_t number)
{
	connection->locator.first = number;
}

bool rlk_connection_located(const struct rlk_connection *connection)
{
	return connection->locator.located;
}

bool rlk_connection_goes_to(const struct rlk_connection *connection, struct rlk_slice host, struct rlk_slice port)
{
	char digits[20];
	size_t count = rlk_decimal(digits, connection->port);

	if (connection->state == RLK_OPENING && connection->phase == RLK_PHASE_LOCATING) {
		return true;
	}
	return host.length == strlen(connection->host) && memcmp(host.data, connection->host, host.length) == 0 &&
	       port.length == count && memcmp(port.data, digits, count) == 0;
}

int64_t rlk_connection_deadline(const struct rlk_connection *connection)
{
	if (connection->state != RLK_OPENING) {
		return RLK_NEVER;
	}
	return connection->patience < connection->deadline ? connection->patience : connection->deadline;
}

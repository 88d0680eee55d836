/* SPDX-License-Identifier: MIT
 *
 * A connection: how it opens step by step, what goes over it, and how it fails. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is read at once, and the pause before a unix socket is tried again whose backlog is full: nothing tells when
 * there is room again. */
enum { CHUNK = 16384, BACKLOG_PAUSE_MS = 10 };

enum phase { LOCATING, RESOLVING, CONNECTING, PAUSING, SECURING, GREETING };

struct rlk_connection {
	enum rlk_connection_state state;
	enum phase phase; /* of the opening */
	int fd;           /* -1: none */
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

struct rlk_connection *rlk_connection_new(struct rlk_watch *watch)
{
	struct rlk_connection *connection = calloc(1, sizeof *connection);

	if (connection != NULL) {
		connection->watch = watch;
		connection->fd = -1;
	}
	return connection;
}

void rlk_connection_free(struct rlk_connection *connection)
{
	if (connection == NULL) {
		return;
	}
	rlk_connection_close(connection);
	rlk_connection_free(connection->locator.guide);
	rlk_reader_free(&connection->reader);
	free(connection->output.data);
	free(connection);
}

static void close_socket(struct rlk_connection *connection)
{
	rlk_tls_stop(&connection->tls);
	if (connection->fd >= 0) {
		if (connection->watch != NULL) {
			connection->watch->closing(connection->watch, connection->fd);
		}
		close(connection->fd);
		connection->fd = -1;
	}
}

/* The password went out, and it may have come back: a server that doesn't know AUTH repeats what it was told. */
static void wipe_greeting(struct rlk_connection *connection)
{
	rlk_output_wipe(&connection->output);
	rlk_reader_wipe(&connection->reader);
}

/* Ends it, but keeps what was read: it counts, though the connection broke. */
static void shut(struct rlk_connection *connection)
{
	if (connection->state == RLK_OPENING) {
		wipe_greeting(connection);
	}
	rlk_locator_stop(&connection->locator);
	rlk_resolver_stop(&connection->resolver);
	close_socket(connection);
	connection->output.start = connection->output.end = 0;
	connection->state = RLK_CLOSED;
}

static void fail(struct rlk_connection *connection, int32_t status, const char *problem)
{
	shut(connection);
	connection->failure = status;
	snprintf(connection->text, sizeof connection->text, "%s: %s", connection->name, problem);
	rlk_make_printable(connection->text, strlen(connection->text));
}

static void fail_by_memory(struct rlk_connection *connection)
{
	fail(connection, REDISLOCK_NO_MEMORY, "out of memory");
}

static void fail_by_errno(struct rlk_connection *connection, int32_t status, int error)
{
	const char *problem = rlk_socket_problem(error);
	char other[64];

	if (problem == NULL) {
		snprintf(other, sizeof other, "the connection failed with errno %d", error);
		problem = other;
	}
	fail(connection, error == ENOMEM || error == ENOBUFS ? REDISLOCK_NO_MEMORY : status, problem);
}

static void fail_by_loss(struct rlk_connection *connection, int error)
{
	int32_t status = connection->state == RLK_READY ? REDISLOCK_CONNECTION_LOST : REDISLOCK_CONNECTION_REFUSED;

	if ((error != EPIPE && error != ECONNRESET) || connection->heard || connection->address->path != NULL) {
		fail_by_errno(connection, status, error);
	} else if (connection->address->tls) {
		fail(connection, status,
		     "the server closed the connection during the handshake; does it speak TLS there?");
	} else {
		fail(connection, status,
		     "the server closed the connection without a word; does it want TLS (a URL that begins with "
		     "rediss)?");
	}
}

/* What a send or receive said: TLS has statuses of its own. */
static void fail_by_tls(struct rlk_connection *connection)
{
	int32_t status = connection->tls.status;
	char text[sizeof connection->tls.text];

	/* Closing ends it. */
	memcpy(text, connection->tls.text, sizeof text);
	if (status == REDISLOCK_OK) {
		fail_by_loss(connection, connection->tls.error);
	} else {
		fail(connection, status, text);
	}
}

static void fail_by_deadline(struct rlk_connection *connection)
{
	const char *problem = NULL;

	if (connection->phase == RESOLVING) {
		problem = "no name server answered within the timeout";
	} else if (connection->phase == SECURING) {
		problem = "connected, but the TLS handshake was not answered within the timeout; does the server speak "
		          "TLS there?";
	} else if (connection->phase == GREETING) {
		problem =
		        "connected, but the server didn't answer within the timeout; is it busy, stopped, or no Redis?";
	}
	if (problem != NULL) {
		fail(connection, REDISLOCK_CONNECTION_REFUSED, problem);
	} else {
		fail_by_errno(connection, REDISLOCK_CONNECTION_REFUSED,
		              connection->phase == PAUSING ? EAGAIN : ETIMEDOUT);
	}
}

/* Takes what recv() answered: true if it was anything. */
static bool take(struct rlk_connection *connection, const char *bytes, ssize_t received, int error)
{
	if (received > 0) {
		connection->heard = true;
		if (!rlk_reader_feed(&connection->reader, bytes, (size_t)received)) {
			fail(connection, connection->reader.status, connection->reader.text);
		}
		return true;
	}
	if (received == 0) {
		fail_by_loss(connection, EPIPE);
	} else if (error == EPROTO && connection->tls.ssl != NULL) {
		fail_by_tls(connection);
	} else if (error != EAGAIN && error != EWOULDBLOCK && error != EINTR) {
		fail_by_loss(connection, error);
	}
	return false;
}

/* Reads what has come, without a look at the state: true if there was anything. */
static bool absorb(struct rlk_connection *connection)
{
	char chunk[CHUNK]; /* also all that a record of TLS can hold: it keeps nothing back that no poll would tell of
	                    */
	bool any = false, opening = connection->state == RLK_OPENING;
	ssize_t received;

	do {
		if (rlk_reader_full(&connection->reader)) {
			return true;
		}
		received = connection->tls.ssl == NULL ? rlk_socket_receive(connection->fd, chunk, sizeof chunk)
		                                       : rlk_tls_receive(&connection->tls, chunk, sizeof chunk);
		any |= take(connection, chunk, received, errno);
	} while (received == (ssize_t)sizeof chunk && connection->state != RLK_CLOSED);
	if (opening) {
		explicit_bzero(chunk, sizeof chunk);
	}
	return any;
}

static void push(struct rlk_connection *connection)
{
	struct rlk_output *output = &connection->output;
	size_t length = output->end - output->start;
	ssize_t sent;
	int error;

	if (length == 0) {
		return;
	}
	sent = connection->tls.ssl == NULL ? rlk_socket_send(connection->fd, output->data + output->start, length)
	                                   : rlk_tls_send(&connection->tls, output->data + output->start, length);
	if (sent >= 0) {
		output->start += (size_t)sent;
		if (output->start == output->end && connection->state == RLK_OPENING) {
			rlk_output_wipe(output);
		} else if (output->start == output->end) {
			rlk_output_empty(output);
		}
		return;
	}
	error = errno;
	if (error == EAGAIN || error == EWOULDBLOCK) {
		return;
	}
	/* The server may have said why before it closed. */
	absorb(connection);
	if (connection->state == RLK_CLOSED) {
		return;
	}
	if (error == EPROTO && connection->tls.ssl != NULL) {
		fail_by_tls(connection);
	} else {
		fail_by_loss(connection, error);
	}
}

static void ready(struct rlk_connection *connection)
{
	wipe_greeting(connection);
	connection->locator.first = connection->locator.number;
	connection->state = RLK_READY;
}

static void greet(struct rlk_connection *connection)
{
	connection->phase = GREETING;
	if (!rlk_greeting_begin(&connection->greeting, connection->address, connection->role, &connection->output)) {
		fail_by_memory(connection);
	} else if (connection->greeting.count == 0) {
		ready(connection);
	} else {
		push(connection);
	}
}

static void step_securing(struct rlk_connection *connection)
{
	connection->securing = rlk_tls_shake(&connection->tls);
	if (connection->securing == RLK_TLS_DONE) {
		greet(connection);
	} else if (connection->securing == RLK_TLS_FAILED) {
		fail_by_tls(connection);
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
	connection->phase = SECURING;
	if (rlk_tls_start(&connection->tls, connection->fd, connection->host, &connection->address->tls_files)) {
		step_securing(connection);
	} else {
		fail_by_tls(connection);
	}
}

static void step_greeting(struct rlk_connection *connection)
{
	struct rlk_greeting *greeting = &connection->greeting;
	char text[208]; /* enough for what a greeting says; the connection's has room for it and the name */

	/* First what came, for a server that refuses says so at once and closes. */
	absorb(connection);
	while (greeting->answered < greeting->count) {
		size_t count;
		const struct rlk_value *answer = rlk_connection_reply(connection, &count);
		int32_t status;
		if (answer == NULL) {
			break;
		}
		status = rlk_greeting_answer(greeting, answer, count, text, sizeof text);
		if (status != REDISLOCK_OK) {
			fail(connection, status, text);
			return;
		}
	}
	if (connection->state == RLK_CLOSED) {
		return;
	}
	if (greeting->answered == greeting->count && !rlk_connection_unsent(connection)) {
		ready(connection);
	} else {
		push(connection);
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
			connection->phase = CONNECTING;
			connection->patience = now + left / (int64_t)(resolver->peer_count - connection->peer);
			return;
		}
		if (error == EAGAIN && peer->address.any.sa_family == AF_UNIX) {
			connection->phase = PAUSING;
			connection->patience = now + BACKLOG_PAUSE_MS;
			return;
		}
		connection->error = error;
	}
	fail_by_errno(connection, REDISLOCK_CONNECTION_REFUSED, connection->error);
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
		close_socket(connection);
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
		fail(connection, resolver->status, text);
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
	connection->phase = RESOLVING;
	connection->role = role;
	connection->peer = 0;
	connection->heard = false;
	connection->failure = REDISLOCK_OK;
	snprintf(connection->host, sizeof connection->host, "%s", host != NULL ? host : "");
	connection->port = port;
	set_name(connection);
	if (!rlk_reader_start(&connection->reader)) {
		fail_by_memory(connection);
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
		shut(connection);
		connection->failure = locator->status;
		snprintf(connection->text, sizeof connection->text, "%s", locator->text);
	}
}

static void locate(struct rlk_connection *connection, int64_t now)
{
	connection->state = RLK_OPENING;
	connection->phase = LOCATING;
	if (rlk_locator_start(&connection->locator, connection->address, connection->watch, connection->deadline,
	                      now)) {
		located(connection, now);
	} else {
		connection->name[0] = '\0';
		fail_by_memory(connection);
	}
}

/* Where the sentinels have led to is no primary, or can't be reached: another of them may know better. */
static void look_elsewhere(struct rlk_connection *connection, int64_t now)
{
	while (connection->state == RLK_CLOSED && connection->phase != LOCATING && connection->role == RLK_PRIMARY &&
	       (connection->failure == REDISLOCK_CONNECTION_REFUSED || connection->failure == REDISLOCK_READ_ONLY)) {
		connection->state = RLK_OPENING;
		connection->phase = LOCATING;
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
	case LOCATING:
		rlk_locator_step(&connection->locator, now);
		located(connection, now);
		break;
	case RESOLVING:
		rlk_resolver_step(&connection->resolver);
		resolved(connection, now);
		break;
	case CONNECTING:
		step_connecting(connection, now);
		break;
	case PAUSING:
		if (now >= connection->patience) {
			connect_next(connection, now);
		}
		break;
	case SECURING:
		step_securing(connection);
		break;
	case GREETING:
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

	if (connection->state == RLK_OPENING && connection->phase == LOCATING) {
		return true;
	}
	return host.length == strlen(connection->host) && memcmp(host.data, connection->host, host.length) == 0 &&
	       port.length == count && memcmp(port.data, digits, count) == 0;
}

void rlk_connection_close(struct rlk_connection *connection)
{
	shut(connection);
	rlk_reader_stop(&connection->reader);
	connection->failure = REDISLOCK_OK;
	connection->text[0] = '\0';
}

enum rlk_connection_state rlk_connection_state(const struct rlk_connection *connection)
{
	return connection->state;
}

int32_t rlk_connection_failure(const struct rlk_connection *connection, const char **text)
{
	*text = connection->text;
	return connection->failure;
}

size_t rlk_connection_fds(const struct rlk_connection *connection, struct pollfd *fds, size_t capacity)
{
	const struct rlk_resolver *resolver = &connection->resolver;

	if (connection->state == RLK_OPENING && connection->phase == LOCATING) {
		return rlk_connection_fds(connection->locator.guide, fds, capacity);
	}
	if (connection->state == RLK_OPENING && connection->phase == RESOLVING) {
		size_t count = resolver->socket_count < capacity ? resolver->socket_count : capacity;
		memcpy(fds, resolver->sockets, count * sizeof *fds);
		return count;
	}
	if (connection->fd < 0 || capacity == 0) {
		return 0;
	}
	fds[0] = (struct pollfd) { .fd = connection->fd, .events = POLLIN };
	if (connection->state == RLK_OPENING && connection->phase == CONNECTING) {
		fds[0].events = POLLOUT;
	} else if (connection->state == RLK_OPENING && connection->phase == SECURING) {
		fds[0].events = connection->securing == RLK_TLS_WRITE ? POLLOUT : POLLIN;
	} else if (rlk_connection_unsent(connection)) {
		fds[0].events = POLLIN | POLLOUT;
	}
	return 1;
}

int64_t rlk_connection_deadline(const struct rlk_connection *connection)
{
	if (connection->state != RLK_OPENING) {
		return RLK_NEVER;
	}
	return connection->patience < connection->deadline ? connection->patience : connection->deadline;
}

bool rlk_connection_append(struct rlk_connection *connection, const struct rlk_slice *words, size_t count)
{
	return rlk_output_append(&connection->output, words, count);
}

void rlk_connection_flush(struct rlk_connection *connection)
{
	if (connection->state == RLK_READY) {
		push(connection);
	}
}

bool rlk_connection_unsent(const struct rlk_connection *connection)
{
	return connection->output.start < connection->output.end;
}

bool rlk_connection_receive(struct rlk_connection *connection)
{
	return connection->state == RLK_READY && absorb(connection);
}

bool rlk_connection_awaits_well(const struct rlk_connection *connection)
{
	return connection->state == RLK_READY && connection->address->path == NULL && connection->tls.ssl == NULL &&
	       !rlk_connection_unsent(connection);
}

bool rlk_connection_await(const struct rlk_connection *connection, struct rlk_awaited *awaited)
{
	awaited->received = rlk_socket_await(connection->fd, awaited->bytes, sizeof awaited->bytes);
	awaited->error = errno;
	return awaited->received < 0 && awaited->error == EINTR;
}

void rlk_connection_take(struct rlk_connection *connection, const struct rlk_awaited *awaited)
{
	if (connection->state == RLK_READY) {
		take(connection, awaited->bytes, awaited->received, awaited->error);
	}
}

const struct rlk_value *rlk_connection_reply(struct rlk_connection *connection, size_t *count)
{
	const struct rlk_value *reply = rlk_reader_next(&connection->reader, count);

	if (reply == NULL && connection->reader.status != REDISLOCK_OK && connection->state != RLK_CLOSED) {
		fail(connection, connection->reader.status, connection->reader.text);
	}
	return reply;
}

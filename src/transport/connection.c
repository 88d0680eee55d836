/* SPDX-License-Identifier: MIT
 *
 * A connection: what goes over it, and how it fails. */
#include "connection.h"

#include <redislock/redislock.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 16384 }; /* what is read at once */

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

void rlk_connection_drop_socket(struct rlk_connection *connection)
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

void rlk_connection_wipe(struct rlk_connection *connection)
{
	rlk_output_wipe(&connection->output);
	rlk_reader_wipe(&connection->reader);
}

void rlk_connection_shut(struct rlk_connection *connection)
{
	if (connection->state == RLK_OPENING) {
		rlk_connection_wipe(connection);
	}
	rlk_locator_stop(&connection->locator);
	rlk_resolver_stop(&connection->resolver);
	rlk_connection_drop_socket(connection);
	connection->output.start = connection->output.end = 0;
	connection->state = RLK_CLOSED;
}

void rlk_connection_fail(struct rlk_connection *connection, int32_t status, const char *problem)
{
	rlk_connection_shut(connection);
	connection->failure = status;
	snprintf(connection->text, sizeof connection->text, "%s: %s", connection->name, problem);
	rlk_make_printable(connection->text, strlen(connection->text));
}

void rlk_connection_fail_by_memory(struct rlk_connection *connection)
{
	rlk_connection_fail(connection, REDISLOCK_NO_MEMORY, "out of memory");
}

void rlk_connection_fail_by_errno(struct rlk_connection *connection, int32_t status, int error)
{
	const char *problem = rlk_socket_problem(error);
	char other[64];

	if (problem == NULL) {
		snprintf(other, sizeof other, "the connection failed with errno %d", error);
		problem = other;
	}
	rlk_connection_fail(connection, error == ENOMEM || error == ENOBUFS ? REDISLOCK_NO_MEMORY : status, problem);
}

static void fail_by_loss(struct rlk_connection *connection, int error)
{
	int32_t status = connection->state == RLK_READY ? REDISLOCK_CONNECTION_LOST : REDISLOCK_CONNECTION_REFUSED;

	if ((error != EPIPE && error != ECONNRESET) || connection->heard || connection->address->path != NULL) {
		rlk_connection_fail_by_errno(connection, status, error);
	} else if (connection->address->tls) {
		rlk_connection_fail(connection, status,
		                    "the server closed the connection during the handshake; does it speak TLS there?");
	} else {
		rlk_connection_fail(
		        connection, status,
		        "the server closed the connection without a word; does it want TLS (a URL that begins with "
		        "rediss)?");
	}
}

void rlk_connection_fail_by_tls(struct rlk_connection *connection)
{
	int32_t status = connection->tls.status;
	char text[sizeof connection->tls.text];

	/* Closing ends it. */
	memcpy(text, connection->tls.text, sizeof text);
	if (status == REDISLOCK_OK) {
		fail_by_loss(connection, connection->tls.error);
	} else {
		rlk_connection_fail(connection, status, text);
	}
}

/* Takes what recv() answered: true if it was anything. */
static bool take(struct rlk_connection *connection, const char *bytes, ssize_t received, int error)
{
	if (received > 0) {
		connection->heard = true;
		if (!rlk_reader_feed(&connection->reader, bytes, (size_t)received)) {
			rlk_connection_fail(connection, connection->reader.status, connection->reader.text);
		}
		return true;
	}
	if (received == 0) {
		fail_by_loss(connection, EPIPE);
	} else if (error == EPROTO && connection->tls.ssl != NULL) {
		rlk_connection_fail_by_tls(connection);
	} else if (error != EAGAIN && error != EWOULDBLOCK && error != EINTR) {
		fail_by_loss(connection, error);
	}
	return false;
}

bool rlk_connection_absorb(struct rlk_connection *connection)
{
	/* Also all that a record of TLS can hold: it keeps nothing back that no poll would tell of. */
	char chunk[CHUNK];
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

void rlk_connection_push(struct rlk_connection *connection)
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
	rlk_connection_absorb(connection);
	if (connection->state == RLK_CLOSED) {
		return;
	}
	if (error == EPROTO && connection->tls.ssl != NULL) {
		rlk_connection_fail_by_tls(connection);
	} else {
		fail_by_loss(connection, error);
	}
}

void rlk_connection_close(struct rlk_connection *connection)
{
	rlk_connection_shut(connection);
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

	if (connection->state == RLK_OPENING && connection->phase == RLK_PHASE_LOCATING) {
		return rlk_connection_fds(connection->locator.guide, fds, capacity);
	}
	if (connection->state == RLK_OPENING && connection->phase == RLK_PHASE_RESOLVING) {
		size_t count = resolver->socket_count < capacity ? resolver->socket_count : capacity;
		memcpy(fds, resolver->sockets, count * sizeof *fds);
		return count;
	}
	if (connection->fd < 0 || capacity == 0) {
		return 0;
	}
	fds[0] = (struct pollfd) { .fd = connection->fd, .events = POLLIN };
	if (connection->state == RLK_OPENING && connection->phase == RLK_PHASE_CONNECTING) {
		fds[0].events = POLLOUT;
	} else if (connection->state == RLK_OPENING && connection->phase == RLK_PHASE_SECURING) {
		fds[0].events = connection->securing == RLK_TLS_WRITE ? POLLOUT : POLLIN;
	} else if (rlk_connection_unsent(connection)) {
		fds[0].events = POLLIN | POLLOUT;
	}
	return 1;
}

bool rlk_connection_append(struct rlk_connection *connection, const struct rlk_slice *words, size_t count)
{
	return rlk_output_append(&connection->output, words, count);
}

void rlk_connection_flush(struct rlk_connection *connection)
{
	if (connection->state == RLK_READY) {
		rlk_connection_push(connection);
	}
}

bool rlk_connection_unsent(const struct rlk_connection *connection)
{
	return connection->output.start < connection->output.end;
}

bool rlk_connection_receive(struct rlk_connection *connection)
{
	return connection->state == RLK_READY && rlk_connection_absorb(connection);
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
		rlk_connection_fail(connection, connection->reader.status, connection->reader.text);
	}
	return reply;
}

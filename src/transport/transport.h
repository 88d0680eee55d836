/* SPDX-License-Identifier: MIT
 *
 * Connections to a server: the only layer that knows sockets, c-ares and hiredis. Nothing here blocks, and nothing here
 * knows what a lock is. A client lock protects all of it; no function is safe against itself. */
#ifndef RLK_TRANSPORT_H
#define RLK_TRANSPORT_H

#include "base/base.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

/* ---- secret.c ---- */

/* A password; no text where there is none. All zero is none. */
struct rlk_secret {
	char *text;
};

/* Replaces it by a copy (NULL: by none), wiping what was there. REDISLOCK_OK or _NO_MEMORY. */
int32_t rlk_secret_set(struct rlk_secret *secret, const char *text);

/* Wipes it and leaves none. */
void rlk_secret_clear(struct rlk_secret *secret);

/* ---- url.c ---- */

/* A name or a numeric address, and a port. */
struct rlk_host {
	char *name;
	uint16_t port;
};

enum { RLK_HOSTS = 16, RLK_HOST_MAX = 255 };

/* Where a server is and what to greet it with; all texts are owned and NUL-terminated, NULL where there is none. */
struct rlk_address {
	char *host; /* a name or a numeric address; NULL for a unix socket, and where there are several */
	char *path; /* the unix socket; NULL for TCP */
	uint16_t port;
	int32_t db;
	char *user;
	struct rlk_secret password; /* the one place where it stays: whoever copies it on the way wipes the copy */
	char *client_name;
	bool tls;
	struct rlk_host hosts[RLK_HOSTS]; /* sentinels, or the nodes of a cluster to ask first */
	size_t host_count;
	bool cluster;
	struct rlk_sentinels {
		char *service;              /* the name that they know the primary by; NULL: there are none */
		char *user;                 /* theirs; nothing is sent where both are none */
		struct rlk_secret password; /* as the other one */
	} sentinels;
	struct rlk_tls_files {
		char *authorities, *authority_folder; /* whom to trust; the system's where both are NULL */
		char *certificate, *key;              /* who we are; both or none */
		char *server_name;                    /* to expect instead of the host */
		bool unverified;
	} tls_files;
};

/* Whether this build has TLS. */
extern const bool rlk_tls_built;

/* Reads a URL. On failure address is left empty and text (of size bytes, may be NULL) says which part is wrong, never
 * with the password in it. REDISLOCK_OK, _INVALID_ARGUMENT, _UNSUPPORTED or _NO_MEMORY. */
int32_t rlk_address_parse(const char *url, struct rlk_address *address, char *text, size_t size);

/* Replaces one of the texts by a copy (NULL: by none), wiping what was there. REDISLOCK_OK or _NO_MEMORY. */
int32_t rlk_address_set(char **text, const char *value);

/* Wipes and frees what the address owns, and leaves it empty. */
void rlk_address_clear(struct rlk_address *address);

/* ---- connection.c, opening.c ---- */

enum rlk_connection_state {
	RLK_CLOSED,  /* never opened, closed, or broken: see rlk_connection_failure() */
	RLK_OPENING, /* resolving, connecting or greeting */
	RLK_READY    /* commands may be appended */
};

struct rlk_connection;

/* Somebody who keeps a list of descriptors and must hear of each before it is closed. */
struct rlk_watch {
	void (*closing)(struct rlk_watch *watch, int fd);
};

/* watch may be NULL. NULL if out of memory. */
struct rlk_connection *rlk_connection_new(struct rlk_watch *watch);

/* Closes and frees; NULL does nothing. */
void rlk_connection_free(struct rlk_connection *connection);

/* Starts to connect; one that isn't closed is closed first. The address must outlive the opening. Where it has
 * sentinels these are asked, and whoever they call the primary must say so himself, or it asks on. With a twin that is
 * ready it connects to the very peer of the twin and asks nobody; NULL, or a twin that isn't ready, makes no
 * difference. Fails when deadline passes before it is ready. Any failure, out of memory too, shows as RLK_CLOSED. It
 * may be CLOSED or READY at once: look at the state. */
void rlk_connection_open(struct rlk_connection *connection, const struct rlk_address *address,
                         const struct rlk_connection *twin, int64_t deadline, int64_t now);

/* The same to a node of a cluster, in the place of the address's host. */
void rlk_connection_open_node(struct rlk_connection *connection, const struct rlk_address *address,
                              const struct rlk_host *node, const struct rlk_connection *twin, int64_t deadline,
                              int64_t now);

/* The same to one of the address's sentinels, by its number. */
void rlk_connection_open_sentinel(struct rlk_connection *connection, const struct rlk_address *address, size_t number,
                                  int64_t deadline, int64_t now);

/* For addresses with sentinels. Which of them to ask first at the next opening. */
void rlk_connection_ask_first(struct rlk_connection *connection, size_t number);

/* Whether one of them named a primary in the last opening, though that may have failed. */
bool rlk_connection_located(const struct rlk_connection *connection);

/* Whether that is where it has come, or is going, to; or it is just asking itself. */
bool rlk_connection_goes_to(const struct rlk_connection *connection, struct rlk_slice host, struct rlk_slice port);

/* Closes without a word to the server. Keeps its memory for the next opening; clears a failure. */
void rlk_connection_close(struct rlk_connection *connection);

enum rlk_connection_state rlk_connection_state(const struct rlk_connection *connection);

/* Why it is closed: REDISLOCK_OK if nobody's fault, else a status; text is valid until it is opened again. */
int32_t rlk_connection_failure(const struct rlk_connection *connection, const char **text);

/* Descriptors to poll and for what, at most capacity (RLK_CONNECTION_FDS are enough). Returns how many. */
size_t rlk_connection_fds(const struct rlk_connection *connection, struct pollfd *fds, size_t capacity);
enum { RLK_CONNECTION_FDS = 16 };

/* When an opening connection wants to be stepped without readiness, else RLK_NEVER. */
int64_t rlk_connection_deadline(const struct rlk_connection *connection);

/* Turns what poll said into progress of an opening connection. Call when OPENING, whenever a descriptor of it is ready
 * or its deadline has passed. May leave it READY or CLOSED. */
void rlk_connection_step(struct rlk_connection *connection, int64_t now);

/* Appends a command. Returns false if out of memory, nothing appended. */
bool rlk_connection_append(struct rlk_connection *connection, const struct rlk_slice *words, size_t count);

/* Sends what was appended as far as the socket takes it: one send, if anything is there. A broken connection shows as
 * RLK_CLOSED. */
void rlk_connection_flush(struct rlk_connection *connection);

/* Whether appended bytes wait to be sent (then poll for POLLOUT too; rlk_connection_fds does). */
bool rlk_connection_unsent(const struct rlk_connection *connection);

/* Reads what has come: one recv, more only if it filled the buffer. Returns whether there was anything. A broken
 * connection shows as RLK_CLOSED, though replies that came before are still to be had. */
bool rlk_connection_receive(struct rlk_connection *connection);

/* For whoever has nothing else to wait for than answers here, and where it awaits well (a unix socket is polled
 * faster): waits for some bytes to come, at most RLK_AWAIT_MS and until a signal. It is one system call instead of two,
 * and touches nothing but the socket: nobody may send, receive or close meanwhile. What it found is then to be taken,
 * as if it had been received. Returns whether a signal ended it. */
struct rlk_awaited {
	ssize_t received;
	int error;
	char bytes[16384];
};
bool rlk_connection_awaits_well(const struct rlk_connection *connection);
bool rlk_connection_await(const struct rlk_connection *connection, struct rlk_awaited *awaited);
void rlk_connection_take(struct rlk_connection *connection, const struct rlk_awaited *awaited);
#define RLK_AWAIT_MS 50L

/* The next whole reply, or NULL; count receives the number of nodes. Valid until the next call. A malformed or
 * oversized one closes the connection with REDISLOCK_PROTOCOL. */
const struct rlk_value *rlk_connection_reply(struct rlk_connection *connection, size_t *count);

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the files of the transport share. A connection is put together from these: a resolver finds where to connect,
 * a socket connects and carries bytes, an output holds commands, a greeting begins, a reader makes replies of bytes. */
#ifndef RLK_TRANSPORT_INTERNAL_H
#define RLK_TRANSPORT_INTERNAL_H

#include "transport.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* ---- socket.c ---- */

/* An end that can be connected to. */
struct rlk_peer {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} address;
	socklen_t length;
};

/* Reads a numeric address (with a scope, as in fe80::1%eth0, if need be). False if it is a name. */
bool rlk_peer_numeric(struct rlk_peer *peer, const char *host, uint16_t port);

/* False if the path doesn't fit. */
bool rlk_peer_unix(struct rlk_peer *peer, const char *path);

/* Makes a socket and starts to connect it. Returns 0, EINPROGRESS, or what went wrong; then fd is -1. */
int rlk_socket_connect(const struct rlk_peer *peer, int *fd);

/* How that went: 0, EINPROGRESS, or what went wrong. */
int rlk_socket_progress(int fd);

/* Whether it came to be connected to itself, as can happen with a port of the range that the system gives to clients.
 */
bool rlk_socket_is_self(int fd);

/* Once it is connected, rlk_socket_await() can wait for bytes, by itself and no longer than RLK_AWAIT_MS. Unlike the
 * others it tells of signals: EINTR. */
void rlk_socket_connected(int fd);
ssize_t rlk_socket_await(int fd, void *data, size_t size);

/* The bytes that went through, or -1 with errno; never by a signal, neither EINTR nor SIGPIPE. */
ssize_t rlk_socket_send(int fd, const void *data, size_t length);
ssize_t rlk_socket_receive(int fd, void *data, size_t size);

/* What an errno of these means and what to do, for people; NULL if it is an unusual one. */
const char *rlk_socket_problem(int error);

/* ---- resolve.c ---- */

enum { RLK_PEERS = 8 };

struct ares_channeldata;

/* Where to connect. All zero is idle. It must stay where it is while it runs. */
struct rlk_resolver {
	struct ares_channeldata *channel; /* NULL when idle */
	struct rlk_watch *watch;          /* or NULL */
	uint16_t port;
	bool done;
	bool stopping;
	int32_t status;
	const char *text; /* what went wrong, static */
	struct pollfd sockets[RLK_CONNECTION_FDS];
	size_t socket_count;
	struct rlk_peer peers[RLK_PEERS];
	size_t peer_count;
};

/* Starts to find the peers of a unix socket or (path is NULL) a host; only a name takes time. Must be idle. */
void rlk_resolver_start(struct rlk_resolver *resolver, const char *path, const char *host, uint16_t port,
                        struct rlk_watch *watch);

/* Takes a peer that is known. Must be idle. */
void rlk_resolver_take(struct rlk_resolver *resolver, const struct rlk_peer *peer);

/* Looks for progress of one that runs. */
void rlk_resolver_step(struct rlk_resolver *resolver);

/* In how many milliseconds one that runs wants to be stepped without readiness; -1: never. */
int64_t rlk_resolver_patience(const struct rlk_resolver *resolver);

/* Ends a lookup at any moment; what was found stays. */
void rlk_resolver_stop(struct rlk_resolver *resolver);

/* ---- tls.c; in the shared library tls_load.c, which loads it; without OpenSSL tls_absent.c ---- */

struct ssl_st;
struct ssl_ctx_st;
struct bio_method_st;

/* All zero is none. It must stay where it is. */
struct rlk_tls {
	struct ssl_st *ssl;
	struct ssl_ctx_st *context;
	struct bio_method_st *method;
	int fd;
	int32_t status; /* why TLS failed; OK where the socket below did, with error */
	int error;
	char text[256];
};

enum rlk_tls_step { RLK_TLS_DONE, RLK_TLS_READ, RLK_TLS_WRITE, RLK_TLS_FAILED };

/* Gets ready to shake hands with a host over a connected socket. It reads the files each time: they may have been
 * renewed. False if it failed: see status and text; stop it in any case. */
bool rlk_tls_start(struct rlk_tls *tls, int fd, const char *host, const struct rlk_tls_files *files);

/* Shakes hands as far as it goes: done, failed, or what the socket must be ready for. */
enum rlk_tls_step rlk_tls_shake(struct rlk_tls *tls);

/* As those of the socket. EPROTO: see status and text. */
ssize_t rlk_tls_send(struct rlk_tls *tls, const void *data, size_t length);
ssize_t rlk_tls_receive(struct rlk_tls *tls, void *data, size_t size);

void rlk_tls_stop(struct rlk_tls *tls);

/* The same as the module has it. Library and module are of one build. */
#define RLK_TEXT_OF(number) #number
#define RLK_VERSION_TEXT(major, minor, patch) RLK_TEXT_OF(major) "." RLK_TEXT_OF(minor) "." RLK_TEXT_OF(patch)
#define RLK_TLS_MODULE_VERSION                                                                                         \
	RLK_VERSION_TEXT(REDISLOCK_VERSION_MAJOR, REDISLOCK_VERSION_MINOR, REDISLOCK_VERSION_PATCH)

struct rlk_tls_module {
	const char *version;
	bool (*start)(struct rlk_tls *tls, int fd, const char *host, const struct rlk_tls_files *files);
	enum rlk_tls_step (*shake)(struct rlk_tls *tls);
	ssize_t (*send)(struct rlk_tls *tls, const void *data, size_t length);
	ssize_t (*receive)(struct rlk_tls *tls, void *data, size_t size);
	void (*stop)(struct rlk_tls *tls);
};

/* ---- command.c ---- */

/* Bytes on their way out. All zero is empty. */
struct rlk_output {
	char *data;
	size_t capacity;
	size_t start, end; /* what is still to be sent */
};

/* Makes room behind the end. False if out of memory. */
bool rlk_output_reserve(struct rlk_output *output, size_t size);

/* Appends a command. False if out of memory, nothing appended. */
bool rlk_output_append(struct rlk_output *output, const struct rlk_slice *words, size_t count);

/* All has been sent: keeps no more memory than what is usual takes. */
void rlk_output_empty(struct rlk_output *output);

/* Forgets everything without a trace. */
void rlk_output_wipe(struct rlk_output *output);

/* ---- greeting.c ---- */

/* What it is that is greeted: any server; a sentinel; one that sentinels call the primary, which it has to confirm. */
enum rlk_role { RLK_SERVER, RLK_SENTINEL, RLK_PRIMARY };

enum rlk_greeting_step {
	RLK_GREET_AUTH,
	RLK_GREET_SELECT,
	RLK_GREET_NAME,
	RLK_GREET_ROLE,
	RLK_GREET_PING,
	RLK_GREETING_STEPS
};

/* What a server must be told first, and what was answered so far. */
struct rlk_greeting {
	enum rlk_greeting_step steps[RLK_GREETING_STEPS];
	size_t count, answered;
};

/* Appends the greeting for an address. False if out of memory. */
bool rlk_greeting_begin(struct rlk_greeting *greeting, const struct rlk_address *address, enum rlk_role role,
                        struct rlk_output *output);

/* Takes the answer, of count nodes, to the next step: REDISLOCK_OK, or a status with a text that never has the password
 * in it. */
int32_t rlk_greeting_answer(struct rlk_greeting *greeting, const struct rlk_value *answer, size_t count, char *text,
                            size_t size);

/* ---- locate.c ---- */

enum rlk_location {
	RLK_LOCATING, /* somebody is being asked */
	RLK_LOCATED,  /* host and port are what he said */
	RLK_NOWHERE   /* nobody is left to be asked: see status and text */
};

/* Asks an address's sentinels where the primary is. All zero is idle; it must stay where it is. */
struct rlk_locator {
	struct rlk_connection *guide; /* to the one that is asked; NULL until first needed, the owner's to free */
	const struct rlk_address *address;
	enum rlk_location state;
	size_t first, asked, number; /* whom to ask first; how many have been; who it is now */
	bool asking;                 /* the question was sent */
	bool located;                /* somebody has named a primary since the start, right or wrong */
	int64_t deadline, patience;  /* of all; of the one */
	char host[RLK_HOST_MAX + 1];
	uint16_t port;
	int weight; /* of what is worth telling */
	int32_t status;
	char text[400];
};

/* False if out of memory. */
bool rlk_locator_start(struct rlk_locator *locator, const struct rlk_address *address, struct rlk_watch *watch,
                       int64_t deadline, int64_t now);
void rlk_locator_step(struct rlk_locator *locator, int64_t now);
int64_t rlk_locator_deadline(const struct rlk_locator *locator);

/* What was located is no primary, or can't be reached: asks on. */
void rlk_locator_reject(struct rlk_locator *locator, int32_t status, const char *text, int64_t now);

/* Asks nobody any more; what it knows stays. */
void rlk_locator_stop(struct rlk_locator *locator);

/* ---- reply.c ---- */

enum {
	RLK_REPLY_DEPTH = 7,           /* arrays in arrays */
	RLK_REPLY_ELEMENTS = 1024,     /* of one array */
	RLK_REPLY_STRING = 128 * 1024, /* bytes of one string */
	RLK_REPLY_SIZE = 768 * 1024,   /* bytes of memory for one reply */
	RLK_REPLY_UNREAD = 256 * 1024  /* bytes that wait to be made a reply */
};

struct redisReader;

/* All zero is empty. It must stay where it is. */
struct rlk_reader {
	struct redisReader *parser; /* NULL when stopped */
	struct rlk_value *nodes;
	size_t node_count, node_capacity;
	char *bytes;
	size_t byte_count, byte_capacity;
	bool whole;     /* the nodes are a whole reply, which was given out */
	int32_t status; /* no more replies come after a failure */
	char text[192];
};

/* Starts anew. False if out of memory. */
bool rlk_reader_start(struct rlk_reader *reader);

/* Forgets what was fed, keeps the memory for replies. */
void rlk_reader_stop(struct rlk_reader *reader);

void rlk_reader_free(struct rlk_reader *reader);

/* Wipes what was read, as far as it isn't new: replies that were not taken stay. */
void rlk_reader_wipe(struct rlk_reader *reader);

/* Whether replies must be taken before more may be fed. */
bool rlk_reader_full(const struct rlk_reader *reader);

/* False if it failed: see status and text. */
bool rlk_reader_feed(struct rlk_reader *reader, const char *data, size_t length);

/* The next whole reply; NULL if there is none yet, or it failed. */
const struct rlk_value *rlk_reader_next(struct rlk_reader *reader, size_t *count);

#endif

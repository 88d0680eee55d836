/* SPDX-License-Identifier: MIT
 *
 * redislock - a distributed lock that lives in Redis or Valkey.
 *
 * This header is the whole public ABI. It is plain C for people and for FFI parsers alike: opaque types, fixed-width
 * numbers, anonymous enums, no macros beside the guards, no varargs, no structs, no callbacks.
 *
 * Statuses. Functions that can fail return an int32_t: 0 is success, a positive number an outcome that is not a
 * failure, a negative number a failure. errno is neither set nor read for the caller. The text of a failure belongs to
 * the handle that failed; redislock_client_error() and redislock_lock_error() copy it out.
 *
 * Durations are int64_t milliseconds and have _ms in their names. Inputs are copied before a function returns.
 *
 * Threads
 *   redislock_client            any number of threads at once
 *   redislock_lock              one caller at a time, except: is_held, remaining_ms, fence, token, name, channel,
 *                               interrupt, which any thread may call while another one is busy with the lock
 *   redislock_info, _list       one caller at a time
 *   redislock_quorum            as a client
 *   redislock_quorum_lock       as a lock
 *   redislock_event             whoever reads the client's events, or the quorum's: one thread
 *   strerror, version, has      any thread, at any time
 * A second caller of a lock that is busy gets REDISLOCK_IN_USE and disturbs nothing.
 *
 * Lifetimes
 *   client   from redislock_client_new() until redislock_client_free() and until its last lock and list are freed,
 *            whatever the order: freeing a client that still has locks only gives up the caller's own reference
 *   lock     from redislock_lock_new() to redislock_lock_free(); freeing a held lock releases it
 *   info     a snapshot; independent of the client that made it
 *   list     from redislock_list_new() to redislock_list_free()
 *   quorum   from redislock_quorum_new() until redislock_quorum_free() and until its last lock is freed, as a client
 *   event    borrowed, until the client's or quorum's next event is read or it ends
 * Every _free(NULL) does nothing.
 *
 * Forks. A child process must not use the handles that it inherits: every call answers REDISLOCK_FORKED and sends
 * nothing. Freeing them is allowed, silent and leaves the parent's lock alone. A client made in the child works.
 *
 * Signals. The library installs no handler, blocks all signals in the threads that it may start (one for a client, one
 * for a quorum), and never raises SIGPIPE. See redislock_client_set_interruptible() and redislock_client_interrupt().
 *
 * Two forms. A client is made for one of them. Blocking, by redislock_client_new(): calls wait for what they do.
 * Event loop, by redislock_client_new_eventloop(): things are started, and told by events; nothing waits, and there is
 * no thread. A call of the other form answers REDISLOCK_WRONG_MODE and does nothing. Setters, and what looks at a lock
 * without asking the server, are for both.
 */
#ifndef REDISLOCK_H
#define REDISLOCK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A server with its connections, waiters and leases. */
typedef struct redislock_client redislock_client;

/* One name, one kind; free, waiting or held. */
typedef struct redislock_lock redislock_lock;

/* What was seen of a name at one moment. */
typedef struct redislock_info redislock_info;

/* A walk over the names that are locked. */
typedef struct redislock_list redislock_list;

/* Something that happened to a client, or a quorum, of an event loop. */
typedef struct redislock_event redislock_event;

/* Several servers that know nothing of each other, and of which the greater part decides. */
typedef struct redislock_quorum redislock_quorum;

/* One name on the servers of a quorum; free, waiting or held. */
typedef struct redislock_quorum_lock redislock_quorum_lock;

/* Statuses. A number is never given a second meaning. */
enum {
	REDISLOCK_OK = 0,                  /* done */
	REDISLOCK_NOT_ACQUIRED = 1,        /* somebody else held the lock until the wait ended */
	REDISLOCK_NOT_LOCKED = 2,          /* nothing to break: not locked, or not by the token that was expected */
	REDISLOCK_END = 3,                 /* nothing left: no more names, no event, no wait to give up */
	REDISLOCK_INVALID_ARGUMENT = -1,   /* an argument is NULL, malformed or out of range */
	REDISLOCK_NO_MEMORY = -2,          /* out of memory in this process */
	REDISLOCK_NOT_OWNED = -3,          /* this handle doesn't hold the lock */
	REDISLOCK_LOST = -4,               /* this handle held the lock and it ended before it was released */
	REDISLOCK_TIMEOUT = -5,            /* the server didn't answer in time */
	REDISLOCK_CONNECTION_REFUSED = -6, /* no connection could be made */
	REDISLOCK_CONNECTION_LOST = -7,    /* the connection broke and could not be restored in time */
	REDISLOCK_PROTOCOL = -8,           /* the peer doesn't talk like a Redis server */
	REDISLOCK_SERVER = -9,             /* the server answered with an error; its text is the handle's error text */
	REDISLOCK_AUTHENTICATION = -10,    /* the server wants other credentials */
	REDISLOCK_PERMISSION = -11,        /* the server's access rules forbid it */
	REDISLOCK_READ_ONLY = -12,         /* the server is a read-only replica */
	REDISLOCK_NOT_ENOUGH_REPLICAS = -13, /* too few replicas took part */
	REDISLOCK_FORKED = -14,              /* the handle was made before a fork, in the parent process */
	REDISLOCK_INTERRUPTED = -15,         /* the wait was interrupted and can be resumed */
	REDISLOCK_UNSUPPORTED = -16,         /* this build, or this server, can't do that */
	REDISLOCK_INTERNAL = -17,            /* a bug in redislock */
	REDISLOCK_IN_USE = -18,     /* the handle is held, waiting or in another caller's hands; or the token is */
	REDISLOCK_WRONG_TYPE = -19, /* a key of that name exists and is no lock; it was left alone */
	REDISLOCK_WRONG_MODE = -20, /* the client was made for the other form, blocking or event loop */
	REDISLOCK_UNTRUSTED = -21   /* TLS: the server can't be trusted, as its certificate stands */
};

/* Kinds of lock, for redislock_lock_new(). */
enum {
	REDISLOCK_KIND_PUBSUB = 1, /* waiters queue and are woken by a message, in order, one at a time */
	REDISLOCK_KIND_SPIN = 2    /* waiters try again at an interval, and have no place in the queue */
};

/* Special durations. */
enum {
	REDISLOCK_FOREVER = -1,  /* a wait without an end */
	REDISLOCK_NO_EXPIRY = -1 /* a lock that no crash will ever free; or a lease without an end */
};

/* Types of events. */
enum {
	REDISLOCK_EVENT_ACQUIRED = 1,     /* an acquire: the lock is held */
	REDISLOCK_EVENT_NOT_ACQUIRED = 2, /* an acquire: its wait ended first */
	REDISLOCK_EVENT_RELEASED = 3,     /* a release: done */
	REDISLOCK_EVENT_EXTENDED = 4,     /* an extend: done */
	REDISLOCK_EVENT_LOST = 5,         /* a hold ended before it was released; the tag is its acquire's */
	REDISLOCK_EVENT_FAILED = 6,       /* what was started failed; the status says how */
	REDISLOCK_EVENT_CANCELLED = 7,    /* an acquire that was cancelled: nothing is held */
	REDISLOCK_EVENT_ANSWERED = 8      /* a question of the client's: the status is its outcome */
};

/* ---- library ---------------------------------------------------------------------------------------------------- */

/* The version of the library at run time as one number: major * 1000000 + minor * 1000 + patch.
 * Any thread. Since 1.0. */
int32_t redislock_version_number(void);

/* The version of the library at run time, as in "1.0.0". The text is static. Any thread. Since 1.0. */
const char *redislock_version_string(void);

/* Whether this build has a feature. feature: "tls", "resp3", "sentinel", "cluster" or any later name.
 * Returns 1 if it has, 0 if it hasn't, doesn't know the name, or feature is NULL. Any thread. Since 1.0. */
int32_t redislock_has(const char *feature);

/* A sentence for a status, for people. Never NULL, whatever the number; the text is static. Any thread. Since 1.0. */
const char *redislock_strerror(int32_t status);

/* The name of a status without its prefix, as in "NOT_ACQUIRED"; "UNKNOWN" for a number that is none. Never NULL; the
 * text is static. Any thread. Since 1.0. */
const char *redislock_error_name(int32_t status);

/* ---- client ----------------------------------------------------------------------------------------------------- */

/* Makes a client. It connects at its first use, or when redislock_client_connect() asks it to.
 *
 * url      redis://[user[:password]@]host[:port][/db], the same with rediss:// for TLS, unix:///path[?db=N],
 *          redis+sentinel://[user[:password]@]host,host.../service[/db], or
 *          redis+cluster://[user[:password]@]host,host..., each host with its :port there, too; NUL-terminated, at
 *          most 4096 bytes. The parts are percent-decoded; an IPv6 address stands in brackets; user may be empty
 *          (redis://:password@host).
 * client   where the handle is written; NULL is written on failure. The caller frees it.
 *
 * REDISLOCK_OK; REDISLOCK_INVALID_ARGUMENT for a URL that can't be read (redislock_url_error() says which part);
 * REDISLOCK_UNSUPPORTED for a scheme this build lacks; REDISLOCK_NO_MEMORY. Any thread. Since 1.0.
 *
 * With Sentinel the hosts are up to 16 sentinels, whose port is 26379 where none is given. They are asked one after the
 * other for the primary of the service, as their configuration names it; user, password and db are for that one, who
 * must confirm to be it: its user may need +role. The sentinels' own credentials, if they want any, follow in the URL
 * as in ?sentinel_user=me&sentinel_password=word, or are set by redislock_client_set_sentinel_credentials(). After a
 * failover the client goes on with the new primary by itself; what the old one had not yet copied is lost then, and
 * holders are told of it as of any loss. rediss+sentinel:// is TLS to all of them, with the same authorities: the
 * certificates must be for the addresses that the sentinels give, or all for one server_name.
 *
 * In a cluster the hosts are some of its nodes, up to 16; rediss+cluster:// is TLS to all of them. A client connects to
 * the primaries that its locks need, and follows slots and failovers. It needs Redis 7.0 or later; others, and a server
 * that is no part of a cluster, are REDISLOCK_UNSUPPORTED at the first use. */
int32_t redislock_client_new(const char *url, redislock_client **client);

/* What is wrong with a URL, in a sentence that never repeats its password.
 *
 * url      the URL, NUL-terminated
 * text     receives the sentence, cut to fit and NUL-terminated; empty if nothing is wrong
 * size     the capacity of text in bytes
 *
 * What redislock_client_new() would answer to that URL. Any thread. Since 1.0. */
int32_t redislock_url_error(const char *url, char *text, size_t size);

/* Gives up the caller's reference. The client ends with its last lock and list. Whoever ends it waits for the server no
 * longer than a quarter of a second, and only where a lock that was freed is still being cleaned up behind. What was
 * asked in an event loop and is not answered is forgotten. In a forked child it frees memory and closes descriptors,
 * silently. Not while another thread calls with this client and no reference of its own. Since 1.0. */
void redislock_client_free(redislock_client *client);

/* How long making a connection may take, name resolution and greeting included. Default 5000.
 * timeout_ms: 1 to 2^31-1. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_client_set_connect_timeout_ms(redislock_client *client, int64_t timeout_ms);

/* How long the server may take for an answer before the connection counts as dead. Default 5000. It bounds every call
 * but a wait for a lock, and the first answer of a wait of 0.
 * timeout_ms: 1 to 2^31-1. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_client_set_command_timeout_ms(redislock_client *client, int64_t timeout_ms);

/* The name that the connections take with CLIENT SETNAME; none by default. Used at the next connect.
 * name: 1 to 255 bytes from '!' to '~', NUL-terminated; NULL or "" for none. REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT
 * or REDISLOCK_NO_MEMORY. Any thread. Since 1.0. */
int32_t redislock_client_set_name(redislock_client *client, const char *name);

/* The credentials of the next connect; they replace those of the URL. Open connections stay as they are.
 *
 * user      NUL-terminated; NULL or "" for the server's default user
 * password  NUL-terminated; NULL for none, which also forgets earlier credentials
 *
 * REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT (a user without a password, or over 4096 bytes) or REDISLOCK_NO_MEMORY.
 * Any thread, also while others use the client. Since 1.0. */
int32_t redislock_client_set_credentials(redislock_client *client, const char *user, const char *password);

/* The credentials for the sentinels, for clients of a redis+sentinel:// URL; they replace those of the URL, from the
 * next connect on. None are sent to sentinels by default, in particular not the primary's.
 *
 * user      NUL-terminated; NULL or "" for the default user
 * password  NUL-terminated; NULL for none, which also forgets earlier credentials
 *
 * REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT (a user without a password, over 4096 bytes, or the client of another URL)
 * or REDISLOCK_NO_MEMORY. Any thread, also while others use the client. Since 1.0. */
int32_t redislock_client_set_sentinel_credentials(redislock_client *client, const char *user, const char *password);

/* How many replicas of the server must have an acquisition before it counts, so that it outlives the server, if one of
 * them takes its place. It narrows the loss of locks in a failover and doesn't end it: another replica may take that
 * place. An acquisition takes one round trip more, and uses another connection. Renewals and releases don't wait.
 *
 * replicas     0 (the default): none, and timeout_ms doesn't matter
 * timeout_ms   how long that may take once the server has given the lock, 1 to 2^31-1; never longer than the wait
 *              of the lock. If they are too few by then the lock is given back, and acquiring answers
 *              REDISLOCK_NOT_ENOUGH_REPLICAS; at the latest a quarter of a second later.
 *
 * For acquisitions that begin later. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_client_set_min_replicas(redislock_client *client, int32_t replicas, int64_t timeout_ms);

/* ---- TLS, for clients of a rediss:// URL ----
 *
 * What the first three setters set the URL can say as well, as in rediss://host/0?ca=/etc/redis/ca.pem: ca, ca_folder,
 * cert, key and server_name, with & between them.
 *
 * The server's certificate is verified, with its chain and for the host of the URL, name or address. TLS is 1.2 or
 * later; ciphers and the like are those of the system's OpenSSL, by its configuration. The setters below are for the
 * next connect, when the files are read: what is wrong with them is said then. They answer REDISLOCK_OK,
 * REDISLOCK_INVALID_ARGUMENT (also for the client of another URL), REDISLOCK_NO_MEMORY, REDISLOCK_FORKED, or
 * REDISLOCK_UNSUPPORTED in a build without TLS. Any thread. */

/* Whom to trust: certificate authorities in PEM form. The system's by default.
 *
 * file     a file of certificates, NUL-terminated; NULL for none
 * folder   a folder with certificates under names as openssl rehash makes them; NULL for none
 *
 * Both NULL: the system's again. Since 1.0. */
int32_t redislock_client_set_tls_authorities(redislock_client *client, const char *file, const char *folder);

/* The client's own certificate, for servers that want one. None by default.
 *
 * certificate  a PEM file with it and what leads up to its authority, NUL-terminated
 * key          a PEM file with its key, not encrypted
 *
 * Both NULL: none again. Since 1.0. */
int32_t redislock_client_set_tls_certificate(redislock_client *client, const char *certificate, const char *key);

/* The name or address that the server's certificate must be for, if it isn't the host of the URL. It is also the name
 * that the server is asked for (SNI).
 * name: 1 to 255 bytes, NUL-terminated; NULL for the host again. Since 1.0. */
int32_t redislock_client_set_tls_server_name(redislock_client *client, const char *name);

/* Whether to talk to a server without knowing who it is: its certificate is not verified, so that anybody on the way
 * can read and change everything, the password as well. Off by default, and only for trying things out. on: 0 or 1.
 * Since 1.0. */
int32_t redislock_client_set_tls_unverified(redislock_client *client, int32_t on);

/* Whether a signal that arrives in a waiting thread ends its wait with REDISLOCK_INTERRUPTED. Off by default: waits go
 * on after a signal. Sure to see the signal only in a process with one waiting thread; elsewhere let the handler call
 * redislock_client_interrupt().
 * on: 0 or 1. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_client_set_interruptible(redislock_client *client, int32_t on);

/* Connects now, so that a wrong address or password is known before the first lock. Does nothing when connected.
 * REDISLOCK_OK or a failure of the connection within the connect timeout. Any thread. Since 1.0. */
int32_t redislock_client_connect(redislock_client *client);

/* Asks the server for a sign of life, once there and back.
 * REDISLOCK_OK or a failure within the connect and command timeouts. Any thread. Since 1.0. */
int32_t redislock_client_ping(redislock_client *client);

/* Ends every wait of the client that is under way with REDISLOCK_INTERRUPTED; a wait that begins later isn't touched.
 * Safe in a signal handler. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_client_interrupt(redislock_client *client);

/* A descriptor that becomes readable when a lease of this client that is being renewed could not be kept. Reading 8
 * bytes from it re-arms it. One that was lost before the first call counts. The client owns and closes it.
 * Returns the descriptor, or a negative status. Any thread. Since 1.0. */
int32_t redislock_client_lost_fd(redislock_client *client);

/* The text of the client's last failure.
 * text receives it, cut to fit and NUL-terminated; size is its capacity in bytes. REDISLOCK_OK or
 * REDISLOCK_INVALID_ARGUMENT. Any thread; the failure may be another thread's. Since 1.0. */
int32_t redislock_client_error(redislock_client *client, char *text, size_t size);

/* Releases a lock by force, whoever holds it: an operator's tool. The holder learns it at its next renewal; until then
 * two may believe to hold the lock, and only the fence tells them apart.
 *
 * name, name_length    the lock's name: 1 to 32768 bytes of any kind
 * token, token_length  break it only if this token still holds it; NULL and 0 for any
 *
 * REDISLOCK_OK, REDISLOCK_NOT_LOCKED, or a failure. Any thread. Since 1.0. */
int32_t redislock_client_break(redislock_client *client, const void *name, size_t name_length, const char *token,
                               size_t token_length);

/* ---- lock ------------------------------------------------------------------------------------------------------- */

/* Makes a handle for a lock. Nothing is sent.
 *
 * client       its client; the lock keeps it alive
 * kind         REDISLOCK_KIND_PUBSUB or REDISLOCK_KIND_SPIN
 * name         1 to 32768 bytes of any kind, name_length of them; not beginning with "rlock-queue:" or "rlock-state:",
 *              the prefixes of redislock's own keys. In a cluster a name with a } needs a hash tag, as in a{b}c: else
 *              its keys have no slot in common.
 * lock         where the handle is written; NULL is written on failure. The caller frees it.
 *
 * REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT, REDISLOCK_NO_MEMORY or REDISLOCK_FORKED. Any thread. Since 1.0. */
int32_t redislock_lock_new(redislock_client *client, int32_t kind, const void *name, size_t name_length,
                           redislock_lock **lock);

/* Frees a lock. A held one is released first and a waiting one leaves the queue, best effort and within at most one
 * second; in an event loop without waiting for that. Its unread events are gone with it. The caller must be the only
 * one who uses the lock. Since 1.0. */
void redislock_lock_free(redislock_lock *lock);

/* The setters below answer REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT for NULL or a value out of range,
 * REDISLOCK_IN_USE while the lock is held or waiting (except where they say otherwise), or REDISLOCK_FORKED. */

/* How long the lock outlives its holder's last sign of life. Default 30000 with renewal; setting it turns renewal off
 * until redislock_lock_set_renewal() turns it on again.
 * ttl_ms: 1 to 2^53-1, or REDISLOCK_NO_EXPIRY. About 1 % and 2 ms of it are kept as a safety margin. Since 1.0. */
int32_t redislock_lock_set_ttl_ms(redislock_lock *lock, int64_t ttl_ms);

/* Whether the client keeps the lease alive at a third of its TTL until the lock is released. on: 0 or 1. Since 1.0. */
int32_t redislock_lock_set_renewal(redislock_lock *lock, int32_t on);

/* How long redislock_lock_acquire() waits. Default 60000.
 * wait_ms: 0 tries once; up to 2^53-1; REDISLOCK_FOREVER. Allowed while a wait is interrupted: it then counts from
 * the call that resumes it. Since 1.0. */
int32_t redislock_lock_set_wait_ms(redislock_lock *lock, int64_t wait_ms);

/* The pause of a spin lock between two tries. Default 100. interval_ms: 1 to 2^31-1. Since 1.0. */
int32_t redislock_lock_set_spin_interval_ms(redislock_lock *lock, int64_t interval_ms);

/* How the pause of a spin lock grows from try to try. Default: constant.
 *
 * percent  the next pause in percent of the last: 100 (constant) to 1000; above 100 each pause is also shortened by
 *          up to a quarter at random, so that many waiters spread out
 * max_ms   where it stops growing, 1 to 2^31-1
 *
 * Since 1.0. */
int32_t redislock_lock_set_spin_growth(redislock_lock *lock, int32_t percent, int64_t max_ms);

/* A label that tells people who holds the lock. Default: none.
 * owner: 0 to 255 bytes without control characters, owner_length of them. Since 1.0. */
int32_t redislock_lock_set_owner(redislock_lock *lock, const char *owner, size_t owner_length);

/* A token of the caller's own instead of a new random one for each acquisition. Whoever sets one gives up the guarantee
 * that a stale release never ends a later hold. Two locks of one client can't use one token at the same time.
 * token: 1 to 128 bytes from '!' to '~', token_length of them; NULL and 0 for random ones again. Since 1.0. */
int32_t redislock_lock_set_token(redislock_lock *lock, const char *token, size_t token_length);

/* Takes the lock, waiting for it as long as set. Blocking form.
 *
 * REDISLOCK_OK: it is held. REDISLOCK_NOT_ACQUIRED: the wait ended first. REDISLOCK_INTERRUPTED: see
 * redislock_client_interrupt(); calling again resumes the wait with the same token and place in the queue,
 * redislock_lock_cancel() gives it up. REDISLOCK_IN_USE: held already, or another caller is busy with it.
 * REDISLOCK_LOST: a lease under renewal was lost since the last call; the handle is free again. Else a failure; nothing
 * is held.
 *
 * Returns within the wait and about 100 ms; a wait of 0 within the connect and command timeouts. A server that could
 * never be reached is reported at once, one that was reached before is tried again as long as the wait lasts.
 * One caller at a time. Since 1.0. */
int32_t redislock_lock_acquire(redislock_lock *lock);

/* Gives up a wait: leaves the queue, and hands the lock on if it came meanwhile.
 *
 * Blocking form: an interrupted wait. Does nothing when there is none. REDISLOCK_OK or a failure; the wait is over in
 * any case.
 * Event loop: an acquire that was started and whose event has not been read, whatever has become of it. REDISLOCK_OK:
 * REDISLOCK_EVENT_CANCELLED with its tag will come, and no other event of it. REDISLOCK_END: there is no such acquire,
 * or it has failed already, and its event is waiting.
 * One caller at a time. Since 1.0. */
int32_t redislock_lock_cancel(redislock_lock *lock);

/* Releases the lock, handing it to the first waiter. Blocking form.
 *
 * REDISLOCK_OK: it is released. REDISLOCK_NOT_OWNED: this handle doesn't hold it. REDISLOCK_LOST: it had ended before;
 * the handle is free again. Another failure: it may still be locked on the server until its TTL ends; it is renewed no
 * more, and releasing can be tried again. One caller at a time. Since 1.0. */
int32_t redislock_lock_release(redislock_lock *lock);

/* Sets the lease to a TTL counted from now; a renewed lease goes on with it. Blocking form.
 * ttl_ms: 1 to 2^53-1, or REDISLOCK_NO_EXPIRY. REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT, REDISLOCK_NOT_OWNED (also
 * after a release that got no answer), REDISLOCK_LOST, or a failure, after which the former lease still counts, or the
 * new one where that is shorter. One caller at a time. Since 1.0. */
int32_t redislock_lock_extend(redislock_lock *lock, int64_t ttl_ms);

/* Whether the lock is held, by this process's own monotonic clock; nothing is sent. 1 or 0; 0 for NULL, in a forked
 * child, and from the moment a release is sent, unless the server refuses it. Any thread. Since 1.0. */
int32_t redislock_lock_is_held(redislock_lock *lock);

/* How long the lock is sure to be held still: milliseconds, REDISLOCK_NO_EXPIRY without an end, 0 when not held.
 * Nothing is sent. Any thread. Since 1.0. */
int64_t redislock_lock_remaining_ms(redislock_lock *lock);

/* The fencing token of the present or last hold: it rises with every grant of this name, so that a resource which
 * remembers the highest it has seen can refuse a late holder. Below 2^53; 0 before the first hold. Any thread.
 * Since 1.0. */
uint64_t redislock_lock_fence(redislock_lock *lock);

/* The token of the present or last acquisition, or the caller's own.
 * token receives it, cut to fit and NUL-terminated (empty before the first acquisition); size is its capacity, 129
 * bytes hold any. REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT or REDISLOCK_FORKED. Any thread. Since 1.0. */
int32_t redislock_lock_token(redislock_lock *lock, char *token, size_t size);

/* The name of the lock, which is also its key. length receives the number of bytes, and may be NULL. Valid until the
 * lock is freed; NUL-terminated, though the name itself may hold NUL bytes. NULL for NULL. Any thread. Since 1.0. */
const char *redislock_lock_name(redislock_lock *lock, size_t *length);

/* The channel on which releases are announced to others than redislock, in the same shape as redislock_lock_name().
 * Any thread. Since 1.0. */
const char *redislock_lock_channel(redislock_lock *lock, size_t *length);

/* Where the lock stood when the server was last asked, for somebody who watches a wait.
 * Returns the number of waiters before it, or -1 when it doesn't wait in the queue. Any thread. Since 1.0. */
int64_t redislock_lock_place(redislock_lock *lock);

/* Ends the wait of this lock that is under way with REDISLOCK_INTERRUPTED. Safe in a signal handler.
 * REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_lock_interrupt(redislock_lock *lock);

/* The text of the lock's last failure, in the same shape as redislock_client_error(). One caller at a time.
 * Since 1.0. */
int32_t redislock_lock_error(redislock_lock *lock, char *text, size_t size);

/* ---- event loop -------------------------------------------------------------------------------------------------
 *
 * One descriptor stands for all that a client does. Poll it for reading; when it is readable, dispatch, and read the
 * events until there are none. Or, in a loop without timers of its own: redislock_client_timeout_ms() tells how long to
 * poll at the most.
 *
 * Each start that answers REDISLOCK_OK is followed by just one event with its tag. One that answers anything else was
 * decided at once, and is followed by none. A lock does one thing at a time, from its start until the event has been
 * read. Everything may be called while an event is being handled, freeing the lock or the client included.
 */

/* Makes a client for an event loop. It connects by itself when something is started.
 * url and client are those of redislock_client_new(), and so is the result. Any thread. Since 1.0. */
int32_t redislock_client_new_eventloop(const char *url, redislock_client **client);

/* The descriptor to poll for reading. It is readable while there is something to dispatch or an event to read, and
 * stays the same as long as the client lives. The client owns and closes it.
 * Returns the descriptor, or a negative status. Any thread. Since 1.0. */
int32_t redislock_client_fd(redislock_client *client);

/* How long to poll at most before the next dispatch: milliseconds, 0 for at once, -1 for as long as it takes. For loops
 * that can poll the descriptor there is no need to ask: it gets readable by then. -1 for NULL, and for a client that
 * isn't an event loop's. Any thread. Since 1.0. */
int64_t redislock_client_timeout_ms(redislock_client *client);

/* Does what is due, and no more than some milliseconds of it at once: sends, receives, renews. Never blocks. Calling it
 * too often does no harm.
 * REDISLOCK_OK, or the client can't be used that way: REDISLOCK_INVALID_ARGUMENT, REDISLOCK_WRONG_MODE or
 * REDISLOCK_FORKED. What fails on the way is told by events. Any thread. Since 1.0. */
int32_t redislock_client_dispatch(redislock_client *client);

/* Reads the next event.
 *
 * event    where it is written, borrowed until the next one is read or the client ends; NULL without one
 *
 * REDISLOCK_OK, REDISLOCK_END if there is none, or as redislock_client_dispatch(). One thread. Since 1.0. */
int32_t redislock_client_next_event(redislock_client *client, redislock_event **event);

/* What happened: one of REDISLOCK_EVENT_*. REDISLOCK_INVALID_ARGUMENT for NULL. Since 1.0. */
int32_t redislock_event_type(const redislock_event *event);

/* The outcome: what the call of the blocking form would have answered. For REDISLOCK_EVENT_CANCELLED REDISLOCK_OK, or
 * why the server could not be told; REDISLOCK_LOST for REDISLOCK_EVENT_LOST. REDISLOCK_INVALID_ARGUMENT for NULL.
 * Since 1.0. */
int32_t redislock_event_status(const redislock_event *event);

/* The tag that was given to what this is about. 0 for NULL. Since 1.0. */
uint64_t redislock_event_tag(const redislock_event *event);

/* The lock that this is about; NULL for a question of the client's, for NULL, and once the lock has been freed.
 * Since 1.0. */
redislock_lock *redislock_event_lock(const redislock_event *event);

/* Takes the answer to redislock_client_start_info() out of its event. The caller frees it. NULL if there is none, or it
 * was taken already. Since 1.0. */
redislock_info *redislock_event_take_info(redislock_event *event);

/* Starts to take the lock. Everything is as for redislock_lock_acquire(), but the wait goes on behind the scenes.
 *
 * tag      any number of the caller's, to know the event by
 *
 * REDISLOCK_OK: ACQUIRED, NOT_ACQUIRED or FAILED will come; or CANCELLED. Else nothing was started:
 * REDISLOCK_IN_USE (held, something is under way, or the event of the last thing has not been read; or another lock of
 * this client uses its token), REDISLOCK_NO_MEMORY, REDISLOCK_WRONG_MODE, ... One caller at a time. Since 1.0. */
int32_t redislock_lock_start_acquire(redislock_lock *lock, uint64_t tag);

/* Starts to release the lock. REDISLOCK_OK: RELEASED or FAILED will come. Else as redislock_lock_start_acquire(), or
 * REDISLOCK_NOT_OWNED, or REDISLOCK_LOST, which takes the place of an unread LOST event. One caller at a time.
 * Since 1.0. */
int32_t redislock_lock_start_release(redislock_lock *lock, uint64_t tag);

/* Starts to set the lease to a TTL from now on. ttl_ms: 1 to 2^53-1, or REDISLOCK_NO_EXPIRY. REDISLOCK_OK: EXTENDED or
 * FAILED will come. Else as redislock_lock_start_release(). One caller at a time. Since 1.0. */
int32_t redislock_lock_start_extend(redislock_lock *lock, int64_t ttl_ms, uint64_t tag);

/* Starts to connect, if need be, and to ask for a sign of life. REDISLOCK_OK: ANSWERED or FAILED will come. Any thread.
 * Since 1.0. */
int32_t redislock_client_start_ping(redislock_client *client, uint64_t tag);

/* Starts to look at a name; see redislock_info_get(). REDISLOCK_OK: ANSWERED, with redislock_event_take_info(), or
 * FAILED will come. Any thread. Since 1.0. */
int32_t redislock_client_start_info(redislock_client *client, const void *name, size_t name_length, uint64_t tag);

/* Starts to release a lock by force; see redislock_client_break(). REDISLOCK_OK: ANSWERED (its status REDISLOCK_OK or
 * REDISLOCK_NOT_LOCKED) or FAILED will come. Any thread. Since 1.0. */
int32_t redislock_client_start_break(redislock_client *client, const void *name, size_t name_length, const char *token,
                                     size_t token_length, uint64_t tag);

/* ---- many masters -------------------------------------------------------------------------------------------------
 *
 * One lock on several servers that know nothing of each other: no replicas, no cluster, each a master of its own. It is
 * held while a majority of them says so. So it outlives the loss of any minority, which a lock on one server doesn't.
 *
 * It is the algorithm that is known as Redlock. What it can't do: there is no queue, as no server sees all waiters, and
 * no fence, as no number rises on all servers alike. Without a fence nothing can refuse a holder that was held up for
 * longer than its lease and doesn't know it yet. And two may hold the lock at once if clocks run apart by more than the
 * safety margin, or if a server restarts without its data while the lock is held: let such a server stay away for as
 * long as the longest TTL, or keep the data (appendonly yes, appendfsync always).
 *
 * Threads, forks, signals and the two forms are as for clients and locks. In the blocking form each quorum has a
 * thread, from the first call that waits.
 */

/* Makes a quorum without servers, for the blocking form.
 * quorum: where the handle is written; NULL is written on failure. The caller frees it. REDISLOCK_OK,
 * REDISLOCK_INVALID_ARGUMENT or REDISLOCK_NO_MEMORY. Any thread. Since 1.0. */
int32_t redislock_quorum_new(redislock_quorum **quorum);

/* Makes a quorum without servers, for an event loop. Everything is as for redislock_quorum_new(). Since 1.0. */
int32_t redislock_quorum_new_eventloop(redislock_quorum **quorum);

/* Adds a server. All who share a lock must name the same servers, at best an odd number of them: five bear the loss of
 * two, three that of one. Nothing is sent.
 *
 * url      that of redislock_client_new(); a host and port or a socket that isn't there yet, whatever the database
 *
 * REDISLOCK_OK; what redislock_client_new() answers to that URL; REDISLOCK_INVALID_ARGUMENT also for a server that is
 * there already and for the 32nd; REDISLOCK_IN_USE while there are locks. Any thread. Since 1.0. */
int32_t redislock_quorum_add_server(redislock_quorum *quorum, const char *url);

/* Gives up the caller's reference. The quorum ends with its last lock. Whoever ends it waits for each server no longer
 * than redislock_client_free(). Since 1.0. */
void redislock_quorum_free(redislock_quorum *quorum);

/* How long a server may take for an answer before it is done without: a small part of the TTL. Default 500. A server
 * that has let it pass once is waited for no more where the others decide.
 * timeout_ms: 1 to 2^31-1. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_quorum_set_server_timeout_ms(redislock_quorum *quorum, int64_t timeout_ms);

/* Whether a signal that arrives in a waiting thread ends its wait; as redislock_client_set_interruptible(). Blocking
 * form.
 * on: 0 or 1. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_quorum_set_interruptible(redislock_quorum *quorum, int32_t on);

/* Ends every wait of the quorum that is under way with REDISLOCK_INTERRUPTED; a wait that begins later isn't touched.
 * Blocking form. Safe in a signal handler. REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_quorum_interrupt(redislock_quorum *quorum);

/* A descriptor that becomes readable when a lease of this quorum that is being renewed could not be kept; as
 * redislock_client_lost_fd(). Blocking form. Any thread. Since 1.0. */
int32_t redislock_quorum_lost_fd(redislock_quorum *quorum);

/* Makes a handle for a lock. Nothing is sent.
 *
 * quorum       with one server at least; the lock keeps it alive
 * name         that of redislock_lock_new(), name_length bytes
 * lock         where the handle is written; NULL is written on failure. The caller frees it.
 *
 * REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT, REDISLOCK_NO_MEMORY or REDISLOCK_FORKED. Any thread. Since 1.0. */
int32_t redislock_quorum_lock_new(redislock_quorum *quorum, const void *name, size_t name_length,
                                  redislock_quorum_lock **lock);

/* Frees a lock; as redislock_lock_free(). Since 1.0. */
void redislock_quorum_lock_free(redislock_quorum_lock *lock);

/* How long the lock outlives its holder's last sign of life. Default 30000 with renewal; setting it turns renewal off
 * until redislock_quorum_lock_set_renewal() turns it on again. Of each server's lease about 1 % and 2 ms are kept as a
 * safety margin, against clocks that differ.
 * ttl_ms: 1 to 2^53-1; it should be many times the timeout of a server. REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT,
 * REDISLOCK_IN_USE while the lock is held or waiting, or REDISLOCK_FORKED. Since 1.0. */
int32_t redislock_quorum_lock_set_ttl_ms(redislock_quorum_lock *lock, int64_t ttl_ms);

/* Whether the lease is kept alive until the lock is released: on each server after a third of its TTL, and after a
 * twelfth where that failed, or where the lock isn't held. on: 0 or 1. Results as of
 * redislock_quorum_lock_set_ttl_ms(). Since 1.0. */
int32_t redislock_quorum_lock_set_renewal(redislock_quorum_lock *lock, int32_t on);

/* How long redislock_quorum_lock_acquire() waits. Default 60000.
 * wait_ms: 0 tries once; up to 2^53-1; REDISLOCK_FOREVER. Results as of redislock_quorum_lock_set_ttl_ms(); it may be
 * set while the lock is held. Since 1.0. */
int32_t redislock_quorum_lock_set_wait_ms(redislock_quorum_lock *lock, int64_t wait_ms);

/* The mean pause between two tries. Default 100. Each pause is half of it to one and a half at random, so that those
 * who have split the votes don't meet again and again.
 * interval_ms: 1 to 2^31-1. Results as of redislock_quorum_lock_set_ttl_ms(). Since 1.0. */
int32_t redislock_quorum_lock_set_spin_interval_ms(redislock_quorum_lock *lock, int64_t interval_ms);

/* A label that tells people who holds the lock. Default: none.
 * owner: 0 to 255 bytes without control characters, owner_length of them. Results as of
 * redislock_quorum_lock_set_ttl_ms(). Since 1.0. */
int32_t redislock_quorum_lock_set_owner(redislock_quorum_lock *lock, const char *owner, size_t owner_length);

/* Takes the lock, waiting for it as long as set. Blocking form.
 *
 * REDISLOCK_OK: a majority holds it, and still does for a while. REDISLOCK_NOT_ACQUIRED: others held so much of it that
 * there was none until the wait ended. REDISLOCK_INTERRUPTED: see redislock_quorum_interrupt(); calling again begins
 * anew. REDISLOCK_IN_USE: held already, or another caller is busy with it. REDISLOCK_LOST: a lease under renewal was
 * lost since the last call; the handle is free again. Else what the first of the servers that failed had to say: too
 * few are left for a majority. Whatever was taken is given back on every server, also on those that didn't answer, as
 * soon as they do.
 *
 * Returns within the wait and two timeouts of a server. Where a majority could never be reached that is reported at
 * once; once it was reached the wait goes on. One caller at a time. Since 1.0. */
int32_t redislock_quorum_lock_acquire(redislock_quorum_lock *lock);

/* Releases the lock on every server. Blocking form.
 *
 * REDISLOCK_OK: others can have it. REDISLOCK_NOT_OWNED: this handle doesn't hold it. REDISLOCK_LOST: it had ended
 * before. Else a failure: too few servers have confirmed it, and it may be locked until its TTL ends. The handle is
 * free again in any case, and servers that didn't answer are told for a minute, as soon as they do.
 *
 * Returns within the timeout of a server. One caller at a time. Since 1.0. */
int32_t redislock_quorum_lock_release(redislock_quorum_lock *lock);

/* Sets the lease to a TTL counted from now; a renewed lease goes on with it. Blocking form.
 * ttl_ms: 1 to 2^53-1. REDISLOCK_OK: on a majority. REDISLOCK_INVALID_ARGUMENT, REDISLOCK_NOT_OWNED, REDISLOCK_LOST, or
 * a failure, after which the former lease still counts, or the new one where that is shorter. Returns within the
 * timeout of a server. One caller at a time. Since 1.0. */
int32_t redislock_quorum_lock_extend(redislock_quorum_lock *lock, int64_t ttl_ms);

/* Whether the lock is held by a majority, by this process's own monotonic clock; nothing is sent. 1 or 0; 0 for NULL,
 * in a forked child, and from the moment a release is sent. Any thread. Since 1.0. */
int32_t redislock_quorum_lock_is_held(redislock_quorum_lock *lock);

/* How long a majority is sure to hold the lock still: milliseconds, 0 when not held. Nothing is sent. Any thread.
 * Since 1.0. */
int64_t redislock_quorum_lock_remaining_ms(redislock_quorum_lock *lock);

/* On how many servers the lock is held now, as far as is known; 0 while it isn't held by a majority. Nothing is sent.
 * Any thread. Since 1.0. */
int32_t redislock_quorum_lock_agreed(redislock_quorum_lock *lock);

/* The token of the present or last acquisition. On the servers it is followed by a dot and a number, another for each
 * time that one was asked.
 * token receives it, cut to fit and NUL-terminated (empty before the first acquisition); size is its capacity, 33 bytes
 * hold it. REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT or REDISLOCK_FORKED. Any thread. Since 1.0. */
int32_t redislock_quorum_lock_token(redislock_quorum_lock *lock, char *token, size_t size);

/* The name of the lock; as redislock_lock_name(). Any thread. Since 1.0. */
const char *redislock_quorum_lock_name(redislock_quorum_lock *lock, size_t *length);

/* Ends the wait of this lock that is under way with REDISLOCK_INTERRUPTED. Blocking form. Safe in a signal handler.
 * REDISLOCK_OK or REDISLOCK_INVALID_ARGUMENT. Any thread. Since 1.0. */
int32_t redislock_quorum_lock_interrupt(redislock_quorum_lock *lock);

/* The text of the lock's last failure, and what each server that failed last had to say; also while the lock is held.
 * text receives it, cut to fit and NUL-terminated; size is its capacity in bytes: 100 and 300 for each server are
 * enough. REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT or REDISLOCK_FORKED. Any thread. Since 1.0. */
int32_t redislock_quorum_lock_error(redislock_quorum_lock *lock, char *text, size_t size);

/* The descriptor to poll for reading; as redislock_client_fd(). Event loop. Since 1.0. */
int32_t redislock_quorum_fd(redislock_quorum *quorum);

/* How long to poll at most before the next dispatch; as redislock_client_timeout_ms(). Event loop. Since 1.0. */
int64_t redislock_quorum_timeout_ms(redislock_quorum *quorum);

/* Does what is due; as redislock_client_dispatch(). Event loop. Since 1.0. */
int32_t redislock_quorum_dispatch(redislock_quorum *quorum);

/* Reads the next event; as redislock_client_next_event(). Event loop. Since 1.0. */
int32_t redislock_quorum_next_event(redislock_quorum *quorum, redislock_event **event);

/* The lock of a quorum that this is about; NULL for an event of a client, for NULL, and once the lock has been freed.
 * redislock_event_type(), _status() and _tag() tell the rest. Since 1.0. */
redislock_quorum_lock *redislock_event_quorum_lock(const redislock_event *event);

/* Starts to take the lock. Everything is as for redislock_lock_start_acquire(). One caller at a time. Since 1.0. */
int32_t redislock_quorum_lock_start_acquire(redislock_quorum_lock *lock, uint64_t tag);

/* Starts to release the lock. Everything is as for redislock_lock_start_release(). One caller at a time. Since 1.0. */
int32_t redislock_quorum_lock_start_release(redislock_quorum_lock *lock, uint64_t tag);

/* Starts to set the lease to a TTL from now on. ttl_ms: 1 to 2^53-1. Everything else is as for
 * redislock_lock_start_extend(). One caller at a time. Since 1.0. */
int32_t redislock_quorum_lock_start_extend(redislock_quorum_lock *lock, int64_t ttl_ms, uint64_t tag);

/* Gives up an acquire that was started and whose event has not been read. Event loop. REDISLOCK_OK:
 * REDISLOCK_EVENT_CANCELLED with its tag will come, and no other event of it. REDISLOCK_END: there is no such acquire,
 * or it has failed already, and its event is waiting. One caller at a time. Since 1.0. */
int32_t redislock_quorum_lock_cancel(redislock_quorum_lock *lock);

/* ---- looking from outside -----------------------------------------------------------------------------------------
 */

/* Looks at a name, without taking part.
 *
 * name, name_length   1 to 32768 bytes of any kind
 * info                where the snapshot is written; NULL is written on failure. The caller frees it.
 *
 * REDISLOCK_OK, also when the name isn't locked; REDISLOCK_WRONG_TYPE; or a failure. Any thread. Since 1.0. */
int32_t redislock_info_get(redislock_client *client, const void *name, size_t name_length, redislock_info **info);

/* Frees a snapshot. Since 1.0. */
void redislock_info_free(redislock_info *info);

/* Whether it was locked: 1 or 0. Since 1.0. */
int32_t redislock_info_locked(const redislock_info *info);

/* The holder's token; "" when it wasn't locked. length receives the number of bytes, and may be NULL. Valid until the
 * snapshot is freed. Since 1.0. */
const char *redislock_info_token(const redislock_info *info, size_t *length);

/* The holder's label, in the same shape; "" when there was none or the holder isn't a redislock. Since 1.0. */
const char *redislock_info_owner(const redislock_info *info, size_t *length);

/* How long the lock would have lasted without a renewal: milliseconds, REDISLOCK_NO_EXPIRY without an end, 0 when it
 * wasn't locked. Since 1.0. */
int64_t redislock_info_remaining_ms(const redislock_info *info);

/* How many waited in the queue. Spinning and foreign waiters aren't known. Since 1.0. */
int64_t redislock_info_waiters(const redislock_info *info);

/* The last fencing token issued for the name; 0 for none. Since 1.0. */
uint64_t redislock_info_fence(const redislock_info *info);

/* Starts a walk over the names that redislock has locked. Locks of others have no state on the server and are not
 * found. A name that is locked throughout the walk is found, at least once.
 *
 * pattern   a pattern of the shell (*, ?, [a-z]), NUL-terminated; NULL for every name
 * list      where the handle is written; NULL is written on failure. The caller frees it.
 *
 * REDISLOCK_OK, REDISLOCK_INVALID_ARGUMENT (a pattern over 4096 bytes), REDISLOCK_NO_MEMORY or REDISLOCK_FORKED.
 * Any thread. Since 1.0. */
int32_t redislock_list_new(redislock_client *client, const char *pattern, redislock_list **list);

/* Ends a walk. Since 1.0. */
void redislock_list_free(redislock_list *list);

/* The next name.
 *
 * name      receives a pointer that is valid until the next call or the list is freed
 * length    receives the number of bytes
 *
 * REDISLOCK_OK, REDISLOCK_END, or a failure, after which the walk can go on. Since 1.0. */
int32_t redislock_list_next(redislock_list *list, const char **name, size_t *length);

#ifdef __cplusplus
}
#endif

#endif /* REDISLOCK_H */

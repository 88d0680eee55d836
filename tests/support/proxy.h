/* SPDX-License-Identifier: MIT
 *
 * A proxy between clients and a server, for what a network does to requests and replies: it delays them, holds them
 * back, cuts them in the middle, goes silent. What a client sent before its connection ended is still on its way, as it
 * is in a network: it arrives when the proxy lets it. */
#ifndef TEST_PROXY_H
#define TEST_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum proxy_way { PROXY_REQUESTS, PROXY_REPLIES, PROXY_WAYS };

struct proxy;

/* Listens on one unix socket, and connects to another for each connection. NULL if it can't. */
struct proxy *proxy_start(const char *listen_path, const char *server_path);
void proxy_stop(struct proxy *proxy);

/* The next bytes that way which contain this text stay in the proxy, and so does all that follows them on that
 * connection. One such rule at a time; NULL takes it back. */
void proxy_hold(struct proxy *proxy, enum proxy_way way, const char *text);

/* How many connections have something that is held. */
size_t proxy_held(struct proxy *proxy);

/* Ends the clients' side of every connection that has something held. What is held stays. */
void proxy_hang_up(struct proxy *proxy);

/* Lets go what is held on the connection that has held for the longest time, and waits until it has left. */
void proxy_deliver(struct proxy *proxy);

/* Each piece takes this long from now on, with a new random time between the two for each. */
void proxy_delay(struct proxy *proxy, int64_t least_ms, int64_t most_ms);

/* That many per cent of the present connections go silent that way: nothing passes, nothing is closed. */
void proxy_freeze(struct proxy *proxy, enum proxy_way way, unsigned percent);
void proxy_thaw(struct proxy *proxy);

/* Ends that many per cent of the connections; with bytes >= 0 not before the next reply, of which they get that many.
 */
void proxy_cut(struct proxy *proxy, unsigned percent, int64_t bytes);

/* New connections are ended at once. */
void proxy_refuse(struct proxy *proxy, bool refuse);

/* New connections go to another server. */
void proxy_redirect(struct proxy *proxy, const char *server_path);

void proxy_seed(struct proxy *proxy, uint64_t seed);

/* How many connections there are on the clients' side. */
size_t proxy_connections(struct proxy *proxy);

#endif

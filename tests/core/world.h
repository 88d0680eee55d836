/* SPDX-License-Identifier: MIT
 *
 * A server, a network that loses, repeats and delays, and clients whose machines take a lock, hold it and release it:
 * all in one process and in fake time. A plan says who does what, and which request, reply or message is struck by
 * which fault; the same plan always goes the same way. */
#ifndef CORE_WORLD_H
#define CORE_WORLD_H

#include "store.h"

enum { WORLD_CLIENTS = 3, WORLD_MACHINES = 3, WORLD_FAULTS = 4, WORLD_TOKENS = 256, WORLD_FLIGHTS = 32 };

enum fault_kind {
	NO_FAULT,
	REQUEST_LOST,    /* and its connection with it, before it is executed */
	REQUEST_LATE,    /* and all behind it */
	REQUEST_STRAY,   /* its connection is lost, and it is executed all the same: at some later time */
	RENEWAL_STRAY,   /* the same of an EXTEND */
	REPLY_LOST,      /* and its connection with it */
	REPLY_LATE,      /* and all behind it */
	REPLY_REPEATED,  /* once more, later */
	GRANT_LOST,      /* nobody notices */
	GRANT_LATE,      /* what comes behind it may overtake it */
	GRANT_REPEATED,  /* once more, later */
	GRANT_STALE,     /* its client is paused, and when that is over it still takes a while */
	GRANT_CUT_OFF,   /* late, and just then commands get nowhere, which is noticed by nothing but their silence */
	MESSAGES_LOST,   /* and their connection with them: both sides notice */
	MESSAGES_DEAF,   /* the connection is dead, and the server doesn't notice; the client does after a time */
	CLIENT_PAUSED,   /* for a time */
	CLIENT_DIES,     /* its connections are closed */
	CLIENT_VANISHES, /* the server doesn't notice */
	SERVER_FORGETS,  /* all that it had */
	FAULT_KINDS
};

extern const char *const fault_names[FAULT_KINDS];

/* Strikes the request, extension, reply or grant (counted over all clients) of this number; what isn't named after one
 * of them strikes at a request. */
struct fault {
	enum fault_kind kind;
	int at;
	int64_t delay;
};

struct plan {
	uint64_t seed;
	int clients, machines; /* of each */
	int64_t ttl, latency;
	int spinners, permanent, unrenewed, impatient; /* in percent */
	int whims;                                     /* in percent: waits that are suspended, given up or forgotten */
	int changes; /* in percent: holds in which the lease is extended now for a longer, now for a shorter time */
	bool skewed; /* clocks run at different rates */
	struct fault faults[WORLD_FAULTS];
	int fault_count;
};

/* What somebody does with a machine. */
enum doing { RESTING, ACQUIRING, AWAY, CANCELLING, HOLDING, EXTENDING, RELEASING, FINISHED };

struct user {
	struct rlk_machine machine;
	int token; /* of the present or last acquisition */
	enum doing doing;
	int64_t next_at; /* when it does something of its own accord */
	int rounds;
	int extensions; /* in this round */
};

/* A request under way, or (user -1) one that cleans up behind a machine and is repeated until it is answered. */
struct flight {
	int id, user;
	uint32_t number;
	int64_t sent_at; /* by the client's clock */
	struct store_request request;
	bool flying;
};

struct client {
	int64_t offset;
	int32_t rate; /* per mille too fast */
	struct rlk_pace pace;
	struct rlk_room room;
	char names[96], id[16];
	struct user users[WORLD_MACHINES];
	struct flight flights[WORLD_FLIGHTS]; /* in the order of their sending */
	int flight_count;
	int64_t wake_at, paused_until;
	bool dead;

	/* The line for commands: as the client sees it, and as it is. */
	bool up, broken;
	int line;                         /* its number: what belongs to an older one is lost */
	int64_t last_request, last_reply; /* arrivals: nothing overtakes */

	/* The line for messages. */
	bool opened, subscribed;
	int message_line;
	int64_t counts_until; /* a dead connection still counts as a subscriber */
	int64_t last_message;
};

enum event_kind {
	NO_EVENT,
	REQUEST,
	REPLY,
	SUBSCRIBE,
	CONFIRMATION,
	GRANT,
	RELEASED,
	LINE_LOST,
	LINE_UP,
	MESSAGES_GONE
};

struct event {
	enum event_kind kind;
	int64_t at;
	int order, client, line;
	bool stray, cuts_off;
	struct flight flight;
	struct rlk_value reply[STORE_REPLY];
	size_t reply_count;
	char message[96];
};

enum { WORLD_EVENTS = 128 };

struct world {
	const struct plan *plan;
	bool traced;
	uint64_t random;
	int64_t now;
	struct store store;
	struct client clients[WORLD_CLIENTS];
	struct event events[WORLD_EVENTS];
	int event_order, flight_ids, tokens;
	int counted[4];                /* requests, those among them that extend, replies, grants */
	uint64_t fences[WORLD_TOKENS]; /* the last one of each token */

	/* what is found out */
	uint64_t last_fence; /* with which somebody acquired */
	int acquired, handed, steps;
	bool idle; /* somebody waits and could be served, and nobody holds */
	int64_t idle_since, idle_longest;
	int strays; /* requests executed after their connection was lost */
	bool forgot, died;
	char failure[160];
};

/* Runs a plan to its end. False if a promise was broken; failure says which. */
bool world_run(struct world *world, const struct plan *plan, bool traced);

/* ---- promises.c ---- */

/* After every step: who believes to hold does, and nobody else; somebody holds before long. In the end: all was handed
 * back. */
void world_check(struct world *world);
void world_check_end(struct world *world);

/* ---- between world.c and client.c ---- */

uint64_t world_random(struct world *world, uint64_t below);
void world_trace(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A client's request goes on its way; false if there is no room for one more. */
void world_transmit(struct world *world, int client, struct flight flight);

/* The client wants to hear messages. */
void world_subscribe(struct world *world, int client);
void world_unsubscribe(struct world *world, int client);

/* A moment by the client's clock; and when the clock will show it. */
int64_t client_time(const struct client *client, int64_t at);
int64_t client_time_is(const struct client *client, int64_t local);

void client_init(struct world *world, int client);

/* What the client does when something reaches it. */
void client_reply(struct world *world, int client, const struct event *event);
void client_message(struct world *world, int client, const struct event *event);
void client_line_lost(struct world *world, int client);
void client_listens(struct world *world, int client);

/* Does what is due and sends what is ready. */
void client_run(struct world *world, int client);

/* Whether it has done all that it wanted. */
bool client_finished(const struct client *client);

#endif

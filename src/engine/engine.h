/* SPDX-License-Identifier: MIT
 *
 * One place where time and messages meet: it holds a client's machines, its connections and what is under way on them.
 * It never blocks and is never called back into: a driver polls what it names, until when it says, and steps it.
 */
#ifndef RLK_ENGINE_H
#define RLK_ENGINE_H

#include "core/core.h"
#include "transport/transport.h"

struct rlk_engine;
struct rlk_server;
struct rlk_job;
struct rlk_call;

/* ---- clock.c, random.c ---- */

/* Milliseconds on the monotonic clock that also counts suspended time. */
int64_t rlk_now(void);

struct rlk_random {
	uint8_t pool[1024];
	size_t used;
};

/* Random bits from the kernel, asked for by the page. False if the kernel has none. */
bool rlk_random_bytes(struct rlk_random *random, void *out, size_t length);
bool rlk_random_hex(struct rlk_random *random, char *out, size_t digits);

/* ---- timers.c: a heap of deadlines ---- */

struct rlk_timer {
	int64_t at;
	size_t index;          /* 0: not set */
	struct rlk_job *job;   /* whose it is: a job's */
	struct rlk_call *call; /* or a call's */
};

struct rlk_timers {
	struct rlk_timer **heap; /* from 1 */
	size_t count, reserved, capacity;
};

/* Makes room for one timer more, so that setting it can't fail; false if out of memory. */
bool rlk_timers_reserve(struct rlk_timers *timers);
void rlk_timers_unreserve(struct rlk_timers *timers);
void rlk_timers_set(struct rlk_timers *timers, struct rlk_timer *timer, int64_t at); /* RLK_NEVER: not at all */
struct rlk_timer *rlk_timers_first(const struct rlk_timers *timers);
void rlk_timers_clear(struct rlk_timers *timers);

/* ---- table.c: finding by bytes ---- */

struct rlk_node {
	struct rlk_node *next;
	struct rlk_slice key; /* owned by whoever embeds the node */
	uint64_t hash;
};

struct rlk_table {
	struct rlk_node **buckets;
	size_t capacity, count;
};

struct rlk_node *rlk_table_find(const struct rlk_table *table, struct rlk_slice key);
bool rlk_table_add(struct rlk_table *table, struct rlk_node *node, struct rlk_slice key);
void rlk_table_remove(struct rlk_table *table, struct rlk_node *node);
/* One node after the other, in no order; begins and ends with NULL. Nothing may be added or removed meanwhile. */
struct rlk_node *rlk_table_next(const struct rlk_table *table, const struct rlk_node *node);
void rlk_table_clear(struct rlk_table *table);

/* ---- the engine's view of things ---- */

enum { RLK_TEXT = 224 };

/* A name in use by this client: its waiting room and its subscription. */
struct rlk_place {
	struct rlk_room room;
	struct rlk_slice inbox;    /* its own, in a cluster; else the client's is everybody's */
	int32_t slot;              /* in a cluster; else -1 */
	struct rlk_server *server; /* where it is */
	struct rlk_node node;      /* in places, by name */
	struct rlk_place *next_wanted;
	struct rlk_job *jobs, *last_job;
	bool wanted; /* its channel is, or is to be, subscribed to */
	bool subscribed;
	bool inbox_confirmed; /* its own */
};

/* A lock's machine, as the engine handles it. */
struct rlk_job {
	struct rlk_machine machine;
	struct rlk_timer timer;
	bool in_tokens, listens, in_background, over; /* as the engine has counted it */
	struct rlk_ready *ready;                      /* the list that it is in; NULL for none */
	struct rlk_place *place;
	struct rlk_server *detour; /* whom it was told to ask this once (ASK); NULL: the place's */
	struct rlk_job *next_in_place, *previous_in_place;
	struct rlk_job *next_ready;
	struct rlk_node token_node;
	uint32_t flying; /* flights that name it */
	char *text;      /* of its last failure; NULL: none, or no memory for one */
	void *waiter;    /* the driver's */
};

/* Jobs that have something to send, in the order in which they came. */
struct rlk_ready {
	struct rlk_job *first, *last;
};

enum { RLK_ASK_AGAIN = INT32_MAX };

/* One question to the server outside of any lock: asked until answered or its deadline passes. */
struct rlk_call {
	struct rlk_timer timer;
	bool wanted, flying, done;
	bool orphan;               /* nobody waits: freed when done */
	int32_t script;            /* -1: the words are a plain command */
	struct rlk_server *server; /* whom it asks */
	int32_t slot;              /* -1: any server will do */
	bool asking;               /* it was told to ask this server this once (ASK) */
	struct rlk_words words;
	int64_t deadline, not_before;
	int32_t backoff;
	int32_t status;
	char text[RLK_TEXT];
	/* Reads the reply, which is no error, while it is there; returns the call's status, or RLK_ASK_AGAIN. */
	int32_t (*take)(struct rlk_call *call, const struct rlk_value *reply, size_t count);
	struct rlk_call *next, *previous;
	void *waiter; /* the driver's */
};

/* A request under way; neither job nor call: nobody cares any more. */
struct rlk_flight {
	struct rlk_job *job;
	struct rlk_call *call;
	int64_t sent_at;
	uint32_t number;
	int32_t script;
};

/* A connection with what is under way on it. */
struct rlk_line {
	struct rlk_connection *connection;
	bool open;        /* it was opened, and its end not yet dealt with */
	bool up;          /* it is ready, as far as has been dealt with */
	bool unread;      /* it has replies for the next step */
	int32_t failures; /* in a row */
	int64_t retry_at;
	struct rlk_flight *flights; /* a ring */
	size_t first, count, capacity;
	uint32_t known_scripts,
	        unknown_scripts; /* a bit each: the server has run it; it said that it doesn't know it */
};

/* A server, and what this client has to do with it: a line for commands, one for messages, and one for confirmations,
 * which is opened when there is something to confirm. */
struct rlk_server {
	struct rlk_engine *engine;
	struct rlk_server *next;
	struct rlk_host node; /* of a cluster; the name is the server's own, but for the first server */
	struct rlk_line commands, messages, replicas;
	bool reached; /* at least once */
	bool needed;  /* for a moment, while those that aren't are looked for */
	bool doubted; /* in a cluster: it may have lost its slots, as it went away or owes an answer for long */
	int64_t doubted_at;
	bool inbox_confirmed;
	int64_t heard_at, pinged_at;       /* on the line for messages; INT64_MIN: no answer is due */
	size_t listeners;                  /* jobs that need messages */
	struct rlk_ready under_way, begun; /* what goes on has precedence over what is new */
	struct rlk_ready confirming;       /* for the line of their own */
	size_t calls_wanted;               /* how many are to be sent, now or later */
};

enum { RLK_SERVER_FDS = 3 * RLK_CONNECTION_FDS };

/* What is known of a cluster. */
struct rlk_cluster {
	struct rlk_server *owners[RLK_SLOTS]; /* NULL: not known */
	struct rlk_host *nodes;               /* all that were heard of */
	size_t node_count, turn;              /* whose turn it is to be asked */
	size_t tried;                         /* how many in vain, in a row */
	bool publishes;                       /* by slots, as Redis 7 does */
	bool known;                           /* the owners, at least once */
	bool doubted;                         /* and whether they still are */
	struct rlk_call *refresh;             /* under way, or NULL */
	int64_t not_before;                   /* the next one */
};

/* What is heard from a sentinel, where there are some; all zero without. */
struct rlk_sentinel {
	struct rlk_line line;
	size_t number;         /* which of them */
	int64_t opened_at;     /* the line */
	int64_t opening_since; /* the commands' line; RLK_NEVER: it isn't */
};

struct rlk_engine {
	struct rlk_address address;
	int64_t connect_timeout, command_timeout;
	char client[RLK_CLIENT_LENGTH + 1];
	char inbox[sizeof RLK_INBOX_PREFIX + RLK_CLIENT_LENGTH];
	struct rlk_random random;
	struct rlk_pace pace;

	struct rlk_server home;      /* the server; and in a cluster the first of a list, see cluster.c */
	struct rlk_cluster *cluster; /* NULL: it is none */
	struct rlk_sentinel sentinel;
	struct rlk_watch *watch;
	struct pollfd few[RLK_SERVER_FDS + RLK_CONNECTION_FDS], *fds; /* room for what there is to poll */
	size_t fds_capacity;
	int64_t min_replicas, replicas_wait; /* for acquisitions that begin */

	struct rlk_timers timers;
	struct rlk_table tokens, places;
	struct rlk_call *calls;
	size_t background; /* leases to be kept, and orphans */
	size_t budget;     /* how many things of a kind one step may do; SIZE_MAX: all there are */
	bool unfinished;   /* a step has left something to the next */

	char text[RLK_TEXT]; /* of the last failure of a connection */

	/* What a driver wants to know: something of the job's is decided; its lease was lost. Called while stepping,
	 * and must only take note. */
	void (*job_done)(struct rlk_engine *engine, struct rlk_job *job);
	void (*call_done)(struct rlk_engine *engine, struct rlk_call *call);
	void (*job_lost)(struct rlk_engine *engine, struct rlk_job *job);
};

/* ---- engine.c ---- */

int32_t rlk_engine_init(struct rlk_engine *engine, const char *url, struct rlk_watch *watch);
void rlk_engine_clear(struct rlk_engine *engine);

/* Before that, when no job is left: waits for a short time for what cleans up behind locks, if it is under way. A
 * server that finds us gone when it wants to answer forgets what we said last. */
void rlk_engine_bid_farewell(struct rlk_engine *engine);

bool rlk_engine_make_room(struct rlk_engine *engine); /* for one server more; false if out of memory */
bool rlk_server_init(struct rlk_engine *engine, struct rlk_server *server);
void rlk_server_clear(struct rlk_server *server);

/* What to poll, until when, and what to do then, with what poll() answered. Connections may have come and gone since
 * they were named. */
size_t rlk_engine_fds(struct rlk_engine *engine, const struct pollfd **fds);
int64_t rlk_engine_deadline(const struct rlk_engine *engine);
void rlk_engine_step(struct rlk_engine *engine, const struct pollfd *ready, size_t count, int64_t now);

/* Whether the server can be asked without connecting first. */
bool rlk_engine_connected(const struct rlk_engine *engine);

/* Whether requests are under way, and whether so many that what is ready may as well leave with the next answer. */
bool rlk_engine_asks(const struct rlk_engine *engine);
bool rlk_engine_asks_a_lot(const struct rlk_engine *engine);

/* Whether an answer on one command connection is all that there is to wait for: then rlk_connection_await() on the
 * one that is answered, and rlk_engine_take() what that brought, may take the place of poll() and rlk_engine_step().
 * Else NULL. */
const struct rlk_connection *rlk_engine_awaits_answer(const struct rlk_engine *engine, int64_t now);
void rlk_engine_take(struct rlk_engine *engine, const struct rlk_awaited *awaited, int64_t now);

/* Sends what is ready, connecting first if need be. rlk_engine_step() does so too. */
void rlk_engine_pump(struct rlk_engine *engine, int64_t now);

/* ---- jobs.c ---- */

int32_t rlk_job_init(struct rlk_engine *engine, struct rlk_job *job, enum rlk_kind kind, struct rlk_slice name);
void rlk_job_clear(struct rlk_engine *engine, struct rlk_job *job);

/* Begins to acquire, with a token of the caller's own or (length 0) a new one. */
void rlk_job_acquire(struct rlk_engine *engine, struct rlk_job *job, struct rlk_slice token, int64_t now);

/* After a machine was fed: takes note of all that it wants. */
void rlk_job_settle(struct rlk_engine *engine, struct rlk_job *job, int64_t now);

struct rlk_job *rlk_job_of(struct rlk_machine *machine);

/* In a forked child there may be places whose jobs were never cleared. */
void rlk_places_clear(struct rlk_engine *engine);

struct rlk_place *rlk_place_of(struct rlk_node *node);
void rlk_place_move(struct rlk_place *place, struct rlk_server *server, int64_t now);

void rlk_job_text(struct rlk_job *job, struct rlk_slice text);

/* Takes the first job that is ready for a server, or NULL. */
struct rlk_job *rlk_job_next_ready(struct rlk_server *server);
struct rlk_job *rlk_ready_take(struct rlk_ready *list);
bool rlk_jobs_ready(const struct rlk_server *server);

/* ---- calls.c ---- */

/* Begins a call whose words, script and take are set; false if out of memory. */
bool rlk_call_start(struct rlk_engine *engine, struct rlk_call *call, int64_t deadline);
void rlk_call_forget(struct rlk_engine *engine, struct rlk_call *call);
void rlk_call_tick(struct rlk_engine *engine, struct rlk_call *call, int64_t now);
/* Tells those that ask a server. */
void rlk_call_trouble(struct rlk_server *server, int32_t status, const char *text, bool final, int64_t now);
/* What helps is answered too: RLK_SEND_SCRIPT is the line's to remember. */
enum rlk_remedy rlk_call_answer(struct rlk_engine *engine, struct rlk_call *call, const struct rlk_value *reply,
                                size_t count, int64_t now);
void rlk_call_want(struct rlk_call *call, bool wanted);
void rlk_call_move(struct rlk_call *call, struct rlk_server *server);

/* Cleans up on the server what nobody waits for: leaves the queue, or gives a lock back that came too late. */
void rlk_orphan_cancel(struct rlk_engine *engine, const struct rlk_job *job, int64_t now);
void rlk_orphan_unlock(struct rlk_engine *engine, const struct rlk_grant *grant, int64_t now);

/* ---- line.c ---- */

int32_t rlk_line_init(struct rlk_line *line, struct rlk_watch *watch);
void rlk_line_clear(struct rlk_line *line);
void rlk_line_open(struct rlk_server *server, struct rlk_line *line, int64_t now);
void rlk_line_close(struct rlk_line *line);
/* Delays the next opening after a failure. */
void rlk_line_failed(struct rlk_engine *engine, struct rlk_line *line, bool was_up, int64_t now);
bool rlk_line_reserve(struct rlk_line *line);
void rlk_line_push(struct rlk_line *line, struct rlk_flight flight); /* after rlk_line_reserve() */
bool rlk_line_pop(struct rlk_line *line, struct rlk_flight *flight);
void rlk_line_forget(struct rlk_line *line, const void *job_or_call);

/* Whom a slot is on its way to answers for it only if told so before each request. Makes room for that as well; false
 * if out of memory. */
bool rlk_line_say_asking(struct rlk_line *line, int64_t now);

/* ---- commands.c, messages.c: the two lines of a server ---- */

/* A job's request was answered with an error, which the job learns of. Returns its status, and what helps:
 * RLK_SEND_SCRIPT and RLK_RECONNECT are the line's. */
int32_t rlk_job_refused(struct rlk_server *server, const struct rlk_flight *flight, struct rlk_slice error,
                        enum rlk_remedy *remedy, int64_t now);

/* Tells those that wait for an answer, or for messages, that there will be none. */
void rlk_commands_refuse(struct rlk_server *server, int32_t status, const char *text, int64_t now);
void rlk_messages_refuse(struct rlk_server *server, int32_t status, const char *text, int64_t now);

void rlk_commands_pump(struct rlk_server *server, int64_t now);
void rlk_commands_read(struct rlk_server *server, bool receive, int64_t now);
void rlk_commands_watch(struct rlk_server *server, int64_t now);
/* Nothing has come: whether that is a reason to give the connection up. */
void rlk_commands_expire(struct rlk_server *server, int64_t now);
int64_t rlk_commands_deadline(const struct rlk_server *server);
void rlk_commands_drop(struct rlk_server *server, int32_t status, const char *text, int64_t now);

/* The channel of a place is wanted. */
void rlk_messages_want(struct rlk_place *place, int64_t now);
void rlk_messages_read(struct rlk_server *server, bool receive, int64_t now);
void rlk_messages_watch(struct rlk_server *server, int64_t now);
void rlk_messages_expire(struct rlk_server *server, int64_t now);
int64_t rlk_messages_deadline(const struct rlk_server *server);
void rlk_messages_drop(struct rlk_server *server, int64_t now);
void rlk_messages_leave(struct rlk_place *place);

/* ---- replicas.c: the line for confirmations, as the others ---- */

void rlk_replicas_pump(struct rlk_server *server, int64_t now);
void rlk_replicas_read(struct rlk_server *server, int64_t now);
void rlk_replicas_watch(struct rlk_server *server, int64_t now);
int64_t rlk_replicas_deadline(const struct rlk_server *server);
void rlk_replicas_drop(struct rlk_server *server, int32_t status, const char *text, int64_t now);

/* ---- cluster.c ---- */

int32_t rlk_cluster_init(struct rlk_engine *engine);
void rlk_cluster_clear(struct rlk_engine *engine);

/* The server for a slot; the first one where it isn't known, where there are no slots, and for slot -1. */
struct rlk_server *rlk_engine_route(struct rlk_engine *engine, int32_t slot);

void rlk_cluster_tend(struct rlk_engine *engine, int64_t now);
int64_t rlk_cluster_deadline(const struct rlk_engine *engine);

/* Something speaks against what is known of the slots: they will be asked for. When it does so because a server lets us
 * wait; and nothing has come from it. */
void rlk_cluster_doubt(struct rlk_engine *engine);
int64_t rlk_cluster_doubt_at(const struct rlk_server *server);
void rlk_cluster_expire(struct rlk_server *server, int64_t now);

/* A call of the cluster's own has ended; a connection has failed; another server was named, and there is it, or NULL.
 */
void rlk_cluster_asked(struct rlk_engine *engine, const struct rlk_call *call, int64_t now);
void rlk_cluster_failed(struct rlk_server *server, int64_t now);
struct rlk_server *rlk_cluster_redirected(struct rlk_server *server, struct rlk_slice error, bool *asks, int64_t now);

/* What a redirection says to people. */
struct rlk_slice rlk_cluster_redirection(const struct rlk_engine *engine);

bool rlk_server_is_scout(const struct rlk_server *server);
/* Whether there is no use in waiting for it: it was never there. */
bool rlk_server_is_hopeless(const struct rlk_server *server);
/* How long it may take; a scout can turn to others. */
int64_t rlk_server_patience(const struct rlk_server *server, int64_t patience);

/* A walk over all servers by their slots, a bit each: the next that was not seen, false if there is none; and all that
 * its owner has. */
bool rlk_cluster_next_slot(const struct rlk_engine *engine, const uint8_t *seen, int32_t *slot);
void rlk_cluster_see(const struct rlk_engine *engine, int32_t slot, uint8_t *seen);

/* ---- sentinel.c: hearing that the primary was replaced ---- */

/* events: what poll() said of its line. */
void rlk_sentinel_step(struct rlk_engine *engine, short events, int64_t now);
void rlk_sentinel_watch(struct rlk_engine *engine, int64_t now);
int64_t rlk_sentinel_deadline(const struct rlk_engine *engine);

#endif

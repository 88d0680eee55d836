/* SPDX-License-Identifier: MIT
 *
 * redislock for Lua 5.4. What its files share: the objects, checks of arguments, and how failures are told.
 *
 * Everything that belongs to a Lua state is in its registry or in user values, so any number of states do. A failure of
 * the library is returned as nil, message, code; an error is raised for misuse and for what Lua itself raises. */
#ifndef REDISLOCK_LUA_BINDING_H
#define REDISLOCK_LUA_BINDING_H

#include <redislock/redislock.h>

#include <lauxlib.h>
#include <lua.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RLL_CLIENT "redislock.client"
#define RLL_LOCK "redislock.lock"
#define RLL_WAIT "redislock.wait"
#define RLL_INFO "redislock.info"
#define RLL_LIST "redislock.list"
#define RLL_QUORUM "redislock.quorum"
#define RLL_QUORUM_LOCK "redislock.quorum_lock"

/* ---- objects ---- */

struct rll_client {
	redislock_client *handle; /* NULL once it is closed */
	bool async;
	uint64_t last_tag;
};

/* The user values of a client. */
enum {
	RLL_CLIENT_LOCKS = 1, /* table, weak: handles (light user data) to locks */
	RLL_CLIENT_WAITS,     /* table, weak: tags to waits */
	RLL_CLIENT_SLEEPERS,  /* table: tags to who is to be woken, a coroutine or a table for the hook 'resume' */
	RLL_CLIENT_SUSPEND,   /* the hooks, or nil */
	RLL_CLIENT_RESUME,
	RLL_CLIENT_VALUES = RLL_CLIENT_RESUME
};

/* What may be said anew with each acquire. */
struct rll_terms {
	int64_t wait_ms;
	int64_t ttl_ms;
	int renew; /* -1: not said, so only without a TTL of the caller's */
};

struct rll_lock {
	redislock_lock *handle;    /* NULL until it is needed again, and once the client is closed */
	struct rll_client *client; /* a user value keeps it */
	int32_t kind;
	int64_t interval_ms;     /* 0: the library's */
	int32_t growth;          /* in percent; 0: none */
	int64_t max_interval_ms; /* with growth */
	struct rll_terms terms;  /* as the lock was made */
	struct rll_terms now;    /* as the handle knows them */
	uint64_t acquire_tag;    /* of the last acquire that was started */
	uint64_t fence;          /* of a handle that is gone */
};

/* The user values of a lock. */
enum {
	RLL_LOCK_CLIENT = 1,
	RLL_LOCK_NAME,
	RLL_LOCK_OWNER,   /* or nil */
	RLL_LOCK_TOKEN,   /* or nil */
	RLL_LOCK_ON_LOST, /* or nil */
	RLL_LOCK_VALUES = RLL_LOCK_ON_LOST
};

/* The client or lock at an argument; raises for anything else, and for a client that is closed. */
struct rll_client *rll_check_client(lua_State *L, int arg);
struct rll_lock *rll_check_lock(lua_State *L, int arg);

/* Sees to it that a lock has a handle. index: its own. Returns a status. */
int32_t rll_lock_open(lua_State *L, int index, struct rll_lock *lock);

/* Gives up the handle at whatever stage: a held lock is released, a waiting one leaves the queue. index: the lock. */
void rll_lock_reset(lua_State *L, int index, struct rll_lock *lock);

/* Opens a lock and lets its handle know the options of an acquire, a table at an argument or nothing. */
int32_t rll_lock_prepare(lua_State *L, int index, struct rll_lock *lock, int arg);

/* The TTL at an argument, or without one that of the lock. */
int64_t rll_lock_ttl(lua_State *L, const struct rll_lock *lock, int arg);

/* Pushes the table that describes a snapshot of a name. */
void rll_push_info(lua_State *L, const char *name, size_t length, const redislock_info *info);

/* Makes the metatable of a type, and drops it: methods may be NULL. */
void rll_new_type(lua_State *L, const char *type, const luaL_Reg *metamethods, const luaL_Reg *methods);

/* What the files add to a new Lua state. */
void rll_open_client(lua_State *L);
void rll_open_lock(lua_State *L);
void rll_open_look(lua_State *L);
void rll_open_wait(lua_State *L);
void rll_open_quorum(lua_State *L);
int rll_connect(lua_State *L);
int rll_quorum(lua_State *L);

/* ---- methods of the client in other files ---- */

int rll_client_lock(lua_State *L);
int rll_client_spinlock(lua_State *L);
int rll_client_status(lua_State *L);
int rll_client_list(lua_State *L);
int rll_client_pollfd(lua_State *L);
int rll_client_events(lua_State *L);
int rll_client_timeout(lua_State *L);
int rll_client_poll(lua_State *L);
int rll_client_dispatch(lua_State *L);
int rll_client_ping_async(lua_State *L);
int rll_client_status_async(lua_State *L);
int rll_client_force_release_async(lua_State *L);
int rll_lock_acquire_async(lua_State *L);
int rll_lock_release_async(lua_State *L);
int rll_lock_extend_async(lua_State *L);

/* ---- waits: coroutines until their event has come ---- */

enum rll_operation { RLL_ACQUIRE, RLL_RELEASE, RLL_EXTEND, RLL_PING, RLL_STATUS, RLL_FORCE_RELEASE };

struct rll_wait {
	struct rll_client *client;
	struct rll_lock *lock; /* NULL for a question of the client's */
	uint64_t tag;
	enum rll_operation operation;
	bool started;
	bool done;      /* its event has come */
	bool delivered; /* and the coroutine has been told */
	int32_t type;
	int32_t status;
	redislock_info *info;
};

/* The user values of a wait. */
enum {
	RLL_WAIT_OWNER = 1, /* the lock or client */
	RLL_WAIT_TEXT,      /* of a failure */
	RLL_WAIT_NAME,      /* that was asked about */
	RLL_WAIT_VALUES = RLL_WAIT_NAME
};

/* The event of the wait at an index has come, and was about that lock or none. */
void rll_wait_done(lua_State *L, int index, struct rll_wait *wait, redislock_event *event, redislock_lock *lock);

/* Wakes whoever is on top of the stack, and pops it. client: the index of the client. */
void rll_wake(lua_State *L, int client);

/* Ends all waits of a client that is closed. client: its index. */
void rll_end_waits(lua_State *L, int client);

/* ---- options and arguments ---- */

/* A duration in milliseconds, and whether math.huge stands for one without an end (REDISLOCK_FOREVER and
 * REDISLOCK_NO_EXPIRY are the same number). */
struct rll_range {
	int64_t least_ms;
	int64_t most_ms;
	bool endless;
};

extern const struct rll_range rll_range_wait, rll_range_ttl, rll_range_timeout;

/* Refuses an argument that is neither a table nor nothing, and an option that isn't among names, which NULL ends. */
void rll_check_options(lua_State *L, int arg, const char *const *names);

/* Read an option of the table at an argument. False: there is none. Wrong ones are refused by name. */
bool rll_option_seconds(lua_State *L, int arg, const char *name, const struct rll_range *range, int64_t *duration_ms);
bool rll_option_number(lua_State *L, int arg, const char *name, lua_Number least, lua_Number most, lua_Number *number);
bool rll_option_boolean(lua_State *L, int arg, const char *name, bool *on);

/* Leave the option, or nil, on the stack. */
const char *rll_option_string(lua_State *L, int arg, const char *name, size_t *length);
bool rll_option_function(lua_State *L, int arg, const char *name);

/* Refuses an option, which is on top of the stack: what would have been right? */
_Noreturn void rll_bad_option(lua_State *L, int arg, const char *name, const char *expected);

int64_t rll_check_seconds(lua_State *L, int arg, const char *what, const struct rll_range *range);

/* A string without zeros. */
const char *rll_check_text(lua_State *L, int arg, const char *what);

/* The name of a lock, by the library's rules. */
const char *rll_check_name(lua_State *L, int arg, size_t *length);

/* ---- results ---- */

/* Push nil, a message and the status' name. text: NULL or "" for the library's sentence for the status. */
int rll_fail(lua_State *L, int32_t status, const char *text);

/* The same with what the handle has to say. */
int rll_fail_client(lua_State *L, const struct rll_client *client, int32_t status);
int rll_fail_lock(lua_State *L, const struct rll_lock *lock, int32_t status);

/* true, or the failure. */
int rll_client_result(lua_State *L, const struct rll_client *client, int32_t status);
int rll_lock_result(lua_State *L, const struct rll_lock *lock, int32_t status);

/* ---- signals ---- */

/* Lets the debug hooks run, which is how a signal handler such as that of lua.c interrupts a script. Returns LUA_OK, or
 * leaves an error on the stack. */
int rll_run_hooks(lua_State *L);

#endif

/* SPDX-License-Identifier: MIT
 *
 * Coroutines that wait: what is started yields until its event has come.
 *
 * A wait is an object on the stack of its coroutine, where it is closed with the call, and collected with an abandoned
 * coroutine: an acquire whose outcome never reached anybody is given up then, whatever became of it.
 *
 * Who is to be woken is known to the client by the wait's tag. Without hooks it is the coroutine itself, which the
 * client so keeps alive, and which dispatch resumes. With hooks it is a table for the two of them, and the coroutine
 * belongs to its scheduler. */
#include "binding.h"

static const char *const cancelled = "CANCELLED";

/* ---- beginning ---- */

/* Pushes the client and a wait, and lets the client know it. owner: the index of what is asked. */
static struct rll_wait *new_wait(lua_State *L, int owner, struct rll_client *client, struct rll_lock *lock,
                                 enum rll_operation operation)
{
	if (lock != NULL) {
		lua_getiuservalue(L, owner, RLL_LOCK_CLIENT);
	} else {
		lua_pushvalue(L, owner);
	}
	int at = lua_gettop(L);
	bool hooks = lua_getiuservalue(L, at, RLL_CLIENT_SUSPEND) != LUA_TNIL;
	lua_pop(L, 1);
	if (client->async && !hooks && !lua_isyieldable(L)) {
		luaL_error(L, "attempt to wait for an event outside of a coroutine");
	}

	struct rll_wait *wait = lua_newuserdatauv(L, sizeof *wait, RLL_WAIT_VALUES);
	*wait = (struct rll_wait) { .client = client, .lock = lock, .operation = operation };
	lua_pushvalue(L, owner);
	lua_setiuservalue(L, at + 1, RLL_WAIT_OWNER);
	luaL_setmetatable(L, RLL_WAIT);
	wait->tag = ++client->last_tag;
	lua_getiuservalue(L, at, RLL_CLIENT_WAITS);
	lua_pushvalue(L, at + 1);
	lua_rawseti(L, -2, (lua_Integer)wait->tag);
	lua_getiuservalue(L, at, RLL_CLIENT_SLEEPERS);
	if (hooks) {
		lua_newtable(L);
	} else {
		lua_pushthread(L);
	}
	lua_rawseti(L, -2, (lua_Integer)wait->tag);
	lua_settop(L, at + 1);
	return wait;
}

/* The client forgets a wait. client: its index. */
static void forget(lua_State *L, int client, const struct rll_wait *wait)
{
	for (int value = RLL_CLIENT_WAITS; value <= RLL_CLIENT_SLEEPERS; value++) {
		lua_getiuservalue(L, client, value);
		lua_pushnil(L);
		lua_rawseti(L, -2, (lua_Integer)wait->tag);
		lua_pop(L, 1);
	}
}

/* ---- waiting ---- */

static int deliver(lua_State *L, int index, struct rll_wait *wait)
{
	wait->delivered = true;
	if (wait->type == REDISLOCK_EVENT_CANCELLED) {
		luaL_pushfail(L);
		lua_pushstring(L, wait->client->handle != NULL ? "the wait was given up" : "the client was closed");
		lua_pushstring(L, cancelled);
		return 3;
	}
	if (wait->status != REDISLOCK_OK) {
		lua_getiuservalue(L, index, RLL_WAIT_TEXT);
		return rll_fail(L, wait->status, lua_tostring(L, -1));
	}
	if (wait->operation == RLL_ACQUIRE) {
		lua_getiuservalue(L, index, RLL_WAIT_OWNER);
	} else if (wait->operation == RLL_STATUS) {
		size_t length;
		lua_getiuservalue(L, index, RLL_WAIT_NAME);
		const char *name = lua_tolstring(L, -1, &length);
		rll_push_info(L, name, length, wait->info);
	} else {
		lua_pushboolean(L, 1);
	}
	return 1;
}

/* The wait is at the index that the context tells, and the client below it. */
static int go_on(lua_State *L, int status, lua_KContext context)
{
	int index = (int)context;
	struct rll_wait *wait = lua_touserdata(L, index);
	(void)status;
	for (;;) {
		lua_settop(L, index);
		if (wait->done) {
			return deliver(L, index, wait);
		}
		if (lua_getiuservalue(L, index - 1, RLL_CLIENT_SUSPEND) == LUA_TNIL) {
			lua_settop(L, index);
			return lua_yieldk(L, 0, context, go_on);
		}
		lua_getiuservalue(L, index - 1, RLL_CLIENT_SLEEPERS);
		lua_rawgeti(L, -1, (lua_Integer)wait->tag);
		lua_remove(L, -2);
		lua_callk(L, 1, 0, context, go_on);
	}
}

/* The wait is on top of the stack, and the client below it. started: what the library said. */
static int begin(lua_State *L, struct rll_wait *wait, int32_t started)
{
	int index = lua_gettop(L);
	if (started != REDISLOCK_OK) {
		forget(L, index - 1, wait);
		wait->delivered = true;
		return wait->lock != NULL ? rll_fail_lock(L, wait->lock, started)
		                          : rll_fail_client(L, wait->client, started);
	}
	wait->started = true;
	lua_toclose(L, index);
	return go_on(L, LUA_OK, index);
}

/* ---- what can be started ---- */

int rll_lock_acquire_async(lua_State *L)
{
	struct rll_lock *lock = rll_check_lock(L, 1);
	lua_settop(L, 2);
	int32_t status = rll_lock_prepare(L, 1, lock, 2);
	struct rll_wait *wait = new_wait(L, 1, lock->client, lock, RLL_ACQUIRE);
	if (status == REDISLOCK_OK) {
		status = redislock_lock_start_acquire(lock->handle, wait->tag);
	}
	if (status == REDISLOCK_OK) {
		lock->acquire_tag = wait->tag;
	}
	return begin(L, wait, status);
}

int rll_lock_release_async(lua_State *L)
{
	struct rll_lock *lock = rll_check_lock(L, 1);
	lua_settop(L, 1);
	int32_t status = rll_lock_open(L, 1, lock);
	struct rll_wait *wait = new_wait(L, 1, lock->client, lock, RLL_RELEASE);
	if (status == REDISLOCK_OK) {
		status = redislock_lock_start_release(lock->handle, wait->tag);
	}
	return begin(L, wait, status);
}

int rll_lock_extend_async(lua_State *L)
{
	struct rll_lock *lock = rll_check_lock(L, 1);
	int64_t ttl = rll_lock_ttl(L, lock, 2);
	lua_settop(L, 1);
	int32_t status = rll_lock_open(L, 1, lock);
	struct rll_wait *wait = new_wait(L, 1, lock->client, lock, RLL_EXTEND);
	if (status == REDISLOCK_OK) {
		status = redislock_lock_start_extend(lock->handle, ttl, wait->tag);
	}
	return begin(L, wait, status);
}

int rll_client_ping_async(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	lua_settop(L, 1);
	struct rll_wait *wait = new_wait(L, 1, client, NULL, RLL_PING);
	return begin(L, wait, redislock_client_start_ping(client->handle, wait->tag));
}

int rll_client_status_async(lua_State *L)
{
	size_t length;
	struct rll_client *client = rll_check_client(L, 1);
	const char *name = rll_check_name(L, 2, &length);
	lua_settop(L, 2);
	struct rll_wait *wait = new_wait(L, 1, client, NULL, RLL_STATUS);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, -2, RLL_WAIT_NAME);
	return begin(L, wait, redislock_client_start_info(client->handle, name, length, wait->tag));
}

int rll_client_force_release_async(lua_State *L)
{
	size_t name_length, token_length = 0;
	struct rll_client *client = rll_check_client(L, 1);
	const char *name = rll_check_name(L, 2, &name_length);
	const char *token = luaL_optlstring(L, 3, NULL, &token_length);
	lua_settop(L, 3);
	struct rll_wait *wait = new_wait(L, 1, client, NULL, RLL_FORCE_RELEASE);
	int32_t status =
	        redislock_client_start_break(client->handle, name, name_length, token, token_length, wait->tag);
	luaL_argcheck(L, status != REDISLOCK_INVALID_ARGUMENT, 3,
	              "token of 1 to 128 printable ASCII characters expected");
	return begin(L, wait, status);
}

/* ---- the end ---- */

void rll_wait_done(lua_State *L, int index, struct rll_wait *wait, redislock_event *event, redislock_lock *lock)
{
	enum { TEXT_SIZE = 1024 };
	char text[TEXT_SIZE] = "";
	wait->done = true;
	wait->type = redislock_event_type(event);
	wait->status = redislock_event_status(event);
	wait->info = redislock_event_take_info(event);
	if (wait->status < 0) {
		if (lock != NULL) {
			redislock_lock_error(lock, text, sizeof text);
		} else {
			redislock_client_error(wait->client->handle, text, sizeof text);
		}
		lua_pushstring(L, text);
		lua_setiuservalue(L, index, RLL_WAIT_TEXT);
	}
}

/* Resumes a coroutine that waits without hooks. Nobody else is there to hear of its error. */
static void resume(lua_State *L, lua_State *coroutine)
{
	int results = 0;
	if (lua_status(coroutine) != LUA_YIELD) {
		return;
	}
	int status = lua_resume(coroutine, L, 0, &results);
	if (status == LUA_OK || status == LUA_YIELD) {
		lua_pop(coroutine, results);
		return;
	}
	/* Closes what it has open. */
#if LUA_VERSION_RELEASE_NUM >= 50406
	lua_closethread(coroutine, L);
#else
	lua_resetthread(coroutine);
#endif
	lua_xmove(coroutine, L, 1);
	lua_error(L);
}

void rll_wake(lua_State *L, int client)
{
	if (lua_isthread(L, -1)) {
		resume(L, lua_tothread(L, -1));
		lua_pop(L, 1);
	} else {
		lua_getiuservalue(L, client, RLL_CLIENT_RESUME);
		lua_insert(L, -2);
		lua_call(L, 1, 0);
	}
}

static int wake_carefully(lua_State *L)
{
	rll_wake(L, 1);
	return 0;
}

void rll_end_waits(lua_State *L, int client)
{
	lua_pushnil(L); /* the first error */
	lua_getiuservalue(L, client, RLL_CLIENT_SLEEPERS);
	lua_getiuservalue(L, client, RLL_CLIENT_WAITS);
	int waits = lua_gettop(L), sleepers = waits - 1, error = waits - 2;
	/* One at a time from the beginning: what is woken may change the tables. */
	while (lua_pushnil(L), lua_next(L, sleepers) != 0) {
		lua_Integer tag = lua_tointeger(L, -2);
		lua_pushnil(L);
		lua_rawseti(L, sleepers, tag);
		struct rll_wait *wait = lua_rawgeti(L, waits, tag) != LUA_TNIL ? lua_touserdata(L, -1) : NULL;
		if (wait != NULL && wait->started) {
			wait->done = true;
			wait->type = REDISLOCK_EVENT_CANCELLED;
			lua_pushcfunction(L, wake_carefully);
			lua_pushvalue(L, client);
			lua_pushvalue(L, -4); /* who sleeps */
			if (lua_pcall(L, 2, 0, 0) != LUA_OK && lua_isnil(L, error)) {
				lua_replace(L, error);
			}
		}
		lua_settop(L, waits);
	}
	lua_settop(L, error);
	if (!lua_isnil(L, -1)) {
		lua_error(L);
	}
	lua_pop(L, 1);
}

/* The call is over, or never will be. */
static int close_wait(lua_State *L)
{
	struct rll_wait *wait = luaL_checkudata(L, 1, RLL_WAIT);
	redislock_info_free(wait->info);
	wait->info = NULL;
	if (wait->delivered) {
		return 0;
	}
	wait->delivered = true;
	lua_getiuservalue(L, 1, RLL_WAIT_OWNER);
	struct rll_lock *lock = wait->lock;
	if (lock != NULL) {
		lua_getiuservalue(L, -1, RLL_LOCK_CLIENT);
	}
	forget(L, lua_gettop(L), wait);
	if (lock != NULL && wait->started && wait->operation == RLL_ACQUIRE && lock->acquire_tag == wait->tag) {
		lua_getiuservalue(L, 1, RLL_WAIT_OWNER);
		rll_lock_reset(L, lua_gettop(L), lock);
	}
	return 0;
}

static const luaL_Reg metamethods[] = {
	{ "__gc", close_wait },
	{ "__close", close_wait },
	{ NULL, NULL },
};

void rll_open_wait(lua_State *L)
{
	rll_new_type(L, RLL_WAIT, metamethods, NULL);
}

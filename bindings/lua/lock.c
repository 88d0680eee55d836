/* SPDX-License-Identifier: MIT
 *
 * The lock: made with options, taken, released, and what it says of itself. */
#include "binding.h"

#include <math.h>

enum { TOKEN_SIZE = 129 };

static const struct rll_terms defaults = { .wait_ms = 60000, .ttl_ms = 30000, .renew = -1 };

/* ---- the handle ---- */

static const char *user_text(lua_State *L, int index, int value, size_t *length)
{
	lua_getiuservalue(L, index, value);
	const char *text = lua_tolstring(L, -1, length);
	lua_pop(L, 1); /* the lock keeps it */
	return text;
}

/* wrong: receives what was expected of an option that the library refuses. */
static int32_t set_up(lua_State *L, int index, const struct rll_lock *lock, const char **wrong)
{
	size_t length = 0;
	int32_t status = REDISLOCK_OK;
	*wrong = "option 'owner': up to 255 bytes without control characters expected";
	const char *text = user_text(L, index, RLL_LOCK_OWNER, &length);
	if (text != NULL) {
		status = redislock_lock_set_owner(lock->handle, text, length);
	}
	if (status != REDISLOCK_OK) {
		return status;
	}
	*wrong = "option 'token': 1 to 128 printable ASCII characters without spaces expected";
	text = user_text(L, index, RLL_LOCK_TOKEN, &length);
	if (text != NULL) {
		status = redislock_lock_set_token(lock->handle, text, length);
	}
	if (status == REDISLOCK_OK && lock->interval_ms > 0) {
		status = redislock_lock_set_spin_interval_ms(lock->handle, lock->interval_ms);
	}
	if (status == REDISLOCK_OK && lock->growth > 0) {
		status = redislock_lock_set_spin_growth(lock->handle, lock->growth, lock->max_interval_ms);
	}
	return status;
}

static int32_t make_handle(lua_State *L, int index, struct rll_lock *lock, const char **wrong)
{
	size_t length;
	const char *name = user_text(L, index, RLL_LOCK_NAME, &length);
	*wrong = NULL;
	/* Straight into the object: it is collected with it, whatever Lua raises next. */
	int32_t status = redislock_lock_new(lock->client->handle, lock->kind, name, length, &lock->handle);
	if (status != REDISLOCK_OK) {
		return status;
	}
	lock->now = defaults;
	status = set_up(L, index, lock, wrong);
	if (status != REDISLOCK_OK) {
		rll_lock_reset(L, index, lock);
		return status;
	}
	lua_getiuservalue(L, index, RLL_LOCK_CLIENT);
	lua_getiuservalue(L, -1, RLL_CLIENT_LOCKS);
	lua_pushvalue(L, index);
	lua_rawsetp(L, -2, lock->handle);
	lua_pop(L, 2);
	return REDISLOCK_OK;
}

int32_t rll_lock_open(lua_State *L, int index, struct rll_lock *lock)
{
	const char *wrong;
	return lock->handle != NULL ? (int32_t)REDISLOCK_OK : make_handle(L, index, lock, &wrong);
}

void rll_lock_reset(lua_State *L, int index, struct rll_lock *lock)
{
	redislock_lock *handle = lock->handle;
	if (handle == NULL) {
		return;
	}
	uint64_t fence = redislock_lock_fence(handle);
	lock->fence = fence > 0 ? fence : lock->fence;
	lock->handle = NULL;
	redislock_lock_free(handle);
	lua_getiuservalue(L, index, RLL_LOCK_CLIENT);
	lua_getiuservalue(L, -1, RLL_CLIENT_LOCKS);
	lua_pushnil(L);
	lua_rawsetp(L, -2, handle);
	lua_pop(L, 2);
}

struct rll_lock *rll_check_lock(lua_State *L, int arg)
{
	struct rll_lock *lock = luaL_checkudata(L, arg, RLL_LOCK);
	if (lock->client->handle == NULL) {
		luaL_error(L, "attempt to use a lock of a closed client");
	}
	return lock;
}

/* ---- options ---- */

static const char *const pubsub_options[] = { "wait", "ttl", "renew", "owner", "token", "on_lost", NULL };
static const char *const spin_options[] = { "wait",    "ttl",      "renew",  "owner",        "token",
	                                    "on_lost", "interval", "growth", "max_interval", NULL };
static const char *const acquire_options[] = { "wait", "ttl", "renew", NULL };

static void take_terms(lua_State *L, int arg, struct rll_terms *terms)
{
	bool renew;
	rll_option_seconds(L, arg, "wait", &rll_range_wait, &terms->wait_ms);
	if (rll_option_seconds(L, arg, "ttl", &rll_range_ttl, &terms->ttl_ms) && terms->renew < 0) {
		terms->renew = 0;
	}
	if (rll_option_boolean(L, arg, "renew", &renew)) {
		terms->renew = renew;
	}
}

static void take_spin_options(lua_State *L, int arg, struct rll_lock *lock)
{
	enum { MOST_GROWTH = 10, PERCENT = 100 };
	lua_Number growth;
	rll_option_seconds(L, arg, "interval", &rll_range_timeout, &lock->interval_ms);
	bool grows = rll_option_number(L, arg, "growth", 1, MOST_GROWTH, &growth);
	bool ends = rll_option_seconds(L, arg, "max_interval", &rll_range_timeout, &lock->max_interval_ms);
	luaL_argcheck(L, grows == ends, arg, "options 'growth' and 'max_interval': both or none expected");
	if (grows) {
		lock->growth = (int32_t)(growth * (lua_Number)PERCENT + (lua_Number)0.5);
	}
}

static int new_lock(lua_State *L, int32_t kind)
{
	size_t length;
	struct rll_client *client = rll_check_client(L, 1);
	rll_check_name(L, 2, &length);
	rll_check_options(L, 3, kind == REDISLOCK_KIND_SPIN ? spin_options : pubsub_options);
	lua_settop(L, 3);

	struct rll_lock *lock = lua_newuserdatauv(L, sizeof *lock, RLL_LOCK_VALUES);
	*lock = (struct rll_lock) { .client = client, .kind = kind, .terms = defaults };
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, 4, RLL_LOCK_CLIENT);
	luaL_setmetatable(L, RLL_LOCK);
	lua_pushvalue(L, 2);
	lua_tostring(L, -1); /* a number becomes the name that it reads as */
	lua_setiuservalue(L, 4, RLL_LOCK_NAME);
	take_terms(L, 3, &lock->terms);
	rll_option_string(L, 3, "owner", &length);
	lua_setiuservalue(L, 4, RLL_LOCK_OWNER);
	rll_option_string(L, 3, "token", &length);
	lua_setiuservalue(L, 4, RLL_LOCK_TOKEN);
	bool tells = rll_option_function(L, 3, "on_lost");
	luaL_argcheck(L, !tells || client->async, 3, "option 'on_lost': for locks of a client with async = true only");
	lua_setiuservalue(L, 4, RLL_LOCK_ON_LOST);
	if (kind == REDISLOCK_KIND_SPIN) {
		take_spin_options(L, 3, lock);
	}
	const char *wrong;
	int32_t status = make_handle(L, 4, lock, &wrong);
	if (status != REDISLOCK_OK) {
		luaL_argcheck(L, status != REDISLOCK_INVALID_ARGUMENT || wrong == NULL, 3, wrong);
		return rll_fail_lock(L, lock, status);
	}
	return 1;
}

int rll_client_lock(lua_State *L)
{
	return new_lock(L, REDISLOCK_KIND_PUBSUB);
}

int rll_client_spinlock(lua_State *L)
{
	return new_lock(L, REDISLOCK_KIND_SPIN);
}

/* ---- acquire, release, extend ---- */

/* Tells the handle what it doesn't know. */
static int32_t agree(struct rll_lock *lock, const struct rll_terms *terms)
{
	int32_t status = REDISLOCK_OK;
	if (terms->wait_ms != lock->now.wait_ms) {
		status = redislock_lock_set_wait_ms(lock->handle, terms->wait_ms);
		if (status != REDISLOCK_OK) {
			return status;
		}
		lock->now.wait_ms = terms->wait_ms;
	}
	if (terms->ttl_ms != lock->now.ttl_ms || terms->renew != lock->now.renew) {
		status = redislock_lock_set_ttl_ms(lock->handle, terms->ttl_ms);
		if (status == REDISLOCK_OK) {
			status = redislock_lock_set_renewal(lock->handle, terms->renew != 0);
		}
	}
	if (status == REDISLOCK_OK) {
		lock->now = *terms;
	}
	return status;
}

int32_t rll_lock_prepare(lua_State *L, int index, struct rll_lock *lock, int arg)
{
	struct rll_terms terms = lock->terms;
	rll_check_options(L, arg, acquire_options);
	if (!lua_isnoneornil(L, arg)) {
		take_terms(L, arg, &terms);
	}
	int32_t status = rll_lock_open(L, index, lock);
	return status == REDISLOCK_OK ? agree(lock, &terms) : status;
}

static int acquire(lua_State *L)
{
	struct rll_lock *lock = rll_check_lock(L, 1);
	int32_t status = rll_lock_prepare(L, 1, lock, 2);
	if (status != REDISLOCK_OK) {
		return rll_fail_lock(L, lock, status);
	}
	while ((status = redislock_lock_acquire(lock->handle)) == REDISLOCK_INTERRUPTED) {
		if (rll_run_hooks(L) != LUA_OK) {
			if (lock->handle != NULL) {
				redislock_lock_cancel(lock->handle);
			}
			return lua_error(L);
		}
		if (lock->handle == NULL) {
			return luaL_error(L, "the client was closed while its lock was waited for");
		}
	}
	if (status != REDISLOCK_OK) {
		return rll_fail_lock(L, lock, status);
	}
	lua_settop(L, 1);
	return 1;
}

static int release(lua_State *L)
{
	struct rll_lock *lock = rll_check_lock(L, 1);
	int32_t status = rll_lock_open(L, 1, lock);
	if (status == REDISLOCK_OK) {
		status = redislock_lock_release(lock->handle);
	}
	return rll_lock_result(L, lock, status);
}

int64_t rll_lock_ttl(lua_State *L, const struct rll_lock *lock, int arg)
{
	return lua_isnoneornil(L, arg) ? lock->now.ttl_ms : rll_check_seconds(L, arg, "ttl", &rll_range_ttl);
}

static int extend(lua_State *L)
{
	struct rll_lock *lock = rll_check_lock(L, 1);
	int64_t ttl = rll_lock_ttl(L, lock, 2);
	int32_t status = rll_lock_open(L, 1, lock);
	if (status == REDISLOCK_OK) {
		status = redislock_lock_extend(lock->handle, ttl);
	}
	return rll_lock_result(L, lock, status);
}

static int cancel(lua_State *L)
{
	struct rll_lock *lock = rll_check_lock(L, 1);
	int32_t status = rll_lock_open(L, 1, lock);
	if (status == REDISLOCK_OK) {
		status = redislock_lock_cancel(lock->handle);
	}
	return rll_lock_result(L, lock, status);
}

/* ---- fields ---- */

/* The lock whose field is asked for. Without a handle it is free. */
static struct rll_lock *self(lua_State *L)
{
	return lua_touserdata(L, 1);
}

static int get_held(lua_State *L)
{
	lua_pushboolean(L, redislock_lock_is_held(self(L)->handle) == 1);
	return 1;
}

static int get_remaining(lua_State *L)
{
	int64_t remaining = redislock_lock_remaining_ms(self(L)->handle);
	lua_pushnumber(L, remaining == REDISLOCK_NO_EXPIRY ? (lua_Number)HUGE_VAL : (lua_Number)remaining / 1000);
	return 1;
}

static int get_fence(lua_State *L)
{
	uint64_t fence = redislock_lock_fence(self(L)->handle);
	lua_pushinteger(L, (lua_Integer)(fence > 0 ? fence : self(L)->fence));
	return 1;
}

static int get_token(lua_State *L)
{
	char token[TOKEN_SIZE] = "";
	if (redislock_lock_token(self(L)->handle, token, sizeof token) != REDISLOCK_OK || token[0] == '\0') {
		luaL_pushfail(L);
	} else {
		lua_pushstring(L, token);
	}
	return 1;
}

static int get_name(lua_State *L)
{
	lua_getiuservalue(L, 1, RLL_LOCK_NAME);
	return 1;
}

static int get_channel(lua_State *L)
{
	size_t length;
	struct rll_lock *lock = self(L);
	if (lock->client->handle == NULL || rll_lock_open(L, 1, lock) != REDISLOCK_OK) {
		luaL_pushfail(L);
		return 1;
	}
	const char *channel = redislock_lock_channel(lock->handle, &length);
	lua_pushlstring(L, channel, length);
	return 1;
}

static int get_place(lua_State *L)
{
	int64_t place = redislock_lock_place(self(L)->handle);
	if (place < 0) {
		luaL_pushfail(L);
	} else {
		lua_pushinteger(L, place);
	}
	return 1;
}

static int get_client(lua_State *L)
{
	lua_getiuservalue(L, 1, RLL_LOCK_CLIENT);
	return 1;
}

/* Its upvalues are the methods and the fields. */
static int index_lock(lua_State *L)
{
	luaL_checkudata(L, 1, RLL_LOCK);
	lua_settop(L, 2);
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) {
		return 1;
	}
	lua_pushvalue(L, 2);
	if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) {
		return lua_tocfunction(L, -1)(L);
	}
	return 1;
}

/* ---- the end ---- */

static int describe(lua_State *L)
{
	enum { SHOWN = 64 };
	size_t length;
	luaL_Buffer text;
	luaL_checkudata(L, 1, RLL_LOCK);
	const char *name = user_text(L, 1, RLL_LOCK_NAME, &length);
	luaL_buffinit(L, &text);
	luaL_addstring(&text, RLL_LOCK " '");
	for (size_t i = 0; i < length && i < SHOWN; i++) {
		luaL_addchar(&text, (char)(name[i] < ' ' || name[i] > '~' ? '?' : name[i]));
	}
	luaL_addstring(&text, length > SHOWN ? "...' " : "' ");
	luaL_addstring(&text, redislock_lock_is_held(self(L)->handle) == 1 ? "(held)" : "(not held)");
	luaL_pushresult(&text);
	return 1;
}

static void warn(lua_State *L, const struct rll_lock *lock, int32_t status)
{
	rll_fail_lock(L, lock, status);
	lua_getiuservalue(L, 1, RLL_LOCK_NAME);
	/* In one piece: the name may have any bytes, but a warning ends at a zero. */
	lua_warning(L, lua_pushfstring(L, "redislock: releasing '%s': %s", lua_tostring(L, -1), lua_tostring(L, -3)),
	            0);
}

/* Errors are nothing that the end of a block could return: they are a warning. */
static int close_lock(lua_State *L)
{
	struct rll_lock *lock = luaL_checkudata(L, 1, RLL_LOCK);
	if (lock->handle == NULL) {
		return 0;
	}
	if (lock->client->async) {
		rll_lock_reset(L, 1, lock);
		return 0;
	}
	int32_t status = redislock_lock_release(lock->handle);
	if (status != REDISLOCK_OK && status != REDISLOCK_NOT_OWNED && status != REDISLOCK_FORKED) {
		warn(L, lock, status);
	}
	return 0;
}

static int collect_lock(lua_State *L)
{
	rll_lock_reset(L, 1, luaL_checkudata(L, 1, RLL_LOCK));
	return 0;
}

static const luaL_Reg methods[] = {
	{ "acquire", acquire },
	{ "release", release },
	{ "extend", extend },
	{ "cancel", cancel },
	{ "acquire_async", rll_lock_acquire_async },
	{ "release_async", rll_lock_release_async },
	{ "extend_async", rll_lock_extend_async },
	{ NULL, NULL },
};

static const luaL_Reg fields[] = {
	{ "held", get_held },   { "remaining", get_remaining }, { "fence", get_fence },
	{ "token", get_token }, { "name", get_name },           { "channel", get_channel },
	{ "place", get_place }, { "client", get_client },       { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
	{ "__gc", collect_lock },
	{ "__close", close_lock },
	{ "__tostring", describe },
	{ NULL, NULL },
};

void rll_open_lock(lua_State *L)
{
	rll_new_type(L, RLL_LOCK, metamethods, NULL);
	luaL_getmetatable(L, RLL_LOCK);
	luaL_newlib(L, methods);
	luaL_newlib(L, fields);
	lua_pushcclosure(L, index_lock, 2);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

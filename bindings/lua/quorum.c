/* SPDX-License-Identifier: MIT
 *
 * Many masters: a quorum of servers, and the locks on them. For scripts that wait. */
#include "binding.h"

#include <string.h>
#include <time.h>

enum { TEXT_SIZE = 4096, TOKEN_SIZE = 33, VALUE_QUORUM = 1, VALUE_NAME, VALUES = VALUE_NAME };

static const struct rll_range range_ttl = { 1, INT64_C(9007199254740991), false };

struct quorum {
	redislock_quorum *handle; /* NULL once it is closed */
};

struct quorum_lock {
	redislock_quorum_lock *handle; /* NULL once it is closed */
	struct quorum *quorum;         /* a user value keeps it */
	int64_t wait_ms, ttl_ms;
};

/* ---- the quorum ---- */

static const char *const quorum_options[] = { "server_timeout", NULL };

static int fail_server(lua_State *L, const char *url, int32_t status)
{
	char text[TEXT_SIZE] = "";
	if (status == REDISLOCK_INVALID_ARGUMENT || status == REDISLOCK_UNSUPPORTED) {
		redislock_url_error(url, text, sizeof text);
	}
	bool fine = status == REDISLOCK_INVALID_ARGUMENT && text[0] == '\0';
	return rll_fail(L, status, fine ? "1 to 31 servers are expected, each but once" : text);
}

int rll_quorum(lua_State *L)
{
	int64_t timeout;
	luaL_checktype(L, 1, LUA_TTABLE);
	rll_check_options(L, 2, quorum_options);
	lua_settop(L, 2);
	lua_Integer count = luaL_len(L, 1);
	luaL_argcheck(L, count > 0, 1, "a list of URLs expected");
	struct quorum *quorum = lua_newuserdatauv(L, sizeof *quorum, 0);
	quorum->handle = NULL;
	luaL_setmetatable(L, RLL_QUORUM);
	int32_t status = redislock_quorum_new(&quorum->handle);
	for (lua_Integer i = 1; status == REDISLOCK_OK && i <= count; i++) {
		luaL_argcheck(L, lua_geti(L, 1, i) == LUA_TSTRING, 1, "a list of URLs expected");
		const char *url = rll_check_text(L, lua_gettop(L), "URL");
		status = redislock_quorum_add_server(quorum->handle, url);
		if (status != REDISLOCK_OK) {
			return fail_server(L, url, status);
		}
		lua_pop(L, 1);
	}
	if (status == REDISLOCK_OK) {
		redislock_quorum_set_interruptible(quorum->handle, 1);
		if (rll_option_seconds(L, 2, "server_timeout", &rll_range_timeout, &timeout)) {
			status = redislock_quorum_set_server_timeout_ms(quorum->handle, timeout);
		}
	}
	return status == REDISLOCK_OK ? 1 : rll_fail(L, status, NULL);
}

static struct quorum *check_quorum(lua_State *L, int arg)
{
	struct quorum *quorum = luaL_checkudata(L, arg, RLL_QUORUM);
	if (quorum->handle == NULL) {
		luaL_error(L, "attempt to use a closed quorum");
	}
	return quorum;
}

static int lost_fd(lua_State *L)
{
	int32_t fd = redislock_quorum_lost_fd(check_quorum(L, 1)->handle);
	if (fd < 0) {
		return rll_fail(L, fd, NULL);
	}
	lua_pushinteger(L, fd);
	return 1;
}

/* Its locks keep what is behind it until they are released or collected. */
static int close_quorum(lua_State *L)
{
	struct quorum *quorum = luaL_checkudata(L, 1, RLL_QUORUM);
	redislock_quorum *handle = quorum->handle;
	quorum->handle = NULL;
	redislock_quorum_free(handle);
	return 0;
}

/* ---- locks ---- */

static const char *const lock_options[] = { "wait", "ttl", "renew", "owner", "interval", NULL };
static const char *const acquire_options[] = { "wait", NULL };

static int32_t set_up(lua_State *L, int arg, struct quorum_lock *lock)
{
	size_t length = 0;
	int64_t interval;
	bool renew = true;
	rll_option_seconds(L, arg, "wait", &rll_range_wait, &lock->wait_ms);
	if (rll_option_seconds(L, arg, "ttl", &range_ttl, &lock->ttl_ms)) {
		renew = false;
	}
	rll_option_boolean(L, arg, "renew", &renew);
	int32_t status = redislock_quorum_lock_set_ttl_ms(lock->handle, lock->ttl_ms);
	if (status == REDISLOCK_OK) {
		status = redislock_quorum_lock_set_renewal(lock->handle, renew);
	}
	if (status == REDISLOCK_OK && rll_option_seconds(L, arg, "interval", &rll_range_timeout, &interval)) {
		status = redislock_quorum_lock_set_spin_interval_ms(lock->handle, interval);
	}
	const char *owner = rll_option_string(L, arg, "owner", &length);
	if (status == REDISLOCK_OK && owner != NULL) {
		status = redislock_quorum_lock_set_owner(lock->handle, owner, length);
		luaL_argcheck(L, status != REDISLOCK_INVALID_ARGUMENT, arg,
		              "option 'owner': up to 255 bytes without control characters expected");
	}
	lua_pop(L, 1);
	return status;
}

static int fail_lock(lua_State *L, const struct quorum_lock *lock, int32_t status)
{
	char text[TEXT_SIZE] = "";
	bool own = status == REDISLOCK_INVALID_ARGUMENT || status == REDISLOCK_NO_MEMORY ||
	           status == REDISLOCK_FORKED || status == REDISLOCK_IN_USE || status > 0;
	if (!own && lock->handle != NULL) {
		redislock_quorum_lock_error(lock->handle, text, sizeof text);
	}
	return rll_fail(L, status, text);
}

static int new_lock(lua_State *L)
{
	enum { WAIT_MS = 60000, TTL_MS = 30000 };
	size_t length;
	struct quorum *quorum = check_quorum(L, 1);
	rll_check_name(L, 2, &length);
	rll_check_options(L, 3, lock_options);
	lua_settop(L, 3);
	struct quorum_lock *lock = lua_newuserdatauv(L, sizeof *lock, VALUES);
	*lock = (struct quorum_lock) { .quorum = quorum, .wait_ms = WAIT_MS, .ttl_ms = TTL_MS };
	luaL_setmetatable(L, RLL_QUORUM_LOCK);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, 4, VALUE_QUORUM);
	lua_pushvalue(L, 2);
	const char *name = lua_tolstring(L, -1, &length); /* a number becomes the name that it reads as */
	/* Straight into the object: it is collected with it, whatever Lua raises next. */
	int32_t status = redislock_quorum_lock_new(quorum->handle, name, length, &lock->handle);
	lua_setiuservalue(L, 4, VALUE_NAME);
	if (status == REDISLOCK_OK) {
		status = set_up(L, 3, lock);
	}
	return status == REDISLOCK_OK ? 1 : fail_lock(L, lock, status);
}

static struct quorum_lock *check_lock(lua_State *L)
{
	return luaL_checkudata(L, 1, RLL_QUORUM_LOCK);
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is left of a wait that a signal has interrupted. */
static int32_t go_on(struct quorum_lock *lock, int64_t wait_ms, int64_t began)
{
	int64_t left = began + wait_ms - now_ms();
	if (wait_ms < 0) {
		return REDISLOCK_OK;
	}
	return redislock_quorum_lock_set_wait_ms(lock->handle, left > 0 ? left : 0);
}

static int acquire(lua_State *L)
{
	struct quorum_lock *lock = check_lock(L);
	int64_t wait_ms = lock->wait_ms, began = now_ms();
	rll_check_options(L, 2, acquire_options);
	if (!lua_isnoneornil(L, 2)) {
		rll_option_seconds(L, 2, "wait", &rll_range_wait, &wait_ms);
	}
	int32_t status = redislock_quorum_lock_set_wait_ms(lock->handle, wait_ms);
	if (status == REDISLOCK_OK) {
		status = redislock_quorum_lock_acquire(lock->handle);
	}
	while (status == REDISLOCK_INTERRUPTED) {
		if (rll_run_hooks(L) != LUA_OK) {
			return lua_error(L);
		}
		status = go_on(lock, wait_ms, began);
		if (status == REDISLOCK_OK) {
			status = redislock_quorum_lock_acquire(lock->handle);
		}
	}
	if (status != REDISLOCK_OK) {
		return fail_lock(L, lock, status);
	}
	lua_settop(L, 1);
	return 1;
}

static int result(lua_State *L, const struct quorum_lock *lock, int32_t status)
{
	if (status != REDISLOCK_OK) {
		return fail_lock(L, lock, status);
	}
	lua_pushboolean(L, 1);
	return 1;
}

static int release(lua_State *L)
{
	struct quorum_lock *lock = check_lock(L);
	return result(L, lock, redislock_quorum_lock_release(lock->handle));
}

static int extend(lua_State *L)
{
	struct quorum_lock *lock = check_lock(L);
	int64_t ttl = lua_isnoneornil(L, 2) ? lock->ttl_ms : rll_check_seconds(L, 2, "ttl", &range_ttl);
	return result(L, lock, redislock_quorum_lock_extend(lock->handle, ttl));
}

static int index_lock(lua_State *L)
{
	char token[TOKEN_SIZE] = "";
	struct quorum_lock *lock = check_lock(L);
	const char *field = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
	lua_settop(L, 2);
	if (strcmp(field, "held") == 0) {
		lua_pushboolean(L, redislock_quorum_lock_is_held(lock->handle) == 1);
	} else if (strcmp(field, "remaining") == 0) {
		lua_pushnumber(L, (lua_Number)redislock_quorum_lock_remaining_ms(lock->handle) / 1000);
	} else if (strcmp(field, "agreed") == 0) {
		lua_pushinteger(L, redislock_quorum_lock_agreed(lock->handle));
	} else if (strcmp(field, "name") == 0) {
		lua_getiuservalue(L, 1, VALUE_NAME);
	} else if (strcmp(field, "quorum") == 0) {
		lua_getiuservalue(L, 1, VALUE_QUORUM);
	} else if (strcmp(field, "token") == 0) {
		redislock_quorum_lock_token(lock->handle, token, sizeof token);
		if (token[0] != '\0') {
			lua_pushstring(L, token);
		} else {
			luaL_pushfail(L);
		}
	} else {
		lua_rawget(L, lua_upvalueindex(1));
	}
	return 1;
}

/* Errors are nothing that the end of a block could return: they are a warning. */
static int close_lock(lua_State *L)
{
	struct quorum_lock *lock = check_lock(L);
	int32_t status = redislock_quorum_lock_release(lock->handle);
	if (status != REDISLOCK_OK && status != REDISLOCK_NOT_OWNED && status != REDISLOCK_FORKED) {
		fail_lock(L, lock, status);
		lua_getiuservalue(L, 1, VALUE_NAME);
		lua_warning(
		        L,
		        lua_pushfstring(L, "redislock: releasing '%s': %s", lua_tostring(L, -1), lua_tostring(L, -3)),
		        0);
	}
	return 0;
}

static int collect_lock(lua_State *L)
{
	struct quorum_lock *lock = check_lock(L);
	redislock_quorum_lock *handle = lock->handle;
	lock->handle = NULL;
	redislock_quorum_lock_free(handle);
	return 0;
}

static int describe(lua_State *L)
{
	struct quorum_lock *lock = check_lock(L);
	lua_pushfstring(L, RLL_QUORUM_LOCK " (%s)",
	                redislock_quorum_lock_is_held(lock->handle) == 1 ? "held" : "not held");
	return 1;
}

static const luaL_Reg quorum_methods[] = {
	{ "lock", new_lock },
	{ "lost_fd", lost_fd },
	{ "close", close_quorum },
	{ NULL, NULL },
};

static const luaL_Reg quorum_metamethods[] = {
	{ "__gc", close_quorum },
	{ "__close", close_quorum },
	{ NULL, NULL },
};

static const luaL_Reg lock_methods[] = {
	{ "acquire", acquire },
	{ "release", release },
	{ "extend", extend },
	{ NULL, NULL },
};

static const luaL_Reg lock_metamethods[] = {
	{ "__gc", collect_lock },
	{ "__close", close_lock },
	{ "__tostring", describe },
	{ NULL, NULL },
};

void rll_open_quorum(lua_State *L)
{
	rll_new_type(L, RLL_QUORUM, quorum_metamethods, quorum_methods);
	rll_new_type(L, RLL_QUORUM_LOCK, lock_metamethods, NULL);
	luaL_getmetatable(L, RLL_QUORUM_LOCK);
	luaL_newlib(L, lock_methods);
	lua_pushcclosure(L, index_lock, 1);
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
}

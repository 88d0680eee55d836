/* SPDX-License-Identifier: MIT
 *
 * Looking from outside: the status of a name, and the names that are locked. */
#include "binding.h"

#include <math.h>

/* ---- status ---- */

static void set_text(lua_State *L, const char *key, const char *text, size_t length)
{
	if (length > 0) {
		lua_pushlstring(L, text, length);
		lua_setfield(L, -2, key);
	}
}

void rll_push_info(lua_State *L, const char *name, size_t length, const redislock_info *info)
{
	enum { FIELDS = 7 };
	int64_t remaining = redislock_info_remaining_ms(info);
	const char *text;
	lua_createtable(L, 0, FIELDS);
	set_text(L, "name", name, length);
	text = redislock_info_token(info, &length);
	set_text(L, "token", text, length);
	text = redislock_info_owner(info, &length);
	set_text(L, "owner", text, length);
	lua_pushboolean(L, redislock_info_locked(info) == 1);
	lua_setfield(L, -2, "locked");
	lua_pushnumber(L, remaining == REDISLOCK_NO_EXPIRY ? (lua_Number)HUGE_VAL : (lua_Number)remaining / 1000);
	lua_setfield(L, -2, "remaining");
	lua_pushinteger(L, (lua_Integer)redislock_info_waiters(info));
	lua_setfield(L, -2, "waiters");
	lua_pushinteger(L, (lua_Integer)redislock_info_fence(info));
	lua_setfield(L, -2, "fence");
}

/* A snapshot is an object only as long as it takes to copy it: errors may come in between. */
struct rll_info {
	redislock_info *handle;
};

static void drop_info(struct rll_info *info)
{
	redislock_info_free(info->handle);
	info->handle = NULL;
}

int rll_client_status(lua_State *L)
{
	size_t length;
	struct rll_client *client = rll_check_client(L, 1);
	const char *name = rll_check_name(L, 2, &length);
	struct rll_info *info = lua_newuserdatauv(L, sizeof *info, 0);
	info->handle = NULL;
	luaL_setmetatable(L, RLL_INFO);
	int32_t status = redislock_info_get(client->handle, name, length, &info->handle);
	if (status != REDISLOCK_OK) {
		return rll_fail_client(L, client, status);
	}
	rll_push_info(L, name, length, info->handle);
	drop_info(info);
	return 1;
}

static int collect_info(lua_State *L)
{
	drop_info(luaL_checkudata(L, 1, RLL_INFO));
	return 0;
}

/* ---- list ---- */

struct rll_list {
	redislock_list *handle;
	struct rll_client *client; /* a user value keeps it */
};

static int collect_list(lua_State *L)
{
	struct rll_list *list = luaL_checkudata(L, 1, RLL_LIST);
	redislock_list_free(list->handle);
	list->handle = NULL;
	return 0;
}

/* The step of a generic for. It has nowhere to return a failure to, and a list that is cut short unnoticed is worse. */
static int next_name(lua_State *L)
{
	const char *name;
	size_t length;
	struct rll_list *list = luaL_checkudata(L, 1, RLL_LIST);
	int32_t status =
	        list->handle != NULL ? redislock_list_next(list->handle, &name, &length) : (int32_t)REDISLOCK_END;
	if (status == REDISLOCK_OK) {
		lua_pushlstring(L, name, length);
		return 1;
	}
	if (status != REDISLOCK_END) {
		rll_fail_client(L, list->client, status);
		return luaL_error(L, "listing locks: %s (%s)", lua_tostring(L, -2), lua_tostring(L, -1));
	}
	luaL_pushfail(L);
	return 1;
}

int rll_client_list(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	const char *pattern = lua_isnoneornil(L, 2) ? NULL : rll_check_text(L, 2, "pattern");
	lua_settop(L, 2);
	lua_pushcfunction(L, next_name);
	struct rll_list *list = lua_newuserdatauv(L, sizeof *list, 1);
	*list = (struct rll_list) { .client = client };
	luaL_setmetatable(L, RLL_LIST);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	int32_t status = redislock_list_new(client->handle, pattern, &list->handle);
	luaL_argcheck(L, status != REDISLOCK_INVALID_ARGUMENT, 2, "pattern of up to 4096 bytes expected");
	if (status != REDISLOCK_OK) {
		return rll_fail_client(L, client, status);
	}
	/* Function, state, no first value, and what is closed with the loop. */
	lua_pushnil(L);
	lua_pushvalue(L, -2);
	return 4;
}

static const luaL_Reg info_metamethods[] = {
	{ "__gc", collect_info },
	{ NULL, NULL },
};

static const luaL_Reg list_metamethods[] = {
	{ "__gc", collect_list },
	{ "__close", collect_list },
	{ NULL, NULL },
};

void rll_open_look(lua_State *L)
{
	rll_new_type(L, RLL_INFO, info_metamethods, NULL);
	rll_new_type(L, RLL_LIST, list_metamethods, NULL);
}

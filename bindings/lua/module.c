/* SPDX-License-Identifier: MIT
 *
 * The module: require "redislock". */
#include "binding.h"

static int has(lua_State *L)
{
	lua_pushboolean(L, redislock_has(luaL_checkstring(L, 1)) == 1);
	return 1;
}

void rll_new_type(lua_State *L, const char *type, const luaL_Reg *metamethods, const luaL_Reg *methods)
{
	luaL_newmetatable(L, type);
	luaL_setfuncs(L, metamethods, 0);
	if (methods != NULL) {
		lua_newtable(L);
		luaL_setfuncs(L, methods, 0);
		lua_setfield(L, -2, "__index");
	}
	lua_pop(L, 1);
}

static const luaL_Reg functions[] = {
	{ "connect", rll_connect },
	{ "has", has },
	{ "quorum", rll_quorum },
	{ NULL, NULL },
};

__attribute__((visibility("default"))) int luaopen_redislock(lua_State *L);

int luaopen_redislock(lua_State *L)
{
	luaL_checkversion(L);
	rll_open_client(L);
	rll_open_lock(L);
	rll_open_look(L);
	rll_open_wait(L);
	rll_open_quorum(L);
	luaL_newlib(L, functions);
	lua_pushstring(L, redislock_version_string());
	lua_setfield(L, -2, "version");
	lua_pushinteger(L, redislock_version_number());
	lua_setfield(L, -2, "version_number");
	return 1;
}

/* SPDX-License-Identifier: MIT
 *
 * Signals while a script waits. Handlers such as that of lua.c set a debug hook, which raises an error as soon as Lua
 * runs again; so after each signal Lua must run for a moment, and the wait goes on if no error came of it. */
#include "binding.h"

static int nothing(lua_State *L)
{
	(void)L;
	return 0;
}

static lua_State *main_thread(lua_State *L)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	lua_State *thread = lua_tothread(L, -1);
	lua_pop(L, 1);
	return thread;
}

int rll_run_hooks(lua_State *L)
{
	/* The handler knows the main thread only, and the wait may be a coroutine's. */
	lua_State *thread = main_thread(L);
	lua_Hook hook = lua_gethook(thread), own = lua_gethook(L);
	int own_mask = lua_gethookmask(L), own_count = lua_gethookcount(L);
	bool borrowed = thread != L && hook != NULL && hook != own;
	if (borrowed) {
		lua_sethook(L, hook, lua_gethookmask(thread), lua_gethookcount(thread));
	}
	/* A call is an event for a hook, also that of a C function. */
	lua_pushcfunction(L, nothing);
	int status = lua_pcall(L, 0, 0, 0);
	if (borrowed) {
		lua_sethook(L, own, own_mask, own_count);
	}
	return status;
}

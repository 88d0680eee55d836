/* SPDX-License-Identifier: MIT
 *
 * Uncontended pairs in Lua 5.4, one client and one lock. Usage: lua_pair URL NAME MODULES
 * MODULES is the folder where the module redislock is. Each line of stdin says how many pairs to run. */
#include "bench.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static const char script[] = "local url, name, modules = ...\n"
                             "package.cpath = modules .. '/?.so'\n"
                             "local client = assert(require('redislock').connect(url))\n"
                             "local lock = client:lock(name)\n"
                             "return function()\n"
                             "	assert(lock:acquire())\n"
                             "	assert(lock:release())\n"
                             "end\n";

/* The function is on the stack. */
static void pair(void *state)
{
	lua_State *L = state;

	lua_pushvalue(L, -1);
	if (lua_pcall(L, 0, 0, 0) != LUA_OK)
		bench_die("%s", lua_tostring(L, -1));
}

int main(int argc, char **argv)
{
	lua_State *L = luaL_newstate();

	if (argc != 4 || !L)
		bench_die("usage: lua_pair URL NAME MODULES");
	luaL_openlibs(L);
	luaL_loadstring(L, script);
	for (int i = 1; i < argc; i++)
		lua_pushstring(L, argv[i]);
	if (lua_pcall(L, argc - 1, 1, 0) != LUA_OK)
		bench_die("%s", lua_tostring(L, -1));
	bench_pair_rounds(pair, L);
	lua_close(L);
	return 0;
}

/* SPDX-License-Identifier: MIT
 *
 * The log, the resource and the plan for the workload in Lua. */
#include "plan.h"
#include "record.h"

#include <lauxlib.h>
#include <lua.h>

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

static volatile sig_atomic_t ending;

static void end(int number)
{
	(void)number;
	ending = 1;
}

static int open_record(lua_State *L)
{
	struct sigaction action = { .sa_handler = end };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTERM, &action, NULL);
	lua_pushboolean(L, record_open(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
	return 1;
}

static int now(lua_State *L)
{
	lua_pushinteger(L, record_now());
	return 1;
}

static int line(lua_State *L)
{
	record_line("%s", luaL_checkstring(L, 1));
	return 0;
}

static int flush(lua_State *L)
{
	(void)L;
	record_flush();
	return 0;
}

static int write_resource(lua_State *L)
{
	lua_pushboolean(L, resource_write((unsigned)luaL_checkinteger(L, 1), (uint64_t)luaL_checkinteger(L, 2)));
	return 1;
}

static int valid_until(lua_State *L)
{
	lua_pushinteger(L, record_valid_until(luaL_checkinteger(L, 1), luaL_checkinteger(L, 2)));
	return 1;
}

static int usage(lua_State *L)
{
	record_usage(luaL_checkstring(L, 1));
	return 0;
}

static int is_ending(lua_State *L)
{
	lua_pushboolean(L, ending);
	return 1;
}

static int nap(lua_State *L)
{
	lua_Integer us = luaL_checkinteger(L, 1);
	const struct timespec duration = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&duration, NULL);
	return 0;
}

/* plan(seed, names): the next plan as a table, and the seed that follows. */
static int plan(lua_State *L)
{
	uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
	struct plan next = plan_next(&seed, (unsigned)luaL_checkinteger(L, 2));
	const struct {
		const char *name;
		lua_Integer value;
	} fields[] = {
		{ "name", next.name },       { "ttl_ms", next.ttl_ms },       { "wait_ms", next.wait_ms },
		{ "hold_us", next.hold_us }, { "extend_ms", next.extend_ms }, { "pause_us", next.pause_us },
	};

	lua_newtable(L);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		lua_pushinteger(L, fields[i].value);
		lua_setfield(L, -2, fields[i].name);
	}
	lua_pushboolean(L, next.spin);
	lua_setfield(L, -2, "spin");
	lua_pushboolean(L, next.renew);
	lua_setfield(L, -2, "renew");
	lua_pushinteger(L, (lua_Integer)seed);
	return 2;
}

__attribute__((visibility("default"))) int luaopen_record(lua_State *L);

int luaopen_record(lua_State *L)
{
	static const luaL_Reg functions[] = {
		{ "open", open_record },
		{ "now", now },
		{ "line", line },
		{ "flush", flush },
		{ "write", write_resource },
		{ "valid_until", valid_until },
		{ "usage", usage },
		{ "ending", is_ending },
		{ "nap", nap },
		{ "plan", plan },
		{ NULL, NULL },
	};

	luaL_newlib(L, functions);
	return 1;
}

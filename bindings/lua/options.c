/* SPDX-License-Identifier: MIT
 *
 * Options and arguments: what is wrong is refused by name. */
#include "binding.h"

#include <math.h>
#include <string.h>

#define LONGEST_MS INT64_C(9007199254740991) /* 2^53-1 */

const struct rll_range rll_range_wait = { 0, LONGEST_MS, true };
const struct rll_range rll_range_ttl = { 1, LONGEST_MS, true };
const struct rll_range rll_range_timeout = { 1, INT32_MAX, false };

static bool is_among(const char *const *names, const char *name, size_t length)
{
	for (; *names != NULL; names++) {
		if (strlen(*names) == length && memcmp(*names, name, length) == 0) {
			return true;
		}
	}
	return false;
}

static void refuse_unknown(lua_State *L, int arg, int key, const char *const *names)
{
	luaL_Buffer text;
	luaL_tolstring(L, key, NULL);
	int shown = lua_gettop(L);
	luaL_buffinit(L, &text);
	luaL_addstring(&text, "unknown option '");
	lua_pushvalue(L, shown);
	luaL_addvalue(&text);
	luaL_addstring(&text, "'; there ");
	luaL_addstring(&text, names[0] != NULL && names[1] != NULL ? "are " : "is ");
	for (size_t i = 0; names[i] != NULL; i++) {
		luaL_addstring(&text, i > 0 ? ", " : "");
		luaL_addstring(&text, names[i]);
	}
	luaL_pushresult(&text);
	luaL_argerror(L, arg, lua_tostring(L, -1));
}

void rll_check_options(lua_State *L, int arg, const char *const *names)
{
	if (lua_isnoneornil(L, arg)) {
		return;
	}
	luaL_checktype(L, arg, LUA_TTABLE);
	lua_pushnil(L);
	while (lua_next(L, arg) != 0) {
		lua_pop(L, 1);
		size_t length = 0;
		/* lua_tolstring would turn a number into a string, which lua_next can't go on from. */
		const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
		if (name == NULL || !is_among(names, name, length)) {
			refuse_unknown(L, arg, lua_gettop(L), names);
		}
	}
}

_Noreturn void rll_bad_option(lua_State *L, int arg, const char *name, const char *expected)
{
	const char *text;
	if (lua_type(L, -1) == LUA_TNUMBER) {
		text = lua_pushfstring(L, "option '%s': %s expected, got %s", name, expected,
		                       luaL_tolstring(L, -1, NULL));
	} else {
		text = lua_pushfstring(L, "option '%s': %s expected, got %s", name, expected, luaL_typename(L, -1));
	}
	luaL_argerror(L, arg, text);
	for (;;) {
		/* luaL_argerror doesn't return, but isn't declared so. */
	}
}

/* Pushes the option, or nil. */
static bool get(lua_State *L, int arg, const char *name)
{
	if (lua_isnoneornil(L, arg)) {
		lua_pushnil(L);
		return false;
	}
	return lua_getfield(L, arg, name) != LUA_TNIL;
}

/* ---- seconds ---- */

static bool to_ms(lua_Number seconds, const struct rll_range *range, int64_t *duration_ms)
{
	if (seconds == (lua_Number)HUGE_VAL && range->endless) {
		*duration_ms = REDISLOCK_FOREVER;
		return true;
	}
	/* Not a number fails both. */
	if (!(seconds >= 0 && seconds <= (lua_Number)range->most_ms / 1000)) {
		return false;
	}
	*duration_ms = (int64_t)(seconds * 1000 + (lua_Number)0.5);
	if (*duration_ms == 0 && seconds > 0) {
		*duration_ms = 1;
	}
	return *duration_ms >= range->least_ms && *duration_ms <= range->most_ms;
}

static const char *describe(lua_State *L, const struct rll_range *range)
{
	const char *least = range->least_ms > 0 ? "0.001" : "0";
	const char *endless = range->endless ? " or math.huge" : "";
	return lua_pushfstring(L, "seconds from %s to %I%s", least, (LUAI_UACINT)(range->most_ms / 1000), endless);
}

bool rll_option_seconds(lua_State *L, int arg, const char *name, const struct rll_range *range, int64_t *duration_ms)
{
	bool given = get(L, arg, name);
	if (given && (lua_type(L, -1) != LUA_TNUMBER || !to_ms(lua_tonumber(L, -1), range, duration_ms))) {
		const char *expected = describe(L, range);
		lua_insert(L, -2);
		rll_bad_option(L, arg, name, expected);
	}
	lua_pop(L, 1);
	return given;
}

int64_t rll_check_seconds(lua_State *L, int arg, const char *what, const struct rll_range *range)
{
	int64_t duration_ms = 0;
	if (!to_ms(luaL_checknumber(L, arg), range, &duration_ms)) {
		luaL_argerror(L, arg, lua_pushfstring(L, "%s: %s expected", what, describe(L, range)));
	}
	return duration_ms;
}

/* ---- other options ---- */

bool rll_option_number(lua_State *L, int arg, const char *name, lua_Number least, lua_Number most, lua_Number *number)
{
	bool given = get(L, arg, name);
	if (given) {
		*number = lua_tonumber(L, -1);
		if (lua_type(L, -1) != LUA_TNUMBER || !(*number >= least && *number <= most)) {
			const char *expected = lua_pushfstring(L, "a number from %f to %f", (LUAI_UACNUMBER)least,
			                                       (LUAI_UACNUMBER)most);
			lua_insert(L, -2);
			rll_bad_option(L, arg, name, expected);
		}
	}
	lua_pop(L, 1);
	return given;
}

bool rll_option_boolean(lua_State *L, int arg, const char *name, bool *on)
{
	bool given = get(L, arg, name);
	if (given) {
		if (!lua_isboolean(L, -1)) {
			rll_bad_option(L, arg, name, "a boolean");
		}
		*on = lua_toboolean(L, -1) != 0;
	}
	lua_pop(L, 1);
	return given;
}

const char *rll_option_string(lua_State *L, int arg, const char *name, size_t *length)
{
	size_t own_length;
	if (!get(L, arg, name)) {
		return NULL;
	}
	if (lua_type(L, -1) != LUA_TSTRING) {
		rll_bad_option(L, arg, name, "a string");
	}
	const char *text = lua_tolstring(L, -1, length != NULL ? length : &own_length);
	if (length == NULL && strlen(text) != own_length) {
		rll_bad_option(L, arg, name, "a string without zeros");
	}
	return text;
}

bool rll_option_function(lua_State *L, int arg, const char *name)
{
	bool given = get(L, arg, name);
	if (given && !lua_isfunction(L, -1)) {
		rll_bad_option(L, arg, name, "a function");
	}
	return given;
}

/* ---- arguments ---- */

const char *rll_check_text(lua_State *L, int arg, const char *what)
{
	size_t length;
	const char *text = luaL_checklstring(L, arg, &length);
	if (strlen(text) != length) {
		luaL_argerror(L, arg, lua_pushfstring(L, "%s contains zeros", what));
	}
	return text;
}

static bool begins_with(const char *text, size_t length, const char *prefix)
{
	size_t prefix_length = strlen(prefix);
	return length >= prefix_length && memcmp(text, prefix, prefix_length) == 0;
}

const char *rll_check_name(lua_State *L, int arg, size_t *length)
{
	enum { NAME_MAX_LENGTH = 32768 };
	const char *name = luaL_checklstring(L, arg, length);
	luaL_argcheck(L, *length >= 1 && *length <= NAME_MAX_LENGTH, arg, "name of 1 to 32768 bytes expected");
	luaL_argcheck(L, !begins_with(name, *length, "rlock-queue:") && !begins_with(name, *length, "rlock-state:"),
	              arg, "the name begins like redislock's own keys");
	return name;
}

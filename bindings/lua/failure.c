/* SPDX-License-Identifier: MIT
 *
 * Failures: nil, a message for people, a code for programs. */
#include "binding.h"

enum { TEXT_SIZE = 1024 };

/* These never came from the server, so the handle's text is about something earlier. */
static bool has_text(int32_t status)
{
	switch (status) {
	case REDISLOCK_INVALID_ARGUMENT:
	case REDISLOCK_NO_MEMORY:
	case REDISLOCK_FORKED:
	case REDISLOCK_IN_USE:
	case REDISLOCK_WRONG_MODE:
		return false;
	default:
		return status < 0;
	}
}

int rll_fail(lua_State *L, int32_t status, const char *text)
{
	if (status == REDISLOCK_WRONG_MODE) {
		text = "this call is for another kind of client: those that end in _async, and dispatch, are for one "
		       "that "
		       "was made with async = true, and blocking ones are not";
	}
	luaL_pushfail(L);
	lua_pushstring(L, text != NULL && text[0] != '\0' ? text : redislock_strerror(status));
	lua_pushstring(L, redislock_error_name(status));
	return 3;
}

int rll_fail_client(lua_State *L, const struct rll_client *client, int32_t status)
{
	char text[TEXT_SIZE] = "";
	if (has_text(status) && client->handle != NULL) {
		redislock_client_error(client->handle, text, sizeof text);
	}
	return rll_fail(L, status, text);
}

int rll_fail_lock(lua_State *L, const struct rll_lock *lock, int32_t status)
{
	char text[TEXT_SIZE] = "";
	if (has_text(status) && lock->handle != NULL) {
		redislock_lock_error(lock->handle, text, sizeof text);
	}
	return rll_fail(L, status, text);
}

int rll_client_result(lua_State *L, const struct rll_client *client, int32_t status)
{
	if (status != REDISLOCK_OK) {
		return rll_fail_client(L, client, status);
	}
	lua_pushboolean(L, 1);
	return 1;
}

int rll_lock_result(lua_State *L, const struct rll_lock *lock, int32_t status)
{
	if (status != REDISLOCK_OK) {
		return rll_fail_lock(L, lock, status);
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* SPDX-License-Identifier: MIT
 *
 * The client of an event loop: what cqueues and others poll, and what dispatch does. */
#include "binding.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

int rll_client_pollfd(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	int32_t fd = redislock_client_fd(client->handle);
	if (fd < 0) {
		return rll_fail_client(L, client, fd);
	}
	lua_pushinteger(L, fd);
	return 1;
}

int rll_client_events(lua_State *L)
{
	rll_check_client(L, 1);
	lua_pushliteral(L, "r");
	return 1;
}

int rll_client_timeout(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	int64_t timeout = redislock_client_timeout_ms(client->handle);
	if (timeout < 0) {
		luaL_pushfail(L);
	} else {
		lua_pushnumber(L, (lua_Number)timeout / 1000);
	}
	return 1;
}

/* ---- for loops that have nothing else to poll with ---- */

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether the descriptor is readable before the time is over (negative: for ever). -1: a signal came, or, with *status,
 * what an earlier one has left raised an error. Signals are let in only for as long as it waits, so none is missed. */
static int poll_once(lua_State *L, int fd, int64_t left_ms, int *status)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	struct timespec patience = { (time_t)(left_ms / 1000), (long)(left_ms % 1000 * 1000000) };
	sigset_t every, before;
	int ready = -1;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	*status = rll_run_hooks(L);
	if (*status == LUA_OK) {
		ready = ppoll(&polled, 1, left_ms < 0 ? NULL : &patience, &before);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ready;
}

int rll_client_poll(lua_State *L)
{
	static const struct rll_range range = { 0, INT32_MAX, true };
	struct rll_client *client = rll_check_client(L, 1);
	int64_t left = lua_isnoneornil(L, 2) ? REDISLOCK_FOREVER : rll_check_seconds(L, 2, "timeout", &range);
	int64_t until = now_ms() + left;
	int32_t fd = redislock_client_fd(client->handle);
	if (fd < 0) {
		return rll_fail_client(L, client, fd);
	}
	int ready, status;
	while ((ready = poll_once(L, fd, left, &status)) < 0) {
		if (status != LUA_OK) {
			return lua_error(L);
		}
		rll_check_client(L, 1); /* a hook may have closed it */
		if (left > 0) {
			left = until > now_ms() ? until - now_ms() : 0;
		}
	}
	lua_pushboolean(L, ready > 0);
	return 1;
}

/* ---- events ---- */

/* Leaves the lock of an event, or nil, on the stack. */
static bool find_lock(lua_State *L, int client, redislock_lock *handle)
{
	lua_getiuservalue(L, client, RLL_CLIENT_LOCKS);
	int type = handle != NULL ? lua_rawgetp(L, -1, handle) : (lua_pushnil(L), LUA_TNIL);
	lua_remove(L, -2);
	return type != LUA_TNIL;
}

static void tell_lost(lua_State *L, int client, redislock_lock *handle)
{
	if (find_lock(L, client, handle) && lua_getiuservalue(L, -1, RLL_LOCK_ON_LOST) != LUA_TNIL) {
		lua_pushvalue(L, -2);
		lua_call(L, 1, 0);
	}
}

/* The event is gone when the next one is read, so nothing of it is needed once Lua code runs. */
static void handle(lua_State *L, int client, redislock_event *event)
{
	lua_Integer tag = (lua_Integer)redislock_event_tag(event);
	redislock_lock *lock = redislock_event_lock(event);
	if (redislock_event_type(event) == REDISLOCK_EVENT_LOST) {
		tell_lost(L, client, lock);
		return;
	}
	lua_getiuservalue(L, client, RLL_CLIENT_WAITS);
	if (lua_rawgeti(L, -1, tag) == LUA_TNIL) {
		return; /* its coroutine is no more */
	}
	rll_wait_done(L, lua_gettop(L), lua_touserdata(L, -1), event, lock);
	lua_pushnil(L);
	lua_rawseti(L, -3, tag);
	lua_getiuservalue(L, client, RLL_CLIENT_SLEEPERS);
	int sleepers = lua_gettop(L);
	lua_rawgeti(L, sleepers, tag);
	lua_pushnil(L);
	lua_rawseti(L, sleepers, tag);
	rll_wake(L, client);
}

int rll_client_dispatch(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	redislock_event *event;
	lua_settop(L, 1);
	int32_t status = redislock_client_dispatch(client->handle);
	if (status != REDISLOCK_OK) {
		return rll_fail_client(L, client, status);
	}
	/* What is woken may close the client. */
	while (client->handle != NULL && redislock_client_next_event(client->handle, &event) == REDISLOCK_OK) {
		handle(L, 1, event);
		lua_settop(L, 1);
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* SPDX-License-Identifier: MIT
 *
 * The client: made, asked and closed. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_URL "redis://127.0.0.1:6379/0"

enum { REPLICAS_TIMEOUT_MS = 1000, MOST_REPLICAS = 1000 };

/* ---- making ---- */

static const char *const connect_options[] = {
	"async", "suspend",  "resume", "connect_timeout", "command_timeout", "min_replicas", "replicas_timeout", "name",
	"user",  "password", NULL
};

static void add_table(lua_State *L, int client, int value, const char *mode)
{
	lua_newtable(L);
	if (mode != NULL) {
		lua_createtable(L, 0, 1);
		lua_pushstring(L, mode);
		lua_setfield(L, -2, "__mode");
		lua_setmetatable(L, -2);
	}
	lua_setiuservalue(L, client, value);
}

/* Leaves the userdata on the stack; its handle is to come. */
static struct rll_client *new_client(lua_State *L, bool async)
{
	struct rll_client *client = lua_newuserdatauv(L, sizeof *client, RLL_CLIENT_VALUES);
	int index = lua_gettop(L);
	*client = (struct rll_client) { .async = async };
	luaL_setmetatable(L, RLL_CLIENT);
	add_table(L, index, RLL_CLIENT_LOCKS, "v");
	add_table(L, index, RLL_CLIENT_WAITS, "v");
	add_table(L, index, RLL_CLIENT_SLEEPERS, NULL);
	return client;
}

static void set_hooks(lua_State *L, int options, int client, bool async)
{
	bool suspend = rll_option_function(L, options, "suspend");
	bool resume = rll_option_function(L, options, "resume");
	luaL_argcheck(L, suspend == resume, options, "options 'suspend' and 'resume': both or none expected");
	luaL_argcheck(L, async || !suspend, options, "option 'suspend': for a client with async = true only");
	lua_setiuservalue(L, client, RLL_CLIENT_RESUME);
	lua_setiuservalue(L, client, RLL_CLIENT_SUSPEND);
}

static int32_t set_timeouts(lua_State *L, int options, redislock_client *handle)
{
	int64_t timeout;
	int32_t status = REDISLOCK_OK;
	if (rll_option_seconds(L, options, "connect_timeout", &rll_range_timeout, &timeout)) {
		status = redislock_client_set_connect_timeout_ms(handle, timeout);
	}
	if (status == REDISLOCK_OK && rll_option_seconds(L, options, "command_timeout", &rll_range_timeout, &timeout)) {
		status = redislock_client_set_command_timeout_ms(handle, timeout);
	}
	return status;
}

static int32_t set_replicas(lua_State *L, int options, redislock_client *handle)
{
	lua_Number replicas = 0;
	int64_t timeout = REPLICAS_TIMEOUT_MS;
	bool given = rll_option_number(L, options, "min_replicas", 0, MOST_REPLICAS, &replicas);
	luaL_argcheck(L, replicas == (lua_Number)(int32_t)replicas, options,
	              "option 'min_replicas': a whole number expected");
	rll_option_seconds(L, options, "replicas_timeout", &rll_range_timeout, &timeout);
	return given ? redislock_client_set_min_replicas(handle, (int32_t)replicas, timeout) : REDISLOCK_OK;
}

static int32_t set_identity(lua_State *L, int options, redislock_client *handle)
{
	const char *name = rll_option_string(L, options, "name", NULL);
	const char *user = rll_option_string(L, options, "user", NULL);
	const char *password = rll_option_string(L, options, "password", NULL);
	int32_t status = redislock_client_set_name(handle, name);
	luaL_argcheck(L, status != REDISLOCK_INVALID_ARGUMENT, options,
	              "option 'name': up to 255 printable ASCII characters without spaces expected");
	if (status == REDISLOCK_OK && (user != NULL || password != NULL)) {
		status = redislock_client_set_credentials(handle, user, password);
		luaL_argcheck(
		        L, status != REDISLOCK_INVALID_ARGUMENT, options,
		        "options 'user' and 'password': up to 4096 bytes, and no user without a password, expected");
	}
	lua_pop(L, 3);
	return status;
}

static int fail_url(lua_State *L, const char *url, int32_t status)
{
	char text[256] = "";
	redislock_url_error(url, text, sizeof text);
	return rll_fail(L, status, text);
}

int rll_connect(lua_State *L)
{
	bool async = false;
	const char *url = getenv("REDISLOCK_URL"); /* NOLINT(concurrency-mt-unsafe) */
	if (!lua_isnoneornil(L, 1)) {
		url = rll_check_text(L, 1, "URL");
	} else if (url == NULL || url[0] == '\0') {
		url = DEFAULT_URL;
	}
	rll_check_options(L, 2, connect_options);
	rll_option_boolean(L, 2, "async", &async);
	lua_settop(L, 2);

	struct rll_client *client = new_client(L, async);
	set_hooks(L, 2, 3, async);
	int32_t status = (async ? redislock_client_new_eventloop : redislock_client_new)(url, &client->handle);
	if (status != REDISLOCK_OK) {
		return fail_url(L, url, status);
	}
	if (!async) {
		/* Whatever a handler makes of a signal, it needs Lua to run; see rll_run_hooks(). */
		redislock_client_set_interruptible(client->handle, 1);
	}
	status = set_timeouts(L, 2, client->handle);
	if (status == REDISLOCK_OK) {
		status = set_replicas(L, 2, client->handle);
	}
	if (status == REDISLOCK_OK) {
		status = set_identity(L, 2, client->handle);
	}
	if (status != REDISLOCK_OK) {
		return rll_fail_client(L, client, status);
	}
	return 1;
}

struct rll_client *rll_check_client(lua_State *L, int arg)
{
	struct rll_client *client = luaL_checkudata(L, arg, RLL_CLIENT);
	if (client->handle == NULL) {
		luaL_error(L, "attempt to use a closed client");
	}
	return client;
}

/* ---- methods ---- */

static int connect_now(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	return rll_client_result(L, client, redislock_client_connect(client->handle));
}

static int ping(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	return rll_client_result(L, client, redislock_client_ping(client->handle));
}

static int force_release(lua_State *L)
{
	size_t name_length, token_length = 0;
	struct rll_client *client = rll_check_client(L, 1);
	const char *name = rll_check_name(L, 2, &name_length);
	const char *token = luaL_optlstring(L, 3, NULL, &token_length);
	int32_t status = redislock_client_break(client->handle, name, name_length, token, token_length);
	luaL_argcheck(L, status != REDISLOCK_INVALID_ARGUMENT, 3,
	              "token of 1 to 128 printable ASCII characters expected");
	return rll_client_result(L, client, status);
}

static int set_credentials(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	const char *user = lua_isnoneornil(L, 2) ? NULL : rll_check_text(L, 2, "user");
	const char *password = lua_isnoneornil(L, 3) ? NULL : rll_check_text(L, 3, "password");
	int32_t status = redislock_client_set_credentials(client->handle, user, password);
	luaL_argcheck(L, status != REDISLOCK_INVALID_ARGUMENT, 3,
	              "up to 4096 bytes, and no user without a password, expected");
	return rll_client_result(L, client, status);
}

static int lost_fd(lua_State *L)
{
	struct rll_client *client = rll_check_client(L, 1);
	int32_t fd = redislock_client_lost_fd(client->handle);
	if (fd < 0) {
		return rll_fail_client(L, client, fd);
	}
	lua_pushinteger(L, fd);
	return 1;
}

/* ---- the end ---- */

/* Gives up the handles of all locks: what is held is released. Nothing here calls Lua code. */
static void reset_locks(lua_State *L, int client)
{
	lua_getiuservalue(L, client, RLL_CLIENT_LOCKS);
	lua_pushnil(L);
	while (lua_next(L, -2) != 0) {
		rll_lock_reset(L, lua_gettop(L), lua_touserdata(L, -1));
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

static int close_client(lua_State *L)
{
	struct rll_client *client = luaL_checkudata(L, 1, RLL_CLIENT);
	redislock_client *handle = client->handle;
	lua_settop(L, 1);
	if (handle != NULL) {
		client->handle = NULL;
		reset_locks(L, 1);
		redislock_client_free(handle);
		rll_end_waits(L, 1);
	}
	return 0;
}

/* The locks have handles, and finalizers, of their own. */
static int collect_client(lua_State *L)
{
	struct rll_client *client = luaL_checkudata(L, 1, RLL_CLIENT);
	redislock_client *handle = client->handle;
	client->handle = NULL;
	redislock_client_free(handle);
	return 0;
}

static int describe(lua_State *L)
{
	const struct rll_client *client = luaL_checkudata(L, 1, RLL_CLIENT);
	const char *form = client->handle == NULL ? "closed" : client->async ? "async" : "blocking";
	lua_pushfstring(L, "%s (%s): %p", RLL_CLIENT, form, (const void *)client);
	return 1;
}

static const luaL_Reg metamethods[] = {
	{ "__gc", collect_client },
	{ "__close", close_client },
	{ "__tostring", describe },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "lock", rll_client_lock },
	{ "spinlock", rll_client_spinlock },
	{ "connect", connect_now },
	{ "ping", ping },
	{ "status", rll_client_status },
	{ "list", rll_client_list },
	{ "force_release", force_release },
	{ "break", force_release }, /* a word of the language: client["break"](client, name) */
	{ "set_credentials", set_credentials },
	{ "lost_fd", lost_fd },
	{ "close", close_client },
	{ "pollfd", rll_client_pollfd },
	{ "events", rll_client_events },
	{ "timeout", rll_client_timeout },
	{ "poll", rll_client_poll },
	{ "dispatch", rll_client_dispatch },
	{ "ping_async", rll_client_ping_async },
	{ "status_async", rll_client_status_async },
	{ "force_release_async", rll_client_force_release_async },
	{ NULL, NULL },
};

void rll_open_client(lua_State *L)
{
	rll_new_type(L, RLL_CLIENT, metamethods, methods);
}

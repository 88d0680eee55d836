/* SPDX-License-Identifier: MIT
 *
 * What the tests in Lua can't do in Lua: a server of their own, processes, signals, time. */
#include "server.h"

#include <lauxlib.h>
#include <lua.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER "helper.server"

enum { REPLY_SIZE = 65536, MOST_ARGUMENTS = 16 };

/* ---- the server ---- */

struct server {
	struct test_server server;
	pid_t owner; /* a forked child must leave it alone */
};

static struct test_server *check_server(lua_State *L)
{
	struct server *server = luaL_checkudata(L, 1, SERVER);

	return &server->server;
}

/* helper.server(argument...): with TCP where the first is "tcp". */
static int new_server(lua_State *L)
{
	const char *arguments[MOST_ARGUMENTS + 1] = { NULL };
	int first = lua_gettop(L) > 0 && strcmp(luaL_checkstring(L, 1), "tcp") == 0 ? 2 : 1;

	for (int i = first; i <= lua_gettop(L); i++) {
		luaL_argcheck(L, i - first < MOST_ARGUMENTS, i, "too many");
		arguments[i - first] = luaL_checkstring(L, i);
	}
	struct server *server = lua_newuserdatauv(L, sizeof *server, 0);
	memset(server, 0, sizeof *server);
	server->owner = getpid();
	luaL_setmetatable(L, SERVER);
	test_server_start(&server->server, first == 2 ? TEST_SERVER_TCP : 0, arguments);
	return 1;
}

static int server_stop(lua_State *L)
{
	struct server *server = luaL_checkudata(L, 1, SERVER);

	if (server->owner == getpid())
		test_server_stop(&server->server);
	return 0;
}

static int server_kill(lua_State *L)
{
	test_server_kill(check_server(L));
	return 0;
}

static int server_restart(lua_State *L)
{
	test_server_restart(check_server(L));
	return 0;
}

static int server_pause(lua_State *L)
{
	test_server_pause(check_server(L));
	return 0;
}

static int server_resume(lua_State *L)
{
	test_server_resume(check_server(L));
	return 0;
}

static int server_url(lua_State *L)
{
	lua_pushstring(L, check_server(L)->url);
	return 1;
}

static int server_tcp_url(lua_State *L)
{
	lua_pushstring(L, check_server(L)->tcp_url);
	return 1;
}

/* server:password(text): what commands authenticate with from now on. */
static int server_password(lua_State *L)
{
	struct test_server *server = check_server(L);
	const char *password = luaL_checkstring(L, 2);

	luaL_argcheck(L, strlen(password) < sizeof server->password, 2, "too long");
	strcpy(server->password, password);
	return 0;
}

/* server:command(word...): the answer as text, nil for an error; lists line by line. */
static int server_command(lua_State *L)
{
	struct test_server *server = check_server(L);
	const char *arguments[MOST_ARGUMENTS];
	size_t lengths[MOST_ARGUMENTS];
	int count = lua_gettop(L) - 1;

	luaL_argcheck(L, count >= 1 && count <= MOST_ARGUMENTS, 2, "1 to 16 words expected");
	for (int i = 0; i < count; i++)
		arguments[i] = luaL_checklstring(L, i + 2, &lengths[i]);
	char *reply = lua_newuserdatauv(L, REPLY_SIZE, 0);
	bool good = test_command_bytes(server, reply, REPLY_SIZE, count, arguments, lengths);
	if (!good)
		lua_pushnil(L);
	lua_pushstring(L, reply);
	return good ? 1 : 2;
}

/* server:connections(text): how many have it in their line of CLIENT LIST. */
static int server_connections(lua_State *L)
{
	lua_pushinteger(L, test_connections(check_server(L), luaL_checkstring(L, 2)));
	return 1;
}

/* ---- processes and time ---- */

static int now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)test_now_us() / 1000000);
	return 1;
}

static int snooze(lua_State *L)
{
	test_sleep_ms((int64_t)(luaL_checknumber(L, 1) * 1000));
	return 0;
}

/* helper.fork(function): the child calls it, closes its state and ends; returns its exit status, 0 where the function
 * returned true. */
static int in_child(lua_State *L)
{
	int status = 0;

	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		return luaL_error(L, "fork: %s", strerror(errno));
	if (pid == 0) {
		lua_settop(L, 1);
		if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
			fprintf(stderr, "in the child: %s\n", lua_tostring(L, -1));
			status = 2;
		} else {
			status = lua_toboolean(L, -1) ? 0 : 1;
		}
		/* Closing the state unloads this very module: it must be the interpreter that does so. */
		if (luaL_dostring(L, "return os.exit") != LUA_OK)
			_exit(3);
		lua_pushinteger(L, status);
		lua_pushboolean(L, 1);
		lua_call(L, 2, 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 1;
}

static int send_signal(lua_State *L)
{
	lua_pushboolean(L, kill((pid_t)luaL_checkinteger(L, 1), (int)luaL_checkinteger(L, 2)) == 0);
	return 1;
}

static int pid_of_this(lua_State *L)
{
	lua_pushinteger(L, getpid());
	return 1;
}

static int set_environment(lua_State *L)
{
	const char *value = luaL_optstring(L, 2, NULL);

	if (value != NULL)
		setenv(luaL_checkstring(L, 1), value, 1);
	else
		unsetenv(luaL_checkstring(L, 1));
	return 0;
}

/* helper.descriptors(limit): how many may be open from now on; returns the former limit. */
static int limit_descriptors(lua_State *L)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	lua_pushinteger(L, (lua_Integer)limit.rlim_cur);
	limit.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		return luaL_error(L, "setrlimit: %s", strerror(errno));
	return 1;
}

/* helper.stranger(path, words): a process that listens there, and answers each connection's first words with its own,
 * or hangs up without any; returns its process id. */
static int stranger(lua_State *L)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = luaL_checkstring(L, 1), *words = luaL_optstring(L, 2, "");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	luaL_argcheck(L, strlen(path) < sizeof address.sun_path, 1, "too long");
	strcpy(address.sun_path, path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 8) != 0)
		return luaL_error(L, "%s: %s", path, strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			char heard[512];
			int peer = accept(fd, NULL, NULL);

			if (peer < 0 || read(peer, heard, sizeof heard) < 0 || write(peer, words, strlen(words)) < 0)
				_exit(1);
			if (words[0] == '\0')
				close(peer);
		}
	}
	close(fd);
	lua_pushinteger(L, pid);
	return 1;
}

/* helper.finish(pid): kills a child, and waits for its end. */
static int finish(lua_State *L)
{
	pid_t pid = (pid_t)luaL_checkinteger(L, 1);
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return 0;
}

static const luaL_Reg functions[] = {
	{ "server", new_server },
	{ "now", now },
	{ "sleep", snooze },
	{ "fork", in_child },
	{ "signal", send_signal },
	{ "pid", pid_of_this },
	{ "environment", set_environment },
	{ "descriptors", limit_descriptors },
	{ "stranger", stranger },
	{ "finish", finish },
	{ NULL, NULL },
};

static const luaL_Reg methods[] = {
	{ "stop", server_stop },
	{ "kill", server_kill },
	{ "restart", server_restart },
	{ "pause", server_pause },
	{ "resume", server_resume },
	{ "url", server_url },
	{ "tcp_url", server_tcp_url },
	{ "password", server_password },
	{ "command", server_command },
	{ "connections", server_connections },
	{ NULL, NULL },
};

int luaopen_helper(lua_State *L);

int luaopen_helper(lua_State *L)
{
	luaL_newmetatable(L, SERVER);
	lua_pushcfunction(L, server_stop);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	luaL_newlib(L, functions);
	return 1;
}

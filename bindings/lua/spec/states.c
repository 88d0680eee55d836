/* SPDX-License-Identifier: MIT
 *
 * Runs a script in Lua states of their own: states [-t THREADS] SCRIPT [ARGUMENT...]
 *
 * With -t in so many threads at once, each with the global "thread", its number; inside() and outside() count who is in
 * a critical section, over all of them, and inside() tells whether somebody else is. Without it is an interpreter to
 * run tests with where the usual one won't do: built with the sanitizers of this build, or with with_memory(), that
 * lets Lua run out of it. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 64 };

struct task {
	pthread_t id;
	char **words; /* the program, the script and its arguments, NULL at the end */
	const char *program;
	int number;
	int status;
};

static atomic_int within;

static int inside(lua_State *L)
{
	lua_pushboolean(L, atomic_fetch_add(&within, 1) > 0);
	return 1;
}

static int outside(lua_State *L)
{
	(void)L;
	atomic_fetch_sub(&within, 1);
	return 0;
}

/* Each state counts its allocations; the one that reaches the limit fails, and so do those behind it. */
struct memory {
	long left; /* negative: as many as it takes */
};

static void *allocate(void *state, void *block, size_t old_size, size_t size)
{
	struct memory *memory = state;

	if (size == 0) {
		free(block);
		return NULL;
	}
	/* What shrinks never fails: Lua counts on it. */
	if (block == NULL || size > old_size) {
		if (memory->left == 0)
			return NULL;
		memory->left -= memory->left > 0;
	}
	return realloc(block, size);
}

/* with_memory(count, f): calls f while so many allocations succeed. Returns what pcall would, and behind that whether
 * one has failed. In C, since Lua can hardly move without memory. */
static int with_memory(lua_State *L)
{
	void *state;

	lua_getallocf(L, &state);
	struct memory *memory = state;
	lua_settop(L, 2);
	memory->left = (long)luaL_checkinteger(L, 1);
	const int status = lua_pcall(L, 0, 0, 0);
	const bool failed = memory->left == 0;
	memory->left = -1;
	lua_settop(L, status == LUA_OK ? 1 : 2);
	lua_pushboolean(L, status == LUA_OK);
	lua_replace(L, 1);
	lua_settop(L, 2);
	lua_pushboolean(L, failed);
	return 3;
}

static int trace(lua_State *L)
{
	luaL_traceback(L, L, lua_tostring(L, 1), 1);
	return 1;
}

/* Runs within lua_pcall, so that whatever goes wrong is told. */
static int prepare(lua_State *L)
{
	const struct task *task = lua_touserdata(L, 1);

	luaL_openlibs(L);
	lua_register(L, "inside", inside);
	lua_register(L, "outside", outside);
	lua_register(L, "with_memory", with_memory);
	lua_pushinteger(L, task->number);
	lua_setglobal(L, "thread");
	lua_newtable(L);
	lua_pushstring(L, task->program);
	lua_rawseti(L, -2, -1);
	for (int i = 0; task->words[i] != NULL; i++) {
		lua_pushstring(L, task->words[i]);
		lua_rawseti(L, -2, i);
	}
	lua_setglobal(L, "arg");
	return 0;
}

static int run(lua_State *L, struct task *task)
{
	int count = 0;

	lua_pushcfunction(L, trace);
	lua_pushcfunction(L, prepare);
	lua_pushlightuserdata(L, task);
	if (lua_pcall(L, 1, 0, 1) != LUA_OK || luaL_loadfile(L, task->words[0]) != LUA_OK)
		return 1;
	while (task->words[count + 1] != NULL)
		lua_pushstring(L, task->words[++count]);
	return lua_pcall(L, count, 0, 1) != LUA_OK;
}

static void *work(void *argument)
{
	struct task *task = argument;
	struct memory memory = { -1 };
	lua_State *L = lua_newstate(allocate, &memory);

	task->status = L == NULL || run(L, task);
	if (L != NULL) {
		if (task->status != 0)
			fprintf(stderr, "%s\n", lua_tostring(L, -1));
		lua_close(L);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct task tasks[MOST_THREADS];
	int threads = 0, status = 0;

	if (argc > 3 && strcmp(argv[1], "-t") == 0) {
		threads = atoi(argv[2]);
		argc -= 2;
		memmove(argv + 1, argv + 3, (size_t)argc * sizeof *argv);
	}
	if (argc < 2 || threads < 0 || threads > MOST_THREADS) {
		fprintf(stderr, "usage: states [-t THREADS] SCRIPT [ARGUMENT...]\n");
		return 64;
	}
	for (int i = 0; i < (threads > 0 ? threads : 1); i++)
		tasks[i] = (struct task) { .words = argv + 1, .program = argv[0], .number = i + 1 };
	if (threads == 0) {
		work(&tasks[0]);
		return tasks[0].status;
	}
	for (int i = 0; i < threads; i++) {
		if (pthread_create(&tasks[i].id, NULL, work, &tasks[i]) != 0)
			abort();
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(tasks[i].id, NULL);
		status |= tasks[i].status;
	}
	return status;
}

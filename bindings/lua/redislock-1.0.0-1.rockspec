-- SPDX-License-Identifier: MIT
-- luarocks make, in this folder, with the library and its header installed; else say where:
-- luarocks make REDISLOCK_DIR=/opt/redislock
rockspec_format = "3.0"
package = "redislock"
version = "1.0.0-1"
source = {
	url = "git+file://.",
	tag = "v1.0.0",
	dir = "bindings/lua",
}
description = {
	summary = "A distributed lock that lives in Redis or Valkey",
	detailed = "Waiters queue and are woken in order, one at a time; a crash frees the lock by itself; every hold has a"
		.. " fencing token. For scripts that wait, and for coroutines of cqueues, luv or a loop of your own.",
	license = "MIT",
	labels = { "redis", "lock", "distributed", "coroutines" },
}
dependencies = { "lua ~> 5.4" }
external_dependencies = {
	REDISLOCK = { header = "redislock/redislock.h", library = "redislock" },
}
build = {
	type = "builtin",
	modules = {
		redislock = {
			sources = {
				"client.c", "failure.c", "lock.c", "look.c", "loop.c", "module.c", "options.c", "quorum.c", "signal.c",
				"wait.c",
			},
			defines = { "_GNU_SOURCE" },
			libraries = { "redislock" },
			incdirs = { "$(REDISLOCK_INCDIR)" },
			libdirs = { "$(REDISLOCK_LIBDIR)" },
		},
	},
	copy_directories = { "examples", "library" },
}

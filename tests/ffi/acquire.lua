-- SPDX-License-Identifier: MIT
-- One lock through LuaJIT: the header is the only description of the library.
local ffi = require("ffi")

local header, library, url = arg[1], arg[2], arg[3]
local file = assert(io.open(header))
ffi.cdef(file:read("*a"))
file:close()
local redislock = ffi.load(library)

local client, lock = ffi.new("redislock_client *[1]"), ffi.new("redislock_lock *[1]")
assert(redislock.redislock_client_new(url, client) == redislock.REDISLOCK_OK)
assert(redislock.redislock_lock_new(client[0], redislock.REDISLOCK_KIND_SPIN, "luajit", 6, lock) == 0)
assert(redislock.redislock_lock_acquire(lock[0]) == redislock.REDISLOCK_OK)
assert(redislock.redislock_lock_is_held(lock[0]) == 1)
assert(redislock.redislock_lock_fence(lock[0]) > 0)
local length = ffi.new("size_t[1]")
assert(ffi.string(redislock.redislock_lock_name(lock[0], length), length[0]) == "luajit")
assert(redislock.redislock_lock_release(lock[0]) == redislock.REDISLOCK_OK)
assert(redislock.redislock_lock_release(lock[0]) == redislock.REDISLOCK_NOT_OWNED)
redislock.redislock_lock_free(lock[0])
redislock.redislock_client_free(client[0])

-- SPDX-License-Identifier: MIT
-- The scenario (see run) through LuaJIT: the header is the only description of the library.
-- Arguments: HEADER LIBRARY URL.
local ffi = require("ffi")

local header, library, url = arg[1], arg[2], arg[3]
local file = assert(io.open(header))
ffi.cdef(file:read("*a"))
file:close()
local c = ffi.load(library)

local function expect(got, wanted)
	if got ~= wanted then
		error(tostring(got) .. " instead of " .. tostring(wanted), 2)
	end
end

local client, length = ffi.new("redislock_client *[1]"), ffi.new("size_t[1]")
local out = ffi.new("redislock_lock *[1]")
expect(c.redislock_client_new("nonsense", client), c.REDISLOCK_INVALID_ARGUMENT)
expect(client[0], nil)
expect(c.redislock_client_new(url, client), c.REDISLOCK_OK)

expect(c.redislock_lock_new(client[0], c.REDISLOCK_KIND_SPIN, "free", 4, out), c.REDISLOCK_OK)
local free = out[0]
expect(c.redislock_lock_set_ttl_ms(free, 2 ^ 53 - 1), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(free), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(free), c.REDISLOCK_IN_USE)
local remaining = c.redislock_lock_remaining_ms(free)
expect(2 ^ 52 < remaining and remaining < 2 ^ 53, true)
expect(c.redislock_lock_extend(free, c.REDISLOCK_NO_EXPIRY), c.REDISLOCK_OK)
expect(c.redislock_lock_remaining_ms(free), c.REDISLOCK_NO_EXPIRY + 0LL)
expect(c.redislock_lock_is_held(free), 1)
expect(c.redislock_lock_release(free), c.REDISLOCK_OK)
expect(c.redislock_lock_is_held(free), 0)

local name = "ffi\0lock"
expect(c.redislock_lock_new(client[0], c.REDISLOCK_KIND_PUBSUB, name, #name, out), c.REDISLOCK_OK)
local lock = out[0]
local borrowed = c.redislock_lock_name(lock, length)
expect(ffi.string(borrowed, length[0]), name)
expect(c.redislock_lock_set_wait_ms(lock, 0), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(lock), c.REDISLOCK_NOT_ACQUIRED)
expect(c.redislock_lock_fence(lock), 0ULL)
expect(c.redislock_lock_set_wait_ms(lock, 60000), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(lock), c.REDISLOCK_OK)
expect(tostring(c.redislock_lock_fence(lock)), "9007199254740991ULL")
expect(c.redislock_lock_release(lock), c.REDISLOCK_OK)
expect(c.redislock_lock_release(lock), c.REDISLOCK_NOT_OWNED)

local text = ffi.new("char[256]")
local not_owned = ffi.string(c.redislock_strerror(c.REDISLOCK_NOT_OWNED))
expect(c.redislock_lock_error(lock, text, ffi.sizeof(text)), c.REDISLOCK_OK)
expect(ffi.string(text), not_owned)
expect(c.redislock_lock_error(lock, text, 8), c.REDISLOCK_OK)
expect(ffi.string(text), not_owned:sub(1, 7))

c.redislock_lock_free(lock)
c.redislock_lock_free(free)
c.redislock_client_free(client[0])

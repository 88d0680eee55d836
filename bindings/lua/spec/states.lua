-- SPDX-License-Identifier: MIT
-- What each of the threads of states.c does, in a Lua state of its own: states.lua URL ROUNDS
-- The states contend, and in the end each is closed with a lock held, a lock lost track of, and a coroutine that waits.
local redislock = require "redislock"
local url, rounds = arg[1], tonumber(arg[2])

local client = assert(redislock.connect(url))
local loop = assert(redislock.connect(url, { async = true }))
local last = 0

local function visit(held)
	assert(not inside(), "two are inside")
	assert(held.fence > last, "the fence didn't rise")
	last = held.fence
	outside()
end

local async_rounds = 0
local task = coroutine.wrap(function()
	local lock = loop:lock "shared"
	for _ = 1, rounds do
		local held <close> = assert(lock:acquire_async())
		visit(held)
		async_rounds = async_rounds + 1
	end
end)
task()
while async_rounds < rounds do
	loop:poll()
	assert(loop:dispatch())
end
local lock = client:lock "shared"
for _ = 1, rounds do
	local held <close> = assert(lock:acquire())
	visit(held)
end

-- Left behind for the end of the state.
HELD = assert(client:lock("held-" .. thread, { ttl = math.huge }):acquire())
WAITS = coroutine.wrap(function()
	loop:lock("held-" .. thread):acquire_async { wait = math.huge }
end)
WAITS()
loop:poll()
assert(loop:dispatch())

-- SPDX-License-Identifier: MIT
-- Out of memory at each allocation in turn, in a state of states.c: memory.lua URL
-- Whatever fails fails cleanly: nothing is locked in the end, and sanitizers find nothing lost.
local redislock = require "redislock"
local url = arg[1]

local function blocking()
	local client <close> = assert(redislock.connect(url, { name = "me", command_timeout = 10 }))
	local lock = assert(client:lock("foo", { ttl = 20, owner = "somebody", token = "of-its-own" }))
	do
		local held <close> = assert(lock:acquire { wait = 1 })
		assert(held.held and held.token and held.channel and held.fence > 0 and tostring(held))
		assert(client:status "foo")
		for _ in client:list() do
			break
		end
		assert(held:extend(10))
		assert(select(3, held:acquire()) == "IN_USE")
	end
	assert(select(3, lock:release()) == "NOT_OWNED")
	assert(select(3, client:spinlock("foo", { interval = 1 }):release()) == "NOT_OWNED")
end

local function coroutines()
	local client <close> = assert(redislock.connect(url, { async = true }))
	local over = false
	local thread = coroutine.create(function()
		do
			local held <close> = assert(client:lock("foo"):acquire_async())
			assert(held:extend_async(10))
			assert(client:status_async("foo").locked)
		end
		assert(client:ping_async())
		assert(select(3, client:force_release_async "bar") == "NOT_LOCKED")
		over = true
	end)
	assert(coroutine.resume(thread))
	while not over do
		client:poll()
		assert(client:dispatch())
	end
end

local total = 0
for _, body in ipairs { blocking, coroutines } do
	local count = 0
	repeat
		local good, message, failed = with_memory(count, body)
		assert(good or failed, message)
		-- The message is Lua's, unless a failure in the block came first.
		assert(good or tostring(message):find "memory", message)
		collectgarbage()
		collectgarbage()
		count = count + 1
	until good and not failed
	total = total + count
end
print(total .. " allocations")

-- SPDX-License-Identifier: MIT
-- A scheduler in nothing but Lua, with coroutines that sleep and take turns: lua scheduler.lua [URL]
local redislock = require "redislock"

local ready, sleepers, alive = {}, {}, 0

local client = assert(redislock.connect(arg[1], {
	async = true,
	suspend = function(wait)
		wait.thread = coroutine.running()
		coroutine.yield()
	end,
	resume = function(wait)
		ready[#ready + 1] = wait.thread
	end,
}))

local function go(f, ...)
	local arguments = table.pack(...)
	alive = alive + 1
	ready[#ready + 1] = coroutine.create(function()
		f(table.unpack(arguments, 1, arguments.n))
		alive = alive - 1
	end)
end

local function sleep(seconds)
	sleepers[coroutine.running()] = os.time() + seconds
	coroutine.yield()
end

local function run()
	while alive > 0 do
		local now = os.time()
		for thread, time in pairs(sleepers) do
			if time <= now then
				sleepers[thread] = nil
				ready[#ready + 1] = thread
			end
		end
		local batch = ready
		ready = {}
		for _, thread in ipairs(batch) do
			assert(coroutine.resume(thread))
		end
		if alive > 0 then
			client:poll(ready[1] and 0 or next(sleepers) and 0.1 or math.huge)
			assert(client:dispatch())
		end
	end
end

for _, name in ipairs { "one", "two", "three" } do
	go(function()
		local held <close> = assert(client:lock("example", { wait = 10 }):acquire_async())
		print(name .. " has it, fence " .. held.fence)
		sleep(1)
	end)
end
run()

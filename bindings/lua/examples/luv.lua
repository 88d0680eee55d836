-- SPDX-License-Identifier: MIT
-- Coroutines in the loop of libuv that take turns: lua luv.lua [URL]
local uv = require "luv"
local redislock = require "redislock"

local client = assert(redislock.connect(arg[1], { async = true }))
local poll, running = uv.new_poll(client:pollfd()), 0

-- Lets the coroutine that calls it sleep.
local function sleep(seconds)
	local thread, timer = coroutine.running(), uv.new_timer()
	timer:start(math.ceil(seconds * 1000), 0, function()
		timer:close()
		assert(coroutine.resume(thread))
	end)
	coroutine.yield()
end

local function go(name)
	running = running + 1
	coroutine.wrap(function()
		do
			local held <close> = assert(client:lock("example", { wait = 10 }):acquire_async())
			print(name .. " has it, fence " .. held.fence)
			sleep(0.1)
		end
		running = running - 1
		if running == 0 then
			poll:close() -- nothing else keeps the loop running
		end
	end)()
end

-- Dispatch resumes the coroutines whose turn has come.
poll:start("r", function()
	assert(client:dispatch())
end)
go "one"
go "two"
go "three"
uv.run()

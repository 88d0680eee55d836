-- SPDX-License-Identifier: MIT
-- Coroutines of cqueues that take turns: lua cqueues.lua [URL]
local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local redislock = require "redislock"

local client = assert(redislock.connect(arg[1], {
	async = true,
	suspend = function(wait)
		wait.condition = condition.new()
		wait.condition:wait()
	end,
	resume = function(wait)
		wait.condition:signal()
	end,
}))

local loop, running = cqueues.new(), 0

local function go(name)
	running = running + 1
	loop:wrap(function()
		do
			local held <close> = assert(client:lock("example", { wait = 10 }):acquire_async())
			print(name .. " has it, fence " .. held.fence)
			cqueues.sleep(0.1)
		end
		running = running - 1
	end)
end

go "one"
go "two"
go "three"

-- The client is what cqueues polls: this one turns its crank, for renewals too.
loop:wrap(function()
	while true do
		cqueues.poll(client)
		assert(client:dispatch())
	end
end)
while running > 0 do
	assert(loop:step())
end

-- SPDX-License-Identifier: MIT
-- A contender in Lua, for the test of interoperation: contend.lua blocking|coroutines URL NAME ROUNDS
-- What it says and reads is described in tests/integration/contend.c.
local helper, redislock = require "helper", require "redislock"
local form, url, name, rounds = arg[1], arg[2], arg[3], tonumber(arg[4])

local function now()
	return math.floor(helper.now() * 1000000 + 0.5)
end

local function hold(held)
	local acquired = now()
	helper.sleep(0.001)
	print(string.format("%d %d %d", acquired, now(), held.fence))
end

-- So that the queue runs dry now and then, and those have a chance that have no place in it.
local function pause()
	helper.sleep(now() % 20 / 1000)
end

local client = assert(redislock.connect(url, { async = form == "coroutines" }))

print "ready"
io.stdout:flush()
assert(io.read "l")

if form == "blocking" then
	local locks = { client:lock(name, { wait = math.huge }), client:spinlock(name, { wait = math.huge, interval = 0.005 }) }
	for i = 1, rounds do
		do
			local held <close> = assert(locks[i % 2 + 1]:acquire())
			hold(held)
		end
		pause()
	end
else
	local running = 0
	for _ = 1, 3 do
		running = running + 1
		coroutine.wrap(function()
			while rounds > 0 do
				rounds = rounds - 1
				do
					local held <close> = assert(client:lock(name, { wait = math.huge }):acquire_async())
					hold(held)
				end
				pause()
			end
			running = running - 1
		end)()
	end
	while running > 0 do
		client:poll()
		assert(client:dispatch())
	end
end

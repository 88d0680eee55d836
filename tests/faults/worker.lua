-- SPDX-License-Identifier: MIT
-- The workload in Lua: worker.lua blocking|coroutines URL NAMES LABEL SEED LOG RESOURCE
-- Several coroutines of one client, or one lock after the other, until SIGTERM.
local record, redislock = require "record", require "redislock"
local form, url, names, label, seed = arg[1], arg[2], math.tointeger(arg[3]), arg[4], math.tointeger(arg[5])
local HANDLES, TIMEOUT = 4, 1.0

assert(record.open(arg[6], arg[7]))
record.usage "before"
local coroutines = form == "coroutines"
local client = assert(redislock.connect(url, { async = coroutines, command_timeout = TIMEOUT, connect_timeout = TIMEOUT }))
local running, waiting = 0, {}

local function say(what, ...)
	record.line(string.format(what, ...))
end

-- Until when it is held; 0: it isn't.
local function look(lock)
	local before = record.now()
	local remaining = lock.remaining
	return lock.held and remaining > 0 and record.valid_until(before, math.floor(remaining * 1000 + 0.5)) or 0
end

local function write(handle, name, lock)
	local accepted, sure = record.write(name, lock.fence), look(lock)
	say("w %d %d %d %d %d", handle, record.now(), accepted and 1 or 0, lock.fence, sure)
end

-- What is about to be called ends what was believed: it must be on record before.
local function calls(handle, what)
	say("%s %d %d", what, handle, record.now())
	record.flush()
end

local function nap(us)
	if us > 0 and not coroutines then
		record.nap(us)
	elseif us > 0 then
		local wake = record.now() + us * 1000
		waiting[coroutine.running()] = wake
		coroutine.yield()
	end
end

local function call(lock, method, ...)
	local ok, _, code = lock[coroutines and method .. "_async" or method](lock, ...)
	return ok and "OK" or code
end

local function hold(handle, plan, lock)
	write(handle, plan.name, lock)
	if plan.hold_us > 0 then
		record.flush()
		nap(plan.hold_us // 2)
		if plan.extend_ms > 0 then
			calls(handle, "x")
			local code = call(lock, "extend", plan.extend_ms / 1000)
			say("y %d %d %s %d", handle, record.now(), code, look(lock))
			record.flush()
		end
		nap(plan.hold_us // 2)
		write(handle, plan.name, lock)
	end
	repeat
		calls(handle, "r")
		local code = call(lock, "release")
		say("d %d %d %s 0", handle, record.now(), code)
	until code == "OK" or code == "LOST" or code == "NOT_OWNED" or record.ending()
end

local function round(handle, random)
	local plan
	plan, random = record.plan(random, names)
	local lock = client[plan.spin and "spinlock" or "lock"](client, "c" .. plan.name,
		{ owner = label, interval = plan.spin and 0.02 or nil })
	local asked = record.now()
	waiting[lock] = true
	local code = call(lock, "acquire", { wait = plan.wait_ms / 1000, ttl = plan.ttl_ms / 1000, renew = plan.renew })
	waiting[lock] = nil
	if code == "OK" then
		local answered = record.now()
		say("g %d c%d %d %d %d %d %d %s", handle, plan.name, asked, answered, lock.fence, look(lock), plan.ttl_ms,
			lock.token)
		hold(handle, plan, lock)
	else
		say("f %d c%d %d %d %s %d %d", handle, plan.name, asked, record.now(), code, plan.wait_ms, plan.spin and 1 or 0)
		record.flush()
	end
	nap(plan.pause_us)
	return random
end

local function run(handle)
	local random = seed * HANDLES + handle
	while not record.ending() do
		random = round(handle, random)
	end
	running = running - 1
end

-- Whoever is woken may change what waits, so it is looked at before. How long until there is more to do, in seconds.
local function wake_those_due()
	local now, next, due = record.now(), record.now() + 50000000, {}
	for who, wake in pairs(waiting) do -- a lock, or a coroutine that naps
		if wake == true and record.ending() or wake ~= true and wake <= now then
			due[#due + 1] = who
		elseif wake ~= true and wake < next then
			next = wake
		end
	end
	for _, who in ipairs(due) do
		waiting[who] = nil
		if type(who) == "thread" then
			assert(coroutine.resume(who))
		else
			who:cancel()
		end
	end
	return #due > 0 and 0 or (next - now) / 1e9
end

if coroutines then
	for handle = 1, HANDLES do
		running = running + 1
		assert(coroutine.resume(coroutine.create(run), handle))
	end
	while running > 0 do
		client:poll(wake_those_due())
		assert(client:dispatch())
	end
else
	running = 1
	run(1)
end
client:close()
record.usage "after"
record.flush()

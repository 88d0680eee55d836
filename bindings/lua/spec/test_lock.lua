-- SPDX-License-Identifier: MIT
-- Locks of a blocking client: taken, released, extended, closed and collected; their options and fields.
local helper, redislock, spec = require "helper", require "redislock", require "spec"
local equal, fails, raises, test = spec.equal, spec.fails, spec.raises, spec.test

local function connect(server, options)
	return assert(redislock.connect(server:url(), options))
end

for _, kind in ipairs { "lock", "spinlock" } do
	test(kind .. " is taken, keeps others out, and is released", function(server)
		local client = connect(server)
		local lock, other = client[kind](client, "foo"), client[kind](client, "foo")
		equal(lock.held, false)
		equal(lock:acquire(), lock)
		equal(lock.held, true)
		equal(server:command("GET", "foo"), lock.token)
		fails("NOT_ACQUIRED", other:acquire { wait = 0 })
		equal(other.held, false)
		fails("NOT_OWNED", other:release())
		equal(lock:release(), true)
		equal(lock.held, false)
		equal(server:command("EXISTS", "foo"), "0")
		fails("NOT_OWNED", lock:release())
		equal(other:acquire { wait = 0 }, other)
	end)

	test(kind .. " waits no longer than it is told", function(server)
		local client = connect(server)
		local held <close> = assert(client:lock("foo"):acquire())
		local waiter = client[kind](client, "foo", { wait = 0.05 })
		local before = helper.now()
		fails("NOT_ACQUIRED", waiter:acquire())
		assert(helper.now() - before > 0.04)
		fails("NOT_ACQUIRED", waiter:acquire { wait = 0.01 })
		equal(held.held, true)
	end)
end

test("example of the contract works", function(server)
	local client = redislock.connect(server:url())
	do
		local held <close> = assert(client:lock("foo", { wait = 10, ttl = 30 }):acquire())
		equal(math.type(held.fence), "integer")
		assert(held.remaining > 0 and held.remaining <= 30)
		equal(server:command("EXISTS", "foo"), "1")
		local spin = client:spinlock("foo", { interval = 0.1 })
		local ok, message, code = spin:acquire { wait = 0 }
		equal(ok, nil)
		equal(type(message), "string")
		equal(code, "NOT_ACQUIRED")
	end
	equal(server:command("EXISTS", "foo"), "0")
end)

test("acquire with an option changes that call only", function(server)
	local client = connect(server)
	local lock = client:lock("foo", { ttl = 100 })
	assert(lock:acquire { ttl = 5, wait = 0 })
	assert(lock.remaining <= 5)
	assert(lock:release())
	assert(lock:acquire())
	assert(lock.remaining > 90)
	assert(lock:release())
	assert(lock:acquire { ttl = math.huge })
	-- It begins with a short lease, in case that nobody hears of it.
	spec.eventually("the lock has no end", function()
		return lock.remaining == math.huge and server:command("PTTL", "foo") == "-1"
	end)
	assert(lock:release())
	-- Options that couldn't be set, as the lock was held, are not taken for set later.
	assert(lock:acquire { wait = 1 })
	fails("IN_USE", lock:acquire { wait = 0, ttl = 7 })
	assert(lock:release())
	assert(lock:acquire { ttl = 7 })
	assert(lock.remaining <= 7)
	assert(lock:release())
end)

test("lease is renewed by default, not with a TTL, and with a TTL where asked for", function(server)
	local client = connect(server)
	local function survives(options, call)
		local lock = client:lock("foo", options)
		assert(lock:acquire(call))
		local fence, deadline = lock.fence, helper.now() + 0.5
		while helper.now() < deadline and lock.held do
			helper.sleep(0.01)
		end
		local held = lock.held
		equal(lock.fence, fence)
		lock:release()
		server:command("DEL", "foo")
		return held
	end
	equal(survives { ttl = 0.15 }, false, "a TTL alone")
	equal(survives({}, { ttl = 0.15 }), false, "a TTL of the call's")
	equal(survives { ttl = 30, renew = false }, true, "a long TTL")
	-- Renewal at a third of the TTL: a busy machine may miss one, so this asks for less than it could.
	local kept, tries = false, 0
	while not kept and tries < 20 do
		tries = tries + 1
		kept = survives { ttl = 0.3, renew = true } and survives({ renew = true }, { ttl = 0.3 })
	end
	equal(kept, true, "renewed leases")
end)

test("extend sets the lease from now on", function(server)
	local client = connect(server)
	local lock = client:lock("foo", { ttl = 20 })
	fails("NOT_OWNED", lock:extend(5))
	assert(lock:acquire())
	equal(lock:extend(100), true)
	assert(lock.remaining > 90 and lock.remaining <= 100)
	equal(lock:extend(2.5), true)
	assert(lock.remaining <= 2.5)
	equal(lock:extend(), true)
	assert(lock.remaining > 10 and lock.remaining <= 20, "the lock's own TTL")
	equal(lock:extend(math.huge), true)
	equal(lock.remaining, math.huge)
	equal(server:command("PTTL", "foo"), "-1")
	assert(lock:release())
end)

test("fence is exact to its last digit, and rises", function(server)
	local client = connect(server)
	local lock = client:lock("foo")
	equal(lock.fence, 0)
	server:command("SET", "rlock-state:{foo}:foo", "9007199254740988 x - ", "PX", "60000")
	for _, fence in ipairs { 9007199254740989, 9007199254740990, 9007199254740991 } do
		assert(lock:acquire())
		equal(lock.fence, fence)
		equal(spec.state(server, "foo"):match "^%d+", tostring(fence))
		equal(client:status("foo").fence, fence)
		assert(lock:release())
		equal(lock.fence, fence, "after the release")
	end
end)

test("end of a block releases, and so does an error in it", function(server)
	local client = connect(server)
	do
		local held <close> = assert(client:lock("foo"):acquire())
		equal(server:command("EXISTS", "foo"), "1")
		assert(held.held)
	end
	equal(server:command("EXISTS", "foo"), "0")
	raises("on purpose", function()
		local held <close> = assert(client:lock("foo"):acquire())
		equal(server:command("EXISTS", "foo"), "1")
		error("on purpose: " .. held.name)
	end)
	equal(server:command("EXISTS", "foo"), "0")
	-- A release in the block is fine, and so is none to do.
	do
		local held <close> = assert(client:lock("foo"):acquire())
		assert(held:release())
	end
	do
		local free <close> = client:lock "foo"
		equal(free.held, false)
	end
	local co = coroutine.create(function()
		local held <close> = assert(client:lock("foo"):acquire())
		coroutine.yield(held)
	end)
	assert(coroutine.resume(co))
	equal(server:command("EXISTS", "foo"), "1")
	assert(coroutine.close(co))
	equal(server:command("EXISTS", "foo"), "0")
end)

test("forgotten lock is released when it is collected", function(server)
	local client = connect(server)
	local lock = assert(client:lock("foo"):acquire())
	equal(server:command("EXISTS", "foo"), "1")
	lock = nil -- luacheck: ignore
	spec.collect()
	equal(server:command("EXISTS", "foo"), "0")
	-- Also when its client went first.
	lock = assert(connect(server):lock("foo"):acquire())
	spec.collect()
	equal(lock.held, true)
	lock = nil -- luacheck: ignore
	spec.collect()
	equal(server:command("EXISTS", "foo"), "0")
end)

test("lost lock is told by fields, by the next call, and by a warning at the end of a block", function(server)
	local client = connect(server)
	local lock = assert(client:lock("foo", { ttl = 0.1 }):acquire())
	spec.eventually("the lease ends", function()
		return not lock.held and server:command("EXISTS", "foo") == "0"
	end)
	equal(lock.remaining, 0.0)
	fails("LOST", lock:release())
	fails("NOT_OWNED", lock:release())
	lock = assert(client:lock("foo"):acquire())
	server:command("DEL", "foo")
	fails("LOST", lock:extend(10))
	equal(lock.held, false)
	fails("NOT_OWNED", lock:release())
	assert(lock:acquire())
	server:command("SET", "foo", "somebody-else")
	fails("LOST", lock:release())
	equal(server:command("GET", "foo"), "somebody-else")
	server:command("DEL", "foo")
end)

test("owner and token are what others see", function(server)
	local client = connect(server)
	local lock = client:lock("foo", { owner = "me, on \xc3\xa4 machine", token = "of-my-own" })
	equal(lock.token, "of-my-own")
	assert(lock:acquire())
	equal(lock.token, "of-my-own")
	equal(server:command("GET", "foo"), "of-my-own")
	equal(client:status("foo").owner, "me, on \xc3\xa4 machine")
	assert(lock:release())
	assert(client:lock("foo", { owner = "" }))
	local random = client:lock "foo"
	equal(random.token, nil)
	assert(random:acquire())
	local first = random.token
	equal(#first, 32)
	assert(random:release())
	assert(random:acquire())
	assert(random.token ~= first)
	assert(random:release())
end)

test("names and tokens may have any bytes that they may have", function(server)
	local client = connect(server)
	local bytes = {}
	for byte = 0, 255 do
		bytes[#bytes + 1] = string.char(byte)
	end
	for _, name in ipairs { table.concat(bytes), "\0", "a\0b", ("x"):rep(32768), "{}", "a{b}c", "\r\n" } do
		local lock = client:lock(name)
		equal(lock.name, name)
		equal(lock.channel, "rlock-channel:" .. name)
		assert(lock:acquire())
		equal(server:command("GET", name), lock.token)
		equal(client:status(name).name, name)
		equal(client:status(name).token, lock.token)
		equal(tostring(lock):find "%c", nil)
		assert(lock:release())
	end
	equal(client:lock(12).name, "12")
	local printable = {}
	for byte = 33, 126 do
		printable[#printable + 1] = string.char(byte)
	end
	local token = table.concat(printable)
	local lock = assert(client:lock("foo", { token = token }):acquire())
	equal(server:command("GET", "foo"), token)
	assert(lock:release())
	lock = assert(client:lock("foo", { token = ("x"):rep(128) }):acquire())
	equal(#lock.token, 128)
	assert(lock:release())
end)

test("spin lock has an interval that may grow", function(server)
	local client = connect(server)
	local held <close> = assert(client:lock("foo"):acquire())
	local function tries(options)
		options.wait = 0.4
		local lock = client:spinlock("foo", options)
		server:command("CONFIG", "RESETSTAT")
		fails("NOT_ACQUIRED", lock:acquire())
		local calls = 0
		for count in server:command("INFO", "commandstats"):gmatch "cmdstat_evalsha?:calls=(%d+)" do
			calls = calls + tonumber(count)
		end
		return calls
	end
	assert(held.held)
	local often, seldom = tries { interval = 0.002 }, tries { interval = 0.2 }
	assert(often > 2 * seldom, often .. " and " .. seldom)
	local growing = tries { interval = 0.002, growth = 10, max_interval = 0.2 }
	assert(growing < often, growing .. " and " .. often)
end)

test("lock is waited for until it is released", function(server)
	local client = connect(server)
	local held = assert(client:lock("foo", { ttl = 0.2 }):acquire())
	-- Nobody releases it: the lease ends.
	local lock = assert(client:lock("foo", { wait = math.huge }):acquire())
	assert(lock.fence > held.fence)
	assert(lock:release())
end)

test("cancel has nothing to do outside of a wait", function(server)
	local client = connect(server)
	local lock = client:lock "foo"
	equal(lock:cancel(), true)
	assert(lock:acquire())
	equal(lock:cancel(), true)
	equal(lock.held, true)
	assert(lock:release())
end)

test("fields are for reading, and unknown ones are nil", function(server)
	local client = connect(server)
	local lock = client:lock "foo"
	equal(lock.nothing, nil)
	equal(lock[1], nil)
	equal(lock.place, nil)
	equal(lock.client, client)
	raises("", function()
		lock.held = true
	end)
	equal(tostring(lock), "redislock.lock 'foo' (not held)")
	assert(lock:acquire())
	equal(tostring(lock), "redislock.lock 'foo' (held)")
	assert(lock:release())
	equal(getmetatable(lock).__name, "redislock.lock")
end)

spec.run()

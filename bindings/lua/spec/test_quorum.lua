-- SPDX-License-Identifier: MIT
-- One lock on five servers.
local helper, redislock, spec = require "helper", require "redislock", require "spec"
local equal, fails, raises, test = spec.equal, spec.fails, spec.raises, spec.test

local servers = {}
for i = 1, 5 do
	servers[i] = helper.server()
end

local function urls()
	local list = {}
	for i, server in ipairs(servers) do
		list[i] = server:url()
	end
	return list
end

local function quorum()
	return assert(redislock.quorum(urls(), { server_timeout = 2 }))
end

local function have(first)
	local count = 0
	for i = first or 1, #servers do
		count = count + tonumber(servers[i]:command("EXISTS", "foo"))
	end
	return count
end

test("lock is taken on every server, keeps others out, and is released", function()
	local mine, other = quorum(), quorum()
	local lock = mine:lock("foo", { owner = "me", interval = 0.02 })
	equal(lock.held, false)
	equal(lock.token, nil)
	equal(lock:acquire(), lock)
	equal(lock.held, true)
	spec.eventually("all agree", function()
		return lock.agreed == 5
	end)
	equal(have(), 5)
	equal(servers[3]:command("GET", "foo"):match "^[^.]*", lock.token)
	assert(lock.remaining > 0 and lock.remaining < 30)
	equal(lock.name, "foo")
	equal(lock.quorum, mine)
	equal(lock.nonsense, nil)
	fails("IN_USE", lock:acquire())
	fails("NOT_ACQUIRED", other:lock("foo"):acquire { wait = 0 })
	equal(lock:extend(100), true)
	assert(lock.remaining > 50)
	equal(lock:release(), true)
	equal(lock.held, false)
	equal(lock.agreed, 0)
	equal(have(), 0)
	fails("NOT_OWNED", lock:release())
	fails("NOT_OWNED", lock:extend())
end)

test("block that ends releases", function()
	local mine = quorum()
	do
		local held <close> = assert(mine:lock("foo", { ttl = 20, renew = true, wait = 5 }):acquire())
		assert(have() >= 3)
		equal(tostring(held), "redislock.quorum_lock (held)")
	end
	equal(have(), 0)
end)

test("lock that is collected is released, whatever the order", function()
	local lock = quorum():lock "foo"
	assert(lock:acquire())
	lock.quorum:close()
	equal(lock.held, true)
	raises("closed quorum", lock.quorum.lock, lock.quorum, "foo")
	raises("closed quorum", lock.quorum.lost_fd, lock.quorum)
	lock = nil
	spec.collect()
	spec.eventually("nothing is left", function()
		return have() == 0
	end)
end)

test("two servers may be down, three may not", function()
	local mine = quorum()
	servers[1]:kill()
	servers[2]:kill()
	local lock = mine:lock "foo"
	assert(lock:acquire { wait = 0 })
	assert(lock:release())
	servers[3]:kill()
	local message = fails("CONNECTION_REFUSED", mine:lock("foo"):acquire { wait = 0 })
	spec.contains(message, servers[1]:url():match "//(.*)")
	equal(have(4), 0)
	for i = 1, 3 do
		servers[i]:restart()
	end
end)

test("hold that loses its majority is told", function()
	local mine = quorum()
	local lock = mine:lock("foo", { ttl = 1, renew = true })
	assert(math.type(mine:lost_fd()) == "integer")
	assert(lock:acquire())
	for i = 1, 3 do
		servers[i]:kill()
	end
	spec.eventually("it is lost", function()
		return not lock.held
	end)
	fails("LOST", lock:release())
	for i = 1, 3 do
		servers[i]:restart()
	end
end)

test("what is wrong is refused", function()
	local url = servers[1]:url()
	fails("INVALID_ARGUMENT", redislock.quorum { "nonsense" })
	spec.contains(fails("INVALID_ARGUMENT", redislock.quorum { url, url }), "but once")
	raises("list of URLs", redislock.quorum, {})
	raises("list of URLs", redislock.quorum, { 1 })
	raises("table", redislock.quorum, url)
	raises("server_timeout", redislock.quorum, { url }, { server_timeout = 0 })
	raises("unknown option", redislock.quorum, { url }, { nonsense = 0 })
	local mine = quorum()
	raises("name", mine.lock, mine, "")
	raises("ttl", mine.lock, mine, "foo", { ttl = math.huge })
	raises("owner", mine.lock, mine, "foo", { owner = "\n" })
	raises("unknown option", mine.lock, mine, "foo", { token = "x" })
	local lock = mine:lock "foo"
	raises("unknown option", lock.acquire, lock, { ttl = 1 })
	raises("ttl", lock.extend, lock, 0)
end)

spec.run()
for _, server in ipairs(servers) do
	server:stop()
end

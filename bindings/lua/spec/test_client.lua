-- SPDX-License-Identifier: MIT
-- The module and the client: connecting, options, questions, and the end.
local helper, redislock, spec = require "helper", require "redislock", require "spec"
local equal, fails, raises, test = spec.equal, spec.fails, spec.raises, spec.test

test("module tells its version and features", function()
	spec.contains(redislock.version, ".")
	local major, minor, patch = redislock.version:match "^(%d+)%.(%d+)%.(%d+)$"
	equal(redislock.version_number, major * 1000000 + minor * 1000 + patch)
	equal(redislock.has "no such thing", false)
	equal(type(redislock.has "tls"), "boolean")
	raises("bad argument #1 to 'redislock.has'", redislock.has)
end)

test("connecting takes the URL, that of the environment, or the default", function(server)
	equal(redislock.connect(server:url()):ping(), true)
	helper.environment("REDISLOCK_URL", server:url())
	equal(redislock.connect():ping(), true)
	equal(redislock.connect(nil, { name = "me" }):ping(), true)
	helper.environment("REDISLOCK_URL", "nonsense")
	fails("INVALID_ARGUMENT", redislock.connect())
	helper.environment "REDISLOCK_URL"
	assert(redislock.connect())
end)

test("connecting sends nothing until it is asked to", function(server)
	local client = assert(redislock.connect(server:url(), { name = "lazy" }))
	equal(server:connections "name=lazy ", 0)
	equal(client:connect(), true)
	assert(server:connections "name=lazy " > 0)
	equal(client:connect(), true)
end)

test("URL that can't be read is a failure that says what is wrong, and never the password", function()
	for _, url in ipairs { "", "redis:/", "redis://host:port", "redis://:secret@host:99999", "http://host" } do
		local message = select(2, redislock.connect(url))
		equal(message:find("secret", 1, true), nil)
		assert(select(3, redislock.connect(url)) == "INVALID_ARGUMENT" or url == "http://host", url)
	end
	fails("UNSUPPORTED", redislock.connect "http://host")
	raises("bad argument #1 to 'redislock.connect' (string expected, got table)", redislock.connect, {})
	raises("bad argument #1 to 'redislock.connect' (URL contains zeros)", redislock.connect, "redis://host\0")
end)

test("options of connect are checked by name", function(server)
	local function refused(message, options)
		raises("bad argument #2 to 'redislock.connect' (" .. message, redislock.connect, server:url(), options)
	end
	refused("table expected, got string", "quick")
	refused("unknown option 'timeout'; there are async, ", { timeout = 1 })
	refused("unknown option '1'", { "async" })
	refused("unknown option 'async", { ["async\0"] = true })
	refused("option 'async': a boolean expected, got 1", { async = 1 })
	refused("option 'connect_timeout': seconds from 0.001 to 2147483 expected, got string", { connect_timeout = "1" })
	for _, value in ipairs { 0, -1, 2147484, math.huge, -math.huge, 0 / 0 } do
		refused("option 'connect_timeout': seconds from", { connect_timeout = value })
		refused("option 'command_timeout': seconds from", { command_timeout = value })
	end
	for _, value in ipairs { -1, 1001, math.huge, 0 / 0 } do
		refused("option 'min_replicas': a number from 0", { min_replicas = value })
	end
	refused("option 'min_replicas': a number from 0", { min_replicas = "1" })
	refused("option 'min_replicas': a whole number", { min_replicas = 1.5 })
	refused("option 'replicas_timeout': seconds from", { min_replicas = 1, replicas_timeout = 0 })
	refused("option 'name': a string expected, got boolean", { name = true })
	refused("option 'name': up to 255", { name = "a b" })
	refused("option 'name': up to 255", { name = ("x"):rep(256) })
	refused("option 'name': a string without zeros", { name = "a\0b" })
	refused("option 'user': a string expected", { user = {} })
	refused("options 'user' and 'password': up to 4096 bytes, and no user without", { user = "me" })
	refused("options 'user' and 'password'", { password = ("x"):rep(4097) })
	refused("option 'password': a string without zeros", { password = "a\0b" })
	refused("option 'suspend': a function expected, got boolean", { async = true, suspend = true })
	refused("options 'suspend' and 'resume': both or none", { async = true, suspend = print })
	refused("options 'suspend' and 'resume': both or none", { async = true, resume = print })
	refused("option 'suspend': for a client with async = true only", { suspend = print, resume = print })
	-- What is nil isn't there.
	assert(redislock.connect(server:url(), { name = nil }))
	assert(redislock.connect(server:url(), {}))
end)

test("options of connect do what they say", function(server)
	local client = assert(redislock.connect(server:url(), { name = "that-is-me" }))
	assert(client:ping())
	assert(server:connections "name=that-is-me " > 0)
	client = assert(redislock.connect(server:url(), { command_timeout = 0.2 }))
	assert(client:ping())
	server:pause()
	local before = helper.now()
	fails("TIMEOUT", client:ping())
	assert(helper.now() - before < 4)
	-- The name is part of the greeting, and that of the connection.
	client = assert(redislock.connect(server:url(), { connect_timeout = 0.2, name = "me" }))
	before = helper.now()
	local code = select(3, client:ping())
	assert(code == "CONNECTION_REFUSED" or code == "TIMEOUT", code)
	assert(helper.now() - before < 4)
	server:resume()
end)

test("replicas that are missing are told", function(server)
	local client = assert(redislock.connect(server:url(), { min_replicas = 1, replicas_timeout = 0.05 }))
	spec.contains(fails("NOT_ENOUGH_REPLICAS", client:lock("foo"):acquire()), "0 of the 1 replicas")
	client = assert(redislock.connect(server:url(), { min_replicas = 0 }))
	assert(client:lock("foo"):acquire())
end)

test("credentials come from options, and can be replaced", function(server)
	server:command("CONFIG", "SET", "requirepass", "secret")
	server:password "secret"
	fails("AUTHENTICATION", redislock.connect(server:url()):ping())
	fails("AUTHENTICATION", redislock.connect(server:url(), { password = "wrong" }):ping())
	local client = redislock.connect(server:url(), { password = "wrong" })
	fails("AUTHENTICATION", client:lock("foo"):acquire())
	equal(redislock.connect(server:url(), { password = "secret" }):ping(), true)
	equal(redislock.connect(server:url(), { user = "default", password = "secret" }):ping(), true)
	equal(client:set_credentials(nil, "secret"), true)
	equal(client:ping(), true)
	equal(client:set_credentials("default", "secret"), true)
	equal(client:set_credentials(), true)
	raises("bad argument #2 to 'set_credentials' (up to 4096 bytes, and no user without", function()
		client:set_credentials "me"
	end)
	raises("bad argument #1 to 'set_credentials' (user contains zeros)", function()
		client:set_credentials("\0", "x")
	end)
	raises("bad argument #2 to 'set_credentials' (password contains zeros)", function()
		client:set_credentials("me", "\0")
	end)
	server:command("CONFIG", "SET", "requirepass", "")
end)

test("options of locks are checked by name", function(server)
	local client = redislock.connect(server:url())
	local function refused(kinds, message, options)
		for kind in kinds:gmatch "%w+" do
			raises("(" .. message, client[kind], client, "foo", options)
		end
	end
	local function both(message, options)
		refused("lock spinlock", message, options)
	end
	both("table expected, got number", 1)
	both("unknown option 'waits'; there are wait, ttl, ", { waits = 1 })
	refused("lock", "unknown option 'interval'; there are", { interval = 1 })
	for _, value in ipairs { -1, -0.001, 0 / 0, -math.huge, 9007199254741, 1e300 } do
		both("option 'wait': seconds from 0 to 9007199254740 or math.huge expected, got ", { wait = value })
	end
	for _, value in ipairs { 0, -1, 0 / 0, -math.huge, 9007199254741 } do
		both("option 'ttl': seconds from 0.001 to 9007199254740 or math.huge expected, got ", { ttl = value })
	end
	for _, value in ipairs { "1", {}, true } do
		local got = " or math.huge expected, got " .. type(value)
		both("option 'wait': seconds from 0 to 9007199254740" .. got, { wait = value })
		both("option 'ttl': seconds from 0.001 to 9007199254740" .. got, { ttl = value })
	end
	both("option 'renew': a boolean expected, got 1", { renew = 1 })
	both("option 'owner': a string expected, got 1", { owner = 1 })
	both("option 'owner': up to 255 bytes", { owner = ("x"):rep(256) })
	both("option 'owner': up to 255 bytes", { owner = "a\nb" })
	both("option 'token': a string expected", { token = {} })
	for _, token in ipairs { "", "a b", "\0", "\127", ("x"):rep(129) } do
		both("option 'token': 1 to 128 printable", { token = token })
	end
	both("option 'on_lost': a function expected", { on_lost = "f" })
	both("option 'on_lost': for locks of a client with async = true only", { on_lost = print })
	for _, value in ipairs { 0, -1, math.huge, 2147484 } do
		refused("spinlock", "option 'interval': seconds from 0.001 to 2147483 expected", { interval = value })
		refused("spinlock", "option 'max_interval': seconds from", { growth = 2, max_interval = value })
	end
	for _, value in ipairs { 0.99, 10.1, 0 / 0, "2" } do
		refused("spinlock", "option 'growth': a number from 1.0 to 10.0 expected", { growth = value })
	end
	refused("spinlock", "options 'growth' and 'max_interval': both or none", { growth = 2 })
	refused("spinlock", "options 'growth' and 'max_interval': both or none", { max_interval = 2 })
	local lock = client:lock "foo"
	raises("unknown option 'owner'; there are wait, ttl, renew", lock.acquire, lock, { owner = "me" })
	raises("option 'wait': seconds", lock.acquire, lock, { wait = -1 })
	raises("table expected, got number", lock.acquire, lock, 10)
	raises("ttl: seconds from 0.001 to 9007199254740 or math.huge expected", lock.extend, lock, 0)
	raises("number expected, got table", lock.extend, lock, {})
	-- The borders themselves are fine.
	for _, options in ipairs { { wait = 0 }, { wait = 9007199254740 }, { wait = math.huge }, { ttl = 0.001 },
		{ ttl = 9007199254740 }, { ttl = math.huge }, { ttl = 0.0001 }, { owner = ("x"):rep(255) } } do
		assert(client:lock("foo", options))
	end
	assert(client:spinlock("foo", { interval = 0.001, growth = 1, max_interval = 2147483 }))
	-- The number is the one that a caller counts in that form.
	raises("bad argument #2 to 'lock' (unknown option", function()
		client:lock("foo", { x = 1 })
	end)
end)

test("names are checked, and so are the objects themselves", function(server)
	local client = redislock.connect(server:url())
	for _, name in ipairs { "", ("x"):rep(32769), "rlock-queue:{a}:a", "rlock-state:" } do
		for _, method in ipairs { "lock", "spinlock", "status", "force_release" } do
			raises("bad argument #2", client[method], client, name)
		end
	end
	raises("bad argument #1 to 'lock' (string expected, got no value)", function()
		client:lock()
	end)
	raises("string expected, got table", client.status, client, {})
	raises("token of 1 to 128 printable", client.force_release, client, "foo", "")
	raises("token of 1 to 128 printable", client.force_release, client, "foo", "a b")
	raises("redislock.client expected, got table", client.ping, {})
	raises("redislock.client expected, got no value", client.ping)
	local lock = client:lock "foo"
	raises("redislock.lock expected, got redislock.client", lock.acquire, client)
	raises("redislock.client expected, got redislock.lock", client.ping, lock)
	raises("calling 'acquire' on bad self", function()
		local method = { acquire = lock.acquire }
		method:acquire()
	end)
end)

test("status tells who holds a name", function(server)
	local client = redislock.connect(server:url())
	local status = client:status "foo"
	equal(status.name, "foo")
	equal(status.locked, false)
	equal(status.token, nil)
	equal(status.owner, nil)
	equal(status.remaining, 0.0)
	equal(status.waiters, 0)
	equal(status.fence, 0)
	local lock = assert(client:lock("foo", { owner = "me", ttl = 50 }):acquire())
	status = client:status "foo"
	equal(status.locked, true)
	equal(status.token, lock.token)
	equal(status.owner, "me")
	assert(status.remaining > 40 and status.remaining <= 50)
	equal(status.fence, lock.fence)
	assert(lock:extend(math.huge))
	equal(client:status("foo").remaining, math.huge)
	assert(lock:release())
	equal(client:status("foo").fence, lock.fence)
	server:command("RPUSH", "typed", "1")
	fails("WRONG_TYPE", client:status "typed")
	server:command("DEL", "typed")
end)

test("status counts who waits", function(server)
	local client = redislock.connect(server:url())
	local loop = redislock.connect(server:url(), { async = true })
	local held = assert(client:lock("foo"):acquire())
	for _ = 1, 3 do
		coroutine.wrap(function()
			local mine <close> = assert(loop:lock("foo"):acquire_async())
			assert(mine.held)
		end)()
	end
	spec.drive(loop, "three wait", function()
		return client:status("foo").waiters == 3
	end)
	assert(held:release())
	spec.drive(loop, "all are served", function()
		return not client:status("foo").locked
	end)
end)

test("list walks over what is locked", function(server)
	local client = redislock.connect(server:url())
	local function names(...)
		local found = {}
		for name in client:list(...) do
			found[name] = true
		end
		local sorted = {}
		for name in pairs(found) do
			sorted[#sorted + 1] = name
		end
		table.sort(sorted)
		return table.concat(sorted, " ")
	end
	equal(names(), "")
	local held = {}
	for _, name in ipairs { "a", "b1", "b2", "with space", "with\0zero" } do
		held[#held + 1] = assert(client:lock(name):acquire())
	end
	local released = assert(client:lock("released"):acquire())
	assert(released:release())
	equal(names(), "a b1 b2 with\0zero with space")
	equal(names "b*", "b1 b2")
	equal(names "b[13]", "b1")
	equal(names "nothing", "")
	for _ in client:list() do
		break
	end
	for _, lock in ipairs(held) do
		assert(lock:release())
	end
	raises("pattern contains zeros", client.list, client, "\0")
	raises("pattern of up to 4096 bytes", client.list, client, ("x"):rep(4097))
	raises("string expected", client.list, client, {})
end)

test("list that fails in a loop raises, as it has nowhere to return it to", function(server)
	local client = redislock.connect(server:url(), { connect_timeout = 0.5 })
	local lock = assert(client:lock("foo"):acquire())
	server:kill()
	local message = raises("listing locks: ", function()
		for _ in client:list() do
			error "there was a name"
		end
	end)
	spec.contains(message, "CONNECTION_")
	server:restart()
	lock:release()
end)

test("force_release, also under its name in the ABI, ends anybody's hold", function(server)
	local client = redislock.connect(server:url())
	local lock = client:lock "foo"
	fails("NOT_LOCKED", client:force_release "foo")
	assert(lock:acquire())
	fails("NOT_LOCKED", client:force_release("foo", "another"))
	equal(client:force_release("foo", lock.token), true)
	equal(server:command("EXISTS", "foo"), "0")
	fails("LOST", lock:release())
	assert(lock:acquire())
	equal(client["break"](client, "foo"), true)
	fails("LOST", lock:release())
end)

test("loss can be polled for", function(server)
	local client = redislock.connect(server:url())
	equal(math.type(client:lost_fd()), "integer")
	equal(client:lost_fd(), client:lost_fd())
end)

test("client is closed by hand, by a block, or by the collector", function(server)
	local client = redislock.connect(server:url(), { name = "closing" })
	local lock = assert(client:lock("foo"):acquire())
	spec.contains(tostring(client), "redislock.client (blocking): ")
	client:close()
	equal(server:command("EXISTS", "foo"), "0")
	equal(server:connections "name=closing ", 0)
	client:close()
	spec.contains(tostring(client), "redislock.client (closed): ")
	for _, method in ipairs { "ping", "connect", "list", "lost_fd", "pollfd", "events", "timeout", "poll", "dispatch" } do
		raises("attempt to use a closed client", client[method], client)
	end
	for _, method in ipairs { "acquire", "release", "extend", "cancel", "acquire_async" } do
		raises("attempt to use a lock of a closed client", lock[method], lock)
	end
	-- What the lock says of itself it says still.
	equal(lock.held, false)
	equal(lock.remaining, 0.0)
	assert(lock.fence > 0)
	equal(lock.name, "foo")
	equal(lock.token, nil)
	equal(lock.place, nil)
	equal(lock.channel, nil)
	equal(tostring(lock), "redislock.lock 'foo' (not held)")
	do
		local short <close> = redislock.connect(server:url(), { name = "closing" })
		assert(short:lock("foo"):acquire())
	end
	equal(server:command("EXISTS", "foo"), "0")
	equal(server:connections "name=closing ", 0)
	client = redislock.connect(server:url(), { name = "closing" })
	assert(client:ping())
	assert(server:connections "name=closing " > 0)
	client = nil -- luacheck: ignore
	lock = nil -- luacheck: ignore
	spec.collect()
	spec.eventually("the connection is closed", function()
		return server:connections "name=closing " == 0
	end)
	spec.contains(tostring(redislock.connect(server:url(), { async = true })), "redislock.client (async): ")
end)

spec.run()

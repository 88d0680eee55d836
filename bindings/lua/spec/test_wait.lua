-- SPDX-License-Identifier: MIT
-- Coroutines of a client with async = true, which dispatch resumes: no scheduler but the test's own loop.
local helper, redislock, spec = require "helper", require "redislock", require "spec"
local equal, fails, raises, test = spec.equal, spec.fails, spec.raises, spec.test

local function connect(server, options)
	options = options or {}
	options.async = true
	return assert(redislock.connect(server:url(), options))
end

-- Runs a function in a coroutine; tells whether it is over, and what it returned.
local function start(f, ...)
	local task = { over = false }
	task.thread = coroutine.create(function(...)
		task.results = table.pack(f(...))
		task.over = true
	end)
	local good, message = coroutine.resume(task.thread, ...)
	if not good then
		error(message, 2)
	end
	return task
end

local function finish(client, task)
	spec.drive(client, "a coroutine is over", function()
		return task.over
	end)
	return table.unpack(task.results, 1, task.results.n)
end

-- What the test does meanwhile, with a client of its own.
local function blocking(server)
	return assert(redislock.connect(server:url()))
end

for _, kind in ipairs { "lock", "spinlock" } do
	test("coroutine takes, extends and releases a " .. kind, function(server)
		local client = connect(server)
		local lock = client[kind](client, "foo")
		local task = start(function()
			equal(lock:acquire_async(), lock)
			equal(server:command("GET", "foo"), lock.token)
			equal(lock.held, true)
			assert(lock.fence > 0)
			equal(lock:extend_async(100), true)
			assert(lock.remaining > 90)
			equal(lock:extend_async(), true)
			assert(lock.remaining <= 30)
			equal(lock:release_async(), true)
			equal(lock.held, false)
			equal(server:command("EXISTS", "foo"), "0")
			fails("NOT_OWNED", lock:release_async())
			fails("NOT_OWNED", lock:extend_async(5))
			return "done"
		end)
		equal(task.over, false)
		equal(finish(client, task), "done")
	end)

	test("coroutine waits for a " .. kind .. " as long as it is told", function(server)
		local client, held = connect(server), assert(blocking(server):lock("foo"):acquire())
		local before = helper.now()
		fails("NOT_ACQUIRED", finish(client, start(function()
			return client[kind](client, "foo", { wait = 0.05 }):acquire_async()
		end)))
		assert(helper.now() - before > 0.04)
		fails("NOT_ACQUIRED", finish(client, start(function()
			return client[kind](client, "foo"):acquire_async { wait = 0 }
		end)))
		assert(held:release())
	end)
end

test("waiters are served in turn, each in a coroutine of its own", function(server)
	local client = connect(server)
	local order, tasks = {}, {}
	for number = 1, 20 do
		tasks[number] = start(function()
			local held <close> = assert(client:lock("foo"):acquire_async())
			order[#order + 1] = held.fence
		end)
	end
	for _, task in ipairs(tasks) do
		finish(client, task)
	end
	equal(#order, 20)
	for i = 2, #order do
		assert(order[i] > order[i - 1])
	end
end)

test("place in the queue can be watched", function(server)
	local client, held = connect(server), assert(blocking(server):lock("foo"):acquire())
	local first, second = client:lock "foo", client:lock "foo"
	local one, two = start(first.acquire_async, first), nil
	spec.drive(client, "the first waits", function()
		return first.place == 0
	end)
	two = start(second.acquire_async, second)
	spec.drive(client, "the second waits", function()
		return second.place == 1
	end)
	assert(held:release())
	equal(finish(client, one), first)
	equal(first.place, nil)
	equal(finish(client, start(first.release_async, first)), true)
	equal(finish(client, two), second)
end)

test("end of a block releases without waiting, and the lock can be taken again at once", function(server)
	local client = connect(server)
	local lock = client:lock("foo", { token = "mine", owner = "me" })
	local fences = {}
	finish(client, start(function()
		for _ = 1, 5 do
			local held <close> = assert(lock:acquire_async())
			equal(server:command("GET", "foo"), "mine")
			fences[#fences + 1] = held.fence
		end
	end))
	equal(lock.held, false)
	equal(lock.fence, fences[5], "the last fence")
	for i = 2, 5 do
		assert(fences[i] > fences[i - 1])
	end
	spec.eventually("it is released", function()
		return server:command("EXISTS", "foo") == "0"
	end)
end)

test("error in a block releases, and dispatch raises it", function(server)
	local client = connect(server)
	start(function()
		local held <close> = assert(client:lock("foo"):acquire_async())
		assert(held.held)
		error "on purpose"
	end)
	local message
	spec.eventually("dispatch raises", function()
		client:poll(0.01)
		local good, what = pcall(client.dispatch, client)
		message = what
		return not good
	end)
	spec.contains(message, "on purpose")
	spec.eventually("it is released", function()
		return server:command("EXISTS", "foo") == "0"
	end)
	-- The client goes on.
	equal(finish(client, start(client.ping_async, client)), true)
end)

test("cancelled acquire returns, at every stage", function(server)
	local client, other = connect(server), blocking(server)
	local lock = client:lock "foo"
	local function cancelled(message, task)
		local result, text, code = finish(client, task)
		equal(result, nil, message)
		equal(type(text), "string", message)
		equal(code, "CANCELLED", message)
		equal(lock.held, false, message)
	end
	fails("END", lock:cancel())
	local task = start(lock.acquire_async, lock)
	equal(lock:cancel(), true)
	cancelled("before the connection", task)
	local held = assert(other:lock("foo"):acquire())
	task = start(lock.acquire_async, lock)
	spec.drive(client, "it waits", function()
		return lock.place == 0
	end)
	equal(lock:cancel(), true)
	equal(lock:cancel(), true, "twice")
	cancelled("while waiting", task)
	equal(spec.waiting(server, "foo"), 0)
	task = start(lock.acquire_async, lock)
	spec.drive(client, "it waits", function()
		return lock.place == 0
	end)
	assert(held:release())
	spec.eventually("it is handed over", function()
		return server:command("EXISTS", "foo") == "1"
	end)
	equal(lock:cancel(), true)
	cancelled("when it was granted", task)
	-- Nothing to cancel once it is held.
	task = start(lock.acquire_async, lock)
	equal(finish(client, task), lock)
	fails("END", lock:cancel())
	equal(finish(client, start(lock.release_async, lock)), true)
end)

test("closed coroutine gives up its wait, at every stage", function(server)
	local client, other = connect(server), blocking(server)
	local lock = client:lock "foo"
	local task = start(lock.acquire_async, lock)
	assert(coroutine.close(task.thread))
	-- The lock is free for others at once.
	task = start(lock.acquire_async, lock)
	equal(finish(client, task), lock)
	equal(finish(client, start(lock.release_async, lock)), true)
	local held = assert(other:lock("foo"):acquire())
	task = start(lock.acquire_async, lock)
	spec.drive(client, "it waits", function()
		return lock.place == 0
	end)
	assert(coroutine.close(task.thread))
	spec.eventually("it left the queue", function()
		return spec.waiting(server, "foo") == 0
	end)
	task = start(lock.acquire_async, lock)
	spec.drive(client, "it waits", function()
		return lock.place == 0
	end)
	assert(held:release())
	spec.eventually("it is handed over", function()
		return server:command("EXISTS", "foo") == "1"
	end)
	assert(coroutine.close(task.thread))
	spec.drive(client, "it is handed on", function()
		return server:command("EXISTS", "foo") == "0"
	end)
	equal(lock.held, false)
end)

test("coroutine closed while it extends or releases leaves nothing locked", function(server)
	local client = connect(server)
	for _, method in ipairs { "extend_async", "release_async" } do
		local lock = client:lock "foo"
		local task = start(function()
			local held <close> = assert(lock:acquire_async())
			coroutine.yield "held"
			lock[method](held)
		end)
		spec.drive(client, "it is held", function()
			return lock.held
		end)
		assert(coroutine.resume(task.thread))
		assert(coroutine.close(task.thread))
		spec.drive(client, "it is released", function()
			return server:command("EXISTS", "foo") == "0"
		end)
		equal(finish(client, start(lock.acquire_async, lock)), lock)
		equal(finish(client, start(lock.release_async, lock)), true)
	end
end)

test("collected client takes its waiting coroutines and their locks along", function(server)
	local other = blocking(server)
	local held = assert(other:lock("foo"):acquire())
	local gone = setmetatable({}, { __mode = "v" })
	do
		local client = connect(server)
		local waiter, holder = client:lock "foo", client:lock "bar"
		local one, two = start(waiter.acquire_async, waiter), start(holder.acquire_async, holder)
		finish(client, two)
		spec.drive(client, "it waits", function()
			return waiter.place == 0
		end)
		gone[1], gone[2], gone[3] = client, one.thread, waiter
	end
	spec.collect()
	equal(#gone, 0)
	spec.eventually("nothing waits and nothing is held", function()
		return spec.waiting(server, "foo") == 0 and server:command("EXISTS", "bar") == "0"
	end)
	assert(held:release())
end)

test("waiting coroutine is kept alive by its client", function(server)
	local client, over = connect(server), false
	local held = assert(blocking(server):lock("foo"):acquire())
	coroutine.wrap(function()
		local mine <close> = assert(client:lock("foo"):acquire_async())
		over = mine.held
	end)()
	spec.collect()
	spec.drive(client, "it waits", function()
		return spec.waiting(server, "foo") == 1
	end)
	spec.collect()
	assert(held:release())
	spec.drive(client, "it is over", function()
		return over
	end)
end)

test("forgotten held lock is released when it is collected", function(server)
	local client = connect(server)
	local lock = client:lock "foo"
	equal(finish(client, start(lock.acquire_async, lock)), lock)
	equal(server:command("EXISTS", "foo"), "1")
	lock = nil -- luacheck: ignore
	spec.collect()
	spec.eventually("it is released", function()
		return server:command("EXISTS", "foo") == "0"
	end)
end)

test("loss is told by a function, by fields and by the next call", function(server)
	local client = connect(server)
	local lost = {}
	local lock = client:lock("foo", {
		ttl = 0.3,
		renew = true,
		on_lost = function(which)
			lost[#lost + 1] = which
		end,
	})
	equal(finish(client, start(lock.acquire_async, lock)), lock)
	server:command("SET", "foo", "somebody-else")
	spec.drive(client, "it is told", function()
		return #lost == 1
	end)
	equal(lost[1], lock)
	equal(lock.held, false)
	fails("LOST", finish(client, start(lock.release_async, lock)))
	fails("NOT_OWNED", finish(client, start(lock.release_async, lock)))
	server:command("DEL", "foo")
	-- Without a function the next call tells.
	lock = client:lock "foo"
	equal(finish(client, start(lock.acquire_async, lock)), lock)
	server:command("DEL", "foo")
	fails("LOST", finish(client, start(lock.extend_async, lock, 5)))
	-- An error of the function comes out of dispatch.
	lock = client:lock("foo", {
		ttl = 0.1,
		on_lost = function()
			error "on purpose"
		end,
	})
	equal(finish(client, start(lock.acquire_async, lock)), lock)
	raises("on purpose", spec.drive, client, "the lease ends", function()
		return false
	end)
end)

test("lease is renewed by dispatch", function(server)
	local client = connect(server)
	local kept, tries = false, 0
	-- Renewal comes at a third of the TTL, which a busy machine may miss.
	while not kept and tries < 20 do
		tries = tries + 1
		local lock = client:lock("foo", { ttl = 0.3, renew = true })
		equal(finish(client, start(lock.acquire_async, lock)), lock)
		local fence, deadline = lock.fence, helper.now() + 0.6
		spec.drive(client, "time passes", function()
			return helper.now() > deadline
		end)
		kept = lock.held and lock.fence == fence
		finish(client, start(lock.release_async, lock))
	end
	equal(kept, true)
end)

test("questions are asked by coroutines too", function(server)
	local client = connect(server)
	local lock = client:lock("foo", { owner = "me" })
	local token = finish(client, start(function()
		equal(client:ping_async(), true)
		local status = client:status_async "foo"
		equal(status.locked, false)
		equal(status.name, "foo")
		equal(status.token, nil)
		fails("NOT_LOCKED", client:force_release_async "foo")
		local held = assert(lock:acquire_async())
		status = client:status_async "foo"
		equal(status.locked, true)
		equal(status.token, held.token)
		equal(status.owner, "me")
		equal(status.fence, held.fence)
		equal(status.waiters, 0)
		assert(status.remaining > 0 and status.remaining <= 30)
		fails("NOT_LOCKED", client:force_release_async("foo", "another"))
		equal(client:force_release_async("foo", held.token), true)
		equal(client:status_async("foo").locked, false)
		server:command("RPUSH", "typed", "1")
		fails("WRONG_TYPE", client:status_async "typed")
		server:command("DEL", "typed")
		return held.token
	end))
	equal(#token, 32)
	raises("token of 1 to 128", start, client.force_release_async, client, "foo", "")
	raises("token of 1 to 128", start, client.force_release_async, client, "foo", "a b")
	-- A question whose coroutine is gone is answered to nobody.
	local task = start(client.status_async, client, "foo")
	assert(coroutine.close(task.thread))
	task = nil -- luacheck: ignore
	spec.collect()
	equal(finish(client, start(client.ping_async, client)), true)
end)

test("lock does one thing at a time", function(server)
	local client, held = connect(server), assert(blocking(server):lock("foo"):acquire())
	local lock = client:lock "foo"
	local task = start(lock.acquire_async, lock)
	fails("IN_USE", finish(client, start(lock.acquire_async, lock)))
	fails("IN_USE", finish(client, start(lock.release_async, lock)))
	fails("IN_USE", finish(client, start(lock.acquire_async, lock, { ttl = 5 })))
	assert(held:release())
	equal(finish(client, task), lock)
	fails("IN_USE", finish(client, start(lock.acquire_async, lock)))
	equal(finish(client, start(lock.release_async, lock)), true)
end)

test("coroutine that is resumed by others waits on", function(server)
	local client, held = connect(server), assert(blocking(server):lock("foo"):acquire())
	local lock = client:lock "foo"
	local task = start(lock.acquire_async, lock)
	for _ = 1, 3 do
		assert(coroutine.resume(task.thread, "what", "is", "that?"))
		equal(task.over, false)
	end
	assert(held:release())
	equal(finish(client, task), lock)
end)

test("pcall and metamethods don't come between a coroutine and its loop", function(server)
	local client = connect(server)
	finish(client, start(function()
		local good, lock = pcall(function()
			return assert(client:lock("foo"):acquire_async())
		end)
		equal(good, true)
		equal(lock:release_async(), true)
		local asks = setmetatable({}, {
			__index = function(_, name)
				return client:status_async(name).locked
			end,
		})
		equal(asks.foo, false)
	end))
end)

test("outside of a coroutine there is nobody to wait", function(server)
	local client = connect(server)
	local lock = client:lock "foo"
	raises("outside of a coroutine", lock.acquire_async, lock)
	raises("outside of a coroutine", client.ping_async, client)
	local task = start(lock.acquire_async, lock)
	equal(finish(client, task), lock)
	raises("outside of a coroutine", lock.release_async, lock)
end)

test("calls of the other form are refused, and change nothing", function(server)
	local async, plain = connect(server), blocking(server)
	local lock = plain:lock "foo"
	for _, method in ipairs { "acquire_async", "release_async", "extend_async" } do
		spec.contains(fails("WRONG_MODE", lock[method](lock)), "async = true")
	end
	for _, method in ipairs { "ping_async", "pollfd", "poll", "dispatch" } do
		fails("WRONG_MODE", plain[method](plain))
	end
	fails("WRONG_MODE", plain:status_async "foo")
	fails("WRONG_MODE", plain:force_release_async "foo")
	equal(plain:timeout(), nil)
	lock = async:lock "foo"
	for _, method in ipairs { "acquire", "release", "extend" } do
		fails("WRONG_MODE", lock[method](lock))
	end
	for _, method in ipairs { "ping", "connect", "list", "lost_fd" } do
		fails("WRONG_MODE", async[method](async))
	end
	fails("WRONG_MODE", async:status "foo")
	fails("WRONG_MODE", async:force_release "foo")
	equal(finish(async, start(lock.acquire_async, lock)), lock)
	equal(finish(async, start(lock.release_async, lock)), true)
end)

test("loop has a descriptor, events and a timeout", function(server)
	local client = connect(server)
	equal(math.type(client:pollfd()), "integer")
	equal(client:pollfd(), client:pollfd())
	equal(client:events(), "r")
	equal(client:timeout(), nil)
	local before = helper.now()
	equal(client:poll(0), false)
	equal(client:poll(0.02), false)
	assert(helper.now() - before >= 0.02)
	equal(client:dispatch(), true)
	local held = assert(blocking(server):lock("foo"):acquire())
	local lock = client:lock("foo", { wait = 5 })
	local task = start(lock.acquire_async, lock)
	spec.drive(client, "it waits", function()
		return lock.place == 0
	end)
	assert(client:timeout() <= 5)
	assert(held:release())
	equal(client:poll(), true)
	equal(client:poll(math.huge), true)
	finish(client, task)
	raises("timeout: seconds from 0", client.poll, client, -1)
	raises("number expected", client.poll, client, "soon")
end)

test("hooks decide how a coroutine waits and who resumes it", function(server)
	local ready, seen = {}, {}
	local client = connect(server, {
		suspend = function(wait)
			wait.thread = coroutine.running()
			seen[#seen + 1] = "suspend"
			coroutine.yield()
		end,
		resume = function(wait)
			seen[#seen + 1] = "resume"
			ready[#ready + 1] = wait.thread
		end,
	})
	local task = start(function()
		assert(client:ping_async())
		return "done"
	end)
	spec.drive(client, "it is ready", function()
		return ready[1]
	end)
	equal(task.over, false)
	assert(coroutine.resume(ready[1]))
	equal(task.results[1], "done")
	equal(table.concat(seen, " "), "suspend resume")
end)

test("with hooks there need be no coroutine", function(server)
	local client
	client = connect(server, {
		suspend = function(wait)
			repeat
				client:poll()
				client:dispatch()
			until wait.over
		end,
		resume = function(wait)
			wait.over = true
		end,
	})
	do
		local held <close> = assert(client:lock("foo"):acquire_async())
		equal(server:command("GET", "foo"), held.token)
	end
	equal(client:ping_async(), true)
end)

test("hook that returns too early is called again, and its errors are the caller's", function(server)
	local calls, wrong = 0, false
	local client = connect(server, {
		suspend = function()
			calls = calls + 1
			if wrong then
				error "on purpose"
			end
			coroutine.yield()
		end,
		resume = function() end,
	})
	local lock = client:lock "foo"
	local task = start(lock.acquire_async, lock)
	assert(coroutine.resume(task.thread))
	equal(calls, 2)
	spec.drive(client, "it is held", function()
		return lock.held
	end)
	assert(coroutine.resume(task.thread))
	equal(task.results[1], lock)
	equal(calls, 2)
	wrong = true
	raises("on purpose", start, lock.release_async, lock)
	spec.drive(client, "it is released", function()
		return server:command("EXISTS", "foo") == "0"
	end)
	client:dispatch() -- the answer had come before
	raises("on purpose", start, lock.acquire_async, lock)
	-- Nobody knows of that acquire any more.
	spec.drive(client, "it is given up", function()
		return server:command("EXISTS", "foo") == "0"
	end)
end)

test("coroutine that its scheduler drops leaves nothing locked, even if its lock lives on", function(server)
	local client = connect(server, {
		suspend = function()
			coroutine.yield()
		end,
		resume = function() end,
	})
	local other = blocking(server)
	local held = assert(other:lock("foo"):acquire())
	local lock = client:lock "foo"
	local task = start(lock.acquire_async, lock)
	spec.drive(client, "it waits", function()
		return lock.place == 0
	end)
	task = nil -- luacheck: ignore
	spec.collect()
	spec.eventually("it left the queue", function()
		return spec.waiting(server, "foo") == 0
	end)
	assert(held:release())
	-- Dropped when it is held already, but before its coroutine was told.
	task = start(lock.acquire_async, lock)
	spec.drive(client, "it is held", function()
		return lock.held
	end)
	equal(task.over, false)
	task = nil -- luacheck: ignore
	spec.collect()
	equal(lock.held, false)
	spec.eventually("it is released", function()
		return server:command("EXISTS", "foo") == "0"
	end)
end)

test("closing the client ends its waits and releases its locks", function(server)
	local client, other = connect(server), blocking(server)
	local held = assert(other:lock("foo"):acquire())
	local waiter, holder = client:lock "foo", client:lock "bar"
	finish(client, start(holder.acquire_async, holder))
	local one, two = start(waiter.acquire_async, waiter), start(client.ping_async, client)
	client:close()
	for _, task in ipairs { one, two } do
		equal(task.over, true)
		equal(task.results[1], nil)
		spec.contains(task.results[2], "closed")
		equal(task.results[3], "CANCELLED")
	end
	spec.eventually("nothing is held and nothing waits", function()
		return server:command("EXISTS", "bar") == "0" and spec.waiting(server, "foo") == 0
	end)
	assert(held:release())
	raises("closed client", client.dispatch, client)
	raises("closed client", holder.release_async, holder)
end)

test("error of a coroutine whose wait a closing client ends comes when all are woken", function(server)
	local client = connect(server)
	local woken = 0
	for _ = 1, 3 do
		start(function()
			local good, message = client:ping_async()
			woken = woken + 1
			error("on purpose: " .. tostring(good) .. message)
		end)
	end
	raises("on purpose: nilthe client was closed", client.close, client)
	equal(woken, 3)
	client:close()
end)

test("coroutine may close the client, or collect, while its event is handled", function(server)
	local client = connect(server)
	local lock = client:lock "foo"
	start(function()
		assert(lock:acquire_async())
		lock = nil
		spec.collect()
		client:close()
	end)
	spec.eventually("the client is closed", function()
		return not pcall(function()
			client:poll(0.01)
			client:dispatch()
		end)
	end)
	spec.eventually("it is released", function()
		return server:command("EXISTS", "foo") == "0"
	end)
end)

test("coroutine may dispatch itself", function(server)
	local client = connect(server)
	local first, second = false, false
	start(function()
		assert(client:ping_async())
		first = true
		spec.drive(client, "the other is over", function()
			return second
		end)
	end)
	start(function()
		assert(client:ping_async())
		assert(client:ping_async())
		second = true
	end)
	spec.drive(client, "both are over", function()
		return first and second
	end)
end)

test("server that is away is a failure, and it may come back", function(server)
	local client = connect(server, { command_timeout = 0.5, connect_timeout = 0.5 })
	local lock = client:lock "foo"
	server:kill()
	fails("CONNECTION_REFUSED", finish(client, start(lock.acquire_async, lock, { wait = 0 })))
	fails("CONNECTION_REFUSED", finish(client, start(client.ping_async, client)))
	server:restart()
	equal(finish(client, start(client.ping_async, client)), true)
	equal(finish(client, start(lock.acquire_async, lock)), lock)
	server:pause()
	fails("TIMEOUT", finish(client, start(client.ping_async, client)))
	server:resume()
	spec.drive(client, "the server answers again", function()
		return finish(client, start(client.ping_async, client))
	end)
	equal(finish(client, start(lock.release_async, lock)), true)
end)

spec.run()

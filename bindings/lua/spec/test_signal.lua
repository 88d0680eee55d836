-- SPDX-License-Identifier: MIT
-- Signals while a script waits, in the interpreter as users start it: Ctrl-C, and stopping and going on.
local helper, redislock, spec = require "helper", require "redislock", require "spec"
local equal, test = spec.equal, spec.test

local SIGINT, SIGCONT, SIGSTOP = 2, 18, 19
local interpreter = arg[-1]

-- Starts a script in an interpreter of its own. It gets the URL as its argument, and what it writes can be read.
local function start(server, options, script)
	local path = os.tmpname()
	local file = assert(io.open(path, "w"))
	assert(file:write("local redislock = require 'redislock'\nlocal url = ...\n", script, "\nprint 'the end'\n"))
	file:close()
	local pipe = assert(io.popen(string.format("echo $$; exec '%s' %s '%s' '%s' 2>&1", interpreter, options, path,
		server:url())))
	local task = { pipe = pipe, pid = tonumber(pipe:read "l") }
	function task.finish()
		local output = pipe:read "a"
		local _, _, status = pipe:close()
		os.remove(path)
		return output, status
	end
	return task
end

local function held_by_another(server)
	return assert(redislock.connect(server:url()):lock("foo"):acquire())
end

local function until_it_waits(server)
	spec.eventually("it waits", function()
		return spec.waiting(server, "foo") == 1
	end)
end

test("Ctrl-C ends a wait, leaves the queue, and releases what is held", function(server)
	local held = held_by_another(server)
	local task = start(server, "", [[
		local client = redislock.connect(url)
		local bar <close> = assert(client:lock("bar"):acquire())
		client:lock("foo", { wait = math.huge }):acquire()
	]])
	until_it_waits(server)
	helper.signal(task.pid, SIGINT)
	local output, status = task.finish()
	spec.contains(output, "interrupted!")
	equal(output:find "the end", nil)
	equal(status, 1)
	equal(spec.waiting(server, "foo"), 0)
	equal(server:command("EXISTS", "bar"), "0")
	assert(held:release())
end)

test("script may catch what Ctrl-C raises, and take the lock later", function(server)
	local held = held_by_another(server)
	local task = start(server, "", [[
		local lock = redislock.connect(url):lock "foo"
		local good, message = pcall(lock.acquire, lock)
		print(good, message, lock.held)
		io.stdout:flush()
		print(assert(lock:acquire()).held)
		assert(lock:release())
	]])
	until_it_waits(server)
	helper.signal(task.pid, SIGINT)
	local line = task.pipe:read "l"
	spec.contains(line, "false\t")
	spec.contains(line, "interrupted!\tfalse")
	until_it_waits(server)
	assert(held:release())
	local output, status = task.finish()
	equal(output, "true\nthe end\n")
	equal(status, true and 0)
end)

test("Ctrl-C reaches a coroutine that waits", function(server)
	local held = held_by_another(server)
	local task = start(server, "", [[
		print(coroutine.resume(coroutine.create(function()
			redislock.connect(url):lock("foo"):acquire()
		end)))
	]])
	until_it_waits(server)
	helper.signal(task.pid, SIGINT)
	local output, status = task.finish()
	spec.contains(output, "interrupted!")
	equal(output:find "the end", nil)
	equal(status, 1)
	spec.eventually("it left the queue", function()
		return spec.waiting(server, "foo") == 0
	end)
	assert(held:release())
end)

test("Ctrl-C ends a poll", function(server)
	local task = start(server, "", [[
		local client = redislock.connect(url, { async = true })
		local lock = client:lock("foo", { ttl = math.huge })
		coroutine.wrap(function()
			assert(lock:acquire_async())
			print "held"
			io.stdout:flush()
		end)()
		while true do
			client:poll()
			client:dispatch()
		end
	]])
	equal(task.pipe:read "l", "held")
	-- Dispatched or polling: either is interrupted.
	helper.signal(task.pid, SIGINT)
	local output, status = task.finish()
	spec.contains(output, "interrupted!")
	equal(status, 1)
end)

test("wait that was stopped goes on, in its place", function(server)
	local held = held_by_another(server)
	local task = start(server, "", [[
		local lock = assert(redislock.connect(url):lock("foo"):acquire())
		print(lock.token)
		assert(lock:release())
	]])
	until_it_waits(server)
	local ticket = server:command("ZRANGE", "rlock-queue:{foo}:foo", "0", "0")
	for _ = 1, 3 do
		helper.signal(task.pid, SIGSTOP)
		spec.eventually("it is stopped", function()
			local file = assert(io.open("/proc/" .. task.pid .. "/stat"))
			local state = file:read("a"):match "%) (%a)"
			file:close()
			return state == "T"
		end)
		helper.signal(task.pid, SIGCONT)
		helper.sleep(0.02)
	end
	equal(server:command("ZRANGE", "rlock-queue:{foo}:foo", "0", "0"), ticket)
	assert(held:release())
	local output, status = task.finish()
	equal(output, ticket:match "^%S+" .. "\nthe end\n")
	equal(status, 0)
end)

test("debug hook that raises nothing doesn't end a wait", function(server)
	local held = held_by_another(server)
	local task = start(server, "", [[
		local calls = 0
		debug.sethook(function() calls = calls + 1 end, "c")
		local lock = assert(redislock.connect(url):lock("foo"):acquire())
		debug.sethook()
		assert(calls > 0)
		assert(lock:release())
	]])
	until_it_waits(server)
	helper.signal(task.pid, SIGSTOP)
	helper.signal(task.pid, SIGCONT)
	helper.sleep(0.02)
	equal(spec.waiting(server, "foo"), 1)
	assert(held:release())
	local output, status = task.finish()
	equal(output, "the end\n")
	equal(status, 0)
end)

test("lock that was lost in a block is a warning at its end, where warnings are on", function(server)
	local script = [[
		local client = redislock.connect(url)
		do
			local held <close> = assert(client:lock("foo"):acquire())
			assert(client:force_release "foo")
		end
	]]
	local output, status = start(server, "-W", script).finish()
	spec.contains(output, "Lua warning: redislock: releasing 'foo': ")
	spec.contains(output, "the end\n")
	equal(status, 0)
	equal((start(server, "", script).finish()), "the end\n")
end)

test("script that ends, exits or fails with a lock held releases it", function(server)
	for _, ending in ipairs { "", "os.exit(true, true)", "error 'on purpose'", "os.exit(3, true)" } do
		local output = start(server, "", [[
			client = redislock.connect(url)
			lock = assert(client:lock("foo", { ttl = math.huge }):acquire())
			loop = redislock.connect(url, { async = true })
			task = coroutine.wrap(function()
				other = assert(loop:lock("bar", { ttl = 100 }):acquire_async())
			end)
			task()
			while not other do
				loop:poll()
				loop:dispatch()
			end
			coroutine.wrap(function()
				loop:lock("foo"):acquire_async()
			end)()
			loop:dispatch()
		]] .. ending).finish()
		assert(output:find "the end" or ending ~= "", output)
		equal(server:command("EXISTS", "foo"), "0", ending)
		spec.eventually("all is released", function()
			return server:command("EXISTS", "bar") == "0" and spec.waiting(server, "foo") == 0
		end)
	end
end)

spec.run()

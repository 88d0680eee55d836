-- SPDX-License-Identifier: MIT
-- Every status of the header, as the code of a failure. Those that no script can see are listed with the reason.
local helper, redislock, spec = require "helper", require "redislock", require "spec"
local equal, fails, test = spec.equal, spec.fails, spec.test

local seen = {}
local unseen = {
	OK = "no failure",
	INTERRUPTED = "a wait that a signal interrupts goes on, or ends with an error of the debug hook",
	INTERNAL = "a bug of the library, or a kernel without random numbers",
	UNTRUSTED = "it takes a server with TLS, as in tests/integration/test_tls.c",
}

local function is(code, ...)
	local message = fails(code, ...)
	seen[code] = message
	return message
end

local function connect(server, options)
	options = options or { command_timeout = 1, connect_timeout = 1 }
	return assert(redislock.connect(server:url(), options))
end

test("outcomes and misuse that scripts can't avoid", function(server)
	local client = connect(server)
	local lock, other = client:lock "foo", client:lock "foo"
	assert(lock:acquire())
	is("NOT_ACQUIRED", other:acquire { wait = 0 })
	is("IN_USE", lock:acquire())
	is("NOT_OWNED", other:release())
	is("NOT_LOCKED", client:force_release "bar")
	server:command("DEL", "foo")
	is("LOST", lock:release())
	is("WRONG_MODE", client:dispatch())
	is("END", redislock.connect(server:url(), { async = true }):lock("foo"):cancel())
	is("INVALID_ARGUMENT", redislock.connect "redis://host:port")
	is("UNSUPPORTED", redislock.connect "http://127.0.0.1")
	server:command("RPUSH", "foo", "1")
	is("WRONG_TYPE", lock:acquire())
	server:command("DEL", "foo")
end)

test("server that isn't there, doesn't answer, goes away, or is none", function(server)
	is("CONNECTION_REFUSED", redislock.connect("unix:///nowhere/socket"):ping())
	local client = connect(server)
	local lock = client:lock "foo"
	assert(lock:acquire())
	server:pause()
	is("TIMEOUT", client:ping())
	server:resume()
	spec.eventually("the server answers", function()
		return client:ping()
	end)
	server:kill()
	local code = select(3, lock:extend(10))
	assert(code == "CONNECTION_LOST" or code == "CONNECTION_REFUSED", code)
	local path = server:url():match "^unix://(.*)$"
	local stranger = helper.stranger(path, "HTTP/1.1 400 Bad Request\r\n\r\n")
	is("PROTOCOL", connect(server):ping())
	helper.finish(stranger)
	stranger = helper.stranger(path)
	is("CONNECTION_LOST", connect(server):lock("foo"):acquire { wait = 0.3 })
	helper.finish(stranger)
	server:restart()
	lock:release()
end)

test("server that refuses", function(server)
	local client = connect(server)
	local lock = client:lock "foo"
	server:command("CONFIG", "SET", "requirepass", "secret")
	server:password "secret"
	is("AUTHENTICATION", connect(server):ping())
	server:command("CONFIG", "SET", "requirepass", "")
	assert(client:ping())
	server:command("ACL", "SETUSER", "default", "-evalsha", "-eval")
	is("PERMISSION", lock:acquire())
	server:command("ACL", "SETUSER", "default", "+evalsha", "+eval")
	server:command("CONFIG", "SET", "min-replicas-to-write", "1")
	is("NOT_ENOUGH_REPLICAS", lock:acquire())
	server:command("CONFIG", "SET", "min-replicas-to-write", "0")
	server:command("REPLICAOF", "127.0.0.1", "1")
	is("READ_ONLY", lock:acquire { wait = 0 })
	server:command("REPLICAOF", "NO", "ONE")
	assert(lock:acquire())
	assert(lock:release())
	server:command("CONFIG", "SET", "maxmemory", "1")
	local message = is("SERVER", lock:acquire())
	spec.contains(message, "OOM")
	server:command("CONFIG", "SET", "maxmemory", "0")
	assert(lock:acquire())
	assert(lock:release())
end)

test("text of a failure is that of the failure, and not of an earlier one", function(server)
	local client = connect(server)
	local lock = client:lock "foo"
	server:command("CONFIG", "SET", "maxmemory", "1")
	spec.contains(is("SERVER", lock:acquire()), "OOM")
	server:command("CONFIG", "SET", "maxmemory", "0")
	equal(is("WRONG_MODE", lock:acquire_async()):find "OOM", nil)
	equal(is("NOT_OWNED", lock:release()):find "OOM", nil)
	assert(lock:acquire())
	equal(is("IN_USE", lock:acquire()):find "OOM", nil)
	assert(lock:release())
end)

test("child process of a fork is told, and leaves the parent's lock alone", function(server)
	local client = connect(server)
	local lock = assert(client:lock("foo"):acquire())
	local status = helper.fork(function()
		is("FORKED", lock:release())
		is("FORKED", lock:extend(5))
		is("FORKED", client:ping())
		is("FORKED", client:lock "bar")
		is("FORKED", client:status "foo")
		equal(lock.held, false)
		equal(lock.remaining, 0.0)
		assert(connect(server):ping())
		do
			local inherited <close> = lock
			assert(inherited)
		end
		lock, client = nil, nil
		spec.collect()
		return true
	end)
	equal(status, 0)
	seen.FORKED = "in the child"
	equal(lock.held, true)
	equal(server:command("GET", "foo"), lock.token)
	equal(lock:release(), true)
end)

test("without descriptors there is no client for a loop", function(server)
	local limit = helper.descriptors(3)
	local results = table.pack(redislock.connect(server:url(), { async = true }))
	helper.descriptors(limit)
	is("NO_MEMORY", table.unpack(results, 1, results.n))
end)

test("no status is left out", function()
	local header = assert(io.open(arg[1]))
	local count = 0
	for name, number in header:read("a"):gmatch "\n\tREDISLOCK_([A-Z_]+) = (%-?%d+),?%s+/%*" do
		if not name:find "^KIND_" and not name:find "^EVENT_" and not name:find "^FOREVER" and name ~= "NO_EXPIRY" then
			count = count + 1
			assert(seen[name] or unseen[name], name .. " (" .. number .. ") was neither seen nor listed")
			assert(not (seen[name] and unseen[name]), name .. " is listed and was seen")
		end
	end
	header:close()
	assert(count >= 24, count .. " statuses")
	for name in pairs(seen) do
		equal(name, name:match "^[A-Z_]+$")
	end
end)

spec.run()

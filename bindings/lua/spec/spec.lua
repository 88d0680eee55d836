-- SPDX-License-Identifier: MIT
-- A plain runner that speaks TAP:
--
--   local spec = require "spec"
--   spec.test("what holds", function(server) ... end)
--   spec.run()
--
-- Each file has one server, which is emptied before each test. After each test garbage is collected, and then nothing
-- may be left on the server but states that expire.
local helper = require "helper"

local spec = { PATIENCE = 30 }
local tests = {}

function spec.test(title, body, options)
	tests[#tests + 1] = { title = title, body = body, options = options or {} }
end

-- Ends the file as skipped, where what it needs is missing.
function spec.skip(reason)
	print("1..0 # SKIP " .. reason)
	print("SKIP: " .. reason)
	os.exit(77, true)
end

local function show(value)
	return type(value) == "string" and string.format("%q", value) or tostring(value)
end

function spec.equal(found, expected, what)
	if found ~= expected or math.type(found) ~= math.type(expected) then
		error(string.format("%s: found %s, expected %s", what or "a value", show(found), show(expected)), 2)
	end
end

function spec.contains(text, part)
	if not string.find(text, part, 1, true) then
		error(string.format("%s doesn't contain %s", show(text), show(part)), 2)
	end
end

-- Checks nil, message, CODE, where the call returned just these; returns the message.
function spec.fails(code, ...)
	local count, first, message, found = select("#", ...), ...
	if first ~= nil or count ~= 3 or found ~= code then
		local all = table.pack(...)
		for i = 1, all.n do
			all[i] = show(all[i])
		end
		error("expected nil, a message, " .. code .. "; found " .. table.concat(all, ", "), 2)
	end
	if type(message) ~= "string" or #message < 4 then
		error("no message but " .. show(message), 2)
	end
	return message
end

-- Checks that a call raises a message with such a part.
function spec.raises(part, f, ...)
	local good, message = pcall(f, ...)
	if good then
		error("nothing was raised; expected " .. show(part), 2)
	end
	if not string.find(tostring(message), part, 1, true) then
		error("raised " .. show(message) .. "; expected " .. show(part), 2)
	end
	return message
end

function spec.eventually(what, condition)
	local deadline = helper.now() + spec.PATIENCE
	while true do
		local result = condition()
		if result then
			return result
		end
		if helper.now() > deadline then
			error("in vain waited until " .. what, 2)
		end
		helper.sleep(0.002)
	end
end

-- Turns a client's loop until the condition holds.
function spec.drive(client, what, condition)
	local deadline = helper.now() + spec.PATIENCE
	while not condition() do
		if helper.now() > deadline then
			error("in vain drove the loop until " .. what, 2)
		end
		client:poll(0.01)
		assert(client:dispatch())
	end
end

function spec.collect()
	collectgarbage()
	collectgarbage()
end

-- What is on the server but states that expire, which remember fences.
local function leftovers(server)
	return server:command("EVAL", [[
		local left = {}
		for _, key in ipairs(redis.call('KEYS', '*')) do
			if string.sub(key, 1, 12) ~= 'rlock-state:' or redis.call('PTTL', key) == -1 then
				left[#left + 1] = string.format('%q', key)
			end
		end
		return table.concat(left, ' ')
	]], "0")
end

local function check_leftovers(server)
	local left = ""
	local good = pcall(spec.eventually, "", function()
		left = leftovers(server)
		return left == ""
	end)
	if not good then
		error("left on the server: " .. left, 0)
	end
end

-- The state of a name without braces on the server: fence, token, pending, label.
function spec.state(server, name)
	return server:command("GET", "rlock-state:{" .. name .. "}:" .. name)
end

-- How many wait in the queue of a name without braces.
function spec.waiting(server, name)
	return tonumber(server:command("ZCARD", "rlock-queue:{" .. name .. "}:" .. name))
end

function spec.run(...)
	local server = helper.server(...)
	local failures = 0
	print("1.." .. #tests)
	for number, test in ipairs(tests) do
		server:resume() -- after a test that failed
		server:command "FLUSHALL"
		server:command("SCRIPT", "FLUSH")
		local good, message = xpcall(test.body, debug.traceback, server)
		if good and not test.options.leaves then
			spec.collect()
			good, message = pcall(check_leftovers, server)
		end
		if not good then
			failures = failures + 1
			print("# " .. tostring(message):gsub("\n", "\n# "))
		end
		print(string.format("%s %d - %s", good and "ok" or "not ok", number, test.title))
		io.stdout:flush()
	end
	server:stop()
	if failures > 0 then
		os.exit(1, true)
	end
end

return spec

-- SPDX-License-Identifier: MIT
-- The same little interface to three schedulers: go(function), sleep(seconds), and run(condition) until it is true.
local helper, redislock = require "helper", require "redislock"

local schedulers = {}

local function check_patience(started)
	assert(helper.now() - started < 60, "in vain turned the loop")
end

function schedulers.plain(url)
	local self, ready, sleepers = {}, {}, {}
	self.client = assert(redislock.connect(url, {
		async = true,
		suspend = function(wait)
			wait.thread = coroutine.running()
			coroutine.yield()
		end,
		resume = function(wait)
			ready[#ready + 1] = wait.thread
		end,
	}))
	function self.go(f)
		ready[#ready + 1] = coroutine.create(f)
	end
	function self.sleep(seconds)
		sleepers[coroutine.running()] = helper.now() + seconds
		coroutine.yield()
	end
	function self.run(condition)
		local started = helper.now()
		while not condition() do
			check_patience(started)
			for thread, time in pairs(sleepers) do
				if time <= helper.now() then
					sleepers[thread] = nil
					ready[#ready + 1] = thread
				end
			end
			local batch = ready
			ready = {}
			for _, thread in ipairs(batch) do
				assert(coroutine.resume(thread))
			end
			self.client:poll(ready[1] and 0 or 0.01)
			assert(self.client:dispatch())
		end
	end
	return self
end

function schedulers.cqueues(url)
	local found, cqueues = pcall(require, "cqueues")
	if not found then
		return nil
	end
	local condition_variable = require "cqueues.condition"
	local self, loop = {}, cqueues.new()
	self.client = assert(redislock.connect(url, {
		async = true,
		suspend = function(wait)
			wait.condition = condition_variable.new()
			wait.condition:wait()
		end,
		resume = function(wait)
			wait.condition:signal()
		end,
	}))
	function self.go(f)
		loop:wrap(f)
	end
	self.sleep = cqueues.sleep
	local client = self.client
	loop:wrap(function()
		while true do
			cqueues.poll(client)
			assert(client:dispatch())
		end
	end)
	function self.run(condition)
		local started = helper.now()
		while not condition() do
			check_patience(started)
			local good, message = loop:step(0.01)
			if not good then
				error(message, 0)
			end
		end
	end
	return self
end

function schedulers.luv(url)
	local found, uv = pcall(require, "luv")
	if not found then
		return nil
	end
	local self = { client = assert(redislock.connect(url, { async = true })) }
	local poll, message = uv.new_poll(self.client:pollfd()), nil
	local function carefully(f, ...)
		local good, what = pcall(f, ...)
		if not good then
			message = what
		end
	end
	local client = self.client
	poll:start("r", function()
		carefully(client.dispatch, client)
	end)
	function self.go(f)
		local thread = coroutine.create(f)
		local good, what = coroutine.resume(thread)
		if not good then
			coroutine.close(thread)
			error(what, 0)
		end
	end
	function self.sleep(seconds)
		local thread, timer = coroutine.running(), uv.new_timer()
		timer:start(math.ceil(seconds * 1000), 0, function()
			timer:close()
			carefully(function()
				assert(coroutine.resume(thread))
			end)
		end)
		coroutine.yield()
	end
	function self.run(condition)
		local started = helper.now()
		while not condition() do
			check_patience(started)
			local tick = uv.new_timer()
			tick:start(10, 0, function() end)
			uv.run "once"
			tick:close()
			if message then
				local what = message
				message = nil
				error(what, 0)
			end
		end
	end
	function self.close()
		poll:close()
		uv.run "nowait"
	end
	return self
end

return schedulers

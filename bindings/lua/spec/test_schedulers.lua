-- SPDX-License-Identifier: MIT
-- Coroutines of cqueues, of luv, and of a scheduler in plain Lua.
local helper, redislock, spec = require "helper", require "redislock", require "spec"
local schedulers = require "schedulers"
local equal, fails = spec.equal, spec.fails

for _, name in ipairs { "plain", "cqueues", "luv" } do
	local function test(title, body)
		spec.test(name .. ": " .. title, function(server)
			local scheduler = schedulers[name](server:url())
			if not scheduler then
				print("SKIP: no " .. name .. " for this Lua")
				return
			end
			body(scheduler, server)
			scheduler.client:close()
			if scheduler.close then
				scheduler.close()
			end
		end)
	end

	test("many coroutines take turns, and sleep as they hold", function(self, server)
		local inside, most, done, fences = 0, 0, 0, {}
		for number = 1, 40 do
			self.go(function()
				local method = number % 5 == 0 and "spinlock" or "lock"
				local lock = self.client[method](self.client, "foo", method == "spinlock" and { interval = 0.01 } or {})
				do
					local held <close> = assert(lock:acquire_async())
					inside = inside + 1
					most = math.max(most, inside)
					fences[#fences + 1] = held.fence
					self.sleep(0.002)
					inside = inside - 1
				end
				done = done + 1
			end)
		end
		self.run(function()
			return done == 40
		end)
		equal(most, 1)
		for i = 2, #fences do
			assert(fences[i] > fences[i - 1])
		end
		spec.eventually("the last is released", function()
			return server:command("EXISTS", "foo") == "0"
		end)
	end)

	test("coroutine extends, releases and asks", function(self, server)
		local done
		self.go(function()
			local lock = self.client:lock "foo"
			assert(lock:acquire_async())
			equal(lock:extend_async(77), true)
			assert(lock.remaining > 50)
			equal(self.client:status_async("foo").token, lock.token)
			equal(lock:release_async(), true)
			equal(self.client:ping_async(), true)
			equal(server:command("EXISTS", "foo"), "0")
			done = true
		end)
		self.run(function()
			return done
		end)
	end)

	test("wait is cancelled by another coroutine, or ends by itself", function(self, server)
		local other = assert(redislock.connect(server:url()):lock("foo"):acquire())
		local lock, results, done = self.client:lock "foo", nil, nil
		self.go(function()
			results = table.pack(lock:acquire_async { wait = math.huge })
		end)
		self.go(function()
			repeat
				self.sleep(0.002)
			until lock.place == 0
			equal(lock:cancel(), true)
		end)
		self.run(function()
			return results
		end)
		equal(results.n, 3)
		equal(results[1], nil)
		equal(results[3], "CANCELLED")
		self.go(function()
			fails("NOT_ACQUIRED", lock:acquire_async { wait = 0.02 })
			done = true
		end)
		self.run(function()
			return done
		end)
		assert(other:release())
	end)

	test("loss is told", function(self, server)
		local lost, done
		self.go(function()
			local lock = self.client:lock("foo", {
				ttl = 0.3,
				renew = true,
				on_lost = function(which)
					lost = which
				end,
			})
			assert(lock:acquire_async())
			server:command("SET", "foo", "somebody-else")
			repeat
				self.sleep(0.01)
			until lost
			equal(lost, lock)
			equal(lock.held, false)
			fails("LOST", lock:release_async())
			server:command("DEL", "foo")
			done = true
		end)
		self.run(function()
			return done
		end)
	end)

	test("error in a block comes out of the loop", function(self, server)
		self.go(function()
			local held <close> = assert(self.client:lock("foo"):acquire_async())
			error("on purpose: " .. held.name)
		end)
		spec.raises("on purpose: foo", self.run, function()
			return false
		end)
		spec.collect()
		spec.eventually("it is released", function()
			return server:command("EXISTS", "foo") == "0"
		end)
	end)
end

if pcall(require, "cqueues") then
	spec.test("cqueues: a loop that is dropped leaves nothing locked and nothing waiting", function(server)
		local other = assert(redislock.connect(server:url()):lock("foo"):acquire())
		local client
		do
			local self = schedulers.cqueues(server:url())
			client = self.client
			local bar
			self.go(function()
				client:lock("foo"):acquire_async()
			end)
			self.go(function()
				bar = client:lock "bar"
				local held <close> = assert(bar:acquire_async())
				self.sleep(1000)
				assert(held)
			end)
			self.run(function()
				return bar and bar.held and spec.waiting(server, "foo") == 1
			end)
		end
		spec.collect()
		spec.eventually("nothing waits and nothing is held", function()
			return spec.waiting(server, "foo") == 0 and server:command("EXISTS", "bar") == "0"
		end)
		assert(other:release())
		equal(client:dispatch(), true)
	end)
end

spec.run()

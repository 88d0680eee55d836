-- SPDX-License-Identifier: MIT
-- Lua states in threads of one process, closed with locks held: test_states.lua HEADER PROGRAM
local spec = require "spec"
local equal, test = spec.equal, spec.test

local folder = arg[0]:match "^(.*)/[^/]*$"

for _, threads in ipairs { 1, 2, 8 } do
	test(threads .. " states in threads contend, and leave nothing locked", function(server)
		local pipe = assert(io.popen(string.format("'%s' -t %d '%s/states.lua' '%s' 20 2>&1", arg[2], threads, folder,
			server:url())))
		local output = pipe:read "a"
		local _, _, status = pipe:close()
		equal(output, "")
		equal(status, 0)
		for thread = 1, threads do
			local name = "held-" .. thread
			equal(server:command("EXISTS", name), "0")
			spec.eventually("nobody waits", function()
				return spec.waiting(server, name) == 0
			end)
		end
	end)
end

spec.run()

-- SPDX-License-Identifier: MIT
-- The examples do what they show.
local spec = require "spec"
local equal, test = spec.equal, spec.test

local folder = arg[0]:match "^(.*)/[^/]*$" .. "/../examples/"

local function run(server, name)
	local pipe = assert(io.popen(string.format("'%s' '%s%s.lua' '%s' 2>&1", arg[-1], folder, name, server:url())))
	local output = pipe:read "a"
	local _, _, status = pipe:close()
	if status ~= 0 then
		error(output, 2)
	end
	return output
end

test("blocking", function(server)
	assert(run(server, "blocking"):find "^held, fence %d+\n$")
	equal(server:command("EXISTS", "example"), "0")
end)

for name, needed in pairs { cqueues = "cqueues", luv = "luv", scheduler = false } do
	test(name, function(server)
		if needed and not pcall(require, needed) then
			print("SKIP: no " .. needed .. " for this Lua")
			return
		end
		local output = run(server, name)
		local names, last = {}, 0
		for who, fence in output:gmatch "(%w+) has it, fence (%d+)\n" do
			names[#names + 1] = who
			assert(tonumber(fence) > last, output)
			last = tonumber(fence)
		end
		table.sort(names)
		equal(table.concat(names, " "), "one three two")
		equal(select(2, output:gsub("\n", "")), 3)
		spec.eventually("it is released", function()
			return server:command("EXISTS", "example") == "0"
		end)
	end)
end

spec.run()

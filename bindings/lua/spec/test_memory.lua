-- SPDX-License-Identifier: MIT
-- Lua out of memory, at each allocation in turn: test_memory.lua HEADER PROGRAM
local spec = require "spec"
local equal, test = spec.equal, spec.test

test("out of memory leaves nothing locked", function(server)
	local folder = arg[0]:match "^(.*)/[^/]*$"
	local pipe = assert(io.popen(string.format("'%s' '%s/memory.lua' '%s' 2>&1", arg[2], folder, server:url())))
	local output = pipe:read "a"
	local _, _, status = pipe:close()
	equal(output:match "^%d+ allocations\n$", output)
	equal(status, 0)
	assert(tonumber(output:match "^%d+") > 50, output)
end)

spec.run()

-- SPDX-License-Identifier: MIT
-- One thing at a time, the plain way: lua blocking.lua [URL]
local redislock = require "redislock"

local client = assert(redislock.connect(arg[1]))
do
	local held <close> = assert(client:lock("example", { wait = 10, owner = "blocking.lua" }):acquire())
	print("held, fence " .. held.fence)
end -- released here, also on error

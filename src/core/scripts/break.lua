-- BREAK (protocol 7). ARGV: the token that is expected to hold the lock, or nothing for any.
-- Answers 1 broken; 0 not locked, or by another; 4 ask again.
local call, name, queue, state = redis.call, KEYS[1], KEYS[2], KEYS[3]
--@prelude

local owner = call('GET', name)
if not owner or (ARGV[1] ~= '' and owner ~= ARGV[1]) then
	return 0
end
return hand_over(true)

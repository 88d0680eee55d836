-- CANCEL (protocol 3). ARGV: token, hand-off lease, client, label. Answers 1; 4 ask again.
local call, name, queue, state = redis.call, KEYS[1], KEYS[2], KEYS[3]
--@prelude

local owner = call('GET', name)
call('ZREM', queue, ARGV[1] .. ' ' .. ARGV[3] .. ' ' .. ARGV[2] .. ' ' .. ARGV[4])
if owner == ARGV[1] then
	return hand_over(true)
end
return 1

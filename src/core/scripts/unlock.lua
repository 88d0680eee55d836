-- UNLOCK (protocol 3). ARGV: token, 1 if the state is to be put right: the hold came by a hand-off that may not be
-- acknowledged yet, or had no end.
-- Answers 1 released; 0 not owned; 4 ask again.
local call, name, queue, state = redis.call, KEYS[1], KEYS[2], KEYS[3]
if call('GET', name) ~= ARGV[1] then
	return 0
end
if ARGV[2] == '0' and call('EXISTS', queue) == 0 then
	call('DEL', name)
	redis.pcall('PUBLISH', 'rlock-channel:' .. name, 'ok')
	return 1
end

--@prelude

return hand_over(ARGV[2] == '1')

-- UNLOCK (protocol 3). ARGV: token, 1 if the state is to be put right: the hold came by a hand-off that may not be
-- acknowledged yet, or had no end. With the lock's own key alone, while its slot moves, it is deleted: the waiters ask.
-- Answers 1 released; 0 not owned; 4 ask again.
local call, name, queue, state = redis.call, KEYS[1], KEYS[2], KEYS[3]
if call('GET', name) ~= ARGV[1] then
	return 0
end
if not queue or (ARGV[2] == '0' and call('EXISTS', queue) == 0) then
	call('DEL', name)
	if not KEYS[4] or string.find(name, '{', 1, true) then
		redis.pcall('PUBLISH', 'rlock-channel:' .. name, 'ok')
	end
	return 1
end

--@prelude

return hand_over(ARGV[2] == '1')

-- EXTEND (protocol 3) with the state: the expiry of both, and a hand-off is no longer pending. ARGV: token, TTL, fence.
-- Answers 1 mine; 0 not mine.
local call, name, queue, state = redis.call, KEYS[1], KEYS[2], KEYS[3]
--@prelude

if call('GET', name) ~= ARGV[1] then
	return 0
end
local ttl = lease(ARGV[2], '1')
local fence, token, _, label = read_state()
if token == ARGV[1] and tonumber(fence) ~= tonumber(ARGV[3]) then
	-- Taken once more since, by a LOCK that was held up: for nobody, and not to last longer than it asked for.
	return 0
end
if ARGV[2] == '-1' then
	call('PERSIST', name)
	ttl = nil
else
	call('PEXPIRE', name, ttl)
end
if token == ARGV[1] then
	write_state(fence, token, '-', label, ttl)
end
return 1

-- EXTEND (protocol 3) as a renewal: the lock's own key alone, so that a moving slot ends no lease. ARGV: token, TTL.
-- Answers 1 mine; 0 not mine.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return 0
end
local ttl = tonumber(ARGV[2])
if not ttl or ttl < 1 or ttl > 9007199254740991 then
	error('redislock: a TTL must be 1 to 2^53-1 milliseconds')
end
redis.call('PEXPIRE', KEYS[1], ttl)
return 1

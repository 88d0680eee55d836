-- A look from outside; nothing is written.
-- Answers {token or nil, remaining, waiting, last fence, label of that token's holder}.
local call, name, queue, state = redis.call, KEYS[1], KEYS[2], KEYS[3]
--@prelude

local owner = call('GET', name)
local fence, issued, _, label = read_state()
return { owner, call('PTTL', name), call('ZCARD', queue), tonumber(fence), issued == owner and label or '' }

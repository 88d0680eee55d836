-- What the scripts share; what a script uses of it stands where it says --@prelude, and knows that script's call, name,
-- queue and state. A part of it begins with a "local" at the margin.
-- The state is one string, "FENCE TOKEN PENDING LABEL":
-- the last fence, the token it was issued to, the client whose hand-off isn't acknowledged yet (or -), the holder's label.
-- Every function that writes comes after all that reads, so that a key of a wrong type stops a script before it writes.
local DAY, QUEUE_TTL, DROPPED_AT_ONCE, REQUEUED_AT_ONCE = 86400000, '60000', 64, 256

local function read_state()
	local text = call('GET', state)
	local fence, token, pending, label
	if text then
		fence, token, pending, label = string.match(text, '^(%d+) (%S+) (%S+) (.*)$')
	end
	return tonumber(fence) or 0, token or '-', pending or '-', label or ''
end

-- Without a TTL it stays as long as the lock, which somebody must be able to find. Answers the fence as a text.
-- Texts are cheaper than numbers here, which are printed anew for each call: so the usual TTL has its expiry in one.
local function write_state(fence, token, pending, label, ttl)
	local number = string.format('%.0f', fence)
	local text = number .. ' ' .. token .. ' ' .. pending .. ' ' .. label
	if ttl then
		call('SET', state, text, 'PX', ttl < 100000000 and '200000000' or ttl + DAY)
	else
		call('SET', state, text)
	end
	return number
end

local function later(last)
	local time = call('TIME')
	local now = time[1] * 1000000 + time[2]
	return now > last and now or last + 1
end

-- A lock without an expiry is taken with the hand-off lease; the acknowledgement makes it permanent.
local function lease(ttl, handoff)
	ttl, handoff = tonumber(ttl), tonumber(handoff)
	if not ttl or ttl < -1 or ttl == 0 or ttl > 9007199254740991 or not handoff or handoff < 1 then
		error('redislock: a TTL must be 1 to 2^53-1 milliseconds')
	end
	return ttl > 0 and ttl or handoff
end

-- In a cluster the name comes once more, as a fourth key: then what is published to clients stays in its slot.
local sharded = KEYS[4]

local function inbox(client)
	return 'rlock-inbox:' .. (sharded and string.sub(queue, 13) .. ':' or '') .. client
end

local function alive(ticket)
	local client = string.match(ticket, '^%S+ (%S+)')
	return client and call('PUBSUB', sharded and 'SHARDNUMSUB' or 'NUMSUB', inbox(client))[2] ~= 0
end

-- Takes the first ticket out of the queue whose client listens, or mine; those before it are dropped, a bounded number in
-- one call. Answers nil for an empty queue, and nil, true if there may be more of the dead. It is the first write, and
-- one that needs no memory: that lets the others pass where memory is short.
local function take_first(mine)
	for _ = 1, DROPPED_AT_ONCE do
		local ticket = call('ZPOPMIN', queue)[1]
		if not ticket or ticket == mine or alive(ticket) then
			return ticket
		end
	end
	return nil, true
end

-- Protocol 4.
local function hand_to(ticket, last)
	local token, client, handoff, label = string.match(ticket, '^(%S+) (%S+) (%d+) (.*)$')
	local fence = later(last)
	call('SET', name, token, 'PX', handoff)
	local number = write_state(fence, token, client, label, tonumber(handoff))
	local grant = 'grant ' .. token .. ' ' .. number .. ' ' .. handoff .. ' ' .. name
	redis.pcall(sharded and 'SPUBLISH' or 'PUBLISH', inbox(client), grant)
	return fence
end

-- It goes to all servers of a cluster, and only names with a tag can have others than redislock there (protocol 8).
local function announce()
	if not sharded or string.find(name, '{', 1, true) then
		redis.pcall('PUBLISH', 'rlock-channel:' .. name, 'ok')
	end
end

-- Whoever holds the lock gives it up. unacknowledged: it came by a hand-off that the state still calls pending.
local function hand_over(unacknowledged)
	local fence, token, _, label = read_state()
	local ticket, more = take_first()
	if more then
		return 4
	elseif ticket then
		hand_to(ticket, fence)
	elseif unacknowledged then
		call('DEL', name)
		write_state(fence, token, '-', label, 1)
		announce()
	else
		call('DEL', name)
		announce()
	end
	return 1
end

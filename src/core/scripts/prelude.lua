-- What the scripts share; what a script uses of it from there on stands where it says --@prelude, and knows that script's
-- call, name, queue and state. A part of it begins with a "local" at the margin.
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
	return fence or '0', token or '-', pending or '-', label or ''
end

-- Without the rest, which takes several times as long to read.
local function last_fence()
	return string.match(call('GET', state) or '', '^%d+') or '0'
end

-- Without a TTL it stays as long as the lock, which somebody must be able to find. The usual one has its expiry in a text,
-- as numbers are dear to print.
local function write_state(fence, token, pending, label, ttl)
	local text = fence .. ' ' .. token .. ' ' .. pending .. ' ' .. label
	if ttl then
		call('SET', state, text, 'PX', ttl < 100000000 and '200000000' or ttl + DAY)
	else
		call('SET', state, text)
	end
end

-- The server's time in microseconds, or one more than the last fence. Fences are texts for the same reason: they have 16
-- digits from 2001 to 2286, and compare just as well.
local function later(last)
	local time = call('TIME')
	local now = time[1] .. string.sub('000000', #time[2] + 1) .. time[2]
	if #last == #now and last < now then
		return now
	end
	return string.format('%.0f', math.max(last + 1, tonumber(now)))
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

-- Protocol 4: the first ticket in the queue whose client listens gets the lock, unless it is mine; those before it are
-- dropped, a bounded number in one call. Answers the new fence; nil if nobody else comes first, and nil, true if there may
-- be more of the dead. To take a ticket is the first write, and one that needs no memory: that lets the others pass where
-- memory is short.
local function hand_on(last, mine)
	for _ = 1, DROPPED_AT_ONCE do
		local ticket = call('ZPOPMIN', queue)[1]
		if not ticket or ticket == mine then
			return nil
		end
		local token, client, handoff, label = string.match(ticket, '^(%S+) (%S+) (%d+) (.*)$')
		local inbox = 'rlock-inbox:' .. (sharded and string.sub(queue, 13) .. ':' or '') .. (client or '')
		if client and call('PUBSUB', sharded and 'SHARDNUMSUB' or 'NUMSUB', inbox)[2] ~= 0 then
			local fence = later(last)
			call('SET', name, token, 'PX', handoff)
			write_state(fence, token, client, label, tonumber(handoff))
			local grant = 'grant ' .. token .. ' ' .. fence .. ' ' .. handoff .. ' ' .. name
			redis.pcall(sharded and 'SPUBLISH' or 'PUBLISH', inbox, grant)
			return fence
		end
	end
	return nil, true
end

-- Whoever holds the lock gives it up. unacknowledged: it came by a hand-off that the state still calls pending.
local function hand_over(unacknowledged)
	local handed, more = hand_on(last_fence())
	if more then
		return 4
	elseif not handed then
		call('DEL', name)
		if unacknowledged then
			local fence, token, _, label = read_state()
			write_state(fence, token, '-', label, 1)
		end
		-- It goes to all servers of a cluster, and only names with a tag can have others than redislock there (protocol 8).
		if not sharded or string.find(name, '{', 1, true) then
			redis.pcall('PUBLISH', 'rlock-channel:' .. name, 'ok')
		end
	end
	return 1
end

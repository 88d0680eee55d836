-- LOCK (protocol 3): first try, waiting, poll, after a reconnect, after a lost reply, last try at the deadline.
-- ARGV: token, TTL, hand-off lease, mode (0 try, 1 wait in the queue, 2 try and leave the queue), client, label.
-- Answers the fence, as text: held; {2, remaining, place, last fence, 1 if the ticket is new}: queued;
-- {3, remaining, waiting, last fence}: busy; 4: ask again.
local call, name, queue, state = redis.call, KEYS[1], KEYS[2], KEYS[3]
local token, handoff, mode, client, label = ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

-- The common case, before anything costly: free, and nobody waits. The fence is made as by later() of the prelude, but the
-- last one comes with the writing of it.
local ttl = ARGV[2] == '-1' and handoff or ARGV[2]
if call('EXISTS', name, queue) == 0 and ttl > '0' then
	local time = call('TIME')
	local fence = time[1] .. string.sub('000000', #time[2] + 1) .. time[2]
	local rest = ' ' .. token .. ' - ' .. label
	-- A day and more beyond the TTL; a number would have to be made a text again.
	local expiry = #ttl < 9 and '200000000' or ttl + 86400000
	local last = call('SET', state, fence .. rest, 'PX', expiry, 'GET')
	if last and (#fence ~= 16 or string.byte(last, 17) ~= 32 or string.sub(last, 1, 16) >= fence) then
		local number = tonumber(string.match(last, '^%d+')) or 0
		fence = string.format('%.0f', math.max(number + 1, tonumber(fence)))
		call('SET', state, fence .. rest, 'PX', expiry)
	end
	call('SET', name, token, 'PX', ttl)
	return fence
end

--@prelude

local ticket = token .. ' ' .. client .. ' ' .. handoff .. ' ' .. label

local function refuse(fence)
	if mode == '1' then
		local last = call('ZRANGE', queue, '-1', '-1', 'WITHSCORES')[2]
		local new = call('ZADD', queue, 'NX', (last or 0) + 1, ticket)
		call('PEXPIRE', queue, QUEUE_TTL)
		return { 2, call('PTTL', name), call('ZRANK', queue, ticket), tonumber(fence), new }
	end
	if mode == '2' then
		call('ZREM', queue, ticket)
	end
	return { 3, call('PTTL', name), call('ZCARD', queue), tonumber(fence) }
end

-- The other common case, before what only a hand-over needs: another has it.
local owner = call('GET', name)
ttl = lease(ARGV[2], handoff)
if owner and owner ~= token then
	return refuse(last_fence())
end

--@prelude

local fence, issued, pending = read_state()
if owner == token then
	if issued ~= token then
		fence = later(fence)
	end
	-- Never for a shorter time: it may be a request that was held up, and the lease another by now.
	local left = call('PTTL', name)
	if left == -1 then
		ttl = nil
	elseif left < ttl then
		call('PEXPIRE', name, ttl)
	else
		ttl = left
	end
	write_state(fence, token, '-', label, ttl)
	return fence
end

if pending ~= '-' then
	-- A hand-off ran out: its client is cut off or paused, so all that it waits for goes to the end.
	local score = nil
	for _, waiting in ipairs(call('ZRANGE', queue, 0, REQUEUED_AT_ONCE - 1)) do
		if string.match(waiting, '^%S+ (%S+)') == pending and pending ~= client then
			score = (score or call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]) + 1
			call('ZADD', queue, score, waiting)
		end
	end
end
local handed, more = hand_on(fence, ticket)
if more then
	return 4
elseif handed then
	return refuse(handed)
end
fence = later(fence)
call('SET', name, token, 'PX', ttl)
write_state(fence, token, '-', label, ttl)
return fence

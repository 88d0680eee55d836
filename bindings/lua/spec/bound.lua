-- SPDX-License-Identifier: MIT
-- Whether the binding is complete: bound.lua HEADER FOLDER
--
-- Every public function of the header is bound under a name in Lua, or left out for a reason; no entry is out of date;
-- whatever the module has is in its reference and annotations; what documents show can be compiled; and the rock is built
-- from all files.
local redislock = require "redislock"

local header_path, folder = arg[1], arg[2]

local bound = {
	redislock_version_number = "version_number",
	redislock_version_string = "version",
	redislock_has = "has",
	redislock_strerror = "the message of a failure",
	redislock_error_name = "the code of a failure",
	redislock_client_new = "connect",
	redislock_client_new_eventloop = "connect",
	redislock_url_error = "the message of a failure",
	redislock_client_free = "client:close",
	redislock_client_set_connect_timeout_ms = "connect{connect_timeout}",
	redislock_client_set_command_timeout_ms = "connect{command_timeout}",
	redislock_client_set_min_replicas = "connect{min_replicas, replicas_timeout}",
	redislock_client_set_name = "connect{name}",
	redislock_client_set_credentials = "client:set_credentials",
	redislock_client_set_interruptible = "always on: signals let Lua's hooks run",
	redislock_client_connect = "client:connect",
	redislock_client_ping = "client:ping",
	redislock_client_lost_fd = "client:lost_fd",
	redislock_client_error = "the message of a failure",
	redislock_client_break = "client:force_release",
	redislock_lock_new = "client:lock",
	redislock_lock_free = "the collector's, and the end of an async hold",
	redislock_lock_set_ttl_ms = "lock{ttl}",
	redislock_lock_set_renewal = "lock{renew}",
	redislock_lock_set_wait_ms = "lock{wait}",
	redislock_lock_set_spin_interval_ms = "lock{interval}",
	redislock_lock_set_spin_growth = "lock{growth}",
	redislock_lock_set_owner = "lock{owner}",
	redislock_lock_set_token = "lock{token}",
	redislock_lock_acquire = "lock:acquire",
	redislock_lock_cancel = "lock:cancel",
	redislock_lock_release = "lock:release",
	redislock_lock_extend = "lock:extend",
	redislock_lock_is_held = "lock.held",
	redislock_lock_remaining_ms = "lock.remaining",
	redislock_lock_fence = "lock.fence",
	redislock_lock_token = "lock.token",
	redislock_lock_channel = "lock.channel",
	redislock_lock_place = "lock.place",
	redislock_lock_error = "the message of a failure",
	redislock_client_fd = "client:pollfd",
	redislock_client_timeout_ms = "client:timeout",
	redislock_client_dispatch = "client:dispatch",
	redislock_client_next_event = "client:dispatch",
	redislock_event_type = "what coroutines are told",
	redislock_event_status = "what coroutines are told",
	redislock_event_tag = "what coroutines are told",
	redislock_event_lock = "lock{on_lost}",
	redislock_event_take_info = "client:status_async",
	redislock_lock_start_acquire = "lock:acquire_async",
	redislock_lock_start_release = "lock:release_async",
	redislock_lock_start_extend = "lock:extend_async",
	redislock_client_start_ping = "client:ping_async",
	redislock_client_start_info = "client:status_async",
	redislock_client_start_break = "client:force_release_async",
	redislock_info_get = "client:status",
	redislock_info_free = "client:status",
	redislock_info_locked = "client:status",
	redislock_info_token = "client:status",
	redislock_info_owner = "client:status",
	redislock_info_remaining_ms = "client:status",
	redislock_info_waiters = "client:status",
	redislock_info_fence = "client:status",
	redislock_list_new = "client:list",
	redislock_list_next = "client:list",
	redislock_list_free = "client:list",
	redislock_quorum_new = "quorum",
	redislock_quorum_add_server = "quorum",
	redislock_quorum_set_server_timeout_ms = "quorum{server_timeout}",
	redislock_quorum_set_interruptible = "always on: signals let Lua's hooks run",
	redislock_quorum_free = "quorum:close",
	redislock_quorum_lost_fd = "quorum:lost_fd",
	redislock_quorum_lock_new = "quorum:lock",
	redislock_quorum_lock_free = "the collector's",
	redislock_quorum_lock_set_ttl_ms = "lock{ttl}",
	redislock_quorum_lock_set_renewal = "lock{renew}",
	redislock_quorum_lock_set_wait_ms = "lock{wait}",
	redislock_quorum_lock_set_spin_interval_ms = "lock{interval}",
	redislock_quorum_lock_set_owner = "lock{owner}",
	redislock_quorum_lock_acquire = "quorumlock:acquire",
	redislock_quorum_lock_release = "quorumlock:release",
	redislock_quorum_lock_extend = "quorumlock:extend",
	redislock_quorum_lock_is_held = "the field held",
	redislock_quorum_lock_remaining_ms = "the field remaining",
	redislock_quorum_lock_agreed = "the field agreed",
	redislock_quorum_lock_token = "the field token",
	redislock_quorum_lock_error = "the message of a failure",
}

local left_out = {
	redislock_client_set_tls_authorities = "the URL says it",
	redislock_client_set_tls_certificate = "the URL says it",
	redislock_client_set_sentinel_credentials = "the URL says it",
	redislock_client_set_tls_server_name = "the URL says it",
	redislock_client_set_tls_unverified = "for trying things out, which another tool can do",
	redislock_lock_name = "the lock keeps the string that it was made with: lock.name",
	redislock_client_interrupt = "no Lua runs while its state waits, and signals interrupt by themselves",
	redislock_lock_interrupt = "no Lua runs while its state waits, and signals interrupt by themselves",
	redislock_quorum_interrupt = "no Lua runs while its state waits, and signals interrupt by themselves",
	redislock_quorum_lock_interrupt = "no Lua runs while its state waits, and signals interrupt by themselves",
	redislock_quorum_lock_name = "the lock keeps the string that it was made with",
}
for _, name in ipairs { "quorum_new_eventloop", "quorum_fd", "quorum_timeout_ms", "quorum_dispatch",
	"quorum_next_event", "event_quorum_lock", "quorum_lock_start_acquire", "quorum_lock_start_release",
	"quorum_lock_start_extend", "quorum_lock_cancel" } do
	left_out["redislock_" .. name] = "many masters are for scripts that wait, so far"
end

local complaints = 0

local function complain(...)
	complaints = complaints + 1
	print(string.format(...))
end

local function read(path)
	local file = assert(io.open(path))
	local text = file:read "a"
	file:close()
	return text
end

local function list(pattern)
	local paths = {}
	local pipe = assert(io.popen("ls " .. folder .. "/" .. pattern))
	for path in pipe:lines() do
		paths[#paths + 1] = path
	end
	pipe:close()
	assert(#paths > 0)
	return paths
end

local function code_of(path)
	return (read(path):gsub("/%*.-%*/", ""))
end

-- ---- functions ----

local declared, count = {}, 0
for name in ("\n" .. read(header_path)):gmatch "\n%l[^\n(]*[ *](redislock_[%l%d_]*)%(" do
	declared[name] = true
	count = count + 1
end
assert(count > 60, "the header was misread: " .. count)

local sources = ""
for _, path in ipairs(list "*.c") do
	sources = sources .. code_of(path)
end

for name in pairs(declared) do
	local used = sources:find("%f[%w_]" .. name .. "%f[^%w_]") ~= nil
	if bound[name] and left_out[name] then
		complain("%s: bound and left out", name)
	elseif bound[name] and not used then
		complain("%s: bound as %s, but nowhere called", name, bound[name])
	elseif left_out[name] and used then
		complain("%s: left out, but called", name)
	elseif not bound[name] and not left_out[name] then
		complain("%s: neither bound nor left out", name)
	end
end
for _, entries in ipairs { bound, left_out } do
	for name in pairs(entries) do
		if not declared[name] then
			complain("%s: no function of the header any more", name)
		end
	end
end

-- ---- names in Lua ----

local client = assert(redislock.connect "unix:///nowhere")
local quorum = assert(redislock.quorum { "unix:///nowhere" })
local names = { module = {}, client = {}, lock = {}, quorum = {}, quorumlock = {} }
for name in pairs(redislock) do
	names.module[name] = true
end
for name in pairs(getmetatable(client).__index) do
	names.client[name] = true
end
for name in pairs(getmetatable(quorum).__index) do
	names.quorum[name] = true
end
do
	local _, entries = debug.getupvalue(getmetatable(quorum:lock "foo").__index, 1)
	for name in pairs(entries) do
		names.quorumlock[name] = true
	end
end
for upvalue = 1, 2 do
	local _, entries = debug.getupvalue(getmetatable(client:lock "foo").__index, upvalue)
	for name in pairs(entries) do
		names.lock[name] = true
	end
end

for name, where in pairs(bound) do
	local object, member = where:match "^(%a+)[:.]([%l_]+)$"
	if object and not names[object][member] then
		complain("%s: there is no %s", name, where)
	elseif where:find "^[%l_]+$" and not names.module[where] then
		complain("%s: there is no %s", name, where)
	end
end

-- ---- reference and annotations ----

local reference, annotations = read(folder .. "/reference.md"), read(folder .. "/library/redislock.lua")
local own = { module = "redislock", client = "client", lock = "lock", quorum = "quorum", quorumlock = "quorumlock" }
for object, members in pairs(names) do
	for name in pairs(members) do
		local pattern = "%f[%w]" .. own[object] .. "[:.]" .. name .. "%f[^%w_]"
		if not reference:find(pattern) and not (name == "break" and reference:find('client%["break"%]')) then
			complain("reference.md: nothing of %s's %s", object, name)
		end
		local field = "%-%-%-@field " .. name .. "%??%f[^%w_?]"
		if name ~= "break" and not annotations:find("function " .. pattern) and not annotations:find(field) then
			complain("library/redislock.lua: nothing of %s's %s", object, name)
		end
	end
end
for options in (code_of(folder .. "/client.c") .. code_of(folder .. "/lock.c") .. code_of(folder .. "/quorum.c")):gmatch "_options%[%] = (%b{})" do
	for option in options:gmatch '"([%l_]+)"' do
		if not reference:find("`" .. option .. "`", 1, true) then
			complain("reference.md: nothing of the option %s", option)
		end
		if not annotations:find("%-%-%-@field " .. option .. "%?") then
			complain("library/redislock.lua: nothing of the option %s", option)
		end
	end
end
for code in read(header_path):gmatch "\n\tREDISLOCK_([%u_]+) = %-?%d+,? */%*" do
	local told = not (code == "OK" or code == "INTERRUPTED" or code:find "^EVENT_" or code:find "^KIND_"
		or code == "FOREVER" or code == "NO_EXPIRY")
	if told and not reference:find("| `" .. code .. "` |", 1, true) then
		complain("reference.md: nothing of the code %s", code)
	end
	if told and not annotations:find('---| "' .. code .. '"', 1, true) then
		complain("library/redislock.lua: nothing of the code %s", code)
	end
end

-- ---- what documents show ----

local shown = 0
for _, path in ipairs { folder .. "/README.md", folder .. "/reference.md", folder .. "/recipes.md",
	folder .. "/../../README.md" } do
	for code in read(path):gmatch "```lua\n(.-)```" do
		local good, message = load(code, "=" .. path, "t")
		shown = shown + 1
		if not good then
			complain("%s", message)
		end
	end
end
assert(shown > 10, "the documents were misread")

-- ---- the rock ----

local rock = {}
assert(loadfile(list "*.rockspec"[1], "t", rock))()
local in_rock = {}
for _, source in ipairs(rock.build.modules.redislock.sources) do
	in_rock[source] = true
end
for _, path in ipairs(list "*.c") do
	local name = path:match "[^/]*$"
	if not in_rock[name] then
		complain("the rockspec lacks %s", name)
	end
	in_rock[name] = nil
end
for name in pairs(in_rock) do
	complain("the rockspec has %s, which there is not", name)
end
if rock.version:match "^[^-]*" ~= redislock.version then
	complain("the rockspec is for %s, the library is %s", rock.version, redislock.version)
end

if complaints > 0 then
	os.exit(1, true)
end
local kept = 0
for _ in pairs(left_out) do
	kept = kept + 1
end
print(string.format("%d functions: %d bound, %d left out on purpose", count, count - kept, kept))

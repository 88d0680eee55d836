---@meta redislock
-- SPDX-License-Identifier: MIT

-- Annotations for lua-language-server; see reference.md. Nothing here is ever run.

---@class redislock
---@field version string as in "1.0.0"
---@field version_number integer major * 1000000 + minor * 1000 + patch
local redislock = {}

---@alias redislock.code
---| "NOT_ACQUIRED"
---| "NOT_LOCKED"
---| "CANCELLED"
---| "END"
---| "NOT_OWNED"
---| "LOST"
---| "IN_USE"
---| "INVALID_ARGUMENT"
---| "UNSUPPORTED"
---| "WRONG_TYPE"
---| "WRONG_MODE"
---| "UNTRUSTED"
---| "TIMEOUT"
---| "CONNECTION_REFUSED"
---| "CONNECTION_LOST"
---| "AUTHENTICATION"
---| "PERMISSION"
---| "READ_ONLY"
---| "NOT_ENOUGH_REPLICAS"
---| "SERVER"
---| "PROTOCOL"
---| "NO_MEMORY"
---| "FORKED"
---| "INTERNAL"

---@class redislock.connect_options
---@field async? boolean a client for coroutines
---@field suspend? fun(wait: table) how a coroutine waits; with resume, and for async only
---@field resume? fun(wait: table) lets that suspend return
---@field connect_timeout? number seconds; 5
---@field command_timeout? number seconds; 5
---@field min_replicas? integer that must have an acquisition; 0
---@field replicas_timeout? number seconds; 1
---@field name? string of the connections
---@field user? string
---@field password? string

---@class redislock.acquire_options
---@field wait? number seconds; 0 tries once, math.huge waits for ever; 60
---@field ttl? number seconds, or math.huge; 30
---@field renew? boolean whether the lease is kept alive; true without a ttl

---@class redislock.lock_options: redislock.acquire_options
---@field owner? string a label for people
---@field token? string instead of a random one
---@field on_lost? fun(lock: redislock.lock) for locks of an async client

---@class redislock.spin_options: redislock.lock_options
---@field interval? number seconds between two tries; 0.1
---@field growth? number 1 to 10; with max_interval
---@field max_interval? number seconds

---@class redislock.status
---@field name string
---@field locked boolean
---@field token? string
---@field owner? string
---@field remaining number seconds, math.huge without an end, 0 when not locked
---@field waiters integer
---@field fence integer

---@param url? string without one $REDISLOCK_URL, else redis://127.0.0.1:6379/0
---@param options? redislock.connect_options
---@return redislock.client? client
---@return string? message
---@return redislock.code? code
function redislock.connect(url, options) end

---@param feature string as in "tls"
---@return boolean
function redislock.has(feature) end

---@class redislock.quorum_options
---@field server_timeout? number seconds; 0.5

---@class redislock.quorum_lock_options
---@field wait? number seconds; 0 tries once, math.huge waits for ever; 60
---@field ttl? number seconds; 30
---@field renew? boolean whether the lease is kept alive; true without a ttl
---@field owner? string a label for people
---@field interval? number seconds between two tries, on average; 0.1

---@param urls string[]
---@param options? redislock.quorum_options
---@return redislock.quorum? quorum
---@return string? message
---@return redislock.code? code
function redislock.quorum(urls, options) end

---@class redislock.quorum
local quorum = {}

---@param name string
---@param options? redislock.quorum_lock_options
---@return redislock.quorum_lock? lock
---@return string? message
---@return redislock.code? code
function quorum:lock(name, options) end

---@return integer? descriptor
---@return string? message
---@return redislock.code? code
function quorum:lost_fd() end

function quorum:close() end

---@class redislock.quorum_lock
---@field held boolean
---@field remaining number seconds, 0 when not held
---@field agreed integer servers
---@field token? string
---@field name string
---@field quorum redislock.quorum
local quorumlock = {}

---@param options? { wait?: number }
---@return redislock.quorum_lock? held
---@return string? message
---@return redislock.code? code
function quorumlock:acquire(options) end

---@return true? released
---@return string? message
---@return redislock.code? code
function quorumlock:release() end

---@param ttl? number seconds
---@return true? extended
---@return string? message
---@return redislock.code? code
function quorumlock:extend(ttl) end

---@class redislock.client
local client = {}

---@param name string
---@param options? redislock.lock_options
---@return redislock.lock? lock
---@return string? message
---@return redislock.code? code
function client:lock(name, options) end

---@param name string
---@param options? redislock.spin_options
---@return redislock.lock? lock
---@return string? message
---@return redislock.code? code
function client:spinlock(name, options) end

---@return true? connected
---@return string? message
---@return redislock.code? code
function client:connect() end

---@return true? alive
---@return string? message
---@return redislock.code? code
function client:ping() end

---@param name string
---@return redislock.status? status
---@return string? message
---@return redislock.code? code
function client:status(name) end

---@param pattern? string of the shell
---@return (fun(): string?)? next raises failures
---@return string? message
---@return redislock.code? code
function client:list(pattern) end

---Also as client["break"].
---@param name string
---@param token? string only if this token holds it
---@return true? released
---@return string? message
---@return redislock.code? code
function client:force_release(name, token) end

---@param user? string
---@param password? string
---@return true? set
---@return string? message
---@return redislock.code? code
function client:set_credentials(user, password) end

---@return integer? descriptor
---@return string? message
---@return redislock.code? code
function client:lost_fd() end

function client:close() end

---@return integer? descriptor
---@return string? message
---@return redislock.code? code
function client:pollfd() end

---@return "r"
function client:events() end

---@return number? seconds
function client:timeout() end

---@param seconds? number
---@return boolean? ready
---@return string? message
---@return redislock.code? code
function client:poll(seconds) end

---@return true? done
---@return string? message
---@return redislock.code? code
function client:dispatch() end

---@async
---@return true? alive
---@return string? message
---@return redislock.code? code
function client:ping_async() end

---@async
---@param name string
---@return redislock.status? status
---@return string? message
---@return redislock.code? code
function client:status_async(name) end

---@async
---@param name string
---@param token? string
---@return true? released
---@return string? message
---@return redislock.code? code
function client:force_release_async(name, token) end

---@class redislock.lock
---@field held boolean
---@field remaining number seconds, math.huge without an end, 0 when not held
---@field fence integer
---@field token? string
---@field name string
---@field channel string
---@field place? integer
---@field client redislock.client
local lock = {}

---@param options? redislock.acquire_options
---@return redislock.lock? held
---@return string? message
---@return redislock.code? code
function lock:acquire(options) end

---@return true? released
---@return string? message
---@return redislock.code? code
function lock:release() end

---@param ttl? number seconds
---@return true? extended
---@return string? message
---@return redislock.code? code
function lock:extend(ttl) end

---@return true? cancelled
---@return string? message
---@return redislock.code? code
function lock:cancel() end

---@async
---@param options? redislock.acquire_options
---@return redislock.lock? held
---@return string? message
---@return redislock.code? code
function lock:acquire_async(options) end

---@async
---@return true? released
---@return string? message
---@return redislock.code? code
function lock:release_async() end

---@async
---@param ttl? number seconds
---@return true? extended
---@return string? message
---@return redislock.code? code
function lock:extend_async(ttl) end

return redislock

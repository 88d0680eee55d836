# frozen_string_literal: true

# SPDX-License-Identifier: MIT

require "redislock/native"
require "redislock/errors"
require "redislock/options"
require "redislock/status"
require "redislock/lock"
require "redislock/client"

# A distributed lock that lives in Redis or Valkey. Waiters queue and are woken in order, one at a time; a crash frees
# the lock by itself; every hold has a fencing token.
#
#   client = RedisLock::Client.new("redis://127.0.0.1:6379")
#   client.lock("report", wait: 10) do |lock|
#     puts lock.fence
#   end
#
# Times are seconds: Integer, Float or any other real number. Float::INFINITY stands for ever, where that is allowed.
module RedisLock
  # The version of the library that is loaded, as in "1.0.0".
  VERSION = Native.version_string.freeze

  # Where a client connects to that is told nothing else, not even by the environment variable REDISLOCK_URL.
  DEFAULT_URL = "redis://127.0.0.1:6379/0"

  # Whether the library was built with a feature: "tls", "sentinel", "cluster" and the like; false for any that it
  # doesn't know.
  #
  # @param feature [String, Symbol]
  # @return [Boolean]
  def self.has?(feature)
    Native.has(feature.to_s) == 1
  end

  private_constant :Native
end

# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# The cost of taking and releasing a lock that nobody else wants: pair.rb URL N prints nanoseconds per pair.

require "redislock"

url, count = ARGV[0], Integer(ARGV[1])
lock = RedisLock::Client.new(url).connect.lock("pair")
pairs = lambda do |times|
  times.times do
    lock.acquire
    lock.release
  end
end
pairs.call(100)
before = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
pairs.call(count)
puts (Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond) - before) / count

# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# A contender in Ruby, for the test of interoperation: contend.rb URL NAME ROUNDS
# What it says and reads is described in tests/integration/contend.c.

require "redislock"

url, name, rounds = ARGV

def now
  Process.clock_gettime(Process::CLOCK_BOOTTIME, :microsecond)
end

client = RedisLock::Client.new(url).connect
locks = [client.lock(name, wait: Float::INFINITY), client.spin_lock(name, wait: Float::INFINITY, interval: 0.005)]
puts "ready"
$stdout.flush
$stdin.gets
Integer(rounds).times do |round|
  locks[round % 2].synchronize do |lock|
    acquired = now
    sleep 0.001
    puts "#{acquired} #{now} #{lock.fence}"
  end
  # So that the queue runs dry now and then, and those have a chance that have no place in it.
  sleep now % 20 / 1000.0
end

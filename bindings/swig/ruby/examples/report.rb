# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# One report at a time, however many machines run this. The server is that of REDISLOCK_URL, or one at home.

require "redislock"

client = RedisLock::Client.new
begin
  client.lock("report", wait: 10, owner: "#{ENV['USER']}:#{Process.pid}") do |lock|
    # A database that remembers the highest fence can refuse a writer which was late.
    puts "report #{lock.fence} is written"
  end
rescue RedisLock::NotAcquiredError
  abort "somebody else writes it: #{client.status('report').owner}"
end

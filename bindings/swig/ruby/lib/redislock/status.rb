# frozen_string_literal: true

# SPDX-License-Identifier: MIT

module RedisLock
  # What was seen of a name at one moment; see Client#status.
  #
  # name::       the name
  # locked::     whether it was locked; also as locked?
  # token::      the holder's token; nil when it wasn't locked
  # owner::      the holder's label; nil when there was none, or the holder isn't a redislock
  # remaining::  how long the lock would have lasted without a renewal: seconds, Float::INFINITY without an end, 0.0 when
  #              it wasn't locked
  # waiters::    how many waited in the queue
  # fence::      the last fencing token that was issued for the name; 0 for none
  Status = Struct.new(:name, :locked, :token, :owner, :remaining, :waiters, :fence, keyword_init: true) do
    alias_method :locked?, :locked
  end

  class Status
    def self.of(name, info) # :nodoc:
      token, owner = Text.decode(Native.info_token(info)), Text.decode(Native.info_owner(info))
      remaining = Native.info_remaining_ms(info)
      new(name: name, locked: Native.info_locked(info) == 1, token: token.empty? ? nil : token,
          owner: owner.empty? ? nil : owner,
          remaining: remaining == Native::NO_EXPIRY ? Float::INFINITY : remaining / 1000.0,
          waiters: Native.info_waiters(info), fence: Native.info_fence(info)).freeze
    end
    private_class_method :new
  end
end

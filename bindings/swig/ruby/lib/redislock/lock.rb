# frozen_string_literal: true

# SPDX-License-Identifier: MIT

module RedisLock
  # A lock of one name, made by Client#lock or Client#spin_lock. An object holds its lock at most once; two objects of
  # one name exclude each other, also in one process. One thread at a time works with a lock; what it tells of itself
  # any thread may ask.
  #
  # A lock that is collected while it is held is released, and so are all when Ruby ends.
  class Lock
    # The client that made it.
    attr_reader :client

    # The name, as it was given.
    attr_reader :name

    # The label that tells people who holds it, or nil.
    attr_reader :owner

    def initialize(client, handle, kind, name, wait: nil, ttl: nil, renew: nil, owner: nil, token: nil,
                   interval: nil, growth: nil, max_interval: nil) # :nodoc:
      bytes = Options.name(name)
      @client = client
      @name = name.dup.freeze
      @owner = owner && owner.dup.freeze
      @wait_ms = Options.milliseconds("wait", wait, Options::WAIT) || 60_000
      @ttl_ms, @renew = terms(ttl, renew, 30_000, nil)
      status, @handle = Native.lock_new(handle, kind, bytes)
      check(status)
      set_identity(Options.bytes("owner", owner), Options.bytes("token", token))
      set_pauses(interval, growth, max_interval)
    end

    # Takes the lock, waiting as long as told. The options count for this call only; see Client#lock.
    #
    # A signal's handler, Ctrl-C, Thread#raise, Thread#kill and Timeout.timeout reach a thread that waits. If they raise
    # something the wait is given up; else it goes on, in its place in the queue.
    #
    # @return [self]
    # @raise [NotAcquiredError] the wait ended first
    # @raise [InUseError] it is held already
    # @raise [LostError] the last hold was lost and nobody was told yet; the lock is free again
    def acquire(wait: nil, ttl: nil, renew: nil)
      prepare(wait, ttl, renew)
      check(Native.lock_acquire(@handle))
      self
    end

    # Takes the lock if that can be done at once.
    #
    # @return [Boolean] whether it is held now
    def try_acquire(ttl: nil, renew: nil)
      prepare(0, ttl, renew)
      status = Native.lock_acquire(@handle)
      return false if status == Native::NOT_ACQUIRED

      check(status)
      true
    end

    # Takes the lock, runs the block with it, and releases it however the block ends. The release never hides an
    # exception of the block; after a good one it raises what went wrong, as a LostError if the lock was lost meanwhile.
    # A lock that the block released itself is fine.
    #
    # @return what the block returns
    def synchronize(wait: nil, ttl: nil, renew: nil)
      raise ArgumentError, "no block given" unless block_given?

      prepare(wait, ttl, renew)
      outcome = []
      value = nil
      begin
        status = Native.lock_hold(@handle, outcome) { value = yield self }
      rescue Exception
        outcome.clear
        raise
      ensure
        check_release(outcome)
      end
      check(status)
      value
    end

    # Hands the lock to the first waiter.
    #
    # @return [nil]
    # @raise [NotOwnedError] this object doesn't hold it
    # @raise [LostError] the hold had ended before
    # @raise [Error] it may stay locked until its TTL ends, and is renewed no more; releasing can be tried again
    def release
      check(Native.lock_release(@handle))
    end

    # Sets the lease to a TTL from now on; without one to that of the last acquire. A renewed lease goes on with it.
    # (Not named +extend+, which every object of Ruby has.)
    #
    # @param ttl [Numeric, nil] seconds from 0.001, or Float::INFINITY
    # @return [nil]
    # @raise [NotOwnedError] this object doesn't hold it
    # @raise [LostError] the hold had ended before
    def extend_lease(ttl = nil)
      ms = Options.milliseconds("ttl", ttl, Options::TTL) || @told_ttl_ms || @ttl_ms
      check(Native.lock_extend(@handle, ms))
    end

    # Whether it is held still, by this process's own clock; nothing is sent.
    def held?
      Native.lock_is_held(@handle) == 1
    end

    # How long it is sure to be held still, if nothing renews it: seconds, Float::INFINITY without an end, 0.0 when it
    # isn't held. Nothing is sent.
    def remaining
      ms = Native.lock_remaining_ms(@handle)
      ms == Native::NO_EXPIRY ? Float::INFINITY : ms / 1000.0
    end

    # The fencing token of the present or last hold: it rises with every grant of this name, so that a resource which
    # remembers the highest it has seen can refuse a late holder. 0 before the first hold.
    def fence
      Native.lock_fence(@handle)
    end

    # What tells this hold from others; nil before the first.
    def token
      status, token = Native.lock_token(@handle)
      status != Native::OK || token.empty? ? nil : Text.decode(token)
    end

    # The channel where releases are announced to others than redislock.
    def channel
      Text.decode(Native.lock_channel(@handle))
    end

    # How many wait before it in the queue, as last heard; nil when it doesn't wait there.
    def place
      place = Native.lock_place(@handle)
      place.negative? ? nil : place
    end

    def inspect
      "#<#{self.class} #{Text.show(@name)} #{held? ? 'held' : 'not held'}>"
    end
    alias to_s inspect

    private

    # TTL and renewal: a TTL of the caller's own isn't renewed unless that is asked for.
    def terms(ttl, renew, ttl_ms, renewal)
      ms = Options.milliseconds("ttl", ttl, Options::TTL)
      renewal = false if ms && renewal.nil?
      renew = Options.boolean("renew", renew)
      [ms || ttl_ms, renew.nil? ? renewal : renew]
    end

    def set_identity(owner, token)
      unless owner.nil?
        check(Native.lock_set_owner(@handle, owner), "owner: up to 255 bytes without control characters expected")
      end
      return if token.nil?

      check(Native.lock_set_token(@handle, token), "token: 1 to 128 printable ASCII characters without spaces expected")
    end

    def set_pauses(interval, growth, max_interval)
      interval = Options.milliseconds("interval", interval, Options::TIMEOUT)
      growth = Options.number("growth", growth, 1, 10)
      max_interval = Options.milliseconds("max_interval", max_interval, Options::TIMEOUT)
      raise ArgumentError, "growth and max_interval: both or none expected" if growth.nil? != max_interval.nil?

      check(Native.lock_set_spin_interval_ms(@handle, interval)) if interval
      check(Native.lock_set_spin_growth(@handle, (growth * 100).round, max_interval)) if growth
    end

    # Tells the library what it doesn't know yet.
    def prepare(wait, ttl, renew)
      wait_ms = Options.milliseconds("wait", wait, Options::WAIT) || @wait_ms
      ttl_ms, renewal = terms(ttl, renew, @ttl_ms, @renew)
      renewal = renewal != false
      if wait_ms != @told_wait_ms
        check(Native.lock_set_wait_ms(@handle, wait_ms))
        @told_wait_ms = wait_ms
      end
      return if ttl_ms == @told_ttl_ms && renewal == @told_renewal

      check(Native.lock_set_ttl_ms(@handle, ttl_ms))
      check(Native.lock_set_renewal(@handle, renewal ? 1 : 0))
      @told_ttl_ms = ttl_ms
      @told_renewal = renewal
    end

    def check(status, expected = nil)
      return if status == Native::OK
      raise ArgumentError, expected if expected && status == Native::INVALID_ARGUMENT

      Failure.raise_for(status, Text.show(@name)) { Native.lock_error(@handle).last }
    end

    # What the block released itself is released, and what was inherited by a fork is not this process's to release.
    def check_release(outcome)
      status = outcome.first
      check(status) unless status.nil? || status == Native::NOT_OWNED || status == Native::FORKED
    end
  end
end

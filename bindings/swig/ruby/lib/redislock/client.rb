# frozen_string_literal: true

# SPDX-License-Identifier: MIT

module RedisLock
  # A server with its connections, for any number of threads at once. It connects at its first use; its connections are
  # closed when it and all of its locks have been collected.
  #
  # After a fork the child makes a client of its own: with an inherited one every call raises a ForkedError, and what
  # the parent holds is left alone.
  class Client
    # @param url [String] <tt>redis://[user[:password]@]host[:port][/db]</tt>, the same with <tt>rediss://</tt> for TLS
    #   (whom to trust and who one is stand in it, too: <tt>?ca=FILE&cert=FILE&key=FILE</tt>),
    #   <tt>redis+cluster://host[:port],host[:port]...</tt> for a cluster, with Sentinel
    #   <tt>redis+sentinel://host[:port],host[:port].../service[/db]</tt>, or <tt>unix:///path[?db=N]</tt>; without one
    #   that of the environment variable REDISLOCK_URL, else DEFAULT_URL
    # @param connect_timeout [Numeric] how long connecting may take: seconds from 0.001 to 2147483; 5 by default
    # @param command_timeout [Numeric] how long the server may take for an answer; it bounds every call but a wait for
    #   a lock; 5 by default
    # @param name [String] of the connections, as in CLIENT LIST: up to 255 printable ASCII characters without spaces
    # @param user [String] in place of the URL's
    # @param password [String] in place of the URL's; no user without one
    # @raise [ArgumentError] the URL can't be read, or an option is out of range
    # @raise [UnsupportedError] for a URL of a scheme that this build lacks
    def initialize(url = nil, connect_timeout: nil, command_timeout: nil, name: nil, user: nil, password: nil)
      url = ENV["REDISLOCK_URL"].to_s if url.nil?
      url = DEFAULT_URL if url.respond_to?(:empty?) && url.empty?
      url = Options.text("url", url)
      status, @handle = Native.client_new(url)
      unless status == Native::OK
        text = Native.url_error(url).last
        raise ArgumentError, "url: #{text}" if status == Native::INVALID_ARGUMENT

        Failure.raise_for(status) { text }
      end
      # Whatever Ruby makes of a signal, the thread that waits has to come back for it.
      Native.client_set_interruptible(@handle, 1)
      set_timeouts(connect_timeout, command_timeout)
      name = Options.text("name", name)
      if name
        check(Native.client_set_name(@handle, name),
              "name: up to 255 printable ASCII characters without spaces expected")
      end
      set_credentials(user: user, password: password) if user || password
    end

    # A lock whose waiters queue, and are woken in order. With a block the lock is taken, the block run with it, and the
    # lock released, however the block ends: see Lock#synchronize. Without one nothing is sent.
    #
    # @param name [String] 1 to 32768 bytes of any kind, not beginning with "rlock-queue:" or "rlock-state:"
    # @param wait [Numeric] how long to wait: 0 tries once, Float::INFINITY waits for ever; 60 by default
    # @param ttl [Numeric] how long the lock outlives its holder's last sign of life: seconds from 0.001, 30 by default;
    #   with Float::INFINITY no crash will ever free it
    # @param renew [Boolean] whether the lease is kept alive until the release; so it is, unless a TTL is given
    # @param owner [String] a label that tells people who holds it: up to 255 bytes without control characters
    # @param token [String] 1 to 128 printable ASCII characters without spaces, instead of a new random one for each
    #   hold. Whoever sets one gives up the guarantee that a stale release never ends a later hold
    # @return [Lock] or, with a block, what that returns
    def lock(name, wait: nil, ttl: nil, renew: nil, owner: nil, token: nil, &block)
      lock = Lock.new(self, @handle, Native::KIND_PUBSUB, name, wait: wait, ttl: ttl, renew: renew, owner: owner,
                                                                token: token)
      block ? lock.synchronize(&block) : lock
    end

    # A lock whose waiters try again at an interval, and have no place in the queue. All is as for #lock, and further:
    #
    # @param interval [Numeric] the pause between two tries: seconds from 0.001; 0.1 by default
    # @param growth [Numeric] each pause is so many times the last one, 1 to 10 ...
    # @param max_interval [Numeric] ... up to so many seconds. Both or none
    # @return [Lock] or, with a block, what that returns
    def spin_lock(name, wait: nil, ttl: nil, renew: nil, owner: nil, token: nil, interval: nil, growth: nil,
                  max_interval: nil, &block)
      lock = Lock.new(self, @handle, Native::KIND_SPIN, name, wait: wait, ttl: ttl, renew: renew, owner: owner,
                                                              token: token, interval: interval, growth: growth,
                                                              max_interval: max_interval)
      block ? lock.synchronize(&block) : lock
    end

    # Connects now, if it isn't, so that a wrong address or password is known early.
    #
    # @return [self]
    def connect
      check(Native.client_connect(@handle))
      self
    end

    # Asks the server for a sign of life.
    #
    # @return [true]
    def ping
      check(Native.client_ping(@handle))
      true
    end

    # Who holds a name, without taking part.
    #
    # @return [Status]
    def status(name)
      bytes = Options.name(name)
      status, info = Native.info_get(@handle, bytes)
      check(status)
      Status.of(name.dup.freeze, info)
    end

    # The names that redislock has locked now: calls the block with each, or returns an Enumerator. What others have
    # locked has no state on the server and isn't found.
    #
    # @param pattern [String] as in a shell: *, ?, [a-z]; at most 4096 bytes
    def list(pattern = nil)
      text = Options.text("pattern", pattern)
      return enum_for(:list, pattern) unless block_given?

      status, list = Native.list_new(@handle, text)
      check(status, "pattern: up to 4096 bytes expected")
      loop do
        status, name = Native.list_next(list)
        return self if status == Native::NO_MORE

        check(status)
        yield Text.decode(name)
      end
    end

    # Releases a lock by force, whoever holds it, or only if that token does: an operator's tool. The holder learns it
    # at its next renewal; until then only the fence tells the two apart.
    #
    # @return [Boolean] false when there was nothing to release: not locked, or not by that token
    def force_release(name, token: nil)
      status = Native.client_break(@handle, Options.name(name), Options.bytes("token", token))
      return false if status == Native::NOT_LOCKED

      check(status, "token: 1 to 128 printable ASCII characters without spaces expected")
      true
    end

    # The credentials of the next connect, in place of those of the URL; none without arguments. Open connections stay
    # as they are.
    #
    # @return [self]
    def set_credentials(user: nil, password: nil)
      check(Native.client_set_credentials(@handle, Options.text("user", user), Options.text("password", password)),
            "user and password: up to 4096 bytes, and no user without a password, expected")
      self
    end

    # An IO for IO.select and the like: it becomes readable when a lease under renewal could not be kept. Reading 8
    # bytes from it re-arms it.
    #
    # @return [IO]
    def lost_io
      @lost_io ||= begin
        fd = Native.client_lost_fd(@handle)
        check(fd) if fd.negative?
        # One of its own, as the client closes the other when it is collected.
        IO.for_fd(fd, "rb", autoclose: false).dup
      end
    end

    def inspect
      "#<#{self.class}>"
    end
    alias to_s inspect

    private

    def set_timeouts(connect_timeout, command_timeout)
      connect = Options.milliseconds("connect_timeout", connect_timeout, Options::TIMEOUT)
      command = Options.milliseconds("command_timeout", command_timeout, Options::TIMEOUT)
      check(Native.client_set_connect_timeout_ms(@handle, connect)) if connect
      check(Native.client_set_command_timeout_ms(@handle, command)) if command
    end

    def check(status, expected = nil)
      return if status == Native::OK
      raise ArgumentError, expected if expected && status == Native::INVALID_ARGUMENT

      Failure.raise_for(status) { Native.client_error(@handle).last }
    end
  end
end

# frozen_string_literal: true

# SPDX-License-Identifier: MIT

require_relative "support"

class LockTest < TestCase
  def test_example_of_the_contract
    fence = nil
    result = client.lock("foo", wait: 10) do |lock|
      fence = lock.fence
      assert server.exists?("foo")
      assert lock.held?
      :result
    end
    assert_equal :result, result
    assert_kind_of Integer, fence
    refute server.exists?("foo")
  end

  def test_acquire_and_release
    lock = client.lock("foo")
    refute lock.held?
    assert_equal 0.0, lock.remaining
    assert_same lock, lock.acquire
    assert lock.held?
    assert_operator lock.remaining, :>, 0
    assert_operator lock.remaining, :<=, 30
    assert_equal server.command("GET", "foo"), lock.token
    assert_raises(RedisLock::InUseError) { lock.acquire }
    assert lock.held?
    assert_nil lock.release
    refute lock.held?
    assert_raises(RedisLock::NotOwnedError) { lock.release }
  end

  def test_wait_that_ends
    held = client.lock("foo").acquire
    lock = client.lock("foo", wait: 0.05)
    assert_says("\"foo\": ", RedisLock::NotAcquiredError) { lock.acquire }
    assert_raises(RedisLock::NotAcquiredError) { lock.acquire(wait: 0) }
    assert_raises(RedisLock::NotAcquiredError) { lock.synchronize { flunk "it is not held" } }
    assert_raises(RedisLock::NotAcquiredError) { client.lock("foo", wait: 0) { flunk "it is not held" } }
    assert_equal false, lock.try_acquire
    assert_equal 0, server.waiting("foo")
    held.release
    assert_equal true, lock.try_acquire
    lock.release
  end

  def test_lock_that_nobody_releases
    held = client.lock("foo", ttl: 0.2).acquire
    lock = client.lock("foo", wait: Float::INFINITY).acquire
    assert_operator lock.fence, :>, held.fence
    lock.release
  end

  def test_options_of_acquire_count_for_that_call_only
    lock = client.lock("foo", ttl: 100)
    lock.acquire(ttl: 5, wait: 0)
    assert_operator lock.remaining, :<=, 5
    lock.release
    lock.acquire
    assert_operator lock.remaining, :>, 90
    lock.release
    lock.acquire(ttl: Float::INFINITY)
    # It begins with a short lease, in case that nobody hears of it.
    eventually("the lock has no end") { lock.remaining == Float::INFINITY && server.command("PTTL", "foo") == -1 }
    lock.release
    # Options that couldn't be set, as the lock was held, are not taken for set later.
    lock.acquire(wait: 1)
    assert_raises(RedisLock::InUseError) { lock.acquire(wait: 0, ttl: 7) }
    lock.release
    lock.acquire(ttl: 7)
    assert_operator lock.remaining, :<=, 7
    lock.release
    lock.synchronize(ttl: 3) { assert_operator lock.remaining, :<=, 3 }
  end

  def test_what_is_renewed
    survives = lambda do |options, call = {}|
      lock = client.lock("foo", **options).acquire(**call)
      deadline = now + 0.5
      sleep 0.01 while now < deadline && lock.held?
      held = lock.held?
      held ? lock.release : server.command("DEL", "foo")
      held
    end
    refute survives.call({ ttl: 0.15 }), "a TTL alone"
    refute survives.call({}, { ttl: 0.15 }), "a TTL of the call's"
    assert survives.call({ ttl: 30, renew: false }), "a long TTL"
    # Renewal at a third of the TTL: a busy machine may miss one, so this asks for less than it could.
    assert (1..20).any? { survives.call({ ttl: 0.3, renew: true }) }, "a TTL that is to be renewed"
    assert (1..20).any? { survives.call({ renew: true }, { ttl: 0.3 }) }, "a TTL of the call's that is to be renewed"
  end

  def test_extend_lease
    lock = client.lock("foo", ttl: 20)
    assert_raises(RedisLock::NotOwnedError) { lock.extend_lease(5) }
    lock.acquire
    assert_nil lock.extend_lease(100)
    assert_operator lock.remaining, :>, 90
    assert_operator lock.remaining, :<=, 100
    lock.extend_lease(Rational(5, 2))
    assert_operator lock.remaining, :<=, 2.5
    lock.extend_lease
    assert_operator lock.remaining, :>, 10
    assert_operator lock.remaining, :<=, 20
    lock.extend_lease(Float::INFINITY)
    assert_equal Float::INFINITY, lock.remaining
    assert_equal(-1, server.command("PTTL", "foo"))
    lock.release
  end

  def test_fence_is_exact_to_its_last_digit
    client = client()
    lock = client.lock("foo")
    assert_equal 0, lock.fence
    server.command("SET", "rlock-state:{foo}:foo", "9007199254740988 x - ", "PX", "60000")
    [9_007_199_254_740_989, 9_007_199_254_740_990, 9_007_199_254_740_991].each do |fence|
      lock.acquire
      assert_equal fence, lock.fence
      assert_equal fence.to_s, server.command("GET", "rlock-state:{foo}:foo")[/\A\d+/]
      assert_equal fence, client.status("foo").fence
      lock.release
      assert_equal fence, lock.fence
    end
  end

  def test_owner_and_token_are_what_others_see
    client = client()
    lock = client.lock("foo", owner: "me, on ä machine", token: "of-my-own")
    assert_equal "of-my-own", lock.token
    assert_equal "me, on ä machine", lock.owner
    lock.synchronize do
      assert_equal "of-my-own", server.command("GET", "foo")
      assert_equal "me, on ä machine", client.status("foo").owner
    end
    random = client.lock("foo", owner: "")
    assert_nil random.token
    first = random.synchronize { random.token }
    assert_match(/\A\h{32}\z/, first)
    refute_equal first, random.synchronize { random.token }
  end

  def test_names_and_tokens_may_have_any_bytes_that_they_may_have
    client = client()
    every = (0..255).map(&:chr).join.b
    [every, "\0", "a\0b", "x" * 32_768, "{}", "a{b}c", "\r\n", "ä", "ä".encode("UTF-16LE")].each do |name|
      lock = client.lock(name)
      assert_equal name, lock.name
      assert_equal name.encoding, lock.name.encoding
      assert_equal "rlock-channel:".b + name.b, lock.channel.b
      lock.synchronize do
        assert_equal server.command("GET", name.b), lock.token
        assert_equal lock.token, client.status(name).token
        refute_match(/[\x00-\x1f]/, lock.inspect.b)
      end
    end
    token = (33..126).map(&:chr).join
    client.lock("foo", token: token) { assert_equal token, server.command("GET", "foo") }
    client.lock("foo", token: "x" * 128) { |lock| assert_equal 128, lock.token.size }
  end

  def test_spin_lock
    client = client()
    client.lock("foo") do
      tries = lambda do |**options|
        server.command("CONFIG", "RESETSTAT")
        assert_raises(RedisLock::NotAcquiredError) { client.spin_lock("foo", wait: 0.4, **options).acquire }
        server.command("INFO", "commandstats").scan(/cmdstat_evalsha?:calls=(\d+)/).flatten.sum(&:to_i)
      end
      often = tries.call(interval: 0.002)
      assert_operator often, :>, 2 * tries.call(interval: 0.2)
      assert_operator often, :>, tries.call(interval: 0.002, growth: 10, max_interval: 0.2)
      assert_equal 0, server.waiting("foo")
    end
    assert_equal 5, client.spin_lock("foo", interval: 0.01) { |lock| lock.held? && 5 }
  end

  def test_place_in_the_queue
    held = client.lock("foo").acquire
    lock = client.lock("foo")
    assert_nil lock.place
    waiter = thread { lock.synchronize { lock.place } }
    until_waiting("foo", 1)
    eventually("its place is known") { lock.place&.zero? }
    held.release
    assert_nil value_of(waiter)
  end

  def test_block_is_left_in_any_way_and_the_lock_released
    lock = client.lock("foo")
    assert_says("on purpose", RuntimeError) { lock.synchronize { raise "on purpose" } }
    refute server.exists?("foo")
    assert_equal(3, lock.synchronize { break 3 })
    refute server.exists?("foo")
    assert_equal(4, catch(:out) { lock.synchronize { throw :out, 4 } })
    refute server.exists?("foo")
    assert_equal 5, leave_by_return(lock)
    refute server.exists?("foo")
    assert_equal 6, lock.synchronize { next 6 }
    refute server.exists?("foo")
    # A release in the block is fine.
    assert_equal(7, lock.synchronize { lock.release || 7 })
    assert_raises(ArgumentError) { lock.synchronize }
  end

  def leave_by_return(lock)
    lock.synchronize { return 5 }
  end

  def test_release_never_hides_the_exception_of_the_block
    client = client()
    error = assert_raises(RuntimeError) do
      client.lock("foo") do
        client.force_release("foo")
        raise "on purpose"
      end
    end
    assert_equal "on purpose", error.message
    assert_nil error.cause
    # Also where another one is being handled around it.
    begin
      raise "outer"
    rescue RuntimeError => outer
      error = assert_raises(RuntimeError) do
        client.lock("foo") do
          client.force_release("foo")
          raise outer
        end
      end
      assert_same outer, error
      assert_raises(RedisLock::LostError) { client.lock("foo") { client.force_release("foo") } }
    end
  end

  def test_lock_that_was_lost
    client = client()
    lock = client.lock("foo", ttl: 0.1).acquire
    eventually("the lease ends") { !lock.held? && !server.exists?("foo") }
    assert_equal 0.0, lock.remaining
    error = assert_raises(RedisLock::LostError) { lock.release }
    assert_kind_of RedisLock::NotOwnedError, error
    error = assert_raises(RedisLock::NotOwnedError) { lock.release }
    refute_kind_of RedisLock::LostError, error
    lock = client.lock("foo").acquire
    server.command("DEL", "foo")
    assert_raises(RedisLock::LostError) { lock.extend_lease(10) }
    refute lock.held?
    # The end of a block tells it, however a good block ends.
    assert_raises(RedisLock::LostError) { client.lock("foo") { server.command("SET", "foo", "somebody-else") } }
    assert_equal "somebody-else", server.command("GET", "foo")
    server.command("DEL", "foo")
    assert_raises(RedisLock::LostError) { client.lock("foo") { break server.command("DEL", "foo") } }
  end

  def test_loss_can_be_waited_for
    client = client()
    io = client.lost_io
    assert_same io, client.lost_io
    assert_nil IO.select([io], nil, nil, 0)
    lock = client.lock("foo", ttl: 0.3, renew: true).acquire
    server.command("SET", "foo", "somebody-else")
    assert IO.select([io], nil, nil, PATIENCE)
    assert_equal 8, io.read_nonblock(8).bytesize
    assert_nil IO.select([io], nil, nil, 0)
    refute lock.held?
    server.command("DEL", "foo")
  end

  def test_collected_lock_is_released
    client = client()
    # In threads, as a thread's stack is gone with it.
    fence = thread { client.lock("foo").acquire.fence }.value
    assert_kind_of Integer, fence
    assert server.exists?("foo")
    collect_until_released("foo")
    # Also when its client goes first, or both at once.
    lock = thread { client().lock("foo").acquire }.value
    3.times { GC.start }
    assert lock.held?
    assert server.exists?("foo")
    lock = nil
    collect_until_released("foo")
    thread { client().lock("foo").acquire.fence }.value
    collect_until_released("foo")
  end

  def collect_until_released(name)
    eventually("#{name} is released") do
      GC.start
      !server.exists?(name)
    end
  end

  def test_objects_describe_themselves
    lock = client.lock("foo")
    assert_equal '#<RedisLock::Lock "foo" not held>', lock.inspect
    lock.synchronize { assert_equal '#<RedisLock::Lock "foo" held>', lock.to_s }
    assert_kind_of RedisLock::Client, lock.client
    assert_equal "#<RedisLock::Client>", lock.client.inspect
    assert_raises(TypeError) { Marshal.dump(lock) }
    assert_raises(NameError) { RedisLock::Native }
    # An object that never was initialized.
    assert_raises(TypeError, ArgumentError) { RedisLock::Lock.allocate.acquire }
    assert_raises(TypeError, ArgumentError) { RedisLock::Client.allocate.ping }
  end
end

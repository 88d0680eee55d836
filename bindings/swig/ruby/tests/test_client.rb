# frozen_string_literal: true

# SPDX-License-Identifier: MIT

require_relative "support"

class ClientTest < TestCase
  NAN = Float::NAN
  ENDLESS = Float::INFINITY

  def test_version_and_features
    assert_match(/\A\d+\.\d+\.\d+\z/, RedisLock::VERSION)
    assert_equal false, RedisLock.has?("no such thing")
    assert_includes [true, false], RedisLock.has?(:tls)
  end

  def test_url_of_the_environment_and_the_default
    assert client.ping
    ENV["REDISLOCK_URL"] = server.url
    assert RedisLock::Client.new.ping
    assert RedisLock::Client.new(name: "me").ping
    ENV["REDISLOCK_URL"] = "nonsense"
    assert_raises(ArgumentError) { RedisLock::Client.new }
    ENV["REDISLOCK_URL"] = ""
    assert RedisLock::Client.new
    ENV.delete("REDISLOCK_URL")
    assert RedisLock::Client.new
  ensure
    ENV.delete("REDISLOCK_URL")
  end

  def test_nothing_is_sent_until_it_is_asked_for
    client = client(name: "lazy")
    assert_equal 0, server.connections("name=lazy ")
    assert_same client, client.connect
    assert_operator server.connections("name=lazy "), :>, 0
    assert_same client, client.connect
  end

  def test_connections_end_with_the_client
    thread { client(name: "ending").connect && nil }.value
    eventually("the connections are closed") do
      GC.start
      server.connections("name=ending ").zero?
    end
  end

  def test_url_that_cannot_be_read
    ["redis:/", "redis://host:port", "redis://:secret@host:99999", "http://host"].each do |url|
      error = assert_raises(ArgumentError, RedisLock::UnsupportedError) { RedisLock::Client.new(url) }
      refute_includes error.message, "secret"
    end
    assert_says("url: ") { RedisLock::Client.new("redis://host:port") }
    assert_says("rediss", RedisLock::UnsupportedError) { RedisLock::Client.new("rediss://host") } unless RedisLock.has?(:tls)
    assert_says("url: a String without null bytes") { RedisLock::Client.new("redis://host\0") }
    assert_says("url: a String expected, got Integer", TypeError) { RedisLock::Client.new(1) }
    assert_says("url: a String expected, got Array", TypeError) { RedisLock::Client.new(["x"]) }
  end

  def test_options_of_a_client
    assert_says("timeout") { client(timeout: 1) }
    %i[connect_timeout command_timeout].each do |option|
      [0, -1, 2_147_484, ENDLESS, -ENDLESS, NAN, 1e300].each do |value|
        assert_says("#{option}: seconds from 0.001 to 2147483 expected, got #{value}") { client(option => value) }
      end
      ["1", true, [], Complex(1, 1)].each do |value|
        assert_says("#{option}: seconds expected, got #{value.class}", TypeError) { client(option => value) }
      end
    end
    assert_says("name: a String expected, got Symbol", TypeError) { client(name: :me) }
    ["a b", "x" * 256].each { |name| assert_says("name: up to 255") { client(name: name) } }
    assert_says("name: a String without null bytes") { client(name: "a\0b") }
    assert_says("user: a String expected", TypeError) { client(user: 1, password: "x") }
    assert_says("password: a String expected", TypeError) { client(password: 1) }
    assert_says("password: a String without null bytes") { client(password: "a\0b") }
    assert_says("user: a String without null bytes") { client(user: "a\0b", password: "x") }
    assert_says("user and password: up to 4096 bytes, and no user without") { client(user: "me") }
    assert_says("user and password: up to 4096") { client(password: "x" * 4097) }
    # What is nil isn't there.
    assert client(name: nil, connect_timeout: nil, command_timeout: nil, user: nil, password: nil).ping
  end

  def test_options_of_a_client_do_what_they_say
    client = client(name: "that-is-me").connect
    assert_operator server.connections("name=that-is-me "), :>, 0
    quick, fresh = client(command_timeout: 0.2), client(connect_timeout: 0.2, name: "me")
    quick.ping
    server.pause
    before = now
    assert_raises(RedisLock::TimeoutError) { quick.ping }
    assert_raises(RedisLock::ConnectionError) { fresh.ping }
    assert_operator now - before, :<, 4
    assert client
  ensure
    server.resume
  end

  def test_credentials
    server.command("CONFIG", "SET", "requirepass", "secret")
    server.password = "secret"
    assert_raises(RedisLock::AuthenticationError) { client.ping }
    client = client(password: "wrong")
    assert_raises(RedisLock::AuthenticationError) { client.ping }
    assert_raises(RedisLock::AuthenticationError) { client.lock("foo").acquire }
    assert client(password: "secret").ping
    assert client(user: "default", password: "secret").ping
    assert_same client, client.set_credentials(password: "secret")
    assert client.ping
    client.set_credentials(user: "default", password: "secret")
    client.set_credentials
    assert_says("no user without a password") { client.set_credentials(user: "me") }
    assert_says("user: a String without null bytes") { client.set_credentials(user: "\0", password: "x") }
  ensure
    server.command("CONFIG", "SET", "requirepass", "")
    server.password = nil
  end

  def refused_by(methods, part, kind = ArgumentError, **options)
    client = client()
    methods.each { |method| assert_says(part, kind) { client.public_send(method, "foo", **options) } }
  end

  def test_options_of_a_lock
    both = %i[lock spin_lock]
    refused_by(both, "waits", waits: 1)
    refused_by([:lock], "interval", interval: 1)
    [-1, -0.001, NAN, -ENDLESS, 9_007_199_254_741, 1e300].each do |value|
      refused_by(both, "wait: seconds from 0 to 9007199254740 or Float::INFINITY expected, got #{value}", wait: value)
    end
    [0, -1, NAN, -ENDLESS, 9_007_199_254_741].each do |value|
      refused_by(both, "ttl: seconds from 0.001 to 9007199254740 or Float::INFINITY expected, got #{value}", ttl: value)
    end
    ["1", {}, true, Complex(1, 1)].each do |value|
      refused_by(both, "wait: seconds expected, got #{value.class}", TypeError, wait: value)
      refused_by(both, "ttl: seconds expected, got #{value.class}", TypeError, ttl: value)
    end
    [1, "true", :yes].each { |value| refused_by(both, "renew: true or false expected", TypeError, renew: value) }
    refused_by(both, "owner: a String expected, got Integer", TypeError, owner: 1)
    ["x" * 256, "a\nb", "\0"].each { |value| refused_by(both, "owner: up to 255 bytes", owner: value) }
    refused_by(both, "token: a String expected", TypeError, token: [])
    ["", "a b", "\0", "\x7f", "ä", "x" * 129].each { |value| refused_by(both, "token: 1 to 128", token: value) }
    [0, -1, ENDLESS, 2_147_484].each do |value|
      refused_by([:spin_lock], "interval: seconds from 0.001 to 2147483 expected", interval: value)
      refused_by([:spin_lock], "max_interval: seconds from", growth: 2, max_interval: value)
    end
    [0.99, 10.1, NAN].each { |value| refused_by([:spin_lock], "growth: a number from 1 to 10 expected", growth: value) }
    refused_by([:spin_lock], "growth: a number expected, got String", TypeError, growth: "2")
    refused_by([:spin_lock], "growth and max_interval: both or none", growth: 2)
    refused_by([:spin_lock], "growth and max_interval: both or none", max_interval: 2)
  end

  def test_options_of_acquire
    lock = client.lock("foo")
    %i[acquire synchronize].each do |method|
      assert_says("owner") { lock.public_send(method, owner: "me") { flunk } }
      assert_says("wait: seconds") { lock.public_send(method, wait: -1) { flunk } }
      assert_says("ttl: seconds", TypeError) { lock.public_send(method, ttl: "1") { flunk } }
      assert_says("renew: true", TypeError) { lock.public_send(method, renew: 0) { flunk } }
    end
    assert_raises(ArgumentError) { lock.acquire(10) }
    assert_says("wait") { lock.try_acquire(wait: 1) }
    assert_says("ttl: seconds from 0.001 to 9007199254740 or Float::INFINITY expected") { lock.extend_lease(0) }
    assert_says("ttl: seconds expected", TypeError) { lock.extend_lease([]) }
  end

  def test_borders_are_fine
    client = client()
    [{ wait: 0 }, { wait: 9_007_199_254_740 }, { wait: ENDLESS }, { ttl: 0.001 }, { ttl: 9_007_199_254_740 },
     { ttl: ENDLESS }, { ttl: 0.0001 }, { ttl: Rational(1, 3) }, { owner: "x" * 255 }, { token: "x" * 128 },
     { wait: nil, ttl: nil, renew: nil, owner: nil, token: nil }].each do |options|
      assert client.lock("foo", **options)
    end
    assert client.spin_lock("foo", interval: 0.001, growth: 1, max_interval: 2_147_483)
  end

  def test_names
    client = client()
    %i[lock spin_lock status force_release].each do |method|
      ["", "x" * 32_769, "rlock-queue:{a}:a", "rlock-state:"].each do |name|
        assert_says("name: ") { client.public_send(method, name) }
      end
      [nil, :foo, 1, ["foo"]].each do |name|
        assert_says("name: a String expected, got ", TypeError) { client.public_send(method, name) }
      end
      assert_raises(ArgumentError) { client.public_send(method) }
    end
    # What is a string in all but its class.
    assert_equal "foo", client.status(Class.new { def to_str = "foo" }.new).name.to_str
  end

  def test_status
    client = client()
    status = client.status("foo")
    assert_equal ["foo", false, nil, nil, 0.0, 0, 0], status.to_a
    refute status.locked?
    lock = client.lock("foo", owner: "me", ttl: 50).acquire
    status = client.status("foo")
    assert status.locked?
    assert_equal [lock.token, "me", lock.fence], [status.token, status.owner, status.fence]
    assert_operator status.remaining, :>, 40
    assert_operator status.remaining, :<=, 50
    lock.extend_lease(ENDLESS)
    assert_equal ENDLESS, client.status("foo").remaining
    waiters = Array.new(3) { thread { client.lock("foo") { 1 } } }
    eventually("three wait") { client.status("foo").waiters == 3 }
    lock.release
    assert_equal [1, 1, 1], waiters.map { |waiter| value_of(waiter) }
    server.command("RPUSH", "typed", "1")
    assert_raises(RedisLock::WrongTypeError) { client.status("typed") }
    server.command("DEL", "typed")
  end

  def test_list
    client = client()
    assert_equal [], client.list.to_a
    names = ["a", "b1", "b2", "with space", "with\0zero", "ä"]
    held = names.map { |name| client.lock(name).acquire }
    client.lock("released") { nil }
    assert_equal names.sort, client.list.to_a.uniq.sort
    assert_equal %w[b1 b2], client.list("b*").to_a.uniq.sort
    assert_equal %w[b1], client.list("b[13]").to_a.uniq
    assert_equal [], client.list("nothing").to_a
    assert_kind_of Enumerator, client.list
    assert_includes names, client.list.next
    assert_equal "left", client.list { break "left" }
    assert_same client, client.list { nil }
    held.each(&:release)
    assert_says("pattern: a String without null bytes") { client.list("\0") }
    assert_says("pattern: up to 4096 bytes") { client.list("x" * 4097).to_a }
    assert_says("pattern: a String expected", TypeError) { client.list(1) }
  end

  def test_force_release
    client = client()
    lock = client.lock("foo")
    assert_equal false, client.force_release("foo")
    lock.acquire
    assert_equal false, client.force_release("foo", token: "another")
    assert_equal true, client.force_release("foo", token: lock.token)
    refute server.exists?("foo")
    assert_raises(RedisLock::LostError) { lock.release }
    lock.acquire
    assert_equal true, client.force_release("foo")
    assert_raises(RedisLock::LostError) { lock.release }
    ["", "a b"].each { |token| assert_says("token: 1 to 128") { client.force_release("foo", token: token) } }
    assert_says("token: a String", TypeError) { client.force_release("foo", token: 1) }
  end
end

# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# Every status of the header as an exception, or listed with the reason why no program can see it.

require_relative "support"

HEADER = ARGV.find { |argument| argument.end_with?(".h") } or abort "usage: test_failure.rb HEADER"
ARGV.delete(HEADER)

class FailureTest < TestCase
  # Their order counts: the last looks at what was seen.
  i_suck_and_my_tests_are_order_dependent!

  SEEN = {}
  NATIVE = RedisLock.send(:const_get, :Native)
  UNSEEN = {
    "OK" => "no failure",
    "NOT_LOCKED" => "false of force_release",
    "END" => "the end of a list",
    "INTERRUPTED" => "a wait that is interrupted goes on, or ends with what was raised",
    "INVALID_ARGUMENT" => "an ArgumentError that names the argument",
    "WRONG_MODE" => "clients are of the blocking form",
    "NO_MEMORY" => "tested where descriptors can be limited",
    "UNTRUSTED" => "it takes a server with TLS, as in tests/integration/test_tls.c",
    "INTERNAL" => "a bug of the library, or a kernel without random numbers"
  }.freeze

  def is(status, kind, &block)
    error = assert_raises(kind, &block)
    assert_instance_of kind, error
    assert_kind_of RedisLock::Error, error
    assert_operator error.message.size, :>, 10
    refute_match(/\b#{status}\b/, error.message, "a status is no text for people")
    assert_includes error.backtrace.join("\n"), __FILE__
    SEEN[status] = error.message
  end

  def client(**options)
    super(command_timeout: 1, connect_timeout: 1, **options)
  end

  def test_1_outcomes
    client = client()
    lock, other = client.lock("foo"), client.lock("foo")
    lock.acquire
    is("NOT_ACQUIRED", RedisLock::NotAcquiredError) { other.acquire(wait: 0) }
    is("IN_USE", RedisLock::InUseError) { lock.acquire }
    is("NOT_OWNED", RedisLock::NotOwnedError) { other.release }
    server.command("DEL", "foo")
    is("LOST", RedisLock::LostError) { lock.release }
    is("UNSUPPORTED", RedisLock::UnsupportedError) { RedisLock::Client.new("redis+nothing://host").ping }
    server.command("RPUSH", "foo", "1")
    is("WRONG_TYPE", RedisLock::WrongTypeError) { lock.acquire }
    server.command("DEL", "foo")
  end

  # Somebody else on the server's socket, who sends one text to each that comes, and closes.
  def stranger(text)
    listener = UNIXServer.new(server.path)
    answering = Thread.new do
      loop do
        guest = listener.accept
        guest.write(text)
        guest.close
      rescue SystemCallError
        nil
      end
    end
    yield
  ensure
    answering.kill.join
    listener.close
    File.unlink(server.path)
  end

  def test_2_server_that_is_away
    is("CONNECTION_REFUSED", RedisLock::CannotConnectError) { RedisLock::Client.new("unix:///nowhere/socket").ping }
    client = client()
    lock = client.lock("foo").acquire
    server.pause
    is("TIMEOUT", RedisLock::TimeoutError) { client.ping }
    server.resume
    eventually("the server answers") { client.ping }
    server.kill
    assert_kind_of RedisLock::ConnectionError, assert_raises(RedisLock::Error) { lock.extend_lease(10) }
    assert_kind_of RedisLock::ConnectionError, assert_raises(RedisLock::Error) { client.list.to_a }
    stranger("HTTP/1.1 400 Bad Request\r\n\r\n") { is("PROTOCOL", RedisLock::ProtocolError) { client().ping } }
    stranger("") { is("CONNECTION_LOST", RedisLock::ConnectionLostError) { client().lock("foo").acquire(wait: 0.3) } }
    # A block's own exception is kept where the release fails.
    server.start
    error = assert_raises(RuntimeError) do
      client.lock("bar") do
        server.kill
        raise "on purpose"
      end
    end
    assert_equal "on purpose", error.message
  ensure
    server.start
  end

  def test_3_server_that_refuses
    client = client()
    lock = client.lock("foo")
    server.command("CONFIG", "SET", "requirepass", "secret")
    server.password = "secret"
    is("AUTHENTICATION", RedisLock::AuthenticationError) { client().ping }
    server.command("CONFIG", "SET", "requirepass", "")
    server.password = nil
    client.ping
    server.command("ACL", "SETUSER", "default", "-evalsha", "-eval")
    is("PERMISSION", RedisLock::PermissionError) { lock.acquire }
    server.command("ACL", "SETUSER", "default", "+evalsha", "+eval")
    server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    is("NOT_ENOUGH_REPLICAS", RedisLock::NotEnoughReplicasError) { lock.acquire }
    server.command("CONFIG", "SET", "min-replicas-to-write", "0")
    server.command("REPLICAOF", "127.0.0.1", "1")
    is("READ_ONLY", RedisLock::ReadOnlyError) { lock.acquire(wait: 0) }
    server.command("REPLICAOF", "NO", "ONE")
    server.command("CONFIG", "SET", "maxmemory", "1")
    assert_includes is("SERVER", RedisLock::ServerError) { lock.acquire }, "OOM"
    # The text is that of the failure, and not of an earlier one.
    refute_includes assert_raises(RedisLock::NotOwnedError) { lock.release }.message, "OOM"
    server.command("CONFIG", "SET", "maxmemory", "0")
    lock.acquire
    refute_includes assert_raises(RedisLock::InUseError) { lock.acquire }.message, "OOM"
    lock.release
  ensure
    server.password = nil
  end

  def test_4_child_of_a_fork
    client = client()
    lock = client.lock("foo").acquire
    reader, writer = IO.pipe
    pid = fork do
      reader.close
      result = begin
        in_child(client, lock)
      rescue Exception => error # rubocop:disable Lint/RescueException
        error.full_message
      end
      writer.write(result)
      writer.close
      # As any child that comes to its end, but without this test's own.
      lock = client = nil
      GC.start
      exit! 0
    end
    writer.close
    assert_equal "good", reader.read
    Process.wait(pid)
    SEEN["FORKED"] = "in the child"
    assert lock.held?
    assert_equal server.command("GET", "foo"), lock.token
    lock.release
  end

  def in_child(client, lock)
    [-> { lock.release }, -> { lock.acquire }, -> { lock.extend_lease(5) }, -> { client.ping }, -> { client.list.to_a },
     -> { client.lock("bar") }, -> { client.status("foo") }, -> { lock.synchronize { 1 } }].each_with_index do |call, i|
      call.call
      return "call #{i} did not raise"
    rescue RedisLock::ForkedError
      nil
    end
    return "it is held" if lock.held? || lock.remaining != 0.0

    client().lock("other") { |own| own.held? or return "a client of its own doesn't work" }
    "good"
  end

  # A block that a fork leaves twice.
  def test_5_block_around_a_fork
    parent = Process.pid
    pid = nil
    lock = client.lock("foo")
    begin
      lock.synchronize do
        pid = fork
        if pid
          assert_equal 0, Process.wait2(pid).last.exitstatus
          assert_equal server.command("GET", "foo"), lock.token
        end
      end
    ensure
      exit! $! ? 1 : 0 if Process.pid != parent
    end
    refute lock.held?
  end

  def test_6_no_descriptors
    limit = Process.getrlimit(:NOFILE)
    open = Array.new(3) { File.open(File::NULL) }
    Process.setrlimit(:NOFILE, open.first.fileno, limit[1])
    error = assert_raises(RedisLock::ResourceError) { client() }
    assert_operator error.message.size, :>, 10
  ensure
    Process.setrlimit(:NOFILE, *limit)
    open.each(&:close)
  end

  def test_7_no_status_is_left_out
    names = File.read(HEADER).scan(/\n\tREDISLOCK_([A-Z_]+) = -?\d+,?\s+\/\*/).flatten
    names.reject! { |name| name.match?(/\A(KIND_|EVENT_|FOREVER|NO_EXPIRY)/) }
    assert_operator names.size, :>=, 24
    assert_equal names.sort, (SEEN.keys | UNSEEN.keys).sort
    assert_empty SEEN.keys & UNSEEN.keys
  end
end

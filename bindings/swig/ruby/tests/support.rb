# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# What the tests share: minitest, a server of their own, and patience.

begin
  require "minitest/autorun"
rescue LoadError
  puts "SKIP: no minitest for Ruby"
  exit! 77
end
require "redislock"
require "socket"
require "tmpdir"
require "timeout"
require "rbconfig"

PATIENCE = 60

def now
  Process.clock_gettime(Process::CLOCK_MONOTONIC)
end

# A server on a unix socket in a folder of its own, ended by its process id.
class Server
  attr_reader :url

  # Words in, an answer out; errors are raised as RuntimeError.
  class Connection
    def initialize(path)
      @socket = UNIXSocket.new(path)
    end

    def call(*words)
      @socket.write("*#{words.size}\r\n", *words.map { |word| "$#{word.to_s.bytesize}\r\n#{word}\r\n" })
      read
    end

    def close
      @socket.close
    end

    private

    def read
      line = @socket.gets("\r\n", chomp: true) or raise EOFError, "the server closed the connection"
      rest = line[1..]
      case line[0]
      when "+" then rest
      when "-" then raise rest
      when ":" then rest.to_i
      when "$" then rest == "-1" ? nil : @socket.read(rest.to_i + 2)[0...-2]
      when "*" then Array.new([rest.to_i, 0].max) { read }
      else raise "not RESP: #{line}"
      end
    end
  end

  def self.program
    ENV["REDIS_SERVER"] || %w[redis-server valkey-server].find do |name|
      ENV["PATH"].split(":").any? { |folder| File.executable?(File.join(folder, name)) }
    end
  end

  def initialize
    unless self.class.program
      puts "SKIP: neither redis-server nor valkey-server"
      exit! 77
    end
    @folder = Dir.mktmpdir("redislock-ruby-")
    @path = File.join(@folder, "socket")
    @url = "unix://#{@path}"
    @owner = Process.pid
    start
  end

  attr_reader :path
  attr_writer :password

  def start
    @pid = spawn(self.class.program, "--port", "0", "--unixsocket", @path, "--save", "", "--dir", @folder,
                 out: File::NULL, in: File::NULL)
    deadline = now + PATIENCE
    begin
      command("PING")
    rescue SystemCallError
      raise "the server doesn't start" if now > deadline || Process.wait(@pid, Process::WNOHANG)

      sleep 0.01
      retry
    end
  end

  def command(*words)
    connection = Connection.new(@path)
    connection.call("AUTH", @password) if @password
    connection.call(*words)
  ensure
    connection&.close
  end

  def kill
    Process.kill(:KILL, @pid)
    Process.wait(@pid)
    @pid = nil
    File.unlink(@path) if File.exist?(@path)
  end

  def pause
    Process.kill(:STOP, @pid)
  end

  def resume
    Process.kill(:CONT, @pid)
  end

  def stop
    return if @owner != Process.pid

    kill if @pid
    FileUtils.rm_rf(@folder)
  end

  def waiting(name)
    command("ZCARD", "rlock-queue:{#{name}}:#{name}")
  end

  def tickets(name)
    command("ZRANGE", "rlock-queue:{#{name}}:#{name}", "0", "-1")
  end

  def exists?(name)
    command("EXISTS", name) == 1
  end

  def connections(text)
    command("CLIENT", "LIST").lines.count { |line| line.include?(text) }
  end

  # What is there but states that expire, which remember fences.
  def leftovers
    command("KEYS", "*").reject { |key| key.start_with?("rlock-state:") && command("PTTL", key) != -1 }
  end
end

class TestCase < Minitest::Test
  # One for a file.
  def self.server
    @@server ||= Server.new.tap { |server| Minitest.after_run { server.stop } }
  end

  attr_reader :server

  def setup
    @server = TestCase.server
    @server.command("FLUSHALL")
  end

  # Nothing may stay behind: what is still held, or in the queue, is so by mistake, once garbage has been collected.
  def teardown
    return unless passed?

    instance_variables.each { |name| instance_variable_set(name, nil) if name.to_s.start_with?("@kept") }
    eventually("nothing is left on the server") do
      GC.start
      @server.leftovers.empty?
    end
  end

  def client(**options)
    RedisLock::Client.new(server.url, **options)
  end

  # Threads that are left to a test's end would hide why it failed.
  def thread(&block)
    Thread.new(&block).tap { |thread| thread.report_on_exception = false }
  end

  def eventually(what)
    deadline = now + PATIENCE
    until (result = yield)
      flunk "in vain waited until #{what}" if now > deadline
      sleep 0.002
    end
    result
  end

  def until_waiting(name, count)
    eventually("#{count} wait for #{name}") { server.waiting(name) == count }
  end

  def value_of(thread)
    thread.join(PATIENCE) or flunk "a thread doesn't end"
    thread.value
  end

  # The exception, whose message has such a part.
  def assert_says(part, kind = ArgumentError, &block)
    error = assert_raises(kind, &block)
    assert_includes error.message, part
    error
  end
end

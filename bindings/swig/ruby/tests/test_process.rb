# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# Programs in an interpreter of their own: Ctrl-C, and the end.

require_relative "support"

class ProcessTest < TestCase
  # Starts a program that gets the URL as its argument; gives its process and what it writes.
  def start(program)
    @output, writer = IO.pipe
    code = "require 'redislock'\n$stdout.sync = true\nclient = RedisLock::Client.new(ARGV[0])\n#{program}\nputs 'the end'"
    @pid = spawn(RbConfig.ruby, "-e", code, server.url, out: writer, err: writer, pgroup: true)
    writer.close
  end

  def finish
    text = Timeout.timeout(PATIENCE) { @output.read }
    [text, Process.wait2(@pid).last]
  end

  def interrupt
    Process.kill(:INT, @pid)
  end

  def test_interrupt_ends_a_wait_and_releases_what_is_held
    held = client.lock("foo").acquire
    start <<~RUBY
      bar = client.lock("bar").acquire
      client.lock("foo", wait: Float::INFINITY).acquire
    RUBY
    until_waiting("foo", 1)
    interrupt
    text, status = finish
    assert_includes text, "Interrupt"
    refute_includes text, "the end"
    assert_equal Signal.list["INT"], status.termsig
    assert_equal 0, server.waiting("foo")
    refute server.exists?("bar")
    held.release
  end

  def test_interrupt_may_be_rescued_and_the_lock_taken_later
    held = client.lock("foo").acquire
    start <<~RUBY
      lock = client.lock("foo")
      begin
        lock.acquire
      rescue Interrupt
        puts "rescued, " + lock.inspect
      end
      puts lock.acquire.inspect
      lock.release
    RUBY
    until_waiting("foo", 1)
    interrupt
    assert_equal "rescued, #<RedisLock::Lock \"foo\" not held>\n", @output.gets
    until_waiting("foo", 1)
    held.release
    text, status = finish
    assert_equal "#<RedisLock::Lock \"foo\" held>\nthe end\n", text
    assert status.success?
  end

  # The main thread is told, whichever waits.
  def test_interrupt_while_another_thread_waits
    held = client.lock("foo").acquire
    start <<~RUBY
      thread = Thread.new { client.lock("foo", wait: Float::INFINITY).acquire }
      begin
        thread.join
      rescue Interrupt
        puts "rescued"
      end
      exit
    RUBY
    until_waiting("foo", 1)
    interrupt
    text, status = finish
    assert_equal "rescued\n", text
    assert status.success?
    eventually("it has left the queue") { server.waiting("foo").zero? }
    held.release
  end

  def test_wait_that_was_stopped_goes_on_in_its_place
    held = client.lock("foo").acquire
    start "client.lock('foo') { |lock| puts lock.token }"
    until_waiting("foo", 1)
    ticket = server.tickets("foo")
    3.times do
      Process.kill(:STOP, @pid)
      assert Process.wait2(@pid, Process::WUNTRACED).last.stopped?
      Process.kill(:CONT, @pid)
    end
    assert_equal ticket, server.tickets("foo")
    held.release
    text, status = finish
    assert_equal "#{ticket.first[/\A\S+/]}\nthe end\n", text
    assert status.success?
  end

  def test_end_of_a_program_releases_what_is_held
    ["", "exit", "exit 3", "abort", "raise 'on purpose'", "Process.kill(:TERM, Process.pid); sleep",
     "Thread.new { client.lock('bar').acquire; Thread.main.raise('x') }; sleep", "client = nil; GC.start",
     "at_exit { puts lock.held? }"].each do |ending|
      start "lock = client.lock('foo').acquire\nputs 'held'\n#{ending}"
      text, = finish
      assert_includes text, "held", ending
      refute_includes text, "BUG", ending
      refute server.exists?("foo"), ending
      refute server.exists?("bar"), ending
    end
  end

  # What a fork inherits is neither released nor waited for by the child.
  def test_end_of_a_forked_child
    start <<~RUBY
      client.lock("foo") do |lock|
        fork { lock.inspect }
        Process.wait
        puts client.status("foo").token == lock.token && lock.held?
      end
    RUBY
    text, status = finish
    assert_equal "true\nthe end\n", text
    assert status.success?
  end

  def test_examples
    examples = Dir[File.join(__dir__, "../examples/*.rb")]
    assert_operator examples.size, :>=, 1
    examples.each do |example|
      text = IO.popen({ "REDISLOCK_URL" => server.url }, [RbConfig.ruby, "-w", example], err: %i[child out], &:read)
      assert $?.success?, text
      assert_match(/\Areport \d+ is written\n/, text)
    end
  end
end

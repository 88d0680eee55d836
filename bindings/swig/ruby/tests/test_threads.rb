# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# Threads: what others do while one waits, and what they do to it.

require_relative "support"

class ThreadTest < TestCase
  # How often another thread ran meanwhile.
  def beats_during
    beats = 0
    beating = thread { loop { beats += 1; sleep 0.001 } }
    before = beats
    yield
    beats - before
  ensure
    beating.kill
  end

  def test_other_threads_run_while_one_waits
    held = client.lock("foo").acquire
    lock = client.lock("foo", wait: 0.5)
    assert_operator beats_during { assert_raises(RedisLock::NotAcquiredError) { lock.acquire } }, :>, 5
    releasing = thread { held.release }
    client.lock("foo") { nil }
    value_of(releasing)
  end

  def test_other_threads_run_while_one_asks
    client = client(command_timeout: 0.3, connect_timeout: 0.3)
    client.lock("foo") { |lock| lock.extend_lease(20) }
    lock = client.lock("foo").acquire
    server.pause
    calls = [-> { client.ping }, -> { client.status("foo") }, -> { client.list.to_a }, -> { client.force_release("foo") },
             -> { lock.extend_lease(10) }, -> { lock.release },
             -> { client(connect_timeout: 0.3, name: "x").connect }]
    calls.each_with_index do |call, number|
      beats = beats_during { assert_raises(RedisLock::ConnectionError, "call #{number}") { call.call } }
      assert_operator beats, :>, 5, "call #{number}"
    end
  ensure
    server.resume
    server.command("DEL", "foo")
  end

  def test_two_threads_exclude_each_other
    client = client()
    inside = most = total = 0
    threads = Array.new(4) do |number|
      thread do
        lock = number.odd? ? client.lock("foo") : client().lock("foo")
        25.times do
          lock.synchronize do
            inside += 1
            most = [most, inside].max
            total += 1
            Thread.pass
            sleep 0.001
            inside -= 1
          end
        end
      end
    end
    threads.each { |thread| value_of(thread) }
    assert_equal 1, most
    assert_equal 100, total
  end

  def test_one_object_in_two_threads
    held = client.lock("foo").acquire
    lock = client.lock("foo")
    waiter = thread { lock.acquire }
    until_waiting("foo", 1)
    [-> { lock.acquire }, -> { lock.release }, -> { lock.extend_lease }].each do |call|
      assert_raises(RedisLock::InUseError) { call.call }
    end
    refute lock.held?
    held.release
    assert_same lock, value_of(waiter)
    lock.release
  end

  def test_thread_that_is_killed_leaves_the_queue
    held = client.lock("foo").acquire
    lock = client.lock("foo", wait: Float::INFINITY)
    %i[acquire synchronize].each do |method|
      waiter = thread { lock.public_send(method) { flunk } }
      until_waiting("foo", 1)
      waiter.kill
      waiter.join(PATIENCE) or flunk "it doesn't end"
      assert_equal 0, server.waiting("foo")
    end
    held.release
    lock.synchronize { assert lock.held? }
  end

  def test_what_is_raised_in_a_waiting_thread_ends_its_wait
    held = client.lock("foo").acquire
    lock = client.lock("foo", wait: Float::INFINITY)
    waiter = thread do
      lock.acquire
    rescue IOError => error
      [error.message, lock.held?]
    end
    until_waiting("foo", 1)
    waiter.raise(IOError, "on purpose")
    assert_equal ["on purpose", false], value_of(waiter)
    assert_equal 0, server.waiting("foo")
    held.release
  end

  def test_timeout_of_ruby_ends_a_wait
    held = client.lock("foo").acquire
    lock = client.lock("foo", wait: Float::INFINITY)
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { lock.acquire } }
    assert_equal 0, server.waiting("foo")
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { lock.synchronize { flunk } } }
    assert_equal 0, server.waiting("foo")
    spin = client.spin_lock("foo", interval: 1000, wait: Float::INFINITY)
    assert_raises(Timeout::Error) { Timeout.timeout(0.05) { spin.acquire } }
    held.release
  end

  # What comes when it likes must neither be overlooked nor leave anything behind.
  def test_exceptions_at_any_time
    client = client()
    lock = client.lock("foo")
    ended = 0
    200.times do |round|
      inside = false
      begin
        Timeout.timeout(0.0002 * (round % 20)) do
          lock.synchronize do
            inside = true
            sleep 0.001
          end
        end
      rescue Timeout::Error
        ended += 1
      end
      refute lock.held?, "round #{round}, inside: #{inside}"
      refute server.exists?("foo"), "round #{round}, inside: #{inside}"
    end
    assert_operator ended, :>, 0
    assert_equal 0, server.waiting("foo")
  end

  def test_interrupts_at_any_time_while_another_one_holds
    held = client.lock("foo").acquire
    lock = client.lock("foo", wait: Float::INFINITY)
    100.times do |round|
      waiter = thread { lock.acquire }
      sleep 0.0001 * (round % 10)
      waiter.kill
      waiter.join(PATIENCE) or flunk "round #{round}: it doesn't end"
      refute lock.held?
    end
    assert_equal 0, server.waiting("foo")
    held.release
  end

  # Put off until the block is left, as Ruby puts them off for its own Mutex.
  def test_interrupts_that_are_put_off
    held = client.lock("foo").acquire
    lock = client.lock("foo", wait: Float::INFINITY)
    waiter = thread do
      Thread.handle_interrupt(IOError => :never) do
        lock.acquire
        lock.release
        :acquired
      end
    rescue IOError
      :afterwards
    end
    until_waiting("foo", 1)
    ticket = server.tickets("foo")
    waiter.raise(IOError)
    sleep 0.05
    assert_equal ticket, server.tickets("foo")
    held.release
    assert_equal :afterwards, value_of(waiter)
  end

  def test_handler_of_a_signal_lets_the_wait_go_on_in_its_place
    held = client.lock("foo").acquire
    signals = 0
    before = trap("USR1") { signals += 1 }
    client = client()
    sender = thread do
      until_waiting("foo", 1)
      ticket = server.tickets("foo")
      10.times do |count|
        Process.kill("USR1", Process.pid)
        eventually("the handler ran") { signals > count }
        assert_equal ticket, server.tickets("foo")
      end
      held.release
      ticket
    end
    client.lock("foo") { |lock| assert_equal value_of(sender).first[/\A\S+/], lock.token }
    assert_operator signals, :>=, 10
  ensure
    trap("USR1", before)
  end

  def test_handler_of_a_signal_may_raise
    held = client.lock("foo").acquire
    before = trap("USR1") { raise IOError, "on purpose" }
    sender = thread do
      until_waiting("foo", 1)
      Process.kill("USR1", Process.pid)
    end
    assert_says("on purpose", IOError) { client.lock("foo", wait: Float::INFINITY) { flunk } }
    value_of(sender)
    assert_equal 0, server.waiting("foo")
    held.release
  ensure
    trap("USR1", before)
  end

  # Other threads go on while the collector waits for a server that doesn't answer.
  def test_collected_locks_do_not_stop_other_threads
    thread { client(command_timeout: 0.5).lock("foo").acquire.fence }.value
    server.pause
    # Garbage is found sooner or later; the collection that finds the lock takes long. (GC.start itself holds others up.)
    eventually("it is collected") do
      before = now
      beats = beats_during { Array.new(10_000) { Object.new } }
      next if now - before < 0.3

      assert_operator beats, :>, 5
    end
  ensure
    server.resume
    server.command("DEL", "foo")
  end

  def test_fork_while_another_thread_waits
    held = client.lock("foo").acquire
    lock = client.lock("foo")
    waiter = thread { lock.synchronize { lock.fence } }
    until_waiting("foo", 1)
    pid = fork do
      begin
        lock.acquire
      rescue RedisLock::ForkedError
        lock = nil
        GC.start
        exit! 0
      end
      exit! 1
    end
    assert_equal 0, Process.wait2(pid).last.exitstatus
    assert_equal 1, server.waiting("foo")
    held.release
    assert_operator value_of(waiter), :>, held.fence
  end
end

# SPDX-License-Identifier: MIT
"""redis-lock run: signals, to it and to the command."""

import os
import signal
import subprocess

import support
from terminal import COUNTER
from support import child_of, end, equal, eventually, finish, hold, is_alive, is_free, renewals, run, start, test, true


@test
def killed_by_a_signal_is_128_and_its_number():
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGUSR1):
        equal(run("run", "foo", "sh", "-c", "kill -%d $$" % number).returncode, 128 + number)
        true(is_free("foo"), "it is released when redis-lock ends")


@test
def command_has_the_signals_and_descriptors_that_redis_lock_was_given():
    show = ["sh", "-c", "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; ls /proc/self/fd"]
    plain = subprocess.run(show, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE).stdout
    process = start("run", "foo", *show)
    equal(finish(process)[1], plain)

    def odd():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

    plain = subprocess.run(show, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, preexec_fn=odd).stdout
    process = start("run", "foo", *show, preexec_fn=odd)
    status, out, _ = finish(process)
    equal((status, out), (0, plain))


@test
def signals_are_passed_on_to_the_command():
    own = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN,
           signal.SIGTTOU, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV)
    for number in sorted(signal.valid_signals().difference(own)):
        process = start("run", "foo", "sh", "-c",
                        "trap 'echo caught; exit 5' %d; echo ready; while :; do sleep 0.02; done" % number)
        equal(process.stdout.readline(), b"ready\n")
        process.send_signal(number)
        equal(finish(process)[:2], (5, b"caught\n"), number)
        true(is_free("foo"), "it is released")


@test
def signals_reach_the_whole_group():
    process = start("run", "foo", "sh", "-c", "sleep 1000 & echo $!; wait")
    grandchild = int(process.stdout.readline())
    process.terminate()
    equal(finish(process)[0], 128 + signal.SIGTERM)
    eventually(lambda: not is_alive(grandchild), "the grandchild is gone")


@test
def signal_that_the_command_ignores_changes_nothing():
    process = start("run", "foo", "sh", "-c", "trap '' TERM; echo ready; read line; exit 4", stdin=subprocess.PIPE)
    equal(process.stdout.readline(), b"ready\n")
    process.terminate()
    process.send_signal(signal.SIGTERM)
    true(not is_free("foo"), "it is held still")
    process.stdin.write(b"go\n")
    process.stdin.flush()
    equal(finish(process)[0], 4)


@test
def each_signal_comes_once():
    process = start("run", "foo", *COUNTER.split())
    process.stdout.readline()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        process.send_signal(number)
        equal(process.stdout.readline(), b"caught %s\n" % signal.Signals(number).name.encode())
    process.send_signal(signal.SIGUSR1)
    equal(finish(process)[:2], (6, b"counted SIGINT=1 SIGQUIT=1 SIGTERM=2 SIGHUP=1\n"))


@test
def killed_command_releases_the_lock():
    holder = hold("foo")
    waiter = start("run", "foo", "echo", "next")
    eventually(lambda: support.server.waiting("foo") == 1, "the waiter is in the queue")
    os.kill(child_of(holder.pid), signal.SIGKILL)
    equal(finish(holder)[0], 128 + signal.SIGKILL)
    equal(finish(waiter)[:2], (0, b"next\n"))


@test
def stopped_command_keeps_the_lock():
    holder = hold("foo", "--ttl", "3s")
    command = child_of(holder.pid)
    os.kill(command, signal.SIGSTOP)
    eventually(lambda: support.state_of(command) == "T", "the command is stopped")
    renewals("foo")
    holder.send_signal(signal.SIGCONT)
    eventually(lambda: support.state_of(command) == "S", "the command goes on")
    end(holder)


@test
def stop_signal_where_nobody_could_continue_it_changes_nothing():
    holder = hold("foo")
    command = child_of(holder.pid)
    # Its process group is orphaned and can't be stopped, so that it goes on at once.
    holder.send_signal(signal.SIGTSTP)
    holder.send_signal(signal.SIGCONT)
    eventually(lambda: support.state_of(command) == "S" and support.state_of(holder.pid) == "S", "both go on")
    equal(end(holder)[0], 128 + signal.SIGTERM)


@test
def signal_while_waiting_leaves_the_queue():
    holder = hold("foo")
    token = support.server.call("GET", "foo")
    for spin in ([], ["--spin=10s"]):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM):
            waiter = start("run", "--wait", "forever", "--verbose", *spin, "foo", "echo", "no")
            true(b"waiting for" in waiter.stderr.readline(), "it waits")
            equal(support.server.waiting("foo"), 0 if spin else 1)
            waiter.send_signal(number)
            equal(finish(waiter)[:2], (128 + number, b""), (number, spin))
            equal(support.server.waiting("foo"), 0)
    equal(support.server.call("GET", "foo"), token)
    end(holder)


@test
def signal_at_any_moment_ends_it_with_nothing_left():
    holder = hold("foo")
    for step in range(60):
        # Every other one just about to give up by itself.
        waiter = start("run", "--wait", "%dms" % step if step % 2 else "forever", "foo", "echo", "no")
        try:
            waiter.wait(timeout=step * 0.0005)
        except subprocess.TimeoutExpired:
            pass
        waiter.terminate()
        status, out, _ = finish(waiter)
        expected = (128 + signal.SIGTERM, -signal.SIGTERM) + ((75,) if step % 2 else ())
        true(status in expected and out == b"", "status %d" % status)
        equal(support.server.waiting("foo"), 0)
    end(holder)
    equal(run("run", "foo", "echo", "yes").stdout, b"yes\n")


@test
def signal_ends_a_wait_though_the_server_hangs():
    holder = hold("foo")
    waiter = start("run", "--wait", "forever", "--verbose", "foo", "echo", "no")
    true(b"waiting for" in waiter.stderr.readline(), "it waits")
    support.server.process.send_signal(signal.SIGSTOP)
    try:
        waiter.terminate()
        equal(finish(waiter)[:2], (128 + signal.SIGTERM, b""))
    finally:
        support.server.process.send_signal(signal.SIGCONT)
    end(holder)


@test
def second_signal_waits_for_nothing():
    holder = hold("foo")

    def ended_by_the_second():
        waiter = start("run", "--wait", "forever", "--verbose", "foo", "echo", "no")
        true(b"waiting for" in waiter.stderr.readline(), "it waits")
        support.server.process.send_signal(signal.SIGSTOP)
        try:
            waiter.send_signal(signal.SIGTERM)
            # As soon as it has taken the first one: then the handler is gone.
            eventually(lambda: waiter.poll() is not None or not catches(waiter.pid, signal.SIGINT), "it took the first")
            waiter.send_signal(signal.SIGINT)
            return waiter.wait(timeout=60) == -signal.SIGINT
        finally:
            support.server.process.send_signal(signal.SIGCONT)

    eventually(ended_by_the_second, "the second one came before it had taken its leave")
    end(holder)


def catches(pid, number):
    with open("/proc/%d/status" % pid) as file:
        caught = [line.split()[1] for line in file if line.startswith("SigCgt")]
    return bool(caught and int(caught[0], 16) & 1 << (number - 1))


@test
def what_was_ignored_at_the_start_does_not_end_a_wait():
    holder = hold("foo")
    waiter = start("run", "--verbose", "foo", "echo", "got it",
                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    true(b"waiting for" in waiter.stderr.readline(), "it waits")
    waiter.send_signal(signal.SIGHUP)
    equal(support.server.waiting("foo"), 1)
    end(holder)
    equal(finish(waiter)[:2], (0, b"got it\n"))

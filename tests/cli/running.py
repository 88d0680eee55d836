# SPDX-License-Identifier: MIT
"""redis-lock run: waiting, the command's surroundings, signals, and the end."""

import json
import os
import signal
import subprocess
import tempfile

import support
from support import child_of, end, environment, equal, eventually, finish, hold, is_alive, run, start, test, true


def is_free(name):
    return support.server.call("EXISTS", name) == 0


@test
def exit_status_is_the_commands():
    for status in (0, 1, 7, 64, 75, 255):
        equal(run("run", "foo", "sh", "-c", "exit %d" % status).returncode, status)
        true(is_free("foo"), "it is released when redis-lock ends")


@test
def killed_by_a_signal_is_128_and_its_number():
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGSEGV, signal.SIGUSR1):
        equal(run("run", "foo", "sh", "-c", "kill -%d $$" % number).returncode, 128 + number)
        true(is_free("foo"), "it is released when redis-lock ends")


@test
def commands_that_do_not_start_are_126_and_127():
    result = run("run", "foo", "no-such-command")
    equal(result.returncode, 127)
    true(b"'no-such-command'" in result.stderr, result.stderr)
    result = run("run", "foo", "/dev/null")
    equal(result.returncode, 126)
    true(is_free("foo"), "it is released")


@test
def command_gets_name_token_and_fence():
    result = run("run", "foo", "sh", "-c", 'echo "$REDISLOCK_NAME $REDISLOCK_TOKEN $REDISLOCK_FENCE"; exec "$0" status --json foo',
                 support.program)
    told, seen = result.stdout.split(b"\n", 1)
    seen = json.loads(seen)
    equal(told.decode().split(), ["foo", seen["token"], str(seen["fence"])])


@test
def input_output_and_arguments_pass_through():
    result = run("run", "foo", "sh", "-c", 'cat; echo "$@" >&2; echo out', "sh", "--wait", "a  b", "--", "-x", feed=b"some input\n")
    equal((result.stdout, result.stderr, result.returncode), (b"some input\nout\n", b"--wait a  b -- -x\n", 0))


@test
def two_dashes_are_allowed_before_and_after_the_name():
    for arguments in (["run", "foo", "--", "echo", "--", "x"], ["run", "--", "foo", "--", "echo", "--", "x"], ["run", "--", "foo", "echo", "--", "x"]):
        equal(run(*arguments).stdout, b"-- x\n", arguments)


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

    plain = subprocess.run(show, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=odd).stdout
    process = start("run", "foo", *show, preexec_fn=odd)
    status, out, _ = finish(process)
    equal((status, out), (0, plain))


@test
def try_does_not_wait():
    holder = hold("foo")
    result = run("run", "--try", "foo", "echo", "no")
    equal((result.returncode, result.stdout), (75, b""))
    true(b"was not acquired at once" in result.stderr, result.stderr)
    equal(run("run", "--quiet", "--try", "foo", "echo", "no").stderr, b"")
    equal(run("run", "--try", "--conflict-exit-code", "9", "foo", "echo", "no").returncode, 9)
    equal(run("run", "--wait", "50ms", "--conflict-exit-code", "0", "foo", "echo", "no").returncode, 0)
    end(holder)
    equal(run("run", "--try", "foo", "echo", "yes").stdout, b"yes\n")


@test
def waiting_ends_in_time_and_leaves_the_queue():
    holder = hold("foo")
    for spin in ([], ["--spin"], ["--spin=10ms"]):
        result = run("run", "--wait", "200ms", *spin, "foo", "echo", "no")
        equal((result.returncode, result.stdout), (75, b""), spin)
        equal(support.server.waiting("foo"), 0)
    end(holder)


@test
def waiters_take_turns_in_order():
    holder = hold("foo")
    waiters = []
    for number in range(4):
        waiters.append(start("run", "foo", "sh", "-c", "echo $REDISLOCK_FENCE"))
        eventually(lambda: support.server.waiting("foo") == number + 1, "the waiter is in the queue")
    end(holder)
    fences = [int(finish(waiter)[1]) for waiter in waiters]
    equal(fences, sorted(set(fences)))
    true(is_free("foo"), "it is free at last")


@test
def spinning_waiter_has_no_place_and_gets_it():
    holder = hold("foo")
    waiter = start("run", "--spin=20ms", "--verbose", "foo", "echo", "got it", env=environment(TERM="dumb"))
    true(b"waiting for 'foo'" in waiter.stderr.readline(), "it says that it waits")
    equal(support.server.waiting("foo"), 0)
    end(holder)
    equal(finish(waiter)[:2], (0, b"got it\n"))


@test
def owner_is_the_user_host_and_process_unless_given():
    holder = start("run", "foo", "sh", "-c", "echo held; exec sleep 1000", env=environment(LOGNAME="someone"))
    holder.stdout.readline()
    owner = json.loads(run("status", "foo", "--json").stdout)["owner"]
    equal(owner, "someone@%s:%d" % (os.uname().nodename, holder.pid))
    end(holder)
    result = run("run", "--owner", "J\u00fcrgen", "foo", support.program, "status", "--json", "foo")
    equal(json.loads(result.stdout)["owner"], "J\u00fcrgen")


def renewals(name):
    """Waits until the lease of a lock was renewed five times, by the same holder."""
    token = support.server.call("GET", name)
    left = []

    def enough():
        equal(support.server.call("GET", name), token, "the holder")
        left.append(support.server.call("PTTL", name))
        return sum(1 for before, after in zip(left, left[1:]) if after > before) >= 5

    eventually(enough, "the lease was renewed five times")
    return left


@test
def lease_is_renewed_while_the_command_runs():
    holder = hold("foo", "--ttl", "600ms")
    true(max(renewals("foo")) <= 600, "no lease is longer than the TTL")
    equal(end(holder)[0], 128 + signal.SIGTERM)
    true(is_free("foo"), "it is released")


@test
def ttl_none_has_no_expiry():
    holder = hold("foo", "--ttl", "none")
    eventually(lambda: support.server.call("PTTL", "foo") == -1, "the lock has no expiry")
    end(holder)
    true(is_free("foo"), "it is released")


@test
def verbose_tells_each_step():
    result = run("run", "--verbose", "foo", "sh", "-c", "exit 3")
    lines = result.stderr.splitlines()
    true(lines[0].startswith(b"redis-lock: got 'foo' after "), lines)
    equal(lines[1:], [b"redis-lock: the command ended with status 3", b"redis-lock: released 'foo'"])
    equal(run("run", "foo", "true").stderr, b"")


@test
def signals_are_passed_on_to_the_command():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM,
                   signal.SIGRTMIN):
        process = start("run", "foo", "sh", "-c", "trap 'echo caught; exit 5' %d; echo ready; while :; do sleep 0.02; done" % number)
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
def killed_command_releases_the_lock():
    holder = hold("foo")
    waiter = start("run", "foo", "echo", "next")
    eventually(lambda: support.server.waiting("foo") == 1, "the waiter is in the queue")
    os.kill(child_of(holder.pid), signal.SIGKILL)
    equal(finish(holder)[0], 128 + signal.SIGKILL)
    equal(finish(waiter)[:2], (0, b"next\n"))


@test
def stopped_command_keeps_the_lock():
    holder = hold("foo", "--ttl", "500ms")
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
def killed_redis_lock_ends_its_command():
    for mode in ("term", "kill"):
        holder = hold("foo", "--on-lost", mode, "--ttl", "300ms")
        command = child_of(holder.pid)
        holder.kill()
        eventually(lambda: not is_alive(command), "the command is gone")
        eventually(lambda: is_free("foo"), "the lease has run out")


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
    for step in range(40):
        waiter = start("run", "--wait", "forever", "foo", "echo", "no")
        try:
            waiter.wait(timeout=step * 0.0005)
        except subprocess.TimeoutExpired:
            pass
        waiter.terminate()
        status, out, _ = finish(waiter)
        true(status in (128 + signal.SIGTERM, -signal.SIGTERM) and out == b"", "status %d" % status)
        equal(support.server.waiting("foo"), 0)
    end(holder)
    equal(run("run", "foo", "echo", "yes").stdout, b"yes\n")


@test
def what_was_ignored_at_the_start_does_not_end_a_wait():
    holder = hold("foo")
    waiter = start("run", "--verbose", "foo", "echo", "got it", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    true(b"waiting for" in waiter.stderr.readline(), "it waits")
    waiter.send_signal(signal.SIGHUP)
    equal(support.server.waiting("foo"), 1)
    end(holder)
    equal(finish(waiter)[:2], (0, b"got it\n"))


@test
def lost_output_of_messages_does_not_end_the_command():
    with tempfile.TemporaryDirectory() as folder:
        done = os.path.join(folder, "done")
        reader, writer = os.pipe()
        os.close(reader)
        try:
            process = start("run", "--verbose", "foo", "sh", "-c", "exec 2>/dev/null; echo > " + done, stderr=writer)
        finally:
            os.close(writer)
        equal(finish(process)[0], 0)
        true(os.path.exists(done) and is_free("foo"), "the command ended, and it is released")


@test
def many_at_once_never_overlap():
    with tempfile.TemporaryDirectory() as folder:
        inside = os.path.join(folder, "inside")
        script = 'mkdir "$0" || exit 99; echo "$REDISLOCK_FENCE" >> "$0.fences"; rmdir "$0"'
        processes = [start("run", *(["--spin=5ms"] if number % 3 == 0 else []), "foo", "sh", "-c", script, inside) for number in range(24)]
        for process in processes:
            status, _, err = finish(process)
            equal((status, err), (0, b""))
        with open(inside + ".fences") as file:
            fences = [int(line) for line in file]
        equal(len(fences), 24)
        equal(fences, sorted(set(fences)))


# SPDX-License-Identifier: MIT
"""redis-lock run: what happens to the command when the lock is lost."""

import ctypes
import os
import signal
import time
from subprocess import PIPE

import support
from support import child_of, equal, eventually, finish, hold, is_alive, is_free, run, start, test, true

PR_SET_CHILD_SUBREAPER = 36

# A command whose grandchildren are told by a line each; the second one is nobody's to wait for.
FAMILY = "sleep 1000 & echo $!; (sleep 1000 & echo $!); wait"


def start_family(*options, script=FAMILY, **more):
    process = start("run", "--ttl", "3s", *options, "foo", "sh", "-c", script, **more)
    family = [int(process.stdout.readline()) for _ in range(2)]
    return process, [child_of(process.pid)] + family


def gone(family):
    return not any(is_alive(pid) for pid in family)


def lose():
    support.server.call("DEL", "foo")


@test
def lost_lock_ends_the_whole_process_group():
    for by in (lose, lambda: equal(run("break", "foo").returncode, 0),
               lambda: support.server.call("SET", "foo", "somebody else"),
               lambda: support.server.call("FLUSHALL")):
        process, family = start_family()
        by()
        status, _, err = finish(process)
        equal(status, 76)
        true(b"redis-lock: the lock 'foo' was lost; ending the command\n" in err, err)
        true(gone(family), "they are gone when redis-lock is")
        support.server.call("DEL", "foo")


@test
def lost_lock_leaves_that_of_the_next_holder_alone():
    process, _ = start_family()
    support.server.call("SET", "foo", "somebody else")
    equal(finish(process)[0], 76)
    equal(support.server.call("GET", "foo"), b"somebody else")


@test
def term_gives_time_to_tidy_up():
    script = "trap 'echo tidied; exit 0' TERM; echo 1; echo 1; while :; do sleep 0.02; done"
    process, _ = start_family(script=script)
    lose()
    equal(finish(process)[:2], (76, b"tidied\n"))


@test
def term_turns_to_kill_after_the_grace():
    # The command ends at once; one of its family doesn't want to.
    script = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.02; done' & sleep 1000 & echo $!; wait"
    process, family = start_family("--signal-grace", "700ms", script=script)
    began = time.monotonic()
    lose()
    equal(finish(process)[0], 76)
    true(time.monotonic() - began >= 0.7, "it had its time")
    eventually(lambda: gone(family), "all are gone")


@test
def grace_of_0_kills_at_once():
    script = "trap '' TERM; echo 1; echo 1; while :; do sleep 0.02; done"
    process, family = start_family("--signal-grace", "0", script=script)
    lose()
    equal(finish(process)[0], 76)
    eventually(lambda: gone(family[:1]), "it is gone")


@test
def kill_gives_no_time():
    script = "trap 'echo tidied; exit 0' TERM; sleep 1000 & echo $!; sleep 1000 & echo $!; while :; do sleep 0.02; done"
    process, family = start_family("--on-lost", "kill", script=script)
    lose()
    status, out, err = finish(process)
    equal((status, out), (76, b""))
    true(b"killing the command" in err, err)
    eventually(lambda: gone(family), "all are gone")


@test
def ignore_only_tells():
    process = start("run", "--ttl", "3s", "--on-lost", "ignore", "foo", "sh",
                    "-c", "echo held; read line; echo $line; exit 5", stdin=PIPE)
    equal(process.stdout.readline(), b"held\n")
    lose()
    equal(process.stderr.readline(), b"redis-lock: the lock 'foo' was lost; the command goes on without it\n")
    equal(finish(process, b"still here\n"), (76, b"still here\n", b""))


def full_pipe():
    """Both ends of a pipe that takes no more."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    return reader, writer


@test
def messages_that_nobody_reads_do_not_keep_the_lock():
    reader, writer = full_pipe()
    process = start("run", "--verbose", "foo", "sh", "-c", "echo begin; exec sleep 1000", stderr=writer)
    os.close(writer)
    equal(process.stdout.readline(), b"begin\n")
    os.kill(child_of(process.pid), signal.SIGTERM)
    eventually(is_free, "it is released")
    os.read(reader, 65536)
    equal(process.wait(timeout=60), 128 + signal.SIGTERM)
    os.close(reader)


@test
def loss_is_acted_on_though_nobody_reads_the_messages():
    for mode in ("term", "kill"):
        reader, writer = full_pipe()
        process, family = start_family("--on-lost", mode, stderr=writer)
        os.close(writer)
        lose()
        eventually(lambda: gone(family), "they are gone")
        equal(process.wait(timeout=60), 76)
        os.close(reader)


@test
def signals_are_passed_on_while_it_ends():
    script = "trap 'echo tidying' TERM; trap 'echo tidied; exit 0' USR1; echo 1; echo 1; while :; do sleep 0.02; done"
    process, _ = start_family("--signal-grace", "forever", script=script)
    lose()
    equal(process.stdout.readline(), b"tidying\n")
    process.send_signal(signal.SIGUSR1)
    equal(finish(process)[:2], (76, b"tidied\n"))


@test
def signals_are_passed_on_to_what_the_command_left_behind():
    stubborn = "trap \"\" TERM; trap \"exit 0\" USR1; echo $$; while :; do sleep 0.02; done"
    process, family = start_family("--signal-grace", "forever",
                                   script="sh -c '%s' & sleep 1000 & echo $!; wait" % stubborn)
    lose()
    eventually(lambda: sum(map(is_alive, family)) == 1, "only the stubborn one is left")
    process.send_signal(signal.SIGUSR1)
    equal(finish(process)[0], 76)
    true(gone(family), "it is gone, too")


@test
def stopped_command_is_ended_too():
    process, family = start_family()
    os.kill(family[0], signal.SIGSTOP)
    eventually(lambda: support.state_of(family[0]) == "T", "it is stopped")
    lose()
    equal(finish(process)[0], 76)
    true(gone(family), "they are gone")


@test
def holder_that_stood_still_beyond_its_ttl_has_lost():
    holder = hold("foo", "--ttl", "3s")
    command = child_of(holder.pid)
    os.kill(holder.pid, signal.SIGSTOP)
    eventually(is_free, "the lease has run out")
    next_one = hold("foo", "--ttl", "30s")
    token = support.server.call("GET", "foo")
    os.kill(holder.pid, signal.SIGCONT)
    equal(finish(holder)[0], 76)
    true(not is_alive(command), "its command is gone")
    equal(support.server.call("GET", "foo"), token)
    next_one.terminate()
    equal(finish(next_one)[0], 128 + signal.SIGTERM)


@test
def what_the_command_left_behind_is_reaped_where_redis_lock_is_its_parent():
    # As in a container whose first process redis-lock is.
    adopt = ctypes.CDLL(None).prctl
    process, family = start_family("--signal-grace", "forever", preexec_fn=lambda: adopt(PR_SET_CHILD_SUBREAPER, 1))
    os.kill(family[2], signal.SIGKILL)
    eventually(lambda: support.state_of(family[2]) == "", "the orphan is reaped")
    lose()
    equal(finish(process)[0], 76)


@test
def killed_redis_lock_ends_the_whole_process_group():
    for mode in ("term", "kill"):
        process, family = start_family("--on-lost", mode)
        process.kill()
        eventually(lambda: gone(family), "they are gone")
        equal(finish(process)[0], -signal.SIGKILL)
        eventually(is_free, "the lease has run out")


@test
def killed_redis_lock_gives_the_same_grace():
    stubborn = "sh -c 'trap \"echo told\" TERM; echo $$; while :; do sleep 0.02; done'"
    process, family = start_family("--signal-grace", "5s", script=stubborn + " & sleep 1000 & echo $!; wait")
    began = time.monotonic()
    process.kill()
    equal(process.stdout.readline(), b"told\n")
    eventually(lambda: gone(family), "they are gone")
    true(time.monotonic() - began >= 5, "they had their time")
    equal(finish(process)[1], b"")


@test
def killed_redis_lock_leaves_the_command_alone_if_so_wanted():
    process = start("run", "--ttl", "3s", "--on-lost", "ignore", "foo", "sh",
                    "-c", "echo held; read line; echo $line", stdin=PIPE)
    process.stdout.readline()
    process.kill()
    process.wait()
    eventually(is_free, "the lease has run out")
    equal(finish(process, b"still here\n")[1], b"still here\n")


@test
def server_that_stays_away_loses_the_lock():
    process, family = start_family()
    support.server.stop()
    try:
        equal(finish(process)[0], 76)
        true(gone(family), "they are gone")
    finally:
        support.server.start()


@test
def lock_lost_as_the_command_ends_is_76():
    # The TTL is too long for redis-lock to have noticed before it wants to release.
    holder = start("run", "--ttl", "1h", "foo", "sh", "-c", "echo held; read line", stdin=PIPE)
    holder.stdout.readline()
    lose()
    status, _, err = finish(holder, b"go\n")
    equal(status, 76)
    true(b"lost before the command ended" in err, err)


@test
def unreachable_server_at_the_release_is_told():
    holder = start("run", "--ttl", "1h", "foo", "sh", "-c", "echo held; read line; exit 3", stdin=PIPE)
    holder.stdout.readline()
    support.server.stop()
    try:
        status, _, err = finish(holder, b"go\n")
        equal(status, 3)
        true(b"was not released" in err, err)
    finally:
        support.server.start()

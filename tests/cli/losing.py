# SPDX-License-Identifier: MIT
"""redis-lock run: what happens to the command when the lock is lost."""

import os
import signal
import time

import support
from support import child_of, equal, eventually, finish, hold, is_alive, run, start, test, true

# A command whose grandchildren are told by a line each; the second one is nobody's to wait for.
FAMILY = "sleep 1000 & echo $!; (sleep 1000 & echo $!); wait"


def start_family(*options, script=FAMILY):
    process = start("run", "--ttl", "600ms", *options, "foo", "sh", "-c", script)
    family = [int(process.stdout.readline()) for _ in range(2)]
    return process, [child_of(process.pid)] + family


def gone(family):
    return not any(is_alive(pid) for pid in family)


def lose():
    support.server.call("DEL", "foo")


@test
def lost_lock_ends_the_whole_process_group():
    for by in (lose, lambda: equal(run("break", "foo").returncode, 0), lambda: support.server.call("SET", "foo", "somebody else"),
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
    script = "echo 1; echo 1; read line; echo $line"
    process = start("run", "--ttl", "600ms", "--on-lost", "ignore", "foo", "sh", "-c", script, stdin=-1)
    process.stdout.readline()
    lose()
    line = process.stderr.readline()
    true(b"was lost; the command goes on" in line, line)
    status, out, _ = process.returncode, *process.communicate(b"still here\n", timeout=60)
    equal((process.returncode, out), (76, b"1\nstill here\n"), status)


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
    holder = hold("foo", "--ttl", "300ms")
    command = child_of(holder.pid)
    os.kill(holder.pid, signal.SIGSTOP)
    eventually(lambda: support.server.call("EXISTS", "foo") == 0, "the lease has run out")
    next_one = hold("foo", "--ttl", "30s")
    token = support.server.call("GET", "foo")
    os.kill(holder.pid, signal.SIGCONT)
    equal(finish(holder)[0], 76)
    true(not is_alive(command), "its command is gone")
    equal(support.server.call("GET", "foo"), token)
    next_one.terminate()
    equal(finish(next_one)[0], 128 + signal.SIGTERM)


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
    holder = start("run", "--ttl", "1h", "foo", "sh", "-c", "echo held; read line", stdin=-1)
    holder.stdout.readline()
    lose()
    _, err = holder.communicate(b"go\n", timeout=60)
    equal(holder.returncode, 76)
    true(b"lost before the command ended" in err, err)


@test
def unreachable_server_at_the_release_is_told():
    holder = start("run", "--ttl", "1h", "foo", "sh", "-c", "echo held; read line; exit 3", stdin=-1)
    holder.stdout.readline()
    support.server.stop()
    try:
        _, err = holder.communicate(b"go\n", timeout=60)
        equal(holder.returncode, 3)
        true(b"was not released" in err, err)
    finally:
        support.server.start()

# SPDX-License-Identifier: MIT
"""redis-lock run on a terminal, as long as it waits."""

import signal

import support
from support import end, equal, eventually, hold, start, test, true
from terminal import READY, ready, script, shell, states, waiting_in_terminal


@test
def waiting_shows_holder_lease_and_place():
    holder = hold("foo", "--owner", "somebody special")
    other = start("run", "foo", "sleep", "1000")
    eventually(lambda: support.server.waiting("foo") == 1, "the first one waits")
    with waiting_in_terminal() as terminal:
        terminal.expect(
            rb"\r\x1b\[K.*'foo' is held by somebody special, place 2 of 2, lease \d+ s, waiting for \d+ m?s")
        terminal.expect(rb"\r\x1b\[K.*waiting for \d+ s")
        end(holder)
        terminal.expect(rb"held by [^ ]+@[^ ]+:%d, place 1 of 1" % other.pid)
        equal(end(other)[0], 128 + signal.SIGTERM)
        terminal.expect(rb"\r\x1b\[Kgot it\r\n")
        equal(terminal.finish(), 0)


@test
def waiting_keeps_its_place_while_it_is_shown():
    holder = hold("foo")
    with waiting_in_terminal() as terminal:
        terminal.expect(rb"place 1 of 1")
        tickets = support.server.call("ZRANGE", "rlock-queue:{foo}:foo", 0, -1, "WITHSCORES")
        for _ in range(3):
            terminal.expect(rb"place 1 of 1")
        equal(support.server.call("ZRANGE", "rlock-queue:{foo}:foo", 0, -1, "WITHSCORES"), tickets)
        end(holder)
        equal(terminal.finish(), 0)


@test
def nothing_is_shown_where_it_is_not_wanted():
    holder = hold("foo")
    with waiting_in_terminal("--quiet", "--wait", "1500ms") as terminal:
        equal((terminal.finish(), terminal.output), (75, b""))
    with waiting_in_terminal("--wait", "1500ms", TERM="dumb") as terminal:
        equal((terminal.finish(), terminal.output), (75, b"redis-lock: 'foo' was not acquired in time\r\n"))
    with script('"$R" run --wait 1500ms foo true 2>/dev/null') as terminal:
        equal((terminal.finish(), terminal.output), (75, b""))
    end(holder)


@test
def owner_cannot_write_to_the_terminal():
    support.server.call("SET", "foo", b"\x1b]0;evil\x07\xc2\x9b31m")
    with waiting_in_terminal() as terminal:
        terminal.expect(rb"held by token \\x1b\]0;evil\\x07\\xc2\\x9b31m")
        support.server.call("DEL", "foo")
        equal(terminal.finish(), 0)


@test
def ctrl_c_while_waiting_leaves_the_queue():
    holder = hold("foo")
    with waiting_in_terminal() as terminal:
        terminal.expect(rb"place 1 of 1")
        terminal.send(b"\x03")
        # To a shell that is 128 + 2; that it died of the signal ends loops and scripts.
        equal(terminal.finish(), -signal.SIGINT)
        true(b"got it" not in terminal.output, "the command didn't run")
    equal(support.server.waiting("foo"), 0)
    end(holder)


@test
def background_waiter_leaves_the_terminal_alone_until_fg():
    holder = hold("foo")
    with shell() as terminal:
        terminal.send(b"\"$R\" run foo sh -c '" + READY.encode() + b"read line; echo \"got-$line\"' &\n")
        eventually(lambda: support.server.waiting("foo") == 1, "it waits")
        before = support.server.scripts_run()
        eventually(lambda: support.server.scripts_run() >= before + 5, "it looked at the holder several times")
        terminal.send(b"echo sh''own\n")
        terminal.expect(b"shown\r\n")
        true(b"is held by" not in terminal.output, terminal.output)
        terminal.send(b"fg\n")
        terminal.expect(b"is held by")
        end(holder)
        command, redis_lock = ready(terminal)
        eventually(lambda: states(command, redis_lock) == "SS", "it reads")
        terminal.send(b"a line\n")
        terminal.expect(b"got-a line\r\n")


@test
def ctrl_c_at_any_moment_of_waiting_ends_it():
    holder = hold("foo")
    for moment in range(12):
        with script('echo begin; "$R" run foo echo "got it"; echo after') as terminal:
            terminal.expect(b"begin")
            if moment % 2:
                terminal.expect(rb"place 1 of 1")
            elif moment % 4:
                eventually(lambda: support.server.waiting("foo") == 1, "it waits")
            terminal.send(b"\x03")
            equal(terminal.finish(), -signal.SIGINT)
            true(b"got it" not in terminal.output and b"after" not in terminal.output, terminal.output)
        equal(support.server.waiting("foo"), 0)
    end(holder)

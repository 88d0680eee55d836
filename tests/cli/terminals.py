# SPDX-License-Identifier: MIT
"""redis-lock run on a terminal: the waiting display, Ctrl-C, Ctrl-Z, fg and bg."""

import fcntl
import os
import pty
import re
import select
import signal
import termios
import time

import support
from support import end, environment, equal, eventually, hold, is_alive, start, state_of, test, true


class Terminal:
    """A program that leads the session of a terminal of its own."""

    def __init__(self, *arguments, **more):
        self.output = b""
        self.searched = 0
        self.status = None
        self.fd, inner = pty.openpty()
        settings = environment(**{"TERM": "xterm", "PS1": "$ ", "R": support.program.decode(), **more})
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
                for fd in range(3):
                    os.dup2(inner, fd)
                os.closerange(3, 64)
                os.execvpe(arguments[0], arguments, settings)
            finally:
                os._exit(126)
        os.close(inner)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.fd is not None:
            self.close()
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)

    def close(self):
        os.close(self.fd)
        self.fd = None

    def read(self, patience):
        """Takes in what comes; False at the end of all output."""
        if not select.select([self.fd], [], [], patience)[0]:
            return True
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            return False
        self.output += more
        return bool(more)

    def expect(self, pattern):
        """Waits for output that wasn't matched yet."""
        deadline = time.monotonic() + support.PATIENCE
        while True:
            found = re.compile(pattern).search(self.output, self.searched)
            if found:
                self.searched = found.end()
                return found
            going_on = self.read(0.05)
            if not re.compile(pattern).search(self.output, self.searched):
                true(going_on and time.monotonic() < deadline, "in vain waited for %r in %r" % (pattern, self.output))

    def send(self, text):
        os.write(self.fd, text)

    def finish(self):
        """Reads to the end; the exit status, or minus the signal."""
        deadline = time.monotonic() + support.PATIENCE

        def ended():
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            return pid

        while self.status is None:
            true(time.monotonic() < deadline, "in vain waited for the end: %r" % self.output)
            self.read(0.05)
            ended()
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass
        return self.status


def waiting_in_terminal(*options, **more):
    return Terminal(support.program, "run", *options, "foo", "echo", "got it", **more)


def script(text):
    """A shell that isn't interactive: all that it starts stays in its process group."""
    return Terminal("bash", "-c", text)


def shell():
    return Terminal("bash", "--norc", "--noprofile", "-i", HISTFILE="")


# What a shell echoes as it is typed must not look like what the command prints: hence the quotes in the middle.
READY = "echo re''ady $$ $PPID; "


def ready(terminal):
    """The process ids of the command and of redis-lock."""
    found = terminal.expect(rb"ready (\d+) (\d+)\r\n")
    return int(found[1]), int(found[2])


def is_free():
    return support.server.call("EXISTS", "foo") == 0


@test
def waiting_shows_holder_lease_and_place():
    holder = hold("foo", "--owner", "somebody special")
    other = start("run", "foo", "sleep", "1000")
    eventually(lambda: support.server.waiting("foo") == 1, "the first one waits")
    with waiting_in_terminal() as terminal:
        terminal.expect(rb"\r\x1b\[K.*'foo' is held by somebody special, place 2 of 2, lease \d+ s, waiting for \d+ ms")
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
def ctrl_c_reaches_the_command_once():
    text = "trap 'echo in''terrupted' INT; trap 'exit 6' QUIT; " + READY + "while :; do sleep 0.02; done"
    for terminal in (Terminal(support.program, "run", "foo", "sh", "-c", text), script('"$R" run foo sh -c "%s"' % text.replace("$", "\\$")),
                     script('"$R" run foo sh -c "%s" | cat' % text.replace("$", "\\$"))):
        with terminal:
            ready(terminal)
            terminal.send(b"\x03")
            terminal.expect(b"interrupted\r\n")
            if b"cat" not in b"".join(open("/proc/%d/cmdline" % terminal.pid, "rb").read().split(b"\0")):
                terminal.send(b"\x1c")
                equal(terminal.finish(), 6)
                equal(terminal.output.count(b"interrupted"), 1)
        eventually(is_free, "it is released")


@test
def ctrl_c_ends_command_and_script():
    for text in ('"$R" run foo sh -c "%s exec sleep 1000"; echo after', '"$R" run foo sh -c "%s exec sleep 1000" | cat; echo after',
                 'for i in 1 2 3; do "$R" run foo sh -c "%s exec sleep 1000" </dev/null; done; echo after'):
        with script(text % READY.replace("$", "\\$")) as terminal:
            command, _ = ready(terminal)
            terminal.send(b"\x03")
            equal(terminal.finish(), -signal.SIGINT)
            true(b"after" not in terminal.output, terminal.output)
            true(not is_alive(command), "the command ended")
        eventually(is_free, "it is released")


@test
def command_reads_the_terminal_and_gives_it_back():
    with script('"$R" run foo sh -c \'read line; echo "got-$line"\'; read line; echo "shell-$line"') as terminal:
        terminal.send(b"one\n")
        terminal.expect(b"got-one\r\n")
        terminal.send(b"two\n")
        terminal.expect(b"shell-two\r\n")
        equal(terminal.finish(), 0)


@test
def command_in_a_pipeline_gets_the_terminal_when_it_asks():
    with script('"$R" run foo sh -c \'read line </dev/tty; echo "got-$line"\' | cat; read line; echo "shell-$line"') as terminal:
        terminal.send(b"one\n")
        terminal.expect(b"got-one\r\n")
        terminal.send(b"two\n")
        terminal.expect(b"shell-two\r\n")
        equal(terminal.finish(), 0)


@test
def ctrl_z_stops_all_and_fg_continues():
    with shell() as terminal:
        terminal.send(b"\"$R\" run foo sh -c '" + READY.encode() + b"read line; echo \"got-$line\"'\n")
        command, redis_lock = ready(terminal)
        for _ in range(2):
            terminal.send(b"\x1a")
            terminal.expect(b"Stopped")
            equal((state_of(command), state_of(redis_lock)), ("T", "T"))
            terminal.send(b"fg\n")
            eventually(lambda: state_of(command) == "S" and state_of(redis_lock) == "S", "both go on")
        terminal.send(b"some line\n")
        terminal.expect(b"got-some line\r\n")
        terminal.send(b"echo status=$?\n")
        terminal.expect(b"status=0\r\n")
        true(is_free(), "it is released")
        terminal.send(b"exit\n")
        equal(terminal.finish(), 0)


@test
def lock_lost_while_stopped_ends_the_command_before_it_goes_on():
    with shell() as terminal:
        terminal.send(b"\"$R\" run --ttl 300ms foo sh -c '" + READY.encode() + b"read line; echo \"got-$line\"'\n")
        command, _ = ready(terminal)
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        terminal.send(b"some line\n")
        eventually(is_free, "the lease has run out")
        equal(state_of(command), "T")
        terminal.send(b"fg\n")
        terminal.expect(b"the lock 'foo' was lost")
        terminal.send(b"echo status=$?\n")
        terminal.expect(b"status=76\r\n")
        true(b"got-" not in terminal.output.replace(b'got-$line', b""), terminal.output)


@test
def bg_goes_on_and_reading_stops_it_until_fg():
    with shell() as terminal:
        terminal.send(b"\"$R\" run foo sh -c '" + READY.encode() + b"read line; echo \"got-$line\"' &\n")
        command, redis_lock = ready(terminal)
        eventually(lambda: (state_of(command), state_of(redis_lock)) == ("T", "T"), "both are stopped")
        terminal.send(b"fg\n")
        eventually(lambda: state_of(command) == "S", "the command goes on")
        terminal.send(b"one\n")
        terminal.expect(b"got-one\r\n")
        terminal.send(b"\"$R\" run foo sh -c '" + READY.encode() + b"while [ -d /proc/$PPID ]; do sleep 0.02; done'\n")
        command, redis_lock = ready(terminal)
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        terminal.send(b"bg\n")
        eventually(lambda: state_of(command) in "SR" and state_of(redis_lock) == "S", "both go on")
        terminal.send(b"kill %1; wait %1; echo status=$?\n")
        terminal.expect(b"status=143\r\n")
        true(is_free(), "it is released")


@test
def shell_in_the_command_has_job_control_of_its_own():
    with shell() as terminal:
        terminal.send(b"PS1='outer> '; \"$R\" run foo env PS1='inner> ' bash --norc --noprofile -i\n")
        terminal.expect(b"inner> ")
        terminal.send(b"sleep 1000\n")
        time.sleep(0)
        terminal.expect(b"sleep 1000")
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        terminal.send(b"kill %1; exit 5\n")
        terminal.expect(b"outer> ")
        terminal.send(b"echo status=$?\n")
        terminal.expect(b"status=5\r\n")


@test
def closed_terminal_ends_the_command():
    with Terminal(support.program, "run", "foo", "sh", "-c", READY + "exec sleep 1000") as terminal:
        command, redis_lock = ready(terminal)
        equal(redis_lock, terminal.pid)
        terminal.close()
        eventually(lambda: not is_alive(command) and not is_alive(redis_lock), "both are gone")
        true(is_free(), "it is released")

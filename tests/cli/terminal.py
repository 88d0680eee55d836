# SPDX-License-Identifier: MIT
"""Terminals of the tests' own, and who is in front of them."""

import fcntl
import os
import pty
import re
import select
import signal
import sys
import termios
import time

import support
from support import end_session, environment, eventually, state_of, true


class Terminal:
    """A program that leads the session of a terminal of its own."""

    def __init__(self, *arguments, **more):
        self.output = b""
        self.searched = 0
        self.status = None
        self.fd, inner = pty.openpty()
        settings = environment(TERM="xterm", PS1="$ ", R=support.program.decode(), PYTHON=sys.executable)
        settings.update(more)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(inner, termios.TIOCSCTTY, 0)
                for fd in range(3):
                    os.dup2(inner, fd)
                for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
                    signal.signal(number, signal.SIG_DFL)
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
        end_session(self.pid)
        if self.status is None:
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

    def foreground(self):
        """The process group in the foreground."""
        return os.tcgetpgrp(self.fd)

    def runs(self, name):
        """Whether a program is in the foreground, and not the shell that is about to become it."""
        try:
            with open("/proc/%d/comm" % self.foreground()) as file:
                return file.read().strip() == name
        except OSError:
            return False

    def send(self, text):
        os.write(self.fd, text)

    def ended(self):
        """Takes in what comes; whether the program ended."""
        self.read(0.02)
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def finish(self):
        """Reads to the end; the exit status, or minus the signal."""
        deadline = time.monotonic() + support.PATIENCE
        while not self.ended():
            true(time.monotonic() < deadline, "in vain waited for the end: %r" % self.output)
        while select.select([self.fd], [], [], 0)[0] and self.read(0):
            pass
        return self.status


def waiting_in_terminal(*options, **more):
    return Terminal(support.program, "run", *options, "foo", "echo", "got it", **more)


def script(text, shell="bash", **more):
    """A shell that isn't interactive: all that it starts stays in its process group."""
    return Terminal(shell, "-c", text, **more)


def shell(**more):
    return Terminal("bash", "--norc", "--noprofile", "-i", HISTFILE="", **more)


# What a shell echoes as it is typed must not look like what the command prints: hence the quotes in the middle.
READY = "echo re''ady $$ $PPID; "

# A command that tells which signals it got. For use within a double-quoted shell script as well.
COUNTER = "%s %s/counter" % (sys.executable, os.path.dirname(os.path.abspath(__file__)))


def ready(terminal):
    """The process ids of the command and of redis-lock."""
    found = terminal.expect(rb"ready (\d+) (\d+)\r\n")
    return int(found[1]), int(found[2])


def states(*pids):
    return "".join(state_of(pid) for pid in pids)


def until_jobs_say(terminal, pattern):
    """Waits until an interactive shell knows it of a job."""

    def asked():
        before = terminal.searched
        terminal.send(b"jobs; echo sh''own\n")
        after = terminal.expect(b"shown\r\n").start()
        return re.search(pattern, terminal.output[before:after])

    eventually(asked, "the shell's jobs say %r" % pattern)

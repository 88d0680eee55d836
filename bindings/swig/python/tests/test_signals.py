# SPDX-License-Identifier: MIT
"""Signals while one waits: Ctrl-C is answered at once, and other handlers don't cost the place in the queue."""

import os
import signal

import support

import redislock

BEGIN = """
import math, os, signal, sys, threading, time
import redislock
signal.signal(signal.SIGINT, signal.default_int_handler)
client = redislock.Client(sys.argv[1])
def say(*words):
    print(*words, flush=True)
"""

CTRL_C = BEGIN + """
lock = client.lock("foo", blocking_timeout=math.inf)
for _ in range(int(sys.argv[2])):
    say("waiting")
    try:
        lock.acquire()
        say("acquired")
    except KeyboardInterrupt:
        say("interrupted", lock.held, lock.place, client.status("foo").waiters)
"""

# Threads that any signal may come to: some work, some take turns on the same client, so that one of them does the
# polling for the main thread, too.
CROWD = BEGIN + """
going = True
def work():
    while going:
        sum(range(1000))
        time.sleep(0)
def take_turns():
    mine = client.lock("busy", blocking_timeout=math.inf)
    while going:
        with mine:
            pass
def wait():
    client.lock("foo", blocking_timeout=math.inf).acquire()
for target in [work] * 2 + [take_turns] * 3 + [wait]:
    threading.Thread(target=target, daemon=True).start()
while client.status("foo").waiters != 1:
    pass
lock = client.lock("foo", blocking_timeout=math.inf)
for _ in range(int(sys.argv[2])):
    say("waiting")
    try:
        lock.acquire()
        say("acquired")
    except KeyboardInterrupt:
        say("interrupted", lock.held, lock.place, client.status("foo").waiters)
going = False
say("done")
os._exit(0)
"""

HANDLED = BEGIN + """
count = 0
def handler(number, frame):
    global count
    count += 1
    say("handled", lock.place, client.status("foo").waiters)
    if count == 3:
        raise ZeroDivisionError("enough")
signal.signal(signal.SIGUSR1, handler)
lock = client.lock("foo", blocking_timeout=math.inf)
say("waiting")
try:
    with lock:
        say("acquired")
except ZeroDivisionError:
    say("raised", lock.held)
say("again", lock.acquire())
"""

# Uncontended, so that signals come at every moment of an acquire.
STORM = BEGIN + """
lock = client.lock("foo")
armed = False
raised = done = 0
def handler(number, frame):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
while raised < int(sys.argv[2]):
    acquired = False
    try:
        armed = True
        acquired = lock.acquire()
        armed = False
    except KeyboardInterrupt:
        armed = False
        raised += 1
    done += 1
    if lock.held != acquired:
        say("held" if lock.held else "not held")
    if lock.held:
        lock.release()
signal.setitimer(signal.ITIMER_REAL, 0)
say("done", raised, done)
"""

WAKE_UP = BEGIN + """
import socket
mine, theirs = socket.socketpair()
for end in (mine, theirs):
    end.setblocking(False)
signal.set_wakeup_fd(theirs.fileno())
signal.signal(signal.SIGUSR1, lambda *_: None)
def later():
    say("waiting")
    while client.status("foo").waiters != 1:
        pass
    os.kill(os.getpid(), signal.SIGUSR1)
    mine.setblocking(True)
    say("got", list(mine.recv(1)))
thread = threading.Thread(target=later)
thread.start()
assert client.lock("foo", blocking_timeout=math.inf).acquire()
thread.join()
assert signal.set_wakeup_fd(-1) == theirs.fileno()
say("kept")
"""


FORKED = BEGIN + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
assert client.lock("bar").acquire()
child = os.fork()
if child == 0:
    own = redislock.Client(sys.argv[1])
    say("waiting", os.getpid())
    try:
        own.lock("foo", blocking_timeout=math.inf).acquire()
    except KeyboardInterrupt:
        say("interrupted")
    os._exit(0)
os.waitpid(child, 0)
"""


class Signals(support.Case):
    def setUp(self):
        super().setUp()
        self.client = redislock.Client(self.server.url)
        self.lock = self.client.lock("foo")
        self.lock.acquire()

    def tearDown(self):
        self.client.close()
        super().tearDown()

    def says(self, process, line):
        said = process.stdout.readline()
        if said != line + "\n":
            process.kill()
            self.fail(f"{said!r} instead of {line!r}; {process.stderr.read()}")

    def waits(self, number):
        support.until(lambda: self.server.waiters("foo") == number, f"{number} wait")

    def test_ctrl_c(self):
        with support.program(CTRL_C, self.server.url, "5") as process:
            for _ in range(5):
                self.says(process, "waiting")
                self.waits(1)
                process.send_signal(signal.SIGINT)
                self.says(process, "interrupted False None 0")

    def test_ctrl_c_at_once(self):
        """Also where the wait hasn't begun, or isn't in the queue yet."""
        with support.program(CTRL_C, self.server.url, "50") as process:
            for _ in range(50):
                self.says(process, "waiting")
                process.send_signal(signal.SIGINT)
                said = process.stdout.readline()
                if said != "interrupted False None 0\n":
                    # It came between the two statements.
                    self.assertEqual(said, "", process.stderr.read)
                    self.assertIn("KeyboardInterrupt", process.stderr.read())
                    break

    def test_ctrl_c_in_a_crowd(self):
        rounds = 30
        with support.program(CROWD, self.server.url, str(rounds)) as process:
            for _ in range(rounds):
                self.says(process, "waiting")
                self.waits(2)
                process.send_signal(signal.SIGINT)
                self.says(process, "interrupted False None 1")
            self.says(process, "done")
        self.server("DEL", "busy")
        self.lock.release()
        self.server("FLUSHALL")

    def test_handlers(self):
        with support.program(HANDLED, self.server.url) as process:
            self.says(process, "waiting")
            self.waits(1)
            behind = redislock.Client(self.server.url)
            for _ in range(2):
                process.send_signal(signal.SIGUSR1)
                self.says(process, "handled 0 1")
            process.send_signal(signal.SIGUSR1)
            self.says(process, "handled 0 1")
            self.says(process, "raised False")
            support.until(lambda: self.server.waiters("foo") == 1, "it waits again")
            self.lock.release()
            self.says(process, "again True")
            process.wait(support.PATIENCE)
            behind.close()

    def test_storm(self):
        self.lock.release()
        with support.program(STORM, self.server.url, "300") as process:
            said = process.stdout.read().split("\n")
            self.assertRegex(said[-2] if len(said) > 1 else process.stderr.read(), "^done 300 ")
            self.assertEqual(said[0], said[-2])

    def test_wake_up_descriptor(self):
        """It belongs to others, such as an event loop, and gets what is theirs."""
        with support.program(WAKE_UP, self.server.url) as process:
            self.says(process, "waiting")
            self.says(process, f"got [{int(signal.SIGUSR1)}]")
            self.lock.release()
            self.says(process, "kept")

    def test_forked(self):
        """In a child, whose main thread has waited before it was forked."""
        with support.program(FORKED, self.server.url) as process:
            word, child = process.stdout.readline().split()
            self.assertEqual(word, "waiting")
            self.waits(1)
            os.kill(int(child), signal.SIGINT)
            self.says(process, "interrupted")
            process.wait(support.PATIENCE)

    def test_other_thread_waits(self):
        """The main thread's own calls are interrupted while another one waits for the lock."""
        code = BEGIN + """
threading.Thread(target=client.lock("foo", blocking_timeout=math.inf).acquire, daemon=True).start()
try:
    say("waiting")
    time.sleep(600)
except KeyboardInterrupt:
    say("interrupted")
os._exit(0)
"""
        with support.program(code, self.server.url) as process:
            self.says(process, "waiting")
            self.waits(1)
            process.send_signal(signal.SIGINT)
            self.says(process, "interrupted")
        self.lock.release()
        self.server("FLUSHALL")


if __name__ == "__main__":
    support.main()

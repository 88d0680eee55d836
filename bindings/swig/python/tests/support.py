# SPDX-License-Identifier: MIT
"""What the tests share: a real server of their own, a look into it, and programs that run beside."""

import contextlib
import ctypes
import faulthandler
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
# What hangs says where, before ctest ends it.
faulthandler.dump_traceback_later(800, exit=True)

PATIENCE = 60


def die_with_parent():
    """Also where the tests are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Server:
    """A server on a unix socket in a folder of its own, ended by its process id."""

    def __init__(self, *arguments, port=0):
        program = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
        if not program:
            print("SKIP: neither redis-server nor valkey-server")
            sys.exit(77)
        self.folder = tempfile.mkdtemp(prefix="redislock-python.")
        self.socket = os.path.join(self.folder, "socket")
        self.url = "unix://" + self.socket
        self.command = [program, "--port", str(port), "--unixsocket", self.socket, "--save", "", "--dir", self.folder,
                        "--maxclients", "4000", *arguments]
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)
        until(lambda: os.path.exists(self.socket) or self.process.poll() is not None, "the server starts")
        until(self.answers, "the server answers")

    def answers(self):
        assert self.process.poll() is None, open(os.path.join(self.folder, "log")).read()
        try:
            return self("PING") is not None
        except OSError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder)

    def __call__(self, *words):
        """One command, on a connection of its own."""
        with Connection(self.socket) as connection:
            return connection(*words)

    def waiters(self, name):
        return self("ZCARD", f"rlock-queue:{{{name}}}:{name}")

    def clean(self):
        """Nothing is locked, and nobody waits."""
        return not [key for key in self("KEYS", "*") if not key.startswith(b"rlock-state:")]


class ServerSays(Exception):
    """An error of the server."""


class Connection:
    """The protocol of Redis, as far as the tests need it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.settimeout(PATIENCE)
            self.socket.connect(path)
            self.file = self.socket.makefile("rb")
        except BaseException:
            self.socket.close()
            raise

    def __call__(self, *words):
        data = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(data) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in data))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server ended the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ServerSays(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.answer() for _ in range(int(rest))]
        return rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


def until(condition, what):
    """Waits until it is true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"it didn't come that {what}"
        time.sleep(0.002)


class Case(unittest.TestCase):
    """Tests with a server. Each begins with an empty one, and leaves nothing locked."""

    arguments = ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.arguments)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def setUp(self):
        self.server("FLUSHALL")

    def tearDown(self):
        gc.collect()
        until(self.server.clean, f"nothing is left, but there is {self.server('KEYS', '*')}")


@contextlib.contextmanager
def program(code, *arguments, **options):
    """A Python program beside, which is ended if it hasn't by itself."""
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent, **options)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def main():
    unittest.main(module="__main__", verbosity=2)

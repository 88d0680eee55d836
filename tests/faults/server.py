# SPDX-License-Identifier: MIT
"""A real server of the campaign's own, and a connection to it."""
import functools
import os
import shutil
import signal
import socket
import subprocess
import time

PATIENCE = 30


class Refused(Exception):
    """The server's answer is an error."""


class Connection:
    def __init__(self, path, timeout=5.0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]))

    def receive(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise Refused(rest.decode(errors="replace"))
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.receive() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def __call__(self, *words):
        self.send(*words)
        return self.receive()

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what):
    """Servers that are on their way may refuse or not answer meanwhile; and it takes them minutes to agree on anything where
    the whole machine stood still."""
    until = time.monotonic() + 10 * PATIENCE
    while True:
        try:
            if condition():
                return
        except (OSError, Refused):
            pass
        if time.monotonic() > until:
            raise RuntimeError(f"not in time: {what}")
        time.sleep(0.02)


def program():
    found = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
    if not found:
        print("SKIP: neither redis-server nor valkey-server")
        raise SystemExit(77)
    return found


@functools.cache
def debugging():
    """What DEBUG needs; Redis 6.2 has it anyway, and takes no unknown words."""
    version = subprocess.run([program(), "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return [] if " v=6." in version else ["--enable-debug-command", "yes"]


class Server:
    def __init__(self, folder, keeps_data):
        self.folder, self.keeps_data, self.process = folder, keeps_data, None
        self.socket, self.dump = os.path.join(folder, "server"), os.path.join(folder, "dump.rdb")
        os.makedirs(folder, exist_ok=True)

    @property
    def url(self):
        return "unix://" + self.socket

    @property
    def sockets(self):
        return [self.socket]

    def arguments(self):
        return ["--port", 0, "--unixsocket", self.socket, "--save", "", "--dir", self.folder, "--appendonly",
                "yes" if self.keeps_data else "no", "--appendfsync", "no", "--lua-time-limit", 50, *debugging()]

    def start(self):
        if os.path.isdir(self.dump):
            os.rmdir(self.dump)
        log = open(os.path.join(self.folder, "server.out"), "ab")
        self.process = subprocess.Popen([program(), *(str(word) for word in self.arguments())], stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log)
        log.close()
        until = time.monotonic() + PATIENCE
        while True:
            try:
                connection = Connection(self.socket)
                try:
                    connection("PING")
                    return
                finally:
                    connection.close()
            except (OSError, Refused) as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the server did not start: {error}") from error
                time.sleep(0.02)

    def kill(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def command(self, *words, timeout=5.0):
        connection = Connection(self.socket, timeout)
        try:
            return connection(*words)
        finally:
            connection.close()

# SPDX-License-Identifier: MIT
"""What the tests of redis-lock share: a server of their own, programs that are cleaned up, and TAP."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

PATIENCE = 30.0  # for whatever must happen at last, on a busy machine

program = None
server = None
_tests = []
_started = []


def test(function):
    _tests.append(function)
    return function


def eventually(condition, what, patience=PATIENCE):
    """Waits until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError("in vain waited until " + what)
        time.sleep(0.01)


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError("%s: found %r, expected %r" % (what or "a value", found, expected))


def true(value, what):
    if not value:
        raise AssertionError(what)


class Server:
    """A redis-server on a unix socket in a folder that nobody else knows."""

    def __init__(self, *arguments):
        executable = (os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server"))
        if not executable:
            print("SKIP: neither redis-server nor valkey-server")
            sys.exit(77)
        self.folder = tempfile.mkdtemp(prefix="redis-lock-test.")
        self.path = os.path.join(self.folder, "socket")
        self.url = "unix://" + self.path
        self.command_line = [executable, "--port", "0", "--unixsocket", self.path, "--save", "", "--dir", self.folder]
        self.command_line += arguments
        self.process = None
        self.connection = None
        atexit.register(self.close)
        self.start()

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command_line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self.answers, "the server answers")

    def answers(self):
        true(self.process.poll() is None, "the server ended")
        try:
            self.call("PING")
            return True
        except (OSError, RuntimeError) as error:
            return "NOAUTH" in str(error)

    def stop(self):
        if self.connection:
            self.connection.close()
            self.connection = None
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *words):
        """One command; its answer, with strings as bytes."""
        if self.connection is None:
            plug = socket.socket(socket.AF_UNIX)
            plug.settimeout(PATIENCE)
            try:
                plug.connect(self.path)
            except OSError:
                plug.close()
                raise
            self.connection = plug
            self.stream = plug.makefile("rb")
        request = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            request += b"$%d\r\n%s\r\n" % (len(word), word)
        self.connection.sendall(request)
        return self.answer()

    def answer(self):
        line = self.stream.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.stream.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.answer() for _ in range(int(rest))]
        return rest

    def scripts_run(self):
        """How many scripts it was asked to run."""
        lines = self.call("INFO", "commandstats").split(b"\r\n")
        return sum(int(line.split(b"calls=")[1].split(b",")[0]) for line in lines if line.startswith(b"cmdstat_eval"))

    def waiting(self, name):
        return self.call("ZCARD", "rlock-queue:{%s}:%s" % (name, name))


def environment(**more):
    result = {key: value for key, value in os.environ.items() if not key.startswith("REDISLOCK_")}
    result["REDISLOCK_URL"] = server.url
    result.update(more)
    return result


def encoded(arguments):
    return [program] + [a if isinstance(a, bytes) else str(a).encode() for a in arguments]


def run(*arguments, url=None, feed=b"", env=None, **more):
    """Runs redis-lock to its end."""
    env = env or environment(**({"REDISLOCK_URL": url} if url else {}))
    return subprocess.run(encoded(arguments), input=feed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                          timeout=4 * PATIENCE, start_new_session=True, **more)


def start(*arguments, env=None, **more):
    """Starts redis-lock, without a terminal. What is read of its output line by line isn't missing in finish()."""
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    process = subprocess.Popen(encoded(arguments), env=env or environment(), start_new_session=True, bufsize=0, **more)
    _started.append(process)
    return process


def finish(process, feed=None):
    """The exit status, output and errors of what start() gave."""
    out, err = process.communicate(feed, timeout=4 * PATIENCE)
    return process.returncode, out, err


def free_port():
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return plug.getsockname()[1]


class Sentinel(Server):
    """One that guards the server on a port, under the name "guarded"."""

    def __init__(self, guarded_port):
        self.port = free_port()
        self.guarded_port = guarded_port
        super().__init__()

    def start(self):
        path = os.path.join(self.folder, "sentinel.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write("bind 127.0.0.1\nport %d\nunixsocket %s\ndir %s\nsentinel monitor guarded 127.0.0.1 %d 1\n"
                       % (self.port, self.path, self.folder, self.guarded_port))
        self.command_line = [self.command_line[0], path, "--sentinel"]
        super().start()


class Cluster:
    """Three servers; foo, bar and bay are each on another one of them."""

    def __init__(self):
        self.ports, buses = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
        self.nodes = [Server("--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(bus))
                      for port, bus in zip(self.ports, buses)]
        for number, node in enumerate(self.nodes):
            node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.call("CLUSTER", "ADDSLOTSRANGE", number * 5461, number * 5461 + 5460 + (number == 2))
            if number > 0:
                node.call("CLUSTER", "MEET", "127.0.0.1", self.ports[0], buses[0])
        for node in self.nodes:
            eventually(lambda: b"cluster_state:ok" in node.call("CLUSTER", "INFO"), "the cluster is sound")
        self.homes = {name: self.nodes[min(self.nodes[0].call("CLUSTER", "KEYSLOT", name) // 5461, 2)]
                      for name in ("foo", "bar", "bay")}

    @staticmethod
    def possible():
        """Whether the server publishes by slots, as Redis does since 7.0."""
        try:
            return server.call("PUBSUB", "SHARDNUMSUB") == []
        except RuntimeError:
            return False

    def close(self):
        for node in self.nodes:
            node.close()


def hold(name, *options):
    """Starts a holder of a lock, and returns when it holds it."""
    process = start("run", *options, name, "sh", "-c", "echo held; exec sleep 1000")
    equal(process.stdout.readline(), b"held\n", "the holder's output")
    return process


def end(process):
    process.terminate()
    return finish(process)


def is_free(name="foo"):
    return server.call("EXISTS", name) == 0


def renewals(name):
    """Waits until the lease of a lock was renewed twice, by the same holder."""
    token = server.call("GET", name)
    left = []

    def enough():
        equal(server.call("GET", name), token, "the holder")
        left.append(server.call("PTTL", name))
        return sum(1 for before, after in zip(left, left[1:]) if after > before) >= 2

    eventually(enough, "the lease was renewed twice")
    return left


def is_alive(pid):
    """Whether a process runs or is stopped; a zombie isn't alive."""
    return state_of(pid) not in ("", "Z", "X")


def stat_of(pid):
    """State, parent, process group and session of a process, or nothing."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[:4]
    except OSError:
        return []


def state_of(pid):
    return "".join(stat_of(pid)[:1])


def child_of(pid):
    """The command of a redis-lock, once there is one: the child that leads a process group."""

    def find():
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [child for child in file.read().split() if stat_of(int(child))[2:3] == [child]]

    return int(eventually(find, "%d has a command" % pid)[0])


def end_session(leader):
    """Kills whatever is left of a session, and returns when it is gone."""

    def gone():
        left = [int(name) for name in os.listdir("/proc") if name.isdigit() and stat_of(int(name))[3:] == [str(leader)]]
        left = [pid for pid in left if is_alive(pid)]
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        return not left

    eventually(gone, "the session of %d is gone" % leader)


def _clean_up():
    for process in _started:
        end_session(process.pid)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
        process.wait()
    _started.clear()


def _too_long(*_):
    raise AssertionError("the test hangs")


def main(path, wanted):
    """Runs the tests whose title contains wanted; returns the exit status."""
    global program, server
    program = os.path.abspath(path).encode()
    chosen = [function for function in _tests if wanted in function.__name__]
    server = Server()
    print("1..%d" % len(chosen))
    failures = 0
    signal.signal(signal.SIGALRM, _too_long)
    for number, function in enumerate(chosen, 1):
        server.call("FLUSHALL")
        signal.alarm(int(6 * PATIENCE))
        try:
            function()
            verdict = "ok"
        except Exception:
            failures += 1
            verdict = "not ok"
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="")
        finally:
            signal.alarm(0)
            _clean_up()
        print("%s %d - %s" % (verdict, number, function.__name__.replace("_", " ")), flush=True)
    return 1 if failures or not chosen else 0

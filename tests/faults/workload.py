# SPDX-License-Identifier: MIT
"""The processes that take locks, in every language, and the proxy between some of them and the server."""
import os
import random
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE = 30  # for one that is to end
COMMAND_PAUSE = 0.05


class Setting:
    """Where everything is."""

    def __init__(self, build, folder, names, seed, reference, library=None, long_holds=0, lasting_holds=0, handles=0, more=()):
        self.build, self.folder, self.names, self.seed, self.reference = build, folder, names, seed, reference
        self.programs = os.path.join(build, "tests", "faults")
        self.resource = os.path.join(folder, "resource")
        self.environment = dict(os.environ, FAULTS_LONG=str(long_holds), FAULTS_LASTING=str(lasting_holds),
                                FAULTS_HANDLES=str(handles))
        self.environment.update(item.split("=", 1) for item in more)
        if library:
            self.environment["LD_LIBRARY_PATH"] = library

    def log(self, label):
        return os.path.join(self.folder, label + ".log")


class Proxy:
    def __init__(self, setting, server_socket):
        self.socket = os.path.join(setting.folder, "proxy")
        self.url = "unix://" + self.socket
        self.process = subprocess.Popen([os.path.join(setting.programs, "faults-proxy"), self.socket, server_socket,
                                         str(setting.seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        return self.process.wait(PATIENCE)


class Worker:
    """One place in the workload; whoever is killed there has a successor with another label."""

    def __init__(self, setting, number, kind, server):
        self.setting, self.number, self.kind, self.server = setting, number, kind, server
        self.generation, self.stopped, self.failure = 0, False, None
        self.start()

    def command(self):
        setting, url, seed = self.setting, self.server.url, self.setting.seed * 1000 + self.number * 50 + self.generation
        names, log = str(setting.names), setting.log(self.label)
        if self.kind in ("blocking", "eventloop"):
            return [os.path.join(setting.programs, "faults-worker"), self.kind, url, names, self.label, str(seed), log,
                    setting.resource]
        if self.kind in ("lua-blocking", "lua-coroutines"):
            return ["lua5.4", os.path.join(HERE, "worker.lua"), self.kind[4:], url, names, self.label, str(seed), log,
                    setting.resource]
        if self.kind == "python":
            return ["/usr/bin/python3", os.path.join(HERE, "worker.py"), os.path.join(setting.programs, "shared", "record.so"),
                    url, names, self.label, str(seed), log, setting.resource]
        if self.kind == "control":
            return [os.path.join(setting.programs, "faults-control"), self.server.socket, names, str(seed), log, setting.resource]
        assert self.kind == "reference"
        return [setting.reference, os.path.join(HERE, "worker_reference.py"), self.server.socket, names, str(seed), log]

    def start(self):
        self.label = f"{self.kind}-{self.number}.{self.generation}"
        environment = dict(self.setting.environment)
        if self.kind.startswith("lua"):
            environment["LUA_CPATH"] = (os.path.join(self.setting.build, "bindings", "lua", "module", "?.so") + ";" +
                                        os.path.join(self.setting.programs, "module", "?.so"))
        if self.kind == "python":
            environment["PYTHONPATH"] = os.path.join(self.setting.build, "bindings", "swig", "python", "module")
        # redis-lock tells what befalls it; nobody else has anything to say.
        with open(os.path.join(self.setting.folder, "told" if self.kind == "cli" else "errors"), "ab") as errors:
            self.process = subprocess.Popen(self.command(), env=environment, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=errors)

    def signal(self, number):
        if self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        self.stopped = number == signal.SIGSTOP
        return True

    def kill(self):
        if self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.wait()
        return True

    def revive(self):
        if self.process.poll() is not None and not self.failure:
            if self.process.returncode != -signal.SIGKILL:
                self.failure = f"{self.label} ended with {self.process.returncode}"
                return
            self.generation += 1
            self.start()

    def end(self):
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)

    def join(self, until):
        try:
            code = self.process.wait(max(0.1, until - time.monotonic()))
            # One that has just been started may not know yet what SIGTERM is to it.
            if code not in (0, -signal.SIGKILL, -signal.SIGTERM) and not self.failure:
                self.failure = f"{self.label} ended with {code}"
        except subprocess.TimeoutExpired:
            self.failure = f"{self.label} does not end"
            self.process.kill()
            self.process.wait()


class Commands(Worker):
    """One `redis-lock run` after the other."""

    def __init__(self, setting, number, server):
        self.ending, self.chance = False, random.Random(setting.seed * 1000 + number)
        self.lock = threading.Lock()
        super().__init__(setting, number, "cli", server)

    def command(self):
        chance, setting = self.chance, self.setting
        name = chance.randrange(setting.names)
        hold_us = chance.choice((0,) * 20 + (1000,) * 10 + (20000,) * 5 + (700000,))
        return [os.path.join(setting.build, "redis-lock"), "run", "--url", self.server.url, "--wait", "5s", "--ttl",
                chance.choice(("500ms", "2s")), "--owner", self.label, "--signal-grace", "1s", "--quiet", f"c{name}", "--",
                os.path.join(setting.programs, "faults-task"), str(name), str(hold_us), setting.log(self.label),
                setting.resource]

    def start(self):
        super().start()
        if self.generation == 0:
            self.thread = threading.Thread(target=self.run, daemon=True)
            self.thread.start()

    def run(self):
        while not self.ending:
            self.process.wait()
            time.sleep(COMMAND_PAUSE)
            with self.lock:
                if self.ending:
                    return
                self.generation += 1
                Worker.start(self)

    def kill(self):
        with self.lock:
            return super().kill()

    def revive(self):
        pass

    def end(self):
        with self.lock:
            self.ending = True
        super().end()

    def join(self, until):
        try:
            self.process.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.failure = f"{self.label} does not end"
            self.process.kill()
        self.thread.join(PATIENCE)


class Workers:
    def __init__(self, setting, kinds, servers):
        """kinds: which; servers: where each connects to, in turn."""
        self.all = []
        for number, kind in enumerate(kinds):
            server = servers[number % len(servers)]
            self.all.append(Commands(setting, number, server) if kind == "cli" else Worker(setting, number, kind, server))

    def find(self, label):
        return next((worker for worker in self.all if worker.label == label and not worker.stopped), None)

    def any(self, chance):
        going = [worker for worker in self.all if not worker.stopped]
        return chance.choice(going) if going else None

    def revive(self):
        for worker in self.all:
            worker.revive()

    def end(self):
        for worker in self.all:
            worker.end()
        until = time.monotonic() + PATIENCE
        for worker in self.all:
            worker.join(until)
        return [worker.failure for worker in self.all if worker.failure]

# SPDX-License-Identifier: MIT
"""The nemesis: strikes by a seed, and writes down what it did and how long that lasted."""
import dataclasses
import heapq
import itertools
import json
import os
import random
import select
import signal
import time

from history import Strike
from server import Connection, Refused

HOLDER = ("kill_holder", "kill_holder", "stop_holder", "stop_holder", "stop_holder_long")
WAITER = ("kill_waiter", "kill_waiter", "stop_waiter", "stop_waiter_long")
CONNECTION = ("kill_messages", "kill_commands", "kill_one", "kill_one", "delay", "cut", "cut_reply", "freeze_requests",
              "freeze_replies", "freeze_both", "refuse", "distance")
SERVER = ("pause", "sleep", "flush_scripts", "flush_data", "restart", "halt", "full", "read_only", "busy", "cannot_save",
          "too_few_replicas", "expel")
CLUSTER = ("kill_primary", "fail_over", "halt_primary", "cut_off_primary", "move_slot", "move_slot", "move_slot")
SENTINEL = ("kill_primary", "stop_primary", "cut_off_primary", "stop_primary_and_sentinel", "stop_primary_for_a_moment",
            "fail_over", "kill_sentinel", "cut_all")
MIXES = {"calm": (), "cluster": CLUSTER, "sentinel": SENTINEL, "holder": HOLDER, "waiter": WAITER, "connection": CONNECTION,
         "server": SERVER, "all": HOLDER + WAITER + CONNECTION + SERVER}


PATIENCE = 60


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Nemesis:
    def __init__(self, strikes, seed, pace, server, workers, proxy, names, folder):
        self.strikes_of_mix, self.chance = strikes, random.Random(seed)
        self.pace, self.server, self.workers, self.proxy, self.names = pace, server, workers, proxy, names
        self.undos, self.order, self.count, self.delays = [], itertools.count(), 0, 0
        self.elected, self.in_order = 0, False  # of the strike that goes on
        self.all_is_well()
        self.file = open(os.path.join(folder, "strikes"), "w", encoding="ascii")

    # ---- writing down ----

    def note_failover(self, what, begin, wall_begin, changed, names=()):
        """Where a strike may leave another primary."""
        in_order = changed and self.in_order
        self.note(what, "", begin, changed and not in_order, wall_begin, names=list(names),
                  elected=self.elected if changed else 0, gone=what == "kill_primary")

    def note(self, what, target, begin, loses_data=False, wall_begin=0, **more):
        """What has ended by now."""
        strike = Strike(what, target, begin, now(), loses_data, wall_begin, time.time_ns() // 1000, **more)
        self.file.write(json.dumps(dataclasses.asdict(strike)) + "\n")
        self.count += 1

    def all_is_well(self):
        """It was so when the servers were last seen."""
        self.looked, self.looked_wall = now(), time.time_ns() // 1000

    def look(self):
        """What has become of the servers while nobody looked."""

    def note_election(self, names=()):
        """Servers that a busy machine lets stand still take each other for dead, and what had no copy is lost."""
        self.note("election", "", self.looked, True, self.looked_wall, names=list(names))

    def later(self, seconds, what, target, undo):
        begin = now()

        def end():
            try:
                undo()
            except (OSError, Refused):
                # The server is away, or stopped until a later one of these: not done yet.
                self.at(0.02, end)
            else:
                self.note(what, target, begin)
        self.at(seconds, end)

    def at(self, seconds, call):
        heapq.heappush(self.undos, (time.monotonic() + seconds, next(self.order), call))

    # ---- the course of things ----

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pause = self.chance.uniform(0.02, self.pace)
            wake = time.monotonic() + pause
            while time.monotonic() < wake:
                due = min(wake, self.undos[0][0] if self.undos else wake)
                time.sleep(max(0, due - time.monotonic()))
                self.undo(time.monotonic())
            self.workers.revive()
            if self.strikes_of_mix and time.monotonic() < end:
                self.strike(self.chance.choice(self.strikes_of_mix))
        self.undo(float("inf"))

    def end(self):
        """When nobody is at work any more."""
        self.look()
        self.file.close()

    def undo(self, until):
        while self.undos and self.undos[0][0] <= until:
            heapq.heappop(self.undos)[2]()

    def strike(self, what):
        try:
            getattr(self, what)()
        except (OSError, Refused):
            pass  # the server is away or refuses: somebody else's strike

    def ask(self, *words):
        """What is sent is waited for, whatever else has to be put right before: a command that is done much later, and
        that nobody knows of, would spoil everything."""
        connection = Connection(self.server.socket)
        try:
            return self.ask_over(connection, *words)
        finally:
            connection.close()

    def ask_over(self, connection, *words):
        connection.send(*words)
        until = time.monotonic() + PATIENCE
        while not select.select([connection.socket], [], [], 0.02)[0]:
            self.undo(time.monotonic())
            if time.monotonic() > until:
                raise RuntimeError(f"the server did not answer {words}")
        return connection.receive()

    def once(self, what, *words):
        """A command that the server is done with at once."""
        begin = now()
        self.ask(*words)
        self.note(what, "", begin)

    def setting(self, what, seconds, name, value, normal):
        self.ask("CONFIG", "SET", name, value)
        self.later(seconds, what, "", lambda: self.ask("CONFIG", "SET", name, normal))

    # ---- processes ----

    def label_of_holder(self):
        name = f"c{self.chance.randrange(self.names)}"
        state = self.ask("GET", f"rlock-state:{{{name}}}:{name}")
        return state.split(b" ", 3)[3].decode() if state and self.ask("EXISTS", name) else None

    def label_of_waiter(self):
        name = f"c{self.chance.randrange(self.names)}"
        tickets = self.ask("ZRANGE", f"rlock-queue:{{{name}}}:{name}", 0, -1)
        return self.chance.choice(tickets).split(b" ", 3)[3].decode() if tickets else None

    def victim(self, find):
        try:
            label = find()
        except (OSError, Refused):
            label = None
        return self.workers.find(label) or self.workers.any(self.chance)

    def kill(self, find):
        worker = self.victim(find)
        begin = now()
        if worker and worker.kill():
            self.note("kill", worker.label, begin)

    def stop(self, find, seconds):
        worker = self.victim(find)
        if worker and worker.signal(signal.SIGSTOP):
            self.later(seconds, "stop", worker.label, lambda: worker.signal(signal.SIGCONT))

    def kill_holder(self):
        self.kill(self.label_of_holder)

    def kill_waiter(self):
        self.kill(self.label_of_waiter)

    def stop_holder(self):
        self.stop(self.label_of_holder, self.chance.uniform(0.02, 0.6))

    def stop_holder_long(self):
        self.stop(self.label_of_holder, self.chance.uniform(1, 3))

    def stop_waiter(self):
        self.stop(self.label_of_waiter, self.chance.uniform(0.02, 0.6))

    def stop_waiter_long(self):
        self.stop(self.label_of_waiter, self.chance.uniform(1, 3))

    # ---- connections ----

    def kill_messages(self):
        self.once("kill_messages", "CLIENT", "KILL", "TYPE", "pubsub")

    def kill_commands(self):
        self.once("kill_commands", "CLIENT", "KILL", "TYPE", "normal")

    def kill_one(self):
        clients = [line for line in self.ask("CLIENT", "LIST").decode().splitlines() if "cmd=client" not in line]
        if clients:
            number = dict(word.split("=", 1) for word in self.chance.choice(clients).split())["id"]
            self.once("kill_one", "CLIENT", "KILL", "ID", number)

    def tell_proxy(self, *words):
        self.proxy.tell(*words)

    def distance(self):
        self.slow("distance", 300, 450)

    def delay(self):
        self.slow("delay", 0, self.chance.choice((2, 20, 200, 600)))

    def slow(self, what, least_ms, most_ms):
        self.tell_proxy("delay", least_ms, most_ms)
        self.delays += 1
        number = self.delays

        def undo():
            if number == self.delays:  # else a later one goes on
                self.tell_proxy("delay", 0, 0)
        self.later(self.chance.uniform(0.2, 1.5), what, "", undo)

    def cut(self):
        begin = now()
        self.tell_proxy("cut", self.chance.choice((30, 100)), -1)
        self.note("cut", "", begin)

    def cut_reply(self):
        begin = now()
        self.tell_proxy("cut", self.chance.choice((30, 100)), self.chance.randrange(8))
        self.note("cut_reply", "", begin)

    def freeze(self, what, ways):
        for way in ways:
            self.tell_proxy("freeze", way, self.chance.choice((30, 100)))
        self.later(self.chance.uniform(0.1, 2.5), what, "", lambda: self.tell_proxy("thaw"))

    def freeze_requests(self):
        self.freeze("freeze_requests", (0,))

    def freeze_replies(self):
        self.freeze("freeze_replies", (1,))

    def freeze_both(self):
        self.freeze("freeze_both", (0, 1))

    def refuse(self):
        self.tell_proxy("refuse", 1)
        self.tell_proxy("cut", 100, -1)
        self.later(self.chance.uniform(0.1, 1), "refuse", "", lambda: self.tell_proxy("refuse", 0))

    # ---- the server ----

    def pause(self):
        duration = self.chance.randrange(20, 1200)
        self.ask("CLIENT", "PAUSE", duration, self.chance.choice(("ALL", "WRITE")))
        self.later(duration / 1000, "pause", "", lambda: None)

    def sleep(self):
        self.once("sleep", "DEBUG", "SLEEP", self.chance.uniform(0.02, 1.2))

    def flush_scripts(self):
        self.once("flush_scripts", "SCRIPT", "FLUSH")

    def flush_data(self):
        begin, wall = now(), time.time_ns() // 1000
        self.ask("FLUSHALL")
        self.note("flush_data", "", begin, True, wall)

    def restart(self):
        begin, wall = now(), time.time_ns() // 1000
        self.server.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        self.server.start()
        self.note("restart", "", begin, not self.server.keeps_data, wall)

    def halt(self):
        process = self.server.process
        process.send_signal(signal.SIGSTOP)
        self.later(self.chance.uniform(0.05, 1.5), "halt", "", lambda: process.send_signal(signal.SIGCONT))

    def full(self):
        self.setting("full", self.chance.uniform(0.05, 0.5), "maxmemory", 1, 0)

    def too_few_replicas(self):
        self.setting("too_few_replicas", self.chance.uniform(0.05, 0.5), "min-replicas-to-write", 1, 0)

    def read_only(self):
        self.ask("REPLICAOF", "127.0.0.1", 1)
        self.later(self.chance.uniform(0.05, 0.8), "read_only", "", lambda: self.ask("REPLICAOF", "NO", "ONE"))

    def busy(self):
        self.once("busy", "EVAL", """local t = redis.call('TIME') local over = t[1] * 1000000 + t[2] + ARGV[1]
            repeat t = redis.call('TIME') until t[1] * 1000000 + t[2] > over""", 0, int(self.chance.uniform(0.05, 0.8) * 1e6))

    def cannot_save(self):
        if self.server.keeps_data:
            return
        os.makedirs(self.server.dump, exist_ok=True)  # a file can't be put where a folder is
        self.ask("CONFIG", "SET", "save", "3600 1")
        self.ask("BGSAVE")
        self.later(self.chance.uniform(0.05, 0.5), "cannot_save", "", lambda: self.ask("CONFIG", "SET", "save", ""))

    def expel(self):
        """Everybody has to come again, and finds few places. Who puts that right keeps his."""
        connection = Connection(self.server.socket)
        self.ask_over(connection, "CONFIG", "SET", "maxclients", 4)
        self.ask_over(connection, "CLIENT", "KILL", "TYPE", "normal")

        def undo():
            try:
                connection("CONFIG", "SET", "maxclients", 10000)
            except OSError:
                pass  # the server has begun anew, and with it its settings
            connection.close()
        self.later(self.chance.uniform(0.05, 0.5), "expel", "", undo)

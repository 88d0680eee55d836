# SPDX-License-Identifier: MIT
"""A cluster of the campaign's own, three primaries with a replica each, and what can befall it."""
import os
import signal
import time

from nemesis import Nemesis, now
from server import Refused, Server, free_port, wait_for
from switch import CLIENTS, SERVERS, Switch

PRIMARIES, NODES = 3, 6
# A replica that is told to take over soon after the last election may count the votes of that one (seen with Redis 7.0): it
# takes over without any, goes back, and the primary stays in the state of a failover. So it is told so later.
REST_SECONDS = 8


class Node(Server):
    """Others know it by two ports of the switch's."""

    def __init__(self, folder, switch, number):
        super().__init__(folder, False)
        self.switch, self.number, self.identity = switch, number, None
        self.own_port, self.own_bus = free_port(), free_port()
        self.port, self.bus = switch.pass_to(number, self.own_port), switch.pass_to(number, self.own_bus)

    def arguments(self):
        return super().arguments() + ["--port", self.own_port, "--bind", "127.0.0.1", "--cluster-enabled", "yes",
                                      "--cluster-port", self.own_bus, "--cluster-node-timeout", 1500,
                                      "--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", self.port,
                                      "--cluster-announce-bus-port", self.bus, "--cluster-config-file", "nodes.conf",
                                      "--repl-diskless-sync-delay", 0, *self.switch.source(self.number)]

    def says(self, text, *words):
        if not self.process:
            return False
        try:
            return text.encode() in self.command(*words, timeout=1.0)
        except (OSError, Refused):
            return False

    def is_primary(self):
        return self.says("role:master", "INFO", "replication")


def need_shards(folder):
    """A cluster that redislock can use publishes by slots."""
    server = Server(os.path.join(folder, "single"), False)
    server.start()
    try:
        server.command("PUBSUB", "SHARDNUMSUB")
    except Refused as error:
        print("SKIP: the server doesn't publish by slots, as a cluster needs it; Redis does since 7.0")
        raise SystemExit(77) from error
    finally:
        server.kill()


class Cluster:
    """Where a campaign has a server; a node is told by its number."""

    def __init__(self, folder, programs):
        need_shards(folder)
        self.switch = Switch(programs)
        self.nodes = [Node(os.path.join(folder, f"n{number}"), self.switch, number) for number in range(NODES)]
        self.keeps_data = False

    @property
    def url(self):
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:PRIMARIES])

    @property
    def sockets(self):
        return [node.socket for node in self.nodes]

    def start(self):
        for number, node in enumerate(self.nodes):
            node.start()
            node.identity = node.command("CLUSTER", "MYID")
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < PRIMARIES:
                node.command("CLUSTER", "ADDSLOTSRANGE", 16384 * number // PRIMARIES, 16384 * (number + 1) // PRIMARIES - 1)
            if number > 0:
                node.command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self.nodes[0].bus)
        wait_for(lambda: all(len(node.command("CLUSTER", "NODES").splitlines()) == NODES and
                             not node.says("handshake", "CLUSTER", "NODES") for node in self.nodes), "all know all")
        for number in range(PRIMARIES, NODES):
            self.nodes[number].command("CLUSTER", "REPLICATE", self.nodes[number - PRIMARIES].identity)
        self.settle()

    def kill(self):
        for node in self.nodes:
            node.kill()
        self.switch.end()

    def primaries(self):
        """Those that say so themselves."""
        return [node for node in self.nodes if node.is_primary()]

    def sound(self):
        return len(self.primaries()) == PRIMARIES and all(
            node.says("cluster_state:ok", "CLUSTER", "INFO") for node in self.nodes if node.process)

    def settle(self):
        """Until every primary has a replica that has what it has."""
        def settled():
            return self.sound() and sum(node.says("master_link_status:up", "INFO", "replication")
                                        for node in self.nodes) == NODES - PRIMARIES
        wait_for(settled, "every primary has its replica")

    def replica_of(self, primary):
        port = f"master_port:{primary.port}"
        return next(node for node in self.nodes if node is not primary and node.says(port, "INFO", "replication"))

    def slots(self):
        for first, last, (_, port, *_), *_ in self.nodes[0].command("CLUSTER", "SLOTS"):
            yield first, last, next(node for node in self.nodes if node.port == port)

    def owner(self, slot):
        return next(node for first, last, node in self.slots() if first <= slot <= last)

    def slot(self, name):
        return self.nodes[0].command("CLUSTER", "KEYSLOT", name)

    def names_of(self, primary, names):
        """Those of so many names that are his."""
        ranges = [(first, last) for first, last, node in self.slots() if node is primary]
        return [name for name in (f"c{number}" for number in range(names))
                if any(first <= self.slot(name) <= last for first, last in ranges)]

    def move(self, slot, owner, other, pause):
        """In steps, with pauses in which the keys are here, there, or both."""
        other.command("CLUSTER", "SETSLOT", slot, "IMPORTING", owner.identity)
        owner.command("CLUSTER", "SETSLOT", slot, "MIGRATING", other.identity)
        pause()
        while keys := owner.command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            owner.command("MIGRATE", "127.0.0.1", other.own_port, keys[0], 0, 5000)
            pause()
        for node in (other, owner):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", other.identity)


class ClusterNemesis(Nemesis):
    """Each strike ends when the cluster is sound again, or two at once could take all there is of the data."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.rest_until = {}  # of nodes
        self.primaries = set(self.server.primaries())

    def look(self):
        self.server.settle()
        self.see()

    def see(self, struck=()):
        primaries = set(self.server.primaries())
        if elected := primaries - self.primaries - set(struck):
            self.note_election(name for node in elected for name in self.server.names_of(node, self.names))
        self.primaries = primaries
        self.all_is_well()

    def strike(self, what):
        self.look()
        begin, wall = now(), time.time_ns() // 1000
        self.primary, self.shard, self.elected, self.concerned, self.in_order = None, (), 0, (), False
        try:
            super().strike(what)
        finally:
            self.server.settle()
            # What the replica was not told of any more is lost.
            replaced = self.elected > 0 or bool(self.primary) and not self.primary.is_primary()
            self.note_failover(what, begin, wall, replaced, self.concerned)
            self.see(self.shard)
            if self.primary:
                for node in self.shard:
                    self.rest_until[node] = time.monotonic() + REST_SECONDS

    def choose(self, among=None):
        self.primary = self.chance.choice(among or self.server.primaries())
        self.concerned = self.server.names_of(self.primary, self.names)
        self.shard = self.primary, self.server.replica_of(self.primary)
        return self.shard

    def await_election(self, replica):
        wait_for(lambda: replica.is_primary() and replica.says("cluster_state:ok", "CLUSTER", "INFO"), "an election")
        self.elected = now()

    def away(self, replica):
        """Sometimes it is back before the others agree that it is gone."""
        if self.chance.random() < 0.3:
            time.sleep(self.chance.uniform(0.1, 1))
        else:
            self.await_election(replica)
            time.sleep(self.chance.uniform(0, 1))

    def kill_primary(self):
        primary, replica = self.choose()
        primary.kill()
        self.await_election(replica)
        wait_for(self.server.sound, "all others know it")
        primary.start()

    def halt_primary(self):
        """For the others it is gone, but it doesn't know."""
        primary, replica = self.choose()
        primary.process.send_signal(signal.SIGSTOP)
        try:
            self.away(replica)
        finally:
            primary.process.send_signal(signal.SIGCONT)

    def cut_off_primary(self):
        """It has lost the other servers, and sometimes none of its clients."""
        primary, replica = self.choose()
        self.server.switch.cut(primary.number, self.chance.choice((SERVERS, SERVERS | CLIENTS)))
        try:
            self.away(replica)
        finally:
            self.server.switch.heal()

    def fail_over(self):
        """In good order: nothing is lost."""
        self.in_order = True
        rested = [node for node in self.server.primaries() if self.rest_until.get(node, 0) < time.monotonic()]
        if not rested:
            return
        _, replica = self.choose(rested)
        asked = 0

        def done():
            nonlocal asked
            # The servers give it up after 5 s, when one of them was too busy.
            if time.monotonic() > asked + 6 and not replica.is_primary():
                replica.command("CLUSTER", "FAILOVER")
                asked = time.monotonic()
            return replica.is_primary() and replica.says("cluster_state:ok", "CLUSTER", "INFO")
        wait_for(done, "the failover")
        self.elected = now()

    def move_slot(self):
        name = f"c{self.chance.randrange(self.names)}"
        slot = self.server.slot(name)
        owner = self.server.owner(slot)
        other = self.chance.choice([node for node in self.server.primaries() if node is not owner])
        self.concerned = [name]
        self.server.move(slot, owner, other, lambda: time.sleep(self.chance.choice((0, 0, 0.02, 0.3, 0.8))))

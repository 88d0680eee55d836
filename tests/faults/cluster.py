# SPDX-License-Identifier: MIT
"""A cluster of the campaign's own, three primaries with a replica each, and what can befall it."""
import os
import socket
import time

from server import PATIENCE, Refused, Server

PRIMARIES, NODES = 3, 6


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Node(Server):
    def __init__(self, folder):
        super().__init__(folder, False)
        self.port, self.bus, self.identity = free_port(), free_port(), None

    def arguments(self):
        return super().arguments() + ["--port", self.port, "--bind", "127.0.0.1", "--cluster-enabled", "yes",
                                      "--cluster-port", self.bus, "--cluster-node-timeout", 1500,
                                      "--cluster-config-file", "nodes.conf", "--repl-diskless-sync-delay", 0]

    def alive(self):
        return self.process is not None

    def says(self, text, *words):
        try:
            return text.encode() in self.command(*words, timeout=1.0)
        except (OSError, Refused):
            return False


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"the cluster: {what} did not come true")
        time.sleep(0.02)


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

    def __init__(self, folder):
        self.nodes = [Node(os.path.join(folder, f"node-{number}")) for number in range(NODES)]
        self.keeps_data = False

    @property
    def url(self):
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:PRIMARIES])

    @property
    def sockets(self):
        return [node.socket for node in self.nodes]

    def start(self):
        need_shards(os.path.dirname(self.nodes[0].folder))
        for number, node in enumerate(self.nodes):
            node.start()
            node.identity = node.command("CLUSTER", "MYID")
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < PRIMARIES:
                node.command("CLUSTER", "ADDSLOTSRANGE", 16384 * number // PRIMARIES, 16384 * (number + 1) // PRIMARIES - 1)
            if number > 0:
                node.command("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self.nodes[0].bus)
        until(lambda: all(len(node.command("CLUSTER", "NODES").splitlines()) == NODES and
                          not node.says("handshake", "CLUSTER", "NODES") for node in self.nodes), "all know all")
        for number in range(PRIMARIES, NODES):
            self.nodes[number].command("CLUSTER", "REPLICATE", self.nodes[number - PRIMARIES].identity)
        self.settle()

    def kill(self):
        for node in self.nodes:
            node.kill()

    def primaries(self):
        """Those that have slots and say so themselves."""
        return [node for node in self.nodes if node.alive() and node.says("role:master", "INFO", "replication")]

    def sound(self):
        return len(self.primaries()) == PRIMARIES and all(
            node.says("cluster_state:ok", "CLUSTER", "INFO") for node in self.nodes if node.alive())

    def settle(self):
        """Until every primary has a replica that has what it has."""
        def settled():
            return self.sound() and sum(node.says("master_link_status:up", "INFO", "replication")
                                        for node in self.nodes) == NODES - PRIMARIES
        until(settled, "every primary has its replica")

    def replica_of(self, primary):
        port = f"master_port:{primary.port}"
        return next(node for node in self.nodes if node is not primary and node.says(port, "INFO", "replication"))

    def owner(self, slot):
        for node in self.primaries():
            for first, last, (_, port, *_), *_ in node.command("CLUSTER", "SLOTS"):
                if first <= slot <= last:
                    return next(one for one in self.nodes if one.port == port)
        raise RuntimeError(f"nobody has slot {slot}")

    def move(self, slot, owner, other, pause):
        """In steps, with pauses in which the keys are here, there, or both."""
        other.command("CLUSTER", "SETSLOT", slot, "IMPORTING", owner.identity)
        owner.command("CLUSTER", "SETSLOT", slot, "MIGRATING", other.identity)
        pause()
        while keys := owner.command("CLUSTER", "GETKEYSINSLOT", slot, 1):
            owner.command("MIGRATE", "127.0.0.1", other.port, keys[0], 0, 5000)
            pause()
        for node in (other, owner):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", other.identity)

# SPDX-License-Identifier: MIT
"""A primary with two replicas and three sentinels in the place of the one server, and what may befall them."""
import os
import signal
import time

from nemesis import Nemesis, now
from server import Connection, Server, free_port, wait_for
from switch import CLIENTS, SERVERS, Switch

SERVICE = "guarded"
# How long a primary may be silent before the sentinels go for another.
DOWN_MS = 1500


class Member(Server):
    """Others know it by a port of the switch's."""

    def __init__(self, folder, keeps_data, switch, number, leader=None):
        super().__init__(folder, keeps_data)
        self.switch, self.number, self.leader, self.own_port = switch, number, leader, free_port()
        self.port = switch.pass_to(number, self.own_port)

    def arguments(self):
        follows = ["--replicaof", "127.0.0.1", self.leader.port] if self.leader else []
        return super().arguments() + ["--port", self.own_port, "--bind", "127.0.0.1", "--replica-announce-ip", "127.0.0.1",
                                      "--replica-announce-port", self.port, "--repl-diskless-sync-delay", 0,
                                      *self.switch.source(self.number), *follows]

    def follow(self, leader):
        """As a sentinel has it do so: whoever is connected has to look around again."""
        self.leader = leader
        self.command("REPLICAOF", "127.0.0.1", leader.port)
        self.command("CLIENT", "KILL", "TYPE", "normal")
        self.command("CLIENT", "KILL", "TYPE", "pubsub")

    def is_primary(self):
        return self.command("ROLE")[0] == b"master"

    def is_linked(self):
        return b"\nmaster_link_status:up\r" in self.command("INFO", "replication")


class Sentinel(Server):
    def __init__(self, folder, switch, number, first):
        super().__init__(folder, False)
        self.port, self.path, self.source = free_port(), os.path.join(folder, "sentinel.conf"), switch.source(number)
        with open(self.path, "w", encoding="ascii") as file:
            file.write(f"bind 127.0.0.1\nport {self.port}\nunixsocket {self.socket}\ndir {folder}\n"
                       f"sentinel announce-ip 127.0.0.1\n"
                       f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} 2\n"
                       f"sentinel down-after-milliseconds {SERVICE} {DOWN_MS}\n"
                       f"sentinel failover-timeout {SERVICE} 3000\nsentinel parallel-syncs {SERVICE} 2\n")

    def arguments(self):
        return [self.path, "--sentinel", *self.source]

    def named(self):
        """The port of the primary, as this one knows it."""
        return int(self.command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def acts(self):
        """After it stood still it does nothing for half a minute: it is in TILT."""
        return b"sentinel_tilt:0" in self.command("INFO", "sentinel")

    def tells(self):
        words = self.command("SENTINEL", "MASTER", SERVICE)
        return dict(zip(words[::2], words[1::2]))

    def epoch(self):
        """It rises with every failover."""
        return int(self.tells()[b"config-epoch"])

    def knows_all(self):
        told = self.tells()
        return (told[b"flags"], told[b"num-slaves"], told[b"num-other-sentinels"]) == (b"master", b"2", b"2") and \
            self.command("SENTINEL", "CKQUORUM", SERVICE).startswith(b"OK 3 ")


class Guarded:
    """What a campaign expects of a server."""

    def __init__(self, folder, keeps_data, programs):
        self.switch = Switch(programs)
        # Short names: the path of a unix socket has little room.
        self.primary = Member(os.path.join(folder, "p0"), keeps_data, self.switch, 0)
        self.members = [self.primary] + [Member(os.path.join(folder, f"p{i}"), keeps_data, self.switch, i, self.primary)
                                         for i in (1, 2)]
        self.epoch = 0
        self.sentinels = [Sentinel(os.path.join(folder, f"s{i}"), self.switch, 3 + i, self.primary) for i in range(3)]
        self.url = "redis+sentinel://" + ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels) + "/" + SERVICE

    @property
    def socket(self):
        return self.primary.socket

    @property
    def sockets(self):
        return [self.socket]

    def start(self):
        for one in self.members:
            one.start()
        wait_for(lambda: all(one.is_linked() for one in self.members[1:]), "the replicas follow")
        for one in self.sentinels:
            one.start()
        self.settle()

    def kill(self):
        for one in self.sentinels + self.members:
            one.kill()
        self.switch.end()

    def named(self):
        """Whom the sentinels agree on, if they do."""
        ports = {one.named() for one in self.sentinels if one.process}
        found = [one for one in self.members if one.port in ports]
        return found[0] if len(ports) == 1 and found else None

    def settle(self):
        """Until all is well, though another may be the primary: replicas follow him, the sentinels know them."""
        wait_for(self.is_settled, "all are settled")

    def is_settled(self):
        primary = self.named()
        if not primary or not primary.is_primary():
            return False
        self.primary, self.epoch = primary, max(one.epoch() for one in self.sentinels)
        for one in self.members:
            if one is not primary and (one.is_primary() or one.leader is not primary):
                one.follow(primary)
        return all(one.is_linked() for one in self.members if one is not primary) and \
            all(one.knows_all() for one in self.sentinels) and sum(one.acts() for one in self.sentinels) >= 2


class SentinelNemesis(Nemesis):
    """Each strike ends when all are well again; if another is the primary then, what had no copy is lost."""

    def look(self):
        before = self.server.epoch
        self.server.settle()
        if self.server.epoch != before:
            self.note_election()
        self.all_is_well()

    def strike(self, what):
        self.look()
        begin, wall, before = now(), time.time_ns() // 1000, self.server.epoch
        self.elected = 0
        try:
            super().strike(what)
        finally:
            self.server.settle()
            self.note_failover(what, begin, wall, self.server.epoch != before)
            self.all_is_well()

    def await_election(self, old, sentinels=None):
        wait_for(lambda: any(one.process and one.named() != old.port for one in sentinels or self.server.sentinels),
                 "an election")
        self.elected = now()

    def kill_primary(self):
        old = self.server.primary
        old.kill()
        self.await_election(old)
        time.sleep(self.chance.uniform(0, 1))
        wait_for(self.server.named, "the sentinels agree")
        # It begins as a replica: as a primary it would be one until the sentinels found it.
        old.leader = self.server.named()
        old.start()

    def stop_primary(self):
        """It is away, and comes back without knowing it."""
        old = self.server.primary
        old.process.send_signal(signal.SIGSTOP)
        try:
            self.await_election(old)
            time.sleep(self.chance.uniform(0, 1))
        finally:
            old.process.send_signal(signal.SIGCONT)
        time.sleep(self.chance.uniform(0, 1))

    def cut_off_primary(self):
        """As a server it goes on: it has lost the others, and sometimes none of its clients."""
        old = self.server.primary
        self.server.switch.cut(old.number, self.chance.choice((SERVERS, SERVERS | CLIENTS)))
        try:
            self.await_election(old)
            time.sleep(self.chance.uniform(0, 1))
        finally:
            self.server.switch.heal()

    def stop_primary_and_sentinel(self):
        victim = self.chance.choice(self.server.sentinels)
        victim.process.send_signal(signal.SIGSTOP)
        old = self.server.primary
        old.process.send_signal(signal.SIGSTOP)
        others = [one for one in self.server.sentinels if one is not victim]
        try:
            self.await_election(old, others)
        finally:
            victim.process.send_signal(signal.SIGCONT)
            old.process.send_signal(signal.SIGCONT)

    def stop_primary_for_a_moment(self):
        process = self.server.primary.process
        process.send_signal(signal.SIGSTOP)
        time.sleep(self.chance.uniform(0.05, DOWN_MS / 2000))
        process.send_signal(signal.SIGCONT)

    def fail_over(self):
        old = self.server.primary
        self.chance.choice(self.server.sentinels).command("SENTINEL", "FAILOVER", SERVICE)
        self.await_election(old)
        time.sleep(self.chance.uniform(0, 1))

    def kill_sentinel(self):
        victim = self.chance.choice(self.server.sentinels)
        victim.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        victim.start()

    def cut_all(self):
        """Every connection to the primary, its replicas' too."""
        connection = Connection(self.server.socket)
        for kind in ("replica", "pubsub", "normal"):
            connection("CLIENT", "KILL", "TYPE", kind)
        connection.close()

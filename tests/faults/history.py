# SPDX-License-Identifier: MIT
"""What the processes of a campaign recorded, read back: holds with the times in which they were believed, waits, and what
the nemesis did. Times are nanoseconds of one clock; the lines are described in README.md."""
import dataclasses
import json
import os

FOREVER = 2**63 - 1
# A command under redis-lock is told by a signal that its lock is gone. That takes its time.
SIGNAL_NS = 250_000_000


@dataclasses.dataclass
class Hold:
    worker: str
    name: str
    asked: int
    got: int
    fence: int          # 0: this kind of lock has none
    token: str
    ttl: int            # ns
    claims: list        # [from, to]: it was sure to hold the lock all the time
    known: int = 0      # until when it was last told to hold it
    released: int = 0   # when the release was called; 0: it wasn't
    answered: int = 0   # when that was answered
    status: str = ""    # of the last release
    writes: list = dataclasses.field(default_factory=list)  # [time, accepted, fence, held until]
    extended: bool = False  # or that was tried
    ended_early: int = 0  # when it was told that a hold is over which was to last longer

    def end(self):
        return max((to for _, to in self.claims), default=self.got)

    def __str__(self):
        return (f"{self.worker} held {self.name} from {self.got} to {self.end()}, fence {self.fence}, token {self.token}, "
                f"asked {self.asked}, release called {self.released}, answered {self.answered} {self.status}")


@dataclasses.dataclass
class Wait:
    """An acquire that didn't."""
    worker: str
    name: str
    asked: int
    answered: int
    status: str
    wait: int  # ns
    spins: bool


@dataclasses.dataclass
class Strike:
    what: str
    target: str
    begin: int
    end: int
    loses_data: bool = False
    wall_begin: int = 0  # microseconds of the wall clock, which fences are made of
    wall_end: int = 0
    names: list = dataclasses.field(default_factory=list)  # that had to do with it; none: all
    elected: int = 0  # when another server was the primary, if it came so far
    gone: bool = False  # the former one: else it may have granted and renewed until the end to those that came to it

    def concerns(self, name):
        return not self.names or name in self.names


@dataclasses.dataclass
class History:
    holds: list
    waits: list
    strikes: list
    usages: dict  # worker: {"before": (descriptors, threads, kilobytes), "after": ...}
    refused: list = dataclasses.field(default_factory=list)  # lines that can't be read
    delays: list = dataclasses.field(default_factory=list)  # (when, how much) somebody who sleeps was woken late


class Reader:
    """One log. A handle has at most one hold at a time."""

    def __init__(self, history, worker):
        self.history, self.worker, self.held = history, worker, {}
        self.is_command = worker.startswith("cli")

    def believe(self, hold, time, until):
        """A look at `time` found it held until then."""
        if until <= 0:
            if time < hold.known and not hold.released and not hold.ended_early:
                hold.ended_early = time
            return
        hold.known = until
        if not hold.claims:
            hold.claims.append([time, until])
        hold.claims[-1][1] = max(hold.claims[-1][1], until)

    def clip(self, hold, time):
        hold.known = 0
        if hold.claims and hold.claims[-1][1] > time:
            hold.claims[-1][1] = time

    def line(self, words):
        kind, handle = words[0], words[1]
        if kind == "g":
            name, asked, got, fence, until, ttl, token = words[2:]
            hold = Hold(self.worker, name, int(asked), int(got), int(fence), token, int(ttl) * 1_000_000, [])
            self.held[handle] = hold
            self.history.holds.append(hold)
            self.believe(hold, hold.got, int(until))
            return
        if kind == "f":
            name, asked, answered, status, wait, spins = words[2:]
            self.history.waits.append(Wait(self.worker, name, int(asked), int(answered), status, int(wait) * 1_000_000,
                                           spins == "1"))
            return
        if kind == "u":
            self.history.usages.setdefault(self.worker, {})[handle] = tuple(int(word) for word in words[2:])
            return
        hold = self.held[handle]
        time = int(words[2])
        if kind == "w":
            accepted, fence, until = words[3:]
            hold.writes.append((time, accepted == "1", int(fence), int(until)))
            if not self.is_command:
                self.believe(hold, time, int(until))
        elif kind == "x":
            self.clip(hold, time)
            hold.extended = True
        elif kind == "y":
            if int(words[4]) > 0:
                hold.claims.append([time, int(words[4])])
                hold.known = int(words[4])
        elif kind == "r":
            # The first one: whoever has called a release believes no more.
            if not hold.released:
                if hold.claims and hold.claims[-1][1] > time:
                    hold.claims[-1][1] = time
                hold.released = time
                if self.is_command:
                    hold.claims[-1] = [hold.got + SIGNAL_NS, time - SIGNAL_NS]
        elif kind == "d":
            hold.answered, hold.status = time, words[3]
            if words[3] == "LOST" and time < hold.known and not hold.ended_early:
                hold.ended_early = time
        elif kind != "l":
            raise ValueError(kind)

    def end(self, killed):
        """Of what was believed for ever by one that was killed."""
        for hold in self.history.holds:
            if hold.worker == self.worker and hold.claims and hold.claims[-1][1] == FOREVER:
                if self.is_command or not killed:
                    hold.claims.pop()
                else:
                    hold.claims[-1][1] = killed


def read(folder):
    history = History([], [], [], {})
    with open(os.path.join(folder, "strikes"), encoding="ascii") as file:
        history.strikes = [Strike(**json.loads(line)) for line in file]
    delays = os.path.join(folder, "delays")
    if os.path.exists(delays):
        with open(delays, encoding="ascii") as file:
            history.delays = [tuple(int(word) for word in line.split()) for line in file]
    killed = {strike.target: strike.begin for strike in history.strikes if strike.what == "kill"}
    for entry in sorted(os.listdir(folder)):
        if not entry.endswith(".log"):
            continue
        worker = entry[:-len(".log")]
        reader = Reader(history, worker)
        with open(os.path.join(folder, entry), encoding="ascii") as file:
            for line in file:
                try:
                    if not line.endswith("\n"):
                        raise ValueError("no end")
                    reader.line(line.split())
                except (ValueError, KeyError, IndexError) as error:
                    # The last words of one that was killed may be cut off.
                    if worker not in killed:
                        history.refused.append(f"{entry}: {line!r}: {error!r}")
        reader.end(killed.get(worker, 0))
    for hold in history.holds:
        hold.claims = [claim for claim in hold.claims if claim[1] > claim[0]]
    return history

# SPDX-License-Identifier: MIT
"""Next to other people's locks, in rounds that alternate with ours."""

import os
import statistics
from contextlib import ExitStack

import peers
from goals import Row
from loads import SERVER, spread
from measure import Ratio, Rounds, Skip, interleave, middle, once, rates, values

# A hundred Java or Node processes are more than most machines have memory for.
HEAVY = ("Redisson", "node-redlock")


def skipped(name, reason):
    row = Row(f"next to {name}", "", str(reason), None)
    row.verdict = "skipped"
    return row


def installed(bench, folder):
    """What can be had here, once for all groups; and rows for what can't."""
    if bench.peers is None:
        bench.peers, bench.missing = {}, {}
        for name in peers.PEERS:
            try:
                bench.peers[name] = peers.install(name, folder)
            except Skip as reason:
                bench.missing[name] = reason
    return bench.peers


def peer_pair(bench, folder):
    """All of them on one core with the server."""
    found = installed(bench, folder)
    yield from (skipped(name, reason) for name, reason in bench.missing.items())
    core = min(os.sched_getaffinity(0))
    count = bench.amount(300, 60)
    bench.server.pin({core})
    try:
        with ExitStack() as stack:
            ours = stack.enter_context(Rounds([bench.program("library_pair"), bench.server.tcp, bench.name(), "1"], core))
            runners = {"redislock": lambda: ours.run(count)}
            for name, (command, environment) in found.items():
                process = stack.enter_context(peers.Peer(command, environment, bench.server.port, 1, core))
                runners[name] = lambda p=process: p.pair(bench.name(), count)
            interleave(bench.amount(3, 1), runners)
            results = interleave(bench.amount(15, 3), runners)
    finally:
        bench.server.pin(os.sched_getaffinity(0))
    bars = []
    for name, each in results.items():
        median, low, high = spread(values(each, "p50_us"))
        bars.append({"name": name, "value": median, "low": low, "high": high})
        if name != "redislock":
            ratio = Ratio(values(each, "p50_us"), values(results["redislock"], "p50_us"))
            wanted = 2 if name == "redis-lock-py" else 1
            yield Row(f"pair: times as fast as {name}'s", f">= {wanted}",
                      f"{ratio}; {middle(results['redislock'], 'p50_us'):.1f} µs to {median:.1f}", ratio.median >= wanted,
                      ratio=ratio.data())
    yield Row("pair next to peers", "", "fastest: " + min(bars, key=lambda bar: bar["value"])["name"], None, bars="pair", values=bars)


def peer_hand_off(bench, folder):
    """Two processes, and more: how often the lock changes hands. One peer at a time, each in turn with ours."""
    found = installed(bench, folder)
    milliseconds, series = bench.amount(1000, 400), {"redislock": []}
    for processes in bench.amount((2, 10, 50, 200), (2, 50)):
        few = processes <= 10
        chosen = [name for name in found if (few or name not in HEAVY) and (processes <= 50 or name.endswith("lock-py"))]
        ours = []
        for name in chosen:
            command, environment = found[name]
            with peers.Peer(command, environment, bench.server.port, processes) as theirs:
                runners = {
                    "theirs": lambda p=theirs: bench.server.cost(lambda: p.hand_off(bench.name(), milliseconds)),
                    "ours": lambda n=processes: bench.server.cost(lambda: once(
                        [bench.program("library_handoff"), bench.server.tcp, bench.name(), str(n), "1", str(milliseconds)]))}
                runners["theirs"]()
                results = interleave(bench.amount(5, 2), runners)
            ours += results["ours"]
            yield from hand_off_rows(name, processes, results)
            series.setdefault(name, []).append(point(processes, results["theirs"]))
        if ours:
            series["redislock"].append(point(processes, ours))
    if series["redislock"]:
        yield Row("hand-off next to peers", "", "changes of hands a second, by processes", None, curve="peers",
                  series=[{"name": name, "points": points} for name, points in series.items()])


def point(processes, results):
    median, low, high = spread(rates(results, "changed"))
    gaps = [result["p50_us"] for result in results if result["p50_us"]]
    return {"at": processes, "rate": median, "low": low, "high": high, "jain": middle(results, "jain"),
            "acquisitions": statistics.median(rates(results, "acquisitions")), "p50_us": statistics.median(gaps) if gaps else None,
            **{key: middle(results, key) for key in SERVER}}


def hand_off_rows(name, processes, results):
    """A round in which the lock never changed hands counts as one change: a lower bound."""
    for result in results["theirs"]:
        result["counted"] = max(result["changed"], 1)
    ratio = Ratio(rates(results["ours"], "changed"), rates(results["theirs"], "counted"))
    wanted = {2: 10, 200: 100}.get(processes, 1) if name == "redis-lock-py" else 1
    theirs = point(processes, results["theirs"])
    gap = f"p50 {theirs['p50_us']:,.0f} µs" if theirs["p50_us"] else "none of its own accord"
    yield Row(f"hand-offs, {processes} processes: times as many as {name}'s", f">= {wanted}",
              f"{ratio}; {statistics.median(rates(results['ours'], 'changed')):,.0f}/s to {theirs['rate']:,.0f}/s ({gap}; of "
              f"{theirs['acquisitions']:,.0f} acquisitions/s, {theirs['server_commands']:.1f} commands each, Jain {theirs['jain']:.2f})",
              ratio.median >= wanted, ratio=ratio.data())

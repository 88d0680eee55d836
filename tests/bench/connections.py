# SPDX-License-Identifier: MIT
"""One connection for commands and messages, by RESP3, to the two of RESP2: the same on bare hiredis in both ways."""

import os
import re
import statistics
import subprocess
import tempfile
import time

from goals import Row
from measure import Ratio, Rounds, Skip, interleave, need, once, system_calls, values

WAYS = {"two": "", "one": "_resp3"}
TITLE = "one connection (RESP3) to two: "


def program(bench, name, way):
    path = bench.program(name + WAYS[way])
    if not os.path.exists(path):
        raise Skip("hiredis is older than 1.0, which knows no RESP3")
    return path


def note(what, ratio, unit, results, key):
    """A ratio of one to two, and what it is of."""
    each = {way: statistics.median(result[key] for result in results[way]) for way in WAYS}
    text = f"{ratio}; {each['one']:,.1f} {unit} to {each['two']:,.1f}"
    return Row(TITLE + what, "", text, None, ratio=ratio.data(), **each)


def cost(bench, work):
    """With what each of its acquisitions, or pairs, cost the server."""
    def counted():
        result = work()
        return {**result, "all": result.get("acquisitions") or result["pairs"]}
    return bench.server.cost(counted)


def rated(what, results):
    for result in results["one"] + results["two"]:
        result["rate"] = result["all"] / result["seconds"]
    yield note(f"{what}: rate", Ratio(values(results["one"], "rate"), values(results["two"], "rate")), "/s", results, "rate")
    yield note(f"{what}: the server's processor time",
               Ratio(values(results["one"], "server_cpu_us"), values(results["two"], "server_cpu_us")), "µs", results,
               "server_cpu_us")


def rounds_of(bench, what, url, count, rounds, core=None):
    with Rounds([program(bench, "floor_connections", "one"), url, bench.name(), what], core) as one, \
            Rounds([program(bench, "floor_connections", "two"), url, bench.name(), what], core) as two:
        runners = {"one": lambda: cost(bench, lambda: one.run(count)), "two": lambda: cost(bench, lambda: two.run(count))}
        interleave(1, runners)
        return interleave(rounds, runners)


def pair(bench):
    core = min(os.sched_getaffinity(0))
    bench.server.pin({core})
    try:
        for transport, url in (("TCP", bench.server.tcp), ("unix", bench.server.unix)):
            results = rounds_of(bench, "pair", url, bench.amount(1000, 500), bench.amount(30, 6), core)
            ratio = Ratio(values(results["one"], "p50_us"), values(results["two"], "p50_us"))
            yield note(f"pair, {transport}: p50", ratio, "µs", results, "p50_us")
            yield from list(rated(f"pair, {transport}", results))[1:]
    finally:
        bench.server.pin(os.sched_getaffinity(0))


def hand_off(bench):
    url, duration = bench.server.tcp, str(bench.amount(700, 400))
    runners = {way: lambda way=way: cost(bench, lambda: once(
        [program(bench, "floor_handoff", way), url, bench.name(), "2", "1", duration])) for way in WAYS}
    results = interleave(bench.amount(15, 4), runners)
    yield note("hand-off, 2 processes: p50", Ratio(values(results["one"], "p50_us"), values(results["two"], "p50_us")), "µs",
               results, "p50_us")
    yield from rated("hand-off, 2 processes", results)
    runners = {way: lambda way=way: cost(bench, lambda: once(
        [program(bench, "floor_group", way), url, bench.name(), "1000", duration])) for way in WAYS}
    yield from rated("hand-off, 1,000 wait in one process", interleave(bench.amount(15, 4), runners))


def busy(bench):
    url, duration = bench.server.tcp, str(bench.amount(1500, 800))
    results = interleave(bench.amount(11, 4), {way: lambda way=way: once(
        [program(bench, "floor_busy", way), url, bench.name(), duration]) for way in WAYS})
    for key in ("p50_us", "p99_us"):
        yield note(f"a message while 200 commands are under way: {key[:3]}",
                   Ratio(values(results["one"], key), values(results["two"], key)), "µs", results, key)


def opening(bench):
    results = rounds_of(bench, "listen", bench.server.tcp, bench.amount(500, 200), bench.amount(15, 4))
    yield note("to connect, listen and leave: p50", Ratio(values(results["one"], "p50_us"), values(results["two"], "p50_us")),
               "µs", results, "p50_us")
    yield from list(rated("to connect, listen and leave", results))[1:]


def settled_memory(bench):
    """The server takes back the buffers of clients that are idle for some seconds."""
    before = None
    for _ in range(30):
        now = int(bench.server.info("memory")["used_memory"])
        if before is not None and abs(now - before) < 20000:
            return now
        before = now
        time.sleep(4)
    return before


def memory(bench):
    clients, each = 1000, {}
    for way in WAYS:
        before = settled_memory(bench)
        with Rounds([program(bench, "floor_connections", way), bench.server.tcp, bench.name(), "stay"]) as stayers:
            stayers.run(clients)
            each[way] = (settled_memory(bench) - before) / clients
    yield Row(TITLE + "the server's memory for a client that listens", "",
              f"{each['one'] / each['two']:.2f}; {each['one']:,.0f} bytes to {each['two']:,.0f}", None, **each)


def calls(bench):
    each = {way: system_calls([program(bench, "floor_connections", way), bench.server.tcp, bench.name(), "pair"], 200)
            for way in WAYS}
    yield Row(TITLE + "system calls of a pair", "",
              f"{sum(each['one'].values()):.2f} to {sum(each['two'].values()):.2f}", None, **each)
    each = {way: calls_of_group(bench, way) for way in WAYS}
    yield Row(TITLE + "system calls of a hand-off in one process", "", f"{each['one']:.2f} to {each['two']:.2f}", None, **each)


def calls_of_group(bench, way):
    """Those of the start are lost among so many."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as report:
        result = once([need("strace"), "-f", "-c", "-o", report.name, program(bench, "floor_group", way), bench.server.tcp,
                       bench.name(), "2", "1500"])
        return int(re.search(r"^\s*100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s.*total$", report.read(), re.M)[1]) / result["acquisitions"]


def connections(bench):
    """All of it."""
    for group in (pair, hand_off, busy, opening, memory, calls):
        yield from group(bench)

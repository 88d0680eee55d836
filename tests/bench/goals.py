# SPDX-License-Identifier: MIT
"""The rows of the table: what is wanted, how it is measured, whether it is met."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

from measure import (Ratio, Rounds, Skip, instructions, interleave, middle, need, once, rates, sends_while_quiet,
                     server_instructions, system_calls, values)


class Row:
    def __init__(self, goal, wanted, measured, met, **data):
        self.goal, self.wanted, self.measured, self.data = goal, wanted, measured, data
        self.verdict = "note" if met is None else "met" if met else "MISSED"


class Bench:
    """Where everything is, and how much of it to do."""

    def __init__(self, server, programs, library, cli, quick):
        self.server, self.programs, self.library, self.cli, self.quick = server, programs, library, cli, quick
        self.number = 0
        self.peers = self.missing = None  # comparison.py installs them at the first use

    def program(self, name):
        return os.path.join(self.programs, name)

    def name(self):
        self.number += 1
        return f"bench-{self.number}"

    def amount(self, full, quick):
        return quick if self.quick else full


def pair(bench):
    """Server and client on one core: what is measured is the work, not the way between cores."""
    core = min(os.sched_getaffinity(0))
    bench.server.pin({core})
    count, rounds = bench.amount(1000, 500), bench.amount(30, 6)
    try:
        for transport, url in (("TCP", bench.server.tcp), ("unix", bench.server.unix)):
            with Rounds([bench.program("floor_pair"), url, bench.name(), "simple"], core) as simple, \
                    Rounds([bench.program("floor_pair"), url, bench.name(), "scripts"], core) as scripts, \
                    Rounds([bench.program("library_pair"), url, bench.name(), "1"], core) as library:
                runners = {"simple": lambda p=simple: p.run(count), "scripts": lambda p=scripts: p.run(count),
                           "library": lambda p=library: p.run(count)}
                interleave(1, runners)
                results = interleave(rounds, runners)
            p50 = {name: values(each, "p50_us") for name, each in results.items()}
            for floor, limit, goal in (("scripts", 1.05, "same scripts on bare hiredis"),
                                       ("simple", 1.15, "SET NX PX + compare-and-delete")):
                ratio = Ratio(p50["library"], p50[floor])
                text = f"{ratio}; {middle(results['library'], 'p50_us'):.1f} µs to {middle(results[floor], 'p50_us'):.1f}"
                yield Row(f"pair, {transport}, to {goal}: p50", f"<= {limit}", text, ratio.median <= limit,
                          ratio=ratio.data(), p50_us={name: statistics.median(each) for name, each in p50.items()})
    finally:
        bench.server.pin(os.sched_getaffinity(0))


def pair_calls(bench):
    floor = [bench.program("floor_pair"), bench.server.tcp, bench.name(), "scripts"]
    library = [bench.program("library_pair"), bench.server.tcp, bench.name(), "1"]
    calls = system_calls(library, 500)
    total, bare = sum(calls.values()), sum(system_calls(floor, 500).values())
    names = ", ".join(f"{name} {count:.2f}" for name, count in sorted(calls.items()))
    yield Row("pair: system calls", "<= 6", f"{total:.2f} ({names}); bare {bare:.2f}", total <= 6.05, calls=calls, bare=bare)


def pair_instructions(bench):
    floor = [bench.program("floor_pair"), bench.server.tcp, bench.name(), "scripts"]
    library = [bench.program("library_pair"), bench.server.tcp, bench.name(), "1"]
    mine, bare = instructions(library, 1000), instructions(floor, 1000)
    yield Row("pair: user instructions", "<= 10,000", f"{mine:,.0f}; bare redisCommandArgv {bare:,.0f}", mine <= 10000,
              library=mine, bare=bare)


def pair_allocations(bench):
    counts = once([bench.program("library_allocations"), bench.server.tcp, bench.name(), "1000"])
    text = f"{counts['library'] / 1000:g} (hiredis {counts['hiredis'] / 1000:g}, others {counts['others'] / 1000:g})"
    yield Row("pair: allocations of our own", "0", text, counts["library"] == 0, **counts)


def hand_off(bench):
    url, duration = bench.server.tcp, str(bench.amount(700, 400))
    calls = []

    def counted():
        before = bench.server.script_calls()
        result = once([bench.program("library_handoff"), url, bench.name(), "2", "1", duration])
        calls.append((bench.server.script_calls() - before) / result["acquisitions"])
        return result

    results = interleave(bench.amount(15, 4), {
        "message": lambda: once([bench.program("floor_message"), url, bench.name(), duration]),
        "grant": lambda: once([bench.program("floor_handoff"), url, bench.name(), "2", "1", duration]),
        "library": counted})
    rate = {name: rates(results[name], "acquisitions") for name in ("grant", "library")}
    ratio = Ratio(rate["library"], rate["grant"])
    shared = sum(values(results["library"], "changed")) / sum(values(results["library"], "acquisitions"))
    yield Row("hand-off, 2 processes, to a bare direct grant: rate", ">= 0.9",
              f"{ratio}; {statistics.median(rate['library']):,.0f}/s to {statistics.median(rate['grant']):,.0f}/s, "
              f"{shared:.0%} change hands", ratio.median >= 0.9, ratio=ratio.data(), rate=rate)
    ratio = Ratio(values(results["library"], "p50_us"), values(results["message"], "p50_us"))
    yield Row("hand-off, 2 processes, to a bare message: p50", "<= 1.3",
              f"{ratio}; {middle(results['library'], 'p50_us'):.1f} µs to {middle(results['message'], 'p50_us'):.1f}; "
              f"bare grant {middle(results['grant'], 'p50_us'):.1f}", ratio.median <= 1.3, ratio=ratio.data())
    requests = statistics.median(calls)
    yield Row("hand-off: requests per acquisition", "2 + polls", f"{requests:.2f}", requests <= 2.1, requests=requests)


def one_process(bench):
    url, duration = bench.server.tcp, str(bench.amount(1500, 800))

    def library(threads):
        return once([bench.program("library_handoff"), url, bench.name(), "1", threads, duration])

    results = interleave(bench.amount(7, 2), {
        "grant": lambda: once([bench.program("floor_group"), url, bench.name(), "1000", duration]),
        "threads": lambda: once([bench.program("floor_handoff"), url, bench.name(), "1", "1000", duration]),
        "1000": lambda: library("1000"), "100": lambda: library("100")})
    rate = {name: rates(each, "acquisitions") for name, each in results.items()}
    at = {name: statistics.median(each) for name, each in rate.items()}
    ratio = Ratio(rate["1000"], rate["grant"])
    yield Row("1,000 threads wait, to a bare direct grant on two sockets: rate", ">= 0.85",
              f"{ratio}; {at['1000']:,.0f}/s to {at['grant']:,.0f}/s", ratio.median >= 0.85, ratio=ratio.data(), rate=rate)
    ratio = Ratio(rate["1000"], rate["100"])
    yield Row("1,000 threads wait, to 100: rate", ">= 0.9", f"{ratio}; 100: {at['100']:,.0f}/s", ratio.median >= 0.9,
              ratio=ratio.data())
    ratio = Ratio(rate["1000"], rate["threads"])
    yield Row("1,000 threads wait, to bare hiredis that wakes threads: rate", "", f"{ratio}; bare {at['threads']:,.0f}/s", None,
              ratio=ratio.data(), jain=middle(results["1000"], "jain"))


def one_loop(bench):
    url, duration = bench.server.tcp, str(bench.amount(1500, 800))

    def library(waiters):
        return once([bench.program("library_loop"), url, bench.name(), waiters, duration])

    results = interleave(bench.amount(7, 2), {
        "grant": lambda: once([bench.program("floor_group"), url, bench.name(), "1000", duration]),
        "1000": lambda: library("1000"), "100": lambda: library("100")})
    rate = {name: rates(each, "acquisitions") for name, each in results.items()}
    at = {name: statistics.median(each) for name, each in rate.items()}
    ratio = Ratio(rate["1000"], rate["grant"])
    yield Row("1,000 wait in one event loop, to a bare direct grant on two sockets: rate", ">= 0.85",
              f"{ratio}; {at['1000']:,.0f}/s to {at['grant']:,.0f}/s", ratio.median >= 0.85, ratio=ratio.data(), rate=rate)
    ratio = Ratio(rate["1000"], rate["100"])
    yield Row("1,000 wait in one event loop, to 100: rate", ">= 0.9", f"{ratio}; 100: {at['100']:,.0f}/s", ratio.median >= 0.9,
              ratio=ratio.data())


def server(bench):
    """What limits the rows above where the client's part is small: the work of the server's one thread, counted."""
    def pairs(*floor):
        def work(served, count):
            with Rounds([bench.program("floor_pair"), served.tcp, "name", *floor]) as program:
                program.run(count)
            return count
        return server_instructions(work, 1000)

    def timed(program, counted, *arguments):
        def work(served, duration):
            return once([bench.program(program), served.tcp, "name", *arguments, str(duration)])[counted]
        return server_instructions(work, bench.amount(3000, 1500))

    simple, scripts = pairs("simple"), pairs("scripts")
    yield Row("the server's instructions for a pair, to SET NX PX + compare-and-delete", "",
              f"{scripts / simple:.2f}; {scripts:,.0f} to {simple:,.0f}", None, scripts=scripts, simple=simple)
    grant, message = timed("floor_group", "acquisitions", "2"), timed("floor_message", "messages")
    yield Row("the server's instructions for a hand-off, to a message", "",
              f"{grant / message:.1f}; {grant:,.0f} to {message:,.0f}", None, grant=grant, message=message)


def many_threads(bench):
    """Where the scheduler puts one thread decides how fast it is: so both ways, and what counts is apart."""
    url, pairs = bench.server.tcp, bench.amount(4000, 2000)
    cores = sorted(os.sched_getaffinity(0))
    for apart in (True, False):
        core = cores[-1] if apart else cores[0]
        bench.server.pin({cores[0]})
        try:
            with Rounds([bench.program("library_pair"), url, bench.name(), "1"], core) as one, \
                    Rounds([bench.program("library_pair"), url, bench.name(), "64"], core) as many:
                runners = {"one": lambda p=one: p.run(pairs), "many": lambda p=many: p.run(pairs // 16)}
                interleave(1, runners)
                results = interleave(bench.amount(10, 4), runners)
        finally:
            bench.server.pin(set(cores))
        ratio = Ratio(rates(results["many"], "pairs"), rates(results["one"], "pairs"))
        sockets = results["many"][-1]["sockets"]
        where = "the server on another core" if apart else "all on one core"
        yield Row(f"64 threads, a name each, one client, {where}: pairs to one thread's", ">= 2.5, 2 sockets" if apart else "",
                  f"{ratio}; {statistics.median(rates(results['many'], 'pairs')):,.0f}/s to "
                  f"{statistics.median(rates(results['one'], 'pairs')):,.0f}/s; {sockets} sockets",
                  ratio.median >= 2.5 and sockets <= 2 if apart else None, ratio=ratio.data(), sockets=sockets)


def renewal(bench):
    ttl, rounds = bench.amount(30000, 6000), 2
    command = [bench.program("library_renew"), bench.server.tcp, bench.name(), "10000"]
    result = once([*command, str(ttl), str(rounds)])
    share = result["cpu_seconds"] / rounds / 10
    kept = result["held"] == result["leases"]
    yield Row("10,000 leases renewed at a TTL of 30 s: share of a core", "< 5 %",
              f"{share:.2%} ({share * 1e4:.1f} ms a round of a third of the TTL; TTL here {ttl // 1000} s), "
              f"{result['held']:,} held", share < 0.05 and kept, share=share, **result)
    result, sends, size = sends_while_quiet([*command, "6000", str(rounds)])
    sends, size = sends / rounds, size / rounds
    yield Row("10,000 leases renewed: writes a round", "1", f"{sends:.1f} of {size / max(sends, 1):,.0f} bytes "
              f"({size / 1e6:.2f} MB a round), {result['held']:,} held", 0 < sends <= 1 and result["held"] == result["leases"],
              writes=sends, bytes=size)


def memory(bench):
    environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
    result = once([bench.program("library_memory"), bench.server.tcp, bench.name(), "1000"], env=environment)
    yield Row("1,000 threads wait: memory for each, its lock included", "<= 1,024 bytes, 2 sockets",
              f"{result['bytes_each']:,.0f} bytes, {result['sockets']} sockets",
              result["bytes_each"] <= 1024 and result["sockets"] <= 2, **result)


def spawn(command, environment):
    before = time.monotonic_ns()
    _, status = os.waitpid(os.posix_spawn(command[0], command, environment), 0)
    elapsed = (time.monotonic_ns() - before) / 1e6
    if status != 0:
        raise RuntimeError(f"{' '.join(command)}: status {status}")
    return elapsed


def program(bench):
    if not bench.cli:
        raise Skip("the program was not built")
    true, environment = need("true"), dict(os.environ, REDISLOCK_URL=bench.server.tcp)
    with tempfile.NamedTemporaryFile() as file:
        commands = {"true": [true], "flock": [need("flock"), file.name, true],
                    "redis-lock": [bench.cli, "run", bench.name(), true]}
        runners = {name: lambda c=command: spawn(c, environment) for name, command in commands.items()}
        interleave(5, runners)
        took = {name: statistics.median(each) for name, each in interleave(bench.amount(300, 50), runners).items()}
    ours, theirs = took["redis-lock"] - took["true"], took["flock"] - took["true"]
    yield Row("redis-lock run NAME true, to flock FILE true, both above true", "<= 3, <= 3 ms",
              f"{ours / theirs:.2f}; {ours:.2f} ms to {theirs:.2f} (true: {took['true']:.2f})",
              ours <= 3 * theirs and ours <= 3, milliseconds=took)


def size(bench):
    with tempfile.NamedTemporaryFile() as stripped:
        subprocess.run([need("strip"), "--strip-unneeded", "-o", stripped.name, bench.library], check=True)
        bytes_ = os.path.getsize(stripped.name)
    text = subprocess.run([need("readelf"), "-rW", bench.library], stdout=subprocess.PIPE, text=True, check=True).stdout
    relative, eager = len(re.findall(r"R_\w+_RELATIVE", text)), len(re.findall(r"R_\w+_(?:GLOB_DAT|64|32)\b", text))
    lazy = len(re.findall(r"R_\w+_JUMP_SLO", text))
    sections = subprocess.run([need("readelf"), "-SW", bench.library], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"\.init_array\s+INIT_ARRAY\s+\w+ \w+ (\w+)", sections)
    constructors = int(found[1], 16) // (8 if sys.maxsize > 2**32 else 4) if found else 0
    yield Row("the .so, stripped", "<= 120 KiB", f"{bytes_ / 1024:.1f} KiB", bytes_ <= 120 * 1024, bytes=bytes_)
    yield Row("the .so: relocations and constructors", "none to speak of",
              f"{relative} relative, {eager} by name, {lazy} functions; {constructors} constructors (1 is the compiler's)", None,
              relative=relative, by_name=eager, functions=lazy, constructors=constructors)


def lua(bench):
    """The cost of the binding, on one core with the server as for the pair in C."""
    modules = os.path.join(os.path.dirname(bench.programs), "bindings", "lua", "module")
    if not os.path.exists(bench.program("lua_pair")):
        raise Skip("the module for Lua was not built")
    core = min(os.sched_getaffinity(0))
    bench.server.pin({core})
    count, rounds = bench.amount(1000, 500), bench.amount(30, 6)
    try:
        for transport, url in (("TCP", bench.server.tcp), ("unix", bench.server.unix)):
            with Rounds([bench.program("lua_pair"), url, bench.name(), modules], core) as ours, \
                    Rounds([bench.program("library_pair"), url, bench.name(), "1"], core) as theirs:
                runners = {"lua": lambda p=ours: p.run(count), "c": lambda p=theirs: p.run(count)}
                interleave(1, runners)
                results = interleave(rounds, runners)
            p50 = {name: values(each, "p50_us") for name, each in results.items()}
            ratio = Ratio(p50["lua"], p50["c"])
            yield Row(f"pair in Lua, {transport}, to the same in C: p50", "<= 1.05",
                      f"{ratio}; {middle(results['lua'], 'p50_us'):.1f} µs to {middle(results['c'], 'p50_us'):.1f}",
                      ratio.median <= 1.05, ratio=ratio.data(),
                      p50_us={name: statistics.median(each) for name, each in p50.items()})
    finally:
        bench.server.pin(os.sched_getaffinity(0))

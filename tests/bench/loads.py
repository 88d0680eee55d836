# SPDX-License-Identifier: MIT
"""How the cost grows: with waiters, threads, leases, names. Each row has its points for the charts."""

import os
import pathlib
import shutil
import statistics
import subprocess

from goals import Row
from measure import Ratio, Rounds, Skip, interleave, middle, once, rates, sends_while_quiet, values

SWIG = pathlib.Path(__file__).resolve().parents[2] / "bindings" / "swig"
SERVER = ("server_scripts", "server_commands", "server_cpu_us", "server_bytes_in", "server_bytes_out")


def spread(numbers):
    """Median and quartiles."""
    if len(numbers) < 2:
        return numbers[0], numbers[0], numbers[0]
    low, median, high = statistics.quantiles(sorted(numbers), n=4, method="inclusive")
    return median, low, high


def hand_off_points(bench, name, sizes, runner, rounds):
    """Interleaved over all sizes; what the server does for an acquisition is measured around each round."""
    results = interleave(rounds, {size: lambda n=size: bench.server.cost(lambda: runner(n)) for size in sizes})
    points = []
    for size in sizes:
        median, low, high = spread(rates(results[size], "acquisitions"))
        points.append({"at": size, "rate": median, "low": low, "high": high, "jain": middle(results[size], "jain"),
                       "p50_us": middle(results[size], "p50_us") if "p50_us" in results[size][0] else None,
                       **{key: middle(results[size], key) for key in SERVER}})
    return {"name": name, "points": points}


def per_acquisition(point):
    return (f"{point['rate']:,.0f}/s, Jain {point['jain']:.3f}; {point['server_scripts']:.2f} scripts, "
            f"{point['server_commands']:.1f} commands, {point['server_cpu_us']:.0f} µs of the server, "
            f"{point['server_bytes_in']:.0f} bytes in, {point['server_bytes_out']:.0f} out")


def waiters(bench):
    """From two to ten thousand in one loop, a thousand in threads, two hundred in processes."""
    url, duration, rounds = bench.server.tcp, str(bench.amount(1500, 400)), bench.amount(7, 2)
    loop = bench.amount((2, 10, 100, 1000, 10000), (2, 100, 1000))
    threads = bench.amount((2, 10, 100, 1000), (2, 100))
    processes = bench.amount((2, 10, 50, 200), (2, 20))
    curves = [
        hand_off_points(bench, "one event loop", loop, lambda n: once(
            [bench.program("library_loop"), url, bench.name(), str(n), str(max(int(duration), n // 2))]), rounds),
        hand_off_points(bench, "threads of one process", threads, lambda n: once(
            [bench.program("library_handoff"), url, bench.name(), "1", str(n), duration]), rounds),
        hand_off_points(bench, "processes", processes, lambda n: once(
            [bench.program("library_handoff"), url, bench.name(), str(n), "1", duration]), rounds)]
    for curve in curves:
        for point in curve["points"]:
            yield Row(f"hand-off, {point['at']:,} wait, {curve['name']}", "", per_acquisition(point), None)
    first, last = curves[0]["points"][0], curves[0]["points"][-1]
    growth = last["server_cpu_us"] / first["server_cpu_us"]
    yield Row(f"hand-off: the server's work at {last['at']:,} waiters to that at 2", "flat: <= 1.5", f"{growth:.2f}", growth <= 1.5,
              curve="waiters", series=curves)


def threads(bench):
    """One client, a name for each thread, server wherever the scheduler puts it."""
    url, pairs = bench.server.tcp, bench.amount(8000, 2000)
    sizes = bench.amount((1, 2, 4, 8, 16, 32, 64), (1, 4, 16, 64))
    runners, programs = {}, []
    try:
        for size in sizes:
            program = Rounds([bench.program("library_pair"), url, bench.name(), str(size)])
            programs.append(program)
            runners[size] = lambda p=program, n=size: p.run(max(pairs // n, 50))
        interleave(1, runners)
        results = interleave(bench.amount(10, 3), runners)
    finally:
        for program in programs:
            program.__exit__()
    points = []
    for size in sizes:
        median, low, high = spread(rates(results[size], "pairs"))
        points.append({"at": size, "rate": median, "low": low, "high": high})
    text = ", ".join(f"{point['at']}: {point['rate']:,.0f}/s" for point in points)
    yield Row("pairs of so many threads on one client", "", text, None, curve="threads",
              series=[{"name": "one client, a name for each thread", "points": points}])


def memory_curve(bench):
    environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.tcache_count=0")
    points = []
    for size in bench.amount((10, 100, 1000, 4000, 10000), (10, 100, 1000)):
        try:
            result = once([bench.program("library_memory"), bench.server.tcp, bench.name(), str(size)], env=environment)
        except RuntimeError as error:
            if points and "can't start thread" in str(error):
                break  # the machine allows no more threads
            raise
        points.append({"at": size, "bytes": result["bytes_each"] * size, "each": result["bytes_each"], "sockets": result["sockets"]})
    text = ", ".join(f"{point['at']:,}: {point['each']:,.0f} bytes each, {point['sockets']} sockets" for point in points)
    most = points[-1]
    yield Row("memory of waiting locks", "linear, 2 sockets", text,
              most["each"] <= 1024 and all(point["sockets"] <= 2 for point in points), curve="memory",
              series=[{"name": "waiting locks", "points": points}])


def leases(bench):
    points = []
    for size in bench.amount((10, 100, 1000, 10000), (10, 1000)):
        command = [bench.program("library_renew"), bench.server.tcp, bench.name(), str(size), "6000", "2"]
        cpu = once(command)["cpu_seconds"] / 2
        result, sends, sent = sends_while_quiet(command)
        if result["held"] != size:
            raise RuntimeError(f"only {result['held']} of {size} leases were kept")
        points.append({"at": size, "bytes": sent / 2, "writes": sends / 2, "cpu_ms": cpu * 1e3})
    text = ", ".join(f"{point['at']:,}: {point['bytes']:,.0f} bytes, {point['cpu_ms']:.1f} ms" for point in points)
    few, many = (point["bytes"] / point["at"] for point in (points[0], points[-1]))
    yield Row("a round of renewals", "linear in bytes", text, many <= 1.2 * few, curve="leases",
              series=[{"name": "a round of renewals", "points": points}])


def names(bench):
    """Two waiters for each of so many names, in one loop on two sockets."""
    url, duration = bench.server.tcp, str(bench.amount(1500, 400))
    points = hand_off_points(bench, "two waiters for each name, one event loop", bench.amount((1, 10, 100, 1000, 5000), (1, 100)),
                             lambda n: once([bench.program("library_loop"), url, bench.name(), str(2 * n), duration, str(n)]),
                             bench.amount(7, 2))
    text = ", ".join(f"{point['at']:,}: {point['rate']:,.0f}/s" for point in points["points"])
    yield Row("hand-offs of so many names in one loop", "", text, None, curve="names", series=[points])


def start(bench):
    if not os.path.exists(bench.program("library_start")):
        raise Skip("library_start was not built")
    command = [bench.program("library_start"), bench.library, bench.server.tcp, bench.name()]
    results = interleave(bench.amount(100, 20), {"start": lambda: once(command)})["start"]
    load, lock = spread(values(results, "load_us")), spread(values(results, "lock_us"))
    yield Row("start: dlopen, and from there to the first lock", "", f"{load[0]:,.0f} µs ({load[1]:,.0f}..{load[2]:,.0f}), "
              f"{lock[0]:,.0f} µs ({lock[1]:,.0f}..{lock[2]:,.0f})", None, load_us=load, lock_us=lock)


# The interpreter, the ending of its scripts, the limit.
LANGUAGES = {"python": ("python3", "py", 1.25), "ruby": ("ruby", "rb", 1.25), "perl": ("perl", "pl", 1.25),
             "tcl": ("tclsh", "tcl", None), "php": ("php", "php", None)}


def swig(bench):
    """The pair in the languages of bindings/swig whose modules were built, to the same in C: means, on one core with the
    server. A script tells the nanoseconds of a pair; its start doesn't count."""
    build = pathlib.Path(bench.programs).parent
    core = min(os.sched_getaffinity(0))
    count = bench.amount(2000, 500)
    for language, (interpreter, ending, limit) in LANGUAGES.items():
        goal, wanted = f"pair in {language}, to the same in C: mean", f"<= {limit}" if limit else ""
        tests = SWIG / language / "tests"
        modules = [path for path in (build / "bindings" / "swig" / language).rglob("*.so") if path.parent.name != "tests"]
        if not modules or not shutil.which(interpreter):
            row = Row(goal, wanted, "its module was not built", None)
            row.verdict = "skipped"
            yield row
            continue
        words = [modules[0]] if language == "php" else [build, interpreter]
        command = [str(word) for word in (tests / "run", *words, tests / f"pair.{ending}", bench.server.tcp, count)]

        def script(command=command):
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=300,
                                  preexec_fn=lambda: os.sched_setaffinity(0, {core}))
            return {"pairs": count, "seconds": int(done.stdout) * count / 1e9}

        bench.server.pin({core})
        try:
            with Rounds([bench.program("library_pair"), bench.server.tcp, bench.name(), "1"], core) as c:
                runners = {language: script, "c": lambda: c.run(count)}
                interleave(1, runners)
                results = interleave(bench.amount(20, 4), runners)
        finally:
            bench.server.pin(os.sched_getaffinity(0))
        took = {name: [result["seconds"] / result["pairs"] * 1e6 for result in each] for name, each in results.items()}
        ratio = Ratio(took[language], took["c"])
        yield Row(goal, wanted, f"{ratio}; {statistics.median(took[language]):.1f} µs to {statistics.median(took['c']):.1f}",
                  ratio.median <= limit if limit else None, ratio=ratio.data())

# SPDX-License-Identifier: MIT
"""The means: a server of our own, programs that answer in JSON, interleaved rounds, counted instructions and calls."""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time


class Skip(Exception):
    """What a row needs isn't here."""


def need(program):
    path = shutil.which(program)
    if not path:
        raise Skip(f"{program} is not installed")
    return path


def redis_server():
    """As the tests choose it."""
    return os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or need("valkey-server")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A redis-server without persistence, on a port and a unix socket in a temporary folder."""

    def __init__(self, *under):
        self.folder = tempfile.mkdtemp(prefix="redislock-bench-")
        self.port = free_port()
        self.tcp = f"redis://127.0.0.1:{self.port}"
        self.unix = f"unix://{self.folder}/socket"
        self.process = subprocess.Popen(
            [*under, redis_server(), "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", f"{self.folder}/socket",
             "--save", "", "--appendonly", "no", "--maxclients", "20000", "--dir", self.folder],
            stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert int(self.info("server")["process_id"]) == self.process.pid, "another server took the port"
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("redis-server doesn't start") from None
                time.sleep(0.02)

    def info(self, section):
        with socket.create_connection(("127.0.0.1", self.port), 30) as connection, connection.makefile("rb") as answer:
            connection.sendall(f"INFO {section}\r\n".encode())
            text = answer.read(int(answer.readline()[1:])).decode()
        return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)

    def script_calls(self):
        stats = self.info("commandstats")
        return sum(int(re.search(r"calls=(\d+)", stats[key])[1])
                   for key in ("cmdstat_evalsha", "cmdstat_eval") if key in stats)

    def usage(self):
        """What the server has done so far; the asking itself is the same amount each time."""
        info = self.info("everything")
        return {"scripts": self.script_calls(), "commands": int(info["total_commands_processed"]),
                "bytes_in": int(info["total_net_input_bytes"]), "bytes_out": int(info["total_net_output_bytes"]),
                "cpu_us": (float(info["used_cpu_user"]) + float(info["used_cpu_sys"])) * 1e6}

    def cost(self, work):
        """What work() answers, and what each of its acquisitions cost the server. The asking is taken off."""
        first, before = self.usage(), self.usage()
        result = work()
        after = self.usage()
        return {**result, **{f"server_{key}": (after[key] - 2 * before[key] + first[key]) / max(result["all"], 1)
                             for key in after if key != "cpu_us"},
                "server_cpu_us": (after["cpu_us"] - before["cpu_us"]) / max(result["all"], 1)}

    def pin(self, cores):
        os.sched_setaffinity(self.process.pid, cores)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Rounds:
    """A program that runs a round of pairs for each line it is sent. On one core with the server where one is given."""

    def __init__(self, command, core=None):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, {core})) if core is not None else None)

    def run(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args[0]} ended")
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


def once(command, **options):
    """One run of a program, its last line as JSON."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def interleave(rounds, runners):
    """Runs each of the runners (name: function) once in every round, in turns first; the results by name."""
    results = {name: [] for name in runners}
    names = list(runners)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            results[name].append(runners[name]())
    return results


class Ratio:
    """The ratios of rounds that belong together: median and quartiles."""

    def __init__(self, over, under):
        ratios = sorted(a / b for a, b in zip(over, under))
        self.median = statistics.median(ratios)
        if len(ratios) > 1:
            self.low, _, self.high = statistics.quantiles(ratios, n=4, method="inclusive")
        else:
            self.low = self.high = ratios[0]

    def __str__(self):
        return f"{self.median:.2f} ({self.low:.2f}..{self.high:.2f})"

    def data(self):
        return {"median": self.median, "low": self.low, "high": self.high}


def values(results, key):
    return [result[key] for result in results]


def rates(results, key):
    return [result[key] / result["seconds"] for result in results]


def middle(results, key):
    return statistics.median(values(results, key))


def system_calls(command, pairs):
    """System calls of one pair, by name: the difference between so many pairs and twice as many."""
    counts = []
    for count in (pairs, 2 * pairs):
        with tempfile.NamedTemporaryFile("r", suffix=".strace") as report:
            subprocess.run([need("strace"), "-f", "-c", "-o", report.name, *command], input=f"10\n{count}\n", text=True,
                           stdout=subprocess.DEVNULL, check=True, timeout=300)
            lines = [line.split() for line in report.read().splitlines()]
        counts.append({words[-1]: int(words[3]) for words in lines if len(words) > 4 and words[3].isdigit()})
    counts = {name: (calls - counts[0].get(name, 0)) / pairs for name, calls in counts[1].items() if name != "total"}
    return {name: calls for name, calls in counts.items() if calls >= 0.01}


def callgrind(report):
    """What a command is put behind for its instructions to be counted into a file."""
    return [need("valgrind"), "-q", "--tool=callgrind", f"--callgrind-out-file={report.name}"]


def callgrind_total(report):
    return int(re.search(r"^(?:totals|summary): (\d+)", report.read(), re.M)[1])


def instructions(command, pairs):
    """User instructions of one pair, by callgrind: the difference between so many pairs and twice as many."""
    totals = []
    for count in (pairs, 2 * pairs):
        with tempfile.NamedTemporaryFile("r", suffix=".callgrind") as report:
            subprocess.run([*callgrind(report), *command], input=f"10\n{count}\n", text=True, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=True, timeout=300)
            totals.append(callgrind_total(report))
    return (totals[1] - totals[0]) / pairs


def server_instructions(work, amount):
    """The server's own user instructions for one of what work(server, amount) answers the number of, by callgrind: the
    difference between an amount and twice as much."""
    totals, counts = [], []
    for each in (amount, 2 * amount):
        with tempfile.NamedTemporaryFile("r", suffix=".callgrind") as report:
            server = Server(*callgrind(report))
            try:
                counts.append(work(server, each))
            finally:
                server.stop()
            totals.append(callgrind_total(report))
    return (totals[1] - totals[0]) / (counts[1] - counts[0])


def sends_while_quiet(command):
    """How often and how many bytes a program sends between the lines begin and end that it writes itself."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as report:
        result = once([need("strace"), "-f", "-e", "trace=write,writev,sendto,sendmsg", "-o", report.name, *command])
        lines = report.read().splitlines()
    begin = next(i for i, line in enumerate(lines) if 'write(1, "begin' in line)
    end = next(i for i, line in enumerate(lines) if 'write(1, "end' in line)
    sizes = [int(found[1]) for line in lines[begin + 1:end]
             if "write(1," not in line and (found := re.search(r"= (\d+)$", line))]
    return result, len(sizes), sum(sizes)

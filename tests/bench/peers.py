# SPDX-License-Identifier: MIT
"""Other people's locks: installed from the registries, each pinned, and run. See peers/README.md."""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import venv

from measure import Skip, need

PROGRAMS = pathlib.Path(__file__).resolve().parent / "peers"

GO_MODULES = {"redsync": "github.com/go-redsync/redsync/v4@v4.18.1", "bsm/redislock": "github.com/bsm/redislock@v0.9.4",
              "go-redis": "github.com/redis/go-redis/v9@v9.23.0"}

CARGO = """[package]
name = "peer"
version = "0.0.0"
edition = "2021"
[dependencies]
rslock = { version = "=0.10.0", features = ["tokio-comp"] }
tokio = { version = "1", features = ["rt", "macros"] }
"""

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>peer</artifactId><version>1</version>
<dependencies><dependency>
<groupId>org.redisson</groupId><artifactId>redisson</artifactId><version>3.50.0</version>
</dependency></dependencies></project>
"""


def run(command, folder, what):
    """One step of an installation; its failure is a reason to skip."""
    try:
        done = subprocess.run(list(map(str, command)), cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=900, check=False)
    except subprocess.TimeoutExpired:
        raise Skip(f"{what} took more than 15 minutes") from None
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["no text"]
        raise Skip(f"{what} failed: {lines[-1][:120]}")


def pypi(package, *pins):
    """The packages provide modules of one name: each has a folder of its own."""
    def install(folder):
        tool, target = folder.parent / "pip", folder / "modules"
        if not (tool / "bin" / "python").exists():
            venv.create(tool, with_pip=True)
        if not target.exists():
            run([tool / "bin" / "python", "-m", "pip", "install", "-q", "--target", target, *pins], folder, "pip install")
        return [tool / "bin" / "python", PROGRAMS / "python.py", package], {"PYTHONPATH": str(target)}
    return install


def go(package):
    """One program has both."""
    def install(folder):
        program = folder.parent / "go" / "peer"
        if not program.exists():
            program.parent.mkdir(exist_ok=True)
            shutil.copy(PROGRAMS / "go.go", program.parent)
            (program.parent / "go.mod").write_text("module peer\n\ngo 1.22\n")
            run([need("go"), "mod", "edit", *(f"-require={pin}" for pin in GO_MODULES.values())], program.parent, "go mod edit")
            run(["go", "mod", "tidy"], program.parent, "go mod tidy")
            run(["go", "build", "-o", program, "."], program.parent, "go build")
        return [program, package], {}
    return install


def rust(folder):
    program = folder / "target" / "release" / "peer"
    if not program.exists():
        (folder / "src").mkdir(exist_ok=True)
        (folder / "Cargo.toml").write_text(CARGO)
        shutil.copy(PROGRAMS / "rust.rs", folder / "src" / "main.rs")
        run([need("cargo"), "build", "--quiet", "--release"], folder, "cargo build")
    return [program, "rslock"], {}


def maven(folder):
    jars, compiled = folder / "jars", folder / "Peer.class"
    if not compiled.exists():
        (folder / "pom.xml").write_text(POM)
        run([need("mvn"), "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"], folder, "mvn")
        run([need("javac"), "-cp", f"{jars}/*", "-d", folder, PROGRAMS / "Peer.java"], folder, "javac")
    return [need("java"), "-cp", f"{folder}:{jars}/*", "Peer", "redisson"], {}


def npm(folder):
    if not (folder / "node_modules" / "redlock").exists():
        (folder / "package.json").write_text('{"private": true}\n')
        run([need("npm"), "install", "--no-audit", "--no-fund", "redlock@4.2.0", "ioredis@5.8.2"], folder, "npm install")
    shutil.copy(PROGRAMS / "node.js", folder)
    return [need("node"), folder / "node.js", "redlock"], {}


def cpp(folder):
    """Only where the system has it: Debian's libredis++-dev."""
    program = folder / "peer"
    if not program.exists():
        try:
            flags = subprocess.run([need("pkg-config"), "--cflags", "--libs", "redis++", "hiredis"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, check=True).stdout.split()
        except subprocess.CalledProcessError:
            raise Skip("there is no redis++ for pkg-config (Debian's libredis++-dev)") from None
        run([need("c++"), "-std=c++17", "-O2", "-o", program, PROGRAMS / "cpp.cpp", *flags, "-lpthread"], folder, "c++")
    return [program, "redis-plus-plus"], {}


# In the order of the table.
PEERS = {
    "redis-lock-py": pypi("redis-lock-py", "redis-lock-py==1.3.0", "redis==8.1.0"),
    "python-redis-lock": pypi("python-redis-lock", "python-redis-lock==4.0.1", "redis==8.1.0"),
    "redis-py Lock": pypi("redis", "redis==8.1.0"),
    "pottery": pypi("pottery", "pottery==3.0.1", "redis==8.1.0"),
    "redsync": go("redsync"),
    "bsm/redislock": go("bsm/redislock"),
    "rslock": rust,
    "Redisson": maven,
    "node-redlock": npm,
    "redis-plus-plus": cpp,
}


class Peer:
    """Some processes of one peer, connected and ready; kept for all rounds, so that a start is paid once."""

    def __init__(self, command, environment, port, processes, core=None):
        pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
        self.processes = [
            subprocess.Popen([*map(str, command), "127.0.0.1", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment}, preexec_fn=pin)
            for _ in range(processes)]
        try:
            for process in self.processes:
                if self.line(process) != "ready":
                    raise RuntimeError(f"{command[-1]} doesn't start")
        except RuntimeError:
            self.stop()
            raise

    @staticmethod
    def line(process):
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{process.args[0]} ended")
        return line.strip()

    def tell(self, text):
        for process in self.processes:
            process.stdin.write(text + "\n")
            process.stdin.flush()
        return [json.loads(self.line(process)) for process in self.processes]

    def pair(self, name, count):
        return self.tell(f"pair {name} {count}")[0]

    def hand_off(self, name, milliseconds):
        return together(self.tell(f"handoff {name} {milliseconds}"))

    def stop(self):
        for process in self.processes:
            process.stdin.close()
            process.kill()
            process.stdout.close()
            process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def together(answers):
    """What several processes did for the time in which all of them took part. "all" counts the rest of the round, too."""
    begin, end = max(each["begin"] for each in answers), min(each["end"] for each in answers)
    holds = sorted((acquired, released, number) for number, each in enumerate(answers) for acquired, released in each["holds"])
    counts, gaps = [0] * len(answers), []
    last = None
    for acquired, released, number in holds:
        if last and acquired < last[1]:
            raise RuntimeError("two holders at once")
        if begin <= acquired < end:
            counts[number] += 1
            if last and last[2] != number:
                gaps.append(acquired - last[1])
        last = (acquired, released, number)
    squares = sum(count * count for count in counts)
    return {"acquisitions": sum(counts), "all": len(holds), "changed": len(gaps), "seconds": max(end - begin, 1) / 1e9,
            "p50_us": statistics.median(gaps) / 1e3 if gaps else None,
            "jain": sum(counts) ** 2 / (len(counts) * squares) if squares else 0}


def install(name, folder):
    """The command and environment of a peer, once it is there. Skip tells why it isn't."""
    place = pathlib.Path(folder) / "".join(letter if letter.isalnum() else "-" for letter in name)
    place.mkdir(parents=True, exist_ok=True)
    return PEERS[name](place)

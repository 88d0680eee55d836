# SPDX-License-Identifier: MIT
"""The command line: help, version, and what is wrong with it."""

import json
import re

import support
from support import environment, end, equal, finish, hold, run, start, test, true


@test
def every_command_has_help():
    for command in ("run", "status", "list", "wait", "break", "ping", "version"):
        for arguments in ((command, "--help"), (command, "-h"), ("help", command)):
            result = run(*arguments)
            equal(result.returncode, 0, arguments)
            true(b"redis-lock " + command.encode() in result.stdout, "the help of " + command)
            equal(result.stderr, b"")
    for word in ("help", "--help", "-h"):
        result = run(word)
        equal(result.returncode, 0)
        true(b"redis-lock run" in result.stdout, "the help")


@test
def help_names_every_option_and_they_are_taken():
    of_run = ["--url", "--wait", "--try", "--ttl", "--spin", "--min-replicas", "--owner", "--on-lost", "--signal-grace",
              "--conflict-exit-code", "--quiet", "--verbose"]
    for command, options in (("run", of_run), ("status", ["--json", "--url"]), ("list", ["--json", "--url"]),
                             ("wait", ["--wait", "--try", "--quiet", "--url"]
                              ), ("break", ["--token", "--quiet", "--url"]),
                             ("ping", ["--quiet", "--url"]), ("version", [])):
        told = re.findall(rb"^  (--[a-z-]+)", run(command, "--help").stdout, re.MULTILINE)
        equal(sorted(word.decode() for word in told), sorted(options + ["--help"]), command)
    equal(run("run", "--url", support.server.url, "--wait", "1s", "--try", "--ttl", "10s", "--spin", "--spin=20ms", "--min-replicas", "0",
              "--owner", "me", "--on-lost", "kill", "--signal-grace", "1s", "--conflict-exit-code", "9", "--verbose",
              "--quiet", "foo", "sh", "-c", "exit 7", url="unix:///nowhere").returncode, 7)
    for mode in ("term", "kill", "ignore"):
        equal(run("run", "--on-lost", mode, "foo", "true").returncode, 0)
    for grace in ("0", "0ms", "1h", "forever"):
        equal(run("run", "--signal-grace=" + grace, "foo", "true").returncode, 0)


@test
def version_tells_one():
    for word in ("version", "--version", "-V"):
        result = run(word)
        equal(result.returncode, 0)
        lines = result.stdout.decode().splitlines()
        true(re.fullmatch(r"redis-lock 1\.\d+\.\d+", lines[0]), lines)
        features = dict(line.split(": ") for line in lines[1:])
        equal(list(features), ["tls", "resp3", "sentinel", "cluster", "built with"])
        true(re.match(r"hiredis \d+\.\d+\.\d+, c-ares \d+\.\d+\.\d+", features.pop("built with")), lines)
        true(set(features.values()) <= {"yes", "no"}, lines)


@test
def wrong_usage_names_the_option_and_exits_64():
    for arguments, said in (
            ([], b"redis-lock run"),
            (["nonsense"], b"'nonsense'"),
            (["help", "nonsense"], b"'nonsense'"),
            (["run"], b"NAME"),
            (["run", "foo"], b"COMMAND"),
            (["run", "foo", "--"], b"COMMAND"),
            (["run", "", "true"], b"NAME"),
            (["run", "x" * 32769, "true"], b"NAME"),
            (["run", "--nonsense", "foo", "true"], b"--nonsense"),
            (["run", "-x", "foo", "true"], b"-x"),
            (["run", "--wait"], b"--wait"),
            (["run", "--wait", "5", "foo", "true"], b"--wait"),
            (["run", "--wait", "-1s", "foo", "true"], b"--wait"),
            (["run", "--wait", "soon", "foo", "true"], b"--wait"),
            (["run", "--wait", "1.5.5s", "foo", "true"], b"--wait"),
            (["run", "--wait", "0.5ms", "foo", "true"], b"--wait"),
            (["run", "--wait", "9007199254740992ms", "foo", "true"], b"--wait"),
            (["run", "--wait", "99999999999999999999d", "foo", "true"], b"--wait"),
            (["run", "--wait", "none", "foo", "true"], b"--wait"),
            (["run", "--ttl", "0", "foo", "true"], b"--ttl"),
            (["run", "--ttl", "forever", "foo", "true"], b"--ttl"),
            (["run", "--ttl", "", "foo", "true"], b"--ttl"),
            (["run", "--spin=0", "foo", "true"], b"--spin"),
            (["run", "--spin=2147483648ms", "foo", "true"], b"--spin"),
            (["run", "--try=1", "foo", "true"], b"--try"),
            (["run", "--on-lost", "panic", "foo", "true"], b"--on-lost"),
            (["run", "--signal-grace", "x", "foo", "true"], b"--signal-grace"),
            (["run", "--min-replicas", "1001", "foo", "true"], b"--min-replicas"),
            (["run", "--min-replicas", "-1", "foo", "true"], b"--min-replicas"),
            (["run", "--min-replicas", "1x", "foo", "true"], b"--min-replicas"),
            (["run", "--conflict-exit-code", "256", "foo", "true"], b"--conflict-exit-code"),
            (["run", "--conflict-exit-code", "-1", "foo", "true"], b"--conflict-exit-code"),
            (["run", "--conflict-exit-code", "", "foo", "true"], b"--conflict-exit-code"),
            (["run", "--owner", "x" * 256, "foo", "true"], b"--owner"),
            (["run", "--owner", "a\nb", "foo", "true"], b"--owner"),
            (["run", "--owner", "\x7f", "foo", "true"], b"--owner"),
            (["run", "--owner"], b"--owner"),
            (["run", "rlock-queue:foo", "true"], b"NAME"),
            (["run", "--signal-grace", "-1s", "foo", "true"], b"--signal-grace"),
            (["run", "--conflict-exit-code", "7x", "foo", "true"], b"--conflict-exit-code"),
            (["run", "--wait", "1.s", "foo", "true"], b"--wait"),
            (["run", "--wait", ".5s", "foo", "true"], b"--wait"),
            (["run", "--wait", "5 s", "foo", "true"], b"--wait"),
            (["run", "--wait", "5S", "foo", "true"], b"--wait"),
            (["run", "--json", "foo", "true"], b"--json"),
            (["status"], b"NAME"),
            (["status", "foo", "bar"], b"'bar'"),
            (["status", "--ttl", "3s", "foo"], b"--ttl"),
            (["status", "rlock-state:foo"], b"NAME"),
            (["status", ""], b"NAME"),
            (["status", "--verbose", "foo"], b"--verbose"),
            (["list", "a", "b"], b"'b'"),
            (["list", "x" * 4097], b"PATTERN"),
            (["wait", "--wait", "x", "foo"], b"--wait"),
            (["wait", "--ttl", "1s", "foo"], b"--ttl"),
            (["break", "--token", "", "foo"], b"--token"),
            (["break", "--token", "x" * 129, "foo"], b"--token"),
            (["break", "--token", "a b", "foo"], b"--token"),
            (["break", "--token", "gr\u00fcn", "foo"], b"--token"),
            (["break"], b"NAME"),
            (["version", "foo"], b"'foo'"),
            (["help", "run", "foo"], b"one command"),
            (["ping", "foo"], b"'foo'"),
            (["ping", "--url", "http://localhost"], b"--url"),
            (["ping", "--url", "redis://localhost:port"], b"--url"),
            (["ping", "--url", "redis+cluster://localhost/1"], b"--url")):
        result = run(*arguments)
        equal(result.returncode, 64, arguments)
        true(said in result.stderr, "%r says %r" % (arguments, result.stderr))
        equal(result.stdout, b"")
    result = run("ping", url="nonsense://:secret@host")
    equal(result.returncode, 64)
    true(b"REDISLOCK_URL" in result.stderr and b"secret" not in result.stderr, result.stderr)


@test
def wrong_usage_cannot_write_to_the_terminal():
    for arguments in (["\x1b[31m"], ["run", "--owner", "\x1b[31m", "foo", "true"],
                      ["run", "--wait", "\x1b[31m", "foo", "true"], ["run", "foo", "no-such-\x1b[31m"],
                      ["break", "\x1b[31m"]):
        result = run(*arguments)
        true(b"\x1b" not in result.stderr and b"\\x1b[31m" in result.stderr, result.stderr)


@test
def longest_owner_and_token_are_taken():
    result = run("run", "--owner", "x" * 255, "foo", support.program, "status", "--json", "foo")
    equal(json.loads(result.stdout)["owner"], "x" * 255)
    support.server.call("SET", "foo", "y" * 128)
    equal(run("break", "--token", "y" * 128, "foo").returncode, 0)


@test
def durations_are_taken_in_every_unit():
    for duration in ("1ms", "500ms", "30s", "1.5s", "0.001s", "2m", "1h", "1d", "0", "0s", "9007199254740991ms",
                     "forever"):
        equal(run("run", "--wait", duration, "foo", "true").returncode, 0, duration)
    for duration, ms in (("90000ms", 90000), ("90s", 90000), ("1.5m", 90000), ("0.5h", 1800000), ("2d", 172800000)):
        result = run("run", "--ttl", duration, "foo", support.program, "status", "--json", "foo")
        true(ms - 60000 < json.loads(result.stdout)["remaining_ms"] <= ms, (duration, result.stdout))
    equal(run("run", "--ttl", "none", "foo", "true").returncode, 0)


@test
def url_option_goes_before_the_environment():
    equal(run("ping", "--url", support.server.url, url="unix:///nowhere/at/all").returncode, 0)
    equal(run("ping", "--url", "unix:///nowhere/at/all").returncode, 69)
    empty = run("ping", env=environment(REDISLOCK_URL=""))  # the default, whoever listens there
    true(empty.returncode != 64, empty.stderr)


@test
def unwritable_output_is_a_failure():
    holder = hold("foo")
    for arguments in (["version"], ["help"], ["run", "--help"], ["ping"], ["status", "foo"], ["list", "--json"]):
        with open("/dev/full", "wb") as full:
            status, _, err = finish(start(*arguments, stdout=full))
        equal((status, err), (70, b"redis-lock: standard output can't be written\n"), arguments)
    end(holder)

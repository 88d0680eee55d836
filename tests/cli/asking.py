# SPDX-License-Identifier: MIT
"""Everything but run: usage, status, list, wait, break, ping, and a server that doesn't do what is wanted."""

import json
import socket

import support
from support import Server, end, environment, equal, eventually, finish, hold, run, start, test, true

ODD_NAMES = [b"a b", b"new\nline", b"tab\t", b"%s%n", b"{braces}", b"}{", b'quote"', b"back\\slash", b"\x01\x7f",
             "gr\u00fcn \u65e5\u672c \U0001f512".encode(), b"\xff\xfe", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xc2\x85", b"-dash",
             b"'; rm -rf /", b"*"]


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
def version_tells_one():
    for word in ("version", "--version", "-V"):
        result = run(word)
        equal(result.returncode, 0)
        true(result.stdout.startswith(b"redis-lock 1."), result.stdout)


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
            (["run", "--conflict-exit-code", "256", "foo", "true"], b"--conflict-exit-code"),
            (["run", "--conflict-exit-code", "-1", "foo", "true"], b"--conflict-exit-code"),
            (["run", "--conflict-exit-code", "", "foo", "true"], b"--conflict-exit-code"),
            (["run", "--owner", "x" * 256, "foo", "true"], b"--owner"),
            (["run", "--owner", "a\nb", "foo", "true"], b"owner"),
            (["run", "--json", "foo", "true"], b"--json"),
            (["status"], b"NAME"),
            (["status", "foo", "bar"], b"'bar'"),
            (["status", "--ttl", "3s", "foo"], b"--ttl"),
            (["list", "a", "b"], b"'b'"),
            (["wait", "--wait", "x", "foo"], b"--wait"),
            (["break", "--token", "", "foo"], b"--token"),
            (["ping", "foo"], b"'foo'"),
            (["ping", "--url", "http://localhost"], b"--url"),
            (["ping", "--url", "redis://localhost:port"], b"--url"),
            (["ping", "--url", "rediss://localhost"], b"--url")):
        result = run(*arguments)
        equal(result.returncode, 64, arguments)
        true(said in result.stderr, "%r says %r" % (arguments, result.stderr))
        equal(result.stdout, b"")
    result = run("ping", url="nonsense://:secret@host")
    equal(result.returncode, 64)
    true(b"REDISLOCK_URL" in result.stderr and b"secret" not in result.stderr, result.stderr)


@test
def durations_are_taken_in_every_unit():
    for duration in ("1ms", "500ms", "30s", "1.5s", "0.001s", "2m", "1h", "1d", "0", "0s", "9007199254740991ms", "forever"):
        equal(run("run", "--wait", duration, "foo", "true").returncode, 0, duration)
    for duration in ("60s", "1h", "none"):
        equal(run("run", "--ttl", duration, "foo", "true").returncode, 0, duration)


@test
def url_option_goes_before_the_environment():
    equal(run("ping", "--url", support.server.url, url="unix:///nowhere/at/all").returncode, 0)
    equal(run("ping", "--url", "unix:///nowhere/at/all").returncode, 69)


@test
def ping_says_how_long_it_took():
    result = run("ping")
    equal(result.returncode, 0)
    true(b" ms\n" in result.stdout, result.stdout)
    equal(run("ping", "--quiet").stdout, b"")


@test
def unreachable_server_is_69_with_advice():
    for arguments in (["run", "foo", "true"], ["run", "--try", "foo", "true"], ["status", "foo"], ["list"], ["wait", "foo"],
                      ["break", "foo"], ["ping"]):
        result = run(*arguments, url="unix:///nowhere/at/all")
        equal(result.returncode, 69, arguments)
        true(result.stderr.startswith(b"redis-lock: ") and b"REDISLOCK_URL" in result.stderr, result.stderr)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # nobody listens
    equal(run("ping", url="redis://127.0.0.1:%d" % listener.getsockname()[1]).returncode, 69)
    listener.close()


@test
def wrong_password_is_77_and_is_not_shown():
    locked = Server("--requirepass", "right")
    try:
        for url in (locked.url, locked.url.replace("unix://", "unix://:wrong@"), locked.url.replace("unix://", "unix://nobody:wrong@")):
            for arguments in (["run", "foo", "true"], ["status", "foo"], ["list"], ["wait", "foo"], ["break", "foo"], ["ping"]):
                result = run(*arguments, url=url)
                if b"REDISLOCK_URL: " in result.stderr:
                    continue  # no room for a password in the URL of a socket
                equal(result.returncode, 77, (url, arguments))
                true(b"wrong@" not in result.stderr, result.stderr)
    finally:
        locked.close()


@test
def missing_permission_is_77():
    support.server.call("ACL", "SETUSER", "weak", "on", "nopass", "~*", "+ping")
    try:
        support.server.call("CONFIG", "SET", "port", free_port())
        port = int(support.server.call("CONFIG", "GET", "port")[1])
        for arguments in (["run", "foo", "true"], ["status", "foo"], ["list"], ["break", "foo"]):
            equal(run(*arguments, url="redis://weak:any@127.0.0.1:%d" % port).returncode, 77, arguments)
        equal(run("ping", url="redis://weak:any@127.0.0.1:%d" % port).returncode, 0)
        equal(run("run", "foo", "true", url="redis://nobody:wrong@127.0.0.1:%d" % port).returncode, 77)
    finally:
        support.server.call("CONFIG", "SET", "port", 0)
        support.server.call("ACL", "DELUSER", "weak")


def free_port():
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return plug.getsockname()[1]


@test
def status_is_0_when_locked_and_1_when_free():
    result = run("status", "foo")
    equal((result.returncode, result.stderr), (1, b""))
    true(b"state    free\n" in result.stdout, result.stdout)
    holder = hold("foo", "--owner", "somebody special")
    result = run("status", "foo")
    equal((result.returncode, result.stderr), (0, b""))
    true(b"state    locked\nowner    somebody special\n" in result.stdout, result.stdout)
    end(holder)
    equal(run("status", "foo").returncode, 1)


@test
def status_as_json_tells_all():
    free = json.loads(run("status", "foo", "--json").stdout)
    equal(free, {"name": "foo", "locked": False, "token": None, "owner": None, "remaining_ms": 0, "waiters": 0, "fence": 0})
    holder = hold("foo", "--owner", "me")
    waiter = start("run", "foo", "true")
    eventually(lambda: support.server.waiting("foo") == 1, "the waiter is in the queue")
    result = run("status", "--json", "foo")
    seen = json.loads(result.stdout)
    equal((result.returncode, seen["name"], seen["locked"], seen["owner"], seen["waiters"]), (0, "foo", True, "me", 1))
    equal(seen["token"].encode(), support.server.call("GET", "foo"))
    true(0 < seen["remaining_ms"] <= 30000 and seen["fence"] > 0, seen)
    end(holder)
    equal(finish(waiter)[0], 0)
    true(json.loads(run("status", "foo", "--json").stdout)["fence"] > seen["fence"], "a higher fence")


@test
def locks_of_others_are_seen_by_status():
    support.server.call("SET", "foo", b"their \xff token")
    seen = json.loads(run("status", "foo", "--json").stdout)
    equal((seen["locked"], seen["owner"], seen["remaining_ms"]), (True, "", None))
    equal((seen["token"], seen["token_hex"]), ("their \ufffd token", b"their \xff token".hex()))
    result = run("status", "foo")
    true(b"owner    unknown\ntoken    their \\xff token\nlease    without an end\n" in result.stdout, result.stdout)


@test
def what_is_no_lock_is_70_and_left_alone():
    support.server.call("RPUSH", "foo", "precious")
    for arguments in (["run", "foo", "true"], ["status", "foo"], ["wait", "foo"], ["break", "foo"]):
        result = run(*arguments)
        equal(result.returncode, 70, arguments)
        true(b"another name" in result.stderr, result.stderr)
    equal(support.server.call("LRANGE", "foo", 0, -1), [b"precious"])


@test
def list_shows_what_is_locked():
    equal((run("list").stdout, run("list").returncode), (b"", 0))
    equal(run("list", "--json").stdout, b"[]\n")
    holders = [hold(name, "--owner", "of " + name) for name in ("beta", "alpha", "gamma")]
    lines = [line.split(b"\t") for line in run("list").stdout.splitlines()]
    equal([line[:2] for line in lines], [[b"alpha", b"of alpha"], [b"beta", b"of beta"], [b"gamma", b"of gamma"]])
    equal([line[3] for line in lines], [b"0", b"0", b"0"])
    equal([item["name"] for item in json.loads(run("list", "--json").stdout)], ["alpha", "beta", "gamma"])
    equal([item["name"] for item in json.loads(run("list", "[ab]*", "--json").stdout)], ["alpha", "beta"])
    equal(run("list", "nothing*").stdout, b"")
    for holder in holders:
        end(holder)
    equal(run("list").stdout, b"")


@test
def odd_names_are_exact_everywhere():
    for name in ODD_NAMES:
        result = run("run", "--", name, "sh", "-c", '"$0" list; "$0" status -- "$REDISLOCK_NAME"; printf "%s" "$REDISLOCK_NAME"', support.program)
        equal(result.returncode, 0, name)
        lines = result.stdout.split(b"\n")
        equal(lines[0].count(b"\t"), 3, name)
        true(lines[1].startswith(b"name     ") and lines[2] == b"state    locked", lines)
        true(not any(byte < 0x20 and byte not in (9, 10) for byte in result.stdout.replace(name, b"")), result.stdout)
        true(result.stdout.endswith(name), name)


@test
def odd_names_make_valid_json():
    holders = [start("run", "--", name, "sh", "-c", "echo held; exec sleep 1000") for name in ODD_NAMES]
    for holder in holders:
        equal(holder.stdout.readline(), b"held\n")
    for name in ODD_NAMES:
        result = run("status", "--json", "--", name)
        equal(result.returncode, 0, name)
        equal(exact(json.loads(result.stdout.decode("utf-8"))), name)
    listed = json.loads(run("list", "--json").stdout.decode("utf-8"))
    equal([exact(item) for item in listed], sorted(ODD_NAMES))
    for holder in holders:
        end(holder)


def exact(item):
    try:
        return bytes.fromhex(item["name_hex"])
    except KeyError:
        return item["name"].encode()


@test
def wait_ends_when_it_is_free_and_takes_no_place():
    equal(run("wait", "foo").returncode, 0)
    holder = hold("foo")
    waiter = start("wait", "foo")
    equal(run("wait", "--wait", "100ms", "foo").returncode, 75)
    result = run("wait", "--try", "foo")
    equal(result.returncode, 75)
    true(b"not free" in result.stderr, result.stderr)
    equal(run("wait", "--quiet", "--wait", "0", "foo").stderr, b"")
    equal(support.server.waiting("foo"), 0)
    equal(waiter.poll(), None)
    end(holder)
    equal(finish(waiter)[0], 0)


@test
def wait_sees_a_lease_run_out():
    support.server.call("SET", "foo", "x", "PX", 300)
    equal(run("wait", "--wait", "forever", "foo").returncode, 0)


@test
def break_releases_for_the_next():
    result = run("break", "foo")
    equal(result.returncode, 1)
    true(b"not locked" in result.stderr, result.stderr)
    support.server.call("SET", "foo", "theirs")
    equal(run("break", "foo", "--token", "mine").returncode, 1)
    equal(support.server.call("GET", "foo"), b"theirs")
    equal(run("break", "foo", "--token", "theirs").returncode, 0)
    equal(support.server.call("EXISTS", "foo"), 0)
    holder = hold("foo", "--on-lost", "ignore")
    waiter = start("run", "foo", "true")
    eventually(lambda: support.server.waiting("foo") == 1, "the waiter is in the queue")
    equal(run("break", "foo").returncode, 0)
    equal(finish(waiter)[0], 0)
    end(holder)


@test
def unwritable_output_is_a_failure():
    with open("/dev/full", "wb") as full:
        process = start("version", stdout=full, env=environment())
        equal(finish(process)[0], 70)

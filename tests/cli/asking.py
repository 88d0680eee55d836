# SPDX-License-Identifier: MIT
"""Everything but run: status, list, wait, break, ping, and a server that doesn't do what is wanted."""

import json
import socket
import threading

import support
from support import Cluster, Sentinel, Server, end, environment, equal, eventually, finish, hold, run, start, test, true

ODD_NAMES = [b"a b", b"new\nline", b"tab\t", b"%s%n", b"{braces}", b"}{", b'quote"', b"back\\slash", b"\x01\x7f",
             "gr\u00fcn \u65e5\u672c \U0001f512".encode(), b"\xff\xfe", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf",
             b"\xc2\x85", b"-dash", b"'; rm -rf /", b"*"]

ALL_COMMANDS = (["run", "foo", "true"], ["status", "foo"], ["list"], ["wait", "foo"], ["break", "foo"], ["ping"])


@test
def ping_says_how_long_it_took():
    result = run("ping")
    equal(result.returncode, 0)
    true(b" ms\n" in result.stdout, result.stdout)
    equal(run("ping", "--quiet").stdout, b"")


@test
def unreachable_server_is_69_with_advice():
    for arguments in ALL_COMMANDS + (["run", "--try", "foo", "true"],):
        result = run(*arguments, url="unix:///nowhere/at/all")
        equal(result.returncode, 69, arguments)
        true(result.stderr.startswith(b"redis-lock: ") and b"REDISLOCK_URL" in result.stderr, result.stderr)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # nobody listens
    equal(run("ping", url="redis://127.0.0.1:%d" % listener.getsockname()[1]).returncode, 69)
    listener.close()


def open_port(one):
    """Lets a server listen on a free port of this machine, too."""

    def opened():
        with socket.socket() as plug:
            plug.bind(("127.0.0.1", 0))
            port = plug.getsockname()[1]
        try:
            one.call("CONFIG", "SET", "port", port)
        except RuntimeError:
            return None  # somebody else was quicker
        return port

    return eventually(opened, "the server has a port")


def memory_of(pid, wanted):
    """How often something is in the memory of a process that can be written to."""
    count = 0
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if rights[1] == "w":
                start, end = (int(number, 16) for number in place.split("-"))
                memory.seek(start)
                count += memory.read(end - start).count(wanted)
    return count


@test
def password_in_an_argument_is_hidden():
    password = b"s3cr3t-which-is-long-enough"
    support.server.call("ACL", "SETUSER", "one", "on", b">" + password, "~*", "&*", "+@all")
    port = open_port(support.server)
    url = b"redis://one:%s@127.0.0.1:%d" % (password, port)
    for arguments in (["--url", url], [b"--url=" + url]):
        process = start("run", *arguments, "foo", "sh", "-c", "echo held; exec sleep 1000")
        equal(process.stdout.readline(), b"held\n", "the holder's output")
        with open("/proc/%d/cmdline" % process.pid, "rb") as file:
            line = file.read()
        true(password not in line and b"redis://*" in line and b"*@127.0.0.1:%d\0" % port in line, line)
        # Where connections are made from; of what is sent nothing stays.
        eventually(lambda: memory_of(process.pid, password) == 1, "the password is in memory once")
        end(process)
    for word in (b"redis://:%s@host:bad" % password, b"://%s@" % password, password + b"@host"):
        result = run("ping", "--url", word)
        equal(result.returncode, 64)
        true(password not in result.stdout + result.stderr, result.stderr)
    support.server.call("CONFIG", "SET", "port", 0)


@test
def sentinels_password_in_an_argument_is_hidden():
    password = b"s3cr3t-of-the-sentinels"
    sentinel = Sentinel(open_port(support.server))
    sentinel.call("ACL", "SETUSER", "default", "resetpass", b">" + password)
    url = b"redis+sentinel://127.0.0.1:%d/guarded?" % sentinel.port
    try:
        for options in (b"sentinel_password=" + password, b"sentinel_password=%s&sentinel_user=default" % password,
                        b"sentinel_user=default&sentinel_password=" + password.replace(b"-", b"%2D")):
            for arguments in (["--url", url + options], [b"--url=" + url + options]):
                # What looks up functions late saves registers on the stack, and in them is the end of the URL.
                process = start("run", *arguments, "foo", "sh", "-c", "echo held; exec sleep 1000",
                                env=environment(LD_BIND_NOW="1"))
                equal(process.stdout.readline(), b"held\n", "the holder's output")
                with open("/proc/%d/cmdline" % process.pid, "rb") as file:
                    line = file.read()
                true(b"s3cr3t" not in line and url in line and b"sentinel_password=****" in line, line)
                eventually(lambda: memory_of(process.pid, password) == 1, "the password is in memory once")
                end(process)
        result = run("ping", url=url + b"sentinel_password=wr0ng-w0rd")
        equal(result.returncode, 77)
        true(b"wr0ng" not in result.stderr and b"sentinel_password" in result.stderr, result.stderr)
    finally:
        sentinel.close()
        support.server.call("CONFIG", "SET", "port", 0)


@test
def wrong_password_is_77_and_is_not_shown():
    locked = Server("--requirepass", "right")
    try:
        locked.call("AUTH", "right")
        port = open_port(locked)
        for user in ("", ":wrong@", "nobody:wrong@", "default:wrong@"):
            for arguments in ALL_COMMANDS:
                result = run(*arguments, url="redis://%s127.0.0.1:%d" % (user, port))
                equal(result.returncode, 77, (user, arguments))
                true(b"wrong" not in result.stderr and b"REDISLOCK_URL" in result.stderr, result.stderr)
        equal(run("run", "foo", "true", url="redis://:right@127.0.0.1:%d" % port).returncode, 0)
    finally:
        locked.close()


def every_command_works(url):
    holder = hold("foo", "--url", url, "--owner", "somebody")
    result = run("status", "foo", url=url)
    equal(result.returncode, 0)
    true(b"somebody" in result.stdout, result.stdout)
    others = [hold(name, "--url", url) for name in ("bar", "bay")]  # in a cluster, on its other servers
    lines = run("list", url=url).stdout.splitlines()
    equal([line.split(b"\t")[0] for line in lines], [b"bar", b"bay", b"foo"])
    for other in others:
        end(other)
    equal(run("run", "--try", "foo", "true", url=url).returncode, 75)
    equal(run("wait", "--try", "foo", url=url).returncode, 75)
    waiter = start("run", "--wait", "forever", "foo", "true", env=environment(REDISLOCK_URL=url))

    def waits():
        return json.loads(run("status", "--json", "foo", url=url).stdout)["waiters"] == 1

    eventually(waits, "the waiter is in the queue")
    equal(run("break", "foo", url=url).returncode, 0)
    equal(finish(waiter)[0], 0)
    end(holder)
    equal(run("wait", "foo", url=url).returncode, 0)
    equal(run("run", "foo", "true", url=url).returncode, 0)
    equal(run("status", "foo", url=url).returncode, 1)
    equal(run("break", "foo", url=url).returncode, 1)
    equal(run("list", url=url).stdout, b"")
    equal(run("ping", url=url).returncode, 0)


@test
def every_command_works_through_sentinels():
    sentinel = Sentinel(open_port(support.server))
    # The first one isn't there.
    url = "redis+sentinel://127.0.0.1:1,127.0.0.1:%d/guarded" % sentinel.port
    try:
        every_command_works(url)
        unknown = run("ping", url=url.replace("guarded", "unknown"))
        equal(unknown.returncode, 69)
        true(b"unknown" in unknown.stderr, unknown.stderr)
    finally:
        sentinel.close()
        support.server.call("CONFIG", "SET", "port", 0)


@test
def every_command_works_in_a_cluster():
    if not Cluster.possible():
        print("# not tried: the server doesn't publish by slots, as a cluster needs it; Redis does since 7.0")
        return
    cluster = Cluster()
    try:
        # One of them isn't there.
        every_command_works("redis+cluster://127.0.0.1:1,127.0.0.1:%d" % cluster.ports[0])
        equal(len(set(cluster.homes.values())), 3)
        for name, node in cluster.homes.items():
            equal(node.call("EXISTS", "rlock-state:{%s}:%s" % (name, name)), 1, name)
        wrong = run("run", "foo", "true", url="redis+cluster://127.0.0.1:%d" % open_port(support.server))
        true(wrong.returncode != 0 and b"no part of a cluster" in wrong.stderr, wrong)
    finally:
        cluster.close()
        support.server.call("CONFIG", "SET", "port", 0)


@test
def missing_permission_is_77():
    support.server.call("ACL", "SETUSER", "weak", "on", "nopass", "~*", "+ping")
    try:
        port = open_port(support.server)
        for arguments in ALL_COMMANDS[:-1]:
            equal(run(*arguments, url="redis://weak:any@127.0.0.1:%d" % port).returncode, 77, arguments)
        equal(run("ping", url="redis://weak:any@127.0.0.1:%d" % port).returncode, 0)
    finally:
        support.server.call("CONFIG", "SET", "port", 0)
        support.server.call("ACL", "DELUSER", "weak")


@test
def server_that_cannot_serve_is_69():
    support.server.call("CONFIG", "SET", "maxmemory", 1)
    try:
        result = run("run", "foo", "echo", "no")
        equal((result.returncode, result.stdout), (69, b""))
        true(b"OOM" in result.stderr, result.stderr)
        equal(run("ping").returncode, 0)
    finally:
        support.server.call("CONFIG", "SET", "maxmemory", 0)


@test
def what_is_no_server_is_69():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        talker = threading.Thread(target=lambda: listener.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        talker.start()
        result = run("ping", url="redis://127.0.0.1:%d" % listener.getsockname()[1])
        talker.join()
    equal(result.returncode, 69)
    true(b"is --url or REDISLOCK_URL the address" in result.stderr, result.stderr)


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
    equal(free, {"name": "foo", "locked": False, "token": None,
          "owner": None, "remaining_ms": 0, "waiters": 0, "fence": 0})
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
        result = run("run", "--", name, "sh", "-c",
                     '"$0" list; "$0" status -- "$REDISLOCK_NAME"; printf "%s" "$REDISLOCK_NAME"', support.program)
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
def wait_goes_on_when_the_server_was_away():
    support.server.call("SET", "foo", "x")
    before = support.server.scripts_run()
    waiter = start("wait", "--wait", "forever", "foo")
    eventually(lambda: support.server.scripts_run() >= before + 2, "it looked at the lock")
    support.server.stop()
    support.server.start()  # with nothing locked
    equal(finish(waiter)[0], 0)


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

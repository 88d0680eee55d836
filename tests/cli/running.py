# SPDX-License-Identifier: MIT
"""redis-lock run: waiting, the command's surroundings, and the end."""

import json
import os
import resource
import signal
import subprocess
import tempfile
import time

import support
from asking import open_port
from support import Server, end, environment, equal, eventually, finish, hold, is_free, renewals, run, start, test, true


@test
def replicas_that_are_missing_are_told():
    result = run("run", "--min-replicas", "1", "foo", "echo", "no")
    equal((result.returncode, result.stdout), (69, b""))
    true(b"0 of the 1 replicas" in result.stderr, result.stderr)
    eventually(is_free, "the lock is given back")
    port = open_port(support.server)
    replica = Server("--replicaof", "127.0.0.1", str(port))
    try:
        support.server.call("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        eventually(lambda: run("run", "--min-replicas", "1", "foo", "true").returncode == 0, "there is a replica")
    finally:
        replica.close()
        support.server.call("CONFIG", "SET", "port", 0)


@test
def exit_status_is_the_commands():
    for status in (0, 1, 7, 64, 75, 255):
        equal(run("run", "foo", "sh", "-c", "exit %d" % status).returncode, status)
        true(is_free("foo"), "it is released when redis-lock ends")


@test
def commands_that_do_not_start_are_126_and_127():
    result = run("run", "foo", "no-such-command")
    equal(result.returncode, 127)
    true(b"'no-such-command'" in result.stderr, result.stderr)
    result = run("run", "foo", "/dev/null")
    equal(result.returncode, 126)
    true(is_free("foo"), "it is released")


@test
def command_gets_name_token_and_fence():
    script = 'echo "$REDISLOCK_NAME $REDISLOCK_TOKEN $REDISLOCK_FENCE"; exec "$0" status --json foo'
    result = run("run", "foo", "sh", "-c", script, support.program)
    told, seen = result.stdout.split(b"\n", 1)
    seen = json.loads(seen)
    equal(told.decode().split(), ["foo", seen["token"], str(seen["fence"])])


@test
def input_output_and_arguments_pass_through():
    result = run("run", "foo", "sh", "-c", 'cat; echo "$@" >&2; echo out',
                 "sh", "--wait", "a  b", "--", "-x", feed=b"some input\n")
    equal((result.stdout, result.stderr, result.returncode), (b"some input\nout\n", b"--wait a  b -- -x\n", 0))


@test
def two_dashes_are_allowed_before_and_after_the_name():
    for arguments in (["foo", "--", "echo", "--", "x"], ["--", "foo", "--", "echo", "--", "x"],
                      ["--", "foo", "echo", "--", "x"]):
        equal(run("run", *arguments).stdout, b"-- x\n", arguments)


@test
def try_does_not_wait():
    holder = hold("foo")
    result = run("run", "--try", "foo", "echo", "no")
    equal((result.returncode, result.stdout), (75, b""))
    true(b"was not acquired at once" in result.stderr, result.stderr)
    equal(run("run", "--quiet", "--try", "foo", "echo", "no").stderr, b"")
    equal(run("run", "--try", "--conflict-exit-code", "9", "foo", "echo", "no").returncode, 9)
    equal(run("run", "--wait", "50ms", "--conflict-exit-code", "0", "foo", "echo", "no").returncode, 0)
    end(holder)
    equal(run("run", "--try", "foo", "echo", "yes").stdout, b"yes\n")


@test
def waiting_ends_in_time_and_leaves_the_queue():
    holder = hold("foo")
    for spin in ([], ["--spin"], ["--spin=10ms"]):
        began = time.monotonic()
        result = run("run", "--wait", "200ms", *spin, "foo", "echo", "no")
        true(time.monotonic() - began >= 0.2, "it had its time")
        equal((result.returncode, result.stdout), (75, b""), spin)
        equal(support.server.waiting("foo"), 0)
    end(holder)


@test
def waiters_take_turns_in_order():
    holder = hold("foo")
    waiters = []
    for number in range(4):
        waiters.append(start("run", "foo", "sh", "-c", "echo $REDISLOCK_FENCE"))
        eventually(lambda: support.server.waiting("foo") == number + 1, "the waiter is in the queue")
    end(holder)
    fences = [int(finish(waiter)[1]) for waiter in waiters]
    equal(fences, sorted(set(fences)))
    true(is_free("foo"), "it is free at last")


@test
def spinning_waiter_has_no_place_and_gets_it():
    holder = hold("foo")
    waiter = start("run", "--spin=20ms", "--verbose", "foo", "echo", "got it", env=environment(TERM="dumb"))
    true(b"waiting for 'foo'" in waiter.stderr.readline(), "it says that it waits")
    equal(support.server.waiting("foo"), 0)
    end(holder)
    equal(finish(waiter)[:2], (0, b"got it\n"))


@test
def owner_is_the_user_host_and_process_unless_given():
    holder = start("run", "foo", "sh", "-c", "echo held; exec sleep 1000", env=environment(LOGNAME="someone"))
    holder.stdout.readline()
    owner = json.loads(run("status", "foo", "--json").stdout)["owner"]
    equal(owner, "someone@%s:%d" % (os.uname().nodename, holder.pid))
    end(holder)
    result = run("run", "--owner", "J\u00fcrgen", "foo", support.program, "status", "--json", "foo")
    equal(json.loads(result.stdout)["owner"], "J\u00fcrgen")


@test
def lease_is_renewed_while_the_command_runs():
    holder = hold("foo", "--ttl", "3s")
    true(max(renewals("foo")) <= 3000, "no lease is longer than the TTL")
    equal(end(holder)[0], 128 + signal.SIGTERM)
    true(is_free("foo"), "it is released")


@test
def ttl_none_has_no_expiry():
    holder = hold("foo", "--ttl", "none")
    eventually(lambda: support.server.call("PTTL", "foo") == -1, "the lock has no expiry")
    end(holder)
    true(is_free("foo"), "it is released")


@test
def verbose_tells_each_step():
    result = run("run", "--verbose", "foo", "sh", "-c", "exit 3")
    lines = result.stderr.splitlines()
    true(lines[0].startswith(b"redis-lock: got 'foo' after "), lines)
    equal(lines[1:], [b"redis-lock: the command ended with status 3", b"redis-lock: released 'foo'"])
    equal(run("run", "foo", "true").stderr, b"")


@test
def too_few_descriptors_leave_nothing_behind():
    for limit in range(4, 16):
        process = start("run", "foo", "echo", "out", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (limit, limit)))
        status, out, err = finish(process)
        true((status, out) == (0, b"out\n") or (status in (69, 70) and out ==
             b"" and b"redis-lock: can't " in err), (limit, status, err))
        true(is_free("foo"), "it is not locked")


@test
def lost_output_of_messages_does_not_end_the_command():
    with tempfile.TemporaryDirectory() as folder:
        done = os.path.join(folder, "done")
        reader, writer = os.pipe()
        os.close(reader)
        try:
            process = start("run", "--verbose", "foo", "sh", "-c", "exec 2>/dev/null; echo > " + done, stderr=writer)
        finally:
            os.close(writer)
        equal(finish(process)[0], 0)
        true(os.path.exists(done) and is_free("foo"), "the command ended, and it is released")


@test
def ends_of_pipes_are_the_commands_alone():
    process = start("run", "foo", "sh", "-c", "echo begin; exec <&- >&-; exec sleep 1000", stdin=subprocess.PIPE)
    equal(process.stdout.readall(), b"begin\n")

    def refused():
        try:
            process.stdin.write(b"for nobody\n")
        except BrokenPipeError:
            return True
        return False

    eventually(refused, "nobody is there to read")
    true(not is_free("foo"), "it is held still")
    equal(end(process)[0], 128 + signal.SIGTERM)


@test
def closed_descriptors_stay_closed_and_are_not_written_to():
    show = "ls -l /proc/self/fd >\"$OUT\""
    support.server.call("CONFIG", "RESETSTAT")
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        settings = environment(R=support.program.decode(), OUT=out)
        for closed in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"):
            found = []
            for text in (show, '"$R" run --verbose foo sh -c \'%s\'' % show):
                result = subprocess.run(["sh", "-c", "exec %s; %s" % (closed, text)], env=settings, timeout=60,
                                        stderr=subprocess.DEVNULL)
                equal(result.returncode, 0, closed)
                with open(out) as file:
                    found.append([line.split()[8] for line in file if "->" in line])
            equal(found[1], found[0], closed)
            true(is_free("foo"), "it is released")
    errors = support.server.call("INFO", "errorstats")
    true(b"errorstat_ERR:" not in errors, errors)  # as for a message that got to the server


@test
def many_at_once_never_overlap():
    with tempfile.TemporaryDirectory() as folder:
        inside = os.path.join(folder, "inside")
        script = 'mkdir "$0" || exit 99; echo "$REDISLOCK_FENCE" >> "$0.fences"; rmdir "$0"'
        processes = [start("run", *(["--spin=5ms"] if number % 3 == 0 else []),
                           "foo", "sh", "-c", script, inside) for number in range(24)]
        for process in processes:
            status, _, err = finish(process)
            equal((status, err), (0, b""))
        with open(inside + ".fences") as file:
            fences = [int(line) for line in file]
        equal(len(fences), 24)
        equal(fences, sorted(set(fences)))

# SPDX-License-Identifier: MIT
"""The checks, on histories that are made up: each finds what is wrong, just that, and nothing where nothing is."""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
import checks
import history

MS = checks.MS


def at(ms):
    return int(1_000_000 * MS + ms * MS)


def got(fence, begin, until, asked=None, handle=0, name="c0", ttl=1000):
    return f"g {handle} {name} {at(begin if asked is None else asked)} {at(begin)} {fence} {at(until)} {ttl} token{fence}"


def released(time, answered=None, status="OK", handle=0):
    return f"r {handle} {at(time)}\nd {handle} {at(time if answered is None else answered)} {status} 0"


def wrote(time, accepted, fence, until, handle=0):
    return f"w {handle} {at(time)} {accepted} {fence} {at(until) if until else 0}"


def failed(asked, answered, wait, status="NOT_ACQUIRED", spins=0):
    return f"f 0 c0 {at(asked)} {at(answered)} {status} {wait} {spins}"


def used(when, descriptors, threads, kilobytes):
    return f"u {when} {descriptors} {threads} {kilobytes}"


def strike(what, begin, end, target="", loses=False, wall=0, names=(), elected=0):
    return {"what": what, "target": target, "begin": at(begin), "end": at(end), "loses_data": loses, "wall_begin": wall,
            "wall_end": wall, "names": names, "elected": at(elected) if elected else 0}


def failover(names=(), gone=False):
    return dict(strike("stop_primary", 500, 1500, "", True, 1000, names, 1000), gone=gone)


def found(logs, strikes=(), strict=True, late=0):
    with tempfile.TemporaryDirectory(prefix="redislock-checks.") as folder:
        for worker, lines in logs.items():
            with open(os.path.join(folder, worker + ".log"), "w", encoding="ascii") as file:
                file.write("".join(line + "\n" for line in lines))
        with open(os.path.join(folder, "strikes"), "w", encoding="ascii") as file:
            file.write("".join(json.dumps(one) + "\n" for one in strikes))
        with open(os.path.join(folder, "delays"), "w", encoding="ascii") as file:
            file.write(f"{at(1100)} {late * MS}\n")
        return sorted({one.check for one in checks.check(history.read(folder), strict)})


WAITED_FOR = {"a": [got(1, 0, 900), released(10)], "b": [got(2, 9000, 9900, 5), released(9001)]}

HELD_ON = (got(1, 0, 900), f"x 0 {at(100)}", f"y 0 {at(101)} OK {at(9000)}")

CASES = [
    ("one after the other", {"a": [got(1, 0, 900), released(10)], "b": [got(2, 10.5, 900), released(20)]}, (), []),
    ("two names at one time", {"a": [got(1, 0, 900), released(10)], "b": [got(2, 5, 900, name="c1"), released(20)]}, (), []),
    ("two hold", {"a": [got(1, 0, 900), released(10)], "b": [got(2, 5, 900), released(20)]}, (), ["overlap"]),
    ("two hold, after the first one's release was called", {"a": [got(1, 0, 900), released(4, 30)],
                                                           "b": [got(2, 5, 900), released(20)]}, (), []),
    ("the first one is gone, and its lease is not over", {"a": [got(1, 0, 900)], "b": [got(2, 5, 900), released(20)]},
     [strike("kill", 2, 2, "a")], ["overlap"]),
    ("the first one's lease is over", {"a": [got(1, 0, 900)], "b": [got(2, 901, 1800), released(902)]},
     [strike("kill", 2, 2, "a")], []),
    ("a lease that was extended", {"a": [got(1, 0, 900), f"x 0 {at(800)}", f"y 0 {at(801)} OK {at(1700)}", released(1600)],
                                  "b": [got(2, 1500, 1900), released(1800)]}, (), ["overlap"]),
    ("a lease that was being shortened", {"a": [got(1, 0, 900), f"x 0 {at(100)}"], "b": [got(2, 500, 1000), released(600)]},
     (), []),
    ("the data were lost between the two", {"a": [got(1, 0, 900), released(10, status="LOST")], "b": [got(5, 5, 900), released(20)]},
     [strike("flush_data", 3, 4, "", True, 3)], []),
    ("the data were lost before the two", {"a": [got(4, 0, 900), released(10)], "b": [got(5, 5, 900), released(20)]},
     [strike("flush_data", -3, -2, "", True, 3)], ["overlap"]),
    ("one fence twice", {"a": [got(1, 0, 900), released(10)], "b": [got(1, 11, 900), released(20)]}, (), ["fence"]),
    ("fences fall", {"a": [got(2, 0, 900), released(10)], "b": [got(1, 11, 900), released(20)]}, (), ["fence"]),
    ("a holder can't write", {"a": [got(1, 0, 900), wrote(1, 0, 1, 900), released(10)]}, (), ["resource"]),
    ("a late holder can't write", {"a": [got(1, 0, 900), wrote(1000, 0, 1, 0), released(1001, 1002, "LOST")]}, (), []),
    ("a hold ends early", {"a": [got(1, 0, 900), wrote(5, 1, 1, 0), released(6)]}, (), ["early"]),
    ("a release finds it lost early", {"a": [got(1, 0, 900), released(6, 7, "LOST")]}, (), ["early"]),
    ("it was lost with the data", {"a": [got(1, 0, 900), released(6, 7, "LOST")]}, [strike("restart", 1, 2, "", True, 9)], []),
    ("nobody gets it for long", WAITED_FOR, (), ["liveness"]),
    ("nobody gets it ever", {"a": [got(1, 0, 900), released(10)], "b": [failed(5, 8005, 8000)]}, (), ["liveness"]),
    ("the server was away for long", WAITED_FOR, [strike("halt", 10, 8500)], []),
    ("who waited was stopped", WAITED_FOR, [strike("stop", 10, 8500, "b")], []),
    ("a wait that lasts too long", {"a": [failed(0, 5000, 1000)]}, (), ["deadline"]),
    ("a wait of one that was stopped", {"a": [failed(0, 5000, 1000)]}, [strike("stop", 500, 4500, "a")], []),
    ("somebody starves", {"a": [line for i in range(800) for line in (got(1 + i, 10 * i, 10 * i + 900), released(10 * i + 9))],
                         "b": [failed(1, 8001, 8000)]}, (), ["starvation"]),
    ("a spinner starves", {"a": [line for i in range(800) for line in (got(1 + i, 10 * i, 10 * i + 900), released(10 * i + 9))],
                          "b": [failed(1, 8001, 8000, spins=1)]}, (), []),
    ("a slow hand-over", {"a": [line for i in range(200) for line in (got(1 + 2 * i, 400 * i, 400 * i + 900, 400 * i - 250),
                                                                     released(400 * i + 10))],
                         "b": [line for i in range(200) for line in (got(2 + 2 * i, 400 * i + 200, 400 * i + 900, 400 * i),
                                                                     released(400 * i + 210))]}, (), ["handoff"]),
    ("an odd status", {"a": [failed(0, 1, 0, "INTERNAL")]}, (), ["status"]),
    ("a server's failure without a fault", {"a": [failed(0, 1, 0, "SERVER")]}, (), ["status"]),
    ("a server's failure", {"a": [failed(0, 1, 0, "SERVER")]}, [strike("full", 0, 1)], []),
    ("the data of another name were lost between the two", {"a": [got(1, 0, 900), released(10)],
                                                            "b": [got(5, 5, 900), released(20)]},
     [strike("kill_primary", 3, 4, "", True, 3, ["c1"])], ["overlap"]),
    ("a wait goes on at the new primary", {"a": [got(1, 0, 400), released(10)], "b": [got(2, 1100, 1900, 20), released(1200)]},
     [failover()], []),
    ("a wait goes on too late", {"a": [got(1, 0, 400), released(10)], "b": [got(2, 3100, 3900, 20), released(3200)]},
     [failover()], ["resumed"]),
    ("a wait goes on late for a name that wasn't there", {"a": [got(1, 0, 400), released(10)],
                                                         "b": [got(2, 3100, 3900, 20), released(3200)]},
     [failover(names=["c1"])], []),
    ("a wait goes on late as another had the lock", {"a": [got(1, 0, 3000), released(2900)],
                                                     "b": [got(2, 3100, 3900, 20), released(3200)]}, [failover()], []),
    ("a wait goes on late as another's lease had to end", {"a": [got(1, 0, 3000), released(3050, status="LOST")],
                                                           "b": [got(2, 3100, 3900, 20), released(3200)]}, [failover()], []),
    ("a wait goes on late though another had lost the lock", {"a": [got(1, 0, 3000), released(2900, status="LOST")],
                                                              "b": [got(2, 3100, 3900, 20), released(3200)]}, [failover()],
     ["resumed"]),
    ("a wait doesn't go on", {"a": [got(1, 0, 400), released(10)], "b": [failed(20, 4000, 3980)]}, [failover()], ["resumed"]),
    ("a release goes on too late", {"a": [got(1, 0, 900), released(600, 3100)]}, [failover()], ["resumed"]),
    ("a lock is lost and that is told", {"a": [got(1, 0, 2000), released(1900, 1901, "LOST")],
                                         "b": [got(2000, 1100, 2000), released(1110)]}, [failover()], []),
    ("a lock is lost and neither is told", {"a": [*HELD_ON, released(8000, 8001, "LOST")],
                                            "b": [got(2000, 1100, 9000), released(8100)]}, [failover()], ["told"]),
    ("a lock is lost and the other is told", {"a": [*HELD_ON, released(8000, 8001)], "b": [got(2000, 1100, 2000)]},
     [failover()], []),
    ("a lock is lost and is not told, and the former primary is gone", {
        "a": [*HELD_ON, released(8000, 8001, "LOST")], "b": [got(2000, 1100, 2000), released(1110)]},
     [failover(gone=True)], ["told"]),
    ("a lost lock is released by both", {"a": [got(1, 0, 2400), released(1900)], "b": [got(2000, 1100, 2100), released(1950)]},
     [failover()], ["told"]),
    ("a lost lock is released by both, one of them by a connection that broke", {
        "a": [got(1, 0, 2400), released(1900, 1940)], "b": [got(2000, 1100, 2100), released(1950)]},
     [failover(), strike("cut", 1920, 1921)], []),
    ("a lost lock is released by both, while somebody else stood still", {
        "a": [got(1, 0, 2400), released(1900, 1940)], "b": [got(2000, 1100, 2100), released(1950)]},
     [failover(), strike("stop", 1920, 1921, "c")], ["told"]),
    ("a lost lock is released, and the former primary is gone", {
        "a": [got(1, 0, 2000), released(1900)], "b": [got(2000, 1100, 2000), released(1110)]}, [failover(gone=True)], ["told"]),
    ("a descriptor is left", {"a": [used("before", 5, 1, 900), used("after", 6, 1, 900)]}, (), ["leak"]),
    ("a thread is left", {"a": [used("before", 5, 1, 900), used("after", 5, 2, 900)]}, (), ["leak"]),
    ("memory is left", {"a": [used("before", 5, 1, 900), used("after", 5, 1, 90000)]}, (), ["leak"]),
    ("a line that can't be read", {"a": ["g 0 c0"]}, (), ["log"]),
    ("the last line of one that was killed", {"a": ["g 0 c0"]}, [strike("kill", 1, 1, "a")], []),
]


def main():
    bad = 0
    for title, logs, strikes, expected in CASES:
        what = found(logs, strikes)
        if what != expected:
            print(f"{title}: found {what}, not {expected}")
            bad += 1
    # How late a wait may go on depends on the machine, and on who asks.
    logs = {"a": [got(1, 0, 400), released(10)], "b": [got(2, 3100, 3900, 20), released(3200)]}
    for strict, late in ((False, 0), (True, 200)):
        if found(logs, [failover()], strict, late):
            print(f"a wait that goes on late: found something, strict {strict}, {late} ms late")
            bad += 1
    print(f"{len(CASES)} histories, {bad} judged wrong")
    return 1 if bad else 0


sys.exit(main())

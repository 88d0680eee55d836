# SPDX-License-Identifier: MIT
"""The workload in Python: worker.py RECORD URL NAMES LABEL SEED LOG RESOURCE

Several threads of one client, until SIGTERM. RECORD is the library with the log, the resource and the plan."""
import ctypes
import math
import signal
import sys
import threading
import time

import redislock

HANDLES, TIMEOUT, MOST_WAIT = 3, 1.0, 2.0


class Plan(ctypes.Structure):
    """As in plan.h."""
    _fields_ = [("name", ctypes.c_uint), ("spin", ctypes.c_bool), ("renew", ctypes.c_bool), ("ttl_ms", ctypes.c_int64),
                ("wait_ms", ctypes.c_int64), ("hold_us", ctypes.c_int64), ("extend_ms", ctypes.c_int64),
                ("pause_us", ctypes.c_int64)]


def load(path):
    record = ctypes.CDLL(path)
    record.record_now.restype = record.record_valid_until.restype = ctypes.c_int64
    record.record_valid_until.argtypes = [ctypes.c_int64, ctypes.c_int64]
    record.resource_write.argtypes = [ctypes.c_uint, ctypes.c_uint64]
    record.resource_write.restype = record.record_open.restype = ctypes.c_bool
    record.plan_next.argtypes = [ctypes.POINTER(ctypes.c_uint64), ctypes.c_uint]
    record.plan_next.restype = Plan
    return record


RECORD = load(sys.argv[1])
URL, NAMES, LABEL, SEED = sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
now = RECORD.record_now
ending = False


def end(*_):
    global ending
    ending = True


def say(text):
    RECORD.record_line(b"%s", text.encode())


def look(lock):
    """Until when it is held; 0: it isn't."""
    before, remaining = now(), lock.remaining
    if not lock.held or not remaining:
        return 0
    return RECORD.record_valid_until(before, -1 if math.isinf(remaining) else round(remaining * 1000))


def write(handle, plan, lock):
    fence = lock.fence
    accepted, until = RECORD.resource_write(plan.name, fence), look(lock)
    say(f"w {handle} {now()} {int(accepted)} {fence} {until}")


def call(function, *arguments):
    try:
        function(*arguments)
        return "OK"
    except redislock.RedisLockError as error:
        return error.code


def calls(handle, what):
    """What is about to be called ends what was believed: it must be on record before."""
    say(f"{what} {handle} {now()}")
    RECORD.record_flush()


def hold(handle, plan, lock):
    write(handle, plan, lock)
    if plan.hold_us:
        RECORD.record_flush()
        time.sleep(plan.hold_us / 2e6)
        if plan.extend_ms:
            calls(handle, "x")
            code = call(lock.extend, plan.extend_ms / 1000)
            say(f"y {handle} {now()} {code} {look(lock)}")
            RECORD.record_flush()
        time.sleep(plan.hold_us / 2e6)
        write(handle, plan, lock)
    code = None
    while code not in ("OK", "LOST", "NOT_OWNED") and (code is None or not ending):
        calls(handle, "r")
        code = call(lock.release)
        say(f"d {handle} {now()} {code} 0")


def one_round(client, handle, plan):
    wait = min(plan.wait_ms / 1000, MOST_WAIT)
    options = {"ttl": plan.ttl_ms / 1000, "renew": plan.renew, "owner": LABEL, "blocking_timeout": wait}
    name = f"c{plan.name}"
    lock = client.spin_lock(name, interval=0.02, **options) if plan.spin else client.lock(name, **options)
    asked, code = now(), "NOT_ACQUIRED"
    try:
        if lock.acquire():
            code = "OK"
    except redislock.RedisLockError as error:
        code = error.code
    if code == "OK":
        say(f"g {handle} {name} {asked} {now()} {lock.fence} {look(lock)} {plan.ttl_ms} {lock.token}")
        hold(handle, plan, lock)
    else:
        say(f"f {handle} {name} {asked} {now()} {code} {round(wait * 1000)} {int(plan.spin)}")
        RECORD.record_flush()
    time.sleep(plan.pause_us / 1e6)


def run(client, handle):
    seed = ctypes.c_uint64(SEED * HANDLES + handle)
    while not ending:
        one_round(client, handle, RECORD.plan_next(ctypes.byref(seed), NAMES))


def main():
    assert RECORD.record_open(sys.argv[6].encode(), sys.argv[7].encode())
    signal.signal(signal.SIGTERM, end)
    client = redislock.Client(URL, connect_timeout=TIMEOUT, command_timeout=TIMEOUT)
    threads = [threading.Thread(target=run, args=(client, handle)) for handle in range(HANDLES)]
    for thread in threads:
        thread.start()
    while not ending:
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    client.close()
    RECORD.record_flush()


main()

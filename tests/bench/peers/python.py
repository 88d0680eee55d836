# SPDX-License-Identifier: MIT
"""Locks from PyPI as peers of the bench; README.md says what is spoken. Usage: python.py PACKAGE HOST PORT"""

import json
import statistics
import sys
import time

import redis

TTL = 30


def redis_lock_py(client, name):
    from redis_lock import RedisLock
    return RedisLock(client, name)


def python_redis_lock(client, name):
    from redis_lock import Lock
    return Lock(client, name, expire=TTL)


def redis_py(client, name):
    return client.lock(name, timeout=TTL)


def pottery(client, name):
    from pottery import Redlock
    return Redlock(key=name, masters={client}, auto_release_time=TTL)


def now():
    return time.monotonic_ns()


def pairs(make, client, name, count):
    samples = []
    for _ in range(count):
        before = now()
        lock = make(client, name)
        if not lock.acquire():
            sys.exit("not acquired")
        lock.release()
        samples.append(now() - before)
    return {"pairs": count, "seconds": sum(samples) / 1e9, "p50_us": statistics.median(samples) / 1e3}


def holds(make, client, name, milliseconds):
    begin, taken = now(), []
    end = begin + milliseconds * 1000000
    while now() < end:
        lock = make(client, name)
        if not lock.acquire():
            sys.exit("not acquired")
        acquired = now()
        taken.append((acquired, now()))
        lock.release()
    return {"begin": begin, "end": end, "holds": taken}


def main():
    make = {"redis-lock-py": redis_lock_py, "python-redis-lock": python_redis_lock, "redis": redis_py,
            "pottery": pottery}[sys.argv[1]]
    client = redis.Redis(sys.argv[2], int(sys.argv[3]))
    print("ready", flush=True)
    for line in sys.stdin:
        what, name, amount = line.split()
        print(json.dumps((pairs if what == "pair" else holds)(make, client, name, int(amount))), flush=True)


if __name__ == "__main__":
    main()

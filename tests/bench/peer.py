# SPDX-License-Identifier: MIT
"""redis-lock-py, measured as the library is. Usage: peer.py pair URL NAME | peer.py handoff URL NAME PROCESSES MS"""

import ctypes
import json
import mmap
import os
import signal
import statistics
import struct
import sys
import time

import redis
from redis_lock import RedisLock


def connect(url):
    if url.startswith("unix://"):
        return redis.Redis(unix_socket_path=url[len("unix://"):])
    return redis.Redis.from_url(url)


def pair(url, name):
    client = connect(url)
    for line in sys.stdin:
        samples = []
        for _ in range(int(line)):
            before = time.monotonic_ns()
            lock = RedisLock(client, name)
            if not lock.acquire():
                sys.exit("not acquired")
            lock.release()
            samples.append(time.monotonic_ns() - before)
        result = {"pairs": len(samples), "seconds": sum(samples) / 1e9, "p50_us": statistics.median(samples) / 1e3}
        print(json.dumps(result), flush=True)


# In memory shared by the processes: who released last, and when.
BOARD = struct.Struct("qq")


def play(url, name, board, me, end):
    client = connect(url)
    acquired = changed = 0
    samples = []
    while time.monotonic_ns() < end:
        lock = RedisLock(client, name)
        if not lock.acquire():
            break
        now = time.monotonic_ns()
        last, released = BOARD.unpack_from(board, 0)
        acquired += 1
        if last not in (0, me):
            changed += 1
            samples.append(now - released)
        BOARD.pack_into(board, 0, me, time.monotonic_ns())
        lock.release()
    return acquired, changed, samples


def handoff(url, name, processes, milliseconds):
    board = mmap.mmap(-1, mmap.PAGESIZE)
    end = time.monotonic_ns() + milliseconds * 1000000
    pipes = []
    for me in range(1, processes + 1):
        reader, writer = os.pipe()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
            with os.fdopen(writer, "w") as out:
                json.dump(play(url, name, board, me, end), out)
            os._exit(0)
        os.close(writer)
        pipes.append(reader)
    acquired = changed = 0
    samples = []
    for reader in pipes:
        with os.fdopen(reader) as lines:
            more = json.load(lines)
        acquired, changed, samples = acquired + more[0], changed + more[1], samples + more[2]
    seconds = milliseconds / 1e3
    print(json.dumps({"acquisitions": acquired, "changed": changed, "seconds": seconds,
                      "p50_us": statistics.median(samples) / 1e3 if samples else 0}))


if __name__ == "__main__":
    if sys.argv[1] == "pair":
        pair(sys.argv[2], sys.argv[3])
    else:
        handoff(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))

# SPDX-License-Identifier: MIT
"""Uncontended pairs: pair.py URL N [asyncio] prints nanoseconds per pair."""

import asyncio
import sys
import time

import redislock
import redislock.asyncio


def blocking(url, count):
    lock = redislock.Client(url).lock("pair")
    lock.acquire()
    lock.release()
    began = time.monotonic_ns()
    for _ in range(count):
        lock.acquire()
        lock.release()
    return time.monotonic_ns() - began


async def coroutines(url, count):
    async with redislock.asyncio.Client(url) as client:
        lock = client.lock("pair")
        await lock.acquire()
        await lock.release()
        began = time.monotonic_ns()
        for _ in range(count):
            await lock.acquire()
            await lock.release()
        return time.monotonic_ns() - began


url, count = sys.argv[1], int(sys.argv[2])
took = asyncio.run(coroutines(url, count)) if sys.argv[3:] == ["asyncio"] else blocking(url, count)
print(took // count)

# SPDX-License-Identifier: MIT
"""A contender in Python, for the test of interoperation: contend.py blocking|asyncio URL NAME ROUNDS
What it says and reads is described in tests/integration/contend.c."""

import asyncio
import math
import sys
import time

import redislock
import redislock.asyncio

FORM, URL, NAME, ROUNDS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def pause():
    """So that the queue runs dry now and then, and those have a chance that have no place in it."""
    return now() % 20 / 1000


def blocking(client):
    locks = (client.lock(NAME, blocking_timeout=math.inf),
             client.spin_lock(NAME, blocking_timeout=math.inf, interval=0.005))
    for number in range(ROUNDS):
        with locks[number % 2] as lock:
            acquired = now()
            time.sleep(0.001)
            print(acquired, now(), lock.fence)
        time.sleep(pause())


async def coroutines(client):
    rounds = iter(range(ROUNDS))

    async def work():
        for _ in rounds:
            async with client.lock(NAME, blocking_timeout=math.inf) as lock:
                acquired = now()
                await asyncio.sleep(0.001)
                print(acquired, now(), lock.fence)
            await asyncio.sleep(pause())

    await asyncio.gather(work(), work(), work())


print("ready", flush=True)
sys.stdin.readline()
if FORM == "asyncio":
    asyncio.run(coroutines(redislock.asyncio.Client(URL)))
else:
    blocking(redislock.Client(URL))

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tasks that take turns, and one that doesn't wait for ever: tasks.py [URL]"""

import asyncio
import sys

from redislock.asyncio import Client


async def work(client: Client, number: int) -> None:
    async with client.lock("example") as lock:
        print(f"task {number} holds it with fence {lock.fence}")
        await asyncio.sleep(0.01)


async def impatient(client: Client) -> None:
    try:
        async with asyncio.timeout(0.01):
            await client.lock("example").acquire()
            print("the impatient one has it")
    except TimeoutError:
        print("the impatient one has left the queue")


async def main() -> None:
    async with Client(sys.argv[1] if len(sys.argv) > 1 else None) as client:
        await asyncio.gather(*(work(client, number) for number in range(5)), impatient(client))


asyncio.run(main())

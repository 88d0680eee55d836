# SPDX-License-Identifier: MIT
"""The same for asyncio, with many who wait and one object for them all."""
import asyncio
import sys

from redis.asyncio import Redis
from redis_lock.asyncio import RedisLock
from redis_lock.exceptions import AcquireFailedError, LockNotOwnedError


async def main():
    client = Redis(unix_socket_path=sys.argv[1])
    lock = RedisLock(client, "tasks", blocking_timeout=30, expire_timeout=None)
    other = RedisLock(client, name=b"tasks", blocking_timeout=0.2)
    print(lock.name, lock.channel_name, other.name, type(lock.token), len(lock.token))
    token = lock.token
    print(await lock.acquire(), await client.get("tasks") == token == lock.token)
    print(await other.acquire(pubsub_timeout=0.1, delay_interval=0.1), await other.acquire(0.1, 0.1))
    try:
        await other.release()
    except LockNotOwnedError as error:
        print("not owned:", bool(str(error)))
    try:
        async with other:
            print("never")
    except AcquireFailedError as error:
        print("not acquired:", bool(str(error)))
    print(await lock.release(), await client.exists("tasks"))
    async with lock as same:
        print(same is lock, await client.get("tasks") == lock.token)
    print(await client.exists("tasks"))
    try:
        async with lock:
            raise KeyError("of the body")
    except KeyError as error:
        print("kept:", error, await client.exists("tasks"))
    try:
        async with lock:
            await lock.release()
    except LockNotOwnedError:
        print("released in the body")

    inside = most = 0

    async def work(own):
        nonlocal inside, most
        async with own:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(work(RedisLock(client, "tasks", 60)) for _ in range(4)))
    print("own objects:", most)
    shared = RedisLock(client, "tasks", 60)
    await asyncio.gather(*(work(shared) for _ in range(4)))
    print("one object:", most, await client.exists("tasks"))

    holder = RedisLock(client, "tasks")
    print(await holder.acquire())
    waiter = asyncio.create_task(RedisLock(client, "tasks").acquire())
    while not (await client.pubsub_numsub("rlock-channel:tasks"))[0][1] and not waiter.done():
        await asyncio.sleep(0.01)
    waiter.cancel()
    print(await asyncio.gather(waiter, return_exceptions=True))
    print(await holder.release(), await client.exists("tasks"))
    await client.connection_pool.disconnect()


asyncio.run(main())
asyncio.run(main())  # another loop

# SPDX-License-Identifier: MIT
"""extend, which the reference has since 1.3."""
import asyncio
import sys

import redis
import redis.asyncio
from redis_lock import RedisLock, RedisSpinLock
from redis_lock.asyncio import RedisLock as AsyncRedisLock
from redis_lock.exceptions import ExtendFailedError, RedisLockError

client = redis.Redis(unix_socket_path=sys.argv[1])


def extend(lock, seconds):
    try:
        return lock.extend(seconds)
    except ExtendFailedError as error:
        return isinstance(error, RedisLockError)


for kind in (RedisLock, RedisSpinLock):
    lock = kind(client, "extended", expire_timeout=50)
    try:
        lock.extend(10)
    except ExtendFailedError as error:
        print("not held:", isinstance(error, RedisLockError), bool(str(error)))
    print(lock.acquire(), lock.extend(100), 145 < client.ttl("extended") <= 150)
    print(lock.extend(additional_time=1000), 1130 < client.ttl("extended") <= 1150, lock.release())
    lock = kind(client, "extended")
    print(lock.acquire())
    try:
        lock.extend(10)
    except ExtendFailedError:
        print("it has no end")
    print(lock.release())


async def main():
    asynchronous = redis.asyncio.Redis(unix_socket_path=sys.argv[1])
    lock = AsyncRedisLock(asynchronous, "extended", expire_timeout=50)
    try:
        await lock.extend(10)
    except ExtendFailedError:
        print("not held")
    print(await lock.acquire(), await lock.extend(100), 145 < client.ttl("extended") <= 150, await lock.release())
    await asynchronous.connection_pool.disconnect()


asyncio.run(main())

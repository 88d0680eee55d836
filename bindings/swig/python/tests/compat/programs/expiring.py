# SPDX-License-Identifier: MIT
"""What expire_timeout does."""
import asyncio
import datetime
import sys

import redis
import redis.asyncio
from redis_lock import RedisLock, RedisSpinLock
from redis_lock.asyncio import RedisLock as AsyncRedisLock
from redis_lock.exceptions import LockNotOwnedError

client = redis.Redis(unix_socket_path=sys.argv[1])

for kind in (RedisLock, RedisSpinLock):
    lock = kind(client, "expires", expire_timeout=50)
    print(lock.acquire(), 48 < client.ttl("expires") <= 50, lock.release())
    lock = kind(client, "expires", 10, 1)
    other = kind(client, "expires", 20)
    print(lock.acquire(), 0 < client.pttl("expires") <= 1000)
    print(other.acquire(), client.get("expires") == other.token)
    try:
        lock.release()
    except LockNotOwnedError:
        print("it had expired:", client.get("expires") == other.token)
    print(other.release(), lock.acquire(), client.get("expires") == lock.token, lock.release())
    lock = kind(client, "expires", expire_timeout=datetime.timedelta(seconds=40))
    print(lock.acquire(), 38 < client.ttl("expires") <= 40, lock.release())

# Who limits a rate this way never releases, and keeps no object.
print(RedisLock(client, "once", 0.1, expire_timeout=100).acquire(), RedisLock(client, "once", 0.1, 100).acquire())
print(client.ttl("once") > 90)


async def main():
    asynchronous = redis.asyncio.Redis(unix_socket_path=sys.argv[1])
    lock = AsyncRedisLock(asynchronous, "expires", expire_timeout=50)
    print(await lock.acquire(), 48 < client.ttl("expires") <= 50, await lock.release())
    lock = AsyncRedisLock(asynchronous, "expires", 10, 1)
    other = AsyncRedisLock(asynchronous, "expires", 20)
    print(await lock.acquire(), await other.acquire(), client.get("expires") == other.token)
    try:
        await lock.release()
    except LockNotOwnedError:
        print("it had expired:", client.get("expires") == other.token)
    print(await other.release())
    print(await AsyncRedisLock(asynchronous, "seldom", 0.1, 100).acquire(), client.ttl("seldom") > 90)
    await asynchronous.connection_pool.disconnect()


asyncio.run(main())
print(client.ttl("seldom") > 90)

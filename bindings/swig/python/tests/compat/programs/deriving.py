# SPDX-License-Identifier: MIT
"""Locks of a program's own, made from the reference's classes."""
import asyncio
import sys

import redis
import redis.asyncio
import redis_lock
from redis_lock import asyncio as lock_asyncio
from redis_lock.asyncio.async_lock import RedisLock as SameAsyncRedisLock
from redis_lock.asyncio.base import BaseAsyncLock
from redis_lock.base import BaseLock, BaseSyncLock
from redis_lock.exceptions import AcquireFailedError, InvalidArgsError
from redis_lock.lock import RedisLock
from redis_lock.spin_lock import RedisSpinLock
from redis_lock.types import RedisClient

client = redis.Redis(unix_socket_path=sys.argv[1])
print(redis_lock.RedisLock is RedisLock, redis_lock.RedisSpinLock is RedisSpinLock, redis_lock.__version__.count("."))
print(lock_asyncio.RedisLock is SameAsyncRedisLock, RedisClient.__name__)
print([issubclass(kind, base) for kind in (RedisLock, RedisSpinLock, SameAsyncRedisLock)
       for base in (BaseLock, BaseSyncLock, BaseAsyncLock)])


class TryLock(BaseSyncLock):
    def acquire(self) -> bool:
        return bool(self._client.set(self.name, self.token, nx=True, ex=self._ex))

    def release(self) -> bool:
        return bool(self._client.delete(self.name))

    def extend(self, additional_time) -> bool:
        return False


class AsyncTryLock(BaseAsyncLock):
    async def acquire(self) -> bool:
        return bool(await self._client.set(self.name, self.token, nx=True, ex=self._ex))

    async def release(self) -> bool:
        return bool(await self._client.delete(self.name))

    async def extend(self, additional_time) -> bool:
        return False


class Counting(RedisLock):
    default_blocking_timeout = 5
    taken = 0

    def acquire(self, *args, **kwargs) -> bool:
        acquired = super().acquire(*args, **kwargs)
        self.taken += acquired
        return acquired


print(TryLock.default_blocking_timeout, TryLock.unlock_message, issubclass(TryLock, BaseLock))
lock = TryLock(client, "derived", expire_timeout=10)
with lock:
    print(client.get("derived") == lock.token, client.ttl("derived") > 5)
    try:
        with TryLock(client, "derived"):
            print("never")
    except AcquireFailedError:
        print("not acquired")
print(client.exists("derived"))
for wrong in (BaseLock, BaseSyncLock, BaseAsyncLock):
    try:
        wrong(client, "derived")
    except TypeError:
        print("abstract")
for kind in (TryLock, AsyncTryLock, Counting):
    try:
        kind(client, "")
    except InvalidArgsError:
        print("refused")

counting = Counting(client, "derived")
for _ in range(3):
    with counting:
        pass
print(counting.taken, client.exists("derived"))

# A release of the program's own, by the scripts of the class.
for kind in (RedisLock, RedisSpinLock):
    lock = kind(client, "derived", expire_timeout=100)
    release = client.register_script(kind.LUA_RELEASE)
    keys = [lock.name, "rlock-channel:" + lock.name][: 1 if kind is RedisSpinLock else 2]
    print(release(keys=keys, args=[lock.token, lock.unlock_message]), lock.acquire())
    listener = client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("rlock-channel:derived")
    listener.get_message(timeout=10)
    print(release(keys=keys, args=[lock.token, lock.unlock_message]), client.exists("derived"))
    if kind is RedisLock:
        print(listener.get_message(timeout=10)["data"] == lock.unlock_message)
    listener.close()


async def main():
    asynchronous = redis.asyncio.Redis(unix_socket_path=sys.argv[1])
    async with AsyncTryLock(asynchronous, "derived") as lock:
        print(client.get("derived") == lock.token)
        try:
            async with AsyncTryLock(asynchronous, "derived"):
                print("never")
        except AcquireFailedError:
            print("not acquired")
    print(client.exists("derived"))
    await asynchronous.connection_pool.disconnect()


asyncio.run(main())

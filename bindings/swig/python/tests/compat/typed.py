# SPDX-License-Identifier: MIT
"""A program with types: it is only checked."""

from datetime import datetime
from typing import Optional, Union, assert_type

import redis
import redis.asyncio

from redislock.compat import RedisLock, RedisSpinLock
from redislock.compat.asyncio import RedisLock as AsyncRedisLock
from redislock.compat.base import BaseLock, BaseSyncLock
from redislock.compat.exceptions import AcquireFailedError, RedisLockError


class Logging(RedisLock):
    def acquire(self, pubsub_timeout: float = 0.5, delay_interval: float = 0.5) -> bool:
        print(datetime.now(), self.name)
        return super().acquire(pubsub_timeout, delay_interval)


class Own(BaseSyncLock):
    def acquire(self) -> bool:
        return bool(self._client.set(self.name, self.token, nx=True))

    def release(self) -> bool:
        return bool(self._client.delete(self.name))


def name_of(lock: BaseLock[redis.Redis]) -> str:
    return lock.name


def main(name: Union[bytes, str], timeout: Union[int, float], expiry: Optional[int]) -> None:
    client = redis.Redis()
    with RedisLock(client, name, timeout, expiry) as lock:
        assert_type(lock, RedisLock)
        assert_type(lock.token, bytes)
        assert_type(lock.channel_name, str)
        assert_type(lock.extend(1), bool)
    with RedisSpinLock(client, name, blocking_timeout=timeout, expire_timeout=expiry) as spin:
        assert_type(spin, RedisSpinLock)
        print(name_of(spin))
    assert_type(spin.acquire(blocking=False, sleep_time=1), bool)
    assert_type(spin.release(), bool)
    with Logging(client, name) as logging, Own(client, "own") as own:
        assert_type(logging, Logging)
        assert_type(own, Own)


async def asynchronous(client: redis.asyncio.Redis) -> None:
    try:
        async with AsyncRedisLock(client, "foo", blocking_timeout=1) as lock:
            assert_type(lock, AsyncRedisLock)
            assert_type(await lock.extend(1), bool)
    except (AcquireFailedError, RedisLockError):
        pass
    assert_type(await lock.acquire(), bool)
    assert_type(await lock.release(), bool)

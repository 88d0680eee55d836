# SPDX-License-Identifier: MIT
"""What type checkers are to know, and to complain of. Nobody runs it: mypy reads it."""

import math
from collections.abc import Iterator
from typing import assert_type

import redislock
import redislock.asyncio


def blocking(client: redislock.Client) -> None:
    lock = client.lock(b"foo", blocking_timeout=math.inf, ttl=10, renew=True, owner="me", token="x")
    assert_type(lock, redislock.Lock)
    assert_type(lock.acquire(blocking=False), bool)
    assert_type(lock.acquire(True, 0.5), bool)
    assert_type(lock.name, str)
    assert_type(lock.channel, str)
    assert_type(lock.token, str | None)
    assert_type(lock.fence, int)
    assert_type(lock.held, bool)
    assert_type(lock.remaining, float)
    assert_type(lock.place, int | None)
    with client.spin_lock("foo", interval=1, growth=1.5, max_interval=2) as spin:
        assert_type(spin, redislock.SpinLock)
        spin.acquire(sleep_time=0.1)
    assert_type(client.list(), Iterator[str])
    assert_type(client.status("foo"), redislock.Status)
    assert_type(client.break_lock("foo", None), bool)
    assert_type(client.lost_fd(), int)
    with redislock.Client("redis://127.0.0.1", name="me", user=None, password="x") as other:
        assert_type(other, redislock.Client)
    client.lock(1)  # type: ignore[arg-type]
    client.lock("foo", 1)  # type: ignore[misc]
    client.lock("foo", wait=1)  # type: ignore[call-arg]
    lock.acquire(sleep_time=1)  # type: ignore[call-arg]
    lock.fence = 1  # type: ignore[misc]
    lock.nothing  # type: ignore[attr-defined]


async def coroutines(client: redislock.asyncio.Client) -> None:
    lock = client.lock("foo", on_lost=lambda lost: print(lost.name))
    assert_type(lock, redislock.asyncio.Lock)
    assert_type(await lock.acquire(), bool)
    await lock.extend(1)
    await lock.release()
    async with client.spin_lock("foo") as spin:
        assert_type(spin, redislock.asyncio.SpinLock)
        assert_type(await spin.acquire(sleep_time=1), bool)
    assert_type(await client.status("foo"), redislock.Status)
    async with redislock.asyncio.Client() as other:
        assert_type(other, redislock.asyncio.Client)
    client.lock("foo", on_lost=1)  # type: ignore[arg-type]
    client.list()  # type: ignore[attr-defined]


def errors() -> None:
    try:
        redislock.Client().ping()
    except redislock.LockNotOwnedError as error:
        assert_type(error.code, str)
    except (ConnectionError, PermissionError, redislock.RedisLockError):
        pass
    assert_type(redislock.has("tls"), bool)
    assert_type(redislock.version, str)
    assert_type(redislock.version_number, int)

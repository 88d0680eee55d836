# SPDX-License-Identifier: MIT
"""The Pub/Sub lock for event loops."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

from ..._errors import ForkedError, LockNotOwnedError
from ...asyncio import Client, Lock
from .._arguments import check_seconds
from .._clients import Shared
from .._failures import redis_failures
from .._holds import Holds, now
from .._settings import ASYNC, settings_of
from ..exceptions import ExtendFailedError
from .base import BaseAsyncLock

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisLock"]

_shared: Shared[Client] = Shared(Client)


class RedisLock(BaseAsyncLock):
    """A lock whose waiters queue, and are woken in order, one at a time.

        async with RedisLock(redis.asyncio.Redis(), "report", blocking_timeout=10):
            ...

    Tasks may share one object: each waits until the others have released.
    """

    def __init__(self, client: Redis, name: bytes | str,
                 blocking_timeout: int | float = BaseAsyncLock.default_blocking_timeout,
                 expire_timeout: int | None = None) -> None:
        super().__init__(client, name, blocking_timeout, expire_timeout)
        self._settings = settings_of(client, ASYNC)
        self._holds: Holds[Lock] = Holds()

    @property
    def token(self) -> bytes:
        """The value of the key while this object holds the lock; it is another one for each hold."""
        return self._holds.token(_caller()).encode()

    @property
    def channel_name(self) -> str:
        """The channel where releases are announced."""
        return f"rlock-channel:{self.name}"

    async def acquire(self, pubsub_timeout: float = 0.5, delay_interval: float = 0.5) -> bool:
        """Takes the lock; whether it did before the `blocking_timeout` ended.

        The arguments are the reference's pauses between its tries. They play no part, as nobody tries here: the lock is
        handed over.
        """
        check_seconds("pubsub_timeout", pubsub_timeout)
        check_seconds("delay_interval", delay_interval)
        client = await self._redislock()
        token = self._holds.reserve()
        lock = client.lock(self._key, blocking_timeout=self._blocking_timeout, ttl=self._ex, token=token)
        with redis_failures():
            acquired = await lock.acquire()
        if acquired:
            self._holds.add(_caller(), lock, self._ex)
        else:
            self._holds.give_back(token)
        return acquired

    async def _redislock(self) -> Client:
        pool, settings, loop = self._client.connection_pool, self._settings, asyncio.get_running_loop()
        client = _shared.find(pool, settings, loop)
        if client is None:
            credentials = None
            if settings.provider is not None:
                ask = getattr(settings.provider, "get_credentials_async", settings.provider.get_credentials)
                credentials = ask()
                if inspect.isawaitable(credentials):
                    credentials = await credentials
            client = _shared.make(pool, settings, credentials, loop)
        return client

    async def release(self) -> bool:
        """Releases the lock, and hands it to the first who waits. Returns True.

        Raises `LockNotOwnedError` if this object doesn't hold it, or no longer. After a failure of the server's or of
        the way to it, it can be released again. Cancelled, it goes on behind the scenes.
        """
        caller = _caller()
        hold = self._holds.take(caller)
        if hold is None:
            raise LockNotOwnedError(f"{self.name!r} is not held by this object")
        try:
            with redis_failures():
                await hold.lock.release()
        except ForkedError as error:
            raise LockNotOwnedError(f"{self.name!r} is held by the process that this one was forked from") from error
        except LockNotOwnedError:
            raise
        except Exception:
            self._holds.put_back(caller, hold)
            raise
        return True

    async def extend(self, additional_time: int) -> bool:
        """Puts the end of the lock off by some seconds. Returns True.

        Raises `ExtendFailedError` if this object doesn't hold it, or no longer; and without an `expire_timeout`, as
        then there is no end.
        """
        hold = self._holds.find(_caller())
        if hold is None:
            raise ExtendFailedError(f"{self.name!r} is not held by this object")
        end = hold.later(additional_time)
        try:
            with redis_failures():
                await hold.lock.extend(end - now())
        except (ForkedError, LockNotOwnedError) as error:
            raise ExtendFailedError(str(error)) from error
        hold.end = end
        return True


class _Nobody:
    """Who calls outside of a task."""


_nobody = _Nobody()


def _caller() -> object:
    try:
        return asyncio.current_task() or _nobody
    except RuntimeError:
        return _nobody

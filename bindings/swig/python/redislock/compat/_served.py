# SPDX-License-Identifier: MIT
"""What the two classes that block share: redislock behind the reference's methods."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import Client, Lock
from .._errors import ForkedError, LockNotOwnedError
from ._clients import Shared
from ._failures import redis_failures
from ._holds import Holds, now
from ._settings import SYNC, settings_of
from .base import BaseSyncLock
from .exceptions import ExtendFailedError

if TYPE_CHECKING:
    from redis import Redis

_shared: Shared[Client] = Shared(Client)


class ServedLock(BaseSyncLock):
    """A lock that redislock takes care of. Threads may share one object: each waits until the others have released."""

    def __init__(self, client: Redis, name: bytes | str,
                 blocking_timeout: int | float = BaseSyncLock.default_blocking_timeout,
                 expire_timeout: int | None = None) -> None:
        super().__init__(client, name, blocking_timeout, expire_timeout)
        self._settings = settings_of(client, SYNC)
        self._holds: Holds[Lock] = Holds()

    @property
    def token(self) -> bytes:
        """The value of the key while this object holds the lock; it is another one for each hold."""
        return self._holds.token(threading.current_thread()).encode()

    def _take(self, make: Callable[..., Lock], **terms: Any) -> bool:
        token = self._holds.reserve()
        lock = make(self._redislock(), self._key, token=token, ttl=self._ex,
                    **{"blocking_timeout": self._blocking_timeout, **terms})
        with redis_failures():
            acquired = lock.acquire()
        if acquired:
            self._holds.add(threading.current_thread(), lock, self._ex)
        else:
            self._holds.give_back(token)
        return acquired

    def _redislock(self) -> Client:
        pool, settings = self._client.connection_pool, self._settings
        client = _shared.find(pool, settings)
        if client is None:
            credentials = None if settings.provider is None else settings.provider.get_credentials()
            client = _shared.make(pool, settings, credentials)
        return client

    def release(self) -> bool:
        """Releases the lock, and hands it to the first who waits. Returns True.

        Raises `LockNotOwnedError` if this object doesn't hold it, or no longer. After a failure of the server's or of
        the way to it, it can be released again.
        """
        caller = threading.current_thread()
        hold = self._holds.take(caller)
        if hold is None:
            raise LockNotOwnedError(f"{self.name!r} is not held by this object")
        try:
            with redis_failures():
                hold.lock.release()
        except ForkedError as error:
            raise LockNotOwnedError(f"{self.name!r} is held by the process that this one was forked from") from error
        except LockNotOwnedError:
            raise
        except BaseException:
            self._holds.put_back(caller, hold)
            raise
        return True

    def extend(self, additional_time: int) -> bool:
        """Puts the end of the lock off by some seconds. Returns True.

        Raises `ExtendFailedError` if this object doesn't hold it, or no longer; and without an `expire_timeout`, as
        then there is no end.
        """
        hold = self._holds.find(threading.current_thread())
        if hold is None:
            raise ExtendFailedError(f"{self.name!r} is not held by this object")
        end = hold.later(additional_time)
        try:
            with redis_failures():
                hold.lock.extend(end - now())
        except (ForkedError, LockNotOwnedError) as error:
            raise ExtendFailedError(str(error)) from error
        hold.end = end
        return True

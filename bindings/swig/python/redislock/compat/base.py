# SPDX-License-Identifier: MIT
"""What the classes have in common; programs derive locks of their own from these."""

from __future__ import annotations

import datetime
import math
import secrets
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _options as options
from ._settings import encoding_of
from .exceptions import AcquireFailedError, InvalidArgsError
from .types import RedisClient

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["BaseLock", "BaseSyncLock"]

_Self = TypeVar("_Self", bound="BaseSyncLock")


class BaseLock(Generic[RedisClient], ABC):
    """A name in Redis that one at a time holds."""

    default_blocking_timeout = 60

    unlock_message = b"ok"
    """What a release publishes on the lock's channel."""

    LUA_RELEASE = """
        if redis.call('get', KEYS[1]) == ARGV[1] then
            redis.call('del', KEYS[1])
            redis.call('publish', KEYS[2], ARGV[2])
            return 1
        end
        return 0
    """
    """A release by hand: KEYS are the name and the channel, ARGV the token and `unlock_message`. `release` doesn't use
    it."""

    LUA_EXTEND = """
        local rest = redis.call('ttl', KEYS[1])
        if redis.call('get', KEYS[1]) == ARGV[1] and rest >= 0 then
            redis.call('expire', KEYS[1], rest + ARGV[2])
            return 1
        end
        return 0
    """
    """The same for an extension: KEYS is the name, ARGV the token and the seconds to add."""

    def __init__(self, client: RedisClient, name: bytes | str, blocking_timeout: int | float = default_blocking_timeout,
                 expire_timeout: int | None = None) -> None:
        """Nothing is sent.

        `client`: where the lock is.
        `name`: also its key; bytes are taken for UTF-8.
        `blocking_timeout`: for how many seconds it is waited for at most.
        `expire_timeout`: for how many seconds it is held at most. Without it the lock is renewed while the process
        lives and holds it.
        """
        if not name:
            raise InvalidArgsError("name: it can't be empty")
        if not isinstance(name, (str, bytes, bytearray)):
            raise InvalidArgsError(f"name: a str or bytes expected, got {type(name).__name__}")
        self._validate_timeout(blocking_timeout)
        self._client: RedisClient = client
        self._uuid = secrets.token_hex(16).encode()
        self._name = name if isinstance(name, str) else bytes(name).decode("utf-8", "surrogateescape")
        try:
            self._key = options.name_bytes(self._name.encode(encoding_of(client), "surrogateescape"))
        except ValueError as error:
            raise InvalidArgsError(str(error) if str(error).startswith("name: ") else f"name: {error}") from error
        self._blocking_timeout = float(blocking_timeout) if blocking_timeout <= options.LONGEST_MS / 1000 else math.inf
        self._ex = _expiry(expire_timeout)

    @property
    def name(self) -> str:
        """The name. Bytes that are no UTF-8 stand in it as surrogates, as they do in file names."""
        return self._name

    @property
    def token(self) -> bytes:
        """The value of the key while this object holds the lock."""
        return self._uuid

    @staticmethod
    def _validate_timeout(blocking_timeout: Any) -> None:
        if not isinstance(blocking_timeout, (int, float)) or not blocking_timeout > 0:
            raise InvalidArgsError(f"blocking_timeout: seconds above 0 expected, got {blocking_timeout!r}")


class BaseSyncLock(BaseLock["Redis"]):
    """The form that blocks."""

    def __enter__(self: _Self) -> _Self:
        if self.acquire():
            return self
        raise AcquireFailedError(f"{self.name!r} was held by somebody else for all of the blocking_timeout")

    def __exit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        try:
            self.release()
        except Exception as failed:
            if exc_value is None:
                raise
            exc_value.add_note(f"redislock: {self.name!r} could not be released, too: {failed}")

    @abstractmethod
    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        """Takes the lock; whether it did."""
        raise NotImplementedError

    @abstractmethod
    def release(self) -> bool:
        """Releases the lock. True, or an exception."""
        raise NotImplementedError

    def extend(self, additional_time: int) -> bool:
        """Puts the lock's end off. True, or an exception."""
        raise NotImplementedError


def _expiry(value: Any) -> int | None:
    """What redis-py takes for the seconds of EX, and the server as well."""
    seconds = int(value.total_seconds()) if isinstance(value, datetime.timedelta) else value
    if isinstance(seconds, str) and seconds.isdigit():
        seconds = int(seconds)
    if seconds is None:
        return None
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 1 <= seconds <= options.LONGEST_MS // 1000:
        raise InvalidArgsError(f"expire_timeout: whole seconds from 1 to {options.LONGEST_MS // 1000} expected, "
                               f"got {value!r}")
    return seconds

# SPDX-License-Identifier: MIT
"""What one object of the reference's holds.

There an object has one token for all its life, and programs share it between threads or tasks: each acquire waits until
the others have released. So here each hold is a redislock lock of its own, with a token of its own; and a caller, a
thread or a task, releases what it took itself, lost or not. Who took nothing releases what was taken last.
"""

from __future__ import annotations

import atexit
import os
import secrets
import time
import weakref
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .. import _options as options
from .._lock import BaseLock
from .exceptions import ExtendFailedError

_Lock = TypeVar("_Lock", bound=BaseLock)


@dataclass(eq=False)
class Hold(Generic[_Lock]):
    """A lock that was acquired, and when it ends by itself; None: with its release, as it is renewed."""

    lock: _Lock
    end: float | None

    def later(self, additional_time: float) -> float:
        """Its end, put off."""
        if not isinstance(additional_time, (int, float)):
            raise TypeError(f"additional_time: seconds expected, got {type(additional_time).__name__}")
        if self.end is None:
            raise ExtendFailedError(f"{self.lock.name!r} has no expire_timeout: it is renewed until it is released")
        end = self.end + additional_time
        if not 0 < end - now() < options.LONGEST_MS / 1000:
            raise ExtendFailedError(f"additional_time: {self.lock.name!r} can't end {additional_time} seconds later")
        return end


class Holds(Generic[_Lock]):
    """Those of one object. Its operations on dictionaries and lists are single ones, so threads need no lock."""

    def __init__(self) -> None:
        self._holds: dict[weakref.ref[object], Hold[_Lock]] = {}
        self._next: list[str] = []

    def token(self, caller: object) -> str:
        """That of the caller's hold, else of the last one, else that of the acquire to come."""
        hold = self.find(caller)
        if hold is not None:
            return hold.lock.token or ""
        token = self.reserve()
        self.give_back(token)
        return token

    def reserve(self) -> str:
        """A token for an acquire."""
        try:
            return self._next.pop()
        except IndexError:
            return secrets.token_hex(16)

    def give_back(self, token: str) -> None:
        """The token wasn't used."""
        self._next[:] = [token]

    def add(self, caller: object, lock: _Lock, ttl: float | None) -> None:
        """The lock was acquired just now."""
        self.put_back(caller, Hold(lock, None if ttl is None else now() + ttl))

    def put_back(self, caller: object, hold: Hold[_Lock]) -> None:
        """The hold is the caller's, as it was not released after all."""
        for reference, other in list(self._holds.items()):
            if reference() in (None, caller) and not other.lock.held:
                self._holds.pop(reference, None)
        reference = weakref.ref(caller)
        self._holds.pop(reference, None)  # so that it comes last
        self._holds[reference] = hold
        if hold.end is not None:
            _remember(hold)

    def find(self, caller: object) -> Hold[_Lock] | None:
        """The hold that a release of the caller's would be about."""
        own = self._holds.get(weakref.ref(caller))
        if own is not None:
            return own
        for hold in reversed(list(self._holds.values())):
            return hold
        return None

    def take(self, caller: object) -> Hold[_Lock] | None:
        """The same, and it is no longer here."""
        hold = self._holds.pop(weakref.ref(caller), None)
        if hold is None:
            try:
                _, hold = self._holds.popitem()
            except KeyError:
                return None
        _leases.discard(hold)
        return hold


def now() -> float:
    """Seconds on the clock that leases are counted by."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


# A lock with an expire_timeout that nobody releases stays until then, also without an object or a process of its own:
# that is how programs do something once an hour.
_leases: set[Hold[Any]] = set()
_crowded = 64


def _remember(hold: Hold[Any]) -> None:
    global _crowded
    if len(_leases) >= _crowded:
        moment = now()
        for old in [old for old in list(_leases) if old.end is not None and old.end <= moment]:
            _leases.discard(old)
        _crowded = 64 + 2 * len(_leases)
    _leases.add(hold)


@atexit.register
def _leave() -> None:
    for hold in list(_leases):
        hold.lock._abandon()


os.register_at_fork(after_in_child=_leases.clear)

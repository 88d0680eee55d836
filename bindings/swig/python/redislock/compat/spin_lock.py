# SPDX-License-Identifier: MIT
"""The spin lock."""

from __future__ import annotations

from typing import Any

from .. import Client
from ._arguments import check_seconds
from ._served import ServedLock

__all__ = ["RedisSpinLock"]


class RedisSpinLock(ServedLock):
    """A lock whose waiters try again at an interval, and have no place in the queue."""

    LUA_RELEASE = """
        if redis.call('get', KEYS[1]) == ARGV[1] then
            redis.call('del', KEYS[1])
            return 1
        end
        return 0
    """
    """A release by hand, as of `BaseLock`, which nobody is told of."""

    def acquire(self, blocking: bool = True, sleep_time: float = 0.1) -> bool:
        """Takes the lock; whether it did before the `blocking_timeout` ended.

        `blocking`: if not, it is tried once.
        `sleep_time`: the pause between two tries in seconds; at least a millisecond.
        """
        check_seconds("sleep_time", sleep_time)
        terms: dict[str, Any] = {"interval": max(sleep_time, 0.001)}
        if not blocking:
            terms["blocking_timeout"] = 0
        return self._take(Client.spin_lock, **terms)

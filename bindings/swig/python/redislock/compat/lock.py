# SPDX-License-Identifier: MIT
"""The Pub/Sub lock."""

from __future__ import annotations

from .. import Client
from ._arguments import check_seconds
from ._served import ServedLock

__all__ = ["RedisLock"]


class RedisLock(ServedLock):
    """A lock whose waiters queue, and are woken in order, one at a time.

        with RedisLock(redis.Redis(), "report", blocking_timeout=10):
            ...
    """

    @property
    def channel_name(self) -> str:
        """The channel where releases are announced."""
        return f"rlock-channel:{self.name}"

    def acquire(self, pubsub_timeout: float = 0.5, delay_interval: float = 0.5) -> bool:
        """Takes the lock; whether it did before the `blocking_timeout` ended.

        The arguments are the reference's pauses between its tries. They play no part, as nobody tries here: the lock is
        handed over.
        """
        check_seconds("pubsub_timeout", pubsub_timeout)
        check_seconds("delay_interval", delay_interval)
        return self._take(Client.lock)

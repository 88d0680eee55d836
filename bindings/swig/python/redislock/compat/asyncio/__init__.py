# SPDX-License-Identifier: MIT
"""The lock of redis-lock-py for event loops; see `redislock.compat`."""

from .async_lock import RedisLock

__all__ = ["RedisLock"]

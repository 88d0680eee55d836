# SPDX-License-Identifier: MIT
"""The classes of redis-lock-py on top of redislock.

A program that was written for redis-lock-py runs with its import line changed:

    from redislock.compat import RedisLock                  # from redis_lock import RedisLock
    from redislock.compat.asyncio import RedisLock          # from redis_lock.asyncio import RedisLock
    from redislock.compat.exceptions import RedisLockError  # from redis_lock.exceptions import RedisLockError

It goes on handing in its redis.Redis or redis.asyncio.Redis. redislock makes connections of its own, with the settings
of that client: its address, database, credentials, TLS files, timeouts and name. Both packages may be used on the same
names at the same time.
"""

from .lock import RedisLock
from .spin_lock import RedisSpinLock

__all__ = ["RedisLock", "RedisSpinLock"]

__version__ = "1.3.0"
"""The version of redis-lock-py whose interface this is."""

# SPDX-License-Identifier: MIT
"""What is refused when a lock is made."""
import asyncio
import sys
from decimal import Decimal

import redis
import redis.asyncio
from redis_lock import RedisLock, RedisSpinLock
from redis_lock.asyncio import RedisLock as AsyncRedisLock
from redis_lock.exceptions import InvalidArgsError, RedisLockError

client = redis.Redis(unix_socket_path=sys.argv[1])


def refused(kind, client, *arguments, **named):
    try:
        kind(client, *arguments, **named)
    except Exception as error:
        kinds = RedisLockError, InvalidArgsError
        return type(error).__name__, [isinstance(error, kind) for kind in kinds], bool(str(error))
    return "taken"


async def main():
    asynchronous = redis.asyncio.Redis(unix_socket_path=sys.argv[1])
    for kind, its_client in ((RedisLock, client), (RedisSpinLock, client), (AsyncRedisLock, asynchronous)):
        for name in ("", b"", None):
            print(kind.__name__, repr(name), refused(kind, its_client, name))
        for timeout in (0, 0.0, None, "", -1, -0.5, "10", [1], Decimal(1), False):
            print(kind.__name__, repr(timeout), refused(kind, its_client, "name", timeout))
            print(kind.__name__, repr(timeout), refused(kind, its_client, "name", blocking_timeout=timeout))
        for timeout in (1, 0.001, True, float("inf"), 1e300, 10**30):
            print(kind.__name__, repr(timeout), refused(kind, its_client, "name", timeout))
        print(kind.__name__, refused(kind, its_client))
        print(kind.__name__, refused(kind, its_client, "name", wait=1))
        print(kind.__name__, refused(kind, its_client, "name", 1, 1, 1))
        print(kind.__name__, refused(kind, its_client, name="name", blocking_timeout=1, expire_timeout=1))
    await asynchronous.connection_pool.disconnect()


asyncio.run(main())

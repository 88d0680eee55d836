# SPDX-License-Identifier: MIT
"""What comes out when the server can't be used: the exceptions of redis-py."""
import asyncio
import sys

import redis
import redis.asyncio
import redis.asyncio.retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry
from redis_lock import RedisLock, RedisSpinLock
from redis_lock.asyncio import RedisLock as AsyncRedisLock

socket = sys.argv[1]
admin = redis.Redis(unix_socket_path=socket)
admin.acl_setuser("somebody", enabled=True, passwords=["+s3cret"], commands=["+@all"], keys=["*"], channels=["*"])
admin.acl_setuser("reader", enabled=True, passwords=["+s3cret"], commands=["+@all", "-@write", "-@scripting"],
                  keys=["*"], channels=["*"])

# Settings, and what is expected of the classes that a program catches, in both forms.
CLIENTS = {
    "away": (dict(unix_socket_path=socket + ".none"), redis.ConnectionError, redis.ConnectionError),
    "no port": (dict(host="127.0.0.1", port=1), redis.ConnectionError, redis.ConnectionError),
    "wrong password": (dict(unix_socket_path=socket, username="somebody", password="wrong"),
                       redis.AuthenticationError, redis.ConnectionError),
    "unknown user": (dict(unix_socket_path=socket, username="nobody", password="s3cret"),
                     redis.AuthenticationError, redis.ConnectionError),
    "may not": (dict(unix_socket_path=socket, username="reader", password="s3cret"),
                NoPermissionError, NoPermissionError),
    "no such database": (dict(unix_socket_path=socket, db=99), redis.ResponseError, redis.RedisError),
    "right password": (dict(unix_socket_path=socket, username="somebody", password="s3cret"), None, None),
    "another database": (dict(unix_socket_path=socket, db=3), None, None),
}


async def main():
    for title, (settings, expected, asyncio_expected) in CLIENTS.items():
        for kind in (RedisLock, RedisSpinLock):
            client = redis.Redis(retry=Retry(NoBackoff(), 0), **settings)
            lock = kind(client, "failing", 1)
            try:
                print(title, kind.__name__, lock.acquire(), lock.release())
            except redis.RedisError as error:
                print(title, kind.__name__, isinstance(error, expected), bool(str(error)))
            client.close()
        client = redis.asyncio.Redis(retry=redis.asyncio.retry.Retry(NoBackoff(), 0), **settings)
        lock = AsyncRedisLock(client, "failing", 1)
        try:
            print(title, "asyncio", await lock.acquire(), await lock.release())
        except redis.RedisError as error:
            print(title, "asyncio", isinstance(error, asyncio_expected), bool(str(error)))
        await client.connection_pool.disconnect()


asyncio.run(main())
three = redis.Redis(unix_socket_path=socket, db=3)
lock = RedisLock(three, "of three")
print(lock.acquire(), three.exists("of three"), admin.exists("of three"), lock.release())
admin.acl_deluser("somebody", "reader")

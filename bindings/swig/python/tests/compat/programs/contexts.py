# SPDX-License-Identifier: MIT
"""with, and what comes out of it."""
import sys

import redis
from redis_lock import RedisLock, RedisSpinLock
from redis_lock.exceptions import AcquireFailedError, LockNotOwnedError, RedisLockError

client = redis.Redis(unix_socket_path=sys.argv[1])

for kind in (RedisLock, RedisSpinLock):
    print(kind.__name__)
    with kind(client, "context", blocking_timeout=10) as lock:
        print(type(lock) is kind, client.get("context") == lock.token)
        try:
            with kind(client, "context", blocking_timeout=0.1):
                print("never")
        except AcquireFailedError as error:
            print("not acquired:", isinstance(error, RedisLockError), client.get("context") == lock.token)
    print(client.exists("context"))
    try:
        with kind(client, "context"):
            raise KeyError("of the body")
    except KeyError as error:
        print("kept:", error, client.exists("context"))
    try:
        with kind(client, "context") as lock:
            lock.release()
    except LockNotOwnedError:
        print("released in the body")
    lock = kind(client, "context")
    for _ in range(3):
        with lock:
            print(client.exists("context"), end=" ")
    print(client.exists("context"))
    for leave in range(2):
        with lock:
            continue
    print(client.exists("context"))
    lock.__enter__()
    print(client.exists("context"), lock.__exit__(None, None, None), client.exists("context"))

# SPDX-License-Identifier: MIT
"""The same for the spin lock."""
import sys
import threading

import redis
from redis_lock import RedisSpinLock
from redis_lock.exceptions import AcquireFailedError, LockNotOwnedError

client = redis.Redis(unix_socket_path=sys.argv[1])

lock = RedisSpinLock(client, "spin", blocking_timeout=10)
other = RedisSpinLock(client, name="spin", blocking_timeout=0.1)
print(lock.name, type(lock.token), len(lock.token), hasattr(lock, "channel_name"))
print(lock.acquire(blocking=True, sleep_time=0.05), client.get("spin") == lock.token)
print(other.acquire(blocking=False), other.acquire(False, 5), other.acquire(sleep_time=0.02))
try:
    other.release()
except LockNotOwnedError as error:
    print("not owned:", bool(str(error)))
try:
    with other:
        print("never")
except AcquireFailedError as error:
    print("not acquired:", bool(str(error)))
print(lock.release(), client.exists("spin"), other.acquire(False), other.release())
with lock as same:
    print(same is lock, client.get("spin") == lock.token)
print(client.exists("spin"))

print(lock.acquire())
waiter = RedisSpinLock(client, "spin")
got = []
thread = threading.Thread(target=lambda: got.append(waiter.acquire(True, 0.01)))
thread.start()
print(lock.release())
thread.join()
print(got, client.get("spin") == waiter.token, waiter.release())

for wrong in (-1, "1"):
    print(lock.acquire())
    try:
        other.acquire(sleep_time=wrong)
    except (TypeError, ValueError) as error:
        print("refused:", type(error).__name__)
    print(lock.release())

# SPDX-License-Identifier: MIT
"""A program that ends without a release, as one does that is to run once an hour."""
import subprocess
import sys

import redis
from redis_lock import RedisLock, RedisSpinLock

client = redis.Redis(unix_socket_path=sys.argv[1])
if len(sys.argv) > 2:
    kind = {"RedisLock": RedisLock, "RedisSpinLock": RedisSpinLock}[sys.argv[2]]
    lock = kind(client, sys.argv[2], blocking_timeout=0.1, expire_timeout=1000)
    print(lock.acquire())
    if sys.argv[3:]:
        lock.release()
else:
    for name in ("RedisLock", "RedisSpinLock"):
        for arguments in ([name], [name]):
            print(name, subprocess.check_output([sys.executable, __file__, sys.argv[1], *arguments], text=True).split())
        print(client.ttl(name) > 900, client.delete(name))
        for arguments in ([name, "release"], [name, "release"]):
            print(name, subprocess.check_output([sys.executable, __file__, sys.argv[1], *arguments], text=True).split())
        print(client.exists(name))

# SPDX-License-Identifier: MIT
"""A contender of redis-lock-py, for the test of interoperation: contend.py pubsub|spin SOCKET NAME ROUNDS
What it says and reads is described in contend.c; it has no fence."""
import sys
import time

import redis
from redis_lock import RedisLock, RedisSpinLock

KIND, SOCKET, NAME, ROUNDS = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


client = redis.Redis(unix_socket_path=SOCKET)
client.ping()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(ROUNDS):
    # It backs off further and further, and may well give up.
    while True:
        lock = RedisLock(client, NAME, blocking_timeout=60) if KIND == "pubsub" else \
            RedisSpinLock(client, NAME, blocking_timeout=60)
        if lock.acquire():
            break
    acquired = now()
    time.sleep(0.001)
    print(acquired, now(), "-")
    lock.release()
client.close()

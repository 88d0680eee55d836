# SPDX-License-Identifier: MIT
"""Threads contend with objects of their own and with one object; one thread releases what another one took."""
import sys
import threading

import redis
from redis_lock import RedisLock, RedisSpinLock

client = redis.Redis(unix_socket_path=sys.argv[1])
inside = most = rounds = 0


def work(make):
    global inside, most, rounds
    for _ in range(3):
        lock = make()
        # The reference backs off further and further, and may give up.
        while not (lock.acquire(0.02, 0.01) if isinstance(lock, RedisLock) else lock.acquire(sleep_time=0.01)):
            pass
        inside += 1
        most = max(most, inside)
        rounds += 1
        inside -= 1
        lock.release()


def contend(make):
    threads = [threading.Thread(target=work, args=(make,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(most, rounds, client.exists("contended"))


for kind in (RedisLock, RedisSpinLock):
    contend(lambda: kind(client, "contended"))
    shared = kind(client, "contended")
    contend(lambda: shared)
    thread = threading.Thread(target=shared.acquire)
    thread.start()
    thread.join()
    print(client.get("contended") == shared.token, shared.release(), client.exists("contended"))

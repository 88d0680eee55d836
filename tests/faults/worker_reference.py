# SPDX-License-Identifier: MIT
"""The workload of redis-lock-py: worker_reference.py SOCKET NAMES SEED LOG

It takes part with an expiry only, and is checked for no more than that: it has no fence, learns of no loss, and gives up
where a connection breaks. What it is sure of counts from the last command that it sent before it had the lock."""
import os
import random
import signal
import sys
import time

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis_lock import RedisLock, RedisSpinLock
from redis_lock.exceptions import RedisLockError

SOCKET, NAMES, SEED, LOG = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
EXPIRY, CLOCKS = 1, 0.02
ending = False
sent = 0


def end(*_):
    global ending
    ending = True


def now():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Client(redis.Redis):
    def execute_command(self, *arguments, **options):
        global sent
        if arguments[0] == "SET":
            sent = now()
        return super().execute_command(*arguments, **options)


def one_round(client, chance, log):
    name = f"c{chance.randrange(NAMES)}"
    kind = chance.choice((RedisLock, RedisSpinLock))
    lock = kind(client, name, blocking_timeout=3, expire_timeout=EXPIRY)
    asked = now()
    if not lock.acquire():
        return
    until = sent + int((EXPIRY - CLOCKS) * 1e9)
    log(f"g 0 {name} {asked} {now()} 0 {until} {EXPIRY * 1000} {lock.token.decode()}")
    time.sleep(chance.choice((0, 0, 0.001, 0.05)))
    log(f"r 0 {now()}")
    lock.release()
    log(f"d 0 {now()} OK 0")


def main():
    signal.signal(signal.SIGTERM, end)
    chance = random.Random(SEED)
    descriptor = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    client = Client(unix_socket_path=SOCKET, socket_timeout=1, retry=Retry(NoBackoff(), 0))
    while not ending:
        try:
            one_round(client, chance, lambda line: os.write(descriptor, line.encode() + b"\n"))
        except (redis.RedisError, RedisLockError, OSError, ValueError):
            pass  # past its deadline it waits for a negative time, which sockets refuse
        time.sleep(chance.random() * 0.02)


main()

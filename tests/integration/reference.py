# SPDX-License-Identifier: MIT
"""redislock next to redis-lock-py, on the same names and the same server.

Each side in turn holds and waits, in both kinds. The holder keeps the other out; the two are never both inside; a
Pub/Sub release wakes a Pub/Sub waiter of the other side at once, and every other waiter finds out by itself.
"""
import ctypes
import sys
import threading
import time

import redis
from redis_lock import RedisLock, RedisSpinLock

LIBRARY, SOCKET = sys.argv[1:]
PUBSUB, SPIN = 1, 2
KIND_NAMES = {PUBSUB: "Pub/Sub", SPIN: "spin"}
OK, NOT_ACQUIRED = 0, 1

library = ctypes.CDLL(LIBRARY)
handle = ctypes.c_void_p
for function, arguments in {
    "client_new": [ctypes.c_char_p, ctypes.POINTER(handle)],
    "client_free": [handle],
    "lock_new": [handle, ctypes.c_int32, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(handle)],
    "lock_set_wait_ms": [handle, ctypes.c_int64],
    "lock_acquire": [handle],
    "lock_release": [handle],
    "lock_free": [handle],
}.items():
    getattr(library, "redislock_" + function).argtypes = arguments


class Ours:
    """A lock of redislock, with the few words that both sides share here."""

    title = "redislock"

    def __init__(self, name, kind):
        self.client, self.lock = handle(), handle()
        assert library.redislock_client_new(b"unix://" + SOCKET.encode(), ctypes.byref(self.client)) == OK
        encoded = name.encode()
        assert library.redislock_lock_new(self.client, kind, encoded, len(encoded), ctypes.byref(self.lock)) == OK

    def acquire(self, wait):
        assert library.redislock_lock_set_wait_ms(self.lock, int(wait * 1000)) == OK
        status = library.redislock_lock_acquire(self.lock)
        assert status in (OK, NOT_ACQUIRED), status
        return status == OK

    def release(self):
        status = library.redislock_lock_release(self.lock)
        assert status == OK, status

    def close(self):
        library.redislock_lock_free(self.lock)
        library.redislock_client_free(self.client)


class Theirs:
    """The same for the reference."""

    title = "redis-lock-py"

    def __init__(self, name, kind):
        self.client = redis.Redis(unix_socket_path=SOCKET)
        self.name, self.kind, self.lock = name, kind, None

    def acquire(self, wait):
        if self.kind == PUBSUB:
            self.lock = RedisLock(self.client, self.name, blocking_timeout=max(wait, 0.05))
            return self.lock.acquire()
        self.lock = RedisSpinLock(self.client, self.name, blocking_timeout=max(wait, 0.05))
        return self.lock.acquire(blocking=wait > 0)

    def release(self):
        self.lock.release()

    def close(self):
        self.client.close()


server = redis.Redis(unix_socket_path=SOCKET)


def eventually(condition, what):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.002)


def subscribers(name):
    return server.pubsub_numsub("rlock-channel:" + name)[0][1]


def hand_over(holder, waiter, name, waits_by_message):
    """Lets the waiter wait for the holder's release, and returns how long after it the waiter had the lock, in ms."""
    times = {}

    def wait():
        times["good"] = waiter.acquire(30)
        times["acquired"] = time.monotonic()

    thread = threading.Thread(target=wait)
    thread.start()
    if waits_by_message:
        eventually(lambda: subscribers(name) > 0, "the waiter does not listen")
    # Time enough to get in wrongly, and for the reference to get from subscribing to waiting.
    time.sleep(0.3)
    assert thread.is_alive(), "the waiter did not wait"
    released = time.monotonic()
    holder.release()
    thread.join(60)
    assert not thread.is_alive(), "the waiter still waits"
    assert times["good"], "the waiter did not get the lock"
    assert times["acquired"] >= released, "both were inside"
    return (times["acquired"] - released) * 1000


def one_side_waits_for_the_other(holder_class, holder_kind, waiter_class, waiter_kind):
    name = f"{holder_class.title}-{holder_kind}-{waiter_class.title}-{waiter_kind}"
    holder, waiter = holder_class(name, holder_kind), waiter_class(name, waiter_kind)
    delays = []
    for _ in range(3):
        assert holder.acquire(30), "a free lock could not be acquired"
        assert not waiter.acquire(0), "the waiter was not kept out"
        delays.append(hand_over(holder, waiter, name, waiter_kind == PUBSUB))
        assert server.exists(name), "the waiter does not hold the lock"
        waiter.release()
        assert not server.exists(name), "the lock was not released"
    holder.close()
    waiter.close()
    woken = holder_kind == PUBSUB and waiter_kind == PUBSUB
    print(
        f"{holder_class.title} {KIND_NAMES[holder_kind]} released, {waiter_class.title} {KIND_NAMES[waiter_kind]} "
        f"{'was woken' if woken else 'found out'} after {sorted(delays)[1]:.1f} ms"
    )
    return name, woken, delays


def never_both_inside(kind):
    """Two of either side contend; a counter that only the lock protects shows whether two were inside."""
    name, rounds = f"contended-{kind}", 25
    inside, most, failures = 0, 0, []

    def contend(side):
        nonlocal inside, most
        try:
            lock = side(name, kind)
            for _ in range(rounds):
                # The reference backs off further and further, and may well give up.
                while not lock.acquire(60):
                    assert side is Theirs, "not acquired"
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1
                lock.release()
            lock.close()
        except Exception as error:  # shown by the main thread
            failures.append(f"{side.title}: {error!r}")

    threads = [threading.Thread(target=contend, args=(side,)) for side in (Ours, Theirs, Ours, Theirs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert not failures, failures
    assert not any(thread.is_alive() for thread in threads), "somebody still waits"
    assert most == 1, f"{most} were inside at once"
    print(f"{len(threads)} contenders of both sides, {KIND_NAMES[kind]}: never two inside")


def main():
    slowest = 0
    for holder, waiter in ((Ours, Theirs), (Theirs, Ours), (Ours, Ours), (Theirs, Theirs)):
        for holder_kind in (PUBSUB, SPIN):
            for waiter_kind in (PUBSUB, SPIN):
                _, woken, delays = one_side_waits_for_the_other(holder, holder_kind, waiter, waiter_kind)
                if woken and holder is not waiter:
                    slowest = max(slowest, min(delays))
    # Polling would take half a second on either side; the quickest of three is not a poll by chance.
    assert slowest < 250, f"a Pub/Sub waiter was not woken at once: {slowest} ms"
    for kind in (PUBSUB, SPIN):
        never_both_inside(kind)
    left = [key for key in server.keys("*") if not key.startswith(b"rlock-state:") or server.pttl(key) < 0]
    assert not left, left


main()

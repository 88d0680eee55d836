# SPDX-License-Identifier: MIT
"""redislock.compat and redis-lock-py in one process, on the same names.

One side holds and the other one waits, in each of the kinds; and then all of them contend. A Pub/Sub waiter has to be
woken by the release. That is seen by what it asks the server: it comes back sooner after its last question than it ever
does by itself. A busy machine can only make that later, so a round that says nothing is tried again.
"""
import asyncio
import contextlib
import threading

import redis
import redis.asyncio
import redis_lock
import redis_lock.asyncio
import redislock.compat
import redislock.compat.asyncio
import support

ROUNDS = 20
# How long a Pub/Sub waiter of the reference waits before it asks again by itself, as it is told here; and redislock's,
# at the least: half of a hand-off lease.
PAUSES = {"redis-lock-py": 25, "redislock.compat": 0.4}

server = support.Server()


class Side:
    """One of the six: whose it is, of which kind, and its lock for a name."""

    def __init__(self, package, kind):
        self.package, self.kind = package, kind
        self.title = f"{package} {kind}"
        top, loops = (redis_lock, redis_lock.asyncio) if package == "redis-lock-py" else \
            (redislock.compat, redislock.compat.asyncio)
        self.make = {"Pub/Sub": top.RedisLock, "spin": top.RedisSpinLock, "asyncio": loops.RedisLock}[kind]
        self.client = (redis.asyncio.Redis if kind == "asyncio" else redis.Redis)(unix_socket_path=server.socket)
        self.listens = kind != "spin"
        self.tells = self.listens or package == "redislock.compat"

    def lock(self, name, timeout=support.PATIENCE):
        return self.make(self.client, name, blocking_timeout=timeout)

    async def acquire(self, lock, pause=None):
        arguments = (PAUSES[self.package] if pause is None else pause, 0.01) if self.listens else (True, 0.02)
        if self.kind == "asyncio":
            return await lock.acquire(*arguments)
        return await asyncio.to_thread(lock.acquire, *arguments)

    async def release(self, lock):
        return await lock.release() if self.kind == "asyncio" else await asyncio.to_thread(lock.release)


SIDES = [Side(package, kind) for package in PAUSES for kind in ("Pub/Sub", "spin", "asyncio")]


class Questions:
    """When the server was asked with a token: by its own clock, and as it came to know of it."""

    def __init__(self):
        self.of = {}
        ready = threading.Event()
        threading.Thread(target=self.listen, args=(ready,), daemon=True).start()
        ready.wait()

    def listen(self, ready):
        with contextlib.suppress(redis.ConnectionError), \
                redis.Redis(unix_socket_path=server.socket, socket_timeout=None).monitor() as monitor:
            ready.set()
            for command in monitor.listen():
                if command["client_type"] != "lua":
                    for word in command["command"].split(" "):
                        self.of.setdefault(word, []).append(command["time"])

    def with_token(self, lock_token):
        return list(self.of.get(lock_token.decode(), ()))


questions = Questions()


async def until(condition, what):
    await asyncio.to_thread(support.until, condition, what)


def listeners(name):
    return server("PUBSUB", "NUMSUB", "rlock-channel:" + name)[1]


async def hand_over(holder, waiter, name):
    """Lets one side wait for the other's release. Returns the seconds between the question by which it got the lock, or
    learned that it has it, and the one before."""
    held, wanted = holder.lock(name), waiter.lock(name)
    assert await holder.acquire(held), "a free lock could not be acquired"
    assert not await waiter.acquire(waiter.lock(name, 0.05)), "the waiter was not kept out"
    token = wanted.token
    waiting = asyncio.create_task(waiter.acquire(wanted))
    # The first question, and with redislock another one when it listens; then the next comes by itself.
    least = 3 if waiter.package == "redislock.compat" and waiter.listens else 1
    await until(lambda: len(questions.with_token(token)) >= least, "the waiter asks")
    if waiter.listens:
        await until(lambda: listeners(name) > 0, "the waiter listens")
    assert not waiting.done(), "both are inside"
    asked = len(questions.with_token(token))
    await holder.release(held)
    assert await waiting, "the waiter didn't get the lock"
    assert server("GET", name) == wanted.token == token, "the waiter doesn't hold the lock"
    await until(lambda: len(questions.with_token(token)) > asked, "it asks once more")
    times = questions.with_token(token)[asked - 1:asked + 1]
    assert await waiter.release(wanted) is True
    assert not server("EXISTS", name), "the lock was not released"
    return times[1] - times[0]


async def one_waits_for_the_other(holder, waiter):
    name = f"{holder.title}, {waiter.title}"
    if not (holder.tells and waiter.listens):
        await hand_over(holder, waiter, name)
        print(f"{holder.title} released, {waiter.title} found out")
        return
    for _ in range(ROUNDS):
        gap = await hand_over(holder, waiter, name)
        if gap < PAUSES[waiter.package]:
            print(f"{holder.title} released, {waiter.title} was woken: "
                  f"it asked {gap * 1000:.0f} ms after the last time")
            return
    raise AssertionError(f"{waiter.title} was never woken by {holder.title}")


async def contend():
    inside = most = 0
    turns = []

    async def work(side):
        nonlocal inside, most
        for _ in range(4):
            lock = side.lock("contended")
            while not await side.acquire(lock, 0.02):
                pass
            inside += 1
            most = max(most, inside)
            turns.append(side.title)
            await asyncio.sleep(0.001)
            inside -= 1
            await side.release(lock)

    await asyncio.gather(*(work(side) for side in SIDES))
    assert most == 1, f"{most} were inside at once"
    assert len(turns) == 4 * len(SIDES) and not server("EXISTS", "contended")
    print(f"{len(turns)} holds of {len(SIDES)} contenders, never two inside")


async def main():
    for holder in SIDES:
        for waiter in SIDES:
            if holder.package != waiter.package:
                await one_waits_for_the_other(holder, waiter)
    await contend()
    assert server.clean(), server("KEYS", "*")
    for side in SIDES:
        await side.client.connection_pool.disconnect() if side.kind == "asyncio" else side.client.close()


try:
    asyncio.run(main())
finally:
    server.stop()

# SPDX-License-Identifier: MIT
"""Whatever is cancelled, and wherever: no lock and no ticket is left, and nobody else is disturbed."""

import asyncio
import gc
import math
import random

import support
import test_asyncio

import redislock
import redislock.asyncio


class Client(redislock.asyncio.Client):
    """One that calls somebody after each dispatch: when futures have their results, and tasks don't know it yet."""

    __slots__ = ("after", "count")

    def _dispatch(self):
        super()._dispatch()
        self.count += 1
        self.after()


class Cancelled(test_asyncio.Async):
    def stages(self, play):
        """Plays it again and again, and cancels the task at its beginning, after the first dispatch, the second ...
        until it is over before. Ways to cancel: in the callback, and when the loop comes by next."""
        for at_once in (True, False):
            stage = 0
            while self.run_in_loop(self.stage(play, stage, at_once)):
                stage += 1
                self.assertLess(stage, 100)
            self.assertGreaterEqual(stage, 2)

    async def stage(self, play, stage, at_once):
        client = Client(self.server.url)
        client.count = 0
        client.after = lambda: None
        task = None

        def cancel():
            if at_once:
                task.cancel()
            else:
                asyncio.get_running_loop().call_soon(task.cancel)

        def after():
            if client.count == stage:
                cancel()

        begin = asyncio.Event()
        ready = asyncio.Event()

        async def run():
            body = await play(client, ready)
            ready.set()
            await begin.wait()
            client.count = 0
            client.after = after
            await body()

        task = asyncio.create_task(run())
        await ready.wait()
        # At stage 0 it has begun, and has its first await behind it.
        begin.set()
        await asyncio.sleep(0)
        if stage == 0:
            cancel()
        done, _ = await asyncio.wait([task])
        client.after = lambda: None
        cancelled = task.cancelled()
        if not cancelled:
            task.result()
        # While the client lives: what is cleaned up is cleaned up behind the scenes.
        await self.until(lambda: self.server.clean(),
                         f"nothing is left of stage {stage}, but there is {self.server('KEYS', '*')}")
        await self.until(lambda: not client._waits, "nobody waits for an answer")
        await client.close()
        return cancelled

    def test_acquire_at_first(self):
        """Also while it connects."""
        async def play(client, ready):
            async def body():
                lock = client.lock("foo")
                try:
                    await lock.acquire()
                except asyncio.CancelledError:
                    self.assertFalse(lock.held)
                    raise
                await self.give_back(lock)
            return body

        self.stages(play)

    async def give_back(self, lock):
        """Releases what was acquired, whatever comes: as in a block."""
        while True:
            try:
                return await lock.release()
            except asyncio.CancelledError:
                if not lock.held:
                    raise

    def test_acquire(self):
        async def play(client, ready):
            await client.ping()

            async def body():
                lock = client.lock("foo")
                await lock.acquire()
                await self.give_back(lock)
            return body

        self.stages(play)

    def test_block(self):
        async def play(client, ready):
            async def body():
                async with client.lock("foo") as lock:
                    await lock.extend()
                    await client.status("foo")
            return body

        self.stages(play)

    def test_spin(self):
        async def play(client, ready):
            holder = redislock.Client(self.server.url)
            holder.lock("foo", ttl=0.1).acquire()

            async def body():
                async with client.spin_lock("foo", interval=0.01):
                    holder.close()
            return body

        self.stages(play)

    def test_wait(self):
        """In the queue, and as the lock is handed over."""
        async def play(client, ready):
            holder = client.lock("foo")
            await holder.acquire()

            async def hand_over(lock):
                while lock.place is None and not lock.held:
                    await asyncio.sleep(0)
                await holder.release()

            async def body():
                lock = client.lock("foo")
                other = asyncio.create_task(hand_over(lock))
                try:
                    async with lock:
                        pass
                finally:
                    del lock
                    other.cancel()
                    await asyncio.wait([other])
                    while holder.held:
                        await self.give_back(holder)
            return body

        self.stages(play)

    def test_release(self):
        async def play(client, ready):
            lock = client.lock("foo")
            await lock.acquire()

            async def body():
                await lock.release()
                await client.ping()
            return body

        self.stages(play)

    def test_extend(self):
        """Cancelled, it leaves the lock held, and the next call waits until it is known what became of it."""
        async def play(client, ready):
            lock = client.lock("foo")
            await lock.acquire()

            async def body():
                try:
                    await lock.extend(20)
                    await client.ping()
                finally:
                    self.assertTrue(lock.held)
                    try:
                        await lock.extend(20)
                    finally:
                        self.assertTrue(lock.held)
                        await self.give_back(lock)
            return body

        self.stages(play)

    def test_many(self):
        """Any of many, at any time; those that are left get their turn, one at a time."""
        async def play():
            chance = random.Random(1)
            async with Client(self.server.url) as client:
                client.count, client.after = 0, lambda: None
                inside, served = 0, 0

                async def work():
                    nonlocal inside, served
                    for _ in range(5):
                        async with client.lock("foo", blocking_timeout=math.inf):
                            self.assertEqual(inside, 0)
                            inside += 1
                            try:
                                await asyncio.sleep(0)
                            finally:
                                inside -= 1
                    served += 1

                tasks = [asyncio.create_task(work()) for _ in range(200)]
                victims = tasks[::2]

                def cancel_some():
                    for task in chance.sample(victims, min(len(victims), 2)):
                        task.cancel()
                        victims.remove(task)

                client.after = cancel_some
                await asyncio.wait(tasks)
                self.assertEqual(victims, [])
                for task in tasks[1::2]:
                    task.result()
                cancelled = sum(task.cancelled() for task in tasks)
                self.assertEqual(served, 200 - cancelled)
                self.assertGreater(cancelled, 50)
                await self.until(self.server.clean, "nothing is left")
                self.assertEqual((client._waits, inside), ({}, 0))

        self.run_in_loop(play())

    def test_used_again(self):
        """The object can be used again at once."""
        async def play():
            async with Client(self.server.url) as client:
                client.count, client.after = 0, lambda: None
                lock = client.lock("foo")
                for rest in range(30):
                    task = asyncio.create_task(lock.acquire())
                    for _ in range(rest):
                        await asyncio.sleep(0)
                    if not task.done():
                        task.cancel()
                        await asyncio.wait([task])
                        self.assertFalse(lock.held)
                        self.assertTrue(await lock.acquire())
                    fence = lock.fence
                    self.assertTrue(lock.held)
                    await lock.release()
                    self.assertEqual(lock.fence, fence)

        self.run_in_loop(play())

    def test_loop_ends(self):
        """Cancelled as the loop is torn down, as asyncio.run() does it, or left alone with a loop that stops."""
        holder = redislock.Client(self.server.url).lock("foo")
        holder.acquire()
        client = redislock.asyncio.Client(self.server.url)

        async def start(turns):
            lock = client.lock("foo", blocking_timeout=math.inf)
            tasks = [asyncio.create_task(lock.acquire())]
            if turns is None:
                await self.until(lambda: lock.place == 0, "it waits")
            else:
                for _ in range(turns):
                    await asyncio.sleep(0)
            return tasks

        for turns in (0, 1, 2, 5, None):
            self.run_in_loop(start(turns))
            gc.collect()
            support.until(lambda: self.server.waiters("foo") == 0, f"nothing is left after {turns} turns")
        holder.release()
        self.assertIsNone(self.server("GET", "foo"))
        self.run_in_loop(client.close())


if __name__ == "__main__":
    test_asyncio.main()

# SPDX-License-Identifier: MIT
"""redislock.asyncio: locks for coroutines, on whichever loop is running."""

import asyncio
import gc
import math
import os
import socket
import sys
import tempfile
import threading
import time
import weakref

import support

import redislock
from redislock.asyncio import Client


class Async(support.Case):
    """Each test has a loop of its own."""

    new_loop = None

    def run_in_loop(self, coroutine):
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(asyncio.wait_for(coroutine, support.PATIENCE))

    async def until(self, condition, what):
        end = time.monotonic() + support.PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), end, f"it didn't come that {what}")
            await asyncio.sleep(0.002)


def in_loop(test):
    """A test that is a coroutine, which gets a client."""
    def run(self):
        async def play():
            async with Client(self.server.url) as client:
                await test(self, client)

        self.run_in_loop(play())

    return run


class Locks(Async):
    @in_loop
    async def test_acquire_and_release(self, client):
        lock = client.lock("foo", owner="me")
        self.assertIs(await lock.acquire(), True)
        self.assertTrue(lock.held)
        self.assertTrue(0 < lock.remaining <= 30)
        self.assertEqual(self.server("GET", "foo"), lock.token.encode())
        status = await client.status("foo")
        self.assertIsInstance(status, redislock.Status)
        self.assertEqual((status.token, status.owner, status.fence), (lock.token, "me", lock.fence))
        fence = lock.fence
        self.assertIsNone(await lock.release())
        self.assertFalse(lock.held)
        self.assertIsNone(self.server("GET", "foo"))
        async with lock as same:
            self.assertIs(same, lock)
            self.assertGreater(lock.fence, fence)
            self.assertEqual(repr(lock), "<redislock.asyncio.Lock 'foo', held>")
        await client.connect()
        await client.ping()

    @in_loop
    async def test_timeouts(self, client):
        async with client.lock("foo"):
            for make in (client.lock, client.spin_lock):
                lock = make("foo", blocking_timeout=0.05)
                began = time.monotonic()
                self.assertIs(await lock.acquire(), False)
                self.assertGreater(time.monotonic() - began, 0.045)
                self.assertIs(await lock.acquire(False), False)
                self.assertIs(await lock.acquire(blocking_timeout=0), False)
                with self.assertRaisesRegex(redislock.AcquireFailedError, "'foo' was held"):
                    async with lock:
                        self.fail("inside")
            self.assertFalse(await client.spin_lock("foo").acquire(True, 0.05, sleep_time=0.01))
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.lock("foo", blocking_timeout=math.inf).acquire()
        async with client.spin_lock("foo", interval=0.01, growth=2, max_interval=1) as lock:
            self.assertTrue(lock.held)

    @in_loop
    async def test_not_owned_and_lost(self, client):
        lock = client.lock("foo")
        for call in (lock.release, lock.extend):
            with self.assertRaises(redislock.LockNotOwnedError):
                await call()
        lost = []
        lock = client.lock("foo", ttl=3, renew=True, on_lost=lost.append)
        async with client.lock("foo"):
            pass
        self.assertTrue(await lock.acquire())
        self.server("SET", "foo", "somebody")
        await self.until(lambda: lost, "it is told")
        self.assertEqual(lost, [lock])
        self.assertFalse(lock.held)
        with self.assertRaises(redislock.LockLostError):
            await lock.release()
        self.server("DEL", "foo")
        # And the object is free again.
        async with lock:
            pass
        self.assertEqual((lost, client._watched), ([lock], {}))
        lost.clear()
        brief = client.lock("foo", ttl=0.1)
        await brief.acquire()
        await self.until(lambda: not brief.held, "the lease ends")
        with self.assertRaises(redislock.LockLostError):
            await brief.release()

    @in_loop
    async def test_fence(self, client):
        last = 2**53 - 3
        self.server("SET", "rlock-state:{foo}:foo", f"{last} t - ")
        async with client.lock("foo") as lock:
            self.assertEqual(lock.fence, last + 1)
            self.assertEqual((await client.status("foo")).fence, last + 1)

    @in_loop
    async def test_extend(self, client):
        async with client.lock("foo", ttl=5) as lock:
            await lock.extend(1000)
            self.assertGreater(lock.remaining, 900)
            await lock.extend()
            self.assertTrue(0 < lock.remaining <= 5)
            await lock.extend(math.inf)
            self.assertEqual(lock.remaining, math.inf)

    @in_loop
    async def test_break(self, client):
        self.assertIs(await client.break_lock("foo"), False)
        lock = client.lock("foo")
        await lock.acquire()
        self.assertIs(await client.break_lock("foo", "other"), False)
        self.assertIs(await client.break_lock("foo", lock.token), True)
        with self.assertRaises(redislock.LockLostError):
            await lock.release()

    @in_loop
    async def test_block(self, client):
        with self.assertRaisesRegex(ZeroDivisionError, "^mine$") as caught:
            async with client.lock("foo"):
                raise ZeroDivisionError("mine")
        self.assertEqual(getattr(caught.exception, "__notes__", []), [])
        with self.assertRaisesRegex(ZeroDivisionError, "^mine$") as caught:
            async with client.lock("foo"):
                await client.break_lock("foo")
                raise ZeroDivisionError("mine")
        self.assertRegex(caught.exception.__notes__[0], "^redislock: 'foo' could not be released, too: ")
        with self.assertRaises(redislock.LockLostError):
            async with client.lock("foo"):
                await client.break_lock("foo")
        async with client.lock("foo") as lock:
            await lock.release()

    @in_loop
    async def test_one_object(self, client):
        lock = client.lock("foo")
        async with client.lock("foo") as held:
            waiting = asyncio.create_task(lock.acquire())
            await self.until(lambda: lock.place == 0, "it waits")
            for call in (lock.acquire, lock.release, lock.extend, held.acquire):
                with self.assertRaises(redislock.LockInUseError):
                    await call()
        self.assertTrue(await waiting)
        await lock.release()

    @in_loop
    async def test_names(self, client):
        for name in (b"a\0\xff", "h\u00e4user", "x" * 32768):
            async with client.lock(name) as lock:
                self.assertEqual((await client.status(name)).token, lock.token)
                self.assertEqual((await client.status(lock.name)).token, lock.token)

    @in_loop
    async def test_thousand(self, client):
        """A thousand tasks wait for one lock on two sockets, and get it in order, one at a time, without a thread."""
        count, order, inside = 1000, [], 0
        await client.ping()
        threads = threading.active_count(), len(os.listdir("/proc/self/task"))
        holder = client.lock("foo")
        await holder.acquire()

        async def work(number):
            nonlocal inside
            async with client.lock("foo", blocking_timeout=math.inf):
                inside += 1
                self.assertEqual(inside, 1)
                order.append(number)
                await asyncio.sleep(0)
                inside -= 1

        tasks = [asyncio.create_task(work(number)) for number in range(count)]
        await self.until(lambda: self.server.waiters("foo") == count, "all wait")
        mine = [line for line in self.server("CLIENT", "LIST").splitlines() if b"cmd=client" not in line]
        self.assertEqual(len(mine), 2, mine)
        self.assertEqual(self.sockets(), 2)
        self.assertEqual((threading.active_count(), len(os.listdir("/proc/self/task"))), threads)
        await holder.release()
        await asyncio.gather(*tasks)
        self.assertEqual(order, list(range(count)))

    def sockets(self):
        """How many of this process lead to the server."""
        return sum(self.leads_to_server(int(fd)) for fd in os.listdir("/proc/self/fd"))

    def leads_to_server(self, fd):
        try:
            with socket.socket(fileno=os.dup(fd)) as one:
                return one.family == socket.AF_UNIX and one.getpeername() == self.server.socket
        except OSError:
            return False

    def test_failures(self):
        async def play():
            client = Client("unix:///nowhere/socket")
            for call in (client.ping, client.connect, client.lock("foo").acquire, client.lock("foo").__aenter__,
                         lambda: client.status("foo"), lambda: client.break_lock("foo")):
                with self.assertRaisesRegex(redislock.ConnectionFailedError, "no such socket") as caught:
                    await call()
                self.assertEqual(caught.exception.code, "CONNECTION_REFUSED")
            self.server("ACL", "SETUSER", "poor", "on", ">secret", "~*", "&*", "+ping", "+client", "+hello", "+auth")
            client = Client(self.server.url, user="poor", password="wrong")
            with self.assertRaisesRegex(redislock.AuthenticationError, "refused the password"):
                await client.lock("foo").acquire()
            client.set_credentials("poor", "secret")
            await client.ping()
            with self.assertRaises(redislock.AccessDeniedError):
                await client.lock("foo").acquire()
            self.server("LPUSH", "list", "x")
            async with Client(self.server.url) as client:
                with self.assertRaisesRegex(redislock.ServerError, r"\bWRONGTYPE "):
                    await client.lock("list").acquire()
                with self.assertRaisesRegex(redislock.ServerError, r"\bWRONGTYPE ") as caught:
                    await client.status("list")
                self.assertEqual(caught.exception.code, "WRONG_TYPE")
            self.server("DEL", "list")
            with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.path.join(folder, "socket"))
                listener.listen()
                client = Client(f"unix://{folder}/socket", connect_timeout=0.1)
                with self.assertRaises(redislock.ConnectionTimeoutError):
                    await client.ping()

        self.run_in_loop(play())

    def test_closed(self):
        async def play():
            client = Client(self.server.url)
            held = client.lock("foo")
            await held.acquire()
            waiting = asyncio.create_task(client.lock("foo", blocking_timeout=math.inf).acquire())
            asking = asyncio.create_task(client.ping())
            await asyncio.sleep(0)
            await client.close()
            await client.close()
            for task in (waiting, asking):
                with self.assertRaisesRegex(redislock.ClientClosedError, "closed"):
                    await task
            for call in (held.release, held.acquire, held.extend, client.ping, held.__aenter__):
                with self.assertRaisesRegex(redislock.ClientClosedError, "closed"):
                    await call()
            with self.assertRaises(redislock.ClientClosedError):
                client.lock("foo")
            self.assertIsNone(self.server("GET", "foo"))
            self.assertEqual((held.held, client._waits), (False, {}))

        self.run_in_loop(play())

    def test_loops(self):
        """One client on one loop after the other, and never on two at once."""
        client = Client(self.server.url)
        lock = client.lock("foo")
        self.run_in_loop(lock.acquire())
        self.assertTrue(lock.held)
        self.run_in_loop(lock.release())

        async def elsewhere():
            await client.ping()
            errors = []

            def run():
                try:
                    asyncio.run(client.ping())
                except RuntimeError as error:
                    errors.append(error)

            await asyncio.to_thread(run)
            self.assertRegex(str(errors), "in use on another event loop")
            await client.ping()

        self.run_in_loop(elsewhere())
        self.run_in_loop(client.close())
        with self.assertRaises(RuntimeError):
            Client(self.server.url).ping().send(None)

    @in_loop
    async def test_collected(self, client):
        other = Client(self.server.url)
        lock = other.lock("foo")
        await lock.acquire()
        gone = weakref.ref(other)
        del other
        self.assertIsNotNone(gone())
        del lock
        gc.collect()
        self.assertIsNone(gone())
        await self.until(lambda: self.server("GET", "foo") is None, "it is released")
        lock = client.lock("foo")
        await lock.acquire()
        del lock
        gc.collect()
        await self.until(lambda: self.server("GET", "foo") is None, "it is released")
        # Its descriptor's number is free for others, also where it was collected by another thread.
        clients = [Client(self.server.url)]
        await clients[0].ping()
        await asyncio.to_thread(clients.clear)
        await asyncio.sleep(0)
        for _ in range(20):
            other = Client(self.server.url)
            await other.ping()
            async with other.lock("bar"):
                pass

    @in_loop
    async def test_own_token_again(self, client):
        """One that was given up can be taken again at once, under the same token."""
        async with client.lock("foo"):
            lock = client.lock("foo", token="mine")
            for _ in range(3):
                task = asyncio.create_task(lock.acquire())
                await self.until(lambda: lock.place == 0, "it waits")
                task.cancel()
                await asyncio.wait([task])
            task = asyncio.create_task(lock.acquire())
            await self.until(lambda: lock.place == 0, "it waits")
        self.assertTrue(await task)
        self.assertEqual(lock.token, "mine")
        await lock.release()

    @in_loop
    async def test_server_restarts(self, client):
        async with client.lock("bar"):
            pass
        self.server.kill()
        task = asyncio.create_task(client.lock("foo", blocking_timeout=math.inf).acquire())
        with self.assertRaises(redislock.ConnectionFailedError):
            await client.ping()
        self.server.start()
        self.assertTrue(await task)


def main():
    """With an argument all loops are uvloop's."""
    if sys.argv[1:2] == ["uvloop"]:
        import uvloop
        del sys.argv[1]
        Async.new_loop = staticmethod(uvloop.new_event_loop)
    support.main()


if __name__ == "__main__":
    main()

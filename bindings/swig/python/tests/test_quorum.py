# SPDX-License-Identifier: MIT
"""One lock on five servers."""

import gc
import math
import os
import select
import signal
import threading
import unittest

import support

import redislock


class Quorums(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = [support.Server() for _ in range(5)]

    @classmethod
    def tearDownClass(cls):
        for server in cls.servers:
            server.stop()

    def setUp(self):
        self.quorum = self.new()

    def tearDown(self):
        self.quorum.close()
        for server in self.servers:
            if server.process.poll() is not None:
                server.start()
            server("FLUSHALL")

    def new(self):
        return redislock.Quorum([server.url for server in self.servers], server_timeout=2)

    def have(self, name="foo"):
        return sum(server("EXISTS", name) for server in self.servers if server.process.poll() is None)

    def kill(self, count):
        for server in self.servers[:count]:
            server.kill()

    def test_with(self):
        with self.quorum.lock("foo", owner="me") as lock:
            self.assertTrue(lock.held)
            self.assertLess(0, lock.remaining)
            support.until(lambda: lock.agreed == 5, "all agree")
            self.assertEqual(self.have(), 5)
            for server in self.servers:
                self.assertEqual(server("GET", "foo").decode().split(".")[0], lock.token)
            with self.new() as other, self.assertRaises(redislock.AcquireFailedError):
                with other.lock("foo", blocking_timeout=0):
                    self.fail("held twice")
        self.assertEqual((lock.held, lock.remaining, lock.agreed, self.have()), (False, 0, 0, 0))
        self.assertEqual((lock.name, lock.quorum), ("foo", self.quorum))

    def test_calls(self):
        lock = self.quorum.lock("foo", ttl=20)
        self.assertIs(lock.acquire(), True)
        with self.assertRaises(redislock.LockInUseError):
            lock.acquire()
        self.assertTrue(lock.held)
        lock.extend(100)
        self.assertGreater(lock.remaining, 50)
        self.assertIs(self.quorum.lock("foo").acquire(blocking=False), False)
        lock.release()
        with self.assertRaises(redislock.LockNotOwnedError):
            lock.release()

    def test_two_may_fail(self):
        self.kill(2)
        with self.quorum.lock("foo") as lock:
            self.assertTrue(lock.held)
        self.assertEqual(self.have(), 0)

    def test_three_may_not(self):
        self.kill(3)
        with self.assertRaises(redislock.ConnectionFailedError) as caught:
            self.quorum.lock("foo").acquire()
        for i, server in enumerate(self.servers):
            self.assertEqual(server.socket in str(caught.exception), i < 3)
        self.assertEqual(self.have(), 0)

    def test_lost(self):
        lock = self.quorum.lock("foo", ttl=2, renew=True)
        fd = self.quorum.lost_fd()
        lock.acquire()
        self.kill(3)
        self.assertEqual(select.select([fd], [], [], support.PATIENCE)[0], [fd])
        self.assertFalse(lock.held)
        with self.assertRaises(redislock.LockLostError):
            lock.release()

    def test_signal(self):
        """A handler that raises ends a wait."""
        def handler(*_):
            raise InterruptedError
        former = signal.signal(signal.SIGUSR1, handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, former)
        waiter = self.quorum.lock("foo", blocking_timeout=math.inf)
        with self.quorum.lock("foo"):
            timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1))
            timer.start()
            with self.assertRaises(InterruptedError):
                waiter.acquire()
            timer.join()
        self.assertTrue(waiter.acquire())
        waiter.release()

    def test_close_ends_waits(self):
        other, errors = self.new(), []
        waiter = other.lock("foo", blocking_timeout=math.inf)

        def wait():
            try:
                waiter.acquire()
            except redislock.ClientClosedError as error:
                errors.append(error)
        with self.quorum.lock("foo"):
            thread = threading.Thread(target=wait)
            thread.start()
            support.until(lambda: waiter.token is not None, "it waits")
            other.close()
            thread.join(support.PATIENCE)
        self.assertEqual(len(errors), 1)
        for call in (waiter.acquire, waiter.release, waiter.extend, other.lost_fd, lambda: other.lock("bar")):
            with self.assertRaises(redislock.ClientClosedError):
                call()

    def test_collected(self):
        lock = self.quorum.lock("foo")
        lock.acquire()
        del lock
        gc.collect()
        support.until(lambda: self.have() == 0, "it is released")

    def test_arguments(self):
        url = self.servers[0].url
        for urls, error in ((url, TypeError), ([], ValueError), ([1], TypeError), (["nonsense"], ValueError),
                            ([url, url], ValueError), ([url, url + "?db=1"], ValueError)):
            with self.assertRaises(error):
                redislock.Quorum(urls)
        for options in ({"ttl": 0}, {"ttl": math.inf}, {"interval": 0}, {"blocking_timeout": -1}, {"owner": "\n"}):
            with self.assertRaises(ValueError):
                self.quorum.lock("foo", **options)
        with self.assertRaises(ValueError):
            redislock.Quorum([url], server_timeout=0)
        self.assertIn("closed", repr(self.closed()))

    def closed(self):
        quorum = self.new()
        quorum.close()
        quorum.close()
        return quorum


if __name__ == "__main__":
    support.main()

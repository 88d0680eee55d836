# SPDX-License-Identifier: MIT
"""Other threads run while one waits, and may share a client."""

import math
import threading

import support

import redislock


class Threads(support.Case):
    def setUp(self):
        super().setUp()
        self.client = redislock.Client(self.server.url)

    def tearDown(self):
        self.client.close()
        super().tearDown()

    def start(self, target):
        """A thread; what it raises is raised where it is joined."""
        errors = []

        def run():
            try:
                target()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def join():
            thread.join(support.PATIENCE)
            self.assertFalse(thread.is_alive())
            if errors:
                raise errors[0]

        return join

    def waits(self, number=1):
        support.until(lambda: self.server.waiters("foo") == number, f"{number} wait")

    def test_others_run(self):
        """What one waits for is released by another, which runs meanwhile."""
        lock, waiter = self.client.lock("foo"), self.client.lock("foo", blocking_timeout=math.inf)
        lock.acquire()
        join = self.start(lambda: (support.until(lambda: waiter.place == 0, "it waits"), lock.release()))
        self.assertTrue(waiter.acquire())
        join()
        waiter.release()

    def test_two_threads(self):
        inside, most, rounds = [], [], 100

        def work():
            lock = self.client.lock("foo")
            for _ in range(rounds):
                with lock:
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()

        joins = [self.start(work) for _ in range(4)]
        for join in joins:
            join()
        self.assertEqual((max(most), len(most)), (1, 4 * rounds))

    def test_one_object(self):
        lock, held = self.client.lock("foo"), self.client.lock("foo")
        held.acquire()
        join = self.start(lambda: self.assertTrue(lock.acquire()))
        self.waits()
        for call in (lock.acquire, lock.release, lock.extend, lambda: lock.acquire(False)):
            with self.assertRaises(redislock.LockInUseError):
                call()
        support.until(lambda: lock.place == 0, "its place is known")
        self.assertEqual((lock.held, lock.remaining), (False, 0))
        held.release()
        join()
        self.assertTrue(lock.held)
        lock.release()

    def test_close(self):
        held = redislock.Client(self.server.url).lock("foo")
        held.acquire()

        def wait(lock):
            with self.assertRaises(redislock.ClientClosedError):
                lock.acquire()

        joins = [self.start(lambda: wait(self.client.lock("foo", blocking_timeout=math.inf))) for _ in range(5)]
        self.waits(5)
        self.client.close()
        for join in joins:
            join()
        self.assertEqual(self.server.waiters("foo"), 0)
        held.release()

    def test_collected_by_another(self):
        lock = self.client.lock("foo")
        lock.acquire()
        locks = [lock]
        del lock
        self.start(locks.clear)()
        self.assertIsNone(self.server("GET", "foo"))

    def test_freed_while_others_run(self):
        """A release that the collector waits for doesn't keep the other threads waiting."""
        with support.Connection(self.server.socket) as connection:
            # On a busy machine this thread may be late; if it can't run at all, it never does.
            for _ in range(10):
                locks, freed, ran = [redislock.Client(self.server.url).lock("foo")], threading.Event(), 0
                self.assertTrue(locks[0].acquire())
                # The release is a write, whose answer has to wait.
                connection("CLIENT", "PAUSE", 60000, "WRITE")
                freeing = threading.Event()
                join = self.start(lambda: (freeing.set(), locks.clear(), freed.set()))
                freeing.wait()
                while not freed.is_set() and ran < 10:
                    connection("PING")
                    ran += 1
                connection("CLIENT", "UNPAUSE")
                join()
                if ran == 10:
                    break
        self.assertEqual(ran, 10)


if __name__ == "__main__":
    support.main()

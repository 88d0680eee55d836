# SPDX-License-Identifier: MIT
"""Locks of a client that blocks: taken, released, extended, seen from outside."""

import gc
import math
import select
import time
import weakref

import support

import redislock


class Locks(support.Case):
    def setUp(self):
        super().setUp()
        self.client = redislock.Client(self.server.url)

    def tearDown(self):
        self.client.close()
        super().tearDown()

    def test_acquire_and_release(self):
        lock = self.client.lock("foo")
        self.assertFalse(lock.held)
        self.assertEqual((lock.remaining, lock.fence, lock.token, lock.place), (0, 0, None, None))
        self.assertIs(lock.acquire(), True)
        self.assertTrue(lock.held)
        self.assertTrue(0 < lock.remaining < 30, lock.remaining)
        self.assertEqual(self.server("GET", "foo"), lock.token.encode())
        self.assertRegex(lock.token, "^[0-9a-f]{32}$")
        self.assertGreater(lock.fence, 0)
        token = lock.token
        self.assertIsNone(lock.release())
        self.assertFalse(lock.held)
        self.assertEqual(lock.remaining, 0)
        self.assertIsNone(self.server("GET", "foo"))
        fence = lock.fence
        self.assertTrue(lock.acquire())
        self.assertGreater(lock.fence, fence)
        self.assertNotEqual(lock.token, token)
        lock.release()

    def test_names(self):
        for name, text, data in (("foo", "foo", b"foo"), (b"bar", "bar", b"bar"),
                                 ("h\u00e4user", "h\u00e4user", b"h\xc3\xa4user"),
                                 (b"a\0b\xff", "a\0b\udcff", b"a\0b\xff"), ("a\0b\udcff", "a\0b\udcff", b"a\0b\xff"),
                                 ("x" * 32768, "x" * 32768, b"x" * 32768)):
            with self.client.lock(name) as lock:
                self.assertEqual(lock.name, text)
                self.assertEqual(lock.channel, "rlock-channel:" + text)
                self.assertEqual(self.server("GET", data), lock.token.encode())
                self.assertEqual(list(self.client.list()), [text])
                self.assertEqual(self.client.status(text).name, text)
                self.assertEqual(self.client.status(data).token, lock.token)

    def test_timeouts(self):
        with self.client.lock("foo"):
            for lock in (self.client.lock("foo", blocking_timeout=0.05),
                         self.client.spin_lock("foo", blocking_timeout=0.05)):
                began = time.monotonic()
                self.assertIs(lock.acquire(), False)
                self.assertGreater(time.monotonic() - began, 0.045)
                self.assertFalse(lock.held)
                with self.assertRaisesRegex(redislock.AcquireFailedError, "'foo' was held by somebody else") as caught:
                    with lock:
                        self.fail("inside")
                self.assertEqual(caught.exception.code, "NOT_ACQUIRED")
            lock = self.client.lock("foo", blocking_timeout=math.inf)
            self.assertIs(lock.acquire(blocking=False), False)
            self.assertIs(lock.acquire(False), False)
            self.assertIs(lock.acquire(blocking_timeout=0), False)
            self.assertIs(lock.acquire(True, 0.01), False)
        # What one call was told isn't remembered for the next.
        brief = self.client.lock("foo", ttl=0.1)
        self.assertTrue(brief.acquire())
        self.assertTrue(lock.acquire())
        lock.release()

    def test_spin_lock(self):
        first = self.client.spin_lock("foo", interval=0.01, growth=1.5, max_interval=0.05)
        with first:
            second = self.client.spin_lock("foo", interval=100)
            self.assertFalse(second.acquire(blocking_timeout=0.05))
            self.assertEqual(self.server.waiters("foo"), 0)
        brief = self.client.lock("foo", ttl=0.1)
        self.assertTrue(brief.acquire())
        # At the interval that it was made with it would come much too late.
        began = time.monotonic()
        self.assertTrue(second.acquire(True, 90, sleep_time=0.01))
        self.assertLess(time.monotonic() - began, 60)
        second.release()
        with second:
            self.assertTrue(second.held)

    def test_extend(self):
        lock = self.client.lock("foo", ttl=5)
        with self.assertRaises(redislock.LockNotOwnedError):
            lock.extend()
        with lock:
            lock.extend(1000)
            self.assertTrue(900 < lock.remaining <= 1000)
            lock.extend()
            self.assertTrue(0 < lock.remaining <= 5, lock.remaining)
            lock.extend(math.inf)
            self.assertEqual(lock.remaining, math.inf)
            self.assertEqual(self.server("PTTL", "foo"), -1)
            self.assertEqual(self.client.status("foo").remaining, math.inf)

    def test_renewal(self):
        kept, gone = self.client.lock("kept", ttl=6, renew=True), self.client.lock("gone", ttl=1.5)
        kept.acquire()
        gone.acquire()
        support.until(lambda: not gone.held, "the lease without renewal ends")
        support.until(lambda: self.server("GET", "gone") is None, "its key is gone")
        left = kept.remaining
        support.until(lambda: kept.remaining > left, "the other one is renewed")
        kept.release()
        with self.assertRaises(redislock.LockLostError) as caught:
            gone.release()
        self.assertEqual(caught.exception.code, "LOST")
        with self.assertRaises(redislock.LockNotOwnedError) as caught:
            gone.release()
        self.assertIs(type(caught.exception), redislock.LockNotOwnedError)
        with self.client.lock("foo", renew=False) as lock:
            self.assertTrue(lock.held)

    def test_not_owned(self):
        lock = self.client.lock("foo")
        other = self.client.lock("foo")
        with other:
            with self.assertRaisesRegex(redislock.LockNotOwnedError, "doesn't hold the lock") as caught:
                lock.release()
            self.assertEqual(caught.exception.code, "NOT_OWNED")
            self.assertIsInstance(caught.exception, redislock.RedisLockError)
            self.assertTrue(other.held)
            with self.assertRaises(redislock.LockInUseError):
                other.acquire()
            self.assertTrue(other.held)

    def test_lost(self):
        fd = self.client.lost_fd()
        lock = self.client.lock("foo", ttl=3, renew=True)
        self.assertTrue(lock.acquire())
        self.assertEqual(select.select([fd], [], [], 0)[0], [])
        self.server("SET", "foo", "somebody")
        self.assertEqual(select.select([fd], [], [], support.PATIENCE)[0], [fd])
        self.assertFalse(lock.held)
        with self.assertRaises(redislock.LockLostError):
            lock.acquire()
        self.assertFalse(lock.acquire(blocking=False))
        self.server("DEL", "foo")
        with self.assertRaises(redislock.LockLostError):
            with lock:
                self.server("SET", "foo", "somebody")
        self.server("DEL", "foo")

    def test_fence(self):
        for last in (2**53 - 3, 2**53 - 4, 9007199254740001):
            self.server("SET", "rlock-state:{foo}:foo", f"{last} t - ")
            with self.client.lock("foo") as lock:
                self.assertEqual(lock.fence, last + 1)
                self.assertEqual(self.client.status("foo").fence, last + 1)
            self.assertEqual(lock.fence, last + 1)

    def test_own_token_and_owner(self):
        with self.client.lock("foo", token="my-own", owner="h\u00e4user") as lock:
            self.assertEqual(lock.token, "my-own")
            self.assertEqual(self.server("GET", "foo"), b"my-own")
            self.assertEqual(self.client.status("foo").owner, "h\u00e4user")
            with self.assertRaises(redislock.LockInUseError):
                self.client.lock("foo", token="my-own").acquire(blocking=False)
        self.assertEqual(lock.token, "my-own")

    def test_status(self):
        self.assertEqual(self.client.status("foo"), ("foo", False, None, None, 0, 0, 0))
        with self.client.lock("foo", owner="me") as lock:
            status = self.client.status("foo")
            self.assertEqual((status.locked, status.token, status.owner, status.waiters, status.fence),
                             (True, lock.token, "me", 0, lock.fence))
            self.assertTrue(0 < status.remaining <= 30)
        self.server("SET", "foreign", b"x\xff")
        status = self.client.status("foreign")
        self.assertEqual((status.token, status.owner, status.remaining), ("x\\xff", None, math.inf))
        self.server("DEL", "foreign")

    def test_list(self):
        self.assertEqual(list(self.client.list()), [])
        locks = [self.client.lock(f"job-{i}") for i in range(50)] + [self.client.lock("other")]
        for lock in locks:
            lock.acquire()
        self.assertEqual(set(self.client.list()), {lock.name for lock in locks})
        self.assertEqual(set(self.client.list("job-1*")), {"job-1", *(f"job-1{i}" for i in range(10))})
        walk = self.client.list()
        next(walk)
        for lock in locks:
            lock.release()

    def test_break(self):
        self.assertIs(self.client.break_lock("foo"), False)
        lock = self.client.lock("foo", ttl=30)
        self.assertTrue(lock.acquire())
        self.assertIs(self.client.break_lock("foo", "other"), False)
        self.assertIs(self.client.break_lock("foo", lock.token), True)
        with self.assertRaises(redislock.LockLostError):
            lock.release()

    def test_block(self):
        with self.assertRaisesRegex(ZeroDivisionError, "^mine$") as caught:
            with self.client.lock("foo"):
                raise ZeroDivisionError("mine")
        self.assertEqual(getattr(caught.exception, "__notes__", []), [])
        self.assertIsNone(self.server("GET", "foo"))
        # The release fails, too: that is a note.
        with self.assertRaisesRegex(ZeroDivisionError, "^mine$") as caught:
            with self.client.lock("foo"):
                self.client.break_lock("foo")
                raise ZeroDivisionError("mine")
        self.assertRegex(caught.exception.__notes__[0], "^redislock: 'foo' could not be released, too: ")
        # Without an exception of the block's it is an error.
        with self.assertRaises(redislock.LockLostError):
            with self.client.lock("foo"):
                self.client.break_lock("foo")
        # What the block released is no error.
        with self.client.lock("foo") as lock:
            lock.release()
        with self.assertRaises(redislock.LockInUseError):
            with self.client.lock("foo") as lock:
                with lock:
                    self.fail("inside")

    def test_collected(self):
        for make in (self.client.lock, self.client.spin_lock):
            lock = make("foo")
            lock.acquire()
            self.assertIsNotNone(self.server("GET", "foo"))
            del lock
            gc.collect()
            self.assertIsNone(self.server("GET", "foo"))

    def test_collected_after_its_client(self):
        client = redislock.Client(self.server.url)
        lock = client.lock("foo")
        lock.acquire()
        gone = weakref.ref(client)
        del client
        gc.collect()
        self.assertIsNotNone(gone())
        self.assertTrue(lock.held)
        del lock
        gc.collect()
        self.assertIsNone(gone())
        self.assertIsNone(self.server("GET", "foo"))

    def test_closed(self):
        client = redislock.Client(self.server.url)
        self.assertNotIn("closed", repr(client))
        lock, other = client.lock("foo"), client.lock("bar")
        lock.acquire()
        fence = lock.fence
        client.close()
        client.close()
        self.assertIsNone(self.server("GET", "foo"))
        self.assertIn("closed", repr(client))
        self.assertEqual((lock.held, lock.fence, lock.token, lock.place), (False, fence, None, None))
        self.assertEqual((lock.name, lock.channel), ("foo", "rlock-channel:foo"))
        for call in (lock.acquire, lock.release, lock.extend, other.acquire, client.ping, client.connect, client.list,
                     client.lost_fd, client.set_credentials, lambda: client.lock("foo"), lambda: client.status("foo"),
                     lambda: client.break_lock("foo"), lambda: lock.acquire(blocking=False), lock.__enter__):
            with self.assertRaisesRegex(redislock.ClientClosedError, "closed"):
                call()
        with redislock.Client(self.server.url) as client:
            client.lock("foo").acquire()
        self.assertIn("closed", repr(client))

    def test_repr(self):
        lock = self.client.lock("foo")
        self.assertEqual(repr(lock), "<redislock.Lock 'foo'>")
        with lock:
            self.assertEqual(repr(lock), "<redislock.Lock 'foo', held>")
        self.assertEqual(repr(self.client), "<redislock.Client>")
        self.assertIs(lock.client, self.client)

    def test_module(self):
        self.assertRegex(redislock.version, r"^\d+\.\d+\.\d+$")
        major, minor, patch = map(int, redislock.version.split("."))
        self.assertEqual(redislock.version_number, major * 1000000 + minor * 1000 + patch)
        self.assertIs(redislock.has("no such thing"), False)
        self.assertIs(redislock.has("tls\0"), False)
        self.assertIs(type(redislock.has("tls")), bool)
        with self.assertRaises(TypeError):
            redislock.has(None)


if __name__ == "__main__":
    support.main()

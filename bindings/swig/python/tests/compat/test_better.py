# SPDX-License-Identifier: MIT
"""Where redislock.compat does better than the reference, on purpose."""

import asyncio
import contextlib
import gc
import math
import os
import signal
import threading
import traceback

import redis
import redis.asyncio
import support

import redislock
from redislock.compat import RedisLock, RedisSpinLock
from redislock.compat.asyncio import RedisLock as AsyncRedisLock
from redislock.compat.exceptions import ExtendFailedError, InvalidArgsError, LockNotOwnedError, RedisLockError

KINDS = RedisLock, RedisSpinLock


def in_thread(function, *arguments):
    """Its result, from another thread."""
    results = []

    def work():
        try:
            results.append(function(*arguments))
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return results[0]


class Better(support.Case):
    def setUp(self):
        super().setUp()
        self.client = redis.Redis(unix_socket_path=self.server.socket)

    def in_child(self, function):
        """Runs it in a forked child, whose assertions count."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                function()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)

    def expire(self, name):
        """The time of the holder is up."""
        self.server("PEXPIRE", name, 1)
        support.until(lambda: not self.server("EXISTS", name), "the key expires")

    def test_renewed_without_expire_timeout(self):
        with RedisLock(self.client, "foo"), RedisSpinLock(self.client, "bar"):
            for name in ("foo", "bar"):
                self.assertTrue(20000 < self.server("PTTL", name) <= 30000)
                # What is left of it is topped up, at the latest after a third.
                self.server("PEXPIRE", name, 20000)
            for name in ("foo", "bar"):
                support.until(lambda: self.server("PTTL", name) > 20000, "it is renewed")

    def test_expire_timeouts_that_the_server_would_refuse(self):
        for kind in (*KINDS, AsyncRedisLock):
            client = redis.asyncio.Redis() if kind is AsyncRedisLock else self.client
            for wrong in (0, -1, 1.5, 10.0, True, False, "", "ten", "-1", [], 2**53, math.inf, math.nan):
                with self.assertRaisesRegex(InvalidArgsError, "^expire_timeout: "):
                    kind(client, "foo", expire_timeout=wrong)
            self.assertTrue(kind(client, "foo", expire_timeout="10"))  # as redis-py takes it
            for wrong in (math.nan, 1j, object()):
                with self.assertRaisesRegex(InvalidArgsError, "^blocking_timeout: "):
                    kind(client, "foo", wrong)

    def test_arguments_are_refused_by_name(self):
        for kind, argument in ((RedisLock, "pubsub_timeout"), (RedisLock, "delay_interval"),
                               (RedisSpinLock, "sleep_time")):
            for wrong, error in ((None, TypeError), ("1", TypeError), (-1, ValueError), (math.nan, ValueError)):
                with self.assertRaisesRegex(error, f"^{argument}: "):
                    kind(self.client, "foo").acquire(**{argument: wrong})
        asynchronous = redis.asyncio.Redis(unix_socket_path=self.server.socket)
        for argument in ("pubsub_timeout", "delay_interval"):
            for wrong, error in ((None, TypeError), (-1, ValueError)):
                with self.assertRaisesRegex(error, f"^{argument}: "):
                    asyncio.run(AsyncRedisLock(asynchronous, "foo").acquire(**{argument: wrong}))
        for wrong in (5, "rlock-queue:foo", "rlock-state:foo", "x" * 32769, "\ud800", ["foo"]):
            with self.assertRaisesRegex(InvalidArgsError, "^name: "):
                RedisLock(self.client, wrong)
        self.assertEqual(self.server("KEYS", "*"), [])

    def test_names_of_any_bytes(self):
        for kind in KINDS:
            lock = kind(self.client, b"\xff\x00name")
            self.assertEqual(lock.name, "\udcff\x00name")
            with lock:
                self.assertEqual(self.server("GET", b"\xff\x00name"), lock.token)
            with kind(self.client, lock.name):
                self.assertTrue(self.server("EXISTS", b"\xff\x00name"))

    def test_spin_lock_keeps_its_time(self):
        self.assertTrue(RedisSpinLock(self.client, "foo").acquire())
        self.server("SET", "bar", "somebody")
        lock = RedisSpinLock(self.client, "bar", blocking_timeout=0.2)
        # There it would sleep for a day.
        self.assertFalse(lock.acquire(sleep_time=86400))
        self.server("DEL", "bar")
        self.assertTrue(lock.acquire(sleep_time=0))

    def test_each_hold_has_a_token(self):
        for kind in KINDS:
            lock = kind(self.client, "foo")
            tokens = set()
            for _ in range(3):
                expected = lock.token
                with lock:
                    self.assertEqual(lock.token, expected)
                    tokens.add(self.server("GET", "foo"))
            self.assertEqual(len(tokens), 3)
            self.server("SET", "foo", "somebody")
            lock = kind(self.client, "foo", blocking_timeout=0.05)
            expected = lock.token
            self.assertFalse(lock.acquire())
            self.assertEqual(lock.token, expected)
            self.server("DEL", "foo")

        async def main():
            lock = AsyncRedisLock(redis.asyncio.Redis(unix_socket_path=self.server.socket), "foo", 0.05)
            expected = lock.token
            async with lock:
                self.assertEqual(self.server("GET", "foo"), expected)
            expected = lock.token
            self.server("SET", "foo", "somebody")
            self.assertFalse(await lock.acquire())
            self.server("DEL", "foo")
            async with lock:
                self.assertEqual(self.server("GET", "foo"), expected)

        asyncio.run(main())

    def test_stale_release_of_another_thread(self):
        for kind in KINDS:
            lock = kind(self.client, "foo", expire_timeout=1000)
            self.assertTrue(lock.acquire())
            stale = lock.token
            self.expire("foo")
            self.assertTrue(in_thread(lock.acquire))
            self.assertEqual(lock.token, stale)
            held = self.server("GET", "foo")
            self.assertNotEqual(held, stale)
            with self.assertRaises(LockNotOwnedError):
                lock.release()
            self.assertEqual(self.server("GET", "foo"), held)
            self.assertEqual(lock.token, held)
            # Whose thread is gone is released by anybody.
            self.assertTrue(lock.release())
            self.assertFalse(self.server("EXISTS", "foo"))
            with self.assertRaises(LockNotOwnedError):
                lock.release()

    def test_stale_release_of_another_task(self):
        async def main():
            lock = AsyncRedisLock(redis.asyncio.Redis(unix_socket_path=self.server.socket), "foo", 60, 1000)
            self.assertTrue(await lock.acquire())
            self.expire("foo")

            async def other():
                async with lock:
                    held = self.server("GET", "foo")
                    entered.set()
                    await leave.wait()
                    self.assertEqual(self.server("GET", "foo"), held)

            entered, leave = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(other())
            await entered.wait()
            with self.assertRaises(LockNotOwnedError):
                await lock.release()
            leave.set()
            await task
            self.assertFalse(self.server("EXISTS", "foo"))

        asyncio.run(main())

    def test_again_after_expiry_in_one_thread(self):
        for kind in KINDS:
            lock = kind(self.client, "foo", expire_timeout=1000)
            self.assertTrue(lock.acquire())
            self.expire("foo")
            self.assertTrue(lock.acquire())
            self.assertTrue(lock.release())
            with self.assertRaises(LockNotOwnedError):
                lock.release()

    def test_child_does_not_release_for_its_parent(self):
        for kind in KINDS:
            lock = kind(self.client, "foo")
            limited = kind(self.client, "limited", expire_timeout=1000)
            self.assertTrue(lock.acquire() and limited.acquire())
            token = lock.token

            def child():
                for inherited in (lock, limited):
                    with self.assertRaises(LockNotOwnedError):
                        inherited.release()
                with self.assertRaises(ExtendFailedError):
                    limited.extend(1)
                waiting = kind(self.client, "foo", blocking_timeout=0.1)
                self.assertFalse(waiting.acquire())
                with kind(self.client, "bar"):
                    self.assertTrue(self.server("EXISTS", "bar"))

            self.in_child(child)
            self.assertEqual(self.server("GET", "foo"), token)
            self.assertTrue(lock.release() and limited.release())
            # Once the lock is free, the very object works in a child, too.
            self.in_child(lambda: (self.assertTrue(lock.acquire()), self.assertTrue(lock.release())))

    def test_exception_of_the_block_is_kept(self):
        for kind in KINDS:
            with self.assertRaisesRegex(KeyError, "of the block") as caught, kind(self.client, "foo"):
                self.server("SET", "foo", "somebody else")
                raise KeyError("of the block")
            self.assertIn("'foo' could not be released", caught.exception.__notes__[0])
            self.server("DEL", "foo")

        async def main():
            with self.assertRaisesRegex(KeyError, "of the block") as caught:
                async with AsyncRedisLock(redis.asyncio.Redis(unix_socket_path=self.server.socket), "foo"):
                    self.server("SET", "foo", "somebody else")
                    raise KeyError("of the block")
            self.assertIn("'foo' could not be released", caught.exception.__notes__[0])
            self.server("DEL", "foo")

        asyncio.run(main())

    def test_collected_and_ended_with_a_renewed_lock(self):
        for kind in KINDS:
            lock = kind(self.client, "foo")
            self.assertTrue(lock.acquire())
            del lock
            gc.collect()
            support.until(lambda: not self.server("EXISTS", "foo"), "it is released")
            code = (f"import redis, sys; from redislock.compat import {kind.__name__}\n"
                    f"lock = {kind.__name__}(redis.Redis(unix_socket_path=sys.argv[1]), 'foo')\nprint(lock.acquire())")
            with support.program(code, self.server.socket) as program:
                output, error = program.communicate(timeout=support.PATIENCE)
                self.assertEqual((output, error), ("True\n", ""))
            self.assertFalse(self.server("EXISTS", "foo"))

    def test_leases_without_an_object_are_forgotten_in_the_end(self):
        from redislock.compat import _holds

        _holds._leases.clear()
        for number in range(200):
            name = f"limit-{number}"
            self.assertTrue(RedisLock(self.client, name, expire_timeout=1).acquire())
            if number < 100:
                self.expire(name)
                for hold in _holds._leases:
                    hold.end = min(hold.end, _holds.now() - 1) if hold.lock.name == name else hold.end
        self.assertLess(len(_holds._leases), 170)
        support.until(self.server.clean, "they expire")
        _holds._leases.clear()

    def test_extensions_lose_nothing(self):
        for kind in KINDS:
            with kind(self.client, "foo", expire_timeout=1000) as lock:
                for _ in range(100):
                    self.assertTrue(lock.extend(1))
                self.assertTrue(1000000 < self.server("PTTL", "foo") <= 1100000)
                self.assertTrue(lock.extend(-100))
                self.assertTrue(900000 < self.server("PTTL", "foo") <= 1000000)
                with self.assertRaises(ExtendFailedError):
                    lock.extend(-2000)
                for wrong in (None, "1"):
                    with self.assertRaisesRegex(TypeError, "^additional_time: "):
                        lock.extend(wrong)
                self.server("SET", "foo", "somebody else")
                with self.assertRaises(ExtendFailedError):
                    lock.extend(1)
                self.server("SET", "foo", lock.token)
                self.server("DEL", "foo")
                with self.assertRaises(LockNotOwnedError):
                    lock.release()
                self.assertTrue(lock.acquire())

    def test_key_of_another_type(self):
        self.server("HSET", "foo", "a", "b")
        for kind in KINDS:
            with self.assertRaises(redis.ResponseError):
                kind(self.client, "foo", 0.1).acquire()
        self.server("DEL", "foo")

    def test_replica(self):
        self.server("REPLICAOF", "127.0.0.1", "1")
        try:
            for kind in KINDS:
                with self.assertRaises(redis.exceptions.ReadOnlyError) as caught:
                    kind(self.client, "foo", 0.1).acquire()
                self.assertIn("READONLY", str(caught.exception))
        finally:
            self.server("REPLICAOF", "NO", "ONE")

    def test_server_that_went_away(self):
        for kind in KINDS:
            lock = kind(self.client, "foo", 0.2)
            self.assertTrue(lock.acquire())
            self.server.kill()
            try:
                with self.assertRaises(redis.ConnectionError):
                    lock.release()
            finally:
                self.server.start()
            # Whether the first release got through, nobody knows; but that it can be tried again.
            with contextlib.suppress(LockNotOwnedError):
                self.assertTrue(lock.release())
            with lock:
                self.assertEqual(self.server("GET", "foo"), lock.token)

    def test_exceptions_are_redislocks_own(self):
        self.assertTrue(issubclass(RedisLockError, redislock.RedisLockError))
        for kind in (InvalidArgsError, LockNotOwnedError, ExtendFailedError):
            self.assertTrue(issubclass(kind, RedisLockError))
        self.assertFalse(issubclass(RedisLockError, (ValueError, redis.RedisError)))

    def test_control_c_while_waiting(self):
        code = ("import redis, sys; from redislock.compat import RedisLock\n"
                "lock = RedisLock(redis.Redis(unix_socket_path=sys.argv[1]), 'foo')\n"
                "try:\n    lock.acquire()\nexcept KeyboardInterrupt:\n    print('interrupted', flush=True)")
        with RedisLock(self.client, "foo"), support.program(code, self.server.socket) as program:
            support.until(lambda: self.server.waiters("foo") == 1, "it waits")
            program.send_signal(signal.SIGINT)
            self.assertEqual(program.communicate(timeout=support.PATIENCE), ("interrupted\n", ""))
            self.assertEqual(self.server.waiters("foo"), 0)


if __name__ == "__main__":
    support.main()

# SPDX-License-Identifier: MIT
"""What is wrong is refused by its name, with Python's own errors, and before anything is sent."""

import datetime
import inspect
import math

import support

import redislock
import redislock.asyncio

SECONDS = [(None, TypeError), ("1", TypeError), (True, TypeError), ([], TypeError), (datetime.timedelta(1), TypeError),
           (-1, ValueError), (math.nan, ValueError), (-math.inf, ValueError), (1e300, ValueError)]
# None stands for the default where there is something to be told by that.
DEFAULTED = SECONDS[1:]
TEXTS = [(b"x", TypeError), (1, TypeError), ("a\0b", ValueError), ("\udcff", ValueError)]


class Options(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clients = [redislock.Client(cls.server.url), redislock.asyncio.Client(cls.server.url)]

    def refuses(self, option, cases, call):
        for value, error in cases:
            with self.subTest(option=option, value=value):
                with self.assertRaisesRegex(error, rf"\b{option}\b") as caught:
                    call(value)
                self.assertIn(type(caught.exception), (TypeError, ValueError))

    def awaited(self, coroutine):
        """What a coroutine raises before it waits for anything."""
        try:
            coroutine.send(None)
        finally:
            coroutine.close()

    def test_locks(self):
        calls = self.server("INFO", "commandstats")
        words = [("", ValueError), ("a b", ValueError), ("x" * 129, ValueError), (b"x", TypeError),
                 ("\u00e4", ValueError), ("a\0", ValueError)]
        for client in self.clients:
            for make in (client.lock, client.spin_lock):
                self.refuses("blocking_timeout", [*SECONDS, (9007199254741, ValueError)],
                             lambda value: make("foo", blocking_timeout=value))
                self.refuses("ttl", [*DEFAULTED, (0, ValueError)], lambda value: make("foo", ttl=value))
                self.refuses("renew", [(1, TypeError), ("yes", TypeError)], lambda value: make("foo", renew=value))
                self.refuses("owner", [*TEXTS, ("a\nb", ValueError), ("x" * 256, ValueError), ("\x7f", ValueError)],
                             lambda value: make("foo", owner=value))
                self.refuses("token", words, lambda value: make("foo", token=value))
                self.refuses("name", [(None, TypeError), (1, TypeError), ("", ValueError), (b"", ValueError),
                                      ("x" * 32769, ValueError), ("rlock-queue:x", ValueError),
                                      (b"rlock-state:x", ValueError), ("\ud800", ValueError)], make)
                with self.assertRaisesRegex(TypeError, "'wait'"):
                    make("foo", wait=1)
            spin = client.spin_lock
            self.refuses("interval", [*SECONDS, (0, ValueError), (math.inf, ValueError), (2147484, ValueError)],
                         lambda value: spin("foo", interval=value))
            self.refuses("growth", [("2", TypeError), (True, TypeError), (0.9, ValueError), (11, ValueError),
                                    (math.nan, ValueError)], lambda value: spin("foo", growth=value, max_interval=1))
            self.refuses("max_interval", [*DEFAULTED, (0, ValueError), (math.inf, ValueError)],
                         lambda value: spin("foo", growth=2, max_interval=value))
            self.refuses("growth", [(2, ValueError)], lambda value: spin("foo", growth=value))
            self.refuses("max_interval", [(2, ValueError)], lambda value: spin("foo", max_interval=value))
            with self.assertRaisesRegex(TypeError, "'interval'"):
                client.lock("foo", interval=1)
        self.refuses("on_lost", [(1, TypeError)], lambda value: self.clients[1].lock("foo", on_lost=value))
        self.assertEqual(self.sent(calls), self.sent(self.server("INFO", "commandstats")))

    def sent(self, stats):
        return [line.split(b",")[0] for line in stats.split() if b"eval" in line or b"cmdstat_set" in line]

    def test_calls(self):
        lock, spin = self.clients[0].lock("foo"), self.clients[0].spin_lock("foo")
        for one in (lock, spin):
            self.refuses("blocking_timeout", DEFAULTED, lambda value: one.acquire(blocking_timeout=value))
            self.refuses("blocking_timeout", [(1, ValueError)], lambda value: one.acquire(False, value))
            self.refuses("blocking", [(None, TypeError), (0, TypeError)], one.acquire)
            self.refuses("ttl", [*DEFAULTED, (0, ValueError)], one.extend)
        self.refuses("sleep_time", [*DEFAULTED, (0, ValueError)], lambda value: spin.acquire(sleep_time=value))
        with self.assertRaisesRegex(TypeError, "'sleep_time'"):
            lock.acquire(sleep_time=1)
        client = self.clients[0]
        names = [(None, TypeError), ("", ValueError), ("rlock-state:x", ValueError)]
        words = [("", ValueError), ("a b", ValueError), ("x" * 129, ValueError), (b"x", TypeError)]
        self.refuses("name", names, client.status)
        self.refuses("name", names, client.break_lock)
        self.refuses("token", words, lambda value: client.break_lock("foo", value))
        self.refuses("pattern", [*TEXTS, ("x" * 4097, ValueError)], client.list)

    def test_coroutines(self):
        client = self.clients[1]
        lock, spin = client.lock("foo"), client.spin_lock("foo")
        for one in (lock, spin):
            self.refuses("blocking_timeout", DEFAULTED, lambda value: self.awaited(one.acquire(blocking_timeout=value)))
            self.refuses("blocking_timeout", [(1, ValueError)], lambda value: self.awaited(one.acquire(False, value)))
            self.refuses("blocking", [(0, TypeError)], lambda value: self.awaited(one.acquire(value)))
            self.refuses("ttl", [*DEFAULTED, (0, ValueError)], lambda value: self.awaited(one.extend(value)))
        self.refuses("sleep_time", [*DEFAULTED, (0, ValueError)],
                     lambda value: self.awaited(spin.acquire(sleep_time=value)))
        self.refuses("name", [("", ValueError)], lambda value: self.awaited(client.status(value)))
        self.refuses("name", [("", ValueError)], lambda value: self.awaited(client.break_lock(value)))
        self.refuses("token", [("", ValueError)], lambda value: self.awaited(client.break_lock("foo", value)))

    def test_clients(self):
        for make in (redislock.Client, redislock.asyncio.Client):
            self.refuses("url", TEXTS, make)
            self.refuses("min_replicas", [("1", TypeError), (1.5, TypeError), (True, TypeError), (-1, ValueError),
                                          (1001, ValueError)], lambda value: make(min_replicas=value))
            for option in ("connect_timeout", "command_timeout", "replicas_timeout"):
                self.refuses(option, [*SECONDS, (0, ValueError), (math.inf, ValueError), (2147484, ValueError)],
                             lambda value: make(**{option: value}))
            self.refuses("name", [(1, TypeError), ("", ValueError), ("a b", ValueError), ("x" * 256, ValueError),
                                  ("a\0", ValueError)], lambda value: make(name=value))
            self.refuses("user", [*TEXTS, ("x" * 4097, ValueError)], lambda value: make(user=value, password="x"))
            self.refuses("password", [*TEXTS, ("x" * 4097, ValueError)], lambda value: make(password=value))
            self.refuses("tls_verify", [(None, TypeError), (0, TypeError), (False, ValueError)],
                         lambda value: make("redis://localhost", tls_verify=value))
            self.refuses("user", [("me", ValueError)], lambda value: make(user=value))
            self.refuses("user", [("me", ValueError), *TEXTS], lambda value: make().set_credentials(value))
            for url, text in (("redis://", "host"), ("redis://h:99999", "port"), ("", "must begin")):
                with self.assertRaisesRegex(ValueError, text):
                    make(url)
            with self.assertRaisesRegex(redislock.UnsupportedError, "scheme"):
                make("http://localhost")
            with self.assertRaises(ValueError) as caught:
                make("redis://me:secret@:x")
            self.assertNotIn("secret", str(caught.exception))

    def test_defaults(self):
        for module in (redislock, redislock.asyncio):
            options = inspect.signature(module.Client.lock).parameters
            self.assertEqual(options["blocking_timeout"].default, 60)
            self.assertEqual(inspect.signature(module.Client.spin_lock).parameters["interval"].default, 0.1)
        with self.clients[0].lock("foo"):
            self.assertTrue(0 < self.server("PTTL", "foo") <= 30000)


if __name__ == "__main__":
    support.main()

# SPDX-License-Identifier: MIT
"""What a server, or its absence, does to those who ask: the exceptions, and the texts in them."""

import os
import socket
import tempfile
import threading
import unittest

import support

import redislock


class Away(unittest.TestCase):
    def test_nobody_there(self):
        client = redislock.Client("unix:///nowhere/socket")
        for call in (client.ping, client.connect, client.lock("foo").acquire, lambda: client.status("foo"),
                     lambda: client.break_lock("foo"), lambda: next(client.list()), client.lock("foo").__enter__):
            with self.assertRaisesRegex(redislock.ConnectionFailedError, "no such socket") as caught:
                call()
            self.assertIsInstance(caught.exception, ConnectionError)
            self.assertEqual(caught.exception.code, "CONNECTION_REFUSED")
            self.assertNotIsInstance(caught.exception, TimeoutError)

    def test_silent(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(folder, "socket"))
            listener.listen()
            client = redislock.Client(f"unix://{folder}/socket", connect_timeout=0.1, command_timeout=0.1)
            with self.assertRaises(redislock.ConnectionTimeoutError) as caught:
                client.ping()
            self.assertIsInstance(caught.exception, TimeoutError)
            self.assertIsInstance(caught.exception, redislock.ConnectionFailedError)
            self.assertEqual(caught.exception.code, "TIMEOUT")

    def test_no_redis(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.join(folder, "socket"))
            listener.listen()

            def play():
                with listener.accept()[0] as peer:
                    peer.recv(1000)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    peer.recv(1000)

            player = threading.Thread(target=play)
            player.start()
            client = redislock.Client(f"unix://{folder}/socket")
            with self.assertRaises(redislock.ConnectionFailedError) as caught:
                client.ping()
            self.assertEqual(caught.exception.code, "PROTOCOL")
            client.close()
            player.join()

    def test_unsupported(self):
        if not redislock.has("tls"):
            with self.assertRaises(redislock.UnsupportedError) as caught:
                redislock.Client("rediss://localhost")
            self.assertEqual(caught.exception.code, "UNSUPPORTED")


class Faults(support.Case):
    def setUp(self):
        super().setUp()
        self.client = redislock.Client(self.server.url)

    def test_server_gone(self):
        lock, other = self.client.lock("foo"), self.client.lock("bar", blocking_timeout=0.2)
        self.assertTrue(lock.acquire())
        self.server.kill()
        with self.assertRaises(redislock.ConnectionFailedError):
            other.acquire()
        with self.assertRaises(redislock.ConnectionFailedError):
            self.client.ping()
        # The block's exception is what is seen.
        client = redislock.Client(self.server.url, command_timeout=0.2)
        self.server.start()
        with self.assertRaisesRegex(ZeroDivisionError, "^mine$") as caught:
            with client.lock("foo"):
                self.server.kill()
                raise ZeroDivisionError("mine")
        self.assertIn("could not be released", caught.exception.__notes__[0])
        self.server.start()
        self.client.ping()

    def test_server_error(self):
        self.server("CONFIG", "SET", "maxmemory", "1")
        self.server("CONFIG", "SET", "maxmemory-policy", "noeviction")
        try:
            with self.assertRaisesRegex(redislock.ServerError, r"\bOOM command not allowed") as caught:
                self.client.lock("foo").acquire()
            self.assertEqual(caught.exception.code, "SERVER")
        finally:
            self.server("CONFIG", "SET", "maxmemory", "0")

    def test_too_few_replicas(self):
        client = redislock.Client(self.server.url, min_replicas=1, replicas_timeout=0.05)
        with self.assertRaisesRegex(redislock.ServerError, "^0 of the 1 replicas") as caught:
            client.lock("foo").acquire()
        self.assertEqual(caught.exception.code, "NOT_ENOUGH_REPLICAS")

    def test_wrong_type(self):
        self.server("LPUSH", "foo", "x")
        with self.assertRaisesRegex(redislock.ServerError, r"\bWRONGTYPE ") as caught:
            self.client.lock("foo").acquire()
        self.assertEqual(caught.exception.code, "WRONG_TYPE")
        self.server("DEL", "foo")

    def test_read_only(self):
        self.server("REPLICAOF", "127.0.0.1", "1")
        try:
            with self.assertRaises(redislock.ServerError) as caught:
                self.client.lock("foo", blocking_timeout=0.1).acquire()
            self.assertEqual(caught.exception.code, "READ_ONLY")
        finally:
            self.server("REPLICAOF", "NO", "ONE")

    def test_access(self):
        self.server("ACL", "SETUSER", "poor", "on", ">secret", "~*", "&*", "+ping", "+client", "+hello", "+auth")
        poor = redislock.Client(self.server.url, user="poor", password="secret")
        with self.assertRaisesRegex(redislock.AccessDeniedError, "NOPERM|permission") as caught:
            poor.lock("foo").acquire()
        self.assertIsInstance(caught.exception, PermissionError)
        self.assertEqual(caught.exception.code, "PERMISSION")
        wrong = redislock.Client(self.server.url, user="poor", password="wrong")
        for call in (wrong.connect, wrong.ping, wrong.lock("foo").acquire):
            with self.assertRaises(redislock.AuthenticationError) as caught:
                call()
            self.assertIsInstance(caught.exception, PermissionError)
            self.assertIn("refused the password", str(caught.exception))
        wrong.set_credentials("poor", "secret")
        wrong.ping()
        wrong.close()
        wrong = redislock.Client(self.server.url, user="poor", password="wrong")
        wrong.set_credentials()
        wrong.ping()

    def test_connection_name(self):
        with redislock.Client(self.server.url, name="my-name") as client:
            client.connect()
            self.assertIn(b"name=my-name ", self.server("CLIENT", "LIST"))

    def test_environment(self):
        os.environ["REDISLOCK_URL"] = self.server.url
        try:
            redislock.Client().ping()
        finally:
            del os.environ["REDISLOCK_URL"]

    def test_family(self):
        for name in redislock.__all__:
            kind = getattr(redislock, name)
            if isinstance(kind, type) and issubclass(kind, Exception):
                self.assertTrue(issubclass(kind, redislock.RedisLockError))
                self.assertEqual(str(kind("text")), "text")
                self.assertEqual(kind.__module__, "redislock")
        self.assertTrue(issubclass(redislock.LockLostError, redislock.LockNotOwnedError))


if __name__ == "__main__":
    support.main()

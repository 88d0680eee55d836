# SPDX-License-Identifier: MIT
"""What redislock.compat reads from the clients that it is given."""

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import unittest.mock

import redis
import redis.asyncio
import redis.asyncio.connection
import redis.asyncio.sentinel
import redis.sentinel
import support
from redis.credentials import CredentialProvider

import redislock
from redislock.compat import RedisLock, RedisSpinLock
from redislock.compat.asyncio import RedisLock as AsyncRedisLock
from redislock.compat.exceptions import InvalidArgsError, LockNotOwnedError


def listen(server, setting):
    """Makes a server listen on a free port."""
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        # Somebody else may take it in between.
        with contextlib.suppress(support.ServerSays):
            server("CONFIG", "SET", setting, port)
            return port


class Settings(support.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = listen(cls.server, "port")
        cls.server("ACL", "SETUSER", "somebody", "on", ">s3cr3t: /?#%", "+@all", "~*", "&*")

    def connections(self, name):
        """Those of the server that go by this name: what is said of each."""
        lines = self.server("CLIENT", "LIST").decode().splitlines()
        said = [dict(word.split("=", 1) for word in line.split()) for line in lines]
        return [words for words in said if words["name"] == name]

    def check(self, client, name, **expected):
        """A lock of that client makes connections of that name, that are as expected."""
        lock = RedisLock(client, "foo")
        self.assertTrue(lock.acquire())
        found = self.connections(name)
        self.assertTrue(found)
        for connection in found:
            for word, value in expected.items():
                self.assertEqual(connection[word], value)
        self.assertTrue(lock.release())
        return found

    def test_tcp(self):
        client = redis.Redis("127.0.0.1", self.port, db=5, username="somebody", password="s3cr3t: /?#%",
                             client_name="tcp")
        (first, *_) = self.check(client, "tcp", user="somebody")
        self.assertTrue(first["laddr"].endswith(f":{self.port}"), first)
        self.assertIn("5", {connection["db"] for connection in self.connections("tcp")})

    def test_unix(self):
        client = redis.Redis(unix_socket_path=self.server.socket, db=4, client_name="unix")
        (first, *_) = self.check(client, "unix", user="default")
        self.assertTrue(first["laddr"].startswith(self.server.socket), first)

    def test_relative_path(self):
        here = os.getcwd()
        os.chdir(self.server.folder)
        try:
            self.check(redis.Redis(unix_socket_path="socket", client_name="relative"), "relative")
        finally:
            os.chdir(here)

    def test_urls_and_pools(self):
        url = f"redis://somebody:s3cr3t%3a%20%2f%3f%23%25@localhost:{self.port}/2?client_name=url"
        self.check(redis.Redis.from_url(url), "url", user="somebody")
        self.check(redis.Redis.from_url(f"unix://{self.server.socket}?db=2&client_name=path"), "path")
        pool = redis.BlockingConnectionPool(host="127.0.0.1", port=self.port, client_name=b"pool")
        self.check(redis.Redis(connection_pool=pool), "pool")
        self.check(redis.Redis("127.0.0.1", self.port, client_name="single", single_connection_client=True), "single")

    def test_credential_provider_is_asked_once(self):
        class Provider(CredentialProvider):
            asked = 0

            def get_credentials(self):
                self.asked += 1
                return "somebody", "s3cr3t: /?#%"

        provider = Provider()
        client = redis.Redis(unix_socket_path=self.server.socket, credential_provider=provider, client_name="provided")
        self.check(client, "provided", user="somebody")
        self.check(client, "provided", user="somebody")
        self.assertEqual(provider.asked, 1)

        class PasswordOnly(CredentialProvider):
            def get_credentials(self):
                return (b"of the default user, which has none",)

        client = redis.Redis(unix_socket_path=self.server.socket, credential_provider=PasswordOnly())
        with self.assertRaisesRegex(redis.AuthenticationError, "has no password set"):
            RedisLock(client, "foo").acquire()

        class AsyncProvider(Provider):
            async def get_credentials_async(self):
                return self.get_credentials()

        async def main(provider):
            client = redis.asyncio.Redis(unix_socket_path=self.server.socket, credential_provider=provider,
                                         client_name="async")
            for _ in range(2):
                async with AsyncRedisLock(client, "bar"):
                    self.assertEqual({connection["user"] for connection in self.connections("async")}, {"somebody"})
            self.assertEqual(provider.asked, 1)

        asyncio.run(main(AsyncProvider()))
        asyncio.run(main(Provider()))

    def test_user_without_password(self):
        self.server("ACL", "SETUSER", "open", "on", "nopass", "+@all", "~*", "&*")
        client = redis.Redis(unix_socket_path=self.server.socket, username="open", client_name="open")
        self.check(client, "open", user="open")

    def test_timeouts(self):
        """The server doesn't answer: how long that is waited for is the client's socket_timeout."""
        for settings, command, connect in (({"socket_timeout": 0.5}, 0.5, 0.5), ({"socket_connect_timeout": 2}, 5, 2),
                                           ({"socket_timeout": 7, "socket_connect_timeout": 3}, 7, 3), ({}, 5, 5)):
            pool = redis.ConnectionPool(**settings)
            options = RedisLock(redis.Redis(connection_pool=pool), "foo")._settings.options()
            self.assertEqual((options["command_timeout"], options["connect_timeout"]), (command, connect))
        client = redis.Redis(unix_socket_path=self.server.socket, socket_timeout=0.1)
        lock = RedisLock(client, "foo")
        self.assertTrue(lock.acquire())
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            with self.assertRaises(redis.TimeoutError) as caught:
                lock.release()
            self.assertTrue(str(caught.exception))
        finally:
            self.server.process.send_signal(signal.SIGCONT)
        # Releasing can be tried again.
        self.assertTrue(lock.release())
        with self.assertRaises(LockNotOwnedError):
            lock.release()

        async def main():
            client = redis.asyncio.Redis(unix_socket_path=self.server.socket, socket_timeout=0.1)
            lock = AsyncRedisLock(client, "foo")
            self.assertTrue(await lock.acquire())
            self.server.process.send_signal(signal.SIGSTOP)
            try:
                with self.assertRaises(redis.TimeoutError):
                    await lock.release()
            finally:
                self.server.process.send_signal(signal.SIGCONT)
            self.assertTrue(await lock.release())

        asyncio.run(main())

    def test_equal_settings_share_connections(self):
        def client(**settings):
            return redis.Redis(unix_socket_path=self.server.socket, client_name="shared", **settings)

        one, other, different = client(), client(), client(db=1)
        lock = RedisLock(one, "foo")
        self.assertTrue(lock.acquire())
        count = len(self.connections("shared"))
        locks = [kind(client, f"foo{number}") for number, (kind, client) in
                 enumerate([(RedisLock, other), (RedisSpinLock, one), (RedisSpinLock, other)])]
        self.assertTrue(all(lock.acquire() for lock in locks))
        self.assertEqual(len(self.connections("shared")), count)
        apart = RedisLock(different, "foo")
        self.assertTrue(apart.acquire())
        self.assertGreater(len(self.connections("shared")), count)
        # Kept while there is a client or a lock, and not for longer.
        for lock in [*locks, apart]:
            self.assertTrue(lock.release())
        del different, apart, one, other, locks
        gc.collect()
        support.until(lambda: len(self.connections("shared")) == count, "only the first client's connections are left")
        lock = None
        gc.collect()
        support.until(lambda: not self.connections("shared"), "all connections are closed")

    def test_tasks_share_connections(self):
        async def main():
            clients = [redis.asyncio.Redis(unix_socket_path=self.server.socket, client_name="tasks") for _ in range(3)]
            locks = [AsyncRedisLock(clients[number % 3], "foo") for number in range(50)]

            async def work(lock):
                async with lock:
                    return len(self.connections("tasks"))

            self.assertLessEqual(max(await asyncio.gather(*map(work, locks))), 2)

        asyncio.run(main())

    def test_one_client_on_several_loops(self):
        client = redis.asyncio.Redis(unix_socket_path=self.server.socket)
        lock = AsyncRedisLock(client, "foo")

        async def main():
            async with lock:
                self.assertEqual(self.server("GET", "foo"), lock.token)

        for _ in range(3):
            asyncio.run(main())

    def test_tls_is_never_left_out(self):
        with unittest.mock.patch("redislock.compat._settings.has", return_value=False), \
                socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            for kind, client in ((RedisLock, redis.Redis("127.0.0.1", port, ssl=True)),
                                 (RedisSpinLock, redis.Redis.from_url(f"rediss://127.0.0.1:{port}")),
                                 (AsyncRedisLock, redis.asyncio.Redis(host="127.0.0.1", port=port, ssl=True))):
                with self.assertRaisesRegex(InvalidArgsError, "client: .*TLS"):
                    kind(client, "foo")
            listener.setblocking(False)
            with self.assertRaises(BlockingIOError):
                listener.accept()

    def test_wrong_clients(self):
        class Tunnel(redis.Connection):
            """Nobody knows where that leads."""

        asynchronous, blocking = redis.asyncio.Redis(), redis.Redis()
        sentinel = redis.sentinel.Sentinel([("127.0.0.1", 1)]).master_for("service")
        asynchronous_sentinel = redis.asyncio.sentinel.Sentinel([("127.0.0.1", 1)]).master_for("service")
        for client, text in ((asynchronous, "redislock.compat.asyncio"), (sentinel, "SentinelManagedConnection"),
                             (redis.Redis(connection_pool=redis.ConnectionPool(Tunnel)), "Tunnel"), (None, "NoneType"),
                             (unittest.mock.MagicMock(), "MagicMock"), ("redis://localhost", "str"),
                             (object.__new__(redis.RedisCluster), "RedisCluster")):
            for kind in (RedisLock, RedisSpinLock):
                with self.assertRaisesRegex(InvalidArgsError, f"^client: .*{text}"):
                    kind(client, "foo")
        for client, text in ((blocking, "redislock.compat has"), (asynchronous_sentinel, "SentinelManagedConnection"),
                             (None, "NoneType")):
            with self.assertRaisesRegex(InvalidArgsError, f"^client: .*{text}"):
                AsyncRedisLock(client, "foo")

    def test_settings_that_redislock_refuses(self):
        for settings in ({"client_name": "two words"}, {"host": "a\0b"}, {"port": "none"}, {"db": -1}):
            lock = RedisLock(redis.Redis(**settings), "foo")
            with self.assertRaisesRegex(InvalidArgsError, "^client: "):
                lock.acquire()

    def test_passwords_are_not_shown(self):
        lock = RedisLock(redis.Redis(password="s3cr3t"), "foo")
        self.assertNotIn("s3cr3t", repr(lock._settings))


@unittest.skipUnless(redislock.has("tls"), "this build has no TLS")
class Tls(support.Case):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="redislock-python.")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.own, cls.key = cls.certificate("own", "subjectAltName=IP:127.0.0.1")
        cls.stranger, _ = cls.certificate("stranger", "subjectAltName=IP:127.0.0.1")
        try:
            cls.server = support.Server("--tls-cert-file", cls.own, "--tls-key-file", cls.key,
                                        "--tls-ca-cert-file", cls.own)
        except AssertionError:
            raise unittest.SkipTest("the server has no TLS") from None
        cls.port = listen(cls.server, "tls-port")

    @classmethod
    def certificate(cls, name, extension):
        files = [os.path.join(cls.folder, name + ending) for ending in (" & certificate.pem", " & key.pem")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", extension, "-out", files[0], "-keyout", files[1]],
                       check=True, capture_output=True)
        return files

    def settings(self, **others):
        return {"host": "127.0.0.1", "port": self.port, "ssl": True, "ssl_ca_certs": self.own, "ssl_certfile": self.own,
                "ssl_keyfile": self.key, **others}

    def in_all_forms(self, settings):
        """Takes and releases a lock in each of the three classes."""
        for kind in (RedisLock, RedisSpinLock):
            with kind(redis.Redis(**settings), "foo") as lock:
                self.assertEqual(self.server("GET", "foo"), lock.token)

        async def main():
            async with AsyncRedisLock(redis.asyncio.Redis(**settings), "foo") as lock:
                self.assertEqual(self.server("GET", "foo"), lock.token)

        asyncio.run(main())

    def test_files(self):
        self.in_all_forms(self.settings())
        self.in_all_forms(self.settings(ssl_cert_reqs=ssl.CERT_OPTIONAL, ssl_min_version=ssl.TLSVersion.TLSv1_2))
        url = f"rediss://127.0.0.1:{self.port}/2"
        client = redis.Redis.from_url(url, ssl_ca_certs=self.own, ssl_certfile=self.own, ssl_keyfile=self.key)
        with RedisLock(client, "foo"):
            self.assertFalse(self.server("EXISTS", "foo"))

    def test_servers_that_nobody_vouches_for(self):
        for settings in (self.settings(ssl_ca_certs=self.stranger), self.settings(ssl_ca_certs=None)):
            with self.assertRaisesRegex(redis.ConnectionError, "certificate"):
                RedisLock(redis.Redis(**settings), "foo").acquire()
        # Whoever doesn't ask who the server is, doesn't here either.
        for wanted in ("none", None, ssl.CERT_NONE):
            self.in_all_forms(self.settings(ssl_ca_certs=None, ssl_cert_reqs=wanted, ssl_check_hostname=False))

    def test_without_a_certificate_of_its_own(self):
        with self.assertRaises(redis.ConnectionError):
            RedisLock(redis.Redis(**self.settings(ssl_certfile=None, ssl_keyfile=None)), "foo").acquire()

    def test_what_cannot_be_carried_over(self):
        for setting, value in (("ssl_ca_data", "data"), ("ssl_password", "secret"), ("ssl_validate_ocsp", True),
                               ("ssl_validate_ocsp_stapled", True), ("ssl_ciphers", "HIGH"),
                               ("ssl_min_version", ssl.TLSVersion.TLSv1_3)):
            pool = redis.ConnectionPool(redis.SSLConnection, **{setting: value})
            with self.assertRaisesRegex(InvalidArgsError, f"^client: its {setting} "):
                RedisLock(redis.Redis(connection_pool=pool), "foo")


if __name__ == "__main__":
    support.main()

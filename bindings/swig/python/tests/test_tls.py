# SPDX-License-Identifier: MIT
"""TLS: whom a client trusts, in both forms."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import support

import redislock
import redislock.asyncio


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Trust(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="redislock-python.")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.certificate, key = os.path.join(cls.folder, "certificate"), os.path.join(cls.folder, "key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                        "-out", cls.certificate],
                       check=True, capture_output=True)
        cls.server = support.Server("--tls-cert-file", cls.certificate, "--tls-key-file", key, "--tls-ca-cert-file",
                                    cls.certificate, "--tls-auth-clients", "no")
        cls.addClassCleanup(cls.server.stop)
        # Somebody else may take the port in between.
        for _ in range(20):
            port = free_port()
            try:
                cls.server("CONFIG", "SET", "tls-port", port)
                break
            except support.ServerSays:
                continue
        cls.url = f"rediss://127.0.0.1:{port}"

    def test_blocking(self):
        with redislock.Client(f"{self.url}?ca={self.certificate}") as client:
            with client.lock("foo") as lock:
                self.assertEqual(self.server("GET", "foo"), lock.token.encode())
        with redislock.Client(self.url, tls_verify=False) as client:
            client.ping()
        with self.assertRaises(redislock.UntrustedServerError) as caught:
            redislock.Client(self.url).ping()
        self.assertEqual(caught.exception.code, "UNTRUSTED")
        self.assertIsInstance(caught.exception, ConnectionError)

    def test_asyncio(self):
        async def play():
            async with redislock.asyncio.Client(f"{self.url}?ca={self.certificate}") as client:
                async with client.lock("foo") as lock:
                    self.assertEqual(self.server("GET", "foo"), lock.token.encode())
            async with redislock.asyncio.Client(self.url, tls_verify=False) as client:
                await client.ping()
            with self.assertRaises(redislock.UntrustedServerError):
                await redislock.asyncio.Client(self.url).lock("foo").acquire()

        asyncio.run(play())


def works():
    """Whether the server can do it."""
    probe = support.Server()
    try:
        return bool(probe("CONFIG", "GET", "tls-port"))
    finally:
        probe.stop()


if __name__ == "__main__":
    reason = "this build has no TLS" if not redislock.has("tls") else "no openssl" if not shutil.which("openssl") else \
        "this server has no TLS" if not works() else None
    if reason:
        print(f"SKIP: {reason}")
        sys.exit(77)
    support.main()

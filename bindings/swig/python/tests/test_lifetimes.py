# SPDX-License-Identifier: MIT
"""How interpreters end, forked children, and what is collected when."""

import gc
import os
import sys
import warnings

import support

import redislock
import redislock.asyncio

# Python warns of a fork where there are threads, which the library has.
BEGIN = """
import asyncio, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
import redislock
import redislock.asyncio
url = sys.argv[1]
"""

# Each ends with the lock held.
ENDINGS = {
    "a global": "client = redislock.Client(url); lock = client.lock('foo'); lock.acquire()",
    "a cycle": "x = [redislock.Client(url).lock('foo')]; x[0].acquire(); x.append(x)",
    "an exception": "lock = redislock.Client(url).lock('foo'); lock.acquire(); raise SystemExit(0)",
    "in a function": """
def work():
    lock = redislock.Client(url).lock('foo')
    lock.acquire()
    sys.exit(0)
work()
""",
    "a daemon thread": """
held = threading.Event()
def work():
    lock = redislock.Client(url).lock('foo')
    lock.acquire()
    held.set()
    threading.Event().wait()
threading.Thread(target=work, daemon=True).start()
held.wait()
""",
    "a loop": """
client = redislock.asyncio.Client(url)
lock = client.lock('foo')
asyncio.run(lock.acquire())
""",
    "a thread that waits": """
lock = redislock.Client(url).lock('foo')
lock.acquire()
client = redislock.Client(url)
def wait():
    try:
        client.lock('foo').acquire()
    except redislock.ClientClosedError:
        pass
threading.Thread(target=wait, daemon=True).start()
while client.status('foo').waiters == 0:
    pass
""",
}


class Ends(support.Case):
    def test_endings(self):
        for title, code in ENDINGS.items():
            with self.subTest(title), support.program(BEGIN + code, self.server.url) as process:
                output, errors = process.communicate(timeout=support.PATIENCE)
                self.assertEqual((output, errors, process.returncode), ("", "", 0))
                # It may have been handed to who waited, and ended as well, for a moment.
                support.until(self.server.clean, f"nothing is left of {title}")

    def test_fork(self):
        client = redislock.Client(self.server.url)
        lock, other = client.lock("foo"), client.lock("bar")
        lock.acquire()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            good = 1
            try:
                for call in (lock.release, lock.extend, lock.acquire, other.acquire, client.ping, client.connect,
                             client.lost_fd, client.list, lambda: client.lock("x"), lambda: client.status("x")):
                    with self.assertRaises(redislock.ForkedError) as caught:
                        call()
                    self.assertEqual(caught.exception.code, "FORKED")
                self.assertFalse(lock.held)
                # One of its own works, in what is the main thread here, and doesn't get the parent's.
                with redislock.Client(self.server.url) as own:
                    self.assertFalse(own.lock("foo").acquire(blocking_timeout=0.05))
                    with own.lock("bar"):
                        pass
                client.close()
                del lock, other, call, caught
                gc.collect()
                good = 0
            finally:
                sys.stdout.flush()
                os._exit(good)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertTrue(lock.held)
        self.assertEqual(self.server("GET", "foo"), lock.token.encode())
        lock.release()

    def test_forked_child_exits(self):
        """With all that an interpreter does as it ends."""
        code = BEGIN + """
import os
client = redislock.Client(url)
lock = client.lock('foo')
lock.acquire()
other = redislock.asyncio.Client(url)
child = os.fork()
if child == 0:
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert lock.held
lock.extend()
print('kept')
"""
        with support.program(code, self.server.url) as process:
            output, errors = process.communicate(timeout=support.PATIENCE)
            self.assertEqual((output, errors, process.returncode), ("kept\n", "", 0))

    def test_killed(self):
        """What a crash leaves behind ends with its TTL, here a short one."""
        code = BEGIN + """
import os
lock = redislock.Client(url).lock('foo', ttl=1)
lock.acquire()
os.kill(os.getpid(), 9)
"""
        with support.program(code, self.server.url) as process:
            process.communicate(timeout=support.PATIENCE)
            self.assertEqual(process.returncode, -9)
        with redislock.Client(self.server.url).lock("foo"):
            pass

    def test_no_leak(self):
        """Neither objects nor descriptors."""
        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        def use():
            for _ in range(20):
                client = redislock.Client(self.server.url)
                with client.lock("foo"):
                    self.assertFalse(client.lock("foo").acquire(False))
                client.lost_fd()
                list(client.list())
                client.status("foo")
                redislock.asyncio.Client(self.server.url).lock("foo")
                for _ in range(100):
                    client.lock("foo")
                self.assertLess(len(client._locks), 5)
            gc.collect()

        use()
        objects, before = len(gc.get_objects()), descriptors()
        use()
        self.assertLessEqual(descriptors(), before)
        self.assertLess(len(gc.get_objects()), objects + 50)


if __name__ == "__main__":
    support.main()

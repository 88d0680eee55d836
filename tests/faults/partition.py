# SPDX-License-Identifier: MIT
"""Partitions between network namespaces: partition.py LIBRARY. This process is in a namespace of its own; the server is in
another, and a pair of virtual interfaces between them is the network. Those near the server reach it by its unix socket.

The holder that is cut off is told so before its lock ends on the server, whichever way is closed; waiters end at their
deadline; a waiter that is cut off costs a hand-off lease."""
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
import server as servers

NEAR, FAR = "10.77.0.1", "10.77.0.2"
TTL, PATIENCE = 6000, 30
OK, NOT_ACQUIRED = 0, 1


def now():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def ip(*words, at=None):
    done = subprocess.run([*(["nsenter", "-t", str(at), "-n"] if at else []), "ip", *words], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def eventually(condition, what):
    until = now() + PATIENCE
    while not condition():
        assert now() < until, f"not within {PATIENCE} s: {what}"
        time.sleep(0.005)


class Network:
    """The server on the other side of a pair of interfaces."""

    def __init__(self, folder):
        self.socket = os.path.join(folder, "socket")
        self.process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", 'read -r go && exec "$@"', "sh", servers.program(), "--port", "6379", "--bind", NEAR,
             "--protected-mode", "no", "--unixsocket", self.socket, "--save", "", "--dir", folder],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        own = os.readlink("/proc/self/ns/net")
        eventually(lambda: os.readlink(f"/proc/{self.process.pid}/ns/net") != own, "a namespace for the server")
        self.pid = self.process.pid
        ip("link", "set", "lo", "up")
        ip("link", "add", "name", "far", "type", "veth", "peer", "name", "near")
        ip("link", "set", "near", "netns", str(self.pid))
        ip("addr", "add", FAR + "/24", "dev", "far")
        ip("link", "set", "far", "up")
        ip("addr", "add", NEAR + "/24", "dev", "near", at=self.pid)
        ip("link", "set", "near", "up", at=self.pid)
        ip("link", "set", "lo", "up", at=self.pid)
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        eventually(self.is_there, "the server")

    def is_there(self):
        try:
            self.ask = servers.Connection(self.socket)
            return True
        except OSError:
            return False

    def close_both_ways(self):
        ip("link", "set", "near", "down", at=self.pid)

    def open_both_ways(self):
        ip("link", "set", "near", "up", at=self.pid)

    def close_replies(self):
        ip("route", "add", "blackhole", FAR + "/32", at=self.pid)

    def open_replies(self):
        ip("route", "del", "blackhole", FAR + "/32", at=self.pid)

    def close_requests(self):
        ip("route", "add", "blackhole", NEAR + "/32")

    def open_requests(self):
        ip("route", "del", "blackhole", NEAR + "/32")


class Lock:
    """One lock of a client of its own."""

    def __init__(self, library, url, name, wait_ms=60000, ttl_ms=None):
        self.library, self.client, self.lock = library, ctypes.c_void_p(), ctypes.c_void_p()
        assert library.redislock_client_new(url.encode(), ctypes.byref(self.client)) == OK
        library.redislock_client_set_command_timeout_ms(self.client, ctypes.c_int64(1000))
        library.redislock_client_set_connect_timeout_ms(self.client, ctypes.c_int64(1000))
        assert library.redislock_lock_new(self.client, 1, name.encode(), ctypes.c_size_t(len(name)), ctypes.byref(self.lock)) == OK
        # A network that has just come back needs a moment.
        eventually(lambda: library.redislock_client_ping(self.client) == OK, "the server")
        library.redislock_lock_set_wait_ms(self.lock, ctypes.c_int64(wait_ms))
        if ttl_ms:
            library.redislock_lock_set_ttl_ms(self.lock, ctypes.c_int64(ttl_ms))
            library.redislock_lock_set_renewal(self.lock, 1)

    def acquire(self):
        return self.library.redislock_lock_acquire(self.lock)

    def start(self):
        """Waits in a thread; ctypes lets others run meanwhile."""
        self.status = None
        self.thread = threading.Thread(target=lambda: setattr(self, "status", self.acquire()), daemon=True)
        self.thread.start()

    def join(self):
        self.thread.join(PATIENCE)
        assert self.status is not None, "a wait has not ended"
        return self.status

    def remaining(self):
        return self.library.redislock_lock_remaining_ms(self.lock)

    def held(self):
        return self.library.redislock_lock_is_held(self.lock) == 1

    def release(self):
        return self.library.redislock_lock_release(self.lock)

    def free(self):
        self.library.redislock_lock_free(self.lock)
        self.library.redislock_client_free(self.client)


def holder_and_waiter(network, library, close, reopen):
    """Both behind the partition."""
    url = f"redis://{NEAR}:6379"
    holder, waiter = Lock(library, url, "held", ttl_ms=TTL), Lock(library, url, "held", wait_ms=1500)
    assert holder.acquire() == OK
    waiter.start()
    eventually(lambda: network.ask("ZCARD", "rlock-queue:{held}:held") == 1, "the waiter in the queue")
    begin = now()
    getattr(network, close)()
    status = waiter.join()
    waited = now() - begin
    assert status != OK and waited < 1.6 + 2, f"{close}: the waiter ended with {status} after {waited:.3f} s"
    # What it believes, compared with what there is, a little later.
    assert holder.held(), "the waiter took too long for this test"
    believed_until = now() * 1000 + holder.remaining()
    there_until = network.ask("PTTL", "held") + now() * 1000
    assert believed_until < there_until, f"{close}: believed {believed_until - there_until:.0f} ms longer than it lasts"
    eventually(lambda: not holder.held(), f"{close}: the holder is told")
    print(f"{close}: the waiter ended after {waited:.3f} s, the holder was told {there_until - believed_until:.0f} ms before "
          f"its lock ended")
    getattr(network, reopen)()
    eventually(lambda: network.ask("EXISTS", "held") == 0, "the end of the lock")
    holder.free()
    waiter.free()


def cut_off_waiter(network, library):
    """It has been handed the lock, and never hears of it. The next one doesn't wait for a TTL."""
    near = "unix://" + network.socket
    holder, far, following = (Lock(library, url, "queued") for url in (near, f"redis://{NEAR}:6379", near))
    assert holder.acquire() == OK
    for count, waiter in enumerate((far, following), 1):
        waiter.start()
        eventually(lambda: network.ask("ZCARD", "rlock-queue:{queued}:queued") == count, "a waiter in the queue")
    network.close_both_ways()
    begin = now()
    assert holder.release() == OK
    assert following.join() == OK
    took = now() - begin
    assert 0.9 < took < 10, f"the next one got it after {took:.3f} s"
    network.open_both_ways()
    time.sleep(0.1)
    assert not far.held() and following.held()
    assert following.release() == OK
    assert far.join() == OK and far.release() == OK
    print(f"a waiter that is cut off: the next one got the lock after {took:.3f} s, and it had its turn later")
    for lock in (holder, far, following):
        lock.free()


def main():
    library = ctypes.CDLL(sys.argv[1])
    library.redislock_lock_remaining_ms.restype = ctypes.c_int64
    library.redislock_lock_free.restype = library.redislock_client_free.restype = None
    folder = tempfile.mkdtemp(prefix="redislock-partition.", dir="/tmp")
    network = None
    try:
        try:
            network = Network(folder)
        except OSError as error:
            skip(f"no network of its own: {error}")
        for direction in ("both_ways", "replies", "requests"):
            holder_and_waiter(network, library, "close_" + direction, "open_" + direction)
        cut_off_waiter(network, library)
    finally:
        if network:
            network.process.kill()
            network.process.wait()
        shutil.rmtree(folder, ignore_errors=True)


main()

# SPDX-License-Identifier: MIT
"""Many masters: one lock on several servers that know nothing of each other."""

from __future__ import annotations

import math
import time
import weakref
from collections.abc import Iterable
from types import TracebackType

from . import _options as options
from . import _redislock as raw
from ._errors import AcquireFailedError, ClientClosedError, failure, quorum_failure
from ._lock import leave


class Quorum:
    """Several servers, of which the greater part decides. Any number of threads may share one.

    A lock of it is held while a majority of the servers says so; so it outlives the loss of any minority. All who share
    a lock name the same servers, at best an odd number of them. There is no queue and no fencing token, and servers that
    restart without their data must stay away for as long as the longest TTL.

    `urls` are those of `Client`. `server_timeout`: after how many seconds a server is done without.
    """

    __slots__ = ("__weakref__", "_handle", "_locks")

    def __init__(self, urls: Iterable[str], *, server_timeout: float = 0.5) -> None:
        self._handle: raw.redislock_quorum | None = None
        self._locks: set[weakref.ref[QuorumLock]] = set()
        timeout_ms = options.timeout("server_timeout", server_timeout)
        if isinstance(urls, str):
            raise TypeError("urls: several are expected, not a str")
        addresses = [options.string("urls", url) for url in urls]
        if not addresses:
            raise ValueError("urls: one at least expected")
        status, handle = raw.quorum_new()
        if handle is None:
            raise failure(status)
        for address in addresses:
            status = raw.quorum_add_server(handle, address)
            if status != raw.OK:
                text = raw.url_error(address)[1]
                raise failure(status, text or b"urls: 1 to 31 servers expected, each but once")
        raw.quorum_set_server_timeout_ms(handle, timeout_ms)
        self._handle = handle

    def lock(self, name: str | bytes, *, blocking_timeout: float = 60, ttl: float | None = None,
             renew: bool | None = None, owner: str | None = None, interval: float = 0.1) -> QuorumLock:
        """A lock of that name, 1 to 32768 bytes of any kind. Nothing is sent.

        The options are those of `Client.spin_lock`. The pauses between two tries are `interval` seconds on average, and
        random.
        """
        return QuorumLock(self, name, blocking_timeout, ttl, renew, owner, interval)

    def lost_fd(self) -> int:
        """A descriptor that is readable when a lease under renewal could not be kept; as `Client.lost_fd`."""
        if self._handle is None:
            raise ClientClosedError("the quorum is closed")
        fd = raw.quorum_lost_fd(self._handle)
        if fd < 0:
            raise failure(fd)
        return fd

    def close(self) -> None:
        """Releases its locks, ends the waits of other threads with `ClientClosedError`, and closes its connections."""
        handle = self._handle
        self._handle = None
        if handle is not None:
            handles = [lock._close() for lock in [reference() for reference in list(self._locks)] if lock is not None]
            raw.quorum_interrupt(handle)
            handles.clear()

    def __enter__(self) -> Quorum:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__}{', closed' if self._handle is None else ''}>"


class QuorumLock:
    """A lock on many servers: `Quorum.lock` makes them. It is used as `Lock` is, but has neither place nor fence."""

    __slots__ = ("__weakref__", "_handle", "_name", "_quorum", "_ttl_ms", "_wait_ms")

    def __init__(self, quorum: Quorum, name: str | bytes, blocking_timeout: float, ttl: float | None,
                 renew: bool | None, owner: str | None, interval: float) -> None:
        data = options.name_bytes(name)
        self._quorum = quorum
        self._name = name if isinstance(name, str) else options.name_text(data)
        self._wait_ms = options.wait("blocking_timeout", blocking_timeout)
        self._ttl_ms = options.DEFAULT_TTL_MS if ttl is None else _lease(ttl)
        renewed = ttl is None if renew is None else options.flag("renew", renew)
        label = None if owner is None else options.label("owner", owner)
        interval_ms = options.timeout("interval", interval)
        self._handle: raw.redislock_quorum_lock | None = None
        if quorum._handle is None:
            raise ClientClosedError("the quorum is closed")
        status, handle = raw.quorum_lock_new(quorum._handle, data)
        if handle is None:
            raise failure(status)
        for status in (raw.quorum_lock_set_ttl_ms(handle, self._ttl_ms),
                       raw.quorum_lock_set_renewal(handle, int(renewed)),
                       raw.quorum_lock_set_owner(handle, label),
                       raw.quorum_lock_set_spin_interval_ms(handle, interval_ms)):
            if status != raw.OK:
                raise quorum_failure(handle, status)
        self._handle = handle
        quorum._locks.add(weakref.ref(self, quorum._locks.discard))

    def _close(self) -> raw.redislock_quorum_lock | None:
        """Takes the handle away. Whoever has the last reference to it frees it: what is held is released."""
        handle = self._handle
        self._handle = None
        return handle

    def acquire(self, blocking: bool = True, blocking_timeout: float | None = None) -> bool:
        """Takes the lock; whether it did.

        Waits for `blocking_timeout` seconds, `math.inf` for ever; without one for as long as the lock was made for.
        ``blocking=False`` tries once. Other threads run meanwhile. What a signal's handler raises, as Ctrl-C does, ends
        the wait, and nothing is held then. Raises `ConnectionFailedError` and the like if too few servers are left for a
        majority, and `LockLostError` if the last hold was lost and nobody was told yet.
        """
        if not options.flag("blocking", blocking):
            if blocking_timeout is not None:
                raise ValueError("blocking_timeout: there is none without blocking")
            return self._take(0)
        return self._take(self._wait_ms if blocking_timeout is None
                          else options.wait("blocking_timeout", blocking_timeout))

    def _take(self, wait_ms: int) -> bool:
        handle = self._handle
        end = math.inf if wait_ms == options.FOREVER else time.monotonic() + wait_ms / 1000
        status = raw.quorum_lock_set_wait_ms(handle, wait_ms)
        if status != raw.OK:
            raise quorum_failure(handle, status)
        held = raw.quorum_lock_is_held(handle) == 1
        try:
            # Python runs a signal's handler after the call, and again as the loop goes back: both are inside.
            status = raw.quorum_lock_acquire(handle)
            while status == raw.INTERRUPTED and self._handle is handle:
                if end != math.inf:
                    raw.quorum_lock_set_wait_ms(handle, max(0, int((end - time.monotonic()) * 1000)))
                status = raw.quorum_lock_acquire(handle)
        except BaseException:
            # The status may not have got here.
            if not held:
                raw.quorum_lock_release(handle)
            raise
        if status == raw.OK and self._handle is handle:
            return True
        if status == raw.NOT_ACQUIRED:
            return False
        if self._handle is not handle:
            raise ClientClosedError("the quorum was closed while its lock was waited for")
        raise quorum_failure(handle, status)

    def release(self) -> None:
        """Releases the lock on every server.

        Raises `LockNotOwnedError` if this object doesn't hold it, `LockLostError` if it had ended before. After any
        other failure too few servers have confirmed it, and it may stay locked until its TTL ends.
        """
        status = raw.quorum_lock_release(self._handle)
        if status != raw.OK:
            raise quorum_failure(self._handle, status)

    def extend(self, ttl: float | None = None) -> None:
        """Sets the lease to `ttl` seconds from now on; without one to the lock's own TTL."""
        status = raw.quorum_lock_extend(self._handle, self._ttl_ms if ttl is None else _lease(ttl))
        if status != raw.OK:
            raise quorum_failure(self._handle, status)

    @property
    def quorum(self) -> Quorum:
        """The quorum that the lock was made by."""
        return self._quorum

    @property
    def name(self) -> str:
        """The name of the lock."""
        return self._name

    @property
    def held(self) -> bool:
        """Whether a majority holds the lock still, by this process's own monotonic clock."""
        return raw.quorum_lock_is_held(self._handle) == 1

    @property
    def remaining(self) -> float:
        """For how many seconds a majority is sure to hold the lock, if nothing renews it."""
        return raw.quorum_lock_remaining_ms(self._handle) / 1000

    @property
    def agreed(self) -> int:
        """On how many servers the lock is held, as far as is known; 0 without a majority."""
        return raw.quorum_lock_agreed(self._handle)

    @property
    def token(self) -> str | None:
        """What tells this hold from others; `None` before the first."""
        return raw.quorum_lock_token(self._handle)[1].decode("ascii", "replace") or None

    def __enter__(self) -> QuorumLock:
        """Takes the lock, or raises `AcquireFailedError`."""
        if not self._take(self._wait_ms):
            raise AcquireFailedError(f"there was no majority for {self._name!r} in all of the wait")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        """Releases the lock, if the block didn't; as `Lock` does."""
        status = raw.quorum_lock_release(self._handle)
        if status != raw.OK:
            leave(quorum_failure(self._handle, status), self._name, error)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} {self._name!r}{', held' if self.held else ''}>"


def _lease(ttl: float) -> int:
    """A TTL, which has an end here."""
    return options.milliseconds("ttl", ttl, 1, options.LONGEST_MS)

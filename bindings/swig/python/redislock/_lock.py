# SPDX-License-Identifier: MIT
"""Locks: what both forms have in common, and those that block."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from . import _options as options
from . import _redislock as raw
from ._errors import AcquireFailedError, ClientClosedError, LockNotOwnedError, failure, lock_failure

if TYPE_CHECKING:
    from ._client import BaseClient, Client

# Global names are found faster than those of a module.
_OK = raw.OK
_NOT_ACQUIRED = raw.NOT_ACQUIRED
_INTERRUPTED = raw.INTERRUPTED
_acquire = raw.lock_acquire
_release = raw.lock_release

_Self = TypeVar("_Self", bound="Lock")


class BaseLock:
    """What a lock says of itself. Nothing here asks the server, and any thread may read it."""

    __slots__ = ("__weakref__", "_client", "_data", "_fence", "_handle", "_interval_now", "_kind", "_name", "_terms",
                 "_wait_now")

    _client: BaseClient

    def __init__(self, client: BaseClient, kind: int, name: str | bytes, terms: options.Terms) -> None:
        self._client = client
        self._kind = kind
        self._data = options.name_bytes(name)
        self._name = name if isinstance(name, str) else options.name_text(self._data)
        self._terms = terms
        self._fence = 0
        self._handle: raw.redislock_lock | None = None
        self._open()
        client._locks.add(weakref.ref(self, client._locks.discard))

    def _open(self) -> raw.redislock_lock:
        """A new handle, which is told what isn't as it is by default."""
        if self._client._handle is None:
            raise ClientClosedError("the client of the lock is closed")
        status, handle = raw.lock_new(self._client._handle, self._kind, self._data)
        if handle is None:
            raise failure(status)
        self._wait_now = options.DEFAULT_WAIT_MS
        self._interval_now = options.DEFAULT_INTERVAL_MS
        for function, arguments in self._terms.setup:
            status = function(handle, *arguments)
            if status != _OK:
                raise lock_failure(handle, status)
        self._handle = handle
        return handle

    def _set_wait(self, handle: raw.redislock_lock | None, wait_ms: int) -> None:
        status = raw.lock_set_wait_ms(handle, wait_ms)
        if status != _OK:
            raise lock_failure(handle, status)
        self._wait_now = wait_ms

    def _set_interval(self, handle: raw.redislock_lock | None, interval_ms: int) -> None:
        status = raw.lock_set_spin_interval_ms(handle, interval_ms)
        if status != _OK:
            raise lock_failure(handle, status)
        self._interval_now = interval_ms

    def _wait_for(self, blocking: bool, blocking_timeout: float | None) -> int:
        """How long an acquire with these arguments waits."""
        if not options.flag("blocking", blocking):
            if blocking_timeout is not None:
                raise ValueError("blocking_timeout: there is none without blocking")
            return 0
        return self._terms.wait_ms if blocking_timeout is None else options.wait("blocking_timeout", blocking_timeout)

    def _close(self) -> raw.redislock_lock | None:
        """Takes the handle away. Whoever has the last reference to it frees it: what is held is released."""
        handle = self._handle
        self._fence = self.fence
        self._handle = None
        return handle

    def _abandon(self) -> None:
        """Leaves a held lock to its TTL: neither a collector nor the end of the interpreter releases it."""
        if self._handle is not None:
            self._handle.disown()

    @property
    def client(self) -> BaseClient:
        """The client that the lock was made by."""
        return self._client

    @property
    def name(self) -> str:
        """The name of the lock. Bytes that are no UTF-8 stand in it as surrogates, as they do in file names."""
        return self._name

    @property
    def channel(self) -> str:
        """The channel where releases are announced to others than redislock."""
        return "rlock-channel:" + self._name

    @property
    def held(self) -> bool:
        """Whether the lock is held still, by this process's own monotonic clock."""
        return raw.lock_is_held(self._handle) == 1

    @property
    def remaining(self) -> float:
        """For how many seconds the lock is sure to be held, if nothing renews it; `math.inf` without an end."""
        return options.seconds(raw.lock_remaining_ms(self._handle))

    @property
    def fence(self) -> int:
        """The fencing token of the present or last hold: it rises with every grant of this name. 0 before the first."""
        return raw.lock_fence(self._handle) or self._fence

    @property
    def token(self) -> str | None:
        """What tells this hold from others; `None` before the first."""
        return raw.lock_token(self._handle)[1].decode("ascii", "replace") or None

    @property
    def place(self) -> int | None:
        """How many wait before this one, as last heard; `None` where it doesn't wait in the queue."""
        place = raw.lock_place(self._handle)
        return place if place >= 0 else None

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} {self._name!r}{', held' if self.held else ''}>"


class Lock(BaseLock):
    """A lock whose waiters queue, and are woken in order: `Client.lock` makes them.

    One object is for one caller at a time, and holds its lock at most once. Two objects of one name exclude each other,
    in one process as well. A lock that is collected is released.
    """

    __slots__ = ("_holds",)

    _client: Client

    def __init__(self, client: Client, kind: int, name: str | bytes, terms: options.Terms) -> None:
        super().__init__(client, kind, name, terms)
        self._holds = False

    def acquire(self, blocking: bool = True, blocking_timeout: float | None = None) -> bool:
        """Takes the lock; whether it did.

        Waits for `blocking_timeout` seconds, `math.inf` for ever; without one for as long as the lock was made for.
        ``blocking=False`` tries once. Other threads run meanwhile. What a signal's handler raises, as Ctrl-C does, ends
        the wait at once, and nothing is held then; after other signals the wait goes on, in its place.

        Raises `LockLostError` if the last hold was lost and nobody was told yet: the object can be used again.
        """
        wait = self._terms.wait_ms
        if blocking is not True or blocking_timeout is not None:
            wait = self._wait_for(blocking, blocking_timeout)
        return self._take(wait)

    def _take(self, wait_ms: int) -> bool:
        handle = self._handle
        if wait_ms != self._wait_now:
            self._set_wait(handle, wait_ms)
        try:
            # Python runs a signal's handler after the call, and again as the loop goes back: both are inside.
            status = _acquire(handle)
            while status == _INTERRUPTED and self._handle is handle:
                status = _acquire(handle)
        except BaseException:
            # The status may not have got here. If it was that another caller has the lock, it isn't ours to release.
            if not self._holds:
                raw.lock_give_up(handle)
            raise
        if status == _OK:
            if self._handle is handle:
                self._holds = True
                return True
            status = _INTERRUPTED
        if status == _NOT_ACQUIRED:
            return False
        if status == _INTERRUPTED:
            raw.lock_give_up(handle)
            raise ClientClosedError("the client was closed while its lock was waited for")
        raise lock_failure(handle, status)

    def release(self) -> None:
        """Releases the lock, and hands it to the first who waits.

        Raises `LockNotOwnedError` if this object doesn't hold it, `LockLostError` if it had ended before. After any
        other failure it is renewed no more, may stay locked until its TTL ends, and can be released again.
        """
        handle = self._handle
        self._holds = False
        status = _release(handle)
        if status != _OK:
            raise lock_failure(handle, status)

    def extend(self, ttl: float | None = None) -> None:
        """Sets the lease to `ttl` seconds from now on, `math.inf` for ever; without one to the lock's own TTL."""
        handle = self._handle
        status = raw.lock_extend(handle, self._terms.ttl_ms if ttl is None else options.lease("ttl", ttl))
        if status != _OK:
            raise lock_failure(handle, status)

    def __enter__(self: _Self) -> _Self:
        """Takes the lock, or raises `AcquireFailedError`."""
        if not self._take(self._terms.wait_ms):
            raise AcquireFailedError(f"{self._name!r} was held by somebody else for all of the wait")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        """Releases the lock, if the block didn't. An exception of the block stays what it is, and gets a note if the
        lock could not be released."""
        handle = self._handle
        self._holds = False
        status = _release(handle)
        if status != _OK:
            leave(lock_failure(handle, status), self._name, error)


class SpinLock(Lock):
    """A lock whose waiters try again at an interval, and have no place in the queue: `Client.spin_lock` makes them."""

    __slots__ = ()

    def acquire(self, blocking: bool = True, blocking_timeout: float | None = None,
                sleep_time: float | None = None) -> bool:
        """Takes the lock; whether it did.

        As `Lock.acquire`. `sleep_time` is the pause between two tries in this call, in seconds.
        """
        wait = self._terms.wait_ms
        if blocking is not True or blocking_timeout is not None:
            wait = self._wait_for(blocking, blocking_timeout)
        interval = self._terms.interval_ms if sleep_time is None else options.timeout("sleep_time", sleep_time)
        if interval != self._interval_now:
            self._set_interval(self._handle, interval)
        return self._take(wait)

    def __enter__(self: _Self) -> _Self:
        if self._terms.interval_ms != self._interval_now:
            self._set_interval(self._handle, self._terms.interval_ms)
        return super().__enter__()


def leave(failed: Exception, name: str, error: BaseException | None) -> None:
    """The end of a block whose lock could not be released."""
    if error is not None:
        error.add_note(f"redislock: {name!r} could not be released, too: {failed}")
    elif type(failed) is not LockNotOwnedError:
        raise failed

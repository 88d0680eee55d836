# SPDX-License-Identifier: MIT
"""The same for asyncio: nothing blocks, and there is no thread.

    from redislock.asyncio import Client
    async with Client() as client:
        async with client.lock("report", blocking_timeout=10) as lock:
            print(lock.fence)

Any number of tasks wait on the two connections of one client. A client works on the loop that runs when it is used, on
one at a time, and its leases are renewed while that loop runs. What is cancelled holds nothing and waits for nothing: a
lock that came in the same moment is given back.
"""

from __future__ import annotations

import asyncio
import itertools
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from . import _options as options
from . import _redislock as raw
from ._client import BaseClient, Status, status_of
from ._errors import AcquireFailedError, ClientClosedError, client_failure, lock_failure
from ._lock import BaseLock, leave

__all__ = ["Client", "Lock", "SpinLock", "Status"]

_OK = raw.OK
_NOT_ACQUIRED = raw.NOT_ACQUIRED
_next_event = raw.client_next_event

_SelfClient = TypeVar("_SelfClient", bound="Client")
_SelfLock = TypeVar("_SelfLock", bound="Lock")


# What has become of something that was started: its status, the error if it failed, the snapshot that was asked for.
_Answer = tuple[int, Exception | None, raw.redislock_info | None]
_Future = asyncio.Future[_Answer]


class Client(BaseClient):
    """A Redis or Valkey server, for coroutines. It connects at its first use; see `redislock.Client`.

    Everything but `set_credentials` and making locks is for the thread of the running loop alone.
    """

    __slots__ = ("_fd", "_loop", "_tag", "_waits", "_watched")

    def __init__(self, url: str | None = None, *, connect_timeout: float = 5, command_timeout: float = 5,
                 name: str | None = None, user: str | None = None, password: str | None = None,
                 tls_verify: bool = True, min_replicas: int = 0, replicas_timeout: float = 1) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fd = -1
        self._tag = itertools.count(1).__next__
        self._waits: dict[int, tuple[_Future, Lock | None]] = {}
        self._watched: dict[int, weakref.ref[Lock]] = {}
        super().__init__(url, connect_timeout=connect_timeout, command_timeout=command_timeout, name=name, user=user,
                         password=password, tls_verify=tls_verify, min_replicas=min_replicas,
                         replicas_timeout=replicas_timeout)

    @staticmethod
    def _new(url: str) -> tuple[int, raw.redislock_client | None]:
        return raw.client_new_eventloop(url)

    def lock(self, name: str | bytes, *, blocking_timeout: float = 60, ttl: float | None = None,
             renew: bool | None = None, owner: str | None = None, token: str | None = None,
             on_lost: Callable[[Lock], object] | None = None) -> Lock:
        """A lock of that name; see `redislock.Client.lock`.

        `on_lost` is called with the lock, by the loop, when a hold of it ended before it was released.
        """
        terms = options.Terms(blocking_timeout, ttl, renew, owner, token)
        return Lock(self, raw.KIND_PUBSUB, name, terms, on_lost)

    def spin_lock(self, name: str | bytes, *, blocking_timeout: float = 60, ttl: float | None = None,
                  renew: bool | None = None, owner: str | None = None, token: str | None = None, interval: float = 0.1,
                  growth: float | None = None, max_interval: float | None = None,
                  on_lost: Callable[[Lock], object] | None = None) -> SpinLock:
        """A lock whose waiters try again at an interval; see `redislock.Client.spin_lock`, and `lock` for `on_lost`."""
        terms = options.Terms(blocking_timeout, ttl, renew, owner, token).spin(interval, growth, max_interval)
        return SpinLock(self, raw.KIND_SPIN, name, terms, on_lost)

    async def connect(self) -> None:
        """Connects now, so that a wrong address or password is known early; and asks for a sign of life."""
        await self.ping()

    async def ping(self) -> None:
        """Asks the server for a sign of life."""
        loop, tag = self._use(), self._tag()
        await self._ask(loop, tag, raw.client_start_ping(self._handle, tag))

    async def status(self, name: str | bytes) -> Status:
        """Who holds a name, for how long still, and how many wait for it."""
        data = options.name_bytes(name)
        loop, tag = self._use(), self._tag()
        _, info = await self._ask(loop, tag, raw.client_start_info(self._handle, data, tag))
        return status_of(data, info)

    async def break_lock(self, name: str | bytes, token: str | None = None) -> bool:
        """Releases a lock by force; see `redislock.Client.break_lock`."""
        data = options.name_bytes(name)
        expected = None if token is None else options.word("token", token, 128)
        loop, tag = self._use(), self._tag()
        status, _ = await self._ask(loop, tag, raw.client_start_break(self._handle, data, expected, tag))
        return status == _OK

    async def close(self) -> None:
        """Releases its locks, ends waits with `ClientClosedError`, and closes its connections."""
        self._end()

    async def __aenter__(self: _SelfClient) -> _SelfClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await self.close()

    # ---- the loop ----

    def _use(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._attach(loop)
        return loop

    def _attach(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._handle is None:
            raise ClientClosedError("the client is closed")
        former = self._loop
        if former is not None and not former.is_closed() and (former.is_running() or self._waits):
            raise RuntimeError("the client is in use on another event loop: each loop that runs needs one of its own")
        self._detach()
        self._waits.clear()
        fd = raw.client_fd(self._handle)
        if fd < 0:
            raise client_failure(self._handle, fd)
        # The loop must not keep a client alive that nobody else knows any more.
        loop.add_reader(fd, _ready, weakref.ref(self))
        self._fd = fd
        self._loop = loop

    def _detach(self) -> None:
        loop = self._loop
        self._loop = None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._fd)

    def _dispatch(self) -> None:
        status = raw.client_dispatch(self._handle)
        while status == _OK:
            status, kind, outcome, tag, info = _next_event(self._handle)
            if status != _OK:
                break
            if kind == raw.EVENT_LOST:
                self._tell_lost(tag)
                continue
            future, lock = self._waits.pop(tag, (None, None))
            if future is None or future.done():
                continue
            error = None
            if outcome < 0:
                error = client_failure(self._handle, outcome) if lock is None else lock_failure(lock._handle, outcome)
            future.set_result((outcome, error, info))
        if status != raw.END:
            self._fail(client_failure(self._handle, status))

    def _tell_lost(self, tag: int) -> None:
        reference = self._watched.pop(tag, None)
        lock = reference() if reference is not None else None
        if lock is not None and lock._on_lost is not None and self._loop is not None:
            self._loop.call_soon(lock._on_lost, lock)

    def _fail(self, error: Exception) -> None:
        """Nothing that was started will ever be told."""
        self._detach()
        waits = list(self._waits.values())
        self._waits.clear()
        for future, _ in waits:
            if not future.done() and not future.get_loop().is_closed():
                future.set_result((raw.INTERNAL, error, None))

    def _end(self) -> None:
        self._fail(ClientClosedError("the client was closed"))
        super()._end()

    def __del__(self) -> None:
        # Not constructed, or closed, or the loop is gone: then there is nothing left that knows the descriptor.
        loop, handle = getattr(self, "_loop", None), getattr(self, "_handle", None)
        if loop is None or loop.is_closed():
            return
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = not loop.is_running()
        if here:
            loop.remove_reader(self._fd)
        else:
            # The collector came by in another thread. The handle must not be closed before.
            loop.call_soon_threadsafe(_remove_reader, loop, self._fd, handle)

    # ---- waiting ----

    async def _ask(self, loop: asyncio.AbstractEventLoop, tag: int,
                   status: int) -> tuple[int, raw.redislock_info | None]:
        if status != _OK:
            raise client_failure(self._handle, status)
        future: _Future = loop.create_future()
        self._waits[tag] = future, None
        status, error, info = await future
        if error is not None:
            raise error
        return status, info


def _ready(reference: weakref.ref[Client]) -> None:
    client = reference()
    if client is not None:
        client._dispatch()


def _remove_reader(loop: asyncio.AbstractEventLoop, fd: int, handle: raw.redislock_client | None) -> None:
    loop.remove_reader(fd)


class Lock(BaseLock):
    """A lock whose waiters queue, and are woken in order: `Client.lock` makes them.

    One object is for one task at a time, and holds its lock at most once. A lock that is collected is released.
    """

    __slots__ = ("_on_lost", "_unsettled", "_watch")

    _client: Client

    def __init__(self, client: Client, kind: int, name: str | bytes, terms: options.Terms,
                 on_lost: Callable[[Lock], object] | None) -> None:
        if on_lost is not None and not callable(on_lost):
            raise TypeError(f"on_lost: something callable expected, got {type(on_lost).__name__}")
        super().__init__(client, kind, name, terms)
        self._on_lost = on_lost
        self._watch = 0
        self._unsettled: _Future | None = None

    async def acquire(self, blocking: bool = True, blocking_timeout: float | None = None) -> bool:
        """Takes the lock; whether it did. See `redislock.Lock.acquire`.

        Cancelled, it leaves the queue, and hands the lock on if it came meanwhile; that goes on behind the scenes, and
        the object can be used again at once.
        """
        wait = self._terms.wait_ms
        if blocking is not True or blocking_timeout is not None:
            wait = self._wait_for(blocking, blocking_timeout)
        return await self._take(wait, self._terms.interval_ms)

    async def _take(self, wait_ms: int, interval_ms: int) -> bool:
        client = self._client
        loop = client._use()
        if self._unsettled is not None:
            await self._settle()
        if self._handle is None:
            self._open()
        if wait_ms != self._wait_now:
            self._set_wait(self._handle, wait_ms)
        if interval_ms != self._interval_now:
            self._set_interval(self._handle, interval_ms)
        tag = client._tag()
        status = raw.lock_start_acquire(self._handle, tag)
        if status == _OK:
            if self._on_lost is not None:
                self._watch = tag
                client._watched[tag] = weakref.ref(self)
            status, error = await self._answer(loop, tag)
            if error is not None:
                raise error
        if status == _OK:
            return True
        if status == _NOT_ACQUIRED:
            return False
        raise lock_failure(self._handle, status)

    async def release(self) -> None:
        """Releases the lock, and hands it to the first who waits. See `redislock.Lock.release`.

        Cancelled, it goes on behind the scenes.
        """
        status, error = await self._give_back()
        if error is not None:
            raise error

    async def _give_back(self) -> tuple[int, Exception | None]:
        client = self._client
        loop = client._use()
        if self._unsettled is not None:
            await self._settle()
        if self._handle is None:
            self._open()
        self._unwatch()
        tag = client._tag()
        status = raw.lock_start_release(self._handle, tag)
        if status != _OK:
            return status, lock_failure(self._handle, status)
        return await self._answer(loop, tag)

    async def extend(self, ttl: float | None = None) -> None:
        """Sets the lease to `ttl` seconds from now on. See `redislock.Lock.extend`.

        Cancelled, it may have been set or not.
        """
        ttl_ms = self._terms.ttl_ms if ttl is None else options.lease("ttl", ttl)
        client = self._client
        loop = client._use()
        if self._unsettled is not None:
            await self._settle()
        if self._handle is None:
            self._open()
        tag = client._tag()
        status = raw.lock_start_extend(self._handle, ttl_ms, tag)
        if status != _OK:
            raise lock_failure(self._handle, status)
        future: _Future = loop.create_future()
        client._waits[tag] = future, self
        try:
            _, error, _ = await future
        except BaseException:
            # The lock is held still, and busy until the answer comes.
            if client._waits.pop(tag, None) is not None:
                self._unsettled = loop.create_future()
                client._waits[tag] = self._unsettled, self
            raise
        if error is not None:
            raise error

    async def _answer(self, loop: asyncio.AbstractEventLoop, tag: int) -> tuple[int, Exception | None]:
        """The outcome of what was started, which is undone if nobody waits for it any more."""
        future: _Future = loop.create_future()
        self._client._waits[tag] = future, self
        try:
            status, error, _ = await future
        except BaseException:
            self._reset(tag)
            raise
        return status, error

    async def _settle(self) -> None:
        """Waits for the answer that a cancelled call was not there for."""
        unsettled = self._unsettled
        if unsettled is not None and unsettled.get_loop() is self._client._loop:
            await asyncio.wait((unsettled,))
        self._unsettled = None

    def _reset(self, tag: int) -> None:
        """A call was given up whose outcome nobody will know. Freeing the handle undoes it, whatever it was."""
        self._client._waits.pop(tag, None)
        self._unwatch()
        self._close()

    def _unwatch(self) -> None:
        if self._watch:
            self._client._watched.pop(self._watch, None)
            self._watch = 0

    async def __aenter__(self: _SelfLock) -> _SelfLock:
        """Takes the lock, or raises `AcquireFailedError`."""
        if not await self._take(self._terms.wait_ms, self._terms.interval_ms):
            raise AcquireFailedError(f"{self._name!r} was held by somebody else for all of the wait")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        """Releases the lock, if the block didn't. An exception of the block stays what it is, and gets a note if the
        lock could not be released."""
        _, failed = await self._give_back()
        if failed is not None:
            leave(failed, self._name, error)


class SpinLock(Lock):
    """A lock whose waiters try again at an interval, and have no place in the queue: `Client.spin_lock` makes them."""

    __slots__ = ()

    async def acquire(self, blocking: bool = True, blocking_timeout: float | None = None,
                      sleep_time: float | None = None) -> bool:
        """Takes the lock; whether it did.

        As `Lock.acquire`. `sleep_time` is the pause between two tries in this call, in seconds.
        """
        wait = self._terms.wait_ms
        if blocking is not True or blocking_timeout is not None:
            wait = self._wait_for(blocking, blocking_timeout)
        interval = self._terms.interval_ms if sleep_time is None else options.timeout("sleep_time", sleep_time)
        return await self._take(wait, interval)

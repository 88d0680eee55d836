# SPDX-License-Identifier: MIT
"""Clients: what both forms have in common, and the one that blocks."""

from __future__ import annotations

import atexit
import signal
import threading
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, TypeVar

from . import _options as options
from . import _redislock as raw
from ._errors import client_failure, failure
from ._lock import BaseLock, Lock, SpinLock

_Self = TypeVar("_Self", bound="Client")

# The thread that signals are handled in, and whose waits they interrupt.
raw.set_main_thread(threading.main_thread().ident or 0, signal.set_wakeup_fd)

_clients: weakref.WeakSet[BaseClient] = weakref.WeakSet()


class Status(NamedTuple):
    """Who holds a name, as seen at one moment."""

    name: str
    locked: bool
    token: str | None
    """The holder's token; `None` when it isn't locked."""
    owner: str | None
    """The holder's label; `None` if it has none."""
    remaining: float
    """For how many seconds it stays locked without a renewal: `math.inf` without an end, 0 when it isn't locked."""
    waiters: int
    """How many wait in the queue. Spinning and foreign waiters aren't known."""
    fence: int
    """The last fencing token of the name; 0 for none."""


class BaseClient:
    """What clients of both forms are made with."""

    __slots__ = ("__weakref__", "_handle", "_locks")

    def __init__(self, url: str | None = None, *, connect_timeout: float = 5, command_timeout: float = 5,
                 name: str | None = None, user: str | None = None, password: str | None = None,
                 tls_verify: bool = True, min_replicas: int = 0, replicas_timeout: float = 1) -> None:
        self._handle: raw.redislock_client | None = None
        self._locks: set[weakref.ref[BaseLock]] = set()
        connect_ms = options.timeout("connect_timeout", connect_timeout)
        command_ms = options.timeout("command_timeout", command_timeout)
        replicas = options.replicas("min_replicas", min_replicas)
        replicas_ms = options.timeout("replicas_timeout", replicas_timeout)
        connection_name = None if name is None else options.word("name", name, 255).decode()
        address = options.url(url)
        status, handle = self._new(address)
        if handle is None:
            raise failure(status, raw.url_error(address)[1])
        for status in (raw.client_set_connect_timeout_ms(handle, connect_ms),
                       raw.client_set_command_timeout_ms(handle, command_ms),
                       raw.client_set_min_replicas(handle, replicas, replicas_ms),
                       raw.client_set_name(handle, connection_name)):
            if status != raw.OK:
                raise client_failure(handle, status)
        if not options.flag("tls_verify", tls_verify) and raw.client_set_tls_unverified(handle, 1) != raw.OK:
            raise ValueError("tls_verify: for the client of a rediss:// URL only")
        self._handle = handle
        if user is not None or password is not None:
            self.set_credentials(user, password)
        _clients.add(self)

    @staticmethod
    def _new(url: str) -> tuple[int, raw.redislock_client | None]:
        raise NotImplementedError

    def set_credentials(self, user: str | None = None, password: str | None = None) -> None:
        """The credentials of the next connect, in place of the URL's; `None` for none. Open connections stay."""
        for option, value in (("user", user), ("password", password)):
            if value is not None and len(options.string(option, value).encode()) > 4096:
                raise ValueError(f"{option}: up to 4096 bytes expected")
        if user and password is None:
            raise ValueError("user: there is none without a password")
        status = raw.client_set_credentials(self._handle, user, password)
        if status != raw.OK:
            raise client_failure(self._handle, status)

    def _take_handles(self) -> list[raw.redislock_lock | None]:
        """Those of the client's locks, which have none any more. Without the last reference they are freed."""
        return [lock._close() for lock in [reference() for reference in list(self._locks)] if lock is not None]

    def _end(self) -> None:
        """Whatever is held is released, and the connections end."""
        handle = self._handle
        self._handle = None
        if handle is not None:
            handles = self._take_handles()
            raw.client_interrupt(handle)
            handles.clear()

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__}{', closed' if self._handle is None else ''}>"


class Client(BaseClient):
    """A Redis or Valkey server, for calls that wait for their answers. Any number of threads may share one.

    It connects at its first use. `url` is ``redis://[user[:password]@]host[:port][/db]``, ``unix:///path[?db=N]``, with
    Sentinel ``redis+sentinel://host[:port][,host[:port]...]/service[/db]``, or that of a cluster,
    ``redis+cluster://host[:port],host[:port]...``; without one that of the environment's ``REDISLOCK_URL``, else
    ``redis://127.0.0.1:6379/0``. With ``rediss`` in the place of ``redis`` each is TLS; whom to trust, and who one is, can
    follow: ``?ca=FILE&cert=FILE&key=FILE``, also ``ca_folder`` and ``server_name``. With ``tls_verify=False`` the server
    isn't verified, and anybody on the way can read and change everything.

    An acquisition counts only when `min_replicas` of the server have it, and fails when `replicas_timeout` seconds are
    not enough for that: so it outlives the server, if one of them takes its place.

    The timeouts are seconds: for connecting, and for any answer; waiting for a lock isn't bounded by them. `name` is
    that of the connections, as in ``CLIENT LIST``. `user` and `password` replace those of the URL.
    """

    __slots__ = ()

    @staticmethod
    def _new(url: str) -> tuple[int, raw.redislock_client | None]:
        return raw.client_new(url)

    def lock(self, name: str | bytes, *, blocking_timeout: float = 60, ttl: float | None = None,
             renew: bool | None = None, owner: str | None = None, token: str | None = None) -> Lock:
        """A lock of that name, 1 to 32768 bytes of any kind. Nothing is sent.

        `blocking_timeout`: how many seconds to wait for it; 0 tries once, `math.inf` waits for ever.
        `ttl`: how many seconds it outlives its holder's last sign of life, 30 by default; with `math.inf` no crash will
        ever free it.
        `renew`: whether the lease is kept alive until the release; unless told so, only if there is no `ttl`.
        `owner`: a label that tells people who holds it.
        `token`: 1 to 128 printable characters instead of random ones. Whoever sets one gives up the guarantee that a
        stale release never ends a later hold.
        """
        return Lock(self, raw.KIND_PUBSUB, name, options.Terms(blocking_timeout, ttl, renew, owner, token))

    def spin_lock(self, name: str | bytes, *, blocking_timeout: float = 60, ttl: float | None = None,
                  renew: bool | None = None, owner: str | None = None, token: str | None = None, interval: float = 0.1,
                  growth: float | None = None, max_interval: float | None = None) -> SpinLock:
        """A lock whose waiters try again every `interval` seconds. The other options are those of `lock`.

        With `growth`, from 1 to 10, each pause is so many times the last one, up to `max_interval`.
        """
        terms = options.Terms(blocking_timeout, ttl, renew, owner, token).spin(interval, growth, max_interval)
        return SpinLock(self, raw.KIND_SPIN, name, terms)

    def connect(self) -> None:
        """Connects now, so that a wrong address or password is known early. Does nothing when connected."""
        self._check(raw.client_connect(self._handle))

    def ping(self) -> None:
        """Asks the server for a sign of life."""
        self._check(raw.client_ping(self._handle))

    def status(self, name: str | bytes) -> Status:
        """Who holds a name, for how long still, and how many wait for it."""
        data = options.name_bytes(name)
        status, info = raw.info_get(self._handle, data)
        self._check(status)
        return status_of(data, info)

    def list(self, pattern: str | None = None) -> Iterator[str]:
        """The names that redislock has locked now. `pattern` is one of the shell, as in ``"job-*"``.

        A name that is locked throughout the walk is found, at least once. Locks of others aren't found.
        """
        if pattern is not None and len(options.string("pattern", pattern).encode()) > 4096:
            raise ValueError("pattern: up to 4096 bytes expected")
        status, walk = raw.list_new(self._handle, pattern)
        self._check(status)
        return self._walk(walk)

    def _walk(self, walk: raw.redislock_list | None) -> Iterator[str]:
        while True:
            status, name = raw.list_next(walk)
            if status == raw.END:
                return
            self._check(status)
            yield options.name_text(name)

    def break_lock(self, name: str | bytes, token: str | None = None) -> bool:
        """Releases a lock whoever holds it, or only if `token` does; whether there was something to release.

        An operator's tool: the holder learns it at its next renewal. Until then two may believe to hold the lock, and
        only their fencing tokens tell them apart.
        """
        expected = None if token is None else options.word("token", token, 128)
        status = raw.client_break(self._handle, options.name_bytes(name), expected)
        if status == raw.NOT_LOCKED:
            return False
        self._check(status)
        return True

    def lost_fd(self) -> int:
        """A descriptor that is readable when a lease under renewal could not be kept.

        Reading 8 bytes from it re-arms it. It is the client's, which closes it.
        """
        fd = raw.client_lost_fd(self._handle)
        if fd < 0:
            raise client_failure(self._handle, fd)
        return fd

    def close(self) -> None:
        """Releases its locks, ends the waits of other threads with `ClientClosedError`, and closes its connections."""
        self._end()

    def _check(self, status: int) -> None:
        if status != raw.OK:
            raise client_failure(self._handle, status)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()


def status_of(name: bytes, info: raw.redislock_info | None) -> Status:
    """What a snapshot says."""
    return Status(
        name=options.name_text(name),
        locked=raw.info_locked(info) == 1,
        token=raw.info_token(info).decode("utf-8", "backslashreplace") or None,
        owner=raw.info_owner(info).decode("utf-8", "backslashreplace") or None,
        remaining=options.seconds(raw.info_remaining_ms(info)),
        waiters=raw.info_waiters(info),
        fence=raw.info_fence(info))


@atexit.register
def _close_all() -> None:
    """The interpreter ends: what it holds is released, also where no collector comes by."""
    for client in list(_clients):
        client._end()

# SPDX-License-Identifier: MIT
"""What can go wrong, and the library's statuses that stand for it."""

from __future__ import annotations

from . import _redislock as raw


class RedisLockError(Exception):
    """The base of everything that this package raises, misuse aside, which is a `TypeError` or a `ValueError`.

    `code` is the library's own name for it, as in ``"READ_ONLY"``.
    """

    code: str = "UNKNOWN"


class AcquireFailedError(RedisLockError):
    """Somebody else held the lock until the wait ended. Raised by ``with``; `acquire` returns ``False`` instead."""

    code = "NOT_ACQUIRED"


class LockNotOwnedError(RedisLockError):
    """This object doesn't hold the lock."""

    code = "NOT_OWNED"


class LockLostError(LockNotOwnedError):
    """This object held the lock, and the hold ended before it was released: somebody else may have it by now."""

    code = "LOST"


class LockInUseError(RedisLockError):
    """The object is held already, or somebody else is busy with it; or its token is in use by another lock."""

    code = "IN_USE"


class ClientClosedError(RedisLockError):
    """The client was closed, before the call or during it."""

    code = "CLOSED"


class ForkedError(RedisLockError):
    """The object was made before a fork, in the parent process; it is the parent's to use."""

    code = "FORKED"


class UnsupportedError(RedisLockError):
    """This build of the library, or this server, can't do that."""

    code = "UNSUPPORTED"


class ConnectionFailedError(RedisLockError, ConnectionError):
    """No connection could be made, or it broke and could not be restored in time."""


class ConnectionTimeoutError(ConnectionFailedError, TimeoutError):
    """The server didn't answer in time."""

    code = "TIMEOUT"


class UntrustedServerError(ConnectionFailedError):
    """TLS: the server can't be trusted, as its certificate stands."""

    code = "UNTRUSTED"


class AuthenticationError(RedisLockError, PermissionError):
    """The server wants other credentials."""

    code = "AUTHENTICATION"


class AccessDeniedError(RedisLockError, PermissionError):
    """The server's access rules forbid it."""

    code = "PERMISSION"


class ServerError(RedisLockError):
    """The server answered with an error, whose text this is."""

    code = "SERVER"


_KINDS: dict[int, type[Exception]] = {
    raw.NOT_ACQUIRED: AcquireFailedError,
    raw.INVALID_ARGUMENT: ValueError,
    raw.NO_MEMORY: MemoryError,
    raw.NOT_OWNED: LockNotOwnedError,
    raw.LOST: LockLostError,
    raw.TIMEOUT: ConnectionTimeoutError,
    raw.CONNECTION_REFUSED: ConnectionFailedError,
    raw.CONNECTION_LOST: ConnectionFailedError,
    raw.PROTOCOL: ConnectionFailedError,
    raw.SERVER: ServerError,
    raw.AUTHENTICATION: AuthenticationError,
    raw.PERMISSION: AccessDeniedError,
    raw.READ_ONLY: ServerError,
    raw.NOT_ENOUGH_REPLICAS: ServerError,
    raw.FORKED: ForkedError,
    raw.UNSUPPORTED: UnsupportedError,
    raw.IN_USE: LockInUseError,
    raw.WRONG_TYPE: ServerError,
    raw.UNTRUSTED: UntrustedServerError,
}

# These never came from the server, so a handle's text would be about something earlier.
_WITHOUT_TEXT = frozenset((raw.INVALID_ARGUMENT, raw.NO_MEMORY, raw.FORKED, raw.IN_USE, raw.WRONG_MODE))


def failure(status: int, text: bytes = b"") -> Exception:
    """The exception for a status, with that text or else the library's own sentence."""
    error = _KINDS.get(status, RedisLockError)(text.decode("utf-8", "backslashreplace") or raw.strerror(status))
    if isinstance(error, RedisLockError):
        error.code = raw.error_name(status)
    return error


def client_failure(handle: raw.redislock_client | None, status: int) -> Exception:
    """What a call of a client has failed with."""
    if handle is None:
        return ClientClosedError("the client is closed")
    return failure(status, b"" if status in _WITHOUT_TEXT else raw.client_error(handle)[1])


def lock_failure(handle: raw.redislock_lock | None, status: int) -> Exception:
    """What a call of a lock has failed with."""
    if handle is None:
        return ClientClosedError("the client of the lock is closed")
    return failure(status, b"" if status in _WITHOUT_TEXT or status > 0 else raw.lock_error(handle)[1])


def quorum_failure(handle: raw.redislock_quorum_lock | None, status: int) -> Exception:
    """What a call of a quorum's lock has failed with."""
    if handle is None:
        return ClientClosedError("the quorum of the lock is closed")
    return failure(status, b"" if status in _WITHOUT_TEXT or status > 0 else raw.quorum_lock_error(handle)[1])

# SPDX-License-Identifier: MIT
"""What goes wrong at the server or on the way to it is raised as redis-py raises it."""

from __future__ import annotations

from types import TracebackType

from .._errors import (AccessDeniedError, AuthenticationError, ConnectionFailedError, ConnectionTimeoutError,
                       RedisLockError, ServerError)


class redis_failures:
    """A block in which redislock's own failures become redis-py's. `RedisLockError`s that aren't the server's stay."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 traceback: TracebackType | None) -> None:
        if isinstance(error, RedisLockError):
            raised = _translated(error)
            if raised is not None:
                raise raised from error


def _translated(error: RedisLockError) -> Exception | None:
    import redis.exceptions as theirs

    kind: type[Exception]
    if isinstance(error, ConnectionTimeoutError):
        kind = theirs.TimeoutError
    elif isinstance(error, AuthenticationError):
        kind = theirs.AuthenticationError
    elif isinstance(error, AccessDeniedError):
        kind = theirs.NoPermissionError
    elif isinstance(error, ConnectionFailedError):
        kind = theirs.InvalidResponse if error.code == "PROTOCOL" else theirs.ConnectionError
    elif isinstance(error, ServerError):
        kind = theirs.ReadOnlyError if error.code == "READ_ONLY" else theirs.ResponseError
    else:
        return None
    return kind(str(error))

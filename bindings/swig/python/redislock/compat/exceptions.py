# SPDX-License-Identifier: MIT
"""The reference's exceptions. What the server or the way to it is to blame for are redis-py's, as there."""

from .._errors import AcquireFailedError, LockNotOwnedError, RedisLockError

__all__ = ["AcquireFailedError", "ExtendFailedError", "InvalidArgsError", "LockNotOwnedError", "RedisLockError"]


class InvalidArgsError(RedisLockError):
    """A lock can't be made of these arguments, or not with this client."""

    code = "INVALID_ARGUMENT"


class ExtendFailedError(RedisLockError):
    """The lock isn't held by this object, or has no end that could be put off."""

    code = "NOT_OWNED"

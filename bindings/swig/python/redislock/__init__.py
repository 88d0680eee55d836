# SPDX-License-Identifier: MIT
"""A distributed lock that lives in Redis or Valkey.

    import redislock
    client = redislock.Client("redis://127.0.0.1:6379")
    with client.lock("report", blocking_timeout=10) as lock:
        print(lock.fence)

Waiters queue and are woken in order, one at a time; a crash frees the lock by itself; every hold has a fencing token.
All times are seconds, fractions included. `redislock.asyncio` is the same for event loops.
"""

from . import _redislock as _raw
from ._client import Client, Status
from ._errors import (
    AccessDeniedError,
    AcquireFailedError,
    AuthenticationError,
    ClientClosedError,
    ConnectionFailedError,
    ConnectionTimeoutError,
    ForkedError,
    LockInUseError,
    LockLostError,
    LockNotOwnedError,
    RedisLockError,
    ServerError,
    UnsupportedError,
    UntrustedServerError,
)
from ._lock import Lock, SpinLock
from ._quorum import Quorum, QuorumLock

__all__ = [
    "AccessDeniedError", "AcquireFailedError", "AuthenticationError", "Client", "ClientClosedError",
    "ConnectionFailedError", "ConnectionTimeoutError", "ForkedError", "Lock", "LockInUseError", "LockLostError",
    "LockNotOwnedError", "Quorum", "QuorumLock", "RedisLockError", "ServerError", "SpinLock", "Status",
    "UnsupportedError", "UntrustedServerError", "has", "version", "version_number",
]

# By the names that users know.
for _name in __all__:
    if isinstance(globals().get(_name), type):
        globals()[_name].__module__ = __name__

version: str = _raw.version_string()
"""That of the library which is loaded, as in ``"1.0.0"``."""

version_number: int = _raw.version_number()
"""The same as one number: major * 1000000 + minor * 1000 + patch."""

__version__: str = version


def has(feature: str) -> bool:
    """Whether this build of the library has a feature: ``"tls"``, ``"sentinel"``, ``"cluster"``; others it hasn't."""
    if not isinstance(feature, str):
        raise TypeError(f"feature: a str expected, got {type(feature).__name__}")
    return "\0" not in feature and _raw.has(feature) == 1

# SPDX-License-Identifier: MIT
"""Options and arguments: what is wrong is refused by its name, before anything is sent."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

from . import _redislock as raw

FOREVER = raw.FOREVER
LONGEST_MS = 2**53 - 1
LONGEST_TIMEOUT_MS = 2**31 - 1
DEFAULT_WAIT_MS = 60000
DEFAULT_TTL_MS = 30000
DEFAULT_INTERVAL_MS = 100
MOST_REPLICAS = 1000
DEFAULT_URL = "redis://127.0.0.1:6379/0"


def milliseconds(option: str, value: object, least_ms: int, most_ms: int, endless: bool = False) -> int:
    """Seconds as the library wants them. What is above 0 is at least a millisecond; infinity is for ever."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{option}: seconds expected, as an int or a float, got {type(value).__name__}")
    if endless and value == math.inf:
        return FOREVER
    # Not a number fails both.
    if 0 <= value <= most_ms / 1000:
        duration = int(value * 1000 + 0.5) or (1 if value > 0 else 0)
        if least_ms <= duration <= most_ms:
            return duration
    expected = f"seconds from {'0.001' if least_ms else '0'} to {most_ms // 1000}{' or math.inf' if endless else ''}"
    raise ValueError(f"{option}: {expected} expected, got {value!r}")


def wait(option: str, value: object) -> int:
    """How long a lock may be waited for."""
    return milliseconds(option, value, 0, LONGEST_MS, True)


def lease(option: str, value: object) -> int:
    """A TTL."""
    return milliseconds(option, value, 1, LONGEST_MS, True)


def timeout(option: str, value: object) -> int:
    """How long the server may take, or a pause between tries."""
    return milliseconds(option, value, 1, LONGEST_TIMEOUT_MS)


def replicas(option: str, value: object) -> int:
    """How many replicas must have an acquisition."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{option}: an int expected, got {type(value).__name__}")
    if not 0 <= value <= MOST_REPLICAS:
        raise ValueError(f"{option}: from 0 to {MOST_REPLICAS} expected, got {value!r}")
    return value


def percent(option: str, value: object) -> int:
    """How a spin lock's pauses grow."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{option}: a number expected, got {type(value).__name__}")
    if not 1 <= value <= 10:
        raise ValueError(f"{option}: a number from 1 to 10 expected, got {value!r}")
    return int(value * 100 + 0.5)


def flag(option: str, value: object) -> bool:
    """A boolean, and nothing that is merely true or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{option}: a bool expected, got {type(value).__name__}")
    return value


def string(option: str, value: object) -> str:
    """A text that C can have: UTF-8, without zeros."""
    if not isinstance(value, str):
        raise TypeError(f"{option}: a str expected, got {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"{option}: it has a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{option}: it can't be encoded as UTF-8") from None
    return value


def label(option: str, value: object) -> bytes:
    """What tells people who holds a lock."""
    data = string(option, value).encode()
    if len(data) > 255 or any(byte < 32 or byte == 127 for byte in data):
        raise ValueError(f"{option}: up to 255 bytes without control characters expected")
    return data


def word(option: str, value: object, longest: int) -> bytes:
    """A token, or the name of a connection."""
    if not isinstance(value, str):
        raise TypeError(f"{option}: a str expected, got {type(value).__name__}")
    data = value.encode("utf-8", "surrogateescape")
    if not 1 <= len(data) <= longest or any(not 33 <= byte <= 126 for byte in data):
        raise ValueError(f"{option}: 1 to {longest} printable ASCII characters without spaces expected")
    return data


def name_bytes(value: object) -> bytes:
    """The name of a lock; a str that stands for other bytes than UTF-8 has them as surrogates, as file names do."""
    if isinstance(value, str):
        try:
            data = value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise ValueError("name: it can't be encoded as UTF-8") from None
    elif isinstance(value, (bytes, bytearray)):
        data = bytes(value)
    else:
        raise TypeError(f"name: a str or bytes expected, got {type(value).__name__}")
    if not 1 <= len(data) <= 32768:
        raise ValueError(f"name: 1 to 32768 bytes expected, got {len(data)}")
    if data.startswith((b"rlock-queue:", b"rlock-state:")):
        raise ValueError("name: it begins like redislock's own keys")
    return data


def name_text(data: bytes) -> str:
    """The other way round."""
    return data.decode("utf-8", "surrogateescape")


def seconds(duration_ms: int) -> float:
    """A duration for people."""
    return math.inf if duration_ms == FOREVER else duration_ms / 1000


def url(value: object) -> str:
    """The URL that was given, or the environment's, or the usual one."""
    if value is None:
        return os.environ.get("REDISLOCK_URL") or DEFAULT_URL
    return string("url", value)


class Terms:
    """What a lock is made with: how long it waits, its TTL, and what its handle has to be told beside that."""

    __slots__ = ("interval_ms", "setup", "ttl_ms", "wait_ms")

    def __init__(self, blocking_timeout: float, ttl: float | None, renew: bool | None, owner: str | None,
                 token: str | None) -> None:
        self.wait_ms = wait("blocking_timeout", blocking_timeout)
        self.ttl_ms = DEFAULT_TTL_MS if ttl is None else lease("ttl", ttl)
        self.interval_ms = DEFAULT_INTERVAL_MS
        self.setup: list[tuple[Callable[..., int], tuple[object, ...]]] = []
        renewed = ttl is None if renew is None else flag("renew", renew)
        if self.ttl_ms != DEFAULT_TTL_MS or not renewed:
            self.setup.append((raw.lock_set_ttl_ms, (self.ttl_ms,)))
            self.setup.append((raw.lock_set_renewal, (int(renewed),)))
        if owner is not None:
            self.setup.append((raw.lock_set_owner, (label("owner", owner),)))
        if token is not None:
            self.setup.append((raw.lock_set_token, (word("token", token, 128),)))

    def spin(self, interval: float, growth: float | None, max_interval: float | None) -> Terms:
        """The same with those of a spin lock."""
        self.interval_ms = timeout("interval", interval)
        if growth is not None and max_interval is not None:
            self.setup.append((raw.lock_set_spin_growth,
                               (percent("growth", growth), timeout("max_interval", max_interval))))
        elif growth is not None or max_interval is not None:
            raise ValueError("growth and max_interval: both or none expected")
        return self

# SPDX-License-Identifier: MIT
"""The types of clients. redis-py itself isn't imported: whoever has a client has it already."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from redis import Redis
    from redis.asyncio import Redis as AsyncRedis

__all__ = ["RedisClient"]

RedisClient = TypeVar("RedisClient", "Redis", "AsyncRedis")

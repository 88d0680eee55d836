# SPDX-License-Identifier: MIT
"""What asyncio's classes have in common; programs derive locks of their own from it."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ..base import BaseLock
from ..exceptions import AcquireFailedError

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["BaseAsyncLock"]

_Self = TypeVar("_Self", bound="BaseAsyncLock")


class BaseAsyncLock(BaseLock["Redis"]):
    """The form for event loops."""

    async def __aenter__(self: _Self) -> _Self:
        if await self.acquire():
            return self
        raise AcquireFailedError(f"{self.name!r} was held by somebody else for all of the blocking_timeout")

    async def __aexit__(self, exc_type: type[BaseException] | None, exc_value: BaseException | None,
                        traceback: TracebackType | None) -> None:
        try:
            await self.release()
        except Exception as failed:
            if exc_value is None:
                raise
            exc_value.add_note(f"redislock: {self.name!r} could not be released, too: {failed}")

    @abstractmethod
    async def acquire(self, *args: Any, **kwargs: Any) -> bool:
        """Takes the lock; whether it did."""
        raise NotImplementedError

    @abstractmethod
    async def release(self) -> bool:
        """Releases the lock. True, or an exception."""
        raise NotImplementedError

    async def extend(self, additional_time: int) -> bool:
        """Puts the lock's end off. True, or an exception."""
        raise NotImplementedError

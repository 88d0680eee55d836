# SPDX-License-Identifier: MIT
"""One redislock client for all redis clients with the same settings.

It lives as long as one of those, or one of its locks. A forked child begins anew.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from typing import Any, Generic, TypeVar

from .._client import BaseClient
from .._errors import UnsupportedError
from ._settings import Settings
from .exceptions import InvalidArgsError

_Client = TypeVar("_Client", bound=BaseClient)

_Loop = asyncio.AbstractEventLoop | None


class Shared(Generic[_Client]):
    """The clients of one form. Those of event loops are of one loop each."""

    def __init__(self, kind: type[_Client]) -> None:
        self._kind = kind
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._guard = threading.Lock()
        self._by_settings: weakref.WeakValueDictionary[tuple[_Loop, Settings], _Client] = weakref.WeakValueDictionary()
        self._by_pool: weakref.WeakKeyDictionary[Any, tuple[_Loop, Settings, _Client]] = weakref.WeakKeyDictionary()

    def find(self, pool: Any, settings: Settings, loop: _Loop = None) -> _Client | None:
        """The client for that pool of redis connections, if there is one."""
        with self._guard:
            known = self._by_pool.get(pool)
            if known is not None and known[0] is loop and known[1] == settings:
                return known[2]
            client = self._by_settings.get((loop, settings))
            if client is not None:
                self._by_pool[pool] = (loop, settings, client)
            return client

    def make(self, pool: Any, settings: Settings, credentials: Any, loop: _Loop = None) -> _Client:
        """A new client, unless another thread has just made one."""
        try:
            client = self._kind(**settings.options(credentials))
        except (TypeError, ValueError, UnsupportedError) as error:
            raise InvalidArgsError(f"client: redislock can't connect as it does: {error}") from error
        with self._guard:
            client = self._by_settings.setdefault((loop, settings), client)
            self._by_pool[pool] = (loop, settings, client)
            return client

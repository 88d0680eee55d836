# SPDX-License-Identifier: MIT
"""What a client of redis-py connects to, and how."""

from __future__ import annotations

import os.path
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from .. import has
from .exceptions import InvalidArgsError

SYNC = "redis.connection"
ASYNC = "redis.asyncio.connection"

_OTHER = {SYNC: "redislock.compat.asyncio", ASYNC: "redislock.compat"}
_LONGEST_TIMEOUT = 2147483

# Of TLS: what a redislock client takes no setting for, and what would be less without it.
_NOT_CARRIED_OVER = ("ssl_ca_data", "ssl_password", "ssl_validate_ocsp", "ssl_validate_ocsp_stapled",
                     "ssl_ocsp_context", "ssl_ocsp_expected_cert", "ssl_ciphers", "ssl_include_verify_flags")


@dataclass(frozen=True)
class Settings:
    """What tells one redislock client from another. Two redis clients with equal settings share one."""

    url: str
    user: str | None
    password: str | None = field(repr=False)
    provider: Any = field(compare=False)
    provider_id: int
    connect_timeout: float
    command_timeout: float
    name: str | None
    tls_verify: bool

    def options(self, credentials: Any = None) -> dict[str, Any]:
        """The arguments of a redislock client. credentials: what the provider, if there is one, gave."""
        user, password = self.user, self.password
        if credentials is not None:
            *users, password = [_text(part) for part in credentials]
            user = users[0] if users else None
        if user is not None:
            password = password or ""
        return {"url": self.url, "user": user, "password": password, "name": self.name, "tls_verify": self.tls_verify,
                "connect_timeout": self.connect_timeout, "command_timeout": self.command_timeout}


def settings_of(client: Any, connections: str) -> Settings:
    """Reads a client. connections: the module of redis-py that its connections have to be from."""
    kind = getattr(getattr(client, "connection_pool", None), "connection_class", None)
    module, name = getattr(kind, "__module__", None), getattr(kind, "__qualname__", None)
    if module in _OTHER and module != connections:
        raise InvalidArgsError(f"client: this class takes no {_title(client)}; {_OTHER[connections]} has one that does")
    if module != connections or name not in _PLACES:
        wanted = "redis.Redis" if connections == SYNC else "redis.asyncio.Redis"
        whose = f" with connections of {module}.{name}" if isinstance(kind, type) else ""
        raise InvalidArgsError(f"client: a {wanted} that connects to one server by itself is expected, "
                               f"got {_title(client)}{whose}")
    found = client.connection_pool.connection_kwargs
    command_timeout = found.get("socket_timeout")
    provider = found.get("credential_provider")
    return Settings(
        url=_PLACES[name](found),
        user=None if provider is not None else _text(found.get("username")) or None,
        password=None if provider is not None else _text(found.get("password")) or None,
        provider=provider,
        provider_id=id(provider),
        connect_timeout=_timeout(found.get("socket_connect_timeout") or command_timeout),
        command_timeout=_timeout(command_timeout),
        name=_text(found.get("client_name")) or None,
        tls_verify=name != "SSLConnection" or _verifies(found))


def encoding_of(client: Any) -> str:
    """How the client makes bytes of names."""
    found = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
    encoding = found.get("encoding") if isinstance(found, dict) else None
    return encoding if isinstance(encoding, str) else "utf-8"


def _tcp(found: dict[str, Any]) -> str:
    host = quote(str(found.get("host") or "localhost"), safe=":")
    return f"redis://{f'[{host}]' if ':' in host else host}:{found.get('port') or 6379}/{found.get('db') or 0}"


def _unix(found: dict[str, Any]) -> str:
    return f"unix://{quote(os.path.abspath(str(found.get('path', ''))))}?db={found.get('db') or 0}"


def _tls(found: dict[str, Any]) -> str:
    if not has("tls"):
        raise InvalidArgsError("client: it connects by TLS, which this build of redislock can't; it makes no plain "
                               "connection instead")
    for setting in _NOT_CARRIED_OVER:
        if found.get(setting):
            raise InvalidArgsError(f"client: its {setting} can't be carried over to redislock")
    if found.get("ssl_min_version") not in (None, ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1,
                                            ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2):
        raise InvalidArgsError("client: its ssl_min_version can't be carried over to redislock, whose is TLS 1.2")
    certificate = found.get("ssl_certfile")
    files = {"ca": found.get("ssl_ca_certs"), "ca_folder": found.get("ssl_ca_path"), "cert": certificate,
             "key": (found.get("ssl_keyfile") or certificate) if certificate else None}
    # A path without a slash in front would be another one after a change of the folder.
    query = "&".join(f"{word}={quote(os.path.abspath(str(path)), safe='')}" for word, path in files.items() if path)
    return f"rediss{_tcp(found).removeprefix('redis')}{'?' if query else ''}{query}"


def _verifies(found: dict[str, Any]) -> bool:
    """Whether the client wants to know who the server is. If so redislock wants its name to be right as well."""
    return found.get("ssl_cert_reqs", "required") not in (None, "none", ssl.CERT_NONE)


_PLACES = {"Connection": _tcp, "UnixDomainSocketConnection": _unix, "SSLConnection": _tls}


def _timeout(value: Any) -> float:
    """A timeout of sockets; where redis-py has none, that of redislock."""
    return min(max(float(value), 0.001), _LONGEST_TIMEOUT) if value else 5


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else None if value is None else str(value)


def _title(client: Any) -> str:
    return f"{type(client).__module__}.{type(client).__qualname__}"

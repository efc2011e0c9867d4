"""HTTP to addresses that somebody else named: never into the hub's own network, unless that is allowed."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from omnihub.connectors.calls import Answer, Call, ask
from omnihub.model.errors import Refused, TryLater

LOOKUP_SECONDS = 10.0
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_INSIDE = "the address {} is inside a private network; the account's settings do not allow that"


def is_public(address: str) -> bool:
    """False for what is no address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        hidden = _hidden(ip)
        if hidden is not None:
            return is_public(str(hidden))
    return ip.is_global and not ip.is_multicast


def _hidden(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that this one leads to."""
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)


class PublicNames(AbstractResolver):
    """A name that leads inside leads nowhere. The connection is made to the very addresses that were looked
    at, so that a name which changes in between gains nothing."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found or not all(is_public(one["host"]) for one in found):
            raise OSError(None, _INSIDE.format(host))
        return found

    async def close(self) -> None:
        await self._inner.close()


class Outside:
    """`shared` is used where private addresses are allowed; otherwise a session of our own with a guard."""

    def __init__(
        self, shared: aiohttp.ClientSession, *, allow_private: bool, names: AbstractResolver | None = None
    ) -> None:
        self._shared = shared
        self._allow_private = allow_private
        self._names = names
        self._own: aiohttp.ClientSession | None = None

    async def ask(self, call: Call) -> Answer:
        """As `calls.ask`; also raises Refused for an address inside."""
        if self._allow_private:
            return await ask(self._shared, call)
        session = self._guarded()
        await self._look(call.url)
        return await ask(session, call)

    async def close(self) -> None:
        if self._own is not None:
            await self._own.close()
            self._own = None

    def _guarded(self) -> aiohttp.ClientSession:
        if self._own is None:
            self._names = self._names or ThreadedResolver()
            connector = aiohttp.TCPConnector(resolver=PublicNames(self._names))
            self._own = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._own

    async def _look(self, url: str) -> None:
        """The resolver is not asked about plain addresses, and its refusal would read like a fault."""
        host = _host(url)
        if _is_address(host):
            found = [host]
        else:
            found = await self._addresses(host)
        if not all(is_public(one) for one in found):
            raise Refused(_INSIDE.format(host))

    async def _addresses(self, host: str) -> list[str]:
        assert self._names is not None
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await self._names.resolve(host, 0, socket.AF_UNSPEC)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise TryLater(f"the name {host} cannot be found") from error
        return [one["host"] for one in found]


def _host(url: str) -> str:
    """Raises Refused."""
    try:
        read = URL(url)
        host = read.host
    except ValueError:
        raise Refused("this is not a web address") from None
    if read.scheme != "https" or not host:
        raise Refused("the address must begin with https://")
    return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def words_of(answer: Answer) -> str:
    """What the other system says of a refusal: the usual fields of a JSON answer, or its first words."""
    said: Mapping[str, Any]
    try:
        said = answer.json()
    except ValueError:
        said = {}
    named = (said.get(name) for name in ("detail", "message", "error", "title"))
    words = next((one for one in named if isinstance(one, str) and one.strip()), answer.start)
    return f"HTTP {answer.status}: {words[:500]}".removesuffix(": ")

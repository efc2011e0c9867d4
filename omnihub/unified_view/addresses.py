import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from omnihub.settings import Settings

log = structlog.get_logger("omnihub.unified_view")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


@lru_cache(maxsize=8)
def _networks(trusted: tuple[str, ...]) -> tuple[_Network, ...]:
    networks: list[_Network] = []
    for entry in trusted:
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            log.error("trusted_proxy.unreadable", entry=entry)
    return tuple(networks)


def client_ip(request: web.Request, trusted: Sequence[str]) -> str:
    """The nearest address that is not one of our own proxies. Only a trusted proxy is believed what it
    forwards: anybody can write the header."""
    networks = _networks(tuple(trusted))
    address = request.remote or ""
    hops = [
        hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",") if hop.strip()
    ]
    while hops and _within(address, networks):
        address = hops.pop()
    return address[:64]


def _within(address: str, networks: Sequence[_Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def is_local(request: web.Request) -> bool:
    """From this machine itself, and not on behalf of somebody elsewhere."""
    try:
        loopback = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
    return loopback and not any(name in request.headers for name in _FORWARDED)


def foreign_origin(request: web.Request, settings: Settings) -> str:
    """The website that a browser made this call for, when it is not ours; programs name none."""
    origin = request.headers.get("Origin", "")
    if not origin:
        return ""
    ours = urlsplit(settings.public_url)
    asked = origin.lower()
    own = {
        f"{ours.scheme}://{ours.netloc}".lower(),
        f"http://{request.host}".lower(),
        f"https://{request.host}".lower(),
    }
    return "" if asked in own else origin[:200]

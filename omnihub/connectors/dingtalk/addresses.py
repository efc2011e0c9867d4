"""Which web addresses may be called: those that strangers can put into a message above all."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def is_loopback(host: str) -> bool:
    return host.strip("[]").lower() in _LOOPBACK


def split(address: str) -> SplitResult | None:
    """None for what is no plain http or https address of a named host."""
    try:
        url = urlsplit(address)
        port_is_fine = url.port is None or 0 < url.port < 65_536
    except ValueError:
        return None
    odd = any(c.isspace() or c == "\\" or ord(c) < 32 for c in address)
    if odd or not port_is_fine or url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
        return None
    return url


def place(url: SplitResult) -> str:
    """Host and port, the port left out where it is 443."""
    host = (url.hostname or "").lower()
    port = url.port or (80 if url.scheme == "http" else 443)
    return host if port == 443 else f"{host}:{port}"


def is_safe(address: str) -> bool:
    """Encrypted, or of this very machine."""
    url = split(address)
    return url is not None and (url.scheme == "https" or is_loopback(url.hostname or ""))


def is_allowed(address: str, places: Iterable[str]) -> bool:
    """`places` are hosts, with a port where it is not 443. Plain http passes only to this machine."""
    url = split(address)
    return url is not None and is_safe(address) and place(url) in places

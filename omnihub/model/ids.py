import hashlib
import os
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def _base32(value: int, length: int) -> str:
    chars = [""] * length
    for position in range(length - 1, -1, -1):
        chars[position] = _ALPHABET[value & 31]
        value >>= 5
    return "".join(chars)


def new_id() -> str:
    """A 26-character id that sorts by creation time (ULID layout: 48 bits of milliseconds, 80 random)."""
    return _base32(time.time_ns() // 1_000_000 << 80 | int.from_bytes(os.urandom(10)), 26)


def id_from(*parts: str) -> str:
    """The same 26-character id for the same parts, always: a repeat meets its own earlier trace."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return _base32(int.from_bytes(digest[:17]) >> 6, 26)

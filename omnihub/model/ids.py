import hashlib
import os
import threading
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_RANDOM_BITS = 80
_lock = threading.Lock()
_last = 0


def _base32(value: int, length: int) -> str:
    chars = [""] * length
    for position in range(length - 1, -1, -1):
        chars[position] = _ALPHABET[value & 31]
        value >>= 5
    return "".join(chars)


def new_id() -> str:
    """A 26-character id that sorts by creation time (ULID layout: 48 bits of milliseconds, 80 random).

    Of one process, each id is greater than the one before, also within a millisecond and when the clock is
    set back: what was made in one order is listed in that order.
    """
    global _last
    fresh = time.time_ns() // 1_000_000 << _RANDOM_BITS | int.from_bytes(os.urandom(10))
    # A random step, not the next number: an id must not tell its neighbour's.
    step = 1 + int.from_bytes(os.urandom(6))
    with _lock:
        same_moment = fresh >> _RANDOM_BITS <= _last >> _RANDOM_BITS
        _last = _last + step if same_moment else fresh
        return _base32(_last, 26)


def id_from(*parts: str) -> str:
    """The same 26-character id for the same parts, always: a repeat meets its own earlier trace."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return _base32(int.from_bytes(digest[:17]) >> 6, 26)

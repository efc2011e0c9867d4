import struct
import zlib
from functools import cache

_WIDTH, _HEIGHT = 180, 120
_TABLE, _FRAME, _GLASS, _CRACK = (201, 186, 165), (38, 43, 48), (61, 104, 138), (236, 243, 247)
_HIT = (104.0, 52.0)
_ENDS = ((26.0, 20.0), (64.0, 98.0), (150.0, 22.0), (158.0, 86.0), (112.0, 100.0))


@cache
def broken_screen() -> bytes:
    """A photo as customers of a repair service send it, as PNG."""
    rows = b"".join(
        b"\0" + bytes(c for x in range(_WIDTH) for c in _colour(float(x), float(y))) for y in range(_HEIGHT)
    )
    head = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 2, 0, 0, 0)
    parts = (_chunk(b"IHDR", head), _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _colour(x: float, y: float) -> tuple[int, int, int]:
    if not (16 <= x < 164 and 10 <= y < 110):
        return _shaded(_TABLE, 1 - y / 600)
    if not (22 <= x < 158 and 16 <= y < 104):
        return _FRAME
    if any(_distance(x, y, *_HIT, *end) < 0.9 for end in _ENDS):
        return _CRACK
    return _shaded(_GLASS, 1.25 - (x + y) / 400)


def _shaded(colour: tuple[int, int, int], light: float) -> tuple[int, int, int]:
    red, green, blue = (min(255, int(part * light)) for part in colour)
    return red, green, blue


def _distance(x: float, y: float, ax: float, ay: float, bx: float, by: float) -> float:
    """From a point to the line between two others."""
    dx, dy = bx - ax, by - ay
    along = max(0.0, min(1.0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)))
    return float(((ax + along * dx - x) ** 2 + (ay + along * dy - y) ** 2) ** 0.5)

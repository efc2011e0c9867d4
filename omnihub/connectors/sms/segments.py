"""How many SMS a text costs. GSM 03.38 basic set and extension table; concatenated messages lose seven septets
or three UTF-16 units of each segment to the header (3GPP TS 23.038 and 23.040; Twilio's pages on segments, read
2026-11)."""

from typing import Literal, NamedTuple

Encoding = Literal["gsm7", "ucs2"]

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
# Units of a message alone, and of each segment of a longer one.
_ROOM: dict[Encoding, tuple[int, int]] = {"gsm7": (160, 153), "ucs2": (70, 67)}


class Segments(NamedTuple):
    """`units`: septets (gsm7) or UTF-16 code units (ucs2)."""

    encoding: Encoding
    units: int
    segments: int


def count_segments(text: str) -> Segments:
    encoding: Encoding = "gsm7" if all(c in _BASIC or c in _EXTENSION for c in text) else "ucs2"
    widths = [_width(character, encoding) for character in text]
    units = sum(widths)
    alone, each = _ROOM[encoding]
    if units <= alone:
        return Segments(encoding, units, 1 if units else 0)
    return Segments(encoding, units, _packed(widths, each))


def _width(character: str, encoding: Encoding) -> int:
    if encoding == "gsm7":
        return 2 if character in _EXTENSION else 1
    return 2 if ord(character) > 0xFFFF else 1


def _packed(widths: list[int], room: int) -> int:
    """No character is cut in two: one that needs two units and finds one left begins the next segment."""
    segments, left = 1, room
    for width in widths:
        if width > left:
            segments, left = segments + 1, room
        left -= width
    return segments

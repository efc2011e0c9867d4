"""A voice note as Telegram's apps record it: Opus in an Ogg container (RFC 7845), here without sound."""

import struct
from collections.abc import Sequence

_SERIAL = 0x6F6D6E69
_FRAME_SAMPLES = 960  # 20 ms at 48 kHz
_SILENCE = b"\xf8\xff\xfe"  # one CELT frame of 20 ms, mono, nothing coded


def opus_note(seconds: float = 1.0) -> bytes:
    frames = [_SILENCE] * max(1, min(200, round(seconds * 50)))
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)
    vendor = b"omnihub"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    pages = [_page([head], 0, 0, 2), _page([tags], 0, 1, 0)]
    pages.append(_page(frames, len(frames) * _FRAME_SAMPLES, 2, 4))
    return b"".join(pages)


def _page(packets: Sequence[bytes], position: int, number: int, flags: int) -> bytes:
    """Packets shorter than 255 bytes, one lacing value each."""
    lacing = bytes(len(packet) for packet in packets)
    head = (
        struct.pack("<4sBBqIII", b"OggS", 0, flags, position, _SERIAL, number, 0) + bytes([len(lacing)]) + lacing
    )
    page = head + b"".join(packets)
    return page[:22] + struct.pack("<I", _checksum(page)) + page[26:]


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32: polynomial 04c11db7, neither reflected nor inverted."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1) ^ 0x04C11DB7 if value & 0x80000000 else value << 1
        value &= 0xFFFFFFFF
    return value

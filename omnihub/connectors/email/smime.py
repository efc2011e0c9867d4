"""Opaque-signed S/MIME (RFC 8551): the signed mail lies readable inside the PKCS #7 envelope."""

from dataclasses import dataclass

_DATA = bytes.fromhex("2a864886f70d010701")
_SIGNED = bytes.fromhex("2a864886f70d010702")
_ENVELOPED = bytes.fromhex("2a864886f70d010703")
_MAX_PIECES = 100_000


class _Malformed(ValueError):
    pass


@dataclass(slots=True)
class _Element:
    """One BER element; `end` is the index behind it."""

    tag: int
    start: int
    stop: int
    end: int


def is_enveloped(data: bytes) -> bool:
    return _ENVELOPED in data[:64]


def signed_content(data: bytes) -> bytes | None:
    """The mail inside a signed envelope, unverified; None when there is none to be read."""
    try:
        info = _element(data, 0)
        kind = _element(data, info.start)
        if data[kind.start : kind.stop] != _SIGNED:
            return None
        signed = _element(data, _element(data, kind.end).start)
        version = _element(data, signed.start)
        digests = _element(data, version.end)
        content = _element(data, digests.end)
        inner_kind = _element(data, content.start)
        if data[inner_kind.start : inner_kind.stop] != _DATA:
            return None
        return _octets(data, _element(data, _element(data, inner_kind.end).start))
    except (_Malformed, IndexError):
        return None


def _element(data: bytes, index: int) -> _Element:
    tag, length, start = data[index], data[index + 1], index + 2
    if tag & 0x1F == 0x1F:
        raise _Malformed
    if length == 0x80:
        return _indefinite(data, tag, start)
    if length > 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise _Malformed
    return _Element(tag, start, start + length, start + length)


def _indefinite(data: bytes, tag: int, start: int) -> _Element:
    """Streaming signers leave the length open and end with two zero bytes."""
    index, depth = start, 1
    for _ in range(_MAX_PIECES):
        if data[index : index + 2] == b"\x00\x00":
            depth -= 1
            index += 2
            if depth == 0:
                return _Element(tag, start, index - 2, index)
        elif data[index + 1] == 0x80:
            depth += 1
            index += 2
        else:
            index = _element(data, index).end
    raise _Malformed


def _octets(data: bytes, element: _Element) -> bytes:
    if element.tag == 0x04:
        return data[element.start : element.stop]
    if element.tag != 0x24:
        raise _Malformed
    out: list[bytes] = []
    index = element.start
    while index < element.stop and data[index : index + 2] != b"\x00\x00":
        piece = _element(data, index)
        if piece.tag != 0x04 or len(out) > _MAX_PIECES:
            raise _Malformed
        out.append(data[piece.start : piece.stop])
        index = piece.end
    return b"".join(out)

"""winmail.dat, the envelope Outlook puts around attachments and rich text."""

import logging
from dataclasses import dataclass

from tnefparse import TNEF
from tnefparse.properties import MAPI_ATTACH_LONG_FILENAME
from tnefparse.tnef import TNEFAttachment

from omnihub.connectors.email.charsets import decode

_MAX_COPIED = 2_000_000_000  # bytes
_MAGIC = b"\x78\x9f\x3e\x22"
logging.getLogger("tnefparse").setLevel(logging.ERROR)  # it reports every odd attribute of hostile files


@dataclass(slots=True, frozen=True)
class Unpacked:
    files: tuple[tuple[str, bytes], ...]
    text: str
    html: bytes


def unpack(data: bytes) -> Unpacked | None:
    """Contents of a TNEF stream; None when it cannot be read."""
    if not data.startswith(_MAGIC) or _is_too_much(data):
        return None
    try:
        stream = TNEF(data, do_checksum=False)
        codepage = str(stream.codepage or "")
        files = tuple((_name(one, codepage), bytes(one.data or b"")) for one in stream.attachments)
        found = Unpacked(files, _text(stream.body, codepage), _bytes(stream.htmlbody))
        return found if found.files or found.text.strip() or found.html else None
    except Exception:  # answered by keeping the .dat: the parser raises whatever damage leads it to
        return None


def _is_too_much(data: bytes) -> bool:
    """The parser copies the rest of the stream for every object, so many objects cost without end."""
    offset, objects = 6, 0
    while offset + 12 < len(data):
        offset += int.from_bytes(data[offset + 5 : offset + 9], "little") + 11
        objects += 1
        if objects * len(data) > _MAX_COPIED:
            return True
    return False


def _name(attachment: TNEFAttachment, codepage: str) -> str:
    long_name = next((a.data for a in attachment.mapi_attrs if a.name == MAPI_ATTACH_LONG_FILENAME), None)
    # `.name` decodes strictly as UTF-8 and would lose the whole envelope for one Chinese title.
    return _text(long_name or attachment._name, codepage)


def _text(value: object, codepage: str) -> str:
    if isinstance(value, bytes):
        return decode(value.rstrip(b"\x00"), codepage)[0]
    return str(value or "").rstrip("\x00")


def _bytes(value: object) -> bytes:
    if isinstance(value, list):
        value = value[0] if value else b""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else b""

"""multipart/form-data, read tolerantly from bytes already held: old browsers, programs and broken proxies
all write it a little differently. Nothing here copies more than the parts' own contents."""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from omnihub.model.errors import Unreadable

MAX_PARTS = 300
MAX_HEADER_BYTES = 16_384
MAX_NAME = 300

_PARAMETER = re.compile(rb';\s*([A-Za-z0-9_\-]+\*?)\s*=\s*(?:"((?:\\"|[^"])*)"?|([^;\s"]*))')
# What browsers escape in names and file names, and no more than that: a real %41 stays as typed.
_BROWSER_ESCAPES = ((b"%22", b'"'), (b"%0D", b"\r"), (b"%0A", b"\n"), (b"%0d", b"\r"), (b"%0a", b"\n"))


@dataclass(slots=True, frozen=True, kw_only=True)
class Part:
    """`name`, `filename` and `charset` are bytes still to be decoded; `filename` is None for plain fields.
    `filename_charset` is set where the sender named it (RFC 5987)."""

    name: bytes
    filename: bytes | None
    filename_charset: str
    charset: str
    content: bytes


def find_boundary(content_type: str, body: bytes) -> bytes:
    """From the header, or from the body's first line where a program forgot to say it."""
    match = re.search(r'boundary\s*=\s*(?:"([^"]+)"|([^;\s]+))', content_type, re.IGNORECASE)
    if match:
        return (match[1] or match[2]).encode("utf-8", "surrogateescape")[:200]
    first = body[:210].lstrip(b"\r\n").split(b"\n", 1)[0].rstrip(b"\r \t")
    if len(first) > 2 and first.startswith(b"--"):
        return first[2:202]
    raise Unreadable("the multipart body names no boundary")


def read_parts(content_type: str, body: bytes) -> tuple[list[Part], list[str]]:
    """The parts in order, and what was odd. Raises Unreadable."""
    delimiter = b"--" + find_boundary(content_type, body)
    marks = list(_delimiters(body, delimiter))
    if not marks:
        raise Unreadable("the multipart body does not contain its boundary")
    parts: list[Part] = []
    problems: list[str] = []
    closed = False
    for position, (_, end) in enumerate(marks):
        if body.startswith(b"--", end):
            closed = True
            break
        stop = marks[position + 1][0] if position + 1 < len(marks) else len(body)
        part = _part(body, end, stop)
        if part is None:
            problems.append("a part without a name was left out")
        else:
            parts.append(part)
    if not closed:
        problems.append("the body has no closing line: its last part may be cut off")
    return parts, problems


def _delimiters(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """(end of what comes before, end of the delimiter) of each delimiter line."""
    position, found = 0, 0
    while (position := body.find(delimiter, position)) >= 0:
        end = position + len(delimiter)
        starts_line = position == 0 or body[position - 1 : position] == b"\n"
        if starts_line and body[end : end + 1] in {b"\r", b"\n", b"-", b" ", b"\t", b""}:
            found += 1
            if found > MAX_PARTS:
                raise Unreadable(f"the form has more than {MAX_PARTS} parts")
            before = position - 1 if position else 0
            if before and body[before - 1 : before] == b"\r":
                before -= 1
            yield before, end
            if body.startswith(b"--", end):
                return
        position = end


def _part(body: bytes, start: int, stop: int) -> Part | None:
    line = body.find(b"\n", start, stop)
    if line < 0:
        return None
    headers, content = _split_headers(body, line + 1, stop)
    disposition = headers.get(b"content-disposition", b"")
    parameters = _parameters(disposition)
    name = parameters.get(b"name")
    if name is None:
        return None
    filename, charset = _filename(parameters)
    part_charset = _parameters(headers.get(b"content-type", b"")).get(b"charset", b"")
    return Part(
        name=_unescape(name)[:MAX_NAME],
        filename=filename,
        filename_charset=charset,
        charset=part_charset.decode("ascii", "replace"),
        content=_decode_transfer(headers.get(b"content-transfer-encoding", b""), content),
    )


def _split_headers(body: bytes, start: int, stop: int) -> tuple[dict[bytes, bytes], bytes]:
    headers: dict[bytes, bytes] = {}
    last = b""
    position = start
    while position < stop:
        end = body.find(b"\n", position, min(stop, start + MAX_HEADER_BYTES))
        if end < 0:
            if stop - start > MAX_HEADER_BYTES:
                raise Unreadable("a part's headers are too long")
            return headers, b""
        line = body[position:end].rstrip(b"\r")
        position = end + 1
        if not line:
            return headers, body[position:stop]
        if line[:1] in b" \t" and last:
            headers[last] += b" " + line.strip()
            continue
        key, _, value = line.partition(b":")
        last = key.strip().lower()
        headers.setdefault(last, value.strip())
    return headers, b""


def _parameters(value: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for match in _PARAMETER.finditer(value[:MAX_HEADER_BYTES]):
        quoted, bare = match[2], match[3]
        text = quoted.replace(b'\\"', b'"') if quoted is not None else bare
        found.setdefault(match[1].lower(), text)
    return found


def _filename(parameters: dict[bytes, bytes]) -> tuple[bytes | None, str]:
    extended = parameters.get(b"filename*", b"")
    charset, _, rest = extended.partition(b"'")
    if rest:
        encoded = rest.partition(b"'")[2]
        return unquote_to_bytes(encoded), charset.decode("ascii", "replace")
    plain = parameters.get(b"filename")
    return (None, "") if plain is None else (_unescape(plain), "")


def _unescape(value: bytes) -> bytes:
    if b"%" in value:
        for escape, meant in _BROWSER_ESCAPES:
            value = value.replace(escape, meant)
    return value


def _decode_transfer(encoding: bytes, content: bytes) -> bytes:
    """Browsers never encode parts; mail-minded programs do."""
    match encoding.lower():
        case b"base64":
            try:
                return base64.b64decode(content)
            except (binascii.Error, ValueError) as error:
                raise Unreadable("a part is not the base64 that it says it is") from error
        case b"quoted-printable":
            return quopri.decodestring(content)
        case _:
            return content

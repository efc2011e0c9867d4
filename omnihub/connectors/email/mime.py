"""The tree of parts, found in bytes. Works on what arrives, not on what the standard promises."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from omnihub.connectors.email.headers import Headers, Parameters, parameters, split_headers


@dataclass(slots=True, frozen=True)
class Limits:
    depth: int = 30
    parts: int = 500
    decoded: int = 64 * 1024 * 1024  # bytes, all parts together
    html: int = 2_000_000  # characters


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class Part:
    headers: Headers
    type: Parameters
    disposition: Parameters
    body: bytes  # still in its transfer encoding; empty for a multipart
    children: list["Part"] = field(default_factory=list)

    @property
    def maintype(self) -> str:
        return self.type.value.partition("/")[0]

    def walk(self) -> Iterator["Part"]:
        """This part and those below, never into an attached message."""
        yield self
        for child in self.children:
            yield from child.walk()


_TYPE = re.compile(r"^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*$")
_GUESSED = re.compile(rb"^--([^\r\n]{1,200}?)[ \t]*\r?\n(?:Content-|content-)", re.MULTILINE)


class TreeBuilder:
    """Parses one mail; counts parts over the whole tree."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = 0
        self.problems: list[str] = []

    def build(self, raw: bytes) -> Part:
        data = raw.lstrip(b"\r\n").removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
        if b"\n" not in data and b"\r" in data:
            data = data.replace(b"\r", b"\n")
            self.problems.append("line ends are bare CR")
        return self._part(data, 0, "text/plain")

    def _part(self, data: bytes, depth: int, default: str) -> Part:
        self.count += 1
        headers, body = split_headers(data)
        self.problems.extend(headers.problems)
        type_ = parameters(headers.raw("content-type"))
        if not _TYPE.match(type_.value):
            type_.value = _repaired_type(type_.value, default)
        headers.hint = type_.get("charset")
        part = Part(headers, type_, parameters(headers.raw("content-disposition")), body)
        if part.maintype == "multipart":
            self._divide(part, depth)
        return part

    def _divide(self, part: Part, depth: int) -> None:
        if depth >= self.limits.depth:
            self.problems.append(f"nested deeper than {self.limits.depth} levels")
            part.type.value = "application/octet-stream"
            return
        pieces = self._pieces(part)
        if pieces is None:
            self.problems.append("multipart without its boundary, read as text")
            part.type.value = "text/html" if b"<html" in part.body[:2000].lower() else "text/plain"
            return
        default = "message/rfc822" if part.type.value == "multipart/digest" else "text/plain"
        for piece in pieces:
            if self.count >= self.limits.parts:
                self.problems.append(f"more than {self.limits.parts} parts")
                break
            part.children.append(self._part(piece, depth + 1, default))
        part.body = b""

    def _pieces(self, part: Part) -> list[bytes] | None:
        boundary = part.type.get("boundary").encode("utf-8", "replace")
        for candidate in (boundary, boundary.strip(b" '\"")):
            if candidate and (pieces := self._cut(part.body, candidate)):
                return pieces
        guessed = _GUESSED.search(part.body)
        if guessed and (pieces := self._cut(part.body, guessed[1])):
            self.problems.append("boundary did not match its declaration")
            return pieces
        return None

    def _cut(self, body: bytes, boundary: bytes) -> list[bytes]:
        pieces: list[bytes] = []
        start = -1
        for line, behind, closes in _boundary_lines(body, boundary):
            if start >= 0:
                pieces.append(body[start:line])
            start = -1 if closes else _after_line_end(body, behind)
            if len(pieces) > self.limits.parts:
                return pieces
        if start >= 0:
            self.problems.append("closing boundary is missing")
            pieces.append(body[start:])
        return [piece for piece in pieces if piece.strip()] or pieces


_BOUNDARY_REST = re.compile(rb"(--)?[ \t]*(?=\r?\n|\r|\Z)")


def _boundary_lines(body: bytes, boundary: bytes) -> Iterator[tuple[int, int, bool]]:
    """(start with the line end before it, end, whether it closes) of every boundary line."""
    delimiter = b"--" + boundary
    found = body.find(delimiter)
    while found >= 0:
        rest = _BOUNDARY_REST.match(body, found + len(delimiter))
        line = found - (2 if body[max(found - 2, 0) : found] == b"\r\n" else 1)
        if rest and (found == 0 or body[found - 1 : found] in (b"\n", b"\r")):
            yield max(line, 0), rest.end(), rest[1] is not None
        found = body.find(delimiter, found + len(delimiter))


def _after_line_end(body: bytes, index: int) -> int:
    return index + (2 if body[index : index + 2] == b"\r\n" else 1)


def _repaired_type(value: str, default: str) -> str:
    if not value:
        return default
    word = value.split()[0].strip("\"'") if value.split() else ""
    if _TYPE.match(word):
        return word
    return "text/plain" if word in ("text", "plain") else "application/octet-stream"


# ---- transfer encodings ------------------------------------------------------------------------

_B64_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=\s]")
_B64_INNER_PAD = re.compile(rb"=+(?=[A-Za-z0-9+/])")
_QP_SPACED_BREAK = re.compile(rb"=[ \t]{1,76}(?=\r?\n)")


def decode_body(part: Part, problems: list[str]) -> bytes:
    """The part's bytes without their transfer encoding. Damage is repaired as far as it can be."""
    words = part.headers.raw("content-transfer-encoding").lower().split()
    encoding = words[0].strip("\"';") if words else ""
    if encoding == "base64":
        return _base64(part.body, problems)
    if encoding == "quoted-printable":
        return binascii.a2b_qp(_QP_SPACED_BREAK.sub(b"=", part.body))
    if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
        blocks = list(uu_blocks(part.body))
        return blocks[0][3] if blocks else part.body
    return part.body


def _base64(body: bytes, problems: list[str]) -> bytes:
    packed = body.translate(None, b" \t\r\n\v\f")
    if packed.count(b"=") > 1000:
        packed = packed.replace(b"=", b"")
    foreign = len(_B64_FOREIGN.findall(packed[:100_000]))
    if foreign and foreign > len(packed[:100_000]) // 20:
        problems.append("declared base64, but is not")
        return body
    if foreign:
        problems.append("base64 with foreign characters")
        packed = _B64_FOREIGN.sub(b"", packed)
    out = []
    for chunk in _B64_INNER_PAD.split(packed):
        digits = chunk.rstrip(b"=")
        if len(digits) % 4 == 1:
            problems.append("base64 is cut off")
            digits = digits[:-1]
        out.append(binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)))
    return b"".join(out)


_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_UU_END = re.compile(rb"^`?[ \t]*\r?\n?end[ \t]*\r?$", re.MULTILINE)


def uu_blocks(body: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(start, end, name, content) of every well-formed uuencoded block."""
    position = 0
    while begin := _UU_BEGIN.search(body, position):
        end = _UU_END.search(body, begin.end())
        if end is None:
            return
        content = _uu_lines(body[begin.end() : end.start()].splitlines())
        if content is not None:
            yield begin.start(), end.end(), begin[1], content
        position = end.end()


def _uu_lines(lines: list[bytes]) -> bytes | None:
    out = []
    for line in lines:
        if not line.strip():
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders pad the last group too long; the first byte tells the true length.
            length = ((line[0] - 32) & 63) * 4 // 3 + 5
            try:
                out.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                return None
    return b"".join(out) if out else None

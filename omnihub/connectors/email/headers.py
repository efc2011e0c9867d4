"""Header lines: found in bytes, decoded, their parameters and message ids."""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from omnihub.connectors.email.charsets import decode

MAX_BLOCK = 1_000_000  # bytes of header lines read from one part
MAX_HEADERS = 2_000
MAX_VALUE = 200_000  # bytes of one header value
MAX_IDS = 300

_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:")
_BLANK = re.compile(rb"\r{0,3}\n(?=\r{0,3}\n|\Z)|\A(?=\r{0,3}\n)")
_LINE_END = re.compile(rb"\r{0,3}\n|\r(?=[A-Za-z][A-Za-z0-9-]{1,60}:[ \t])")
_FOLD = re.compile(r"[ \t]*[\r\n]+[ \t]*")
WORD = re.compile(r"=\?([^?\s]{1,60})\?\s{0,3}([bBqQ])\s{0,3}\?(.{0,4000}?)\?=", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_B64_JUNK = re.compile(r"[^A-Za-z0-9+/]")
_ID = re.compile(r"<([^<>]{1,998})>")
_SPACE = re.compile(r"\s+")


@dataclass(slots=True)
class Headers:
    """Header fields of one part, names in lower case, values as the bytes that came."""

    fields: list[tuple[str, bytes]] = field(default_factory=list)
    hint: str = ""  # charset to try for raw 8-bit values
    problems: list[str] = field(default_factory=list)

    def raw(self, name: str) -> str:
        """First value of that name, unfolded, encoded-words left as they are; '' when absent."""
        return next(self.raws(name), "")

    def raws(self, name: str) -> Iterator[str]:
        for known, value in self.fields:
            if known == name:
                yield self._unfolded(value)

    def text(self, name: str) -> str:
        """First value of that name, decoded for people."""
        return clean(decode_words(self.raw(name), self.problems))

    def has(self, name: str) -> bool:
        return any(known == name for known, _ in self.fields)

    def _unfolded(self, value: bytes) -> str:
        text = decode(value[:MAX_VALUE], "", self.hint)[0]
        return _FOLD.sub(" ", text).strip()


def clean(text: str) -> str:
    return _CONTROL.sub("", text.replace("\t", " ")).strip()


def split_headers(data: bytes) -> tuple[Headers, bytes]:
    """Header fields and what follows them. A line that is no header ends the block, blank line or not."""
    headers = Headers()
    blank = _BLANK.search(data, 0, MAX_BLOCK)
    block = data[: blank.end() if blank else MAX_BLOCK]
    position, current = 0, -1
    while position < len(block):
        end = _LINE_END.search(block, position)
        line = block[position : end.start() if end else len(block)]
        after = end.end() if end else len(block)
        if line[:1] in (b" ", b"\t") and headers.fields:
            name, value = headers.fields[current]
            headers.fields[current] = (name, value + b"\n" + line if len(value) < MAX_VALUE else value)
        elif match := _FIELD.match(line):
            if len(headers.fields) < MAX_HEADERS:
                headers.fields.append((match[1].decode("ascii").lower(), line[match.end() :].strip()))
        elif not line.strip():
            return headers, data[after:]
        elif not _is_stray(line, headers):
            if headers.fields:
                headers.problems.append("no blank line between headers and body")
            return headers, data[position:]
        position = after
    return headers, _skip_blank_line(data[len(block) :])


def _skip_blank_line(rest: bytes) -> bytes:
    match = re.match(rb"\r{0,3}\n", rest)
    return rest[match.end() :] if match else rest


def _is_stray(line: bytes, headers: Headers) -> bool:
    """An mbox separator inside or above the headers carries nothing."""
    return line.startswith((b"From ", b">From ")) and len(headers.fields) < 2


def decode_words(value: str, problems: list[str] | None = None) -> str:
    """RFC 2047 encoded-words, also broken ones; neighbours of one charset are joined as bytes first,
    because many senders split a character between two words."""
    if "=?" not in value:
        return value
    out: list[str] = []
    pending: list[tuple[str, bytes]] = []
    position = 0
    for match in WORD.finditer(value):
        between = value[position : match.start()]
        if between.strip() or (between and not pending):
            out.extend(_flush(pending, problems))
            out.append(between)
        pending.append((match[1].partition("*")[0].lower(), _word_bytes(match[2], match[3])))
        position = match.end()
    out.extend(_flush(pending, problems))
    out.append(value[position:])
    return "".join(out)


def _flush(pending: list[tuple[str, bytes]], problems: list[str] | None) -> Iterator[str]:
    while pending:
        charset, data = pending.pop(0)
        while pending and pending[0][0] == charset:
            data += pending.pop(0)[1]
        text, problem = decode(data, charset)
        if problem and problems is not None:
            problems.append(f"header: {problem}")
        yield text


def _word_bytes(encoding: str, text: str) -> bytes:
    # Raw 8-bit characters inside an encoded-word were decoded too early; give their bytes back.
    if encoding in "qQ":
        return binascii.a2b_qp(_SPACE.sub("_", text).encode("utf-8", "replace"), header=True)
    return b64(text)


def b64(text: str) -> bytes:
    """Base64 that may be padded wrongly, cut off, or sprinkled with foreign characters."""
    out = b""
    for chunk in re.split(r"=+", text):
        digits = _B64_JUNK.sub("", chunk)
        digits = digits[:-1] if len(digits) % 4 == 1 else digits
        out += binascii.a2b_base64(digits + "=" * (-len(digits) % 4))
    return out


def message_ids(value: str) -> tuple[str, ...]:
    """Ids in order, without angle brackets; `<a@b><c@d>`, folds inside and missing brackets are met, and long
    ids that a sender (Python's email package among them) folded as encoded-words."""
    value = decode_words(value)
    found = [_SPACE.sub("", match) for match in _ID.findall(value)]
    if not found:
        words = [word.strip("<>,;\"'()") for word in value.split()]
        found = [word for word in words if "@" in word] or (words if len(words) == 1 else [])
    ids = tuple(dict.fromkeys(clean(one)[:998] for one in found if one))
    return ids if len(ids) <= MAX_IDS else (ids[0], *ids[1 - MAX_IDS :])


@dataclass(slots=True)
class Parameters:
    """A header such as Content-Type: its main value in lower case and its decoded parameters."""

    value: str
    params: dict[str, str]

    def get(self, name: str) -> str:
        return self.params.get(name, "")


_PARAM = re.compile(r'\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_MISSING_SEMICOLON = re.compile(r"^([^\s;=]+)\s+(?=[\w*-]+=)")
_CONTINUED = re.compile(r"^([^*]+)(?:\*(\d{1,3}))?(\*)?$")


def parameters(value: str) -> Parameters:
    """RFC 2045 parameters with RFC 2231 (charsets, continuations) and RFC 2047 inside them."""
    main, _, rest = _MISSING_SEMICOLON.sub(r"\1; ", value[:20_000]).partition(";")
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[bool, str]]] = {}
    position = 0
    while position < len(rest):
        match = _PARAM.match(rest, position)
        following = rest.find(";", match.end() if match else position)
        position = len(rest) if following < 0 else following + 1
        if match is None:
            continue
        name, text = match[1].lower(), _unquoted(match[2])
        continued = _CONTINUED.match(name)
        if continued is None or (continued[2] is None and continued[3] is None):
            plain.setdefault(name, clean(decode_words(text)))
        else:
            number = int(continued[2] or 0)
            pieces.setdefault(continued[1], {}).setdefault(number, (continued[3] is not None, text))
    for name, numbered in pieces.items():
        plain[name] = clean(_joined(numbered)) or plain.get(name, "")
    return Parameters(clean(main).lower(), plain)


def _unquoted(text: str) -> str:
    text = text.strip()
    if text.startswith('"'):
        text = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
        return re.sub(r'\\(["\\])', r"\1", text)
    return text


def _joined(numbered: dict[int, tuple[bool, str]]) -> str:
    """The pieces of an RFC 2231 value; percent-escapes are joined as bytes before decoding."""
    charset, data = "", b""
    for index, number in enumerate(sorted(numbered)):
        escaped, text = numbered[number]
        if index == 0 and escaped and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        data += unquote_to_bytes(text) if escaped else text.encode("utf-8", "surrogatepass")
    return decode_words(decode(data, charset)[0])

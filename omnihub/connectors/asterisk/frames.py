"""The manager interface's wire format: lines "Name: value" by CR LF, frames by an empty line."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from omnihub.model.errors import Invalid, Unreadable

END = b"\r\n\r\n"
_GREETING = b"Asterisk Call Manager"
_LONGEST_FRAME = 1_048_576
# The manager cuts lines beyond 1024 bytes.
_LONGEST_LINE = 1000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")
_NOT_KNOWN = "<unknown>"


@dataclass(slots=True, frozen=True)
class Frame:
    """Names are kept in small letters, as the manager itself is not consistent: Cdr says UniqueID, all else
    Uniqueid. What stands on a line without a name is kept under ""."""

    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The first value; "" where there is none or the exchange does not know it."""
        values = self.headers.get(name.lower())
        value = values[0] if values else ""
        return "" if value == _NOT_KNOWN else value

    def all(self, name: str) -> Sequence[str]:
        return self.headers.get(name.lower(), ())

    @property
    def event(self) -> str:
        return self.get("Event").lower()

    @property
    def action_id(self) -> str:
        return self.get("ActionID")


def frame_of(pairs: Iterable[tuple[str, str]]) -> Frame:
    headers: dict[str, list[str]] = {}
    for name, value in pairs:
        headers.setdefault(name.lower(), []).append(value)
    return Frame(headers)


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    return (name.strip(), value.removeprefix(" ")) if colon else ("", line)


class Decoder:
    """Bytes as they come, in whatever pieces, become whole frames; text is decoded only within a whole frame,
    so that no character is lost where two packets meet."""

    def __init__(self) -> None:
        self._left = bytearray()
        self._seen = 0
        self.greeting = ""

    def feed(self, data: bytes) -> list[Frame]:
        """Raises Unreadable where this is no manager, or a frame never ends."""
        self._left += data
        if not self.greeting and not self._greet():
            return []
        frames = []
        while (end := self._left.find(END, self._seen)) >= 0:
            text = self._left[:end].decode("utf-8", "replace")
            del self._left[: end + len(END)]
            self._seen = 0
            frames.append(frame_of(_pair(line) for line in text.split("\r\n") if line))
        self._seen = max(0, len(self._left) - len(END) + 1)
        if len(self._left) > _LONGEST_FRAME:
            raise Unreadable("the telephone exchange sent a message without an end")
        return [frame for frame in frames if frame.headers]

    def _greet(self) -> bool:
        """The first line, which is no frame: Asterisk Call Manager/11.0.0"""
        line, end, _ = bytes(self._left[:1024]).partition(b"\r\n")
        start = line[: len(_GREETING)]
        if not _GREETING.startswith(start) or (end and len(line) < len(_GREETING)):
            raise Unreadable("what answers there is no Asterisk manager interface")
        if not end:
            if len(line) >= 1024:
                raise Unreadable("what answers there is no Asterisk manager interface")
            return False
        self.greeting = line.decode("utf-8", "replace")
        del self._left[: len(line) + len(end)]
        return True


def encode(action: str, fields: Sequence[tuple[str, str]] = ()) -> bytes:
    """Raises Invalid for what would break out of its line: a caller's name must not become a command."""
    lines = []
    for name, value in (("Action", action), *fields):
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} is no name of a manager header")
        if any(c in value for c in "\r\n\0"):
            raise Invalid(f"{name} must stand on one line", {name: "line breaks are not allowed"})
        line = f"{name}: {value}".encode("utf-8", "surrogatepass")
        if len(line) > _LONGEST_LINE:
            raise Invalid(f"{name} is too long for the telephone exchange", {name: "too long"})
        lines.append(line)
    return b"\r\n".join(lines) + END

"""The event socket's bytes: frames of headers with a body, and the events inside them. No I/O.

mod_event_socket, developer.signalwire.com/freeswitch (read 2026-11): header lines, a blank line, then as many
bytes as Content-Length says. In plain events every value is URL-encoded, in JSON events none is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

import orjson

from omnihub.model.errors import Refused, Unreadable

MAX_HEAD_BYTES = 65_536
# `show channels` of a large switch is the largest answer: about 1 kB a channel.
MAX_BODY_BYTES = 16_777_216
_END = b"\n\n"
_LENGTH = re.compile(r"[0-9]{1,12}")
_UNSAFE = re.compile(r"[\r\n\x00]")


@dataclass(slots=True, frozen=True, kw_only=True)
class Frame:
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def kind(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def reply(self) -> str:
        """What a command was answered: +OK …, -ERR …, or the output of an api command."""
        return self.headers.get("Reply-Text", "") or self.text.strip()

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def is_event(self) -> bool:
        return self.kind in _READERS


@dataclass(slots=True, frozen=True, kw_only=True)
class Event:
    fields: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def name(self) -> str:
        return self.fields.get("Event-Name", "")

    def first(self, *names: str) -> str:
        """The first of these that says anything."""
        return next((value for name in names if (value := self.fields.get(name, ""))), "")


class Frames:
    """Cuts what arrives into whole frames, however the network split it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._head: Mapping[str, str] | None = None
        self._wanted = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Raises Unreadable where the stream is no event socket's, or a frame is too large; the connection
        is of no more use then."""
        self._buffer += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | None:
        if self._head is None and not self._read_head():
            return None
        if len(self._buffer) < self._wanted:
            return None
        frame = Frame(headers=self._head or {}, body=bytes(self._buffer[: self._wanted]))
        del self._buffer[: self._wanted]
        self._head, self._wanted, self._searched = None, 0, 0
        return frame

    def _read_head(self) -> bool:
        while self._buffer.startswith((b"\n", b"\r")):  # blank lines between frames
            del self._buffer[:1]
            self._searched = 0
        end = self._buffer.find(_END, self._searched)
        if (end if end >= 0 else len(self._buffer)) > MAX_HEAD_BYTES:
            raise Unreadable("the headers of a frame are too large")
        if end < 0:
            self._searched = max(0, len(self._buffer) - 1)
            return False
        self._head = head_of(self._buffer[:end].decode("utf-8", "replace"))
        self._wanted = _length(self._head)
        del self._buffer[: end + len(_END)]
        return True


def _length(head: Mapping[str, str]) -> int:
    length = head.get("Content-Length", "0")
    if not _LENGTH.fullmatch(length):
        raise Unreadable("a frame tells no length")
    if int(length) > MAX_BODY_BYTES:
        raise Unreadable(f"a frame is larger than {MAX_BODY_BYTES} bytes")
    return int(length)


def head_of(text: str) -> dict[str, str]:
    """The header lines of a frame, as they stand. A name that comes twice keeps its first value."""
    lines: dict[str, str] = {}
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip():
            lines.setdefault(name.strip(), value.strip())
    return lines


def read_event(frame: Frame) -> Event:
    """Raises Unreadable."""
    reader = _READERS.get(frame.kind)
    if reader is None:
        raise Unreadable(f"a frame of the kind {frame.kind!r} is no event")
    return reader(frame.body)


def _plain(body: bytes) -> Event:
    head, _, rest = body.decode("utf-8", "replace").partition("\n\n")
    fields = {name: unquote(value, errors="replace") for name, value in head_of(head).items()}
    if "Event-Name" not in fields:
        raise Unreadable("an event has no name")
    return Event(fields=fields, body=rest)


def read_json_event(body: bytes) -> Event:
    """Raises Unreadable."""
    read = _loose_json(body)
    if not isinstance(read, dict) or "Event-Name" not in read:
        raise Unreadable("an event has no name")
    fields = {name: _as_text(value) for name, value in read.items()}
    return Event(body=fields.pop("_body", ""), fields=fields)


def _loose_json(body: bytes) -> object:
    """A caller's name may be in any encoding and hold control characters: the rest is read all the same."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass  # most often one foreign byte in a name; the patient reader decides
    try:
        return json.loads(body.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise Unreadable("an event is not JSON") from error


def _as_text(value: object) -> str:
    """A repeated value is a list in JSON, and ARRAY::a|:b in text."""
    if isinstance(value, list):
        return "ARRAY::" + "|:".join(_as_text(one) for one in value)
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, dict) else str(value)


_READERS = {"text/event-json": read_json_event, "text/event-plain": _plain}


def command(line: str, **headers: str) -> bytes:
    """A command, ready to be written; header names are spelled with _ for -. Raises Refused for a value with
    a line break, which would be a command of its own."""
    lines = [line, *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if any(_UNSAFE.search(one) for one in lines):
        raise Refused("a value for FreeSWITCH holds a line break")
    return "\n".join(lines).encode("utf-8", "replace") + _END

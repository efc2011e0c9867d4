"""An agent's formatted answer as Telegram takes it: plain text, and where in it what is bold or a link.

Entities, not markup: what is refused for its syntax never arrives. Offsets and lengths are UTF-16 units.
core.telegram.org/bots/api#messageentity (read 2026-11).
"""

import re
from html.parser import HTMLParser

from telegram import MessageEntity

_KINDS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "s": "strikethrough",
    "del": "strikethrough", "code": "code", "pre": "pre", "blockquote": "blockquote", "a": "text_link",
}  # fmt: skip
# Telegram takes no others inside these.
_ALONE = frozenset({"code", "pre"})
_BLOCKS = frozenset({"p", "div", "li", "tr", "h1", "h2", "h3", "h4", "blockquote", "pre", "ul", "ol", "table"})
_SPACE = re.compile(r"[ \t\r\n\f\xa0]+")
_LINK = re.compile(r"(?:https?|tel|mailto):\S+", re.IGNORECASE)


def formatted(html: str) -> tuple[str, list[MessageEntity]]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.result()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._text = ""
        self._open: list[tuple[str, str, int, str]] = []  # tag, kind, where it begins, address
        self._entities: list[tuple[str, int, int, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._text += "\n"
            return
        if tag in _BLOCKS:
            self._new_line()
        if tag == "li":
            self._text += "• "
        kind = _KINDS.get(tag)
        address = dict(attrs).get("href") or ""
        if kind and (kind != "text_link" or _LINK.fullmatch(address)):
            self._open.append((tag, kind, len(self._text), address))

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, -1, -1):
            if self._open[place][0] == tag:
                self._close(place)
                break
        if tag in _BLOCKS:
            self._new_line()

    def handle_data(self, data: str) -> None:
        if any(kind == "pre" for _, kind, _, _ in self._open):
            self._text += data
            return
        spaced = _SPACE.sub(" ", data)
        if not self._text or self._text.endswith(("\n", " ")):
            spaced = spaced.lstrip(" ")
        self._text += spaced

    def _new_line(self) -> None:
        self._text = self._text.rstrip(" ")
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"

    def _close(self, place: int) -> None:
        _, kind, begin, address = self._open.pop(place)
        if not any(outer in _ALONE for _, outer, _, _ in self._open):
            self._entities.append((kind, begin, len(self._text), address))

    def result(self) -> tuple[str, list[MessageEntity]]:
        while self._open:
            self._close(len(self._open) - 1)
        end = len(self._text.rstrip())
        begin = len(self._text) - len(self._text.lstrip())
        text = self._text[begin:end]
        found = []
        for kind, start, stop, address in self._entities:
            start, stop = max(start - begin, 0), min(stop, end) - begin
            stop = start + len(text[start:stop].rstrip())
            if stop > start:
                found.append(_entity(kind, text, start, stop, address))
        return text, sorted(found, key=lambda one: (one.offset, -one.length))


def _entity(kind: str, text: str, start: int, stop: int, address: str) -> MessageEntity:
    return MessageEntity(
        type=kind, offset=_units(text[:start]), length=_units(text[start:stop]), url=address or None
    )  # fmt: skip


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "replace")) // 2

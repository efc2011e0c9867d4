"""Formatted text as plain text: what a reader would lose is written out."""

from collections.abc import Sequence

from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.connectors.telegram.people import whole

_PARTS = (("text", "entities"), ("caption", "caption_entities"))
# Telegram allows 100 in a message (core.telegram.org/api/entities, read 2026-11).
_MOST = 200


def written(message: Fields) -> str:
    """The message's text or caption, with the addresses behind its links."""
    return next((with_links(text, marks) for text, marks in _parts(message)), "")


def _parts(message: Fields) -> Sequence[tuple[str, Sequence[Fields]]]:
    read = ((text_of(message, name), items(message, marks)[:_MOST]) for name, marks in _PARTS)
    return [(text, [one for one in marks if isinstance(one, dict)]) for text, marks in read if text]


def with_links(text: str, marks: Sequence[Fields]) -> str:
    """`label (address)` for every hidden link."""
    ends = [(end, text_of(mark, "url")) for mark in marks if (end := _link_end(mark, text))]
    for end, url in sorted(ends, key=lambda one: one[0], reverse=True):
        text = f"{text[:end]} ({url}){text[end:]}"
    return text


def _link_end(mark: Fields, text: str) -> int:
    """0 where it is no link, or its address is what is shown anyway."""
    url = text_of(mark, "url")
    if text_of(mark, "type") != "text_link" or not url:
        return 0
    start, end = span(mark, text)
    shown = text[start:end]
    return 0 if not shown or shown.rstrip("/") == url.rstrip("/") else end


def span(mark: Fields, text: str) -> tuple[int, int]:
    """Where an entity lies, in characters; Telegram counts UTF-16 units. (0, 0) where it lies outside."""
    offset, length = whole(mark.get("offset")), whole(mark.get("length"))
    if offset is None or length is None or offset < 0 or length <= 0:
        return 0, 0
    raw = text.encode("utf-16-le", "surrogatepass")
    if 2 * (offset + length) > len(raw):
        return 0, 0
    try:
        start = len(raw[: 2 * offset].decode("utf-16-le"))
        return start, start + len(raw[2 * offset : 2 * (offset + length)].decode("utf-16-le"))
    except UnicodeDecodeError:  # in the middle of a character
        return 0, 0


def mentions(message: Fields, bot_id: int, username: str) -> bool:
    """Whether it is said to the bot: by name, by a command, or as an answer to the bot."""
    if whole(inner(inner(message, "reply_to_message"), "from").get("id")) == bot_id:
        return True
    return any(
        _names_bot(mark, text, bot_id, username.lower()) for text, marks in _parts(message) for mark in marks
    )


def _names_bot(mark: Fields, text: str, bot_id: int, username: str) -> bool:
    start, end = span(mark, text)
    shown = text[start:end].lower()
    match text_of(mark, "type"):
        case "mention":
            return bool(username) and shown == f"@{username}"
        case "text_mention":
            return whole(inner(mark, "user").get("id")) == bot_id
        case "bot_command":
            command, _, to = shown.partition("@")
            return bool(command) and to in ("", username)
    return False

"""Who wrote, and where: `from`, `sender_chat` and `chat` of a message."""

from datetime import UTC, datetime
from typing import Any

from omnihub.connectors.reading import Fields, inner, text_of
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import Handle

CHANNEL = "telegram"
# Ids have at most 52 significant bits (Bot API, Chat.id, read 2026-11).
_LARGEST = 1 << 53
_NAME = 200


def whole(value: Any) -> int | None:
    """A whole number that Telegram could have given."""
    if isinstance(value, bool) or not isinstance(value, int) or not -_LARGEST < value < _LARGEST:
        return None
    return value


def id_in(text: str) -> int | None:
    digits = text.removeprefix("-")
    return whole(int(text)) if digits.isascii() and digits.isdigit() and len(digits) <= 16 else None


def needed(fields: Fields, name: str) -> int:
    """Raises Unreadable."""
    value = whole(fields.get(name))
    if value is None:
        raise Unreadable(f"the update has no usable {name}")
    return value


def moment(value: Any) -> datetime | None:
    seconds = whole(value)
    if not seconds or seconds < 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def name_of(person: Fields) -> str:
    """A user's full name or a chat's title; the user name where there is none."""
    full = " ".join(part for part in (text_of(person, "first_name"), text_of(person, "last_name")) if part)
    return (full or text_of(person, "title") or text_of(person, "username")).strip()[:_NAME]


def handle_of(person: Fields, proven: tuple[str, ...] = ()) -> Handle:
    """Raises Unreadable where the person has no id."""
    return Handle(key=f"{CHANNEL}:{needed(person, 'id')}", name=name_of(person), proven=proven)


def author_of(message: Fields) -> Fields:
    """Whoever stands behind it: anonymous administrators and channels write as a chat, and `from` then names
    a placeholder of Telegram's."""
    return inner(message, "sender_chat") or inner(message, "from") or inner(message, "chat")


def is_private(chat: Fields) -> bool:
    return text_of(chat, "type") == "private"


def about(person: Fields) -> dict[str, str]:
    """What else Telegram says of a person, for the message's `extra`."""
    known = {"username": text_of(person, "username")[:_NAME], "language": text_of(person, "language_code")[:20]}
    return {name: value for name, value in known.items() if value}

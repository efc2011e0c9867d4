"""What a message holds: one small reader per kind, the first that finds its kind is believed."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.connectors.telegram.entities import written
from omnihub.connectors.telegram.people import name_of, whole
from omnihub.model.inbound import InboundAttachment, LentMedia

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")
_PHONE = re.compile(r"\+?([1-9]\d{6,14})")
_NAMES_SHOWN = 20


@dataclass(slots=True, frozen=True, kw_only=True)
class Content:
    """`notice`: the code of something that a person did and did not say."""

    text: str = ""
    media: tuple[LentMedia, ...] = ()
    attachments: tuple[InboundAttachment, ...] = ()
    proven: tuple[str, ...] = ()
    notice: str = ""
    reachable: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


Reader = Callable[[Fields], Content | None]


def content_of(message: Fields) -> Content | None:
    """None for a kind that is not known here."""
    return next((found for read in _READERS if (found := read(message)) is not None), None)


# — words —


_START = re.compile(r"/start(?:@\w+)?(?:\s+(?P<payload>.*))?", re.DOTALL)


def _start(message: Fields) -> Content | None:
    """Sent by the app when a person opens the bot for the first time, or by a link that carries a payload."""
    match = _START.fullmatch(text_of(message, "text").strip())
    if match is None:
        return None
    payload = (match["payload"] or "").strip()[:300]
    text = f"Started the bot ({payload})" if payload else "Started the bot"
    return Content(text=text, notice="start", reachable=True, extra={"payload": payload} if payload else {})


def _text(message: Fields) -> Content | None:
    text = written(message) if text_of(message, "text") else ""
    return Content(text=text) if text else None


# — files —


def _lent(file: Fields, label: str, filename: str, content_type: str) -> tuple[LentMedia, ...]:
    """Name and type come from the message: what getFile leads to has often lost them."""
    file_id = file.get("file_id")
    if not isinstance(file_id, str) or not file_id:
        return ()
    size = whole(file.get("file_size")) or 0
    named = _UNSAFE.sub("_", text_of(file, "file_name"))[:200]
    media = LentMedia(
        ref={"file_id": file_id[:500]},
        filename=named or filename,
        content_type=text_of(file, "mime_type")[:100] or content_type,
        size=max(0, size),
        label=label,
    )
    return (media,)


def _file(key: str, filename: str, content_type: str) -> Reader:
    def read(message: Fields) -> Content | None:
        media = _lent(inner(message, key), key, filename, content_type)
        return Content(text=written(message), media=media) if media else None

    return read


def _photo(message: Fields) -> Content | None:
    """It comes in several sizes; the largest is what was sent."""
    sizes = [one for one in items(message, "photo") if isinstance(one, dict)]
    if not sizes:
        return None
    media = _lent(max(sizes, key=_pixels), "photo", "photo.jpg", "image/jpeg")
    return Content(text=written(message), media=media) if media else None


def _pixels(size: Fields) -> int:
    return (whole(size.get("width")) or 0) * (whole(size.get("height")) or 0)


def _sticker(message: Fields) -> Content | None:
    """An animated one moves in Telegram's own format, which no browser shows: its thumbnail stands for it."""
    sticker = inner(message, "sticker")
    kind = ("sticker.webp", "image/webp")
    shown = sticker
    if sticker.get("is_video") is True:
        kind = ("sticker.webm", "video/webm")
    elif sticker.get("is_animated") is True:
        thumbnail = inner(sticker, "thumbnail")
        shown = thumbnail or sticker
        kind = ("sticker.webp", "image/webp") if thumbnail else ("sticker.tgs", "application/gzip")
    media = _lent(shown, "sticker", *kind)
    return Content(text=text_of(sticker, "emoji")[:40], media=media) if media else None


# — places and people —


def _degrees(value: Any, most: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and abs(value) <= most else None


def _at(place: Fields, words: str) -> Content | None:
    latitude, longitude = _degrees(place.get("latitude"), 90), _degrees(place.get("longitude"), 180)
    if latitude is None or longitude is None:
        return None
    address = f"https://www.openstreetmap.org/?mlat={latitude:.6f}&mlon={longitude:.6f}"
    text = f"{words}: {latitude:.6f}, {longitude:.6f}\n{address}"
    return Content(text=text, extra={"location": {"latitude": latitude, "longitude": longitude}})


def _location(message: Fields) -> Content | None:
    place = inner(message, "location")
    return _at(place, "Live location" if whole(place.get("live_period")) else "Location")


def _venue(message: Fields) -> Content | None:
    venue = inner(message, "venue")
    named = ", ".join(part for part in (text_of(venue, "title"), text_of(venue, "address")) if part)
    return _at(inner(venue, "location"), named or "Place")


def _contact(message: Fields) -> Content | None:
    """A phone number is proven only where somebody shares their own: Telegram then names them in the card,
    and it was not passed on from somebody else."""
    card = inner(message, "contact")
    phone = text_of(card, "phone_number")[:40]
    if not phone:
        return None
    digits = _PHONE.fullmatch(re.sub(r"[\s()-]", "", phone))
    owner = whole(card.get("user_id"))
    own = owner is not None and owner == whole(inner(message, "from").get("id"))
    proven = digits and own and "forward_origin" not in message and "forward_date" not in message
    vcard = text_of(card, "vcard")
    attachments = (
        (InboundAttachment(filename="contact.vcf", content_type="text/vcard", content=vcard.encode()),)
        if vcard
        else ()
    )
    return Content(
        text=f"Contact: {name_of(card)}, {phone}".replace(": ,", ":"),
        attachments=attachments,
        proven=(f"phone:+{digits[1]}",) if digits and proven else (),
    )


# — what happened in a chat —


def _happened(key: str, notice: str, words: Callable[[Fields], str], reachable: bool | None = None) -> Reader:
    def read(message: Fields) -> Content | None:
        if not message.get(key):
            return None
        return Content(text=words(message), notice=notice, reachable=reachable)

    return read


def _say(words: str) -> Callable[[Fields], str]:
    return lambda message: words


def _joined(message: Fields) -> str:
    people = [one for one in items(message, "new_chat_members") if isinstance(one, dict)][:_NAMES_SHOWN]
    return f"Joined the group: {', '.join(name_of(one) or 'somebody' for one in people)}"


def _left(message: Fields) -> str:
    return f"Left the group: {name_of(inner(message, 'left_chat_member')) or 'somebody'}"


def _retitled(message: Fields) -> str:
    return f"The group is now called {text_of(message, 'new_chat_title')[:200]}"


def _migrated(message: Fields) -> str:
    new = whole(message.get("migrate_to_chat_id"))
    return f"The group became a supergroup and goes on under the id {new}; answers are led there"


def _migrated_from(message: Fields) -> str:
    return f"This supergroup was the group {whole(message.get('migrate_from_chat_id'))} before"


_HAPPENINGS: Sequence[Reader] = (
    _happened("new_chat_members", "members_joined", _joined),
    _happened("left_chat_member", "member_left", _left),
    _happened("new_chat_title", "group_renamed", _retitled),
    _happened("new_chat_photo", "group_photo", _say("The group has a new picture")),
    _happened("delete_chat_photo", "group_photo", _say("The group's picture was removed")),
    _happened("group_chat_created", "group_created", _say("The group was created")),
    _happened("supergroup_chat_created", "group_created", _say("The group was created")),
    _happened("migrate_to_chat_id", "group_migrated", _migrated),
    _happened("migrate_from_chat_id", "group_migrated", _migrated_from),
    _happened("pinned_message", "pinned", _say("Pinned a message")),
    _happened("write_access_allowed", "write_access", _say("Allowed the bot to write"), reachable=True),
    _happened("message_auto_delete_timer_changed", "auto_delete", _say("Changed when messages are deleted")),
)

_READERS: Sequence[Reader] = (
    _start,
    _text,
    _photo,
    _file("voice", "voice.ogg", "audio/ogg"),
    _file("audio", "audio.mp3", "audio/mpeg"),
    _file("video", "video.mp4", "video/mp4"),
    _file("video_note", "video.mp4", "video/mp4"),
    _file("animation", "animation.mp4", "video/mp4"),  # before document: it comes as both
    _file("document", "file", "application/octet-stream"),
    _sticker,
    _venue,  # before location: it comes as both
    _location,
    _contact,
    *_HAPPENINGS,
)

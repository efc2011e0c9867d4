"""Employees' messages to an app and its events: developer.work.weixin.qq.com/document/path/96238, read 2026-11."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.wecom_api import people
from omnihub.connectors.wecom_api.callbacks import Pushed
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import InboundAttachment, InboundMessage, LentMedia

KF_BELL = "kf_msg_or_event"
# What WeCom itself reports stands under this name.
SYSTEM = "sys"
_LONGEST_ID = 128
_LATEST_SECOND = 99_999_999_999


@dataclass(slots=True, frozen=True, kw_only=True)
class _Said:
    text: str = ""
    media: tuple[LentMedia, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_app_message(pushed: Pushed, corp_id: str) -> InboundMessage:
    """Raises Unreadable where nobody is named."""
    fields = pushed.fields
    message = InboundMessage(
        external_id=message_id(fields),
        thread_key=people.escaped(_sender_id(fields)),
        sender=people.employee(corp_id, _sender_id(fields)),
        # Of two things under one id, such as two changes that WeCom reports in one second, both are kept.
        fingerprint=pushed.key,
        sent_at=_created(fields),
    )
    kind = text_of(fields, "MsgType").strip().lower()
    if kind == "event":
        return _event(message, fields)
    read = _KINDS.get(kind)
    if read is None:
        return _unsupported(message, pushed, kind)
    said = read(fields)
    return replace(message, text=said.text, visible_text=said.text, media=said.media, extra=said.extra)


def message_id(fields: Fields) -> str:
    """MsgId; an event, which has none, is named by sender, second, event and key. WeCom's own pages leave out
    the last two, but then a view and a click in the same second are one."""
    number = _id(fields, "MsgId")
    if number:
        return number
    parts = (text_of(fields, name).strip()[:_LONGEST_ID] for name in ("FromUserName", "CreateTime", "Event"))
    return ":".join(("event", *parts, text_of(fields, "EventKey")[:_LONGEST_ID]))


def _sender_id(fields: Fields) -> str:
    userid = _id(fields, "FromUserName")
    if not userid and text_of(fields, "MsgType").strip().lower() == "event":
        return SYSTEM  # a kf_msg_or_event names nobody
    if not userid:
        raise Unreadable("the message names no sender")
    return userid


def _id(fields: Fields, name: str) -> str:
    value = text_of(fields, name).strip()
    if len(value) > _LONGEST_ID or not value.isprintable():
        raise Unreadable(f"{name} is no id")
    return value


def _created(fields: Fields) -> datetime | None:
    digits = text_of(fields, "CreateTime").strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 11:
        return None
    return datetime.fromtimestamp(min(int(digits), _LATEST_SECOND), UTC)


# — messages —


def _text(fields: Fields) -> _Said:
    return _Said(text=text_of(fields, "Content"))


def _file(label: str, content_type: str, ending: str) -> Callable[[Fields], _Said]:
    def read(fields: Fields) -> _Said:
        media_id = text_of(fields, "MediaId").strip()
        if not media_id:
            return _Said(text=f"[{label} without a file]")
        kind = content_type
        voice = text_of(fields, "Format").strip().lower()
        if label == "voice" and voice.isascii() and voice.isalnum() and len(voice) <= 8:
            kind = f"audio/{voice}"
        lent = LentMedia(ref={"media_id": media_id}, filename=f"{label}{ending}", content_type=kind, label=label)
        return _Said(media=(lent,))

    return read


def _location(fields: Fields) -> _Said:
    latitude, longitude = text_of(fields, "Location_X").strip(), text_of(fields, "Location_Y").strip()
    place = {"latitude": latitude, "longitude": longitude, "label": text_of(fields, "Label")}
    return _Said(text=lines("[location]", place["label"], f"{latitude}, {longitude}"), extra={"location": place})


def _link(fields: Fields) -> _Said:
    return _Said(text=lines(*(text_of(fields, name) for name in ("Title", "Description", "Url"))) or "[link]")


_KINDS: Mapping[str, Callable[[Fields], _Said]] = {
    "text": _text,
    "image": _file("image", "image/jpeg", ".jpg"),
    "voice": _file("voice", "audio/amr", ".amr"),
    "video": _file("video", "video/mp4", ".mp4"),
    "location": _location,
    "link": _link,
}


def lines(*parts: str) -> str:
    return "\n".join(part.strip() for part in parts if part.strip())


def _unsupported(message: InboundMessage, pushed: Pushed, kind: str) -> InboundMessage:
    said = text_of(pushed.fields, "Content") or text_of(pushed.fields, "Title")
    text = lines(f"[a message that cannot be shown here, of the type “{kind[:80]}”]", said)
    raw = InboundAttachment(filename="event.xml", content_type="application/xml", content=pushed.xml)
    return replace(message, kind="unsupported", text=text, visible_text=text, attachments=(raw,))


# — events —


def _event(message: InboundMessage, fields: Fields) -> InboundMessage:
    name = text_of(fields, "Event").strip()[:_LONGEST_ID]
    words = _EVENTS.get(name.lower(), _other_event)(fields)
    reachable = {"subscribe": True, "unsubscribe": False}.get(name.lower())
    keys = ("EventKey", "ChangeType", "UserID", "ExternalUserID", "TaskId", "CardType", "OpenKfId")
    details = {key: value[:500] for key in keys if (value := text_of(fields, key))}
    return replace(
        message, kind="notice", text=words, visible_text=words, silent=True,
        silent_reason="no message, but an event", reachable=reachable, extra={"notice": name.lower(), **details},
    )  # fmt: skip


def _other_event(fields: Fields) -> str:
    """With all that it says: nobody knows what matters in it."""
    common = ("ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "AgentID")
    told = [f"{name}: {text_of(fields, name)}" for name in fields if name not in common and text_of(fields, name)]
    return lines(f"The unknown event “{text_of(fields, 'Event')[:_LONGEST_ID]}”", *told)[:4000]


def _changed(what: str) -> Callable[[Fields], str]:
    def words(fields: Fields) -> str:
        who = (text_of(fields, name) for name in ("ChangeType", "UserID", "ExternalUserID", "Id"))
        return " ".join(filter(None, (f"{what}:", *who)))[:1000]

    return words


def _position(fields: Fields) -> str:
    place = ", ".join(text_of(fields, name) for name in ("Latitude", "Longitude"))
    return f"Position: {place} (to {text_of(fields, 'Precision')} m)"[:500]


_EVENTS: Mapping[str, Callable[[Fields], str]] = {
    "subscribe": lambda _: "Became a user of the app",
    "unsubscribe": lambda _: "Is no longer a user of the app",
    "enter_agent": lambda _: "Opened the app",
    "click": lambda fields: f"Pressed the menu “{text_of(fields, 'EventKey')[:500]}”",
    "view": lambda fields: f"Opened from the menu: {text_of(fields, 'EventKey')[:500]}",
    "location": _position,
    "template_card_event": lambda fields: f"Pressed “{text_of(fields, 'EventKey')[:500]}” on a card",
    "change_contact": _changed("The address book changed"),
    "change_external_contact": _changed("A customer contact changed"),
    KF_BELL: lambda _: (
        "A 微信客服 customer wrote to this address. To receive it, add an account of the channel 微信客服 "
        "(WeCom customer service) with this app's Secret, Token and EncodingAESKey, and enter that account's "
        "address as the app's callback URL."
    ),
}

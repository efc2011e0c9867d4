from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.wechat.events import happening, receipts
from omnihub.connectors.wechat_api.media import lent
from omnihub.connectors.wechat_api.people import escaped, handle
from omnihub.connectors.wechat_api.pushes import Push, push_id, said_at, sender_id
from omnihub.model.inbound import (
    Allowance,
    Handle,
    Inbound,
    InboundAttachment,
    InboundMessage,
    LentMedia,
)

CHANNEL = "wechat"
_SHOWN = 2000


@dataclass(slots=True, frozen=True, kw_only=True)
class Content:
    text: str = ""
    media: LentMedia | None = None
    extra: Mapping[str, Any] | None = None


def read_push(push: Push, appid: str, moment: Allowance) -> Sequence[Inbound]:
    """`moment`: what may be answered to a menu click, a subscription or a scan. Raises Unreadable."""
    fields = push.fields
    openid = sender_id(fields)
    person = handle(CHANNEL, appid, openid)
    kind = text_of(fields, "MsgType").strip().lower()
    if kind == "event":
        return _event(push, openid, person, moment)
    if kind not in _CONTENTS:
        return [_unsupported(push, openid, person, f"message type {kind or '(none)'}")]
    content = _CONTENTS[kind](fields)
    return [
        InboundMessage(
            external_id=push_id(fields), thread_key=escaped(openid), sender=person, sent_at=said_at(fields),
            text=content.text, media=(content.media,) if content.media else (), extra=content.extra or {},
        )
    ]  # fmt: skip


def _event(push: Push, openid: str, person: Handle, moment: Allowance) -> Sequence[Inbound]:
    fields = push.fields
    told = receipts(fields, person)
    known = happening(fields)
    if known is None:
        name = text_of(fields, "Event").strip()[:60] or "(none)"
        return told or [_unsupported(push, openid, person, f"event {name}")]
    notice = InboundMessage(
        external_id=push_id(fields), thread_key=escaped(openid), sender=person, sent_at=said_at(fields),
        kind="notice", silent=True, silent_reason="not a message", text=known.words(fields),
        extra={"notice": known.code, **known.extra(fields)},
        allowance=moment if known.moment and moment.messages else None, reachable=known.reachable,
    )  # fmt: skip
    return [notice, *told]


def _unsupported(push: Push, openid: str, person: Handle, what: str) -> InboundMessage:
    raw = InboundAttachment(
        filename=f"event.{push.format}", content_type=f"application/{push.format}", content=push.body
    )
    said = "\n".join(f"{name}: {value}" for name, value in push.fields.items() if name not in _ENVELOPE)
    return InboundMessage(
        external_id=push_id(push.fields), thread_key=escaped(openid), sender=person, sent_at=said_at(push.fields),
        kind="unsupported", text=f"WeChat {what[:80]}, which cannot be shown here\n{said}"[:_SHOWN],
        attachments=(raw,),
    )  # fmt: skip


_ENVELOPE = frozenset({"ToUserName", "FromUserName", "CreateTime", "MsgType", "Encrypt"})


def _text(fields: Fields) -> Content:
    pressed = text_of(fields, "bizmsgmenuid").strip()[:100]
    return Content(text=text_of(fields, "Content"), extra={"menu_id": pressed} if pressed else None)


def _file(kind: str) -> Callable[[Fields], Content]:
    def read(fields: Fields) -> Content:
        media = lent(fields, kind)
        return Content(media=media, text="" if media else f"[{kind}]")

    return read


def _voice(fields: Fields) -> Content:
    """What the platform understood of it, where recognition is switched on."""
    words = text_of(fields, "Recognition").strip()
    media = lent(fields, "voice")
    return Content(
        text=words or ("" if media else "[voice]"), media=media, extra={"recognised": True} if words else None
    )


def _location(fields: Fields) -> Content:
    latitude, longitude = text_of(fields, "Location_X").strip()[:40], text_of(fields, "Location_Y").strip()[:40]
    label = text_of(fields, "Label").strip()
    place = {"latitude": latitude, "longitude": longitude, "label": label[:500]}
    return Content(
        text="\n".join(line for line in (label, f"{latitude}, {longitude}") if line), extra={"location": place}
    )


def _link(fields: Fields) -> Content:
    lines = (text_of(fields, name).strip() for name in ("Title", "Description", "Url"))
    return Content(text="\n".join(line for line in lines if line) or "[link]")


_CONTENTS: Mapping[str, Callable[[Fields], Content]] = {
    "text": _text,
    "image": _file("image"),
    "voice": _voice,
    "video": _file("video"),
    "shortvideo": _file("shortvideo"),
    "location": _location,
    "link": _link,
}

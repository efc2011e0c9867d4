"""From a robot's payload, or an event, to an inbound message. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from omnihub.connectors.dingtalk import payloads
from omnihub.connectors.dingtalk.people import GROUP, encoded, member_key, sender
from omnihub.connectors.reading import Fields, items, text_of
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import Handle, InboundAttachment, InboundMessage

# Of a text that only holds what an unknown message said; all of it is in the attachment.
_SHOWN = 1_000
_LONGEST_ID = 200
# An address that answers can be posted to is as good as a password.
_WITHHELD = frozenset({"sessionWebhook"})
_NOT_SAID = ("text", "content")


def identity(said: Fields, otherwise: str = "") -> str:
    """The same for every delivery of the same message, however it came."""
    named = text_of(said, "msgId") or otherwise
    return _bounded(named) if named else f"body:{digest(said)}"


def event_identity(event: Fields, otherwise: str = "") -> str:
    named = otherwise or text_of(event, "eventId") or text_of(event, "EventId")
    return f"event:{_bounded(named) if named else digest(event)}"


def digest(fields: Fields) -> str:
    return hashlib.sha256(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)).hexdigest()[:40]


def message(said: Fields, robot: str, external_id: str) -> InboundMessage:
    """Raises Unreadable where it names no sender."""
    author = sender(said, robot)
    conversation = text_of(said, "conversationId")
    group = text_of(said, "conversationType") == "2" and bool(conversation)
    read = payloads.read(said, robot)
    fault = text_of(said, "errorCode")
    shown: Mapping[str, Any] = {"text": read.text, "media": read.media, "problems": read.problems}
    if fault and not (read.text or read.media):
        shown = _withheld(said, fault)
    elif not read.known:
        shown = _not_understood(said)
    extra = {"conversation_type": "group" if group else "single"}
    return InboundMessage(
        external_id=external_id,
        thread_key=f"{GROUP}{conversation}" if group else author.value,
        sender=author,
        sent_at=at_millis(said.get("createAt")),
        subject=text_of(said, "conversationTitle") if group else "",
        wire=_wire(said, robot, author, group),
        extra=extra,
        **shown,
    )


def notice(
    event: Fields, *, external_id: str, kind: str = "", corp: str = "", at: datetime | None = None
) -> InboundMessage:
    """An event of the organisation: nobody said anything, so that it is only kept."""
    kind = kind or event_kind(event)
    corp = corp or text_of(event, "CorpId") or text_of(event, "corpId") or "unknown"
    people = [str(one) for name in _PEOPLE for one in items(event, name) if isinstance(one, str | int)]
    key = member_key(corp, people[0]) if people else f"dingtalk-corp:{encoded(corp)}"
    who = Handle(key=key)
    return InboundMessage(
        external_id=external_id,
        thread_key=who.value,
        sender=who,
        sent_at=at or at_millis(event.get("TimeStamp")),
        kind="notice",
        text=f"DingTalk reports: {kind or 'an event without a name'}",
        attachments=(_kept(event),),
        silent=True,
        silent_reason="an event of the organisation, not a message",
        extra={"notice": "event", "event_type": kind, "users": people[:50]},
    )


def at_millis(value: Any) -> datetime | None:
    """Milliseconds since 1970, as a number or its digits; None for what is no sensible time."""
    try:
        seconds = int(value) / 1000
    except (TypeError, ValueError, OverflowError):
        return None
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 10_000_000_000 else None


def millis(value: Any) -> int:
    at = at_millis(value)
    return round(at.timestamp() * 1000) if at else 0


def event_kind(event: Fields) -> str:
    return text_of(event, "EventType") or text_of(event, "eventType")


def check_shape(said: Fields) -> None:
    """Raises Unreadable for what is no robot's message at all, before it is journaled."""
    if not (text_of(said, "msgtype") or text_of(said, "errorCode") or text_of(said, "msgId")):
        raise Unreadable("the body is no message of a robot")
    sender(said, "")


_PEOPLE = ("UserId", "userId", "userid", "staffId", "OperatorUserId", "operatorUserId")


def _bounded(name: str) -> str:
    if len(name) <= _LONGEST_ID:
        return name
    return f"long:{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:40]}"


def _wire(said: Fields, robot: str, author: Handle, group: bool) -> dict[str, Any]:
    return {
        "webhook": text_of(said, "sessionWebhook"),
        "expires": millis(said.get("sessionWebhookExpiredTime")),
        "group": text_of(said, "conversationId") if group else "",
        "sender": author.key,
        "robot": text_of(said, "robotCode") or robot,
    }


def _withheld(said: Fields, code: str) -> Mapping[str, Any]:
    """DingTalk says that there was a message, and keeps what it said to itself."""
    words = text_of(said, "errorMessage")
    reason = _FAULTS.get(code, "DingTalk reports a fault instead of the message")
    return {
        "kind": "unsupported",
        "text": f"DingTalk did not hand over this message: {code} {words}".rstrip(),
        "problems": (reason,),
        "attachments": (_kept(said),),
    }


def _not_understood(said: Fields) -> Mapping[str, Any]:
    kind = text_of(said, "msgtype") or "nameless"
    found = {name: said[name] for name in _NOT_SAID if said.get(name)}
    held = orjson.dumps(found).decode("utf-8", "replace") if found else ""
    return {
        "kind": "unsupported",
        "text": f"[{kind[:60]}] {held[:_SHOWN]}".rstrip(),
        "problems": ("a message of this kind is not understood; what came is attached",),
        "attachments": (_kept(said),),
    }


def _kept(fields: Fields) -> InboundAttachment:
    shown = {name: value for name, value in fields.items() if name not in _WITHHELD}
    content = orjson.dumps(shown, option=orjson.OPT_INDENT_2)
    return InboundAttachment(
        filename="event.json", content_type="application/json", content=content, label="event"
    )


_FAULTS: Mapping[str, str] = {
    "20001": "the organisation's monthly quota of robot messages is used up: messages come without their text",
}

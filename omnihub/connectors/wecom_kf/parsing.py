from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from omnihub.connectors.reading import Fields, inner, read_json, text_of
from omnihub.connectors.wecom_api import people
from omnihub.connectors.wecom_api.app_messages import lines
from omnihub.connectors.wecom_kf.events import Notice, read_event
from omnihub.connectors.wecom_kf.kinds import HALF_KNOWN, read_kind
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import (
    Inbound,
    InboundAttachment,
    InboundMessage,
    Participant,
)
from omnihub.model.raw import RawRequest

_LONGEST_ID = 256
_LATEST_SECOND = 99_999_999_999
SYSTEM, SERVICER = "4", "5"


@dataclass(slots=True, frozen=True, kw_only=True)
class Item:
    """One entry of a msg_list; its ids are found wherever they stand."""

    corp_id: str
    body: bytes
    fields: Fields
    event: Fields
    msgid: str
    open_kfid: str
    external_userid: str
    at: datetime | None

    @property
    def kind(self) -> str:
        return text_of(self.fields, "msgtype").strip()

    @property
    def origin(self) -> str:
        return text_of(self.fields, "origin")


def read_item(request: RawRequest, corp_id: str) -> Item:
    """Raises Unreadable."""
    fields = read_json(request.body)
    event = inner(fields, "event")

    def named(name: str) -> str:
        value = (text_of(fields, name) or text_of(event, name)).strip()
        if len(value) > _LONGEST_ID or not value.isprintable():
            raise Unreadable(f"{name} is no id")
        return value

    return Item(
        corp_id=corp_id, body=request.body, fields=fields, event=event, at=_sent(fields),
        # Without a name of its own it is named by what it says: pulled again, it is the same.
        msgid=named("msgid") or f"item:{sha256(request.body).hexdigest()[:32]}",
        open_kfid=named("open_kfid") or str(request.meta.get("open_kfid", "")),
        external_userid=named("external_userid"),
    )  # fmt: skip


def _sent(fields: Fields) -> datetime | None:
    digits = text_of(fields, "send_time")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 11:
        return None
    return datetime.fromtimestamp(min(int(digits), _LATEST_SECOND), UTC)


def parse_item(item: Item) -> Sequence[Inbound]:
    """Raises Unreadable where it names nobody."""
    if item.kind == "event":
        return (_of_event(item),)
    message = _said(item)
    if item.origin == SYSTEM:
        return (_noticed(message, item, "system"),)
    return (_by_servicer(message, item) if item.origin == SERVICER else message,)


def _said(item: Item) -> InboundMessage:
    said = read_kind(item.kind, inner(item.fields, item.kind))
    message = _message(item, item.external_userid)
    if said is None or not isinstance(item.fields.get(item.kind, {}), dict):
        return _unsupported(message, item)
    files = (_raw(item),) if item.kind in HALF_KNOWN else ()
    return replace(
        message, text=said.text, visible_text=said.text, media=said.media, attachments=files, extra=said.extra
    )


def _of_event(item: Item) -> Inbound:
    read = read_event(item.event, item.at)
    name = text_of(item.event, "event_type")[:80]
    if isinstance(read, Notice):
        message = _message(item, "" if read.about else item.external_userid, servicer=read.about)
        return _noticed(replace(message, text=read.text, visible_text=read.text), item, name)
    if read is None:  # with all that it says: nobody knows what matters in it
        told = [f"{key}: {value}" for key, value in item.event.items() if isinstance(value, str | int)][:30]
        text = lines(f"The unknown event “{name}”", *told)[:4000]
        message = _message(item, item.external_userid, servicer="sys")
        return _noticed(replace(message, text=text, visible_text=text), item, name)
    return read


def _message(item: Item, external_userid: str, servicer: str = "") -> InboundMessage:
    if external_userid:
        sender = people.customer(item.corp_id, external_userid)
    elif servicer:
        sender = people.employee(item.corp_id, servicer)
    else:
        raise Unreadable("the message names no customer")
    person = people.escaped(external_userid or servicer)
    return InboundMessage(
        external_id=item.msgid,
        thread_key=f"{people.escaped(item.open_kfid)}/{person}",
        sender=sender,
        sent_at=item.at,
    )


def _noticed(message: InboundMessage, item: Item, name: str) -> InboundMessage:
    keys = ("scene", "scene_param", "change_type", "old_servicer_userid", "new_servicer_userid", "servicer_userid")
    details = {key: value[:500] for key in keys if (value := text_of(item.event, key))}
    return replace(
        message, kind="notice", silent=True, silent_reason="no message, but an event",
        extra={**message.extra, "notice": name, **details},
    )  # fmt: skip


def _by_servicer(message: InboundMessage, item: Item) -> InboundMessage:
    """Written by a colleague in the WeCom client, to the customer."""
    userid = text_of(item.fields, "servicer_userid").strip()[:128] or "sys"
    to = Participant(handle=message.sender, role="to")
    return replace(message, direction="outbound", sender=people.employee(item.corp_id, userid), participants=(to,))


def _unsupported(message: InboundMessage, item: Item) -> InboundMessage:
    content = item.fields.get(item.kind)
    values = content.values() if isinstance(content, dict) else [content]
    said = [value for value in values if isinstance(value, str)][:20]
    text = lines(f"[a message that cannot be shown here, of the type “{item.kind[:80]}”]", *said)[:4000]
    return replace(message, kind="unsupported", text=text, visible_text=text, attachments=(_raw(item),))


def _raw(item: Item) -> InboundAttachment:
    return InboundAttachment(filename="event.json", content_type="application/json", content=item.body)

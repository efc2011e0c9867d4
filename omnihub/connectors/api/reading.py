import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson
import phonenumbers

from omnihub.connectors.api.bodies import ApiAttachment, ApiEdit, ApiMessage, ApiReceipt, ApiSender, decode
from omnihub.connectors.api.settings import Settings
from omnihub.model.inbound import (
    Amendment,
    Handle,
    InboundAttachment,
    InboundMessage,
    LentMedia,
    MessageKind,
    Receipt,
)

_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")
_KINDS: Mapping[str, MessageKind] = {"message": "message", "auto_reply": "auto_reply", "notice": "notice"}
_EVENT_BYTES = 262_144
THREAD = "thread:"


def inbound(message: ApiMessage, account_id: str, settings: Settings) -> InboundMessage:
    handle, problems = sender(message.sender, account_id, settings)
    kind = _KINDS.get(message.kind, "unsupported")
    text = message.text if kind != "unsupported" else _unknown(message)
    return InboundMessage(
        external_id=message.id,
        thread_key=thread_key(message),
        sender=handle,
        fingerprint=fingerprint(message),
        sent_at=message.sent_at,
        kind=kind,
        subject=message.subject,
        text=text,
        visible_text=text,
        attachments=(*_files(message.attachments), *(_event(message) if kind == "unsupported" else ())),
        media=_lent(message.attachments),
        silent=kind in ("notice", "auto_reply"),
        silent_reason={"notice": "notice", "auto_reply": "automatic reply"}.get(kind, ""),
        problems=problems,
        extra=_extra(message),
    )


def receipt(read: ApiReceipt) -> Receipt:
    return Receipt(external_id=read.message_id, status=read.status, at=read.at, words=read.words, code=read.code)


def amendment(edit: ApiEdit, account_id: str, settings: Settings) -> Amendment:
    message = inbound(edit.message, account_id, settings) if edit.message is not None else None
    if message is not None:
        # With one of its own it would pass for another message under the same id.
        message = replace(message, fingerprint="")
    return Amendment(external_id=edit.id, kind=edit.kind, at=edit.at, message=message)


def sender(person: ApiSender, account_id: str, settings: Settings) -> tuple[Handle, tuple[str, ...]]:
    """The handle, and what is wrong with what was said of it: no reason to lose a message."""
    keys = {"email": _email_key(person.email), "phone": _phone_key(person.phone, settings.phone_region)}
    given = {"email": person.email, "phone": person.phone}
    problems = tuple(f"the sender's {name} cannot be read" for name in given if given[name] and not keys[name])
    trusted = person.verified if settings.trust_verified else ()
    handle = Handle(
        key=handle_key(account_id, person.id),
        name=person.name.strip(),
        claims=tuple(key for name, key in keys.items() if key and name not in trusted),
        proven=tuple(key for name, key in keys.items() if key and name in trusted),
    )
    return handle, problems


def handle_key(account_id: str, person_id: str) -> str:
    return f"api:{account_id}:{person_id.replace('%', '%25').replace(':', '%3A')}"


def person_id(handle: Handle) -> str:
    return handle.value.replace("%3A", ":").replace("%25", "%")


def thread_key(message: ApiMessage) -> str:
    """A person's id has no colon here, so that no thread is ever named like a person."""
    return THREAD + message.thread if message.thread else handle_key("", message.sender.id).rpartition(":")[2]


def thread_of(key: str) -> str:
    """As the other system named it, empty for the lasting exchange."""
    return key.removeprefix(THREAD) if key.startswith(THREAD) else ""


def fingerprint(message: ApiMessage) -> str:
    """Who said what: a repeat may bring fresh addresses of its files, and another time of sending."""
    said = [message.sender.id, message.thread, message.kind, message.subject, message.text]
    return hashlib.sha256(orjson.dumps([*said, *(one.filename for one in message.attachments)])).hexdigest()


def _email_key(address: str) -> str:
    address = address.strip()
    return f"email:{address.lower()}" if len(address) <= 254 and _EMAIL.fullmatch(address) else ""


def _phone_key(written: str, region: str) -> str:
    try:
        number = phonenumbers.parse(written[:40], region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return f"phone:{phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)}"


def _files(attachments: Sequence[ApiAttachment]) -> tuple[InboundAttachment, ...]:
    return tuple(
        InboundAttachment(filename=one.filename, content_type=one.content_type, content=decode(one.content_base64))
        for one in attachments
        if not one.url
    )


def _lent(attachments: Sequence[ApiAttachment]) -> tuple[LentMedia, ...]:
    return tuple(
        LentMedia(ref={"url": one.url}, filename=one.filename, content_type=one.content_type)
        for one in attachments
        if one.url
    )


def _unknown(message: ApiMessage) -> str:
    said = "\n".join(filter(None, (message.subject, message.text)))
    return f"[{message.kind}] {said}".strip()


def _event(message: ApiMessage) -> tuple[InboundAttachment, ...]:
    """The files stand beside it already."""
    content = orjson.dumps(message.model_dump(mode="json", exclude={"attachments"}), option=orjson.OPT_INDENT_2)
    if len(content) > _EVENT_BYTES:
        return ()
    return (InboundAttachment(filename="event.json", content_type="application/json", content=content),)


def _extra(message: ApiMessage) -> Mapping[str, object]:
    notice = {"notice": str(message.data.get("notice", "api"))[:60]} if message.kind == "notice" else {}
    return {**({"data": message.data} if message.data else {}), **notice}

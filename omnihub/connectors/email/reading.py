"""A stored raw mail as the hub's own message: pure, whatever the mail looks like."""

import hashlib
import re
from collections.abc import Collection
from datetime import datetime

from omnihub.connectors.email import message_ids
from omnihub.connectors.email.addresses import Address
from omnihub.connectors.email.bounces import Bounce
from omnihub.connectors.email.parsing import ParsedMail, parse_mail
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import (
    DeliveryReport,
    Evidence,
    Handle,
    Inbound,
    InboundAttachment,
    InboundMessage,
    Participant,
    ParticipantRole,
    Receipt,
)
from omnihub.model.raw import RawRequest

NOBODY = "email:unknown@invalid"
_NUMBER = re.compile(r"[\[［【]\s*[#＃](\d{1,12})\s*[\]］】]")
_REPORTS: dict[str, DeliveryReport] = {
    "failed": "failed",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "sent",
    "expanded": "delivered",
}


def read(request: RawRequest, own: Collection[str]) -> list[Inbound]:
    """`own` are the account's addresses in lower case. Raises Unreadable where nothing is there."""
    if not request.body.strip():
        raise Unreadable("the mail is empty")
    mail = parse_mail(request.body)
    message = _message(mail, request, own)
    receipt = _receipt(mail.bounce, message.sent_at) if mail.bounce else None
    return [message, receipt] if receipt else [message]


def _message(mail: ParsedMail, request: RawRequest, own: Collection[str]) -> InboundMessage:
    external_id = mail.message_id or f"sha256:{hashlib.sha256(request.body).hexdigest()}"
    outbound = _is_own(mail.from_, own) and (request.meta.get("role") == "sent" or request.source == "import")
    reason = _silent_reason(mail, own, outbound=outbound)
    return InboundMessage(
        external_id=external_id,
        thread_key=external_id,
        fingerprint=_fingerprint(mail),
        sender=_sender(mail.from_),
        participants=_participants(mail, own),
        reply_to=tuple(_handle(one) for one in mail.reply_to if _real(one)),
        sent_at=mail.date or _internal_date(request),
        kind=mail.kind,
        direction="outbound" if outbound else "inbound",
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        visible_text=mail.visible_text,
        quoted_text=mail.quoted_text,
        visible_html=mail.visible_html,
        attachments=tuple(
            InboundAttachment(
                filename=part.filename,
                content_type=part.content_type,
                content=part.content,
                inline=part.inline,
                content_id=part.content_id,
                label=part.label,
            )
            for part in mail.attachments
        ),
        evidence=_evidence(mail, own),
        silent=bool(reason),
        silent_reason=reason,
        problems=(*mail.problems, *_problems(mail, request)),
        extra={"suppress_auto_reply": True} if mail.suppress_auto_reply else {},
    )


def _silent_reason(mail: ParsedMail, own: Collection[str], *, outbound: bool) -> str:
    if outbound:
        return "sent from this mailbox with another program"
    if _is_own(mail.from_, own):
        return "loop: it comes from this mailbox's own address"
    if mail.kind == "message":
        return ""
    return f"{mail.kind}: {', '.join(mail.auto_reason)}" if mail.auto_reason else mail.kind


def _evidence(mail: ParsedMail, own: Collection[str]) -> Evidence:
    references = tuple(dict.fromkeys((*mail.references, *mail.in_reply_to)))
    original = mail.bounce.original_message_id if mail.bounce else ""
    recipients = (*mail.delivered_to, *(one.address for one in (*mail.to, *mail.cc)))
    tokens = [
        *message_ids.tokens_in_addresses(recipients, own),
        *(message_ids.token_in(one) for one in (*reversed(references), original)),
    ]
    return Evidence(
        tokens=tuple(dict.fromkeys(token for token in tokens if token)),
        message_id=mail.message_id,
        references=(*references, original) if original and original not in references else references,
        ticket_numbers=tuple(dict.fromkeys(int(number) for number in _NUMBER.findall(mail.subject))),
        bulk=mail.kind == "list" or bool(mail.list_id),
    )


def _receipt(bounce: Bounce, at: datetime | None) -> Receipt | None:
    if not bounce.original_message_id:
        return None
    return Receipt(
        external_id=bounce.original_message_id,
        status=_REPORTS.get(bounce.action.lower(), "failed"),
        at=at,
        recipient=bounce.recipient,
        words=bounce.diagnostic,
        code=bounce.status,
    )


def _participants(mail: ParsedMail, own: Collection[str]) -> tuple[Participant, ...]:
    roles: tuple[tuple[ParticipantRole, tuple[Address, ...]], ...] = (
        ("from", (mail.from_,) if mail.from_ else ()),
        ("to", mail.to),
        ("cc", mail.cc),
    )
    found: dict[str, Participant] = {}
    for role, addresses in roles:
        for one in addresses:
            if _real(one) and not _is_own(one, own):
                found.setdefault(one.address.lower(), Participant(handle=_handle(one), role=role))
    return tuple(found.values())


def _is_own(one: Address | None, own: Collection[str]) -> bool:
    if one is None:
        return False
    address = one.address.lower()
    local, _, domain = address.rpartition("@")
    return address in own or f"{local.partition('+')[0]}@{domain}" in own


def _real(one: Address | None) -> bool:
    return one is not None and "@" in one.address


def _handle(one: Address) -> Handle:
    return Handle(key=f"email:{one.address.lower()}", name=one.name)


def _sender(one: Address | None) -> Handle:
    if one is None or not _real(one):
        return Handle(key=NOBODY, name=one.name if one else "")
    return _handle(one)


def _fingerprint(mail: ParsedMail) -> str:
    sender = mail.from_.address.lower() if mail.from_ else ""
    # Devices with one fixed id give no date either; then only the text tells their mails apart.
    date = mail.date.isoformat() if mail.date else f"\0{mail.text.strip()}"
    return hashlib.sha256("\0".join((sender, date, mail.subject)).encode("utf-8", "replace")).hexdigest()[:32]


def _internal_date(request: RawRequest) -> datetime | None:
    value = str(request.meta.get("internal_date") or "")
    return datetime.fromisoformat(value) if value else None


def _problems(mail: ParsedMail, request: RawRequest) -> list[str]:
    found = []
    if not _real(mail.from_):
        found.append("no_sender: the mail names no sender")
    if request.meta.get("truncated"):
        size = request.meta.get("size") or "an unknown number of"
        found.append(f"truncated: of {size} bytes only the beginning was fetched")
    return found

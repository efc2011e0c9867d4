"""An answer as the bytes that go out. The same Outgoing always makes the same bytes, so that a retry
repeats the mail and not just its text."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime

from omnihub.connectors.email import message_ids, outgoing_text, wire
from omnihub.connectors.email.settings import ADDRESS, Settings
from omnihub.model.errors import Refused
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing, OutgoingAttachment

MAX_REFERENCES = 20


@dataclass(slots=True, frozen=True, kw_only=True)
class Composed:
    """`sender` is the envelope's; '' is the null sender of automatic mail."""

    raw: bytes
    sender: str
    recipients: tuple[str, ...]


def compose(message: Outgoing, settings: Settings) -> Composed:
    """Raises Refused where a recipient is no mail address."""
    recipients = _unique(_address(handle) for handle in (*message.to, *message.cc, *message.bcc))
    if not recipients:
        raise Refused("the message has no recipient")
    mail = _body(message, settings)
    for name, value in _headers(message, settings):
        mail[name] = value
    _fix_boundaries(mail, message.id)
    raw = mail.as_bytes(policy=wire.POLICY)
    return Composed(
        raw=raw, sender="" if message.automatic else wire.ascii_address(settings.address), recipients=recipients
    )


def _headers(message: Outgoing, settings: Settings) -> list[tuple[str, str]]:
    references = message_ids.bounded(message.references, MAX_REFERENCES)
    subject = message.subject if not references else outgoing_text.reply_subject(message.subject)
    if settings.subject_tag and message.ticket_number:
        subject = outgoing_text.tagged(subject, message.ticket_number)
    found = [
        ("From", wire.mailbox(_from_name(message, settings), settings.address)),
        ("To", _mailboxes(message.to) or "undisclosed-recipients:;"),
        ("Cc", _mailboxes(message.cc)),
        ("Reply-To", _reply_to(message, settings)),
        ("Subject", wire.words("Subject", subject)),
        ("Date", format_datetime(message.created_at)),
        ("Message-ID", f"<{message.external_id or message_ids.make(message, settings.domain)}>"),
        ("In-Reply-To", wire.ids(references[-1:])),
        ("References", wire.ids(references)),
    ]
    if message.automatic:
        found += [
            ("Auto-Submitted", "auto-replied"),
            ("X-Auto-Response-Suppress", "All"),
            ("X-Loop", wire.ascii_address(settings.address)),
        ]
    return [(name, value) for name, value in found if value]


def _from_name(message: Outgoing, settings: Settings) -> str:
    desk, author = settings.sender_name, "" if message.automatic else message.author
    if settings.from_style == "desk" or not author:
        return desk
    if settings.from_style == "author" or not desk:
        return author
    return f"{author} via {desk}"


def _reply_to(message: Outgoing, settings: Settings) -> str:
    if not (settings.plus_addressing and message_ids.carries(message.token)):
        return ""
    local, _, domain = settings.address.rpartition("@")
    return wire.mailbox(settings.sender_name, f"{local}+{message.token}@{domain}")


def _mailboxes(handles: Iterable[Handle]) -> str:
    return ",\r\n ".join(wire.mailbox(handle.name, _address(handle)) for handle in handles)


def _address(handle: Handle) -> str:
    if handle.channel != "email" or not ADDRESS.fullmatch(handle.value):
        raise Refused(f"{handle.key} is not a mail address")
    try:
        return wire.ascii_address(handle.value)
    except UnicodeError:
        raise Refused(f"{handle.value} needs SMTPUTF8, which is not supported") from None


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple({value.lower(): value for value in values}.values())


def _body(message: Outgoing, settings: Settings) -> EmailMessage:
    text, html = outgoing_text.bodies(message, settings)
    mail = EmailMessage(policy=wire.POLICY)
    mail.set_content(wire.lines(text), charset="utf-8")
    mail.add_alternative(wire.lines(html), subtype="html", charset="utf-8")
    page = mail.get_body(("html",))
    for attachment in message.attachments:
        inline = attachment.inline and attachment.content_id and page is not None
        _attach(page if inline and isinstance(page, EmailMessage) else mail, attachment, inline=bool(inline))
    return mail


def _attach(mail: EmailMessage, attachment: OutgoingAttachment, *, inline: bool) -> None:
    maintype, subtype = wire.media_type(attachment.content_type)
    name = wire.file_name(attachment.filename)
    if inline:
        cid = f"<{wire.token(attachment.content_id)}>"
        mail.add_related(attachment.content, maintype, subtype, cid=cid, filename=name, disposition="inline")
    else:
        mail.add_attachment(attachment.content, maintype, subtype, filename=name)


def _fix_boundaries(mail: EmailMessage, seed: str) -> None:
    containers = [part for part in mail.walk() if part.is_multipart()]
    for number, part in enumerate(containers):
        part.set_boundary(f"=_oh_{wire.token(seed)}_{number}")

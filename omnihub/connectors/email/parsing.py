"""One mail, bytes in, typed values out. Pure: nothing is fetched, stored or sent."""

import base64
import binascii
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from html import escape

from omnihub.connectors.email import quotes
from omnihub.connectors.email.addresses import Address, parse_addresses
from omnihub.connectors.email.body import Block, Body, BodyReader, CalendarBlock, MailAttachment, is_placeholder
from omnihub.connectors.email.bounces import Bounce, find_bounce
from omnihub.connectors.email.classify import Kind, classify, withholds_answer
from omnihub.connectors.email.dates import parse_date
from omnihub.connectors.email.headers import Headers, message_ids
from omnihub.connectors.email.html import normalise, sanitise
from omnihub.connectors.email.mime import DEFAULT_LIMITS, Limits, Part, TreeBuilder
from omnihub.connectors.email.plaintext import HtmlText, text_of

__all__ = ["Address", "Bounce", "Limits", "MailAttachment", "ParsedMail", "inspect", "parse_mail"]

_DELIVERED = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to")
_MAX_PROBLEMS = 50
_MAX_VALUES = 50  # values of one repeated header


@dataclass(slots=True, frozen=True, kw_only=True)
class ParsedMail:
    """Message ids are without angle brackets. `text` is always whole; `visible_text` and `quoted_text`
    together hold every line of it, the signature being part of the quoted side."""

    kind: Kind
    from_: Address | None
    sender: Address | None
    return_path: str  # '' for an empty or absent envelope sender
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    subject: str
    date: datetime | None
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    text: str
    html: str
    visible_text: str
    quoted_text: str
    visible_html: str
    signature: str
    attachments: tuple[MailAttachment, ...]
    bounce: Bounce | None
    delivered_to: tuple[str, ...]
    list_id: str
    thread_hints: dict[str, str]
    auto_reason: tuple[str, ...]
    suppress_auto_reply: bool
    problems: tuple[str, ...]


@dataclass(slots=True, frozen=True)
class _Words:
    text: str
    html: str
    visible_html: str
    split: quotes.Split


def parse_mail(raw: bytes, limits: Limits = DEFAULT_LIMITS) -> ParsedMail:
    """Never raises: what cannot be understood is named in `problems`."""
    builder = TreeBuilder(limits)
    root = builder.build(raw)
    problems = builder.problems
    if not raw.strip():
        problems.append("empty mail")
    body = BodyReader(limits, problems).read(root, is_root=True)
    headers = root.headers
    headers.problems = problems
    subject = headers.text("subject")
    words = _words(body, subject, limits, problems)
    return _assembled(root, subject, words, body, problems)


def _assembled(root: Part, subject: str, words: _Words, body: Body, problems: list[str]) -> ParsedMail:
    headers = root.headers
    sender = _sender(headers, problems)
    address = sender.address if sender else ""
    empty_envelope = headers.has("return-path") and headers.raw("return-path").replace(" ", "") in ("<>", "")
    bounce = find_bounce(root, words.text, address, empty_envelope)
    kind, reasons = classify(headers, address, empty_envelope, bounce is not None)
    to, cc = (_people(headers, name) for name in ("to", "cc"))
    return ParsedMail(
        kind=kind,
        from_=sender,
        sender=next(iter(parse_addresses(headers.raw("sender"))), None),
        return_path=next((one.address for one in parse_addresses(headers.raw("return-path"))), ""),
        to=to,
        cc=cc,
        reply_to=_people(headers, "reply-to"),
        subject=subject,
        date=_date(headers, problems),
        message_id=_message_id(headers, problems),
        in_reply_to=message_ids(headers.raw("in-reply-to")),
        references=message_ids(" ".join(headers.raws("references"))),
        text=words.text,
        html=words.html,
        visible_text=words.split.visible,
        quoted_text=words.split.quoted,
        visible_html=words.visible_html,
        signature=words.split.signature,
        attachments=_placed(body.attachments, words.html),
        bounce=bounce,
        delivered_to=_delivered(headers, to, cc),
        list_id=headers.text("list-id").rpartition("<")[2].strip("<> "),
        thread_hints=_hints(headers),
        auto_reason=reasons,
        suppress_auto_reply=kind != "message" or withholds_answer(headers, address),
        problems=tuple(dict.fromkeys(problems))[:_MAX_PROBLEMS],
    )


def _date(headers: Headers, problems: list[str]) -> datetime | None:
    date, problem = parse_date(headers.raw("date"))
    if problem:
        problems.append(problem)
    return date


def _message_id(headers: Headers, problems: list[str]) -> str:
    ids = message_ids(headers.raw("message-id"))
    if not ids:
        problems.append("no Message-ID")
    return ids[0] if ids else ""


def _sender(headers: Headers, problems: list[str]) -> Address | None:
    found = parse_addresses(headers.raw("from"))
    if not found:
        problems.append("no From")
        return None
    sender = next((one for one in found if "@" in one.address), found[0])
    if "@" not in sender.address:
        problems.append("From has no address")
    shown = parse_addresses(sender.name)
    if any("@" in one.address and "." in one.address and one.address != sender.address for one in shown):
        problems.append("sender name shows another address")
    return sender


def _people(headers: Headers, name: str) -> tuple[Address, ...]:
    values = list(headers.raws(name))[:_MAX_VALUES]
    found = (one for value in values for one in parse_addresses(value))
    return tuple(dict.fromkeys(one for one in found if one.address))


def _delivered(headers: Headers, to: tuple[Address, ...], cc: tuple[Address, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in _DELIVERED:
        for value in list(headers.raws(name))[:_MAX_VALUES]:
            found.extend(one.address for one in parse_addresses(value))
    found.extend(one.address for one in (*to, *cc))
    return tuple(dict.fromkeys(address for address in found if "@" in address))


def _hints(headers: Headers) -> dict[str, str]:
    """Thread marks of single providers; hints, never proof."""
    hints = {name: headers.text(name) for name in ("x-gm-thrid", "thread-topic")}
    try:
        # Outlook: 22 bytes name the thread, five more are added by every answer.
        hints["thread-index"] = base64.b64decode(headers.raw("thread-index"))[:22].hex()
    except (binascii.Error, ValueError):
        hints["thread-index"] = ""
    return {name: value for name, value in hints.items() if value}


def _placed(attachments: list[MailAttachment], html: str) -> tuple[MailAttachment, ...]:
    """Parts that the HTML shows are inline whatever their disposition says."""
    return tuple(
        replace(one, inline=True) if one.content_id and f"cid:{escape(one.content_id)}" in html else one
        for one in attachments
    )


# ---- words -------------------------------------------------------------------------------------


def _words(body: Body, subject: str, limits: Limits, problems: list[str]) -> _Words:
    written = [block for block in body.blocks if not isinstance(block, CalendarBlock)]
    if not any((block.text or "").strip() or (block.html or "").strip() for block in written):
        written = [block for block in body.blocks if isinstance(block, CalendarBlock)]
    if not any(block.html is not None for block in written):
        text = _trimmed("\n\n".join(_trimmed(block.text or "") for block in written))
        return _Words(text, "", "", quotes.split(text, subject))
    html = "\n".join(block.html if block.html is not None else _as_html(block.text or "") for block in written)
    normal = normalise(html, limits.html)
    if normal.problem:
        problems.append(normal.problem)
    shown = text_of(normal.source)
    hint = quotes.Hint(shown.marker.line, shown.marker.end) if shown.marker else None
    html_split = quotes.split(shown.text, subject, hint)
    plain = _plain(written, limits)
    if plain is None:
        text, split = shown.text, html_split
    else:
        text = plain
        split = quotes.split(plain, subject, _found_in(plain, shown, html_split))
    safe = sanitise(normal.source)
    cut = None if split.whole or html_split.whole else _html_cut(shown, html_split)
    return _Words(text, safe, safe if cut is None else sanitise(normal.source[:cut]), split)


def _plain(blocks: list[Block], limits: Limits) -> str | None:
    """Text in the sender's own words; None when it must be derived from all of the HTML."""
    texts = []
    for block in blocks:
        if block.html is None:
            texts.append(block.text or "")
        elif block.text is not None and not is_placeholder(block.text):
            texts.append(block.text)
        elif len(blocks) == 1:
            return None
        else:
            texts.append(text_of(normalise(block.html, limits.html).source).text)
    return _trimmed("\n\n".join(filter(None, (_trimmed(text) for text in texts))))


def _trimmed(text: str) -> str:
    """Without blank lines around it; the first line keeps its indent."""
    blank = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, blank) + 1 :].rstrip()


def _as_html(text: str) -> str:
    return "<div>" + escape(text).replace("\n", "<br>") + "</div>"


def _html_cut(shown: HtmlText, split: quotes.Split) -> int | None:
    if split.cut is None:
        return None
    if shown.marker and shown.marker.line == split.cut:
        return shown.marker.offset
    return shown.offsets[split.cut] if split.cut < len(shown.offsets) else None


def _found_in(plain: str, shown: HtmlText, split: quotes.Split) -> quotes.Hint | None:
    """Where the quote that only the HTML marks begins in the plain text; None when that is not certain."""
    if split.cut is None:
        return None
    wanted = "".join("\n".join(shown.lines[: split.cut]).split())
    if not wanted:
        return None
    seen = 0
    for index, line in enumerate(plain.split("\n")):
        packed = "".join(line.split())
        if seen == len(wanted) and packed:
            return quotes.Hint(index, None)
        if not wanted.startswith(packed, seen):
            return None
        seen += len(packed)
    return None


# ---- the command line's view -------------------------------------------------------------------


def inspect(raw: bytes, file: str) -> dict[str, object]:
    """One JSON-ready object with exactly the keys that `omnihub inspect email` prints."""
    mail = parse_mail(raw)
    return {
        "file": file,
        "kind": mail.kind,
        "from": _person(mail.from_) if mail.from_ else None,
        "to": [_person(one) for one in mail.to],
        "cc": [_person(one) for one in mail.cc],
        "reply_to": [_person(one) for one in mail.reply_to],
        "subject": mail.subject,
        "date": mail.date.astimezone(UTC).isoformat().replace("+00:00", "Z") if mail.date else None,
        "message_id": mail.message_id,
        "in_reply_to": next(iter(mail.in_reply_to), ""),
        "references": list(mail.references),
        "text": mail.text,
        "html": mail.html,
        "visible_text": mail.visible_text,
        "quoted_text": mail.quoted_text,
        "attachments": [
            {
                "filename": one.filename,
                "content_type": one.content_type,
                "size": one.size,
                "inline": one.inline,
                "content_id": one.content_id,
            }
            for one in mail.attachments
        ],
        "bounce": asdict(mail.bounce) if mail.bounce else None,
        "problems": list(mail.problems),
    }


def _person(one: Address) -> dict[str, str]:
    return {"name": one.name, "address": one.address}

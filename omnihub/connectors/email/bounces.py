"""Delivery failures: the standard report (RFC 3464) and the free prose of those who have none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from omnihub.connectors.email.addresses import parse_addresses
from omnihub.connectors.email.headers import Headers, clean, message_ids, split_headers
from omnihub.connectors.email.mime import Part, decode_body


@dataclass(slots=True, frozen=True, kw_only=True)
class Bounce:
    recipient: str
    status: str  # enhanced status code, e.g. 5.1.1; '' when unknown
    action: str  # failed, delayed, delivered, relayed, expanded
    diagnostic: str
    original_message_id: str  # without angle brackets; '' when the report does not carry it


_DAEMON = re.compile(
    r"^(?:mailer-daemon|postmaster|mail-daemon|mailerdaemon|mdaemon|bounces?|microsoftexchange\w+)@|^mailer-daemon$"
)
_SUBJECT = re.compile(
    r"undeliver|delivery (?:status notification|failure|has failed|report|delayed)|mail system error|non.?delivery"
    r"|mail delivery (?:failed|system|subsystem|failure)|returned mail|returned to sender|failure notice"
    r"|message (?:delayed|not delivered)"
    r"|退信|未送达|未傳遞|未能送达|无法送达|無法傳遞|投递失败|发送失败|邮件被退回|投遞失敗"
    r"|unzustellbar|nicht zugestellt|zustellung.{0,20}fehlgeschlagen|non remis|échec de la remise|non distribuable"
    r"|no se puede entregar|no entregado|配信不能|配信できません|送信できませんでした|не доставлено",
    re.IGNORECASE,
)
_PROSE = re.compile(
    r"This is the qmail-send program|This message was created automatically by mail delivery software"
    r"|could not be delivered|couldn't be delivered|wasn't delivered|delivery to the following recipient"
    r"|permanent (?:fatal )?error|user (?:unknown|doesn't exist)|mailbox (?:unavailable|not found|full)"
    r"|抱歉，您的邮件被退回|您的邮件.{0,20}退回|无法送达|未送达|无法投递",
    re.IGNORECASE,
)
_ADDRESS = r"[A-Za-z0-9_.+%&=/'-]{1,64}@[A-Za-z0-9.-]{1,190}\.[A-Za-z0-9-]{2,60}"
_RECIPIENTS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        rf"^<({_ADDRESS})>:",
        rf"^[ \t]+({_ADDRESS})[ \t]*\r?$",
        rf"(?:recipient|收件人|address|to|an|à|para)[^\n@]{{0,40}}[:：\s<\[(]({_ADDRESS})",
        rf"<({_ADDRESS})>",
        rf"({_ADDRESS})",
    )
)
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45])\d\d(?=[ \-:,，。）)]|\Z)")
_ID_LINE = re.compile(r"Message-ID\s*[:：]\s*(<[^<>\s]{3,400}>)", re.IGNORECASE)
_DELAYED = re.compile(
    r"delayed|will (?:continue to )?retry|not yet been delivered|延迟|no action is required", re.IGNORECASE
)
_TYPED = re.compile(r"^\s*(?:rfc822|utf-8|unknown|x400|smtp|x-\w[\w-]*|dns|dnsfunc|x\d*)\s*;\s*", re.IGNORECASE)
_PROSE_LIMIT = 60_000
_GOOD = frozenset(("delivered", "relayed", "expanded"))


def is_daemon(address: str) -> bool:
    return _DAEMON.match(address) is not None


def find_bounce(root: Part, text: str, sender: str, empty_envelope: bool) -> Bounce | None:
    """What bounced, or None when the mail is no delivery report."""
    parts = list(root.walk())
    reports = [
        part for part in parts if part.type.value in ("message/delivery-status", "message/global-delivery-status")
    ]
    original = _original_id(parts, text)
    if reports:
        return _standard(reports[0], original or _referenced(root.headers), text)
    failed = root.headers.raw("x-failed-recipients")
    if not failed and not _is_prose(root, text, sender, empty_envelope):
        return None
    return _from_prose(root, text, failed, original or _referenced(root.headers))


def _is_prose(root: Part, text: str, sender: str, empty_envelope: bool) -> bool:
    subject = bool(_SUBJECT.search(root.headers.text("subject")))
    prose = bool(_PROSE.search(text[:_PROSE_LIMIT]))
    if is_daemon(sender):
        return subject or prose
    return empty_envelope and subject and prose


def _standard(report: Part, original: str, text: str) -> Bounce:
    blocks = list(_blocks(decode_body(report, [])))
    about = [
        block
        for block in blocks
        if block.has("final-recipient") or block.has("original-recipient") or block.has("action")
    ]
    chosen = next((b for b in about if b.raw("action").lower() == "failed"), about[0] if about else Headers())
    status = match[1] if (match := _STATUS.search(chosen.raw("status"))) else ""
    diagnostic = _untyped(chosen.text("diagnostic-code"))
    recipient = (
        _mailbox(chosen.raw("final-recipient")) or _mailbox(chosen.raw("original-recipient")) or _recipient(text)
    )
    action = chosen.raw("action").split(" ")[0].lower()
    return Bounce(
        recipient=recipient,
        status=status or _status_in(diagnostic),
        action=action or ("delayed" if status.startswith("4") else "failed"),
        diagnostic=diagnostic or _line_about(text, recipient),
        original_message_id=original,
    )


def is_failure(bounce: Bounce) -> bool:
    return bounce.action not in _GOOD


def _blocks(data: bytes) -> Iterator[Headers]:
    rest = data.replace(b"\r\n", b"\n").strip()
    for _ in range(200):
        if not rest:
            return
        before = len(rest)
        block, rest = split_headers(rest)
        rest = rest.lstrip(b"\n")
        if block.fields:
            yield block
        if len(rest) == before:
            _, _, rest = rest.partition(b"\n")


def _untyped(value: str) -> str:
    return " ".join(_TYPED.sub("", value, count=1).split())[:1000]


def _mailbox(value: str) -> str:
    found = parse_addresses(_TYPED.sub("", value, count=1))
    return next((one.address for one in found if "@" in one.address), "")


def _original_id(parts: list[Part], text: str) -> str:
    for part in parts:
        if part.type.value in (
            "message/rfc822",
            "text/rfc822-headers",
            "message/rfc822-headers",
            "message/global",
        ):
            headers, _ = split_headers(decode_body(part, []).lstrip(b"\r\n"))
            ids = message_ids(headers.raw("message-id"))
            if ids:
                return ids[0]
    match = _ID_LINE.search(text[:_PROSE_LIMIT])
    return message_ids(match[1])[0] if match else ""


def _referenced(headers: Headers) -> str:
    ids = message_ids(headers.raw("in-reply-to")) or message_ids(headers.raw("references"))
    return ids[-1] if ids else ""


def _from_prose(root: Part, text: str, failed: str, original: str) -> Bounce:
    # Below the report many append the original, whose addresses and numbers must not be taken for it.
    report = re.split(
        r"(?m)^-{3,} ?(?:Below this line|This is a copy|Original message|The following is|Undelivered)",
        text[:_PROSE_LIMIT],
    )[0]
    recipient = _mailbox(failed) or _recipient(report)
    diagnostic = _line_about(report, recipient)
    status = _status_in(diagnostic) or _status_in(report)
    delayed = bool(_DELAYED.search(root.headers.text("subject"))) or (
        status[:1] in ("4", "") and bool(_DELAYED.search(report))
    )
    return Bounce(
        recipient=recipient,
        status=status,
        action="delayed" if delayed else "failed",
        diagnostic=diagnostic,
        original_message_id=original,
    )


def _recipient(text: str) -> str:
    for pattern in _RECIPIENTS:
        for match in pattern.finditer(text[:_PROSE_LIMIT]):
            if not is_daemon(match[1].lower()):
                return str(match[1]).lower()
    return ""


def _status_in(text: str) -> str:
    if match := _STATUS.search(text):
        return match[1]
    return f"{match[1]}.0.0" if (match := _REPLY.search(text)) else ""


def _line_about(text: str, recipient: str) -> str:
    """The server's words: the paragraph naming the recipient, or the line that holds a reply code."""
    lines = text[:_PROSE_LIMIT].split("\n")
    coded = [line for line in lines if _STATUS.search(line) or _REPLY.search(line)]
    if coded:
        return clean(" ".join(coded[0].split()))[:1000]
    for index, line in enumerate(lines):
        if recipient and recipient in line.lower():
            return clean(" ".join(" ".join(lines[index : index + 3]).split()))[:1000]
    return ""

"""From the tree of parts to bodies and attachments."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import filetype

from omnihub.connectors.email import quotes, smime, tnef
from omnihub.connectors.email.calendars import calendar_text
from omnihub.connectors.email.charsets import decode
from omnihub.connectors.email.filenames import safe_filename
from omnihub.connectors.email.headers import b64, clean, message_ids, split_headers
from omnihub.connectors.email.mime import Limits, Part, TreeBuilder, decode_body, uu_blocks
from omnihub.connectors.email.plaintext import unflow


@dataclass(slots=True, frozen=True, kw_only=True)
class MailAttachment:
    filename: str
    content_type: str  # found by content where that is possible, else as declared
    size: int
    inline: bool
    content_id: str  # without angle brackets
    content: bytes
    label: str  # '', message, delivery-status, calendar:REQUEST, smime-encrypted, pgp-signature, tnef …


@dataclass(slots=True)
class Block:
    """One stretch of the body; `html` is as it came."""

    text: str | None = None
    html: str | None = None


@dataclass(slots=True)
class Body:
    blocks: list[Block] = field(default_factory=list)
    attachments: list[MailAttachment] = field(default_factory=list)

    def add(self, other: "Body") -> None:
        self.blocks.extend(other.blocks)
        self.attachments.extend(other.attachments)


_LABELS = {
    "message/rfc822": "message",
    "message/global": "message",
    "message/delivery-status": "delivery-status",
    "message/global-delivery-status": "delivery-status",
    "message/disposition-notification": "disposition-notification",
    "text/rfc822-headers": "headers",
    "message/rfc822-headers": "headers",
    "application/pkcs7-signature": "smime-signature",
    "application/x-pkcs7-signature": "smime-signature",
    "application/pgp-signature": "pgp-signature",
    "application/pgp-encrypted": "pgp-encrypted",
    "application/pgp-keys": "pgp-key",
}
_SMIME = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime"))
_TNEF = frozenset(("application/ms-tnef", "application/vnd.ms-tnef"))
_IGNORED = frozenset(("text/x-amp-html", "text/watch-html", "application/applefile"))
# Content found to be one of these says less than a declared office type, which is built upon it.
_CONTAINERS = frozenset(("application/zip", "application/x-ole-storage", "application/gzip", "application/x-tar"))
_PLACEHOLDER = re.compile(
    r"(?:does not|doesn't|cannot|can't|nicht|不支持|不能|無法|无法).{0,60}html"
    r"|html.{0,80}(?:not supported|viewer|capable|不支持)"
    r"|view this (?:e-?mail|message) in (?:html|your browser)",
    re.IGNORECASE | re.DOTALL,
)
_MAX_EMBEDDED = 100
# Small ones are spacers and bullets, and stay where they are.
_EMBEDDED = re.compile(
    r"([\"'])data:image/(png|jpe?g|gif|webp|bmp);base64,([A-Za-z0-9+/=\s]{500,})\1", re.IGNORECASE
)
_META = re.compile(rb"<meta[^>]{1,200}charset=[\"']?([A-Za-z0-9_:-]{2,40})", re.IGNORECASE)
_DOUBLED_CR = re.compile(r"\r{2,4}\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")


class BodyReader:
    """Reads one mail's parts in order; counts decoded bytes over the whole tree."""

    def __init__(self, limits: Limits, problems: list[str], depth: int = 0) -> None:
        self.limits = limits
        self.problems = problems
        self.left = limits.decoded
        self.depth = depth  # of signed envelopes opened

    def read(self, part: Part, is_root: bool = False) -> Body:
        kind = part.type.value
        if kind in _IGNORED:
            return Body()
        if kind == "multipart/alternative":
            return self._alternative(part)
        if kind == "multipart/encrypted":
            self.problems.append("encrypted, cannot be read here")
            return self._labelled(part, "pgp-encrypted")
        if part.maintype == "multipart":
            return self._in_order(part)
        for kinds, reader in self._special():
            if kind in kinds:
                return reader(part)
        if kind in ("text/plain", "text/html", "text/enriched", "text/richtext") and not _is_file(part, is_root):
            return self._text(part)
        if _name(part).lower() == "winmail.dat":
            return self._tnef(part)
        return Body(attachments=[self.attachment(part, _LABELS.get(kind, ""))])

    def _special(self) -> tuple[tuple[frozenset[str], Callable[[Part], Body]], ...]:
        return ((frozenset(("text/calendar",)), self._calendar), (_SMIME, self._smime), (_TNEF, self._tnef))

    def _in_order(self, part: Part) -> Body:
        body = Body()
        for child in part.children:
            body.add(self.read(child))
        return body

    def _labelled(self, part: Part, label: str) -> Body:
        return Body(
            attachments=[self.attachment(child, label) for child in part.walk() if child.maintype != "multipart"]
        )

    def _alternative(self, part: Part) -> Body:
        """One block: the words of the plainest, the looks of the richest, the files of all."""
        body, block = Body(), Block()
        for child in part.children:
            read = self.read(child)
            body.attachments.extend(read.attachments)
            texts = [one.text for one in read.blocks if one.text is not None]
            htmls = [one.html for one in read.blocks if one.html is not None]
            if texts and not htmls and (block.text is None or not block.text.strip()):
                block.text = "\n\n".join(texts)
            if htmls:
                block.html = "\n".join(one.html if one.html is not None else one.text or "" for one in read.blocks)
                block.text = block.text if block.text is not None else next(iter(texts), None)
        if block.text is not None or block.html is not None:
            body.blocks.append(block)
        return body

    def _decoded(self, part: Part) -> bytes:
        if self.left <= 0:
            return b""
        data = decode_body(part, self.problems)
        self.left -= len(data)
        if self.left < 0:
            self.problems.append(
                f"more than {self.limits.decoded} decoded bytes, the rest is in the raw mail only"
            )
            return b""
        return data

    def _text(self, part: Part) -> Body:
        data = self._decoded(part)
        found: list[MailAttachment] = []
        if part.type.value != "text/html" and b"begin " in data:
            data, found = self._without_uu(data)
        meta = _META.search(data, 0, 4096) if part.type.value == "text/html" else None
        text, problem = decode(data, part.type.get("charset"), meta[1].decode() if meta else "")
        if problem:
            self.problems.append(problem)
        text = normal_lines(text)
        if part.type.value != "text/plain":
            text, images = _without_embedded(text)
            return Body([Block(html=text)], found + images)
        if part.type.get("format").lower() == "flowed" and len(text) < quotes.MAX_TEXT:
            text = unflow(text, part.type.get("delsp").lower() == "yes")
        if "-----BEGIN PGP MESSAGE-----" in text:
            self.problems.append("encrypted, cannot be read here")
        return Body([Block(text=text)], found)

    def _without_uu(self, data: bytes) -> tuple[bytes, list[MailAttachment]]:
        found: list[MailAttachment] = []
        kept: list[bytes] = []
        position = 0
        for start, end, name, content in uu_blocks(data):
            if len(found) >= self.limits.parts:
                break
            kept.append(data[position:start])
            position = end
            found.append(make_attachment(content, decode(name)[0], "application/octet-stream"))
        return b"".join([*kept, data[position:]]), found

    def _calendar(self, part: Part) -> Body:
        data = self._decoded(part)
        text, _ = decode(data, part.type.get("charset"))
        method = part.type.get("method").upper() or _method(text)
        file = make_attachment(
            data, _name(part), "text/calendar", label=f"calendar:{method}".rstrip(":"), stem="invite"
        )
        shown = calendar_text(text)
        return Body([Block(text=None, html=None)] if not shown else [CalendarBlock(text=shown)], [file])

    def _smime(self, part: Part) -> Body:
        data = self._decoded(part)
        signed = part.type.get("smime-type").lower() in ("signed-data", "") and not smime.is_enveloped(data)
        inner = smime.signed_content(data) if signed else None
        label = "smime-signed" if signed else "smime-encrypted"
        if part.type.get("smime-type").lower() == "certs-only":
            label = "smime-certificates"
        file = make_attachment(data, _name(part), part.type.value, label=label, stem="smime")
        if inner is None or self.depth >= 3:
            if label != "smime-certificates":
                self.problems.append(
                    "encrypted, cannot be read here" if not signed else "signed envelope cannot be opened"
                )
            return Body(attachments=[file])
        builder = TreeBuilder(self.limits)
        tree = builder.build(inner)
        self.problems.extend(builder.problems)
        self.depth += 1
        body = self.read(tree, is_root=True)
        body.attachments.append(file)
        return body

    def _tnef(self, part: Part) -> Body:
        data = self._decoded(part)
        unpacked = tnef.unpack(data)
        if unpacked is None:
            self.problems.append("winmail.dat cannot be opened")
            return Body(
                attachments=[make_attachment(data, _name(part) or "winmail.dat", part.type.value, label="tnef")]
            )
        body = Body()
        for name, content in unpacked.files:
            body.attachments.append(make_attachment(content, name, "application/octet-stream"))
        html = decode(unpacked.html)[0] if unpacked.html else None
        text = normal_lines(unpacked.text) if unpacked.text.strip() else None
        if html or text:
            body.blocks.append(Block(text, html))
        return body

    def attachment(self, part: Part, label: str) -> MailAttachment:
        content = self._decoded(part)
        name = _name(part)
        if label == "message" and not name:
            inner, _ = split_headers(content.lstrip(b"\r\n"))
            subject = inner.text("subject").replace("/", "_").replace("\\", "_")
            name = f"{subject}.eml" if subject else ""
        return make_attachment(
            content,
            name,
            part.type.value,
            label=label,
            inline=part.disposition.value == "inline" and part.maintype == "image",
            content_id=next(iter(message_ids(part.headers.raw("content-id"))), ""),
            stem=label or "attachment",
        )


@dataclass(slots=True)
class CalendarBlock(Block):
    """Words made from an invitation; used only when the mail has no others."""


def normal_lines(text: str) -> str:
    """Line ends as \\n, no BOM, no control characters."""
    if "\r\r" in text:
        text = _DOUBLED_CR.sub("\n", text)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text) if _CONTROL.search(text) else text


def make_attachment(
    content: bytes,
    name: str,
    declared: str,
    *,
    label: str = "",
    inline: bool = False,
    content_id: str = "",
    stem: str = "attachment",
) -> MailAttachment:
    kind = declared if label else _found_type(content, declared)
    return MailAttachment(
        filename=safe_filename(name, kind, stem),
        content_type=kind,
        size=len(content),
        inline=inline,
        content_id=clean(content_id),
        content=content,
        label=label,
    )


def _found_type(content: bytes, declared: str) -> str:
    guessed = filetype.guess_mime(content[:8192]) if content else None
    if not guessed or (guessed in _CONTAINERS and declared != "application/octet-stream"):
        return declared
    return str(guessed)


def _without_embedded(html: str) -> tuple[str, list[MailAttachment]]:
    """Pictures pasted into the HTML as data: addresses become inline attachments, as other programs send them."""
    images: list[MailAttachment] = []

    def moved(match: re.Match[str]) -> str:
        if len(images) >= _MAX_EMBEDDED:
            return f"{match[1]}{match[1]}"
        content_id = f"embedded-{len(images) + 1}"
        kind = f"image/{match[2].lower()}".replace("image/jpg", "image/jpeg")
        content = b64(match[3])
        images.append(make_attachment(content, "", kind, inline=True, content_id=content_id, stem=content_id))
        return f"{match[1]}cid:{content_id}{match[1]}"

    return (_EMBEDDED.sub(moved, html) if "base64," in html else html), images


def _name(part: Part) -> str:
    return part.disposition.get("filename") or part.type.get("name") or part.disposition.get("name")


def _is_file(part: Part, is_root: bool) -> bool:
    if part.disposition.value == "attachment":
        return True
    return bool(_name(part)) and not is_root


def _method(text: str) -> str:
    match = re.search(r"^METHOD:(\w{2,20})", text, re.MULTILINE | re.IGNORECASE)
    return match[1].upper() if match else ""


def is_placeholder(text: str) -> bool:
    """Whether a text part only says that there is HTML to look at."""
    stripped = text.strip()
    return not stripped or (len(stripped) < 400 and _PLACEHOLDER.search(stripped) is not None)

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape

import nh3

from omnihub.connectors.contract import Manifest
from omnihub.model.documents import AttachmentRef
from omnihub.model.errors import Invalid

_TAGS = {
    "a", "b", "blockquote", "br", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "hr", "i", "img", "li", "ol",
    "p", "pre", "s", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"dir", "lang", "style"},
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags={"script", "style", "title", "template", "svg", "math"},
    attributes=_ATTRIBUTES,
    url_schemes={"http", "https", "mailto", "tel", "cid"},
    link_rel="noopener noreferrer",
    filter_style_properties={"color", "background-color", "font-weight", "font-style", "text-align"},
)
_TAGLESS = nh3.Cleaner(tags=set(), attributes={}, link_rel=None)
_LINE_END = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-4]|blockquote|pre)>", re.IGNORECASE)


@dataclass(slots=True, frozen=True, kw_only=True)
class Content:
    text: str
    html: str


def safe_html(html: str) -> str:
    return _CLEANER.clean(html).strip()


def text_of(html: str) -> str:
    """Plain text of an agent's formatted answer, its lines kept."""
    spaced = re.sub(r"\s*\n\s*", " ", html)
    bare = unescape(_TAGLESS.clean(_LINE_END.sub("\n", spaced))).replace("\xa0", " ")
    lines = (line.strip() for line in bare.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def fitting(text: str, html: str, files: Sequence[AttachmentRef], manifest: Manifest) -> Content:
    """What of it the channel carries. Raises Invalid naming the field that does not fit."""
    clean = safe_html(html)
    text = text.strip() or text_of(clean)
    if not text and not files:
        raise Invalid("an answer needs a text or a file", {"text": "is empty"})
    check_text(text, manifest)
    _check_files(files, manifest)
    return Content(text=text, html=clean if manifest.capabilities.html else "")


def check_text(text: str, manifest: Manifest) -> None:
    """Raises Invalid."""
    size, limit = measured(text, manifest), manifest.text_limit
    if limit and size > limit:
        unit = _UNITS[manifest.text_unit]
        words = f"is {size} {unit} long, and this channel takes {limit}"
        raise Invalid(f"the text {words}", {"text": words})


_UNITS = {"characters": "characters", "bytes": "bytes", "utf16": "characters"}


def measured(text: str, manifest: Manifest) -> int:
    """In the unit that the provider counts in."""
    if manifest.text_unit == "bytes":
        return len(text.encode("utf-8", "replace"))
    if manifest.text_unit == "utf16":
        return len(text.encode("utf-16-le", "replace")) // 2
    return len(text)


def carried(file: AttachmentRef, manifest: Manifest) -> bool:
    if not manifest.capabilities.attachments:
        return False
    return not manifest.media or manifest.media_rule(file["content_type"], file["size"]) is not None


def with_links(text: str, links: Sequence[tuple[AttachmentRef, str]]) -> str:
    """Below the text, a line with the address of each file that the channel does not carry."""
    return "\n".join(filter(None, [text.strip(), *(f"{file['filename']}: {url}" for file, url in links)]))


def _check_files(files: Sequence[AttachmentRef], manifest: Manifest) -> None:
    """`not_carried` in the error's details: what could go out as a link instead."""
    refused = [file for file in files if not carried(file, manifest)]
    if refused:
        names = ", ".join(file["filename"] for file in refused)
        words = f"this channel does not carry {names}"
        raise Invalid(words, {"attachment_ids": words}, not_carried=[file["id"] for file in refused])
    size, limit = sum(file["size"] for file in files), manifest.attachment_limit_bytes
    if limit and size > limit:
        words = f"are {size} bytes together, the channel takes {limit}"
        raise Invalid(f"the files {words}", {"attachment_ids": words}, not_carried=[file["id"] for file in files])

"""Text out of HTML, line by line, each line knowing where in the HTML it began."""

import re
from dataclasses import dataclass, field
from html import unescape

from omnihub.connectors.email.quote_rules import HTML_MARKERS

_TOKEN = re.compile(r'<(/?)([a-z0-9]+)((?: [^\s="<>]+="[^"]*")*) ?/?>|([^<]+|<)')
_ATTRIBUTE = re.compile(r' ([^\s="<>]+)="([^"]*)"')
_SPACES = re.compile(r"[ \t\r\n\f]+")
_VOID = frozenset(("br", "hr", "img", "wbr", "col"))
_PARAGRAPH = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "ul", "ol", "dl", "blockquote", "table"))
_BLOCK = _PARAGRAPH | {
    "address", "article", "aside", "caption", "center", "dd", "details", "div", "dt", "figcaption", "figure",
    "footer", "header", "li", "main", "nav", "section", "summary", "tr", "tbody", "thead", "tfoot",
}  # fmt: skip
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all|"
    r"font-size\s*:\s*0(?:px|pt|em|%)?\s*(?:;|!|$)|max-height\s*:\s*0(?:px|pt|em)?\s*(?:;|!|$)|opacity\s*:\s*0\s*(?:;|!|$)",
    re.IGNORECASE,
)
_CITING = re.compile(r"gmail_quote|protonmail_quote|yahoo_quoted|cite|tutanota_quote", re.IGNORECASE)
_BORDERED = re.compile(r"border-left(?:-\w+)?\s*:(?!\s*(?:none|0))", re.IGNORECASE)
_PREFORMATTED = re.compile(r"white-space\s*:\s*(?:pre|break-spaces)", re.IGNORECASE)
_MAX_URL = 300
# Zero-width characters pad the hidden preview line of newsletters.
_INVISIBLE = str.maketrans(
    {"\xa0": " ", "\u200b": None, "\u200c": None, "\ufeff": None, "\xad": None, "\u034f": None}
)


@dataclass(slots=True)
class Marker:
    """An element that says `the quote starts here`; `end` is the first line behind it, if it has an end."""

    line: int
    offset: int
    end: int | None = None
    depth: int = -1


@dataclass(slots=True)
class HtmlText:
    lines: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    marker: Marker | None = None

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class _Writer:
    """Collects lines while the tags go by."""

    def __init__(self) -> None:
        self.out = HtmlText()
        self.words: list[str] = []
        self.start = 0
        self.quote = 0  # how many quoting blockquotes are open
        self.gap = False  # a blank line is due before the next text
        self.pre = 0
        self.stack: list[tuple[str, str]] = []  # (tag, what its end undoes)
        self.hidden = 0
        self.lists: list[int | None] = []
        self.links: list[tuple[str, int]] = []

    def write(self, text: str, offset: int) -> None:
        if not self.pre:
            text = _SPACES.sub(" ", text)
            if not self.words or self.words[-1].endswith(" "):
                text = text.lstrip(" ")
        if not text:
            return
        if not self.words:
            self.start = offset
        self.words.append(text)

    def end_line(self, offset: int, forced: bool = False) -> None:
        text = "".join(self.words).translate(_INVISIBLE).rstrip()
        self.words.clear()
        if not text and not forced:
            return
        if text and self.gap and self.out.lines and self.out.lines[-1].strip("> "):
            self._push("", self.start)
        self.gap = False if text else self.gap
        for line in text.split("\n"):
            self._push(line, self.start if text else offset)

    def _push(self, line: str, offset: int) -> None:
        prefix = ">" * self.quote
        line = f"{prefix} {line}".rstrip() if prefix else line
        if (
            not line.strip("> ")
            and len(self.out.lines) > 1
            and not any(x.strip("> ") for x in self.out.lines[-2:])
        ):
            return  # two blank lines are enough
        self.out.lines.append(line)
        self.out.offsets.append(offset)

    def open(self, tag: str, attributes: dict[str, str], offset: int) -> None:
        undo = ""
        if tag in _BLOCK:
            self.end_line(offset)
            self.gap = self.gap or tag in _PARAGRAPH
        if self.out.marker is None and attributes and (found := _marks(tag, attributes)) is not None:
            self.end_line(offset)
            self.out.marker = Marker(len(self.out.lines), offset, depth=len(self.stack) if found else -1)
        if tag == "br":
            self.end_line(offset, forced=True)
        elif tag == "hr":
            self.end_line(offset)
        elif tag in ("td", "th") and self.words and not self.words[-1].endswith(" "):
            self.words.append(" ")
        elif tag == "pre":
            self.pre, undo = self.pre + 1, "pre"
        elif tag == "blockquote" and _is_cite(attributes):
            self.quote, undo = self.quote + 1, "quote"
        elif tag in ("ul", "ol"):
            self.lists.append(1 if tag == "ol" else None)
            undo = "list"
        elif tag == "li":
            self._bullet(offset)
        elif tag == "a":
            self.links.append((attributes.get("href", ""), len(self.words)))
            undo = "link"
        if not undo and tag not in _VOID and _PREFORMATTED.search(attributes.get("style", "")):
            self.pre, undo = self.pre + 1, "pre"
        if tag not in _VOID:
            self.stack.append((tag, undo))

    def _bullet(self, offset: int) -> None:
        number = self.lists[-1] if self.lists else None
        indent = "  " * (len(self.lists) - 1)
        self.start = offset
        self.words.append(f"{indent}- " if number is None else f"{indent}{number}. ")
        if number is not None:
            self.lists[-1] = number + 1

    def close(self, tag: str, offset: int) -> None:
        if not self.stack:
            return
        _, undo = self.stack.pop()
        if tag in _BLOCK:
            self.end_line(offset)
            self.gap = self.gap or tag in _PARAGRAPH
        if undo == "link":
            self._link_end(*self.links.pop())
        elif undo == "list":
            self.lists.pop()
        elif undo == "pre":
            self.pre -= 1
        elif undo == "quote":
            self.quote -= 1
        marker = self.out.marker
        if marker and marker.end is None and marker.depth == len(self.stack):
            self.end_line(offset)
            marker.end = len(self.out.lines)

    def _link_end(self, href: str, since: int) -> None:
        shown = "".join(self.words[since:]).strip()
        if not shown or not href or len(href) > _MAX_URL or href.startswith(("#", "cid:", "data:")):
            return
        if _bare(shown) != _bare(href):
            self.words.append(f" ({href.removeprefix('mailto:').removeprefix('tel:')})")


def _bare(url: str) -> str:
    return re.sub(r"^(?:https?://|mailto:|tel:)", "", url.strip().lower()).rstrip("/")


def _marks(tag: str, attributes: dict[str, str]) -> bool | None:
    """None when the element marks no quote, else whether it encloses it."""
    for wanted, name, pattern, encloses in HTML_MARKERS:
        if name in attributes and (not wanted or tag == wanted) and pattern.search(attributes[name]):
            return encloses
    return None


def _is_cite(attributes: dict[str, str]) -> bool:
    if attributes.get("type", "").lower() == "cite" or _CITING.search(attributes.get("class", "")):
        return True
    return "cite" in attributes or bool(_BORDERED.search(attributes.get("style", "")))


def text_of(normal: str) -> HtmlText:
    """Lines of balanced HTML as `html.normalise` makes it."""
    writer = _Writer()
    hidden_at = -1  # stack depth of the hidden element we are inside of
    for token in _TOKEN.finditer(normal):
        slash, tag, raw, text = token.groups()
        if text is not None:
            if hidden_at < 0:
                writer.write(unescape(text), token.start())
            continue
        if slash:
            writer.close(tag, token.start()) if hidden_at < 0 else writer.stack.pop()
            hidden_at = -1 if hidden_at >= len(writer.stack) else hidden_at
            continue
        attributes = {name: unescape(value) for name, value in _ATTRIBUTE.findall(raw)} if raw else {}
        if hidden_at < 0 and tag not in _VOID and _is_hidden(attributes):
            hidden_at = len(writer.stack)
        if hidden_at >= 0:
            if tag not in _VOID:
                writer.stack.append((tag, ""))
            continue
        writer.open(tag, attributes, token.start())
    writer.end_line(len(normal))
    return _trimmed(writer.out)


def _is_hidden(attributes: dict[str, str]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style", "")))


def _trimmed(out: HtmlText) -> HtmlText:
    """Without blank lines at the top and bottom; the marker moves along."""
    while out.lines and not out.lines[-1].strip():
        out.lines.pop()
        out.offsets.pop()
    blank = 0
    while blank < len(out.lines) and not out.lines[blank].strip():
        blank += 1
    del out.lines[:blank], out.offsets[:blank]
    if out.marker:
        out.marker.line = max(out.marker.line - blank, 0)
        out.marker.end = None if out.marker.end is None else max(out.marker.end - blank, 0)
    return out


def unflow(text: str, delsp: bool) -> str:
    """RFC 3676 format=flowed: lines that end in a space go on in the next of the same quote depth."""
    out: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth = len(line) - len(line.lstrip(">"))
        content = line[depth:].removeprefix(" ")
        if open_depth == depth and content != "-- ":
            out[-1] += content
        else:
            out.append(f"{'>' * depth} {content}" if depth else content)
        flows = content.endswith(" ") and content != "-- "
        if flows and delsp:
            out[-1] = out[-1][:-1]
        open_depth = depth if flows else -1
    return "\n".join(out)

"""HTML bodies made safe to show, and cut where the quoted part begins.

Two passes of nh3. The first only normalises: whatever came is balanced, escaped and free of scripts,
but keeps the classes and ids by which quotes are recognised. The text is derived from that, and the
second pass makes what the browser gets."""

import re
from dataclasses import dataclass

import nh3

_DROPPED_WHOLE = {
    "script", "style", "title", "template", "iframe", "object", "embed", "applet", "noembed", "noframes",
    "noscript", "textarea", "select", "svg", "math", "audio", "video", "canvas", "frameset", "xml", "xmp",
}  # fmt: skip
_TAGS = {
    "a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption",
    "center", "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em",
    "figcaption", "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img",
    "ins", "kbd", "li", "main", "mark", "nav", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp",
    "section", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot",
    "th", "thead", "time", "tr", "tt", "u", "ul", "var", "wbr",
}  # fmt: skip
_SHOWN = {"hidden", "align", "valign", "bgcolor", "color", "width", "height", "dir", "lang", "title", "style"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": _SHOWN,
    "a": {"href"},
    "img": {"src", "alt", "data-remote-src"},
    "table": {"border", "cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap"},
    "font": {"face", "size"},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value"},
    "col": {"span"},
}
_MARKING: dict[str, set[str]] = {
    **_ATTRIBUTES,
    "*": _SHOWN | {"class", "id", "name"},
    "blockquote": {"type", "cite"},
}
_STYLES = {
    "color", "background-color", "font-family", "font-size", "font-style", "font-weight", "font-variant",
    "text-align", "text-decoration", "text-indent", "text-transform", "vertical-align", "line-height",
    "letter-spacing", "white-space", "word-break", "direction", "width", "height", "max-width",
    "padding", "padding-left", "padding-right", "padding-top", "padding-bottom",
    "margin-left", "margin-top", "margin-bottom", "margin-right",
    "border", "border-left", "border-right", "border-top", "border-bottom", "border-collapse",
    "border-color", "border-style", "border-width", "border-radius", "list-style-type",
    "display", "visibility", "opacity", "max-height", "overflow",
}  # fmt: skip
_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}
_LINK = re.compile(r"\s*(?:https?://|mailto:|tel:|cid:)", re.IGNORECASE)
_REMOTE = re.compile(r"(?:https?:)?//[^\s\"'<>]+\Z", re.IGNORECASE)
_EMBEDDED = re.compile(
    r"cid:[^\s\"'<>]+\Z|data:image/(?:png|jpe?g|gif|webp|bmp);base64,[A-Za-z0-9+/=\s]+\Z", re.IGNORECASE
)
_BAD_STYLE = re.compile(r"url|expression|image|javascript|binding|behavior|attr|[\\@<>]|:\s*-", re.IGNORECASE)
_IMAGE = re.compile(r'(<img\b(?: [^\s="<>]+="[^"]*")*?) src="((?:https?:)?//[^"]*)"')
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]{0,20})")
_ANY_TAG = re.compile(r"<[^<>]{0,5000}>")
# Elements that have no end, or that the next of their kind ends.
_SELF_ENDING = frozenset(
    (
        "br",
        "img",
        "hr",
        "p",
        "li",
        "td",
        "th",
        "tr",
        "dd",
        "dt",
        "input",
        "meta",
        "link",
        "wbr",
        "col",
        "option",
        "o:p",
    )
)
_FORMATTING = frozenset(
    ("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u")
)
_MAX_DEPTH = 3_000
_MAX_FALLBACK = 100_000
_MAX_REOPENED = 3_000_000


@dataclass(slots=True, frozen=True)
class NormalHtml:
    """Balanced HTML with `name="value"` attributes only; not yet safe to show."""

    source: str
    problem: str = ""


def normalise(html: str, limit: int) -> NormalHtml:
    problem = ""
    if len(html) > limit:
        html, problem = html[:limit], f"HTML longer than {limit} characters was cut"
    html = html.replace("\x00", "")
    if _is_hostile(html):
        # Deep nesting makes every browser-grade parser, and every browser, slow without end.
        return NormalHtml(
            nh3.clean_text(_ANY_TAG.sub(" ", html)[:_MAX_FALLBACK]), "HTML nested too deeply, shown as text"
        )
    return NormalHtml(_NORMALISER.clean(html), problem)


def _is_hostile(html: str) -> bool:
    """Nesting that costs without end: every paragraph reopens all formatting that is still open."""
    if html.count("&") > _MAX_FALLBACK:
        return True  # the parser's time grows with the square of ampersands
    opened: dict[str, int] = {}
    depth = formatting = most = total = 0
    for match in _TAG.finditer(html):
        tag = match[2].lower()
        if tag in _SELF_ENDING:
            total += 1
            continue
        change = -1 if match[1] else 1
        if change < 0 and not opened.get(tag):
            continue
        opened[tag] = opened.get(tag, 0) + change
        depth += change
        total += 1
        if tag in _FORMATTING:
            formatting += change
            most = max(most, formatting)
        if depth > _MAX_DEPTH:
            return True
    return most * total > _MAX_REOPENED


def sanitise(normal: str) -> str:
    """HTML for the browser. Remote images are held back: their address moves to `data-remote-src`."""
    return _SANITISER.clean(_IMAGE.sub(r'\1 data-remote-src="\2"', normal)).strip()


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return ";".join(one for one in value.split(";") if not _BAD_STYLE.search(one)) or None
    rule = _CHECKED.get(name)
    if rule is None or (tag == "a" and name in ("rel", "target")):
        return value
    return value if rule.match(value) else None


_CHECKED = {"href": _LINK, "src": _EMBEDDED, "data-remote-src": _REMOTE}
_NORMALISER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_DROPPED_WHOLE,
    attributes=_MARKING,
    url_schemes=_SCHEMES,
    link_rel=None,
)
_SANITISER = nh3.Cleaner(
    tags=_TAGS,
    clean_content_tags=_DROPPED_WHOLE,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    url_schemes=_SCHEMES,
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    filter_style_properties=_STYLES,
)

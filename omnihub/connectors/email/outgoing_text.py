"""What stands in an answer: subject, text, page and the quoted history below them."""

import re
from html import escape
from html.parser import HTMLParser

from omnihub.connectors.email.settings import Settings
from omnihub.model.outgoing import Outgoing, Quoted

_PREFIX = re.compile(
    r"^\s*(?:re|aw|sv|antw|odp|rv|rif|ynt|回复|答复|回覆|答覆|転送|返信)\s*(?:\[\d+\]|\(\d+\))?\s*[:：]\s*",
    re.IGNORECASE,
)
_TAG = re.compile(r"\s*\[#\d{1,12}\]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_BLOCKS = frozenset(
    {"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "blockquote", "pre", "table", "ul", "ol"}
)
_QUOTE_STYLE = "margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex"


def reply_subject(subject: str) -> str:
    """One `Re:` in front, whatever stood there; other programs recognise this one everywhere."""
    while (match := _PREFIX.match(subject)) and match.end():
        subject = subject[match.end() :]
    return f"Re: {subject.strip()}".strip()


def tagged(subject: str, number: int) -> str:
    return f"{_TAG.sub('', subject).rstrip()} [#{number}]".strip()


def bodies(message: Outgoing, settings: Settings) -> tuple[str, str]:
    """Text and HTML, both always there."""
    text = message.text or text_of(message.html)
    html = message.html or html_of(text)
    if settings.signature:
        text = f"{text.rstrip()}\n\n-- \n{settings.signature.strip()}"
        html = f'{html}<div class="signature"><br>-- <br>{html_of(settings.signature.strip())}</div>'
    if message.quoted and settings.quote_history:
        html = f"{html}<br>{_quoted_html(message.quoted, _attribution(message.quoted, text))}"
        text = f"{text.rstrip()}\n\n{quote_below(message.quoted, text)}"
    return text, f"<html><body>{html}</body></html>"


def quote_below(quoted: Quoted, answer: str) -> str:
    return f"{_attribution(quoted, answer)}\n{_quoted_text(quoted)}"


def _attribution(quoted: Quoted, answer: str) -> str:
    """In the language of the answer; these are the forms of Gmail, which quote cutters know best."""
    sender = " ".join(quoted.sender.split())
    at = quoted.sent_at
    if _HAN.search(answer):
        return f"{sender} 于{at.year}年{at.month}月{at.day}日 {at:%H:%M}写道："
    return f"On {at:%a, %b} {at.day}, {at.year} at {at:%H:%M}, {sender} wrote:"


def _quoted_text(quoted: Quoted) -> str:
    text = quoted.text or text_of(quoted.html)
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}" for line in text.rstrip().splitlines())


def _quoted_html(quoted: Quoted, line: str) -> str:
    inner = quoted.html or html_of(quoted.text)
    return (
        f'<div class="gmail_quote"><div dir="ltr" class="gmail_attr">{escape(line)}<br></div>'
        f'<blockquote class="gmail_quote" type="cite" style="{_QUOTE_STYLE}">{inner}</blockquote></div>'
    )


def html_of(text: str) -> str:
    return "<div>" + escape(text, quote=False).replace("\n", "<br>\n") + "</div>"


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        if tag in _BLOCKS:
            self.out.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in ("script", "style")))
        if tag == "p":
            self.out.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.out.append(re.sub(r"\s+", " ", data))


def text_of(html: str) -> str:
    reader = _Text()
    reader.feed(html)
    reader.close()
    lines = [line.strip() for line in "".join(reader.out).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

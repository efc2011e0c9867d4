"""What a visitor's browser is given: the hosted page, the embed script, the definition, the thank-you."""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import orjson

from omnihub.connectors.webform.inputs import Filled, form_html
from omnihub.connectors.webform.settings import Language, Settings
from omnihub.connectors.webform.words import say, script_words
from omnihub.model.raw import Reply

_HERE = Path(__file__).parent
_HTML = "text/html; charset=utf-8"
# Strings are matched first, so that the spaces in them stay.
_SPACED = re.compile(r"""("(?:\\.|[^"\\])*"|`[^`]*`)| *([=*<>?:&|,{}();^]+) *""")
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # The page that the form stands on is part of the message; its address is sent to the form's origin.
    "Referrer-Policy": "strict-origin-when-cross-origin",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Shown:
    """One showing of a form: everything its page and its script need."""

    settings: Settings
    language: Language
    filled: Filled
    challenge: Mapping[str, Any] | None = None

    def definition(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "language": self.language,
            "title": settings.words("title", self.language),
            "intro": settings.words("intro", self.language),
            "button": settings.words("button", self.language),
            "thank_you": settings.words("thank_you", self.language),
            "fields": [form_field.model_dump(mode="json") for form_field in settings.fields],
            "max_files": settings.max_files,
            "max_file_mb": settings.max_file_mb,
            "allowed_file_types": settings.allowed_file_types,
            "texts": script_words(self.language),
            "start": self.filled.hidden["_start"],
            "key": self.filled.hidden["_key"],
            "challenge": self.challenge,
            "accent": _accent(settings),
        }


def definition_reply(shown: Shown) -> Reply:
    body = shown.definition() | {
        "html": form_html(shown.settings, shown.language, shown.filled),
        "css": asset("form.css"),
    }
    return Reply(
        body=orjson.dumps(body),
        content_type="application/json",
        headers={**_SAFE_HEADERS, "Cache-Control": "no-store"},
    )


def embed_reply() -> Reply:
    return Reply(
        body=embed_script().encode(),
        content_type="text/javascript; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=300"},
    )


def hosted_page(shown: Shown, status: int = 200) -> Reply:
    settings, language = shown.settings, shown.language
    data = orjson.dumps(shown.definition()).decode().replace("<", "\\u003c")
    body = (
        f"<h1>{escape(settings.words('title', language))}</h1>"
        f'<p class="intro">{escape(settings.words("intro", language))}</p>'
        f"{form_html(settings, language, shown.filled)}"
        f'<script type="application/json" id="omnihub-data">{data}</script>'
        f"<script>{hosted_script()}</script>"
    )
    return _page(settings, language, body, status=status, frame_ancestors=_frame_ancestors(settings))


def thank_you_page(settings: Settings, language: Language, reference: str) -> Reply:
    thanks = settings.words("thank_you", language)
    body = (
        f'<div class="oh-thanks" role="status"><p>{escape(thanks)}</p>'
        f'<p class="oh-note">{escape(say(language, "reference", reference=reference))}</p></div>'
        f'<p><a href="?lang={language}">{escape(say(language, "another"))}</a></p>'
    )
    return _page(settings, language, body, frame_ancestors=_frame_ancestors(settings))


def message_page(settings: Settings, language: Language, message: str, status: int) -> Reply:
    body = f'<p class="oh-alert" role="alert">{escape(message)}</p>'
    return _page(settings, language, body, status=status, frame_ancestors=_frame_ancestors(settings))


def example_page(settings: Settings, language: Language) -> Reply:
    """A website of its own kind with the form inside, as a customer of the admin would see it."""
    page = Template(_template("example.html")).substitute(lang=language, **_example_words(language))
    return Reply(body=page.encode(), content_type=_HTML, headers={"Cache-Control": "no-store"})


@cache
def asset(name: str) -> str:
    """Without indentation, comment lines and, in scripts, the spaces around operators."""
    text = (_HERE / "static" / name).read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    kept = "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))
    return _SPACED.sub(lambda found: found[1] or found[2], kept) if name.endswith(".js") else kept


@cache
def embed_script() -> str:
    return f"(()=>{{\n{asset('form.js')}\n{asset('embed.js')}\n}})()"


@cache
def hosted_script() -> str:
    return f"(()=>{{\n{asset('form.js')}\n{asset('hosted.js')}\n}})()"


@cache
def _template(name: str) -> str:
    return (_HERE / "templates" / name).read_text("utf-8")


def _page(settings: Settings, language: Language, body: str, *, frame_ancestors: str, status: int = 200) -> Reply:
    style = f"{asset('page.css')}\n{asset('form.css')}\n:root{{{_accent_style(settings)}}}"
    page = Template(_template("page.html")).substitute(
        lang=language,
        title=escape(settings.words("title", language)),
        style=style,
        body=body,
        languages=_language_links(settings, language),
    )
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(hosted_script())}'; "
        "connect-src 'self'; form-action 'self'; worker-src blob:; base-uri 'none'; "
        f"frame-ancestors {frame_ancestors}"
    )
    headers = {**_SAFE_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-store"}
    return Reply(status=status, body=page.encode(), content_type=_HTML, headers=headers)


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _frame_ancestors(settings: Settings) -> str:
    return " ".join(["'self'", *settings.allowed_origins])


def _language_links(settings: Settings, language: Language) -> str:
    if settings.language != "auto":
        return ""
    other, label = ("zh-CN", "中文") if language == "en" else ("en", "English")
    return f'<a href="?lang={other}" lang="{other}" hreflang="{other}">{label}</a>'


def _accent(settings: Settings) -> dict[str, str]:
    return {"--oh-accent": settings.accent_color, "--oh-on-accent": _readable_on(settings.accent_color)}


def _accent_style(settings: Settings) -> str:
    return ";".join(f"{name}:{value}" for name, value in _accent(settings).items())


def _readable_on(color: str) -> str:
    """Black or white, whichever stands out more (WCAG 2.2 relative luminance)."""
    channels = [int(pair, 16) / 255 for pair in re.findall("..", color[1:])]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


def _example_words(language: Language) -> dict[str, str]:
    chinese = language == "zh-CN"
    return {
        "title": "示例商店" if chinese else "Example Shop",
        "lead": (
            "这是一个普通网站的示例页面。下面的表单由一行脚本嵌入，字体和颜色随网站变化。"
            if chinese
            else "An ordinary website, for trying things out. The form below was put here by one line of "
            "script; it takes its font and colours from the page."
        ),
        "ask": "有问题？写信给我们" if chinese else "A question? Write to us",
        "code": "嵌入代码" if chinese else "The line that embeds it",
    }

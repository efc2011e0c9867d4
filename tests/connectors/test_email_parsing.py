import base64
import json
import re
import time
from pathlib import Path

import pytest

from omnihub.connectors import email
from omnihub.connectors.email.parsing import ParsedMail, inspect, parse_mail

FIXTURES = Path(email.__file__).parent / "fixtures"
MAILS = sorted(FIXTURES.glob("*.eml"))


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_fixture_reads_as_expected(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    got = inspect(path.read_bytes(), path.name)
    assert {key: got[key] for key in expected} == expected


def test_every_mail_has_its_expectation() -> None:
    assert len(MAILS) >= 65
    assert {path.stem for path in MAILS} == {path.stem for path in FIXTURES.glob("*.json")}


def test_inspect_has_the_promised_keys() -> None:
    assert list(inspect(b"", "a.eml")) == [
        "file", "kind", "from", "to", "cc", "reply_to", "subject", "date", "message_id", "in_reply_to",
        "references", "text", "html", "visible_text", "quoted_text", "attachments", "bounce", "problems",
    ]  # fmt: skip


def mail(*headers: str, body: str = "words") -> ParsedMail:
    return parse_mail("\r\n".join([*headers, "", body]).encode())


def of_fixture(name: str) -> ParsedMail:
    return parse_mail((FIXTURES / f"{name}.eml").read_bytes())


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("smime-encrypted", ["smime-encrypted"]),
        ("smime-opaque-signed", ["smime-signed"]),
        ("smime-detached-signature", ["smime-signature"]),
        ("pgp-encrypted", ["pgp-encrypted", "pgp-encrypted"]),
        ("calendar-invitation", ["calendar:REQUEST"]),
        ("nested-message-is-one-attachment", ["message"]),
        ("postfix_dsn", ["delivery-status", "message"]),
        ("tnef-broken-is-kept", ["tnef"]),
        ("tnef-winmail-dat", [""]),
    ],
)
def test_attachments_are_labelled(name: str, labels: list[str]) -> None:
    assert [one.label for one in of_fixture(name).attachments] == labels


def test_nested_message_is_kept_byte_for_byte() -> None:
    (attached,) = of_fixture("nested-message-is-one-attachment").attachments
    assert attached.filename == "Inner mail.eml"
    assert parse_mail(attached.content).attachments[0].filename == "inner.pdf"


def test_recipients_for_reply_tokens_are_gathered() -> None:
    got = mail(
        "Delivered-To: Desk+T1@example.test",
        "X-Original-To: desk+t2@example.test",
        "Envelope-To: <desk+t3@example.test>",
        "To: Desk <desk+t4@example.test>, other@example.com",
        "Cc: desk+t1@example.test",
    )
    assert got.delivered_to == (
        "desk+t1@example.test",
        "desk+t2@example.test",
        "desk+t3@example.test",
        "desk+t4@example.test",
        "other@example.com",
    )


def test_thread_hints_name_the_root_only() -> None:
    root = bytes(range(22))
    index = base64.b64encode(root + b"12345").decode()
    got = mail(f"Thread-Index: {index}", "Thread-Topic: Order", "X-GM-THRID: 1799")
    assert got.thread_hints == {"thread-index": root.hex(), "thread-topic": "Order", "x-gm-thrid": "1799"}
    assert mail("Thread-Index: %%%").thread_hints == {}


@pytest.mark.parametrize(
    ("header", "kind", "withheld"),
    [
        ("X-Other: 1", "message", False),
        ("Auto-Submitted: no", "message", False),
        ("Auto-Submitted: auto-generated; x=y", "auto_reply", True),
        ("Precedence: bulk", "list", True),
        ("Precedence: auto_reply", "auto_reply", True),
        ("X-Autoreply: yes", "auto_reply", True),
        ("X-Autorespond: yes", "auto_reply", True),
        ("X-Loop: desk@example.test", "auto_reply", True),
        ("X-Auto-Response-Suppress: All", "message", True),
        ("X-Auto-Response-Suppress: OOF, AutoReply", "message", True),
        ("X-Auto-Response-Suppress: None", "message", False),
        ("X-Auto-Response-Suppress: RN, NRN", "message", False),
        ("List-Id: <news.example.com>", "list", True),
        ("Return-Path: <>", "auto_reply", True),
        ("Return-Path: <z@example.com>", "message", False),
        ("Subject: 自动回复：您好", "auto_reply", True),
        ("Subject: Abwesenheitsnotiz: Anfrage", "auto_reply", True),
        ("Subject: Why do I get an automatic reply?", "message", False),
        ("Subject: Undeliverable parcel", "message", False),
    ],
)
def test_kind_and_withheld_answers(header: str, kind: str, withheld: bool) -> None:
    got = mail("From: z@example.com", header)
    assert (got.kind, got.suppress_auto_reply) == (kind, withheld)
    assert bool(got.auto_reason) == (kind != "message")


def test_mail_of_a_daemon_is_automatic() -> None:
    assert mail("From: MAILER-DAEMON@example.com", body="Statistics of today").kind == "auto_reply"


def test_machine_from_a_noreply_address_is_a_silent_message() -> None:
    got = mail("From: no-reply@example.com")
    assert (got.kind, got.suppress_auto_reply) == ("message", True)


def html_of(body: str) -> str:
    return parse_mail(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + body.encode()).html


HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.test/a.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    '<img src="javascript:alert(1)">',
    '<img src="data:text/html,<script>alert(1)</script>">',
    '<img src="data:image/svg+xml;base64,PHN2Zz4=">',
    '<img data-remote-src="javascript:alert(1)">',
    '<img src="x" srcset="https://x.test/a.png 2x">',
    '<a href="javascript:alert(1)">x</a>',
    '<a href="jav\tascript:alert(1)">x</a>',
    '<a href="&#106;avascript:alert(1)">x</a>',
    '<a href="data:text/html;base64,PHNjcmlwdD4=">x</a>',
    '<a href="vbscript:msgbox(1)">x</a>',
    '<a href="/relative/path">x</a>',
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=evil.swf></object><embed src=evil.swf>",
    "<form action=https://x.test><input name=p><button formaction=javascript:alert(1)>go</button></form>",
    "<meta http-equiv=refresh content='0;url=https://x.test'>",
    "<link rel=stylesheet href=https://x.test/a.css><base href=https://x.test/>",
    "<style>@import 'https://x.test/a.css'; p{background:url(https://x.test)}</style>",
    '<p style="background:url(https://x.test/t.gif)">x</p>',
    '<p style="background-image:url(https://x.test/t.gif);color:red">x</p>',
    '<p style="color:expression(alert(1))">x</p>',
    '<p style="position:fixed;top:0;left:0;z-index:9">x</p>',
    '<p style="position:absolute;margin-top:-900px">x</p>',
    '<p style="list-style-image:u\\72l(https://x.test/a)">x</p>',
    '<table background="https://x.test/t.gif"><tr><td background="https://x.test/u.gif">x</td></tr></table>',
    "<video src=https://x.test/v.mp4 autoplay></video><audio src=https://x.test/a.mp3></audio>",
    "<!--[if mso]><script>alert(1)</script><![endif]-->",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<textarea><img src=x onerror=alert(1)></textarea>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    '<img src="https://x.test/t.gif"onload="alert(1)">',
    "<details open ontoggle=alert(1)>x</details>",
    '<div id="app" class="admin-modal" name="x">x</div>',
    '<a target="_self" rel="opener" href="https://x.test">x</a>',
]
FORBIDDEN = re.compile(
    r"<(?:script|style|svg|math|iframe|object|embed|form|input|button|meta|link|base|video|audio|textarea|template)\b"
    r"|<[^>]*?\s(?:on\w+|src(?!=\"(?:cid:|data:image/(?:png|jpe?g|gif|webp|bmp);))|srcset|background|id|class|name|action)\b\s*="
    r"|javascript:|vbscript:|data:text|svg\+xml|url\(|expression\(|position|z-index|margin-top:\s*-|_self|\"opener"
    r"|href=\"(?!https?:|mailto:|tel:)",
    re.IGNORECASE,
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_html_is_disarmed(hostile: str) -> None:
    got = html_of(f"<p>before</p>{hostile}<p>after</p>")
    assert "before" in got
    assert not FORBIDDEN.search(got)


def test_looks_that_harm_nobody_stay() -> None:
    html = '<p style="color:red;position:fixed" align="center">x <b>y</b></p>'
    assert html_of(html) == '<p style="color:red" align="center">x <b>y</b></p>'


def test_links_open_elsewhere_and_tell_nothing() -> None:
    got = html_of('<a href="https://example.test/?a=1&amp;b=2">x</a>')
    assert got == (
        '<a href="https://example.test/?a=1&amp;b=2" target="_blank" rel="noopener noreferrer nofollow">x</a>'
    )


@pytest.mark.parametrize(
    "nested", ["<div>", "<b>", "<a><div>", "<table><tr><td>", "<font color=red><p>", "&", "<"]
)
def test_endless_nesting_ends_soon(nested: str) -> None:
    began = time.process_time()
    html_of(nested * 150_000)
    assert time.process_time() - began < 10


def test_pasted_pictures_become_inline_attachments() -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(600)
    html = f'<p>see</p><img src="data:image/png;base64,{base64.b64encode(picture).decode()}"><p>thanks</p>'
    got = parse_mail(b"Content-Type: text/html\r\n\r\n" + html.encode())
    (attached,) = got.attachments
    assert (attached.content, attached.inline, attached.filename) == (picture, True, "embedded-1.png")
    assert got.html == f'<p>see</p><img src="cid:{attached.content_id}"><p>thanks</p>'


def test_hidden_words_are_not_in_the_text() -> None:
    hidden = '<div style="font-size:0px">a</div><div style="mso-hide:all">b</div><p hidden>c</p>'
    html = f'{hidden}<p style="font-size:0.9em">d</p>'
    assert parse_mail(b"Content-Type: text/html\r\n\r\n" + html.encode()).text == "d"


def test_two_hundred_ordinary_mails_a_second() -> None:
    ordinary = (FIXTURES / "reply-gmail-html-and-text.eml").read_bytes()
    began = time.process_time()
    for _ in range(200):
        inspect(ordinary, "x.eml")
    assert time.process_time() - began < 1

from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from email_desk import outgoing
from hypothesis import given
from hypothesis import strategies as st

from omnihub.connectors.email import message_ids
from omnihub.connectors.email.composing import Composed, compose
from omnihub.connectors.email.outgoing_text import reply_subject, tagged, text_of
from omnihub.connectors.email.parsing import ParsedMail, parse_mail
from omnihub.connectors.email.presets import PRESETS
from omnihub.connectors.email.settings import Settings
from omnihub.model.errors import Refused
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import OutgoingAttachment, Quoted

QUOTED = Quoted(
    sender="Anna <anna@customer.test>",
    sent_at=datetime(2026, 11, 21, 9, 5, tzinfo=UTC),
    text="My kettle is broken.\n> older",
    html="<p>My <b>kettle</b> is broken.</p>",
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def settings(**changes: Any) -> Settings:
    return Settings.model_validate({"address": "desk@example.test", "receive": False, **changes})


def composed(wanted: Settings | None = None, **changes: Any) -> Composed:
    return compose(outgoing(**changes), wanted or settings())


def seen(wanted: Settings | None = None, **changes: Any) -> ParsedMail:
    return parse_mail(composed(wanted, **changes).raw)


def headers(raw: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(raw)
    assert isinstance(message, EmailMessage)
    return message


def test_headers_of_an_answer() -> None:
    references = ("first@customer.test", "oh.t0ken.01ka@example.test")
    wanted = settings(sender_name="Support", from_style="author_via_desk", plus_addressing=True)
    raw = composed(wanted, references=references, author="Li Wei").raw
    mail = headers(raw)
    assert mail["From"] == "Li Wei via Support <desk@example.test>"
    assert mail["To"] == "Anna <anna@customer.test>"
    assert mail["Subject"] == "Re: Broken kettle [#1042]"
    assert mail["Message-ID"] == "<oh.t0ken.01kb0000000000000000000001@example.test>"
    assert mail["In-Reply-To"] == "<oh.t0ken.01ka@example.test>"
    assert mail["References"] == "<first@customer.test> <oh.t0ken.01ka@example.test>"
    assert mail["Reply-To"] == "Support <desk+t0ken@example.test>"
    assert mail["Date"].datetime == datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert mail["Auto-Submitted"] is None
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0


def test_the_token_is_found_again() -> None:
    external_id = message_ids.make(outgoing(token="a.b-c_d"), "example.test")
    assert message_ids.token_in(external_id) == "a.b-c_d"
    assert message_ids.token_in(message_ids.make(outgoing(token=""), "example.test")) == ""
    assert message_ids.token_in(message_ids.make(outgoing(token="no good"), "example.test")) == ""
    assert message_ids.token_in("CAF=x.y@mail.example.test") == ""


def test_automatic_mail_says_so() -> None:
    result = composed(automatic=True)
    mail = headers(result.raw)
    assert result.sender == ""
    assert mail["Auto-Submitted"] == "auto-replied"
    assert mail["X-Auto-Response-Suppress"] == "All"
    assert mail["X-Loop"] == "desk@example.test"


def test_thirty_references_stay_bounded_and_folded() -> None:
    references = tuple(f"{'x' * 60}{number}@mail.customer.test" for number in range(30))
    raw = composed(references=references).raw
    lines = raw.split(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert all(len(line) <= 100 for line in lines)
    assert b"=?" not in raw.split(b"\r\n\r\n")[0]
    mail = parse_mail(raw)
    assert mail.references == (references[0], *references[-19:])
    assert mail.in_reply_to == (references[-1],)


def test_an_id_longer_than_a_line_is_not_encoded() -> None:
    long = f"{'a' * 300}@customer.test"
    mail = seen(references=(long,))
    assert mail.references == mail.in_reply_to == (long,)


def test_chinese_everywhere_comes_back() -> None:
    subject = "关于水壶的问题：" + "很长的主题" * 30
    people = tuple(
        Handle(key=f"email:p{number}@customer.test", name=f"王，小明, {number}") for number in range(12)
    )
    text = "您好！请发一张照片。\n谢谢"
    mail = seen(settings(sender_name="客服中心", signature="客服 小李"), to=people, subject=subject, text=text)
    assert mail.subject == f"{subject} [#1042]"
    assert [(one.name, one.address) for one in mail.to] == [(one.name, one.value) for one in people]
    assert mail.from_ is not None
    assert mail.from_.name == "客服中心"
    assert mail.visible_text.strip() == text
    assert "客服 小李" in mail.text
    raw = composed(subject=subject, to=people).raw
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def test_attachments_and_inline_images_come_back() -> None:
    files = (
        OutgoingAttachment(filename="报价单 2026.pdf", content_type="application/pdf", content=b"%PDF-1.7 x"),
        OutgoingAttachment(
            filename="a.png", content_type="image/png", content=PNG, inline=True, content_id="img1"
        ),
        OutgoingAttachment(filename="../../etc/x", content_type="message/rfc822", content=b"Subject: in\r\n\r\nx"),
        OutgoingAttachment(filename="b.txt", content_type="text/plain", content="ü\n".encode("latin-1")),
    )
    mail = seen(html='<p>Look <img src="cid:img1"></p>', attachments=files)
    found = {part.filename: part for part in mail.attachments}
    assert found["报价单 2026.pdf"].content == b"%PDF-1.7 x"
    assert (found["a.png"].content, found["a.png"].inline, found["a.png"].content_id) == (PNG, True, "img1")
    assert found["x"].content == b"Subject: in\r\n\r\nx"
    assert found["b.txt"].content == "ü\n".encode("latin-1")
    assert "cid:img1" in mail.html


@pytest.mark.parametrize(
    "text", ["Please send a photo.", "请发一张照片。", "Two\n\nparagraphs", "- a list\n- of things"]
)
def test_quoted_history_is_cut_off_again(text: str) -> None:
    mail = seen(text=text, quoted=QUOTED)
    assert mail.visible_text.strip() == text
    assert "kettle is broken" in mail.text
    assert "kettle" in mail.quoted_text
    assert "kettle" in mail.html
    assert "kettle" not in mail.visible_html


def test_history_can_be_left_out() -> None:
    assert "kettle is" not in seen(settings(quote_history=False), quoted=QUOTED).text


def test_html_alone_gets_its_text() -> None:
    mail = seen(text="", html="<p>Hello &amp; welcome</p><style>p{}</style><ul><li>one</li><li>two</li></ul>")
    assert mail.text.strip().startswith("Hello & welcome\n\none\ntwo")
    assert text_of("</style>a<br>b") == "a\nb"


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "x\r\nBcc: evil@example.test"},
        {"subject": "x\nBcc: evil@example.test\n\nbody"},
        {"subject": "x\u2028Bcc: evil\x85Bcc: evil"},
        {"to": (Handle(key="email:anna@customer.test", name="A\r\nBcc: evil@example.test"),)},
        {"to": (Handle(key="email:anna@customer.test", name='A" <evil@example.test>, "'),)},
        {"author": "A\r\nBcc: evil@example.test"},
        {"references": ("a@b>\r\nBcc: evil@example.test",)},
        {"token": "t\r\nBcc: evil@example.test"},
        {
            "attachments": (
                OutgoingAttachment(
                    filename='a"\r\nBcc: evil@example.test',
                    content_type="text/plain\r\nBcc: evil@example.test",
                    content=b"x",
                    inline=True,
                    content_id="c>\r\nBcc: evil@example.test",
                ),
            )
        },
        {"quoted": Quoted(sender="A\r\nBcc: evil", sent_at=QUOTED.sent_at, text="x", html="x")},
    ],
)
def test_nothing_can_add_a_header_or_a_recipient(changes: dict[str, Any]) -> None:
    wanted = settings(from_style="author", plus_addressing=True, sender_name="Desk")
    result = composed(wanted, **({"references": ("p@x.test",)} | changes))
    assert result.recipients == ("anna@customer.test",)
    mail = headers(result.raw)
    assert mail["Bcc"] is None
    assert [one.address for one in parse_mail(result.raw).to] == ["anna@customer.test"]
    for part in mail.walk():
        assert not any(name.lower() == "bcc" for name in part.keys())  # noqa: SIM118  a message is no dict


@pytest.mark.parametrize(
    "handle",
    ["email:a@b\r\nRCPT TO:<x@y>", "email:", "email:a b@c.test", "email:<a@b.test>", "phone:+8613", "email:a"],
)
def test_a_recipient_that_is_none_is_refused(handle: str) -> None:
    with pytest.raises(Refused):
        composed(to=(Handle(key=handle),))


def test_a_name_in_an_international_domain() -> None:
    result = composed(to=(Handle(key="email:anna@bücher.test"),))
    assert result.recipients == ("anna@xn--bcher-kva.test",)
    with pytest.raises(Refused, match="SMTPUTF8"):
        composed(to=(Handle(key="email:安娜@customer.test"),))


@given(st.text(max_size=300), st.text(max_size=60), st.text(max_size=500))
def test_any_words_make_a_well_formed_mail(subject: str, name: str, text: str) -> None:
    to = (Handle(key="email:anna@customer.test", name=name),)
    raw = composed(settings(sender_name=name), subject=subject, to=to, text=text or "x").raw
    head = raw.partition(b"\r\n\r\n")[0]
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert not head.replace(b"\r\n", b"").translate(None, bytes(range(32, 127)))
    assert len([line for line in head.split(b"\r\n") if line.lower().startswith(b"subject:")]) <= 1
    assert [one.address for one in parse_mail(raw).to] == ["anna@customer.test"]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Kettle", "Re: Kettle"),
        ("Re: RE: re[3]: Kettle", "Re: Kettle"),
        ("回复：答复: Kettle", "Re: Kettle"),
        ("AW: SV: Kettle", "Re: Kettle"),
        ("Regarding: x", "Re: Regarding: x"),
        ("", "Re:"),
    ],
)
def test_one_re_in_front(subject: str, expected: str) -> None:
    assert reply_subject(subject) == expected


def test_the_tag_is_there_once() -> None:
    assert tagged("Re: Kettle [#7] [#1042]", 1042) == "Re: Kettle [#1042]"


def test_presets_fill_what_the_form_left_at_its_defaults() -> None:
    form = {
        "address": "a@qq.com",
        "provider": "microsoft365",
        "smtp_port": 465,
        "smtp_security": "tls",
        "smtp_host": "",
    }
    oauth = {"oauth_refresh_token": "r", "oauth_client_id": "c"}
    made = Settings.model_validate(form | oauth)
    assert (made.smtp_host, made.smtp_port, made.smtp_security) == ("smtp.office365.com", 587, "starttls")
    assert made.auth == "oauth2"
    own = Settings.model_validate(
        {"address": "a@qq.com", "provider": "qq", "smtp_host": "relay.test", "smtp_port": 25}
    )
    assert (own.smtp_host, own.smtp_port, own.imap_host) == ("relay.test", 25, "imap.qq.com")
    assert set(PRESETS) == {"gmail", "microsoft365", "qq", "163", "126", "aliyun", "tencent_exmail"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"address": "no address"}, "one mail address"),
        ({"receive": True}, "name the IMAP server"),
        ({"smtp_host": "mail.example.test", "smtp_security": "none"}, "only to this machine"),
        ({"dkim_selector": "s1"}, "DKIM needs both"),
        ({"dkim_private_key": "nonsense", "dkim_selector": "s"}, "PEM"),
        ({"auth": "oauth2"}, "refresh token"),
        ({"start_from": "yesterday"}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_words(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**changes)

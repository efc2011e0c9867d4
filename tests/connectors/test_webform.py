import base64
import dataclasses
import hashlib
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from webform_form import ACCOUNT_ID, EVENT_ID, NOW, PNG, event, make_form, post, request, start_token

from omnihub.connectors import registry
from omnihub.connectors.webform.settings import Settings
from omnihub.model.errors import Invalid, NotFound, OmnihubError, TryLater, Unreadable, Unverified
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawRequest


def read(raw: RawRequest, **values: Any) -> InboundMessage:
    (message,) = make_form(**values).parse(event(raw))
    return message


def wrong(raw: RawRequest, **values: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        make_form(**values).verify(raw)
    return dict(caught.value.fields)


def solved(challenge: dict[str, Any]) -> str:
    """A proof found the slow way, by Python."""
    for number in range(challenge["maxNumber"] + 1):
        if hashlib.sha256(f"{challenge['salt']}{number}".encode()).hexdigest() == challenge["challenge"]:
            return base64.b64encode(orjson.dumps({**challenge, "number": number})).decode()
    raise AssertionError("the challenge has no solution")


def definition(**values: Any) -> dict[str, Any]:
    reply = make_form(**values).challenge(request(method="GET", tail="definition"))
    assert reply is not None
    found: dict[str, Any] = orjson.loads(reply.body)
    return found


# — who may send —


@pytest.mark.parametrize(
    ("origin", "host", "welcome"),
    [
        ("https://shop.example.com", "", True),
        ("HTTPS://Shop.Example.com", "", True),
        ("http://hub.example.test", "", True),
        ("http://192.0.2.1:8080", "192.0.2.1:8080", True),
        ("https://evil.example.test", "hub.example.test", False),
        ("https://shop.example.com.evil.test", "", False),
        ("http://shop.example.com", "", False),
        ("null", "", False),
    ],
)
def test_only_listed_websites_and_the_own_page_may_post(origin: str, host: str, welcome: bool) -> None:
    form = make_form(allowed_origins=["https://shop.example.com/"])
    raw = post(headers={"Origin": origin, "Host": host})
    assert form.cors_origin(raw) == (origin if welcome else None)
    if welcome:
        form.verify(raw)
    else:
        with pytest.raises(Unverified):
            form.verify(raw)


def test_a_star_lets_any_website_embed_and_no_origin_gets_no_cors() -> None:
    form = make_form(allowed_origins=["*"])
    assert form.cors_origin(post(headers={"Origin": "https://any.example.test"})) == "https://any.example.test"
    assert form.cors_origin(post()) is None


@pytest.mark.parametrize(
    "token",
    ["", "x", "18c0.a.b", f"{start_token()}x", start_token().replace(".", "-")],
    ids=["none", "short", "foreign", "longer", "other form"],
)
def test_a_forged_start_is_refused(token: str) -> None:
    with pytest.raises(Unverified):
        make_form().verify(post({"_start": token}))


def test_a_start_of_another_form_is_refused() -> None:
    form = make_form()
    form.account = dataclasses.replace(form.account, id="another")
    with pytest.raises(Unverified):
        form.verify(post())


def test_limits_count_by_network_and_form() -> None:
    """Asked before the body is read."""
    limits = make_form(per_ip_minute=3, per_form_minute=9).limits(request(remote="2001:db8:1:2:3:4:5:6"))
    assert [(limit.count, limit.seconds) for limit in limits] == [(3, 60), (9, 60)]
    assert limits[0].key.endswith("2001:db8:1:2::/64")
    assert make_form(per_ip_minute=0, per_form_minute=0).limits(request(remote="a socket")) == ()
    assert len(make_form().limits(request(method="GET"))) == 1


# — what is spam —


@pytest.mark.parametrize(
    ("ago", "fields", "signs"),
    [
        (60, {}, ()),
        (1, {}, ("filled_too_fast",)),
        (-60, {}, ("filled_too_fast",)),
        (49 * 3600, {}, ("form_too_old",)),
        (60, {"_homepage": "https://spam.example.test"}, ("honeypot",)),
        (1, {"_homepage": "x"}, ("honeypot", "filled_too_fast")),
    ],
)
def test_spam_is_let_in_and_marked(ago: float, fields: dict[str, str], signs: tuple[str, ...]) -> None:
    raw = post(fields, ago=ago)
    make_form().verify(raw)
    assert read(raw).spam == signs


def test_a_good_proof_is_no_spam_and_names_its_challenge() -> None:
    challenge = definition(captcha=True, captcha_difficulty="easy")["challenge"]
    raw = post({"_proof": solved(challenge)})
    form = make_form(captcha=True)
    form.verify(raw)
    assert form.proof_key(raw) == challenge["challenge"]
    assert read(raw, captcha=True).spam == ()
    again = dataclasses.replace(raw, meta={"proof_reused": True})
    assert read(again, captcha=True).spam == ("proof_reused",)
    late = dataclasses.replace(raw, received_at=NOW + timedelta(minutes=31))
    assert read(late, captcha=True).spam == ("proof_expired",)
    assert form.proof_key(late) is None


@pytest.mark.parametrize(
    "change", [{"number": 1.5}, {"number": "1"}, {"salt": 3}, {"number": -1}, {"challenge": ""}]
)
def test_a_wrong_proof_is_marked_and_never_remembered(change: dict[str, Any]) -> None:
    challenge = definition(captcha=True)["challenge"] | {"number": 0} | change
    raw = post({"_proof": base64.b64encode(orjson.dumps(challenge)).decode()})
    make_form(captcha=True).verify(raw)
    assert read(raw, captcha=True).spam == ("proof_invalid",)
    assert make_form(captcha=True).proof_key(raw) is None


def test_a_stretched_expiry_does_not_pass() -> None:
    challenge = definition(captcha=True, captcha_difficulty="easy")["challenge"]
    payload = orjson.loads(base64.b64decode(solved(challenge)))
    payload["salt"] = payload["salt"].replace("expires=", "expires=9999999999&expires=")
    raw = post({"_proof": base64.b64encode(orjson.dumps(payload)).decode()})
    assert read(raw, captcha=True).spam == ("proof_invalid",)


def test_no_proof_at_all_is_asked_for_in_words() -> None:
    assert "JavaScript" in wrong(post(), captcha=True)["_proof"]
    assert "JavaScript" in wrong(post({"_lang": "zh-CN"}), captcha=True)["_proof"]


# — what is wrong —


def test_faults_are_told_in_the_language_of_the_form() -> None:
    assert wrong(post({"email": "nobody", "_lang": "zh-CN"})) == {
        "email": "邮箱格式不正确，例如：name@example.com"
    }
    english = wrong(post({"name": "", "phone": "12"}))
    assert english == {"name": "Please fill this in.", "phone": "This does not look like a phone number."}


QUESTIONS = [
    {"key": "size", "label": "Size", "type": "select", "options": ["S", "M"], "options_zh": ["小", "中"]},
    {"key": "extras", "label": "Extras", "type": "checkboxes", "options": ["Bag", "Belt"], "required": True},
    {"key": "count", "label": "Count", "label_zh": "数量", "type": "number"},
    {"key": "day", "label": "Day", "type": "date"},
    {"key": "agree", "label": "I agree", "label_zh": "我同意", "type": "checkbox", "required": True},
    {"key": "note", "label": "Note", "max_length": 5},
]


def urlencoded(body: str) -> RawRequest:
    return request(f"_start={start_token()}&{body}".encode(), "application/x-www-form-urlencoded")


def test_every_type_of_question_is_checked() -> None:
    faults = wrong(urlencoded("size=XXL&count=NaN&day=2025-02-30&note=longer&extras="), fields=QUESTIONS)
    assert faults == {
        "size": "Please choose one of the options.",
        "extras": "Please choose one.",
        "count": "Please enter a number.",
        "day": "Please enter a date, such as 2025-01-31.",
        "agree": "Please tick this box.",
        "note": "At most 5 characters, please; these are 6.",
    }


def test_answers_read_well_in_the_language_of_the_form() -> None:
    raw = urlencoded("size=M&extras=Bag&extras=Belt&count=1.50&day=2025-02-28&agree=on&_lang=zh-CN")
    make_form(fields=QUESTIONS).verify(raw)
    message = read(raw, fields=QUESTIONS)
    assert message.text == "Size：中\nExtras：Bag, Belt\n数量：1.50\nDay：2025-02-28\n我同意：是"
    assert message.visible_text == message.text
    assert message.subject == "联系我们"
    assert message.sender.key == f"webform:{ACCOUNT_ID}:{EVENT_ID}"


def test_files_are_counted_and_weighed() -> None:
    three = tuple(("files", f"{n}.png", PNG) for n in range(3))
    assert wrong(post(files=three), max_files=2) == {"files": "At most 2 files, please; these are 3."}
    heavy = (("files", "big.png", PNG + bytes(2000)),)
    assert wrong(post({"_lang": "zh-CN"}, heavy), max_file_mb=0.002) == {"files": "“big.png”超过了 0.002 MB。"}
    assert wrong(post(files=(("files", "a.png", PNG),)), allowed_file_types=["pdf"])["files"].startswith("“a.png”")
    no_files = [{"key": "message", "label": "Message", "role": "message"}]
    assert wrong(post(files=three), fields=no_files) == {"files": "This form takes no files."}


def test_an_empty_form_is_not_a_message() -> None:
    optional = [{"key": "message", "label": "Message", "type": "textarea"}]
    with pytest.raises(Invalid, match="Nothing has been filled in"):
        make_form(fields=optional).verify(urlencoded("message=+"))


# — what becomes of it —


def test_a_repeat_has_the_same_names_whatever_its_boundary() -> None:
    first, second = (post({"_key": "1f0c-again-and-again"}, boundary=b) for b in ("one-boundary", "two-boundary"))
    other = post({"_key": "1f0c-again-and-again", "message": "Something else"})
    form = make_form()
    assert form.source_key(first) == form.source_key(second) != form.source_key(other)
    assert read(first).external_id == read(other).external_id == "form:1f0c-again-and-again"
    assert read(first).fingerprint == read(second).fingerprint != read(other).fingerprint
    assert form.source_key(post()) == ""


def test_the_header_names_the_key_and_nonsense_is_no_key() -> None:
    header = post({"_key": "from-the-form-1"}, headers={"idempotency-key": '"from-the-header-1"'})
    assert read(header).external_id == "form:from-the-header-1"
    assert read(post({"_key": "no\nkey at all"})).external_id == f"form:{EVENT_ID}"


def test_page_and_locale_are_kept_and_script_addresses_are_not() -> None:
    message = read(post({"_page": "javascript:alert(1)"}, headers={"Referer": "https://shop.example.com/a"}))
    assert message.extra["page"] == "https://shop.example.com/a"
    assert read(post(headers={"Accept-Language": "zh-TW,zh;q=0.9,en;q=0.8"})).extra["locale"] == "zh-CN"
    assert read(post(headers={"Accept-Language": "fr,en;q=0.8,zh;q=0.1"})).extra["locale"] == "en"


def test_acknowledgement_for_script_and_for_browser() -> None:
    form = make_form()
    reply = form.acknowledge(post(), EVENT_ID)
    assert orjson.loads(reply.body) == {
        "ok": True,
        "reference": "ABCD-EFGH",
        "thank_you": "Thank you! Your message has arrived and we will get back to you soon.",
    }
    html = form.acknowledge(post({"_lang": "zh-CN"}, headers={"Accept": "text/html,*/*;q=0.8"}), EVENT_ID)
    assert html.content_type.startswith("text/html")
    assert "ABCD-EFGH" in html.body.decode()
    assert "感谢您的来信" in html.body.decode()
    assert read(post()).extra["reference"] == "ABCD-EFGH"


def test_a_refused_form_comes_back_filled_in() -> None:
    form = make_form()
    fields = {"name": '"><script>', "email": "nobody", "message": "\n<b>kept</b>", "_key": "key-of-the-form"}
    raw = post(fields, headers={"Accept": "text/html"})
    with pytest.raises(Invalid) as caught:
        form.verify(raw)
    reply = form.refusal(raw, caught.value)
    page = reply.body.decode()
    assert reply.status == 422
    assert 'value="&quot;&gt;&lt;script&gt;"' in page
    assert ">\n\n&lt;b&gt;kept&lt;/b&gt;</textarea>" in page
    assert 'value="key-of-the-form"' in page
    assert "This does not look like an email address" in page
    assert page.count("<script") == 2


class TooOften(TryLater):
    code = "too_often"


class TooLarge(Unreadable):
    code = "too_large"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Invalid("look", {"email": "words"}), 422, "invalid"),
        (Unverified("x"), 401, "unverified"),
        (TooOften("x"), 429, "too_often"),
        (TooLarge("x"), 413, "too_large"),
        (TryLater("x"), 503, "try_later"),
        (Unreadable("x"), 400, "unreadable"),
        (NotFound("x"), 404, "not_found"),
        (OmnihubError("x"), 400, "error"),
    ],
)
def test_refusals_for_script_are_problems_with_fields(error: OmnihubError, status: int, code: str) -> None:
    reply = make_form().refusal(post(), error)
    problem = orjson.loads(reply.body)
    assert (reply.status, problem["status"], problem["code"]) == (status, status, code)
    assert problem["fields"] == (error.fields if isinstance(error, Invalid) else {})
    assert make_form().refusal(request(b"?", "x/y", headers={"Accept": "text/html"}), error).status == status


# — the confirmation —


def test_confirmation_greets_by_name_and_number() -> None:
    form = make_form()
    subject, text = form.confirmation(read(post()), 42) or ("", "")
    assert subject == "We have received your message [#42]"
    assert text.startswith(
        "Hello Ann Example,\n\nthank you for your message. We have received it under the number #42"
    )
    chinese = form.confirmation(read(post({"_lang": "zh-CN", "name": "王小明"})), 42)
    assert chinese is not None
    assert chinese[1].startswith("王小明，您好：\n")


@pytest.mark.parametrize("name", ["Win at www.casino.example.test", "http://x.example", "a@b", "x" * 61, ""])
def test_confirmation_carries_no_advert_in_the_name(name: str) -> None:
    optional = [
        {"key": "name", "label": "Name", "role": "name"},
        {"key": "email", "label": "E", "type": "email", "role": "email"},
    ]
    form = make_form(fields=optional)
    made = form.confirmation(read(post({"name": name}), fields=optional), 7)
    assert made is not None
    assert made[1].startswith("Hello,\n\n")
    chinese = form.confirmation(read(post({"name": name, "_lang": "zh-CN"}), fields=optional), 7)
    assert chinese is not None
    assert chinese[1].startswith("您好：\n\n")


def test_no_confirmation_for_spam_without_address_when_off_or_for_history() -> None:
    message = read(post())
    assert make_form(confirmation=False).confirmation(message, 1) is None
    assert make_form().confirmation(read(post({"_homepage": "x"})), 1) is None
    assert make_form().confirmation(read(post({"email": ""})), 1) is None
    assert make_form().confirmation(dataclasses.replace(message, silent=True), 1) is None


# — settings —


def test_the_demo_form_works_as_an_admin_would_enter_it(tmp_path: Path) -> None:
    simulator = registry.simulator("webform", tmp_path)
    assert simulator is not None
    (demo,) = simulator.accounts()
    form = make_form(**demo.settings)
    assert demo.reply_via == "email"
    for language, label in (("en", "What is it about?"), ("zh-CN", "咨询类型")):
        page = form.challenge(request(method="GET", query={"lang": language}))
        assert page is not None
        assert label in page.body.decode()


def test_pages_that_do_not_exist_are_not_found() -> None:
    with pytest.raises(NotFound):
        make_form().challenge(request(method="GET", tail="settings"))
    with pytest.raises(NotFound):
        make_form().verify(post(tail="definition"))


def test_the_language_set_by_the_admin_beats_the_browser_but_not_the_address() -> None:
    chinese = {"Accept-Language": "zh-CN"}
    form = make_form(language="en", title_zh="")
    for query, words in (({}, "Your name"), ({"lang": "zh"}, "您的姓名")):
        page = form.challenge(request(method="GET", headers=chinese, query=query))
        assert page is not None
        assert words in page.body.decode()
        assert "<h1>Contact us</h1>" in page.body.decode()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"fields": [{"key": "a", "label": "A"}, {"key": "a", "label": "B"}]},
            "only one field may have the key a",
        ),
        (
            {"fields": [{"key": k, "label": k, "type": "email", "role": "email"} for k in "ab"]},
            "only one field may have the role email",
        ),
        ({"fields": [{"key": "a", "label": "A", "type": "select"}]}, "needs options"),
        ({"fields": [{"key": "a", "label": "A", "role": "phone"}]}, "needs a field of type tel"),
        (
            {
                "fields": [
                    {"key": "a", "label": "A", "type": "radio", "options": ["x"], "options_zh": ["一", "二"]}
                ]
            },
            "as many Chinese options",
        ),
        ({"fields": [{"key": "_start", "label": "A"}]}, "pattern"),
        ({"fields": []}, "at least 1"),
        ({"allowed_origins": ["https://shop.example.com/contact"]}, "without a path"),
        ({"allowed_origins": ["shop.example.com"]}, "without a path"),
        ({"allowed_origins": ["https://a.example; script-src *"]}, "without a path"),
        ({"allowed_file_types": ["*/*"]}, "not a file ending"),
    ],
)
def test_settings_say_what_is_wrong(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate(values)


def test_every_setting_is_titled_in_both_languages() -> None:
    schema = registry.settings_type("webform").model_json_schema()
    for name, entry in schema["properties"].items():
        assert entry["title"], name
        assert entry["title_zh"], name
        assert entry["group"] in {"form", "protection", "uploads", "confirmation"}, name
        assert ("description" in entry) == ("description_zh" in entry), name
    for name, entry in schema["$defs"]["FormField"]["properties"].items():
        assert entry["title_zh"], name
    assert schema["properties"]["fields"]["widget"] == "form-fields"


def test_origins_are_written_as_browsers_write_them() -> None:
    made = Settings(allowed_origins=(" HTTPS://Shop.example.com:443/ ", "http://localhost:8080", "*"))
    assert made.allowed_origins == ("https://shop.example.com", "http://localhost:8080", "*")


# — nothing breaks it —

content_types = st.sampled_from(
    [
        "multipart/form-data; boundary=b",
        "multipart/form-data",
        'multipart/form-data; boundary="b"; charset=utf-7',
        "multipart/form-data; boundary=b; charset=base64",
        "application/x-www-form-urlencoded; charset=idna",
        "application/x-www-form-urlencoded; charset=rot13",
        "application/json",
        "",
    ]
) | st.text(max_size=40)
fragments = st.sampled_from(
    [
        b"--b\r\n", b"--b", b"--b--", b"\r\n", b"\n", b"Content-Disposition: form-data; name=", b'"files"',
        b'; filename="', b"; filename*=", b"gb18030''%ff%fe", b"utf-16''%00", b"message", b'"email"',
        b"Content-Transfer-Encoding: base64\r\n", b"Content-Type: text/plain; charset=utf-16\r\n", b"_start=",
        b"&", b"=", b"%", b"%ff", b"_charset_=hex&", b'{"fields":{"message":', b"[", b"}}", b'"\\ud83d"', b"1e999",
        b"\x00", b"\xff\xfe", PNG, b"RIFF\x00\x00\x00\x00WEBP", b"ftyp", b"PK\x03\x04",
    ]
)  # fmt: skip
bodies = st.lists(fragments | st.binary(max_size=12), max_size=40).map(b"".join) | st.binary(max_size=400)


@settings(max_examples=400, deadline=2000)
@given(content_types, bodies)
def test_no_body_raises_outside_the_error_tree(content_type: str, body: bytes) -> None:
    form = make_form(captcha=True)
    raw = request(body, content_type, headers={"Content-Type": content_type, "Origin": "http://hub.example.test"})
    for ask in (form.verify, lambda r: form.parse(event(r))):
        with suppress(OmnihubError):
            ask(raw)
    assert form.refusal(raw, Unreadable("x")).status == 400
    assert form.acknowledge(raw, EVENT_ID).status == 200
    assert len(form.source_key(raw)) <= 140
    assert form.proof_key(raw) is None


plain_text = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cn", "Cs")), max_size=60)


@settings(max_examples=200, deadline=2000)
@given(plain_text, st.text(max_size=30), st.binary(min_size=1, max_size=300))
def test_what_a_browser_sends_comes_out_again(message: str, filename: str, data: bytes) -> None:
    escaped = "f" + filename.encode("utf-8", "ignore").decode()
    for plain, escape in (('"', "%22"), ("\r", "%0D"), ("\n", "%0A")):
        escaped = escaped.replace(plain, escape)
    read_back = read(post({"message": message}, (("files", escaped, data),)))
    shown = [line["value"] for line in read_back.extra["fields"] if line["key"] == "message"]
    assert shown == ([message.strip()] if message.strip() else [])
    (attachment,) = read_back.attachments
    assert attachment.content == data
    assert attachment.filename
    assert not set(attachment.filename) & set('/\\"\r\n\0')


def test_a_full_body_is_read_in_bounded_time_and_size() -> None:
    big = b"\x00\xff\n--synthetic-boundar" * 400_000
    raw = post({"message": "x" * 300_000}, (("files", "a.zip", b"PK\x03\x04" + big),))
    message = read(raw)
    assert message.attachments[0].content == b"PK\x03\x04" + big
    assert len(message.visible_text) <= 200_000
    assert len(message.subject) <= 150

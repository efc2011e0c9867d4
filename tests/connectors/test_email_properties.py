import re
import time
import unicodedata
from email import policy
from email.header import Header
from email.message import EmailMessage
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from omnihub.connectors import email
from omnihub.connectors.email.filenames import MAX_LENGTH, safe_filename
from omnihub.connectors.email.mime import Limits
from omnihub.connectors.email.parsing import inspect, parse_mail
from omnihub.connectors.email.quotes import split

FIXTURES = [path.read_bytes() for path in sorted((Path(email.__file__).parent / "fixtures").glob("*.eml"))]
PATIENT = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

# What a header or a line can carry through a standard composer: no controls, no lone surrogates.
LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp", "Zs", "Cf", "Co"))
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=12), min_size=1, max_size=8).map(" ".join)
# Python's composer loses blanks where it folds a header between two encoded-words (3.11).
UNFOLDED = policy.default.clone(max_line_length=100_000)
LINES = st.lists(
    st.one_of(
        WORDS,
        st.just(""),
        WORDS.map(lambda words: f"> {words}"),
        st.sampled_from(
            [
                "On Mon, Nov 16, 2026 at 3:04 PM Desk <desk@example.test> wrote:",
                "于2026年11月16日周一 15:04写道：",
                "-- ",
                "发自我的iPhone",
                "-----Original Message-----",
                "发件人: 客服",
                "主题: 订单",
                "收件人: 张三",
                "---------- Forwarded message ---------",
                "##- reply above -##",
                "________________________________",
            ]
        ),
    ),
    max_size=25,
)


def timed(raw: bytes) -> None:
    began = time.process_time()
    mail = parse_mail(raw)
    assert time.process_time() - began < 2
    assert len(mail.text) <= 4 * len(raw) + 1000
    assert sum(one.size for one in mail.attachments) <= len(raw) + 1000


@PATIENT
@given(st.binary(max_size=3000))
def test_any_bytes_are_read(raw: bytes) -> None:
    timed(raw)
    assert inspect(raw, "x.eml")["file"] == "x.eml"


@PATIENT
@given(st.data())
def test_any_damage_is_survived(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(FIXTURES)))
    for _ in range(data.draw(st.integers(0, 12))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    start = data.draw(st.integers(0, len(raw)))
    block = raw[start : start + data.draw(st.integers(0, 400))]
    place = data.draw(st.integers(0, len(raw)))
    raw[place:place] = block * data.draw(st.integers(0, 5))
    timed(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@PATIENT
@given(
    st.lists(
        st.sampled_from([b"<", b">", b"=?", b"?=", b"utf-8?Q?", b'"', b"(", b"@", b":", b",", b"a", b"\r\n "]),
        max_size=200,
    )
)
def test_any_address_header_is_read(pieces: list[bytes]) -> None:
    timed(b"From: " + b"".join(pieces) + b"\r\nTo: " + b"".join(reversed(pieces)) + b"\r\n\r\nx")


@PATIENT
@given(
    subject=WORDS, name=WORDS, lines=st.lists(WORDS, max_size=8), filename=WORDS, content=st.binary(max_size=300)
)
def test_composed_mail_comes_back(
    subject: str, name: str, lines: list[str], filename: str, content: bytes
) -> None:
    assume("=?" not in subject + name + filename)
    text = "\n".join(lines)
    mail = EmailMessage(policy=UNFOLDED)
    mail["To"] = "desk@example.test"
    mail["Subject"] = subject
    mail["Message-ID"] = "<one@example.com>"
    mail["Date"] = "Mon, 16 Nov 2026 15:04:05 +0800"
    mail.set_content(text)
    mail.add_attachment(content, maintype="application", subtype="x-test", filename=filename)
    # EmailMessage leaves `;` and `<` of an encoded name bare (3.11), so this one line is composed apart.
    sender = f"From: {Header(name, 'utf-8').encode()} <zhang@example.com>\n"
    got = parse_mail(sender.encode() + mail.as_bytes())
    assert got.subject == subject
    assert got.from_ is not None
    assert got.from_.address == "zhang@example.com"
    assert got.from_.name == name or name.strip("'\"<> ") != name
    assert got.text == text.rstrip()
    assert bool(got.visible_text) == bool(text)
    assert [one.content for one in got.attachments] == [content]
    assert got.attachments[0].filename == safe_filename(filename, got.attachments[0].content_type)
    assert got.message_id == "one@example.com"


@PATIENT
@given(LINES, st.sampled_from(["", "Re: x", "Fwd: x"]))
def test_no_line_is_ever_lost(lines: list[str], subject: str) -> None:
    parts = split("\n".join(lines), subject)
    kept = sorted(line.strip() for line in f"{parts.visible}\n{parts.quoted}".split("\n") if line.strip())
    assert kept == sorted(line.strip() for line in lines if line.strip())
    assert parts.visible.strip() or not "".join(lines).strip()


@PATIENT
@given(st.text(max_size=400))
def test_names_of_files_are_safe(name: str) -> None:
    safe = safe_filename(name, "application/pdf")
    assert 0 < len(safe) <= MAX_LENGTH
    assert not re.search(r'[/\\\x00-\x1f\x7f<>:"|?*\u202a-\u202e\u2066-\u2069]', safe)
    assert safe.strip(" .") == safe
    assert not any(unicodedata.category(char) == "Cs" for char in safe)


@PATIENT
@given(st.text(st.sampled_from(list("<>/= \"'&;abpdivscripthrefstyleonimg:()#-!x")), max_size=300))
def test_sanitised_html_holds_no_script(html: str) -> None:
    got = parse_mail(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + html.encode()).html.lower()
    assert not re.search(r"<\s*(?:script|style|iframe|form|input|object)|<[^>]*\son\w+\s*=", got)


def test_decoded_bytes_are_limited() -> None:
    mail = EmailMessage()
    mail["From"] = "z@example.com"
    mail.set_content("words")
    mail.add_attachment(b"x" * 5000, maintype="application", subtype="x-test", filename="a.bin")
    got = parse_mail(mail.as_bytes(), Limits(decoded=1000))
    assert got.text == "words"
    assert [one.size for one in got.attachments] == [0]
    assert any("decoded bytes" in problem for problem in got.problems)

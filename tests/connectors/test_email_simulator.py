import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from dovecot import BINARY, PASSWORD, Dovecot
from email_desk import Listening, MemoryDesk, connector, mail, now, outgoing
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.email.parsing import parse_mail
from omnihub.connectors.email.settings import Settings
from omnihub.connectors.email.simulator import DESK, Simulator
from omnihub.connectors.email.simulator_imap_grammar import BadCommand, tokens
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import Handle, InboundMessage, Receipt
from omnihub.model.raw import RawEvent, RawRequest


@pytest.fixture
async def demo(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path / "mail")
    await simulator.start()
    yield simulator
    await simulator.stop()


def on(port: int, work: Callable[[IMAPClient], Any], user: str = DESK, password: str = "demo") -> Any:
    """In a thread: the demo server lives in this test's own loop."""

    def run() -> Any:
        with IMAPClient("127.0.0.1", port, ssl=False, timeout=10) as client:
            client.plain_login(user, password)
            return work(client)

    return asyncio.to_thread(run)


async def submit(demo: Simulator, raw: bytes, to: str = DESK, sender: str = "anna@customer.test") -> None:
    await aiosmtplib.send(
        raw, sender=sender, recipients=[to], hostname="127.0.0.1", port=demo.smtp_port, start_tls=False
    )


def tour(client: IMAPClient) -> list[Any]:
    """What an ordinary mail program does; the answers of any two servers must agree."""
    seen: list[Any] = []
    multipart = (
        b'Content-Type: multipart/mixed; boundary="b"\r\nFrom: "Li, Wei" <li.wei@customer.test>\r\n'
        b"To: desk@example.test\r\nSubject: two parts\r\nMessage-ID: <two@customer.test>\r\n"
        b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
        b'--b\r\nContent-Type: image/png; name="a.png"\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0K\r\n'
        b"--b--\r\n"
    )
    at = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)
    client.normalise_times = False
    seen.append(client.select_folder("INBOX")[b"EXISTS"])
    for raw in (mail("one", "1@customer.test"), multipart, mail("drei ü", "3@customer.test", body="Grüße")):
        client.append("INBOX", raw, (), at)
    client.noop()
    seen.append(client.search("ALL"))
    seen.append([client.search(criteria) for criteria in (
        ["UID", "2:*"], ["UID", "9:*"], ["UNSEEN"], ["HEADER", "Message-ID", "<two@customer.test>"],
        ["SINCE", at.date()], ["NOT", "SUBJECT", "one"], ["OR", "UID", "1", "UID", "3"], ["LARGER", 10_000],
    )])  # fmt: skip
    items = ["FLAGS", "RFC822.SIZE", "INTERNALDATE", "ENVELOPE", "BODYSTRUCTURE"]
    for uid, found in sorted(client.fetch([1, 2, 3], items).items()):
        seen.append(
            (
                uid,
                set(found[b"FLAGS"]) - {b"\\Recent"},
                found[b"RFC822.SIZE"],
                found[b"INTERNALDATE"],
                found[b"ENVELOPE"],
            )
        )
    structure = client.fetch([2], ["BODYSTRUCTURE"])[2][b"BODYSTRUCTURE"]
    seen.append([part[:2] for part in structure[0]])
    sections = [
        "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<5.20>", "BODY.PEEK[1]", "BODY.PEEK[2]",
        "BODY.PEEK[HEADER.FIELDS (SUBJECT MESSAGE-ID)]",
    ]  # fmt: skip
    for section in sections:
        found = client.fetch([2], [section])[2]
        seen.append([value for key, value in found.items() if key.startswith(b"BODY")])
    seen.append(set(client.get_flags([2])[2]) - {b"\\Recent"})
    client.fetch([1], ["BODY[]"])
    seen.append(set(client.get_flags([1])[1]) - {b"\\Recent"})
    seen.append(set(client.add_flags([2], [b"\\Answered"])[2]) - {b"\\Recent"})
    client.copy([2], "Sent")
    seen.append(client.folder_status("Sent", ["MESSAGES", "UIDNEXT"]))
    client.delete_messages([1])
    client.expunge()
    seen.append(client.search("ALL"))
    client.create_folder("客服")
    seen.append(client.folder_exists("客服"))
    client.move([3], "客服")
    seen.append((client.search("ALL"), client.folder_status("客服", ["MESSAGES"])))
    seen.append(client.find_special_folder(b"\\Sent"))
    seen.append(client.select_folder("客服", readonly=True)[b"EXISTS"])
    client.unselect_folder()
    client.delete_folder("客服")
    seen.append(client.folder_exists("客服"))
    return seen


@pytest.mark.skipif(not BINARY, reason="dovecot is not installed (apt-get install dovecot-imapd)")
async def test_answers_as_dovecot_does(demo: Simulator) -> None:
    with tempfile.TemporaryDirectory(prefix="dv") as root:
        dovecot = Dovecot(Path(root))
        await dovecot.start()
        theirs = await on(dovecot.port, tour, "desk@example.test", PASSWORD)
        await dovecot.stop()
    ours = await on(demo.imap_port, tour)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == other


async def test_wrong_password_and_missing_sign_in_are_refused(demo: Simulator) -> None:
    with pytest.raises(LoginError):
        await on(demo.imap_port, lambda client: None, password="wrong")

    def unsigned() -> None:
        with IMAPClient("127.0.0.1", demo.imap_port, ssl=False, timeout=10) as client:
            client._imap.state = "AUTH"  # the library would not even ask
            client.select_folder("INBOX")

    with pytest.raises(IMAPClientError):
        await asyncio.to_thread(unsigned)


async def test_survives_a_restart_with_uids_and_flags(demo: Simulator, tmp_path: Path) -> None:
    await submit(demo, mail("kept"))
    await submit(demo, mail("removed"))

    def change(client: IMAPClient) -> int:
        validity = client.select_folder("INBOX")[b"UIDVALIDITY"]
        client.add_flags([1], [b"\\Flagged", b"\\Seen"])
        client.delete_messages([2])
        client.expunge()
        return int(validity)

    validity = await on(demo.imap_port, change)
    await demo.stop()
    again = Simulator(tmp_path / "mail")
    await again.start()

    def look(client: IMAPClient) -> tuple[Any, ...]:
        opened = client.select_folder("INBOX", readonly=True)
        return opened[b"UIDVALIDITY"], opened[b"UIDNEXT"], client.get_flags([1]), client.search("ALL")

    assert await on(again.imap_port, look) == (validity, 3, {1: (b"\\Flagged", b"\\Seen")}, [1])
    await again.stop()


async def test_idle_tells_of_new_and_removed_mail(demo: Simulator) -> None:
    await submit(demo, mail("first"))
    loop = asyncio.get_running_loop()
    idling: asyncio.Future[None] = loop.create_future()

    def idle(client: IMAPClient) -> list[Any]:
        client.select_folder("INBOX")
        client.idle()
        loop.call_soon_threadsafe(idling.set_result, None)
        told: list[Any] = []
        while not any(line[1] == b"EXISTS" for line in told):
            told += client.idle_check(timeout=5)
        client.idle_done()
        return told

    waiting = asyncio.create_task(on(demo.imap_port, idle))
    await idling
    await submit(demo, mail("second"))
    assert (2, b"EXISTS") in await waiting


async def test_many_names_reach_one_mailbox(demo: Simulator) -> None:
    await submit(demo, mail("plus"), to="desk+t0ken@demo.omnihub.test")

    def look(client: IMAPClient) -> bytes:
        client.select_folder("INBOX", readonly=True)
        return bytes(client.fetch([1], ["BODY.PEEK[HEADER]"])[1][b"BODY[HEADER]"])

    assert b"Delivered-To: desk+t0ken@demo.omnihub.test" in await on(demo.imap_port, look)


async def test_names_that_would_leave_the_folder_are_refused(demo: Simulator, tmp_path: Path) -> None:
    for hostile in ("../../x@customer.test", "a/b@customer.test", "a@../x.test", "a@example.com"):
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await submit(demo, mail(), to=hostile)
    await on(demo.imap_port, lambda client: client.create_folder("../../../outside"))
    assert not (tmp_path / "outside").exists()
    assert not list(tmp_path.glob("outside*"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'a LOGIN "x y" z', ["a", "LOGIN", b"x y", "z"]),
        (rb'a "q\"b\\"', ["a", rb'q"b' + b"\\"]),
        (
            b"a FETCH 1 (FLAGS BODY[HEADER.FIELDS (A B)]<0.5>)",
            ["a", "FETCH", "1", ["FLAGS", "BODY[HEADER.FIELDS (A B)]<0.5>"]],
        ),
        (b"a (b (c) ())", ["a", ["b", ["c"], []]]),
    ],
)
def test_command_lines(line: bytes, expected: list[Any]) -> None:
    assert tokens([(line, None)]) == expected


@pytest.mark.parametrize("line", [b"a (b", b"a b)", b'a "b', b"a BODY[", b"(" * 50])
def test_broken_command_lines(line: bytes) -> None:
    with pytest.raises(BadCommand):
        tokens([(line, None)])


async def test_garbage_does_not_stop_the_server(demo: Simulator) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", demo.imap_port)
    await reader.readline()
    for line in (
        b"\r\n",
        b"x\r\n",
        b"a NONSENSE\r\n",
        b"b LOGIN {9999999999}\r\n",
        b'c LOGIN "\r\n',
        b"\xff\xfe \x00\r\n",
    ):
        writer.write(line)
        assert b" BAD " in await reader.readline()
    writer.write(b"d LOGIN desk@demo.omnihub.test demo\r\n")
    assert (await reader.readline()).startswith(b"d OK")
    writer.close()
    await writer.wait_closed()


@pytest.fixture
async def toolbox() -> AsyncIterator[Toolbox]:
    async with aiohttp.ClientSession() as http:
        yield Toolbox(http=http, public_url="http://hub.example.test", sign=lambda purpose, data: b"", now=now)


async def test_the_demo_account_works_from_end_to_end(demo: Simulator, toolbox: Toolbox) -> None:
    settings = dict(demo.accounts()[0].settings)
    desk = MemoryDesk()
    tested = connector(settings, toolbox)
    async with Listening(Settings.model_validate(settings), desk):
        await desk.until_ready()
        await submit(demo, mail("kettle", "first@customer.test"))
        await desk.until_mails(1)
        message = read(tested, desk.requests[0])
        answer = outgoing(to=(message.sender,), references=("first@customer.test",), external_id="")
        result = await tested.send(answer)
        assert result.external_id == f"oh.t0ken.{answer.id}@demo.omnihub.test"

        def reply(client: IMAPClient) -> Any:
            client.select_folder("INBOX", readonly=True)
            return parse_mail(client.fetch([1], ["BODY.PEEK[]"])[1][b"BODY[]"])

        received = await on(demo.imap_port, reply, "anna@customer.test")
        assert received.in_reply_to == ("first@customer.test",)
        assert received.reply_to[0].address == "desk+t0ken@demo.omnihub.test"
        assert received.visible_text.strip() == "Please send a photo."
    findings = await tested.check()
    assert all(finding.ok for finding in findings), findings
    await tested.close()
    copies = await on(demo.imap_port, lambda client: client.select_folder("Sent", readonly=True)[b"EXISTS"])
    assert copies == 1


def read(tested: Any, request: RawRequest) -> InboundMessage:
    (message,) = tested.parse(RawEvent(id="e1", account_id="a1", request=request))
    assert isinstance(message, InboundMessage)
    return message


async def test_recipients_that_show_every_turn(demo: Simulator, toolbox: Toolbox) -> None:
    settings = dict(demo.accounts()[0].settings)
    tested = connector(settings, toolbox)
    with pytest.raises(Refused, match=r"550 5\.1\.1"):
        await tested.send(outgoing(to=(Handle(key="email:gone@customer.test"),)))
    slow = outgoing(to=(Handle(key="email:slow@customer.test"),))
    for _ in range(2):
        with pytest.raises(TryLater, match="451"):
            await tested.send(slow)
    await tested.send(slow)
    bounced = outgoing(to=(Handle(key="email:bounce@customer.test"),))
    desk = MemoryDesk()
    async with Listening(Settings.model_validate(settings), desk):
        await desk.until_ready()
        await tested.send(bounced)
        await desk.until_mails(1)
    message, receipt = tested.parse(RawEvent(id="e1", account_id="a1", request=desk.requests[0]))
    assert isinstance(message, InboundMessage)
    assert isinstance(receipt, Receipt)
    assert (message.kind, message.silent) == ("bounce", True)
    assert (receipt.external_id, receipt.status) == (bounced.external_id, "failed")
    assert (receipt.recipient, receipt.code) == ("bounce@customer.test", "5.1.1")
    assert message.evidence.tokens == ("t0ken",)
    await tested.close()


@pytest.fixture
async def browser(demo: Simulator) -> AsyncIterator[TestClient[Any, Any]]:
    app = web.Application()
    app.add_subapp("/demo/email/", demo.pages())
    async with TestClient(TestServer(app)) as client:
        yield client


async def page(browser: TestClient[Any, Any], path: str) -> str:
    async with browser.get(f"/demo/email/{path}") as answer:
        assert answer.status == 200
        return await answer.text()


async def test_customer_writes_reads_and_answers_in_the_browser(
    demo: Simulator, browser: TestClient[Any, Any]
) -> None:
    assert "anna@customer.test" in await page(browser, "")
    assert 'data-testid="compose-to"' in await page(browser, "compose?who=anna@customer.test")
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("who", "anna@customer.test")
    form.add_field("to", DESK)
    form.add_field("subject", "水壶 <b>坏了</b>")
    form.add_field("text", "Hello\nthere")
    form.add_field("file", b"\x89PNG..", filename="照片.png", content_type="image/png")
    async with browser.post("/demo/email/send", data=form) as answer:
        assert answer.status == 200
        shown = await answer.text()
    assert "水壶 &lt;b&gt;坏了&lt;/b&gt;" in shown
    received = parse_mail(demo.store.mailbox(DESK).inbox.mails[0].raw())
    assert (received.subject, received.text.strip()) == ("水壶 <b>坏了</b>", "Hello\nthere")
    assert received.attachments[0].filename == "照片.png"

    head = f"In-Reply-To: <{received.message_id}>\r\n".encode()
    reply = head + mail("Re: 水壶", "answer@demo.omnihub.test", body="<script>alert(1)</script>", sender=DESK)
    await submit(demo, reply, to="anna@customer.test", sender=DESK)
    rows = await page(browser, "box?who=anna@customer.test&lang=zh")
    assert rows.count('data-testid="mail-row"') == 1
    link = re.search(r'href="(mail\?[^"]+)"', rows)
    assert link
    thread = await page(browser, link[1].replace("&amp;", "&"))
    assert thread.count('data-testid="mail-body"') == 2
    assert "<script>alert" not in thread
    key = re.search(r'name="answers" value="([^"]+)"', thread)
    assert key
    answers = {"who": "anna@customer.test", "to": DESK, "subject": "Re: x", "text": "Thanks", "answers": key[1]}
    async with browser.post("/demo/email/send", data=answers) as answer:
        assert answer.status == 200
    last = parse_mail(demo.store.mailbox(DESK).inbox.mails[-1].raw())
    assert last.in_reply_to == ("answer@demo.omnihub.test",)
    assert last.references == (received.message_id, "answer@demo.omnihub.test")
    assert last.visible_text.strip() == "Thanks"


async def test_browser_is_told_of_new_mail_and_of_refusals(demo: Simulator, browser: TestClient[Any, Any]) -> None:
    async with browser.get("/demo/email/events?who=anna@customer.test") as events:
        await events.content.readuntil(b"\n\n")
        await submit(demo, mail("news"), to="anna@customer.test", sender=DESK)
        assert b"event: mail" in await asyncio.wait_for(events.content.readuntil(b"\n\n"), 5)
    data = {"who": "anna@customer.test", "to": "gone@customer.test", "subject": "s", "text": "t"}
    async with browser.post("/demo/email/send", data=data) as answer:
        assert answer.status == 422
        assert "550 5.1.1" in await answer.text()

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from dovecot import BINARY, PASSWORD, Dovecot, free_port
from email_desk import Listening, MemoryDesk, connector, mail, now
from imapclient import IMAPClient

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.email.imap_session import ImapSession, message_id_in
from omnihub.connectors.email.imap_thread import ImapThread
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.sent_copies import SentCopies
from omnihub.connectors.email.settings import Settings

pytestmark = pytest.mark.skipif(not BINARY, reason="dovecot is not installed (apt-get install dovecot-imapd)")


@pytest.fixture
async def server() -> AsyncIterator[Dovecot]:
    root = Path(tempfile.mkdtemp(prefix="dv"))  # short: unix socket paths end at 108 bytes
    dovecot = Dovecot(root)
    await dovecot.start()
    yield dovecot
    await dovecot.stop()
    shutil.rmtree(root)


def settings(server: Dovecot, **changes: Any) -> Settings:
    values = {
        "address": "desk@example.test",
        "password": PASSWORD,
        "imap_host": "127.0.0.1",
        "imap_port": server.port,
        "imap_security": "none",
        "poll_seconds": 60,
    }
    return Settings.model_validate(values | changes)


async def on(server: Dovecot, work: Callable[[IMAPClient], Any]) -> Any:
    def run() -> Any:
        with server.client() as client:
            return work(client)

    return await asyncio.to_thread(run)


async def deliver(server: Dovecot, *mails: bytes, folder: str = "INBOX", at: datetime | None = None) -> None:
    await on(server, lambda client: [client.append(folder, raw, (), at) for raw in mails])


async def test_new_mail_arrives_by_idle_at_once_and_leaves_no_flag(server: Dovecot) -> None:
    desk = MemoryDesk()
    await deliver(server, mail("from before"))
    async with Listening(settings(server), desk):
        await desk.until_ready()
        begun = now()
        await deliver(server, mail("after", "1@customer.test"))
        await desk.until_mails(1)
        assert now() - begun < timedelta(seconds=5)  # far below the poll's 60 seconds
    request = desk.requests[0]
    assert desk.subjects() == ["after"]
    assert request.source == "imap"
    assert request.source_key == f"INBOX:{desk.cursors['imap:INBOX']['uidvalidity']}:2"
    assert request.meta["uid"] == 2

    def flags(client: IMAPClient) -> list[tuple[bytes, ...]]:
        client.select_folder("INBOX", readonly=True)
        return [client.get_flags([uid])[uid] for uid in (1, 2)]

    assert all(b"\\Seen" not in found for found in await on(server, flags))


async def test_mails_that_come_while_others_are_read_do_not_wait_for_the_poll(server: Dovecot) -> None:
    desk = MemoryDesk()
    async with Listening(settings(server), desk):
        await desk.until_ready()
        begun = now()
        for number in range(1, 31):
            await deliver(server, mail(f"mail {number}", f"{number}@customer.test"))
        await desk.until_mails(30)
        assert now() - begun < timedelta(seconds=15)  # far below the poll's 60 seconds
    assert sorted(desk.subjects()) == sorted(f"mail {number}" for number in range(1, 31))


async def test_server_killed_during_idle_loses_nothing(server: Dovecot) -> None:
    desk = MemoryDesk()
    async with Listening(settings(server), desk):
        await desk.until_ready()
        await deliver(server, mail("one"))
        await desk.until_mails(1)
        await server.kill()
        await desk.until(lambda: not desk.reports[-1][0])
        await server.start()
        await deliver(server, mail("two"))
        await desk.until_mails(2)
        await desk.until_ready()
    assert desk.subjects() == ["one", "two"]
    assert desk.reports[-1][2] == {"provider": 2, "stored": 2}


async def test_journal_away_means_cursor_stays(server: Dovecot) -> None:
    desk = MemoryDesk()
    async with Listening(settings(server), desk):
        await desk.until_ready()
        desk.failing = 2
        await deliver(server, mail("kept"))
        await desk.until_mails(1)
    assert desk.subjects() == ["kept"]
    assert any("journal is away" in detail for _, detail, _ in desk.reports)


async def test_folder_made_anew_is_read_again_without_loss(server: Dovecot) -> None:
    desk = MemoryDesk()
    await on(server, lambda client: client.create_folder("Support"))
    wanted = settings(server, folders=["Support"], poll_seconds=1)
    async with Listening(wanted, desk):
        await desk.until_ready()
        await deliver(server, mail("old", "old@customer.test"), folder="Support")
        await desk.until_mails(1)
    desk.stored = {"old@customer.test"}
    before = desk.cursors["imap:Support"]["uidvalidity"]

    def recreate(client: IMAPClient) -> None:
        client.delete_folder("Support")
        client.create_folder("Support")
        for raw in (mail("old", "old@customer.test"), mail("missed", "new@customer.test"), mail("nameless")):
            client.append("Support", raw)

    await on(server, recreate)
    async with Listening(wanted, desk):
        await desk.until_mails(3)
        await deliver(server, mail("later"), folder="Support")
        await desk.until_mails(4)
    assert desk.cursors["imap:Support"]["uidvalidity"] != before
    assert desk.subjects() == ["old", "missed", "nameless", "later"]
    assert desk.asked == ["old@customer.test", "new@customer.test"]


async def test_different_mails_under_one_message_id_are_all_fetched_on_a_rescan(server: Dovecot) -> None:
    desk = MemoryDesk()
    desk.stored = {"same@scanner.test"}
    async with Listening(settings(server), desk):
        await desk.until_ready()
    desk.cursors["imap:INBOX"] = {**desk.cursors["imap:INBOX"], "uidvalidity": 1}
    await deliver(server, mail("page 1", "same@scanner.test"), mail("page 2", "same@scanner.test"))
    async with Listening(settings(server), desk):
        await desk.until_mails(2)
    assert desk.subjects() == ["page 1", "page 2"]


async def test_start_with_the_last_days_is_silent_history(server: Dovecot) -> None:
    desk = MemoryDesk()
    today = datetime.now(UTC)
    await deliver(server, mail("ancient"), at=today - timedelta(days=90))
    await deliver(server, mail("last week"), at=today - timedelta(days=7))
    await deliver(server, mail("today"), at=today)
    async with Listening(settings(server, start_from="days:30"), desk):
        await desk.until_mails(2)
        await desk.until_ready()
    assert desk.subjects() == ["last week", "today"]
    assert [request.meta["uid"] for request in desk.silent] == [2]
    cursor = desk.cursors["imap:INBOX"]
    assert (cursor["last_uid"], cursor["since"]) == (3, "")


async def test_all_of_a_large_folder_in_bounded_batches(server: Dovecot) -> None:
    desk = MemoryDesk()
    batches: list[int] = []
    journal = desk.journal

    async def counting(requests: Any, *, silent: bool = False) -> None:
        batches.append(len(requests))
        await journal(requests, silent=silent)

    desk.journal = counting  # type: ignore[method-assign]
    await deliver(server, *(mail(f"n{number}") for number in range(230)))
    async with Listening(settings(server, start_from="all"), desk):
        await desk.until_mails(230)
        await desk.until_ready()
    assert desk.subjects() == [f"n{number}" for number in range(230)]
    assert max(batches) <= 50
    assert desk.reports[-1][2] == {"provider": 230, "stored": 230}


async def test_a_stop_in_the_middle_goes_on_where_the_journal_ended(server: Dovecot) -> None:
    desk = MemoryDesk()
    await deliver(server, *(mail(f"n{number}") for number in range(120)))
    async with Listening(settings(server, start_from="all"), desk):
        await desk.until_mails(1)
    async with Listening(settings(server, start_from="all"), desk):
        await desk.until_mails(120)
    assert desk.subjects() == [f"n{number}" for number in range(120)]


async def test_newest_uid_is_not_read_twice(server: Dovecot) -> None:
    """`UID n:*` answers the newest mail even where n lies beyond it."""
    await deliver(server, mail("only"))

    def look() -> tuple[list[int], list[int]]:
        session = ImapSession(settings(server))
        try:
            session.open()
            opened = session.select("INBOX")
            return session.client.search(["UID", "2:*"]), session.uids_after(1, opened)
        finally:
            session.close()

    raw_answer, ours = await asyncio.to_thread(look)
    assert (raw_answer, ours) == ([1], [])


async def test_says_who_it_is(server: Dovecot) -> None:
    desk = MemoryDesk()
    async with Listening(settings(server), desk):
        await desk.until_ready()
    assert "name=omnihub" in server.log()


async def test_cancel_in_idle_is_quick(server: Dovecot) -> None:
    desk = MemoryDesk()
    listening = Listening(settings(server, poll_seconds=3600), desk)
    async with listening:
        await desk.until_ready()
        await deliver(server, mail("proof that it idles"))
        await desk.until_mails(1)
        assert await listening.stop() < 2


async def test_cancel_is_quick_where_the_server_never_greets() -> None:
    connected = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    values = {"address": "desk@example.test", "imap_host": "127.0.0.1", "imap_port": port, "imap_security": "none"}
    listening = Listening(Settings.model_validate(values), MemoryDesk())
    async with listening:
        await connected.wait()
        assert await listening.stop() < 2
    silent.close()
    await silent.wait_closed()


async def test_wrong_password_is_said_with_its_remedy_and_not_hammered(server: Dovecot) -> None:
    desk = MemoryDesk()
    wrong = settings(server, password="no", provider="qq", imap_host="127.0.0.1")
    async with Listening(wrong, desk):
        await desk.until(lambda: bool(desk.reports))
    ok, detail, _ = desk.reports[0]
    assert not ok
    assert "授权码" in detail


async def test_oversize_mail_keeps_its_beginning_and_says_so(server: Dovecot) -> None:
    desk = MemoryDesk()
    large = mail("large", "large@customer.test", body="0123456789abcdef\r\n" * 40_000)
    async with Listening(settings(server, max_mail_bytes=500_000), desk):
        await desk.until_ready()
        await deliver(server, mail("before"), large, mail("behind"))
        await desk.until_mails(3)
    assert desk.subjects() == ["before", "large", "behind"]
    request = desk.requests[1]
    assert request.meta["truncated"] is True
    assert request.meta["size"] == len(large)
    assert large.startswith(request.body)
    assert len(request.body) == 262_144


async def test_sent_folder_is_read_but_our_own_copies_are_not_fetched(server: Dovecot) -> None:
    desk = MemoryDesk()
    desk.stored = {"ours@example.test"}
    async with Listening(settings(server, read_sent=True, poll_seconds=1), desk):
        await desk.until_ready()
        own = mail("ours", "ours@example.test", sender="desk@example.test")
        by_hand = mail("by hand", "hand@example.test", sender="desk@example.test")
        await deliver(server, own, by_hand, folder="Sent")
        await desk.until_mails(1)
    assert desk.subjects() == ["by hand"]
    assert desk.requests[0].meta["role"] == "sent"


async def test_one_missing_folder_does_not_stop_the_others(server: Dovecot) -> None:
    desk = MemoryDesk()
    async with Listening(settings(server, folders=["Gone", "INBOX"], poll_seconds=1), desk):
        await desk.until(lambda: "imap:INBOX" in desk.cursors and bool(desk.reports))
        await deliver(server, mail("hello"))
        await desk.until_mails(1)
    assert not desk.reports[-1][0]
    assert "Gone" in desk.reports[-1][1]


async def test_copy_of_a_reply_lands_in_sent(server: Dovecot) -> None:
    copies = SentCopies(settings(server), None)
    copies.keep(mail("answer", "a@example.test"), now())
    await copies.close()

    def look(client: IMAPClient) -> tuple[int, tuple[bytes, ...]]:
        client.select_folder("Sent", readonly=True)
        uids = client.search(["HEADER", "Message-ID", "<a@example.test>"])
        return len(uids), client.get_flags(uids)[uids[0]]

    count, flags = await on(server, look)
    assert (count, copies.trouble) == (1, "")
    assert b"\\Seen" in flags


async def test_failed_copy_is_only_a_note(server: Dovecot) -> None:
    copies = SentCopies(settings(server, sent_folder="No/Such/Folder"), None)
    copies.keep(mail("answer"), now())
    await copies.close()
    assert "not copied to the Sent folder" in copies.trouble


async def test_check_names_what_is_right_and_what_is_wrong(server: Dovecot) -> None:
    async with aiohttp.ClientSession() as http:
        toolbox = Toolbox(http=http, public_url="", sign=lambda purpose, data: b"", now=now)
        values = settings(server, folders=["INBOX", "Gone"], smtp_host="127.0.0.1", smtp_port=free_port())
        raw = values.model_dump() | {"smtp_security": "none", "password": PASSWORD}
        tested = connector({name: value for name, value in raw.items() if "SecretStr" not in repr(value)}, toolbox)
        found = {(finding.name, finding.ok): finding for finding in await tested.check()}
        await tested.close()
    assert {("imap_tcp", True), ("imap_login", True), ("imap_id", True), ("imap_idle", True)} <= set(found)
    assert "Choose among: " in found["imap_folder", False].remedy
    assert found["smtp_tcp", False].remedy
    assert ("plus_addressing", True) in found


async def test_xoauth2_with_tokens_that_are_refreshed() -> None:
    issued: list[str] = []

    async def token(request: web.Request) -> web.Response:
        form = await request.post()
        assert (form["grant_type"], form["refresh_token"]) == ("refresh_token", "r1")
        issued.append(f"access{len(issued)}")
        return web.json_response({"access_token": issued[-1], "expires_in": 3600})

    async def introspect(request: web.Request) -> web.Response:
        good = request.headers["Authorization"] == "Bearer access1"
        return web.json_response({"active": good, "email": "desk@example.test"})

    app = web.Application()
    app.add_routes([web.post("/token", token), web.get("/introspect", introspect)])
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    root = Path(tempfile.mkdtemp(prefix="dv"))
    server = Dovecot(root, introspection_url=f"http://127.0.0.1:{port}/introspect")
    await server.start()
    desk = MemoryDesk()
    wanted = settings(
        server,
        auth="oauth2",
        oauth_refresh_token="r1",
        oauth_client_id="c1",
        oauth_token_url=f"http://127.0.0.1:{port}/token",
    )
    async with aiohttp.ClientSession() as http, Listening(wanted, desk, AccessTokens(wanted, http)):
        await desk.until_ready()
    await server.stop()
    await runner.cleanup()
    shutil.rmtree(root)
    # The first token was refused, so another one was asked for.
    assert issued == ["access0", "access1"]
    assert [ok for ok, _, _ in desk.reports] == [False, True]


async def test_a_call_that_is_cancelled_cuts_the_connection(server: Dovecot) -> None:
    line = ImapThread(settings(server), None)
    await line.open()
    await line.call(line.session.select, "INBOX")
    waiting = asyncio.create_task(line.call(line.session.wait, 30.0))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    waiting.cancel()
    await asyncio.wait([waiting], timeout=2)
    assert waiting.cancelled()
    await line.close()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Message-ID: <a@b>\r\n\r\n", "a@b"),
        (b"MESSAGE-ID:\r\n <a@b>\r\n\r\n", "a@b"),
        (b"Message-Id: a@b\r\n\r\n", "a@b"),
        (b"\r\n", ""),
    ],
)
def test_message_id_in_header(header: bytes, expected: str) -> None:
    assert message_id_in(header) == expected

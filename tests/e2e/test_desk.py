"""A day at the desk: several agents, customers who write in between, slips taken back, a hub that goes away."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from omnihub.model.raw import RawRequest
from omnihub.settings import Settings, Storage
from omnihub.store.database import now
from omnihub.store.engines import record
from omnihub.store.engines.layout import Layout
from omnihub.store.store import Store
from tests.e2e.screen import MARKS, PUSH_SECRET, Office, Screen, letter, push
from tests.hub_process import free_port, running

pytestmark = MARKS


async def test_an_answer_to_what_was_not_seen_is_stopped(office: Office, desk: Screen) -> None:
    number = await office.mail(desk, "Guard", "Please send the blue one.")
    deaf = await office.page(live=False)
    await deaf.open(number)
    await office.answers(desk, number, "No, rather the red one!")
    await deaf.send("The blue one is on its way.")
    dialog = deaf.at("stale-dialog")
    await expect(dialog).to_contain_text("rather the red one")
    await deaf.at("stale-keep-editing").click()
    await expect(deaf.input("composer-text")).to_have_value("The blue one is on its way.")
    await expect(deaf.messages("inbound")).to_have_count(2)
    await deaf.send("The red one is on its way.")
    await expect(deaf.messages("outbound")).to_contain_text("The red one")
    await deaf.close()


async def test_a_colleagues_answer_stops_only_who_has_not_seen_it(office: Office, desk: Screen) -> None:
    number = await office.mail(desk, "Colleagues")
    await desk.open(number)
    deaf = await office.page(live=False)
    await deaf.open(number)
    sara = await office.page(await office.colleague(desk, "Sara"))
    await sara.open(number)
    await sara.send("Sara has answered.")

    await expect(desk.messages("outbound")).to_contain_text("Sara has answered.")
    await desk.send("And so have I.")
    await expect(desk.messages("outbound")).to_have_count(2)
    await deaf.send("Me too.")
    await expect(deaf.at("stale-dialog")).to_contain_text("Sara has answered.")
    await deaf.at("stale-send-anyway").click()
    await expect(deaf.messages("outbound")).to_have_count(3)
    await sara.close()
    await deaf.close()


async def test_of_two_who_claim_at_once_one_is_told(office: Office, desk: Screen) -> None:
    number = await office.mail(desk, "Claim")
    tom = await office.page(await office.colleague(desk, "Tom"))
    both = (desk, tom)
    for screen in both:
        await screen.open(number)
        await screen.at("claim").wait_for()
    click = "document.querySelector('[data-testid=claim]').click()"
    await asyncio.gather(*(screen.page.evaluate(click) for screen in both))
    for screen in both:
        await expect(screen.at("claim")).to_have_count(0)
    owners = [await screen.at("assign").inner_text() for screen in both]
    assert owners[0] == owners[1]
    loser = tom if "Admin" in owners[0] else desk
    await expect(loser.page.locator(".el-message")).to_contain_text("has already claimed this ticket")
    await tom.close()


async def test_a_reply_is_taken_back_and_its_words_are_kept(office: Office, desk: Screen) -> None:
    await desk.open(await office.mail(desk, "Undo"))
    await desk.send("Too early")
    await desk.at("undo-send").click()
    await expect(desk.input("composer-text")).to_have_value("Too early")
    await expect(desk.messages("outbound")).to_have_attribute("data-state", "cancelled")


async def test_messages_are_split_off_and_put_back(office: Office, desk: Screen) -> None:
    number = await office.mail(desk, "Split", "The first matter.", "Another matter.")
    await desk.open(number)
    await desk.at("more").click()
    await desk.at("split").click()
    await desk.messages().filter(has_text="Another matter.").locator(".el-checkbox").click()
    await desk.at("split-submit").click()
    await expect(desk.page).not_to_have_url(re.compile(f"/inbox/{number}$"))
    await expect(desk.messages()).to_have_count(1)
    await expect(desk.messages()).to_contain_text("Another matter.")
    await desk.at("undo-operation").click()
    await expect(desk.messages()).to_have_count(0)
    await desk.at("merged-into").click()
    await expect(desk.messages()).to_have_count(2)


async def test_tickets_are_merged_and_taken_apart(office: Office, desk: Screen) -> None:
    kept = await office.mail(desk, "Kept", "I wrote first.")
    gone = await office.mail(desk, "Gone", "I wrote again.")
    await desk.open(gone)
    await desk.at("more").click()
    await desk.at("merge").click()
    await desk.input("pick-number").fill(str(kept))
    await desk.at("picked").wait_for()
    await desk.at("merge-submit").click()
    await expect(desk.page).to_have_url(re.compile(f"/inbox/{kept}"))
    await expect(desk.messages()).to_have_count(2)
    await desk.at("undo-operation").click()
    await expect(desk.messages()).to_have_count(1)
    await desk.open(gone)
    await expect(desk.messages()).to_contain_text("I wrote again.")


async def bury(office: Office, account_id: str, subject: str) -> None:
    """As if an earlier version had not understood this mail."""
    engines = record.read(Layout(office.var).run / "engines.json")
    assert engines
    store = Store(Settings(storage=Storage(var=office.var)), engines.mongodb_uri, engines.redis_url)
    raw = letter("dora@customer.test", subject, "I can be read now.").as_bytes()
    entry = await store.journal.append(
        account_id, RawRequest(source="push", body=raw, received_at=now()), ring=False
    )
    await store.journal.fail(entry.id, "LookupError: unknown encoding: x-klingon", dead=True)
    await store.close()


async def test_a_dead_letter_is_looked_at_and_replayed(office: Office, desk: Screen) -> None:
    accounts = (await desk.api("GET", "/accounts"))["items"]
    await bury(office, next(one["id"] for one in accounts if one["channel"] == "email"), "Risen")
    await desk.at("nav-dead-letters").click()
    row = desk.at("dead-letter-row").filter(has_text="x-klingon")
    await row.get_by_test_id("view-raw").click()
    await expect(desk.page.locator(".el-drawer")).to_contain_text("I can be read now.")
    await desk.page.keyboard.press("Escape")
    await row.get_by_test_id("replay").click()
    await expect(row).to_have_count(0)
    await desk.open(await desk.ticket_with("Risen"))
    await expect(desk.messages()).to_contain_text("I can be read now.")


@asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A mail server that takes a mail and hangs up instead of saying so. Gives its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 silent\r\n")
        while line := await reader.readline():
            command = line[:4].upper()
            writer.write(b"354 go on\r\n" if command == b"DATA" else b"250 fine\r\n")
            if command == b"DATA":
                await reader.readuntil(b"\r\n.\r\n")
                break
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def test_an_uncertain_reply_is_settled_by_who_knows(office: Office, desk: Screen) -> None:
    async with silent_server() as port:
        settings = {
            "address": "silent@demo.omnihub.test", "receive": False, "push_secret": PUSH_SECRET,
            "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none",
        }  # fmt: skip
        policy = {"undo_seconds": 0}
        body = {"channel": "email", "name": "Silent", "settings": settings, "policy": policy, "enabled": True}
        account = await desk.api("POST", "/accounts", body)
        await push(desk, account["urls"]["door"], letter("carl@customer.test", "Did it arrive", "Please answer."))
        await desk.open(await desk.ticket_with("Did it arrive"))
        await desk.send("Here is your answer.")
        reply = desk.messages("outbound")
        await expect(reply).to_have_attribute("data-state", "uncertain")
        await desk.at("nav-outbox").click()
        row = desk.at("outbox-row").filter(has_text="Here is your answer.")
        await row.get_by_test_id("settle-sent").click()
        await expect(row).to_have_count(0)


async def test_a_hub_that_went_away_and_came_back_is_caught_up_with(tmp_path: Path, chromium: Browser) -> None:
    settings = {"storage.var": str(tmp_path / "var"), "server.port": str(free_port())}
    async with running("up", "--demo", settings=settings) as first:
        office = Office(hub=first, var=tmp_path, browser=chromium)
        screen = await office.page()
        number = await office.mail(screen, "Before")
        await screen.open(number)
        await screen.write("Half a sentence")
    await expect(screen.at("live-banner")).to_be_visible()
    async with running("up", "--demo", settings=settings) as second:
        again = Office(hub=second, var=tmp_path, browser=chromium)
        await again.mail(screen, "Meanwhile")
        await again.answers(screen, number, "Are you there?")
        retry = screen.at("live-banner").get_by_role("button")
        if await retry.count():
            await retry.click(timeout=2_000)
        await expect(screen.at("live-banner")).to_have_count(0)
        await expect(screen.at("ticket-row").filter(has_text="Meanwhile")).to_have_count(1)
        await expect(screen.messages().last).to_contain_text("Are you there?")
        await expect(screen.input("composer-text")).to_have_value("Half a sentence")
        await screen.close()


async def test_a_ticket_is_answered_on_a_phone(office: Office, desk: Screen) -> None:
    number = await office.mail(desk, "On the go", "word" * 200)
    phone = await office.page(width=390, height=844)
    await phone.page.goto(f"{phone.url}/inbox?view=all")
    await phone.at("ticket-row").filter(has_text="On the go").click()
    await expect(phone.page).to_have_url(re.compile(f"/inbox/{number}"))
    for name in ("status-select", "claim", "snooze", "resolve", "more", "composer-send", "nav-outbox"):
        await expect(phone.at(name)).to_be_in_viewport(ratio=1)
    await phone.send("Sent from a phone")
    await expect(phone.messages("outbound")).to_contain_text("Sent from a phone")
    await phone.at("ticket-back").click()
    await expect(phone.at("ticket-row").first).to_be_in_viewport()
    for path in ("contacts", "channels", "outbox", "dead-letters", "settings", "channels/new"):
        await phone.page.goto(f"{phone.url}/{path}")
        await phone.page.locator("main > *").first.wait_for()
        assert await phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    await phone.close()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("inbox?view=all", ("我的", "未分配", "等待")),
        ("contacts", ("联系人",)),
        ("channels", ("添加账号", "正常")),
        ("outbox", ("发件箱",)),
        ("dead-letters", ("没有",)),
        ("settings/users", ("用户", "管理员")),
    ],
)
async def test_every_page_speaks_chinese(
    office: Office, chinese: Screen, path: str, words: tuple[str, ...]
) -> None:
    await chinese.page.goto(f"{chinese.url}/{path}")
    main = chinese.page.locator("main")
    for word in words:
        await expect(main).to_contain_text(word)
    shown = await main.inner_text()
    assert not re.search(
        r"\b[a-z]+\.[a-z_]+[A-Z]?\w*\b(?<!\.test)(?<!\.com)", re.sub(r"\S+@\S+|https?:\S+", "", shown)
    )


async def test_who_starts_sees_where_the_work_is(office: Office, desk: Screen) -> None:
    await office.mail(desk, "Nobody has this yet")
    new = await office.page(await office.colleague(desk, "Newcomer"))
    await expect(new.at("view-unassigned")).to_have_attribute("aria-pressed", "true")
    row = new.at("ticket-row").filter(has_text="Nobody has this yet")
    await expect(row.get_by_test_id("waiting")).to_be_visible()
    await new.close()

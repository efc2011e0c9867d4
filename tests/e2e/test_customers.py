"""The customers' page in a real browser: with the hub for every channel, by itself for what it shows."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, expect

from omnihub.connectors import registry
from omnihub.connectors.simulation import amr_note, tone
from omnihub.customers.pictures import broken_screen
from omnihub.model.ids import new_id
from tests.customers_cast import PEOPLE, Cast, served
from tests.e2e.screen import MARKS, Office, Screen

pytestmark = MARKS
LI, ANNA, WANG = PEOPLE
CHANNELS = sorted(registry.manifests())
# Their customers have no telephone on the page; those of the first PBX do.
UNPLAYED = {"cti", "freeswitch", "twilio_voice"}


class Shown:
    """The page, and what its console complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = f"{url}/demo/"
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, where: str = "") -> None:
        await self.page.goto(self.url + where)
        await self.at("channel").first.wait_for()

    def at(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def channel(self, key: str) -> Locator:
        return self.page.locator(f"[data-testid=channel][data-channel={key}]")

    def person(self, name: str) -> Locator:
        return self.at("person").filter(has_text=name)

    def lines(self, author: str = "") -> Locator:
        return self.page.locator(f"[data-testid=line]{f'[data-author={author}]' if author else ''}")

    async def write(self, text: str) -> None:
        await self.at("text").fill(text)
        await self.at("text").press("Enter")


def address_of(server: TestServer) -> str:
    return str(server.make_url("")).rstrip("/")


@asynccontextmanager
async def shown(
    browser: Browser, url: str, *, width: int = 1440, height: int = 900, locale: str = "en-US", dark: bool = False
) -> AsyncIterator[Shown]:
    context = await browser.new_context(
        locale=locale, viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
    )
    context.set_default_timeout(20_000)
    page = Shown(await context.new_page(), url)
    yield page
    await context.close()


# — with the hub —


@pytest_asyncio.fixture(loop_scope="session")
async def customer(office: Office) -> AsyncIterator[Shown]:
    async with shown(office.browser, office.hub.url) as page:
        yield page


async def test_every_channel_is_there_or_has_a_page_of_its_own(customer: Shown) -> None:
    await customer.open()
    chats = [await one.get_attribute("data-channel") for one in await customer.at("channel").all()]
    others = [await one.get_attribute("data-channel") for one in await customer.at("other").all()]
    assert {*map(str, chats), *map(str, others)} == set(CHANNELS) - UNPLAYED
    assert len(chats) + len(others) == len(CHANNELS) - len(UNPLAYED)
    for link in await customer.at("other").all():
        async with customer.page.context.expect_page() as opened:
            await link.click()
        page = await opened.value
        await expect(page.locator("h1")).to_be_visible()
        await page.close()
    await expect(customer.at("demo-mark")).to_have_text("Demo")


@pytest.mark.parametrize("channel", sorted(set(CHANNELS) - UNPLAYED - {"asterisk"}))
async def test_a_customer_writes_is_answered_in_the_inbox_and_reads_it(
    desk: Screen, customer: Shown, channel: str
) -> None:
    await customer.open()
    if not await customer.channel(channel).count():
        await expect(customer.page.locator(f"[data-testid=other][data-channel={channel}]")).to_be_visible()
        return
    await customer.channel(channel).click()
    name, question, answer = (
        f"Robin {new_id()[-6:]}",
        f"Is it repaired {new_id()}?",
        f"It is ready {new_id()} 已修好",
    )
    await customer.at("invent-name").fill(name)
    await customer.at("invent").click()
    await expect(customer.person(name)).to_have_attribute("aria-current", "true")
    await customer.write(question)
    await expect(customer.lines("customer")).to_contain_text(question)

    await desk.at("view-all").click()
    await desk.at("ticket-row").filter(has_text=question).click()
    await expect(desk.messages("inbound").filter(has_text=question)).to_be_visible()
    await desk.send(answer)
    await expect(customer.lines("desk").filter(has_text=answer)).to_be_visible(timeout=30_000)
    await expect(customer.lines("system")).to_have_count(0)
    assert customer.complaints == []


# — by itself —


@pytest_asyncio.fixture(loop_scope="session")
async def cast() -> AsyncIterator[Cast]:
    yield Cast()


@pytest_asyncio.fixture(loop_scope="session")
async def alone(chromium: Browser, cast: Cast) -> AsyncIterator[Shown]:
    async with served(cast) as server, shown(chromium, address_of(server)) as page:
        yield page


async def test_what_people_write_is_shown_as_text_and_never_run(alone: Shown, cast: Cast) -> None:
    evil = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    await cast.chats.show(LI.id, "desk", "text", evil)
    await cast.chats.show(LI.id, "system", evil, evil)
    await cast.chats.show(LI.id, "desk", "file", filename=evil, content_type="text/html", media=evil.encode())
    cast.chats.invent(evil[:40])
    await alone.open()
    await expect(alone.lines("desk").first.locator(".text")).to_have_text(evil)
    await expect(alone.person("<img src=x")).to_be_visible()
    await expect(alone.page).to_have_title(re.compile("^omnihub"))
    assert await alone.page.locator("#lines script, #lines img, #people img").count() == 0
    assert alone.complaints == []


async def test_addresses_can_be_opened_but_only_those_of_the_web(alone: Shown, cast: Cast) -> None:
    await cast.chats.show(LI.id, "desk", "text", "见 https://example.test/t/1?a=b 。 javascript:alert(1)")
    await alone.open()
    link = alone.lines("desk").locator("a")
    await expect(link).to_have_count(1)
    await expect(link).to_have_attribute("href", "https://example.test/t/1?a=b")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")


async def test_pictures_are_seen_voices_played_and_the_rest_saved(alone: Shown, cast: Cast) -> None:
    show = cast.chats.show
    await show(LI.id, "desk", "image", content_type="image/png", media=broken_screen())
    await show(LI.id, "desk", "voice", content_type="audio/wav", media=tone())
    await show(LI.id, "desk", "voice", filename="note.amr", content_type="audio/amr", media=amr_note())
    await show(LI.id, "desk", "file", filename="报价.pdf", content_type="application/pdf", media=b"%PDF-1.7")
    await alone.open()
    picture, voice, unplayable, document = (alone.lines("desk").nth(number) for number in range(4))
    await picture.locator("img").evaluate("image => image.decode()")
    assert await picture.locator("img").evaluate("image => image.naturalWidth") == 180
    await voice.locator("audio").evaluate(
        "audio => audio.readyState || new Promise(done => audio.addEventListener('loadedmetadata', done))"
    )
    assert await voice.locator("audio").evaluate("audio => audio.duration") == pytest.approx(1, abs=0.05)
    await expect(unplayable.get_by_test_id("file-link")).to_contain_text("note.amr")
    async with alone.page.expect_download() as begun:
        await document.get_by_test_id("file-link").click()
    download = await begun.value
    assert download.suggested_filename == "报价.pdf"
    assert Path(await download.path()).read_bytes() == b"%PDF-1.7"


async def test_a_customer_sends_files_voices_and_what_else_the_channel_has(
    alone: Shown, cast: Cast, tmp_path: Path
) -> None:
    photo = tmp_path / "水壶.png"
    photo.write_bytes(broken_screen())
    await alone.open()
    await alone.at("file").set_input_files(photo)
    await expect(alone.lines("customer").locator("img")).to_be_visible()
    await alone.at("voice").click()
    await expect(alone.lines("customer").locator("audio")).to_be_visible()
    await alone.at("action").filter(has_text="Follow").click()
    heard = [(spoken.kind, spoken.filename) for _, spoken in await cast.hears(3)]
    assert heard == [("image", "水壶.png"), ("voice", "voice.wav"), ("subscribe", "")]
    assert cast.heard[0][1].content == broken_screen()


async def test_only_what_the_channel_carries_is_offered(chromium: Browser) -> None:
    narrow = Cast(kinds=("text",))
    async with served(narrow) as server, shown(chromium, address_of(server)) as page:
        await page.open()
        await expect(page.at("text")).to_be_visible()
        await expect(page.at("voice")).to_be_hidden()
        await expect(page.at("file")).to_be_hidden()


async def test_what_is_taken_back_is_said_to_be(alone: Shown, cast: Cast) -> None:
    wrong = await cast.chats.show(LI.id, "desk", "text", "the wrong price")
    await alone.open()
    await expect(alone.lines("desk")).to_have_text(re.compile("the wrong price"))
    await cast.chats.recall(wrong)
    await expect(alone.lines()).to_have_text("The company took back a message")


async def test_the_newest_line_is_in_view_unless_somebody_reads_above(alone: Shown, cast: Cast) -> None:
    for number in range(60):
        await cast.chats.show(LI.id, "desk", "text", f"line {number}")
    await alone.open()
    await expect(alone.lines().last).to_be_in_viewport()
    await cast.chats.show(LI.id, "desk", "image", content_type="image/png", media=broken_screen())
    await expect(alone.lines().last.locator("img")).to_be_in_viewport()
    await alone.lines().nth(5).scroll_into_view_if_needed()
    await cast.chats.show(LI.id, "desk", "text", "one more")
    await expect(alone.lines().filter(has_text="one more")).to_have_count(1)
    await expect(alone.lines().last).not_to_be_in_viewport()
    await alone.write("I am back")
    await expect(alone.lines().filter(has_text="I am back")).to_be_in_viewport()


async def test_an_answer_in_another_chat_is_marked_until_it_is_read(alone: Shown, cast: Cast) -> None:
    await alone.open()
    await expect(alone.person("Anna Berg")).to_have_attribute("data-unread", "false")
    await cast.chats.show(ANNA.id, "desk", "text", "for Anna")
    await expect(alone.person("Anna Berg")).to_have_attribute("data-unread", "true")
    await expect(alone.person("Anna Berg")).to_contain_text("for Anna")
    await alone.person("Anna Berg").click()
    await expect(alone.lines("desk")).to_contain_text("for Anna")
    await expect(alone.person("Anna Berg")).to_have_attribute("data-unread", "false")


async def test_what_is_half_written_waits_in_its_chat(alone: Shown) -> None:
    await alone.open()
    await alone.at("text").fill("for Li only")
    await alone.person("Anna Berg").click()
    await expect(alone.at("text")).to_have_value("")
    await alone.person("李伟").click()
    await expect(alone.at("text")).to_have_value("for Li only")


async def test_the_language_follows_the_browser_and_can_be_changed(chromium: Browser, cast: Cast) -> None:
    async with served(cast) as server, shown(chromium, address_of(server), locale="zh-CN") as page:
        await page.open()
        await expect(page.channel("pigeon")).to_have_text("飞鸽")
        await expect(page.at("perform")).to_have_text("让客户自动发言")
        await expect(page.page.locator("html")).to_have_attribute("lang", "zh-CN")
        await page.at("language").click()
        await expect(page.channel("pigeon")).to_have_text("Pigeon post")
        await page.page.reload()
        await expect(page.at("perform")).to_have_text("Let customers write for a while")


async def test_the_page_comes_back_with_the_hub(chromium: Browser, cast: Cast) -> None:
    async with served(cast) as first:
        port = first.port or 0
        async with shown(chromium, address_of(first)) as page:
            await page.open()
            await cast.chats.show(LI.id, "desk", "text", "before")
            await expect(page.lines()).to_have_count(1)
            await first.close()
            await expect(page.page.locator("#broken")).to_be_visible()
            await page.write("into the void")
            await expect(page.page.locator("#toast")).to_be_visible()
            await expect(page.at("text")).to_have_value("into the void")
            await cast.chats.show(LI.id, "desk", "text", "meanwhile")
            async with served(cast, port=port):
                await expect(page.lines()).to_have_count(2)
                await expect(page.page.locator("#broken")).to_be_hidden()
                await page.at("text").press("Enter")
                await expect(page.lines("customer")).to_contain_text("into the void")
                await page.page.goto("about:blank")


async def test_customers_write_by_themselves_and_are_stopped(chromium: Browser) -> None:
    cast = Cast()
    async with served(cast, pace=0.02) as server, shown(chromium, address_of(server)) as page:
        await page.open()
        await page.at("perform").click()
        await expect(page.at("perform")).to_have_text("Stop")
        await expect(page.at("performance").locator("progress")).to_be_visible()
        await expect(page.at("performance")).to_contain_text("3 customers wait for an answer")
        await expect(page.at("perform")).to_have_text("Let more customers write")
        await expect(page.lines("customer").last).to_be_visible()


async def test_on_a_phone_there_is_one_column_and_a_way_back(chromium: Browser, cast: Cast) -> None:
    async with served(cast) as server, shown(chromium, address_of(server), width=390, height=844) as page:
        await page.open()
        await expect(page.at("text")).to_be_hidden()
        assert await page.page.evaluate("document.documentElement.scrollWidth") == 390
        await page.person("李伟").click()
        await expect(page.at("text")).to_be_visible()
        await expect(page.at("channel")).to_be_hidden()
        await page.write("unterwegs")
        await expect(page.lines("customer")).to_contain_text("unterwegs")
        assert await page.page.evaluate("document.documentElement.scrollWidth") == 390
        await page.at("back").click()
        await expect(page.person("李伟")).to_contain_text("unterwegs")


async def test_everything_is_reached_by_keyboard_and_has_a_name(alone: Shown) -> None:
    await alone.open()
    await alone.person("Anna Berg").wait_for()
    seen: set[str] = set()
    for _ in range(30):
        await alone.page.keyboard.press("Tab")
        seen.add(
            await alone.page.evaluate(
                "(({ dataset, id, tagName }) => dataset.testid || id || tagName)(document.activeElement)"
            )
        )
    wanted = {
        "channel",
        "other",
        "perform",
        "person",
        "invent-name",
        "invent",
        "lines",
        "action",
        "file",
        "voice",
        "text",
        "send",
    }
    assert wanted <= seen, wanted - seen
    nameless = await alone.page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, textarea")]
            .filter(one => one.offsetParent && !(one.ariaLabel || one.textContent.trim()))
            .map(one => one.outerHTML)"""
    )
    assert nameless == []

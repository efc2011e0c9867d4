"""The telephone on the customers' page and the agent's app, side by side: a call from both ends."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import ConsoleMessage, Locator, Page, expect

from omnihub.model.ids import new_id
from tests.e2e.screen import MARKS, Office, Screen
from tests.hub_process import until

pytestmark = MARKS
LENA, LENAS_NUMBER = "Lena Brandt", "+493023125042"
OLIVERS_NUMBER = "+442079460958"
AT_LEAST_A_SECOND = re.compile(r"^0:(0[1-9]|[1-5]\d)$")


class Line:
    """Both ends of the line, and what the page's console complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = f"{url}/demo/#/asterisk"
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    async def open(self, person: str = "") -> None:
        await self.page.goto(self.url)
        if person:
            await self.page.get_by_test_id("person").filter(has_text=person).click()
        await self.customer.get_by_test_id("ring").wait_for()

    async def invent(self) -> str:
        """Somebody whose number nobody knows; the number."""
        name = f"Robin {new_id()[-6:]}"
        await self.page.get_by_test_id("invent-name").fill(name)
        await self.page.get_by_test_id("invent").click()
        await expect(self.customer).to_contain_text(name)
        return (await self.customer.locator(".names span").inner_text()).strip()

    @property
    def customer(self) -> Locator:
        return self.page.get_by_test_id("customer-phone")

    def desk(self, extension: str = "101") -> Locator:
        return self.page.locator(f"[data-testid=desk-phone][data-extension='{extension}']")

    async def ring(self, line: str = "700") -> None:
        await self.customer.get_by_test_id("called-line").select_option(line)
        await self.customer.get_by_test_id("ring").click()

    async def press(self, telephone: Locator, key: str) -> None:
        await telephone.get_by_test_id(f"key-{key}").click()

    async def leave(self) -> None:
        """All telephones of the desk free again, also for the next test."""
        for extension in ("101", "102"):
            keys = self.desk(extension).locator("[data-testid=key-hang_up], [data-testid=key-decline]")
            if await keys.count():
                await keys.first.click()
                await expect(self.desk(extension)).to_have_attribute("data-state", "idle")

    async def talks_a_while(self) -> None:
        await expect(self.customer).to_have_attribute("data-state", "talking")
        await expect(self.customer.locator("time")).to_have_text(AT_LEAST_A_SECOND)


@pytest_asyncio.fixture(loop_scope="session")
async def line(office: Office) -> AsyncIterator[Line]:
    context = await office.browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(20_000)
    opened = Line(await context.new_page(), office.hub.url)
    yield opened
    await opened.leave()
    await context.close()


def pop_of(desk: Screen, number: str) -> Locator:
    return desk.at("call-pop").filter(has_text=number)


async def ticket_of(desk: Screen, number: str, **wanted: object) -> dict[str, Any]:
    """The ticket of this number, once its call is as wanted."""

    async def look() -> dict[str, Any] | None:
        found = (await desk.api("GET", f"/calls?state=any&number={number[1:]}"))["items"]
        for item in found:
            call = item["message"]["extra"]["call"]
            if all(call[name] == value for name, value in wanted.items()) and item["ticket"]:
                return dict((await desk.api("GET", f"/tickets/{item['ticket']['number']}"))["ticket"])
        return None

    return dict(await until(look))


async def length_of(recording: Locator) -> float:
    return float(
        await recording.evaluate(
            """audio => new Promise((done, failed) => {
                audio.addEventListener("loadedmetadata", () => done(audio.duration));
                audio.addEventListener("error", () => failed(new Error("it cannot be played")));
                audio.preload = "metadata";
                audio.load();
            })"""
        )
    )


async def test_a_call_is_answered_at_the_desk_and_can_be_heard_again(desk: Screen, line: Line) -> None:
    await line.open(LENA)
    await line.ring()
    await expect(line.customer).to_have_attribute("data-state", "queued")
    await expect(line.desk()).to_contain_text(LENAS_NUMBER)
    pop = pop_of(desk, LENAS_NUMBER)
    await expect(pop).to_have_attribute("data-phase", "ringing")
    await expect(pop.get_by_test_id("pop-caller")).to_have_text(LENA)

    await line.press(line.desk(), "answer")
    await expect(line.desk("102")).to_have_attribute("data-state", "idle")
    await expect(pop).to_have_attribute("data-phase", "mine")
    await pop.get_by_test_id("pop-open").click()
    card = desk.at("call-card").last
    await expect(card).to_have_attribute("data-call-state", "talking")
    await line.talks_a_while()
    await line.press(line.desk(), "hang_up")

    await expect(line.customer).to_contain_text("Talked 0:")
    await expect(card).to_have_attribute("data-call-state", "ended")
    await expect(card).to_have_attribute("data-outcome", "answered")
    await expect(card.locator("dd.num").filter(has_text=AT_LEAST_A_SECOND)).not_to_have_count(0)
    recording = card.locator("audio[data-testid=recording]")
    await recording.wait_for()
    assert await length_of(recording) >= 1
    assert line.complaints == []


async def test_who_hangs_up_too_early_waits_to_be_called_back(desk: Screen, line: Line) -> None:
    await line.open()
    number = await line.invent()
    await line.ring()
    await expect(pop_of(desk, number)).to_have_attribute("data-phase", "ringing")
    await line.press(line.customer, "hang_up")
    await expect(line.customer).to_contain_text("Gave up before an answer")
    await expect(line.desk()).to_have_attribute("data-state", "idle")

    ticket = await ticket_of(desk, number, state="ended", outcome="abandoned")
    assert ticket["waiting_since"]
    await desk.page.goto(f"{desk.url}/inbox/{ticket['number']}")
    card = desk.at("call-card")
    await expect(card).to_have_attribute("data-outcome", "abandoned")
    await expect(card.get_by_test_id("recording")).to_have_count(0)
    waiting = (await desk.api("GET", "/call-backs?state=open"))["items"]
    assert [one["calls"] for one in waiting if one["number"] == number] == [1]


async def test_a_call_is_held_and_handed_to_a_colleague(desk: Screen, line: Line) -> None:
    await line.open()
    number = await line.invent()
    await line.ring("701")
    await line.desk().get_by_test_id("key-answer").press("Enter")
    await expect(line.desk().get_by_test_id("key-hold")).to_be_focused()
    await line.page.keyboard.press("Enter")
    await expect(line.customer).to_have_attribute("data-state", "held")
    await ticket_of(desk, number, state="held")
    await line.press(line.desk(), "resume")
    await expect(line.customer).to_have_attribute("data-state", "talking")
    await line.press(line.desk(), "transfer")
    await expect(line.desk("101")).to_have_attribute("data-state", "idle")
    await line.press(line.desk("102"), "answer")
    await expect(line.customer).to_have_attribute("data-state", "talking")
    await line.press(line.desk("102"), "hang_up")
    moved = [{"from": "101", "to": "102", "kind": "blind"}]
    ticket = await ticket_of(desk, number, state="ended", outcome="answered", transfers=moved)
    assert ticket["waiting_since"] is None


async def test_an_anonymous_caller_who_is_declined_stays_unknown(desk: Screen, line: Line) -> None:
    await line.open()
    number = await line.invent()
    await line.customer.get_by_test_id("anonymous").check()
    await line.ring("701")
    await expect(line.desk()).to_contain_text("Number withheld")
    pop = desk.at("call-pop").filter(has_text=re.compile("anonymous|withheld", re.IGNORECASE))
    await expect(pop).to_have_attribute("data-phase", "ringing")
    await expect(pop).not_to_contain_text(number)
    await line.press(line.desk(), "decline")
    await expect(line.customer).to_contain_text("The line was busy")
    assert (await desk.api("GET", f"/calls?state=any&number={number[1:]}"))["items"] == []


async def test_the_desk_calls_a_customer(desk: Screen, line: Line) -> None:
    await line.open("Oliver Hayes")
    lines = (await desk.api("GET", "/calls/lines"))["items"]
    account = next(one["account_id"] for one in lines if one["channel"] == "asterisk")
    body = {"account_id": account, "number": OLIVERS_NUMBER}

    async def pick_up() -> None:
        await expect(line.desk()).to_contain_text("Answer, and the customer is called")
        await expect(line.customer).to_have_attribute("data-state", "idle")
        await line.press(line.desk(), "answer")

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(desk.api("POST", "/calls", body))
        group.create_task(pick_up())
    assert asked.result()["picked_up"]
    await line.press(line.customer, "answer")
    await line.talks_a_while()
    await line.press(line.customer, "hang_up")
    await ticket_of(desk, OLIVERS_NUMBER, state="ended", outcome="answered", direction="out", answered_by="101")


async def test_on_a_phone_both_ends_are_below_each_other_in_chinese(office: Office) -> None:
    context = await office.browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844})
    context.set_default_timeout(20_000)
    narrow = Line(await context.new_page(), office.hub.url)
    await narrow.open(LENA)
    await expect(narrow.customer.get_by_test_id("ring")).to_have_text("拨打客服")
    await narrow.ring("701")
    await expect(narrow.desk()).to_contain_text("来电")
    assert await narrow.page.evaluate("document.documentElement.scrollWidth") == 390
    await narrow.press(narrow.customer, "hang_up")
    await expect(narrow.customer).to_contain_text("未接通，已挂断")
    await narrow.customer.get_by_role("link").click()
    await expect(narrow.page.get_by_test_id("person").filter(has_text=LENA)).to_be_visible()
    assert narrow.complaints == []
    await context.close()

"""Finding things again: by keyboard, in both languages, on a large screen and a phone, by day and by night."""

import re
from typing import Any
from urllib.parse import quote

from playwright.async_api import expect

from tests.e2e.screen import MARKS, Office, Screen
from tests.hub_process import until

pytestmark = MARKS


async def is_found(screen: Screen, words: str) -> Any:
    async def look() -> bool:
        groups = (await screen.api("GET", f"/search?q={quote(words)}"))["groups"]
        return any(group["kind"] == "messages" and group["items"] for group in groups)

    return await until(look)


async def test_what_a_customer_wrote_is_found_again(office: Office, desk: Screen) -> None:
    number = await office.mail(desk, "Espresso machine", "The grinder jams. 磨豆机卡住了，想申请换货。")
    await is_found(desk, "磨豆机")
    page = desk.page
    await page.goto(f"{desk.url}/inbox")
    await desk.at("nav-inbox").wait_for()

    # By keyboard: the slash, words as they are typed, the arrows, Enter.
    await page.keyboard.press("/")
    await expect(desk.at("search-input")).to_be_focused()
    await page.keyboard.type("申请换货")
    hit = desk.at("search-group-messages").locator("[data-testid=search-hit]")
    await expect(hit).to_have_count(1)
    await expect(hit.locator("mark").first).to_have_text("申请换货")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"/inbox/{number}"))
    await expect(desk.messages()).to_contain_text("磨豆机卡住了")

    # The page of all that is found, narrowed, and gone back to.
    await page.keyboard.press("/")
    await desk.at("search-input").fill("")
    await expect(desk.at("search-recent").first).to_contain_text("申请换货")
    await desk.at("search-input").fill("grind")
    await desk.at("search-all").click()
    await expect(page).to_have_url(re.compile(r"/search\?q=grind"))
    found = desk.at("search-group-messages")
    await expect(found.locator("mark").first).to_have_text("grinder")
    await desk.at("search-in-contacts").click()
    await expect(found).to_have_count(0)
    await page.go_back()

    await page.goto(f"{desk.url}/search?q=grind&status=closed")
    await expect(page.get_by_text("Nothing is found for “grind”")).to_be_visible()
    await page.goto(f"{desk.url}/search?q=grind&status=new")
    await expect(found).to_contain_text("Espresso machine")


async def test_a_phone_in_the_dark_and_in_chinese(office: Office, desk: Screen) -> None:
    number = await office.mail(desk, "Kettle", "The kettle whistles at midnight.")
    await is_found(desk, "midnight")
    phone = await office.page(width=390, height=780, locale="zh-CN")
    await phone.page.emulate_media(color_scheme="dark")
    await phone.at("search-input").fill("midnight")
    panel = phone.at("search-panel")
    await expect(panel.get_by_text("消息")).to_be_visible()
    mark = panel.locator("mark").first
    await expect(mark).to_have_text("midnight")
    colours = await mark.evaluate("one => [getComputedStyle(one).color, getComputedStyle(one).backgroundColor]")
    assert colours[0] != colours[1]
    width = await phone.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390
    await panel.locator("[data-testid=search-hit][data-kind=messages]").click()
    await expect(phone.page).to_have_url(re.compile(f"/inbox/{number}"))
    await expect(panel).to_have_count(0)
    await phone.close()

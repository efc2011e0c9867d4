"""What a newcomer sees: a customer writes, the ticket appears, the answer arrives. In a real browser."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.hub_process import Running, free_port, running

CHROMIUM = shutil.which("chromium") or ""
STATIC = Path(__file__).parents[2] / "omnihub" / "unified_view" / "static" / "index.html"
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.skipif(not STATIC.exists(), reason="the web app is not built: make web"),
    pytest.mark.xdist_group("browser"),
]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Running]:
    settings = {"server.port": str(free_port()), "storage.var": str(tmp_path / "var")}
    async with running("up", "--demo", settings=settings) as started:
        yield started


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        await launched.close()


async def a_page(browser: Browser, locale: str = "en-US") -> tuple[BrowserContext, Page]:
    context = await browser.new_context(locale=locale, viewport={"width": 1440, "height": 900})
    context.set_default_timeout(20_000)
    return context, await context.new_page()


def form_url(hub: Running) -> str:
    found = re.search(r"\S+/in/webform/\S+", hub.out)
    assert found, hub.out
    return found[0]


async def sign_in(page: Page, hub: Running) -> None:
    await page.goto(hub.url)
    await page.locator("[data-testid=login-email] input, input[data-testid=login-email]").fill(
        "admin@omnihub.local"
    )
    await page.locator("[data-testid=login-password] input, input[data-testid=login-password]").fill(hub.password)
    await page.get_by_test_id("login-submit").click()
    await page.get_by_test_id("view-all").click()


async def answer(page: Page, words: str) -> None:
    await page.locator("[data-testid=composer-text] textarea, textarea[data-testid=composer-text]").fill(words)
    await page.get_by_test_id("composer-send").click()


async def test_a_mail_becomes_a_ticket_and_the_answer_arrives_and_threads(hub: Running, browser: Browser) -> None:
    _, desk = await a_page(browser)
    await sign_in(desk, hub)
    _, customer = await a_page(browser)
    await customer.goto(f"{hub.url}/demo/email/compose?who=anna@customer.test")
    await customer.get_by_test_id("compose-subject").fill("订单在哪里 Where is my order?")
    await customer.get_by_test_id("compose-text").fill("我的订单还没到。It has not arrived.")
    await customer.get_by_test_id("compose-send").click()

    row = desk.get_by_test_id("ticket-row").filter(has_text="Where is my order?")
    await row.click()
    inbound = desk.locator("[data-testid=timeline-message][data-direction=inbound]")
    await expect(inbound).to_contain_text("It has not arrived.")
    await answer(desk, "It is on its way 已在路上")
    outbound = desk.locator("[data-testid=timeline-message][data-direction=outbound]")
    await expect(outbound).to_contain_text("It is on its way")
    await expect(desk.locator("[data-testid=timeline-message][data-state=sent]")).to_be_visible(timeout=30_000)

    await customer.goto(f"{hub.url}/demo/email/box?who=anna@customer.test")
    await expect(customer.get_by_test_id("mail-row")).to_have_count(1)
    await customer.get_by_test_id("mail-row").first.click()
    await expect(customer.get_by_test_id("mail-body").last).to_contain_text("It is on its way")
    await customer.get_by_test_id("reply-text").fill("Thank you, 谢谢!")
    await customer.get_by_test_id("reply-send").click()
    await expect(inbound.last).to_contain_text("谢谢")
    await expect(desk.get_by_test_id("ticket-row")).to_have_count(1)


async def let_forms_be_filled_quickly(page: Page, hub: Running) -> None:
    """Nobody is quicker than three seconds but a robot, and this one."""
    session = await (await page.request.get(f"{hub.url}/api/v1/session")).json()
    accounts = await (await page.request.get(f"{hub.url}/api/v1/accounts")).json()
    form = next(account for account in accounts["items"] if account["channel"] == "webform")
    changed = await page.request.patch(
        f"{hub.url}/api/v1/accounts/{form['id']}",
        headers={"X-CSRF-Token": session["csrf"]},
        data={"settings": {**form["settings"], "min_fill_seconds": 0}},
    )
    assert changed.ok, await changed.text()


async def test_a_form_becomes_a_ticket_and_is_confirmed_by_mail(hub: Running, browser: Browser) -> None:
    _, desk = await a_page(browser)
    await sign_in(desk, hub)
    await let_forms_be_filled_quickly(desk, hub)
    _, visitor = await a_page(browser, "zh-CN")
    await visitor.goto(form_url(hub))
    await visitor.locator("[name=name]").fill("李伟")
    await visitor.locator("[name=email]").fill("li.wei@customer.test")
    await visitor.locator("[name=message]").fill("打印机无法开机，请帮忙。")
    await visitor.get_by_role("button", name="提交").click()
    await expect(visitor.locator("body")).to_contain_text("感谢")

    row = desk.get_by_test_id("ticket-row").first
    await expect(row).to_contain_text("李伟")
    number = await row.get_attribute("data-number")
    await row.click()
    await expect(desk.get_by_test_id("timeline-message").first).to_contain_text("打印机无法开机")

    await visitor.goto(f"{hub.url}/demo/email/box?who=li.wei@customer.test")
    await expect(visitor.get_by_test_id("mail-row").first).to_contain_text(f"#{number}", timeout=30_000)
    await answer(desk, "请检查电源线。")
    await expect(visitor.get_by_test_id("mail-row").first).to_be_visible()
    await visitor.get_by_test_id("mail-row").first.click()
    await expect(visitor.get_by_test_id("mail-body").last).to_contain_text("请检查电源线", timeout=30_000)


async def test_the_interface_speaks_both_languages(hub: Running, browser: Browser) -> None:
    _, desk = await a_page(browser)
    await sign_in(desk, hub)
    await expect(desk.get_by_test_id("nav-channels")).to_contain_text("Channels")
    await desk.get_by_test_id("lang-switch").click()
    await expect(desk.get_by_test_id("nav-channels")).to_contain_text("渠道")

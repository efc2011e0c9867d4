"""The hosted page and the embed script in a real browser, behind a door of a few lines."""

import dataclasses
import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, FilePayload, Page, async_playwright, expect
from webform_form import NOW, PNG, event, make_form

from omnihub.connectors.webform.connector import Connector
from omnihub.connectors.webform.page import asset, embed_script
from omnihub.model.errors import OmnihubError
from omnihub.model.ids import new_id
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawRequest, Reply


@dataclass
class Door:
    """What the hub's HTTP door does with a form, as far as a browser can tell."""

    form: Connector
    received: list[InboundMessage] = field(default_factory=list)
    journal: dict[str, str] = field(default_factory=dict)
    proofs: dict[str, str] = field(default_factory=dict)
    broken: bool = False
    posts: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        raw = RawRequest(
            source="webhook",
            method=request.method,
            tail=request.match_info["tail"].lstrip("/"),
            query=dict(request.query),
            headers=dict(request.headers),
            body=await request.read(),
            received_at=NOW + timedelta(minutes=1),
            remote=request.remote or "",
        )
        origin = self.form.cors_origin(raw)
        cors = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {}
        if request.method == "OPTIONS":
            allow = {
                "Access-Control-Allow-Methods": "GET, POST",
                "Access-Control-Allow-Headers": "Content-Type, Idempotency-Key",
            }
            return web.Response(status=204, headers={**cors, **(allow if cors else {})})
        reply = self.form.challenge(raw) or self.take(raw)
        headers = {**reply.headers, **cors, "Content-Type": reply.content_type}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    def take(self, raw: RawRequest) -> Reply:
        self.posts += 1
        if self.broken:
            return Reply(status=503)
        try:
            self.form.verify(raw)
        except OmnihubError as error:
            return self.form.refusal(raw, error)
        source = self.form.source_key(raw)
        proof = self.form.proof_key(raw)
        if proof and self.proofs.setdefault(proof, source) != source:
            raw = dataclasses.replace(raw, meta={"proof_reused": True})
        if source not in self.journal:
            self.journal[source] = new_id()
            self.received.extend(self.form.parse(event(raw, self.journal[source])))
        return self.form.acknowledge(raw, self.journal[source])


@asynccontextmanager
async def served(door: Door) -> AsyncIterator[str]:
    app = web.Application(client_max_size=28_311_552)
    app.router.add_route("*", "/in/webform/formkey{tail:.*}", door.handle)
    async with TestServer(app) as server:
        yield str(server.make_url("/in/webform/formkey"))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield opened
        await opened.close()


async def fill(page: Page, email: str = "ann@example.com") -> None:
    await page.get_by_label("Your name").fill("Ann Example")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Message").fill("The pump is loud.")


async def test_hosted_page_from_first_fault_to_thank_you(browser: Browser) -> None:
    door = Door(make_form(captcha=True, captcha_difficulty="easy"))
    async with served(door) as url:
        page = await browser.new_page(locale="en-GB")
        faults: list[str] = []
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(url)
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("alert")).to_have_text("Please look at the marked fields again.")
        await expect(page.get_by_label("Your name")).to_be_focused()
        await expect(page.get_by_label("Your name")).to_have_attribute("aria-invalid", "true")
        assert door.posts == 0
        await fill(page)
        await page.get_by_label("Files").set_input_files(
            [FilePayload(name="水泵 “loud”.png", mimeType="image/png", buffer=PNG)]
        )
        await page.get_by_role("button", name="Send").click()
        thanks = page.get_by_role("status").filter(has_text="Thank you!")
        await expect(thanks).to_be_focused()
        (message,) = door.received
        assert message.spam == ()
        assert message.extra["reference"] in await thanks.inner_text()
        assert message.visible_text == "The pump is loud."
        assert [(a.filename, a.content) for a in message.attachments] == [("水泵 “loud”.png", PNG)]
        assert len(door.proofs) == 1
        assert faults == []
        await page.get_by_role("link", name="Send another message").click()
        await fill(page)
        await page.get_by_role("button", name="Send").click()
        await expect(thanks).to_be_visible()
        first, second = door.received
        assert first.external_id != second.external_id


async def test_a_fault_that_only_the_server_sees_is_shown_at_its_field(browser: Browser) -> None:
    door = Door(make_form())
    async with served(door) as url:
        page = await browser.new_page(locale="zh-CN")
        await page.goto(url)
        await page.get_by_label("您的姓名").fill("王小明")
        await page.get_by_label("邮箱").fill("wang@example.com")
        await page.get_by_label("留言内容").fill("水泵有异响。")
        disguised = FilePayload(name="photo.jpg", mimeType="image/jpeg", buffer=b"MZ\x90\0" + bytes(100))
        await page.get_by_label("附件").set_input_files([disguised])
        await page.get_by_role("button", name="提交").click()
        await expect(page.locator("#omnihub-files-error")).to_contain_text("不支持“photo.jpg”的文件类型")
        await expect(page.get_by_label("附件")).to_be_focused()
        await page.get_by_label("附件").set_input_files([])
        await expect(page.locator("#omnihub-files-error")).to_be_hidden()
        await page.get_by_role("button", name="提交").click()
        await expect(page.get_by_text("感谢您的来信")).to_be_visible()
        assert [m.extra["locale"] for m in door.received] == ["zh-CN"]


async def test_what_was_written_survives_an_outage_and_is_taken_once(browser: Browser) -> None:
    door = Door(make_form(), broken=True)
    async with served(door) as url:
        page = await browser.new_page(locale="en-GB")
        await page.goto(url)
        await fill(page)
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("alert")).to_contain_text("What you wrote is still here")
        await expect(page.get_by_label("Message")).to_have_value("The pump is loud.")
        door.broken = False
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Thank you!")).to_be_visible()
        assert door.posts == 2
        assert len(door.received) == 1


async def test_without_script_the_form_comes_back_with_its_faults(browser: Browser) -> None:
    door = Door(make_form())
    async with served(door) as url:
        context = await browser.new_context(java_script_enabled=False, locale="en-GB")
        page = await context.new_page()
        await page.goto(url)
        await fill(page)
        await page.get_by_label("Phone").fill("12")
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("#omnihub-phone-error")).to_have_text("This does not look like a phone number.")
        await expect(page.get_by_label("Message")).to_have_value("The pump is loud.")
        await page.get_by_label("Phone").fill("+49 30 123456")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_text("Thank you!")).to_be_visible()
        (message,) = door.received
        assert message.sender.claims == ("email:ann@example.com", "phone:+4930123456")
        assert message.spam == ()


@asynccontextmanager
async def website(html: str, policy: str = "") -> AsyncIterator[TestServer]:
    async def show(_: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": policy} if policy else {}
        return web.Response(text=html, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/", show)
    server = TestServer(app)
    async with server:
        yield server


PLAIN = """<!doctype html><h1>Shop</h1>
<script src="{url}/embed.js" async data-target="#here" data-lang="en"></script>
<div id="here"></div>"""


@pytest.mark.parametrize("policy", ["", "default-src 'none'; script-src {hub}; connect-src {hub}"])
async def test_embedded_in_another_website(browser: Browser, policy: str) -> None:
    """Also under a policy that forbids styles and workers."""
    door = Door(make_form())
    async with served(door) as url:
        hub = url.removesuffix("/in/webform/formkey")
        async with website(PLAIN.format(url=url), policy.format(hub=hub)) as shop:
            origin = str(shop.make_url("")).rstrip("/")
            door.form = make_form(captcha=True, captcha_difficulty="easy", allowed_origins=[origin])
            page = await browser.new_page()
            await page.goto(f"{origin}/?from=footer#contact")
            await fill(page)
            button = page.get_by_role("button", name="Send")
            assert await button.evaluate("b => getComputedStyle(b).backgroundColor") == "rgb(37, 99, 235)"
            big = FilePayload(name="big.png", mimeType="image/png", buffer=PNG + bytes(3_000_000))
            await page.get_by_label("Files").set_input_files([big])
            await button.click()
            await expect(page.get_by_text("Thank you!")).to_be_visible()
            (message,) = door.received
            assert message.extra["page"] == f"{origin}/?from=footer"
            assert message.spam == ()
            assert len(message.attachments[0].content) == len(PNG) + 3_000_000


async def test_an_unlisted_website_gets_a_link_to_the_form(browser: Browser) -> None:
    door = Door(make_form(allowed_origins=["https://shop.example.com"]))
    async with served(door) as url, website(PLAIN.format(url=url)) as shop:
        page = await browser.new_page()
        await page.goto(str(shop.make_url("/")))
        link = page.get_by_role("link", name="Open the form")
        await expect(link).to_have_attribute("href", url)


async def test_the_example_page_embeds_the_form(browser: Browser) -> None:
    door = Door(make_form())
    async with served(door) as url:
        page = await browser.new_page()
        await page.goto(f"{url}/example?lang=zh-CN")
        await expect(page.get_by_label("留言内容")).to_be_visible()
        await expect(page.locator("pre")).to_contain_text(f'<script src="{url}/embed.js" async')


async def test_the_browser_finds_what_the_server_hid(browser: Browser) -> None:
    """Around 55 characters the padding of SHA-256 needs a block more."""
    page = await browser.new_page()
    await page.goto("about:blank")
    for salt in ("", "a", "0f" * 12 + "?expires=1740830400&", "x" * 54, "x" * 55, "x" * 63, "x" * 200):
        challenge = hashlib.sha256(f"{salt}1234".encode()).hexdigest()
        script = f"([salt, challenge]) => {{ {asset('form.js')}; return search(salt, challenge, 0, 2000) }}"
        assert await page.evaluate(script, [salt, challenge]) == 1234


def test_the_embed_script_is_small() -> None:
    assert len(embed_script().encode()) < 8_000

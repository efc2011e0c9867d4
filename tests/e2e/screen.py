"""The desk as people use it: a hub process, what customers send to it, and pages in a real browser."""

import re
import shutil
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page

from omnihub.model.ids import new_id
from tests.hub_process import Running, until

CHROMIUM = shutil.which("chromium") or ""
STATIC = Path(__file__).parents[2] / "omnihub" / "unified_view" / "static" / "index.html"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
MARKS = [
    pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed"),
    pytest.mark.skipif(not STATIC.exists(), reason="the web app is not built: make web"),
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="session"),
]
DESK = "desk@demo.omnihub.test"
ADMIN = "admin@omnihub.local"
PASSWORD = "a-long-password-for-tests"
PUSH_SECRET = "a-push-secret"


def letter(sender: str, subject: str, text: str, answers: str = "") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, DESK, subject
    mail["Message-ID"] = f"<{new_id()}@customer.test>"
    if answers:
        mail["In-Reply-To"] = answers
    mail.set_content(text)
    return mail


@dataclass
class Office:
    """One hub with its demo channels, and whoever works there."""

    hub: Running
    var: Path
    browser: Browser
    colleagues: dict[str, str] = field(default_factory=dict)

    async def page(
        self, email: str = ADMIN, *, width: int = 1440, height: int = 900, locale: str = "en-US", live: bool = True
    ) -> "Screen":
        """Signed in, looking at all tickets. Without `live` nothing that happens elsewhere reaches it."""
        context = await self.browser.new_context(locale=locale, viewport={"width": width, "height": height})
        context.set_default_timeout(20_000)
        page = await context.new_page()
        if not live:
            await page.route_web_socket(re.compile("/api/v1/live"), lambda _: None)
        screen = Screen(page=page, url=self.hub.url)
        await screen.sign_in(email, self.hub.password if email == ADMIN else PASSWORD)
        return screen

    async def colleague(self, admin: "Screen", name: str) -> str:
        """Their address; made where they are new."""
        email = f"{name.lower()}@desk.test"
        if email not in self.colleagues:
            body = {"email": email, "name": name, "role": "agent", "password": PASSWORD}
            self.colleagues[email] = (await admin.api("POST", "/users", body))["user"]["id"]
        return email

    async def deliver(self, admin: "Screen", one: EmailMessage) -> None:
        """By the push door, which takes it in at once; the way over IMAP has tests of its own."""
        accounts = (await admin.api("GET", "/accounts"))["items"]
        box = next(account for account in accounts if account["demo"] and account["channel"] == "email")
        if not box["settings"]["push_secret"]["set"]:
            await admin.api("PATCH", f"/accounts/{box['id']}", {"settings": {"push_secret": PUSH_SECRET}})
        await push(admin, box["urls"]["door"], one)

    async def mail(self, admin: "Screen", subject: str, *texts: str) -> int:
        """From one customer, in one thread. Returns the ticket's number once all of it is there."""
        sender, answers, number = f"c{new_id()}@customer.test", "", 0
        for count, text in enumerate(texts or ("Hello, please help.",), 1):
            one = letter(sender, subject, text, answers)
            answers = answers or str(one["Message-ID"])
            await self.deliver(admin, one)
            number = await admin.ticket_with(subject, count)
        return number

    async def answers(self, admin: "Screen", number: int, text: str) -> None:
        """The customer of a ticket writes once more."""
        detail = await admin.api("GET", f"/tickets/{number}")
        timeline = await admin.api("GET", f"/tickets/{number}/timeline")
        first = next(item["message"] for item in timeline["items"] if item["kind"] == "message")
        sender = first["sender"]["key"].removeprefix("email:")
        subject, count = detail["ticket"]["subject"], detail["ticket"]["message_count"]
        await self.deliver(admin, letter(sender, f"Re: {subject}", text, f"<{first['external_id'].strip('<>')}>"))
        await admin.ticket_with(subject, count + 1)


@dataclass
class Screen:
    page: Page
    url: str
    csrf: str = ""

    def at(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def input(self, name: str) -> Locator:
        """The element to type into, whether it carries the name itself or stands inside what does."""
        inner = ", ".join(
            f"[data-testid={name}] {tag}, {tag}[data-testid={name}]" for tag in ("input", "textarea")
        )
        return self.page.locator(inner)

    async def sign_in(self, email: str, password: str) -> None:
        await self.page.goto(f"{self.url}/login")
        await self.input("login-email").fill(email)
        await self.input("login-password").fill(password)
        await self.at("login-submit").click()
        await self.at("nav-inbox").wait_for()
        self.csrf = (await self.api("GET", "/session"))["csrf"]

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.page.request.fetch(
            f"{self.url}/api/v1{path}", method=method, data=body, headers={"X-CSRF-Token": self.csrf}
        )
        assert answer.ok, await answer.text()
        return await answer.json()

    async def ticket_with(self, subject: str, messages: int = 1) -> int:
        async def look() -> int:
            found = (await self.api("GET", "/tickets?status=any"))["items"]
            whole = [t for t in found if t["subject"] == subject and t["message_count"] >= messages]
            return int(whole[0]["number"]) if whole else 0

        return int(await until(look))

    async def open(self, number: int) -> None:
        await self.page.goto(f"{self.url}/inbox/{number}")
        await self.at("timeline-message").first.wait_for()

    def messages(self, direction: str = "") -> Locator:
        wanted = f"[data-direction={direction}]" if direction else ""
        return self.page.locator(f"[data-testid=timeline-message]{wanted}")

    async def write(self, text: str) -> None:
        await self.input("composer-text").fill(text)

    async def send(self, text: str) -> None:
        await self.write(text)
        await self.at("composer-send").click()

    async def close(self) -> None:
        await self.page.context.close()


async def push(admin: Screen, door: str, one: EmailMessage) -> None:
    headers = {"Authorization": f"Bearer {PUSH_SECRET}"}
    answer = await admin.page.request.post(door, data=one.as_bytes(), headers=headers)
    assert answer.ok, await answer.text()

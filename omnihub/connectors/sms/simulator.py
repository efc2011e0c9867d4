"""Twilio on loopback: a number, its customers' phones, and the network between them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.simulation import Action, Chats, Loopback, Person, Spoken
from omnihub.connectors.sms.settings import START_WORDS, STOP_WORDS
from omnihub.connectors.sms.signature import Key
from omnihub.connectors.sms.simulator_account import UNDELIVERABLE, DemoTwilio, Record
from omnihub.connectors.sms.simulator_api import DemoApi
from omnihub.connectors.sms.simulator_calls import Caller, Heard

NUMBER = "+12025550143"
_PEOPLE = (
    Person(id="+12025550117", name="Emma Wilson"),
    Person(id="+447700900123", name="Oliver Hughes"),
    Person(id="+8613800138025", name="王小梅"),
)
_ACTIONS = (
    Action(key="stop", en="Opt out (STOP)", zh="退订（STOP）"),
    Action(key="start", en="Opt in again (START)", zh="重新订阅（START）"),
)
# Callbacks come in order, then in the wrong one, then twice, in turn.
_CALLBACKS = (
    ("queued", "sent", "delivered"),
    ("delivered", "queued", "sent"),
    ("sent", "delivered", "delivered"),
)
_NOTES = {
    "en": "Text messages to {number}. After STOP the hub's answers are refused, as with a real number, until "
    "the customer sends START. A number that ends in 0003 is never reached, one in 0006 is a landline.",
    "zh": "发往 {number} 的短信。与真实号码一样，发送 STOP 即退订，在发送 START 之前，平台的回复会被拒绝。"
    "以 0003 结尾的号码始终无法接通，以 0006 结尾的是固定电话。",
}


class Simulator:
    """`callback_pause`: seconds before each word on a sent message. `key`: what webhooks are signed with, the
    auth token by default. `advanced_opt_out`: Twilio says in OptOutType what it made of STOP."""

    def __init__(
        self,
        folder: Path,
        *,
        numbers: Sequence[str] = (NUMBER,),
        callback_pause: float = 0.5,
        connect_seconds: float = 5.0,
        read_seconds: float = 15.0,
        calls_per_second: int = 100,
        key: Key | None = None,
        advanced_opt_out: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self.twilio = DemoTwilio(numbers, now=now, calls_per_second=calls_per_second)
        signing = key or Key(secret=self.twilio.auth_token)
        self.caller = Caller(self.twilio, signing, connect_seconds, read_seconds)
        self.chats = Chats(
            self.hear, people=_PEOPLE, kinds=("text", "image"), actions=_ACTIONS, invent=_invented
        )  # fmt: skip
        self._pause = callback_pause
        self._advanced_opt_out = advanced_opt_out
        self._loopback = Loopback(DemoApi(self.twilio, self._take).application())
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken = 0

    async def start(self) -> None:
        await self.caller.start()
        await self._loopback.start()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._loopback.stop()
        await self.caller.stop()

    async def settled(self) -> None:
        """Until everything that was sent has had its last word."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    @property
    def url(self) -> str:
        return self._loopback.url

    @property
    def number(self) -> str:
        return next(iter(self.twilio.numbers))

    def settings(self) -> dict[str, Any]:
        return {
            "account_sid": self.twilio.account_sid,
            "auth_token": self.twilio.auth_token,
            "from_numbers": list(self.twilio.numbers),
            "poll_minutes": 1,
            "api_base_url": self.url,
            "messaging_base_url": self.url,
        }

    def accounts(self) -> Sequence[DemoAccount]:
        notes = {language: note.format(number=self.number) for language, note in _NOTES.items()}
        return [DemoAccount(name="Demo SMS", settings=self.settings(), notes=notes)]

    def pages(self) -> web.Application | None:
        return None

    async def attach(self, doors: Mapping[str, str]) -> None:
        """What an admin enters at the number: where messages go, and where they go next when that fails."""
        for door in doors.values():
            for number in self.twilio.numbers.values():
                number.sms_url = number.fallback_url = door

    # — a customer writes —

    async def hear(self, person: Person, spoken: Spoken) -> None:
        spoken = _as_written(spoken)
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename,
            content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip
        files = [(spoken.content_type or "image/jpeg", spoken.content)] if spoken.content else []
        record = self.twilio.receive(person.id, self.number, spoken.text, files)
        opt_out_type = await self._consent(record)
        heard = await self.deliver(record, opt_out_type)
        if heard.trouble:
            await self.chats.show(
                person.id, "system", "text", f"Twilio could not hand this over ({heard.trouble})"
            )

    async def deliver(self, record: Record, opt_out_type: str = "") -> Heard:
        """The webhook for a message that Twilio has; once more for a repeat."""
        told = opt_out_type if self._advanced_opt_out else ""
        return await self.caller.message(record, self.url, told)

    async def _consent(self, record: Record) -> str:
        word, pair = record.body.strip().upper(), (record.sender, record.to)
        if word in STOP_WORDS:
            self.twilio.opted_out.add(pair)
            await self.chats.show(
                record.sender, "system", "text", "You are unsubscribed. Reply START to come back."
            )
            return "STOP"
        if word in (*START_WORDS, "YES") and pair in self.twilio.opted_out:
            self.twilio.opted_out.discard(pair)
            await self.chats.show(record.sender, "system", "text", "You are subscribed again.")
            return "START"
        return ""

    # — the hub writes —

    def _take(self, record: Record) -> None:
        task = asyncio.create_task(self._carry(record, self._taken))
        self._taken += 1
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, record: Record, turn: int) -> None:
        """To the phone, and word of it to the hub."""
        error = UNDELIVERABLE.get(record.customer[-4:], "")
        if not await self._fetch_files(record):
            error = "11200"
        if not error:
            await self._show(record)
        final = "delivered" if not error else ("failed" if error == "11200" else "undelivered")
        record.error = error
        words = _CALLBACKS[turn % len(_CALLBACKS)]
        for status in words if not error else ("queued", "sent", final):
            await asyncio.sleep(self._pause)
            if record.callback:
                await self.caller.status(record, status)
            self._settle(record, final)
        if error:
            await self.chats.show(record.customer, "system", "text", f"A message did not arrive ({error})")

    def _settle(self, record: Record, final: str) -> None:
        record.status, record.updated = final, self.twilio.now()
        record.sent = record.sent or record.updated

    async def _fetch_files(self, record: Record) -> bool:
        for url in record.media_urls:
            fetched = await self.caller.fetch(url)
            if fetched is None:
                return False
            self.twilio.attach(record, *fetched)
        return True

    async def _show(self, record: Record) -> None:
        if record.body:
            await self.chats.show(record.customer, "desk", "text", record.body)
        for file in record.files:
            kind = "image" if file.content_type.startswith("image/") else "file"
            await self.chats.show(
                record.customer, "desk", kind, content_type=file.content_type, media=file.content
            )  # fmt: skip


def _as_written(spoken: Spoken) -> Spoken:
    """The buttons only write the word for the customer."""
    return Spoken(kind="text", text=spoken.kind.upper()) if spoken.kind in ("stop", "start") else spoken


def _invented(name: str, count: int) -> Person:
    """Numbers that are kept free for stories: 555-0100 to 555-0199 of each area, of others than the cast's."""
    return Person(id=f"+1{303 + count // 100}5550{100 + count % 100}", name=name)

"""Customers without a platform behind them: what they say is kept, and tests answer for the company."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from omnihub.connectors.contract import Manifest, Steps, Words
from omnihub.connectors.simulation import Action, Chats, Person, Spoken
from omnihub.customers.channels import ChatChannel, OtherPage
from omnihub.customers.page import make_page

ALL_KINDS = ("text", "image", "voice", "video", "file")
PEOPLE = (
    Person(id="o-li:1", name="李伟"),
    Person(id="o/anna", name="Anna Berg"),
    Person(id="o-wang", name="王芳"),
)


@dataclass
class Cast:
    key: str = "pigeon"
    kinds: Sequence[str] = ALL_KINDS
    icon: str = "wechat"
    label: Words = field(default_factory=lambda: Words(en="Pigeon post", zh="飞鸽"))
    people: Sequence[Person] = PEOPLE
    heard: list[tuple[Person, Spoken]] = field(default_factory=list)
    trouble: Exception | None = None

    def __post_init__(self) -> None:
        actions = [
            Action(key="subscribe", en="Follow", zh="关注"),
            Action(key="menu", en="Opening hours", zh="营业时间"),
        ]
        self.chats = Chats(
            self._hear, people=self.people, kinds=self.kinds, actions=actions,
            invent=lambda name, number: Person(id=f"o-{number}", name=name),
        )  # fmt: skip

    async def _hear(self, person: Person, spoken: Spoken) -> None:
        if self.trouble:
            raise self.trouble
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename,
            content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip
        self.heard.append((person, spoken))
        await self.chats.tell()

    def channel(self) -> ChatChannel:
        return ChatChannel(
            manifest=manifest(self.key, self.label, self.icon), account="Demo 飞鸽", chats=self.chats
        )

    async def hears(self, count: int) -> Sequence[tuple[Person, Spoken]]:
        assert await self.chats.wait(lambda: len(self.heard) >= count, 10), self.heard
        return self.heard


def manifest(key: str, label: Words, icon: str) -> Manifest:
    return Manifest(
        key=key, label=label, summary=label, icon=icon, arrives=["webhook"], conversation="contact",
        setup=Steps(en=[], zh=[]),
    )  # fmt: skip


def letters() -> OtherPage:
    return OtherPage(manifest=manifest("letters", Words(en="Letters", zh="信件"), "mail"), path="/demo/letters/")


@asynccontextmanager
async def served(*casts: Cast, pace: float = 0, port: int = 0) -> AsyncIterator[TestServer]:
    """The page at /demo/, beside another page of the demo, as the hub mounts them."""
    app, beside = web.Application(), web.Application()

    async def mailbox(_: web.Request) -> web.Response:
        return web.Response(text="the mailbox")

    beside.router.add_get("/", mailbox)
    app.add_subapp("/demo/letters/", beside)
    app.add_subapp("/demo/", make_page([cast.channel() for cast in casts], [letters()], pace=pace))
    server = TestServer(app, port=port or None)
    async with server:
        yield server

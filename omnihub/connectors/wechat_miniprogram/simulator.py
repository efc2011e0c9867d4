import hashlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.reading import inner, text_of
from omnihub.connectors.simulation import Chats, Loopback, Person, Spoken
from omnihub.connectors.wechat_api.pushes import Format, Mode
from omnihub.connectors.wechat_api.simulator_desk import Rules, ServiceDesk, Standing, application, file_response
from omnihub.connectors.wechat_api.simulator_push import DEADLINE, DELIVERIES, Outcome, Pusher
from omnihub.connectors.wechat_api.simulator_quota import Quota
from omnihub.connectors.wechat_api.simulator_shelf import MediaShelf, Shelved
from omnihub.connectors.wechat_api.simulator_tokens import LIFE, TokenOffice
from omnihub.connectors.wechat_miniprogram.simulator_demo import (
    AES_KEY,
    APP_ID,
    APP_SECRET,
    COVER,
    NAME,
    NOTES,
    ORIGINAL_ID,
    PEOPLE,
    TOKEN,
    prepared,
)
from omnihub.connectors.wechat_miniprogram.simulator_spoken import ACTIONS, KINDS, MESSAGES, Phone, said
from omnihub.connectors.wechat_miniprogram.simulator_subscribe import SubscribeDesk

FAULT = "该小程序客服暂时无法提供服务，请稍后再试"
NOT_SAVED = "该小程序尚未启用消息推送"
_WINDOW_SECONDS, _WINDOW_MESSAGES = 48 * 3600.0, 5
_MOMENT_SECONDS, _MOMENT_MESSAGES = 60.0, 2
_MSGTYPES = frozenset({"text", "image", "link", "miniprogrampage"})

Clock = Callable[[], float]


class Simulator:
    """api.weixin.qq.com and the phones of a mini-program's users, on loopback. `mode` and `format` are what the
    admin chose in the console under Message push."""

    def __init__(
        self, folder: Path, *, mode: Mode = "safe", format: Format = "json", deadline: float = DEADLINE,
        deliveries: int = DELIVERIES, clock: Clock = time.time, token_life: float = LIFE,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._mode = mode
        self._message_ids = itertools.count(time.time_ns() // 100)
        self._known = {person.id for person in PEOPLE}
        self.outcomes: list[Outcome] = []
        self.pusher = Pusher(
            appid=APP_ID, token=TOKEN, aes_key=AES_KEY, mode=mode, format=format, deadline=deadline,
            deliveries=deliveries, clock=clock,
        )  # fmt: skip
        self.desk = ServiceDesk(
            rules=Rules(msgtypes=_MSGTYPES, uploads=frozenset({"image"})),
            tokens=TokenOffice(APP_ID, APP_SECRET, clock, token_life), shelf=MediaShelf(clock), quota=Quota(clock),
            clock=clock, standing=self._standing, deliver=self._deliver,
        )  # fmt: skip
        self.subscriptions = SubscribeDesk(self.desk, self._show)
        self.chats = Chats(self.hear, people=PEOPLE, kinds=KINDS, actions=ACTIONS, invent=self._invent)
        app = application()
        app.add_routes([*self.desk.routes(), *self.subscriptions.routes()])
        app.add_routes([web.get("/pictures/{id}", self._picture), web.get("/cover.png", _cover)])
        self._server = Loopback(app)

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self) -> None:
        await self._server.start()
        await self.pusher.start()

    async def stop(self) -> None:
        self.desk.release()
        await self.pusher.stop()
        await self._server.stop()

    async def attach(self, doors: Mapping[str, str]) -> None:
        if door := doors.get(NAME):
            await self.pusher.verify_url(door)

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "token": TOKEN,
            "mode": self._mode,
            "aes_key": AES_KEY,
            "base_url": self.url,
            "prepared_messages": prepared(self.url),
        }
        return [DemoAccount(name=NAME, settings=settings, notes=NOTES)]

    def pages(self) -> web.Application | None:
        return None

    async def hear(self, person: Person, spoken: Spoken) -> None:
        await self._show_spoken(person, spoken)
        self._note(person.id, spoken)
        fields = said(spoken, Phone(shelf=self.desk.shelf, base_url=self.url, format=self.pusher.format))
        if spoken.kind in MESSAGES:
            fields["MsgId"] = self._message_id()
        head = {"ToUserName": ORIGINAL_ID, "FromUserName": person.id, "CreateTime": int(self._clock())}
        outcome = await self.pusher.push({**head, **fields})
        self.outcomes.append(outcome)
        if outcome.reply:
            words = text_of(outcome.reply, "Content") or f"[{text_of(outcome.reply, 'MsgType')}]"
            await self._show(person.id, words)
        elif not outcome.taken:
            await self.chats.show(person.id, "system", "text", FAULT if outcome.attempts else NOT_SAVED)

    def _message_id(self) -> int | str:
        """Every third is no number: such ids were seen, too."""
        number = next(self._message_ids)
        if number % 3:
            return number
        return f"{hashlib.sha256(str(number).encode()).hexdigest()[:32]}_{int(self._clock())}"

    def _note(self, openid: str, spoken: Spoken) -> None:
        """What the platform remembers of it."""
        if spoken.kind in MESSAGES:
            self.desk.spoke(openid)
            self.desk.quota.grant(openid, "message", seconds=_WINDOW_SECONDS, messages=_WINDOW_MESSAGES)
        if spoken.kind == "enter":
            self.desk.quota.grant(openid, "enter", seconds=_MOMENT_SECONDS, messages=_MOMENT_MESSAGES)
        if spoken.kind == "accept":
            self.subscriptions.accept(openid)

    async def _show_spoken(self, person: Person, spoken: Spoken) -> None:
        action = next((one for one in ACTIONS if one.key == spoken.kind), None)
        if action is not None:
            await self.chats.show(person.id, "customer", "text", spoken.text or f"[{action.zh}]")
            return
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename,
            content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip

    async def _deliver(self, openid: str, body: dict[str, Any], shelved: Shelved | None) -> None:
        kind = str(body["msgtype"])
        part = inner(body, kind)
        if kind == "image" and shelved is not None:
            await self.chats.show(
                openid, "desk", kind, filename=shelved.filename, content_type=shelved.content_type,
                media=shelved.content,
            )  # fmt: skip
            return
        lines = (text_of(part, name) for name in ("content", "title", "description", "url", "pagepath"))
        await self._show(openid, "\n".join(line for line in lines if line))

    async def _show(self, openid: str, text: str) -> None:
        await self.chats.show(openid, "desk", "text", text)

    def _standing(self, openid: str) -> Standing:
        return "writable" if openid in self._known else "unknown"

    def _invent(self, name: str, number: int) -> Person:
        digest = hashlib.sha256(f"{name}\n{number}".encode()).hexdigest()[:16]
        person = Person(id=f"oMp4vDemo{number:03d}{digest}", name=name)
        self._known.add(person.id)
        return person

    async def _picture(self, request: web.Request) -> web.Response:
        return file_response(self.desk.shelf.get(request.match_info["id"]))


async def _cover(_: web.Request) -> web.Response:
    return web.Response(body=COVER, content_type="image/png")

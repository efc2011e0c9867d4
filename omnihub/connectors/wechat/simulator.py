import hashlib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.reading import inner, text_of
from omnihub.connectors.simulation import Chats, Loopback, Person, Spoken, tone
from omnihub.connectors.wechat.simulator_approved import ApprovedMessages, Follower
from omnihub.connectors.wechat.simulator_demo import (
    AES_KEY,
    APP_ID,
    APP_SECRET,
    NAME,
    NOTES,
    ORDER,
    ORIGINAL_ID,
    PEOPLE,
    TOKEN,
    VISIT,
    prepared,
)
from omnihub.connectors.wechat.simulator_spoken import ACTIONS, KINDS, Phone, said
from omnihub.connectors.wechat_api.pushes import Mode
from omnihub.connectors.wechat_api.simulator_desk import (
    Rules,
    ServiceDesk,
    Standing,
    application,
    file_response,
)
from omnihub.connectors.wechat_api.simulator_push import DEADLINE, DELIVERIES, Outcome, Pusher
from omnihub.connectors.wechat_api.simulator_quota import Quota
from omnihub.connectors.wechat_api.simulator_shelf import MediaShelf, Shelved
from omnihub.connectors.wechat_api.simulator_tokens import LIFE, TokenOffice

FAULT = "该公众号提供的服务出现故障，请稍后再试"
NOT_SAVED = "该公众号尚未启用服务器配置"
NOT_FOLLOWED = "请先关注该公众号"
_KEPT = 500
_WINDOW_SECONDS, _WINDOW_MESSAGES = 48 * 3600.0, 5
_MOMENT_SECONDS, _MOMENT_MESSAGES = 60.0, 3
_MOMENTS = frozenset({"follow", "menu", "scan"})
_MESSAGES = frozenset({*KINDS, "location", "tomorrow"})
_MSGTYPES = frozenset(
    {"text", "image", "voice", "video", "music", "news", "mpnews", "mpnewsarticle", "msgmenu", "wxcard",
     "miniprogrampage"}
)  # fmt: skip

Clock = Callable[[], float]


class Simulator:
    """api.weixin.qq.com and the phones of an Official Account's followers, on loopback. `result_seconds`: how
    late the result of a template message is pushed."""

    def __init__(
        self, folder: Path, *, mode: Mode = "safe", deadline: float = DEADLINE, deliveries: int = DELIVERIES,
        clock: Clock = time.time, token_life: float = LIFE, result_seconds: float = 1.0,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._mode = mode
        self._message_ids = itertools.count(time.time_ns() // 100)
        self._menus: dict[str, Mapping[str, str]] = {}
        self.followers = {person.id: _follower(person) for person in PEOPLE}
        self.outcomes: list[Outcome] = []
        self.pusher = Pusher(
            appid=APP_ID, token=TOKEN, aes_key=AES_KEY, mode=mode, deadline=deadline, deliveries=deliveries,
            clock=clock,
        )  # fmt: skip
        self.desk = ServiceDesk(
            rules=Rules(msgtypes=_MSGTYPES, uploads=frozenset({"image", "voice", "video", "thumb"})),
            tokens=TokenOffice(APP_ID, APP_SECRET, clock, token_life), shelf=MediaShelf(clock), quota=Quota(clock),
            clock=clock, standing=self._standing, deliver=self._deliver,
        )  # fmt: skip
        self._approved = ApprovedMessages(
            desk=self.desk, followers=self.followers, templates=(ORDER,), subscribe=VISIT, clock=clock,
            result_seconds=result_seconds, show=self._show_approved, push=self._tell,
        )  # fmt: skip
        self.chats = Chats(self.hear, people=PEOPLE, kinds=KINDS, actions=ACTIONS, invent=self._invent)
        app = application()
        app.add_routes([*self.desk.routes(), *self._approved.routes(), web.get("/pictures/{id}", self._picture)])
        self._server = Loopback(app)

    @property
    def url(self) -> str:
        return self._server.url

    async def start(self) -> None:
        await self._server.start()
        await self.pusher.start()

    async def stop(self) -> None:
        self.desk.release()
        await self._approved.stop()
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
            "prepared_messages": prepared(),
        }
        return [DemoAccount(name=NAME, settings=settings, notes=NOTES)]

    def pages(self) -> web.Application | None:
        return None

    async def hear(self, person: Person, spoken: Spoken) -> None:
        follower = self.followers[person.id]
        if not follower.subscribed and spoken.kind != "follow":
            await self.chats.show(person.id, "system", "text", NOT_FOLLOWED)
            return
        await self._show_spoken(person, spoken)
        self._note(follower, spoken)
        phone = Phone(shelf=self.desk.shelf, base_url=self.url, subscribe_template=VISIT.id)
        fields = said(spoken, phone) | self._pressed(person, spoken)
        if spoken.kind in _MESSAGES:
            fields["MsgId"] = next(self._message_ids)
        await self._tell(person.id, fields)

    async def _tell(self, openid: str, fields: Mapping[str, Any]) -> None:
        """To the hub; the customer sees a fault where it does not answer as it must."""
        head = {"ToUserName": ORIGINAL_ID, "FromUserName": openid, "CreateTime": int(self._clock())}
        outcome = await self.pusher.push({**head, **fields})
        self.outcomes.append(outcome)
        del self.outcomes[:-_KEPT]
        if outcome.reply:
            words = text_of(outcome.reply, "Content") or f"[{text_of(outcome.reply, 'MsgType')}]"
            await self.chats.show(openid, "desk", "text", words)
        elif not outcome.taken:
            await self.chats.show(openid, "system", "text", FAULT if outcome.attempts else NOT_SAVED)

    def _note(self, follower: Follower, spoken: Spoken) -> None:
        """What the platform remembers of it."""
        quota, openid = self.desk.quota, follower.openid
        if spoken.kind in _MESSAGES:
            self.desk.spoke(openid)
            quota.grant(openid, "message", seconds=_WINDOW_SECONDS, messages=_WINDOW_MESSAGES)
        elif spoken.kind in _MOMENTS:
            quota.grant(openid, spoken.kind, seconds=_MOMENT_SECONDS, messages=_MOMENT_MESSAGES)
        if spoken.kind in ("follow", "unfollow"):
            follower.subscribed = spoken.kind == "follow"
        if spoken.kind == "unfollow":
            quota.forget(openid)
        if spoken.kind == "accept":
            follower.accepted += 1

    async def _show_spoken(self, person: Person, spoken: Spoken) -> None:
        action = next((one for one in ACTIONS if one.key == spoken.kind), None)
        if action is not None:
            await self.chats.show(person.id, "customer", "text", spoken.text or f"[{action.zh}]")
            return
        media, content_type = spoken.content, spoken.content_type
        if spoken.kind == "voice" and not media:
            media, content_type = tone(), "audio/wav"
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename, content_type=content_type,
            media=media,
        )  # fmt: skip

    def _pressed(self, person: Person, spoken: Spoken) -> dict[str, str]:
        """A choice of the menu that was sent last, where these are its words."""
        choices = self._menus.get(person.id, {}) if spoken.kind == "text" else {}
        return {"bizmsgmenuid": choices[spoken.text]} if spoken.text in choices else {}

    async def _deliver(self, openid: str, body: dict[str, Any], shelved: Shelved | None) -> None:
        kind = str(body["msgtype"])
        if kind in ("image", "voice", "video") and shelved is not None:
            await self.chats.show(
                openid, "desk", kind, filename=shelved.filename, content_type=shelved.content_type,
                media=shelved.content,
            )  # fmt: skip
            return
        if kind == "msgmenu":
            choices = inner(body, "msgmenu").get("list", [])
            self._menus[openid] = {text_of(one, "content"): text_of(one, "id") for one in choices}
        await self.chats.show(openid, "desk", "text", _as_text(kind, inner(body, kind)))

    async def _show_approved(self, openid: str, text: str) -> None:
        await self.chats.show(openid, "desk", "text", text)

    def _standing(self, openid: str) -> Standing:
        follower = self.followers.get(openid)
        if follower is None:
            return "unknown"
        return "writable" if follower.subscribed else "unsubscribed"

    def _invent(self, name: str, number: int) -> Person:
        digest = hashlib.sha256(f"{name}\n{number}".encode()).hexdigest()[:16]
        person = Person(id=f"oQx7k5Demo{number:02d}{digest}", name=name)
        self.followers.setdefault(person.id, _follower(person))
        return person

    async def _picture(self, request: web.Request) -> web.Response:
        return file_response(self.desk.shelf.get(request.match_info["id"]))


def _follower(person: Person) -> Follower:
    unionid = f"oU6ni{hashlib.sha256(person.id.encode()).hexdigest()[:23]}"
    return Follower(openid=person.id, unionid=unionid, remark=person.name)


def _as_text(kind: str, part: Mapping[str, Any]) -> str:
    fields = dict(part)
    match kind:
        case "text":
            return text_of(fields, "content")
        case "news":
            article = dict(fields["articles"][0])
            return "\n".join(text_of(article, name) for name in ("title", "description", "url"))
        case "msgmenu":
            choices = [f"▸ {text_of(one, 'content')}" for one in fields.get("list", [])]
            return "\n".join([text_of(fields, "head_content"), *choices, text_of(fields, "tail_content")])
        case _:
            return f"[{kind}] {text_of(fields, 'title')}".strip()

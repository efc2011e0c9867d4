"""DingTalk on this machine, as strict as the platform: robot, Stream gateway, HTTP calls, API and sessions."""

import asyncio
import base64
import hashlib
import hmac
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.dingtalk.simulator_api import SimulatedApi
from omnihub.connectors.dingtalk.simulator_state import (
    CLIENT_ID,
    CLIENT_SECRET,
    CORP_ID,
    EVENT_AES_KEY,
    EVENT_TOKEN,
    GROUP_ID,
    GROUP_NAME,
    MEMBERS,
    Rules,
    State,
    group_people,
    in_group,
    staff_of,
)
from omnihub.connectors.dingtalk.simulator_stream import Delivery, Gateway
from omnihub.connectors.sealed import Envelope
from omnihub.connectors.simulation import Chats, Loopback, Person, Spoken
from omnihub.model.errors import OmnihubError

_NOTES = {
    "en": "陈晓雯 and Daniel Weber write to the robot in single chats; 王磊 and 李娜 mention it in one group, "
    "where both see the answers. Connected over Stream: no public address is needed.",
    "zh": "陈晓雯和 Daniel Weber 与机器人单聊；王磊和李娜在同一个群里 @机器人，两人都能看到回复。"
    "通过 Stream 长连接接入，无需公网地址。",
}
_OFFLINE = "机器人不在线，钉钉稍后会重新投递 / The robot is offline; DingTalk will try again"
_LOST = "消息未能送达机器人 / The message did not reach the robot"
_NOT_IN_GROUPS = "群聊中机器人收不到语音、视频和文件 / Robots get no voice, video or files from groups"
_TOPIC = "/v1.0/im/bot/messages/get"


class Simulator:
    """`door`: with it the robot is in HTTP mode and calls there, without it in Stream mode."""

    def __init__(self, folder: Path, rules: Rules | None = None) -> None:
        self._folder = folder
        self.state = State(rules=rules or Rules())
        self.chats = Chats(self._hear, people=MEMBERS, kinds=("text", "image", "voice", "file"), invent=_invented)
        self.gateway = Gateway(self.state)
        self.door = ""
        self.answers: list[tuple[int, bytes]] = []
        app = web.Application(client_max_size=33_554_432)
        app.add_routes([*self.gateway.routes(), *SimulatedApi(self.state, self.chats).routes()])
        self._loopback = Loopback(app)
        self._envelope = Envelope(token=EVENT_TOKEN, keys=(EVENT_AES_KEY,), owner=CLIENT_ID)

    @property
    def url(self) -> str:
        return self._loopback.url

    async def start(self) -> None:
        await self._loopback.start()

    async def stop(self) -> None:
        await self.gateway.stop()
        await self._loopback.stop()

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "corp_id": CORP_ID,
            "mode": "stream",
            "session_hosts": [self.url.partition("://")[2]],
            "event_token": EVENT_TOKEN,
            "event_aes_key": EVENT_AES_KEY,
            "api_url": self.url,
            "oapi_url": self.url,
        }
        return (DemoAccount(name="Demo DingTalk / 演示钉钉机器人", settings=settings, notes=_NOTES),)

    def pages(self) -> None:
        return None

    # — a person writes —

    async def _hear(self, person: Person, spoken: Spoken) -> None:
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename,
            content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip
        if in_group(person.id):
            if spoken.kind not in ("text", "image"):
                await self.chats.show(person.id, "system", "text", _NOT_IN_GROUPS)
                return
            await self._show_others(person, spoken)
        await self.hand_over(person, self.payload(person, spoken))

    async def _show_others(self, person: Person, spoken: Spoken) -> None:
        said = spoken.text or f"[{spoken.kind}]"
        for other in group_people(self.chats):
            if other != person.id:
                await self.chats.show(other, "system", "text", f"{_bare(person.name)}：@机器人 {said}")

    async def hand_over(self, person: Person, said: Mapping[str, Any]) -> Delivery | None:
        """In the robot's present mode. None in HTTP mode."""
        if self.door:
            await self.call_door(person, said)
            return None
        delivery = await self.gateway.deliver(
            "CALLBACK", {"topic": _TOPIC}, said,
            lost=lambda: self._say(person, _LOST),
        )  # fmt: skip
        if not delivery.sent:
            await self._say(person, _OFFLINE)
        return delivery

    async def call_door(self, person: Person, said: Mapping[str, Any]) -> bool:
        """Whether the robot's address took it. What it answers as a message is shown, as DingTalk does."""
        for _ in range(self.state.rules.http_deliveries):
            answer = await self._post(
                self.door, said, headers=self._signed(), seconds=self.state.rules.http_seconds
            )
            if answer is not None and answer[0] == 200:
                await self._show_answer(person, answer[1])
                return True
        await self._say(person, _LOST)
        return False

    async def _show_answer(self, person: Person, body: bytes) -> None:
        try:
            said = orjson.loads(body)
        except ValueError:
            return  # not JSON: DingTalk shows nothing
        if isinstance(said, dict) and said.get("msgtype") == "text":
            await self.chats.show(person.id, "desk", "text", str(said.get("text", {}).get("content", "")))

    def payload(self, person: Person, spoken: Spoken) -> dict[str, Any]:
        group, staff = in_group(person.id), staff_of(person.id)
        people = group_people(self.chats) if group else [person.id]
        session, until = self.state.session(people)
        outsider = staff in self.state.outsiders
        said = {
            "conversationId": GROUP_ID if group else f"cid-{staff}==",
            "conversationType": "2" if group else "1",
            "msgId": f"msg{uuid.uuid4().hex}==",
            "senderId": f"$:LWCP_v1:${base64.b64encode(staff.encode()).decode()}",
            "senderNick": _bare(person.name),
            "senderStaffId": "" if outsider else staff,
            "senderUnionId": f"union-{staff}",
            "senderCorpId": "" if outsider else CORP_ID,
            "chatbotCorpId": CORP_ID,
            "chatbotUserId": "$:LWCP_v1:$ZGVtbw==",
            "isAdmin": False,
            "sessionWebhook": f"{self.url}/robot/sendBySession?session={session}",
            "sessionWebhookExpiredTime": until,
            "createAt": round(self.state.now * 1000),
            "robotCode": self.state.robot_code,
            **self._content(spoken, group),
        }
        if group:
            said |= {"conversationTitle": GROUP_NAME, "isInAtList": True,
                     "atUsers": [{"dingtalkId": said["chatbotUserId"]}]}  # fmt: skip
        return said

    def _content(self, spoken: Spoken, group: bool) -> dict[str, Any]:
        if spoken.kind == "text":
            # The space that stood behind the mention stays.
            return {"msgtype": "text", "text": {"content": f" {spoken.text}" if group else spoken.text}}
        code = self.state.keep(self.state.files, spoken.content, spoken.filename, spoken.content_type, "mIofN")
        if spoken.kind == "image" and (group or spoken.text):
            parts = [{"text": spoken.text}] if spoken.text else []
            return {"msgtype": "richText",
                    "content": {"richText": [*parts, {"type": "picture", "downloadCode": code}]}}  # fmt: skip
        kind, more = _KINDS.get(spoken.kind, _KINDS["file"])
        return {"msgtype": kind, "content": {"downloadCode": code, **more(spoken)}}

    # — HTTP —

    async def save_events(self, url: str) -> bool:
        """What the console does when the admin saves the address of the event subscription."""
        return await self.push_event(url, {"EventType": "check_url"})

    async def push_event(self, url: str, event: Mapping[str, Any]) -> bool:
        """Whether it was answered in time with the sealed `success`."""
        for _ in range(self.state.rules.event_deliveries):
            timestamp, nonce = str(round(self.state.now * 1000)), secrets.token_hex(4)
            sealed = self._envelope.seal(_json(event))
            given = self._envelope.sign(sealed, timestamp, nonce)
            query = {"msg_signature": given, "signature": given, "timestamp": timestamp, "nonce": nonce}
            answer = await self._post(
                url, {"encrypt": sealed}, query=query, seconds=self.state.rules.event_seconds
            )
            if answer is not None and self._is_success(answer[1]):
                return True
        return False

    def _is_success(self, body: bytes) -> bool:
        try:
            said = orjson.loads(body)
            opened = self._envelope.open(
                said["encrypt"], said["msg_signature"], said["timeStamp"], said["nonce"], (CLIENT_ID,)
            )
        except (ValueError, KeyError, TypeError, OmnihubError):
            return False
        return opened.plain == b"success"

    def _signed(self) -> dict[str, str]:
        timestamp = str(round(self.state.now * 1000))
        made = hmac.new(CLIENT_SECRET.encode(), f"{timestamp}\n{CLIENT_SECRET}".encode(), hashlib.sha256)
        return {"timestamp": timestamp, "sign": base64.b64encode(made.digest()).decode()}

    async def _post(
        self, url: str, body: Mapping[str, Any], *, seconds: float,
        headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes] | None:  # fmt: skip
        try:
            async with asyncio.timeout(seconds), aiohttp.ClientSession() as http:
                sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
                async with http.post(url, data=_json(body), headers=sent, params=dict(query or {})) as answer:
                    taken = (answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError):
            return None
        self.answers.append(taken)
        return taken

    async def _say(self, person: Person, words: str) -> None:
        await self.chats.show(person.id, "system", "text", words)


_More = Callable[[Spoken], dict[str, Any]]
_KINDS: Mapping[str, tuple[str, _More]] = {
    "image": ("picture", lambda _: {}),
    "voice": ("audio", lambda spoken: {"duration": 1000, "recognition": spoken.text}),
    "video": ("video", lambda _: {"duration": "1000", "videoType": "mp4"}),
    "file": ("file", lambda spoken: {"fileName": spoken.filename or "file.bin"}),
}


def _invented(name: str, number: int) -> Person:
    return Person(id=f"member{number:04d}", name=name)


def _bare(name: str) -> str:
    return name.partition("（")[0]


def _json(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value)

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.reading import Fields, inner, text_of
from omnihub.connectors.simulation import Action, Chats, Line, Person, Spoken
from omnihub.connectors.wecom_api.platform import CORP_ID, Answer, Complaint, Platform

AGENT_ID = 1000002
NAME = "Demo WeCom app"
# Known to the company, but outside the app's visible range.
OUTSIDER = "ChenOutside"
_TEXT_BYTES = 2048
_RECALL_SECONDS = 86_400
_UNDELIVERED = "消息未送达：应用的回调地址没有响应 / Not delivered: the app's callback URL did not answer"
_PEOPLE = (
    Person(id="ZhangWei", name="张伟"), Person(id="LiNa", name="李娜"), Person(id="TomBrown", name="Tom Brown"),
)  # fmt: skip
_ACTIONS = (
    Action(key="open", en="Open the app", zh="进入应用"),
    Action(key="menu", en="Press a menu", zh="点击菜单"),
)
_NOTES = {
    "en": "Employees Zhang Wei, Li Na and Tom Brown write to the IT help desk on the customers' page. More than "
    "30 messages a minute to one of them are dropped without a word, as WeCom does.",
    "zh": "员工张伟、李娜和 Tom Brown 可在客户页面向 IT 服务台提问。与企业微信一样，"
    "每分钟发给同一成员超过 30 条的消息会被悄悄丢弃。",
}


class Simulator:
    """WeCom as an internal app meets it. `per_minute`: messages to one person beyond it vanish."""

    def __init__(
        self, folder: Path, *, per_minute: int = 30, clock: Callable[[], float] = time.time, **timing: Any
    ) -> None:
        self.platform = Platform(clock=clock, **timing)
        self.chats = Chats(
            self._hear, people=_PEOPLE, kinds=("text", "image", "voice", "video"), actions=_ACTIONS,
            invent=lambda name, number: Person(id=f"member{number:04d}", name=name),
        )  # fmt: skip
        self.dropped = 0
        self._per_minute = per_minute
        self._clock = clock
        self._sent: dict[str, list[float]] = {}
        self._seen: dict[str, float] = {}
        self._lines: dict[str, tuple[float, list[Line]]] = {}
        self.platform.answers("/cgi-bin/message/send", self._send)
        self.platform.answers("/cgi-bin/message/recall", self._recall)
        self.platform.answers("/cgi-bin/user/get", self._user, "GET")
        self.platform.answers("/cgi-bin/agent/get", self._agent, "GET")

    async def start(self) -> None:
        await self.platform.start()

    async def stop(self) -> None:
        await self.platform.stop()

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {**self.platform.settings(), "agent_id": AGENT_ID}
        return (DemoAccount(name=NAME, settings=settings, notes=_NOTES),)

    def pages(self) -> web.Application | None:
        return None

    async def attach(self, doors: Mapping[str, str]) -> None:
        if door := doors.get(NAME):
            await self.platform.attach(door)

    # — the employee's side —

    async def _hear(self, person: Person, spoken: Spoken) -> None:
        if spoken.kind in ("open", "menu"):
            await self._act(person, spoken)
            return
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename,
            content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip
        await self._tell(
            person, {**self._content(spoken), "MsgId": 7_000_000_000_000_000 + self.platform.number()}
        )

    def _content(self, spoken: Spoken) -> dict[str, Any]:
        if spoken.kind == "text":
            return {"MsgType": "text", "Content": spoken.text}
        media_id = self.platform.keep(spoken.kind, spoken.filename, spoken.content_type, spoken.content)
        more = {"voice": {"Format": "amr"}, "video": {"ThumbMediaId": "thumb"}}.get(spoken.kind, {})
        return {"MsgType": spoken.kind, "MediaId": media_id, **more}

    async def _act(self, person: Person, spoken: Spoken) -> None:
        if spoken.kind == "open":
            fields = {"MsgType": "event", "Event": "enter_agent", "EventKey": ""}
        else:
            fields = {"MsgType": "event", "Event": "click", "EventKey": spoken.text or "REPORT_A_FAULT"}
        words = {"open": "进入应用 / opened the app", "menu": f"点击菜单 / pressed {fields['EventKey']}"}
        await self.chats.show(person.id, "system", "text", words[spoken.kind])
        await self._tell(person, fields)

    async def _tell(self, person: Person, fields: Mapping[str, Any]) -> None:
        common = {"ToUserName": CORP_ID, "FromUserName": person.id, "CreateTime": int(self._clock())}
        if not await self.platform.push({**common, **fields, "AgentID": AGENT_ID}):
            await self.chats.show(person.id, "system", "text", _UNDELIVERED)

    # — the API —

    async def _send(self, body: Fields) -> Answer:
        if body.get("agentid") != AGENT_ID:
            raise Complaint(301002, "not allow operate agent with this token")
        wanted = [userid for userid in text_of(body, "touser").split("|") if userid]
        known = {person.id.lower(): person.id for person in self.chats.people}
        valid = [known[userid.lower()] for userid in wanted if userid.lower() in known]
        invalid = [userid.lower() for userid in wanted if userid.lower() not in known]
        if not valid:
            raise Complaint(81013, "user & party & tag all invalid")
        kind, shown = self._shown(body)
        msgid = f"sim{self.platform.number():08d}{os.urandom(16).hex()}"
        lines: list[Line] = []
        if not self._is_repeat(body, kind, shown):
            lines = [line for userid in valid if (line := await self._deliver(userid, kind, shown))]
        self._lines[msgid] = (self._clock(), lines)
        return {"invaliduser": "|".join(invalid), "invalidparty": "", "invalidtag": "", "msgid": msgid}

    def _shown(self, body: Fields) -> tuple[str, Mapping[str, Any]]:
        kind = text_of(body, "msgtype")
        if kind == "text":
            content = text_of(inner(body, "text"), "content")
            if not content:
                raise Complaint(44004, "empty content")
            # Cut off without a word, as the platform does.
            return kind, {"text": content.encode()[:_TEXT_BYTES].decode("utf-8", "ignore")}
        if kind not in ("image", "voice", "video", "file"):
            raise Complaint(40008, "invalid message type")
        kept = self.platform.file(text_of(inner(body, kind), "media_id"), kind)
        return kind, {"filename": kept.filename, "content_type": kept.content_type, "media": kept.content}

    def _is_repeat(self, body: Fields, kind: str, shown: Mapping[str, Any]) -> bool:
        name = repr((text_of(body, "touser"), kind, sorted(shown.items())))
        seconds = float(body.get("duplicate_check_interval") or 1800)
        earlier = self._seen.get(name, float("-inf"))
        self._seen[name] = self._clock()
        return bool(body.get("enable_duplicate_check")) and self._clock() - earlier < seconds

    async def _deliver(self, userid: str, kind: str, shown: Mapping[str, Any]) -> Line | None:
        now = self._clock()
        recent = [at for at in self._sent.get(userid, ()) if now - at < 60]
        self._sent[userid] = recent
        if len(recent) >= self._per_minute:
            self.dropped += 1
            return None
        recent.append(now)
        return await self.chats.show(userid, "desk", kind, **shown)

    async def _recall(self, body: Fields) -> Answer:
        sent = self._lines.get(text_of(body, "msgid"))
        if sent is None:
            raise Complaint(40058, "invalid Request Parameter, msgid")
        at, lines = sent
        if self._clock() - at > _RECALL_SECONDS:
            raise Complaint(40058, "invalid Request Parameter, message can not be recalled after 24 hours")
        for line in lines:
            await self.chats.recall(line)
        return {}

    async def _user(self, query: Fields) -> Answer:
        userid = text_of(query, "userid")
        person = self.chats.person(userid)
        if userid == OUTSIDER:
            raise Complaint(60011, "no privilege to access/modify contact/party/agent")
        if person is None:
            raise Complaint(60111, "userid not found")
        return {"userid": userid, "name": person.name, "mobile": f"138{crc32(userid.encode()) % 10**8:08d}"}

    async def _agent(self, query: Fields) -> Answer:
        if text_of(query, "agentid") != str(AGENT_ID):
            raise Complaint(301002, "not allow operate agent with this token")
        return {"agentid": AGENT_ID, "name": "IT 服务台"}

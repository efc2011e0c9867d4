import asyncio
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.connectors.simulation import Action, Chats, Person, Spoken
from omnihub.connectors.wecom_api.platform import CORP_ID, Answer, Complaint, Platform
from omnihub.connectors.wecom_kf.simulator_log import MOVES, KfLog, Session

OPEN_KFID = "wkDemoService000000000000001"
NAME = "Demo 微信客服"
SERVICER = "LiuServicer"
_KF_NAME = "售后服务"
_MSGID = re.compile(r"[0-9a-zA-Z_-]{0,32}")
_WINDOW_SECONDS, _WINDOW_MESSAGES = 48 * 3600, 5
_WELCOME_SECONDS = 20
_TEXT_BYTES = 2048
_KINDS = ("text", "image", "voice", "video", "file")
_UNDELIVERED = "企业的回调地址没有响应 / The company's callback URL did not answer"
_PEOPLE = (
    Person(id="wmDemoCustomerWangFang00001", name="王芳"),
    Person(id="wmDemoCustomerLiuYang000002", name="刘洋"),
    Person(id="wmDemoCustomerEmmaStone0003", name="Emma Stone"),
)
_ACTIONS = (
    Action(key="open", en="Open the chat", zh="进入会话"),
    Action(key="recall", en="Take back the last message", zh="撤回上一条消息"),
    Action(key="reject", en="Refuse messages, or take them again", zh="拒收消息 / 恢复接收"),
)
_NOTES = {
    "en": "Wang Fang, Liu Yang and Emma Stone write on the customers' page. Each of their messages may be "
    "answered 5 times within 48 hours; one who refuses messages makes an answer fail after it was sent.",
    "zh": "王芳、刘洋和 Emma Stone 可在客户页面发消息。客户每发一条消息，48 小时内最多回复 5 条；"
    "客户拒收时，消息会在发送后提示失败。",
}


class Simulator:
    """WeCom with one KF account. `bells`: callbacks per message. `repeats`: what a msgid that was used before is
    answered; WeCom's page says only that it is an error. `most_pulls` is how many pulls ran at one time."""

    def __init__(
        self, folder: Path, *, bells: int = 1, repeats: str = "same", clock: Callable[[], float] = time.time,
        untokened_per_minute: int = 6, empty_pages: bool = True, page: int = 1000, **timing: Any,
    ) -> None:  # fmt: skip
        self.platform = Platform(clock=clock, **timing)
        self.chats = Chats(
            self._hear, people=_PEOPLE, kinds=_KINDS, actions=_ACTIONS,
            invent=lambda name, number: Person(id=f"wmDemoCustomerInvented{number:05d}", name=name),
        )  # fmt: skip
        self.log = KfLog(
            open_kfid=OPEN_KFID, clock=clock, untokened_per_minute=untokened_per_minute,
            empty_pages=empty_pages, page=page,
        )  # fmt: skip
        self.sent: dict[str, str] = {}
        self.most_pulls = 0
        self.pull_gate = asyncio.Event()
        self.pull_gate.set()
        self.sessions: dict[str, Session] = {}
        self._pulls = 0
        self._bells = bells
        self._repeats = repeats
        self._clock = clock
        self._later: set[asyncio.Task[None]] = set()
        for path, ask in {
            "sync_msg": self._sync, "send_msg": self._send, "send_msg_on_event": self._send_on_event,
            "service_state/get": self._state, "service_state/trans": self._move, "account/list": self._accounts,
            "add_contact_way": self._link, "customer/batchget": self._customers,
        }.items():  # fmt: skip
            self.platform.answers(f"/cgi-bin/kf/{path}", ask)

    async def start(self) -> None:
        await self.platform.start()

    async def stop(self) -> None:
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self.platform.stop()

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {**self.platform.settings(), "welcome_text": "您好，请问有什么可以帮您？", "poll_seconds": 30}
        return (DemoAccount(name=NAME, settings=settings, notes=_NOTES),)

    def pages(self) -> web.Application | None:
        return None

    async def attach(self, doors: Mapping[str, str]) -> None:
        if door := doors.get(NAME):
            await self.platform.attach(door)

    def session(self, external_userid: str) -> Session:
        return self.sessions.setdefault(external_userid, Session())

    # — the customer's side —

    async def _hear(self, person: Person, spoken: Spoken) -> None:
        act = {"open": self.enter, "recall": self.recall, "reject": self.refuse}.get(spoken.kind)
        if act is not None:
            await act(person)
            return
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename,
            content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip
        session = self.heard(person.id)
        item = {**self.item(person.id, 3), **self._content(spoken)}
        session.last_msgid = item["msgid"]
        await self.tell(item, person.id)

    def heard(self, external_userid: str) -> Session:
        """The customer wrote: what was over begins anew, and so do the answers to it."""
        session = self.session(external_userid)
        session.state = 0 if session.state == 4 else session.state
        session.heard_at, session.sent_since = self._clock(), 0
        return session

    def item(self, external_userid: str, origin: int) -> dict[str, Any]:
        return {
            "msgid": f"sim{os.urandom(24).hex()}", "open_kfid": OPEN_KFID, "external_userid": external_userid,
            "send_time": int(self._clock()), "origin": origin,
        }  # fmt: skip

    def _content(self, spoken: Spoken) -> dict[str, Any]:
        if spoken.kind == "text":
            return {"msgtype": "text", "text": {"content": spoken.text}}
        media_id = self.platform.keep(spoken.kind, spoken.filename, spoken.content_type, spoken.content)
        return {"msgtype": spoken.kind, spoken.kind: {"media_id": media_id}}

    def event(self, external_userid: str, name: str, **fields: Any) -> dict[str, Any]:
        """The ids of an event stand within it only."""
        ids = {"open_kfid": OPEN_KFID, "external_userid": external_userid}
        item = {key: value for key, value in self.item(external_userid, 4).items() if key not in ids}
        return {**item, "msgtype": "event", "event": {"event_type": name, **ids, **fields}}

    async def enter(self, person: Person) -> None:
        session = self.session(person.id)
        code = {}
        if self._clock() - session.heard_at > _WINDOW_SECONDS:
            welcome = f"CODE{os.urandom(12).hex()}"
            session.welcomes[welcome] = self._clock() + _WELCOME_SECONDS
            code = {"welcome_code": welcome}
        await self.chats.show(person.id, "system", "text", "进入会话 / opened the chat")
        await self.tell(self.event(person.id, "enter_session", scene="omnihub", scene_param="", **code), person.id)

    async def recall(self, person: Person) -> None:
        session = self.session(person.id)
        mine = [line for line in self.chats.lines(person.id) if line.author == "customer" and not line.recalled]
        if not mine or not session.last_msgid:
            return
        await self.chats.recall(mine[-1])
        await self.tell(self.event(person.id, "user_recall_msg", recall_msgid=session.last_msgid), person.id)
        session.last_msgid = ""

    async def refuse(self, person: Person) -> None:
        session = self.session(person.id)
        session.refuses = not session.refuses
        words = "已拒收消息 / refuses messages" if session.refuses else "已恢复接收 / takes messages again"
        await self.chats.show(person.id, "system", "text", words)

    async def say_as_servicer(self, person: Person, content: str) -> None:
        """A colleague takes over in the WeCom client and writes there."""
        session = self.session(person.id)
        session.state, session.servicer = 3, SERVICER
        taken = self.event(person.id, "session_status_change", change_type=1, new_servicer_userid=SERVICER)
        said = {
            **self.item(person.id, 5),
            "servicer_userid": SERVICER,
            "msgtype": "text",
            "text": {"content": content},
        }
        self.log.add(taken)
        await self.chats.show(person.id, "desk", "text", content)
        await self.tell(said, person.id)

    async def tell(self, item: Mapping[str, Any], external_userid: str) -> None:
        """Something to pull, and the bell for it, which says nothing of it."""
        self.log.add(item)
        taken = [await self._ring() for _ in range(self._bells)]
        if not all(taken):
            await self.chats.show(external_userid, "system", "text", _UNDELIVERED)

    async def _ring(self) -> bool:
        return await self.platform.push({
            "ToUserName": CORP_ID, "CreateTime": int(self._clock()), "MsgType": "event",
            "Event": "kf_msg_or_event", "Token": self.log.ring(), "OpenKfId": OPEN_KFID,
        })  # fmt: skip

    # — the API —

    async def _sync(self, body: Fields) -> Answer:
        _known(body)
        self._pulls += 1
        self.most_pulls = max(self.most_pulls, self._pulls)
        try:
            await self.pull_gate.wait()
            limit = body.get("limit")
            return self.log.pull(
                text_of(body, "cursor"), text_of(body, "token"), limit if isinstance(limit, int) else 0
            )
        finally:
            self._pulls -= 1

    async def _send(self, body: Fields) -> Answer:
        _known(body)
        userid, msgid = text_of(body, "touser"), text_of(body, "msgid")
        if not _MSGID.fullmatch(msgid):
            raise Complaint(40058, "invalid Request Parameter, msgid")
        if msgid and msgid in self.sent:
            if self._repeats == "same":
                return {"msgid": msgid}
            raise Complaint(40058, "invalid Request Parameter, msgid is not unique")
        if self.chats.person(userid) is None:
            raise Complaint(40096, "invalid external userid")
        self._check_window(self.session(userid))
        kind, shown = self._shown(body)
        msgid = msgid or f"sim{os.urandom(12).hex()}"
        self.sent[msgid] = userid
        self.session(userid).sent_since += 1
        if self.session(userid).refuses:
            self._do_later(self.tell(self.event(userid, "msg_send_fail", fail_msgid=msgid, fail_type=10), userid))
        else:
            await self.chats.show(userid, "desk", kind, **shown)
        return {"msgid": msgid}

    def _check_window(self, session: Session) -> None:
        if session.state not in (0, 1):
            over = session.state == 4
            raise Complaint(
                95013 if over else 95018, "conversation end" if over else "send msg session status invalid"
            )
        if self._clock() - session.heard_at > _WINDOW_SECONDS:
            raise Complaint(95002, "send msg time limit")
        if session.sent_since >= _WINDOW_MESSAGES:
            raise Complaint(95001, "send msg count limit")

    def _shown(self, body: Fields) -> tuple[str, Mapping[str, Any]]:
        kind = text_of(body, "msgtype")
        if kind == "text":
            content = text_of(inner(body, "text"), "content")
            if not content:
                raise Complaint(44004, "empty content")
            if len(content.encode()) > _TEXT_BYTES:
                raise Complaint(45002, "content size out of limit")
            return kind, {"text": content}
        if kind not in _KINDS:
            raise Complaint(40008, "invalid message type")
        kept = self.platform.file(text_of(inner(body, kind), "media_id"), kind)
        return kind, {"filename": kept.filename, "content_type": kept.content_type, "media": kept.content}

    async def _send_on_event(self, body: Fields) -> Answer:
        code = text_of(body, "code")
        found = next(((who, one) for who, one in self.sessions.items() if code in one.welcomes), None)
        if found is None or found[1].welcomes.pop(code) < self._clock():
            raise Complaint(40058, "invalid Request Parameter, code")
        kind, shown = self._shown(body)
        await self.chats.show(found[0], "desk", kind, **shown)
        return {"msgid": text_of(body, "msgid") or f"sim{os.urandom(12).hex()}"}

    async def _state(self, body: Fields) -> Answer:
        _known(body)
        session = self.session(text_of(body, "external_userid"))
        return {"service_state": session.state, "servicer_userid": session.servicer}

    async def _move(self, body: Fields) -> Answer:
        _known(body)
        session, wanted = self.session(text_of(body, "external_userid")), body.get("service_state")
        if not isinstance(wanted, int) or wanted not in MOVES[session.state]:
            raise Complaint(95016, "not allow to trans to this state")
        if wanted == 3 and text_of(body, "servicer_userid") != SERVICER:
            raise Complaint(95014, "user is not a servicer")
        session.state, session.servicer = wanted, SERVICER if wanted == 3 else ""
        return {"msg_code": f"MSG{os.urandom(8).hex()}"}

    async def _accounts(self, body: Fields) -> Answer:
        listed = [{"open_kfid": OPEN_KFID, "name": _KF_NAME, "avatar": "", "manage_privilege": True}]
        return {"account_list": [] if body.get("offset") else listed}

    async def _link(self, body: Fields) -> Answer:
        _known(body)
        return {"url": f"https://work.weixin.qq.com/kf/demo?enc_scene={text_of(body, 'scene')}"}

    async def _customers(self, body: Fields) -> Answer:
        wanted = [one for one in items(body, "external_userid_list") if isinstance(one, str)]
        known = [person for one in wanted if (person := self._recent(one))]
        listed = [
            {"external_userid": one.id, "nickname": one.name, "avatar": "", "gender": 0,
             "unionid": f"o6demo{one.id[-9:]}"}
            for one in known
        ]  # fmt: skip
        ids = {one.id for one in known}
        return {"customer_list": listed, "invalid_external_userid": [one for one in wanted if one not in ids]}

    def _recent(self, external_userid: str) -> Person | None:
        """Whoever was active within 48 hours; of others nothing is told."""
        silent = self._clock() - self.session(external_userid).heard_at > _WINDOW_SECONDS
        return None if silent else self.chats.person(external_userid)

    def _do_later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def _known(body: Fields) -> None:
    if text_of(body, "open_kfid") != OPEN_KFID:
        raise Complaint(95000, "invalid open_kfid")

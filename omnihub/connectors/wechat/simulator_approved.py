"""The part of the API that only Official Accounts have: template and subscribe messages, people."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from omnihub.connectors.wechat_api.simulator_desk import ServiceDesk, json_body
from omnihub.connectors.wechat_api.simulator_errors import OK, ApiFault, answer

_SAME_SECONDS = 600.0
Fields = dict[str, Any]


@dataclass(slots=True, frozen=True, kw_only=True)
class Known:
    """A template that the console approved: its text with {{key.DATA}}, as the console shows it."""

    id: str
    text: str

    def shown(self, data: object) -> str:
        """Raises ApiFault where a blank has no value."""
        text = self.text
        for key in self.keys():
            given = data.get(key) if isinstance(data, dict) else None
            value = given.get("value") if isinstance(given, dict) else None
            if not isinstance(value, str) or not value:
                raise ApiFault(47003, f"argument invalid! data.{key}.value is empty")
            text = text.replace(f"{{{{{key}.DATA}}}}", value)
        return text

    def keys(self) -> list[str]:
        return [part.partition(".DATA}}")[0] for part in self.text.split("{{")[1:]]


@dataclass(slots=True, kw_only=True)
class Follower:
    """`accepted`: subscribe messages that may still be sent. `blocked`: takes no template messages."""

    openid: str
    subscribed: bool = True
    unionid: str = ""
    remark: str = ""
    accepted: int = 0
    blocked: bool = False


class ApprovedMessages:
    """`show` puts a text before the customer; `push` tells the hub the result, `result_seconds` later."""

    def __init__(
        self, *, desk: ServiceDesk, followers: dict[str, Follower], templates: tuple[Known, ...], subscribe: Known,
        clock: Callable[[], float], result_seconds: float, show: Callable[[str, str], Awaitable[None]],
        push: Callable[[str, Fields], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._desk = desk
        self._followers = followers
        self._templates = {one.id: one for one in templates}
        self._subscribe = subscribe
        self._clock = clock
        self._result_seconds = result_seconds
        self._show = show
        self._push = push
        self._numbers = int(clock() * 1000)
        self._sent: dict[tuple[str, str], tuple[float, int]] = {}
        self._results: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/cgi-bin/message/template/send", self._desk.guarded(self._template)),
            web.post("/cgi-bin/message/subscribe/bizsend", self._desk.guarded(self._bizsend)),
            web.get("/cgi-bin/user/info", self._desk.guarded(self._user)),
        ]

    async def stop(self) -> None:
        for task in self._results:
            task.cancel()
        await asyncio.gather(*self._results, return_exceptions=True)

    async def _template(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        follower = self._follower(str(body.get("touser", "")))
        if not follower.subscribed:
            raise ApiFault(43004, "require subscribe")
        template = self._templates.get(str(body.get("template_id", "")))
        if template is None:
            raise ApiFault(40037, "invalid template_id")
        text = template.shown(body.get("data"))
        number, known = self._number(follower.openid, str(body.get("client_msg_id", "")))
        if not known:
            self._desk.seen.append((request.path, body))
            await self._template_result(follower, text, number)
        await self._desk.settle()
        return answer({**OK, "msgid": number})

    async def _template_result(self, follower: Follower, text: str, number: int) -> None:
        if not follower.blocked:
            await self._show(follower.openid, text)
        status = "failed:user block" if follower.blocked else "success"
        self._later(
            follower.openid,
            {"MsgType": "event", "Event": "TEMPLATESENDJOBFINISH", "MsgID": number, "Status": status},
        )

    async def _bizsend(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        follower = self._follower(str(body.get("touser", "")))
        if body.get("template_id") != self._subscribe.id:
            raise ApiFault(40037, "invalid template_id")
        text = self._subscribe.shown(body.get("data"))
        if not follower.accepted:
            raise ApiFault(43101, "user refuse to accept the msg")
        follower.accepted -= 1
        self._desk.seen.append((request.path, body))
        await self._show(follower.openid, text)
        number, _ = self._number(follower.openid, "")
        result = {"TemplateId": self._subscribe.id, "MsgID": number, "ErrorCode": 0, "ErrorStatus": "success"}
        event = {"Event": "subscribe_msg_sent_event", "SubscribeMsgSentEvent": {"List": result}}
        self._later(follower.openid, {"MsgType": "event", **event})
        await self._desk.settle()
        return answer(OK)

    async def _user(self, request: web.Request) -> web.Response:
        follower = self._follower(request.query.get("openid", ""))
        if not follower.subscribed:
            return answer({"subscribe": 0, "openid": follower.openid, "tagid_list": []})
        told: dict[str, object] = {
            "subscribe": 1, "openid": follower.openid, "language": "zh_CN", "remark": follower.remark,
            "groupid": 0, "tagid_list": [], "subscribe_scene": "ADD_SCENE_QR_CODE", "qr_scene": 0,
            "qr_scene_str": "",
        }  # fmt: skip
        return answer(told | ({"unionid": follower.unionid} if follower.unionid else {}))

    def _follower(self, openid: str) -> Follower:
        self._desk.check_person(openid)
        return self._followers[openid]

    def _number(self, openid: str, client_id: str) -> tuple[int, bool]:
        """The message's number, and whether it was sent before under the caller's id."""
        at = self._clock()
        known = self._sent.get((openid, client_id)) if client_id else None
        if known and at - known[0] < _SAME_SECONDS:
            return known[1], True
        self._numbers += 1
        if client_id:
            self._sent[openid, client_id] = (at, self._numbers)
        return self._numbers, False

    def _later(self, openid: str, fields: Fields) -> None:
        async def tell() -> None:
            await asyncio.sleep(self._result_seconds)
            await self._push(openid, fields)

        task = asyncio.create_task(tell())
        self._results.add(task)
        task.add_done_callback(self._results.discard)

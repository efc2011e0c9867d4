import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from omnihub.connectors.wechat_api.simulator_desk import ServiceDesk, json_body
from omnihub.connectors.wechat_api.simulator_errors import OK, ApiFault, answer
from omnihub.connectors.wechat_miniprogram.simulator_demo import TEMPLATE_ID, TEMPLATE_TEXT

_PATH = "/cgi-bin/message/subscribe/send"
_BLANK = re.compile(r"\{\{(\w+)\.DATA\}\}")


class SubscribeDesk:
    """Subscribe messages: each agreement of a customer carries one message."""

    def __init__(self, desk: ServiceDesk, show: Callable[[str, str], Awaitable[None]]) -> None:
        self._desk = desk
        self._show = show
        self._agreed: Counter[str] = Counter()

    def routes(self) -> list[web.RouteDef]:
        return [web.post(_PATH, self._desk.guarded(self._send))]

    def accept(self, openid: str) -> None:
        self._agreed[openid] += 1

    async def _send(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        openid = str(body.get("touser", ""))
        self._desk.check_person(openid)
        if body.get("template_id") != TEMPLATE_ID:
            raise ApiFault(40037, "invalid template_id")
        text = _written(body.get("data"))
        if not self._agreed[openid]:
            raise ApiFault(43101, "user refuse to accept the msg")
        self._agreed[openid] -= 1
        self._desk.seen.append((request.path, body))
        await self._show(openid, text)
        await self._desk.settle()
        return answer(OK)


def _written(data: Any) -> str:
    """Raises ApiFault where a blank has no value."""

    def value(blank: re.Match[str]) -> str:
        given = data.get(blank[1]) if isinstance(data, Mapping) else None
        words = given.get("value") if isinstance(given, Mapping) else None
        if not isinstance(words, str) or not words:
            raise ApiFault(47003, f"argument invalid! data.{blank[1]}.value is empty")
        return words

    return _BLANK.sub(value, TEMPLATE_TEXT)

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from aiohttp import BodyPartReader, web

from omnihub.connectors.wechat_api.simulator_errors import OK, ApiFault, answer
from omnihub.connectors.wechat_api.simulator_quota import Quota
from omnihub.connectors.wechat_api.simulator_shelf import MediaShelf, Shelved
from omnihub.connectors.wechat_api.simulator_tokens import TokenOffice

Body = dict[str, Any]
# (openid, the whole body, the file that it names) — called after every rule was kept.
Deliver = Callable[[str, Body, Shelved | None], Awaitable[None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Standing = Literal["writable", "unsubscribed", "unknown"]

TEXT_BYTES = 2048
TYPING_SECONDS = 15.0
SPOKE_WITHIN = 30.0
_UPLOAD_BYTES = 22_020_096


@dataclass(slots=True, frozen=True, kw_only=True)
class Rules:
    """What this kind of account may send and upload, and where it shows that somebody types."""

    msgtypes: frozenset[str]
    uploads: frozenset[str]
    typing_path: str = "/cgi-bin/message/custom/typing"


class ServiceDesk:
    """The customer-service side of the API: tokens, files, messages, typing. `mute`: takes what is sent, and
    never answers. `fail_next` makes a path answer an error once, whatever is asked."""

    def __init__(
        self, *, rules: Rules, tokens: TokenOffice, shelf: MediaShelf, quota: Quota, clock: Callable[[], float],
        standing: Callable[[str], Standing], deliver: Deliver,
    ) -> None:  # fmt: skip
        self.rules = rules
        self.tokens = tokens
        self.shelf = shelf
        self.quota = quota
        self.mute = False
        self.seen: list[tuple[str, Body]] = []
        self._clock = clock
        self._standing = standing
        self._deliver = deliver
        self._failing: dict[str, list[ApiFault]] = {}
        self._spoke: dict[str, float] = {}
        self._typing: dict[str, float] = {}
        self._hung_up = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/cgi-bin/token", self.guarded(self._token, with_token=False)),
            web.post("/cgi-bin/stable_token", self.guarded(self._stable_token, with_token=False)),
            web.post("/cgi-bin/message/custom/send", self.guarded(self._send)),
            web.post(self.rules.typing_path, self.guarded(self._show_typing)),
            web.post("/cgi-bin/media/upload", self.guarded(self._upload)),
            web.get("/cgi-bin/media/get", self.guarded(self._media)),
            web.get("/videos/{media_id}", self.guarded(self._video, with_token=False)),
        ]

    def guarded(self, handle: Handler, *, with_token: bool = True) -> Handler:
        """Every answer of the API goes through here: token first, errors in the platform's shape."""

        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                if with_token:
                    self.tokens.check(request.query.get("access_token", ""))
                self._fail(request.path)
                return await handle(request)
            except ApiFault as fault:
                return fault.response()

        return handler

    def fail_next(self, path: str, code: int, words: str, times: int = 1) -> None:
        self._failing.setdefault(path, []).extend(ApiFault(code, words) for _ in range(times))

    def spoke(self, openid: str) -> None:
        """The person wrote just now."""
        self._spoke[openid] = self._clock()

    def release(self) -> None:
        """Lets go of the callers that a mute desk keeps waiting."""
        self._hung_up.set()

    async def settle(self) -> None:
        """The last moment before an answer: here a mute desk stays."""
        if self.mute:
            await self._hung_up.wait()

    def is_typing(self, openid: str) -> bool:
        return self._typing.get(openid, 0.0) > self._clock()

    def check_person(self, openid: str) -> None:
        """Raises ApiFault."""
        if self._standing(openid) == "unknown":
            raise ApiFault(40003, "invalid openid")

    def _fail(self, path: str) -> None:
        if waiting := self._failing.get(path):
            raise waiting.pop(0)

    async def _token(self, request: web.Request) -> web.Response:
        given = request.query
        if given.get("appid") is None:
            raise ApiFault(41002, "appid missing")
        value, seconds = self.tokens.plain(given["appid"], given.get("secret", ""))
        if given.get("grant_type") != "client_credential":
            raise ApiFault(40002, "invalid grant_type")
        return answer({"access_token": value, "expires_in": seconds})

    async def _stable_token(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if body.get("grant_type") != "client_credential":
            raise ApiFault(40002, "invalid grant_type")
        force = body.get("force_refresh") is True
        value, seconds = self.tokens.stable(str(body.get("appid", "")), str(body.get("secret", "")), force)
        return answer({"access_token": value, "expires_in": seconds})

    async def _send(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        openid = str(body.get("touser", ""))
        self.check_person(openid)
        shelved = self._readable(body)
        if self._standing(openid) != "writable":
            raise ApiFault(45015, "response out of time limit or subscription is canceled")
        self.quota.use(openid)
        self._typing.pop(openid, None)
        self.seen.append((request.path, body))
        await self._deliver(openid, body, shelved)
        await self.settle()
        return answer(OK)

    def _readable(self, body: Body) -> Shelved | None:
        """The file that the message names. Raises ApiFault for what cannot be shown."""
        kind = body.get("msgtype")
        if not isinstance(kind, str) or kind not in self.rules.msgtypes:
            raise ApiFault(40008, "invalid message type")
        part = body.get(kind)
        if not isinstance(part, dict):
            raise ApiFault(44004, "empty content")
        if kind == "text":
            _check_text(part.get("content"))
        articles = part.get("articles")
        if isinstance(articles, list) and len(articles) != 1:
            raise ApiFault(45008, "article size out of limit")
        media_id = part.get("media_id", part.get("thumb_media_id"))
        if media_id is None and kind not in ("image", "voice", "video", "miniprogrampage"):
            return None
        return self.shelf.get(str(media_id))

    async def _show_typing(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        openid, command = str(body.get("touser", "")), body.get("command")
        self.check_person(openid)
        if command not in ("Typing", "CancelTyping"):
            raise ApiFault(45072, "command not support")
        if command == "CancelTyping":
            self._typing.pop(openid, None)
            return answer(OK)
        if self._spoke.get(openid, float("-inf")) + SPOKE_WITHIN < self._clock():
            raise ApiFault(45080, "can only send typing within 30s after receiving a message")
        if self.is_typing(openid):
            raise ApiFault(45081, "already typing, do not type again")
        self._typing[openid] = self._clock() + TYPING_SECONDS
        self.seen.append((request.path, body))
        return answer(OK)

    async def _upload(self, request: web.Request) -> web.Response:
        kind = request.query.get("type", "")
        if kind not in self.rules.uploads:
            raise ApiFault(40004, "invalid media type")
        if not request.content_type.startswith("multipart/"):
            raise ApiFault(41005, "media data missing")
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name == "media" and part.filename:
                content = bytes(await part.read(decode=False))
                content_type = part.headers.get("Content-Type", "application/octet-stream")
                media_id = self.shelf.upload(kind, content, content_type, part.filename)
                return answer({"type": kind, "media_id": media_id, "created_at": int(self._clock())})
        raise ApiFault(41005, "media data missing")

    async def _media(self, request: web.Request) -> web.Response:
        """A video is only named by its address, in JSON that says it is text; the rest comes as it is."""
        media_id = request.query.get("media_id", "")
        kept = self.shelf.get(media_id)
        if kept.kind == "video":
            url = f"{request.scheme}://{request.host}/videos/{media_id}"
            return web.Response(body=orjson.dumps({"video_url": url}), content_type="text/plain")
        return file_response(kept)

    async def _video(self, request: web.Request) -> web.Response:
        return file_response(self.shelf.get(request.match_info["media_id"]))


def application() -> web.Application:
    """One that takes uploads as large as the platform does."""
    return web.Application(client_max_size=_UPLOAD_BYTES)


def file_response(kept: Shelved) -> web.Response:
    named = {"Content-disposition": f'attachment; filename="{kept.filename}"'}
    return web.Response(body=kept.content, content_type=kept.content_type, headers=named)


async def json_body(request: web.Request) -> Body:
    """Raises ApiFault."""
    try:
        read = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        read = None
    if not isinstance(read, Mapping):
        raise ApiFault(47001, "data format error")
    return dict(read)


def _check_text(content: object) -> None:
    if not isinstance(content, str) or not content:
        raise ApiFault(44004, "empty content")
    if len(content.encode()) > TEXT_BYTES:
        raise ApiFault(45002, "content size out of limit")

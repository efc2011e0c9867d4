"""WeCom's side, as the simulators of the app and of 微信客服 share it: tokens, files, and the callback."""

import asyncio
import itertools
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import aiohttp
import orjson
from aiohttp import web

from omnihub.connectors.reading import Fields
from omnihub.connectors.sealed import Envelope
from omnihub.connectors.simulation import Loopback

CORP_ID = "wwdemo0000000001"
SECRET = "demo-secret-of-the-app"
CALLBACK_TOKEN = "demoCallbackToken"
AES_KEY = "OmnihubDemoKeyOmnihubDemoKeyOmnihubDemoKey0"
_PIECE = 20_971_520
_SMALLEST = 6
_LIMITS = {"image": 10_485_760, "voice": 2_097_152, "video": 10_485_760, "file": 20_971_520}
_RANGE = re.compile(r"bytes=(\d+)-(\d+)?")

Answer = Mapping[str, Any]
Ask = Callable[[Fields], Awaitable[Answer]]


class Complaint(Exception):
    """An error in the platform's own shape: HTTP 200 with a code."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(slots=True, frozen=True, kw_only=True)
class Kept:
    kind: str
    filename: str
    content_type: str
    content: bytes


class Platform:
    """One app of one company. `check_seconds`: what the answer to the URL check may take; `push_seconds`: that
    to a push, which is delivered `deliveries` times in all. `mute`: paths that do their work and never answer.
    `calls` counts the calls by path."""

    def __init__(
        self, *, token_seconds: float = 7200, check_seconds: float = 1, push_seconds: float = 5,
        deliveries: int = 3, pause_seconds: float = 1, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.url = ""
        self.door = ""
        self.door_fault = ""
        self.mute: set[str] = set()
        self.calls: dict[str, int] = {}
        self.files: dict[str, Kept] = {}
        self.app = web.Application(client_max_size=64 * 1024 * 1024)
        self.clock = clock
        self._token_seconds = token_seconds
        self._check_seconds = check_seconds
        self._push_seconds = push_seconds
        self._deliveries = deliveries
        self._pause_seconds = pause_seconds
        self._token = ("", 0.0)
        self._numbers = itertools.count(1)
        self._loopback = Loopback(self.app)
        self._http: aiohttp.ClientSession | None = None
        self._closing = asyncio.Event()
        self.app.router.add_get("/cgi-bin/gettoken", self._give_token)
        self.app.router.add_post("/cgi-bin/media/upload", self._take_file)
        self.app.router.add_get("/cgi-bin/media/get", self._give_file)

    async def start(self) -> None:
        self._closing = asyncio.Event()
        self._http = aiohttp.ClientSession()
        self.url = await self._loopback.start()

    async def stop(self) -> None:
        self._closing.set()
        if self._http is not None:
            await self._http.close()
            self._http = None
        await self._loopback.stop()

    def settings(self) -> dict[str, Any]:
        """As an admin would enter them."""
        return {
            "corp_id": CORP_ID, "secret": SECRET, "token": CALLBACK_TOKEN, "encoding_aes_key": AES_KEY,
            "base_url": self.url,
        }  # fmt: skip

    def number(self) -> int:
        return next(self._numbers)

    # — the API —

    def answers(self, path: str, ask: Ask, method: str = "POST") -> None:
        """A path that wants an access token and takes JSON, or a query where it is read by GET."""

        async def handle(request: web.Request) -> web.Response:
            body = await self._body(request) if method == "POST" else dict(request.query)
            return await self.guarded(request, lambda: ask(body))

        self.app.router.add_route(method, path, handle)

    async def guarded(self, request: web.Request, work: Callable[[], Awaitable[Answer]]) -> web.Response:
        self.calls[request.path] = self.calls.get(request.path, 0) + 1
        try:
            self._check_token(request)
            answer = await work()
        except Complaint as complaint:
            return await self._say(request, _words(complaint))
        return await self._say(request, {"errcode": 0, "errmsg": "ok", **answer})

    async def _body(self, request: web.Request) -> Fields:
        try:
            read = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            return {}
        return read if isinstance(read, dict) else {}

    async def _say(self, request: web.Request, answer: Answer) -> web.Response:
        if request.path in self.mute:
            await self._closing.wait()
        return web.Response(body=orjson.dumps(answer), content_type="application/json", charset="utf-8")

    def _check_token(self, request: web.Request) -> None:
        given = request.query.get("access_token", "")
        value, until = self._token
        if not given:
            raise Complaint(41001, "access_token missing")
        if given != value:
            raise Complaint(40014, "invalid access_token")
        if self.clock() >= until:
            raise Complaint(42001, "access_token expired")

    def expire_token(self) -> None:
        self._token = (self._token[0], 0.0)

    async def _give_token(self, request: web.Request) -> web.Response:
        self.calls[request.path] = self.calls.get(request.path, 0) + 1
        if request.query.get("corpid") != CORP_ID:
            return await self._say(request, _words(Complaint(40013, "invalid corpid")))
        if request.query.get("corpsecret") != SECRET:
            return await self._say(request, _words(Complaint(40001, "invalid credential")))
        if self.clock() >= self._token[1]:
            self._token = (f"sim-token-{os.urandom(12).hex()}", self.clock() + self._token_seconds)
        left = int(self._token[1] - self.clock())
        answer = {"errcode": 0, "errmsg": "ok", "access_token": self._token[0], "expires_in": left}
        return await self._say(request, answer)

    # — files —

    def keep(self, kind: str, filename: str, content_type: str, content: bytes) -> str:
        media_id = f"media{self.number():06d}{os.urandom(8).hex()}"
        self.files[media_id] = Kept(kind=kind, filename=filename, content_type=content_type, content=content)
        return media_id

    def file(self, media_id: str, kind: str) -> Kept:
        kept = self.files.get(media_id)
        if kept is None or kept.kind != kind:
            raise Complaint(40007, "invalid media_id")
        return kept

    async def _take_file(self, request: web.Request) -> web.Response:
        async def take() -> Answer:
            kind = request.query.get("type", "")
            if kind not in _LIMITS:
                raise Complaint(40004, "invalid media type")
            part = await (await request.multipart()).next()
            if not isinstance(part, aiohttp.BodyPartReader) or part.name != "media" or not part.filename:
                raise Complaint(44001, "empty media data")
            if "filename*" in part.headers.get("Content-Disposition", ""):
                raise Complaint(44001, "empty media data")
            content = bytes(await part.read())
            if not _SMALLEST <= len(content) <= _LIMITS[kind]:
                raise Complaint(40006, "invalid media size")
            media_id = self.keep(kind, part.filename, part.headers.get("Content-Type", ""), content)
            return {"type": kind, "media_id": media_id, "created_at": str(int(self.clock()))}

        return await self.guarded(request, take)

    async def _give_file(self, request: web.Request) -> web.Response:
        self.calls[request.path] = self.calls.get(request.path, 0) + 1
        try:
            self._check_token(request)
            kept = self.files.get(request.query.get("media_id", ""))
            if kept is None:
                raise Complaint(40007, "invalid media_id")
            asked = _RANGE.fullmatch(request.headers.get("Range", ""))
            if asked is None and len(kept.content) > _PIECE:
                raise Complaint(830002, "media size exceeds limit, use Range")
        except Complaint as complaint:
            return await self._say(request, _words(complaint))
        headers = {"Content-Disposition": f'attachment; filename="{kept.filename}"'}
        if asked is None:
            return web.Response(body=kept.content, content_type=_bare(kept.content_type), headers=headers)
        return _piece(kept, int(asked[1]), int(asked[2] or len(kept.content)), headers)

    # — the callback —

    async def attach(self, door: str) -> None:
        """What saving the callback URL does. `door_fault` says why it was not taken."""
        self.door_fault = await self._check_door(door)
        self.door = "" if self.door_fault else door

    async def _check_door(self, door: str) -> str:
        plain = str(10**18 + int.from_bytes(os.urandom(7))).encode()
        query, sealed = self._sealed(plain)
        try:
            status, body = await self._asked("GET", door, {**query, "echostr": sealed}, b"", self._check_seconds)
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"openapi回调地址请求不通过 ({type(error).__name__})"
        if status != 200 or body != plain:
            return f"openapi回调地址请求不通过 (HTTP {status}: {body[:80]!r})"
        return ""

    async def push(self, fields: Mapping[str, Any]) -> bool:
        """Whether the door took it, at the last delivery at the latest."""
        return await self.push_xml(xml_of(fields), str(fields.get("AgentID", "")))

    async def push_xml(self, inner: bytes, agent_id: str = "") -> bool:
        if not self.door:
            return False
        for number in range(self._deliveries):
            if number:
                await asyncio.sleep(self._pause_seconds)
            query, sealed = self._sealed(inner)
            outer = xml_of({"ToUserName": CORP_ID, "AgentID": agent_id, "Encrypt": sealed})
            try:
                status, _ = await self._asked("POST", self.door, query, outer, self._push_seconds)
            except (aiohttp.ClientError, TimeoutError):
                continue
            if status == 200:
                return True
        return False

    def _sealed(self, plain: bytes) -> tuple[dict[str, str], str]:
        return sealed_call(plain, str(int(self.clock())))

    async def _asked(
        self, method: str, url: str, query: Mapping[str, str], body: bytes, seconds: float
    ) -> tuple[int, bytes]:
        assert self._http is not None, "the simulator is not started"
        timeout = aiohttp.ClientTimeout(total=seconds)
        headers = {"Content-Type": "text/xml"} if body else {}
        async with self._http.request(
            method, url, params=query, data=body or None, headers=headers, timeout=timeout
        ) as answer:
            return answer.status, await answer.read()


def sealed_call(
    plain: bytes, timestamp: str, *, token: str = CALLBACK_TOKEN, key: str = AES_KEY, owner: str = CORP_ID,
    nonce: str = "", random: bytes = b"",
) -> tuple[dict[str, str], str]:  # fmt: skip
    """Query and cipher text of a call; `nonce` and `random` only where it must come out the same again."""
    envelope = Envelope(token=token, keys=(key,), owner=owner)
    sealed, nonce = envelope.seal(plain, random=random), nonce or os.urandom(5).hex()
    signed = envelope.sign(sealed, timestamp, nonce)
    return {"msg_signature": signed, "timestamp": timestamp, "nonce": nonce}, sealed


def xml_of(fields: Mapping[str, Any]) -> bytes:
    """On one line, texts as CDATA, as WeCom writes it."""
    return f"<xml>{''.join(_element(name, value) for name, value in fields.items())}</xml>".encode()


def _element(name: str, value: Any) -> str:
    if isinstance(value, int | float):
        inner = str(value)
    elif "]]>" in str(value):
        inner = escape(str(value))
    else:
        inner = f"<![CDATA[{value}]]>"
    return f"<{name}>{inner}</{name}>"


def _words(complaint: Complaint) -> Answer:
    hint = f"hint: [{int(time.time())}{os.urandom(6).hex()}], from ip: 127.0.0.1"
    more = f"more info at https://open.work.weixin.qq.com/devtool/query?e={complaint.code}"
    return {"errcode": complaint.code, "errmsg": f"{complaint.words}, {hint}, {more}"}


def _bare(content_type: str) -> str:
    return content_type.partition(";")[0].strip() or "application/octet-stream"


def _piece(kept: Kept, start: int, end: int, headers: Mapping[str, str]) -> web.Response:
    last = min(end, start + _PIECE - 1, len(kept.content) - 1)
    body = kept.content[start : last + 1]
    told = {**headers, "Content-Range": f"bytes {start}-{last}/{len(kept.content)}"}
    return web.Response(status=206, body=body, content_type=_bare(kept.content_type), headers=told)

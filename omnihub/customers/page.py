"""The customers' page of the demo: every channel's customers in one browser window."""

import asyncio
import mimetypes
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from omnihub.connectors.simulation import Chats, Line, Person, Spoken
from omnihub.connectors.telephony.playing import NotNow
from omnihub.customers.channels import ChatChannel, Doc, OtherPage, channel_doc, other_doc, person_doc
from omnihub.customers.performance import Performance, voice_note
from omnihub.customers.speaking import Speaking, speak
from omnihub.customers.stream import Sight, performance_doc, stream
from omnihub.customers.telephones import KEYS, TelephoneChannel, caller_doc, telephone_doc

_STATIC = {file.name: file for file in (Path(__file__).parent / "static").iterdir() if file.is_file()}
_PAGE = "page.html"
_MAX_UPLOAD = 50 * 1024 * 1024
_MAX_TEXT, _MAX_NAME = 20_000, 40
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "audio/", "video/")
# A website elsewhere cannot set this without asking first, and is not allowed to.
_MARK = "X-Customers-Page"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self';"
    " connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class CustomersPage:
    def __init__(
        self, channels: Sequence[ChatChannel], telephones: Sequence[TelephoneChannel],
        others: Sequence[OtherPage], performance: Performance,
    ) -> None:  # fmt: skip
        self._channels = {channel.key: channel for channel in channels}
        self._telephones = {channel.key: channel for channel in telephones}
        self._others = others
        self._performance = performance
        self._speaking = Speaking()
        self._ending = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("", self.enter),
            web.get("/", self.page),
            web.get("/static/{name}", self.static),
            web.get("/channels", self.channels),
            web.get("/events", self.events),
            web.get("/file", self.file),
            web.post("/people", self.invent),
            web.post("/say", self.say),
            web.post("/send", self.send),
            web.post("/performance", self.perform),
            web.post("/ring", self.ring),
            web.post("/press", self.press),
        ]

    async def end_lines(self, _: web.Application) -> None:
        """Before the server waits for its open lines."""
        self._ending.set()

    async def end(self, _: web.Application) -> None:
        await self._performance.stop()
        await self._speaking.end()

    async def enter(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(f"{request.path}/")

    async def page(self, _: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
        return web.FileResponse(_STATIC[_PAGE], headers=headers)

    async def static(self, request: web.Request) -> web.StreamResponse:
        file = _STATIC.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        return web.FileResponse(file, headers={"Cache-Control": "no-cache"})

    async def channels(self, _: web.Request) -> web.Response:
        return _json(
            {
                "channels": [channel_doc(channel) for channel in self._channels.values()],
                "telephones": [telephone_doc(channel) for channel in self._telephones.values()],
                "others": [other_doc(other) for other in self._others],
                "performance": performance_doc(self._performance.progress),
            }
        )

    async def events(self, request: web.Request) -> web.StreamResponse:
        """`people` of a channel, `telephones` of another, `lines` of the chat that is asked for, and the
        `performance`."""
        chat = self._chat(request.query) if "channel" in request.query else None
        sight = Sight(self._channels, self._telephones, self._performance, chat)
        return await stream(request, sight, self._ending)

    async def file(self, request: web.Request) -> web.Response:
        channel, person = self._chat(request.query)
        line = _line(channel.chats, person, request.query.get("number", ""))
        shown = line.content_type.startswith(_SHOWN)
        place = "inline" if shown else "attachment"
        headers = {
            "Content-Disposition": f"{place}; filename*=utf-8''{quote(line.filename or 'file')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": "private, no-cache",
        }
        content_type = line.content_type if shown else "application/octet-stream"
        return web.Response(body=line.media, content_type=content_type, headers=headers)

    async def invent(self, request: web.Request) -> web.Response:
        given = await _given(request)
        name = " ".join(given.get("name", "").split())[:_MAX_NAME]
        if not name:
            raise web.HTTPBadRequest
        called = self._telephones.get(given.get("channel", ""))
        if called is not None:
            return _json(caller_doc(called.telephones, called.telephones.invent(name)))
        channel = self._channel(given)
        person = channel.chats.invent(name)
        await channel.chats.tell()
        return _json(person_doc(channel.chats, person))

    async def say(self, request: web.Request) -> web.Response:
        """A text, a voice note, or one of the channel's own actions."""
        given = await _given(request)
        channel, person = self._chat(given)
        self._speaking.begin(speak(channel.chats, person, _spoken(channel.chats, given)))
        return web.Response(status=202)

    async def send(self, request: web.Request) -> web.Response:
        """A file: the body as it is, its name and type in the query and the head."""
        channel, person = self._chat(request.query)
        content = await request.clone(client_max_size=_MAX_UPLOAD).read()
        filename = Path(request.query.get("name", "")).name[-200:] or "file"
        content_type = _content_type(request, filename)
        kind = _kind(content_type, channel.chats.kinds)
        if not content or not kind:
            raise web.HTTPUnprocessableEntity
        spoken = Spoken(kind=kind, filename=filename, content_type=content_type, content=content)
        self._speaking.begin(speak(channel.chats, person, spoken))
        return web.Response(status=202)

    async def perform(self, request: web.Request) -> web.Response:
        wanted = (await _given(request)).get("do")
        if wanted not in ("start", "stop"):
            raise web.HTTPBadRequest
        await (self._performance.start() if wanted == "start" else self._performance.stop())
        return _json(performance_doc(self._performance.progress))

    async def ring(self, request: web.Request) -> web.Response:
        """A customer rings the desk. 409 where their telephone is in use."""
        given = await _given(request)
        telephones = self._telephone(given).telephones
        person = telephones.person(given.get("person", ""))
        if person is None:
            raise web.HTTPNotFound
        anonymous = given.get("anonymous") == "yes"
        return await _if_possible(telephones.ring(person, given.get("line", ""), anonymous=anonymous))

    async def press(self, request: web.Request) -> web.Response:
        """A key of a telephone: a customer's, or one of the desk's. 409 where it does nothing as things stand."""
        given = await _given(request)
        channel, telephone, key = self._telephone(given), given.get("telephone", ""), given.get("key", "")
        if not channel.knows(telephone) or key not in KEYS:
            raise web.HTTPNotFound
        return await _if_possible(channel.telephones.press(telephone, KEYS[key], given.get("to", "")))

    def _telephone(self, given: Mapping[str, str]) -> TelephoneChannel:
        channel = self._telephones.get(given.get("channel", ""))
        if channel is None:
            raise web.HTTPNotFound
        return channel

    def _channel(self, given: Mapping[str, str]) -> ChatChannel:
        channel = self._channels.get(given.get("channel", ""))
        if channel is None:
            raise web.HTTPNotFound
        return channel

    def _chat(self, given: Mapping[str, str]) -> tuple[ChatChannel, Person]:
        channel = self._channel(given)
        person = channel.chats.person(given.get("person", ""))
        if person is None:
            raise web.HTTPNotFound
        return channel, person


async def _if_possible(work: Awaitable[None]) -> web.Response:
    try:
        await work
    except NotNow as error:
        raise web.HTTPConflict(text=str(error)) from error
    return web.Response(status=204)


async def _given(request: web.Request) -> Mapping[str, str]:
    try:
        given = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest from error
    if not isinstance(given, dict):
        raise web.HTTPBadRequest
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _spoken(chats: Chats, given: Mapping[str, str]) -> Spoken:
    kind, text = given.get("kind", ""), given.get("text", "")
    if kind == "text" and kind in chats.kinds and text.strip() and len(text) <= _MAX_TEXT:
        return Spoken(kind="text", text=text)
    if kind == "voice" and kind in chats.kinds:
        return voice_note()
    if any(kind == action.key for action in chats.actions):
        return Spoken(kind=kind)
    raise web.HTTPUnprocessableEntity


def _content_type(request: web.Request, filename: str) -> str:
    told = request.content_type
    guessed = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    return guessed if told in ("", "application/octet-stream") else told


def _kind(content_type: str, kinds: Sequence[str]) -> str:
    """The channel's own kind for such a file, else any file, else nothing."""
    major = content_type.partition("/")[0]
    own = {"image": "image", "video": "video", "audio": "voice"}.get(major, "file")
    return next((kind for kind in (own, "file") if kind in kinds), "")


def _line(chats: Chats, person: Person, number: str) -> Line:
    for line in chats.lines(person.id):
        if str(line.number) == number and line.media and not line.recalled:
            return line
    raise web.HTTPNotFound


def _json(doc: Doc) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(body=orjson.dumps(doc), content_type="application/json", headers=headers)


@web.middleware
async def _only_from_the_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.method == "POST" and _MARK not in request.headers:
        raise web.HTTPForbidden
    return await handler(request)


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


def make_page(
    channels: Sequence[ChatChannel], others: Sequence[OtherPage] = (), *,
    telephones: Sequence[TelephoneChannel] = (), pace: float = 1.0,
) -> web.Application:  # fmt: skip
    performance = Performance({channel.key: channel.chats for channel in channels}, pace=pace)
    page = CustomersPage(channels, telephones, others, performance)
    app = web.Application(middlewares=[_only_from_the_page])
    app.add_routes(page.routes())
    app.on_response_prepare.append(_add_headers)
    app.on_shutdown.append(page.end_lines)
    app.on_cleanup.append(page.end)
    return app

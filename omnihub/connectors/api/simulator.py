import asyncio
import base64
import hashlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from omnihub.connectors.api import signing
from omnihub.connectors.calls import Call, ask
from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.reading import Fields, items, read_json, text_of
from omnihub.connectors.simulation import Action, Chats, Loopback, Person, Spoken
from omnihub.model.errors import OmnihubError, Unreadable, Unverified
from omnihub.model.ids import new_id

NAME = "Demo app / 演示 App"
SECRET = "secret-of-the-demo-app"
DELETED = "u-0000"
DELETED_WORDS = "this user has deleted the account"
_FILE_BYTES = 26_214_400
_KEPT = 5_000
_PEOPLE = (
    Person(id="u-1001", name="王芳"),
    Person(id="u-1002", name="Tom Becker"),
    Person(id="u-1003", name="李想"),
)
_RECALL = Action(key="recall", en="Take the last message back", zh="撤回上一条消息")
_CORRECT = Action(key="correct", en="Correct the last message", zh="修改上一条消息")
_NOTES = {
    "en": "An app of its own whose users write to the desk: open the customers' page, or post a message with curl "
    "as the channel's README shows, signed with {secret}.",
    "zh": "一个自建 App，用户可直接联系客服：打开客户页面试用，"
    "或按渠道 README 中的 curl 示例投递消息，签名密钥为 {secret}。",
}
_TYPES = {"image": "image/png", "voice": "audio/wav", "video": "video/mp4"}


@dataclass(slots=True, kw_only=True)
class _Inbox:
    """`taken`: of each reply, what it was and the app's own id of it."""

    taken: dict[str, tuple[str, str]] = field(default_factory=dict)
    bodies: list[Fields] = field(default_factory=list)


class Simulator:
    """The customers' app: it posts what they write, and takes the replies as strictly as a careful receiver
    does. `mute`: it takes a reply and never says so. The receipt "read" overtakes "delivered", as it may."""

    def __init__(
        self, folder: Path, *, mute: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._mute = mute
        self._inbox = _Inbox()
        self._last: dict[str, Fields] = {}
        self._door = ""
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self.taken_whole = asyncio.Event()
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/omnihub", self._take)
        self._server = Loopback(app)
        self.chats = Chats(
            self._hear, people=_PEOPLE, kinds=("text", "image", "voice", "video", "file"),
            actions=(_CORRECT, _RECALL), invent=lambda name, number: Person(id=f"u-{1000 + number}", name=name),
        )  # fmt: skip

    @property
    def replies(self) -> Sequence[Fields]:
        """Every reply once, as it came."""
        return self._inbox.bodies

    async def start(self) -> None:
        self._http = aiohttp.ClientSession()
        await self._server.start()

    async def stop(self) -> None:
        self._over.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.stop()
        if self._http is not None:
            await self._http.close()
            self._http = None

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {
            "signing_secret": SECRET,
            "reply_url": f"{self._server.url}/omnihub",
            "allow_private_address": True,
            "trust_verified": True,
        }
        notes = {language: words.format(secret=SECRET) for language, words in _NOTES.items()}
        return [DemoAccount(name=NAME, settings=settings, notes=notes)]

    def pages(self) -> web.Application | None:
        return None

    async def attach(self, doors: Mapping[str, str]) -> None:
        self._door = doors.get(NAME, "")

    # — what a user does —

    async def _hear(self, person: Person, spoken: Spoken) -> None:
        if spoken.kind in (_RECALL.key, _CORRECT.key):
            await self._amend(person, spoken)
            return
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text, filename=spoken.filename,
            content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip
        message = self._message(person, spoken)
        if await self._post("", message, person):
            self._last[person.id] = message

    def _message(self, person: Person, spoken: Spoken) -> Fields:
        message: Fields = {
            "id": new_id(),
            "sender": {"id": person.id, "name": person.name},
            "sent_at": self._clock().isoformat(),
            "text": spoken.text,
        }
        if spoken.content:
            file = {
                "filename": spoken.filename or "file",
                "content_type": spoken.content_type or _TYPES.get(spoken.kind, "application/octet-stream"),
                "content_base64": base64.b64encode(spoken.content).decode(),
            }
            message["attachments"] = [file]
        return message

    async def _amend(self, person: Person, spoken: Spoken) -> None:
        last = self._last.get(person.id)
        if last is None:
            await self.chats.show(person.id, "system", "text", "There is nothing to change. / 没有可修改的消息。")
            return
        edit: Fields = {"id": last["id"], "at": self._clock().isoformat(), "kind": "recalled"}
        if spoken.kind == _CORRECT.key:
            corrected = spoken.text or f"{last['text']} (corrected)"
            edit |= {"kind": "edited", "message": {**last, "text": corrected}}
        if not await self._post("edits", edit, person):
            return
        if edit["kind"] == "edited":
            self._last[person.id] = edit["message"]
            await self.chats.show(person.id, "customer", "text", edit["message"]["text"])
            return
        del self._last[person.id]
        lines = [line for line in self.chats.lines(person.id) if line.author == "customer" and not line.recalled]
        await self.chats.recall(lines[-1])

    async def _post(self, tail: str, body: Fields, person: Person | None) -> bool:
        """Whether the hub took it; where not, the person is told."""
        problem = "the app is not connected to a desk"
        if self._door and self._http is not None:
            content = orjson.dumps(body)
            headers = {"Content-Type": "application/json", **signing.sign(SECRET, content, self._clock())}
            url = f"{self._door}/{tail}".removesuffix("/")
            try:
                answer = await ask(self._http, Call(method="POST", url=url, headers=headers, data=content))
                problem = "" if answer.status == 200 else f"HTTP {answer.status}: {answer.start}"
            except OmnihubError as error:
                problem = str(error)
        if problem and person is not None:
            words = f"Not delivered: {problem} / 未送达"
            await self.chats.show(person.id, "system", "text", words)
        return not problem

    # — what the desk answers —

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            said = self._checked(request, body)
        except Unverified as error:
            return _answer(401, error=str(error))
        except Unreadable as error:
            return _answer(400, error=str(error))
        if self._mute:
            self.taken_whole.set()
            await self._over.wait()
        if said["type"] == "ping":
            return _answer(200, ok=True)
        return await self._deliver(said, _digest(said))

    def _checked(self, request: web.Request, body: bytes) -> Fields:
        """Raises Unverified or Unreadable."""
        timestamp, given = request.headers.get(signing.TIMESTAMP, ""), request.headers.get(signing.SIGNATURE, "")
        signing.verify((SECRET,), timestamp, given, body, self._clock())
        if request.content_type != "application/json":
            raise Unreadable("the content type is not application/json")
        said = read_json(body)
        if not text_of(said, "id") or text_of(said, "id") != request.headers.get("Idempotency-Key"):
            raise Unreadable("Idempotency-Key and id differ")
        if said.get("type") not in ("message", "ping"):
            raise Unreadable("the type is unknown")
        return said

    async def _deliver(self, said: Fields, digest: str) -> web.Response:
        known = self._inbox.taken.get(said["id"])
        if known is not None:
            return (
                _answer(200, id=known[1])
                if known[0] == digest
                else _answer(409, error="another reply had this id")
            )
        people = [text_of(one, "id") for one in items(said, "to") if isinstance(one, dict)]
        if DELETED in people:
            return _answer(410, error=DELETED_WORDS)
        if not people or any(self.chats.person(one) is None for one in people):
            return _answer(404, error="there is no such user")
        own = f"app-{len(self._inbox.bodies) + 1}"
        self._inbox.taken[said["id"]] = (digest, own)
        self._inbox.bodies.append(said)
        del self._inbox.bodies[:-_KEPT]
        for person in people:
            await self._show(person, said)
        self._start(self._report(said["id"], own))
        return _answer(200, id=own)

    async def _show(self, person: str, said: Fields) -> None:
        if text_of(said, "text"):
            await self.chats.show(person, "desk", "text", text_of(said, "text"))
        for file in items(said, "attachments"):
            content = await self._content(file)
            kind = text_of(file, "content_type").partition("/")[0]
            await self.chats.show(
                person, "desk", {"image": "image", "audio": "voice", "video": "video"}.get(kind, "file"),
                filename=text_of(file, "filename"), content_type=text_of(file, "content_type"), media=content,
            )  # fmt: skip

    async def _content(self, file: Fields) -> bytes:
        if not text_of(file, "url") or self._http is None:
            return base64.b64decode(text_of(file, "content_base64"))
        try:
            answer = await ask(self._http, Call(method="GET", url=file["url"], max_bytes=_FILE_BYTES))
        except OmnihubError as error:
            return str(error).encode()
        return answer.body

    async def _report(self, message_id: str, own: str) -> None:
        read = {"message_id": message_id, "status": "read", "at": self._clock().isoformat()}
        await self._post("receipts", read, None)
        await self._post("receipts", {**read, "message_id": own, "status": "delivered"}, None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _answer(status: int, **fields: Any) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(fields), content_type="application/json")


def _digest(said: Fields) -> str:
    """Of the words and names: a reply that comes again may bring its files under fresh addresses."""
    files = [text_of(one, "filename") for one in items(said, "attachments") if isinstance(one, dict)]
    return hashlib.sha256(orjson.dumps([said.get("to"), text_of(said, "text"), files])).hexdigest()

"""A Telegram of our own on loopback: the Bot API of one bot, and the people who write to it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from aiohttp.web_request import FileField

from omnihub.connectors.contract import DemoAccount
from omnihub.connectors.reading import Fields
from omnihub.connectors.simulation import Action, Chats, Loopback, Person, Spoken
from omnihub.connectors.telegram.simulator_bot import ApiError, BotState, Rates, Update, member
from omnihub.connectors.telegram.simulator_methods import Asked, Methods, Upload, photo_sizes
from omnihub.connectors.telegram.simulator_opus import opus_note
from omnihub.connectors.telegram.simulator_webhook import Patience, Pusher

TOKEN = "7000000001:AAsimulated-token-of-the-demo-bot-xyz"
BOT: Fields = {"id": 7_000_000_001, "is_bot": True, "first_name": "Demo desk", "username": "omnihub_demo_bot"}
GROUP_ID = -1_001_987_654_321
_GROUP: Fields = {"id": GROUP_ID, "type": "supergroup", "title": "Riverside Garden Club"}
_GROUP_MEMBER: Fields = {"id": 5_000_000_104, "is_bot": False, "first_name": "Ana", "last_name": "Ruiz"}
_PEOPLE = (
    Person(id="5000000101", name="Maria Petrova"),
    Person(id="5000000102", name="李雷"),
    Person(id="5000000103", name="Tom Becker"),
    Person(id=str(GROUP_ID), name="Riverside Garden Club (group)"),
)
_FIRST_INVENTED = 5_000_000_200
_LARGEST_UPLOAD = 60 * 1024 * 1024
_LISTENED_SECONDS = 60.0
_TAKEN_SECONDS = 5.0
_ACTIONS = (
    Action(key="start", en="Start the bot", zh="启动机器人"),
    Action(key="location", en="Send a location", zh="发送位置"),
    Action(key="contact", en="Share the own phone number", zh="分享自己的手机号"),
    Action(key="edit", en="Edit the last message", zh="编辑上一条消息"),
    Action(key="block", en="Block the bot", zh="屏蔽机器人"),
    Action(key="unblock", en="Unblock the bot", zh="取消屏蔽"),
)
_NOTES = {
    "en": "Write as a customer on the customers' page; the bot is read by polling. A blocked bot is answered with "
    "Forbidden, more than a few messages a second with Too Many Requests.",
    "zh": "在客户页面以客户身份发消息；机器人以轮询方式接收。客户屏蔽机器人后发送会被拒绝，"
    "短时间内发送过多会被限流。",
}

Act = Callable[[Person, Spoken], Awaitable[None]]


class Simulator:
    """`any_address` False refuses webhooks that Telegram would refuse, such as every one on loopback.
    `clock` in seconds since 1970. State lives in memory."""

    def __init__(
        self, folder: Path, *, token: str = TOKEN, clock: Callable[[], float] = time.time,
        rates: Rates | None = None, patience: Patience | None = None, any_address: bool = True,
        mute: bool = False, preferred_port: int = 0,
    ) -> None:  # fmt: skip
        user = {**BOT, "id": int(token.partition(":")[0])}
        self.bot = BotState(token, user, clock=clock, rates=rates)
        self.pusher = Pusher(self.bot, patience or Patience())
        self.chats = Chats(
            self._hear,
            people=_PEOPLE,
            kinds=("text", "image", "voice", "video", "file"),
            actions=_ACTIONS,
            invent=lambda name, number: Person(id=str(_FIRST_INVENTED + number), name=name),
        )
        self.methods = Methods(
            bot=self.bot, pusher=self.pusher, chats=self.chats, any_address=any_address, mute=mute
        )
        self.doors: Mapping[str, str] = {}
        self._preferred_port = preferred_port
        self._loopback = Loopback(self._app())
        self._acts: Mapping[str, Act] = {
            "start": self._start, "location": self._location, "contact": self._contact, "edit": self._edit,
            "block": self._block, "unblock": self._unblock, "image": self._file, "voice": self._file,
            "video": self._file, "file": self._file,
        }  # fmt: skip

    @property
    def url(self) -> str:
        return self._loopback.url

    async def start(self) -> None:
        await self._loopback.start(self._preferred_port)

    async def stop(self) -> None:
        await self.pusher.stop()
        await self.methods.hang_up()
        await self._loopback.stop()

    def accounts(self) -> Sequence[DemoAccount]:
        settings = {"bot_token": self.bot.token, "api_url": self.url, "file_url": f"{self.url}/file"}
        return [DemoAccount(name="Demo Telegram bot", settings=settings, notes=_NOTES)]

    def pages(self) -> None:
        return None

    async def attach(self, doors: Mapping[str, str]) -> None:
        """Nothing is entered at Telegram by hand: the hub registers its webhook by itself, or polls."""
        self.doors = dict(doors)

    # — the Bot API —

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_UPLOAD)
        app.router.add_route("*", "/file/bot{token}/{path:.+}", self._download)
        app.router.add_route("*", "/bot{token}/{method}", self._call)
        return app

    async def _call(self, request: web.Request) -> web.Response:
        try:
            if request.match_info["token"] != self.bot.token:
                raise ApiError(401, "Unauthorized")
            result = await self.methods.answer(request.match_info["method"], await _asked(request))
        except ApiError as error:
            said: Fields = {"ok": False, "error_code": error.code, "description": error.description}
            if error.parameters:
                said["parameters"] = error.parameters
            return web.json_response(said, status=error.code)
        return web.json_response({"ok": True, "result": result})

    async def _download(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        wanted = next((one for one in self.bot.files.values() if one.path == path), None)
        good = self.bot.lent.get(path, 0.0) > self.bot.clock()
        if request.match_info["token"] != self.bot.token or wanted is None or not good:
            said = {"ok": False, "error_code": 404, "description": "Not Found"}
            return web.json_response(said, status=404)
        return web.Response(body=wanted.content, content_type="application/octet-stream")

    # — the people —

    async def _hear(self, person: Person, spoken: Spoken) -> None:
        act = self._acts.get(spoken.kind)
        if act is None:
            await self.chats.show(person.id, "customer", spoken.kind, spoken.text)
            await self.say(person, text=spoken.text)
            return
        await act(person, spoken)

    def place(self, person: Person) -> tuple[Fields, Fields]:
        """The chat that this person's page shows, and who writes there."""
        if person.id == str(GROUP_ID):
            return self.bot.chats.setdefault(GROUP_ID, dict(_GROUP)), _GROUP_MEMBER
        first, _, last = person.name.partition(" ")
        user: Fields = {"id": int(person.id), "is_bot": False, "first_name": first, "language_code": "en"}
        if last:
            user["last_name"] = last
        return self.bot.private(user), user

    async def say(self, person: Person, **content: Any) -> Fields:
        """A message of any content reaches the bot. Returns the message."""
        chat, author = self.place(person)
        message = self.bot.new_message(chat, author, **content)
        await self._hand_over("message", message, chat["id"])
        return message

    async def edit(self, person: Person, text: str) -> None:
        chat, author = self.place(person)
        last = self.bot.last_of(chat["id"], author["id"])
        if last is None:
            await self.chats.show(person.id, "system", "text", "There is nothing to edit")
            return
        where = "text" if "text" in last else "caption"
        last[where] = text
        last.pop("entities", None)
        await self._hand_over("edited_message", {**last, "edit_date": self.bot.now()}, chat["id"])

    async def block(self, person: Person, *, blocked: bool) -> None:
        chat, user = self.place(person)
        (self.bot.blocked.add if blocked else self.bot.blocked.discard)(chat["id"])
        states = ("member", "kicked") if blocked else ("kicked", "member")
        change = {
            "chat": chat, "from": user, "date": self.bot.now(),
            "old_chat_member": member(states[0], self.bot.user),
            "new_chat_member": member(states[1], self.bot.user),
        }  # fmt: skip
        await self._hand_over("my_chat_member", change, chat["id"])

    async def upgrade_group(self, person: Person) -> int:
        """Returns the group's new id."""
        chat, author = self.place(person)
        new = self.bot.upgrade(chat["id"])
        left = self.bot.new_message(chat, author, migrate_to_chat_id=new["id"])
        came = self.bot.new_message(new, author, migrate_from_chat_id=chat["id"])
        await self._hand_over("message", left, chat["id"])
        await self._hand_over("message", came, new["id"])
        new_id: int = new["id"]
        return new_id

    async def _hand_over(self, kind: str, payload: Fields, chat_id: int) -> None:
        update = await self.bot.push(kind, payload, chat_id)
        if update is None:
            return
        words = await self._trouble(update)
        if words:
            await self.chats.show(str(chat_id), "system", "text", words)

    async def _trouble(self, update: Update) -> str:
        """Why the hub does not take it, as far as Telegram can tell by now."""
        if not self.pusher.url:
            silent = self.bot.clock() - self.methods.polled_at > _LISTENED_SECONDS
            return "The bot fetches nothing at the moment; Telegram keeps it for a day" if silent else ""
        before = self.pusher.attempts
        try:
            async with asyncio.timeout(_TAKEN_SECONDS), self.bot.changed:
                await self.bot.changed.wait_for(
                    lambda: (
                        update.id not in self.bot.pending
                        or (self.pusher.attempts > before and bool(self.pusher.failed_words))
                    )
                )
        except TimeoutError:
            return "The bot did not take it yet; Telegram tries again"
        if update.id not in self.bot.pending:
            return ""
        return f"The bot did not take it ({self.pusher.failed_words}); Telegram tries again"

    async def _start(self, person: Person, spoken: Spoken) -> None:
        text = f"/start {spoken.text}".strip()
        await self.chats.show(person.id, "customer", "text", text)
        await self.say(person, text=text, entities=[{"type": "bot_command", "offset": 0, "length": 6}])

    async def _location(self, person: Person, spoken: Spoken) -> None:
        latitude, longitude = 48.8584, 2.2945
        await self.chats.show(person.id, "customer", "text", f"Location: {latitude}, {longitude}")
        await self.say(person, location={"latitude": latitude, "longitude": longitude})

    async def _contact(self, person: Person, spoken: Spoken) -> None:
        _, user = self.place(person)
        phone = f"4915550{user['id'] % 100_000:05d}"
        await self.chats.show(person.id, "customer", "text", f"Contact: +{phone}")
        card = {"phone_number": phone, "first_name": user["first_name"], "user_id": user["id"]}
        await self.say(person, contact=card)

    async def _edit(self, person: Person, spoken: Spoken) -> None:
        text = spoken.text or "(edited) I meant something else"
        await self.chats.show(person.id, "customer", "text", f"✎ {text}")
        await self.edit(person, text)

    async def _block(self, person: Person, spoken: Spoken) -> None:
        await self.chats.show(person.id, "system", "text", "The bot is blocked")
        await self.block(person, blocked=True)

    async def _unblock(self, person: Person, spoken: Spoken) -> None:
        await self.chats.show(person.id, "system", "text", "The bot may write again")
        await self.block(person, blocked=False)

    async def _file(self, person: Person, spoken: Spoken) -> None:
        spoken = _complete(spoken)
        await self.chats.show(
            person.id, "customer", spoken.kind, spoken.text,
            filename=spoken.filename, content_type=spoken.content_type, media=spoken.content,
        )  # fmt: skip
        folder, extension = _KEPT_AS[spoken.kind]
        stored = self.bot.keep_file(spoken.content, folder, extension)
        content: Fields = _CONTENT[spoken.kind](stored, spoken)
        if spoken.text:
            content["caption"] = spoken.text
        await self.say(person, **content)


_KEPT_AS = {
    "image": ("photos", ".jpg"),
    "voice": ("voice", ".oga"),
    "video": ("videos", ".mp4"),
    "file": ("documents", ""),
}
_CONTENT: Mapping[str, Callable[[Fields, Spoken], Fields]] = {
    "image": lambda stored, spoken: {"photo": photo_sizes(stored)},
    "voice": lambda stored, spoken: {"voice": {**stored, "duration": 1, "mime_type": spoken.content_type}},
    "video": lambda stored, spoken: {
        "video": {**stored, "duration": 1, "width": 320, "height": 240, "mime_type": spoken.content_type}
    },
    "file": lambda stored, spoken: {
        "document": {**stored, "file_name": spoken.filename or "file", "mime_type": spoken.content_type}
    },
}


def _complete(spoken: Spoken) -> Spoken:
    """A voice note without sound where the page gives none."""
    if spoken.kind == "voice" and not spoken.content:
        return Spoken(kind="voice", text=spoken.text, content_type="audio/ogg", content=opus_note())
    return spoken


async def _asked(request: web.Request) -> Asked:
    values = dict(request.query)
    if request.content_type == "application/json":
        try:
            read = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            raise ApiError(400, "Bad Request: can't parse JSON object") from None
        fields = read.items() if isinstance(read, dict) else ()
        values |= {name: one if isinstance(one, str) else orjson.dumps(one).decode() for name, one in fields}
        return Asked(values=values)
    files: dict[str, Upload] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, FileField):
            with value.file as file:
                content = file.read()
            files[name] = Upload(filename=value.filename, content_type=value.content_type, content=content)
        else:
            values[name] = str(value)
    return Asked(values=values, files=files)

"""The Bot API's methods, answered as Telegram answers them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import orjson

from omnihub.connectors.reading import Fields
from omnihub.connectors.simulation import Chats
from omnihub.connectors.telegram.simulator_bot import ApiError, BotState, bad_request
from omnihub.connectors.telegram.simulator_webhook import Pusher

_MB = 1024 * 1024
_FILE_LIMIT = 20 * _MB
_UPLOAD_LIMITS = {"photo": 10 * _MB, "document": 50 * _MB, "voice": 50 * _MB, "video": 50 * _MB}
_RECALL_SECONDS = 48 * 3600
_LINK_SECONDS = 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_PORTS = (443, 80, 88, 8443)
_FOLDERS = {"photo": ("photos", ".jpg"), "document": ("documents", ""), "voice": ("voice", ".oga")}


@dataclass(slots=True, frozen=True, kw_only=True)
class Upload:
    filename: str
    content_type: str
    content: bytes


@dataclass(slots=True, frozen=True, kw_only=True)
class Asked:
    """One call: `values` as text, the way forms carry them."""

    values: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    def number(self, name: str, default: int = 0) -> int:
        try:
            return int(self.values.get(name, default))
        except ValueError:
            return default

    def json(self, name: str) -> Any:
        try:
            return orjson.loads(self.values[name]) if self.values.get(name) else None
        except orjson.JSONDecodeError:
            raise bad_request(f"can't parse {name} JSON object") from None


Method = Callable[["Methods", Asked], Awaitable[Any]]


@dataclass(slots=True, kw_only=True)
class Methods:
    """`any_address`: a webhook may be plain http on any port, as on loopback. `mute`: what is sent is taken,
    and the answer never comes."""

    bot: BotState
    pusher: Pusher
    chats: Chats
    any_address: bool = True
    mute: bool = False
    polled_at: float = 0.0
    actions: list[tuple[int, str]] = field(default_factory=list)
    _poller: int = 0

    async def answer(self, name: str, asked: Asked) -> Any:
        """Raises ApiError."""
        method = _METHODS.get(name.lower())
        if method is None:
            raise ApiError(404, "Not Found")
        result = await method(self, asked)
        if self.mute and name.lower().startswith("send"):
            await asyncio.Event().wait()
        return result

    # — updates —

    async def get_updates(self, asked: Asked) -> Any:
        if self.pusher.url:
            words = "can't use getUpdates method while webhook is active"
            raise ApiError(409, f"Conflict: {words}; use deleteWebhook to delete the webhook first")
        self.bot.allow(asked.json("allowed_updates"))
        self.bot.expire()
        if (offset := asked.number("offset")) > 0:
            self.bot.confirm(offset)
        self._poller += 1
        mine = self._poller
        await self.bot.tell()  # an earlier one that still waits is thrown out
        self.polled_at = self.bot.clock()
        await self._wait(mine, min(50, asked.number("timeout")))
        if mine != self._poller:
            words = "terminated by other getUpdates request; make sure that only one bot instance is running"
            raise ApiError(409, f"Conflict: {words}")
        limit = min(100, max(1, asked.number("limit", 100)))
        return [update.body for update in list(self.bot.pending.values())[:limit]]

    async def hang_up(self) -> None:
        """Nobody waits for updates any more."""
        self._poller += 1
        await self.bot.tell()

    async def _wait(self, mine: int, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds), self.bot.changed:
                await self.bot.changed.wait_for(
                    lambda: bool(self.bot.pending) or mine != self._poller or bool(self.pusher.url)
                )
        except TimeoutError:
            return

    async def set_webhook(self, asked: Asked) -> Any:
        url, secret = asked.text("url"), asked.text("secret_token")
        if not url:
            return await self.delete_webhook(asked)
        parts = urlsplit(url)
        if not self.any_address and parts.scheme != "https":
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if not self.any_address and (parts.port or 443) not in _PORTS:
            raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        if secret and not _SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters")
        self.bot.allow(asked.json("allowed_updates"))
        await self.pusher.set(url, secret)
        await self.bot.tell()
        return True

    async def delete_webhook(self, asked: Asked) -> Any:
        await self.pusher.set("", "")
        if asked.text("drop_pending_updates").lower() == "true":
            self.bot.pending.clear()
        return True

    async def webhook_info(self, asked: Asked) -> Any:
        return dict(self.pusher.info())

    # — what the bot says —

    async def send_message(self, asked: Asked) -> Any:
        text = asked.text("text")
        chat = self._room(asked)
        if not text.strip():
            raise bad_request("message text is empty")
        if len(text.encode("utf-16-le")) // 2 > 4096:
            raise bad_request("message is too long")
        return await self._say(asked, chat, "text", text=text, **_entities(asked, text))

    async def send_file(self, asked: Asked, kind: Literal["photo", "document", "voice", "video"]) -> Any:
        chat = self._room(asked)
        upload = self._upload(asked, kind)
        if len(upload.content) > _UPLOAD_LIMITS[kind]:
            raise ApiError(413, "Request Entity Too Large")
        if kind == "photo" and not upload.content.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF", b"GIF8")):
            raise bad_request("IMAGE_PROCESS_FAILED")
        if len(asked.text("caption").encode("utf-16-le")) // 2 > 1024:
            raise bad_request("message caption is too long")
        folder, extension = _FOLDERS.get(kind, (f"{kind}s", ".mp4"))
        stored = self.bot.keep_file(upload.content, folder, extension)
        fields: Fields = {kind: _described(kind, stored, upload)}
        if asked.text("caption"):
            fields["caption"] = asked.text("caption")
        return await self._say(asked, chat, "image" if kind == "photo" else kind, upload=upload, **fields)

    async def chat_action(self, asked: Asked) -> Any:
        chat = self.bot.writable(asked.number("chat_id"))
        self.actions.append((chat["id"], asked.text("action")))
        return True

    async def delete_message(self, asked: Asked) -> Any:
        key = (asked.number("chat_id"), asked.number("message_id"))
        kept = self.bot.messages.get(key)
        if kept is None:
            raise bad_request("message to delete not found")
        if self.bot.clock() - kept.fields["date"] > _RECALL_SECONDS:
            raise bad_request("message can't be deleted for everyone")
        del self.bot.messages[key]
        if kept.line is not None:
            await self.chats.recall(kept.line)
        return True

    def _room(self, asked: Asked) -> Fields:
        """Where the bot may write just now. Raises ApiError."""
        chat = self.bot.writable(asked.number("chat_id"))
        self.bot.rates.take(chat["id"], self.bot.clock())
        return chat

    def _upload(self, asked: Asked, kind: str) -> Upload:
        name = asked.text(kind)
        upload = asked.files.get(name.removeprefix("attach://") if name else kind)
        if upload is None:
            raise bad_request(f"there is no {kind} in the request")
        if not upload.content:
            raise bad_request("file must be non-empty")
        return upload

    async def _say(
        self, asked: Asked, chat: Fields, kind: str, *, upload: Upload | None = None, **fields: Any
    ) -> Fields:
        answered = self._answered(asked, chat)
        if answered is not None:
            fields["reply_to_message"] = {k: v for k, v in answered.items() if k != "reply_to_message"}
        message = self.bot.new_message(chat, self.bot.user, by_bot=True, **fields)
        shown = fields.get("text") or fields.get("caption") or ""
        line = await self.chats.show(
            str(chat["id"]), "desk", kind, shown,
            filename=upload.filename if upload else "",
            content_type=upload.content_type if upload else "",
            media=upload.content if upload else b"",
        )  # fmt: skip
        self.bot.messages[chat["id"], message["message_id"]].line = line
        return message

    def _answered(self, asked: Asked, chat: Fields) -> Fields | None:
        wanted = asked.json("reply_parameters")
        if not isinstance(wanted, dict):
            return None
        kept = self.bot.messages.get((chat["id"], wanted.get("message_id", 0)))
        if kept is None and not wanted.get("allow_sending_without_reply"):
            raise bad_request("message to be replied not found")
        return kept.fields if kept else None

    # — what there is to know —

    async def get_me(self, asked: Asked) -> Any:
        return {
            **self.bot.user,
            "can_join_groups": True,
            "can_read_all_group_messages": True,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
        }

    async def get_file(self, asked: Asked) -> Any:
        stored = self.bot.files.get(asked.text("file_id"))
        if stored is None:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        if stored.size > _FILE_LIMIT:
            raise bad_request("file is too big")
        self.bot.lent[stored.path] = self.bot.clock() + _LINK_SECONDS
        named = {"file_id": stored.id, "file_unique_id": stored.id[-12:]}
        return {**named, "file_size": stored.size, "file_path": stored.path}

    async def get_chat(self, asked: Asked) -> Any:
        chat = self.bot.chats.get(asked.number("chat_id"))
        if chat is None:
            raise bad_request("chat not found")
        gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
        return {
            **chat,
            "accent_color_id": 3,
            "max_reaction_count": 11,
            "accepted_gift_types": dict.fromkeys(gifts, False),
        }

    async def profile_photos(self, asked: Asked) -> Any:
        user_id = asked.number("user_id")
        if user_id not in self.bot.chats:
            raise bad_request("user not found")
        file_id = self.bot.avatars.get(user_id)
        if file_id is None:
            return {"total_count": 0, "photos": []}
        size = {"file_id": file_id, "file_unique_id": file_id[-12:], "width": 160, "height": 160}
        return {"total_count": 1, "photos": [[size]]}


def _described(kind: str, stored: Fields, upload: Upload) -> Any:
    match kind:
        case "photo":
            return photo_sizes(stored)
        case "document":
            return {**stored, "file_name": upload.filename, "mime_type": upload.content_type}
        case "voice":
            return {**stored, "duration": 1, "mime_type": "audio/ogg"}
        case _:
            return {**stored, "width": 320, "height": 240, "duration": 1, "mime_type": "video/mp4"}


def photo_sizes(stored: Fields) -> list[Fields]:
    """As Telegram makes them of one picture, the smallest first."""
    return [{**stored, "width": 90, "height": 67}, {**stored, "width": 800, "height": 600}]


def _sends(kind: Literal["photo", "document", "voice", "video"]) -> Method:
    return lambda methods, asked: methods.send_file(asked, kind)


def _entities(asked: Asked, text: str) -> Fields:
    """As strict as Telegram: whatever does not lie within the text is refused."""
    given = asked.json("entities") or []
    length = len(text.encode("utf-16-le")) // 2
    for one in given:
        offset, extent = one.get("offset", -1), one.get("length", 0)
        if offset < 0 or extent <= 0 or offset + extent > length:
            raise bad_request("entity beginning or end is out of the message")
        if one.get("type") == "text_link" and not one.get("url"):
            raise bad_request("text_link entity must contain an url")
    return {"entities": given} if given else {}


_METHODS: Mapping[str, Method] = {
    "getme": Methods.get_me,
    "getupdates": Methods.get_updates,
    "setwebhook": Methods.set_webhook,
    "deletewebhook": Methods.delete_webhook,
    "getwebhookinfo": Methods.webhook_info,
    "sendmessage": Methods.send_message,
    "sendphoto": _sends("photo"),
    "senddocument": _sends("document"),
    "sendvoice": _sends("voice"),
    "sendvideo": _sends("video"),
    "sendchataction": Methods.chat_action,
    "deletemessage": Methods.delete_message,
    "getfile": Methods.get_file,
    "getchat": Methods.get_chat,
    "getuserprofilephotos": Methods.profile_photos,
}

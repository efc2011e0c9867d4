"""Answers on their way to Telegram."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from telegram import Bot, Message, ReplyParameters

from omnihub.connectors.telegram.api import BotApi, plain_errors
from omnihub.connectors.telegram.formatting import formatted
from omnihub.connectors.telegram.people import id_in, whole
from omnihub.model.errors import Refused, TryLater
from omnihub.model.outgoing import Outgoing, OutgoingAttachment, SendResult

# More than one message a second to one chat brings a 429 sooner or later (core.telegram.org/bots/faq,
# "my bot is hitting limits", read 2026-11).
CHAT_SECONDS = 1.0
_LONGEST_WAIT = 1.5
_CHATS_KEPT = 2_000
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\"\\/]")
# A picture that Telegram will not show as one, such as a very long or a broken one, still goes as a file.
_NO_PICTURE = ("PHOTO_INVALID_DIMENSIONS", "IMAGE_PROCESS_FAILED", "PHOTO_EXT_INVALID")


@dataclass(slots=True, frozen=True, kw_only=True)
class Target:
    """`options` are what every kind of message takes."""

    chat_id: int
    options: Mapping[str, Any]


SendFile = Callable[[Bot, Target, OutgoingAttachment, str | None], Awaitable[Message]]


async def _photo(bot: Bot, to: Target, file: OutgoingAttachment, caption: str | None) -> Message:
    name = _name(file)
    return await bot.send_photo(to.chat_id, file.content, caption=caption, filename=name, **to.options)


async def _voice(bot: Bot, to: Target, file: OutgoingAttachment, caption: str | None) -> Message:
    name = _name(file)
    return await bot.send_voice(to.chat_id, file.content, caption=caption, filename=name, **to.options)


async def _video(bot: Bot, to: Target, file: OutgoingAttachment, caption: str | None) -> Message:
    name = _name(file)
    return await bot.send_video(to.chat_id, file.content, caption=caption, filename=name, **to.options)


async def _document(bot: Bot, to: Target, file: OutgoingAttachment, caption: str | None) -> Message:
    name = _name(file)
    return await bot.send_document(to.chat_id, file.content, caption=caption, filename=name, **to.options)


# By the kind of the manifest's rule that carries the file.
_SEND: Mapping[str, SendFile] = {"photo": _photo, "voice": _voice, "video": _video, "file": _document}


def _name(file: OutgoingAttachment) -> str:
    return _UNSAFE.sub("_", file.filename)[:200] or "file"


class Sender:
    """`kind_of` names the manifest's rule for a file, None where it cannot be carried."""

    def __init__(self, api: BotApi, kind_of: Callable[[OutgoingAttachment], str | None]) -> None:
        self._api = api
        self._kind_of = kind_of
        self._pace = Pace()
        self._moved: dict[int, int] = {}

    async def send(self, message: Outgoing) -> SendResult:
        chat_id = self._now_at(chat_of(message))
        await self._pace.turn(chat_id)
        try:
            sent = await self._deliver(message, chat_id)
        except Refused as error:
            moved_to = whole(error.details.get("moved_to"))
            if moved_to is None:
                raise
            self._moved[chat_id] = moved_to
            sent = await self._deliver(message, moved_to)
        return SendResult(external_id=f"{sent.chat.id}:{sent.message_id}")

    async def typing(self, message: Outgoing) -> None:
        fields: dict[str, Any] = {"chat_id": self._now_at(chat_of(message)), "action": "typing"}
        if topic := whole(message.answering.get("topic_id")):
            fields["message_thread_id"] = topic
        await self._api.call("sendChatAction", **fields)

    async def recall(self, message: Outgoing) -> None:
        chat_id, message_id = (id_in(part) for part in message.external_id.rpartition(":")[::2])
        if chat_id is None or message_id is None:
            raise Refused("Telegram never said under which id this message went out")
        try:
            await self._api.call("deleteMessage", chat_id=chat_id, message_id=message_id)
        except Refused as error:
            if "message to delete not found" not in str(error):  # else it is gone, which was wanted
                raise

    async def _deliver(self, message: Outgoing, chat_id: int) -> Message:
        to = Target(chat_id=chat_id, options=_options(message, chat_id))
        with plain_errors():
            if not message.attachments:
                text, entities = formatted(message.html) if message.html else (message.text, [])
                return await self._api.bot.send_message(chat_id, text, entities=entities or None, **to.options)
        if len(message.attachments) > 1:
            raise Refused("one Telegram message carries one file")
        (file,) = message.attachments
        kind = self._kind_of(file)
        if kind is None:
            raise Refused(f"Telegram takes no file of this kind and size: {file.content_type}")
        try:
            with plain_errors():
                return await _SEND[kind](self._api.bot, to, file, message.text or None)
        except Refused as error:
            if kind != "photo" or not any(words in str(error) for words in _NO_PICTURE):
                raise
        with plain_errors():
            return await _document(self._api.bot, to, file, message.text or None)

    def _now_at(self, chat_id: int) -> int:
        """A group that became a supergroup goes on under another id."""
        return self._moved.get(chat_id, chat_id)


def chat_of(message: Outgoing) -> int:
    """A group's conversation is answered in the group, everything else to the person alone. Raises Refused."""
    place = id_in(message.thread_key)
    if place is not None and place < 0:
        return place
    person = id_in(message.to[0].value) if message.to and message.to[0].channel == "telegram" else None
    chosen = place if person is None else person
    if chosen is None:
        raise Refused("it is not said to which Telegram chat this goes")
    return chosen


def _options(message: Outgoing, chat_id: int) -> dict[str, Any]:
    """Where it belongs within the chat. In a group an answer points at what it answers."""
    answered = message.answering
    if whole(answered.get("chat_id")) != chat_id:
        return {}
    options: dict[str, Any] = {}
    if topic := whole(answered.get("topic_id")):
        options["message_thread_id"] = topic
    message_id = whole(answered.get("message_id"))
    if chat_id < 0 and message_id:
        options["reply_parameters"] = ReplyParameters(message_id, allow_sending_without_reply=True)
    return options


class Pace:
    """One message a second to each chat, as one process sees it; Telegram's own 429 holds back the rest."""

    def __init__(self) -> None:
        self._next: OrderedDict[int, float] = OrderedDict()

    async def turn(self, chat_id: int) -> None:
        """Waits a moment. Raises TryLater where it would be long."""
        now = asyncio.get_running_loop().time()
        at = max(now, self._next.get(chat_id, now))
        if at - now > _LONGEST_WAIT:
            raise TryLater("Telegram takes one message a second for a chat", after=at - now)
        self._next[chat_id] = at + CHAT_SECONDS
        self._next.move_to_end(chat_id)
        while len(self._next) > _CHATS_KEPT:
            self._next.popitem(last=False)
        if at > now:
            await asyncio.sleep(at - now)

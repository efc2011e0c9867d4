"""What Telegram knows of one bot: its chats, messages, files and the updates that wait for it."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from omnihub.connectors.reading import Fields
from omnihub.connectors.simulation import Line

DAY = 86_400
DEFAULT_UPDATES = frozenset({"message", "edited_message", "channel_post", "callback_query", "my_chat_member"})


class ApiError(Exception):
    """As the Bot API says it."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad_request(words: str, **parameters: Any) -> ApiError:
    return ApiError(400, f"Bad Request: {words}", **parameters)


@dataclass(slots=True, frozen=True, kw_only=True)
class StoredFile:
    id: str
    path: str
    content: bytes
    size: int


@dataclass(slots=True, kw_only=True)
class Kept:
    fields: Fields
    by_bot: bool
    line: Line | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Update:
    """`lane`: updates of one chat wait for each other."""

    id: int
    lane: int
    born: float
    body: Fields


@dataclass(slots=True, kw_only=True)
class Rates:
    """What Telegram takes before it answers 429: to one chat, to one group, and in all, each as messages
    within seconds (core.telegram.org/bots/faq, read 2026-11; a short burst is let through)."""

    chat: tuple[int, float] = (5, 5.0)
    group: tuple[int, float] = (20, 60.0)
    everywhere: tuple[int, float] = (30, 1.0)
    _taken: dict[object, list[float]] = field(default_factory=dict)

    def take(self, chat_id: int, now: float) -> None:
        """Raises ApiError."""
        rules: list[tuple[object, tuple[int, float]]] = [("all", self.everywhere), (chat_id, self.chat)]
        if chat_id < 0:
            rules.append((("group", chat_id), self.group))
        for key, (count, seconds) in rules:
            recent = [at for at in self._taken.get(key, ()) if now - at < seconds]
            self._taken[key] = recent
            if len(recent) >= count:
                wait = max(1, round(seconds - (now - recent[0])))
                raise ApiError(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        for key, _ in rules:
            self._taken[key].append(now)


class BotState:
    """`clock` in seconds since 1970."""

    def __init__(
        self, token: str, user: Fields, *, clock: Callable[[], float] = time.time, rates: Rates | None = None
    ) -> None:
        self.token = token
        self.user = user
        self.clock = clock
        self.rates = rates or Rates()
        self.chats: dict[int, Fields] = {}
        self.blocked: set[int] = set()
        self.kicked: set[int] = set()
        self.moved: dict[int, int] = {}
        self.messages: dict[tuple[int, int], Kept] = {}
        self.files: dict[str, StoredFile] = {}
        self.lent: dict[str, float] = {}
        self.avatars: dict[int, str] = {}
        self.pending: dict[int, Update] = {}
        self.allowed: frozenset[str] = DEFAULT_UPDATES
        self.changed = asyncio.Condition()
        self._numbers: dict[int, itertools.count[int]] = {}
        self._file_numbers = itertools.count(1)
        self._next_update = random.randrange(100_000_000, 900_000_000)

    def now(self) -> int:
        return int(self.clock())

    # — chats and messages —

    def private(self, user: Fields) -> Fields:
        chat = {**user, "type": "private"}
        for name in ("is_bot", "language_code"):
            chat.pop(name, None)
        return self.chats.setdefault(user["id"], chat)

    def new_message(self, chat: Fields, author: Fields, by_bot: bool = False, **fields: Any) -> Fields:
        number = next(self._numbers.setdefault(chat["id"], itertools.count(1)))
        message = {"message_id": number, "from": author, "chat": chat, "date": self.now(), **fields}
        self.messages[chat["id"], number] = Kept(fields=message, by_bot=by_bot)
        return message

    def last_of(self, chat_id: int, author_id: int) -> Fields | None:
        theirs = (
            kept.fields
            for (chat, _), kept in reversed(self.messages.items())
            if chat == chat_id and kept.fields["from"]["id"] == author_id
        )
        return next(theirs, None)

    def writable(self, chat_id: int) -> Fields:
        """The chat, where the bot may write to it. Raises ApiError."""
        if chat_id in self.moved:
            words = "group chat was upgraded to a supergroup chat"
            raise bad_request(words, migrate_to_chat_id=self.moved[chat_id])
        chat = self.chats.get(chat_id)
        if chat is None:
            raise bad_request("chat not found")
        if chat_id in self.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if chat_id in self.kicked:
            raise ApiError(403, "Forbidden: bot was kicked from the group chat")
        return chat

    def upgrade(self, chat_id: int) -> Fields:
        """The group becomes a supergroup under another id."""
        old = self.chats[chat_id]
        new = {**old, "id": -1_000_000_000_000 + chat_id, "type": "supergroup"}
        self.chats[new["id"]] = new
        self.moved[chat_id] = new["id"]
        return new

    # — files —

    def keep_file(self, content: bytes, folder: str, extension: str, size: int | None = None) -> Fields:
        """`size`: as if it were of that many bytes."""
        number = next(self._file_numbers)
        file_id = f"AgADsim{number:06d}-{self.user['id']}"
        path = f"{folder}/file_{number}{extension}"
        real = len(content) if size is None else size
        self.files[file_id] = StoredFile(id=file_id, path=path, content=content, size=real)
        return {"file_id": file_id, "file_unique_id": f"AQsim{number:06d}", "file_size": real}

    # — updates —

    async def push(self, kind: str, payload: Fields, lane: int) -> Update | None:
        """Puts an update into the queue; None where the bot did not ask for that kind."""
        if kind not in self.allowed:
            return None
        update_id = self._next_update
        self._next_update += 1
        body = {"update_id": update_id, kind: payload}
        self.pending[update_id] = update = Update(id=update_id, lane=lane, born=self.clock(), body=body)
        await self.tell()
        return update

    def quiet_week(self) -> None:
        """After it the next id is a random one, here a lower one."""
        self._next_update = random.randrange(1, min(self._next_update, 50_000_000))

    def confirm(self, offset: int) -> None:
        for update_id in [one for one in self.pending if one < offset]:
            del self.pending[update_id]

    def expire(self) -> None:
        for update_id in [one.id for one in self.pending.values() if self.clock() - one.born >= DAY]:
            del self.pending[update_id]

    def allow(self, kinds: Sequence[str] | None) -> None:
        """None: as it was; an empty list: the default."""
        if kinds is not None:
            self.allowed = frozenset(kinds) or DEFAULT_UPDATES

    async def tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()


def member(status: str, user: Mapping[str, Any]) -> Fields:
    return {"status": status, "user": dict(user)} | ({"until_date": 0} if status == "kicked" else {})

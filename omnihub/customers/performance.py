"""Customers who write by themselves for a while, at a human pace, and write back to answers."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import structlog

from omnihub.connectors.simulation import Chats, Person, Spoken, tone
from omnihub.customers.pictures import broken_screen
from omnihub.customers.speaking import speak
from omnihub.customers.stories import STORIES, Part, Story, Thing

log = structlog.get_logger("omnihub.customers")

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_PEOPLE_PER_CHANNEL = 3
_WHOLE_SECONDS, _LEAST_GAP, _LONGEST_GAP = 75.0, 1.5, 6.0
_THINK_SECONDS, _LONGEST_TYPING = 1.5, 6.0
_LETTERS_PER_SECOND, _CHARACTERS_PER_SECOND = 12.0, 5.0
_PATIENCE_SECONDS = 900.0


@dataclass(slots=True, frozen=True, kw_only=True)
class Role:
    channel: str
    chats: Chats
    person: Person
    story: Story


@dataclass(slots=True, frozen=True, kw_only=True)
class Progress:
    """`said` of `total` lines. `waiting`: customers who wrote and now wait for an answer. `speaker`: channel
    and name of who wrote last."""

    state: Literal["idle", "writing", "waiting"] = "idle"
    said: int = 0
    total: int = 0
    waiting: int = 0
    speaker: tuple[str, str] | None = None


def roles(casts: Mapping[str, Chats], turn: int) -> Sequence[Role]:
    """Who tells what: the channels take turns, and every turn of the whole begins with another story."""
    people = sorted(
        (number, channel)
        for channel, chats in casts.items()
        for number in range(min(_PEOPLE_PER_CHANNEL, len(chats.people)))
    )
    told = {"zh": turn * 3, "en": turn * 3}
    found = []
    for number, channel in people:
        chats = casts[channel]
        person = chats.people[number]
        language = "zh" if _CHINESE.search(person.name) else "en"
        fitting = [story for story in STORIES if story.language == language]
        found.append(
            Role(channel=channel, chats=chats, person=person, story=fitting[told[language] % len(fitting)])
        )
        told[language] += 1
    return found


class Performance:
    """`pace` stretches every pause; 0 for none."""

    def __init__(self, casts: Mapping[str, Chats], *, pace: float = 1.0) -> None:
        self._casts = casts
        self._pace = pace
        self._turn = 0
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._telling = 0
        self._waiting = 0
        self._said = 0
        self._total = 0
        self._speaker: tuple[str, str] | None = None

    @property
    def progress(self) -> Progress:
        if self._task is None or self._task.done() or not (self._telling or self._waiting):
            return Progress()
        return Progress(
            state="writing" if self._telling else "waiting",
            said=self._said,
            total=self._total,
            waiting=self._waiting,
            speaker=self._speaker,
        )

    async def start(self) -> None:
        """Anew, where it runs already."""
        await self.stop()
        cast = roles(self._casts, self._turn)
        self._turn += 1
        self._telling, self._waiting, self._said, self._speaker = len(cast), 0, 0, None
        self._total = sum(len(_parts(role)) for role in cast)
        self._task = asyncio.create_task(self._run(cast))
        await self._tell()

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._tell()

    async def wait(self, look: Callable[[], bool], seconds: float) -> bool:
        """Until `look` says so, for at most so long."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(look)
        except TimeoutError:
            return False
        return True

    async def _run(self, cast: Sequence[Role]) -> None:
        gap = max(_LEAST_GAP, min(_LONGEST_GAP, _WHOLE_SECONDS / max(1, len(cast))))
        try:
            async with asyncio.TaskGroup() as group:
                for number, role in enumerate(cast):
                    group.create_task(self._play(role, number * gap))
        except ExceptionGroup:
            log.exception("performance.failed")
        self._telling = self._waiting = 0
        await self._tell()

    async def _play(self, role: Role, after: float) -> None:
        await self._pause(after)
        for part in _parts(role):
            await self._pause(_typing(part))
            await speak(role.chats, role.person, _spoken(part))
            self._said += 1
            self._speaker = (role.channel, role.person.name)
            await self._tell()
        self._telling -= 1
        self._waiting += 1
        await self._tell()
        await self._answer(role)
        self._waiting -= 1
        await self._tell()

    async def _answer(self, role: Role) -> None:
        for words in role.story.answers:
            if not await role.chats.wait(lambda: _is_answered(role), _PATIENCE_SECONDS):
                return
            await self._pause(_THINK_SECONDS + _typing(words))
            await speak(role.chats, role.person, Spoken(kind="text", text=words))

    async def _pause(self, seconds: float) -> None:
        if seconds * self._pace > 0:
            await asyncio.sleep(seconds * self._pace)

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _is_answered(role: Role) -> bool:
    authors = [line.author for line in role.chats.lines(role.person.id) if line.author != "system"]
    return authors[-1:] == ["desk"]


def _parts(role: Role) -> Sequence[Part]:
    """Without what this channel cannot carry."""
    return [part for part in role.story.parts if isinstance(part, str) or part.value in role.chats.kinds]


def _typing(part: Part) -> float:
    if isinstance(part, Thing):
        return _THINK_SECONDS
    speed = _CHARACTERS_PER_SECOND if _CHINESE.search(part) else _LETTERS_PER_SECOND
    return min(_LONGEST_TYPING, _THINK_SECONDS + len(part) / speed)


def _spoken(part: Part) -> Spoken:
    if isinstance(part, str):
        return Spoken(kind="text", text=part)
    return _THINGS[part]()


def photo() -> Spoken:
    return Spoken(kind="image", filename="photo.png", content_type="image/png", content=broken_screen())


def voice_note() -> Spoken:
    return Spoken(kind="voice", filename="voice.wav", content_type="audio/wav", content=tone(2))


_THINGS: Mapping[Thing, Callable[[], Spoken]] = {Thing.PHOTO: photo, Thing.VOICE: voice_note}

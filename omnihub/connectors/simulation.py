"""What simulators share: a loopback server, and the customers' side of a chat."""

import asyncio
import itertools
import math
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from aiohttp import web

Author = Literal["customer", "desk", "system"]
_KEPT = 500


class Loopback:
    """An application on a port of the loopback: the preferred one, or any where that is taken."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, preferred: int = 0) -> str:
        self._runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=1, handle_signals=False)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, "127.0.0.1", preferred).start()
        except OSError:
            await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self.url

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Person:
    """A customer of the platform; `id` is the platform's own (openid, chat id, phone number)."""

    id: str
    name: str


@dataclass(slots=True, frozen=True, kw_only=True)
class Spoken:
    """What a customer does on the customers' page. `kind`: text, image, voice, video, file, or the key of one
    of the channel's own actions."""

    kind: str
    text: str = ""
    filename: str = ""
    content_type: str = ""
    content: bytes = b""


@dataclass(slots=True, kw_only=True)
class Line:
    """One line as the customer's app shows it. `desk`: what the company sent. `system`: what the platform
    says, such as that the service is faulty. `media` is a file's bytes."""

    number: int
    author: Author
    kind: str
    text: str = ""
    filename: str = ""
    content_type: str = ""
    media: bytes = b""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    recalled: bool = False


@dataclass(slots=True, frozen=True, kw_only=True)
class Action:
    """Something else than writing that a customer can do: follow, leave, open the chat, press a menu."""

    key: str
    en: str
    zh: str


Hear = Callable[[Person, Spoken], Awaitable[None]]


class Chats:
    """The chats of all customers with one demo account. `hear` is the simulator's: it shows the line to the
    customer, and tells the hub in the platform's way. `kinds`: what a customer can send."""

    def __init__(
        self, hear: Hear, *, people: Sequence[Person], kinds: Sequence[str], actions: Sequence[Action] = (),
        invent: Callable[[str, int], Person],
    ) -> None:  # fmt: skip
        self._hear = hear
        self._invent = invent
        self._people = {person.id: person for person in people}
        self._lines: dict[str, list[Line]] = {}
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()
        self.kinds = tuple(kinds)
        self.actions = tuple(actions)

    @property
    def people(self) -> Sequence[Person]:
        return list(self._people.values())

    def person(self, person_id: str) -> Person | None:
        return self._people.get(person_id)

    def invent(self, name: str) -> Person:
        """A new customer of this name."""
        person = self._invent(name, len(self._people) + 1)
        return self._people.setdefault(person.id, person)

    async def speak(self, person: Person, spoken: Spoken) -> None:
        await self._hear(person, spoken)

    def lines(self, person_id: str) -> Sequence[Line]:
        return list(self._lines.get(person_id, ()))

    async def show(
        self, person_id: str, author: Author, kind: str, text: str = "", *, filename: str = "",
        content_type: str = "", media: bytes = b"",
    ) -> Line:  # fmt: skip
        line = Line(
            number=next(self._numbers), author=author, kind=kind, text=text, filename=filename,
            content_type=content_type, media=media,
        )  # fmt: skip
        kept = self._lines.setdefault(person_id, [])
        kept.append(line)
        del kept[:-_KEPT]
        await self.tell()
        return line

    async def recall(self, line: Line) -> None:
        line.recalled = True
        await self.tell()

    async def tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def wait(self, look: Callable[[], bool], seconds: float) -> bool:
        """Until `look` says so, for at most so long."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(look)
        except TimeoutError:
            return False
        return True


def tone(seconds: float = 1.0) -> bytes:
    """A voice note that every browser plays: a short tone as WAV, 8 kHz mono."""
    rate = 8000
    count = int(rate * seconds)
    wave = (int(9000 * math.sin(2 * math.pi * 440 * n / rate) * min(1, (count - n) / 800)) for n in range(count))
    data = struct.pack(f"<{count}h", *wave)
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        36 + len(data),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(data),
    )
    return head + data


def amr_note(frames: int = 50) -> bytes:
    """A voice note as phones record it: AMR-NB, so many frames of 20 ms without sound."""
    return b"#!AMR\n" + (b"\x3c" + bytes(31)) * frames

"""Telephones that people play on the customers' page: those of the customers, and those at the desk."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from omnihub.connectors.simulation import Person

HandsetState = Literal["idle", "dialling", "queued", "rings", "talking", "held"]
Key = Literal["answer", "decline", "hold", "resume", "transfer", "hang_up"]
# answered: they talked. missed: the caller gave up. declined: nobody wanted it. unanswered: it rang out.
Ending = Literal["answered", "missed", "busy", "declined", "unanswered"]


class NotNow(Exception):
    """The telephone cannot do that as things stand: what rang there has stopped, for instance."""


@dataclass(slots=True, frozen=True, kw_only=True)
class CalledLine:
    """A number of the company's."""

    number: str
    en: str
    zh: str


@dataclass(slots=True, frozen=True, kw_only=True)
class Handset:
    """What a telephone shows. `dialling`: it rings at the other end. `placed`: the call goes from the desk to
    the customer; one that rings at the desk is connected once it is picked up. `other` is the number at the
    other end, "" where it is withheld. `since` is when this state began."""

    state: HandsetState = "idle"
    call_id: str = ""
    placed: bool = False
    other: str = ""
    other_name: str = ""
    line: str = ""
    position: int = 0
    since: datetime | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class LastCall:
    """How a customer's latest call ended. `placed`: the company called."""

    ending: Ending
    placed: bool
    talked_seconds: int
    at: datetime


IDLE = Handset()


class Telephones(Protocol):
    """`person.id` is a customer's number; extensions are those of the desk. A telephone is named by either."""

    @property
    def people(self) -> Sequence[Person]: ...

    @property
    def extensions(self) -> Sequence[str]: ...

    @property
    def lines(self) -> Sequence[CalledLine]: ...

    def person(self, person_id: str) -> Person | None: ...

    def invent(self, name: str) -> Person:
        """Somebody with a number that nobody has seen before; the exchange does not know the name."""

    def handset(self, telephone: str) -> Handset: ...

    def last(self, person_id: str) -> LastCall | None: ...

    async def ring(self, person: Person, line: str, *, anonymous: bool = False) -> None:
        """Raises NotNow."""

    async def press(self, telephone: str, key: Key, to: str = "") -> None:
        """`to` is whom a call is transferred to. Raises NotNow."""

    async def wait(self, look: Callable[[], bool], seconds: float) -> bool:
        """Until `look` says so, for at most so long."""


class Changes:
    """Wakes all who wait; can be told from where nothing can be awaited."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def wait(self, look: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while not look():
                    await self._told.wait()
        except TimeoutError:
            return False
        return True

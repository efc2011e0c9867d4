"""The telephones of the exchange as people play them: the customers', and those at the desk."""

import asyncio
import itertools
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from omnihub.connectors.asterisk.simulator_desk import RETRY_SECONDS, StaffedExchange
from omnihub.connectors.asterisk.simulator_exchange import DIRECT_LINE, QUEUE_LINE, Ongoing
from omnihub.connectors.simulation import Person
from omnihub.connectors.telephony.playing import (
    IDLE,
    CalledLine,
    Changes,
    Ending,
    Handset,
    HandsetState,
    Key,
    LastCall,
    NotNow,
)

_RINGS, _UP = "5", "6"
_ANONYMOUS = "anonymous"
# Of numbers that are kept free for plays and films (Ofcom, Bundesnetzagentur); the exchange knows their names.
PEOPLE = (
    Person(id="+8613800138001", name="陈晓燕"),
    Person(id="+493023125042", name="Lena Brandt"),
    Person(id="+442079460958", name="Oliver Hayes"),
)
LINES = (
    CalledLine(number=QUEUE_LINE, en="700: the service queue", zh="700：客服队列"),
    CalledLine(number=DIRECT_LINE, en="701: one desk directly", zh="701：坐席直线"),
)
_ENDINGS: Mapping[str, Ending] = {"17": "busy", "19": "unanswered", "21": "declined"}
# Without the country's code a number is known by its end.
_LEAST_DIGITS = 7


class Board(Protocol):
    """Of the simulator, what the telephones need."""

    exchange: StaffedExchange

    async def answer(self, extension: str = ..., call_id: str = ...) -> None: ...

    async def decline(self, extension: str, call_id: str) -> None: ...

    async def hang_up(self, call_id: str = ...) -> None: ...

    async def settle(self) -> None: ...


class Telephones:
    """`staffed`: people are at the telephones, so that nothing is picked up by itself."""

    def __init__(self, board: Board, clock: Callable[[], float]) -> None:
        self._board = board
        self._clock = clock
        self._people = {person.id: person for person in PEOPLE}
        self._named = {person.id for person in PEOPLE}
        self._callers: dict[str, str] = {}
        self._last: dict[str, LastCall] = {}
        self._changes = Changes()
        self._timers: set[asyncio.TimerHandle] = set()
        self.staffed = False

    # — what there is —

    @property
    def people(self) -> Sequence[Person]:
        return list(self._people.values())

    @property
    def extensions(self) -> Sequence[str]:
        return self._board.exchange.agents

    @property
    def lines(self) -> Sequence[CalledLine]:
        return LINES

    def person(self, person_id: str) -> Person | None:
        return self._people.get(person_id)

    def invent(self, name: str) -> Person:
        numbers = (f"+442079460{end:03}" for end in itertools.count())
        number = next(one for one in numbers if one not in self._people)
        person = self._people[number] = Person(id=number, name=name)
        self.tell()
        return person

    def last(self, person_id: str) -> LastCall | None:
        return self._last.get(person_id)

    def handset(self, telephone: str) -> Handset:
        at_desk = telephone in self.extensions
        for call in self._board.exchange.calls.values():
            if at_desk and telephone in call.phones:
                return self._at_desk(call, telephone)
            if not at_desk and self._caller_of(call) == telephone and _has_customer(call):
                return self._of_customer(call)
        return IDLE

    def _at_desk(self, call: Ongoing, extension: str) -> Handset:
        outer = call.customer or call.caller
        number = call.dialled or ("" if outer.number == _ANONYMOUS else outer.number)
        person = self._people.get(self._caller_of(call))
        known = person is not None and bool(number) and person.id in self._named
        return Handset(
            state=_state_at_desk(call, extension),
            call_id=call.id,
            placed=bool(call.dialled),
            other=number,
            other_name=person.name if person and known else "",
            line="" if call.dialled else _line_of(call),
            since=_moment(call.since),
        )

    def _of_customer(self, call: Ongoing) -> Handset:
        return Handset(
            state=_state_of_customer(call),
            call_id=call.id,
            placed=bool(call.dialled),
            other=_line_of(call) if not call.dialled else (call.customer or call.caller).connected,
            position=call.position,
            since=_moment(call.since),
        )

    def _caller_of(self, call: Ongoing) -> str:
        return self._callers.get(call.id) or self._id_of(call.dialled)

    def _id_of(self, number: str) -> str:
        """Of a customer whose number this is, as it is dialled; "" where there is none."""
        digits = re.sub(r"\D", "", number).lstrip("0")
        if len(digits) < _LEAST_DIGITS:
            return ""
        return next((one for one in self._people if one.endswith(digits)), "")

    # — what people do —

    async def ring(self, person: Person, line: str, *, anonymous: bool = False) -> None:
        if all(line != one.number for one in LINES):
            raise NotNow(f"nobody answers at {line}")
        if self.handset(person.id) != IDLE:
            raise NotNow(f"{person.name} telephones already")
        exchange = self._board.exchange
        shown = _ANONYMOUS if anonymous else person.id
        call = exchange.ring(shown, "" if anonymous or person.id not in self._named else person.name, line)
        self._callers[call.id] = person.id
        if not (call.phones or call.queued_at):
            exchange.refuse(call)
        await self._done()

    async def press(self, telephone: str, key: Key, to: str = "") -> None:
        handset = self.handset(telephone)
        call = self._board.exchange.calls.get(handset.call_id)
        if call is None or handset.state not in _POSSIBLE[key]:
            raise NotNow(f"{key} is not possible at {telephone}")
        if telephone not in self.extensions:
            await self._customer_presses(call, key)
        elif key == "transfer":
            self._transfer(call, telephone, to)
        else:
            await self._desk_presses(call, telephone, key)
        await self._done()

    async def _customer_presses(self, call: Ongoing, key: Key) -> None:
        exchange = self._board.exchange
        if key == "hang_up":
            await self._board.hang_up(call.id)
        elif key == "answer":
            exchange.customer_answers(call)
        elif key == "decline":
            exchange.customer_declines(call)
        else:
            raise NotNow(f"{key} is for the desk")

    async def _desk_presses(self, call: Ongoing, extension: str, key: Key) -> None:
        board = self._board
        doing: Mapping[Key, Callable[[], Awaitable[None]]] = {
            "answer": lambda: board.answer(extension, call.id),
            "decline": lambda: board.decline(extension, call.id),
            "hang_up": lambda: board.hang_up(call.id),
        }
        if key in doing:
            await doing[key]()
        else:
            board.exchange.hold(call, extension, on=key == "hold")

    def _transfer(self, call: Ongoing, extension: str, to: str) -> None:
        if to not in self._board.exchange.free():
            raise NotNow(f"{to} is not free")
        self._board.exchange.transfer(call, extension, to)

    async def _done(self) -> None:
        """What became free by it is rung for who waits; a telephone that declined only later."""
        self.distribute()
        loop = asyncio.get_running_loop()
        self._timers = {timer for timer in self._timers if timer.when() > loop.time()}
        if any(call.queued_at for call in self._board.exchange.calls.values()):
            self._timers.add(loop.call_later(RETRY_SECONDS + 0.1, self.distribute))
        await self._board.settle()

    def distribute(self) -> None:
        if self.staffed:
            self._board.exchange.distribute()

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()

    # — what is told —

    def tell(self) -> None:
        self._changes.tell()

    async def wait(self, look: Callable[[], bool], seconds: float) -> bool:
        return await self._changes.wait(look, seconds)

    def expect(self, number: str) -> None:
        """A number is called whose telephone has to be somewhere."""
        if not self._id_of(number):
            self._people[number] = Person(id=number, name=number)

    def ended(self, call: Ongoing, cause: str) -> None:
        person = self._caller_of(call)
        self._callers.pop(call.id, None)
        if not person or (call.dialled and call.customer is None and not call.moves and cause != "17"):
            return  # the desk was called only, or nobody that we play
        talked = int(self._clock() - call.answered_at) if call.answered_at else 0
        ending = "answered" if call.answered_at else _ENDINGS.get(cause, "missed")
        if ending == "busy" and call.dialled:
            ending = "declined"
        at = datetime.fromtimestamp(self._clock(), UTC)
        self._last[person] = LastCall(ending=ending, placed=bool(call.dialled), talked_seconds=talked, at=at)
        self.tell()


_POSSIBLE: Mapping[Key, Sequence[HandsetState]] = {
    "answer": ("rings",),
    "decline": ("rings",),
    "hold": ("talking",),
    "resume": ("held",),
    "transfer": ("talking", "held"),
    "hang_up": ("dialling", "queued", "talking", "held"),
}


def _has_customer(call: Ongoing) -> bool:
    return not call.dialled or call.customer is not None or call.moves > 0


def _state_at_desk(call: Ongoing, extension: str) -> HandsetState:
    if call.phones[extension].state == _RINGS:
        return "rings"
    if call.customer is not None and call.customer.state == _RINGS:
        return "dialling"
    return "held" if call.held else "talking"


def _state_of_customer(call: Ongoing) -> HandsetState:
    if call.customer is not None and call.customer.state == _RINGS:
        return "rings"
    if call.held:
        return "held"
    if any(phone.state == _UP for phone in call.phones.values()):
        return "talking"
    return "queued" if call.queued_at else "dialling"


def _line_of(call: Ongoing) -> str:
    return call.caller.exten


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)

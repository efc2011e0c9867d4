"""Hears the exchange's events as long as the account lives, and journals every call's changes."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import orjson
import structlog

from omnihub.connectors.asterisk.ami import Ami, connected
from omnihub.connectors.asterisk.calling import call_id_of
from omnihub.connectors.asterisk.folding import GRACE_SECONDS, Book
from omnihub.connectors.asterisk.frames import Frame
from omnihub.connectors.asterisk.reckoning import Rules
from omnihub.connectors.asterisk.settings import Settings
from omnihub.connectors.contract import Desk
from omnihub.connectors.telephony.call import Call, to_json
from omnihub.model.errors import OmnihubError, Refused
from omnihub.model.raw import RawRequest

log = structlog.get_logger("omnihub.asterisk")

SOURCE = "ami"
_CURSOR = "calls"
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
# Nobody mends a wrong secret within seconds, and the exchange may shut out who tries too often.
_REFUSED_PAUSE = 60.0
# What comes together is told together, but a pop-up must not wait.
_GATHER_SECONDS = 0.02
# Asterisk tells the end of a call in several events, whose order varies.
_SETTLE_SECONDS = 0.25
_PER_SECOND = 3
_SAVE_SECONDS = 2.0
_BATCH = 200
_LAST_WORDS_SECONDS = 3.0
_FAILED_PAUSE = 0.5
_AUDIT_PINGS = 3


@dataclass(slots=True)
class Pause:
    """Grows with every failure in a row, and differs from one hub to the next, so that not all come back to a
    restarted exchange at once."""

    seconds: float = 0.0

    def after(self, error: OmnihubError) -> float:
        self.seconds = min(max(FIRST_PAUSE, self.seconds * 2), LAST_PAUSE)
        base = _REFUSED_PAUSE if isinstance(error, Refused) else self.seconds
        return base * random.uniform(0.5, 1.0)

    def over(self) -> None:
        self.seconds = 0.0


@dataclass(slots=True)
class Changes:
    """The calls to look at again, each with the loop time from when on; at most three a second of one call."""

    due: dict[str, float] = field(default_factory=dict)
    told: dict[str, deque[float]] = field(default_factory=dict)

    def note(self, call_id: str, now: float, *, ended: bool) -> None:
        if ended:
            self.due[call_id] = now + _SETTLE_SECONDS
            return
        told = self.told.get(call_id)
        free = told[0] + 1.0 if told and len(told) == _PER_SECOND else 0.0
        self.due.setdefault(call_id, max(now + _GATHER_SECONDS, free))

    def done(self, call_id: str, now: float) -> None:
        self.told.setdefault(call_id, deque(maxlen=_PER_SECOND)).append(now)

    def take(self, now: float) -> Sequence[str]:
        ready = [call_id for call_id, at in self.due.items() if at <= now][:_BATCH]
        for call_id in ready:
            del self.due[call_id]
        return ready

    def forget(self, known: Collection[str]) -> None:
        self.told = {call_id: times for call_id, times in self.told.items() if call_id in known}


class Listener:
    def __init__(self, settings: Settings, rules: Rules, desk: Desk, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._desk = desk
        self._now = now
        self._book = Book(rules)
        self._changes = Changes()
        self._stirred = asyncio.Event()
        self._health: tuple[bool, str] | None = None
        self._saved = ""
        self._saved_at = 0.0

    async def run(self) -> None:
        """Until cancelled; then what is known is still put on disk."""
        kept = await self._desk.load_cursor(_CURSOR)
        self._book.load((kept or {}).get("calls"))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hear_on())
                group.create_task(self._tell_on())
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_SECONDS):
                    await self._last_words()

    # — from the exchange —

    async def _hear_on(self) -> None:
        pause = Pause()
        while True:
            try:
                async with connected(self._settings, self._hear, self._settings.event_classes) as ami:
                    await self._catch_up(ami)
                    self._say(ok=True, detail=ami.greeting)
                    pause.over()
                    await self._keep(ami)
            except OmnihubError as error:
                self._say(ok=False, detail=str(error))
                await asyncio.sleep(pause.after(error))

    async def _keep(self, ami: Ami) -> None:
        """The connection alive, and the book true: a Hangup may be lost, as the exchange drops events for a
        listener that is too slow."""
        while True:
            for _ in range(_AUDIT_PINGS):
                await asyncio.sleep(self._settings.ping_seconds)
                await ami.ask("Ping")
            await self._catch_up(ami)
            self._say(ok=True, detail=ami.greeting)

    async def _catch_up(self, ami: Ami) -> None:
        """The exchange repeats nothing; it tells what goes on now, and what is not told has ended."""
        before = self._book.live_legs()
        rows = await ami.rows("CoreShowChannels")
        self._changed(self._book.close_stale(before, rows, self._heard_at()))
        try:
            await ami.rows("QueueStatus")
        except Refused as error:  # an exchange without queues
            log.info("asterisk.no_queues", words=str(error))

    def _hear(self, frame: Frame) -> None:
        self._changed(self._book.tell(frame, self._heard_at()))

    def _heard_at(self) -> float:
        return self._now().timestamp()

    def _changed(self, call_ids: Collection[str]) -> None:
        now = asyncio.get_running_loop().time()
        for call_id in call_ids:
            facts = self._book.facts(call_id)
            if facts is not None:
                self._changes.note(call_id, now, ended=facts.ended)
        if call_ids:
            self._stirred.set()

    def _say(self, *, ok: bool, detail: str) -> None:
        self._health = (ok, detail)
        self._stirred.set()

    # — to the desk —

    async def _tell_on(self) -> None:
        """What was heard is said nowhere else again: it is kept in memory until it is on disk."""
        failures = 0
        while True:
            await self._wait()
            try:
                await self._report()
                await self._tell()
                await self._save()
                failures = 0
            except Exception as error:  # whatever the journal's trouble is, the calls must wait it out
                failures += 1
                log.warning("asterisk.not_kept", error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(min(_FAILED_PAUSE * 2**failures, 10.0))
                self._stirred.set()

    async def _wait(self) -> None:
        """Until something was heard, or what was heard before is due."""
        now = asyncio.get_running_loop().time()
        until = min([*self._changes.due.values(), now + _SAVE_SECONDS])
        if until > now:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._stirred.wait()
        self._stirred.clear()

    async def _report(self) -> None:
        while self._health is not None:
            said = self._health
            await self._desk.report(ok=said[0], detail=said[1])
            if self._health is said:
                self._health = None

    async def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        ready = self._changes.take(now)
        fresh = [call for call in map(self._fresh, ready) if call is not None]
        if not fresh:
            return
        try:
            await self._desk.journal([self._request(call) for call in fresh])
        except BaseException:
            for call_id in ready:
                self._changes.due.setdefault(call_id, now)
            raise
        for call in fresh:
            facts = self._book.facts(call.id)
            if facts is not None:
                facts.published, facts.sequence = _told(call), call.sequence
                self._changes.done(call.id, now)

    def _fresh(self, call_id: str) -> Call | None:
        """The call's state, where it is another than the journal has. Sequences follow the clock, so that
        they rise even where a listener has lost its notes."""
        call, facts = self._book.call(call_id), self._book.facts(call_id)
        if call is None or facts is None or _told(call) == facts.published:
            return None
        return replace(call, sequence=max(facts.sequence + 1, int(self._heard_at() * 1000)))

    def _request(self, call: Call) -> RawRequest:
        call = replace(self._settings.lines_told.heard(call), id=call_id_of(call.id))
        return RawRequest(
            source=SOURCE,
            body=orjson.dumps(to_json(call)),
            received_at=self._now(),
            headers={"content-type": "application/json"},
            source_key=f"{call.id}:{call.sequence}",
        )

    async def _save(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._saved_at + _SAVE_SECONDS:
            return
        self._book.forget(self._heard_at() - GRACE_SECONDS, keep=self._changes.due)
        self._changes.forget({call.id for call in self._book.calls()})
        self._saved_at = now
        await self._keep_notes()

    async def _keep_notes(self) -> None:
        notes = self._book.saved()
        if notes != self._saved:
            await self._desk.save_cursor(_CURSOR, {"calls": notes})
            self._saved = notes

    async def _last_words(self) -> None:
        self._changes.due = dict.fromkeys(self._changes.due, 0.0)
        try:
            while self._changes.due:
                await self._tell()
            await self._keep_notes()
        except Exception as error:  # the next listener asks the exchange what goes on
            log.warning("asterisk.not_kept", error=f"{type(error).__name__}: {error}")


def _told(call: Call) -> str:
    return orjson.dumps(to_json(replace(call, sequence=0))).decode()

"""Follows the calls of one FreeSWITCH for as long as it takes: across breaks, restarts of theirs and of ours."""

import asyncio
import base64
import random
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import orjson
import structlog

from omnihub.connectors.contract import Desk
from omnihub.connectors.freeswitch.line import Line, opened
from omnihub.connectors.freeswitch.notes import Note, gone, listed, moment, note_of
from omnihub.connectors.freeswitch.settings import Settings
from omnihub.connectors.freeswitch.switchboard import Switchboard
from omnihub.connectors.freeswitch.wire import Event, read_json_event
from omnihub.connectors.telephony.call import Call, to_json
from omnihub.model.errors import OmnihubError, Refused, TryLater, Unreadable
from omnihub.model.raw import RawRequest

log = structlog.get_logger(__name__)

SOURCE = "esl"
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
# A line that lived so long was a good one: the next may be dialled soon.
SETTLED_SECONDS = 30.0
# All calls are looked at so often, in case an event was lost; it also shows that the line is alive.
LOOK_SECONDS = 60.0
# A leg that a list misses may have its end still on the way: so long until the list that decides.
DOUBT_SECONDS = 2.0
SAVE_SECONDS = 1.0
CLOSING_SECONDS = 2.0
_JOURNAL_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
_MOST_LEGS = 5_000
_CURSOR = "calls"
_UUID = re.compile(r"[A-Za-z0-9\-]{1,64}")


class Listener:
    def __init__(self, desk: Desk, settings: Settings, now: Callable[[], datetime]) -> None:
        self._desk = desk
        self._server = settings.server
        self._lines = settings.lines_told
        self._board = Switchboard(settings.house)
        self._now = now
        self._clock = asyncio.get_running_loop().time
        self._heard_at = now()
        self._missed: dict[str, int] = {}
        self._unread = 0
        self._look_at = 0.0
        self._saved_at = float("-inf")
        self._unsaved = False

    async def run(self) -> None:
        """Until cancelled."""
        await self._restore()
        try:
            await self._keep_on()
        finally:
            # Whoever listens next goes on from here.
            try:
                async with asyncio.timeout(CLOSING_SECONDS):
                    await self._save()
            except Exception as error:  # what was saved before is older, and serves as well
                log.warning("freeswitch.calls_not_saved", error=str(error))

    async def _keep_on(self) -> None:
        pause = FIRST_PAUSE
        while True:
            dialled = self._clock()
            try:
                async with opened(self._server) as line:
                    await self._follow(line)
            except OmnihubError as error:
                # A wrong password does not mend itself; knocking on would only fill their log.
                settled = self._clock() - dialled > SETTLED_SECONDS
                pause = FIRST_PAUSE if settled else min(pause * 2, LONGEST_PAUSE)
                pause = LONGEST_PAUSE if isinstance(error, Refused) else pause
                await self._report(ok=False, detail=str(error))
            await asyncio.sleep(jittered(pause))

    async def _follow(self, line: Line) -> None:
        """Subscribed first, so that nothing can happen unseen between the list and the events."""
        await line.subscribe()
        self._unread = line.unread
        await self._look(line)
        await self._tell()
        await self._report(ok=True, detail=f"{self._board.open_calls} calls going on")
        while True:
            events = await line.batch(max(0.0, self._look_at - self._clock()))
            self._take(events)
            if self._clock() >= self._look_at or line.unread != self._unread:
                self._unread = line.unread
                await self._look(line)
            await self._tell()

    def _take(self, events: Iterable[Event]) -> None:
        now = self._now()
        for event in events:
            self._heard_at = now
            self._note(note_of(event), now)

    def _note(self, note: Note | None, now: datetime) -> None:
        if note is not None:
            self._board.take(note, now)
            self._unsaved = True

    # — what is there —

    async def _look(self, line: Line) -> None:
        """At every leg; one that two lists in a row do not know is gone, since we last heard before the first."""
        now, heard_at = self._now(), _micros(self._heard_at)
        before = self._board.open_legs()
        rows = read_rows(await line.api("show channels as json"))
        there = {str(row.get("uuid", "")): row for row in rows[:_MOST_LEGS]}
        for uuid, row in there.items():
            self._note(await self._closely(line, uuid) or listed(row, _micros(now)), now)
        missing = before - there.keys()
        for leg in missing & self._missed.keys():
            self._note(gone(leg, self._missed[leg]), now)
        self._missed = {leg: self._missed.get(leg, heard_at) for leg in missing}
        in_doubt = self._missed.keys() & self._board.open_legs()
        self._look_at = self._clock() + (DOUBT_SECONDS if in_doubt else LOOK_SECONDS)
        self._heard_at = self._now()
        self._board.forget(now)

    async def _closely(self, line: Line, uuid: str) -> Note | None:
        """All that FreeSWITCH knows of a leg; None where it ended just now."""
        if not _UUID.fullmatch(uuid):
            return None
        told = await line.api(f"uuid_dump {uuid} json")
        try:
            return note_of(read_json_event(told.encode()))
        except Unreadable:
            return None

    # — telling —

    async def _tell(self) -> None:
        """First kept, then journaled: what was told of is known after a crash, too, and can be ended."""
        calls = self._board.changed(self._now())
        if calls:
            if self._board.is_new(calls) or self._clock() - self._saved_at >= SAVE_SECONDS:
                await _patiently(self._save)
            requests = [request_of(self._lines.heard(call), self._now()) for call in calls]
            await _patiently(lambda: self._desk.journal(requests))
        self._board.told(calls)

    async def _save(self) -> None:
        if self._unsaved:
            self._unsaved = False
            try:
                await self._desk.save_cursor(_CURSOR, {"kept": pack(self._board.dump())})
            except BaseException:
                self._unsaved = True
                raise
            self._saved_at = self._clock()

    async def _restore(self) -> None:
        cursor = await self._desk.load_cursor(_CURSOR)
        if not cursor or not cursor.get("kept"):
            return
        try:
            kept = unpack(cursor["kept"])
            self._board.load(kept, self._now())
        except (ValueError, TypeError, KeyError, zlib.error, Unreadable) as error:
            log.warning("freeswitch.calls_not_restored", error=str(error))
            return
        # What ended in the meantime ended after the last that was heard.
        heard = max((note.at for note in self._board.notes()), default=0)
        self._heard_at = moment(heard) or self._heard_at

    async def _report(self, *, ok: bool, detail: str) -> None:
        try:
            await self._desk.report(ok=ok, detail=detail)
        except Exception as error:  # a health line that cannot be written must not end the listening
            log.warning("freeswitch.health_not_reported", detail=detail, error=str(error))


async def _patiently(act: Callable[[], Any]) -> None:
    """As long as it takes: FreeSWITCH does not say anything twice."""
    tries = 0
    while True:
        try:
            await act()
            return
        except Exception as error:
            pause = _JOURNAL_PAUSES[min(tries, len(_JOURNAL_PAUSES) - 1)]
            log.warning("freeswitch.not_journaled", again_in=pause, error=str(error))
        tries += 1
        await asyncio.sleep(pause)


def request_of(call: Call, now: datetime) -> RawRequest:
    return RawRequest(
        source=SOURCE, method="", body=orjson.dumps(to_json(call)), received_at=now, source_key=key_of(call)
    )


def key_of(call: Call) -> str:
    return f"{call.id}/{call.sequence}"


def read_rows(told: str) -> list[Mapping[str, Any]]:
    """Raises TryLater where the list is none: then nothing can be concluded from what it lacks."""
    try:
        read = orjson.loads(told)
    except orjson.JSONDecodeError as error:
        raise TryLater(f"FreeSWITCH did not list its calls: {told.strip()[:200]}") from error
    rows = read.get("rows", []) if isinstance(read, dict) and "row_count" in read else None
    if not isinstance(rows, list):
        raise TryLater("FreeSWITCH did not list its calls")
    return [row for row in rows if isinstance(row, dict)]


def pack(kept: Mapping[str, Any]) -> str:
    """Notes repeat themselves: a tenth of the size is left."""
    return base64.b64encode(zlib.compress(orjson.dumps(kept), 3)).decode()


def unpack(kept: str) -> dict[str, Any]:
    read = orjson.loads(zlib.decompress(base64.b64decode(kept)))
    return dict(read)


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def jittered(seconds: float) -> float:
    """So that those who lost their connections together do not return together."""
    return seconds * random.uniform(0.7, 1.3)

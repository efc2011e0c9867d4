"""Keeps the Stream connections: opened by us, so that DingTalk needs no public address of ours.

open-dingtalk/developerpedia, stream protocol (read 2026-11). Two rules stand above all: a frame is acknowledged
once the journal has it and never before, and a connection that DingTalk takes away is replaced before it ends.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import aiohttp
import structlog

from omnihub.connectors.contract import Desk
from omnihub.connectors.dingtalk.api import Api
from omnihub.connectors.dingtalk.frames import MESSAGES, Frame, acknowledgement
from omnihub.connectors.dingtalk.line import Line, connect
from omnihub.model.errors import OmnihubError, Refused
from omnihub.model.raw import RawRequest

log = structlog.get_logger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
# A line that lived so long was a good one: the next may be dialled soon.
SETTLED_SECONDS = 30.0
# When the hub stops: what has arrived may still reach the journal and be acknowledged.
CLOSING_SECONDS = 2.0
_JOURNAL_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
# Frames on their way to the journal; beyond that the lines are not read on.
_AT_ONCE = 128
_SUBSCRIPTIONS = ({"type": "EVENT", "topic": "*"}, {"type": "CALLBACK", "topic": MESSAGES})
SOURCE = "stream"


class Stream:
    """`key` names a hand-over, so that what comes twice is journaled once."""

    def __init__(
        self, desk: Desk, api: Api, http: aiohttp.ClientSession, *, connections: int,
        now: Callable[[], datetime], key: Callable[[RawRequest], str],
    ) -> None:  # fmt: skip
        self._desk = desk
        self._api = api
        self._http = http
        self._wanted = connections
        self._now = now
        self._key = key
        self._open: set[Line] = set()
        self._readers: set[asyncio.Task[None]] = set()
        self._frames: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._telling = asyncio.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        keepers = [asyncio.create_task(self._keep_one()) for _ in range(self._wanted)]
        try:
            await asyncio.gather(*keepers)
        finally:
            await self._stop(keepers)

    async def _stop(self, keepers: "list[asyncio.Task[None]]") -> None:
        """What has arrived comes first, its lines still open for the acknowledgement."""
        await _cancelled(keepers)
        if self._frames:
            await asyncio.wait(set(self._frames), timeout=CLOSING_SECONDS)
        await _cancelled([*self._frames])
        await _cancelled([*self._readers])

    async def _keep_one(self) -> None:
        """Always one line open: the next is dialled as soon as this one ends or is about to."""
        pause = FIRST_PAUSE
        while True:
            try:
                line = await connect(self._http, await self._api.open_connection(wanted(self._api)))
            except OmnihubError as error:
                await self._tell(str(error))
                # After a refusal nothing changes by itself.
                pause = LONGEST_PAUSE if isinstance(error, Refused) else min(pause * 2, LONGEST_PAUSE)
            else:
                await self._follow(line)
                pause = FIRST_PAUSE if line.age > SETTLED_SECONDS else min(pause * 2, LONGEST_PAUSE)
            await asyncio.sleep(jittered(pause))

    async def _follow(self, line: Line) -> None:
        """Until it ends or DingTalk takes leave; then it is read on while the next is dialled."""
        reader = asyncio.create_task(self._read(line))
        self._readers.add(reader)
        reader.add_done_callback(self._reader_done)
        self._open.add(line)
        await self._tell()
        left = asyncio.create_task(line.leaving.wait())
        try:
            await asyncio.wait({left, reader}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left.cancel()
            self._open.discard(line)

    async def _read(self, line: Line) -> None:
        try:
            await line.read(self._take)
        finally:
            await line.close()

    async def _take(self, line: Line, frame: Frame | None, raw: bytes) -> None:
        await self._places.acquire()
        task = asyncio.create_task(self._keep(line, frame, raw))
        self._frames.add(task)
        task.add_done_callback(self._frame_done)

    async def _keep(self, line: Line, frame: Frame | None, raw: bytes) -> None:
        request = RawRequest(source=SOURCE, method="", body=raw, received_at=self._now())
        await self._journal(replace(request, source_key=self._key(request)))
        if frame is not None and frame.id:
            await line.say(acknowledgement(frame))

    async def _journal(self, request: RawRequest) -> None:
        """As long as it takes: DingTalk may hand a message over once only."""
        tries = 0
        while True:
            try:
                await self._desk.journal([request])
                return
            except Exception as error:
                pause = _JOURNAL_PAUSES[min(tries, len(_JOURNAL_PAUSES) - 1)]
                log.warning("stream.not_journaled", again_in=pause, error=str(error))
            tries += 1
            await asyncio.sleep(pause)

    async def _tell(self, fault: str = "") -> None:
        """One after the other, so that the last word is the present state."""
        async with self._telling:
            count = len(self._open)
            words = f"{count} of {self._wanted} connections are open"
            if fault:
                words = f"{words}; the others: {fault}" if count else fault
            try:
                await self._desk.report(ok=count > 0, detail=words)
            except Exception as error:  # a health line that cannot be written must not end the listening
                log.warning("stream.health_not_reported", detail=words, error=str(error))

    def _reader_done(self, task: "asyncio.Task[None]") -> None:
        self._readers.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("stream.line_failed", error=repr(error))

    def _frame_done(self, task: "asyncio.Task[None]") -> None:
        self._frames.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()):
            log.error("stream.frame_failed", error=repr(error))


def wanted(api: Api) -> dict[str, object]:
    return {
        "clientId": api.client_id,
        "clientSecret": api.client_secret,
        "subscriptions": list(_SUBSCRIPTIONS),
        "ua": "omnihub/1",
        "localIp": "127.0.0.1",
    }


async def _cancelled(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def jittered(seconds: float) -> float:
    """So that those who lost their connections together do not return together."""
    return seconds * random.uniform(0.7, 1.3)

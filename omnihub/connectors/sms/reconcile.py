"""Twilio gives a webhook up after one answer that it did not like. What it lists and we do not have is taken in
from the list; so are the last words on our own messages."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from omnihub.connectors.contract import Desk
from omnihub.connectors.reading import Fields, text_of
from omnihub.connectors.sms import statuses
from omnihub.connectors.sms.api import Api, stamp
from omnihub.connectors.sms.parsing import RECONCILED, listed_message, listed_status, sent_at, source_key
from omnihub.connectors.sms.settings import Settings
from omnihub.model.errors import OmnihubError
from omnihub.model.raw import RawRequest

CURSOR = "reconcile"
# Looked through again each time: what was on its way to us, and what Twilio lists late.
OVERLAP = timedelta(hours=1)
# A webhook that is still under way is not lost.
GRACE = timedelta(seconds=60)


@dataclass(slots=True)
class Tally:
    """`provider`: customers' messages that Twilio lists. `stored`: those of them that we had."""

    provider: int = 0
    stored: int = 0
    recovered: int = 0
    told: set[str] = field(default_factory=set)

    def counts(self) -> Mapping[str, int]:
        return {"provider": self.provider, "stored": self.stored, "recovered": self.recovered}


class Reconciler:
    """`began`: when the account was connected; what came before is none of its business."""

    def __init__(self, api: Api, settings: Settings, began: datetime | None, now: Callable[[], datetime]) -> None:
        self._api = api
        self._settings = settings
        self._began = began
        self._now = now
        self._told: set[str] = set()  # statuses that were journaled by the last look

    async def run(self, desk: Desk) -> None:
        """Until cancelled; at once where the account does not want it."""
        while self._settings.poll_minutes:
            try:
                tally = await self.look(desk)
            except OmnihubError as error:
                await desk.report(ok=False, detail=f"looking for lost messages: {error}")
            else:
                detail = f"{tally.recovered} lost messages taken in" if tally.recovered else ""
                await desk.report(ok=True, detail=detail, counts=tally.counts())
            await asyncio.sleep(self._settings.poll_minutes * 60)

    async def look(self, desk: Desk) -> Tally:
        """One round. Raises TryLater, Refused or NotFound; the next round then begins where this one did."""
        begun = self._now()
        since = await self._since(desk, begun)
        tally = Tally()
        async for page in self._listed("To", since):
            received = [one for one in page if self._is_received(one, since, begun)]
            await self._take_in(desk, received, tally)
        async for page in self._listed("From", since):
            await self._tell(desk, [one for one in page if _is_settled(one)], tally)
        self._told = tally.told
        await desk.save_cursor(CURSOR, {"since": begun.isoformat()})
        return tally

    async def _since(self, desk: Desk, begun: datetime) -> datetime:
        cursor = await desk.load_cursor(CURSOR)
        began = self._began or begun - OVERLAP
        if cursor is None:
            return began
        try:
            last = datetime.fromisoformat(str(cursor.get("since", "")))
        except ValueError:
            return began
        return max(began, last.replace(tzinfo=last.tzinfo or UTC) - OVERLAP)

    async def _listed(self, side: str, since: datetime) -> AsyncIterator[Sequence[Fields]]:
        """Of each of our numbers; where only a Messaging Service is known, everything of the account that went
        through it."""
        date = {"DateSent>": stamp(since)}
        service = self._settings.messaging_service_sid
        if self._settings.from_numbers:
            for number in self._settings.from_numbers:
                async for page in self._api.messages({side: number, **date}):
                    yield page
            return
        async for page in self._api.messages(date):
            yield [one for one in page if text_of(one, "messaging_service_sid") == service]

    def _is_received(self, item: Fields, since: datetime, begun: datetime) -> bool:
        """Twilio may understand the date without its time, and then lists more than was asked for."""
        if text_of(item, "direction") != "inbound" or text_of(item, "status") not in ("received", "read"):
            return False
        at = sent_at(item)
        return at is None or since.replace(microsecond=0) <= at <= begun - GRACE

    async def _take_in(self, desk: Desk, received: Sequence[Fields], tally: Tally) -> None:
        sids = [text_of(one, "sid") for one in received]
        known = await desk.known(sids) if sids else set()
        lost = [one for one in received if text_of(one, "sid") not in known]
        requests = [self._request(await self._body(one), "message", one) for one in lost]
        if requests:
            await desk.journal(requests)
        tally.provider += len(received)
        tally.stored += len(received) - len(lost)
        tally.recovered += len(lost)

    async def _body(self, item: Fields) -> bytes:
        media: Sequence[Mapping[str, Any]] = ()
        if text_of(item, "num_media", "0") not in ("", "0"):
            media = await self._api.media_of(text_of(item, "sid"))
        return listed_message(item, media, self._settings.api_base_url)

    async def _tell(self, desk: Desk, settled: Sequence[Fields], tally: Tally) -> None:
        """Under the key of the status callback: the journal keeps whichever comes first."""
        requests = [self._request(listed_status(one), "status", one) for one in settled]
        fresh = [one for one in requests if one.source_key not in self._told]
        if fresh:
            await desk.journal(fresh)
        tally.told |= {one.source_key for one in requests}

    def _request(self, body: bytes, what: str, item: Fields) -> RawRequest:
        fields = {"MessageSid": text_of(item, "sid"), "MessageStatus": text_of(item, "status")}
        return RawRequest(
            source=RECONCILED,
            body=body,
            received_at=self._now(),
            headers={"content-type": "application/json"},
            source_key=source_key(fields, what),
        )


def _is_settled(item: Fields) -> bool:
    outbound = text_of(item, "direction").startswith("outbound")
    return outbound and text_of(item, "status") in statuses.FINAL

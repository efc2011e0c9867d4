"""Calls as a phone channel tells them, snapshot by snapshot."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from omnihub.connectors.telephony.call import Call
from omnihub.connectors.telephony.telling import amendment_of
from omnihub.model.documents import CallBackDoc
from omnihub.model.inbound import Amendment
from omnihub.store.database import now
from tests.inbox.spoken import Desk

ANN, BOB = "+4930901820", "+4930901821"
BEGAN = now().replace(microsecond=0) - timedelta(days=1)


def at(minutes: float) -> datetime:
    return BEGAN + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Ringing:
    """One call. `minute` is when it began; it rings for half a minute, and lasts for three."""

    id: str
    minute: float = 0
    number: str = ANN
    direction: Any = "in"

    def rings(self, **given: Any) -> Amendment:
        return self.told(1, state="ringing", agents=("21",), **given)

    def talks(self) -> Amendment:
        return self.told(2, state="talking", outcome="answered", answered_by="21", answered_at=self._later(0.5))

    def answered(self, **given: Any) -> Amendment:
        ended = {"state": "ended", "outcome": "answered", "ended_at": self._later(3), "talked_seconds": 150}
        return self.told(3, answered_by="21", answered_at=self._later(0.5), **ended, **given)

    def lost(self, outcome: str = "missed", **given: Any) -> Amendment:
        return self.told(3, state="ended", outcome=outcome, ended_at=self._later(0.5), **given)

    def _later(self, minutes: float) -> datetime:
        return at(self.minute + minutes)

    def told(self, sequence: int, **given: Any) -> Amendment:
        known: dict[str, Any] = {"customer": self.number, "started_at": self._later(0), "line": "10"}
        call = Call(id=self.id, direction=self.direction, **{"sequence": sequence, **known, **given})
        return amendment_of(call, channel="spoken", account_id="acc", region="DE")


def later(amendment: Amendment, sequence: int) -> Amendment:
    """The same in a further version, with something in it that is no news for anybody."""
    message = amendment.message
    assert message is not None
    extra = {"call": {**message.extra["call"], "sequence": sequence, "cause": "told again"}}
    return replace(amendment, sequence=sequence, message=replace(message, extra=extra))


async def call_backs(desk: Desk) -> list[CallBackDoc]:
    return [doc async for doc in desk.store.db["call_backs"].find().sort("_id", 1)]

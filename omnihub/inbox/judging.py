"""What a call came to: whether nobody took it, or somebody talked, and when by its own clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from omnihub.connectors.telephony.call import Call
from omnihub.inbox import going_on
from omnihub.model.documents import MessageDoc
from omnihub.model.errors import Unreadable

Reason = Literal["missed", "abandoned", "busy", "voicemail", "out_of_hours"]
# How an incoming call that nobody took may have ended, and as what it is to be called back.
_IN_VAIN: Mapping[str, Reason] = {
    "missed": "missed",
    "no_answer": "missed",
    "failed": "missed",
    "abandoned": "abandoned",
    "busy": "busy",
    "voicemail": "voicemail",
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Judgement:
    """`at` orders calls of one number, however late they are told of: when somebody began to talk, when it
    ended in vain. `began` is when it first rang."""

    lost: bool
    talked: bool
    outgoing: bool
    reason: Reason | None
    began: datetime
    at: datetime


def judged(message: MessageDoc) -> Judgement | None:
    """None for what is no call, or none that can be read yet."""
    told = message.get("extra", {}).get("call")
    if message["kind"] != "call" or not isinstance(told, Mapping):
        return None
    try:
        call = going_on.settled(told)
    except Unreadable:
        return None
    talked = call.outcome == "answered"
    lost = call.state == "ended" and call.direction == "in" and call.outcome in _IN_VAIN
    times = _times(call, message, talked=talked)
    return Judgement(
        lost=lost,
        talked=talked,
        outgoing=call.direction == "out",
        reason=_IN_VAIN[call.outcome] if lost else None,
        began=call.started_at or times,
        at=times,
    )


def _times(call: Call, message: MessageDoc, *, talked: bool) -> datetime:
    """Where nobody said when, it was when we heard of it."""
    told = (call.answered_at, call.started_at) if talked else (call.ended_at, call.started_at)
    return next((at for at in told if at), message["at"])

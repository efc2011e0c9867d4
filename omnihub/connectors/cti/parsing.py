"""From one hand-over to what it tells of its call: pure, without clock or network."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson

from omnihub.connectors.cti import bodies
from omnihub.connectors.cti.contract import (
    ANSWER,
    HANGUP,
    NEW_CALL,
    Told,
    is_blocked,
    is_internal,
    normalised,
    told,
)
from omnihub.connectors.cti.settings import Settings
from omnihub.connectors.telephony.call import Call, Outcome
from omnihub.connectors.telephony.telling import amendment_of, handle_of, words_of
from omnihub.model.inbound import Amendment, Inbound, InboundAttachment, InboundMessage
from omnihub.model.raw import RawRequest

CHANNEL = "cti"
# Later kinds know better how the call stands; what an earlier one alone knows is kept.
SEQUENCES: Mapping[str, int] = {NEW_CALL: 10, ANSWER: 20, HANGUP: 30}
_VOICEMAIL = "voicemail"
_NORMAL = "normalclearing"
# By cause, what became of a call that nobody had answered: (coming in, going out). A caller who hangs up
# "cancels"; of "normalClearing" it depends on whether somebody had answered; "forwarded" is somebody else's.
_OUTCOMES: Mapping[str, tuple[Outcome, Outcome]] = {
    "busy": ("busy", "busy"),
    "cancel": ("abandoned", "no_answer"),
    "noanswer": ("missed", "no_answer"),
    "congestion": ("failed", "failed"),
    "notfound": ("failed", "failed"),
    "forwarded": ("", ""),
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Reader:
    """What reading needs to know of the account."""

    account_id: str
    settings: Settings


@dataclass(slots=True, frozen=True, kw_only=True)
class Moment:
    """What one event knows of a call: `known` names the call's fields that it speaks of."""

    call: Call
    known: frozenset[str]


def parse(request: RawRequest, reader: Reader) -> Sequence[Inbound]:
    """Nothing of a call among our own extensions."""
    heard = told(request)
    if heard.event and is_internal(heard, reader.settings):
        return ()
    base = _base(heard, request.received_at, reader)
    tell = _MOMENTS.get(heard.event)
    if tell is None:
        return (_unknown(request, heard, base.call, reader),)
    moment = tell(base, heard, request.received_at, reader.settings)
    return (_amendment(moment, heard, request.received_at, reader),)


def _base(heard: Told, at: datetime, reader: Reader) -> Moment:
    """What every event says: whose call it is."""
    settings = reader.settings
    known = {"id"}
    known |= {"direction"} if heard.direction else set()
    known |= {"customer"} if heard.customer is not None else set()
    known |= {"line"} if heard.line else set()
    day = f"@{at:%Y-%m-%d}" if settings.ids_start_again else ""
    call = Call(
        id=heard.call_id + day,
        direction=heard.direction or "in",
        state="ringing",
        customer=_shown(heard.customer, settings),
        line=_shown(heard.line, settings),
        sequence=SEQUENCES.get(heard.event, 0),
    )
    return Moment(call=call, known=frozenset(known))


def _shown(number: str | None, settings: Settings) -> str:
    return normalised(number or "", settings) or (number or "")


# — what each event adds —


def _new_call(base: Moment, heard: Told, at: datetime, settings: Settings) -> Moment:
    known = base.known | {"state", "started_at", "agents"} | ({"queue"} if heard.queue else set())
    call = replace(
        base.call, state="queued" if heard.queue and not heard.people else "ringing", started_at=at,
        agents=heard.people, queue=heard.queue,
    )  # fmt: skip
    if is_blocked(heard, settings):
        call = replace(call, state="ended", outcome="rejected", ended_at=at)
        known |= {"outcome", "ended_at"}
    return Moment(call=call, known=known)


def _answer(base: Moment, heard: Told, at: datetime, settings: Settings) -> Moment:
    by = next(iter(heard.people), "") or heard.answering_number
    if by.lower() == _VOICEMAIL or (heard.target or "").lower() == _VOICEMAIL:
        call = replace(base.call, state="talking", outcome="voicemail")
        return Moment(call=call, known=base.known | {"state", "outcome"})
    known = base.known | {"state", "outcome", "answered_at"} | ({"answered_by"} if by else set())
    call = replace(base.call, state="talking", outcome="answered", answered_at=at, answered_by=by)
    return Moment(call=call, known=known)


def _hangup(base: Moment, heard: Told, at: datetime, settings: Settings) -> Moment:
    known = base.known | {"state", "ended_at"} | ({"cause"} if heard.cause else set())
    call = replace(base.call, state="ended", ended_at=at, cause=heard.cause)
    decided = _OUTCOMES.get(heard.cause.lower())
    if decided is not None and heard.direction and not is_blocked(heard, settings):
        call = replace(call, outcome=decided[heard.direction == "out"])
        known |= {"outcome"}
    if heard.answering_number and heard.cause.lower() == _NORMAL:
        # The answer itself may never have come.
        if heard.answering_number.lower() == _VOICEMAIL:
            return Moment(call=replace(call, outcome="voicemail"), known=known | {"outcome"})
        call = replace(call, answered_by=heard.answering_number)
        known |= {"answered_by"}
    return Moment(call=call, known=known)


_MOMENTS: Mapping[str, Callable[[Moment, Told, datetime, Settings], Moment]] = {
    NEW_CALL: _new_call,
    ANSWER: _answer,
    HANGUP: _hangup,
}


# — in the inbox's shape —


def _amendment(moment: Moment, heard: Told, at: datetime, reader: Reader) -> Amendment:
    whole = amendment_of(
        moment.call, channel=CHANNEL, account_id=reader.account_id, region=reader.settings.phone_region
    )  # fmt: skip
    assert whole.message is not None
    facts = {name: value for name, value in whole.message.extra["call"].items() if name in moment.known}
    message = replace(whole.message, sent_at=at, extra={"call": facts, **_raw(heard)})
    return replace(whole, at=at, message=message)


def _raw(heard: Told) -> Mapping[str, Any]:
    """The numbers as the phone system wrote them."""
    written = {"from_raw": heard.origin, "to_raw": heard.target}
    return {name: number for name, number in written.items() if number}


def _unknown(request: RawRequest, heard: Told, call: Call, reader: Reader) -> InboundMessage:
    fields = bodies.read(request)
    digest = hashlib.sha256(request.body).hexdigest()[:32]
    sender = handle_of(
        call, channel=CHANNEL, account_id=reader.account_id, region=reader.settings.phone_region
    )  # fmt: skip
    number = sender.value if sender.channel == "phone" else ""
    text = f"The phone system told of something that this channel does not know ({heard.word[:60]}). "
    return InboundMessage(
        external_id=f"event:{digest}",
        thread_key=sender.value,
        sender=sender,
        sent_at=request.received_at,
        kind="unsupported",
        text=text + words_of(call, number),
        silent=True,
        silent_reason="the event is unknown",
        attachments=(
            InboundAttachment(
                filename="event.json",
                content_type="application/json",
                content=orjson.dumps(fields, option=orjson.OPT_INDENT_2),
            ),
        ),
        extra={"event": heard.word[:60]},
    )

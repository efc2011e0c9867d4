"""From one hand-over to what it tells of its call: pure, without clock or network."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from omnihub.connectors.telephony.call import Call, Outcome, clean
from omnihub.connectors.telephony.telling import amendment_of, handle_of
from omnihub.connectors.twilio_voice.form import read_form
from omnihub.connectors.twilio_voice.kinds import FINAL, Heard, Kind, heard
from omnihub.connectors.twilio_voice.settings import Settings
from omnihub.connectors.twilio_voice.twiml import Script
from omnihub.model.errors import Unreadable
from omnihub.model.inbound import Amendment, Inbound, InboundAttachment, InboundMessage, LentMedia
from omnihub.model.raw import RawRequest

CHANNEL = "twilio_voice"
_INCOMING, _WENT_ON, _LEGS, _DIALLED, _LEFT, _OVER, _RECORDED = 10, 11, 100, 400, 800, 900, 950
_PLACED, _CONNECTED, _NOTIFIED = 10, 20, 30
# Twilio's SequenceNumber counts each leg for itself; among legs that ring together only the states compare.
_LEG_ORDER = {"queued": 0, "initiated": 0, "ringing": 1, "in-progress": 2}
_PER_STEP = 10
_ANSWERED = frozenset({"completed", "answered"})
_ENDS: Mapping[str, tuple[Outcome, Outcome]] = {  # coming in, going out
    "busy": ("busy", "busy"),
    "failed": ("failed", "failed"),
    "no-answer": ("missed", "no_answer"),
    "canceled": ("abandoned", "no_answer"),
}
_ABSENT = {"16101": "too short to be kept", "16102": "silent"}
_URL_LIMIT = 2000
_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}


@dataclass(slots=True, frozen=True, kw_only=True)
class Reader:
    """What reading needs to know of the account."""

    account_id: str
    settings: Settings
    script: Script


@dataclass(slots=True, frozen=True, kw_only=True)
class Moment:
    """What one hand-over knows of a call: `known` names the call's fields that it speaks of."""

    call: Call
    known: frozenset[str]
    media: LentMedia | None = None
    problem: str = ""

    def told(self, **fields: Any) -> "Moment":
        return replace(self, call=replace(self.call, **fields), known=self.known | set(fields))


def parse(request: RawRequest, reader: Reader) -> Inbound:
    fields = dict(read_form(request))
    said = heard(request, fields)
    if said.kind == "unknown":
        return _unknown(request, fields, reader)
    at = moment_of(said.get("Timestamp")) or request.received_at
    return _amendment(_READ[said.kind](_base(said), said, at, reader), at, reader)


def _base(said: Heard) -> Moment:
    """What every hand-over says: whose call it is."""
    call = Call(id=said.call_id, direction="out" if said.outgoing else "in", state="ringing")
    moment = Moment(call=call, known=frozenset({"id", "direction"}))
    if said.caller is not None:
        moment = moment.told(customer=clean(said.caller.customer, 100), line=clean(said.caller.line, 100))
    return moment


# — what each kind adds —


def _incoming(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    settings = reader.settings
    moment = base.told(state="ringing", started_at=at, agents=_rung(reader, 0), sequence=_INCOMING)
    if name := clean(said.get("CallerName")):
        moment = moment.told(customer_name=name)
    consent = settings.consent_of(base.call.line)
    return moment.told(consent=consent) if consent else moment


def _leg(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    status = said.get("CallStatus")
    order = _LEGS + _PER_STEP * said.step + _LEG_ORDER.get(status, 3)
    agent = reader.settings.named(clean(said.get("To")) or clean(said.get("Called")))
    if status in ("queued", "initiated", "ringing"):
        return base.told(state="ringing", agents=_rung(reader, said.step) or (agent,), sequence=order)
    if status == "in-progress":
        return base.told(
            state="talking", outcome="answered", answered_by=agent, answered_at=at, sequence=order
        )  # fmt: skip
    talked = _seconds(said.get("CallDuration"))
    if status == "completed" and talked:
        return base.told(outcome="answered", answered_by=agent, talked_seconds=talked, sequence=order)
    return base.told(sequence=order)


def _dial(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    moment = base.told(sequence=_DIALLED + said.step)
    if said.get("DialCallStatus") in _ANSWERED:
        moment = moment.told(state="ended", ended_at=at, outcome="answered")
        if seconds := _seconds(said.get("DialCallDuration")):
            moment = moment.told(talked_seconds=seconds)
        steps = reader.script.steps()
        alone = steps[said.step] if said.step < len(steps) else []
        return moment.told(answered_by=reader.settings.named(alone[0])) if len(alone) == 1 else moment
    if said.get("CallStatus") in FINAL:
        return moment.told(state="ended", ended_at=at, outcome="abandoned")
    if said.step + 1 >= len(reader.script.steps()) and not reader.settings.voicemail:
        return moment.told(state="ended", ended_at=at, outcome="missed")
    return moment


def _voicemail(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    moment = base.told(state="ended", ended_at=at, sequence=_LEFT)
    return moment.told(outcome="voicemail") if _seconds(said.get("RecordingDuration")) else moment


def _status(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    status = said.get("CallStatus")
    if status not in FINAL:
        number = said.get("SequenceNumber")
        return base.told(sequence=_WENT_ON + min(_seconds(number), 50))
    moment = base.told(state="ended", ended_at=at, cause=status, sequence=_OVER)
    if status in _ENDS:
        moment = moment.told(outcome=_ENDS[status][said.outgoing])
    return moment


def _recording(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    """It is complete only after the call, or the part of it that was recorded."""
    status, sid = said.get("RecordingStatus") or "completed", clean(said.get("RecordingSid"), 64)
    moment = replace(base, call=replace(base.call, state="ended"))
    if status == "completed" and (sid or said.get("RecordingUrl")):
        if not said.left_message and not reader.settings.lines_told.records(base.call.line):
            return moment.told(sequence=_RECORDED)
        moment = moment.told(recording=sid, sequence=_RECORDED)
        if said.left_message:
            moment = moment.told(outcome="voicemail")
        return replace(moment, media=_lent(said, sid, reader.settings))
    if status in ("absent", "failed"):
        code = said.get("ErrorCode")[:20]
        why = _ABSENT.get(code) or f"{status} at Twilio{f' ({code})' if code else ''}"
        moment = moment.told(sequence=_RECORDED)
        # Who left silence left no message.
        moment = moment.told(outcome="missed") if said.left_message else moment
        return replace(moment, problem=f"no recording: {why}")
    return moment.told(sequence=_WENT_ON)


# — calls that we placed —


def _placed(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    """The agent's leg, which lasts as long as the call."""
    status = said.get("CallStatus")
    moment = base.told(agents=_caller(said))
    if status not in FINAL:
        began = {"started_at": at} if status in ("queued", "initiated") else {}
        return moment.told(state="ringing", sequence=_PLACED + _LEG_ORDER.get(status, 3), **began)
    moment = moment.told(state="ended", ended_at=at, cause=status, sequence=_OVER)
    return moment.told(outcome=_ENDS[status][1]) if status in _ENDS else moment


def _connect(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    return base.told(state="ringing", agents=_caller(said), sequence=_CONNECTED)


def _notice(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    consent = reader.settings.consent_of(base.call.line)
    return base.told(sequence=_NOTIFIED, **({"consent": consent} if consent else {}))


def _callee(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    status, agent = said.get("CallStatus"), clean(said.caller.agent if said.caller else "")
    moment = base.told(sequence=_LEGS + _LEG_ORDER.get(status, 3))
    if status in ("queued", "initiated", "ringing"):
        return moment.told(state="ringing")
    if status == "in-progress":
        return moment.told(state="talking", outcome="answered", answered_by=agent, answered_at=at)
    talked = _seconds(said.get("CallDuration"))
    if status == "completed" and talked:
        return moment.told(outcome="answered", answered_by=agent, talked_seconds=talked)
    return moment


def _called(base: Moment, said: Heard, at: datetime, reader: Reader) -> Moment:
    status = said.get("DialCallStatus")
    moment = base.told(state="ended", ended_at=at, sequence=_DIALLED)
    if status not in _ANSWERED:
        return moment.told(outcome=_ENDS[status][1]) if status in _ENDS else moment
    moment = moment.told(outcome="answered", answered_by=clean(said.caller.agent if said.caller else ""))
    talked = _seconds(said.get("DialCallDuration"))
    return moment.told(talked_seconds=talked) if talked else moment


def _caller(said: Heard) -> tuple[str, ...]:
    agent = clean(said.caller.agent if said.caller else "")
    return (agent,) if agent else ()


_READ: Mapping[Kind, Callable[[Moment, Heard, datetime, Reader], Moment]] = {
    "incoming": _incoming,
    "leg": _leg,
    "dial": _dial,
    "voicemail": _voicemail,
    "status": _status,
    "recording": _recording,
    "placed": _placed,
    "connect": _connect,
    "notice": _notice,
    "callee": _callee,
    "called": _called,
}


def _rung(reader: Reader, step: int) -> tuple[str, ...]:
    return tuple(reader.settings.named(one) for together in reader.script.steps()[: step + 1] for one in together)


def _lent(said: Heard, sid: str, settings: Settings) -> LentMedia:
    label = "voicemail" if said.left_message else "recording"
    return LentMedia(
        ref={"url": said.get("RecordingUrl")[:_URL_LIMIT], "sid": sid},
        filename=f"{label}.{settings.recording_format}",
        content_type=_TYPES[settings.recording_format],
        label="recording",
    )


# — in the inbox's shape —


def _amendment(moment: Moment, at: datetime, reader: Reader) -> Amendment:
    region = reader.settings.lines_told.region_of(moment.call.line)
    whole = amendment_of(
        moment.call, channel=CHANNEL, account_id=reader.account_id, region=region,
        recording=moment.media,
    )  # fmt: skip
    assert whole.message is not None
    facts = {name: value for name, value in whole.message.extra["call"].items() if name in moment.known}
    extra = {"call": facts} | ({"recording_problem": moment.problem} if moment.problem else {})
    media = (moment.media,) if moment.media else ()
    return replace(whole, at=at, message=replace(whole.message, sent_at=at, media=media, extra=extra))


def _unknown(request: RawRequest, fields: Mapping[str, str], reader: Reader) -> InboundMessage:
    digest = hashlib.sha256(request.body).hexdigest()[:32]
    name = clean(next((fields[one] for one in ("EventType", "StatusCallbackEvent") if fields.get(one)), "unknown"))
    call = Call(id=digest, direction="in", state="ended", customer=clean(fields.get("From", ""), 100))
    sender = handle_of(call, channel=CHANNEL, account_id=reader.account_id, region=reader.settings.phone_region)
    return InboundMessage(
        external_id=f"event:{digest}",
        thread_key=sender.value,
        sender=sender,
        sent_at=request.received_at,
        kind="unsupported",
        text=f"Twilio told of something that this channel does not know ({name}); see the attachment",
        silent=True,
        silent_reason="the event is unknown",
        attachments=(
            InboundAttachment(
                filename="event.json",
                content_type="application/json",
                content=orjson.dumps(dict(fields), option=orjson.OPT_INDENT_2),
            ),
        ),
        extra={"event": name},
    )


def moment_of(text: str) -> datetime | None:
    """RFC 2822, as Twilio writes Timestamp; None where it is none."""
    try:
        read = parsedate_to_datetime(text[:60])
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError, IndexError):
        return None


def _seconds(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def check_readable(request: RawRequest, fields: Mapping[str, str]) -> None:
    """Raises Unreadable or NotFound."""
    if not fields:
        raise Unreadable("the form is empty")
    heard(request, fields)

"""A call's snapshot as the inbox takes it in: one message that goes on."""

import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import quote

from omnihub.connectors.numbers import e164, is_withheld
from omnihub.connectors.telephony.call import Call, clean, to_json
from omnihub.model.inbound import Amendment, Handle, InboundMessage, LentMedia, Participant

_LOST = frozenset({"missed", "abandoned", "voicemail", "busy", "no_answer", "failed"})
_HIDDEN_MARK = "anonymous-"
_ANONYMOUS = "匿名来电 / Anonymous"


def handle_of(call: Call, *, channel: str, account_id: str, region: str) -> Handle:
    """Who cannot be told by a public number is somebody else with every call."""
    number = e164(call.customer, region)
    if number:
        return Handle(key=f"phone:{number}", name=call.customer_name)
    named = call.customer_name or call.customer or _ANONYMOUS
    return Handle(key=f"{channel}:{account_id}:{_HIDDEN_MARK}{quote(call.id, safe='@._-')}", name=named)


def amendment_of(
    call: Call, *, channel: str, account_id: str, region: str, recording: LentMedia | None = None,
    files: bool = True,
) -> Amendment:  # fmt: skip
    """`recording` where a channel names its files otherwise than by `call.recording`; either is told only once
    the call is over, as before that the file still grows. `files` False: they cannot be fetched.

    The customer is the sender of outgoing calls, too: `extra` says who called whom. A call of ours is no
    answer as long as nobody has picked up.
    """
    if is_withheld(call.customer):
        name = "" if is_withheld(call.customer_name) else call.customer_name
        call = replace(call, customer="", customer_name=name)
    sender = handle_of(call, channel=channel, account_id=account_id, region=region)
    number = e164(call.customer, region)
    text = words_of(call, number)
    lost = call.state == "ended" and call.direction == "in" and call.outcome in _LOST
    message = InboundMessage(
        external_id=f"call:{call.id}",
        thread_key=sender.value,
        sender=sender,
        participants=(Participant(handle=sender, role="from"),),
        sent_at=call.started_at,
        kind="call",
        # In nobody's language: it is what lists show for as long as the ticket lives.
        subject=f"☎ {_who(call, number) if call.customer else sender.name}",
        text=text,
        visible_text=text,
        media=_media(call, recording) if files else (),
        silent=not lost,
        silent_reason="" if lost else _why_silent(call),
        extra={"call": to_json(call)},
    )
    return Amendment(
        external_id=message.external_id,
        kind="updated",
        at=call.ended_at or call.answered_at or call.started_at,
        sequence=call.sequence,
        message=message,
    )


def _media(call: Call, recording: LentMedia | None) -> tuple[LentMedia, ...]:
    if call.state != "ended" or not (recording or call.recording):
        return ()
    if recording is not None:
        return (recording,)
    name = PurePosixPath(call.recording).name
    kind = mimetypes.guess_type(name)[0] or ""
    return (LentMedia(ref={"recording": call.recording}, filename=name, content_type=kind, label="recording"),)


def _why_silent(call: Call) -> str:
    if call.state != "ended":
        return "the call is going on"
    return "we called" if call.direction == "out" else f"the call was {call.outcome or 'over'}"


# — in words —


def words_of(call: Call, number: str) -> str:
    """For lists, notifications and search; the call card is drawn from `extra`."""
    who = _who(call, number)
    return (_ENDED.get(call.outcome, _ended) if call.state == "ended" else _GOING_ON[call.state])(call, who)


def _who(call: Call, number: str) -> str:
    shown = number or call.customer
    if not shown:
        return call.customer_name or "an anonymous number"
    name = clean(call.customer_name)
    return f"{shown} ({name})" if name and name != call.customer else shown


def _named(call: Call, who: str) -> str:
    return f"Call to {who}" if call.direction == "out" else f"Call from {who}"


def _by(call: Call) -> str:
    return f" {'by' if call.direction == 'out' else 'with'} {call.answered_by}" if call.answered_by else ""


def _ringing(call: Call, who: str) -> str:
    return f"{_named(call, who)}, ringing" + (f" at {', '.join(call.agents)}" if call.agents else "")


def _queued(call: Call, who: str) -> str:
    place = f", place {call.position}" if call.position else ""
    return f"{_named(call, who)}, waiting" + (f" in {call.queue}{place}" if call.queue else "")


def _talking(call: Call, who: str) -> str:
    return f"{_named(call, who)}, talking{_by(call)}"


def _held(call: Call, who: str) -> str:
    return f"{_named(call, who)}, on hold{_by(call)}"


def _parked(call: Call, who: str) -> str:
    return f"{_named(call, who)}, parked"


def _answered(call: Call, who: str) -> str:
    if call.direction == "out":
        return f"{_named(call, who)}{_by(call)}, talked {lasting(call.talked_seconds)}"
    by = f" by {call.answered_by}" if call.answered_by else ""
    waited = f" after {lasting(call.waited_seconds)}"
    return f"{_named(call, who)}, answered{by}{waited}, talked {lasting(call.talked_seconds)}"


def _missed(call: Call, who: str) -> str:
    return f"Missed call from {who}, waited {lasting(call.waited_seconds)}"


def _abandoned(call: Call, who: str) -> str:
    queue = f" in {call.queue}" if call.queue else ""
    return f"Missed call from {who}, hung up after waiting {lasting(call.waited_seconds)}{queue}"


def _unanswered(call: Call, who: str) -> str:
    if call.direction == "out":
        return f"Call to {who}, no answer after {lasting(call.waited_seconds)}"
    return _missed(call, who)


def _busy(call: Call, who: str) -> str:
    return f"Call to {who}: busy" if call.direction == "out" else f"Missed call from {who}: the line was busy"


def _failed(call: Call, who: str) -> str:
    cause = f": {call.cause}" if call.cause else ""
    return f"Call to {who} failed{cause}" if call.direction == "out" else f"Failed call from {who}{cause}"


def _rejected(call: Call, who: str) -> str:
    return f"Call to {who}, rejected" if call.direction == "out" else f"Rejected call from {who}"


def _voicemail(call: Call, who: str) -> str:
    return f"Voicemail for {who}" if call.direction == "out" else f"Voicemail from {who}"


def _ended(call: Call, who: str) -> str:
    return f"{_named(call, who)}, ended"


_GOING_ON: Mapping[str, Callable[[Call, str], str]] = {
    "ringing": _ringing,
    "queued": _queued,
    "talking": _talking,
    "held": _held,
    "parked": _parked,
}
_ENDED: Mapping[str, Callable[[Call, str], str]] = {
    "answered": _answered,
    "missed": _missed,
    "abandoned": _abandoned,
    "no_answer": _unanswered,
    "busy": _busy,
    "failed": _failed,
    "rejected": _rejected,
    "voicemail": _voicemail,
}


def lasting(seconds: int) -> str:
    """23 s, 4 min 05 s, 1 h 02 min."""
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"

"""Which of Twilio's calls to the hub this is. All about one customer's call bear the CallSid of its first leg."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from omnihub.connectors.telephony.dialling import is_call_id
from omnihub.connectors.twilio_voice.twiml import AGENT, CUSTOMER, LEFT, LINE, PLACED, Caller
from omnihub.model.errors import NotFound, Unreadable
from omnihub.model.raw import RawRequest

Kind = Literal[
    "incoming", "status", "leg", "dial", "recording", "voicemail", "unknown",
    # Of a call that we placed: the agent's leg, what comes next once it is picked up, the customer's leg, what
    # they hear first, and how the ringing ended.
    "placed", "connect", "callee", "notice", "called",
]  # fmt: skip
FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_TAILS: Mapping[str, Kind] = {
    "": "incoming", "status": "status", "leg": "leg", "dial": "dial", "recording": "recording",
    "voicemail": "voicemail", "placed": "placed", "connect": "connect", "callee": "callee", "notice": "notice",
    "called": "called",
}  # fmt: skip
_STEPPED = frozenset({"leg", "dial"})
_OF_PLACED = frozenset({"placed", "connect", "callee", "notice", "called"})
# What tells one hand-over of a kind from the next about the same call.
_TELLING: Mapping[Kind, tuple[str, ...]] = {
    "incoming": (),
    "status": ("CallStatus", "SequenceNumber"),
    "leg": ("CallSid", "CallStatus", "SequenceNumber"),
    "dial": ("DialCallSid", "DialCallStatus"),
    "recording": ("RecordingSid", "RecordingStatus"),
    "voicemail": ("RecordingSid",),
    "placed": ("CallStatus", "SequenceNumber"),
    "connect": (),
    "callee": ("CallStatus", "SequenceNumber"),
    "notice": (),
    "called": ("DialCallSid", "DialCallStatus"),
}


@dataclass(slots=True, frozen=True, kw_only=True)
class Heard:
    """`call_id`: the customer's call, "" for what is about none; ours where we placed it. `step`: whose ringing
    this is about."""

    kind: Kind
    call_id: str
    step: int
    fields: Mapping[str, str]
    caller: Caller | None
    outgoing: bool
    left_message: bool

    def get(self, name: str) -> str:
        return self.fields.get(name, "")

    @property
    def source_key(self) -> str:
        """Repeats and calls to the fallback address bear the same."""
        if self.kind == "unknown":
            return ""
        told = [self.get(name)[:100] for name in _TELLING[self.kind]]
        return ":".join((self.kind, self.call_id, str(self.step), *told))


def heard(request: RawRequest, fields: Mapping[str, str]) -> Heard:
    """Raises NotFound for an address that no call has, Unreadable for what is about nothing."""
    kind, step = _address(request.tail)
    kind = _really(kind, fields)
    if kind in _OF_PLACED or (kind == "recording" and PLACED in request.query):
        return _of_placed(request, fields, kind)
    call_id = fields.get("ParentCallSid" if kind == "leg" else "CallSid", "")
    if not _SID.fullmatch(call_id):
        if kind != "incoming" or not fields.get("AccountSid"):
            raise Unreadable("this does not say which call it is about")
        kind, call_id = "unknown", ""
    outgoing = fields.get("Direction", "").startswith("outbound") and kind != "leg"
    return Heard(
        kind=kind,
        call_id=call_id,
        step=step,
        fields=fields,
        caller=_caller(request, fields, kind, outgoing),
        outgoing=outgoing,
        left_message=request.query.get(LEFT, "") == "1",
    )


def _of_placed(request: RawRequest, fields: Mapping[str, str], kind: Kind) -> Heard:
    """Twilio's own ids differ from leg to leg; the addresses that we gave it carry ours."""
    query = request.query
    call_id = query.get(PLACED, "")
    if not is_call_id(call_id) or not query.get(CUSTOMER):
        raise Unreadable("this does not say which call it is about")
    caller = Caller(
        customer=query[CUSTOMER], line=query.get(LINE, ""), placed=call_id, agent=query.get(AGENT, "")
    )  # fmt: skip
    return Heard(
        kind=kind, call_id=call_id, step=0, fields=fields, caller=caller, outgoing=True, left_message=False
    )  # fmt: skip


def _address(tail: str) -> tuple[Kind, int]:
    name, _, step = tail.strip("/").partition("/")
    kind = _TAILS.get(name)
    wanted = r"[0-9]{1,2}" if name in _STEPPED else r""
    if kind is None or not re.fullmatch(wanted, step, re.ASCII):
        raise NotFound("there is nothing at this address")
    return kind, int(step or 0)


def _really(kind: Kind, fields: Mapping[str, str]) -> Kind:
    """A number may have one address for everything; and its status address hears of further legs, too."""
    is_status = bool(fields.get("SequenceNumber")) or fields.get("CallStatus") in FINAL
    if kind == "incoming" and is_status:
        kind = "status"
    if kind == "status" and fields.get("ParentCallSid"):
        kind = "leg"
    return kind


def _caller(request: RawRequest, fields: Mapping[str, str], kind: Kind, outgoing: bool) -> Caller | None:
    """None where nothing says whose call it is."""
    if kind in ("leg", "recording"):
        if CUSTOMER not in request.query:
            return None
        return Caller(customer=request.query[CUSTOMER], line=request.query.get(LINE, ""))
    if "From" not in fields and "To" not in fields:
        return None
    pair = fields.get("From", ""), fields.get("To", "")
    customer, line = reversed(pair) if outgoing else pair
    return Caller(customer=customer, line=line)

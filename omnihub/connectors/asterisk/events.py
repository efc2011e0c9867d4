"""What each event of the manager interface tells of a call: one small function per event."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from omnihub.connectors.asterisk.facts import Facts, Handover, Leg, Stay, Waiting, earliest
from omnihub.connectors.asterisk.frames import Frame
from omnihub.connectors.telephony.call import clean

NO_EXTENSIONS = frozenset({"", "s", "h", "i", "t", "o", "e", "T"})
_VOICEMAIL = frozenset({"voicemail", "voicemailmain", "minivmrecord", "record"})
_UP, _RINGING = "6", "5"


@dataclass(slots=True, frozen=True)
class Told:
    """One event of a call. `leg` is the channel that it is about."""

    frame: Frame
    at: float
    facts: Facts
    leg: Leg | None

    def leg_of(self, prefix: str) -> Leg | None:
        """Another channel that the event names."""
        name = self.frame.get(f"{prefix}Uniqueid")
        return self.facts.legs.get(name) if name else None


def _nothing(told: Told) -> None:
    """That the channels were seen is all that it tells."""


def _dial_begin(told: Told) -> None:
    if leg := told.leg_of("Dest"):
        leg.dialled(told.at)


def _dial_end(told: Told) -> None:
    leg = told.leg_of("Dest")
    if leg is None:
        return
    status = told.frame.get("DialStatus").upper()
    leg.dialled(told.at)
    leg.dial_result.tell(told.at, status)
    if status == "ANSWER":
        leg.answered(told.at)


def _agent_connect(told: Told) -> None:
    if leg := told.leg_of("Dest"):
        leg.dialled(told.at)
        leg.answered(told.at)


def _bridge_enter(told: Told) -> None:
    if told.leg is None or told.frame.get("BridgeTechnology") == "holding_bridge":
        return
    stay = told.leg.stays.setdefault(told.frame.get("BridgeUniqueid"), Stay())
    stay.entered_at = max(stay.entered_at, told.at)
    told.leg.answered(told.at)


def _bridge_leave(told: Told) -> None:
    if told.leg:
        stay = told.leg.stays.setdefault(told.frame.get("BridgeUniqueid"), Stay())
        stay.left_at = max(stay.left_at, told.at)


def _turn(told: Told) -> Waiting:
    return told.facts.queues.setdefault(told.frame.get("Queue"), Waiting())


def _queue_join(told: Told) -> None:
    turn = _turn(told)
    turn.joined_at = max(turn.joined_at, told.at)
    turn.position.tell(told.at, str(number(told.frame.get("Position"))))


def _queue_leave(told: Told) -> None:
    turn = _turn(told)
    turn.left_at = max(turn.left_at, told.at)


def _queue_abandon(told: Told) -> None:
    _turn(told).abandoned = True


def _queue_entry(told: Told) -> None:
    """A row of QueueStatus: who waits now, where, and since when."""
    turn = _turn(told)
    since = told.at - number(told.frame.get("Wait"))
    turn.joined_at = turn.joined_at or since
    turn.position.tell(told.at, str(number(told.frame.get("Position"))))


def _hold(told: Told) -> None:
    if told.leg:
        told.leg.hold.tell(told.at, "1")


def _unhold(told: Told) -> None:
    if told.leg:
        told.leg.hold.tell(told.at, "")


def _parked(told: Told) -> None:
    told.facts.parked.tell(told.at, told.frame.get("ParkingSpace") or "1")


def _unparked(told: Told) -> None:
    told.facts.parked.tell(told.at, "")


def _blind_transfer(told: Told) -> None:
    if told.leg and told.frame.get("Result").lower() in ("", "success"):
        to = clean(told.frame.get("Extension"))
        told.facts.hand_over(Handover(at=told.at, leg=told.leg.id, to=to, attended=False))


def _far_end_hung_up(told: Told) -> None:
    if told.leg:
        told.leg.hung_up = True


def _we_hang_up(told: Told) -> None:
    if told.leg:
        told.leg.dropped = True


def _hangup(told: Told) -> None:
    leg = told.leg
    if leg is None:
        return
    leg.ended_at = earliest(leg.ended_at, told.at)
    leg.cause, leg.cause_text = told.frame.get("Cause"), clean(told.frame.get("Cause-txt"))
    if told.facts.ended:
        told.facts.parked.tell(told.at, "")


def _cdr(told: Told) -> None:
    told.facts.disposition = told.frame.get("Disposition").upper()
    told.facts.voicemail |= told.frame.get("LastApplication").lower() in _VOICEMAIL


def _newexten(told: Told) -> None:
    told.facts.voicemail |= told.frame.get("Application").lower() in _VOICEMAIL


def _mixing(told: Told) -> None:
    if told.leg:
        told.facts.mixed.tell(told.at, told.leg.id)


def _variable(told: Told) -> None:
    if told.frame.get("Variable") == "MIXMONITOR_FILENAME":
        told.facts.recording.tell(told.at, told.frame.get("Value"))


def _originated(told: Told) -> None:
    exten = clean(told.frame.get("Exten"))
    if exten not in NO_EXTENSIONS:
        told.facts.dialled.tell(told.at, exten)
    if told.frame.get("Response").lower() == "failure":
        told.facts.originate_reason.tell(told.at, told.frame.get("Reason"))


def _channel_row(told: Told) -> None:
    """A row of CoreShowChannels: what is there now."""
    leg = told.leg
    if leg is None:
        return
    leg.seen(told.at - _duration(told.frame.get("Duration")))
    state, bridge = told.frame.get("ChannelState"), told.frame.get("BridgeId")
    if leg.id != told.facts.id and state in (_UP, _RINGING):
        leg.dialled(told.at)
    for name, stay in leg.stays.items():
        if name != bridge and stay.lasts:
            stay.left_at = told.at
    if bridge:
        stay = leg.stays.setdefault(bridge, Stay())
        stay.entered_at = stay.entered_at if stay.lasts else told.at
        leg.answered_at = leg.answered_at or told.at


def number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _duration(text: str) -> int:
    """Seconds of 01:02:03."""
    seconds = 0
    for part in text.split(":"):
        seconds = seconds * 60 + number(part)
    return seconds


@dataclass(slots=True, frozen=True)
class Event:
    """`prefixes` of the headers that name its channels, the one it is about first. `begins`: who sees this
    sees a call that goes on. `creates`: it may be the first that is heard of a call."""

    apply: Callable[[Told], None] = _nothing
    prefixes: Sequence[str] = ("",)
    begins: bool = True
    creates: bool = True


EVENTS: Mapping[str, Event] = {
    "newchannel": Event(),
    "newstate": Event(),
    "newcallerid": Event(),
    "newconnectedline": Event(begins=False),
    "newexten": Event(_newexten, begins=False),
    "varset": Event(_variable, begins=False),
    "mixmonitorstart": Event(_mixing, begins=False),
    "dialbegin": Event(_dial_begin, ("", "Dest")),
    "dialstate": Event(_dial_begin, ("", "Dest"), begins=False),
    "dialend": Event(_dial_end, ("", "Dest"), begins=False),
    "queuecallerjoin": Event(_queue_join),
    "queuecallerleave": Event(_queue_leave, begins=False),
    "queuecallerabandon": Event(_queue_abandon, begins=False),
    "queueentry": Event(_queue_entry, creates=False),
    "agentcalled": Event(_dial_begin, ("", "Dest")),
    "agentconnect": Event(_agent_connect, ("", "Dest")),
    "agentcomplete": Event(_nothing, ("", "Dest"), begins=False),
    "bridgeenter": Event(_bridge_enter),
    "bridgeleave": Event(_bridge_leave, begins=False),
    "hold": Event(_hold, begins=False),
    "unhold": Event(_unhold, begins=False),
    "parkedcall": Event(_parked, ("Parkee",)),
    "unparkedcall": Event(_unparked, ("Parkee", "Retriever")),
    "parkedcalltimeout": Event(_unparked, ("Parkee",)),
    "parkedcallgiveup": Event(_unparked, ("Parkee",), begins=False),
    "blindtransfer": Event(_blind_transfer, ("Transferer", "Transferee"), begins=False),
    "hanguprequest": Event(_far_end_hung_up, begins=False),
    "softhanguprequest": Event(_we_hang_up, begins=False),
    "hangup": Event(_hangup, begins=False),
    "cdr": Event(_cdr, begins=False, creates=False),
    "originateresponse": Event(_originated, begins=False, creates=False),
    "coreshowchannel": Event(_channel_row),
}
OF_TWO_CALLS = frozenset({"attendedtransfer"})

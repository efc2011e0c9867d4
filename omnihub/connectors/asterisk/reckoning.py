"""From the facts of a call to its snapshot. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from omnihub.connectors.asterisk.facts import Facts, Leg
from omnihub.connectors.telephony.call import Call, Outcome, State, Transfer, clean

# The name that Originate gives the channels we begin; see calling.py.
OURS = "hub-"
_ENDPOINT = re.compile(r"(?P<technology>[A-Za-z]+)/(?P<name>.+?)(-[0-9a-f]{6,})?(;[12])?")
_DIALLED = re.compile(r"\+?[0-9*#]{2,32}")
_BY_CAUSE: dict[str, Outcome] = {"17": "busy", "18": "no_answer", "19": "no_answer", "21": "rejected"}
_BY_DIAL: dict[str, Outcome] = {
    "BUSY": "busy",
    "NOANSWER": "no_answer",
    "CONGESTION": "failed",
    "CHANUNAVAIL": "failed",
    "CANCEL": "missed",
}
_BY_DISPOSITION: dict[str, Outcome] = {
    "BUSY": "busy",
    "FAILED": "failed",
    "CONGESTION": "failed",
}
# OriginateResponse's Reason, as the control frame that it is.
_BY_REASON: dict[str, Outcome] = {"0": "failed", "1": "failed", "3": "no_answer", "5": "busy", "8": "failed"}


@dataclass(slots=True, frozen=True, kw_only=True)
class Rules:
    """`trunks`: how the names of channels to the outside begin; where none are given, the number tells.
    `recording_name` holds {uniqueid}. `prefix` is dialled before outside numbers."""

    internal: Sequence[re.Pattern[str]] = (re.compile(r"\d{2,4}"),)
    trunks: Sequence[str] = ()
    prefix: str = ""
    recording_name: str = "{uniqueid}.wav"
    recording_root: str = "/var/spool/asterisk/monitor/"

    def is_internal(self, number: str) -> bool:
        return any(pattern.fullmatch(number) for pattern in self.internal)

    def is_trunk(self, leg: Leg) -> bool:
        return any(leg.channel.startswith(trunk) for trunk in self.trunks)

    def outside(self, number: str) -> str:
        """A dialled number as its owner knows it; "" for an extension."""
        bare = number.removeprefix(self.prefix) if self.prefix and len(number) > 4 else number
        return bare if _DIALLED.fullmatch(bare) and not self.is_internal(bare) else ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Parties:
    """`outer` is the customer's leg, None where it is not there yet; `inner` those of our people."""

    incoming: bool
    lead: Leg
    outer: Leg | None
    inner: Sequence[Leg]
    customer: str = ""


def endpoint(leg: Leg) -> str:
    found = _ENDPOINT.fullmatch(leg.channel)
    return found["name"].partition("@")[0] if found else leg.channel


def label(leg: Leg, rules: Rules) -> str:
    """An extension, an outside number that a call was passed on to, or the name of the endpoint."""
    number = leg.number.value
    if leg.channel.startswith("Local/"):
        return endpoint(leg)
    return number if rules.is_internal(number) or rules.is_trunk(leg) else endpoint(leg) or number


def _is_plumbing(leg: Leg) -> bool:
    return leg.channel.startswith("Local/")


def parties(facts: Facts, rules: Rules) -> Parties | None:
    """None for a call among ourselves, or where it is not known yet whether it is one."""
    legs = sorted(facts.legs.values(), key=lambda leg: (leg.id != facts.id, leg.created_at, leg.id))
    if not legs:
        return None
    lead, others = legs[0], legs[1:]
    real = [leg for leg in others if not _is_plumbing(leg)]
    if not facts.id.startswith(OURS) and _is_outer(lead, rules):
        inner = [leg for leg in real or others if leg.dialled_at or leg.answered_at]
        inner.sort(key=lambda leg: (leg.created_at, leg.id))
        return Parties(incoming=True, lead=lead, outer=lead, inner=inner, customer=lead.number.value)
    outer = next((leg for leg in real if leg.number.value and _is_outer(leg, rules)), None)
    dialled = rules.outside(outer.number.value) if outer else ""
    customer = dialled or rules.outside(facts.dialled.value)
    if not customer:
        return None
    inner = [lead, *(leg for leg in real if leg is not outer and leg.answered_at)]
    return Parties(incoming=False, lead=lead, outer=outer, inner=inner, customer=customer)


def _is_outer(leg: Leg, rules: Rules) -> bool:
    return rules.is_trunk(leg) if rules.trunks else not rules.is_internal(leg.number.value)


def call_of(facts: Facts, rules: Rules) -> Call | None:
    """None where no customer takes part."""
    found = parties(facts, rules) if facts.born else None
    if found is None:
        return None
    answered = _answered_at(found)
    ended = max((leg.ended_at for leg in facts.legs.values()), default=0.0) if facts.ended else 0.0
    queue = _queue(facts)
    began = found.lead.created_at or facts.begun_at
    waited_from = facts.queues[queue].joined_at if queue else began
    waited_to = answered or ended
    by = _answerer(found)
    end = found.outer or found.lead
    return Call(
        id=facts.id,
        direction="in" if found.incoming else "out",
        state="ended" if facts.ended else _state(facts, found, answered),
        outcome=_outcome(facts, found, answered),
        customer=clean(found.customer),
        customer_name=clean(found.lead.name.value) if found.incoming else "",
        line=clean(_line(found, rules)),
        queue=clean(queue),
        position=int(facts.queues[queue].position.value or 0) if queue and facts.queues[queue].lasts else 0,
        agents=tuple(dict.fromkeys(clean(label(leg, rules)) for leg in _rung(found))),
        ringing=tuple(dict.fromkeys(clean(label(leg, rules)) for leg in _ringing(facts, found))),
        answered_by=clean(label(by, rules)) if by else "",
        transfers=tuple(_transfer(facts, one.leg, one.to, one.attended, rules) for one in facts.transfers),
        started_at=_moment(began),
        answered_at=_moment(answered),
        ended_at=_moment(ended),
        waited_seconds=max(0, int(waited_to - waited_from)) if waited_to else 0,
        talked_seconds=max(0, int(ended - answered)) if ended and answered else 0,
        cause=clean(end.cause_text or end.cause) if facts.ended else "",
        recording=_recording(facts, rules),
        sequence=facts.sequence,
    )


def _moment(at: float) -> datetime | None:
    return datetime.fromtimestamp(at, UTC) if at else None


def _queue(facts: Facts) -> str:
    """The one the caller is in, or was in last."""
    return max(facts.queues, key=lambda name: (facts.queues[name].joined_at, name), default="")


def _rung(found: Parties) -> Sequence[Leg]:
    return found.inner if found.incoming else [found.lead]


def _ringing(facts: Facts, found: Parties) -> Sequence[Leg]:
    return [leg for leg in _rung(found) if _rings(leg)] if not facts.ended else []


def _line(found: Parties, rules: Rules) -> str:
    """Ours: what was dialled, or the number that we showed."""
    if found.incoming:
        return found.lead.exten.value
    shown = found.lead.shown_number.value
    return "" if shown in (label(found.lead, rules), found.customer) else shown


def _answered_at(found: Parties) -> float:
    if found.incoming:
        return min((leg.answered_at for leg in found.inner if leg.answered_at), default=0.0)
    return found.outer.answered_at if found.outer else 0.0


def _answerer(found: Parties) -> Leg | None:
    if not found.incoming:
        return found.lead if _answered_at(found) else None
    answered = [leg for leg in found.inner if leg.answered_at]
    return min(answered, key=lambda leg: (leg.answered_at, leg.id), default=None)


def _state(facts: Facts, found: Parties, answered: float) -> State:
    if facts.parked.value:
        return "parked"
    if not answered:
        return _waiting(facts, found) or "ringing"
    legs = [leg for leg in (found.outer, *found.inner) if leg is not None and leg.alive]
    if any(leg.hold.value for leg in legs):
        return "held"
    if any(leg.answered_at for leg in found.inner if leg.alive):
        return "talking"
    # Our people have left, as after a blind transfer, and somebody else is being called.
    return _waiting(facts, found) or "talking"


def _waiting(facts: Facts, found: Parties) -> State | None:
    """A telephone that rings says more than the queue it rings for; once it stops, the call waits on."""
    if any(_rings(leg) for leg in found.inner):
        return "ringing"
    return "queued" if any(turn.lasts for turn in facts.queues.values()) else None


def _rings(leg: Leg) -> bool:
    return leg.alive and bool(leg.dialled_at) and not leg.answered_at and not leg.dial_result.value


def _outcome(facts: Facts, found: Parties, answered: float) -> Outcome:
    if answered:
        return "answered"
    if not facts.ended:
        return ""
    if facts.voicemail:
        return "voicemail"
    return _lost_in(facts, found) if found.incoming else _lost_out(facts, found)


def _lost_in(facts: Facts, found: Parties) -> Outcome:
    if any(turn.abandoned or turn.lasts for turn in facts.queues.values()):
        # A queue whose time is over tells an abandonment, too.
        return "no_answer" if found.lead.dropped and not found.lead.hung_up else "abandoned"
    # What the exchange told the caller counts; the results of single phones say the rest.
    by_cause = _BY_CAUSE.get(found.lead.cause)
    return by_cause or _by_dial(found.inner) or _BY_DISPOSITION.get(facts.disposition, "missed")


def _lost_out(facts: Facts, found: Parties) -> Outcome:
    if found.outer is None:
        return _BY_CAUSE.get(found.lead.cause) or _BY_REASON.get(facts.originate_reason.value, "no_answer")
    # A refusal is NOANSWER in the dial's result; only the cause tells it.
    told = _BY_CAUSE.get(found.outer.cause) or _by_dial([found.outer])
    return told if told not in ("", "missed") else "no_answer"


def _by_dial(legs: Sequence[Leg]) -> Outcome:
    results = {leg.dial_result.value for leg in legs}
    for result in ("CANCEL", "NOANSWER", "BUSY", "CONGESTION", "CHANUNAVAIL"):
        if result in results:
            return _BY_DIAL[result]
    return ""


def _transfer(facts: Facts, leg_id: str, to: str, attended: bool, rules: Rules) -> Transfer:
    leg = facts.legs.get(leg_id)
    origin = label(leg, rules) if leg else ""
    return Transfer(origin=clean(origin), to=clean(to), kind="attended" if attended else "blind")


def _recording(facts: Facts, rules: Rules) -> str:
    """Within the folder of recordings, whatever that is called on the exchange."""
    path = facts.recording.value
    if path:
        inside = path.removeprefix(rules.recording_root.rstrip("/") + "/")
        return inside if not inside.startswith("/") else PurePosixPath(path).name
    return rules.recording_name.replace("{uniqueid}", facts.mixed.value) if facts.mixed.value else ""

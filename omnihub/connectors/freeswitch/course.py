"""The course of a call: with whom the customer talked, when it was held or parked, how it ended. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from omnihub.connectors.freeswitch import causes
from omnihub.connectors.freeswitch.legs import Leg
from omnihub.connectors.freeswitch.notes import Note, micros, person
from omnihub.connectors.telephony.call import Direction, Outcome, State

# Ways out of a queue that the caller did not choose.
_SENT_OUT = frozenset({"TIMEOUT", "NO_AGENT_TIMEOUT", "EXIT_WITH_KEY"})
_VOICEMAIL = "voicemail"
_HOLDING = frozenset({"HELD", "ACTIVE"})


@dataclass(slots=True, frozen=True, kw_only=True)
class House:
    """What is ours: numbers that this pattern fits are extensions, unless they ring from a context where
    only the outside world rings from."""

    extensions: re.Pattern[str]
    outside_contexts: frozenset[str] = frozenset()

    def has(self, number: str) -> bool:
        return bool(number) and bool(self.extensions.fullmatch(number))


@dataclass(slots=True, frozen=True, kw_only=True)
class Family:
    """The legs that were made for one call, its root first. `near`: these, and the legs of other calls that
    were put through to one of them."""

    id: str
    legs: Sequence[Leg]
    near: Mapping[str, Leg]
    house: House

    @property
    def root(self) -> Leg:
        return self.legs[0]

    @property
    def others(self) -> Sequence[Leg]:
        return self.legs[1:]

    def is_ours(self, leg: Leg) -> bool:
        outside = leg.is_incoming and leg.first("context") in self.house.outside_contexts
        return not outside and self.house.has(leg.far_end)

    @property
    def made_from_outside(self) -> bool:
        """The customer's telephone is the root: it rang us, or a dialler rang it."""
        return not self.is_ours(self.root) and not self.root.first("customer")


@dataclass(slots=True, frozen=True, kw_only=True)
class Talk:
    """The customer was put through to this leg. `over`: parted from it, 0 while it goes on."""

    leg: str
    began: int
    over: int = 0
    fetched: bool = False  # out of a parking place


@dataclass(slots=True, frozen=True, kw_only=True)
class Queue:
    name: str
    joined: bool
    left: bool
    gave_up: bool
    offered: tuple[str, ...]

    @classmethod
    def of(cls, family: Family) -> "Queue":
        notes = sorted((n for leg in family.legs for n in leg.of("queue")), key=lambda n: n.order)
        ends = [n for n in notes if n.get("action") == "member-queue-end"]
        starts = [n for n in notes if n.get("action") == "member-queue-start"]
        names = [n.get("queue") for n in notes] + [leg.first("queue") for leg in family.legs]
        offered = [person(n.get("agent")) for n in notes if n.get("action") == "agent-offering"]
        return cls(
            name=next((person(name) for name in names if name), ""),
            joined=bool(notes),
            left=bool(ends) and (not starts or ends[-1].order > starts[-1].order),
            gave_up=not ends or ends[-1].get("queue_reason").upper() not in _SENT_OUT,
            offered=tuple(dict.fromkeys(one for one in offered if one)),
        )


def customer_leg(family: Family) -> Leg | None:
    if family.made_from_outside:
        return family.root
    outside = [leg for leg in family.others if not leg.is_incoming and not family.is_ours(leg)]
    return next((leg for leg in outside if leg.answered), outside[-1] if outside else None)


# — talks —


def talks_of(family: Family, side: Leg) -> list[Talk]:
    """With whom the customer was put through, one after the other."""
    found: list[Talk] = []
    for at, other, parted in sorted(_bridges(family, side)):
        current = found[-1] if found and not found[-1].over else None
        if current and (parted or current.leg != other):
            found[-1] = replace(current, over=at)
            current = None
        if not parted and current is None:
            since = found[-1].began if found else at
            fetched = any(since <= note.at <= at for note in side.of("park"))
            found.append(Talk(leg=other, began=at, fetched=fetched))
    if found and not found[-1].over:
        partner = family.near.get(found[-1].leg)
        found[-1] = replace(found[-1], over=side.ended or (partner.ended if partner else 0))
    return found


def _bridges(family: Family, side: Leg) -> set[tuple[int, str, bool]]:
    """When the customer's leg was joined to which one, or parted from it; either end may tell of it."""
    told: set[tuple[int, str, bool]] = set()
    for leg in family.near.values():
        for note in leg.of("bridge", "unbridge"):
            ends = ends_of(note)
            if side.id in ends:
                told |= {(note.at, other, note.kind == "unbridge") for other in ends - {side.id}}
    for look in side.of("look"):
        at, other = micros(look.get("bridged")), look.get("other")
        if at and other:
            told.add((at, other, False))
    return told


def ends_of(note: Note) -> set[str]:
    """The two legs that were joined or parted."""
    named = {note.get("a"), note.get("b")} - {""}
    return named if len(named) == 2 else {note.leg, note.get("other")} - {""}


def answered_at(direction: Direction, side: Leg | None, talks: Sequence[Talk]) -> int:
    """When somebody of ours and the customer could hear each other; 0 for never."""
    if side is None or not talks:
        return 0
    if direction == "in":
        return talks[0].began
    # A bridge before the answer only carries the ringing tone.
    return max(talks[0].began, side.answered) if side.answered else 0


# — where it stands —


def ended_at(family: Family, side: Leg | None) -> int:
    """The customer is gone; where none was reached, all are."""
    if side is not None and (side is family.root or side.answered):
        return side.ended
    ends = [leg.ended for leg in family.legs]
    return max(ends) if all(ends) else 0


def state_of(side: Leg | None, talks: Sequence[Talk], family: Family, queue: Queue, answered: int) -> State:
    """Of a call that goes on."""
    current = talks[-1] if talks and not talks[-1].over and answered else None
    if side is not None and _is_parked(side, talks):
        return "parked"
    if current and side:
        return "held" if _is_held([side, family.near.get(current.leg)], current.began) else "talking"
    if answered:
        # Parted a moment before the end, or on the way to somebody else.
        return "ringing" if any(is_ringing(leg) for leg in family.others) else "talking"
    # A telephone that rings says more than the queue it rings for; once it stops, the caller waits on.
    offered = any(not leg.is_incoming and not leg.hangup for leg in family.others)
    return "queued" if queue.joined and not queue.left and not offered else "ringing"


def is_ringing(leg: Leg) -> bool:
    return not leg.is_incoming and not leg.answered and not leg.hangup


def _is_parked(side: Leg, talks: Sequence[Talk]) -> bool:
    parking = side.of("park", "unpark")
    return bool(parking) and parking[-1].kind == "park" and (not talks or parking[-1].at >= talks[-1].began)


def _is_held(legs: Sequence[Leg | None], since: int) -> bool:
    holds = [note for leg in legs if leg for note in leg.in_order if note.at >= since and _says_hold(note)]
    last = max(holds, key=lambda note: note.order, default=None)
    return last is not None and (last.kind == "hold" or last.get("call_state") == "HELD")


def _says_hold(note: Note) -> bool:
    return note.kind in ("hold", "unhold") or (note.kind == "look" and note.get("call_state") in _HOLDING)


# — how it ended —


def cause_of(family: Family, side: Leg | None) -> str:
    """Of the leg that could not be reached; the caller's own leg says the same, or less."""
    named = [leg.hangup for leg in (side, family.root) if leg is not None]
    return next((cause for note in named if note and (cause := note.get("cause"))), "")


def outcome_of(family: Family, direction: Direction, queue: Queue, cause: str) -> Outcome:
    """Of a call that ended without a talk."""
    if direction == "out":
        return causes.outgoing(cause)
    if family.root.last("application") == _VOICEMAIL and family.root.answered:
        return "voicemail"
    rang = any(not leg.is_incoming for leg in family.others)
    return causes.incoming(cause, rang=rang, queued=queue.joined, gave_up=queue.gave_up)

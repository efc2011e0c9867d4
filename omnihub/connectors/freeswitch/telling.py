"""From the legs of one call to the call as it is told. Pure: the same notes, in whatever order, tell the same."""

from collections.abc import Sequence
from itertools import pairwise

from omnihub.connectors.freeswitch import causes, course
from omnihub.connectors.freeswitch.course import Family, Queue, Talk
from omnihub.connectors.freeswitch.legs import Leg
from omnihub.connectors.freeswitch.notes import moment, person
from omnihub.connectors.telephony.call import Call, Direction, Transfer, TransferKind, clean

_MOST = 50
_PATH = 1000


def tell(family: Family) -> Call | None:
    """None for a call within the house, and as long as nobody knows who calls whom."""
    direction = _direction(family)
    if direction is None:
        return None
    side = course.customer_leg(family)
    talks = course.talks_of(family, side) if side else []
    queue = Queue.of(family)
    began, ended = family.root.began, course.ended_at(family, side)
    answered = course.answered_at(direction, side, talks)
    cause = course.cause_of(family, side) if ended else ""
    lost = course.outcome_of(family, direction, queue, cause) if ended else ""
    return Call(
        id=family.id,
        direction=direction,
        state="ended" if ended else course.state_of(side, talks, family, queue, answered),
        outcome="answered" if answered else lost,
        customer=clean(_customer(family, direction)),
        customer_name=_customer_name(family, direction),
        line=clean(_line(family, direction)),
        queue=clean(queue.name),
        agents=_agents(family, direction, queue, talks),
        ringing=() if ended or answered else _ringing(family),
        answered_by=_answered_by(family, talks) if answered else "",
        transfers=_transfers(family, side, talks) if side and answered else (),
        started_at=moment(began),
        answered_at=moment(answered),
        ended_at=moment(ended),
        waited_seconds=_seconds(began, answered or ended),
        talked_seconds=_seconds(answered, ended),
        cause=clean(cause),
        recording=_recording(family, talks),
    )


def _seconds(began: int, over: int) -> int:
    return max(0, (over - began) // 1_000_000) if began and over else 0


# — who —


def _direction(family: Family) -> Direction | None:
    root = family.root
    if not root.known:
        return None
    if family.made_from_outside:
        return "in" if root.is_incoming else "out"
    reached = root.first("customer") or _dialled(family) or (root.is_incoming and _is_outside(family))
    return "out" if reached else None


def _is_outside(family: Family) -> bool:
    dialled = family.root.first("to")
    return bool(dialled) and not family.house.has(dialled)


def _dialled(family: Family) -> str:
    """The number that was rung in the end, after the dial plan took its prefix off."""
    side = course.customer_leg(family)
    return person(side.first("to")) if side and side is not family.root else ""


def _customer(family: Family, direction: Direction) -> str:
    root = family.root
    if direction == "in":
        return root.first("from")
    if family.made_from_outside:
        return person(root.first("to"))
    return root.first("customer") or _dialled(family) or person(root.first("to"))


def _customer_name(family: Family, direction: Direction) -> str:
    if direction == "out":
        return ""
    # A telephone without a name shows its number there.
    name = clean(family.root.first("from_name"))
    return "" if name == family.root.first("from") else name


def _line(family: Family, direction: Direction) -> str:
    """Our number: the one that was dialled, or the one that we showed."""
    if direction == "in":
        return person(family.root.first("to"))
    side = course.customer_leg(family)
    shown = side.first("from") if side else ""
    return "" if family.house.has(shown) or shown == _customer(family, direction) else shown


def _extension(family: Family, leg_id: str) -> str:
    leg = family.near.get(leg_id)
    return clean(leg.far_end) if leg else ""


def _agents(family: Family, direction: Direction, queue: Queue, talks: Sequence[Talk]) -> tuple[str, ...]:
    """Who was rung, in order, and who took the call without being rung for it."""
    rung = [leg.far_end for leg in sorted(family.others, key=Leg.first_heard) if not leg.is_incoming]
    if direction == "out":
        ours = [leg.far_end for leg in (family.root, *family.others) if family.is_ours(leg)]
        rung = [name for name in (family.root.far_end, *rung) if name in ours]
    rang = [*rung, *queue.offered, *(_extension(family, talk.leg) for talk in talks)]
    return tuple(dict.fromkeys(name for one in rang if (name := clean(one))))[:_MOST]


def _ringing(family: Family) -> tuple[str, ...]:
    rings = [leg.far_end for leg in sorted(family.others, key=Leg.first_heard) if course.is_ringing(leg)]
    return tuple(dict.fromkeys(name for one in rings if (name := clean(one))))


def _answered_by(family: Family, talks: Sequence[Talk]) -> str:
    if not family.made_from_outside:
        return clean(family.root.far_end)
    return next((name for talk in talks if (name := _extension(family, talk.leg))), "")


# — what happened —


def _transfers(family: Family, side: Leg, talks: Sequence[Talk]) -> tuple[Transfer, ...]:
    named = [(talk, name) for talk in talks if (name := _extension(family, talk.leg))]
    handed = [
        Transfer(origin=origin, to=to, kind=_kind(family, before, after))
        for (before, origin), (after, to) in pairwise(named)
        if origin != to
    ]
    return tuple(handed)[:_MOST]


def _kind(family: Family, before: Talk, after: Talk) -> TransferKind:
    """Attended: the two had talked already, so that the second one's leg belongs to a call of theirs."""
    giver = family.near.get(before.leg)
    said = {giver.last("disposition"), giver.last("cause")} if giver else set()
    if causes.ATTENDED in said:
        return "attended"
    if causes.BLIND in said or after.fetched:
        return "blind"
    return "blind" if any(leg.id == after.leg for leg in family.legs) else "attended"


def _recording(family: Family, talks: Sequence[Talk]) -> str:
    """The last one that was finished."""
    partners = [family.near[talk.leg] for talk in talks if talk.leg in family.near]
    notes = [note for leg in (*family.legs, *partners) for note in leg.of("record") if note.get("recording")]
    last = max(notes, key=lambda note: (note.order, note.get("recording")), default=None)
    return clean(last.get("recording"), _PATH) if last else ""

"""A telephone call as every phone channel tells it: a snapshot of what is known so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_args

from omnihub.connectors.reading import Fields, inner, items, text_of
from omnihub.model.errors import Unreadable

Direction = Literal["in", "out"]
State = Literal["ringing", "queued", "talking", "held", "parked", "ended"]
Outcome = Literal[
    "", "answered", "missed", "abandoned", "busy", "no_answer", "failed", "rejected", "voicemail"
]  # fmt: skip
TransferKind = Literal["blind", "attended"]

_NAME = 200
_MOST = 100
_MOST_SECONDS = 10_000_000
_LARGEST = 2**53

L = TypeVar("L", bound=str)


@dataclass(slots=True, frozen=True, kw_only=True)
class Transfer:
    """`origin` handed the call to `to`; both are extensions or numbers."""

    origin: str
    to: str
    kind: TransferKind = "blind"


@dataclass(slots=True, frozen=True, kw_only=True)
class Consent:
    """What the caller was told about being recorded, and which version of that notice."""

    notice: str = ""
    version: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Call:
    """`customer` is the raw number as the provider gave it, "" where it was withheld. `line` is our number or
    extension that was dialled. `agents` are all extensions or users that rang, in order;
    `ringing` those that do now, empty where the provider does not say. `cause` is the
    provider's word for the end. `recording` names the file at the provider. `outcome` stays "" while nothing
    is decided; "answered" is known as soon as somebody talks. `sequence` orders the snapshots of one call.
    """

    id: str
    direction: Direction
    state: State
    outcome: Outcome = ""
    customer: str = ""
    customer_name: str = ""
    line: str = ""
    queue: str = ""
    position: int = 0
    agents: tuple[str, ...] = ()
    ringing: tuple[str, ...] = ()
    answered_by: str = ""
    transfers: tuple[Transfer, ...] = ()
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    waited_seconds: int = 0
    talked_seconds: int = 0
    cause: str = ""
    recording: str = ""
    consent: Consent | None = None
    sequence: int = 0


def to_json(call: Call) -> dict[str, Any]:
    return {
        "id": call.id,
        "direction": call.direction,
        "state": call.state,
        "outcome": call.outcome,
        "customer": call.customer,
        "customer_name": call.customer_name,
        "line": call.line,
        "queue": call.queue,
        "position": call.position,
        "agents": list(call.agents),
        "ringing": list(call.ringing),
        "answered_by": call.answered_by,
        "transfers": [{"from": one.origin, "to": one.to, "kind": one.kind} for one in call.transfers],
        "started_at": _written(call.started_at),
        "answered_at": _written(call.answered_at),
        "ended_at": _written(call.ended_at),
        "waited_seconds": call.waited_seconds,
        "talked_seconds": call.talked_seconds,
        "cause": call.cause,
        "recording": call.recording,
        "consent": {"notice": call.consent.notice, "version": call.consent.version} if call.consent else None,
        "sequence": call.sequence,
    }


def from_json(fields: Fields) -> Call:
    """Raises Unreadable where it has no id, or a state that no call can be in. All else that is missing or of
    another type is taken as not known."""
    call_id = _line(fields, "id")
    if not call_id:
        raise Unreadable("the call has no id")
    return Call(
        id=call_id,
        direction=_one_of(fields, "direction", get_args(Direction)),
        state=_one_of(fields, "state", get_args(State)),
        outcome=_one_of({"outcome": "", **fields}, "outcome", get_args(Outcome)),
        customer=_line(fields, "customer"),
        customer_name=_line(fields, "customer_name"),
        line=_line(fields, "line"),
        queue=_line(fields, "queue"),
        position=_whole(fields, "position"),
        agents=_words(fields, "agents"),
        ringing=_words(fields, "ringing"),
        answered_by=_line(fields, "answered_by"),
        transfers=tuple(_transfer(one) for one in items(fields, "transfers")[:_MOST] if isinstance(one, dict)),
        started_at=_moment(fields, "started_at"),
        answered_at=_moment(fields, "answered_at"),
        ended_at=_moment(fields, "ended_at"),
        waited_seconds=_whole(fields, "waited_seconds", _MOST_SECONDS),
        talked_seconds=_whole(fields, "talked_seconds", _MOST_SECONDS),
        cause=_line(fields, "cause"),
        recording=_line(fields, "recording", 1000),
        consent=_consent(inner(fields, "consent")),
        sequence=_whole(fields, "sequence"),
    )


def _transfer(fields: Fields) -> Transfer:
    kind: TransferKind = "attended" if fields.get("kind") == "attended" else "blind"
    return Transfer(origin=_line(fields, "from"), to=_line(fields, "to"), kind=kind)


def _consent(fields: Fields) -> Consent | None:
    if not fields:
        return None
    return Consent(notice=_line(fields, "notice", 2000), version=_line(fields, "version"))


def _one_of(fields: Fields, name: str, known: Sequence[L]) -> L:
    value = fields.get(name)
    for one in known:
        if one == value:
            return one
    raise Unreadable(f"the call's {name} is none that is known")


def _line(fields: Fields, name: str, limit: int = _NAME) -> str:
    """On one line, and nothing that cannot be stored."""
    return clean(text_of(fields, name), limit)


def clean(text: str, limit: int = _NAME) -> str:
    """What a telephone network says, on one line and without what cannot be stored or shown."""
    shown = "".join(c if c.isprintable() else " " for c in text[: limit * 4] if not "\ud800" <= c <= "\udfff")
    return " ".join(shown.split())[:limit]


def _words(fields: Fields, name: str) -> tuple[str, ...]:
    found = (clean(one) for one in items(fields, name)[:_MOST] if isinstance(one, str))
    return tuple(dict.fromkeys(one for one in found if one))


def _whole(fields: Fields, name: str, most: int = _LARGEST) -> int:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), most)


def _written(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _moment(fields: Fields, name: str) -> datetime | None:
    value = fields.get(name)
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None

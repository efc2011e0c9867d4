"""What one event tells of one leg of a call, cut down to what the call is told from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from omnihub.connectors.freeswitch.wire import Event

_MOST_CHARACTERS = 300
_LATEST = 253_402_300_799 * 1_000_000  # the year 9999, in microseconds

# What a note keeps, and the headers that tell it, the best first. Times are microseconds, 0 for not yet.
_FACTS: Mapping[str, tuple[str, ...]] = {
    "family": ("Channel-Call-UUID", "variable_call_uuid"),
    "originator": ("variable_originator", "variable_originating_leg_uuid"),
    "member": ("CC-Member-Session-UUID", "variable_cc_member_session_uuid"),
    "other": ("Other-Leg-Unique-ID",),
    "other_type": ("Other-Type",),
    "a": ("Bridge-A-Unique-ID",),
    "b": ("Bridge-B-Unique-ID",),
    "direction": ("Call-Direction", "Caller-Direction"),
    "from": ("Caller-Caller-ID-Number", "Caller-ANI"),
    "from_name": ("Caller-Caller-ID-Name",),
    "to": ("Caller-Destination-Number",),
    "callee": ("Caller-Callee-ID-Number",),
    "dialed": ("variable_dialed_user",),
    "customer": ("variable_omnihub_customer",),
    "context": ("Caller-Context",),
    "created": ("Caller-Channel-Created-Time",),
    "answered": ("Caller-Channel-Answered-Time",),
    "bridged": ("Caller-Channel-Bridged-Time",),
    "hung": ("Caller-Channel-Hangup-Time",),
    "call_state": ("Channel-Call-State",),
    "cause": ("Hangup-Cause", "variable_hangup_cause"),
    "disposition": ("variable_endpoint_disposition",),
    "application": ("variable_current_application",),
    "recording": ("Record-File-Path",),
    "queue": ("CC-Queue", "variable_cc_queue"),
    "action": ("CC-Action",),
    "agent": ("CC-Agent", "variable_cc_agent"),
    "queue_cause": ("CC-Cause",),
    "queue_reason": ("CC-Cancel-Reason",),
}

_KINDS: Mapping[str, str] = {
    "CHANNEL_CREATE": "create",
    "CHANNEL_ANSWER": "answer",
    "CHANNEL_BRIDGE": "bridge",
    "CHANNEL_UNBRIDGE": "unbridge",
    "CHANNEL_HOLD": "hold",
    "CHANNEL_UNHOLD": "unhold",
    "CHANNEL_PARK": "park",
    "CHANNEL_UNPARK": "unpark",
    "CHANNEL_HANGUP_COMPLETE": "hangup",
    "RECORD_STOP": "record",
    # What `uuid_dump` answers of a leg that goes on.
    "CHANNEL_DATA": "look",
}
_QUEUE_EVENT = "callcenter::info"


@dataclass(slots=True, frozen=True, kw_only=True)
class Note:
    """`at` in microseconds. `core` names one run of FreeSWITCH, whose events are numbered from the start."""

    kind: str
    leg: str
    at: int
    number: int
    core: str
    facts: Mapping[str, str]

    @property
    def key(self) -> str:
        """The same event is the same note, however often it comes. Of looks at a leg that is put through to
        the same one as before, the last counts."""
        if self.kind == "gone":
            return self.kind
        if self.kind == "look":
            return f"look/{self.get('bridged')}/{self.get('other')}"
        return f"{self.core}/{self.number}" if self.number else f"{self.kind}/{self.at}"

    @property
    def order(self) -> tuple[int, int, str]:
        return self.at, self.number, self.kind

    def get(self, name: str) -> str:
        return self.facts.get(name, "")

    def to_json(self) -> list[Any]:
        return [self.kind, self.leg, self.at, self.number, self.core, dict(self.facts)]


def from_json(kept: list[Any]) -> Note:
    kind, leg, at, number, core, facts = kept
    return Note(kind=kind, leg=leg, at=at, number=number, core=core, facts=facts)


def note_of(event: Event) -> Note | None:
    """None for an event that tells nothing of a call."""
    kind = _KINDS.get(event.name, "")
    leg = event.first("Unique-ID", "variable_uuid")
    if event.name == "CUSTOM" and event.first("Event-Subclass") == _QUEUE_EVENT:
        # An agent's state has no member; a member's leg is the customer's, whatever leg the event was made on.
        kind, leg = "queue", event.first("CC-Member-Session-UUID")
    if not kind or not leg:
        return None
    facts = {name: event.first(*headers)[:_MOST_CHARACTERS] for name, headers in _FACTS.items()}
    return Note(
        kind=kind,
        leg=leg,
        at=micros(event.first("Event-Date-Timestamp")),
        number=micros(event.first("Event-Sequence")),
        core=event.first("Core-UUID"),
        facts={name: value for name, value in facts.items() if value and value != "0"},
    )


def listed(row: Mapping[str, Any], at: int) -> Note | None:
    """A row of `show channels as json`, for a leg that was gone before it could be looked at closely."""
    told = {name: str(value) for name, value in row.items() if isinstance(value, str | int)}
    if not told.get("uuid"):
        return None
    created = micros(told.get("created_epoch", "")) * 1_000_000
    facts = {
        "family": told.get("call_uuid", ""),
        "direction": told.get("direction", ""),
        "from": told.get("initial_cid_num") or told.get("cid_num", ""),
        "from_name": told.get("initial_cid_name") or told.get("cid_name", ""),
        "to": told.get("initial_dest") or told.get("dest", ""),
        "context": told.get("initial_context") or told.get("context", ""),
        "created": str(created) if created else "",
        "call_state": told.get("callstate", ""),
    }
    kept = {name: value[:_MOST_CHARACTERS] for name, value in facts.items() if value}
    return Note(kind="look", leg=told["uuid"], at=at, number=0, core="", facts=kept)


def gone(leg: str, at: int) -> Note:
    """Nobody told us of its end: it is not there any more."""
    return Note(kind="gone", leg=leg, at=at, number=0, core="", facts={})


def micros(value: str) -> int:
    """A whole number that a date can hold, 0 for anything else."""
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        return 0
    number = int(value)
    return number if number <= _LATEST else 0


def moment(at: int) -> datetime | None:
    return datetime.fromtimestamp(at / 1_000_000, UTC) if at else None


def person(value: str) -> str:
    """The extension in 1000@example.test, user/1000 or sofia/internal/1000@example.test."""
    return value.rpartition("/")[2].partition("@")[0]

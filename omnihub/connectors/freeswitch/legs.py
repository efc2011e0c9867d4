"""One leg of a call: everything that was noted of it, in whatever order it came."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from omnihub.connectors.freeswitch.notes import Note, micros, person

# Holding and taking back all day long must not fill the memory.
_MOST_NOTES = 400
# Anything of a leg proves that it is; only these say who is at its ends.
_TELLING = frozenset({"create", "answer", "bridge", "unbridge", "hold", "unhold", "park", "hangup", "look"})


@dataclass(slots=True)
class Leg:
    """Everything is read from the sorted notes, so that the order in which they came changes nothing."""

    id: str
    notes: dict[str, Note] = field(default_factory=dict)
    _sorted: list[Note] | None = None

    def take(self, note: Note) -> bool:
        """Whether this is news."""
        known = self.notes.get(note.key)
        if known is not None and known.order >= note.order:
            return False
        if known is None and len(self.notes) >= _MOST_NOTES:
            return False
        self.notes[note.key] = note
        self._sorted = None
        return True

    @property
    def in_order(self) -> list[Note]:
        if self._sorted is None:
            self._sorted = sorted(self.notes.values(), key=lambda note: note.order)
        return self._sorted

    def of(self, *kinds: str) -> list[Note]:
        return [note for note in self.in_order if note.kind in kinds]

    def first(self, name: str, kinds: Iterable[str] = _TELLING) -> str:
        """The earliest word counts: FreeSWITCH turns the ends around when a call is transferred."""
        return next((value for n in self.in_order if n.kind in kinds and (value := n.get(name))), "")

    def last(self, name: str) -> str:
        return next((value for note in reversed(self.in_order) if (value := note.get(name))), "")

    @property
    def known(self) -> bool:
        """Whether anything says who is at its ends."""
        return any(note.kind in _TELLING for note in self.notes.values())

    def first_heard(self) -> tuple[int, int, str]:
        return self.began, self.in_order[0].number if self.notes else 0, self.id

    @property
    def is_incoming(self) -> bool:
        """Somebody rang FreeSWITCH; otherwise FreeSWITCH rings somebody."""
        return self.first("direction") != "outbound"

    @property
    def began(self) -> int:
        return micros(self.first("created")) or (self.in_order[0].at if self.notes else 0)

    @property
    def answered(self) -> int:
        told = next((at for note in self.in_order if (at := micros(note.get("answered")))), 0)
        return told or next((note.at for note in self.of("answer")), 0)

    @property
    def hangup(self) -> Note | None:
        """What FreeSWITCH said of the end goes before what we concluded."""
        return next(iter(self.of("hangup")), None) or next(iter(self.of("gone")), None)

    @property
    def ended(self) -> int:
        note = self.hangup
        return (micros(note.get("hung")) or note.at) if note else 0

    @property
    def far_end(self) -> str:
        """Whose telephone this is: who rang, or who was rung."""
        if self.is_incoming:
            return self.first("from")
        agent = self.first("agent")
        for value in (self.first("dialed"), agent, self.first("callee"), self.first("to")):
            if value:
                return person(value)
        return ""

    @property
    def parent(self) -> str:
        """The leg that this one was made for; "" where it stands for itself."""
        named = self.first("member"), self._originator, self.first("family")
        return next((leg for leg in named if leg and leg != self.id), "")

    @property
    def _originator(self) -> str:
        told = self.first("originator")
        if told:
            return told
        made_for = (n.get("other") for n in self.in_order if n.get("other_type") == "originator")
        return next((other for other in made_for if other), "")

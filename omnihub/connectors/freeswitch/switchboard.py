"""All calls that go on, told from the notes of their legs. No I/O and no clock: the time is given."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from omnihub.connectors.freeswitch import notes
from omnihub.connectors.freeswitch.course import Family, House, ends_of
from omnihub.connectors.freeswitch.legs import Leg
from omnihub.connectors.freeswitch.notes import Note
from omnihub.connectors.freeswitch.telling import tell
from omnihub.connectors.telephony.call import Call, from_json, to_json

# How long an ended call is kept for what comes late, such as its recording.
LINGER_SECONDS = 60.0
_MOST_CLOSED = 20_000
_ELSEWHERE = "it became part of another call"


class Switchboard:
    """Take notes, ask for the calls that `changed`, and confirm with `told` once they are journaled."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._legs: dict[str, Leg] = {}
        self._root_of: dict[str, str] = {}
        self._families: dict[str, set[str]] = {}
        self._met: dict[str, set[str]] = {}
        self._touched: dict[str, None] = {}
        self._active: dict[str, datetime] = {}
        self._told: dict[str, Call] = {}
        # Legs of calls that are over and forgotten: a late echo of one must not begin it anew.
        self._closed: dict[str, None] = {}

    # — taking notes —

    def take(self, note: Note, now: datetime) -> None:
        if note.leg in self._closed:
            return
        leg = self._legs.setdefault(note.leg, Leg(note.leg))
        if not leg.take(note):
            return
        if note.kind in ("bridge", "unbridge"):
            self._meet(ends_of(note))
        elif note.kind == "look" and note.get("other"):
            self._meet({note.leg, note.get("other")})
        self._place(note.leg)
        for near in (note.leg, *self._met.get(note.leg, ())):
            self._touch(self._root_of.get(near, near), now)

    def _meet(self, ends: set[str]) -> None:
        for leg in ends:
            self._met.setdefault(leg, set()).update(ends - {leg})

    def _touch(self, root: str, now: datetime) -> None:
        if root in self._families:
            self._touched[root] = None
            self._active[root] = now

    def _place(self, leg_id: str) -> None:
        """With its family, and with it all that came for it before."""
        before = self._root_of.get(leg_id)
        if before == self._find_root(leg_id):
            return
        waiting = self._families.get(leg_id, set()) | (self._families.get(before, set()) if before else set())
        for one in sorted(waiting | {leg_id}):
            root, before = self._find_root(one), self._root_of.get(one)
            if root == before:
                continue
            if before is not None:
                self._leave(one, before)
            self._root_of[one] = root
            self._families.setdefault(root, set()).add(one)
            self._touched[root] = None

    def _leave(self, leg_id: str, root: str) -> None:
        family = self._families[root]
        family.discard(leg_id)
        self._touched[root] = None
        if not family:
            del self._families[root]

    def _find_root(self, leg_id: str) -> str:
        seen = [leg_id]
        while (leg := self._legs.get(seen[-1])) and (parent := leg.parent):
            if parent in seen:
                return min(seen[seen.index(parent) :])
            seen.append(parent)
        return seen[-1]

    # — telling —

    def changed(self, now: datetime) -> list[Call]:
        """Snapshots that say something new, numbered after those before."""
        stamp = int(now.timestamp() * 1000)
        found = []
        for root in self._touched:
            before = self._told.get(root)
            call = self._call(root)
            if call is None or (before and replace(call, sequence=before.sequence) == before):
                continue
            found.append(replace(call, sequence=max(stamp, before.sequence + 1 if before else 0)))
        return found

    def told(self, calls: Iterable[Call]) -> None:
        """Everything that `changed` named is on disk."""
        self._touched.clear()
        for call in calls:
            self._told[call.id] = call

    def _call(self, root: str) -> Call | None:
        family = self._family(root)
        if family is not None:
            return tell(family)
        before = self._told.get(root)
        return replace(before, state="ended", cause=_ELSEWHERE) if before and before.state != "ended" else None

    def _family(self, root: str) -> Family | None:
        """None as long as its root was not seen."""
        own = self._families.get(root, set())
        if root not in own or not self._legs[root].known:
            return None
        legs = sorted((self._legs[one] for one in own), key=lambda leg: (leg.id != root, leg.began, leg.id))
        near = {one: self._legs[one] for one in own}
        for one in own:
            near |= {met: self._legs[met] for met in self._met.get(one, ()) if met in self._legs}
        return Family(id=root, legs=legs, near=near, house=self._house)

    # — legs that went unseen, and calls that are over —

    def open_legs(self) -> set[str]:
        return {leg.id for leg in self._legs.values() if leg.known and not leg.hangup}

    @property
    def open_calls(self) -> int:
        return sum(call.state != "ended" for call in self._told.values())

    def is_new(self, calls: Iterable[Call]) -> bool:
        return any(call.id not in self._told for call in calls)

    def forget(self, now: datetime) -> None:
        """Calls that are over for a while, and whose legs no call that goes on has talked with."""
        for root, since in list(self._active.items()):
            rested = (now - since).total_seconds() >= LINGER_SECONDS
            if rested and root not in self._touched and all(map(self._is_over, self._circle(root))):
                self._drop(root)
        while len(self._closed) > _MOST_CLOSED:
            del self._closed[next(iter(self._closed))]

    def _circle(self, root: str) -> set[str]:
        """Its family, and the families of whom its legs talked with."""
        met = {other for one in self._families.get(root, ()) for other in self._met.get(one, ())}
        return {root} | {self._root_of[other] for other in met if other in self._root_of}

    def _is_over(self, root: str) -> bool:
        legs = [self._legs[one] for one in self._families.get(root, ())]
        return all(leg.hangup or not leg.known for leg in legs)

    def _drop(self, root: str) -> None:
        for one in self._families.pop(root, set()):
            self._closed[one] = None
            for other in self._met.pop(one, ()):
                self._met.get(other, set()).discard(one)
            del self._legs[one], self._root_of[one]
        self._active.pop(root, None)
        self._told.pop(root, None)

    # — kept over a restart —

    def notes(self) -> Iterator[Note]:
        for leg in self._legs.values():
            yield from leg.in_order

    def dump(self) -> dict[str, Any]:
        return {
            "notes": [note.to_json() for note in self.notes()],
            "told": [to_json(call) for call in self._told.values()],
        }

    def load(self, kept: Mapping[str, Sequence[Any]], now: datetime) -> None:
        for one in kept.get("notes", ()):
            self.take(notes.from_json(one), now)
        for one in kept.get("told", ()):
            call = from_json(one)
            self._told[call.id] = call

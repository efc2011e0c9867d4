"""The events of all legs fold into calls. Pure: no clock, no network; `at` is when an event happened."""

from collections.abc import Collection, Iterable, Sequence

from pydantic import TypeAdapter, ValidationError

from omnihub.connectors.asterisk.events import EVENTS, NO_EXTENSIONS, OF_TWO_CALLS, Event, Told, number
from omnihub.connectors.asterisk.facts import Facts, Handover
from omnihub.connectors.asterisk.frames import Frame
from omnihub.connectors.asterisk.reckoning import Rules, call_of, parties
from omnihub.connectors.telephony.call import Call, clean

# What comes after the end, such as Cdr, and what was overtaken by it.
GRACE_SECONDS = 30.0

_SAVED: TypeAdapter[list[Facts]] = TypeAdapter(list[Facts])


def event_time(frame: Frame, heard_at: float) -> float:
    """The exchange's own clock where `timestampevents` is on, else ours."""
    try:
        told = float(frame.get("Timestamp"))
    except ValueError:
        return heard_at
    return told if abs(told - heard_at) < 86_400 else heard_at


class Book:
    """The calls that go on, and those that ended a moment ago."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._facts: dict[str, Facts] = {}
        self._of_leg: dict[str, str] = {}
        self._joined: dict[str, str] = {}
        self._in_bridge: dict[str, str] = {}

    # — events —

    def tell(self, frame: Frame, heard_at: float) -> Collection[str]:
        """The calls that it may have changed."""
        event = frame.event
        at = event_time(frame, heard_at)
        if event in OF_TWO_CALLS:
            return self._attended(frame, at)
        known = EVENTS.get(event)
        if known is None:
            return ()
        facts = self._find(frame, known)
        if facts is None:
            return ()
        facts.heard_at = max(facts.heard_at, heard_at)
        facts.born |= known.begins
        for prefix in known.prefixes:
            self._sight(frame, prefix, facts, at)
        leg = facts.legs.get(frame.get(f"{known.prefixes[0]}Uniqueid")) if known.prefixes else None
        changed = {facts.id}
        if event == "queuecallerleave":
            changed |= self._move_up(frame, facts, at)
        known.apply(Told(frame, at, facts, leg))
        if event == "bridgeenter":
            facts = self._meet(frame, facts)
        return changed | {facts.id}

    def _find(self, frame: Frame, known: Event) -> Facts | None:
        """By the leg, which stays with its call, or by the Linkedid, which may be told anew."""
        for prefix in known.prefixes or ("",):
            leg_id = frame.get(f"{prefix}Uniqueid")
            linked = self._home(frame.get(f"{prefix}Linkedid"))
            mine = self._of_leg.get(leg_id, "") if leg_id else ""
            if mine and linked and mine != linked and linked in self._facts:
                return self._join(self._facts[linked], self._facts[mine]) or self._facts[mine]
            if mine or linked in self._facts:
                return self._facts[mine or linked]
            if linked and leg_id and known.creates:
                return self._facts.setdefault(linked, Facts(id=linked))
        return None

    def _home(self, call_id: str) -> str:
        return self._joined.get(call_id, call_id)

    def _sight(self, frame: Frame, prefix: str, facts: Facts, at: float) -> None:
        leg_id = frame.get(f"{prefix}Uniqueid")
        if not leg_id or self._of_leg.setdefault(leg_id, facts.id) != facts.id:
            return
        leg = facts.leg(leg_id)
        leg.channel = leg.channel or frame.get(f"{prefix}Channel")
        if not frame.get("Duration"):  # a row of CoreShowChannels tells by it how old the channel is
            leg.seen(at)
        leg.number.tell(at, clean(frame.get(f"{prefix}CallerIDNum")))
        if shown := clean(frame.get(f"{prefix}CallerIDNum")):
            leg.shown_number.tell(at, shown)
        leg.name.tell(at, clean(frame.get(f"{prefix}CallerIDName")))
        exten = clean(frame.get(f"{prefix}Exten"))
        if exten not in NO_EXTENSIONS:
            leg.exten.tell(at, exten)
            if leg_id == facts.id and self._rules.outside(exten):
                facts.dialled.tell(at, exten)

    def _move_up(self, frame: Frame, leaver: Facts, at: float) -> set[str]:
        """Nobody tells those behind that they have moved up."""
        queue, turn = frame.get("Queue"), leaver.queues.get(frame.get("Queue"))
        if turn is None or turn.left_at:
            return set()
        moved = set()
        for facts in self._facts.values():
            other = facts.queues.get(queue)
            place = number(other.position.value) if other and other.lasts else 0
            if other and facts is not leaver and place > number(frame.get("Position")) > 0:
                other.position.tell(at, str(place - 1))
                moved.add(facts.id)
        return moved

    # — calls that become one —

    def _attended(self, frame: Frame, at: float) -> Collection[str]:
        """The first call's customer is now with whom the second call reached."""
        first = self._facts.get(self._of_leg.get(frame.get("OrigTransfererUniqueid"), ""))
        second = self._facts.get(self._of_leg.get(frame.get("SecondTransfererUniqueid"), ""))
        one = first or second
        if one is None or frame.get("Result").lower() not in ("", "success"):
            return ()
        to = frame.get("TransferTargetCallerIDNum") or frame.get("SecondTransfererConnectedLineNum")
        kept = self._join(first, second) or one if first and second and first is not second else one
        transferer = frame.get("OrigTransfererUniqueid")
        kept.hand_over(Handover(at=at, leg=transferer, to=clean(to), attended=True))
        return {one.id, kept.id}

    def _meet(self, frame: Frame, facts: Facts) -> Facts:
        """Channels of two calls in one bridge speak with each other."""
        bridge = frame.get("BridgeUniqueid")
        there = self._facts.get(self._home(self._in_bridge.get(bridge, "")))
        self._in_bridge[bridge] = facts.id
        if there is None or there is facts:
            return facts
        return self._join(there, facts) or facts

    def _join(self, one: Facts, other: Facts) -> Facts | None:
        """None where both have a customer of their own: those stay two calls."""
        if one is other:
            return one
        mine, theirs = parties(one, self._rules), parties(other, self._rules)
        if mine and theirs:
            return None
        older = min(one, other, key=lambda facts: (facts.begun_at, facts.id))
        kept = one if mine else other if theirs else older
        gone = other if kept is one else one
        kept.absorb(gone)
        del self._facts[gone.id]
        self._joined = {name: kept.id if to == gone.id else to for name, to in self._joined.items()}
        self._joined[gone.id] = kept.id
        self._of_leg.update(dict.fromkeys(gone.legs, kept.id))
        return kept

    # — after a break —

    def live_legs(self) -> set[str]:
        return {leg.id for facts in self._facts.values() for leg in facts.legs.values() if leg.alive}

    def close_stale(self, before: Collection[str], rows: Iterable[Frame], at: float) -> Collection[str]:
        """What was going on `before` and is not in the exchange's list has ended while nobody listened."""
        there = {row.get("Uniqueid") for row in rows}
        changed = set()
        for leg_id in set(before) - there:
            facts = self._facts.get(self._of_leg.get(leg_id, ""))
            leg = facts.legs.get(leg_id) if facts else None
            if facts and leg and leg.alive:
                leg.ended_at = at
                facts.heard_at = at
                changed.add(facts.id)
        return changed

    # — what is made of it —

    def call(self, call_id: str) -> Call | None:
        facts = self._facts.get(call_id)
        return call_of(facts, self._rules) if facts else None

    def calls(self) -> Sequence[Call]:
        found = (call_of(facts, self._rules) for facts in self._facts.values())
        return [call for call in found if call is not None]

    def facts(self, call_id: str) -> Facts | None:
        return self._facts.get(call_id)

    def forget(self, heard_before: float, keep: Collection[str] = ()) -> None:
        """Calls that ended, and of which nothing more was heard since."""
        old = [one for one in self._facts.values() if one.heard_at < heard_before and one.id not in keep]
        gone = [one for one in old if one.ended or not one.born]
        for facts in gone:
            del self._facts[facts.id]
            for leg_id in facts.legs:
                self._of_leg.pop(leg_id, None)
        names = {facts.id for facts in gone}
        self._joined = {one: to for one, to in self._joined.items() if to not in names}
        self._in_bridge = {one: to for one, to in self._in_bridge.items() if self._home(to) in self._facts}

    def saved(self) -> str:
        """As JSON: the names within hold full stops, which a document's must not."""
        return _SAVED.dump_json(list(self._facts.values())).decode()

    def load(self, saved: object) -> None:
        """What `saved` gave, in another process. What another version wrote otherwise is left out: the
        exchange's own list then tells what goes on."""
        try:
            known = _SAVED.validate_json(saved if isinstance(saved, str) else "[]")
        except ValidationError:
            return
        for facts in known:
            self._facts[facts.id] = facts
            self._of_leg.update(dict.fromkeys(facts.legs, facts.id))
            self._joined.update({leg: facts.id for leg in facts.legs if leg != facts.id})

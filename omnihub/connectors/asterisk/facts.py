"""What is known of a call and of its legs. Everything is kept as the first or the last of its kind by time, so
that the same events give the same facts in whatever order, and however often, they come.

Times are seconds since 1970, UTC; 0 where not known."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class First:
    """The earliest value."""

    at: float = 0.0
    value: str = ""

    def tell(self, at: float, value: str) -> None:
        if value and (not self.value or at < self.at):
            self.at, self.value = at, value

    def absorb(self, other: "First") -> None:
        self.tell(other.at, other.value)


@dataclass(slots=True)
class Last:
    """The latest value, which may be empty."""

    at: float = 0.0
    value: str = ""

    def tell(self, at: float, value: str) -> None:
        if at >= self.at:
            self.at, self.value = at, value

    def absorb(self, other: "Last") -> None:
        if other.at > self.at:
            self.at, self.value = other.at, other.value


def earliest(one: float, other: float) -> float:
    return min(one, other) if one and other else one or other


@dataclass(slots=True)
class Stay:
    """A channel's time in a bridge."""

    entered_at: float = 0.0
    left_at: float = 0.0

    @property
    def lasts(self) -> bool:
        return self.entered_at > self.left_at


@dataclass(slots=True)
class Leg:
    """One channel. `dialled_at`: the exchange called somebody by it. `dial_result`: how that went, such as
    BUSY. `cause` is the code of its end, `cause_text` its words. `exten`: the first that was dialled on it."""

    id: str
    channel: str = ""
    created_at: float = 0.0
    number: First = field(default_factory=First)
    shown_number: Last = field(default_factory=Last)
    name: First = field(default_factory=First)
    exten: First = field(default_factory=First)
    dialled_at: float = 0.0
    answered_at: float = 0.0
    ended_at: float = 0.0
    dial_result: Last = field(default_factory=Last)
    hold: Last = field(default_factory=Last)
    stays: dict[str, Stay] = field(default_factory=dict)
    hung_up: bool = False
    dropped: bool = False
    cause: str = ""
    cause_text: str = ""

    def seen(self, at: float) -> None:
        self.created_at = earliest(self.created_at, at)

    def dialled(self, at: float) -> None:
        self.dialled_at = earliest(self.dialled_at, at)

    def answered(self, at: float) -> None:
        self.answered_at = earliest(self.answered_at, at)

    @property
    def alive(self) -> bool:
        return not self.ended_at

    @property
    def bridged(self) -> bool:
        return self.alive and any(stay.lasts for stay in self.stays.values())


@dataclass(slots=True)
class Waiting:
    """A turn in a queue. `position` is the last that is known."""

    joined_at: float = 0.0
    left_at: float = 0.0
    abandoned: bool = False
    position: Last = field(default_factory=Last)

    @property
    def lasts(self) -> bool:
        return self.joined_at > self.left_at and not self.abandoned


@dataclass(slots=True)
class Handover:
    at: float
    leg: str
    to: str
    attended: bool


@dataclass(slots=True)
class Facts:
    """`born`: it was seen to begin or to be there; what only ends was over before we came. `lost`: it ended
    while nobody was listening. `published` is the snapshot that was journaled last, without its sequence."""

    id: str
    legs: dict[str, Leg] = field(default_factory=dict)
    queues: dict[str, Waiting] = field(default_factory=dict)
    parked: Last = field(default_factory=Last)
    transfers: list[Handover] = field(default_factory=list)
    recording: First = field(default_factory=First)
    mixed: First = field(default_factory=First)
    dialled: First = field(default_factory=First)
    originate_reason: Last = field(default_factory=Last)
    disposition: str = ""
    voicemail: bool = False
    born: bool = False
    heard_at: float = 0.0
    sequence: int = 0
    published: str = ""

    def leg(self, leg_id: str) -> Leg:
        return self.legs.setdefault(leg_id, Leg(id=leg_id))

    @property
    def ended(self) -> bool:
        return bool(self.legs) and not any(leg.alive for leg in self.legs.values())

    @property
    def begun_at(self) -> float:
        return min((leg.created_at for leg in self.legs.values() if leg.created_at), default=0.0)

    def hand_over(self, handover: Handover) -> None:
        known = {(one.leg, one.to, one.attended) for one in self.transfers}
        if (handover.leg, handover.to, handover.attended) not in known:
            self.transfers.append(handover)
            self.transfers.sort(key=lambda one: one.at)

    def absorb(self, other: "Facts") -> None:
        """Two calls that turned out to be one, such as a consultation that became a transfer."""
        self.legs |= {name: leg for name, leg in other.legs.items() if name not in self.legs}
        self.queues = {**other.queues, **self.queues}
        self.parked.absorb(other.parked)
        self.recording.absorb(other.recording)
        self.mixed.absorb(other.mixed)
        self.dialled.absorb(other.dialled)
        for handover in other.transfers:
            self.hand_over(handover)
        self.born |= other.born
        self.voicemail |= other.voicemail
        self.heard_at = max(self.heard_at, other.heard_at)

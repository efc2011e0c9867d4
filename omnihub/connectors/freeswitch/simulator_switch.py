"""A FreeSWITCH's channels and the events it makes of them, on a clock of its own. No network."""

import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

Headers = dict[str, str]
# What passes between two steps of a script, in seconds.
Script = Iterator[float]

_START = 1_795_340_400_000_000  # 2026-11-22 09:00 UTC, in microseconds
_NO_VARIABLES = frozenset({"CHANNEL_HOLD", "CHANNEL_UNHOLD"})


@dataclass(slots=True, kw_only=True)
class Channel:
    """`other` is the leg on the other side; `kind` what that one is to us: originator or originatee."""

    id: str
    direction: str
    number: str
    name: str
    to: str
    context: str
    created: int
    family: str
    answered: int = 0
    bridged: int = 0
    hung: int = 0
    state: str = "RINGING"
    other: str = ""
    kind: str = ""
    cause: str = ""
    variables: Headers = field(default_factory=dict)


class Switch:
    """`emit` gets every event as FreeSWITCH would send it. Ids are counted, so that two runs are alike."""

    def __init__(self, emit: Callable[[Headers], None]) -> None:
        self._emit = emit
        self._ids = itertools.count(1)
        self._numbers = itertools.count(1)
        self.core = self._uuid()
        self.now = _START
        self.channels: dict[str, Channel] = {}

    def _uuid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"channel {next(self._ids)}"))

    def restart(self) -> None:
        """All calls are gone without a word, and events are numbered from the start."""
        self.channels.clear()
        self.core = self._uuid()
        self._numbers = itertools.count(1)

    # — what happens to channels —

    def ring(
        self, number: str, to: str, *, name: str = "", context: str = "public", out_of: Channel | None = None,
        channel_id: str = "", originated: bool = False, **variables: str,
    ) -> Channel:  # fmt: skip
        """Somebody rings the switch, or the switch rings somebody: for another channel, or by itself."""
        outgoing = originated or out_of is not None
        made = channel_id or self._uuid()
        channel = Channel(
            id=made,
            direction="outbound" if outgoing else "inbound",
            number=number,
            name=name or number,
            to=to,
            context=context,
            created=self.now,
            family=out_of.family if out_of else made,
            variables=variables,
        )
        if out_of is not None:
            channel.other, channel.kind = out_of.id, "originator"
            channel.variables["originator"] = out_of.id
        self.channels[made] = channel
        self.tell("CHANNEL_CREATE", channel)
        return channel

    def answer(self, channel: Channel) -> None:
        channel.answered, channel.state = self.now, "ACTIVE"
        self.tell("CHANNEL_ANSWER", channel)

    def bridge(self, first: Channel, second: Channel) -> None:
        for one, other in ((first, second), (second, first)):
            one.other, one.bridged = other.id, self.now
            one.kind = one.kind or "originatee"
        ends = {"Bridge-A-Unique-ID": first.id, "Bridge-B-Unique-ID": second.id}
        self.tell("CHANNEL_BRIDGE", first, **ends)

    def part(self, first: Channel, second: Channel) -> None:
        ends = {"Bridge-A-Unique-ID": first.id, "Bridge-B-Unique-ID": second.id}
        self.tell("CHANNEL_UNBRIDGE", first, **ends)

    def hold(self, channel: Channel) -> None:
        channel.state = "HELD"
        self.tell("CHANNEL_HOLD", channel)

    def unhold(self, channel: Channel) -> None:
        channel.state = "ACTIVE"
        self.tell("CHANNEL_UNHOLD", channel)

    def park(self, channel: Channel) -> None:
        self.tell("CHANNEL_PARK", channel)

    def record(self, channel: Channel, path: str) -> None:
        self.tell("RECORD_STOP", channel, **{"Record-File-Path": path})

    def hang_up(self, channel: Channel, cause: str = "NORMAL_CLEARING", **variables: str) -> None:
        channel.hung, channel.state, channel.cause = self.now, "HANGUP", cause
        channel.variables |= {"hangup_cause": cause, **variables}
        self.tell("CHANNEL_HANGUP_COMPLETE", channel, **{"Hangup-Cause": cause})
        del self.channels[channel.id]

    def queue(self, action: str, member: Channel, **named: str) -> None:
        """An event of mod_callcenter; it is made on the member's channel, if on any."""
        told = {
            "Event-Subclass": "callcenter::info",
            "CC-Action": action,
            "CC-Queue": "support@default",
            "CC-Member-Session-UUID": member.id,
            "CC-Member-CID-Number": member.number,
        }
        self._send("CUSTOM", told | {name.replace("_", "-"): value for name, value in named.items()})

    def job(self, name: str, command: str, result: str) -> None:
        told = {"Job-UUID": name, "Job-Command": command, "_body": f"{result}\n"}
        self._send("BACKGROUND_JOB", told)

    def heartbeat(self) -> None:
        self._send("HEARTBEAT", {"Event-Info": "System Ready", "Session-Count": str(len(self.channels))})

    # — what is told of them —

    def tell(self, name: str, channel: Channel, **more: str) -> None:
        self._send(name, self.headers(channel, variables=name not in _NO_VARIABLES) | more)

    def _send(self, name: str, headers: Mapping[str, str]) -> None:
        self._emit(self._stamped(name) | dict(headers))

    def _stamped(self, name: str) -> Headers:
        return {
            "Event-Name": name,
            "Core-UUID": self.core,
            "FreeSWITCH-Hostname": "pbx.example.test",
            "Event-Date-Timestamp": str(self.now),
            "Event-Sequence": str(next(self._numbers)),
        }

    def headers(self, channel: Channel, *, variables: bool = True) -> Headers:
        told = {
            "Unique-ID": channel.id,
            "Call-Direction": channel.direction,
            "Channel-Name": f"sofia/internal/{channel.to}@pbx.example.test",
            "Channel-Call-UUID": channel.family,
            "Channel-Call-State": channel.state,
            "Answer-State": "answered" if channel.answered else "ringing",
            "Caller-Caller-ID-Number": channel.number,
            "Caller-Caller-ID-Name": channel.name,
            "Caller-Destination-Number": channel.to,
            "Caller-Context": channel.context,
            "Caller-Channel-Created-Time": str(channel.created),
            "Caller-Channel-Answered-Time": str(channel.answered),
            "Caller-Channel-Bridged-Time": str(channel.bridged),
            "Caller-Channel-Hangup-Time": str(channel.hung),
        }
        if channel.other:
            told |= {"Other-Type": channel.kind, "Other-Leg-Unique-ID": channel.other}
        if variables:
            told |= {f"variable_{name}": value for name, value in channel.variables.items()}
        return told

    def dump(self, channel_id: str) -> Headers | None:
        channel = self.channels.get(channel_id)
        return self._stamped("CHANNEL_DATA") | self.headers(channel) if channel else None

    def rows(self) -> list[Headers]:
        """`show channels as json`, the columns that matter."""
        return [
            {
                "uuid": one.id,
                "direction": one.direction,
                "created_epoch": str(one.created // 1_000_000),
                "cid_num": one.number,
                "cid_name": one.name,
                "dest": one.to,
                "context": one.context,
                "callstate": one.state,
                "call_uuid": one.family if one.family != one.id else "",
            }
            for one in self.channels.values()
        ]

    # — the clock —

    def step(self, seconds: float) -> None:
        self.now += int(seconds * 1_000_000)

"""A small exchange: a queue, a direct extension and a busy line; every step tells the events that Asterisk
22 tells, in its order and with its headers."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Pairs = Sequence[tuple[str, str]]
Emit = Callable[[str, Pairs], None]

QUEUE, QUEUE_LINE, DIRECT_LINE, BUSY_LINE = "support", "700", "701", "703"
_STATES = {"0": "Down", "4": "Ring", "5": "Ringing", "6": "Up", "7": "Busy"}
_CAUSES = {"0": "Unknown", "16": "Normal Clearing", "17": "User busy", "19": "User alerting, no answer",
           "21": "Call Rejected", "26": "Answered elsewhere"}  # fmt: skip
UNKNOWN = "<unknown>"


@dataclass(slots=True, kw_only=True)
class Channel:
    name: str
    uniqueid: str
    linkedid: str
    number: str
    caller: str
    context: str
    exten: str
    created: float
    state: str = "0"
    connected: str = ""
    connected_name: str = ""
    bridge: str = ""

    def pairs(self, prefix: str = "") -> Pairs:
        told = {
            "Channel": self.name,
            "ChannelState": self.state,
            "ChannelStateDesc": _STATES[self.state],
            "CallerIDNum": self.number or UNKNOWN,
            "CallerIDName": self.caller or UNKNOWN,
            "ConnectedLineNum": self.connected or UNKNOWN,
            "ConnectedLineName": self.connected_name or UNKNOWN,
            "Language": "en",
            "AccountCode": "",
            "Context": self.context,
            "Exten": self.exten,
            "Priority": "1",
            "Uniqueid": self.uniqueid,
            "Linkedid": self.linkedid,
        }
        return [(prefix + name, value) for name, value in told.items()]


@dataclass(slots=True, kw_only=True)
class Ongoing:
    """One call. `phones` by extension; `dialled`: the number that an agent calls. `moves`: how often it was
    transferred. `since` is when it came to stand as it does."""

    id: str
    caller: Channel
    phones: dict[str, Channel] = field(default_factory=dict)
    customer: Channel | None = None
    talking_to: str = ""
    queued_at: float = 0.0
    position: int = 0
    answered_at: float = 0.0
    recorded: bool = False
    dialled: str = ""
    held: bool = False
    moves: int = 0
    since: float = 0.0

    @property
    def channels(self) -> Sequence[Channel]:
        found = [self.caller, *self.phones.values(), self.customer]
        return list({one.uniqueid: one for one in found if one is not None}.values())


class Exchange:
    """`records_waiting`: from the moment a caller waits, not only once somebody answers."""

    def __init__(self, emit: Emit, agents: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        self._emit = emit
        self.agents = tuple(agents)
        self.records_waiting = True
        self._clock = clock
        self._numbers = itertools.count()
        self.calls: dict[str, Ongoing] = {}

    # — channels —

    def _channel(
        self, endpoint: str, *, number: str, caller: str, context: str, exten: str, linked: str = "",
        own_id: str = "", state: str = "0",
    ) -> Channel:  # fmt: skip
        count, now = next(self._numbers), self._clock()
        uniqueid = own_id or f"{int(now)}.{count}"
        channel = Channel(
            name=f"PJSIP/{endpoint}-{count:08x}", uniqueid=uniqueid, linkedid=linked or uniqueid, number=number,
            caller=caller, context=context, exten=exten, created=now, state=state,
        )  # fmt: skip
        self._emit("Newchannel", channel.pairs())
        return channel

    def _state(self, channel: Channel, state: str) -> None:
        channel.state = state
        self._emit("Newstate", channel.pairs())

    def _dial(self, event: str, channel: Channel | None, dest: Channel, status: str = "") -> None:
        told = [*(channel.pairs() if channel else ()), *dest.pairs("Dest")]
        tail = ("DialString", dest.name.rpartition("-")[0]) if event == "DialBegin" else ("DialStatus", status)
        self._emit(event, [*told, tail])

    def _bridge(self, event: str, channel: Channel, bridge: str, count: int) -> None:
        channel.bridge = bridge if event == "BridgeEnter" else ""
        head = [
            ("BridgeUniqueid", bridge),
            ("BridgeType", "basic"),
            ("BridgeTechnology", "simple_bridge"),
            ("BridgeCreator", UNKNOWN),
            ("BridgeName", UNKNOWN),
            ("BridgeNumChannels", str(count)),
        ]
        self._emit(event, [*head, *channel.pairs()])

    def _meet(self, call: Ongoing, *channels: Channel) -> None:
        bridge = f"bridge-{call.id}" + (f"-{call.moves}" if call.moves else "")
        self._emit("BridgeCreate", [("BridgeUniqueid", bridge), ("BridgeNumChannels", "0")])
        for count, channel in enumerate(channels, 1):
            self._bridge("BridgeEnter", channel, bridge, count)

    def _part(self, *channels: Channel) -> None:
        together = [channel for channel in channels if channel.bridge]
        for left, channel in zip(reversed(range(len(together))), together, strict=True):
            self._bridge("BridgeLeave", channel, channel.bridge, left)

    def _hang_up(self, channel: Channel, cause: str) -> None:
        self._emit("Hangup", [*channel.pairs(), ("Cause", cause), ("Cause-txt", _CAUSES[cause])])

    def _cdr(self, call: Ongoing, disposition: str, application: str) -> None:
        caller, now = call.caller, self._clock()
        written = [time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at)) for at in (caller.created, now)]
        self._emit(
            "Cdr",
            [
                ("Source", caller.number),
                ("Destination", call.dialled or caller.exten),
                ("DestinationContext", caller.context),
                ("CallerID", f'"{caller.caller}" <{caller.number}>'),
                ("Channel", caller.name),
                ("LastApplication", application),
                ("StartTime", written[0]),
                ("EndTime", written[1]),
                ("Duration", str(int(now - caller.created))),
                ("Disposition", disposition),
                ("UniqueID", caller.uniqueid),
            ],
        )

    # — incoming calls —

    def ring(self, number: str, name: str, line: str) -> Ongoing:
        caller = self._channel("trunk", number=number, caller=name, context="from-trunk", exten=line, state="4")
        call = Ongoing(id=caller.uniqueid, caller=caller, since=caller.created)
        self.calls[call.id] = call
        {QUEUE_LINE: self._enqueue, DIRECT_LINE: self._ring_first, BUSY_LINE: self.refuse}[line](call)
        return call

    def refuse(self, call: Ongoing) -> None:
        self._state(call.caller, "7")
        self._emit("HangupRequest", [*call.caller.pairs(), ("Cause", "17")])
        self._cdr(call, "BUSY", "Busy")
        self._end(call, "17")

    def _enqueue(self, call: Ongoing) -> None:
        self._state(call.caller, "6")
        if self.records_waiting:
            self.record(call)
        waiting = [one for one in self.calls.values() if one.queued_at and one is not call]
        call.queued_at, call.position = self._clock(), len(waiting) + 1
        count = str(call.position)
        self._emit(
            "QueueCallerJoin",
            [*call.caller.pairs(), ("Queue", QUEUE), ("Position", count), ("Count", count)],
        )
        for extension in self.free():
            self._call_phone(call, extension, by_queue=True)

    def _ring_first(self, call: Ongoing) -> None:
        for extension in self.free()[:1]:
            self._call_phone(call, extension, by_queue=False)

    def free(self) -> Sequence[str]:
        taken = {extension for call in self.calls.values() for extension in call.phones}
        return [extension for extension in self.agents if extension not in taken]

    def _call_phone(self, call: Ongoing, extension: str, *, by_queue: bool) -> None:
        caller = call.caller
        phone = self._channel(
            extension, number=extension, caller=f"Agent {extension}", context="internal", exten="s", linked=call.id
        )
        phone.exten, phone.connected, phone.connected_name = caller.exten, caller.number, caller.caller
        call.phones[extension] = phone
        if by_queue:
            member = [("Queue", QUEUE), ("Interface", f"PJSIP/{extension}"), ("MemberName", phone.caller)]
            self._emit("AgentCalled", [*caller.pairs(), *phone.pairs("Dest"), *member])
        self._dial("DialBegin", caller, phone)
        self._state(phone, "5")
        self._dial("DialState", caller, phone, "RINGING")

    def record(self, call: Ongoing) -> None:
        call.recorded = True
        path = f"/var/spool/asterisk/monitor/{call.id}.wav"
        told = [("Variable", "MIXMONITOR_FILENAME"), ("Value", path)]
        self._emit("VarSet", [*call.caller.pairs(), *told])
        self._emit("MixMonitorStart", call.caller.pairs())

    def answer(self, call: Ongoing, extension: str) -> None:
        caller, phone = call.caller, call.phones[extension]
        self._state(phone, "6")
        self._dial("DialEnd", caller, phone, "ANSWER")
        for other in [one for one in call.phones if one != extension]:
            dropped = call.phones.pop(other)
            self._dial("DialEnd", caller, dropped, "CANCEL")
            self._hang_up(dropped, "26")
        caller.connected, caller.connected_name = extension, phone.caller
        waited = str(int(self._clock() - call.queued_at)) if call.queued_at else ""
        if call.queued_at:
            self._leave_queue(call)
            member = [("Queue", QUEUE), ("Interface", f"PJSIP/{extension}"), ("MemberName", phone.caller)]
            told = [*caller.pairs(), *phone.pairs("Dest"), *member, ("HoldTime", waited), ("RingTime", waited)]
            self._emit("AgentConnect", told)
        elif caller.state != "6":
            self._state(caller, "6")
        call.talking_to, call.since = extension, self._clock()
        call.answered_at = call.answered_at or call.since
        self._meet(call, phone, caller)

    def _leave_queue(self, call: Ongoing) -> None:
        behind = [one for one in self.calls.values() if one.queued_at and one.position > call.position]
        told = [("Queue", QUEUE), ("Count", str(len(behind))), ("Position", str(call.position))]
        self._emit("QueueCallerLeave", [*call.caller.pairs(), *told])
        for one in behind:
            one.position -= 1
        call.queued_at, call.position = 0.0, 0

    # — outgoing calls —

    def call_agent(self, extension: str, exten: str, caller_id: str, context: str, own_id: str) -> Ongoing:
        phone = self._channel(
            extension, number=extension, caller=f"Agent {extension}", context=context, exten="s", own_id=own_id
        )
        if caller_id:
            phone.number = phone.connected = caller_id
            self._emit("NewCallerid", phone.pairs())
        call = Ongoing(
            id=phone.uniqueid, caller=phone, dialled=exten, phones={extension: phone}, since=phone.created
        )  # fmt: skip
        self.calls[call.id] = call
        self._dial("DialBegin", None, phone)
        self._state(phone, "5")
        self._dial("DialState", None, phone, "RINGING")
        return call

    def agent_answers(self, call: Ongoing) -> None:
        phone = call.caller
        self._state(phone, "6")
        self._dial("DialEnd", None, phone, "ANSWER")
        phone.exten = call.dialled
        customer = self._channel("trunk", number="", caller="", context="from-trunk", exten="s", linked=call.id)
        customer.number, customer.connected = call.dialled, phone.number
        call.customer, call.since = customer, self._clock()
        self._emit("NewCallerid", customer.pairs())
        self._dial("DialBegin", phone, customer)
        self._state(customer, "5")
        self._dial("DialState", phone, customer, "RINGING")

    def customer_answers(self, call: Ongoing) -> None:
        if call.customer is None:
            return
        self._state(call.customer, "6")
        self._dial("DialEnd", call.caller, call.customer, "ANSWER")
        call.answered_at = call.since = self._clock()
        self._meet(call, call.customer, call.caller)

    # — ends —

    def give_up(self, call: Ongoing) -> None:
        """Nobody picked up within the ring time."""
        for phone in [one for one in call.phones.values() if one is not call.caller]:
            self._dial("DialEnd", call.caller, phone, "NOANSWER")
            self._hang_up(phone, "0")
        call.phones.clear()
        if call.customer is not None:
            self._dial("DialEnd", call.caller, call.customer, "NOANSWER")
            self._hang_up(call.customer, "19")
            call.customer = None
        if call.queued_at:
            self._leave_queue(call)
        self._cdr(call, "NO ANSWER", "Dial")
        self._end(call, "19")

    def hang_up(self, call: Ongoing) -> None:
        self._emit("HangupRequest", call.caller.pairs())
        if call.answered_at:
            for phone in [one for one in call.phones.values() if one.state == "5"]:
                self._dial("DialEnd", call.caller, phone, "CANCEL")
            self._part(*call.channels)
            self._cdr(call, "ANSWERED", "Dial")
            self._end(call, "16")
            return
        if call.queued_at:
            held = str(int(self._clock() - call.queued_at))
            told = [("Queue", QUEUE), ("Position", str(call.position)), ("OriginalPosition", str(call.position))]
            self._emit("QueueCallerAbandon", [*call.caller.pairs(), *told, ("HoldTime", held)])
            self._leave_queue(call)
        for phone in [one for one in call.channels if one is not call.caller]:
            self._dial("DialEnd", call.caller, phone, "CANCEL")
            self._dial("DialEnd", call.caller, phone, "CANCEL")  # Asterisk 22 tells it twice
        self._cdr(call, "NO ANSWER", "Queue")
        self._end(call, "0")

    def _end(self, call: Ongoing, cause: str) -> None:
        for channel in reversed(call.channels):
            self._hang_up(channel, cause)
        del self.calls[call.id]

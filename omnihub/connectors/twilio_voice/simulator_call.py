"""One call from the first ring to the last callback."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from omnihub.connectors.twilio_voice.simulator_api import VERSION, DemoAccountOfTwilio, Number
from omnihub.connectors.twilio_voice.simulator_twiml import Verb

Pairs = list[tuple[str, str]]
Ask = Callable[[str, Pairs], Awaitable[Sequence[Verb]]]
Tell = Callable[[str, Pairs], Awaitable[None]]


@dataclass(slots=True, frozen=True, kw_only=True)
class Plan:
    """What people do. `picks_up`: the agent who answers, "" for nobody. `gives_up`: where the caller hangs up
    before. `leaves`: seconds of voicemail, 0 for silence. `missing`: why Twilio keeps no recording, by its error
    code."""

    picks_up: str = ""
    after: int = 6
    talks: int = 95
    gives_up: Literal["", "ringing", "voicemail"] = ""
    leaves: int = 0
    missing: str = ""


@dataclass(slots=True, kw_only=True)
class DemoCall:
    customer: str
    number: Number
    plan: Plan
    at: datetime
    sid: str = field(default_factory=lambda: f"CA{secrets.token_hex(16)}")
    said: list[str] = field(default_factory=list)
    rung: list[list[str]] = field(default_factory=list)
    answered_by: str = ""
    recordings: list[str] = field(default_factory=list)
    over: bool = False

    def passes(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)


class Exchange:
    """`ask` posts what wants TwiML back, `tell` what does not."""

    def __init__(self, twilio: DemoAccountOfTwilio, base: str, ask: Ask, tell: Tell) -> None:
        self._twilio = twilio
        self._base = base
        self._ask = ask
        self._tell = tell

    async def carry(self, call: DemoCall) -> None:
        began = call.at
        try:
            verbs = await self._ask(call.number.voice_url, self._leg(call, "ringing"))
            while verbs and not call.over:
                verbs = await self._perform(call, verbs)
        finally:  # a call that the hub has no words for ends, too
            call.over = True
            if call.number.status_url:
                lasted = ("CallDuration", str(round((call.at - began).total_seconds())))
                ended = [*self._leg(call, "completed"), *self._stamp(call, 0), lasted]
                await self._tell(call.number.status_url, ended)

    async def _perform(self, call: DemoCall, verbs: Sequence[Verb]) -> Sequence[Verb]:
        """Until one leads to another document, or the call is over."""
        for verb in verbs:
            if verb.name in ("Say", "Play"):
                call.said.append(verb.text)
                call.passes(4)
            elif verb.name == "Dial":
                return await self._dial(call, verb)
            elif verb.name == "Record":
                following = await self._record(call, verb)
                if following is not None:
                    return following
            else:
                return ()
            if call.over:
                return ()
        return ()

    # — ringing agents —

    async def _dial(self, call: DemoCall, dial: Verb) -> Sequence[Verb]:
        call.rung.append([_named(noun) for noun in dial.nouns])
        legs = [(noun, f"CA{secrets.token_hex(16)}") for noun in dial.nouns]
        for order, status in ((0, "initiated"), (1, "ringing")):
            for noun, sid in legs:
                await self._report(call, noun, sid, order, status)
        chosen = next((leg for leg in legs if _named(leg[0]) == call.plan.picks_up), None)
        if chosen is not None and call.plan.gives_up != "ringing":
            return await self._talk(call, dial, legs, chosen)
        call.over = call.plan.gives_up == "ringing"
        call.passes(7 if call.over else int(dial.given.get("timeout", "30")))
        for noun, sid in legs:
            await self._report(call, noun, sid, 2, "canceled" if call.over else "no-answer")
        return await self._after_dial(call, dial, [("DialCallStatus", "no-answer"), ("DialCallSid", legs[0][1])])

    async def _talk(
        self, call: DemoCall, dial: Verb, legs: Sequence[tuple[Verb, str]], chosen: tuple[Verb, str]
    ) -> Sequence[Verb]:
        noun, sid = chosen
        call.passes(call.plan.after)
        call.answered_by = _named(noun)
        await self._report(call, noun, sid, 2, "in-progress")
        for other, other_sid in legs:
            if other_sid != sid:
                await self._report(call, other, other_sid, 2, "canceled")
        call.passes(call.plan.talks)
        await self._report(call, noun, sid, 3, "completed", call.plan.talks)
        duration = ("DialCallDuration", str(call.plan.talks))
        following = await self._after_dial(
            call, dial, [("DialCallStatus", "completed"), ("DialCallSid", sid), duration]
        )
        if dial.given.get("record"):
            await self._recorded(call, dial, call.plan.talks)
        return following

    async def _after_dial(self, call: DemoCall, dial: Verb, told: Pairs) -> Sequence[Verb]:
        status = "completed" if call.over else "in-progress"
        return await self._ask(dial.given["action"], [*self._leg(call, status), *told])

    async def _report(
        self, call: DemoCall, noun: Verb, sid: str, order: int, status: str, seconds: int = 0
    ) -> None:  # fmt: skip
        if "statusCallback" not in noun.given:
            return
        pairs = [
            ("CallSid", sid), ("ParentCallSid", call.sid), ("AccountSid", self._twilio.account_sid),
            ("From", call.customer), ("To", _named(noun)), ("CallStatus", status), ("Direction", "outbound-dial"),
            ("ApiVersion", VERSION), *self._stamp(call, order),
        ]  # fmt: skip
        pairs += [("CallDuration", str(seconds))] if status == "completed" else []
        await self._tell(noun.given["statusCallback"], pairs)

    # — voicemail and recordings —

    async def _record(self, call: DemoCall, record: Verb) -> Sequence[Verb] | None:
        """None: the caller said nothing, and the document goes on."""
        if call.plan.gives_up == "voicemail":
            call.over = True
            return ()
        seconds = min(call.plan.leaves, int(record.given.get("maxLength", "3600")))
        call.passes(seconds or 5)
        if not seconds:
            return None
        call.over = True  # who has left a message hangs up
        sid = await self._recorded(call, record, seconds)
        told = [("RecordingSid", sid), ("RecordingUrl", self._url(sid)), ("RecordingDuration", str(seconds))]
        return await self._ask(record.given["action"], [*self._leg(call, "completed"), *told])

    async def _recorded(self, call: DemoCall, verb: Verb, seconds: int) -> str:
        """Nothing in the callback says whose call it was, but the id of its first leg."""
        sid = self._twilio.record(seconds)
        call.recordings.append(sid)
        missing = call.plan.missing
        pairs = [
            ("AccountSid", self._twilio.account_sid), ("CallSid", call.sid), ("RecordingSid", sid),
            ("RecordingUrl", self._url(sid)), ("RecordingDuration", "0" if missing else str(seconds)),
            ("RecordingStatus", "absent" if missing else "completed"), ("RecordingChannels", "1"),
            ("RecordingSource", "DialVerb" if verb.name == "Dial" else "RecordVerb"),
        ]  # fmt: skip
        pairs += [("ErrorCode", missing)] if missing else []
        if missing:
            del self._twilio.recordings[sid]
        await self._tell(verb.given["recordingStatusCallback"], pairs)
        return sid

    def _url(self, sid: str) -> str:
        return f"{self._base}/{VERSION}/Accounts/{self._twilio.account_sid}/Recordings/{sid}"

    def _leg(self, call: DemoCall, status: str) -> Pairs:
        """Blank fields are sent, too, and signed."""
        return [
            ("CallSid", call.sid), ("AccountSid", self._twilio.account_sid), ("From", call.customer),
            ("To", call.number.number), ("Caller", call.customer), ("Called", call.number.number),
            ("CallStatus", status), ("Direction", "inbound"), ("ApiVersion", VERSION), ("FromCity", ""),
            ("FromCountry", "US"), ("StirVerstat", "TN-Validation-Passed-A"),
        ]  # fmt: skip

    def _stamp(self, call: DemoCall, order: int) -> Pairs:
        return [
            ("Timestamp", format_datetime(call.at)), ("SequenceNumber", str(order)),
            ("CallbackSource", "call-progress-events"),
        ]  # fmt: skip


def _named(noun: Verb) -> str:
    return f"client:{noun.text}" if noun.name == "Client" else noun.text

"""Calls that are placed by the API: first whom it names is rung, then whom the hub names."""

import asyncio
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit

from omnihub.connectors.twilio_voice.simulator_api import VERSION, DemoAccountOfTwilio
from omnihub.connectors.twilio_voice.simulator_call import Ask, Pairs, Tell
from omnihub.connectors.twilio_voice.simulator_twiml import Invalid, Verb

_TO = re.compile(r"\+[1-9][0-9]{6,14}|client:[^\s]+|sips?:[^\s]+@[^\s]+")
_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
# A number that ends so is where this account may not call.
_NOT_ALLOWED = "0000"


class Refusal(Exception):
    """Status, Twilio's code and its words."""

    def __init__(self, status: int, code: int, words: str) -> None:
        super().__init__(words)
        self.status = status
        self.code = code


@dataclass(slots=True, kw_only=True)
class Script:
    """What people do. `agent`, `customer`: in-progress for who picks up, or busy, no-answer, failed."""

    agent: str = "in-progress"
    customer: str = "in-progress"
    talks: int = 42


@dataclass(slots=True, kw_only=True)
class Placed:
    """`asked`: the form it was placed with."""

    asked: Mapping[str, Sequence[str]]
    at: datetime
    status: str = "queued"
    sid: str = field(default_factory=lambda: f"CA{secrets.token_hex(16)}")
    rung: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        return next(iter(self.asked.get(name, ())), "")


class Outgoing:
    """`troubles` gets what went wrong with the hub's answers, in Twilio's codes."""

    def __init__(self, twilio: DemoAccountOfTwilio, now: Callable[[], datetime], troubles: list[str]) -> None:
        self._twilio = twilio
        self._now = now
        self._troubles = troubles
        self._tasks: set[asyncio.Task[None]] = set()
        self.script = Script()
        self.calls: dict[str, Placed] = {}
        self.base = ""
        self.ask: Ask
        self.tell: Tell

    def place(self, form: Mapping[str, Sequence[str]]) -> Placed:
        """Raises Refusal."""
        call = Placed(asked=form, at=self._now())
        _check(call, self._twilio)
        self.calls[call.sid] = call
        task = asyncio.create_task(self._carry(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    async def over(self) -> None:
        """Until all calls are."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # — the agent —

    async def _carry(self, call: Placed) -> None:
        began = call.at
        await self._status(call, 0, "initiated")
        await self._status(call, 1, "ringing")
        call.at += timedelta(seconds=5)
        if self.script.agent != "in-progress":
            await self._status(call, 2, self.script.agent)
            return
        await self._status(call, 2, "in-progress")
        try:
            for verb in await self.ask(call.get("Url"), self._of_agent(call, "in-progress")):
                await self._perform(call, verb)
        except Invalid as error:
            self._troubles.append(str(error))
        lasted = ("CallDuration", str(round((call.at - began).total_seconds())))
        await self._status(call, 3, "completed", lasted)

    async def _status(self, call: Placed, order: int, status: str, *more: tuple[str, str]) -> None:
        call.status = "queued" if status == "initiated" else status
        event = {"in-progress": "answered"}.get(status, status if status in _EVENTS else "completed")
        if event in call.asked.get("StatusCallbackEvent", ()):
            told = [*self._of_agent(call, status), *_stamp(call, order), *more]
            await self.tell(call.get("StatusCallback"), told)

    def _of_agent(self, call: Placed, status: str) -> Pairs:
        return self._leg(call.sid, call.get("From"), call.get("To"), status, "outbound-api")

    # — the customer —

    async def _perform(self, call: Placed, verb: Verb) -> None:
        if verb.name in ("Say", "Play"):
            call.said.append(verb.text)
        if verb.name != "Dial":
            return
        (noun,) = verb.nouns
        sid = f"CA{secrets.token_hex(16)}"
        call.rung.append(noun.text)
        await self._report(call, verb, sid, 0, "initiated")
        await self._report(call, verb, sid, 1, "ringing")
        call.at += timedelta(seconds=8)
        status = self.script.customer
        talked: Pairs = []
        if status == "in-progress":
            await self._talk(call, verb, sid)
            status, talked = "completed", [("DialCallDuration", str(self.script.talks))]
        else:
            await self._report(call, verb, sid, 2, status)
        ended = [("DialCallStatus", status), ("DialCallSid", sid), *talked]
        await self.ask(verb.given["action"], [*self._of_agent(call, "in-progress"), *ended])
        if verb.given.get("record") and talked:
            await self._record(call, verb)

    async def _talk(self, call: Placed, dial: Verb, sid: str) -> None:
        (noun,) = dial.nouns
        await self._report(call, dial, sid, 2, "in-progress")
        if "url" in noun.given:
            told = self._leg(sid, dial.given["callerId"], noun.text, "in-progress", "outbound-dial")
            call.said += [verb.text for verb in await self.ask(noun.given["url"], told)]
        call.at += timedelta(seconds=self.script.talks)
        await self._report(call, dial, sid, 3, "completed")

    async def _report(self, call: Placed, dial: Verb, sid: str, order: int, status: str) -> None:
        (noun,) = dial.nouns
        told = self._leg(sid, dial.given["callerId"], noun.text, status, "outbound-dial")
        told += [("ParentCallSid", call.sid), *_stamp(call, order)]
        told += [("CallDuration", str(self.script.talks))] if status == "completed" else []
        await self.tell(noun.given["statusCallback"], told)

    async def _record(self, call: Placed, dial: Verb) -> None:
        sid = self._twilio.record(self.script.talks)
        call.recordings.append(sid)
        url = f"{self.base}/{VERSION}/Accounts/{self._twilio.account_sid}/Recordings/{sid}"
        told = [
            ("AccountSid", self._twilio.account_sid), ("CallSid", call.sid), ("RecordingSid", sid),
            ("RecordingUrl", url), ("RecordingDuration", str(self.script.talks)), ("RecordingStatus", "completed"),
            ("RecordingChannels", "2"), ("RecordingSource", "DialVerb"),
        ]  # fmt: skip
        await self.tell(dial.given["recordingStatusCallback"], told)

    def _leg(self, sid: str, origin: str, to: str, status: str, direction: str) -> Pairs:
        return [
            ("CallSid", sid), ("AccountSid", self._twilio.account_sid), ("From", origin), ("To", to),
            ("Caller", origin), ("Called", to), ("CallStatus", status), ("Direction", direction),
            ("ApiVersion", VERSION), ("ToCity", ""),
        ]  # fmt: skip


def _stamp(call: Placed, order: int) -> Pairs:
    return [
        ("Timestamp", format_datetime(call.at)), ("SequenceNumber", str(order)),
        ("CallbackSource", "call-progress-events"),
    ]  # fmt: skip


def _check(call: Placed, twilio: DemoAccountOfTwilio) -> None:
    to, origin = call.get("To"), call.get("From")
    if not _TO.fullmatch(to):
        raise Refusal(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if origin not in twilio.numbers:
        words = f"The source phone number provided, {origin}, is not yet verified for your account."
        raise Refusal(400, 21210, words)
    if to.endswith(_NOT_ALLOWED):
        raise Refusal(400, 21215, f"Account not authorized to call {to}.")
    for name in ("Url", "StatusCallback"):
        if urlsplit(call.get(name)).scheme not in ("http", "https") or not urlsplit(call.get(name)).hostname:
            raise Refusal(400, 21205, f"{name} is not a valid URL: {call.get(name)}")
    if not call.get("Timeout").isdigit() or not 1 <= int(call.get("Timeout")) <= 600:
        raise Refusal(400, 21220, "Invalid Timeout")

"""What Twilio is told to do with a call, step by step. The library escapes every text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from twilio.twiml.voice_response import Dial, VoiceResponse

from omnihub.connectors.twilio_voice.settings import Settings

CUSTOMER, LINE, LEFT, PLACED, AGENT = "c", "l", "v", "o", "a"
_POST = "POST"
LEG_EVENTS = "initiated ringing answered completed"
_RECORDING_EVENTS = "completed absent"
# How long a customer rings whom we call.
_CUSTOMER_SECONDS = 60


@dataclass(slots=True, frozen=True, kw_only=True)
class Caller:
    """Recording and leg callbacks do not say whose call they belong to, so their addresses carry it; these
    are signed with the rest. `placed`: our id of a call that we placed, from `agent`'s extension."""

    customer: str
    line: str
    placed: str = ""
    agent: str = ""

    def query(self, **more: str) -> str:
        own = {PLACED: self.placed, AGENT: self.agent} if self.placed else {}
        return urlencode({CUSTOMER: self.customer, LINE: self.line, **own, **more}, errors="replace")


@dataclass(slots=True, frozen=True, kw_only=True)
class Script:
    """`door`: the address that Twilio calls, without a tail."""

    settings: Settings
    door: str

    def answer(self, caller: Caller) -> str:
        """A call comes in."""
        response = VoiceResponse()
        self._tell(response, self.settings.greeting)
        self._notify(response, caller)
        self._ring(response, caller, 0)
        return str(response)

    def after_ringing(self, caller: Caller, step: int, answered: bool, gone: bool) -> str:
        """`answered`: by one of those of this step. `gone`: the caller has hung up."""
        response = VoiceResponse()
        if answered or gone:
            response.hangup()
        else:
            self._ring(response, caller, step + 1)
        return str(response)

    def placed(self, tail: str, caller: Caller) -> str:
        """The address of a step of a call that we placed."""
        return f"{self.door}/{tail}?{caller.query()}"

    def connect(self, caller: Caller) -> str:
        """The agent has picked up: now the customer is rung. Who is recorded hears so before they speak."""
        response = VoiceResponse()
        given: dict[str, Any] = {"action": self.placed("called", caller), "method": _POST}
        given |= {"timeout": _CUSTOMER_SECONDS, "caller_id": caller.line}
        noun = {"status_callback": self.placed("callee", caller), "status_callback_method": _POST}
        if self.settings.records(caller.line):
            given |= {"record": "record-from-answer-dual", **self._recorded(caller)}
            noun |= {"url": self.placed("notice", caller), "method": _POST}
        response.dial(**given).number(caller.customer, status_callback_event=LEG_EVENTS, **noun)
        return str(response)

    def notice(self, caller: Caller) -> str:
        """The customer has picked up, and is not put through yet."""
        response = VoiceResponse()
        self._notify(response, caller)
        return str(response)

    def _notify(self, response: VoiceResponse, caller: Caller) -> None:
        consent = self.settings.consent_of(caller.line)
        if consent is not None:
            self._tell(response, consent.notice)

    def steps(self) -> list[list[str]]:
        """Who rings together, one step after the other."""
        agents = self.settings.agents
        if self.settings.ring == "sequence":
            return [[agent] for agent in agents]
        return [agents] if agents else []

    def _ring(self, response: VoiceResponse, caller: Caller, step: int) -> None:
        steps = self.steps()
        if step >= len(steps):
            self._nobody(response, caller)
            return
        settings = self.settings
        given: dict[str, Any] = {"action": f"{self.door}/dial/{step}", "method": _POST}
        given["timeout"] = settings.ring_seconds
        if settings.caller_id:
            given["caller_id"] = settings.caller_id
        if settings.records(caller.line):
            given |= {"record": "record-from-answer-dual", **self._recorded(caller)}
        dial = response.dial(**given)
        for agent in steps[step]:
            _add(dial, agent, f"{self.door}/leg/{step}?{caller.query()}")

    def _nobody(self, response: VoiceResponse, caller: Caller) -> None:
        settings = self.settings
        if settings.voicemail:
            self._tell(response, settings.voicemail_prompt)
            response.record(
                action=f"{self.door}/voicemail",
                method=_POST,
                max_length=settings.voicemail_seconds,
                play_beep=True,
                **self._recorded(caller, **{LEFT: "1"}),
            )
        else:
            self._tell(response, settings.closing)
        response.hangup()

    def _recorded(self, caller: Caller, **more: str) -> Mapping[str, Any]:
        return {
            "recording_status_callback": f"{self.door}/recording?{caller.query(**more)}",
            "recording_status_callback_method": _POST,
            "recording_status_callback_event": _RECORDING_EVENTS,
        }

    def _tell(self, response: VoiceResponse, text: str) -> None:
        if text.startswith("https://") and len(text.split()) == 1:
            response.play(text)
        elif text:
            voice = {"voice": self.settings.voice} if self.settings.voice else {}
            response.say(text, language=self.settings.language, **voice)


def hang_up() -> str:
    response = VoiceResponse()
    response.hangup()
    return str(response)


def nothing() -> str:
    return str(VoiceResponse())


def _add(dial: Dial, agent: str, callback: str) -> None:
    way = next((made for prefix, made in _WAYS.items() if agent.startswith(prefix)), Dial.number)
    way(
        dial,
        agent.removeprefix("client:"),
        status_callback=callback,
        status_callback_method=_POST,
        status_callback_event=LEG_EVENTS,
    )


_WAYS: Mapping[str, Callable[..., Any]] = {"sip:": Dial.sip, "sips:": Dial.sip, "client:": Dial.client}

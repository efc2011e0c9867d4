from collections.abc import Callable, Mapping, Sequence

from omnihub.connectors.contract import BaseConnector, Dialled, Finding
from omnihub.connectors.telephony.dialling import checked
from omnihub.connectors.twilio_voice import calling, checking, parsing, recordings, signature, twiml
from omnihub.connectors.twilio_voice.form import read_form
from omnihub.connectors.twilio_voice.kinds import FINAL, Heard, Kind, heard
from omnihub.connectors.twilio_voice.parsing import Reader
from omnihub.connectors.twilio_voice.settings import Settings
from omnihub.connectors.twilio_voice.twiml import Caller, Script
from omnihub.model.errors import OmnihubError, Unverified
from omnihub.model.inbound import FetchedMedia, Inbound, LentMedia
from omnihub.model.raw import RawEvent, RawRequest, Reply

_NOBODY = Caller(customer="", line="")


class Connector(BaseConnector[Settings]):
    """One or several Twilio numbers that are called. What a call does next stands in the answers to Twilio."""

    settings_type = Settings

    def own_handles(self) -> frozenset[str]:
        return frozenset(f"phone:{number}" for number in self.settings.numbers)

    def public_urls(self) -> Mapping[str, str]:
        return {"calls": self.door, "status": f"{self.door}/status"}

    @property
    def door(self) -> str:
        """The address that Twilio calls, without a tail."""
        own = f"{self.toolbox.public_url}/in/{parsing.CHANNEL}/{self.account.key}"
        return self.settings.webhook_url or own

    # — before the journal —

    def verify(self, request: RawRequest) -> None:
        fields = read_form(request)
        urls = signature.addresses(self.door, request.tail, request.query)
        settings = self.settings
        tokens = [one.get_secret_value() for one in (settings.auth_token, settings.previous_auth_token)]
        if not signature.is_genuine(tokens, urls, fields, request.headers):
            raise Unverified("the signature is not Twilio's for this address")
        parsing.check_readable(request, fields)

    def source_key(self, request: RawRequest) -> str:
        try:
            return heard(request, dict(read_form(request))).source_key
        except OmnihubError:  # what could not be told apart was refused before, and has no repeat
            return ""

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        said = heard(request, dict(read_form(request)))
        answer = _ANSWERS.get(said.kind)
        text = answer(self._script, said) if answer else twiml.nothing()
        return Reply(body=text.encode(), content_type="text/xml; charset=utf-8")

    # — behind the journal —

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        reader = Reader(account_id=self.account.id, settings=self.settings, script=self._script)
        return (parsing.parse(event.request, reader),)

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await recordings.fetch(self.toolbox.http, self.settings, media)

    async def dial(self, extension: str, number: str, *, call_id: str) -> Dialled:
        call = calling.wanted(self.settings, checked(extension, number, call_id))
        return await calling.dial(self.toolbox.http, self.settings, self._script, call)

    async def check(self) -> Sequence[Finding]:
        return await checking.check(self.toolbox.http, self.settings, self.door)

    @property
    def _script(self) -> Script:
        return Script(settings=self.settings, door=self.door)


def _answer_call(script: Script, said: Heard) -> str:
    return script.answer(said.caller or _NOBODY)


def _answer_dial(script: Script, said: Heard) -> str:
    answered = said.get("DialCallStatus") in ("completed", "answered")
    return script.after_ringing(said.caller or _NOBODY, said.step, answered, said.get("CallStatus") in FINAL)


_ANSWERS: Mapping[Kind, Callable[[Script, Heard], str]] = {
    "incoming": _answer_call,
    "dial": _answer_dial,
    "voicemail": lambda script, said: twiml.hang_up(),
    "connect": lambda script, said: script.connect(said.caller or _NOBODY),
    "notice": lambda script, said: script.notice(said.caller or _NOBODY),
    "called": lambda script, said: twiml.hang_up(),
}

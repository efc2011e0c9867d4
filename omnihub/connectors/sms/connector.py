from collections.abc import Mapping, Sequence
from functools import cached_property
from urllib.parse import urlencode

from omnihub.connectors.contract import BaseConnector, Desk, Finding
from omnihub.connectors.sms import checking, parsing, signature
from omnihub.connectors.sms import media as lent_files
from omnihub.connectors.sms.api import Api
from omnihub.connectors.sms.form import read_form
from omnihub.connectors.sms.numbers import is_short_code
from omnihub.connectors.sms.parsing import OWN_ID, STATUS_TAIL, Reader, own_id
from omnihub.connectors.sms.reconcile import Reconciler
from omnihub.connectors.sms.sending import Sending
from omnihub.connectors.sms.settings import Settings, is_local
from omnihub.connectors.sms.signature import Key
from omnihub.model.errors import NotFound, Unreadable, Unverified
from omnihub.model.inbound import FetchedMedia, Handle, Inbound, LentMedia
from omnihub.model.outgoing import Outgoing, Prepared, SendResult
from omnihub.model.raw import RawEvent, RawRequest, Reply

_TAILS = ("", STATUS_TAIL)
_NO_ANSWER = Reply(body=b"<Response></Response>", content_type="text/xml")


class Connector(BaseConnector[Settings]):
    """One or several Twilio numbers, or a Messaging Service."""

    settings_type = Settings

    def own_handles(self) -> frozenset[str]:
        account = self.account.id
        numbers = self.settings.from_numbers
        return frozenset(f"sms:{account}:{n}" if is_short_code(n) else f"phone:{n}" for n in numbers)

    @property
    def door(self) -> str:
        """The address that Twilio calls, without a tail."""
        own = f"{self.toolbox.public_url}/in/sms/{self.account.key}"
        return self.settings.webhook_url or own

    # — before the journal —

    def verify(self, request: RawRequest) -> None:
        if request.tail.strip("/") not in _TAILS:
            raise NotFound("there is nothing at this address")
        fields = read_form(request)
        urls = signature.addresses(self.door, request.tail, request.query)
        if not signature.is_genuine(self._keys(), urls, fields, request.headers):
            raise Unverified("the signature is not Twilio's for this address")
        parsing.kind_of(request, fields)

    def source_key(self, request: RawRequest) -> str:
        try:
            fields = read_form(request)
            return parsing.source_key(fields, parsing.kind_of(request, fields))
        except Unreadable:
            return ""

    def acknowledge(self, request: RawRequest, event_id: str) -> Reply:
        return _NO_ANSWER

    # — behind the journal —

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        return parsing.parse(event, Reader(account_id=self.account.id, settings=self.settings))

    async def fetch(self, media: LentMedia) -> FetchedMedia:
        return await lent_files.fetch(self._api, self.settings, self.toolbox.http, media)

    # — out —

    def reaches(self, handle: Handle) -> bool:
        return handle.key.startswith("phone:+")

    def prepare(self, message: Outgoing) -> Prepared:
        """Our own name of the message: status callbacks bear it, even those that overtake the answer to the
        sending, or come though that answer was lost."""
        return Prepared(external_id=own_id(message.id))

    async def send(self, message: Outgoing) -> SendResult:
        return await self._sending.send(message)

    # — reaching out —

    async def listen(self, desk: Desk) -> None:
        began = self.account.created_at
        await Reconciler(self._api, self.settings, began, self.toolbox.now).run(desk)

    async def check(self) -> Sequence[Finding]:
        return await checking.check(self._api, self.settings, self.door)

    # — helpers —

    @cached_property
    def _api(self) -> Api:
        return Api(self.settings, self.toolbox.http)

    @cached_property
    def _sending(self) -> Sending:
        return Sending(self._api, self.settings, self._callback, self.toolbox.now)

    def _callback(self, message_id: str) -> str:
        """Twilio refuses a whole message for a callback that it could never reach."""
        if is_local(self.door) and not is_local(self.settings.api_base_url):
            return ""
        return f"{self.door}/{STATUS_TAIL}?{urlencode({OWN_ID: message_id})}"

    def _keys(self) -> Sequence[Key]:
        settings = self.settings
        tokens = [
            Key(secret=one.get_secret_value()) for one in (settings.auth_token, settings.previous_auth_token)
        ]
        shared = Key(
            secret=settings.shared_key_secret.get_secret_value(),
            algorithm="HMAC_SHA256",
            id=settings.shared_key_id,
        )
        allowed: Mapping[str, Sequence[Key]] = {
            "auth_token": tokens, "shared_key": [shared], "either": [*tokens, shared],
        }  # fmt: skip
        return allowed[settings.signature]

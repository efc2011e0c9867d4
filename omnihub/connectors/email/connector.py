import asyncio
import hmac
from collections.abc import Mapping, Sequence
from functools import cached_property

from omnihub.connectors.contract import BaseConnector, Desk, Finding, Toolbox
from omnihub.connectors.email import checking, message_ids, reading
from omnihub.connectors.email.composing import compose
from omnihub.connectors.email.dkim_signing import signed
from omnihub.connectors.email.imap import ImapReceiver
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.sent_copies import SentCopies
from omnihub.connectors.email.settings import Settings
from omnihub.connectors.email.smtp import Smtp
from omnihub.model.account import Account
from omnihub.model.errors import Refused, Unreadable, Unverified
from omnihub.model.inbound import Handle, Inbound
from omnihub.model.outgoing import Outgoing, Prepared, SendResult
from omnihub.model.raw import RawEvent, RawRequest


class Connector(BaseConnector[Settings]):
    settings_type = Settings

    def __init__(self, account: Account, settings: Settings, toolbox: Toolbox) -> None:
        super().__init__(account, settings, toolbox)
        self._own = frozenset(address.lower() for address in (settings.address, *settings.aliases))

    @cached_property
    def _tokens(self) -> AccessTokens | None:
        return AccessTokens(self.settings, self.toolbox.http) if self.settings.auth == "oauth2" else None

    @cached_property
    def _smtp(self) -> Smtp:
        return Smtp(self.settings, self._tokens)

    @cached_property
    def _sent_copies(self) -> SentCopies:
        return SentCopies(self.settings, self._tokens)

    def own_handles(self) -> frozenset[str]:
        return frozenset(f"email:{address}" for address in self._own)

    def verify(self, request: RawRequest) -> None:
        secret = self.settings.push_secret.get_secret_value()
        given = _bearer(request.headers) or request.query.get("secret", "")
        if not secret or not hmac.compare_digest(secret.encode(), given.encode("utf-8", "surrogateescape")):
            raise Unverified("the push secret is missing or wrong")
        if request.method != "POST":
            raise Unreadable("raw mail is handed over with POST")
        if not request.body.strip():
            raise Unreadable("the body is empty; it must be a raw mail (message/rfc822)")

    def parse(self, event: RawEvent) -> Sequence[Inbound]:
        return reading.read(event.request, self._own)

    def reaches(self, handle: Handle) -> bool:
        return handle.channel == "email"

    def prepare(self, message: Outgoing) -> Prepared:
        return Prepared(external_id=message_ids.make(message, self.settings.domain))

    async def send(self, message: Outgoing) -> SendResult:
        if not self.settings.smtp_host:
            raise Refused("this account has no SMTP server; name one in its settings")
        mail = compose(message, self.settings)
        raw = await asyncio.to_thread(signed, mail.raw, self.settings)
        result = await self._smtp.send(raw, mail.sender, mail.recipients)
        self._sent_copies.keep(raw, self.toolbox.now())
        return SendResult(
            external_id=message.external_id or message_ids.make(message, self.settings.domain),
            aliases=result.aliases,
            refused=result.refused,
            words=result.words,
        )

    async def listen(self, desk: Desk) -> None:
        if self.settings.receive:
            receiver = ImapReceiver(
                self.settings, self._tokens, desk, self.toolbox.now, note=lambda: self._sent_copies.trouble
            )
            await receiver.run()

    async def check(self) -> Sequence[Finding]:
        return await checking.findings(self.settings, self._tokens, self._smtp)

    async def close(self) -> None:
        await self._sent_copies.close()
        await self._smtp.close()


def _bearer(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if name.lower() == "authorization":
            scheme, _, secret = value.partition(" ")
            return secret.strip() if scheme.lower() == "bearer" else ""
    return ""

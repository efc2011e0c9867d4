import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import aiosmtplib

from omnihub.connectors.email import tls
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.pool import Line, SmtpPool, hang_up
from omnihub.connectors.email.presets import secret_hint
from omnihub.connectors.email.settings import Settings
from omnihub.model.errors import Refused, TryLater, Uncertain
from omnihub.model.outgoing import SendResult

COMMAND_TIMEOUT = 30.0
BODY_TIMEOUT = 75.0
AUTH_RETRY = 300.0  # seconds; a wrong password does not heal by hammering
_LEADING_DOT = re.compile(rb"(?m)^\.")
_SES_ID = re.compile(r"\b[0-9a-f]{16}-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}-\d{6}\b")
_SES_HOST = re.compile(r"^email-smtp(?:-fips)?\.([a-z0-9-]+)\.amazonaws\.com$")
_ANGLED_ID = re.compile(r"<([^<>\s]+@[^<>\s]+)>")


@dataclass(slots=True, frozen=True)
class _Mail:
    raw: bytes
    sender: str
    recipients: Sequence[str]


class _Lost(Exception):
    """The connection broke before the mail was handed over; nothing was sent."""


class Smtp:
    """Sends composed mail. One instance per account; call `close` at the end."""

    def __init__(self, settings: Settings, tokens: AccessTokens | None) -> None:
        self._settings = settings
        self._tokens = tokens
        self._pool = SmtpPool(self._dial, settings.smtp_connections)

    async def send(self, raw: bytes, sender: str, recipients: Sequence[str]) -> SendResult:
        """`raw` ends its lines with CRLF; an empty sender is the null one. Raises TryLater, Refused or
        Uncertain."""
        mail = _Mail(raw, sender, recipients)
        reused = False
        try:
            async with self._pool.line() as line:
                reused = line.reused
                return await self._hand_over(line, mail)
        except _Lost as error:
            if not reused:
                raise TryLater(f"the mail server closed the connection: {error}") from error
        try:
            async with self._pool.line(fresh=True) as line:
                return await self._hand_over(line, mail)
        except _Lost as error:
            raise TryLater(f"the mail server closed the connection: {error}") from error

    async def probe(self) -> str:
        """Signs in and out again; the server's greeting. Raises TryLater or Refused."""
        client = await self._dial()
        greeting = str(client.last_ehlo_response.message if client.last_ehlo_response else "")
        await hang_up(client)
        return greeting.partition("\n")[0]

    async def close(self) -> None:
        await self._pool.close()

    async def _hand_over(self, line: Line, mail: _Mail) -> SendResult:
        """One envelope and one body. Up to the server's 354 a failure means that nothing was sent."""
        client = line.client
        try:
            refused = await _envelope(client, mail)
            go = await client.execute_command(b"DATA")
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError) as error:
            line.spoilt = True
            raise _Lost(_words(error)) from error
        except aiosmtplib.SMTPResponseException as error:
            await _reset(line)
            raise _verdict(error.code, error.message) from error
        if go.code != 354:
            await _reset(line)
            raise _verdict(go.code, go.message)
        answer = await _body(line, mail.raw)
        if not 200 <= answer.code < 300:
            line.spoilt = True
            if not 400 <= answer.code < 600:
                raise Uncertain(f"the server's answer was not understood: {answer.code} {answer.message}")
            raise _verdict(answer.code, answer.message)
        return SendResult(
            refused=refused, words=answer.message, aliases=aliases(answer.message, self._settings.smtp_host)
        )

    async def _dial(self) -> aiosmtplib.SMTP:
        settings = self._settings
        try:
            if self._tokens:
                return await self._tokens.use(self._open, aiosmtplib.SMTPAuthenticationError)
            return await self._open()
        except aiosmtplib.SMTPAuthenticationError as error:
            hint = secret_hint(settings.provider, settings.auth)
            raise TryLater(f"sign-in failed: {error.code} {error.message}. {hint}", after=AUTH_RETRY) from error
        except Refused as error:  # no token: the account is at fault, not the mail
            raise TryLater(f"sign-in failed: {error}", after=AUTH_RETRY) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            after = AUTH_RETRY if tls.remedy(error) else None
            server = f"{settings.smtp_host}:{settings.smtp_port}"
            raise TryLater(f"cannot reach {server}: {_words(error)}", after=after) from error

    async def _open(self, token: str = "") -> aiosmtplib.SMTP:
        settings = self._settings
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            local_hostname=settings.domain if settings.domain.isascii() else "localhost",
            timeout=COMMAND_TIMEOUT,
            use_tls=settings.smtp_security == "tls",
            start_tls=False,
            tls_context=None if settings.smtp_security == "none" else self._tls_context,
        )
        try:
            await client.connect()
            if settings.smtp_security == "starttls":
                await _start_tls(client)
            await self._sign_in(client, token)
        except BaseException:
            client.close()
            raise
        return client

    @cached_property
    def _tls_context(self) -> ssl.SSLContext:
        return tls.tls_context(self._settings)

    async def _sign_in(self, client: aiosmtplib.SMTP, token: str) -> None:
        settings = self._settings
        login = settings.smtp_username or settings.login
        await client.ehlo()
        if token:
            await client.auth_xoauth2(login, token)
            return
        password = settings.smtp_password.get_secret_value() or settings.password.get_secret_value()
        if password and client.server_auth_methods:
            await client.login(login, password)


async def _start_tls(client: aiosmtplib.SMTP) -> None:
    await client.ehlo()
    if not client.supports_extension("starttls"):
        raise tls.NotEncrypted("the SMTP server offers no STARTTLS")
    await client.starttls()


async def _envelope(client: aiosmtplib.SMTP, mail: _Mail) -> dict[str, str]:
    """Recipients that were refused while others were taken, with the server's words."""
    options = [f"size={len(mail.raw)}"] if client.supports_extension("size") else []
    await client.mail(mail.sender, options=options)
    errors: list[aiosmtplib.SMTPRecipientRefused] = []
    for recipient in mail.recipients:
        try:
            await client.rcpt(recipient)
        except aiosmtplib.SMTPRecipientRefused as error:
            errors.append(error)
    if len(errors) == len(mail.recipients):
        raise _worst(errors)
    return {error.recipient: f"{error.code} {error.message}" for error in errors}


def _worst(errors: Sequence[aiosmtplib.SMTPRecipientRefused]) -> aiosmtplib.SMTPResponseException:
    """While one recipient may still be taken later, the whole mail is worth another try."""
    words = "; ".join(f"{error.recipient}: {error.code} {error.message}" for error in errors)
    code = min(error.code for error in errors)
    return aiosmtplib.SMTPResponseException(code, words if len(errors) > 1 else errors[0].message)


async def _body(line: Line, raw: bytes) -> aiosmtplib.SMTPResponse:
    """The client's own `data` cannot say whether it broke before or after the body went out."""
    client = line.client
    if client.transport is None or client.protocol is None or client.transport.is_closing():
        line.spoilt = True
        raise _Lost("the connection was lost")
    # By its word, not by isinstance: the transports of other event loops have no common base.
    cast("asyncio.WriteTransport", client.transport).write(_LEADING_DOT.sub(b"..", raw) + b".\r\n")
    try:
        return await client.protocol.read_response(timeout=BODY_TIMEOUT)
    except (aiosmtplib.SMTPException, OSError) as error:
        line.spoilt = True
        raise Uncertain(f"the mail was handed over, but the server never confirmed it: {_words(error)}") from error


async def _reset(line: Line) -> None:
    try:
        await line.client.rset(timeout=5)
    except (aiosmtplib.SMTPException, OSError):
        line.spoilt = True


def _verdict(code: int, words: str) -> TryLater | Refused:
    text = f"{code} {words}".strip()
    return Refused(text, smtp_code=code) if 500 <= code < 600 else TryLater(text)


def _words(error: BaseException) -> str:
    if tls.remedy(error):
        return tls.explained(error)
    return str(getattr(error, "message", "") or error or type(error).__name__)


def aliases(words: str, host: str) -> tuple[str, ...]:
    """Ids by which the provider will speak of this mail. Amazon SES writes its own Message-ID and names
    only the bare id when it takes the mail; Exchange Online names the whole one."""
    found = list(_ANGLED_ID.findall(words))
    for bare in _SES_ID.findall(words):
        found.append(bare)
        if region := _SES_HOST.match(host):
            domain = "email" if region[1] == "us-east-1" else region[1]
            found.append(f"{bare}@{domain}.amazonses.com")
    return tuple(found)

"""The admin's "test connection": one line per thing that can be wrong, each with what to do."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from aiosmtplib import SMTPAuthenticationError

from omnihub.connectors.contract import Finding
from omnihub.connectors.email import tls
from omnihub.connectors.email.imap_session import IMAPClientError, ImapSession, LoginError
from omnihub.connectors.email.imap_thread import ImapThread
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.presets import secret_hint
from omnihub.connectors.email.settings import Settings
from omnihub.connectors.email.smtp import Smtp
from omnihub.model.errors import OmnihubError

_PATIENCE = 15.0


async def findings(settings: Settings, tokens: AccessTokens | None, smtp: Smtp) -> list[Finding]:
    parts: list[Callable[[], Awaitable[list[Finding]]]] = []
    if settings.auth == "oauth2" and tokens:
        parts.append(lambda: _token(tokens))
    if settings.receive:
        parts.append(lambda: _receiving(settings, tokens))
    if settings.smtp_host:
        parts.append(lambda: _sending(settings, smtp))
    found = [finding for part in parts for finding in await part()]
    return [*found, _plus_addressing(settings)]


async def _token(tokens: AccessTokens) -> list[Finding]:
    try:
        await tokens.current()
    except OmnihubError as error:
        remedy = "Make a new refresh token for this mailbox; see the channel's README."
        return [Finding(name="oauth", ok=False, detail=str(error), remedy=remedy)]
    return [Finding(name="oauth", ok=True, detail="an access token was issued")]


async def _reach(name: str, host: str, port: int, security: str, settings: Settings) -> list[Finding]:
    """DNS, TCP and, where the connection starts with it, TLS."""
    loop = asyncio.get_running_loop()
    try:
        await asyncio.wait_for(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM), _PATIENCE)
    except (OSError, TimeoutError) as error:
        remedy = "Check the server's name for typing mistakes."
        return [Finding(name=f"{name}_dns", ok=False, detail=f"{host}: {error}", remedy=remedy)]
    context = tls.tls_context(settings) if security == "tls" else None
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port, ssl=context), _PATIENCE)
    except (OSError, TimeoutError) as error:
        if refused := _not_encrypted(name, error):
            return [refused]
        detail = f"{host}:{port}: {error or 'no answer'}"
        remedy = "Check the port, and that a firewall lets this machine reach it."
        return [Finding(name=f"{name}_tcp", ok=False, detail=detail, remedy=remedy)]
    writer.transport.abort()  # enough is known; a polite end of TLS would wait for the other side
    return [Finding(name=f"{name}_tls" if context else f"{name}_tcp", ok=True, detail=f"{host}:{port}")]


def _not_encrypted(name: str, error: BaseException | None) -> Finding | None:
    if remedy := tls.remedy(error):
        return Finding(name=f"{name}_tls", ok=False, detail=tls.words(error), remedy=remedy)
    return None


def _upgraded(name: str, security: str) -> list[Finding]:
    return [Finding(name=f"{name}_tls", ok=True, detail="STARTTLS")] if security == "starttls" else []


def _silence_hint(security: str) -> str:
    if security == "starttls":
        return "A port that speaks TLS from the start stays silent here: choose TLS for it."
    return "Try again; then ask the provider."


async def _receiving(settings: Settings, tokens: AccessTokens | None) -> list[Finding]:
    found = await _reach("imap", settings.imap_host, settings.imap_port, settings.imap_security, settings)
    if not found[-1].ok:
        return found
    line = ImapThread(settings, tokens)
    try:
        async with asyncio.timeout(2 * _PATIENCE):
            await line.open()
            found += _upgraded("imap", settings.imap_security)
            return [*found, *await line.call(_mailbox_findings, line.session, settings)]
    except LoginError as error:
        remedy = secret_hint(settings.provider, settings.auth)
        found += _upgraded("imap", settings.imap_security)
        return [*found, Finding(name="imap_login", ok=False, detail=str(error), remedy=remedy)]
    except (IMAPClientError, OSError, OmnihubError) as error:
        if refused := _not_encrypted("imap", error):
            return [*found, refused]
        detail, remedy = str(error) or "no answer in time", _silence_hint(settings.imap_security)
        return [*found, Finding(name="imap", ok=False, detail=detail, remedy=remedy)]
    finally:
        await line.close()


def _mailbox_findings(session: ImapSession, settings: Settings) -> list[Finding]:
    found = [Finding(name="imap_login", ok=True, detail=settings.login)]
    if session.can("ID"):
        found.append(Finding(name="imap_id", ok=True, detail="the server was told who reads"))
    names = session.folders()
    for folder in settings.folders:
        try:
            opened = session.select(folder)
        except IMAPClientError as error:
            remedy = f"Choose among: {', '.join(names[:30])}"
            found.append(Finding(name="imap_folder", ok=False, detail=f"{folder}: {error}", remedy=remedy))
        else:
            detail = f"{folder}, next uid {opened.uidnext}"
            found.append(Finding(name="imap_folder", ok=True, detail=detail))
    idle = session.can("IDLE")
    detail = "mail arrives at once" if idle else f"looked for every {settings.poll_seconds} seconds"
    found.append(Finding(name="imap_idle", ok=True, detail=detail))
    if settings.append_sent and not session.sent_folder():
        remedy = "Name the Sent folder in the settings, or switch off the copy."
        found.append(Finding(name="imap_sent", ok=False, detail="no Sent folder was found", remedy=remedy))
    return found


async def _sending(settings: Settings, smtp: Smtp) -> list[Finding]:
    found = await _reach("smtp", settings.smtp_host, settings.smtp_port, settings.smtp_security, settings)
    if not found[-1].ok:
        return found
    upgraded = _upgraded("smtp", settings.smtp_security)
    try:
        greeting = await asyncio.wait_for(smtp.probe(), 2 * _PATIENCE)
    except (OmnihubError, TimeoutError) as error:
        if refused := _not_encrypted("smtp", error):
            return [*found, refused]
        detail = str(error) or "no answer in time"
        if isinstance(error.__cause__, SMTPAuthenticationError):
            remedy = secret_hint(settings.provider, settings.auth)
            return [*found, *upgraded, Finding(name="smtp_login", ok=False, detail=detail, remedy=remedy)]
        remedy = _silence_hint(settings.smtp_security)
        return [*found, Finding(name="smtp", ok=False, detail=detail, remedy=remedy)]
    return [*found, *upgraded, Finding(name="smtp_login", ok=True, detail=greeting)]


def _plus_addressing(settings: Settings) -> Finding:
    local, _, domain = settings.address.rpartition("@")
    if settings.plus_addressing:
        detail = f"on; be sure that mail to {local}+test@{domain} reaches this mailbox"
    else:
        detail = f"off; switch it on if mail to {local}+test@{domain} reaches this mailbox"
    return Finding(name="plus_addressing", ok=True, detail=detail)

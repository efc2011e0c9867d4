import asyncio
from datetime import datetime

import structlog

from omnihub.connectors.email import tls
from omnihub.connectors.email.imap_session import IMAPClientError
from omnihub.connectors.email.imap_thread import ImapThread
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.settings import Settings
from omnihub.model.errors import OmnihubError

_PATIENCE = 30.0
_CLOSING = 5.0
_log = structlog.get_logger(__name__)


class SentCopies:
    """Puts what was sent into the mailbox's Sent folder, beside the sending and never in its way.
    `trouble` holds the words of the last failure until a copy succeeds again."""

    def __init__(self, settings: Settings, tokens: AccessTokens | None) -> None:
        self._settings = settings
        self._tokens = tokens
        self._running: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Semaphore(1)
        self.trouble = ""

    def keep(self, raw: bytes, at: datetime) -> None:
        if self._settings.append_sent and self._settings.imap_host:
            task = asyncio.create_task(self._keep(raw, at))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=_CLOSING)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _keep(self, raw: bytes, at: datetime) -> None:
        try:
            async with self._one_at_a_time, asyncio.timeout(_PATIENCE):
                await self._append(raw, at)
            self.trouble = ""
        except (IMAPClientError, OSError, OmnihubError) as error:
            self.trouble = f"a reply was sent, but not copied to the Sent folder: {tls.explained(error)}"
            _log.warning("sent_copy_failed", address=self._settings.address, error=str(error))

    async def _append(self, raw: bytes, at: datetime) -> None:
        line = ImapThread(self._settings, self._tokens)
        try:
            await line.open()
            folder = await line.call(line.session.sent_folder)
            if not folder:
                raise OSError("the mailbox has no Sent folder; name one in the settings")
            await line.call(line.session.append, folder, raw, at)
        finally:
            await line.close()

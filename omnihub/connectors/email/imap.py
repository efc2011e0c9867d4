import asyncio
import imaplib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import structlog

from omnihub.connectors.contract import Desk
from omnihub.connectors.email import tls
from omnihub.connectors.email.imap_cursor import Cursor
from omnihub.connectors.email.imap_session import IMAPClientError, LoginError, Opened, Summary
from omnihub.connectors.email.imap_thread import ImapThread
from omnihub.connectors.email.oauth import AccessTokens
from omnihub.connectors.email.presets import secret_hint
from omnihub.connectors.email.settings import Settings
from omnihub.model.errors import Refused
from omnihub.model.raw import RawRequest

BATCH_BYTES = 8_388_608
BATCH_MAILS = 50
SUMMARIES = 200
BEGINNING_BYTES = 262_144
IDLE_SECONDS = 480.0  # servers and routers were seen to drop an IDLE after 6 to 30 minutes
_log = structlog.get_logger(__name__)
_HISTORY = timedelta(days=1)


@dataclass(slots=True, frozen=True, kw_only=True)
class Pauses:
    """Seconds between attempts. A refused password is tried again rarely: providers lock such accounts."""

    first: float = 2.0
    longest: float = 300.0
    login: float = 900.0


class ImapReceiver:
    """Carries a mailbox's new mail to the journal until it is cancelled, whatever the server does."""

    def __init__(
        self,
        settings: Settings,
        tokens: AccessTokens | None,
        desk: Desk,
        now: Callable[[], datetime],
        *,
        pauses: Pauses | None = None,
        note: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._desk = desk
        self._now = now
        self._pauses = pauses or Pauses()
        self._note = note
        self._failures = 0
        self._counts: dict[str, tuple[int, int]] = {}
        self._problems: list[str] = []

    async def run(self) -> None:
        while True:
            line = ImapThread(self._settings, self._tokens)
            try:
                await self._visit(line)
            except (LoginError, Refused) as error:
                await self._report_login(error)
                pause = self._pauses.login
            except Exception as error:
                # Whatever a server or a network may think of: said aloud, and tried again.
                await self._report(ok=False, detail=f"{self._settings.imap_host}: {tls.explained(error)}")
                pause = min(self._pauses.longest, self._pauses.first * 2**self._failures)
            finally:
                await line.close()
            self._failures = min(self._failures + 1, 16)
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))

    async def _report_login(self, error: Exception) -> None:
        detail = f"sign-in refused: {error}. {secret_hint(self._settings.provider, self._settings.auth)}"
        await self._report(ok=False, detail=detail)

    async def _report(self, *, ok: bool, detail: str) -> None:
        provider, stored = (sum(column) for column in zip((0, 0), *self._counts.values(), strict=True))
        counts = {"provider": provider, "stored": stored}
        try:
            await self._desk.report(ok=ok, detail=detail, counts=counts)
        except Exception:
            if ok:
                raise
            # The desk itself may be what is down; the next attempt will tell.
            _log.warning("health_not_reported", host=self._settings.imap_host, detail=detail, exc_info=True)

    async def _visit(self, line: ImapThread) -> None:
        """One connection's life."""
        await line.open()
        self._counts.clear()
        folders = dict.fromkeys(self._settings.folders, "inbox")
        if self._settings.read_sent and (sent := await line.call(line.session.sent_folder)):
            folders[sent] = "sent"
        while True:
            await self._round(line, folders)
            self._failures = 0
            if await self._has_more(line):
                continue
            await line.call(line.session.wait, min(float(self._settings.poll_seconds), IDLE_SECONDS))

    async def _has_more(self, line: ImapThread) -> bool:
        """A last look at the folder that IDLE will watch: what came during the round would wait for a poll."""
        name = self._settings.folders[0]
        folder = _Folder(name, "inbox", await line.call(line.session.select, name))
        cursor = await self._cursor(folder)
        found = await line.call(line.session.uids_after, cursor.last_uid, folder.opened, cursor.since_date)
        return bool(found) or await line.call(line.session.stirred)

    async def _round(self, line: ImapThread, folders: Mapping[str, str]) -> None:
        self._problems = []
        read = 0
        for folder, role in folders.items():
            try:
                opened = await line.call(line.session.select, folder)
            except imaplib.IMAP4.abort:
                raise
            except IMAPClientError as error:
                self._problems.append(f"folder {folder} cannot be opened: {error}")
                continue
            await self._read(line, _Folder(folder, role, opened))
            read += 1
        if not read:
            raise OSError("; ".join(self._problems))
        details = [*self._problems, note] if (note := self._note()) else self._problems
        await self._report(ok=not self._problems, detail="; ".join(details))

    async def _read(self, line: ImapThread, folder: "_Folder") -> None:
        cursor = await self._cursor(folder)
        uids = await line.call(line.session.uids_after, cursor.last_uid, folder.opened, cursor.since_date)
        await self._count(line, folder, cursor, uids)
        for start in range(0, len(uids), SUMMARIES):
            chunk = uids[start : start + SUMMARIES]
            for batch in _batches(await self._wanted(line, folder, cursor, chunk), self._settings.max_mail_bytes):
                await self._carry(line, folder, cursor, batch)
                cursor = await self._advance(folder, cursor.at(batch[-1].uid))
            cursor = await self._advance(folder, cursor.at(chunk[-1]))
            provider, stored = self._counts[folder.name]
            self._counts[folder.name] = provider, stored + len(chunk)
        if cursor.since:
            await self._advance(folder, cursor.narrowed_done())

    async def _cursor(self, folder: "_Folder") -> Cursor:
        saved = await self._desk.load_cursor(folder.cursor_name)
        if saved is None:
            return await self._advance(folder, Cursor.first(folder.opened, self._settings.start_from, self._now()))
        cursor = Cursor.load(saved)
        if cursor.uidvalidity == folder.opened.uidvalidity:
            return cursor
        self._counts.pop(folder.name, None)
        return await self._advance(
            folder, cursor.renumbered(folder.opened, self._settings.rescan_days, self._now())
        )

    async def _advance(self, folder: "_Folder", cursor: Cursor) -> Cursor:
        await self._desk.save_cursor(folder.cursor_name, cursor.saved())
        return cursor

    async def _count(self, line: ImapThread, folder: "_Folder", cursor: Cursor, new: Sequence[int]) -> None:
        """What the server holds against what is stored: counted whole once per connection, then kept up."""
        provider, stored = self._counts.get(folder.name, (0, 0))
        if folder.name not in self._counts:
            before = cursor.first_uid - 1
            present = await line.call(line.session.uids_after, before, folder.opened, cursor.since_date)
            provider = stored = sum(uid <= cursor.last_uid for uid in present)
        self._counts[folder.name] = provider + len(new), stored

    async def _wanted(
        self, line: ImapThread, folder: "_Folder", cursor: Cursor, uids: Sequence[int]
    ) -> list[Summary]:
        """Bodies that are stored already are not fetched again where old mail is looked at a second time.
        An id that several mails carry proves nothing; all of those are fetched."""
        found = await line.call(line.session.summaries, uids)
        if not (cursor.rescan or folder.role == "sent"):
            return found
        times = Counter(summary.message_id for summary in found)
        known = await self._desk.known([name for name, count in times.items() if name and count == 1])
        return [summary for summary in found if summary.message_id not in known]

    async def _carry(self, line: ImapThread, folder: "_Folder", cursor: Cursor, batch: Sequence[Summary]) -> None:
        mails = await self._fetch(line, batch)
        found = [summary for summary in batch if summary.uid in mails]  # others were deleted meanwhile

        def is_history(summary: Summary) -> bool:
            return bool(summary.internal_date and summary.internal_date < cursor.started_at - _HISTORY)

        for silent, group in groupby(found, key=is_history):
            requests = [self._request(folder, summary, *mails[summary.uid]) for summary in group]
            await self._desk.journal(requests, silent=silent)

    def _request(self, folder: "_Folder", summary: Summary, body: bytes, marks: Mapping[str, Any]) -> RawRequest:
        at = summary.internal_date
        return RawRequest(
            source="imap",
            method="",
            body=body,
            received_at=self._now(),
            source_key=f"{folder.name}:{folder.opened.uidvalidity}:{summary.uid}",
            meta={
                "folder": folder.name,
                "role": folder.role,
                "uid": summary.uid,
                "internal_date": at.isoformat() if at else "",
                "size": summary.size,
                **marks,
            },
        )

    async def _fetch(
        self, line: ImapThread, batch: Sequence[Summary]
    ) -> dict[int, tuple[bytes, Mapping[str, Any]]]:
        first = batch[0]
        if first.size > self._settings.max_mail_bytes:
            part = await line.call(line.session.beginning, first.uid, BEGINNING_BYTES)
            return {first.uid: (part, {"truncated": True})} if part else {}
        try:
            bodies = await line.call(line.session.bodies, [summary.uid for summary in batch])
        except imaplib.IMAP4.abort:
            raise
        except IMAPClientError as error:
            if len(batch) > 1:  # one bad mail must not hold up the others
                parts = [await self._fetch(line, [summary]) for summary in batch]
                return {uid: mail for part in parts for uid, mail in part.items()}
            return await self._head_only(line, first, error)
        return {uid: (body, {}) for uid, body in bodies.items() if body}

    async def _head_only(
        self, line: ImapThread, summary: Summary, error: Exception
    ) -> dict[int, tuple[bytes, Mapping[str, Any]]]:
        """The server cannot give this mail out; its header at least shows who wrote."""
        try:
            head = await line.call(line.session.header, summary.uid)
        except imaplib.IMAP4.abort:
            raise
        except IMAPClientError:
            head = None
        self._problems.append(f"the server cannot give out mail {summary.uid}: {error}")
        return {summary.uid: (head, {"truncated": True})} if head else {}


@dataclass(slots=True, frozen=True)
class _Folder:
    name: str
    role: str
    opened: Opened

    @property
    def cursor_name(self) -> str:
        return f"imap:{self.name}"


def _batches(summaries: Sequence[Summary], max_mail_bytes: int) -> Iterator[list[Summary]]:
    """In order of uid. A mail too large to be fetched whole stands alone."""
    batch: list[Summary] = []
    size = 0
    for summary in summaries:
        alone = summary.size > max_mail_bytes
        if batch and (alone or len(batch) == BATCH_MAILS or size + summary.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(summary)
        size += summary.size
        if alone:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

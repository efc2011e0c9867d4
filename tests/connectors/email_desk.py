"""The seam between listener and hub, kept in memory; and what the email tests share."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.email.connector import Connector
from omnihub.connectors.email.imap import ImapReceiver, Pauses
from omnihub.connectors.email.settings import Settings
from omnihub.model.account import Account
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

QUICK = Pauses(first=0.05, longest=0.2, login=0.2)


class MemoryDesk:
    """`stored`: ids that the hub knows already."""

    def __init__(self) -> None:
        self.requests: list[RawRequest] = []
        self.silent: list[RawRequest] = []
        self.cursors: dict[str, Mapping[str, Any]] = {}
        self.reports: list[tuple[bool, str, Mapping[str, int]]] = []
        self.stored: set[str] = set()
        self.asked: list[str] = []
        self.failing = 0
        self._changed = asyncio.Event()

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        if self.failing:
            self.failing -= 1
            raise ConnectionError("the journal is away")
        keys = {request.source_key for request in self.requests}
        fresh = [request for request in requests if request.source_key not in keys]
        self.requests += fresh
        self.silent += fresh if silent else []
        self._changed.set()

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        self.asked += external_ids
        return self.stored & set(external_ids)

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None:
        return self.cursors.get(name)

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None:
        self.cursors[name] = dict(value)

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        self.reports.append((ok, detail, counts or {}))
        self._changed.set()

    def subjects(self) -> list[str]:
        lines = (line for request in self.requests for line in request.body.splitlines())
        return [line.decode()[9:] for line in lines if line.startswith(b"Subject: ")]

    async def until(self, condition: Callable[[], bool], timeout: float = 15) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"waited in vain; {self.subjects()} {self.reports[-3:]}"
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                continue

    async def until_mails(self, count: int, timeout: float = 15) -> None:
        await self.until(lambda: len(self.requests) >= count, timeout)

    async def until_ready(self) -> None:
        await self.until(lambda: bool(self.reports) and self.reports[-1][0])


class Listening:
    """A receiver that runs for the length of a `with` block."""

    def __init__(self, settings: Settings, desk: MemoryDesk, tokens: Any = None) -> None:
        self.receiver = ImapReceiver(settings, tokens, desk, now, pauses=QUICK)
        self.task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Listening":
        self.task = asyncio.create_task(self.receiver.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> float:
        """Seconds that stopping took."""
        assert self.task
        begun = time.monotonic()
        self.task.cancel()
        await asyncio.wait([self.task])
        assert self.task.cancelled()
        return time.monotonic() - begun


def now() -> datetime:
    return datetime.now(UTC)


def mail(
    subject: str = "Hello", message_id: str = "", body: str = "Hi", sender: str = "anna@customer.test"
) -> bytes:
    lines = [f"From: Anna <{sender}>", "To: desk@example.test", f"Subject: {subject}"]
    lines += [f"Message-ID: <{message_id}>"] if message_id else []
    return "\r\n".join([*lines, "Date: Sun, 22 Nov 2026 10:00:00 +0000", "", body, ""]).encode()


def outgoing(**changes: Any) -> Outgoing:
    values: dict[str, Any] = {
        "id": "01kb0000000000000000000001",
        "conversation_id": "c1",
        "ticket_number": 1042,
        "thread_key": "first@customer.test",
        "to": (Handle(key="email:anna@customer.test", name="Anna"),),
        "subject": "Broken kettle",
        "text": "Please send a photo.",
        "token": "t0ken",
        "created_at": datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
        "external_id": "oh.t0ken.01kb0000000000000000000001@example.test",
    }
    return Outgoing(**(values | changes))


def connector(settings: Mapping[str, Any], toolbox: Toolbox) -> Connector:
    account = Account(id="a1", key="k1", channel="email", name="Support", enabled=True, settings=settings)
    return Connector(account, Settings.model_validate(settings), toolbox)

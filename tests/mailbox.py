"""Mails and accounts for tests: raw bytes in, tickets out, through journal and intake."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from omnihub.connectors import registry
from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import MessageDoc, TicketDoc
from omnihub.model.raw import RawRequest
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store

DATE = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def mail(
    sender: str,
    *,
    mid: str = "",
    to: str = "desk@example.test",
    cc: str = "",
    subject: str = "A question",
    text: str = "Hello, where is my order?\n",
    refs: Sequence[str] = (),
    date: datetime | None = DATE,
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    if cc:
        message["Cc"] = cc
    message["Subject"] = subject
    if mid:
        message["Message-ID"] = f"<{mid}>"
    if date:
        message["Date"] = format_datetime(date)
    if refs:
        message["In-Reply-To"] = f"<{refs[-1]}>"
        message["References"] = " ".join(f"<{ref}>" for ref in refs)
    for name, value in headers:
        message[name] = value
    message.set_content(text)
    return message.as_bytes()


async def add_mailbox(store: Store, address: str = "desk@example.test", **policy: Any) -> Account:
    values = {"address": address, "receive": False, "smtp_host": "", "push_secret": "push-secret-for-tests"}
    settings = registry.plain(registry.read_settings("email", values))
    return await store.accounts.add(
        channel="email",
        name=address,
        settings=settings,
        secret_names=registry.secret_names("email"),
        policy=AccountPolicy(**policy),
    )


@dataclass(slots=True, frozen=True, kw_only=True)
class Placed:
    messages: dict[str, MessageDoc]
    tickets: dict[str, TicketDoc]

    def ticket(self, external_id: str) -> TicketDoc:
        return self.tickets[self.messages[external_id]["ticket_id"]]

    def same(self, *external_ids: str) -> bool:
        """Whether these are in one conversation of one ticket."""
        places = {(self.messages[e]["conversation_id"], self.messages[e]["ticket_id"]) for e in external_ids}
        return len(places) == 1


@dataclass(slots=True, frozen=True, kw_only=True)
class PostOffice:
    store: Store
    intake: Intake
    account: Account

    async def deliver(self, *raws: bytes, account: Account | None = None, silent: bool = False) -> Placed:
        """Journals and takes in; then everything that is stored."""
        target = account or self.account
        for raw in raws:
            request = RawRequest(source="test", body=raw, received_at=now())
            await self.store.journal.append(target.id, request, silent=silent)
        await self.intake.drain()
        return await self.look()

    async def look(self) -> Placed:
        messages = {doc["external_id"]: doc async for doc in self.store.db["messages"].find()}
        tickets = {doc["_id"]: doc async for doc in self.store.db["tickets"].find()}
        return Placed(messages=messages, tickets=tickets)  # type: ignore[arg-type]


async def open_post_office(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return PostOffice(store=store, intake=Intake(store, connectors, settings), account=await add_mailbox(store))

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from outbound_scripted import Provider, ScriptedConnectors

from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import (
    ActorDoc,
    ContactDoc,
    ConversationDoc,
    EventDoc,
    IdentityDoc,
    MessageDoc,
    ParticipantDoc,
    PlacementDoc,
    SenderDoc,
    TicketDoc,
)
from omnihub.model.ids import new_id
from omnihub.outbound.options import Options
from omnihub.outbound.submit import ReplyRequest, Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from omnihub.store.database import Session, now
from omnihub.store.store import Store

ANNA = ActorDoc(kind="user", id="anna", name="Anna")
BEN = ActorDoc(kind="user", id="ben", name="Ben")


def ticket_of(contact: str, account: Account, **changes: Any) -> TicketDoc:
    at = now()
    ticket = TicketDoc(
        _id=new_id(),
        number=int.from_bytes(new_id()[-6:].encode()) % 10**12,
        subject="Broken kettle",
        status="new",
        priority="normal",
        assignee_id=None,
        team_id=None,
        tags=[],
        spam=False,
        contact_id=contact,
        contact_name="Carla",
        channels=[account.channel],
        account_ids=[account.id],
        last_message=None,
        last_message_at=at,
        last_inbound_id=None,
        waiting_since=None,
        message_count=0,
        undelivered=0,
        snoozed_until=None,
        resolved_at=None,
        merged_into=None,
        links=[],
        suggested_ticket_id=None,
        version=1,
        created_at=at,
        updated_at=at,
    )
    return ticket | changes  # type: ignore[return-value]


class World:
    """A store with accounts, customers and tickets as intake leaves them."""

    def __init__(self, store: Store, connectors: ScriptedConnectors, settings: Settings) -> None:
        self.store = store
        self.connectors = connectors
        self.settings = settings
        self.submit = Submit(store, connectors, settings)
        self.options = Options(store, connectors)

    async def account(self, provider: Provider | None = None, **given: Any) -> tuple[Account, Provider]:
        provider = provider or Provider()
        policy = AccountPolicy(**{"undo_seconds": 0, **given.pop("policy", {})})
        account = await self.store.accounts.add(
            **{"channel": "scripted", "name": "Desk", **given},
            settings={},
            secret_names=frozenset(),
            policy=policy,
        )
        self.connectors.providers[account.id] = provider
        return account, provider

    async def customer(self, *keys: str, claims: tuple[str, ...] = ()) -> str:
        contact = ContactDoc(
            _id=new_id(), name="Carla", identities=list(keys), merged_into=None, created_at=now(), updated_at=now()
        )
        identities = [
            IdentityDoc(
                _id=key,
                contact_id=contact["_id"],
                channel=key.partition(":")[0],
                name="Carla",
                claims=list(claims),
                evidence="",
                created_at=now(),
            )
            for key in keys
        ]
        await self._write(lambda session: self.store.contacts.save([contact], identities, session))
        return contact["_id"]

    async def own(self, ticket: TicketDoc, key: str) -> None:
        """One more handle of the ticket's customer."""
        identity = IdentityDoc(
            _id=key,
            contact_id=ticket["contact_id"],
            channel=key.partition(":")[0],
            name="Carla",
            claims=[],
            evidence="",
            created_at=now(),
        )
        await self._write(lambda session: self.store.contacts.save([], [identity], session))

    async def case(
        self, account: Account, key: str = "", *, claims: tuple[str, ...] = (), **message: Any
    ) -> tuple[TicketDoc, ConversationDoc, MessageDoc]:
        """A ticket with one conversation and the customer's first message."""
        key = key or f"email:{new_id()}@example.com"
        contact = await self.customer(key, claims=claims)
        ticket = ticket_of(contact, account)
        await self._write(lambda session: self.store.tickets.save([ticket], {}, session))
        conversation = await self.conversation(ticket, account, key)
        first = await self.says(ticket, conversation, "It broke.", key=key, **message)
        return await self.store.tickets.get(ticket["_id"]), conversation, first

    async def conversation(self, ticket: TicketDoc, account: Account, key: str) -> ConversationDoc:
        conversation = ConversationDoc(
            _id=new_id(),
            account_id=account.id,
            channel=account.channel,
            thread_key=new_id(),
            contact_id=ticket["contact_id"],
            ticket_id=ticket["_id"],
            open=True,
            pinned=False,
            subject="Broken kettle",
            participants=[ParticipantDoc(key=key, name="Carla", role="from", confirmed=True)],
            last_inbound_id=None,
            joined_into=None,
            created_at=now(),
        )
        await self._write(lambda session: self.store.conversations.save([conversation], {}, session))
        return conversation

    async def says(
        self, ticket: TicketDoc, conversation: ConversationDoc, text: str, *, key: str = "", **changes: Any
    ) -> MessageDoc:
        message = MessageDoc(
            _id=new_id(),
            account_id=conversation["account_id"],
            external_id=f"{new_id()}@example.com",
            aliases=[],
            fingerprint="",
            refs=[],
            bulk=False,
            direction="inbound",
            kind="message",
            channel=conversation["channel"],
            conversation_id=conversation["_id"],
            ticket_id=ticket["_id"],
            contact_id=conversation["contact_id"],
            sender=SenderDoc(key=key or conversation["participants"][0]["key"], name="Carla", user_id=None),
            to=[],
            cc=[],
            bcc=[],
            subject="Broken kettle",
            text=text,
            html="",
            visible_text=text,
            quoted_text="",
            visible_html="",
            attachments=[],
            automatic=False,
            silent=False,
            silent_reason="",
            spam=[],
            problems=[],
            placement=PlacementDoc(rule="new", reason="", data={}),
            answering_id=None,
            delivery=None,
            wire={},
            raw_event_id=None,
            extra={},
            sent_at=now(),
            at=now(),
        )
        message |= changes  # type: ignore[typeddict-item]

        async def work(session: Session) -> None:
            await self.store.messages.insert([message], session)
            told = {"last_inbound_id": message["_id"]}
            await self.store.conversations.save((), {conversation["_id"]: told}, session)
            current = await self.store.tickets.get(ticket["_id"], session)
            counted = {
                "message_count": current["message_count"] + 1,
                "waiting_since": current["waiting_since"] or message["at"],
            }
            await self.store.tickets.change(ticket["_id"], told | counted, session)

        await self._write(work)
        return message

    async def reply(self, ticket: TicketDoc, text: str, **given: Any) -> MessageDoc:
        current = await self.store.tickets.get(ticket["_id"])
        request = {"actor": ANNA, "seen_inbound_id": current["last_inbound_id"], **given}
        return await self.submit.reply(ReplyRequest(ticket_id=ticket["_id"], text=text, **request))

    async def state(self, message: MessageDoc) -> str:
        delivery = (await self.store.messages.get(message["_id"]))["delivery"]
        assert delivery is not None
        return delivery["state"]

    async def make_due(self, message: MessageDoc) -> None:
        """Lets the time pass until a message's next attempt."""
        await self.set(message, {"delivery.due": now() - timedelta(seconds=1)})
        await self.store.bell.ring("outbound", [message["conversation_id"]])

    async def deliver(self) -> None:
        """Sends all that is due, in order."""
        waiting = {"delivery.state": {"$in": ["queued", "sending"]}}
        async with self.worker() as worker:
            while await self.store.db["messages"].count_documents(waiting):
                await worker._pass()

    async def set(self, message: MessageDoc, fields: dict[str, Any]) -> None:
        await self.store.db["messages"].update_one({"_id": message["_id"]}, {"$set": fields})

    async def events(self, ticket: TicketDoc) -> list[EventDoc]:
        return (await self.store.events.page(ticket["_id"], None, 100))[::-1]

    @asynccontextmanager
    async def worker(self, settings: Settings | None = None) -> AsyncIterator[OutboundWorker]:
        worker = OutboundWorker(self.store, self.connectors, settings or self.settings)
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _write(self, work: Any) -> None:
        await self.store.transaction(work)

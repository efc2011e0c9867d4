"""What a batch of messages needs to know and will write: read in bulk, changed in memory, written in bulk."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from omnihub.model.account import Account
from omnihub.model.documents import (
    ContactDoc,
    ConversationDoc,
    EventDoc,
    IdentityDoc,
    MessageDoc,
    OperationDoc,
    TicketDoc,
)
from omnihub.model.inbound import InboundMessage
from omnihub.store.database import Session
from omnihub.store.errands import Errand
from omnihub.store.store import Store
from omnihub.store.tickets import places_of
from omnihub.threading import ReplyTokens


@dataclass(slots=True, frozen=True, kw_only=True)
class Item:
    """One parsed message on its way in. `account` is where it came in. `aliases`: the id that it came under
    where that was taken. `silent_import`: history, which wakes and calls nobody."""

    raw_event_id: str
    account: Account
    message: InboundMessage
    silent_import: bool = False
    aliases: tuple[str, ...] = ()


def thread_keys(message: InboundMessage) -> list[str]:
    """Under which names its exchange may be known. Stray automatic mail of one sender is kept in one place,
    so that a mail loop makes one long conversation and not thousands of tickets."""
    if message.silent and message.kind in ("auto_reply", "bounce"):
        return [message.thread_key, f"auto:{message.sender.key}"]
    return [message.thread_key]


def unique_references(message: InboundMessage) -> list[str]:
    return [ref for ref in dict.fromkeys(message.evidence.references) if ref != message.evidence.message_id]


@dataclass(slots=True)
class Workset:
    """`by_id` and `by_ref` index stored messages as links, and the batch's own as whole documents, by account
    and by the ids that they go by or point at. `numbers_left`: ticket numbers taken for this batch.
    `stale_tickets`: what they show of themselves must be reckoned anew, for something came between.
    `proven_*`: what has been shown to be true, as (handle, contact) and (contact, who it turned out to be, why).
    `added_parts`: per id of a stored message, what turned out to be another part of it.
    """

    identities: dict[str, IdentityDoc] = field(default_factory=dict)
    contacts: dict[str, ContactDoc] = field(default_factory=dict)
    conversations: dict[str, ConversationDoc] = field(default_factory=dict)
    tickets: dict[str, TicketDoc] = field(default_factory=dict)
    threads: dict[tuple[str, str], str] = field(default_factory=dict)
    numbers: dict[int, str] = field(default_factory=dict)
    ticket_people: dict[str, set[str]] = field(default_factory=dict)
    open_tickets: dict[str, list[str]] = field(default_factory=dict)
    by_id: dict[tuple[str, str], list[MessageDoc]] = field(default_factory=dict)
    by_ref: dict[tuple[str, str], list[MessageDoc]] = field(default_factory=dict)
    copies: dict[str, list[MessageDoc]] = field(default_factory=dict)
    stored: dict[tuple[str, str], MessageDoc] = field(default_factory=dict)

    claims: dict[str, set[str]] = field(default_factory=dict)

    new_identities: list[IdentityDoc] = field(default_factory=list)
    new_contacts: list[ContactDoc] = field(default_factory=list)
    new_conversations: dict[str, ConversationDoc] = field(default_factory=dict)
    new_tickets: dict[str, TicketDoc] = field(default_factory=dict)
    new_messages: list[MessageDoc] = field(default_factory=list)
    changed_conversations: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed_tickets: dict[str, dict[str, Any]] = field(default_factory=dict)
    moved_conversations: list[tuple[str, str, str]] = field(default_factory=list)
    events: list[EventDoc] = field(default_factory=list)
    operations: list[OperationDoc] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)
    proven_identities: list[tuple[str, str]] = field(default_factory=list)
    proven_contacts: list[tuple[str, str, str]] = field(default_factory=list)
    added_parts: list[tuple[str, MessageDoc]] = field(default_factory=list)
    joined_tickets: list[tuple[str, str]] = field(default_factory=list)
    stale_tickets: set[str] = field(default_factory=set)
    numbers_left: list[int] = field(default_factory=list)

    def index(self, message: MessageDoc) -> None:
        account_id = message["account_id"]
        for name in {message["external_id"], *message["aliases"]} - {""}:
            self.by_id.setdefault((account_id, name), []).append(message)
        for ref in message["refs"]:
            self.by_ref.setdefault((account_id, ref), []).append(message)

    def add_message(self, message: MessageDoc) -> None:
        self.new_messages.append(message)
        self.stored[message["account_id"], message["external_id"]] = message
        self.copies.setdefault(message["external_id"], []).append(message)
        self.index(message)

    def final_ticket(self, ticket_id: str) -> TicketDoc:
        """The ticket, or the one that it was merged into."""
        ticket = self.tickets[ticket_id]
        while ticket["merged_into"] and ticket["merged_into"] in self.tickets:
            ticket = self.tickets[ticket["merged_into"]]
        return ticket

    def people_of(self, ticket_id: str) -> set[str]:
        """Who takes part in a ticket: as stored, and as this batch has it so far."""
        here = (c for c in self.conversations.values() if c["ticket_id"] == ticket_id)
        return self.ticket_people.get(ticket_id, set()) | {p["key"] for c in here for p in c["participants"]}

    def final_conversation(self, conversation_id: str) -> ConversationDoc | None:
        conversation = self.conversations.get(conversation_id)
        while conversation and conversation["joined_into"]:
            conversation = self.conversations.get(conversation["joined_into"])
        return conversation

    def change_ticket(self, ticket: TicketDoc, changes: Mapping[str, Any]) -> None:
        cast("dict[str, Any]", ticket).update(changes)
        if ticket["_id"] in self.new_tickets:
            return
        fields = self.changed_tickets.setdefault(ticket["_id"], {})
        fields.update(changes)
        fields.update(places_of(cast("Mapping[str, Any]", ticket)))

    def change_conversation(self, conversation: ConversationDoc, changes: Mapping[str, Any]) -> None:
        cast("dict[str, Any]", conversation).update(changes)
        if conversation["_id"] not in self.new_conversations:
            self.changed_conversations.setdefault(conversation["_id"], {}).update(changes)


async def load(store: Store, items: Iterable[Item], tokens: ReplyTokens, session: Session) -> Workset:
    """A handful of queries, whatever the number of items."""
    batch = list(items)
    work = Workset()
    await _load_messages(store, work, batch, session)
    work.identities = await store.contacts.identities(_identity_keys(batch), session)
    threads = {(item.account.id, key) for item in batch for key in thread_keys(item.message)}
    found = await store.conversations.open_by_thread(threads, session)
    work.threads = {key: conversation["_id"] for key, conversation in found.items()}
    work.conversations = {conversation["_id"]: conversation for conversation in found.values()}
    await _load_conversations(store, work, batch, tokens, session)
    await _load_tickets(store, work, batch, session)
    await _load_contacts(store, work, session)
    return work


def _identity_keys(batch: list[Item]) -> set[str]:
    keys: set[str] = set()
    for item in batch:
        keys.add(item.message.sender.key)
        keys.update(item.message.sender.claims)
        keys.update(item.message.sender.proven)
        if item.message.direction == "outbound":
            keys.update(p.handle.key for p in item.message.participants)
    return keys


async def _load_messages(store: Store, work: Workset, batch: list[Item], session: Session) -> None:
    named: dict[str, set[str]] = {}
    own: dict[str, set[str]] = {}
    for item in batch:
        evidence = item.message.evidence
        names = {item.message.external_id, item.message.part_of, evidence.message_id, *evidence.references} - {""}
        named.setdefault(item.account.id, set()).update(names)
        own.setdefault(item.account.id, set()).update({evidence.message_id} - {""})
    _index(work, await store.messages.named(named, session))
    # Only ids that nobody has seen can make siblings; asking for all would load every long thread whole.
    unseen = {
        account_id: own[account_id] | {name for name in names if (account_id, name) not in work.by_id}
        for account_id, names in named.items()
    }
    _index(work, await store.messages.referring(unseen, session))
    mail_ids = {item.message.external_id for item in batch if item.message.evidence.message_id}
    for message in await store.messages.copies(mail_ids, session) if mail_ids else []:
        work.copies.setdefault(message["external_id"], []).append(message)


def _index(work: Workset, found: Iterable[MessageDoc]) -> None:
    for message in found:
        key = (message["account_id"], message["external_id"])
        if key not in work.stored:
            work.stored[key] = message
            work.index(message)


async def _load_conversations(
    store: Store, work: Workset, batch: list[Item], tokens: ReplyTokens, session: Session
) -> None:
    wanted = {message["conversation_id"] for message in work.stored.values()}
    wanted |= {name for item in batch if (name := tokens.first(item.message.evidence.tokens))}
    while missing := wanted - work.conversations.keys():
        found = await store.conversations.get_many(missing, session)
        work.conversations |= found
        # What was joined to another conversation stands for that other one.
        wanted = {c["joined_into"] for c in found.values() if c["joined_into"]}


async def _load_tickets(store: Store, work: Workset, batch: list[Item], session: Session) -> None:
    numbers = {number for item in batch for number in item.message.evidence.ticket_numbers[:3]}
    if numbers:
        numbered = await store.tickets.by_numbers(numbers, session)
        work.tickets |= {ticket["_id"]: ticket for ticket in numbered.values()}
        work.numbers = {number: ticket["_id"] for number, ticket in numbered.items()}
    if any(item.account.policy.cross_channel != "separate" or item.message.sender.claims for item in batch):
        contact_ids = {identity["contact_id"] for identity in work.identities.values()}
        for contact_id, tickets in (await store.tickets.of_contacts(contact_ids, session)).items():
            work.tickets |= {ticket["_id"]: ticket for ticket in tickets}
            work.open_tickets[contact_id] = [ticket["_id"] for ticket in tickets]
    wanted = {conversation["ticket_id"] for conversation in work.conversations.values()}
    wanted |= {m["ticket_id"] for ms in work.copies.values() for m in ms} | set(work.tickets)
    while wanted:
        work.tickets |= await store.tickets.get_many(wanted - work.tickets.keys(), session)
        merged = {work.tickets[one]["merged_into"] for one in wanted if one in work.tickets}
        wanted = {one for one in merged if one and one not in work.tickets}
    await _load_ticket_people(store, work, session)


async def _load_ticket_people(store: Store, work: Workset, session: Session) -> None:
    for ticket_id in {work.final_ticket(one)["_id"] for one in work.numbers.values()}:
        people = work.ticket_people.setdefault(ticket_id, set())
        for conversation in await store.conversations.of_ticket(ticket_id, session):
            people.update(p["key"] for p in conversation["participants"])
        identities = await store.contacts.identities_of(work.tickets[ticket_id]["contact_id"], session)
        people.update(identity["_id"] for identity in identities)


async def _load_contacts(store: Store, work: Workset, session: Session) -> None:
    wanted = {identity["contact_id"] for identity in work.identities.values()}
    wanted |= {conversation["contact_id"] for conversation in work.conversations.values()}
    work.contacts = await store.contacts.get_many(wanted, session)
    work.claims = await store.contacts.claims_of(wanted, session)

"""From a workset to the facts that the threading rules ask for."""

from collections.abc import Iterable
from datetime import datetime

from omnihub.inbox.workset import Item, Workset, thread_keys, unique_references
from omnihub.model.documents import OPEN_STATUSES, ConversationDoc, MessageDoc, TicketDoc
from omnihub.model.inbound import InboundMessage
from omnihub.threading import ConversationFact, Facts, Link, ReplyTokens, TicketFact, is_quiet


def _where_now(item: Item, work: Workset, conversation_id: str) -> str:
    """The token names the conversation that our answer was written in; an agent may have split the answer off
    since, and then what it was answered with goes where it is."""
    for ref in reversed(unique_references(item.message)):
        for stored in work.by_id.get((item.account.id, ref), []):
            if stored["direction"] == "outbound" and conversation_id in ref:
                return stored["conversation_id"]
    return conversation_id


def gather(item: Item, work: Workset, tokens: ReplyTokens, own: frozenset[str], at: datetime) -> Facts:
    message, account = item.message, item.account
    token = tokens.first(message.evidence.tokens)
    return Facts(
        now=at,
        own=own,
        reopen_days=account.policy.reopen_days,
        token=_conversation(work, _where_now(item, work, token)) if token else None,
        ancestors=tuple(_ancestors(item, work, own)),
        descendants=tuple(_descendants(item, work, own)),
        siblings=tuple(_siblings(item, work, own)),
        thread=_thread(item, work),
        numbered=_numbered(message, work),
        copy_ticket=_copy(item, work),
        other_channel=_other_channel(item, work),
        claimed=_claimed(item, work),
        cross_channel=account.policy.cross_channel,
    )


def ticket_fact(ticket: TicketDoc, people: Iterable[str] = ()) -> TicketFact:
    return TicketFact(
        id=ticket["_id"],
        number=ticket["number"],
        open=ticket["status"] in OPEN_STATUSES,
        ended_at=ticket["resolved_at"],
        participants=frozenset(people),
    )


def conversation_fact(conversation: ConversationDoc, ticket: TicketDoc) -> ConversationFact:
    people = frozenset(p["key"] for p in conversation["participants"])
    return ConversationFact(
        id=conversation["_id"],
        account_id=conversation["account_id"],
        contact_id=conversation["contact_id"],
        participants=people,
        pinned=conversation["pinned"],
        ticket=ticket_fact(ticket, people),
    )


def _conversation(work: Workset, conversation_id: str) -> ConversationFact | None:
    conversation = work.final_conversation(conversation_id)
    if conversation is None or conversation["ticket_id"] not in work.tickets:
        return None
    return conversation_fact(conversation, work.final_ticket(conversation["ticket_id"]))


def _link(work: Workset, stored: MessageDoc, shared: str, own: frozenset[str], among: int) -> Link | None:
    conversation = _conversation(work, stored["conversation_id"])
    if conversation is None:
        return None
    receivers = {p["key"] for p in [*stored["to"], *stored["cc"]]}
    people = frozenset({stored["sender"]["key"], *receivers}) - own - {""}
    inbound = stored["direction"] == "inbound"
    return Link(
        shared=shared,
        conversation=conversation,
        voices=frozenset({stored["sender"]["key"]}) if inbound else people,
        people=people,
        bulk=stored["bulk"],
        conversations=among,
    )


def _ancestors(item: Item, work: Workset, own: frozenset[str]) -> Iterable[Link]:
    for ref in reversed(unique_references(item.message)):
        known = work.by_id.get((item.account.id, ref), [])
        among = len({m["conversation_id"] for m in known})
        yield from (link for m in known if (link := _link(work, m, ref, own, among)))


def _descendants(item: Item, work: Workset, own: frozenset[str]) -> Iterable[Link]:
    name = item.message.evidence.message_id
    for stored in work.by_ref.get((item.account.id, name), []) if name else []:
        if stored["external_id"] != item.message.external_id and (link := _link(work, stored, name, own, 1)):
            yield link


def _siblings(item: Item, work: Workset, own: frozenset[str]) -> Iterable[Link]:
    for ref in reversed(unique_references(item.message)):
        if (item.account.id, ref) in work.by_id:
            continue
        for stored in work.by_ref.get((item.account.id, ref), []):
            if link := _link(work, stored, ref, own, 1):
                yield link


def _thread(item: Item, work: Workset) -> ConversationFact | None:
    for key in thread_keys(item.message):
        found = work.threads.get((item.account.id, key))
        if found and (fact := _conversation(work, found)):
            return fact
    return None


def _numbered(message: InboundMessage, work: Workset) -> TicketFact | None:
    for number in message.evidence.ticket_numbers:
        ticket_id = work.numbers.get(number)
        if ticket_id:
            ticket = work.final_ticket(ticket_id)
            return ticket_fact(ticket, work.people_of(ticket["_id"]))
    return None


def _copy(item: Item, work: Workset) -> TicketFact | None:
    if not item.message.evidence.message_id:
        return None
    for stored in work.copies.get(item.message.external_id, []):
        elsewhere = stored["account_id"] != item.account.id
        same_sender = stored["sender"]["key"] == item.message.sender.key
        if elsewhere and same_sender and stored["ticket_id"] in work.tickets:
            return ticket_fact(work.final_ticket(stored["ticket_id"]))
    return None


def _claimed(item: Item, work: Workset) -> TicketFact | None:
    sender = item.message.sender
    own = work.identities.get(sender.key)
    for key in sender.claims if not is_quiet(item.message) else ():
        identity = work.identities.get(key)
        if identity is None or (own and own["contact_id"] == identity["contact_id"]):
            continue
        for ticket_id in work.open_tickets.get(identity["contact_id"], []):
            if work.tickets[ticket_id]["status"] in OPEN_STATUSES:
                return ticket_fact(work.tickets[ticket_id])
    return None


def _other_channel(item: Item, work: Workset) -> TicketFact | None:
    sender = item.message.sender
    known = (work.identities[key] for key in (sender.key, *sender.proven) if key in work.identities)
    identity = next(known, None)
    if identity is None or is_quiet(item.message):
        return None
    for ticket_id in work.open_tickets.get(identity["contact_id"], []):
        ticket = work.tickets[ticket_id]
        if item.account.id not in ticket["account_ids"] and ticket["status"] in OPEN_STATUSES:
            return ticket_fact(ticket)
    return None

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from omnihub.inbox.judging import judged
from omnihub.model.documents import OPEN_STATUSES, MessageDoc, TicketDoc
from omnihub.model.previews import last_message
from omnihub.store.database import Session
from omnihub.store.store import Store
from omnihub.store.tickets import places_of

_LOST = ("failed", "uncertain")
_FIELDS = {
    "direction": 1,
    "kind": 1,
    "extra.call": 1,
    "channel": 1,
    "account_id": 1,
    "visible_text": 1,
    "attachments": 1,
    "sender": 1,
    "silent": 1,
    "automatic": 1,
    "ticket_id": 1,
    "at": 1,
    "delivery": 1,
}


async def summarise(store: Store, ticket_id: str, session: Session) -> TicketDoc:
    """Reckons a ticket's row anew from its messages, after some were moved in or out."""
    await summarise_many(store, [ticket_id], session)
    return await store.tickets.get(ticket_id, session)


async def summarise_many(store: Store, ticket_ids: Collection[str], session: Session) -> None:
    if not ticket_ids:
        return
    tickets = await store.tickets.get_many(ticket_ids, session)
    messages: dict[str, list[MessageDoc]] = {ticket_id: [] for ticket_id in tickets}
    for message in await store.messages.of_tickets(list(tickets), session, _FIELDS):
        messages[message["ticket_id"]].append(message)
    changed = {ticket_id: reckoned(tickets[ticket_id], found) for ticket_id, found in messages.items()}
    for ticket_id, fields in changed.items():
        fields.update(places_of({**tickets[ticket_id], **fields}))
    await store.tickets.save((), changed, session)


def reckoned(ticket: TicketDoc, messages: Sequence[MessageDoc]) -> dict[str, Any]:
    """What a ticket's messages, oldest first, say of it. What the hub sent by itself answers nobody."""
    spoken = [m for m in messages if m["direction"] != "note"]
    heard = [m for m in spoken if not m["automatic"]]
    loud = [m for m in heard if not m["silent"]] or heard or spoken
    chosen = {m["_id"] for m in loud}
    shown = [m for m in messages if m["direction"] == "note" or m["_id"] in chosen]
    called = [m for m in heard if m["direction"] == "inbound" and not m["silent"]]
    changes: dict[str, Any] = {
        "message_count": len(messages),
        "channels": list(dict.fromkeys(m["channel"] for m in spoken)),
        "account_ids": list(dict.fromkeys(m["account_id"] for m in spoken)),
        "last_inbound_id": called[-1]["_id"] if called else None,
        "waiting_since": _waiting_since(heard, called) if ticket["status"] in OPEN_STATUSES else None,
        "undelivered": sum(1 for m in spoken if _state(m) in _LOST),
    }
    if loud:
        changes |= {"last_message": last_message(shown[-1]), "last_message_at": loud[-1]["at"]}
    return changes


def _waiting_since(heard: Sequence[MessageDoc], called: Sequence[MessageDoc]) -> datetime | None:
    answered = max((at for m in heard if (at := _answered_at(m))), default=None)
    waiting = (min(m["at"], _called_at(m)) for m in called if answered is None or _called_at(m) > answered)
    return min(waiting, default=None)


def _answered_at(message: MessageDoc) -> datetime | None:
    """Who talked with us was served, whoever of us called; a call that nobody took answers nothing."""
    if message["kind"] == "call":
        call = judged(message)
        return call.at if call and call.talked else None
    answers = message["direction"] == "outbound" and _state(message) != "cancelled"
    return message["at"] if answers else None


def _called_at(message: MessageDoc) -> datetime:
    """A call may be told of long after it was."""
    call = judged(message)
    return call.at if call else message["at"]


def _state(message: MessageDoc) -> str:
    return message["delivery"]["state"] if message["delivery"] else ""

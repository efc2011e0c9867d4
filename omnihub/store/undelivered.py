"""What became of a delivery, as its ticket shows it."""

from typing import Any

from omnihub.model.documents import EventDoc, MessageDoc, TicketDoc
from omnihub.store.database import Session
from omnihub.store.events import event
from omnihub.store.store import Store

_LOST = ("failed", "uncertain")


async def recount(store: Store, message: MessageDoc, session: Session, *, quietly: bool = False) -> None:
    """Keeps the ticket's counter right. An answer that did not arrive puts its ticket before the agents again,
    whatever they thought done or put to sleep, unless `quietly`."""
    ticket = await store.tickets.get(message["ticket_id"], session)
    undelivered = await store.outbox.count_undelivered(ticket["_id"], session)
    changes: dict[str, Any] = {}
    if undelivered != ticket["undelivered"]:
        changes["undelivered"] = undelivered
    if not quietly and message["delivery"] and message["delivery"]["state"] in _LOST:
        again, events = _brought_back(ticket)
        changes |= again
        await store.events.add(events, session)
    if changes:
        await store.tickets.change(ticket["_id"], changes, session)


def _brought_back(ticket: TicketDoc) -> tuple[dict[str, Any], list[EventDoc]]:
    changes: dict[str, Any] = {}
    events: list[EventDoc] = []
    if ticket["snoozed_until"] is not None:
        changes["snoozed_until"] = None
        events.append(event("ticket.woken", ticket["_id"]))
    if ticket["status"] not in ("new", "open"):
        changes |= {"status": "open", "resolved_at": None}
        why = {"from": ticket["status"], "to": "open", "reason": "an answer could not be delivered"}
        events.append(event("ticket.reopened", ticket["_id"], data=why))
    return changes, events

from typing import Any

from omnihub.model.documents import LastMessage, MessageDoc, TicketDoc
from omnihub.store.database import Session
from omnihub.store.store import Store

_PREVIEW = 160
_LOST = ("failed", "uncertain")
_FIELDS = {
    "direction": 1,
    "channel": 1,
    "account_id": 1,
    "visible_text": 1,
    "sender": 1,
    "silent": 1,
    "at": 1,
    "delivery": 1,
}


def preview(text: str) -> str:
    return " ".join(text.split())[:_PREVIEW]


def last_message(message: MessageDoc) -> LastMessage:
    return LastMessage(
        id=message["_id"],
        direction=message["direction"],
        channel=message["channel"],
        preview=preview(message["visible_text"]),
        author=message["sender"]["name"] or message["sender"]["key"].rpartition(":")[2],
        at=message["at"],
    )


async def summarise(store: Store, ticket_id: str, session: Session) -> TicketDoc:
    """Reckons a ticket's row anew from its messages, after some were moved in or out."""
    messages = await store.messages.of_ticket(ticket_id, session, _FIELDS)
    heard = [m for m in messages if m["direction"] != "note"]
    loud = [m for m in heard if not m["silent"]] or heard
    called = [m for m in heard if m["direction"] == "inbound" and not m["silent"]]
    answered = max((m["at"] for m in heard if m["direction"] == "outbound"), default=None)
    waiting = [m["at"] for m in called if answered is None or m["at"] > answered]
    changes: dict[str, Any] = {
        "message_count": len(messages),
        "channels": list(dict.fromkeys(m["channel"] for m in heard)),
        "account_ids": list(dict.fromkeys(m["account_id"] for m in heard)),
        "last_inbound_id": called[-1]["_id"] if called else None,
        "waiting_since": waiting[0] if waiting else None,
        "undelivered": sum(1 for m in heard if m["delivery"] and m["delivery"]["state"] in _LOST),
    }
    if loud:
        changes |= {"last_message": last_message(loud[-1]), "last_message_at": loud[-1]["at"]}
    return await store.tickets.change(ticket_id, changes, session)

import asyncio
from collections.abc import Mapping
from typing import Any

from omnihub.store import paging
from omnihub.store.store import Store
from omnihub.unified_view import views

# These only say that a message is there, which the message itself shows.
REPEATED_BY_MESSAGE = ("message.received", "message.queued", "message.updated", "note.added")


async def page(store: Store, ticket_id: str, cursor: str, limit: int) -> views.Doc:
    """Messages and events as one line of time, by (at, id); both lists give enough for a full page."""
    before = paging.decode(cursor)
    messages, events = await asyncio.gather(
        store.messages.page(ticket_id, before, limit),
        store.events.trail(ticket_id, before, limit, but=REPEATED_BY_MESSAGE),
    )
    merged: list[tuple[Mapping[str, Any], views.Doc]] = [
        *((one, {"kind": "message", "message": views.message(one)}) for one in messages),
        *((one, {"kind": "event", "event": views.event(one)}) for one in events),
    ]
    merged.sort(key=lambda pair: (pair[0]["at"], pair[0]["_id"]), reverse=True)
    shown = merged[:limit]
    following = paging.next_cursor([doc for doc, _ in shown], limit, "at")
    return {"items": [item for _, item in reversed(shown)], "next": following}

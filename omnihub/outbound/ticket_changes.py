from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omnihub.model.documents import (
    OPEN_STATUSES,
    ActorDoc,
    EventDoc,
    MessageDoc,
    Status,
    TicketDoc,
)
from omnihub.model.previews import last_message, preview
from omnihub.store.events import event

_DONE = ("resolved", "closed")


def after_reply(
    ticket: TicketDoc, messages: Sequence[MessageDoc], actor: ActorDoc, wanted: Status | None
) -> tuple[dict[str, Any], list[EventDoc]]:
    """What a reply, which may go out as several messages, makes of its ticket, and the trail of it."""
    message = messages[-1]
    changes = _summary(ticket, message) | {"message_count": ticket["message_count"] + len(messages)}
    events: list[EventDoc] = []
    status = wanted or ("open" if ticket["status"] == "new" else ticket["status"])
    if status != ticket["status"]:
        changes |= {"status": status, "resolved_at": _resolved_at(ticket, message, status)}
        changes |= {"snoozed_until": None} if status in _DONE else {}
        events.append(
            event("ticket.status", ticket["_id"], actor=actor, data={"from": ticket["status"], "to": status})
        )
    if ticket["assignee_id"] is None and actor["kind"] == "user":
        changes["assignee_id"] = actor["id"]
        events.append(event("ticket.claimed", ticket["_id"], actor=actor, data={"assignee_id": actor["id"]}))
    return changes, events


def after_automatic(ticket: TicketDoc, message: MessageDoc) -> dict[str, Any]:
    """What no person wrote answers nobody: the customer goes on waiting, and lists go on showing their words."""
    return {"message_count": ticket["message_count"] + 1, **_reach(ticket, message)}


def after_unanswered(ticket: TicketDoc, asked: MessageDoc) -> tuple[dict[str, Any], list[EventDoc]]:
    """The customer asked what the hub would have answered by itself, but could not: it calls a person."""
    author = asked["sender"]["name"] or asked["sender"]["key"].rpartition(":")[2]
    actor = ActorDoc(kind="contact", id=asked["contact_id"], name=author)
    words = preview(asked["visible_text"])
    changes: dict[str, Any] = {
        "last_inbound_id": asked["_id"],
        "waiting_since": ticket["waiting_since"] or asked["at"],
        "snoozed_until": None,
    }
    if ticket["last_message"] is None or ticket["last_message"]["at"] <= asked["at"]:
        changes["last_message"] = last_message(asked)
        changes["last_message_at"] = asked["at"]
    data = {"channel": asked["channel"], "silent": False, "preview": words}
    events = [event("message.received", ticket["_id"], actor=actor, message_id=asked["_id"], data=data)]
    if ticket["status"] not in ("new", "open"):
        changes |= {"status": "open", "resolved_at": None}
        kind = "ticket.status" if ticket["status"] in OPEN_STATUSES else "ticket.reopened"
        events.append(event(kind, ticket["_id"], actor=actor, data={"from": ticket["status"], "to": "open"}))
    return changes, events


def _summary(ticket: TicketDoc, message: MessageDoc) -> dict[str, Any]:
    return {
        "last_message": last_message(message),
        "last_message_at": max(ticket["last_message_at"], message["at"]),
        "message_count": ticket["message_count"] + 1,
        "waiting_since": None,
        **_reach(ticket, message),
    }


def _resolved_at(ticket: TicketDoc, message: MessageDoc, status: Status) -> datetime | None:
    return (ticket["resolved_at"] or message["at"]) if status in _DONE else None


def _reach(ticket: TicketDoc, message: MessageDoc) -> Mapping[str, Any]:
    changes: dict[str, Any] = {}
    if message["channel"] not in ticket["channels"]:
        changes["channels"] = [*ticket["channels"], message["channel"]]
    if message["account_id"] not in ticket["account_ids"]:
        changes["account_ids"] = [*ticket["account_ids"], message["account_id"]]
    return changes

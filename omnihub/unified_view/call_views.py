import asyncio
from collections.abc import Sequence
from typing import Any

from omnihub.connectors.numbers import e164
from omnihub.model.documents import CallBackDoc, ContactDoc, IdentityDoc, MessageDoc
from omnihub.model.errors import NotFound
from omnihub.store.store import Store
from omnihub.unified_view import people_views, views

_MOST_CLAIMS = 200
_MOST_CANDIDATES = 20


async def rows(store: Store, calls: Sequence[MessageDoc]) -> list[views.Doc]:
    """With ticket and name of the caller, in two more queries for the whole page."""
    tickets, names = await asyncio.gather(
        store.tickets.get_many({one["ticket_id"] for one in calls}),
        people_views.names(store, {one["contact_id"] for one in calls}),
    )
    found = []
    for call in calls:
        ticket = tickets.get(call["ticket_id"])
        shown = views.other_ticket(ticket) if ticket else None
        name = names.get(call["contact_id"]) or call["sender"]["name"]
        found.append({"message": views.message(call), "ticket": shown, "contact_name": name})
    return found


async def call_backs(store: Store, docs: Sequence[CallBackDoc]) -> list[views.Doc]:
    """Agents move calls and merge people meanwhile: the ticket is where the last call is now, the person whose
    number it is now."""
    last = {one["_id"]: one["message_ids"][-1] for one in docs if one["message_ids"]}
    calls, owners = await asyncio.gather(
        store.messages.get_many(list(last.values())), store.contacts.identities({one["number"] for one in docs})
    )
    places = {message["_id"]: message["ticket_id"] for message in calls}
    current = [_current(one, places.get(last.get(one["_id"], "")), owners.get(one["number"])) for one in docs]
    tickets, names = await asyncio.gather(
        store.tickets.get_many({one["ticket_id"] for one in current}),
        people_views.names(store, {one["contact_id"] for one in current}),
    )
    return [
        views.call_back(one, names.get(one["contact_id"], ""), tickets.get(one["ticket_id"])) for one in current
    ]


def _current(doc: CallBackDoc, ticket_id: str | None, owner: IdentityDoc | None) -> CallBackDoc:
    contact_id = owner["contact_id"] if owner else doc["contact_id"]
    return {**doc, "ticket_id": ticket_id or doc["ticket_id"], "contact_id": contact_id}


async def owners_of(store: Store, number: str) -> views.Doc:
    """Whose number it is, and everybody who says that it is theirs: never merged, all offered."""
    known = e164(number, "")
    key = f"phone:{known}"
    owner = await _owner(store, key) if known else None
    claimants = await _claimants(store, key, owner) if known else []
    chosen = [("identity", one) for one in (owner,) if one] + [("claim", one) for one in claimants]
    candidates = await _candidates(store, chosen)
    return {
        "number": known or number,
        "owner": {"id": owner["_id"], "name": owner["name"]} if owner else None,
        "candidates": candidates,
    }


async def _owner(store: Store, key: str) -> ContactDoc | None:
    identity = (await store.contacts.identities([key])).get(key)
    return await _final(store, identity["contact_id"]) if identity else None


async def _claimants(store: Store, key: str, owner: ContactDoc | None) -> list[ContactDoc]:
    found: dict[str, ContactDoc] = {}
    for identity in await store.contacts.claimants(key, _MOST_CLAIMS):
        contact = await _final(store, identity["contact_id"])
        if contact is not None and (owner is None or contact["_id"] != owner["_id"]):
            found[contact["_id"]] = contact
    latest = sorted(found.values(), key=lambda one: one["updated_at"], reverse=True)
    return latest[: _MOST_CANDIDATES - 1]


async def _final(store: Store, contact_id: str) -> ContactDoc | None:
    try:
        return await store.contacts.final(contact_id)
    except NotFound:
        return None


async def _candidates(store: Store, chosen: Sequence[tuple[str, ContactDoc]]) -> list[views.Doc]:
    ids = [contact["_id"] for _, contact in chosen]
    keys = [key for _, contact in chosen for key in contact["identities"]]
    open_tickets, identities = await asyncio.gather(
        store.tickets.of_contacts(ids), store.contacts.identities(keys)
    )
    latest = await asyncio.gather(*(store.tickets.latest_of_contact(one, 1) for one in ids))
    found = []
    for (known_by, contact), last in zip(chosen, latest, strict=True):
        shown: dict[str, Any] = {
            "id": contact["_id"],
            "name": contact["name"],
            "known_by": known_by,
            "identities": [key.rpartition(":")[2] for key in contact["identities"] if key in identities],
            "open_tickets": len(open_tickets.get(contact["_id"], ())),
            "last_ticket": views.other_ticket(last[0]) if last else None,
            "last_at": last[0]["last_message_at"] if last else None,
        }
        found.append(shown)
    return found

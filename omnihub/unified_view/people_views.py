from collections.abc import Collection, Mapping, Sequence
from typing import Any

from omnihub.model.documents import ContactDoc
from omnihub.store.store import Store
from omnihub.store.tickets import Filter
from omnihub.unified_view import views

_OTHER_TICKETS = 20


async def contact(store: Store, contact_id: str, *, but_ticket: str = "") -> views.Doc:
    """With identities and latest tickets. Raises NotFound."""
    found = await store.contacts.get(contact_id)
    identities = await store.contacts.identities_of(contact_id)
    wanted = Filter(contact_id=contact_id, status="any")
    tickets, _ = await store.tickets.page(wanted, "", _OTHER_TICKETS + 1)
    others = [views.other_ticket(one) for one in tickets if one["_id"] != but_ticket][:_OTHER_TICKETS]
    return views.contact(found, identities) | {"other_tickets": others}


async def contact_rows(store: Store, contacts: Sequence[ContactDoc]) -> list[dict[str, Any]]:
    """A page's contacts, with one more query for all their identities."""
    keys = [key for one in contacts for key in one["identities"]]
    known = await store.contacts.identities(keys) if keys else {}
    return [views.contact(one, [known[key] for key in one["identities"] if key in known]) for one in contacts]


async def names(store: Store, contact_ids: Collection[str]) -> dict[str, str]:
    """Of whoever they have become by merging."""
    known: dict[str, ContactDoc] = {}
    wanted = set(contact_ids)
    while wanted:
        found = await store.contacts.get_many(wanted)
        known |= found
        wanted = {one["merged_into"] for one in found.values() if one["merged_into"]} - known.keys()
    return {one: _last(known, one)["name"] for one in contact_ids if one in known}


def _last(known: Mapping[str, ContactDoc], contact_id: str) -> ContactDoc:
    contact = known[contact_id]
    while (into := contact["merged_into"]) and into in known:
        contact = known[into]
    return contact

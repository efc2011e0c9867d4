from typing import Any

from omnihub.model.documents import ActorDoc, ContactDoc, ConversationDoc, OperationDoc
from omnihub.model.errors import Conflict, Invalid, NotFound
from omnihub.model.ids import new_id
from omnihub.store.database import Session, now
from omnihub.store.events import SYSTEM, event
from omnihub.store.store import Store


class ContactDesk:
    """What people do with contacts: name, merge, confirm. Merges keep their evidence and can be undone."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def rename(self, contact_id: str, name: str, actor: ActorDoc) -> ContactDoc:
        clean = " ".join(name.split())[:200]
        if not clean:
            raise Invalid("a contact needs a name", {"name": "is empty"})

        async def work(session: Session) -> ContactDoc:
            contact = await self._store.contacts.change(contact_id, {"name": clean}, session)
            await self._store.tickets.rename_contact(contact_id, clean, session)
            renamed = event("contact.renamed", "", actor=actor, data={"contact_id": contact_id, "name": clean})
            await self._store.events.add([renamed], session)
            return contact

        return await self._store.transaction(work)

    async def merge(
        self, contact_id: str, into_id: str, actor: ActorDoc, reason: str
    ) -> tuple[ContactDoc, OperationDoc]:
        """All handles, conversations and tickets of the one go to the other. Raises Conflict, NotFound."""

        async def work(session: Session) -> tuple[ContactDoc, OperationDoc]:
            operation = await merge_contacts(self._store, contact_id, into_id, actor, reason, session)
            return await self._store.contacts.get(into_id, session), operation

        return await self._store.transaction(work)

    async def confirm_participant(self, conversation_id: str, key: str, actor: ActorDoc) -> ConversationDoc:
        """An agent knows who this is: from now on they take part like anybody else."""

        async def work(session: Session) -> ConversationDoc:
            if not await self._store.conversations.confirm(conversation_id, key, session):
                raise NotFound("this person takes no part in the conversation")
            conversation = await self._store.conversations.get(conversation_id, session)
            confirmed = event("participant.confirmed", conversation["ticket_id"], actor=actor, data={"key": key})
            await self._store.events.add([confirmed], session)
            return conversation

        return await self._store.transaction(work)


async def merge_contacts(
    store: Store, contact_id: str, into_id: str, actor: ActorDoc, reason: str, session: Session
) -> OperationDoc:
    """Within the caller's transaction. Raises Conflict where the two are one already."""
    loser = await store.contacts.get(contact_id, session)
    winner = await store.contacts.get(into_id, session)
    if contact_id == into_id or loser["merged_into"] or winner["merged_into"]:
        raise Conflict("these two contacts are one already")
    identities = await store.contacts.identities_of(contact_id, session)
    conversations = [c["_id"] for c in await store.conversations.of_contact(contact_id, session)]
    tickets = await store.tickets.ids_of_contact(contact_id, session)
    operation = OperationDoc(
        _id=new_id(),
        kind="contact_merge",
        ticket_ids=[],
        contact_ids=[contact_id, into_id],
        actor=actor,
        reason=reason,
        before={
            "contact_id": contact_id,
            "into_id": into_id,
            "identities": [dict(identity) for identity in identities],
            "conversation_ids": conversations,
            "ticket_ids": tickets,
        },
        undone_at=None,
        at=now(),
    )
    keys = [identity["_id"] for identity in identities]
    await store.contacts.move_identities(keys, into_id, reason, session)
    await store.contacts.add_handles({into_id: keys}, session)
    await store.conversations.move_to_contact(conversations, into_id, session)
    await store.tickets.move_to_contact(tickets, into_id, winner["name"], session)
    await store.contacts.change(contact_id, {"merged_into": into_id}, session)
    await store.operations.add(operation, session)
    await store.events.add([_told("contact.merged", operation)], session)
    return operation


async def unite(store: Store, contact_id: str, into_id: str, evidence: str, session: Session) -> None:
    """As they are by now: another proof may have joined them, or one of them to a third, a moment ago. Then the
    elder stays."""
    loser = (await store.contacts.final(contact_id, session))["_id"]
    winner = (await store.contacts.final(into_id, session))["_id"]
    if (loser, winner) != (contact_id, into_id):
        winner, loser = sorted((loser, winner))
    if loser != winner:
        await merge_contacts(store, loser, winner, SYSTEM, evidence, session)


async def unmerge_contacts(store: Store, operation: OperationDoc, actor: ActorDoc, session: Session) -> None:
    """Handles, conversations and tickets that came by the merge go back; what came since stays, and so does
    what went elsewhere since. Raises Conflict when the two are no longer one by this merge."""
    before = operation["before"]
    loser_id = before["contact_id"]
    loser = await store.contacts.get(loser_id, session)
    if loser["merged_into"] != before["into_id"]:
        raise Conflict("these two contacts are no longer one")
    # The winner may have been merged on since.
    winner = await store.contacts.final(before["into_id"], session)
    held = {identity["_id"] for identity in await store.contacts.identities_of(winner["_id"], session)}
    back = [identity for identity in before["identities"] if identity["_id"] in held]
    gone = [identity["_id"] for identity in back]
    await store.contacts.restore_identities(back, session)
    kept = [key for key in winner["identities"] if key not in gone]
    await store.contacts.change(winner["_id"], {"identities": kept}, session)
    await store.contacts.change(loser_id, {"merged_into": None, "identities": gone}, session)
    conversations = {c["_id"] for c in await store.conversations.of_contact(winner["_id"], session)}
    theirs = [one for one in before["conversation_ids"] if one in conversations]
    await store.conversations.move_to_contact(theirs, loser_id, session)
    tickets = set(await store.tickets.ids_of_contact(winner["_id"], session))
    own = [one for one in before["ticket_ids"] if one in tickets]
    await store.tickets.move_to_contact(own, loser_id, loser["name"], session)
    await store.operations.mark_undone(operation["_id"], session)
    await store.events.add([_told("contact.unmerged", operation, actor)], session)


def _told(kind: str, operation: OperationDoc, actor: ActorDoc | None = None) -> Any:
    before = operation["before"]
    data = {"contact_id": before["contact_id"], "into": before["into_id"], "reason": operation["reason"]}
    return event(kind, "", actor=actor or operation["actor"], data=data)

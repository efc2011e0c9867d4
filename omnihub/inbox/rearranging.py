"""Merge, split and move, and the way back from each."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from omnihub.inbox.contacts import unmerge_contacts
from omnihub.inbox.summary import summarise, summarise_many
from omnihub.model.documents import (
    ActorDoc,
    ConversationDoc,
    MessageDoc,
    OperationDoc,
    TicketDoc,
    TicketLink,
)
from omnihub.model.errors import Conflict, Invalid
from omnihub.model.ids import new_id
from omnihub.settings import Settings
from omnihub.store.database import Session, now
from omnihub.store.events import event
from omnihub.store.store import Store

TICKET_NUMBERS = "ticket_number"
Done = tuple[TicketDoc, OperationDoc]
Undo = Callable[[OperationDoc, ActorDoc, Session], Awaitable[None]]


class Rearranging:
    """Every deed is one transaction and one operation that remembers what was before."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._undo: Mapping[str, Undo] = {
            "ticket_merge": self._undo_merge,
            "ticket_split": self._undo_split,
            "conversation_move": self._undo_move,
            "conversation_join": self._undo_join,
            "contact_merge": self._undo_contact_merge,
        }

    async def merge(self, ticket_id: str, into_id: str, actor: ActorDoc, reason: str) -> Done:
        """All conversations of the one go to the other, which lives on. Raises Conflict."""

        async def work(session: Session) -> Done:
            ticket, into = await self._two(ticket_id, into_id, session)
            conversations = await self._store.conversations.of_ticket(ticket_id, session)
            ids = [c["_id"] for c in conversations]
            before = {
                "ticket_id": ticket_id,
                "into_id": into_id,
                "conversation_ids": ids,
                "unpinned_ids": [c["_id"] for c in conversations if not c["pinned"]],
                "note_ids": await self._store.messages.ids_of_notes(ticket_id, session),
            }
            operation = _operation("ticket_merge", [ticket_id, into_id], actor, reason, before)
            await self._move(ids, into_id, session)
            await self._move_notes(before["note_ids"], into_id, session)
            link = _link(into, "related", reason)
            changes = {"merged_into": into_id, "links": [*ticket["links"], link]}
            await self._store.tickets.change(ticket_id, changes, session)
            back = [*into["links"], _link(ticket, "merged_from", reason)]
            await self._store.tickets.change(into_id, {"links": back}, session)
            told = {"reason": reason, "from": ticket["number"], "into": into["number"]}
            return await self._finish(operation, "ticket.merged", told, into_id, session, also=ticket_id)

        return await self._store.transaction(work)

    async def split(
        self, ticket_id: str, message_ids: Sequence[str], actor: ActorDoc, *, subject: str = "", reason: str = ""
    ) -> Done:
        """These messages become a ticket of their own. Raises Invalid, Conflict."""
        number = (await self._store.counters.take(TICKET_NUMBERS, 1, self._settings.tickets.number_start))[0]

        async def work(session: Session) -> Done:
            ticket = await self._living(ticket_id, session)
            chosen, conversation = await self._chosen(ticket_id, message_ids, session)
            fresh = _split_ticket(ticket, number, subject or chosen[0]["subject"] or ticket["subject"], reason)
            branch_id = await self._branch_off(conversation, chosen, fresh, session)
            before = {
                "ticket_id": ticket_id,
                "new_ticket_id": fresh["_id"],
                "conversation_id": conversation["_id"],
                "pinned": conversation["pinned"],
                "new_conversation_id": branch_id,
            }
            operation = _operation("ticket_split", [ticket_id, fresh["_id"]], actor, reason, before)
            links = [*ticket["links"], _link(fresh, "split_to", reason)]
            await self._store.tickets.change(ticket_id, {"links": links}, session)
            told = {"reason": reason, "from": ticket["number"], "to": number}
            return await self._finish(operation, "ticket.split", told, fresh["_id"], session, also=ticket_id)

        return await self._store.transaction(work)

    async def move(self, conversation_id: str, to_ticket_id: str, actor: ActorDoc, reason: str) -> Done:
        """One conversation goes to another ticket. Raises Conflict."""

        async def work(session: Session) -> Done:
            conversation = await self._store.conversations.get(conversation_id, session)
            if conversation["joined_into"]:
                raise Conflict("this conversation has become a part of another one")
            ticket, into = await self._two(conversation["ticket_id"], to_ticket_id, session)
            emptied = len(await self._store.conversations.of_ticket(ticket["_id"], session)) == 1
            notes = await self._store.messages.ids_of_notes(ticket["_id"], session) if emptied else []
            before = {
                "conversation_id": conversation_id,
                "ticket_id": ticket["_id"],
                "into_id": to_ticket_id,
                "pinned": conversation["pinned"],
                "emptied": emptied,
                "note_ids": notes,
            }
            operation = _operation("conversation_move", [ticket["_id"], to_ticket_id], actor, reason, before)
            await self._move([conversation_id], to_ticket_id, session)
            if emptied:
                await self._move_notes(notes, to_ticket_id, session)
                await self._store.tickets.change(ticket["_id"], {"merged_into": to_ticket_id}, session)
            told = {"reason": reason, "from": ticket["number"], "to": into["number"]}
            return await self._finish(
                operation, "conversation.moved", told, to_ticket_id, session, also=ticket["_id"]
            )

        return await self._store.transaction(work)

    async def undo(self, operation_id: str, actor: ActorDoc) -> OperationDoc:
        """Raises Conflict when it is undone already, or what it made is no longer there to take apart."""
        operation = await self._store.operations.get(operation_id)

        async def work(session: Session) -> None:
            await self._undo[operation["kind"]](operation, actor, session)

        await self._store.transaction(work)
        return await self._store.operations.get(operation_id)

    async def undo_within(self, operation: OperationDoc, actor: ActorDoc, session: Session) -> None:
        """In the caller's transaction. Raises Conflict before it has changed anything."""
        if operation["undone_at"]:
            raise Conflict("this has been undone already")
        await self._undo[operation["kind"]](operation, actor, session)

    async def _living(self, ticket_id: str, session: Session) -> TicketDoc:
        ticket = await self._store.tickets.get(ticket_id, session)
        if ticket["merged_into"]:
            raise Conflict(f"#{ticket['number']} was merged into another ticket")
        return ticket

    async def _two(self, ticket_id: str, other_id: str, session: Session) -> tuple[TicketDoc, TicketDoc]:
        if ticket_id == other_id:
            raise Conflict("this is the same ticket")
        return await self._living(ticket_id, session), await self._living(other_id, session)

    async def _move(self, conversation_ids: Sequence[str], ticket_id: str, session: Session) -> None:
        await self._store.conversations.move_to_ticket(conversation_ids, ticket_id, session)
        await self._store.messages.move_conversations(conversation_ids, ticket_id, session)

    async def _move_notes(self, note_ids: Sequence[str], ticket_id: str, session: Session) -> None:
        await self._store.messages.move({"_id": {"$in": list(note_ids)}}, "", ticket_id, session)

    async def _chosen(
        self, ticket_id: str, message_ids: Sequence[str], session: Session
    ) -> tuple[list[MessageDoc], ConversationDoc]:
        everything = await self._store.messages.of_ticket(ticket_id, session)
        spoken = [m for m in everything if m["direction"] != "note"]
        chosen = [m for m in spoken if m["_id"] in set(message_ids)]
        if not chosen or len(chosen) != len(set(message_ids)):
            raise Invalid("choose messages of this ticket", {"message_ids": "are not messages of this ticket"})
        if len(chosen) == len(spoken):
            raise Invalid("leave at least one message", {"message_ids": "are all messages of this ticket"})
        if len({m["conversation_id"] for m in chosen}) > 1:
            raise Invalid("choose messages of one conversation", {"message_ids": "are of several conversations"})
        return chosen, await self._store.conversations.get(chosen[0]["conversation_id"], session)

    async def _branch_off(
        self, conversation: ConversationDoc, chosen: Sequence[MessageDoc], fresh: TicketDoc, session: Session
    ) -> str:
        """Where the chosen messages are then. A conversation that would be left with nothing goes as it is."""
        await self._store.tickets.save([fresh], {}, session)
        if await self._store.messages.count_of_conversation(conversation["_id"], session) == len(chosen):
            await self._move([conversation["_id"]], fresh["_id"], session)
            return conversation["_id"]
        branch = _branch(conversation, fresh["_id"])
        await self._store.conversations.save([branch], {conversation["_id"]: {"pinned": True}}, session)
        query = {"_id": {"$in": [m["_id"] for m in chosen]}}
        await self._store.messages.move(query, branch["_id"], fresh["_id"], session)
        return branch["_id"]

    async def _finish(
        self,
        operation: OperationDoc,
        kind: str,
        told: Mapping[str, Any],
        result_id: str,
        session: Session,
        *,
        also: str,
    ) -> Done:
        await self._store.operations.add(operation, session)
        data = {**told, "operation_id": operation["_id"]}
        events = [event(kind, one, actor=operation["actor"], data=data) for one in (result_id, also)]
        await self._store.events.add(events, session)
        await summarise(self._store, also, session)
        return await summarise(self._store, result_id, session), operation

    async def _told_undone(
        self, operation: OperationDoc, kind: str, actor: ActorDoc, session: Session, *also: str
    ) -> None:
        """`also`: further tickets that things were taken from or went to."""
        await self._store.operations.mark_undone(operation["_id"], session)
        data = {"operation_id": operation["_id"]}
        events = [event(kind, one, actor=actor, data=data) for one in operation["ticket_ids"]]
        await self._store.events.add(events, session)
        await summarise_many(self._store, {*operation["ticket_ids"], *also}, session)

    async def _undo_merge(self, operation: OperationDoc, actor: ActorDoc, session: Session) -> None:
        before = operation["before"]
        ticket = await self._store.tickets.get(before["ticket_id"], session)
        if ticket["merged_into"] != before["into_id"]:
            raise Conflict("this ticket has been changed since: it is no longer merged there")
        into = await self._store.tickets.get(before["into_id"], session)
        # That one may have been merged on since; what was taken out of it by hand stays where it was put.
        now_in = (await self._store.tickets.final(into["_id"], session))["_id"]
        there = {c["_id"] for c in await self._store.conversations.of_ticket(now_in, session)}
        back_again = [one for one in before["conversation_ids"] if one in there]
        if not back_again:
            raise Conflict("what was merged has been moved since: undo that first")
        if len(back_again) == len(there):
            raise Conflict("everything else in that ticket has been moved since: undo that first")
        await self._move(back_again, before["ticket_id"], session)
        await self._store.conversations.unpin([c for c in before["unpinned_ids"] if c in there], session)
        await self._move_notes(before["note_ids"], before["ticket_id"], session)
        links = [link for link in ticket["links"] if link["ticket_id"] != before["into_id"]]
        await self._store.tickets.change(ticket["_id"], {"merged_into": None, "links": links}, session)
        back = [link for link in into["links"] if link["ticket_id"] != ticket["_id"]]
        await self._store.tickets.change(into["_id"], {"links": back}, session)
        await self._told_undone(operation, "ticket.unmerged", actor, session, now_in)

    async def _undo_split(self, operation: OperationDoc, actor: ActorDoc, session: Session) -> None:
        before = operation["before"]
        branch = await self._store.conversations.get(before["new_conversation_id"], session)
        if branch["ticket_id"] != before["new_ticket_id"]:
            raise Conflict("what was split off has been moved since: undo that first")
        here = await self._store.conversations.of_ticket(before["new_ticket_id"], session)
        others = [c for c in here if c["_id"] != branch["_id"]]
        if any(c["pinned"] for c in others):
            raise Conflict("other conversations have been moved there since: undo that first")
        if branch["_id"] == before["conversation_id"]:
            home = (await self._store.tickets.final(before["ticket_id"], session))["_id"]
            await self._move([branch["_id"]], home, session)
        else:
            home = await self._grow_together(branch, before, session)
        await self._move([c["_id"] for c in others], home, session)
        unpinned = [c["_id"] for c in others]
        unpinned += [] if before["pinned"] else [before["conversation_id"]]
        await self._store.conversations.unpin(unpinned, session)
        notes = {"ticket_id": before["new_ticket_id"], "direction": "note"}
        await self._store.messages.move(notes, "", home, session)
        await self._store.tickets.change(before["new_ticket_id"], {"merged_into": home}, session)
        await self._told_undone(operation, "ticket.unsplit", actor, session, home)

    async def _grow_together(self, branch: ConversationDoc, before: Mapping[str, Any], session: Session) -> str:
        """Returns the ticket that the branch's messages came back to."""
        old = await self._store.conversations.final(before["conversation_id"], session)
        await self._store.messages.move({"conversation_id": branch["_id"]}, old["_id"], old["ticket_id"], session)
        changed: dict[str, Any] = {"joined_into": old["_id"], "open": False, "ticket_id": old["ticket_id"]}
        await self._store.conversations.save((), {branch["_id"]: changed}, session)
        # The exchange may have gone on in the branch: now it goes on where it did before.
        if before.get("open") and await self._store.conversations.is_free(old, session):
            await self._store.conversations.save((), {old["_id"]: {"open": True}}, session)
        return old["ticket_id"]

    async def _undo_move(self, operation: OperationDoc, actor: ActorDoc, session: Session) -> None:
        before = operation["before"]
        conversation = await self._store.conversations.get(before["conversation_id"], session)
        if conversation["ticket_id"] != before["into_id"]:
            raise Conflict("this conversation has been moved again since: undo that first")
        into = await self._store.conversations.of_ticket(before["into_id"], session)
        if len(into) == 1:
            raise Conflict("everything else in that ticket has been moved since: undo that first")
        if before["emptied"]:
            await self._store.tickets.change(before["ticket_id"], {"merged_into": None}, session)
        home = (await self._store.tickets.final(before["ticket_id"], session))["_id"]
        await self._move([conversation["_id"]], home, session)
        await self._move_notes(before["note_ids"], home, session)
        if not before["pinned"]:
            await self._store.conversations.unpin([conversation["_id"]], session)
        await self._told_undone(operation, "conversation.moved", actor, session, home)

    async def _undo_join(self, operation: OperationDoc, actor: ActorDoc, session: Session) -> None:
        before = operation["before"]
        part = await self._store.conversations.get(before["conversation_id"], session)
        if part["joined_into"] != before["joined_into"]:
            raise Conflict("this conversation has been changed since")
        whole = await self._store.conversations.final(before["joined_into"], session)
        home = await self._store.tickets.get(before["ticket_id"], session)
        if home["merged_into"] in operation["ticket_ids"]:
            await self._store.tickets.change(home["_id"], {"merged_into": None}, session)
            await self._move_notes(before["note_ids"], home["_id"], session)
        home = await self._store.tickets.final(home["_id"], session)
        # What was split off since stays there.
        query = {"_id": {"$in": before["message_ids"]}, "conversation_id": whole["_id"]}
        if not await self._store.messages.move(query, part["_id"], home["_id"], session):
            raise Conflict("what was joined has been moved since: undo that first")
        # Pinned, or the next message of the thread would join them again.
        is_open = before["open"] and await self._store.conversations.is_free(part, session)
        changed = {"joined_into": None, "ticket_id": home["_id"], "open": is_open, "pinned": True}
        await self._store.conversations.save((), {part["_id"]: changed}, session)
        await self._told_undone(operation, "ticket.unmerged", actor, session, home["_id"], whole["ticket_id"])

    async def _undo_contact_merge(self, operation: OperationDoc, actor: ActorDoc, session: Session) -> None:
        await unmerge_contacts(self._store, operation, actor, session)


def _operation(
    kind: Any, ticket_ids: Sequence[str], actor: ActorDoc, reason: str, before: Mapping[str, Any]
) -> OperationDoc:
    return OperationDoc(
        _id=new_id(),
        kind=kind,
        ticket_ids=list(ticket_ids),
        contact_ids=[],
        actor=actor,
        reason=reason,
        before=dict(before),
        undone_at=None,
        at=now(),
    )


def _link(ticket: TicketDoc, kind: Any, reason: str) -> TicketLink:
    return TicketLink(ticket_id=ticket["_id"], number=ticket["number"], kind=kind, reason=reason)


def _split_ticket(ticket: TicketDoc, number: int, subject: str, reason: str) -> TicketDoc:
    return {
        **ticket,
        "_id": new_id(),
        "number": number,
        "subject": subject,
        "links": [_link(ticket, "split_from", reason)],
        "suggested_ticket_id": None,
        "version": 1,
        "created_at": now(),
        "updated_at": now(),
    }


def _branch(conversation: ConversationDoc, ticket_id: str) -> ConversationDoc:
    return {
        **conversation,
        "_id": new_id(),
        "ticket_id": ticket_id,
        "open": False,
        "pinned": True,
        "created_at": now(),
    }

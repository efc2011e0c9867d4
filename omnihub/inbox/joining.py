"""Parts of one thread that arrived as several conversations become one again."""

from omnihub.inbox.summary import summarise
from omnihub.inbox.workset import Workset
from omnihub.model.documents import ConversationDoc, MessageDoc, OperationDoc, TicketDoc, TicketLink
from omnihub.model.ids import new_id
from omnihub.store.database import Session, now
from omnihub.store.events import SYSTEM, event
from omnihub.store.store import Store

_REASON = "a message that came late shows that these are parts of one thread"


def join_conversations(
    work: Workset, other_id: str, target: ConversationDoc, ticket: TicketDoc, proof: MessageDoc
) -> None:
    """`other_id` becomes a part of `target`; a ticket that is left without conversations is merged too."""
    other = work.conversations[other_id]
    if other["joined_into"] or other_id == target["_id"]:
        return
    other_ticket = work.final_ticket(other["ticket_id"])
    operation = _operation(other, target, other_ticket, ticket, proof)
    work.operations.append(operation)
    # This batch's own messages are not written yet; the stored ones move in the same transaction.
    for message in work.new_messages:
        if message["conversation_id"] == other_id:
            message["conversation_id"], message["ticket_id"] = target["_id"], ticket["_id"]
            operation["before"]["message_ids"].append(message["_id"])
    work.moved_conversations.append((other_id, target["_id"], ticket["_id"]))
    work.change_conversation(other, {"joined_into": target["_id"], "open": False, "ticket_id": ticket["_id"]})
    _share_people(work, other, target)
    data = {"conversation_id": other_id, "from": other_ticket["number"], "reason": _REASON}
    work.events.append(event("conversation.joined", ticket["_id"], message_id=proof["_id"], data=data))
    if other_ticket["_id"] != ticket["_id"]:
        work.joined_tickets.append((other_ticket["_id"], ticket["_id"]))


def _operation(
    other: ConversationDoc,
    target: ConversationDoc,
    other_ticket: TicketDoc,
    ticket: TicketDoc,
    proof: MessageDoc,
) -> OperationDoc:
    return OperationDoc(
        _id=new_id(),
        kind="conversation_join",
        ticket_ids=sorted({other_ticket["_id"], ticket["_id"]}),
        contact_ids=[],
        actor=SYSTEM,
        reason=_REASON,
        before={
            "conversation_id": other["_id"],
            "joined_into": target["_id"],
            "ticket_id": other_ticket["_id"],
            "status": other_ticket["status"],
            "open": other["open"],
            "proof": proof["_id"],
            "message_ids": [],
            "note_ids": [],
        },
        undone_at=None,
        at=now(),
    )


def _share_people(work: Workset, other: ConversationDoc, target: ConversationDoc) -> None:
    known = {p["key"] for p in target["participants"]}
    more = [p for p in other["participants"] if p["key"] not in known]
    if more:
        work.change_conversation(target, {"participants": [*target["participants"], *more]})


async def move_stored(store: Store, work: Workset, session: Session) -> None:
    """What the database holds of joined conversations; the operations remember which messages these were."""
    for operation, (source, target, ticket_id) in zip(work.operations, work.moved_conversations, strict=True):
        operation["before"]["message_ids"] += await store.messages.ids_of_conversation(source, session)
        await store.messages.move({"conversation_id": source}, target, ticket_id, session)


async def finish(store: Store, work: Workset, session: Session) -> None:
    """After the batch is written: what joined tickets now hold, and which of them are left with nothing."""
    for emptied_id, into_id in dict.fromkeys(work.joined_tickets):
        into = await store.tickets.get(into_id, session)
        if await store.conversations.of_ticket(emptied_id, session):
            await summarise(store, emptied_id, session)
        else:
            await _take_notes(store, work, emptied_id, into_id, session)
            emptied = await store.tickets.get(emptied_id, session)
            link = TicketLink(ticket_id=into_id, number=into["number"], kind="related", reason=_REASON)
            changes = {"merged_into": into_id, "links": [*emptied["links"], link]}
            await store.tickets.change(emptied_id, changes, session)
            merged = event("ticket.merged", emptied_id, data={"into": into["number"], "reason": _REASON})
            await store.events.add([merged], session)
        await summarise(store, into_id, session)


async def _take_notes(store: Store, work: Workset, emptied_id: str, into_id: str, session: Session) -> None:
    """Notes stand on a ticket, not in a conversation: they come along, and the operation remembers them."""
    notes = await store.messages.ids_of_notes(emptied_id, session)
    await store.messages.move({"_id": {"$in": notes}}, "", into_id, session)
    for operation in work.operations:
        if operation["before"]["ticket_id"] == emptied_id:
            operation["before"]["note_ids"] = notes

from omnihub.model.inbound import Receipt
from omnihub.store.database import Session
from omnihub.store.events import event
from omnihub.store.store import Store


async def note_receipt(store: Store, account_id: str, receipt: Receipt, session: Session) -> None:
    """A provider's later word on something that we sent. A failure puts the ticket before the agents again."""
    if receipt.status == "delayed":
        return
    words = " ".join(filter(None, (receipt.code, receipt.words, receipt.recipient)))
    message = await store.outbox.report(account_id, receipt.external_id, receipt.status, words, session)
    if message is None:
        return
    data = {"state": receipt.status, "words": words}
    events = [event("message.delivery", message["ticket_id"], message_id=message["_id"], data=data)]
    if receipt.status == "failed":
        ticket = await store.tickets.get(message["ticket_id"], session)
        undelivered = await store.outbox.count_undelivered(ticket["_id"], session)
        changes: dict[str, object] = {"undelivered": undelivered}
        if ticket["status"] in ("pending", "resolved"):
            changes |= {"status": "open", "resolved_at": None}
            why = {"from": ticket["status"], "to": "open", "reason": "an answer could not be delivered"}
            events.append(event("ticket.reopened", ticket["_id"], data=why))
        await store.tickets.change(ticket["_id"], changes, session)
    await store.events.add(events, session)

from omnihub.model.inbound import Receipt
from omnihub.store import undelivered
from omnihub.store.database import Session
from omnihub.store.events import event
from omnihub.store.store import Store


async def note_receipt(
    store: Store, account_id: str, receipt: Receipt, session: Session, *, quietly: bool = False
) -> None:
    """A provider's later word on something that we sent. `quietly`: it is history, and calls nobody."""
    if receipt.status == "delayed":
        return
    words = " ".join(filter(None, (receipt.code, receipt.words, receipt.recipient)))
    message = await store.outbox.report(account_id, receipt.external_id, receipt.status, words, session)
    if message is None:
        return
    data = {"state": receipt.status, "words": words}
    told = event("message.delivery", message["ticket_id"], message_id=message["_id"], data=data)
    await store.events.add([told], session)
    await undelivered.recount(store, message, session, quietly=quietly)

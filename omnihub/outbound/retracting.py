from datetime import datetime

from omnihub.model.documents import ActorDoc, MessageDoc
from omnihub.outbound.deliveries import Deliveries
from omnihub.store.database import Session
from omnihub.store.store import Store


class Retracting:
    """Taking an answer back. Without another one the customer waits again, as long as they did before."""

    def __init__(self, store: Store, deliveries: Deliveries) -> None:
        self._store = store
        self._deliveries = deliveries

    async def cancel_all(self, message_id: str, actor: ActorDoc, session: Session) -> MessageDoc | None:
        """The message, and with it the other parts of the same answer that still wait."""
        taken = await self.cancel(message_id, actor, session)
        if taken is not None and (reply_id := taken["extra"].get("reply_id")):
            for other in await self._store.messages.parts(taken["conversation_id"], reply_id, session):
                if other != message_id:
                    await self.cancel(other, actor, session)
        return taken

    async def cancel(self, message_id: str, actor: ActorDoc, session: Session) -> MessageDoc | None:
        """None when it is no longer queued."""
        taken = await self._deliveries.change_within(
            session, message_id, ("queued",), {"delivery.state": "cancelled"}, actor=actor
        )
        if taken is not None and not taken["automatic"]:
            await self._wait_again(taken, session)
        return taken

    async def _wait_again(self, taken: MessageDoc, session: Session) -> None:
        ticket = await self._store.tickets.get(taken["ticket_id"], session)
        since: datetime | None = taken["extra"].get("waiting_since")
        if since is None or (ticket["waiting_since"] and ticket["waiting_since"] <= since):
            return
        if not await self._store.messages.answers_since(ticket["_id"], since, session):
            await self._store.tickets.change(ticket["_id"], {"waiting_since": since}, session)

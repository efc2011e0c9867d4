from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omnihub.model.documents import ActorDoc, MessageDoc
from omnihub.store import undelivered
from omnihub.store.database import Session
from omnihub.store.events import SYSTEM, event
from omnihub.store.store import Store


class Deliveries:
    """Every change of a delivery's state: the message, its ticket's counter and the trail, all or nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def change(
        self,
        message_id: str,
        from_states: Sequence[str],
        fields: Mapping[str, Any],
        *,
        actor: ActorDoc = SYSTEM,
        lease: datetime | None = None,
    ) -> MessageDoc | None:
        """None when the message is in none of these states, or, with `lease`, when it has been started again
        since: then somebody else knows better."""

        async def work(session: Session) -> MessageDoc | None:
            return await self.change_within(session, message_id, from_states, fields, actor=actor, lease=lease)

        return await self._store.transaction(work)

    async def change_within(
        self,
        session: Session,
        message_id: str,
        from_states: Sequence[str],
        fields: Mapping[str, Any],
        *,
        actor: ActorDoc = SYSTEM,
        lease: datetime | None = None,
    ) -> MessageDoc | None:
        if lease is not None:
            current = (await self._store.messages.get(message_id, session))["delivery"]
            if current is None or current["lease_until"] != lease:
                return None
        message = await self._store.outbox.change(message_id, from_states, fields, session)
        if message is not None:
            await self._store.events.add([_told(message, actor)], session)
            # An agent who settles it knows already.
            await undelivered.recount(self._store, message, session, quietly=actor["kind"] == "user")
        return message


def _told(message: MessageDoc, actor: ActorDoc) -> Any:
    delivery = message["delivery"]
    assert delivery is not None
    data: dict[str, Any] = {"state": delivery["state"], "words": delivery["words"]}
    if delivery["refused"]:
        data["refused"] = delivery["refused"]
    return event("message.delivery", message["ticket_id"], actor=actor, message_id=message["_id"], data=data)

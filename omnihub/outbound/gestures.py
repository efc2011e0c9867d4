"""What an agent does beside writing: being seen to write, and taking back what has gone out."""

from datetime import timedelta

import structlog

from omnihub.model.documents import ActorDoc, MessageDoc
from omnihub.model.errors import Conflict, OmnihubError, Refused
from omnihub.outbound import drafting
from omnihub.outbound.composing import Composer
from omnihub.outbound.content import Content
from omnihub.outbound.drafting import Draft
from omnihub.outbound.request import LiveConnectors
from omnihub.outbound.routing import Routing
from omnihub.store.database import Session, now
from omnihub.store.events import event
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

_GONE_OUT = ("sent", "delivered", "read")
_TYPING_SECONDS = 4


class Gestures:
    def __init__(self, store: Store, connectors: LiveConnectors) -> None:
        self._store = store
        self._connectors = connectors
        self._routing = Routing(store, connectors)
        self._composer = Composer(store)

    async def typing(self, ticket_id: str, conversation_id: str, actor: ActorDoc) -> bool:
        """Whether the customer was shown it. No channel's failure is worth a word to the agent."""
        ticket = await self._store.tickets.get(ticket_id)
        try:
            route = await self._routing.find(ticket, conversation_id, "")
            if not route.manifest.capabilities.typing or not route.account.enabled:
                return False
            if await self._store.limits.hit(f"typing:{route.conversation['_id']}", 1, _TYPING_SECONDS):
                return False
            draft = Draft(
                content=Content(text="", html=""), sender=drafting.sender_of(actor), subject="", rule="typing"
            )
            message = drafting.message(ticket, route, draft)
            shown = self._composer.outgoing(message, route.conversation, ticket["number"], route.answered)
            await route.connector.typing(shown)
        except OmnihubError as error:
            log.info("typing.not_shown", ticket_id=ticket_id, error=str(error))
            return False
        return True

    async def recall(self, message_id: str, actor: ActorDoc) -> MessageDoc:
        """Raises NotFound, Conflict where it is too late or not ours, and what the provider answers."""
        message = await self._store.messages.get(message_id)
        delivery = message["delivery"]
        if delivery is None or delivery["state"] not in _GONE_OUT or "recalled_at" in message["extra"]:
            raise Conflict("only what was sent from here and is still there can be taken back")
        account = await self._store.accounts.get(message["account_id"])
        connector = await self._connectors.of(account)
        hours = connector.manifest.capabilities.recall_hours
        if not hours:
            raise Refused("this channel cannot take a message back")
        if delivery["sent_at"] and now() - delivery["sent_at"] > timedelta(hours=hours):
            raise Conflict(f"this channel takes messages back for {hours:g} hours only")
        await connector.recall(await self._composer.load(message))
        return await self._store.transaction(lambda session: self._mark(message, actor, session))

    async def _mark(self, message: MessageDoc, actor: ActorDoc, session: Session) -> MessageDoc:
        if await self._store.messages.mark_recalled(message["_id"], now(), session):
            told = event("message.recalled", message["ticket_id"], actor=actor, message_id=message["_id"])
            await self._store.events.add([told], session)
        return await self._store.messages.get(message["_id"], session)

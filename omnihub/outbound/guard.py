from omnihub.model.documents import MessageDoc, TicketDoc
from omnihub.model.errors import NotFound, StaleView
from omnihub.outbound.request import ReplyRequest
from omnihub.store.database import Session
from omnihub.store.store import Store


async def check(store: Store, ticket: TicketDoc, request: ReplyRequest, session: Session) -> None:
    """Raises StaleView where the agent has not seen the customer's last word, or a colleague's answer to it."""
    if request.force:
        return
    missed = await _answers(store, ticket, request, session)
    outdated = ticket["last_inbound_id"] != request.seen_inbound_id
    if outdated:
        missed += await _inbound(store, ticket, request, session)
    if missed or outdated:
        ordered = sorted(missed, key=lambda one: (one["at"], one["_id"]))
        raise StaleView("messages came in that you have not seen", [one["_id"] for one in ordered])


async def _inbound(store: Store, ticket: TicketDoc, request: ReplyRequest, session: Session) -> list[MessageDoc]:
    try:
        return await store.messages.inbound_since(ticket["_id"], request.seen_inbound_id, session)
    except NotFound:  # a view of something that is no longer there has seen nothing
        return await store.messages.inbound_since(ticket["_id"], None, session)


async def _answers(store: Store, ticket: TicketDoc, request: ReplyRequest, session: Session) -> list[MessageDoc]:
    """Colleagues' answers that the agent may not have seen: two who answer at once see the same inbound."""
    seen = request.seen_message_id or request.seen_inbound_id
    try:
        since = (await store.messages.get(seen, session)) if seen else None
    except NotFound:
        since = None
    answers = await store.messages.answers_since(ticket["_id"], since["at"] if since else None, session)
    return [one for one in answers if one["sender"]["user_id"] != request.actor["id"]]

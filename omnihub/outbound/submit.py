from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from pymongo.errors import DuplicateKeyError

from omnihub.model.documents import (
    ActorDoc,
    AttachmentRef,
    ConversationDoc,
    EventDoc,
    MessageDoc,
    ParticipantDoc,
    SenderDoc,
    TicketDoc,
)
from omnihub.model.errors import Conflict, Invalid, OmnihubError, Refused
from omnihub.model.inbound import Handle
from omnihub.outbound import addressees, content, drafting, guard, parts, ticket_changes, window
from omnihub.outbound.composing import Composer
from omnihub.outbound.content import Content, fitting
from omnihub.outbound.deliveries import Deliveries
from omnihub.outbound.drafting import Draft
from omnihub.outbound.request import LiveConnectors, ReplyRequest
from omnihub.outbound.retracting import Retracting
from omnihub.outbound.routing import Route, Routing, with_thread_key
from omnihub.settings import Settings
from omnihub.store.database import Session, now
from omnihub.store.events import SYSTEM, event
from omnihub.store.outbox import OUTBOUND
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

_HUB = SenderDoc(key="", name="omnihub", user_id=None)
_HOUR = 3600
_REPEATABLE = ("failed", "uncertain", "cancelled")
T = TypeVar("T")


@dataclass(slots=True, frozen=True, kw_only=True)
class _Passage:
    """One transaction's view: a ticket, the way out of it, and who goes that way."""

    ticket: TicketDoc
    route: Route
    actor: ActorDoc


class Submit:
    """The door through which everything leaves: what passes here is queued durably, or refused in words."""

    def __init__(self, store: Store, connectors: LiveConnectors, settings: Settings) -> None:
        self._store = store
        self._connectors = connectors
        self._settings = settings
        self._routing = Routing(store, connectors)
        self._composer = Composer(store)
        self._deliveries = Deliveries(store)

    async def reply(self, request: ReplyRequest) -> MessageDoc:
        """Raises NotFound, Invalid, Refused (WindowClosed), Conflict (a merged ticket) or StaleView."""
        if request.once_key and (made := await self._store.sessions.made_once(request.once_key)):
            return await self._store.messages.get(made)
        files = [ref for ref, _ in await self._store.attachments.find_many(request.attachment_ids)]

        async def work(session: Session) -> MessageDoc:
            ticket = _unmerged(await self._store.tickets.get(request.ticket_id, session))
            await guard.check(self._store, ticket, request, session)
            route = await self._route(ticket, request, session)
            passage = _Passage(ticket=ticket, route=route, actor=request.actor)
            drafts = parts.of(self._with_links(request, files, route), route)
            _check_window(route, sum(1 for draft in drafts if draft.counts))
            messages = [await self._queue(passage, draft, session) for draft in drafts]
            changes, events = ticket_changes.after_reply(ticket, messages, request.actor, request.status)
            await self._store.tickets.change(ticket["_id"], changes, session)
            await self._store.events.add(events, session)
            if request.once_key:
                await self._bind(request.once_key, messages[0], session)
            return messages[0]

        return await self._rung(work)

    async def _bind(self, once_key: str, message: MessageDoc, session: Session) -> None:
        if not await self._store.sessions.bind_once(once_key, message["_id"], session):
            raise Conflict("this answer is being sent already")

    async def _route(self, ticket: TicketDoc, request: ReplyRequest, session: Session) -> Route:
        if request.to_key:
            return await self._routing.elsewhere(ticket, request.account_id, request.to_key, session)
        return await self._routing.find(ticket, request.conversation_id, request.answering_id, session)

    def _with_links(self, request: ReplyRequest, files: Sequence[AttachmentRef], route: Route) -> Draft:
        """What the channel does not carry goes as an address where the agent agreed to that."""
        if not request.as_links:
            return _draft(request, route, files)
        lasting = timedelta(days=self._settings.outbound.link_days)
        left_out = [file for file in files if not content.carried(file, route.manifest)] or list(files)
        links = [(f, self._store.file_links.url(f["id"], f["filename"], now(), lasting)) for f in left_out]
        kept = [file for file in files if file not in left_out]
        linked = replace(request, text=content.with_links(request.text or content.text_of(request.html), links))
        return _draft(replace(linked, html=""), route, kept)

    async def automatic(
        self,
        *,
        ticket_id: str,
        account_id: str,
        to_key: str,
        subject: str,
        text: str,
        contact_id: str,
        message_id: str = "",
        answering_id: str = "",
    ) -> MessageDoc | None:
        """None where nothing may be sent: to ourselves, too often within an hour, or by no way at all.
        With a message id the same call may come again: it queues nothing twice. `answering_id`: back the way
        that this message of theirs came, and no other."""
        if message_id and (known := await self._store.messages.find(message_id)):
            return known
        if not await self._may_answer_by_itself(to_key):
            return None
        handle = Handle(key=to_key)
        words = Content(text=text.strip(), html="")

        async def work(session: Session) -> MessageDoc:
            ticket = _unmerged(await self._store.tickets.get(ticket_id, session))
            if answering_id:
                route = await self._routing.find(ticket, "", answering_id, session)
            else:
                route = await self._routing.to_handle(ticket, account_id, handle, contact_id, session)
            _check_window(route, 1)
            draft = Draft(
                content=words,
                sender=_HUB,
                subject=subject,
                rule="automatic",
                automatic=True,
                message_id=message_id,
            )
            passage = _Passage(ticket=ticket, route=route, actor=SYSTEM)
            message = await self._queue(passage, draft, session)
            await self._store.tickets.change(ticket_id, ticket_changes.after_automatic(ticket, message), session)
            return message

        try:
            return await self._rung(work)
        except (Refused, Conflict) as error:
            log.warning("automatic.not_sent", ticket_id=ticket_id, account_id=account_id, error=str(error))
            return None

    async def cancel(self, message_id: str, actor: ActorDoc) -> MessageDoc:
        """Takes back what has not gone out. Raises NotFound or Conflict."""
        await self._outbound(message_id)
        retracting = Retracting(self._store, self._deliveries)
        found = await self._store.transaction(lambda session: retracting.cancel_all(message_id, actor, session))
        return await self._changed(found, "it is no longer waiting: it cannot be taken back")

    async def resend(self, message_id: str, actor: ActorDoc) -> MessageDoc:
        """Raises NotFound, Conflict, or WindowClosed where the reply window has closed meanwhile."""
        message = await self._outbound(message_id)
        if message["delivery"] and message["delivery"]["state"] in _REPEATABLE and window.counts(message):
            allowed = await self._routing.window(message)
            if allowed is not None:
                allowed.check(now())
        at = now()
        again = {
            "delivery.state": "queued",
            "delivery.due": at,
            "delivery.attempts": 0,
            "delivery.words": "",
            "delivery.refused": {},
            "delivery.lease_until": None,
            "extra.queued_at": at,
        }
        found = await self._deliveries.change(message_id, _REPEATABLE, again, actor=actor)
        return await self._changed(found, "only what failed, is uncertain or was taken back can be sent again")

    async def settle(self, message_id: str, actor: ActorDoc, sent: bool) -> MessageDoc:
        """The agent found out what became of an uncertain message. Raises NotFound or Conflict."""
        await self._outbound(message_id)
        at = now()
        known = (
            {"delivery.state": "sent", "delivery.sent_at": at, "sent_at": at}
            if sent
            else {"delivery.state": "failed"}
        )
        found = await self._deliveries.change(message_id, ("uncertain",), known, actor=actor)
        return await self._changed(found, "this message is not uncertain")

    async def _queue(self, passage: _Passage, draft: Draft, session: Session) -> MessageDoc:
        """The message and its conversation; the ticket's own change is the caller's."""
        message = drafting.message(passage.ticket, passage.route, draft)
        conversation = passage.route.conversation
        answered = passage.route.answered
        shown = self._composer.outgoing(message, conversation, passage.ticket["number"], answered)
        prepared = passage.route.connector.prepare(shown)
        message |= {"external_id": prepared.external_id, "wire": dict(prepared.wire)}
        route = with_thread_key(passage.route, prepared.external_id)
        await self._keep_conversation(route, message, session)
        await self._store.messages.insert([message], session)
        await self._store.events.add([_queued(message, passage.actor)], session)
        return message

    async def _keep_conversation(self, route: Route, message: MessageDoc, session: Session) -> None:
        """Whoever got the message takes part, so that their answer joins."""
        conversation = route.conversation
        present = {person["key"] for person in conversation["participants"]}
        joined = [p for p in (*message["to"], *message["cc"]) if p["key"] not in present]
        people = [*conversation["participants"], *joined]
        if route.is_new:
            new: ConversationDoc = {**conversation, "participants": people}
            await self._store.conversations.save([new], {}, session)
        elif joined:
            await self._store.conversations.save((), {conversation["_id"]: {"participants": people}}, session)

    async def _rung(self, work: Callable[[Session], Awaitable[MessageDoc]]) -> MessageDoc:
        try:
            message = await self._store.transaction(work)
        except DuplicateKeyError as error:
            raise Conflict("the same exchange is going on in another ticket: answer there") from error
        await self._ring(message)
        return message

    async def _ring(self, message: MessageDoc) -> None:
        await self._store.bell.ring(OUTBOUND, [message["conversation_id"]])

    async def _outbound(self, message_id: str) -> MessageDoc:
        message = await self._store.messages.get(message_id)
        if message["delivery"] is None:
            raise Conflict("this message was not sent from here")
        return message

    async def _changed(self, found: MessageDoc | None, otherwise: str) -> MessageDoc:
        if found is None:
            raise Conflict(otherwise)
        await self._ring(found)
        return found

    async def _may_answer_by_itself(self, key: str) -> bool:
        """The database's count stands for the last hour; the shared counter stops those who ask at once."""
        if await self._is_own(key):
            return False
        cap = self._settings.tickets.auto_replies_per_hour
        if await self._store.messages.count_automatic(key, now() - timedelta(seconds=_HOUR)) >= cap:
            return False
        return not await self._store.limits.hit(f"automatic:{key}", cap, _HOUR)

    async def _is_own(self, key: str) -> bool:
        """Ours, through whichever account: two mailboxes of ours must never answer each other."""
        for account in await self._store.accounts.all():
            try:
                own = (await self._connectors.of(account)).own_handles()
            except OmnihubError as error:
                log.warning("account.unusable", account_id=account.id, error=str(error))
                continue
            if key in own:
                return True
        return False


def _check_window(route: Route, count: int) -> None:
    """`count`: messages that use the window up; whoever left is not written to in any way. Raises WindowClosed."""
    allowed = window.window_of(route.connector.reply_window(), route.thread, now())
    if allowed is not None and (count or allowed.gone):
        allowed.check(now(), count)


def _draft(request: ReplyRequest, route: Route, files: Sequence[AttachmentRef]) -> Draft:
    if request.template is not None:
        if request.text.strip() or files:
            raise Invalid("a template goes out alone", {"template": "goes out alone"})
        return parts.of_template(request.template, route, drafting.sender_of(request.actor))
    main = [one.key for one in route.to]
    cc = _copies(request.cc, route, main, "cc")
    return Draft(
        content=fitting(request.text, request.html, files, route.manifest),
        sender=drafting.sender_of(request.actor),
        subject=route.conversation["subject"],
        rule="reply",
        files=files,
        cc=cc,
        bcc=_copies(request.bcc, route, [*main, *(p["key"] for p in cc)], "bcc"),
        undo_seconds=drafting.undo_seconds(route),
    )


def _copies(wanted: Sequence[Handle | str], route: Route, but: Sequence[str], field: str) -> list[ParticipantDoc]:
    if wanted and not route.manifest.capabilities.cc:
        words = "this channel carries no copies"
        raise Invalid(words, {field: words})
    handles = addressees.copies(wanted, route.to[0].channel, but, field)
    return addressees.participants(handles, field)


def _unmerged(ticket: TicketDoc) -> TicketDoc:
    if ticket["merged_into"]:
        raise Conflict("this ticket was merged into another one", merged_into=ticket["merged_into"])
    return ticket


def _queued(message: MessageDoc, actor: ActorDoc) -> EventDoc:
    delivery = message["delivery"]
    assert delivery is not None
    data: dict[str, Any] = {"state": "queued", "channel": message["channel"], "due": delivery["due"].isoformat()}
    data |= {"automatic": True} if message["automatic"] else {}
    return event("message.queued", message["ticket_id"], actor=actor, message_id=message["_id"], data=data)

"""One message takes its place in a workset: contact, conversation, ticket, trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from omnihub.inbox import facts, media
from omnihub.inbox.joining import join_conversations
from omnihub.inbox.people import contact_of, participants_of, prove_claims
from omnihub.inbox.workset import Item, Workset, thread_keys
from omnihub.model.documents import (
    OPEN_STATUSES,
    ActorDoc,
    AttachmentRef,
    ConversationDoc,
    MessageDoc,
    ParticipantDoc,
    PlacementDoc,
    SenderDoc,
    TicketDoc,
    TicketLink,
)
from omnihub.model.ids import new_id
from omnihub.model.inbound import Handle, InboundMessage
from omnihub.model.previews import last_message, preview
from omnihub.store.database import now
from omnihub.store.events import event
from omnihub.threading import Placement, ReplyTokens, place

_SUBJECT = 200
# A conversation is one document. Beyond this only those who write are added: a thread with ever new
# copies must not outgrow it.
_MOST_PEOPLE = 500


def arrival(item: Item, received_at: datetime) -> datetime:
    """When a message stands in the timeline: its arrival, but for imported history its own date, unless that
    lies ahead of its arrival."""
    if item.silent_import and item.message.sent_at:
        return min(item.message.sent_at, received_at)
    return received_at


def take_in(
    item: Item,
    received_at: datetime,
    attachments: Sequence[AttachmentRef],
    work: Workset,
    tokens: ReplyTokens,
    own: frozenset[str],
) -> MessageDoc:
    message = item.message
    at = arrival(item, received_at)
    gathered = facts.gather(item, work, tokens, own, at if item.silent_import else now())
    placement = place(message, gathered)
    person = _counterpart(message)
    conversation = work.conversations.get(placement.conversation.id) if placement.conversation else None
    contact_id = prove_claims(work, message, conversation, placement)
    if contact_id is None:
        is_stray = message.kind == "bounce" and conversation is not None
        contact_id = conversation["contact_id"] if is_stray and conversation else contact_of(work, person, message)
    ticket = work.final_ticket(placement.ticket.id) if placement.ticket else None
    if ticket is None:
        ticket = _open_ticket(item, placement, contact_id, work)
    if conversation is None or placement.follows:
        conversation = _open_conversation(item, contact_id, ticket, work)
    stored = document(item, conversation, ticket, contact_id, attachments, placement)
    stored["at"] = at
    work.add_message(stored)
    work.errands += media.errands(item.account.id, message, stored["_id"])
    _welcome(item, conversation, placement, work)
    tell_ticket(item, stored, ticket, work)
    for other in placement.joins:
        join_conversations(work, other, conversation, ticket, stored)
    _doubt(conversation, placement, work)
    return stored


def _counterpart(message: InboundMessage) -> Handle:
    """The customer: who wrote, or, for what a colleague sent by other means, whom it went to."""
    if message.direction == "outbound":
        return next((p.handle for p in message.participants if p.role == "to"), message.sender)
    return message.sender


def _open_ticket(item: Item, placement: Placement, contact_id: str, work: Workset) -> TicketDoc:
    message = item.message
    ticket = new_ticket(
        number=work.numbers_left.pop(0),
        subject=subject_of(message.subject, message.visible_text),
        team_id=item.account.policy.team_id or None,
        spam=bool(message.spam),
        contact_id=contact_id,
        contact_name=work.contacts[contact_id]["name"],
        links=_links(placement),
        suggested_ticket_id=placement.suggested.id if placement.suggested else None,
    )
    work.tickets[ticket["_id"]] = work.new_tickets[ticket["_id"]] = ticket
    work.numbers[ticket["number"]] = ticket["_id"]
    work.events.append(event("ticket.created", ticket["_id"], data={"reason": placement.reason}))
    return ticket


def new_ticket(
    *,
    number: int,
    subject: str,
    team_id: str | None,
    contact_id: str,
    contact_name: str,
    spam: bool = False,
    links: Sequence[TicketLink] = (),
    suggested_ticket_id: str | None = None,
) -> TicketDoc:
    at = now()
    return TicketDoc(
        _id=new_id(),
        number=number,
        subject=subject,
        status="new",
        priority="normal",
        assignee_id=None,
        team_id=team_id,
        tags=[],
        spam=spam,
        contact_id=contact_id,
        contact_name=contact_name,
        channels=[],
        account_ids=[],
        last_message=None,
        last_message_at=at,
        last_inbound_id=None,
        waiting_since=None,
        message_count=0,
        undelivered=0,
        snoozed_until=None,
        resolved_at=None,
        merged_into=None,
        links=list(links),
        suggested_ticket_id=suggested_ticket_id,
        version=1,
        created_at=at,
        updated_at=at,
    )


def _links(placement: Placement) -> list[TicketLink]:
    linked: list[TicketLink] = []
    if placement.follows:
        old = placement.follows
        linked.append(TicketLink(ticket_id=old.id, number=old.number, kind="follows", reason=placement.reason))
    elif placement.related:
        old = placement.related
        linked.append(TicketLink(ticket_id=old.id, number=old.number, kind="related", reason=placement.reason))
    return linked


def subject_of(subject: str, text: str) -> str:
    first_line = next((line for line in text.splitlines() if line.strip()), "")
    return " ".join((subject or first_line).split())[:_SUBJECT]


def _open_conversation(item: Item, contact_id: str, ticket: TicketDoc, work: Workset) -> ConversationDoc:
    message = item.message
    thread_key = thread_keys(message)[-1]
    earlier = work.threads.get((item.account.id, thread_key))
    if earlier:
        # Its ticket ended too long ago: the thread goes on in the new conversation.
        work.change_conversation(work.conversations[earlier], {"open": False})
    conversation = ConversationDoc(
        _id=new_id(),
        account_id=item.account.id,
        channel=item.account.channel,
        thread_key=thread_key,
        contact_id=contact_id,
        ticket_id=ticket["_id"],
        open=True,
        pinned=False,
        subject=message.subject[:_SUBJECT],
        participants=participants_of(message)[:_MOST_PEOPLE],
        last_inbound_id=None,
        joined_into=None,
        created_at=now(),
    )
    work.conversations[conversation["_id"]] = work.new_conversations[conversation["_id"]] = conversation
    work.threads[item.account.id, thread_key] = conversation["_id"]
    return conversation


def document(
    item: Item,
    conversation: ConversationDoc | None,
    ticket: TicketDoc | None,
    contact_id: str,
    attachments: Sequence[AttachmentRef],
    placement: Placement,
) -> MessageDoc:
    message = item.message
    people = participants_of(message)
    return MessageDoc(
        _id=new_id(),
        account_id=item.account.id,
        external_id=message.external_id,
        aliases=[*item.aliases, *([message.part_of] if message.part_of else [])],
        fingerprint=message.fingerprint,
        refs=list(dict.fromkeys(message.evidence.references)),
        bulk=message.evidence.bulk,
        direction=message.direction,
        kind=message.kind,
        channel=item.account.channel,
        conversation_id=conversation["_id"] if conversation else "",
        ticket_id=ticket["_id"] if ticket else "",
        contact_id=contact_id,
        sender=SenderDoc(key=message.sender.key, name=message.sender.name, user_id=None),
        to=[p for p in people if p["role"] == "to"],
        cc=[p for p in people if p["role"] == "cc"],
        bcc=[],
        subject=message.subject,
        text=message.text,
        html=message.html,
        visible_text=message.visible_text,
        quoted_text=message.quoted_text,
        visible_html=message.visible_html,
        attachments=[*attachments, *media.places(item.account.id, message)],
        automatic=False,
        silent=message.silent,
        silent_reason=message.silent_reason,
        spam=list(message.spam),
        problems=list(message.problems),
        placement=PlacementDoc(rule=placement.rule, reason=placement.reason, data=placement.data),
        answering_id=None,
        delivery=None,
        wire=dict(message.wire),
        raw_event_id=item.raw_event_id,
        extra=_extra(message),
        sent_at=message.sent_at,
        at=now(),
    )


def _extra(message: InboundMessage) -> dict[str, Any]:
    extra = dict(message.extra)
    if message.reply_to:
        extra["reply_to"] = [{"key": handle.key, "name": handle.name} for handle in message.reply_to]
    if message.allowance:
        extra["allowance"] = {"seconds": message.allowance.seconds, "messages": message.allowance.messages}
    if message.reachable is not None:
        extra["reachable"] = message.reachable
    return extra


def _welcome(item: Item, conversation: ConversationDoc, placement: Placement, work: Workset) -> None:
    """Adds who is new to the conversation, unconfirmed where only proof of receipt let them in."""
    message = item.message
    if message.kind == "bounce":
        return
    known = {p["key"] for p in conversation["participants"]}
    newcomers = [p for p in participants_of(message) if p["key"] not in known]
    room = max(0, _MOST_PEOPLE - len(known))
    newcomers = [p for n, p in enumerate(newcomers) if n < room or p["key"] == message.sender.key]
    if not newcomers:
        return
    marked = [_marked(p, message, placement) for p in newcomers]
    work.change_conversation(conversation, {"participants": [*conversation["participants"], *marked]})
    _tell_unconfirmed(marked, conversation, work)


def _doubt(conversation: ConversationDoc, placement: Placement, work: Workset) -> None:
    """Who answered a mail before it came itself, and is not named in it, is marked like any newcomer."""
    people = conversation["participants"]
    doubted = [p for p in people if p["key"] in placement.unproven and p["confirmed"]]
    if not doubted:
        return
    marked: list[ParticipantDoc] = [{**p, "confirmed": False} if p in doubted else p for p in people]
    work.change_conversation(conversation, {"participants": marked})
    _tell_unconfirmed([p for p in marked if p["key"] in placement.unproven], conversation, work)


def _tell_unconfirmed(people: Sequence[ParticipantDoc], conversation: ConversationDoc, work: Workset) -> None:
    for participant in people:
        if not participant["confirmed"]:
            data = {"key": participant["key"], "name": participant["name"]}
            work.events.append(event("participant.joined", conversation["ticket_id"], data=data))


def _marked(participant: ParticipantDoc, message: InboundMessage, placement: Placement) -> ParticipantDoc:
    unproven = placement.newcomer and participant["key"] == message.sender.key
    return {**participant, "confirmed": not unproven}


def tell_ticket(item: Item, stored: MessageDoc, ticket: TicketDoc, work: Workset) -> None:
    message = item.message
    actor = customer_of(stored)
    changes: dict[str, Any] = {
        "message_count": ticket["message_count"] + 1,
        "channels": _with(ticket["channels"], stored["channel"]),
        "account_ids": _with(ticket["account_ids"], stored["account_id"]),
    }
    if not ticket["subject"] and not message.silent:  # it began with a picture or a voice note
        changes["subject"] = subject_of(message.subject, message.visible_text)
    newest = ticket["last_message"] is None or stored["at"] >= ticket["last_message"]["at"]
    fresh = not message.silent or ticket["last_message"] is None
    if newest and fresh:
        changes |= {"last_message": last_message(stored), "last_message_at": stored["at"]}
    if ticket["message_count"] and (item.silent_import or message.direction == "outbound"):
        work.stale_tickets.add(ticket["_id"])
    if message.direction == "inbound" and not message.silent:
        changes |= _called(stored, ticket) | ({} if item.silent_import else {"snoozed_until": None})
        if not item.silent_import:
            changes |= reopen(ticket, actor, work)
        work.change_conversation(work.conversations[stored["conversation_id"]], {"last_inbound_id": stored["_id"]})
    work.change_ticket(ticket, changes)
    work.events.append(
        event("message.received", ticket["_id"], actor=actor, message_id=stored["_id"], data=_told(stored, item))
    )


def customer_of(message: MessageDoc) -> ActorDoc:
    name = message["sender"]["name"] or message["sender"]["key"].rpartition(":")[2]
    return ActorDoc(kind="contact", id=message["contact_id"], name=name)


def reopen(ticket: TicketDoc, actor: ActorDoc, work: Workset) -> dict[str, Any]:
    """What changes where the customer speaks in a ticket that somebody has put aside or ended."""
    if ticket["status"] in ("new", "open"):
        return {}
    data = {"from": ticket["status"], "to": "open"}
    kind = "ticket.status" if ticket["status"] in OPEN_STATUSES else "ticket.reopened"
    work.events.append(event(kind, ticket["_id"], actor=actor, data=data))
    return {"status": "open", "resolved_at": None}


def _called(stored: MessageDoc, ticket: TicketDoc) -> dict[str, Any]:
    """The customer wants something: start the wait."""
    return {"last_inbound_id": stored["_id"], "waiting_since": ticket["waiting_since"] or stored["at"]}


def _told(stored: MessageDoc, item: Item) -> Mapping[str, Any]:
    silent = stored["silent"] or item.silent_import
    told = {"channel": stored["channel"], "silent": silent, "preview": preview(stored["visible_text"])}
    return told | call_told(stored["extra"])


_TOLD_OF_CALLS = (
    "id", "state", "outcome", "direction", "customer", "customer_name", "agents", "ringing", "answered_by",
    "line", "queue", "position", "started_at", "answered_at", "ended_at",
)  # fmt: skip


def call_told(extra: Mapping[str, Any]) -> dict[str, Any]:
    """What whoever watches must know of a call at once, without asking for it."""
    call = extra.get("call")
    if not isinstance(call, Mapping):
        return {}
    told = {name: call.get(name) for name in _TOLD_OF_CALLS}
    return {"call": told | {"sequence": extra.get("sequence", 0)}}


def _with(values: list[str], value: str) -> list[str]:
    return values if value in values else [*values, value]

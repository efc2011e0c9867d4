from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omnihub.model.documents import (
    ActorDoc,
    AttachmentRef,
    DeliveryDoc,
    MessageDoc,
    ParticipantDoc,
    PlacementDoc,
    SenderDoc,
    TicketDoc,
)
from omnihub.model.ids import new_id
from omnihub.model.outgoing import TemplateUse
from omnihub.outbound.addressees import participants
from omnihub.outbound.composing import references
from omnihub.outbound.content import Content
from omnihub.outbound.routing import Route
from omnihub.store.database import now


@dataclass(slots=True, frozen=True, kw_only=True)
class Draft:
    """What is said, beside the route that it takes. `undo_seconds`: how long it can be taken back.
    `message_id`: fixed beforehand where the same deed may be tried twice. `reply_id` is common to the parts
    of one answer. `counts`: it uses up the reply window."""

    content: Content
    sender: SenderDoc
    subject: str
    rule: str
    files: Sequence[AttachmentRef] = ()
    cc: Sequence[ParticipantDoc] = ()
    bcc: Sequence[ParticipantDoc] = ()
    automatic: bool = False
    undo_seconds: float = 0
    message_id: str = ""
    template: TemplateUse | None = None
    counts: bool = True
    reply_id: str = ""


def sender_of(actor: ActorDoc) -> SenderDoc:
    return SenderDoc(key="", name=actor["name"], user_id=actor["id"] if actor["kind"] == "user" else None)


def undo_seconds(route: Route) -> int:
    chosen = route.account.policy.undo_seconds
    return route.manifest.undo_seconds if chosen is None else chosen


def message(ticket: TicketDoc, route: Route, draft: Draft) -> MessageDoc:
    """Queued, but without the ids that the connector fixes."""
    queued_at = now()
    at = queued_at
    if route.thread:  # a timeline never shows an answer before what it answers, whatever the clocks say
        at = max(at, route.thread[-1]["at"] + timedelta(milliseconds=1))
    conversation = route.conversation
    answered = route.answered
    return MessageDoc(
        _id=draft.message_id or new_id(),
        account_id=route.account.id,
        external_id="",
        aliases=[],
        fingerprint="",
        refs=references(route.thread, answered, conversation["_id"]),
        bulk=False,
        direction="outbound",
        kind="message",
        channel=route.account.channel,
        conversation_id=conversation["_id"],
        ticket_id=ticket["_id"],
        contact_id=conversation["contact_id"],
        sender=draft.sender,
        to=participants(route.to, "to"),
        cc=list(draft.cc),
        bcc=list(draft.bcc),
        subject=draft.subject if route.manifest.capabilities.subject else "",
        text=draft.content.text,
        html=draft.content.html,
        visible_text=draft.content.text,
        quoted_text="",
        visible_html=draft.content.html,
        attachments=list(draft.files),
        automatic=draft.automatic,
        silent=False,
        silent_reason="",
        spam=[],
        problems=[],
        placement=PlacementDoc(rule=draft.rule, reason=_reason(draft, route), data={}),
        answering_id=answered["_id"] if answered else None,
        delivery=DeliveryDoc(
            state="queued",
            due=queued_at + timedelta(seconds=draft.undo_seconds),
            attempts=0,
            words="",
            refused={},
            lease_until=None,
            sent_at=None,
            updated_at=queued_at,
        ),
        wire={},
        raw_event_id=None,
        extra=_extra(ticket, draft, queued_at),
        sent_at=None,
        at=at,
    )


def _extra(ticket: TicketDoc, draft: Draft, queued_at: datetime) -> dict[str, Any]:
    extra: dict[str, Any] = {"queued_at": queued_at}
    if not draft.automatic:
        extra["waiting_since"] = ticket["waiting_since"]
    if draft.template:
        used = {"id": draft.template.id, "values": dict(draft.template.values)}
        extra["template"] = {**used, "counts": draft.counts}
    if draft.reply_id:
        extra["reply_id"] = draft.reply_id
    return extra


def _reason(draft: Draft, route: Route) -> str:
    if draft.automatic:
        return "sent by the hub itself"
    if route.source["_id"] != route.conversation["_id"]:
        return f"written in this ticket; sent through {route.account.name}, which carries this channel's answers"
    return "written in this ticket"

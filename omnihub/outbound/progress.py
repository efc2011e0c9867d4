"""Tells a customer how their tickets stand, where they asked."""

from collections.abc import Sequence

import structlog

from omnihub.model.documents import OPEN_STATUSES, MessageDoc, TicketDoc
from omnihub.model.errors import NotFound, TryLater
from omnihub.outbound import ticket_changes
from omnihub.outbound.submit import Submit
from omnihub.store.database import Session
from omnihub.store.errands import Errand
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

_MOST = 5
_STATUS = {
    "zh": {
        "new": "已收到，等待处理",
        "open": "处理中",
        "pending": "等待您的回复",
        "resolved": "已解决",
        "closed": "已关闭",
    },
    "en": {
        "new": "received, waiting its turn",
        "open": "in progress",
        "pending": "waiting for your answer",
        "resolved": "resolved",
        "closed": "closed",
    },
}
_HEAD = {"zh": "您的服务进度：", "en": "How your requests stand:"}
_MORE = {"zh": "……另有 {count} 项", "en": "… and {count} more"}
_TAIL = {"zh": "如需补充，请直接回复。", "en": "Just write here if you want to add anything."}
_COLON = {"zh": "：", "en": ": "}
_ANSWERED = {"zh": "，已回复，请查看", "en": ", we have answered"}


def told(tickets: Sequence[TicketDoc], language: str, contact_id: str) -> str:
    """Newest first; at most a few, so that it stays one message in every channel. Only this contact's own are
    called by their subject: another person's may be told by number alone."""
    lines = [_HEAD[language], *(_line(one, language, contact_id) for one in tickets[:_MOST])]
    if len(tickets) > _MOST:
        lines.append(_MORE[language].format(count=len(tickets) - _MOST))
    return "\n".join([*lines, _TAIL[language]])


def _line(ticket: TicketDoc, language: str, contact_id: str) -> str:
    status = _STATUS[language][ticket["status"]]
    answered = ticket["status"] == "open" and ticket["waiting_since"] is None
    subject = f" {ticket['subject'][:40]}" if ticket["contact_id"] == contact_id else ""
    return f"#{ticket['number']}{subject}{_COLON[language]}{status}{_ANSWERED[language] if answered else ''}"


class ProgressErrands:
    """Answers the very message that asked, where it was asked. What cannot be told is for an agent: until then
    the question has called nobody."""

    def __init__(self, store: Store, submit: Submit) -> None:
        self._store = store
        self._submit = submit

    async def do(self, errand: Errand) -> None:
        data = errand["data"]
        asked = await self._store.messages.get(data["asked_id"])
        asked_in = await self._store.tickets.final(asked["ticket_id"])
        contact_id = await self._who_alone(asked) if data["alone"] else ""
        tickets = await self._open_tickets(contact_id) or [asked_in]
        try:
            sent = await self._submit.automatic(
                ticket_id=asked_in["_id"],
                account_id=asked["account_id"],
                contact_id=asked["contact_id"],
                to_key=asked["sender"]["key"],
                subject=asked["subject"],
                text=told(tickets, data["language"], contact_id),
                message_id=data["message_id"],
                answering_id=asked["_id"],
            )
        except NotFound as error:
            raise TryLater(f"the question was moved meanwhile: {error}") from error
        if sent is None:
            await self.give_up(errand, "nothing may be sent by itself")

    async def give_up(self, errand: Errand, words: str) -> None:
        log.warning("progress.not_told", errand=errand["_id"], words=words)
        await self._store.transaction(lambda session: self._call(errand["data"]["asked_id"], session))

    async def _who_alone(self, asked: MessageDoc) -> str:
        """The contact's id where nobody else takes part in the exchange."""
        key = asked["sender"]["key"]
        conversation = await self._store.conversations.get(asked["conversation_id"])
        if any(one["key"] != key for one in conversation["participants"]):
            return ""
        found = await self._store.contacts.identities([key])
        return found[key]["contact_id"] if key in found else ""

    async def _open_tickets(self, contact_id: str) -> list[TicketDoc]:
        if not contact_id:
            return []
        found = (await self._store.tickets.of_contacts([contact_id])).get(contact_id, [])
        still_open = [one for one in found if one["status"] in OPEN_STATUSES]
        return sorted(still_open, key=lambda one: one["number"], reverse=True)

    async def _call(self, asked_id: str, session: Session) -> None:
        asked = await self._store.messages.get(asked_id, session)
        if not asked["silent"]:
            return
        loud = {"silent": False, "silent_reason": ""}
        await self._store.messages.set_fields(asked_id, loud, session)
        if await self._has_gone_on(asked, session):
            return
        ticket = await self._store.tickets.final(asked["ticket_id"], session)
        changes, events = ticket_changes.after_unanswered(ticket, asked)
        await self._store.tickets.change(ticket["_id"], changes, session)
        heard = {asked["conversation_id"]: {"last_inbound_id": asked_id}}
        await self._store.conversations.save((), heard, session)
        await self._store.events.add(events, session)

    async def _has_gone_on(self, asked: MessageDoc, session: Session) -> bool:
        """Whether the customer has called somebody since, or somebody has answered."""
        said = await self._store.messages.inbound_since(asked["ticket_id"], asked["_id"], session)
        if any(not one["silent"] for one in said):
            return True
        return bool(await self._store.messages.answers_since(asked["ticket_id"], asked["at"], session))

"""Tells a customer how their tickets stand, where they asked."""

from collections.abc import Sequence

import structlog

from omnihub.model.documents import OPEN_STATUSES, TicketDoc
from omnihub.outbound.submit import Submit
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
_ANSWERED = {"zh": "，已回复，请查看", "en": ", we have answered"}


def told(tickets: Sequence[TicketDoc], language: str) -> str:
    """Newest first; at most a few, so that it stays one message in every channel."""
    lines = [_HEAD[language], *(_line(ticket, language) for ticket in tickets[:_MOST])]
    if len(tickets) > _MOST:
        lines.append(_MORE[language].format(count=len(tickets) - _MOST))
    return "\n".join([*lines, _TAIL[language]])


def _line(ticket: TicketDoc, language: str) -> str:
    status = _STATUS[language][ticket["status"]]
    answered = ticket["status"] == "open" and ticket["waiting_since"] is None
    subject = ticket["subject"][:40]
    return f"#{ticket['number']} {subject}: {status}{_ANSWERED[language] if answered else ''}"


class ProgressErrands:
    def __init__(self, store: Store, submit: Submit) -> None:
        self._store = store
        self._submit = submit

    async def do(self, errand: Errand) -> None:
        data = errand["data"]
        asked_in = await self._store.tickets.final(data["ticket_id"])
        contact = await self._store.contacts.final(data["contact_id"])
        tickets = await self._open_tickets(contact["_id"]) or [asked_in]
        await self._submit.automatic(
            ticket_id=asked_in["_id"],
            account_id=data["account_id"],
            contact_id=contact["_id"],
            to_key=data["to_key"],
            subject=tickets[0]["subject"],
            text=told(tickets, data["language"]),
            message_id=data["message_id"],
        )

    async def _open_tickets(self, contact_id: str) -> list[TicketDoc]:
        found = (await self._store.tickets.of_contacts([contact_id])).get(contact_id, [])
        still_open = [one for one in found if one["status"] in OPEN_STATUSES]
        return sorted(still_open, key=lambda one: one["number"], reverse=True)

    async def give_up(self, errand: Errand, words: str) -> None:
        log.warning("progress.not_told", errand=errand["_id"], words=words)

"""What follows from how a call went, in the transaction that takes the news of it in."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from omnihub.inbox import going_on
from omnihub.inbox.apart import Apart
from omnihub.inbox.calling_back import CallingBack, is_public
from omnihub.inbox.judging import Judgement, judged
from omnihub.inbox.placing import customer_of, reopen, subject_of
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.workset import Workset
from omnihub.model import opening_hours
from omnihub.model.account import Account
from omnihub.model.documents import MessageDoc
from omnihub.store.database import Session
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.inbox")

OUT_OF_HOURS = "out_of_hours"


class Calls:
    def __init__(self, store: Store, rearranging: Rearranging, number: Callable[[], Awaitable[int]]) -> None:
        self._store = store
        self._apart = Apart(store, rearranging, number)
        self._calling_back = CallingBack(store)

    async def went_on(self, known: MessageDoc, account: Account, work: Workset, session: Session) -> None:
        """`known`: the call as it was before this news."""
        message = await self._store.messages.get(known["_id"], session)
        was = judged(known) if going_on.is_applied(known) else None
        call = judged(message)
        if call is not None and call != was and (call.lost or call.talked):
            if is_public(message["sender"]["key"]):
                await self._store.call_backs.take_turn(message["sender"]["key"], session)
            if call.lost:
                message = await self._lost(message, was, call, account, work, session)
            else:
                message = await self._talked(message, call, work, session)
        if message["ticket_id"]:
            await self._tell_ticket(known, message, work, session)

    async def _lost(
        self,
        message: MessageDoc,
        was: Judgement | None,
        call: Judgement,
        account: Account,
        work: Workset,
        session: Session,
    ) -> MessageDoc:
        if was is None or was.began != call.began or not was.lost:
            await self._mark_hours(message, not _is_open(account, call), session)
        if not (was and was.lost):
            message = await self._apart.settle(message, call, account, work, session)
        await self._calling_back.lost(message, call, account, work, session)
        return message

    async def _talked(self, message: MessageDoc, call: Judgement, work: Workset, session: Session) -> MessageDoc:
        await self._mark_hours(message, False, session)
        await self._calling_back.talked(message, call, work, session)
        return await self._apart.take_back(message, work, session)

    async def _mark_hours(self, message: MessageDoc, outside: bool, session: Session) -> None:
        if outside != bool(message["extra"].get(OUT_OF_HOURS)):
            message["extra"][OUT_OF_HOURS] = outside
            await self._store.messages.set_fields(message["_id"], {f"extra.{OUT_OF_HOURS}": outside}, session)

    async def _tell_ticket(self, known: MessageDoc, message: MessageDoc, work: Workset, session: Session) -> None:
        ticket = await self._store.tickets.get(message["ticket_id"], session)
        changes: dict[str, Any] = {}
        begun = subject_of(known["subject"], known["visible_text"])
        if ticket["subject"] == begun != subject_of(message["subject"], message["visible_text"]):
            changes["subject"] = subject_of(message["subject"], message["visible_text"])
        if known["silent"] and not message["silent"]:
            changes |= {"snoozed_until": None, **reopen(ticket, customer_of(message), work)}
            heard = {message["conversation_id"]: {"last_inbound_id": message["_id"]}}
            await self._store.conversations.save((), heard, session)
        if changes:
            await self._store.tickets.change(ticket["_id"], changes, session)


def _is_open(account: Account, call: Judgement) -> bool:
    policy = account.policy.calls
    try:
        return opening_hours.is_open(policy.opening_hours, policy.time_zone, call.began)
    except ValueError as error:
        log.warning("opening_hours.unreadable", account=account.name, error=str(error))
        return True

"""Where a call that nobody took belongs, by its account's policy. Decided at its end, when it stands in a ticket
already: each move is an operation in the trail that an agent can undo."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import structlog

from omnihub.inbox import going_on
from omnihub.inbox.judging import Judgement, judged
from omnihub.inbox.placing import new_ticket, subject_of
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.workset import Workset
from omnihub.model.account import Account
from omnihub.model.documents import (
    OPEN_STATUSES,
    ConversationDoc,
    MessageDoc,
    OperationDoc,
    PlacementDoc,
    TicketDoc,
    TicketLink,
)
from omnihub.model.errors import Conflict
from omnihub.model.ids import new_id
from omnihub.store.database import Session, now
from omnihub.store.events import SYSTEM, event
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.inbox")

_RULE = "missed_call"
_OWN = "nobody took this call: by the account's policy such a call has a ticket of its own"
_REPEATED = "nobody took this call either: it belongs to the earlier one of this number"
# Calls are told of a little later than they are, and by another clock.
_SLACK = timedelta(hours=1)

Kind = Literal["ticket_split", "conversation_move"]


@dataclass(slots=True, frozen=True, kw_only=True)
class Move:
    """`before`: what undoing needs to know. `told`: what the trail says of it."""

    kind: Kind
    reason: str
    source: TicketDoc
    target: TicketDoc
    before: dict[str, Any]


class Apart:
    """`number` gives the next ticket's number."""

    def __init__(self, store: Store, rearranging: Rearranging, number: Callable[[], Awaitable[int]]) -> None:
        self._store = store
        self._rearranging = rearranging
        self._number = number

    async def settle(
        self, message: MessageDoc, call: Judgement, account: Account, work: Workset, session: Session
    ) -> MessageDoc:
        """The message where it is then."""
        if account.policy.calls.missed != "separate":
            return message
        near = await self._near(message, call, account, session)
        if near is not None:
            move = await self._to(near, message, session) if near["_id"] != message["ticket_id"] else None
        elif await self._store.messages.begins(message, session):
            move = None
        else:
            move = await self._own(message, account, session)
        if move is not None:
            await self._tell(move, message, work, session)
        return await self._store.messages.get(message["_id"], session)

    async def take_back(self, message: MessageDoc, work: Workset, session: Session) -> MessageDoc:
        """It turns out that somebody took the call."""
        if message["placement"]["rule"] != _RULE:
            return message
        operation = await self._store.operations.get(message["placement"]["data"]["operation_id"], session)
        if operation["undone_at"] is None:
            try:
                await self._rearranging.undo_within(operation, SYSTEM, session)
            except Conflict as error:  # an agent has moved it since, and knows why
                log.info("call.left_apart", message_id=message["_id"], why=str(error))
        placement = {"placement": operation["before"]["placement"]}
        await self._store.messages.set_fields(message["_id"], placement, session)
        work.stale_tickets.update(operation["ticket_ids"])
        return await self._store.messages.get(message["_id"], session)

    async def _near(
        self, message: MessageDoc, call: Judgement, account: Account, session: Session
    ) -> TicketDoc | None:
        """The open ticket of the nearest call of this number that nobody took, an earlier one before a later."""
        within = timedelta(minutes=account.policy.calls.repeat_minutes)
        found: list[tuple[bool, timedelta, MessageDoc]] = []
        for other in await self._store.messages.calls_of(
            message["sender"]["key"], call.at - within - _SLACK, session
        ):
            same = other["account_id"] == account.id and other["_id"] != message["_id"]
            its = judged(other) if same and going_on.is_applied(other) else None
            if its and its.lost and within and abs(its.at - call.at) <= within:
                found.append((its.at > call.at, abs(its.at - call.at), other))
        for _, _, other in sorted(found, key=lambda one: one[:2]):
            ticket = await self._store.tickets.final(other["ticket_id"], session)
            if ticket["status"] in OPEN_STATUSES:
                return ticket
        return None

    async def _own(self, message: MessageDoc, account: Account, session: Session) -> Move:
        source = await self._store.tickets.get(message["ticket_id"], session)
        link = TicketLink(ticket_id=source["_id"], number=source["number"], kind="split_from", reason=_OWN)
        target = new_ticket(
            number=await self._number(),
            subject=subject_of(message["subject"], message["visible_text"]),
            team_id=account.policy.team_id or None,
            contact_id=source["contact_id"],
            contact_name=source["contact_name"],
            links=[link],
        )
        await self._store.tickets.save([target], {}, session)
        back = TicketLink(ticket_id=target["_id"], number=target["number"], kind="split_to", reason=_OWN)
        await self._store.tickets.change(source["_id"], {"links": [*source["links"], back]}, session)
        old, branch_id = await self._branch_off(message, session)
        await self._bring(branch_id, target["_id"], session)
        before = {
            "ticket_id": source["_id"],
            "new_ticket_id": target["_id"],
            "conversation_id": old["_id"],
            "pinned": old["pinned"],
            "open": old["open"],
            "new_conversation_id": branch_id,
        }
        return Move(kind="ticket_split", reason=_OWN, source=source, target=target, before=before)

    async def _to(self, target: TicketDoc, message: MessageDoc, session: Session) -> Move:
        source = await self._store.tickets.get(message["ticket_id"], session)
        _, branch_id = await self._branch_off(message, session)
        emptied = len(await self._store.conversations.of_ticket(source["_id"], session)) == 1
        notes = await self._store.messages.ids_of_notes(source["_id"], session) if emptied else []
        await self._bring(branch_id, target["_id"], session)
        if emptied:
            await self._store.messages.move({"_id": {"$in": notes}}, "", target["_id"], session)
            await self._store.tickets.change(source["_id"], {"merged_into": target["_id"]}, session)
        before = {
            "conversation_id": branch_id,
            "ticket_id": source["_id"],
            "into_id": target["_id"],
            "pinned": False,
            "emptied": emptied,
            "note_ids": notes,
        }
        return Move(kind="conversation_move", reason=_REPEATED, source=source, target=target, before=before)

    async def _branch_off(self, message: MessageDoc, session: Session) -> tuple[ConversationDoc, str]:
        """The conversation that it was in, and the one that holds nothing but this call. The exchange goes on in
        the latter: who is called back is answered there."""
        old = await self._store.conversations.get(message["conversation_id"], session)
        if await self._store.messages.count_of_conversation(old["_id"], session) == 1:
            return old, old["_id"]
        branch: ConversationDoc = {
            **old,
            "_id": new_id(),
            "pinned": False,
            "last_inbound_id": None,
            "created_at": now(),
        }
        await self._store.conversations.save([branch], {old["_id"]: {"open": False}}, session)
        await self._store.messages.move({"_id": message["_id"]}, branch["_id"], old["ticket_id"], session)
        return old, branch["_id"]

    async def _bring(self, conversation_id: str, ticket_id: str, session: Session) -> None:
        await self._store.conversations.save((), {conversation_id: {"ticket_id": ticket_id}}, session)
        await self._store.messages.move_conversations([conversation_id], ticket_id, session)

    async def _tell(self, move: Move, message: MessageDoc, work: Workset, session: Session) -> None:
        ticket_ids = [move.source["_id"], move.target["_id"]]
        operation = OperationDoc(
            _id=new_id(),
            kind=move.kind,
            ticket_ids=ticket_ids,
            contact_ids=[],
            actor=SYSTEM,
            reason=move.reason,
            before={**move.before, "placement": message["placement"]},
            undone_at=None,
            at=now(),
        )
        await self._store.operations.add(operation, session)
        numbers = {"from": move.source["number"], "to": move.target["number"]}
        data = {"reason": move.reason, "operation_id": operation["_id"], **numbers}
        kind = "ticket.split" if move.kind == "ticket_split" else "conversation.moved"
        work.events += [event(kind, one, message_id=message["_id"], data=data) for one in ticket_ids]
        known = {"operation_id": operation["_id"], "number": move.source["number"]}
        placement = PlacementDoc(rule=_RULE, reason=move.reason, data=known)
        await self._store.messages.set_fields(message["_id"], {"placement": placement}, session)
        work.stale_tickets.update(ticket_ids)

"""Who called in vain is to be called back, until somebody has talked with them."""

from datetime import timedelta
from typing import Any

from omnihub.inbox.judging import Judgement, Reason, judged
from omnihub.inbox.workset import Workset
from omnihub.model.account import Account
from omnihub.model.documents import CallBackDoc, EventDoc, MessageDoc
from omnihub.model.ids import new_id
from omnihub.store.call_backs import IDS_KEPT
from omnihub.store.database import Session
from omnihub.store.events import event
from omnihub.store.store import Store

# By how much the telephone exchange's clock may be ahead of ours.
_SLACK = timedelta(hours=1)


def is_public(key: str) -> bool:
    """Anonymous and internal callers have no number that could be called."""
    return key.startswith("phone:")


class CallingBack:
    """All of it by when the calls were, not by when they are told of: any order comes to the same."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def lost(
        self, message: MessageDoc, call: Judgement, account: Account, work: Workset, session: Session
    ) -> None:
        key = message["sender"]["key"]
        if not account.policy.calls.call_back_minutes or not is_public(key):
            return
        counted = await self._store.call_backs.of_message(message["_id"], session)
        if counted is not None:
            if counted["state"] == "open":
                await self._retell(counted, message, call, session)
        elif not await self._answered_since(message, call, session):
            found = await self._store.call_backs.open_of(key, session)
            known = next((one for one in found if one["account_id"] == account.id), None)
            if known is None:
                await self._add(message, call, account, work, session)
            else:
                await self._join(known, message, call, account, session)

    async def talked(self, message: MessageDoc, call: Judgement, work: Workset, session: Session) -> None:
        """Ends what came before it: for this account, and for every one where it was us who called."""
        key = message["sender"]["key"]
        if not is_public(key):
            return
        counted = await self._store.call_backs.of_message(message["_id"], session)
        for known in await self._store.call_backs.open_of(key, session):
            ours = call.outgoing or known["account_id"] == message["account_id"]
            if ours and known["last_at"] <= call.at:
                await self._finish(known, work, session)
            elif (ours and known["first_at"] <= call.at) or (counted and counted["_id"] == known["_id"]):
                await self._recount(known, call, work, session)

    async def _answered_since(self, message: MessageDoc, call: Judgement, session: Session) -> bool:
        others = await self._store.messages.calls_of(message["sender"]["key"], call.at - _SLACK, session)
        for other in others:
            its = judged(other)
            if its is None or not its.talked or its.at < call.at:
                continue
            if its.outgoing or other["account_id"] == message["account_id"]:
                return True
        return False

    async def _add(
        self, message: MessageDoc, call: Judgement, account: Account, work: Workset, session: Session
    ) -> None:
        reason = reason_of(message, call)
        due = call.at + timedelta(minutes=account.policy.calls.call_back_minutes)
        conversation = await self._store.conversations.get(message["conversation_id"], session)
        call_back = CallBackDoc(
            _id=new_id(),
            account_id=account.id,
            number=message["sender"]["key"],
            contact_id=conversation["contact_id"],
            ticket_id=message["ticket_id"],
            message_ids=[message["_id"]],
            calls=1,
            reason=reason,
            state="open",
            due=due,
            first_at=call.at,
            last_at=call.at,
            done_at=None,
            done_by=None,
            how="",
        )
        await self._store.call_backs.add(call_back, session)
        data = {"number": _shown(call_back), "reason": reason, "due": due}
        work.events.append(_told("call_back.added", call_back, data))

    async def _join(
        self, known: CallBackDoc, message: MessageDoc, call: Judgement, account: Account, session: Session
    ) -> None:
        """What was due stays due: who calls again is in no less of a hurry."""
        due = call.at + timedelta(minutes=account.policy.calls.call_back_minutes)
        fields: dict[str, Any] = {
            "calls": known["calls"] + 1,
            "first_at": min(known["first_at"], call.at),
            "due": min(known["due"], due),
        }
        ids = known["message_ids"]
        if call.at >= known["last_at"]:
            ids = [*ids, message["_id"]]
            fields |= _latest(message, call)
        else:
            ids = [*ids[:-1], message["_id"], ids[-1]]
        await self._store.call_backs.change(known["_id"], {**fields, "message_ids": ids[-IDS_KEPT:]}, session)

    async def _retell(self, known: CallBackDoc, message: MessageDoc, call: Judgement, session: Session) -> None:
        """More is known of a call that is counted already."""
        fields: dict[str, Any] = {}
        if known["message_ids"][-1] == message["_id"]:
            fields = _latest(message, call)
        if known["calls"] == 1:
            fields |= {"first_at": call.at, "due": known["due"] + (call.at - known["first_at"])}
        if fields:
            await self._store.call_backs.change(known["_id"], fields, session)

    async def _recount(self, known: CallBackDoc, talked: Judgement, work: Workset, session: Session) -> None:
        """Of its calls those are left that came after somebody talked. One of them may be the very call that was
        counted as one in vain before it was told who took it."""
        ids = set(known["message_ids"])
        since = max(known["first_at"], talked.at) - _SLACK
        left: list[tuple[Judgement, MessageDoc]] = []
        for other in await self._store.messages.calls_of(known["number"], since, session):
            its = judged(other)
            if other["_id"] in ids and its and its.lost and its.at > talked.at:
                left.append((its, other))
        if not left:
            await self._finish(known, work, session)
            return
        left.sort(key=lambda one: (one[0].at, one[1]["_id"]))
        (first, _), (last, latest) = left[0], left[-1]
        fields: dict[str, Any] = {
            "message_ids": [message["_id"] for _, message in left],
            "calls": len(left),
            "first_at": first.at,
            "due": known["due"] + (first.at - known["first_at"]),
        }
        await self._store.call_backs.change(known["_id"], fields | _latest(latest, last), session)

    async def _finish(self, known: CallBackDoc, work: Workset, session: Session) -> None:
        done = await self._store.call_backs.finish(known["_id"], None, "answered", session)
        if done is not None:
            work.events.append(_told("call_back.done", done, {"number": _shown(done), "how": "answered"}))


def reason_of(message: MessageDoc, call: Judgement) -> Reason:
    if message["extra"].get("out_of_hours"):
        return "out_of_hours"
    return call.reason or "missed"


def _latest(message: MessageDoc, call: Judgement) -> dict[str, Any]:
    return {"last_at": call.at, "reason": reason_of(message, call), "ticket_id": message["ticket_id"]}


def _shown(call_back: CallBackDoc) -> str:
    return call_back["number"].rpartition(":")[2]


def _told(kind: str, call_back: CallBackDoc, data: dict[str, Any]) -> EventDoc:
    return event(kind, call_back["ticket_id"], message_id=call_back["message_ids"][-1], data=data)

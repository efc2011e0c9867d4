"""Recordings of calls go when their account's time is over: the name at once, the bytes soon after."""

from datetime import timedelta

import structlog

from omnihub.model.documents import AttachmentRef
from omnihub.model.ids import id_from
from omnihub.store.database import Session, now
from omnihub.store.errands import Errand
from omnihub.store.events import event
from omnihub.store.presence import holder_name
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.inbox")

FORGET = "forget"
_LEASE = "recordings"
_LEASE_SECONDS = 300.0
_BATCH = 100
# By then whoever was storing the same bytes under another name has named them.
_SETTLING = timedelta(hours=1)


class Recordings:
    """Any process may try; one at a time does it. What was cut off anywhere goes on with the next turn."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._name = holder_name()

    async def retire(self) -> int:
        """Returns how many were deleted."""
        gone = 0
        try:
            for account_id, days in (await self._store.accounts.recording_days()).items():
                while await self._store.leases.take(_LEASE, self._name, _LEASE_SECONDS):
                    before = now() - timedelta(days=days)
                    old = await self._store.attachments.recorded_before(account_id, before, _BATCH)
                    for attachment_id in old:
                        gone += await self._delete(account_id, attachment_id, days)
                    if len(old) < _BATCH:
                        break
        finally:
            await self._store.leases.release(_LEASE, self._name)
        if gone:
            log.info("recordings.deleted", count=gone)
        return gone

    async def _delete(self, account_id: str, attachment_id: str, days: int) -> bool:
        call = await self._store.call_log.with_file(attachment_id)
        places = [one for one in call["attachments"] if one["id"] == attachment_id] if call else []

        async def work(session: Session) -> bool:
            digest = await self._store.attachments.remove(attachment_id, session)
            if digest is None:
                return False
            await self._store.errands.add([_errand(account_id, attachment_id, digest)], session)
            if call is not None:
                for place in places:
                    await self._tell(call["_id"], place, days, session)
            return True

        return await self._store.transaction(work)

    async def _tell(self, message_id: str, place: AttachmentRef, days: int, session: Session) -> None:
        problem = f"deleted after {days} days, as the account's policy says"
        lost: AttachmentRef = {**place, "state": "lost", "problem": problem}
        message = await self._store.messages.put_attachment(message_id, lost, session)
        if message is not None and message["ticket_id"]:
            data = {"attachment_id": place["id"], "filename": place["filename"], "days": days}
            told = event("recording.deleted", message["ticket_id"], message_id=message_id, data=data)
            await self._store.events.add([told], session)


class ForgetErrands:
    """Takes the bytes away, unless another file has the same."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def do(self, errand: Errand) -> None:
        await self._store.blobs.forget(errand["data"]["blob"], unused_since=now() - _SETTLING)

    async def give_up(self, errand: Errand, words: str) -> None:
        log.error("recording.not_forgotten", blob=errand["data"]["blob"], words=words)


def _errand(account_id: str, attachment_id: str, digest: str) -> Errand:
    return Errand(
        _id=id_from(FORGET, attachment_id, digest),
        kind=FORGET,
        data={"account_id": account_id, "blob": digest},
        due=now() + _SETTLING + timedelta(minutes=1),
        attempts=0,
    )

"""What a transaction left to be said afterwards, such as the confirmation of a form."""

import asyncio

import structlog
from pymongo.errors import PyMongoError

from omnihub.model.errors import NotFound
from omnihub.outbound.submit import Submit
from omnihub.store.errands import ERRANDS, Errand
from omnihub.store.leases import holder_name
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

_LEASE_SECONDS = 60.0
_IDLE_SECONDS = 2.0
_TRIES = 10


class ErrandRunner:
    """Any number may run: an errand is leased to one, and comes again if that one dies. The message's id
    was fixed when the errand was noted, so that a second try queues nothing twice."""

    def __init__(self, store: Store, submit: Submit) -> None:
        self._store = store
        self._submit = submit
        self._name = holder_name()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.run_due()
                if await self._store.bell.answer(ERRANDS, self._name, 100, _IDLE_SECONDS) is None:
                    await asyncio.sleep(_IDLE_SECONDS)
            except PyMongoError as error:
                log.warning("errands.database_away", error=str(error))
                await asyncio.sleep(_IDLE_SECONDS)

    async def run_due(self) -> int:
        """Returns how many were done."""
        done = 0
        while errand := await self._store.errands.take(_LEASE_SECONDS):
            if await self._try(errand):
                await self._store.errands.done(errand["_id"])
                done += 1
        return done

    async def _try(self, errand: Errand) -> bool:
        data = errand["data"]
        try:
            for to_key in data["to_keys"]:
                sent = await self._submit.automatic(
                    ticket_id=data["ticket_id"],
                    account_id=data["account_id"],
                    contact_id=data["contact_id"],
                    to_key=to_key,
                    subject=data["subject"],
                    text=data["text"],
                    message_id=data["message_id"],
                )
                if sent is not None:
                    break
        except PyMongoError:
            raise
        except NotFound as error:
            log.warning("errand.pointless", errand=errand["_id"], error=str(error))
        except Exception:
            log.exception("errand.failed", errand=errand["_id"], attempts=errand["attempts"])
            return errand["attempts"] >= _TRIES
        return True

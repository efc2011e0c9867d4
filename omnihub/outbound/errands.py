"""What a transaction left to be done afterwards: a confirmation, a file to fetch, a name to ask for."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

import structlog
from pymongo.errors import PyMongoError

from omnihub.model.errors import NotFound, TryLater
from omnihub.outbound.submit import Submit
from omnihub.store.errands import ERRANDS, Errand
from omnihub.store.presence import holder_name
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

_LEASE_SECONDS = 180.0
_LONGEST_SECONDS = 120.0
_IDLE_SECONDS = 2.0
_TRIES = 12
_AT_ONCE = 8
# Of one kind for one account.
PER_ACCOUNT = 4
_PAUSES = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)


class ErrandKind(Protocol):
    async def do(self, errand: Errand) -> None:
        """Harmless when repeated. Raises TryLater to be asked again; NotFound where it has become pointless."""

    async def give_up(self, errand: Errand, words: str) -> None:
        """It will not be tried again."""


class ErrandRunner:
    """Any number may run: an errand is leased to one, and comes again if that one dies. A few go on side by
    side, and only some of them for one account, so that a slow provider does not hold up the others."""

    def __init__(self, store: Store, kinds: Mapping[str, ErrandKind]) -> None:
        self._store = store
        self._kinds = kinds
        self._name = holder_name()
        self._running: Counter[tuple[str, str]] = Counter()  # by kind and account
        self._taking = asyncio.Lock()
        self._rung = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. Each hand goes on by itself: one that waits for a provider stops no other."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    async def _listen(self) -> None:
        """Wakes the idle at every ring, and now and then without one."""
        while True:
            if await self._store.bell.answer(ERRANDS, self._name, 100, _IDLE_SECONDS) is None:
                await asyncio.sleep(_IDLE_SECONDS)
            self._rung.set()
            self._rung.clear()

    async def _work(self) -> None:
        while True:
            try:
                await self._run_some()
                await self._rung.wait()
            except PyMongoError as error:
                log.warning("errands.database_away", error=str(error))
                await asyncio.sleep(_IDLE_SECONDS)

    async def run_due(self) -> int:
        """Returns how many were done."""
        return sum(await asyncio.gather(*(self._run_some() for _ in range(_AT_ONCE))))

    async def _run_some(self) -> int:
        done = 0
        while errand := await self._take():
            try:
                if await self._try(errand):
                    await self._store.errands.done(errand["_id"])
                    done += 1
            finally:
                self._running[_sort(errand)] -= 1
        return done

    async def _take(self) -> Errand | None:
        async with self._taking:
            full = [sort for sort, count in self._running.items() if count >= PER_ACCOUNT]
            errand = await self._store.errands.take(_LEASE_SECONDS, but=full)
            if errand is not None:
                self._running[_sort(errand)] += 1
            self._running = +self._running
            return errand

    async def _try(self, errand: Errand) -> bool:
        kind = self._kinds.get(errand["kind"])
        if kind is None:  # noted by a newer version beside us
            await self._store.errands.put_off(errand["_id"], _PAUSES[-1])
            return False
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                await kind.do(errand)
        except PyMongoError:
            raise
        except NotFound as error:
            log.warning("errand.pointless", errand=errand["_id"], error=str(error))
        except TryLater as error:
            return await self._again(errand, kind, str(error), error.after)
        except Exception as error:
            log.exception("errand.failed", errand=errand["_id"], attempts=errand["attempts"])
            return await self._again(errand, kind, f"{type(error).__name__}: {error}", None)
        return True

    async def _again(self, errand: Errand, kind: ErrandKind, words: str, after: float | None) -> bool:
        """True where it is over."""
        if errand["attempts"] >= _TRIES:
            await kind.give_up(errand, words)
            return True
        pause = _PAUSES[min(errand["attempts"], len(_PAUSES)) - 1]
        await self._store.errands.put_off(errand["_id"], max(pause, after or 0))
        return False


def _sort(errand: Errand) -> tuple[str, str]:
    return errand["kind"], str(errand["data"].get("account_id", ""))


class ConfirmationErrands:
    """Confirms what came by a form. The message's id was fixed when the errand was noted, so that a second
    try queues nothing twice."""

    def __init__(self, submit: Submit) -> None:
        self._submit = submit

    async def do(self, errand: Errand) -> None:
        data = errand["data"]
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
                return

    async def give_up(self, errand: Errand, words: str) -> None:
        log.warning("confirmation.not_sent", errand=errand["_id"], words=words)

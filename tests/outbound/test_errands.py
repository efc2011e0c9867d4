"""Errands are done side by side: whom a slow provider keeps waiting keeps nobody else waiting."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from omnihub.model.ids import new_id
from omnihub.outbound.errands import PER_ACCOUNT, ErrandKind, ErrandRunner
from omnihub.store.database import now
from omnihub.store.errands import ERRANDS, Errand
from omnihub.store.store import Store


class Stuck(ErrandKind):
    def __init__(self) -> None:
        self.begun = asyncio.Semaphore(0)

    async def do(self, errand: Errand) -> None:
        self.begun.release()
        await asyncio.Event().wait()

    async def give_up(self, errand: Errand, words: str) -> None: ...


class Quick(ErrandKind):
    def __init__(self) -> None:
        self.done = asyncio.Event()

    async def do(self, errand: Errand) -> None:
        self.done.set()

    async def give_up(self, errand: Errand, words: str) -> None: ...


async def note(store: Store, kind: str, accounts: Sequence[str]) -> None:
    noted = [
        Errand(_id=new_id(), kind=kind, data={"account_id": account}, due=now(), attempts=0)
        for account in accounts
    ]
    await store.transaction(lambda session: store.errands.add(noted, session))
    await store.bell.ring(ERRANDS, [one["_id"] for one in noted])


@asynccontextmanager
async def running(runner: ErrandRunner) -> AsyncIterator[None]:
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def begun(stuck: Stuck, count: int) -> None:
    async with asyncio.timeout(10):
        for _ in range(count):
            await stuck.begun.acquire()


async def test_what_is_noted_while_another_one_is_stuck_is_done_at_once(store: Store) -> None:
    stuck, quick = Stuck(), Quick()
    async with running(ErrandRunner(store, {"stuck": stuck, "quick": quick})):
        await note(store, "stuck", ["a"])
        await begun(stuck, 1)
        await note(store, "quick", ["b"])
        async with asyncio.timeout(10):
            await quick.done.wait()


async def test_one_accounts_many_keep_nobody_elses_waiting(store: Store) -> None:
    stuck, quick = Stuck(), Quick()
    async with running(ErrandRunner(store, {"stuck": stuck, "quick": quick})):
        await note(store, "stuck", ["a"] * 20)
        await begun(stuck, PER_ACCOUNT)
        await note(store, "quick", ["b"])
        async with asyncio.timeout(10):
            await quick.done.wait()

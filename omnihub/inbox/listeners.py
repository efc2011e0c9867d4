"""Keeps one listener per account that reaches out, somewhere among all processes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from omnihub.connectors.registry import Connectors, manifest
from omnihub.model.account import Account
from omnihub.model.raw import RawRequest
from omnihub.store.bell import door_bell
from omnihub.store.events import event
from omnihub.store.presence import holder_name
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.inbox")

_LEASE_SECONDS = 8.0
_LOOK_SECONDS = 2.0
_RUNG = 100
# Less than the connection's own patience, beyond which waiting would pass for an outage.
_RING_SECONDS = 4.0


class AccountDesk:
    """What one account's `listen` is given: the journal, its cursors, its health line."""

    def __init__(self, store: Store, account: Account) -> None:
        self._store = store
        self._account = account
        self._name = holder_name()

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        await self._store.journal.append_many(self._account.id, requests, silent=silent)

    async def rung(self, seconds: float) -> Sequence[RawRequest]:
        end = asyncio.get_running_loop().time() + seconds
        event_ids: list[str] | None = []
        while not event_ids and (left := end - asyncio.get_running_loop().time()) > 0:
            wait = min(left, _RING_SECONDS)
            event_ids = await self._store.bell.answer(door_bell(self._account.id), self._name, _RUNG, wait)
            if event_ids is None:  # no bell: the listener looks by itself
                await asyncio.sleep(wait)
        return [event.request for event in await self._store.journal.find(event_ids or ())]

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        return await self._store.messages.known(self._account.id, external_ids)

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None:
        return await self._store.accounts.load_cursor(self._account.id, name)

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None:
        await self._store.accounts.save_cursor(self._account.id, name, value)

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        changed = await self._store.accounts.note_health(self._account.id, ok=ok, detail=detail, counts=counts)
        if changed:
            data = {"account_id": self._account.id, "state": "ok" if ok else "error", "detail": detail}
            await self._store.events.add([event("account.health", "", data=data)])


class Listeners:
    """Each account's listener runs where its lease is held; a lease whose holder died is free within
    seconds. A changed account gets a new listener, a disabled one none."""

    def __init__(self, store: Store, connectors: Connectors) -> None:
        self._store = store
        self._connectors = connectors
        self._name = holder_name()
        self._running: dict[str, tuple[int, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Until cancelled; then every listener is stopped and its lease given back."""
        try:
            while True:
                try:
                    await self._look()
                except PyMongoError as error:
                    log.warning("listeners.database_away", error=str(error))
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await asyncio.gather(*(self._stop(account_id) for account_id in list(self._running)))

    async def _look(self) -> None:
        wanted = {a.id: a for a in await self._store.accounts.all() if a.enabled and _listens(a)}
        for account_id, (version, task) in list(self._running.items()):
            account = wanted.get(account_id)
            if account is None or account.version != version or _failed(task):
                await self._stop(account_id)
        for account in wanted.values():
            await self._keep(account)

    async def _keep(self, account: Account) -> None:
        held = await self._store.leases.take(_lease(account.id), self._name, _LEASE_SECONDS)
        if not held:
            if account.id in self._running:  # we were away too long and somebody else took over
                await self._stop(account.id)
            return
        if account.id not in self._running:
            task = asyncio.create_task(self._listen(account), name=f"listen {account.name}")
            self._running[account.id] = (account.version, task)

    async def _listen(self, account: Account) -> None:
        desk = AccountDesk(self._store, account)
        pause = 1.0
        while True:
            try:
                connector = await self._connectors.of(account)
                await connector.listen(desk)
                return
            except Exception as error:
                log.exception("listener.failed", account=account.name)
                await _report_failure(desk, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 60.0)

    async def _stop(self, account_id: str) -> None:
        _, task = self._running.pop(account_id)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        try:
            await self._store.leases.release(_lease(account_id), self._name)
        except PyMongoError as error:
            log.warning("lease.not_released", account_id=account_id, error=str(error))


def _failed(task: "asyncio.Task[None]") -> bool:
    """One that ended by itself has nothing to do until its account is changed."""
    return task.done() and (task.cancelled() or task.exception() is not None)


def _listens(account: Account) -> bool:
    return any(way in ("poll", "socket") for way in manifest(account.channel).arrives)


def _lease(account_id: str) -> str:
    return f"listen:{account_id}"


async def _report_failure(desk: AccountDesk, error: Exception) -> None:
    try:
        await desk.report(ok=False, detail=f"{type(error).__name__}: {error}")
    except PyMongoError as away:
        log.warning("health.not_kept", error=str(away))

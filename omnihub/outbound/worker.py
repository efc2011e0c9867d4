import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog
from pymongo.errors import ConnectionFailure

from omnihub.connectors.contract import Connector
from omnihub.model.account import Account
from omnihub.model.documents import MessageDoc
from omnihub.model.errors import Invalid, NotFound, OmnihubError
from omnihub.outbound.request import LiveConnectors
from omnihub.outbound.sending import Sending
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.outbox import OUTBOUND
from omnihub.store.presence import holder_name
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

DISABLED = "account is disabled"
_PAGE = 200
_RINGS = 500
_STOP_SECONDS = 5.0
_FAULT_SECONDS = 30.0
_SHORTEST_WAIT = 0.005


class OutboundWorker:
    """Sends what is due: in order within a conversation, side by side across conversations, and with so
    many at once per account that a stuck one never holds another. Any number may run beside each other."""

    def __init__(self, store: Store, connectors: LiveConnectors, settings: Settings) -> None:
        self._store = store
        self._connectors = connectors
        self._rules = settings.outbound
        self._sending = Sending(store, settings.outbound)
        self._name = holder_name()
        self._turns: dict[str, tuple[str, asyncio.Task[None]]] = {}  # by conversation: account and turn
        self._held: dict[str, float] = {}  # conversations whose head cannot go yet, until when
        self._resting: dict[str, float] = {}  # accounts at their provider's pace, until when
        self._swept_at = float("-inf")
        self._wake = asyncio.Event()
        self._stopping = False

    async def run(self) -> None:
        """Until cancelled; running sends then get a few seconds."""
        self._stopping = False
        ringing = asyncio.create_task(self._listen())
        try:
            while True:
                self._wake.clear()
                await self._sleep(await self._survive(self._pass))
        finally:
            ringing.cancel()
            await self._stop()
            await asyncio.gather(ringing, return_exceptions=True)

    async def _listen(self) -> None:
        """A ring names a conversation in which something changed. It only hastens what the sweep finds."""
        while True:
            try:
                rung = await self._store.bell.answer(OUTBOUND, self._name, _RINGS, self._rules.sweep_seconds)
            except Exception:
                log.exception("outbound.bell")
                rung = None
            if rung is None:
                await asyncio.sleep(self._rules.sweep_seconds)
                continue
            if rung:
                for conversation_id in rung:
                    self._held.pop(conversation_id, None)
                self._wake.set()

    async def _sleep(self, seconds: float) -> None:
        # Not wait_for: Python 3.11's loses a cancellation that comes as the wait ends, and we would never stop.
        try:
            async with asyncio.timeout(max(_SHORTEST_WAIT, seconds)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _survive(self, work: Callable[[], Awaitable[float]]) -> float:
        try:
            return await work()
        except ConnectionFailure as error:
            log.warning("outbound.database_away", error=str(error))
        except Exception:
            log.exception("outbound.pass_failed")
        return self._rules.sweep_seconds

    async def _pass(self) -> float:
        """Starts what can start. Returns the seconds until there is something to look at again."""
        if _clock() - self._swept_at >= self._rules.sweep_seconds:
            await self._sweep()
            self._swept_at = _clock()
        looked_at = now()
        while await self._start_turns():
            pass
        due = await self._store.outbox.next_due(after=looked_at)
        ends = [end - _clock() for end in (*self._held.values(), *self._resting.values())]
        soonest = [*ends, due] if due is not None else ends
        return min(self._rules.sweep_seconds, *soonest) if soonest else self._rules.sweep_seconds

    async def _start_turns(self) -> bool:
        """Whether there may be more than one page to start."""
        current = _clock()
        self._held = {one: end for one, end in self._held.items() if end > current}
        self._resting = {one: end for one, end in self._resting.items() if end > current}
        busy = await self._busy_accounts()
        pairs = await self._store.outbox.due(
            but_accounts=sorted(busy), but_conversations=[*self._turns, *self._held], limit=_PAGE
        )
        load = Counter(account_id for account_id, _ in self._turns.values())
        started = 0
        for account_id, conversation_id in pairs:
            if load[account_id] < self._rules.per_account and conversation_id not in self._turns:
                load[account_id] += 1
                started += 1
                self._start(account_id, conversation_id)
        return started > 0

    async def _busy_accounts(self) -> set[str]:
        load = Counter(account_id for account_id, _ in self._turns.values())
        full = {account_id for account_id, count in load.items() if count >= self._rules.per_account}
        disabled = {account.id for account in await self._store.accounts.all() if not account.enabled}
        return full | disabled | set(self._resting)

    def _start(self, account_id: str, conversation_id: str) -> None:
        task = asyncio.create_task(self._turn(account_id, conversation_id))
        self._turns[conversation_id] = (account_id, task)
        task.add_done_callback(lambda _: self._ended(conversation_id))

    def _ended(self, conversation_id: str) -> None:
        del self._turns[conversation_id]
        self._wake.set()

    async def _turn(self, account_id: str, conversation_id: str) -> None:
        lease = f"out:{conversation_id}"
        try:
            if not await self._take(lease):
                self._hold(conversation_id, self._rules.sweep_seconds)
                return
            try:
                while not self._stopping and await self._take(lease):
                    if not await self._next(conversation_id):
                        break
            finally:
                await self._store.leases.release(lease, self._name)
        except ConnectionFailure as error:
            log.warning("outbound.database_away", conversation_id=conversation_id, error=str(error))
            self._hold(conversation_id, self._rules.sweep_seconds)
        except Exception:
            log.exception("outbound.turn_failed", account_id=account_id, conversation_id=conversation_id)
            self._hold(conversation_id, _FAULT_SECONDS)

    async def _take(self, lease: str) -> bool:
        return await self._store.leases.take(lease, self._name, self._sending.lease_seconds)

    async def _next(self, conversation_id: str) -> bool:
        """Sends the conversation's first unsent message. False when the turn is over."""
        head = await self._store.outbox.head(conversation_id)
        if head is None or head["delivery"] is None:
            return False
        if head["delivery"]["state"] == "sending":
            self._hold(conversation_id, self._rules.sweep_seconds)
            return False
        wait = (head["delivery"]["due"] - now()).total_seconds()
        if wait > 0:
            self._hold(conversation_id, min(wait, _FAULT_SECONDS))
            return False
        connector = await self._connector(head)
        if connector is None or not await self._at_pace(head["account_id"], connector):
            return False
        await self._sending.send(head, connector)
        return True

    async def _connector(self, head: MessageDoc) -> Connector | None:
        """None where it cannot go out now: the message then says why."""
        try:
            account = await self._store.accounts.get(head["account_id"])
        except NotFound:
            await self._sending.give_up_on(head, "the account was removed")
            return None
        if not account.enabled:
            return None
        try:
            return await self._connectors.of(account)
        except Invalid as error:
            await self._sending.put_off(head, f"the account's settings are not complete: {error}")
            return None

    async def _at_pace(self, account_id: str, connector: Connector) -> bool:
        pace = connector.manifest.sends_per_second
        if pace <= 0:
            return True
        count, seconds = (int(pace), 1) if pace >= 1 else (1, math.ceil(1 / pace))
        wait = await self._store.limits.hit(f"send:{account_id}", count, seconds)
        if wait:
            self._resting[account_id] = _clock() + wait
        return not wait

    def _hold(self, conversation_id: str, seconds: float) -> None:
        self._held[conversation_id] = _clock() + seconds

    async def _sweep(self) -> None:
        for message in await self._store.outbox.abandoned(_PAGE):
            if message["_id"] not in self._sending.running:
                await self._sending.recover(message, harmless=await self._is_harmless(message))
        for account in await self._store.accounts.all():
            if not account.enabled:
                await self._say_disabled(account)

    async def _say_disabled(self, account: Account) -> None:
        for message_id in await self._store.outbox.waiting_without(account.id, DISABLED, _PAGE):
            await self._sending.say_why(message_id, DISABLED)

    async def _is_harmless(self, message: MessageDoc) -> bool:
        try:
            account = await self._store.accounts.get(message["account_id"])
            return (await self._connectors.of(account)).manifest.repeat_is_harmless
        except OmnihubError:  # an account that is gone or unusable cannot promise anything
            return False

    async def _stop(self) -> None:
        self._stopping = True
        turns = {task for _, task in self._turns.values()}
        if not turns:
            return
        _, late = await asyncio.wait(turns, timeout=_STOP_SECONDS)
        for _ in range(2):  # once for the sends, once more for those that cannot record their outcome
            for task in late:
                task.cancel()
            if late:
                _, late = await asyncio.wait(late, timeout=_STOP_SECONDS)


def _clock() -> float:
    return asyncio.get_running_loop().time()

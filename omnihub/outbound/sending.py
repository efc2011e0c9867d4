import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from pymongo.errors import DuplicateKeyError, PyMongoError

from omnihub.connectors.contract import Connector
from omnihub.model.documents import MessageDoc
from omnihub.model.errors import OmnihubError, Refused, TryLater, Uncertain
from omnihub.model.outgoing import Outgoing
from omnihub.outbound import outcome as outcomes
from omnihub.outbound.composing import Composer
from omnihub.outbound.deliveries import Deliveries
from omnihub.outbound.outcome import Attempt, Outcome
from omnihub.settings import Outbound
from omnihub.store.database import now
from omnihub.store.store import Store

log = structlog.get_logger("omnihub.outbound")

# Beyond the send's own limit: what recording its outcome may take before others take it for lost.
_RECORDING_SECONDS = 30.0
_RECORD_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)


class Sending:
    """One message's attempt: started in the database, handed to the channel, its outcome recorded."""

    def __init__(self, store: Store, rules: Outbound) -> None:
        self._store = store
        self._rules = rules
        self._composer = Composer(store)
        self._deliveries = Deliveries(store)
        self.running: set[str] = set()

    @property
    def lease_seconds(self) -> float:
        return max(self._rules.lease_seconds, self._rules.send_timeout_seconds + _RECORDING_SECONDS)

    async def send(self, head: MessageDoc, connector: Connector) -> MessageDoc | None:
        """The message after the attempt; None when somebody cancelled or started it before us."""
        try:
            outgoing = await self._composer.load(head)
        except OmnihubError as error:  # a file or the conversation is gone, and will not come back
            failed = Outcome(state="failed", words=f"it cannot be put together: {error}")
            return await self._deliveries.change(head["_id"], ("queued",), outcomes.fields(failed, now()))
        started = await self._start(head["_id"])
        if started is None:
            return None
        self.running.add(head["_id"])
        try:
            return await self._hand_over(started, outgoing, connector)
        finally:
            self.running.discard(head["_id"])

    async def _start(self, message_id: str) -> MessageDoc | None:
        """Cancelled in here, the message goes back into the queue: nothing of it was sent."""
        starting = asyncio.ensure_future(self._store.outbox.start(message_id, self.lease_seconds))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            if (started := await starting) is not None:
                back = {"delivery.state": "queued"}
                await self._deliveries.change(message_id, ("sending",), back, lease=_lease(started))
            raise

    async def give_up_on(self, message: MessageDoc, words: str) -> None:
        """What will never go out, before any attempt."""
        failed = outcomes.fields(Outcome(state="failed", words=words), now())
        await self._deliveries.change(message["_id"], ("queued",), failed)

    async def put_off(self, message: MessageDoc, words: str) -> MessageDoc | None:
        """As if an attempt had been told to come again later."""
        outcome = outcomes.later(words, _attempt(message, harmless=False), self._rules)
        fields = outcomes.fields(outcome, now())
        assert message["delivery"] is not None
        fields["delivery.attempts"] = message["delivery"]["attempts"] + 1
        return await self._deliveries.change(message["_id"], ("queued",), fields)

    async def say_why(self, message_id: str, words: str) -> None:
        await self._deliveries.change(message_id, ("queued",), {"delivery.words": words})

    async def recover(self, message: MessageDoc, *, harmless: bool) -> None:
        """Whoever sent this vanished before saying how it ended."""
        error = Uncertain("the sending process ended before it could say whether this was sent")
        outcome = outcomes.of_error(error, _attempt(message, harmless=harmless), self._rules)
        log.warning("delivery.abandoned", message_id=message["_id"], state=outcome.state)
        await self._deliveries.change(
            message["_id"], ("sending",), outcomes.fields(outcome, now()), lease=_lease(message)
        )

    async def _hand_over(self, message: MessageDoc, outgoing: Outgoing, connector: Connector) -> MessageDoc | None:
        attempt = _attempt(message, harmless=connector.manifest.repeat_is_harmless)
        try:
            outcome = outcomes.sent(await self._within_limit(connector, outgoing))
        except asyncio.CancelledError:
            error = Uncertain("the hub was stopped while this was being sent")
            await self._record(message, outcomes.of_error(error, attempt, self._rules))
            raise
        except (TryLater, Refused, Uncertain) as error:
            outcome = outcomes.of_error(error, attempt, self._rules)
            log.info("delivery.attempt", message_id=message["_id"], state=outcome.state, words=outcome.words)
        except Exception as error:
            outcome = outcomes.of_error(error, attempt, self._rules)
            log.exception("delivery.unexpected", message_id=message["_id"], state=outcome.state)
        return await self._record(message, outcome)

    async def _within_limit(self, connector: Connector, outgoing: Outgoing) -> Any:
        """Does not wait for a connector that ignores being cancelled. Raises Uncertain, and what it raises."""
        seconds = self._rules.send_timeout_seconds
        task = asyncio.ensure_future(connector.send(outgoing))
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            _drop(task)
            raise
        if not done:
            _drop(task)
            raise Uncertain(f"the provider did not answer within {seconds:g} seconds")
        return task.result()

    async def _record(self, message: MessageDoc, outcome: Outcome) -> MessageDoc | None:
        """Keeps trying while the database is away: nobody else knows how this ended."""
        fields = outcomes.fields(outcome, now())
        tries = 0
        while True:
            try:
                return await self._recorded(message, fields)
            except PyMongoError as error:
                pause = _RECORD_PAUSES[min(tries, len(_RECORD_PAUSES) - 1)]
                log.warning("delivery.not_recorded", message_id=message["_id"], again_in=pause, error=str(error))
            tries += 1
            await asyncio.sleep(pause)

    async def _recorded(self, message: MessageDoc, fields: Mapping[str, Any]) -> MessageDoc | None:
        # Uncertain as well: whoever took us for lost knew less than we do.
        states, lease = ("sending", "uncertain"), _lease(message)
        try:
            return await self._deliveries.change(message["_id"], states, fields, lease=lease)
        except DuplicateKeyError:
            # The provider showed us our own message before it told us its id.
            external_id = fields["external_id"]
            log.warning("delivery.id_taken", message_id=message["_id"], external_id=external_id)
            other = {key: value for key, value in fields.items() if key != "external_id"}
            other["aliases"] = [*fields.get("aliases", ()), external_id]
            return await self._deliveries.change(message["_id"], states, other, lease=lease)


def _attempt(message: MessageDoc, *, harmless: bool) -> Attempt:
    assert message["delivery"] is not None
    return Attempt(
        number=max(1, message["delivery"]["attempts"]),
        at=now(),
        queued_at=message["extra"].get("queued_at") or message["at"],
        repeat_is_harmless=harmless,
    )


def _lease(message: MessageDoc) -> datetime | None:
    return message["delivery"]["lease_until"] if message["delivery"] else None


def _drop(task: "asyncio.Future[Any]") -> None:
    task.cancel()
    task.add_done_callback(_look_away)


def _look_away(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.info("delivery.late_answer", error=str(error))

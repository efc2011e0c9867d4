import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from omnihub.model.errors import Refused, TryLater, Uncertain
from omnihub.model.outgoing import DeliveryState, SendResult
from omnihub.settings import Outbound

_SPREAD = 0.2
WORDS_LIMIT = 4_000


@dataclass(slots=True, frozen=True, kw_only=True)
class Outcome:
    """What an attempt came to. `due` is set where another attempt follows."""

    state: DeliveryState
    words: str = ""
    due: datetime | None = None
    result: SendResult | None = None


@dataclass(slots=True, frozen=True, kw_only=True)
class Attempt:
    """`queued_at`: since when this message tries to go out."""

    number: int
    at: datetime
    queued_at: datetime
    repeat_is_harmless: bool


def sent(result: SendResult) -> Outcome:
    return Outcome(state="sent", words=result.words[:WORDS_LIMIT], result=result)


def of_error(error: BaseException, attempt: Attempt, rules: Outbound) -> Outcome:
    """An error that says nothing about whether the message went out counts as uncertain."""
    words = _words(error)
    if isinstance(error, TryLater):
        return later(words, attempt, rules, after=error.after)
    if isinstance(error, Refused):
        return Outcome(state="failed", words=words)
    if attempt.repeat_is_harmless:
        return later(words, attempt, rules)
    return Outcome(state="uncertain", words=words)


def later(words: str, attempt: Attempt, rules: Outbound, *, after: float | None = None) -> Outcome:
    """Queued again after the provider's own pause or one of ours, or failed when that would be too late."""
    seconds = pause(attempt.number, rules.retry_seconds) if after is None else max(0.0, after)
    due = attempt.at + timedelta(seconds=seconds)
    if due > attempt.queued_at + timedelta(hours=rules.give_up_hours):
        return Outcome(state="failed", words=f"given up after {attempt.number} attempts; the last said: {words}")
    return Outcome(state="queued", words=words, due=due)


def pause(attempt: int, seconds: Sequence[float]) -> float:
    """Growing with the attempts, and spread, so that those who failed together do not return together."""
    if not seconds:
        return 0.0
    planned = seconds[min(max(attempt, 1), len(seconds)) - 1]
    return planned * random.uniform(1 - _SPREAD, 1 + _SPREAD)


def fields(outcome: Outcome, at: datetime) -> dict[str, Any]:
    """The message's fields that say so. `external_id` only where the provider gave one."""
    changes: dict[str, Any] = {"delivery.state": outcome.state, "delivery.words": outcome.words}
    if outcome.due is not None:
        changes["delivery.due"] = outcome.due
    if outcome.result is not None:
        changes |= {"delivery.sent_at": at, "sent_at": at, "delivery.refused": dict(outcome.result.refused)}
        changes |= {"aliases": list(outcome.result.aliases)} if outcome.result.aliases else {}
        changes |= {"external_id": outcome.result.external_id} if outcome.result.external_id else {}
    return changes


def _words(error: BaseException) -> str:
    if isinstance(error, TryLater | Refused | Uncertain):
        return str(error)[:WORDS_LIMIT]
    return f"the channel broke off in an unexpected way: {type(error).__name__}: {error}"[:WORDS_LIMIT]

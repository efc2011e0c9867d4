from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from omnihub.model.errors import Refused, TryLater, Uncertain, WindowClosed
from omnihub.model.outgoing import SendResult
from omnihub.outbound import outcome
from omnihub.outbound.outcome import Attempt
from omnihub.settings import Outbound
from omnihub.store.database import now

RULES = Outbound(retry_seconds=[5, 60, 900], give_up_hours=24)


def attempt(number: int = 1, hours: float = 0, harmless: bool = False) -> Attempt:
    at = now()
    return Attempt(number=number, at=at, queued_at=at - timedelta(hours=hours), repeat_is_harmless=harmless)


def seconds(made: Attempt, found: outcome.Outcome) -> float:
    assert found.due
    return (found.due - made.at).total_seconds()


@given(st.integers(1, 50))
def test_pauses_grow_and_are_spread(number: int) -> None:
    made = attempt(number)
    found = outcome.of_error(TryLater("busy"), made, RULES)
    planned = RULES.retry_seconds[min(number, 3) - 1]
    assert found.state == "queued"
    assert found.words == "busy"
    assert 0.8 * planned <= seconds(made, found) <= 1.2 * planned


def test_the_providers_own_pause_is_kept_to() -> None:
    for after in (0.0, 2.0, 7200.0):
        made = attempt(3)
        assert seconds(made, outcome.of_error(TryLater("busy", after=after), made, RULES)) == after


def test_an_end_comes_with_the_last_words() -> None:
    found = outcome.of_error(TryLater("451 greylisted"), attempt(9, hours=23.9), RULES)
    assert found.state == "failed"
    assert found.words == "given up after 9 attempts; the last said: 451 greylisted"
    assert outcome.of_error(TryLater("no", after=90_000), attempt(), RULES).state == "failed"


def test_refusals_are_final_and_keep_the_providers_words() -> None:
    for error in (Refused("550 no such user"), WindowClosed("48 h are over")):
        found = outcome.of_error(error, attempt(harmless=True), RULES)
        assert (found.state, found.words, found.due) == ("failed", str(error), None)


def test_the_unknown_is_repeated_only_where_that_is_harmless() -> None:
    for error in (Uncertain("no answer"), KeyError("bug"), TimeoutError()):
        assert outcome.of_error(error, attempt(), RULES).state == "uncertain"
        assert outcome.of_error(error, attempt(harmless=True), RULES).state == "queued"


def test_what_was_sent_keeps_names_and_refused_recipients() -> None:
    at = now()
    result = SendResult(external_id="x", aliases=("y",), refused={"a@b.example": "550 no"}, words="250 ok")
    assert outcome.fields(outcome.sent(result), at) == {
        "delivery.state": "sent",
        "delivery.words": "250 ok",
        "delivery.sent_at": at,
        "delivery.refused": {"a@b.example": "550 no"},
        "sent_at": at,
        "aliases": ["y"],
        "external_id": "x",
    }
    assert "external_id" not in outcome.fields(outcome.sent(SendResult()), at)

"""What a real Asterisk said, read again: these run everywhere."""

from dataclasses import dataclass

import pytest

from omnihub.connectors.asterisk.folding import Book, event_time
from omnihub.connectors.asterisk.reckoning import Rules
from omnihub.connectors.telephony.call import Call, Outcome, Transfer
from tests.pbx.captures import frames

ERIKA, LI_LEI = "+4930123456", "+8613900139000"


@dataclass(slots=True, frozen=True, kw_only=True)
class Told:
    outcome: Outcome = "answered"
    customer: str = ERIKA
    line: str = "701"
    queue: str = ""
    agents: tuple[str, ...] = ("101",)
    answered_by: str = "101"
    transfers: tuple[Transfer, ...] = ()
    recorded: bool = True
    states: tuple[str, ...] = ("ringing", "talking", "ended")


CALLS = {
    "a_queue_call_that_is_answered_and_recorded": Told(
        customer=LI_LEI, line="700", queue="support", agents=("101", "102"),
        states=("ringing", "queued", "ringing", "talking", "ended"),
    ),
    "a_queue_whose_members_are_extensions": Told(
        line="706", queue="branch", recorded=False,
        states=("ringing", "queued", "ringing", "queued", "ringing", "talking", "ended"),
    ),
    "a_message_on_the_answering_machine": Told(
        outcome="voicemail", line="705", answered_by="", recorded=False, states=("ringing", "ended")
    ),
    "hold": Told(states=("ringing", "talking", "held", "talking", "ended")),
    "a_blind_transfer": Told(
        agents=("101", "102"), transfers=(Transfer(origin="101", to="102"),),
        states=("ringing", "talking", "ringing", "talking", "ended"),
    ),
    "a_blind_transfer_of_a_queue_call": Told(
        line="700", queue="support", agents=("101", "102", "103"), transfers=(Transfer(origin="101", to="103"),),
        states=("ringing", "queued", "ringing", "talking", "ringing", "talking", "ended"),
    ),
    "an_attended_transfer": Told(
        agents=("101", "102"), transfers=(Transfer(origin="101", to="102", kind="attended"),),
        states=("ringing", "talking", "held", "talking", "ended"),
    ),
    "the_exchanges_own_attended_transfer": Told(
        agents=("101", "103"), transfers=(Transfer(origin="101", to="103", kind="attended"),),
        states=("ringing", "talking", "held", "talking", "ended"),
    ),
    "parking": Told(
        agents=("101", "102"), transfers=(Transfer(origin="101", to="800"),),
        states=("ringing", "talking", "parked", "talking", "ended"),
    ),
}  # fmt: skip


@dataclass(slots=True)
class Read:
    last: Call
    states: tuple[str, ...]


def read(name: str) -> Read:
    """All calls with a customer that a capture tells of: one each."""
    book, at, seen = Book(Rules(recording_root="/srv/tests/spool/monitor")), 0.0, list[str]()
    last = dict[str, Call]()
    for frame in frames(name):
        at = event_time(frame, float(frame.get("Timestamp") or at))
        book.tell(frame, at)
        last = {call.id: call for call in book.calls()}
        seen += [call.state for call in last.values() if not seen or call.state != seen[-1]]
    [call] = last.values()
    return Read(call, tuple(seen))


@pytest.mark.parametrize("name", CALLS)
def test_it_is_read_as_one_call(name: str) -> None:
    told = read(name)
    call = told.last
    assert call.direction == "in"
    seen = Told(
        outcome=call.outcome, customer=call.customer, line=call.line, queue=call.queue, agents=call.agents,
        answered_by=call.answered_by, transfers=call.transfers, recorded=call.recording == f"{call.id}.wav",
        states=told.states,
    )  # fmt: skip
    assert seen == CALLS[name]


def test_a_queue_that_lets_its_caller_go() -> None:
    assert read("a_queue_that_lets_its_caller_go").last.outcome == "no_answer"


def test_a_customer_who_declines() -> None:
    assert read("a_customer_who_does_not_answer_declines_rejected").last.outcome == "rejected"

"""Events of all legs become calls: the captured ones exactly, and the same ones however they arrive."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnihub.connectors.asterisk.folding import Book
from omnihub.connectors.asterisk.frames import Decoder, Frame, frame_of
from omnihub.connectors.asterisk.reckoning import Rules
from omnihub.connectors.telephony.call import Call, to_json
from tests.connectors.asterisk_captures import FIXTURES, RAW, Heard, four_calls


def moment(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-22T{text}").replace(tzinfo=UTC)


CUSTOMER = "+8613800138000"
# Read from the capture by hand: who, when (Cdr's seconds), how long (AgentComplete, BillableSeconds), what end.
QUEUED = Call(
    id="1795347609.0", direction="in", state="ended", outcome="answered", customer=CUSTOMER,
    customer_name="Zhang San", line="700", queue="support", agents=("101",), answered_by="101",
    started_at=moment("11:40:09"), answered_at=moment("11:40:10.070"), ended_at=moment("11:40:13.310"),
    waited_seconds=0, talked_seconds=3, cause="Normal Clearing", recording="1795347609.0.wav",
)  # fmt: skip
DIRECT = Call(
    id="1795347615.3", direction="in", state="ended", outcome="answered", customer=CUSTOMER,
    customer_name="Zhang San", line="701", agents=("101",), answered_by="101", started_at=moment("11:40:15"),
    answered_at=moment("11:40:15.170"), ended_at=moment("11:40:17.510"), waited_seconds=0, talked_seconds=2,
    cause="Normal Clearing",
)  # fmt: skip
BUSY = Call(
    id="1795347619.6", direction="in", state="ended", outcome="busy", customer=CUSTOMER,
    customer_name="Zhang San", line="703", started_at=moment("11:40:19"), ended_at=moment("11:40:19.055"),
    cause="User busy",
)  # fmt: skip
CLICKED = Call(
    id="hub-conv-c1-1", direction="out", state="ended", outcome="answered", customer="8613800138000", line="4000",
    agents=("101",), answered_by="101", started_at=moment("11:40:20"), answered_at=moment("11:40:20.245"),
    ended_at=moment("11:40:26.615"), waited_seconds=0, talked_seconds=6, cause="Normal Clearing",
)  # fmt: skip
FOUR = [QUEUED, DIRECT, BUSY, CLICKED]


def fold(heard: Iterable[Heard], book: Book | None = None) -> Book:
    book = book or Book(Rules())
    for frame, at in heard:
        book.tell(frame, at)
    return book


def calls_of(book: Book) -> Sequence[Call]:
    """Times to the millisecond, which is what the exchange tells."""
    return sorted((rounded(call) for call in book.calls()), key=lambda call: str(call.started_at))


def rounded(call: Call) -> Call:
    return replace(
        call,
        started_at=_rounded(call.started_at),
        answered_at=_rounded(call.answered_at),
        ended_at=_rounded(call.ended_at),
    )


def _rounded(at: datetime | None) -> datetime | None:
    return datetime.fromtimestamp(round(at.timestamp(), 3), UTC) if at else None


# — the captures —


def test_the_captured_calls_are_rebuilt_exactly() -> None:
    assert calls_of(fold(four_calls())) == FOUR


def test_the_times_are_those_of_the_exchanges_own_records() -> None:
    """Cdr tells the same seconds, in the exchange's own time, which was UTC."""
    told = {call.id: call for call in calls_of(fold(four_calls()))}
    records = [frame for frame, _ in four_calls() if frame.event == "cdr"]
    assert len(records) == 4
    for record in records:
        call = told[record.get("UniqueID")]
        assert call.started_at is not None
        assert call.ended_at is not None
        assert f"{call.started_at:%Y-%m-%d %H:%M:%S}" == record.get("StartTime")
        assert f"{call.ended_at:%Y-%m-%d %H:%M:%S}" == record.get("EndTime")


def streamed() -> Sequence[Heard]:
    frames = Decoder().feed(RAW)
    begun = moment("11:52:52").timestamp()
    left = next(n for n, frame in enumerate(frames) if frame.event == "hanguprequest")
    times = [begun + n * 0.01 + (2 if n >= left else 0) for n in range(len(frames))]
    return [(_stamped(frame, at), at) for frame, at in zip(frames, times, strict=True)]


def _stamped(frame: Frame, at: float) -> Frame:
    pairs = [(name, value) for name, values in frame.headers.items() for value in values]
    return frame_of([*pairs, ("Timestamp", str(at))])


STREAMED = Call(
    id="1795348372.36", direction="in", state="ended", outcome="answered", customer=CUSTOMER,
    customer_name="张三丰", line="700", queue="support", agents=("101",), answered_by="101",
    started_at=moment("11:52:52.030"), answered_at=moment("11:52:52.180"), ended_at=moment("11:52:54.350"),
    waited_seconds=0, talked_seconds=2, cause="Normal Clearing", recording="1795348372.36.wav",
)  # fmt: skip


def test_the_call_of_the_byte_stream_is_rebuilt_exactly() -> None:
    assert calls_of(fold(streamed())) == [STREAMED]


def test_without_variables_the_recording_is_named_by_its_pattern() -> None:
    heard = [one for one in four_calls() if one[0].event not in ("varset", "newexten")]
    assert calls_of(fold(heard)) == FOUR
    book = fold(heard, Book(Rules(recording_name="call-{uniqueid}.mp3")))
    assert calls_of(book)[0].recording == "call-1795347609.0.mp3"


def test_the_states_of_a_queue_call_in_their_order() -> None:
    book = Book(Rules())
    states: list[str] = []
    for frame, at in four_calls():
        book.tell(frame, at)
        call = book.call("1795347609.0")
        if call and call.state not in states[-1:]:
            states.append(call.state)
    assert states == ["ringing", "queued", "ringing", "talking", "ended"]


# — the same calls, however they arrive —


CAPTURES = {"four calls": (four_calls(), FOUR), "byte stream": (streamed(), [STREAMED])}
captured = pytest.mark.parametrize(("heard", "calls"), CAPTURES.values(), ids=CAPTURES)


@captured
def test_events_told_twice_change_nothing(heard: Sequence[Heard], calls: Sequence[Call]) -> None:
    assert calls_of(fold(again for one in heard for again in (one, one))) == calls
    assert calls_of(fold([*heard, *heard])) == calls


@captured
@pytest.mark.parametrize("seed", range(20))
def test_events_reordered_within_a_second_give_the_same_calls(
    heard: Sequence[Heard], calls: Sequence[Call], seed: int
) -> None:
    dice = random.Random(seed)
    mixed = sorted(heard, key=lambda one: one[1] + dice.random())
    assert [frame for frame, _ in mixed] != [frame for frame, _ in heard]
    assert calls_of(fold(mixed)) == calls


@captured
@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_reordered_and_repeated_at_once(
    heard: Sequence[Heard], calls: Sequence[Call], dice: random.Random
) -> None:  # fmt: skip
    mixed = [again for one in heard for again in [one] * dice.randint(1, 2)]
    mixed.sort(key=lambda one: one[1] + dice.random())
    assert calls_of(fold(mixed)) == calls


# — a connection that breaks —


class Listed:
    """What the exchange would answer to CoreShowChannels and QueueStatus after these events."""

    def __init__(self, heard: Sequence[Heard], at: float) -> None:
        channels: dict[str, Frame] = {}
        self._bridge: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._queue: dict[str, tuple[Frame, float]] = {}
        for frame, told_at in heard:
            name = frame.get("Uniqueid")
            if frame.event in ("newchannel", "newstate", "newcallerid", "newconnectedline"):
                channels[name] = frame
                self._since.setdefault(name, told_at)
            elif frame.event == "hangup":
                channels.pop(name, None)
            elif frame.event in ("bridgeenter", "bridgeleave"):
                self._bridge[name] = frame.get("BridgeUniqueid") if frame.event == "bridgeenter" else ""
            elif frame.event == "queuecallerjoin":
                self._queue[name] = frame, told_at
            elif frame.event == "queuecallerleave":
                self._queue.pop(name, None)
        self._at = at
        self.rows = [self._row(frame) for frame in channels.values()]
        self.entries = [self._entry(*one) for name, one in self._queue.items() if name in channels]

    def _row(self, frame: Frame) -> Frame:
        name = frame.get("Uniqueid")
        kept = ("Channel", "ChannelState", "CallerIDNum", "CallerIDName", "Exten", "Uniqueid", "Linkedid")
        age = int(self._at - self._since[name])
        pairs = [(one, frame.get(one)) for one in kept]
        told = ("Duration", f"00:{age // 60:02}:{age % 60:02}"), ("BridgeId", self._bridge.get(name, ""))
        return frame_of([("Event", "CoreShowChannel"), *pairs, *told])

    def _entry(self, joined: Frame, since: float) -> Frame:
        pairs = [(one, joined.get(one)) for one in ("Queue", "Position", "Channel", "Uniqueid")]
        return frame_of([("Event", "QueueEntry"), *pairs, ("Wait", str(int(self._at - since)))])

    def tell(self, book: Book) -> None:
        before = book.live_legs()
        for row in self.rows:
            book.tell(row, self._at)
        book.close_stale(before, self.rows, self._at)
        for entry in self.entries:
            book.tell(entry, self._at)


@captured
def test_cut_at_every_event_and_resumed(heard: Sequence[Heard], calls: Sequence[Call]) -> None:
    for cut in range(len(heard)):
        book = fold(heard[:cut])
        Listed(heard[:cut], heard[cut][1]).tell(book)
        assert calls_of(fold(heard[cut:], book)) == calls, cut


@captured
def test_cut_at_every_event_and_resumed_by_another_process(heard: Sequence[Heard], calls: Sequence[Call]) -> None:
    for cut in range(len(heard)):
        book = Book(Rules())
        book.load(fold(heard[:cut]).saved())
        Listed(heard[:cut], heard[cut][1]).tell(book)
        assert calls_of(fold(heard[cut:], book)) == calls, cut


CUTS = range(len(four_calls()))


def essence(calls: Iterable[Call]) -> Mapping[str, Any]:
    return {c.id: (c.direction, c.state, c.outcome, c.customer, c.agents, c.answered_by) for c in calls}


def test_resumed_by_a_process_that_knows_nothing() -> None:
    """What the exchange itself tells then is enough for who, with whom and how it ended."""
    heard = four_calls()
    began = {call.id: _start(FOUR, call.id) for call in FOUR}
    for cut in CUTS:
        book = Book(Rules())
        listed = Listed(heard[:cut], heard[cut][1])
        listed.tell(book)
        calls = calls_of(fold(heard[cut:], book))
        found = essence(calls)
        begun = {row.get("Linkedid") for row in listed.rows}
        over = {one.id for one in FOUR if not any(frame.get("Linkedid") == one.id for frame, _ in heard[cut:])}
        half_over = {leg.get("Linkedid") for leg in listed.rows} & _losing_a_leg(heard[:cut])
        for call_id, told in essence(FOUR).items():
            if call_id in over or call_id in half_over or (call_id == CLICKED.id and call_id in begun):
                continue  # the list shows the number that we gave the agent's leg, no longer its own
            if call_id in begun or call_id not in {f.get("Linkedid") for f, _ in heard[:cut]}:
                assert found[call_id] == told, cut
                assert abs(began[call_id] - _start(calls, call_id)) <= 1, cut


def _start(calls: Iterable[Call], call_id: str) -> float:
    return next(call.started_at.timestamp() for call in calls if call.id == call_id and call.started_at)


def _losing_a_leg(heard: Sequence[Heard]) -> set[str]:
    """Calls of which one leg has ended or left: nobody can tell any more who that was."""
    return {
        frame.get("Linkedid") for frame, _ in heard if frame.event in ("hangup", "bridgeleave", "hanguprequest")
    }


@pytest.mark.parametrize("lost", [1, 8])
def test_events_lost_in_a_break_lose_no_call(lost: int) -> None:
    """However many events the break swallows, every call that was known ends, and with the same parties."""
    heard = four_calls()
    for cut in CUTS[: len(heard) - lost]:
        book = fold(heard[:cut])
        back = heard[cut + lost - 1][1]
        Listed(heard[: cut + lost], back).tell(book)
        calls = {call.id: call for call in fold(heard[cut + lost :], book).calls()}
        for known in FOUR:
            missed = {f.get("Linkedid") for f, _ in heard[cut : cut + lost]}
            before = {f.get("Linkedid") for f, _ in heard[:cut]}
            if known.id in missed - before and known.id == BUSY.id:
                continue  # it began, and may have ended, within the break
            call = calls[known.id]
            assert (call.state, call.customer, call.direction) == ("ended", known.customer, known.direction), cut
            if known.outcome == "answered":
                assert call.outcome == "answered", cut


def test_a_call_that_ended_unheard_is_closed() -> None:
    heard = [one for one in four_calls() if one[0].get("Linkedid") == QUEUED.id and one[0].event != "hangup"]
    book = fold(heard)
    assert book.calls()[0].state == "talking"
    changed = book.close_stale(book.live_legs(), [], heard[-1][1] + 60)
    assert set(changed) == {QUEUED.id}
    [call] = book.calls()
    assert (call.state, call.outcome, call.cause) == ("ended", "answered", "")


def test_ended_calls_are_forgotten_and_others_are_not() -> None:
    heard = four_calls()
    book = fold(heard[:60])
    book.forget(heard[-1][1] + 1000)
    assert [call.id for call in book.calls()] == [QUEUED.id]
    book = fold(heard)
    book.forget(heard[-1][1] + 1, keep={DIRECT.id})
    assert [call.id for call in book.calls()] == [DIRECT.id]
    # what comes very late begins no call
    fold([one for one in heard if one[0].event in ("hangup", "cdr", "bridgeleave")], book)
    assert [call.id for call in book.calls()] == [DIRECT.id]


def test_notes_of_another_version_are_left_out() -> None:
    for notes in (None, "", "{", '[{"id": 1}]', '[{"id": "x", "legs": 3}]', 7):
        book = Book(Rules())
        book.load(notes)
        assert book.calls() == []


# — calls written by hand, one trouble each —

STORIES = sorted((FIXTURES / "calls").glob("*.json"))
BEGUN = moment("12:00:00").timestamp()


def story(path: Path) -> tuple[Book, Sequence[Heard], Sequence[Mapping[str, Any]]]:
    told = json.loads(path.read_text("utf-8"))
    heard = []
    for seconds, event, who, more in told["events"]:
        pairs = [("Event", event)]
        for prefix, name in who.items():
            pairs += [(prefix + header, value) for header, value in told["channels"][name].items()]
        at = BEGUN + seconds
        heard.append((frame_of([*more.items(), *pairs, ("Timestamp", f"{at:.6f}")]), at))
    rules = told.get("rules", {})
    return Book(Rules(trunks=tuple(rules.get("trunks", ())))), heard, told["expect"]


@pytest.mark.parametrize("path", STORIES, ids=lambda path: str(path.stem))
def test_every_story_ends_as_told(path: Path) -> None:
    book, heard, expected = story(path)
    fold(heard, book)
    calls = sorted(map(to_json, book.calls()), key=lambda call: str(call["started_at"]))
    assert [
        {name: call[name] for name in wanted} for call, wanted in zip(calls, expected, strict=True)
    ] == expected


@pytest.mark.parametrize("path", STORIES, ids=lambda path: str(path.stem))
def test_every_story_told_twice_ends_the_same(path: Path) -> None:
    once, heard, _ = story(path)
    twice, *_ = story(path)
    fold(heard, once)
    fold((one for each in heard for one in (each, each)), twice)
    assert list(once.calls()) == list(twice.calls())


HEADERS = ("Event", "Uniqueid", "Linkedid", "DestUniqueid", "DestLinkedid", "Queue", "Position", "BridgeUniqueid",
           "CallerIDNum", "Exten", "ChannelState", "Duration", "Wait", "Timestamp", "Cause", "Result",
           "OrigTransfererUniqueid", "SecondTransfererUniqueid", "ParkeeUniqueid", "ParkeeLinkedid")  # fmt: skip
EVENTS = ("Newchannel", "Hangup", "DialBegin", "DialEnd", "BridgeEnter", "QueueCallerJoin", "QueueCallerLeave",
          "AttendedTransfer", "BlindTransfer", "ParkedCall", "Cdr", "CoreShowChannel",
          "QueueEntry", "Hold")  # fmt: skip
WORDS = st.sampled_from(
    ["", "1", "2", "3", "<unknown>", "101", "+8613800138000", "nan", "-1", "9" * 30]
) | st.text(max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(HEADERS[1:]), WORDS, max_size=8)),
        max_size=25,
    )
)
def test_no_events_whatever_break_the_book(told: list[tuple[str, dict[str, str]]]) -> None:
    book = Book(Rules())
    for number, (event, headers) in enumerate(told):
        book.tell(frame_of([("Event", event), *headers.items()]), BEGUN + number)
        for call in book.calls():
            to_json(call)
    other = Book(Rules())
    other.load(book.saved())
    assert list(other.calls()) == list(book.calls())

"""Every fixture of the channel: calls as FreeSWITCH tells them, its bytes, and the journaled snapshots."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnihub.connectors import freeswitch, registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.freeswitch.connector import Connector
from omnihub.connectors.freeswitch.course import House
from omnihub.connectors.freeswitch.listening import SOURCE
from omnihub.connectors.freeswitch.notes import note_of
from omnihub.connectors.freeswitch.sample import Sample
from omnihub.connectors.freeswitch.simulator_calls import answered, attended, blind
from omnihub.connectors.freeswitch.simulator_switch import Switch
from omnihub.connectors.freeswitch.switchboard import Switchboard
from omnihub.connectors.freeswitch.wire import Event, Frames, read_event
from omnihub.connectors.telephony.call import Call, to_json
from omnihub.model.account import Account
from omnihub.model.errors import OmnihubError, Unreadable
from omnihub.model.inbound import Amendment
from omnihub.model.raw import RawEvent, RawRequest

FOLDER = Path(freeswitch.__path__[0]) / "fixtures"
FIXTURES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
HOUSE = House(extensions=re.compile(r"[*#]?\d{2,5}"), outside_contexts=frozenset({"public"}))

Headers = Mapping[str, str]


def holding(*names: str) -> list[str]:
    found = [name for name, one in FIXTURES.items() if any(n in one["request"] for n in names)]
    assert found
    return found


def told(events: Sequence[Headers]) -> list[Call]:
    """The calls as they stand after these events."""
    board = Switchboard(HOUSE)
    for headers in events:
        note = note_of(Event(fields=headers))
        if note is not None:
            board.take(note, NOW)
    return sorted(board.changed(NOW), key=lambda call: (str(call.started_at), call.id))


def final(events: Sequence[Headers]) -> list[Call]:
    return [replace(call, sequence=0) for call in told(events)]


@pytest.fixture
def connector() -> Connector:
    values = registry.plain(registry.read_settings("freeswitch", dict(Sample.settings)))
    account = Account(id="01account", key="k", channel="freeswitch", name="Desk", enabled=True, settings=values)
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    toolbox = Toolbox(http=nobody, public_url="http://hub.test", sign=lambda _, data: data, now=lambda: NOW)
    return cast("Connector", registry.connect(account, toolbox))


def test_there_are_enough_of_them() -> None:
    assert len(holding("events")) >= 15
    assert len(holding("stream", "stream_hex", "snapshot")) >= 15


# — calls —


@pytest.mark.parametrize("name", holding("events"))
def test_the_call_is_rebuilt(name: str) -> None:
    fixture = FIXTURES[name]
    calls = [to_json(call) for call in told(fixture["request"]["events"])]
    assert len(calls) == len(fixture["expect"]["calls"])
    for call, expected in zip(calls, fixture["expect"]["calls"], strict=True):
        assert {field: call[field] for field in expected} == expected


@pytest.mark.parametrize("name", holding("events"))
def test_order_and_repetition_change_nothing(name: str) -> None:
    events = FIXTURES[name]["request"]["events"]
    expected = final(events)
    shuffle = random.Random(name)
    for _ in range(15):
        mixed = [*events, *shuffle.choices(events, k=len(events))]
        shuffle.shuffle(mixed)
        assert final(mixed) == expected
    assert final(list(reversed(events))) == expected


@pytest.mark.parametrize("name", holding("events"))
def test_no_step_takes_an_end_back(name: str) -> None:
    """Whatever is told in between: a call is over once, and only its end may call an agent."""
    board = Switchboard(HOUSE)
    ended: set[str] = set()
    sequences: dict[str, int] = {}
    for headers in FIXTURES[name]["request"]["events"]:
        note = note_of(Event(fields=headers))
        if note is not None:
            board.take(note, NOW)
        calls = board.changed(NOW)
        for call in calls:
            assert call.sequence > sequences.get(call.id, 0)
            sequences[call.id] = call.sequence
            assert call.state == "ended" or call.id not in ended
            assert call.state == "ended" or call.outcome in ("", "answered")
            ended |= {call.id} if call.state == "ended" else set()
        board.told(calls)
    assert ended == set(sequences)


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("missed", "ringing ended"),
        ("answered_and_recorded", "ringing talking ended"),
        ("queue_second_agent_answers", "ringing queued ringing queued ringing talking ended"),
        ("queue_abandoned", "ringing queued ringing ended"),
        ("held_and_taken_back", "ringing talking held talking ended"),
        ("parked_and_fetched", "ringing talking parked talking ended"),
        ("blind_transfer", "ringing talking ringing talking ended"),
        ("attended_transfer", "ringing talking held talking ended"),
        ("click_to_call", "ringing talking ended"),
    ],
)
def test_the_board_shows_where_a_call_stands(name: str, states: str) -> None:
    events = FIXTURES[name]["request"]["events"]
    seen = [call.state for n in range(1, len(events) + 1) for call in told(events[:n])]
    assert [state for state, _ in groupby(seen)] == states.split()


def test_a_leg_that_was_parted_talks_no_more() -> None:
    log: list[dict[str, str]] = []
    switch = Switch(log.append)
    caller = switch.ring("+4930900155", "+4930555100")
    first = switch.ring("+4930900155", "1001", out_of=caller)
    switch.answer(first)
    switch.bridge(caller, first)
    switch.step(5)
    switch.part(caller, first)
    switch.ring("+4930900155", "1002", out_of=caller)
    assert [call.state for call in told(log)] == ["ringing"]


def noted(board: Switchboard, headers: Headers) -> None:
    note = note_of(Event(fields=headers))
    assert note is not None
    board.take(note, NOW)


def test_what_was_only_seen_is_not_forgotten_at_the_next_look() -> None:
    """The first bridge went unheard; a later look shows the second one only."""
    log: list[dict[str, str]] = []
    switch, board = Switch(log.append), Switchboard(HOUSE)
    for _ in blind(switch):
        for headers in log:
            if headers["Event-Name"] not in ("CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE"):
                noted(board, headers)
        log.clear()
        for channel in list(switch.channels):
            look = switch.dump(channel)
            assert look is not None
            noted(board, look)
        switch.step(1)
    for headers in log:
        noted(board, headers)
    (call,) = board.changed(NOW)
    assert (call.answered_by, [(one.origin, one.to) for one in call.transfers]) == ("1001", [("1001", "1002")])


def test_calls_that_are_over_are_forgotten_and_their_echoes_too() -> None:
    log: list[dict[str, str]] = []
    switch, board = Switch(log.append), Switchboard(HOUSE)
    for script in (blind(switch), attended(switch, "+4930900166")):
        for _ in script:
            switch.step(1)
    going_on = answered(switch, "+4930900177")
    next(going_on)
    for headers in log:
        noted(board, headers)
    board.told(board.changed(NOW))
    board.forget(NOW + timedelta(seconds=59))
    assert len(list(board.notes())) == len(log)
    board.forget(NOW + timedelta(seconds=61))
    assert [(note.kind, note.get("from")) for note in board.notes()] == [("create", "+4930900177")]
    for headers in log:
        noted(board, headers)
    assert board.changed(NOW) == []


def test_whom_a_call_talked_with_stays_as_long_as_it_goes_on() -> None:
    log: list[dict[str, str]] = []
    switch, board = Switch(log.append), Switchboard(HOUSE)
    caller = switch.ring("+4930900155", "+4930555100")
    fetching = switch.ring("1003", "5901", context="default")
    switch.answer(caller)
    switch.step(1)
    switch.bridge(fetching, caller)
    switch.step(1)
    switch.part(fetching, caller)
    switch.hang_up(fetching)
    for headers in log:
        noted(board, headers)
    board.told(board.changed(NOW))
    board.forget(NOW + timedelta(hours=1))
    switch.hang_up(caller)
    noted(board, log[-1])
    (call,) = board.changed(NOW)
    assert (call.state, call.answered_by) == ("ended", "1003")


# — bytes —


def stream_of(fixture: Mapping[str, Any]) -> bytes:
    request = fixture["request"]
    return bytes.fromhex(request["stream_hex"]) if "stream_hex" in request else request["stream"].encode()


@pytest.mark.parametrize("name", holding("stream", "stream_hex"))
def test_the_stream_is_read_or_refused(name: str) -> None:
    fixture, raw = FIXTURES[name], stream_of(FIXTURES[name])
    expect = fixture["expect"]
    for cut in range(len(raw) if len(raw) < 500 else 1):
        frames = Frames()
        if "refused" in expect:
            with pytest.raises(Unreadable, match=expect["refused"]):
                [read_event(frame) for part in (raw[:cut], raw[cut:]) for frame in frames.feed(part)]
            continue
        found = [frame for part in (raw[:cut], raw[cut:]) for frame in frames.feed(part)]
        if "kinds" in expect:
            assert [frame.kind for frame in found] == expect["kinds"]
            continue
        fields = [read_event(frame).fields for frame in found]
        shown = [{name: one.get(name) for name in w} for one, w in zip(fields, expect["events"], strict=True)]
        assert shown == expect["events"]


# — snapshots —


def journaled(body: bytes) -> RawEvent:
    request = RawRequest(source=SOURCE, method="", body=body, received_at=NOW)
    return RawEvent(id="01k00000000000000000event1", account_id="01account", request=request)


def read(connector: Connector, snapshot: Mapping[str, Any]) -> Amendment:
    event = journaled(json.dumps(snapshot).encode())
    connector.verify(event.request)
    (amendment,) = connector.parse(event)
    assert isinstance(amendment, Amendment)
    return amendment


@pytest.mark.parametrize("name", holding("snapshot"))
def test_the_snapshot_becomes_a_message(connector: Connector, name: str) -> None:
    snapshot, expect = FIXTURES[name]["request"]["snapshot"], FIXTURES[name]["expect"]
    if "refused" in expect:
        with pytest.raises(Unreadable, match=expect["refused"]):
            read(connector, snapshot)
        return
    amendment = read(connector, snapshot)
    message = amendment.message
    assert message is not None
    assert (amendment.kind, message.kind, message.direction) == ("updated", "call", "inbound")
    seen = {
        "external_id": amendment.external_id,
        "sender": message.sender.key,
        "thread_key": message.thread_key,
        "silent": message.silent,
        "text": message.text,
        "sequence": amendment.sequence,
        "media": [media.ref for media in message.media],
    }
    assert {field: seen[field] for field in expect["message"]} == expect["message"]


def test_the_same_snapshot_is_one_hand_over(connector: Connector) -> None:
    first, second = (Sample(connector).genuine(number) for number in (1, 2))
    assert connector.source_key(first) == first.source_key == connector.source_key(Sample(connector).genuine(1))
    assert connector.source_key(first) != connector.source_key(second)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(changed=st.dictionaries(st.sampled_from(sorted(to_json(Call(id="c", direction="in", state="ended")))), ANY))
def test_fields_of_any_type_raise_nothing_else(changed: Mapping[str, Any]) -> None:
    values = registry.plain(registry.read_settings("freeswitch", dict(Sample.settings)))
    account = Account(id="01account", key="k", channel="freeswitch", name="Desk", enabled=True, settings=values)
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    toolbox = Toolbox(http=nobody, public_url="http://hub.test", sign=lambda _, data: data, now=lambda: NOW)
    whole = to_json(Call(id="c", direction="in", state="ended", customer="030 900155"))
    body = orjson.dumps(whole | dict(changed), option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS,
                        default=str) if _fits(changed) else b"{}"  # fmt: skip
    try:
        registry.connect(account, toolbox).parse(journaled(body))
    except OmnihubError:
        return


def _fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@given(events=st.lists(st.dictionaries(
    st.sampled_from(["Event-Name", "Unique-ID", "Other-Leg-Unique-ID", "Other-Type", "Channel-Call-UUID",
                     "Call-Direction", "variable_cc_member_session_uuid", "Event-Sequence",
                     "Caller-Caller-ID-Number", "Event-Date-Timestamp", "Caller-Destination-Number",
                     "Hangup-Cause", "CC-Action"]),
    st.sampled_from(["a", "b", "c", "1", "2", "1001", "+4930900155", "originator", "outbound", "inbound", "",
                     "CHANNEL_CREATE", "CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_ANSWER", "CHANNEL_PARK",
                     "CHANNEL_HANGUP_COMPLETE", "CHANNEL_HOLD", "RECORD_STOP", "CHANNEL_DATA"]),
), max_size=12), order=st.randoms(use_true_random=False))  # fmt: skip
def test_whatever_events_say_their_order_changes_nothing(
    events: list[dict[str, str]], order: random.Random
) -> None:
    """Legs that name each other in circles included. Looks replace one another, so that they are left out."""
    numbered = [{**one, "Event-Sequence": str(n)} for n, one in enumerate(events, 1)]
    plain = [one for one in numbered if one.get("Event-Name") != "CHANNEL_DATA"]
    told(numbered)
    mixed = list(plain)
    order.shuffle(mixed)
    assert {call.id: replace(call, sequence=0) for call in told(mixed)} == {
        call.id: replace(call, sequence=0) for call in told(plain)
    }

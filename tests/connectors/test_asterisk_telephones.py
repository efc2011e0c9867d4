"""People at the demo exchange's telephones, and what the connector makes of it."""

import asyncio
import time
import wave
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from omnihub.connectors.asterisk import simulator_desk
from omnihub.connectors.asterisk.connector import Connector
from omnihub.connectors.asterisk.simulator import Simulator
from omnihub.connectors.asterisk.simulator_telephones import PEOPLE, Telephones
from omnihub.connectors.telephony.playing import IDLE, Key, NotNow
from tests.connectors.asterisk_desk import MemoryDesk, connector_to, listening

CHEN, LENA, OLIVER = PEOPLE
SECONDS = 10.0


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> float:
        return time.time() + self.ahead.total_seconds()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def pbx(tmp_path: Path, clock: Clock) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, clock=clock)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
def phones(pbx: Simulator) -> Telephones:
    return pbx.telephones()


@pytest.fixture
async def connector(pbx: Simulator) -> AsyncIterator[Connector]:
    async with aiohttp.ClientSession() as http:
        yield connector_to(pbx, http)


@pytest.fixture
async def desk(connector: Connector) -> AsyncIterator[MemoryDesk]:
    told = MemoryDesk()
    async with listening(connector, told):
        yield told


async def shows(phones: Telephones, telephone: str, state: str) -> None:
    assert await phones.wait(lambda: phones.handset(telephone).state == state, SECONDS), phones.handset(telephone)


async def test_both_ends_show_a_call_from_the_first_ring_to_its_end(phones: Telephones, desk: MemoryDesk) -> None:
    await phones.ring(LENA, "700")
    waiting, ringing = phones.handset(LENA.id), phones.handset("101")
    assert (waiting.state, waiting.position, waiting.other) == ("queued", 1, "700")
    assert (ringing.state, ringing.other, ringing.other_name, ringing.line) == ("rings", LENA.id, LENA.name, "700")
    assert phones.handset("102").state == "rings"
    await phones.press("101", "answer")
    assert (phones.handset(LENA.id).state, phones.handset("101").state) == ("talking", "talking")
    assert phones.handset("102") == IDLE
    call = await desk.call(waiting.call_id, state="talking", answered_by="101")
    assert (call.customer, call.customer_name, call.queue) == (LENA.id, LENA.name, "support")
    await phones.press(LENA.id, "hang_up")
    assert (phones.handset(LENA.id), phones.handset("101")) == (IDLE, IDLE)
    last = phones.last(LENA.id)
    assert last is not None
    assert (last.ending, last.placed) == ("answered", False)
    await desk.call(waiting.call_id, state="ended", outcome="answered")


async def test_who_hides_the_number_or_is_new_is_not_named(phones: Telephones, desk: MemoryDesk) -> None:
    await phones.ring(LENA, "701", anonymous=True)
    hidden = phones.handset("101")
    assert (hidden.other, hidden.other_name) == ("", "")
    call = await desk.call(hidden.call_id, state="ringing")
    assert LENA.id not in str(call)
    assert LENA.name not in str(call)
    robin, kim = phones.invent("Robin"), phones.invent("Kim")
    assert robin.id != kim.id
    await phones.ring(robin, "701")
    unknown = await desk.call(phones.handset(robin.id).call_id, state="ringing")
    assert (unknown.customer, unknown.customer_name) == (robin.id, "")


async def test_a_queue_rings_again_where_it_was_declined(
    phones: Telephones, pbx: Simulator, desk: MemoryDesk, clock: Clock
) -> None:
    await phones.ring(LENA, "700")
    call_id = phones.handset(LENA.id).call_id
    for extension in phones.extensions:
        await phones.press(extension, "decline")
    assert [phones.handset(one) for one in phones.extensions] == [IDLE, IDLE]
    assert phones.handset(LENA.id).state == "queued"
    await desk.call(call_id, state="queued")
    phones.distribute()
    assert phones.handset("101") == IDLE
    clock.ahead = timedelta(seconds=simulator_desk.RETRY_SECONDS + 1)
    phones.distribute()
    assert phones.handset("101").state == phones.handset("102").state == "rings"
    await phones.press(LENA.id, "hang_up")
    await desk.call(call_id, state="ended", outcome="abandoned", recording="")
    last = phones.last(LENA.id)
    assert last is not None
    assert last.ending == "missed"


async def test_who_waits_is_rung_at_the_next_free_telephone(phones: Telephones) -> None:
    await phones.ring(CHEN, "700")
    await phones.press("101", "answer")
    await phones.ring(LENA, "700")
    assert phones.handset("102").other == LENA.id
    await phones.press("101", "hang_up")
    assert phones.handset("101").other == LENA.id


async def test_a_direct_line_is_busy_once_declined_or_taken(phones: Telephones, desk: MemoryDesk) -> None:
    await phones.ring(LENA, "701")
    call_id = phones.handset(LENA.id).call_id
    await phones.press("101", "decline")
    await desk.call(call_id, state="ended", outcome="busy")
    for person in (CHEN, OLIVER):
        await phones.ring(person, "701")
    await phones.ring(LENA, "701")
    last = phones.last(LENA.id)
    assert last is not None
    assert (last.ending, phones.handset(LENA.id)) == ("busy", IDLE)


async def test_a_call_is_held_and_handed_on(phones: Telephones, desk: MemoryDesk) -> None:
    await phones.ring(LENA, "701")
    call_id = phones.handset(LENA.id).call_id
    await phones.press("101", "answer")
    await phones.press("101", "hold")
    assert phones.handset(LENA.id).state == "held"
    await desk.call(call_id, state="held")
    await phones.press("101", "resume")
    await desk.call(call_id, state="talking")
    await phones.press("101", "transfer", "102")
    assert (phones.handset("101"), phones.handset("102").state) == (IDLE, "rings")
    assert phones.handset(LENA.id).state == "dialling"
    await phones.press("102", "answer")
    assert phones.handset(LENA.id).state == "talking"
    await phones.press("102", "hang_up")
    ended = await desk.call(call_id, state="ended", outcome="answered", answered_by="101")
    assert [(one.origin, one.to, one.kind) for one in ended.transfers] == [("101", "102", "blind")]
    assert ended.agents == ("101", "102")


async def test_a_colleague_who_declines_ends_the_transferred_call(phones: Telephones, desk: MemoryDesk) -> None:
    await phones.ring(LENA, "701")
    call_id = phones.handset(LENA.id).call_id
    await phones.press("101", "answer")
    await phones.press("101", "transfer", "102")
    await phones.press("102", "decline")
    assert phones.handset(LENA.id) == IDLE
    await desk.call(call_id, state="ended", outcome="answered")


async def test_the_hub_calls_a_customer(phones: Telephones, connector: Connector, desk: MemoryDesk) -> None:
    async with asyncio.TaskGroup() as group:
        dialled = group.create_task(connector.dial("101", "+44 20 7946 0958", call_id="hub-t-1"))
        await shows(phones, "101", "rings")
        ringing = phones.handset("101")
        assert (ringing.placed, ringing.other, ringing.other_name) == (True, OLIVER.id, OLIVER.name)
        assert phones.handset(OLIVER.id) == IDLE
        await phones.press("101", "answer")
    assert dialled.result().picked_up
    called = phones.handset(OLIVER.id)
    assert (called.state, called.other) == ("rings", "4000")
    assert phones.handset("101").state == "dialling"
    await phones.press(OLIVER.id, "answer")
    await desk.call("hub-t-1", state="talking", direction="out", answered_by="101")
    await phones.press("101", "transfer", "102")
    await phones.press("102", "answer")
    assert phones.handset(OLIVER.id).state == "talking"
    await phones.press(OLIVER.id, "hang_up")
    ended = await desk.call("hub-t-1", state="ended", outcome="answered", customer=OLIVER.id)
    assert [(one.origin, one.to) for one in ended.transfers] == [("101", "102")]


async def test_neither_end_has_to_take_what_the_hub_calls(
    phones: Telephones, connector: Connector, desk: MemoryDesk
) -> None:
    async with asyncio.TaskGroup() as group:
        refused = group.create_task(connector.dial("101", OLIVER.id, call_id="hub-t-2"))
        await shows(phones, "101", "rings")
        await phones.press("101", "decline")
    assert (refused.result().picked_up, "busy" in refused.result().words) == (False, True)
    assert phones.last(OLIVER.id) is None
    async with asyncio.TaskGroup() as group:
        group.create_task(connector.dial("101", OLIVER.id, call_id="hub-t-3"))
        await shows(phones, "101", "rings")
        await phones.press("101", "answer")
    assert not (await connector.dial("101", LENA.id, call_id="hub-t-4")).picked_up
    await phones.press(OLIVER.id, "decline")
    assert (phones.handset("101"), phones.handset(OLIVER.id)) == (IDLE, IDLE)
    last = phones.last(OLIVER.id)
    assert last is not None
    assert (last.ending, last.placed) == ("declined", True)
    await desk.call("hub-t-3", state="ended", outcome="rejected")


async def test_a_number_that_is_nobodys_gets_a_telephone_when_it_is_called(
    phones: Telephones, connector: Connector
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(connector.dial("101", "+4930231259999", call_id="hub-t-5"))
        await shows(phones, "101", "rings")
        await phones.press("101", "answer")
    assert phones.handset("+4930231259999").state == "rings"
    assert phones.people[-1].id == "+4930231259999"


async def test_what_was_said_is_recorded_as_long_as_it_was(
    phones: Telephones, desk: MemoryDesk, clock: Clock, tmp_path: Path
) -> None:
    await phones.ring(LENA, "701")
    call_id = phones.handset(LENA.id).call_id
    await phones.press("101", "answer")
    clock.ahead = timedelta(seconds=7)
    await phones.press("101", "hang_up")
    ended = await desk.call(call_id, state="ended")
    assert ended.recording == f"{call_id}.wav"
    with wave.open(str(tmp_path / "recordings" / ended.recording)) as recording:
        assert recording.getnframes() / recording.getframerate() == pytest.approx(7, abs=0.5)


def wrong_keys() -> Iterator[tuple[str, Key, str]]:
    keys: tuple[Key, ...] = ("hold", "resume", "transfer", "hang_up")
    yield from (("101", key, "102") for key in keys)
    yield from ((LENA.id, key, "") for key in ("answer", "decline"))
    yield "102", "answer", ""


async def test_a_key_does_nothing_where_it_makes_no_sense(phones: Telephones) -> None:
    with pytest.raises(NotNow):
        await phones.press("101", "answer")
    with pytest.raises(NotNow):
        await phones.ring(LENA, "999")
    await phones.ring(LENA, "701")
    with pytest.raises(NotNow):
        await phones.ring(LENA, "700")
    for telephone, key, to in wrong_keys():
        with pytest.raises(NotNow):
            await phones.press(telephone, key, to)
    await phones.press("101", "answer")
    for to in ("101", "103", ""):
        with pytest.raises(NotNow):
            await phones.press("101", "transfer", to)
    with pytest.raises(NotNow):
        await phones.press(LENA.id, "hold")
    assert phones.handset("101").state == "talking"

"""Click-to-call: the agent's telephone, then the customer's; and whatever may go wrong in between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import uvloop

from omnihub.connectors.asterisk import ami, calling
from omnihub.connectors.asterisk.ami import Ami
from omnihub.connectors.asterisk.connector import Connector
from omnihub.connectors.asterisk.simulator import Simulator
from omnihub.connectors.contract import Dialled
from omnihub.connectors.telephony.dialling import checked
from omnihub.model.errors import Invalid, Refused, TryLater, Uncertain
from tests.connectors.asterisk_desk import MemoryDesk, connector_to, listening
from tests.connectors.telephony_dialling import HOSTILE

NUMBER = "139 0013 9000"
# One that the hub makes, one that our channels begin like, and another.
CALL_IDS = ("01kaz8t3c5d7e9f1g3h5j7k9m1", "hub-x-1", "hub--x", "x")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, agents_pick_up=False)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
def connector(pbx: Simulator, http: aiohttp.ClientSession) -> Connector:
    return connector_to(pbx, http, ring_seconds=5)


@pytest.mark.parametrize("call_id", CALL_IDS)
async def test_the_result_is_the_agents_and_the_call_bears_our_id(
    pbx: Simulator, connector: Connector, call_id: str
) -> None:
    async def pick_up() -> None:
        await pbx.rings("101")
        await pbx.answer("101")

    desk = MemoryDesk()
    async with listening(connector, desk):
        done, _ = await asyncio.gather(connector.dial("101", NUMBER, call_id=call_id), pick_up())
        assert done == Dialled(call_id=call_id, picked_up=True)
        ringing = await desk.call(call_id, state="ringing", direction="out")
        assert (ringing.customer, ringing.agents, ringing.line) == ("13900139000", ("101",), "4000")
        await pbx.customer_answers()
        await desk.call(call_id, state="talking", answered_by="101")
        await pbx.hang_up()
        await desk.call(call_id, state="ended", outcome="answered")
    assert set(desk.calls) == {call_id}


def test_outside_numbers_are_dialled_with_the_prefix(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    settings = connector_to(pbx, http, dial_prefix="9").settings
    dialled = [
        calling.wanted(settings, checked("101", number, "c1")).exten
        for number in ("+8613900139000", "0755 1", "102")
    ]
    assert dialled == ["9+8613900139000", "907551", "102"]


async def test_the_account_says_that_it_can(connector: Connector) -> None:
    assert connector.manifest.capabilities.calls


Fields = Callable[[calling.Wanted], tuple[tuple[str, str], ...]]


def impatient(fields: Fields) -> Fields:
    return lambda call: tuple((name, "20" if name == "Timeout" else value) for name, value in fields(call))


async def test_an_agent_who_is_away(pbx: Simulator, connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "_fields", impatient(calling._fields))
    done = await connector.dial("101", NUMBER, call_id="c1")
    assert done == Dialled(call_id="c1", picked_up=False, words="the agent's telephone was not picked up")


async def test_an_agent_who_is_busy(pbx: Simulator, connector: Connector) -> None:
    async def decline() -> None:
        await pbx.decline("101", await pbx.rings("101"))

    done, _ = await asyncio.gather(connector.dial("101", NUMBER, call_id="c1"), decline())
    assert done == Dialled(call_id="c1", picked_up=False, words="the agent's telephone is busy")


async def test_a_telephone_that_does_not_exist(connector: Connector) -> None:
    """The exchange then names no channel: only the ActionID tells whose result it is."""
    done = await connector.dial("999", NUMBER, call_id="c1")
    assert (done.picked_up, done.words) == (False, "there is no such telephone, or it is not connected")


async def test_two_at_once_get_their_own_results(pbx: Simulator, connector: Connector) -> None:
    async def pick_up() -> None:
        await pbx.rings("101")
        await pbx.answer("101")

    good, bad, _ = await asyncio.gather(
        connector.dial("101", NUMBER, call_id="c1"), connector.dial("999", NUMBER, call_id="c2"), pick_up()
    )
    assert (good.picked_up, bad.picked_up) == (True, False)


async def test_nothing_but_telephones_and_numbers_can_be_called(pbx: Simulator, connector: Connector) -> None:
    for wrong in HOSTILE:
        asked = {"extension": "101", "number": NUMBER, "call_id": "c1", **wrong}
        with pytest.raises(Invalid) as refused:
            await connector.dial(asked["extension"], asked["number"], call_id=asked["call_id"])
        assert set(refused.value.fields) == set(wrong)
    assert (pbx.exchange.calls, pbx.logins) == ({}, 0)


async def test_a_wrong_secret_refuses_and_no_exchange_is_tried_later(
    pbx: Simulator, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(Refused, match="Authentication failed"):
        await connector_to(pbx, http, secret="another-secret").dial("101", NUMBER, call_id="c1")
    await pbx.stop()
    with pytest.raises(TryLater):
        await connector_to(pbx, http).dial("101", NUMBER, call_id="c1")


async def test_an_exchange_that_never_says_a_word_was_not_asked(
    pbx: Simulator, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami, "ANSWER_SECONDS", 0.2)
    pbx.mute = True
    with pytest.raises(TryLater):
        await connector.dial("101", NUMBER, call_id="c1")
    assert pbx.exchange.calls == {}


async def test_silence_after_the_hand_over_is_uncertain(
    pbx: Simulator, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ami, "ANSWER_SECONDS", 0.2)
    asked = Ami.login

    async def then_mute(self: Ami, settings: object, events: str) -> None:
        await asked(self, settings, events)  # type: ignore[arg-type]
        pbx.mute = True

    monkeypatch.setattr(Ami, "login", then_mute)
    with pytest.raises(Uncertain):
        await connector.dial("101", NUMBER, call_id="c1")


async def test_a_connection_lost_while_it_rings_is_uncertain(pbx: Simulator, connector: Connector) -> None:
    async def cut() -> None:
        await pbx.rings("101")
        await pbx.settle()
        await pbx.drop()

    with pytest.raises(Uncertain):
        await asyncio.gather(connector.dial("101", NUMBER, call_id="c1"), cut())


def test_a_write_to_a_connection_that_is_closed_is_tried_later(tmp_path: Path) -> None:
    """uvloop, on which the hub runs, raises a RuntimeError of its own for it."""

    async def write_to_it() -> None:
        pbx = Simulator(tmp_path)
        await pbx.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", pbx.port)
            manager = Ami(reader, writer, lambda frame: None)
            writer.close()
            await writer.wait_closed()
            with pytest.raises(RuntimeError):
                writer.write(b"Action: Ping\r\n\r\n")
            with pytest.raises(TryLater, match="broke"):
                await manager.ask("Ping")
        finally:
            await pbx.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_to_it())

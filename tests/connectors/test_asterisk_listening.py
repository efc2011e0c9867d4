"""The listener at an exchange that speaks the real wire format: live calls, breaks, and what is kept."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from omnihub.connectors import asterisk
from omnihub.connectors.asterisk import listening as listener
from omnihub.connectors.asterisk.connector import Connector
from omnihub.connectors.asterisk.simulator import Simulator
from omnihub.connectors.registry import Connectors, plain, read_settings, secret_names
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import AccountDesk
from omnihub.model.errors import TryLater
from omnihub.settings import Settings as HubSettings
from omnihub.store.store import Store
from tests.conftest import Eventually
from tests.connectors.asterisk_desk import MemoryDesk, connector_to, listening

LI_LEI = "+8613900139000"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(listener, "LAST_PAUSE", 0.1)
    monkeypatch.setattr(listener, "_REFUSED_PAUSE", 0.1)
    monkeypatch.setattr(listener, "_FAILED_PAUSE", 0.02)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(params=[0, 1, 7], ids=["frames", "bytes", "sevens"])
async def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, chunk=request.param)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path)
    await simulator.start()
    yield simulator
    await simulator.stop()


async def test_a_queue_call_from_ring_to_end(exchange: Simulator, http: aiohttp.ClientSession) -> None:
    desk = MemoryDesk()
    async with listening(connector_to(exchange, http), desk):
        call_id = await exchange.ring(LI_LEI, name="李雷")
        waiting = await desk.call(call_id, state="ringing", agents=("101", "102"))
        assert (waiting.customer, waiting.customer_name, waiting.line) == (LI_LEI, "李雷", "700")
        assert (waiting.queue, waiting.position, waiting.outcome) == ("support", 1, "")
        await exchange.answer("102")
        await desk.call(call_id, state="talking", answered_by="102", outcome="answered")
        await exchange.hang_up()
        ended = await desk.call(call_id, state="ended")
    assert (ended.outcome, ended.cause, ended.recording) == ("answered", "Normal Clearing", f"{call_id}.wav")
    sequences = [call.sequence for call in desk.snapshots]
    assert sequences == sorted(set(sequences))


async def test_direct_busy_abandoned_and_unanswered_calls(
    exchange: Simulator, http: aiohttp.ClientSession
) -> None:
    desk = MemoryDesk()
    async with listening(connector_to(exchange, http), desk):
        direct = await exchange.ring_directly(LI_LEI)
        await exchange.answer("101")
        busy = await exchange.ring(LI_LEI, line="703")
        abandoned = await exchange.ring(LI_LEI)
        await desk.call(abandoned, state="ringing", queue="support", position=1, agents=("102",))
        await exchange.hang_up(abandoned)
        lost = await exchange.ring(LI_LEI)
        await exchange.nobody_answers(lost)
        await exchange.hang_up(direct)
        ends = {direct: "answered", busy: "busy", abandoned: "abandoned", lost: "no_answer"}
        for call_id, outcome in ends.items():
            await desk.call(call_id, state="ended", outcome=outcome)


async def test_at_most_three_snapshots_a_second(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    desk = MemoryDesk()
    async with listening(connector_to(pbx, http), desk):
        call_id = await pbx.ring(LI_LEI)
        await pbx.answer("101")
        await pbx.hang_up()
        await desk.call(call_id, state="ended", outcome="answered")
    assert len(desk.requests) <= 3


async def test_a_break_loses_no_call(exchange: Simulator, http: aiohttp.ClientSession) -> None:
    desk = MemoryDesk()
    async with listening(connector_to(exchange, http), desk):
        talking = await exchange.ring_directly(LI_LEI)
        await exchange.answer("101")
        await desk.call(talking, state="talking")
        waiting = await exchange.ring("+8613700137000")
        await desk.call(waiting, state="ringing", queue="support", position=1, agents=("102",))
        await exchange.drop()
        missed = await exchange.ring("+8613600136000")
        await exchange.hang_up(talking)
        await desk.well(2)
        ended = await desk.call(talking, state="ended", outcome="answered")
        assert ended.answered_by == "101"
        await desk.call(missed, queue="support", position=2, customer="+8613600136000")
        await exchange.answer("102", waiting)
        await desk.call(waiting, state="talking", answered_by="102")
        await desk.call(missed, position=1)


async def test_the_connection_is_cut_again_and_again(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    """What happens while nobody listens is learnt from the exchange's list."""
    desk = MemoryDesk()
    async with listening(connector_to(pbx, http), desk):
        call_id = await pbx.ring(LI_LEI)
        await desk.call(call_id, state="ringing", agents=("101", "102"))
        await pbx.drop()
        await pbx.answer("101")
        await desk.call(call_id, state="talking", outcome="answered", answered_by="101")
        await pbx.drop()
        await pbx.hang_up()
        await desk.call(call_id, state="ended", outcome="answered", answered_by="101")


async def test_another_process_goes_on(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    desk = MemoryDesk()
    async with listening(connector_to(pbx, http), desk):
        call_id = await pbx.ring(LI_LEI, name="李雷")
        over = await pbx.ring_directly("+8613700137000")
        before = await desk.call(call_id, queue="support", agents=("101", "102"))
        await desk.call(over, state="ringing")
    await pbx.hang_up(over)
    async with listening(connector_to(pbx, http), desk):
        closed = await desk.call(over, state="ended", outcome="missed")
        assert closed.cause == ""
        await pbx.answer("101")
        after = await desk.call(call_id, state="talking")
    assert after.started_at == before.started_at
    assert (after.queue, after.sequence > before.sequence) == ("support", True)


async def test_what_cannot_be_journaled_waits(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    desk = MemoryDesk(faults=[OSError("no primary"), TryLater("away")])
    async with listening(connector_to(pbx, http), desk):
        call_id = await pbx.ring(LI_LEI, line="703")
        await desk.call(call_id, state="ended", outcome="busy")
    assert desk.faults == []


async def test_a_wrong_secret_is_reported(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    desk = MemoryDesk()
    task = asyncio.create_task(connector_to(pbx, http, secret="another-secret").listen(desk))
    await desk.until(lambda: len(desk.health) >= 2)
    task.cancel()
    await asyncio.wait([task])
    assert set(desk.health) == {(False, "Authentication failed")}
    assert pbx.logins == 0


async def test_pings_keep_the_connection_and_the_book_true(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    desk = MemoryDesk()
    async with listening(connector_to(pbx, http, ping_seconds=0.05), desk):
        call_id = await pbx.ring_directly(LI_LEI)
        await desk.call(call_id, state="ringing", agents=("101",))
        pbx.exchange.calls.clear()  # its Hangup got lost
        await desk.call(call_id, state="ended", outcome="missed")
    assert pbx.logins == 1


async def test_a_silent_exchange_is_left(
    pbx: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnihub.connectors.asterisk.ami.ANSWER_SECONDS", 0.1)
    desk = MemoryDesk()
    async with listening(connector_to(pbx, http, ping_seconds=0.05), desk):
        pbx.mute = True
        await desk.until(lambda: any("did not answer" in words for ok, words in desk.health if not ok))
        pbx.mute = False
        await desk.well(2)


HOUSE = Path(str(asterisk.__file__)).parent / "fixtures" / "calls"


@pytest.mark.parametrize("name", ["internal_call", "internal_voicemail"])
async def test_calls_within_the_house_are_not_told(pbx: Simulator, http: aiohttp.ClientSession, name: str) -> None:
    told = json.loads((HOUSE / f"{name}.json").read_text("utf-8"))
    desk = MemoryDesk()
    async with listening(connector_to(pbx, http), desk):
        for _, event, who, more in told["events"]:
            named = [
                (p + header, value) for p, one in who.items() for header, value in told["channels"][one].items()
            ]
            pbx._emit(event, [*more.items(), *named])
        call_id = await pbx.ring(LI_LEI, line="703")
        await desk.call(call_id, state="ended", outcome="busy")
    assert set(desk.calls) == {call_id}


async def test_nobody_becomes_who_hides_the_number(
    pbx: Simulator, store: Store, connectors: Connectors, settings: HubSettings, eventually: Eventually
) -> None:
    """Two such callers are two people, and neither is known by a number."""
    [demo] = pbx.accounts()
    values = plain(read_settings("asterisk", dict(demo.settings)))
    account = await store.accounts.add(
        channel="asterisk", name="PBX", settings=values, secret_names=secret_names("asterisk")
    )
    connector, intake = await connectors.of(account), Intake(store, connectors, settings)
    journaled = MemoryDesk()
    journaled.journal = AccountDesk(store, account).journal  # type: ignore[method-assign]
    assert isinstance(connector, Connector)

    async def ended() -> list[dict[str, Any]]:
        await intake.drain()
        query = {"extra.call.state": "ended"}
        found = [doc async for doc in store.db["messages"].find(query)]
        return found if len(found) == 3 else []

    async with listening(connector, journaled):
        for number in ("anonymous", "anonymous", "<unknown>"):
            await pbx.ring(number, line="703")
        messages = await eventually(ended)
    known = [doc["_id"] async for doc in store.db["identities"].find()]
    assert len(known) == len({one["sender"]["key"] for one in messages}) == 3
    assert all(one.startswith(f"asterisk:{account.id}:anonymous-") for one in known)


async def test_the_whole_way(
    pbx: Simulator, store: Store, connectors: Connectors, settings: HubSettings, eventually: Eventually
) -> None:
    """From the telephone to the ticket: one card, and the missed call waits for an answer."""
    [demo] = pbx.accounts()
    values = plain(read_settings("asterisk", dict(demo.settings)))
    account = await store.accounts.add(
        channel="asterisk", name="PBX", settings=values, secret_names=secret_names("asterisk")
    )
    connector, intake = await connectors.of(account), Intake(store, connectors, settings)
    desk = AccountDesk(store, account)
    journaled = MemoryDesk()
    journaled.journal = desk.journal  # type: ignore[method-assign]
    journaled.save_cursor = desk.save_cursor  # type: ignore[method-assign]
    assert isinstance(connector, Connector)

    async def messages() -> list[dict[str, Any]]:
        await intake.drain()
        return [doc async for doc in store.db["messages"].find()]

    async def ended() -> list[dict[str, Any]]:
        found = await messages()
        return found if found and found[0]["extra"]["call"]["state"] == "ended" else []

    async with listening(connector, journaled):
        await pbx.ring(LI_LEI, name="李雷")
        [first] = await eventually(messages)
        assert first["silent"]
        await pbx.hang_up()
        [message] = await eventually(ended)
    assert (message["kind"], message["silent"]) == ("call", False)
    assert message["sender"]["key"] == f"phone:{LI_LEI}"
    assert str(message["text"]).startswith(f"Missed call from {LI_LEI} (李雷), hung up after waiting")
    assert message["extra"]["call"]["outcome"] == "abandoned"
    [ticket] = [doc async for doc in store.db["tickets"].find()]
    assert ticket["waiting_since"] is not None

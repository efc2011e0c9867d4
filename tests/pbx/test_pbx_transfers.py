"""Calls that are passed on, parked and taken back: one message each, whoever talks."""

import pytest

from tests.pbx.hub import Hub, states
from tests.pbx.telephones import Telephones
from tests.pbx.test_pbx_calls import ERIKA, told

pytestmark = pytest.mark.pbx


async def test_a_blind_transfer(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "passes_on", after=1.0, pause=1, other="102")
    await lines.phone("102", "answers", after=1.0)
    await lines.caller("701", ERIKA, "Erika", "talks", pause=4)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="answered", customer=ERIKA, line="701", agents=["101", "102"],
        answered_by="101", transfers=[{"from": "101", "to": "102", "kind": "blind"}],
        waited_seconds=range(1, 3), talked_seconds=range(3, 6),
    )  # fmt: skip
    assert states(await desk.history()) == ["ringing", "talking", "ringing", "talking", "ended"]


async def test_a_blind_transfer_of_a_queue_call(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "passes_on", after=1.0, pause=1, other="103")
    await lines.phone("102", "rings")
    await lines.phone("103", "answers", after=1.0)
    await lines.caller("700", ERIKA, "Erika", "talks", pause=5)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, outcome="answered", queue="support", agents=["101", "102", "103"], answered_by="101",
        transfers=[{"from": "101", "to": "103", "kind": "blind"}],
    )  # fmt: skip
    [file] = (await desk.recorded())["attachments"]
    assert file["size"] > 16_000


async def test_an_attended_transfer(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "consults", after=1.0, pause=1, other="102")
    await lines.phone("102", "answers", after=0.5)
    await lines.caller("701", ERIKA, "Erika", "talks", pause=6)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="answered", customer=ERIKA, line="701", agents=["101", "102"],
        answered_by="101", transfers=[{"from": "101", "to": "102", "kind": "attended"}],
        waited_seconds=range(1, 3), talked_seconds=range(5, 8),
    )  # fmt: skip
    assert states(await desk.history()) == ["ringing", "talking", "held", "talking", "ended"]


async def test_the_exchanges_own_attended_transfer(desk: Hub, lines: Telephones) -> None:
    """By keys, as with telephones that have none for it."""
    await lines.phone("101", "dials_transfer", after=1.0, pause=1, talk=2.0)
    await lines.phone("103", "answers", after=0.5)
    await lines.caller("701", ERIKA, "Erika", "talks", pause=9)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, outcome="answered", customer=ERIKA, agents=["101", "103"], answered_by="101",
        transfers=[{"from": "101", "to": "103", "kind": "attended"}], talked_seconds=range(8, 11),
    )  # fmt: skip


async def test_parking(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "passes_on", after=0.5, pause=1, other="800")
    await lines.caller("701", ERIKA, "Erika", "talks", pause=6)
    await desk.message(state="parked")
    await lines.phone("102", "calls_on", dialled="801", name="Bao")
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="answered", customer=ERIKA, answered_by="101", talked_seconds=range(5, 8)
    )
    assert states(await desk.history()) == ["ringing", "talking", "parked", "talking", "ended"]
    assert "102" in message["extra"]["call"]["agents"]

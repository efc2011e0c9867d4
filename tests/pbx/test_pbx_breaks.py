"""What the exchange does while nobody listens, and the hub's account of it afterwards."""

import pytest

from tests.pbx.exchange import Exchange
from tests.pbx.hub import Hub
from tests.pbx.relay import Relay
from tests.pbx.telephones import Telephones
from tests.pbx.test_pbx_calls import ERIKA, LI_LEI, told

pytestmark = pytest.mark.pbx


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnihub.connectors.asterisk.listening.FIRST_PAUSE", 0.1)
    monkeypatch.setattr("omnihub.connectors.asterisk.listening.LAST_PAUSE", 0.3)


async def test_a_call_goes_on_through_a_break(desk: Hub, lines: Telephones, relay: Relay) -> None:
    await lines.phone("101", "answers", after=1.0)
    await lines.caller("701", ERIKA, "Erika", "talks", pause=5)
    before = (await desk.message(state="talking"))["extra"]["call"]
    await relay.cut()
    await desk.well(False)
    relay.mend()
    await desk.well()
    going_on = await desk.message()
    assert told(going_on, state="talking", answered_by="101")["answered_at"] == before["answered_at"]
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, id=before["id"], started_at=before["started_at"], answered_at=before["answered_at"],
        outcome="answered", agents=["101"], answered_by="101", talked_seconds=range(5, 7), cause="Normal Clearing",
    )  # fmt: skip
    [file] = (await desk.recorded())["attachments"]
    assert file["filename"] == f"{before['id']}.wav"


async def test_a_call_that_is_answered_and_one_that_begins_during_a_break(
    desk: Hub, lines: Telephones, relay: Relay
) -> None:  # fmt: skip
    picked_up = await lines.phone("101", "hangs_up", after=1.5, pause=4)
    await lines.phone("103", "rings")
    await lines.caller("701", ERIKA, "Erika", "listens")
    await desk.message(state="ringing", agents=["101"])
    await relay.cut()
    await desk.well(False)
    await lines.caller("703", LI_LEI, "李雷", "cancels", pause=6)
    await lines.answered("101")
    relay.mend()
    [talking] = await desk.calls(customer=ERIKA, state="talking")
    told(talking, outcome="answered", agents=["101"], answered_by="101", line="701")
    [ringing] = await desk.calls(customer=LI_LEI)
    told(ringing, direction="in", state="ringing", customer_name="李雷", line="703", agents=["103"])
    await picked_up.done()
    [over] = await desk.calls(customer=ERIKA, state="ended")
    told(over, outcome="answered", answered_by="101", cause="Normal Clearing")
    [missed] = await desk.calls(customer=LI_LEI, state="ended")
    await lines.all_done()
    told(missed, outcome="missed", agents=["103"], waited_seconds=range(5, 8))


async def test_a_call_that_waits_in_the_queue_all_through_a_break(
    desk: Hub, lines: Telephones, relay: Relay
) -> None:  # fmt: skip
    await relay.cut()
    await desk.well(False)
    await lines.phone("101", "answers", after=4.0)
    await lines.phone("102", "rings")
    await lines.caller("700", ERIKA, "Erika", "talks", pause=7)
    await lines.ringing("101")
    relay.mend()
    waiting = await desk.message(queue="support", position=1)
    told(waiting, direction="in", line="700", agents=["101", "102"], customer=ERIKA, customer_name="Erika")
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, outcome="answered", queue="support", agents=["101", "102"], answered_by="101",
        waited_seconds=range(3, 6), talked_seconds=range(2, 4),
    )  # fmt: skip


async def test_a_call_that_ends_during_a_break(desk: Hub, lines: Telephones, relay: Relay) -> None:
    await lines.phone("101", "answers", after=0.5)
    await lines.caller("701", ERIKA, "Erika", "talks", pause=2)
    await desk.message(state="talking")
    await relay.cut()
    await desk.well(False)
    await lines.all_done()
    assert (await desk.message(state="talking"))["extra"]["call"]["ended_at"] is None
    relay.mend()
    message = await desk.message(state="ended")
    told(message, outcome="answered", answered_by="101", cause="")


async def test_the_exchange_breaks_down(desk: Hub, lines: Telephones, exchange: Exchange) -> None:
    await lines.phone("101", "answers", after=0.5)
    await lines.caller("701", ERIKA, "Erika", "listens")
    await desk.message(state="talking")
    exchange.stop()
    await desk.well(False)
    await lines.hang_up()
    exchange.start()
    message = await desk.message(state="ended")
    told(message, outcome="answered", answered_by="101")
    await lines.phone("103", "is_busy")
    await lines.caller("703", LI_LEI, "李雷", "is_turned_away")
    [busy] = await desk.calls(customer=LI_LEI, state="ended")
    told(busy, outcome="busy")

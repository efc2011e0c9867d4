"""Calls as a real Asterisk tells of them, from the telephone to the message that agents see. What is waited and
talked is known from the scenarios' pauses; a second more or less is the exchange's own."""

import io
import wave
from collections.abc import Mapping
from typing import Any

import pytest

from tests.pbx.hub import Hub, Message, states
from tests.pbx.telephones import Telephones

pytestmark = pytest.mark.pbx

ERIKA = "+4930123456"
LI_LEI = "+8613900139000"
NOTICE = {"notice": "This call is recorded.", "version": "2026-11"}


def told(message: Message, **wanted: object) -> Mapping[str, Any]:
    """The call, which is as wanted; for seconds a range is given."""
    call: Mapping[str, Any] = message["extra"]["call"]
    seen = {
        name: value if isinstance(value, range) and call[name] in value else call[name]
        for name, value in wanted.items()
    }
    assert seen == wanted
    return call


async def heard(desk: Hub) -> list[str]:
    return states(await desk.history())


async def test_a_queue_call_that_is_answered_and_recorded(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "answers", after=2.0)
    await lines.phone("102", "rings")
    await lines.caller("700", LI_LEI, "李雷", "talks", pause=5)
    message = await desk.message(state="ended")
    await lines.all_done()
    call = told(
        message, direction="in", outcome="answered", customer=LI_LEI, customer_name="李雷", line="700",
        queue="support", agents=["101", "102"], answered_by="101", transfers=[], cause="Normal Clearing",
        waited_seconds=range(2, 4), talked_seconds=range(2, 4), consent=NOTICE,
    )  # fmt: skip
    assert (message["kind"], message["silent"], message["sender"]["key"]) == ("call", True, f"phone:{LI_LEI}")
    assert (await heard(desk))[-3:] == ["ringing", "talking", "ended"]
    [file] = (await desk.recorded())["attachments"]
    assert (file["filename"], file["label"], file.get("state")) == (call["recording"], "recording", None)
    with wave.open(io.BytesIO(await desk.content(file))) as recording:
        seconds = recording.getnframes() / recording.getframerate()
        loudest = max(recording.readframes(recording.getnframes()))
    assert 2 <= seconds < 4
    assert loudest > 0


async def test_a_direct_call_that_the_agent_ends(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "hangs_up", after=1.0, pause=2)
    await lines.caller("701", ERIKA, "Erika", "listens")
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="answered", customer=ERIKA, customer_name="Erika", line="701", queue="",
        agents=["101"], answered_by="101", waited_seconds=range(1, 3), talked_seconds=range(2, 4),
        cause="Normal Clearing", consent=NOTICE,
    )  # fmt: skip
    assert await heard(desk) == ["ringing", "talking", "ended"]
    [file] = (await desk.recorded())["attachments"]
    assert file["size"] > 16_000


@pytest.mark.parametrize(("scenario", "outcome"), [("is_busy", "busy"), ("declines", "rejected")])
async def test_a_call_that_is_turned_away(desk: Hub, lines: Telephones, scenario: str, outcome: str) -> None:
    await lines.phone("103", scenario, after=1.0)
    await lines.caller("703", ERIKA, "Erika", "is_turned_away")
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome=outcome, customer=ERIKA, line="703", agents=["103"], answered_by="",
        waited_seconds=range(3), talked_seconds=0, recording="",
    )  # fmt: skip


async def test_a_call_that_nobody_answers(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "rings")
    await lines.caller("702", ERIKA, "Erika", "is_turned_away")
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="no_answer", customer=ERIKA, line="702", agents=["101"], answered_by="",
        waited_seconds=range(2, 4), talked_seconds=0,
    )  # fmt: skip
    assert message["silent"] is False


async def test_a_caller_who_gives_up_while_it_rings(desk: Hub, lines: Telephones) -> None:
    await lines.phone("103", "rings")
    await lines.caller("703", ERIKA, "Erika", "cancels", pause=2)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="missed", customer=ERIKA, line="703", agents=["103"], answered_by="",
        waited_seconds=range(2, 4), talked_seconds=0,
    )  # fmt: skip
    assert message["silent"] is False


async def test_a_caller_who_gives_up_in_the_queue(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "rings")
    await lines.phone("102", "rings")
    await lines.caller("700", ERIKA, "Erika", "talks", pause=3)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="abandoned", customer=ERIKA, line="700", queue="support",
        agents=["101", "102"], answered_by="", waited_seconds=range(3, 5), talked_seconds=0,
    )  # fmt: skip
    assert message["silent"] is False
    assert message["text"].startswith(f"Missed call from {ERIKA} (Erika), hung up after waiting")
    assert (await heard(desk))[-1] == "ended"
    [ticket] = [doc async for doc in desk.store.db["tickets"].find()]
    assert ticket["waiting_since"] is not None


async def test_a_queue_that_lets_its_caller_go(desk: Hub, lines: Telephones) -> None:
    await lines.phone("103", "rings")
    await lines.caller("704", ERIKA, "Erika", "listens")
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="no_answer", customer=ERIKA, line="704", queue="short",
        agents=["103"], answered_by="", waited_seconds=range(2, 5), talked_seconds=0,
    )  # fmt: skip
    assert message["silent"] is False


async def test_a_message_on_the_answering_machine(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "rings")
    await lines.caller("705", ERIKA, "Erika", "talks", pause=4)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(message, direction="in", outcome="voicemail", customer=ERIKA, line="705", agents=["101"], answered_by="")
    assert message["silent"] is False


async def test_a_queue_whose_members_are_extensions(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "answers", after=1.0)
    await lines.caller("706", ERIKA, "Erika", "talks", pause=4)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="in", outcome="answered", customer=ERIKA, line="706", queue="branch", agents=["101"],
        answered_by="101", waited_seconds=range(1, 3), talked_seconds=range(2, 4), cause="Normal Clearing",
    )  # fmt: skip


async def test_a_withheld_number_joins_nobody(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "answers", after=0.5)
    await lines.caller("701", "anonymous", "Anonymous", "talks", pause=1)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(message, direction="in", outcome="answered", customer="", answered_by="101")
    assert message["sender"]["key"].startswith(f"asterisk:{desk.account.id}:anonymous-")


async def test_places_in_the_queue(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "rings")
    await lines.phone("102", "rings")
    await lines.caller("700", ERIKA, "Erika", "talks", pause=3)
    await desk.calls(customer=ERIKA, queue="support", position=1)
    await lines.caller("700", LI_LEI, "李雷", "talks", pause=5)
    await desk.calls(customer=LI_LEI, queue="support", position=2)
    await desk.calls(customer=ERIKA, outcome="abandoned")
    await desk.calls(customer=LI_LEI, position=1)
    [ended] = await desk.calls(customer=LI_LEI, state="ended")
    told(ended, outcome="abandoned", waited_seconds=range(5, 7))


async def test_hold(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "holds", after=0.5, pause=1)
    await lines.caller("701", ERIKA, "Erika", "talks", pause=4)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(message, outcome="answered", answered_by="101", transfers=[])
    assert await heard(desk) == ["ringing", "talking", "held", "talking", "ended"]


async def test_calls_among_ourselves_are_nobodys_business(desk: Hub, lines: Telephones) -> None:
    await lines.phone("102", "answers", after=0.5)
    internal = await lines.phone("101", "calls", dialled="102", name="Anna", pause=1)
    await internal.done()
    await lines.caller("702", ERIKA, "Erika", "is_turned_away")
    [message] = await desk.calls(state="ended")
    told(message, customer=ERIKA)
    assert len(await desk.messages()) == 1


# — outgoing —


async def test_click_to_call(desk: Hub, lines: Telephones) -> None:
    await lines.phone("101", "answers", after=1.0)
    await lines.phone("trunk", "hangs_up", after=2.0, pause=2)
    dialled = await (await desk.connector()).dial("101", ERIKA, call_id="0123456789abcdef")
    assert (dialled.call_id, dialled.picked_up, dialled.words) == ("0123456789abcdef", True, "")
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, id="0123456789abcdef", direction="out", outcome="answered", customer=ERIKA, line="4000",
        agents=["101"], answered_by="101", talked_seconds=range(2, 4), cause="Normal Clearing",
    )  # fmt: skip
    assert (message["sender"]["key"], message["silent"]) == (f"phone:{ERIKA}", True)
    assert await heard(desk) == ["ringing", "talking", "ended"]


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        ("is_busy", "busy"),
        ("declines", "rejected"),
        ("rings", "no_answer"),
    ],
)  # fmt: skip
async def test_a_customer_who_does_not_answer(
    desk: Hub, lines: Telephones, scenario: str, outcome: str
) -> None:  # fmt: skip
    await lines.phone("101", "answers", after=0.5)
    await lines.phone("trunk", scenario, after=0.5)
    assert (await (await desk.connector()).dial("101", ERIKA, call_id="call1")).picked_up
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="out", outcome=outcome, customer=ERIKA, agents=["101"], answered_by="", talked_seconds=0
    )
    assert message["silent"] is True


@pytest.mark.parametrize(
    ("scenario", "words", "outcome"),
    [
        ("is_busy", "the agent's telephone is busy", "busy"),
        ("rings", "the agent's telephone was not picked up", "no_answer"),
    ],
)  # fmt: skip
async def test_an_agent_who_does_not_pick_up(
    desk: Hub, lines: Telephones, scenario: str, words: str, outcome: str
) -> None:  # fmt: skip
    await lines.phone("101", scenario)
    dialled = await (await desk.connector()).dial("101", ERIKA, call_id="call1")
    assert (dialled.picked_up, dialled.words) == (False, words)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(message, direction="out", outcome=outcome, customer=ERIKA, agents=["101"], answered_by="")


async def test_a_telephone_that_is_not_there(desk: Hub) -> None:
    dialled = await (await desk.connector()).dial("199", ERIKA, call_id="call1")
    assert (dialled.picked_up, dialled.words) == (False, "there is no such telephone, or it is not connected")


async def test_an_agent_dials_by_hand(desk: Hub, lines: Telephones) -> None:
    await lines.phone("trunk", "answers", after=1.0)
    await lines.phone("101", "calls", dialled=ERIKA, name="Anna", pause=2)
    message = await desk.message(state="ended")
    await lines.all_done()
    told(
        message, direction="out", outcome="answered", customer=ERIKA, agents=["101"], answered_by="101",
        waited_seconds=range(1, 3), talked_seconds=range(2, 4),
    )  # fmt: skip


async def test_the_connection_can_be_checked(desk: Hub) -> None:
    found = await (await desk.connector()).check()
    assert {one.name: (one.ok, one.remedy) for one in found if not one.ok} == {}
    assert any(one.detail.startswith("Asterisk 2") for one in found)

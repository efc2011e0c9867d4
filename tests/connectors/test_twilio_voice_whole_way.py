"""Whole calls: Twilio on loopback, the hub's door, the real journal, intake and errands."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.twilio_voice.simulator import AGENTS, NAME, NUMBER, Simulator
from omnihub.connectors.twilio_voice.simulator_call import DemoCall, Plan
from omnihub.inbox.intake import Intake
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.model.account import Account
from omnihub.model.errors import Refused
from omnihub.model.inbound import Amendment, LentMedia
from omnihub.outbound.errands import ErrandRunner
from omnihub.settings import Settings as HubSettings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver
from tests.connectors.telephony_cards import folded

EMMA = "+12025550117"
BEGAN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ANNA, TELEPHONE, BAO = AGENTS
# How calls name them: by extension, where one is entered.
SHOWN = ["101", TELEPHONE, "102"]


class World:
    """One hub, one Twilio account with one number."""

    def __init__(self, store: Store, intake: Intake, errands: ErrandRunner, connectors: Connectors) -> None:
        self.store = store
        self.intake = intake
        self.errands = errands
        self.connectors = connectors
        self.account: Account
        self.twilio: Simulator

    async def card(self) -> Mapping[str, Any]:
        await self.intake.drain()
        await self.errands.run_due()
        cards: list[Mapping[str, Any]] = [doc async for doc in self.store.db["messages"].find()]
        (card,) = cards
        return card

    async def call(self, plan: Plan, customer: str = EMMA) -> tuple[DemoCall, Mapping[str, Any]]:
        call = await self.twilio.call(customer, plan)
        assert self.twilio.troubles == []
        return call, await self.card()

    async def journaled(self) -> int:
        return int(await self.store.db["raw_events"].count_documents({}))


Open = Callable[..., Awaitable[World]]


@pytest.fixture
async def opened(
    store: Store, toolbox: Toolbox, settings: HubSettings, tmp_path: Path
) -> AsyncIterator[Open]:  # fmt: skip
    async with AsyncExitStack() as stack:

        async def build(given: Mapping[str, Any] | None = None, **simulated: Any) -> World:
            port = unused_port()
            connectors = Connectors(replace(toolbox, public_url=f"http://127.0.0.1:{port}"))
            stack.push_async_callback(connectors.close)
            errands = ErrandRunner(store, {MEDIA: MediaErrands(store, connectors)})
            world = World(store, Intake(store, connectors, settings), errands, connectors)
            app = web.Application()
            app.add_routes(Receiver(store, connectors, settings).routes())
            await stack.enter_async_context(TestServer(app, port=port))
            world.twilio = Simulator(tmp_path, now=lambda: BEGAN, **simulated)
            await world.twilio.start()
            stack.push_async_callback(world.twilio.stop)
            values = registry.read_settings("twilio_voice", {**world.twilio.settings(), **(given or {})})
            world.account = await store.accounts.add(
                channel="twilio_voice", name=NAME, settings=registry.plain(values),
                secret_names=registry.secret_names("twilio_voice"),
            )  # fmt: skip
            door = f"http://127.0.0.1:{port}/in/twilio_voice/{world.account.key}"
            await world.twilio.attach({NAME: door})
            return world

        yield build


@pytest.mark.parametrize("order", ["in order", "late"])
@pytest.mark.parametrize("times", [1, 2])
async def test_a_call_that_is_answered(opened: Open, order: str, times: int) -> None:
    """Whether its callbacks come at their moments, or all after the call, the last one first, and each twice."""
    world = await opened(order=order, times=times)
    call, card = await world.call(Plan(picks_up=BAO, after=6, talks=95))
    assert call.said == [
        "Thank you for calling. We are connecting you.",
        world.twilio.settings()["consent_notice"],
    ]
    assert call.rung == [[ANNA, TELEPHONE, BAO]]
    told = card["extra"]["call"]
    assert told["agents"] == SHOWN
    assert (told["direction"], told["state"], told["outcome"]) == ("in", "ended", "answered")
    assert (told["answered_by"], told["talked_seconds"], told["cause"]) == ("102", 95, "completed")
    assert told["consent"] == {"notice": world.twilio.settings()["consent_notice"], "version": "2026-11"}
    assert told["answered_at"] == "2026-11-20T09:00:14+00:00"
    assert (told["customer"], told["line"], told["recording"]) == (EMMA, NUMBER, call.recordings[0])
    assert (card["sender"]["key"], card["silent"]) == (f"phone:{EMMA}", True)
    assert f"Call from {EMMA}, answered by 102" in card["text"]
    (file,) = card["attachments"]
    assert (file["filename"], file.get("state"), file["label"]) == ("recording.wav", None, "recording")
    assert file["size"] == len(world.twilio.twilio.recordings[call.recordings[0]])


async def test_whatever_order_its_callbacks_come_in_the_card_is_the_same(opened: Open) -> None:
    world = await opened({"ring": "sequence"}, times=2)
    connector = await world.connectors.of(world.account)
    for plan in (Plan(picks_up=BAO), Plan(leaves=9), Plan(gives_up="voicemail"), Plan(gives_up="ringing")):
        await world.store.db["raw_events"].delete_many({})
        await world.twilio.call(EMMA, plan)
        ids = await world.store.journal.waiting(0, 200)
        events = [one async for portion in world.store.journal.portions(ids) for one in portion]
        told = [one for event in events for one in connector.parse(event) if isinstance(one, Amendment)]
        assert len(told) == len(events) > 4
        wanted = folded(EMMA, sorted(told, key=lambda one: one.sequence))
        for seed in range(60):
            mixed = random.Random(seed).sample([*told, *told[::3]], len(told) + len(told[::3]))
            card = folded(EMMA, mixed)
            assert card["extra"]["call"] == wanted["extra"]["call"], seed
            assert (card["text"], card["silent"]) == (wanted["text"], wanted["silent"]), seed
        await world.intake.drain()


async def test_repeats_are_journaled_once(opened: Open) -> None:
    world = await opened(times=3)
    await world.twilio.call(EMMA, Plan(picks_up=ANNA))
    before = await world.journaled()
    # One for the call, eleven of the legs, one after the ringing, one of the recording, one for the end.
    assert before == 1 + 3 * 2 + (1 + 1 + 2) + 1 + 1 + 1
    await world.store.journal.replay(states=("done", "waiting"))
    card = await world.card()
    await world.store.journal.replay(states=("done",))
    again = await world.card()
    assert {**card, "attachments": []} == {**again, "attachments": []}


@pytest.mark.parametrize("order", ["in order", "late"])
async def test_who_finds_nobody_leaves_a_message(opened: Open, order: str) -> None:
    world = await opened({"ring": "sequence", "ring_seconds": 15}, order=order)
    call, card = await world.call(Plan(leaves=12))
    assert call.rung == [[ANNA], [TELEPHONE], [BAO]]
    assert call.said[-1].startswith("Nobody can answer right now.")
    told = card["extra"]["call"]
    assert (told["outcome"], told["agents"], card["silent"]) == ("voicemail", SHOWN, False)
    assert card["text"] == f"Voicemail from {EMMA}"
    (file,) = card["attachments"]
    assert (file["filename"], file.get("state")) == ("voicemail.wav", None)
    (ticket,) = [doc async for doc in world.store.db["tickets"].find()]
    assert ticket["waiting_since"] is not None


@pytest.mark.parametrize("order", ["in order", "late"])
@pytest.mark.parametrize(
    ("plan", "outcome"),
    [
        (Plan(gives_up="ringing"), "abandoned"),
        (Plan(gives_up="voicemail"), "missed"),
        (Plan(leaves=0), "missed"),
        (Plan(leaves=1, missing="16102"), "missed"),
    ],
)
async def test_a_call_that_nobody_took(opened: Open, plan: Plan, outcome: str, order: str) -> None:
    world = await opened(order=order)
    _, card = await world.call(plan)
    told = card["extra"]["call"]
    assert (told["state"], told["outcome"], card["silent"]) == ("ended", outcome, False)
    assert card["text"].startswith(f"Missed call from {EMMA}")
    assert card["attachments"] == []
    assert card["extra"].get("recording_problem", "") == ("no recording: silent" if plan.missing else "")


async def test_the_next_in_the_sequence_answers(opened: Open) -> None:
    world = await opened({"ring": "sequence", "record_calls": False})
    call, card = await world.call(Plan(picks_up=TELEPHONE))
    assert call.rung == [[ANNA], [TELEPHONE]]
    told = card["extra"]["call"]
    assert (told["answered_by"], told["agents"], told.get("consent")) == (TELEPHONE, SHOWN[:2], None)
    assert card["attachments"] == []


async def test_without_voicemail_the_caller_hears_the_closing_words(opened: Open) -> None:
    world = await opened({"voicemail": False, "closing": "Ring <later> & thanks."})
    call, card = await world.call(Plan())
    assert call.said[-1] == "Ring <later> & thanks."
    assert card["extra"]["call"]["outcome"] == "missed"


async def test_withheld_numbers_are_strangers(opened: Open) -> None:
    world = await opened()
    call, card = await world.call(Plan(gives_up="ringing"), customer="anonymous")
    assert card["sender"]["key"] == f"twilio_voice:{world.account.id}:anonymous-{call.sid}"
    assert "an anonymous number" in card["text"]


async def test_the_call_pops_up_while_it_rings(opened: Open) -> None:
    """What is known before anybody answers: who calls, and whose telephones ring."""
    world = await opened()
    world.twilio.twilio.numbers[NUMBER].status_url = ""
    seen: list[Mapping[str, Any]] = []
    tell = world.twilio._tell

    async def looking(url: str, pairs: list[tuple[str, str]]) -> None:
        await tell(url, pairs)
        seen.append((await world.card())["extra"]["call"])

    world.twilio._tell = looking  # type: ignore[method-assign]
    await world.twilio.call(EMMA, Plan(picks_up=ANNA))
    states = [told["state"] for told in seen]
    assert states[0] == "ringing"
    assert seen[0]["agents"] == SHOWN
    assert "talking" in states
    assert (await world.card())["extra"]["call"]["state"] == "ended"  # without a status address, too


async def test_a_recording_that_was_deleted_is_shown_as_lost(opened: Open) -> None:
    world = await opened()
    call = await world.twilio.call(EMMA, Plan(picks_up=ANNA))
    world.twilio.twilio.recordings.clear()
    (file,) = (await world.card())["attachments"]
    assert file["state"] == "lost"
    assert "no longer at Twilio" in file["problem"]
    assert call.recordings


async def test_a_recording_beyond_the_limit_is_refused(opened: Open) -> None:
    world = await opened({"recording_max_mb": 0.001})
    await world.twilio.call(EMMA, Plan(picks_up=ANNA))
    (file,) = (await world.card())["attachments"]
    assert file["state"] == "lost"
    connector = await world.connectors.of(world.account)
    sid = (await world.card())["extra"]["call"]["recording"]
    with pytest.raises(Refused, match="larger than"):
        await connector.fetch(LentMedia(ref={"url": "", "sid": sid}, filename="recording.wav"))


async def test_a_forged_call_is_answered_with_no_twiml(opened: Open) -> None:
    world = await opened()
    world.twilio.twilio.auth_token = "0" * 32
    await world.twilio.call(EMMA, Plan())
    assert world.twilio.troubles == ["11200: the answer was HTTP 401"] * 2  # the call, and its end
    assert await world.journaled() == 0


async def test_the_connection_test_finds_what_is_wrong(opened: Open) -> None:
    world = await opened()
    connector = await world.connectors.of(world.account)
    assert [one.detail for one in await connector.check() if not one.ok] == []
    number = world.twilio.twilio.numbers[NUMBER]
    number.voice_url, number.status_url = "https://elsewhere.example/voice", ""
    wrong = {one.name: one for one in await connector.check() if not one.ok}
    assert set(wrong) == {f"Number {NUMBER}: “A call comes in”", f"Number {NUMBER}: “Call status changes”"}
    assert all("HTTP POST" in one.remedy for one in wrong.values())
    del world.twilio.twilio.numbers[NUMBER]
    assert [one.detail for one in await connector.check() if not one.ok] == ["it is not in this account"]
    values = {**world.twilio.settings(), "auth_token": "another-token", "numbers": [NUMBER]}
    other = registry.connect(replace(world.account, settings=values), connector.toolbox)
    assert [one.name for one in await other.check() if not one.ok] == ["Twilio account"]

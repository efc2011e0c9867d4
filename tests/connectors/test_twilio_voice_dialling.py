"""Calls that an agent places through Twilio: the API, the callbacks of both legs, and the card."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from omnihub.connectors import registry
from omnihub.connectors.contract import Dialled, Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.twilio_voice import calling
from omnihub.connectors.twilio_voice.connector import Connector
from omnihub.connectors.twilio_voice.simulator import AGENTS, NAME, NUMBER, Simulator
from omnihub.connectors.twilio_voice.simulator_outgoing import Placed
from omnihub.inbox.intake import Intake
from omnihub.inbox.media import MEDIA, MediaErrands
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, Refused, TryLater, Uncertain, Unreadable, Unverified
from omnihub.model.inbound import Amendment
from omnihub.model.raw import RawEvent
from omnihub.outbound.errands import ErrandRunner
from omnihub.settings import Settings as HubSettings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver
from tests.connectors.telephony_cards import folded
from tests.connectors.telephony_dialling import HOSTILE

EMMA = "+12025550117"
CALL_ID = "01kaz8t3c5d7e9f1g3h5j7k9m1"
BEGAN = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
NOTICE = "This call is recorded to improve our service."


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "PAUSE_SECONDS", 0.01)


class World:
    """A hub's door, and the Twilio account that it belongs to."""

    def __init__(self, store: Store, intake: Intake, errands: ErrandRunner, connectors: Connectors) -> None:
        self.store = store
        self.intake = intake
        self.errands = errands
        self.connectors = connectors
        self.account: Account
        self.twilio: Simulator
        self.given: Mapping[str, Any] = {}

    async def connector(self, **changed: Any) -> Connector:
        known = cast("Connector", await self.connectors.of(self.account))
        entered = {**self.twilio.settings(), **self.given, **changed}
        values = registry.plain(registry.read_settings("twilio_voice", entered))
        return cast("Connector", registry.connect(replace(self.account, settings=values), known.toolbox))

    async def dial(self, extension: str = "101", number: str = EMMA, **changed: Any) -> Dialled:
        return await (await self.connector(**changed)).dial(extension, number, call_id=CALL_ID)

    @property
    def placed(self) -> Placed:
        (call,) = self.twilio.outgoing.calls.values()
        return call

    async def card(self) -> Mapping[str, Any]:
        await self.twilio.outgoing_over()
        assert self.twilio.troubles == []
        await self.intake.drain()
        await self.errands.run_due()
        (card,) = [doc async for doc in self.store.db["messages"].find()]
        return cast("Mapping[str, Any]", card)


@pytest.fixture
async def world(
    request: pytest.FixtureRequest, store: Store, toolbox: Toolbox, settings: HubSettings, tmp_path: Path
) -> AsyncIterator[World]:
    port = unused_port()
    async with AsyncExitStack() as stack:
        connectors = Connectors(replace(toolbox, public_url=f"http://127.0.0.1:{port}"))
        stack.push_async_callback(connectors.close)
        errands = ErrandRunner(store, {MEDIA: MediaErrands(store, connectors)})
        world = World(store, Intake(store, connectors, settings), errands, connectors)
        app = web.Application()
        app.add_routes(Receiver(store, connectors, settings).routes())
        await stack.enter_async_context(TestServer(app, port=port))
        simulated = dict(getattr(request, "param", {}))
        world.given = simulated.pop("given", {})
        world.twilio = Simulator(tmp_path, now=lambda: BEGAN, **simulated)
        await world.twilio.start()
        stack.push_async_callback(world.twilio.stop)
        values = registry.read_settings("twilio_voice", {**world.twilio.settings(), **world.given})
        world.account = await store.accounts.add(
            channel="twilio_voice", name=NAME, settings=registry.plain(values),
            secret_names=registry.secret_names("twilio_voice"),
        )  # fmt: skip
        yield world


ORDERS = pytest.mark.parametrize(
    "world", [{}, {"order": "late"}, {"times": 2}], indirect=True, ids=["in order", "late", "twice"]
)


@ORDERS
async def test_the_agent_is_rung_and_then_the_customer(world: World) -> None:
    done = await world.dial(number="+1 (202) 555-0117")
    assert done == Dialled(call_id=CALL_ID, picked_up=True)
    card = await world.card()
    asked = world.placed
    assert (asked.get("To"), asked.get("From"), asked.get("Timeout")) == (AGENTS[0], NUMBER, "25")
    assert (asked.rung, asked.said) == ([EMMA], [NOTICE])
    told = card["extra"]["call"]
    assert told == {
        **told, "id": CALL_ID, "direction": "out", "state": "ended", "outcome": "answered", "customer": EMMA,
        "line": NUMBER, "agents": ["101"], "answered_by": "101", "talked_seconds": 42, "cause": "completed",
        "started_at": "2026-11-20T09:00:00+00:00", "answered_at": "2026-11-20T09:00:13+00:00",
        "ended_at": "2026-11-20T09:00:55+00:00", "consent": {"notice": NOTICE, "version": "2026-11"},
    }  # fmt: skip
    assert (card["external_id"], card["sender"]["key"], card["silent"]) == (
        f"call:{CALL_ID}", f"phone:{EMMA}", True,
    )  # fmt: skip
    assert card["text"] == f"Call to {EMMA} by 101, talked 42 s"
    (file,) = card["attachments"]
    assert (file["filename"], file.get("state"), file["label"]) == ("recording.wav", None, "recording")


@pytest.mark.parametrize(
    ("status", "words", "outcome"),
    [
        ("no-answer", "the agent's telephone was not picked up", "no_answer"),
        ("busy", "the agent's telephone is busy", "busy"),
        ("failed", "the agent's telephone cannot be reached", "failed"),
    ],
)
async def test_an_agent_who_does_not_pick_up(world: World, status: str, words: str, outcome: str) -> None:
    world.twilio.outgoing.script.agent = status
    assert await world.dial() == Dialled(call_id=CALL_ID, picked_up=False, words=words)
    card = await world.card()
    told = card["extra"]["call"]
    assert (told["state"], told["outcome"], told["cause"], told["agents"]) == ("ended", outcome, status, ["101"])
    assert (world.placed.rung, card["silent"], card["attachments"]) == ([], True, [])


@ORDERS
@pytest.mark.parametrize(
    ("status", "outcome"), [("no-answer", "no_answer"), ("busy", "busy"), ("failed", "failed")]
)
async def test_a_customer_who_does_not_pick_up(world: World, status: str, outcome: str) -> None:
    world.twilio.outgoing.script.customer = status
    assert (await world.dial()).picked_up
    card = await world.card()
    told = card["extra"]["call"]
    assert (told["state"], told["outcome"], told.get("answered_by", "")) == ("ended", outcome, "")
    assert world.placed.said == []


UNRECORDED = {"given": {"lines": [{"line": NUMBER, "record": False}]}}
OWN_NOTICE = {
    "given": {"lines": [{"line": NUMBER, "consent_notice": "Wir zeichnen auf.", "consent_version": "7"}]}
}


@pytest.mark.parametrize("world", [UNRECORDED], indirect=True, ids=["off"])
async def test_a_line_that_is_not_recorded(world: World) -> None:
    assert (await world.dial()).picked_up
    card = await world.card()
    assert (world.placed.said, world.placed.recordings) == ([], [])
    told = card["extra"]["call"]
    assert (told.get("consent"), told.get("recording", ""), card["attachments"]) == (None, "", [])


@pytest.mark.parametrize("world", [OWN_NOTICE], indirect=True, ids=["own"])
async def test_a_line_with_a_notice_of_its_own(world: World) -> None:
    assert (await world.dial()).picked_up
    card = await world.card()
    assert world.placed.said == ["Wir zeichnen auf."]
    assert card["extra"]["call"]["consent"] == {"notice": "Wir zeichnen auf.", "version": "7"}


async def test_the_line_and_the_telephone_are_the_settings(world: World) -> None:
    world.twilio.twilio.numbers["+12025550188"] = world.twilio.twilio.numbers[NUMBER]
    phones = [{"extension": "7", "address": "+12025550166"}]
    assert (await world.dial("7", outgoing_number="+12025550188", phones=phones, ring_seconds=40)).picked_up
    await world.twilio.outgoing_over()
    asked = world.placed
    assert (asked.get("To"), asked.get("From"), asked.get("Timeout")) == ("+12025550166", "+12025550188", "40")


async def test_a_refusal_shows_twilios_words(world: World) -> None:
    with pytest.raises(Refused, match=r"is not yet verified for your account. \(21210\)"):
        await world.dial(outgoing_number="+12025550166")
    phones = [{"extension": "7", "address": "+12025550000"}]
    with pytest.raises(Refused, match=r"not authorized to call \+12025550000. \(21215\)"):
        await world.dial("7", phones=phones)
    assert world.twilio.outgoing.calls == {}


@pytest.mark.parametrize(
    ("status", "error"), [(429, TryLater), (401, TryLater), (500, Uncertain), (503, Uncertain)]
)
async def test_what_a_failing_twilio_means(world: World, status: int, error: type[Exception]) -> None:
    world.twilio.fails_with = status
    with pytest.raises(error):
        await world.dial()


async def test_nobody_there_was_not_asked(world: World) -> None:
    connector = await world.connector()
    await world.twilio.stop()
    with pytest.raises(TryLater):
        await connector.dial("101", EMMA, call_id=CALL_ID)


async def test_a_twilio_that_takes_the_call_and_never_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "PLACE_SECONDS", 0.2)
    world.twilio.is_mute = True
    with pytest.raises(Uncertain):
        await world.dial()


async def test_a_twilio_that_does_not_say_what_became_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "SPARE_SECONDS", -4.7)
    connector = await world.connector(ring_seconds=5)
    monkeypatch.setattr(world.twilio.outgoing, "calls", Forgetful())
    with pytest.raises(Uncertain):
        await connector.dial("101", EMMA, call_id=CALL_ID)


class Forgetful(dict[str, Placed]):
    def __setitem__(self, key: str, value: Placed) -> None:
        """Nothing is kept."""


async def test_nothing_but_telephones_and_numbers_can_be_called() -> None:
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    toolbox = Toolbox(http=nobody, public_url="http://hub.test", sign=lambda *_: b"", now=lambda: BEGAN)
    settings = {
        "account_sid": f"AC{'0' * 32}", "auth_token": "a-token-of-the-test", "numbers": [NUMBER],
        "phones": [{"extension": "101", "address": "client:anna"}], "api_base_url": "http://127.0.0.1:1",
    }  # fmt: skip
    values = registry.plain(registry.read_settings("twilio_voice", settings))
    account = Account(id="01a", key="k", channel="twilio_voice", name="T", enabled=True, settings=values)
    connector = registry.connect(account, toolbox)
    for wrong in (*HOSTILE, {"extension": "103"}, {"number": "101"}):
        asked = {"extension": "101", "number": EMMA, "call_id": CALL_ID, **wrong}
        with pytest.raises(Invalid) as refused:
            await connector.dial(asked["extension"], asked["number"], call_id=asked["call_id"])
        assert set(refused.value.fields) == set(wrong)


async def test_whatever_order_the_callbacks_come_in_the_card_is_the_same(world: World) -> None:
    connector = await world.connector()
    for agent, customer in (("in-progress", "in-progress"), ("in-progress", "busy"), ("busy", "")):
        world.twilio.outgoing.script.agent, world.twilio.outgoing.script.customer = agent, customer
        await world.store.db["raw_events"].delete_many({})
        await world.dial()
        told = [one for event in await journaled(world) for one in connector.parse(event)]
        amendments = [one for one in told if isinstance(one, Amendment)]
        assert len(amendments) == len(told) > 2
        wanted = folded(EMMA, sorted(amendments, key=lambda one: one.sequence))
        for seed in range(60):
            mixed = random.Random(seed).sample([*amendments, *amendments[::3]], len(told) + len(told[::3]))
            card = folded(EMMA, mixed)
            assert card["extra"]["call"] == wanted["extra"]["call"], seed
            assert (card["text"], card["silent"]) == (wanted["text"], wanted["silent"]), seed


async def test_an_address_is_only_taken_signed_and_whole(world: World) -> None:
    """Whose call it is stands in the address alone."""
    await world.dial()
    connector = await world.connector()
    events = await journaled(world)
    kinds = {one.request.tail for one in events}
    assert kinds == {"placed", "connect", "callee", "notice", "called", "recording"}
    for one in events:
        connector.verify(one.request)
        for changed in ({"c": "+12025550100"}, {"o": "another"}, {"a": "102"}):
            with pytest.raises(Unverified):
                connector.verify(replace(one.request, query={**one.request.query, **changed}))
        if one.request.tail != "recording":
            with pytest.raises(Unreadable):
                connector.parse(replace(one, request=replace(one.request, query={})))


async def journaled(world: World) -> list[RawEvent]:
    await world.twilio.outgoing_over()
    ids = await world.store.journal.waiting(0, 200)
    return [one async for portion in world.store.journal.portions(ids) for one in portion]

"""The generic CTI contract, case by case, and whatever else may come."""

import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.cti.connector import Connector
from omnihub.connectors.cti.simulator import LINE, Encoding, Pbx, Refusal, Simulator, encoded
from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, NotFound, OmnihubError, Unreadable, Unverified
from omnihub.model.inbound import Amendment, InboundMessage
from omnihub.model.raw import RawEvent, RawRequest
from omnihub.settings import Settings as HubSettings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
FOLDER = Path(registry.__file__).parent / "cti" / "fixtures"
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
REFUSED = {"unverified": Unverified, "unreadable": Unreadable, "not_found": NotFound}
CUSTOMER = "4930123456"


def connected(public_url: str = "https://hub.example.test", **settings: Any) -> Connector:
    values = registry.plain(registry.read_settings("cti", settings))
    account = Account(id="01account", key="a-key", channel="cti", name="PBX", enabled=True, settings=values)
    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    toolbox = Toolbox(http=nobody, public_url=public_url, sign=lambda purpose, data: b"", now=lambda: NOW)
    return cast("Connector", registry.connect(account, toolbox))


def request_of(told: Mapping[str, Any]) -> RawRequest:
    encoding = next((name for name in ("json", "form", "multipart") if name in told), "")
    if encoding:
        said: dict[str, Any] = {}
        pairs = told[encoding].items() if encoding == "json" else told[encoding]
        for name, value in pairs:
            bare = name.removesuffix("[]")
            said[bare] = [*said.get(bare, []), value] if name != bare else value
        kind, body = encoded(said, cast("Encoding", encoding))
    else:
        kind = told.get("type", "application/json")
        body = bytes.fromhex(told["hex"]) if "hex" in told else told["body"].encode()
    return RawRequest(
        source="webhook", body=body, received_at=NOW, tail=told.get("tail", ""),
        remote=told.get("remote", "192.0.2.10"), headers={"content-type": kind, **told.get("headers", {})},
    )  # fmt: skip


def event(request: RawRequest) -> RawEvent:
    return RawEvent(id="01k00000000000000000event1", account_id="01account", request=request)


def amended(connector: Connector, request: RawRequest) -> tuple[Amendment, InboundMessage]:
    (read,) = connector.parse(event(request))
    assert isinstance(read, Amendment)
    assert read.message is not None
    return read, read.message


# — case by case —


def test_there_are_cases() -> None:
    assert len(CASES) >= 45


@pytest.mark.parametrize("name", CASES)
def test_fixture(name: str) -> None:
    case = CASES[name]
    expect, connector = case["expect"], connected(**case.get("settings", {}))
    request = request_of(case["request"])
    if refused := expect.get("verify"):
        with pytest.raises(REFUSED[refused]):
            connector.verify(request)
        return
    connector.verify(request)
    if expect.get("kind") == "unsupported":
        (kept,) = connector.parse(event(request))
        assert isinstance(kept, InboundMessage)
        assert (kept.kind, kept.sender.key, kept.silent) == ("unsupported", expect["sender"], True)
        assert expect["holds"] in kept.attachments[0].content.decode()
        return
    amendment, message = amended(connector, request)
    assert (amendment.kind, amendment.at, message.kind) == ("updated", NOW, "call")
    assert (amendment.external_id, amendment.sequence) == (expect["external_id"], expect["sequence"])
    seen = {
        "sender": message.sender.key, "thread_key": message.thread_key, "external_id": message.external_id,
        "text": message.text, "silent": message.silent,
    }  # fmt: skip
    assert seen == {field: expect[field] for field in seen}
    assert message.extra["call"] == {**expect["call"]}
    assert {key: message.extra.get(key) for key in expect.get("raw", {})} == expect.get("raw", {})
    reply = connector.acknowledge(request, "01k")
    assert (reply.status, reply.content_type, orjson.loads(reply.body)) == (
        200,
        "application/json",
        expect["answer"],
    )


def test_a_repeat_bears_the_same_name_and_another_answer_does_not() -> None:
    connector = connected()
    said = {"event": "answer", "from": CUSTOMER, "to": LINE, "direction": "in", "callId": "c1", "user": "anna"}
    as_json, as_form = request_of({"json": said}), request_of({"form": list(said.items())})
    other = request_of({"json": {**said, "user": "bao"}})
    later = replace(as_json, received_at=NOW + timedelta(days=1))
    keys = [connector.source_key(one) for one in (as_json, as_form, later, other)]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    by_day = connected(ids_start_again=True)
    assert by_day.source_key(as_json) != by_day.source_key(later)


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocked": ["030 123"]}, {"blocked": ["everybody"]}, {"caller_ids": ["+41"]},
        {"caller_ids": ["anonymous=+4930"]}, {"default_caller_id": "shop"}, {"networks": ["192.0.2.999"]},
        {"basic_user": "pbx"}, {"basic_password": "secret-word"}, {"secret": "a secret\r\nX: y"},
        {"phone_region": "de"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(Invalid):
        registry.read_settings("cti", dict(wrong))


async def test_the_connection_test_says_how_it_is_protected() -> None:
    open_door = {one.name: one for one in await connected("http://hub.example.test").check()}
    assert not open_door["Address of this hub"].ok
    assert "whoever knows the address" in open_door["Protection"].detail
    closed = {one.name: one for one in await connected(secret="quite-a-secret", networks=["10.0.0.1"]).check()}
    assert closed["Address of this hub"].ok
    assert "a secret header, the phone system's address" in closed["Protection"].detail


# — whatever may come —

ANYTHING: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
    | st.sampled_from(["in", "out", "anonymous", "+4930123456", "030123456", "42", "voicemail", "busy"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = ("from", "to", "direction", "callId", "user", "caller", "queue", "answeringNumber", "cause")


@given(
    kind=st.sampled_from(["newCall", "answer", "hangup", "hold"]) | st.text(max_size=8),
    fields=st.dictionaries(st.sampled_from(NAMES), ANYTHING),
)
def test_whatever_a_field_holds(kind: str, fields: dict[str, Any]) -> None:
    connector = connected(blocked=["anonymous", "+4930*"], default_caller_id="+4930609854180")
    try:
        body = orjson.dumps({"callId": "c1", **fields, "event": kind})
    except TypeError:  # an integer that no JSON of ours can hold
        return
    request = RawRequest(source="webhook", body=body, received_at=NOW)
    try:
        connector.verify(request)
    except OmnihubError:
        return
    (read,) = connector.parse(event(request))
    message = read.message if isinstance(read, Amendment) else read
    assert isinstance(message, InboundMessage)
    assert message.text
    assert message.sender.channel in ("phone", "cti")
    assert orjson.loads(connector.acknowledge(request, "01k").body).get("action", "dial") in ("dial", "reject")
    orjson.dumps(dict(message.extra))


@given(body=st.binary(max_size=200), kind=st.sampled_from(["multipart/form-data; boundary=x", "", "text/plain"]))
def test_whatever_a_body_is(body: bytes, kind: str) -> None:
    request = RawRequest(source="webhook", body=b"--x\r\n" + body, received_at=NOW, headers={"content-type": kind})
    with suppress(OmnihubError):
        connected().verify(request)


# — a phone system, the hub's door, the real journal and intake —


class World:
    def __init__(self, store: Store, intake: Intake, door: str) -> None:
        self.store = store
        self.intake = intake
        self.door = door

    async def cards(self) -> Sequence[Mapping[str, Any]]:
        await self.intake.drain()
        return [doc async for doc in self.store.db["messages"].find().sort("_id", 1)]

    async def journaled(self) -> int:
        return int(await self.store.db["raw_events"].count_documents({}))


@pytest.fixture
async def world(
    store: Store, connectors: Connectors, settings: HubSettings, tmp_path: Path
) -> AsyncIterator[World]:
    values = registry.plain(registry.read_settings("cti", Simulator(tmp_path).settings()))
    account = await store.accounts.add(
        channel="cti", name="PBX", settings=values, secret_names=registry.secret_names("cti")
    )
    app = web.Application()
    app.add_routes(Receiver(store, connectors, settings).routes())
    async with TestServer(app) as server:
        door = str(server.make_url(f"/in/cti/{account.key}"))
        yield World(store, Intake(store, connectors, settings), door)


@pytest.fixture
async def pbx(world: World) -> AsyncIterator[Pbx]:
    phones = Pbx()
    phones.door = world.door
    await phones.start()
    yield phones
    await phones.stop()


@pytest.mark.parametrize(
    ("encoding", "spelling", "times"),
    list(itertools.product(("json", "form", "multipart"), ("user", "caller"), (1, 3))),
)
async def test_a_call_in_every_dialect(world: World, encoding: Any, spelling: Any, times: int) -> None:
    phones = Pbx(encoding=encoding, spelling=spelling, times=times)
    phones.door = world.door
    await phones.start()
    try:
        call = phones.begin(CUSTOMER)
        assert await phones.ring(call, "anna", "bao") == {}
        await phones.answer(call, "bao")
        await phones.hang_up(call)
    finally:
        await phones.stop()
    assert await world.journaled() == 3
    (card,) = await world.cards()
    told = card["extra"]["call"]
    assert (told["agents"], told["answered_by"], told["outcome"], told["cause"]) == (
        ["anna", "bao"], "bao", "answered", "normalClearing",
    )  # fmt: skip
    assert card["sender"]["key"] == f"phone:+{CUSTOMER}"
    assert card["silent"] is True


async def test_events_in_any_order_end_the_same(world: World, pbx: Pbx) -> None:
    ended = []
    for number, order in enumerate(itertools.permutations(("ring", "answer", "hang_up"))):
        call = pbx.begin(f"{CUSTOMER}{number}")
        for step in order:
            if step == "ring":
                await pbx.ring(call, "anna", "bao")
            elif step == "answer":
                await pbx.answer(call, "bao")
            else:
                await pbx.hang_up(call)
            await world.cards()
    for card in await world.cards():
        told = card["extra"]["call"]
        ended.append((told["state"], told["outcome"], told["answered_by"], tuple(told["agents"]), card["silent"]))
    assert ended == [("ended", "answered", "bao", ("anna", "bao"), True)] * 6


async def test_a_call_that_nobody_took_calls_an_agent(world: World, pbx: Pbx) -> None:
    for cause in ("cancel", "noAnswer", "normalClearing"):
        call = pbx.begin(CUSTOMER)
        await pbx.ring(call, "anna")
        await pbx.hang_up(call, cause)
    cards = await world.cards()
    assert [card["extra"]["call"]["outcome"] for card in cards] == ["abandoned", "missed", "missed"]
    assert [card["silent"] for card in cards] == [False] * 3
    assert await world.store.db["tickets"].count_documents({"waiting_since": {"$ne": None}}) == 1


async def test_voicemail_is_no_answer(world: World, pbx: Pbx) -> None:
    call = pbx.begin(CUSTOMER)
    await pbx.ring(call, "anna")
    await pbx.answer(call, "voicemail")
    await pbx.hang_up(call)
    (card,) = await world.cards()
    assert (card["extra"]["call"]["outcome"], card["silent"]) == ("voicemail", False)
    assert card["text"].startswith("Voicemail from")


async def test_who_is_turned_away_is_no_missed_call(world: World, pbx: Pbx) -> None:
    for number in ("4930555000123", "anonymous"):
        call = pbx.begin(number)
        assert await pbx.ring(call, "anna") == {"action": "reject", "reason": "busy"}
        await pbx.hang_up(call, "busy")
    cards = await world.cards()
    assert [card["extra"]["call"]["outcome"] for card in cards] == ["rejected", "rejected"]
    assert [card["silent"] for card in cards] == [True, True]


async def test_calls_between_extensions_are_not_told(world: World, pbx: Pbx) -> None:
    for target, cause in (("43", "normalClearing"), ("104", "noAnswer"), ("104", "cancel")):
        call = pbx.begin("42", target)
        assert await pbx.ring(call, "anna") == {}
        if cause == "normalClearing":
            await pbx.answer(call, "anna")
        await pbx.hang_up(call, cause)
    assert await world.journaled() == 7
    assert await world.cards() == []
    assert await world.store.db["identities"].count_documents({}) == 0
    assert await world.store.db["tickets"].count_documents({}) == 0


async def test_withheld_numbers_are_strangers_each_for_itself(world: World, pbx: Pbx) -> None:
    for number in ("42", "42", "4930123456"):
        call = pbx.begin(number)
        await pbx.ring(call, "anna")
        await pbx.hang_up(call, "cancel")
    cards = await world.cards()
    assert len({card["sender"]["key"] for card in cards}) == 3
    assert len({card["ticket_id"] for card in cards}) == 3


async def test_outgoing_calls_show_the_caller_id_of_the_rules(world: World, pbx: Pbx) -> None:
    swiss = pbx.begin(LINE, "41791234567", direction="out")
    assert await pbx.ring(swiss, "anna") == {
        "action": "dial", "caller_id": "41445550100", "number": "41791234567",
    }  # fmt: skip
    other = pbx.begin(LINE, "4930123456", direction="out")
    assert (await pbx.ring(other, "anna"))["caller_id"] == LINE
    await pbx.answer(swiss, "anna")
    await pbx.hang_up(swiss)
    cards = await world.cards()
    assert [card["sender"]["key"] for card in cards] == ["phone:+41791234567", "phone:+4930123456"]
    assert cards[0]["extra"]["call"]["outcome"] == "answered"


async def test_without_the_secret_the_hub_takes_nothing(world: World) -> None:
    phones = Pbx(secret="a guess")
    phones.door = world.door
    await phones.start()
    try:
        with pytest.raises(Refusal, match="HTTP 401"):
            await phones.ring(phones.begin(CUSTOMER), "anna")
    finally:
        await phones.stop()
    assert await world.journaled() == 0

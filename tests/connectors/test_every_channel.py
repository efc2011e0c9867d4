"""Inherited by every channel: whatever folder has a manifest is held to all of this."""

import copy
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from omnihub import connectors
from omnihub.connectors import registry
from omnihub.connectors.contract import Connector, Toolbox, Words
from omnihub.connectors.registry import Connectors
from omnihub.connectors.sampling import ChannelSample, Mood, sample_type
from omnihub.inbox.intake import Intake
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, OmnihubError, Refused, TryLater, Uncertain, Unreadable, Unverified
from omnihub.model.inbound import Amendment, Inbound, InboundMessage, Receipt
from omnihub.model.raw import RawEvent, RawRequest
from omnihub.settings import Settings as HubSettings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

CHANNELS = sorted(registry.manifests())
SENDING = [channel for channel in CHANNELS if registry.manifest(channel).capabilities.send]
PUSHED = [channel for channel in CHANNELS if "webhook" in registry.manifest(channel).arrives]
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
FOLDER = Path(connectors.__file__).parent
PATIENT = settings(
    deadline=None,
    max_examples=120,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
every_channel = pytest.mark.parametrize("channel", CHANNELS)

Sample = ChannelSample[Any]


def sign(purpose: str, data: bytes) -> bytes:
    return (purpose.encode() + data).ljust(32, b".")[-32:]


def account_of(channel: str, **changed: Any) -> Account:
    values = registry.plain(registry.read_settings(channel, {**sample_type(channel).settings, **changed}))
    return Account(id="01account", key="a-key", channel=channel, name="Sample", enabled=True, settings=values)


def connected(channel: str, now: datetime | None = NOW, **changed: Any) -> Connector:
    """Without `now` the connector has no clock, and never a network."""

    def clock() -> datetime:
        assert now is not None, "a pure function asked for the time"
        return now

    nobody = cast("aiohttp.ClientSession", SimpleNamespace())
    toolbox = Toolbox(http=nobody, public_url="http://hub.example.test", sign=sign, now=clock)
    return registry.connect(account_of(channel, **changed), toolbox)


@cache
def sampled(channel: str) -> Sample:
    return sample_type(channel)(connected(channel))


def event(request: RawRequest, event_id: str = "01k00000000000000000event1") -> RawEvent:
    return RawEvent(id=event_id, account_id="01account", request=request)


def words_of(read: Sequence[Inbound]) -> str:
    return "\n".join(one.text for one in read if isinstance(one, InboundMessage))


# — what it says of itself —


def is_chinese(text: str) -> bool:
    return bool(re.search(r"[\u4e00-\u9fff]", text))


@every_channel
def test_the_folder_is_complete(channel: str) -> None:
    folder = FOLDER / channel
    needed = ("manifest.toml", "settings.py", "connector.py", "simulator.py", "sample.py", "fixtures", "README.md")
    assert [name for name in needed if not (folder / name).exists()] == []
    assert any((folder / "fixtures").iterdir())


@every_channel
def test_the_manifest_speaks_both_languages(channel: str) -> None:
    manifest = registry.manifest(channel)
    assert manifest.key == channel
    assert manifest.arrives
    assert manifest.icon
    for words in (manifest.label, manifest.summary):
        assert isinstance(words, Words)
        assert words.en.strip()
        assert is_chinese(words.zh)
    assert len(manifest.setup.en) == len(manifest.setup.zh) > 0
    assert all(step.strip() for step in manifest.setup.en)
    assert all(is_chinese(step) for step in manifest.setup.zh)
    if "webhook" in manifest.arrives:
        assert manifest.door.max_body_bytes > 0


def models_of(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The settings and every model nested in them."""
    yield model
    for field in model.model_fields.values():
        for inner in _inner(field.annotation):
            yield from models_of(inner)


def _inner(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _inner(argument)


@every_channel
def test_every_setting_is_titled_and_explained_in_both_languages(channel: str) -> None:
    missing = []
    for model in models_of(registry.settings_type(channel)):
        for name, field in model.model_fields.items():
            extra = field.json_schema_extra
            assert isinstance(extra, dict), name
            explained = [bool(field.description), bool(extra.get("description_zh"))]
            if not field.title or not is_chinese(str(extra.get("title_zh", ""))):
                missing.append(f"{model.__name__}.{name} has no title")
            if any(explained) and not all(explained):
                missing.append(f"{model.__name__}.{name} is explained in one language only")
    assert missing == []


# — secrets —


def secrets_of(channel: str) -> dict[str, str]:
    return {name: str(sample_type(channel).settings[name]) for name in registry.secret_names(channel)}


@every_channel
def test_the_sample_gives_every_secret(channel: str) -> None:
    assert all(len(secret) >= 8 for secret in secrets_of(channel).values())


@every_channel
def test_what_is_named_like_a_secret_is_one(channel: str) -> None:
    fields = registry.settings_type(channel).model_fields
    telling = re.compile(r"(^|_)(secret|password|token|private_key|api_key|aes_key)$")
    named = {name for name in fields if telling.search(name)}
    assert named <= registry.secret_names(channel)
    assert all(fields[name].annotation is SecretStr for name in registry.secret_names(channel))


@every_channel
def test_secrets_are_never_printed(channel: str) -> None:
    account = account_of(channel)
    read = registry.read_settings(channel, dict(account.settings))
    connector = connected(channel)
    printed = [repr(account), str(account), repr(read), str(read), read.model_dump_json(), repr(connector)]
    printed += [repr(read.model_dump()), repr(connector.settings), repr(vars(connector))]
    for name, secret in secrets_of(channel).items():
        assert [text for text in printed if secret in text] == [], name


@every_channel
def test_secrets_are_not_told_when_the_settings_are_wrong(channel: str) -> None:
    wrong = {**sample_type(channel).settings, "no_such_setting": 1}
    with pytest.raises(Invalid) as refused:
        registry.read_settings(channel, wrong)
    assert "no_such_setting" in refused.value.fields
    told = f"{refused.value} {refused.value.fields} {refused.value.__cause__}"
    assert [name for name, secret in secrets_of(channel).items() if secret in told] == []
    for name, secret in secrets_of(channel).items():
        with pytest.raises(Invalid) as misplaced:
            registry.read_settings(channel, {**sample_type(channel).settings, name: [secret]})
        assert secret not in f"{misplaced.value} {misplaced.value.fields} {misplaced.value.__cause__}"


# — the door's questions —


@every_channel
def test_genuine_calls_pass_and_forged_ones_do_not(channel: str) -> None:
    sample = sampled(channel)
    for number in range(1, 4):
        sample.connector.verify(sample.genuine(number))
    forged = sample.forged()
    assert channel not in PUSHED or forged
    for request in forged:
        with pytest.raises(Unverified):
            sample.connector.verify(request)


@every_channel
def test_what_nothing_can_be_made_of_is_refused_at_the_door(channel: str) -> None:
    sample = sampled(channel)
    for request in sample.unreadable():
        with pytest.raises(Unreadable):
            sample.connector.verify(request)


# — reading —


@every_channel
def test_reading_gives_what_was_said(channel: str) -> None:
    sample = sampled(channel)
    ids = set()
    for number in range(1, 4):
        (read, *receipts) = sample.connector.parse(event(sample.genuine(number)))
        message = read.message if isinstance(read, Amendment) else read  # a call goes on
        assert isinstance(message, InboundMessage)
        assert all(isinstance(one, Receipt) for one in receipts)
        assert message.sender.key == sample.said(number).sender
        assert sample.said(number).words in message.text
        assert not message.spam
        assert message.external_id
        assert message.thread_key
        ids.add(message.external_id)
    assert len(ids) == 3


@every_channel
def test_reading_is_pure_and_repeatable(channel: str) -> None:
    sample = sampled(channel)
    request = event(sample.genuine(1))
    kept = copy.deepcopy(request)
    # Another process, later, without a clock: a replay years from now must read the same.
    first, second = connected(channel, now=None).parse(request), connected(channel, now=None).parse(request)
    assert list(first) == list(second)
    assert request == kept


@every_channel
def test_an_unknown_kind_is_kept(channel: str) -> None:
    sample = sampled(channel)
    request = sample.unknown_type()
    if request is None:
        return
    sample.connector.verify(request)
    (message, *_) = sample.connector.parse(event(request))
    assert isinstance(message, InboundMessage)
    held = message.text + "".join(one.content.decode("utf-8", "replace") for one in message.attachments)
    assert sample.said(1).words in held


BYTES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\x00", b"\xff\xfe", b"\r\n\r\n", b"{", b'"', b"%", b"&", b"=", b"--", b"\xed\xa0\x80"]),
)


@st.composite
def mutations(draw: st.DrawFn, request: RawRequest) -> RawRequest:
    """The request with bytes cut out and put in, and headers lost or garbled."""
    body = bytearray(request.body)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(body)))
        end = draw(st.integers(at, min(len(body), at + draw(st.sampled_from([0, 1, 8, 400])))))
        body[at:end] = draw(BYTES)
    headers = dict(request.headers)
    for name in draw(st.lists(st.sampled_from(sorted(headers) or [""]), max_size=2)):
        headers[name] = draw(st.text(max_size=40) | st.just(headers.get(name, "") * 3))
    query = draw(st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=2))
    tail = draw(st.just(request.tail) | st.text(max_size=10))
    return replace(request, body=bytes(body), headers=headers, query={**request.query, **query}, tail=tail)


@every_channel
@PATIENT
@given(data=st.data())
def test_whatever_comes_only_the_error_tree_answers(channel: str, data: st.DataObject) -> None:
    sample = sampled(channel)
    requests = [sample.genuine(1), *sample.forged(), *sample.unreadable()]
    request = data.draw(mutations(data.draw(st.sampled_from(requests))))
    connector = sample.connector
    asked: Sequence[Any] = (
        connector.cors_origin, connector.limits, connector.challenge, connector.verify, connector.source_key,
        connector.proof_key, lambda raw: connector.acknowledge(raw, "01k00000000000000000event1"),
        lambda raw: connector.refusal(raw, Unreadable("no")), lambda raw: list(connector.parse(event(raw))),
    )  # fmt: skip
    for ask in asked:
        with suppress(OmnihubError):
            ask(request)


# — at the hub's door, with the real journal —


@dataclass(slots=True, frozen=True, kw_only=True)
class Desk:
    sample: Sample
    store: Store
    intake: Intake
    http: TestClient[web.Request, web.Application]

    async def hand_over(self, request: RawRequest, **changed: Any) -> tuple[int, bytes]:
        account = self.sample.connector.account
        path = f"/in/{account.channel}/{account.key}" + (f"/{request.tail}" if request.tail else "")
        headers = {name: value for name, value in request.headers.items() if value.isprintable()}
        given: dict[str, Any] = {"data": request.body, "headers": headers, "params": dict(request.query)} | changed
        async with self.http.request(request.method, path, **given) as answer:
            return answer.status, await answer.read()

    async def journaled(self) -> int:
        return int(await self.store.db["raw_events"].count_documents({}))

    async def messages(self) -> list[Mapping[str, Any]]:
        await self.intake.drain()
        return [doc async for doc in self.store.db["messages"].find().sort("_id", 1)]


@pytest.fixture(params=PUSHED)
def pushed(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def desk(pushed: str, store: Store, connectors: Connectors, settings: HubSettings) -> AsyncIterator[Desk]:
    values = registry.plain(registry.read_settings(pushed, dict(sample_type(pushed).settings)))
    account = await store.accounts.add(
        channel=pushed, name="Sample", settings=values, secret_names=registry.secret_names(pushed)
    )
    app = web.Application()
    app.add_routes(Receiver(store, connectors, settings).routes())
    async with TestClient(TestServer(app)) as http:
        sample = sample_type(pushed)(await connectors.of(account))
        yield Desk(sample=sample, store=store, intake=Intake(store, connectors, settings), http=http)


async def test_a_genuine_call_becomes_a_message(desk: Desk) -> None:
    for number in (1, 2):
        status, _ = await desk.hand_over(desk.sample.genuine(number))
        assert status == 200
    messages = await desk.messages()
    assert [desk.sample.said(n).words in m["text"] for n, m in enumerate(messages, 1)] == [True, True]
    assert {m["sender"]["key"] for m in messages} == {desk.sample.said(1).sender}


async def test_a_repeated_delivery_is_stored_once(desk: Desk) -> None:
    request = desk.sample.genuine(1)
    assert {(await desk.hand_over(request))[0] for _ in range(3)} == {200}
    assert len(await desk.messages()) == 1
    assert (await desk.hand_over(request))[0] == 200
    assert len(await desk.messages()) == 1
    assert await desk.store.db["tickets"].count_documents({}) == 1


async def test_a_forged_call_leaves_nothing_but_a_count(desk: Desk) -> None:
    forged = [one for one in desk.sample.forged() if all(v.isprintable() for v in one.headers.values())]
    for request in forged:
        status, body = await desk.hand_over(request)
        assert status == 401, body
    assert await desk.journaled() == 0
    (health,) = (await desk.store.accounts.health()).values()
    assert health["counts"]["refused"] == len(forged)


async def test_unreadable_and_empty_bodies_are_refused(desk: Desk) -> None:
    empty = replace(desk.sample.genuine(1), body=b"")
    for request in [empty, *desk.sample.unreadable()]:
        status, body = await desk.hand_over(request)
        assert 400 <= status < 500, body
    assert await desk.journaled() == 0


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 200):
        yield body[at : at + 200]


async def test_an_oversized_body_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    connector, request = desk.sample.connector, desk.sample.genuine(1)
    door = connector.manifest.door.model_copy(update={"max_body_bytes": len(request.body)})
    monkeypatch.setattr(type(connector), "manifest", connector.manifest.model_copy(update={"door": door}))
    oversized = request.body + b"\n"
    assert (await desk.hand_over(request, data=oversized))[0] == 413
    assert (await desk.hand_over(request, data=_in_pieces(oversized)))[0] == 413  # of no announced length
    assert await desk.journaled() == 0
    assert (await desk.hand_over(request, data=_in_pieces(request.body)))[0] == 200


async def test_an_unknown_kind_is_stored(desk: Desk) -> None:
    request = desk.sample.unknown_type()
    if request is None:
        return
    assert (await desk.hand_over(request))[0] == 200
    assert len(await desk.messages()) == 1
    assert (await desk.store.journal.counts())["dead"] == 0


async def test_secrets_are_neither_journaled_nor_stored_in_clear(desk: Desk) -> None:
    await desk.hand_over(desk.sample.genuine(1))
    await desk.messages()
    kept = ""
    for name in await desk.store.db.db.list_collection_names():
        async for doc in desk.store.db[name].find():
            kept += repr(doc)
    channel = desk.sample.connector.account.channel
    assert [name for name, secret in secrets_of(channel).items() if secret in kept] == []


# — sending —


@pytest.fixture
def patience(channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in sample_type(channel).patience.items():
        monkeypatch.setattr(name, seconds)


async def send(channel: str, mood: Mood, folder: Path) -> tuple[str, str]:
    """Sends to a provider in this mood. Returns the id that was fixed beforehand and the one that came back."""
    sample = sampled(channel)
    async with sample.provider(mood, folder) as led, aiohttp.ClientSession() as http:
        toolbox = replace(sample.connector.toolbox, http=http)
        connector = registry.connect(account_of(channel, **led), toolbox)
        try:
            message = sample_type(channel)(connector).outgoing(mood)
            prepared = connector.prepare(message)
            assert prepared == connector.prepare(message), "a retry must use the same ids"
            ready = replace(message, external_id=prepared.external_id, wire=prepared.wire)
            result = await connector.send(ready)
        finally:
            await connector.close()
    return prepared.external_id, result.external_id


sending = pytest.mark.parametrize("channel", SENDING)


@sending
async def test_what_is_sent_has_an_id(channel: str, tmp_path: Path, patience: None) -> None:
    fixed, answered = await send(channel, "takes", tmp_path)
    assert answered
    assert fixed in ("", answered)


@sending
async def test_a_refusal_shows_the_providers_own_words(channel: str, tmp_path: Path, patience: None) -> None:
    with pytest.raises(Refused) as refused:
        await send(channel, "refuses", tmp_path)
    assert sample_type(channel).refusal_words in str(refused.value)


@sending
async def test_silence_before_the_hand_over_is_tried_again(channel: str, tmp_path: Path, patience: None) -> None:
    with pytest.raises(TryLater):
        await send(channel, "silent", tmp_path)


@sending
async def test_silence_after_the_hand_over_is_uncertain(channel: str, tmp_path: Path, patience: None) -> None:
    with pytest.raises(Uncertain):
        await send(channel, "mute", tmp_path)


@pytest.mark.parametrize("channel", [channel for channel in CHANNELS if channel not in SENDING])
async def test_a_channel_that_cannot_send_says_so(channel: str) -> None:
    email = sample_type("email")(connected("email"))
    with pytest.raises(Refused):
        await connected(channel).send(email.outgoing("takes"))

import asyncio
import base64
import json
import os
import re
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_api_channel_fixtures import connected, request_of

from omnihub.connectors import registry
from omnihub.connectors.api import bodies, openapi, signing
from omnihub.connectors.api import connector as api
from omnihub.connectors.api.outside import Outside, PublicNames, is_public
from omnihub.connectors.api.sample import Sample
from omnihub.connectors.api.settings import Settings
from omnihub.connectors.api.simulator import DELETED, NAME, SECRET, Simulator
from omnihub.connectors.calls import Call
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.simulation import Spoken
from omnihub.inbox.intake import Intake
from omnihub.model.account import Account
from omnihub.model.documents import ActorDoc
from omnihub.model.errors import OmnihubError, Refused, TryLater, Uncertain, Unverified
from omnihub.model.inbound import LentMedia
from omnihub.model.outgoing import Outgoing, OutgoingAttachment
from omnihub.model.raw import RawEvent
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings as HubSettings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver

# On PATH, or the one that comes along as a package.
NODE = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
README = (Path(api.__file__).parent / "README.md").read_text("utf-8")
MESSAGE: Mapping[str, Any] = {"id": "m-1", "sender": {"id": "u-1001"}, "text": "hello"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path)
    await simulator.start()
    yield simulator
    await simulator.stop()


def toolbox_of(http: aiohttp.ClientSession) -> Toolbox:
    return Toolbox(http=http, public_url="http://h.test", sign=lambda a, b: b, now=lambda: datetime.now(UTC))


def channel(http: aiohttp.ClientSession, **settings: Any) -> api.Connector:
    account = Account(
        id="01account", key="a-key", channel="api", name="App", enabled=True,
        settings={"signing_secret": SECRET, **settings},
    )  # fmt: skip
    made = registry.connect(account, toolbox_of(http))
    assert isinstance(made, api.Connector)
    return made


def reply(**changed: Any) -> Outgoing:
    return replace(Sample(connected()).outgoing("takes"), **changed)


# — who may post —


def test_signature_is_the_documented_one() -> None:
    """Computed with openssl: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret-of-the-demo-app"""
    wanted = "v1=a847c1aab4da31c60fa231069004f4bf2643a03867aa7d019d8acbb1f86d0016"
    assert signing.signature(SECRET, "1700000000", b'{"a":1}') == wanted


@pytest.mark.parametrize(("late", "taken"), [(-299, True), (299, True), (-302, False), (302, False)])
def test_the_clock_may_be_five_minutes_off(late: int, taken: bool) -> None:
    sample = Sample(connected())
    request = sample.signed(MESSAGE, late=timedelta(seconds=late))
    if taken:
        sample.connector.verify(request)
        return
    with pytest.raises(Unverified, match="minutes off"):
        sample.connector.verify(request)


def test_either_of_two_signatures_will_do_but_not_the_fifth() -> None:
    connector, request = connected(), request_of({"json": MESSAGE})
    right = request.headers["x-omnihub-signature"]
    both = replace(request, headers={**request.headers, "x-omnihub-signature": f"v1=00, {right}"})
    connector.verify(both)
    many = replace(request, headers={**request.headers, "x-omnihub-signature": "v1=00," * 4 + right})
    with pytest.raises(Unverified):
        connector.verify(many)


def test_the_token_counts_only_where_the_account_says_so() -> None:
    token = "a-fixed-token-of-tests"
    request = replace(request_of({"json": MESSAGE}), headers={"authorization": f"Bearer {token}"})
    connected(token_allowed=True, api_token=token).verify(request)
    with pytest.raises(Unverified):
        connected(token_allowed=False, api_token=token).verify(request)
    with pytest.raises(Unverified):
        connected(token_allowed=True, api_token=token + "x").verify(request)


def test_a_message_replayed_at_another_address_is_refused() -> None:
    request = replace(request_of({"json": MESSAGE}), tail="edits")
    with pytest.raises(OmnihubError):
        connected().verify(request)


def test_what_is_journaled_once() -> None:
    connector = connected()
    key = connector.source_key(request_of({"json": MESSAGE}))
    assert key == connector.source_key(request_of({"json": {**MESSAGE, "sent_at": "2026-11-20T09:00:00Z"}}))
    assert key != connector.source_key(request_of({"json": {**MESSAGE, "text": "other words"}}))
    assert key != connector.source_key(request_of({"json": {**MESSAGE, "id": "m-2"}}))
    edit = {"id": "m-1", "kind": "recalled"}
    assert connector.source_key(request_of({"tail": "edits", "json": edit})) == ""
    dated = {**edit, "at": "2026-11-20T09:00:00Z"}
    assert connector.source_key(request_of({"tail": "edits", "json": dated})) not in ("", key)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*bodies.ApiMessage.model_fields, *bodies.ApiEdit.model_fields, "message_id", "status"])


@settings(deadline=None, max_examples=150)
@given(fields=st.dictionaries(FIELDS, JSON, max_size=8), tail=st.sampled_from(["", "receipts", "edits", "x"]))
def test_fields_of_any_type_are_read_or_refused(fields: dict[str, Any], tail: str) -> None:
    connector = connected()
    for body in (fields, {**MESSAGE, **fields}):
        request = request_of({"text": json.dumps(body, allow_nan=False), "tail": tail})
        try:
            connector.verify(request)
            event = RawEvent(id="01event", account_id="01account", request=request)
            assert connector.parse(event) == connector.parse(event)
        except OmnihubError:
            continue


# — settings —


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"signing_secret": ""}, "is needed"),
        ({"signing_secret": "short"}, "16 characters"),
        ({"signing_secret": SECRET, "token_allowed": True}, "fixed token"),
        ({"signing_secret": SECRET, "reply_url": "http://app.example.test/"}, "https://"),
        ({"signing_secret": SECRET, "reply_url": "https://"}, "https://host"),
        ({"signing_secret": SECRET, "reply_url": "ftp://app.example.test/"}, "https://host"),
        ({"signing_secret": SECRET, "reply_url": "https://a:b@app.example.test/"}, "password"),
        ({"signing_secret": SECRET, "reply_url": "https://app.example.test:x/"}, "web address"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings.model_validate(values)


# — into the own network —


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::",
        "::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1",
        "ff02::1", "255.255.255.255", "192.0.2.7", "no address",
    ],
)  # fmt: skip
def test_addresses_inside_are_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_outside_are_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]:8443/", "https://169.254.169.254/latest/meta-data", "https://2130706433/",
        "https://0x7f000001/", "https://localhost/", "https://[::ffff:10.0.0.1]/", "http://app.example.test/", "https://",
    ],
)  # fmt: skip
async def test_replies_never_go_inside(url: str, http: aiohttp.ClientSession) -> None:
    outside = Outside(http, allow_private=False)
    with pytest.raises(Refused):
        await outside.ask(Call(method="POST", url=url, data=b"x", handing_over=True))
    await outside.close()


class Turncoat(AbstractResolver):
    """A name that leads outside when it is looked at, and inside when it is used."""

    def __init__(self) -> None:
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[ResolveResult]:
        self.asked += 1
        address = "1.1.1.1" if self.asked == 1 else "127.0.0.1"
        return [
            {"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
        ]

    async def close(self) -> None: ...


async def test_a_name_that_changes_sides_gains_nothing(http: aiohttp.ClientSession) -> None:
    names = Turncoat()
    outside = Outside(http, allow_private=False, names=names)
    with pytest.raises(TryLater, match="inside a private network"):
        await outside.ask(Call(method="POST", url="https://app.example.test/", data=b"x", handing_over=True))
    await outside.close()
    assert names.asked == 2
    with pytest.raises(OSError, match="inside"):
        await PublicNames(names).resolve("app.example.test")


async def test_files_are_fetched_from_outside_only(http: aiohttp.ClientSession) -> None:
    connector = channel(http)
    with pytest.raises(Refused, match="private network"):
        await connector.fetch(LentMedia(ref={"url": "https://127.0.0.1/secret"}))
    await connector.close()


# — replies —


async def test_a_reply_reaches_the_app_whole_and_once(app: Simulator, http: aiohttp.ClientSession) -> None:
    connector = channel(http, **app.accounts()[0].settings)
    inside = OutgoingAttachment(filename="图.png", content_type="image/png", content=b"\x89PNG")
    message = reply(
        thread_key="thread:order 77:1", answered_id="m-1", author="Li Na", subject="Re", attachments=(inside,),
        html="<p>It is on its way.</p>", automatic=True,
    )  # fmt: skip
    first, second = await connector.send(message), await connector.send(message)
    assert first == second
    assert (first.external_id, first.aliases) == (message.id, ("app-1",))
    (got,) = app.replies
    assert got["thread"] == "order 77:1"
    assert got["to"] == [{"id": "u-1001", "name": "王芳"}]
    assert (got["in_reply_to"], got["author"], got["automatic"], got["ticket_number"]) == (
        "m-1",
        "Li Na",
        True,
        1001,
    )
    assert got["attachments"][0]["content_base64"] == base64.b64encode(b"\x89PNG").decode()
    assert got["attachments"][0]["size"] == 4
    bodies.ApiReply.model_validate(got)
    lines = app.chats.lines("u-1001")
    assert [(line.author, line.kind) for line in lines] == [("desk", "text"), ("desk", "image")]
    assert lines[1].media == b"\x89PNG"


async def test_a_file_with_an_address_is_fetched_by_the_app(app: Simulator, http: aiohttp.ClientSession) -> None:
    async def file(_: web.Request) -> web.Response:
        return web.Response(body=b"%PDF-1.7")

    site = web.Application()
    site.router.add_get("/label", file)
    async with TestServer(site) as server:
        one = OutgoingAttachment(
            filename="label.pdf", content_type="application/pdf", content=b"%PDF-1.7",
            url=str(server.make_url("/label")),
        )  # fmt: skip
        connector = channel(http, **app.accounts()[0].settings)
        await connector.send(reply(text="", attachments=(one,)))
        again = replace(one, url=one.url + "?signed=later")
        assert (await connector.send(reply(text="", attachments=(again,)))).aliases == ("app-1",)
    assert len(app.replies) == 1
    assert "content_base64" not in app.replies[0]["attachments"][0]
    assert [line.media for line in app.chats.lines("u-1001")] == [b"%PDF-1.7"]


async def test_the_app_refuses_what_is_not_ours(app: Simulator, http: aiohttp.ClientSession) -> None:
    settings_of = dict(app.accounts()[0].settings)
    with pytest.raises(Refused, match="HTTP 401: the signature is wrong"):
        await channel(http, **settings_of | {"signing_secret": "another secret of tests"}).send(reply())
    connector = channel(http, **settings_of)
    await connector.send(reply())
    with pytest.raises(Refused, match="409"):
        await connector.send(reply(text="other words under the same id"))
    with pytest.raises(Refused, match="410: this user has deleted the account"):
        await connector.send(reply(id="2", to=(replace(reply().to[0], key=f"api:01account:{DELETED}"),)))
    assert len(app.replies) == 1


@pytest.mark.parametrize(
    ("status", "headers", "raised", "after"),
    [
        (408, {}, TryLater, None),
        (425, {}, TryLater, None),
        (429, {"Retry-After": "7"}, TryLater, 7.0),
        (503, {"Retry-After": "30"}, TryLater, 30.0),
        (500, {}, Uncertain, None),
        (502, {}, Uncertain, None),
        (302, {"Location": "http://127.0.0.1:1/"}, Refused, None),
        (400, {}, Refused, None),
        (410, {}, Refused, None),
    ],
)
async def test_what_an_answer_means(
    status: int, headers: dict[str, str], raised: type[OmnihubError], after: float | None,
    http: aiohttp.ClientSession,
) -> None:  # fmt: skip
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, text="own words")

    site = web.Application()
    site.router.add_post("/", answer)
    async with TestServer(site) as server:
        connector = channel(http, reply_url=str(server.make_url("/")), allow_private_address=True)
        with pytest.raises(raised) as caught:
            await connector.send(reply())
    assert type(caught.value) is raised
    assert f"HTTP {status}: own words" in str(caught.value)
    if isinstance(caught.value, TryLater):
        assert caught.value.after == after


async def test_an_account_without_address_only_receives(http: aiohttp.ClientSession) -> None:
    connector = channel(http)
    with pytest.raises(Refused, match="only receives"):
        await connector.send(reply())
    (finding,) = await connector.check()
    assert finding.ok


async def test_the_connection_is_tested_with_a_ping(app: Simulator, http: aiohttp.ClientSession) -> None:
    settings_of = dict(app.accounts()[0].settings)
    assert [one.ok for one in await channel(http, **settings_of).check()] == [True]
    (wrong,) = await channel(http, **settings_of | {"signing_secret": "another secret of tests"}).check()
    assert not wrong.ok
    assert "401" in wrong.detail
    (away,) = await channel(http, **settings_of | {"reply_url": "http://127.0.0.1:1/"}).check()
    assert not away.ok
    assert away.remedy
    assert app.replies == []


@pytest.mark.parametrize(
    ("status", "raised"), [(200, None), (404, Refused), (410, Refused), (500, TryLater), (429, TryLater)]
)
async def test_files_behind_an_address(
    status: int, raised: type[OmnihubError] | None, http: aiohttp.ClientSession
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=b"%PDF", content_type="application/pdf")

    site = web.Application()
    site.router.add_get("/{name}", answer)
    async with TestServer(site) as server:
        connector = channel(http, allow_private_address=True)
        media = LentMedia(ref={"url": f"http://127.0.0.1:{server.port}/bill%20one.pdf"}, filename="file")
        if raised is not None:
            with pytest.raises(raised):
                await connector.fetch(media)
            return
        fetched = await connector.fetch(media)
        named = await connector.fetch(replace(media, filename="named.pdf"))
    assert (fetched.content, fetched.filename, fetched.content_type) == (
        b"%PDF",
        "bill one.pdf",
        "application/pdf",
    )
    assert named.filename == ""


# — the README's examples, by other hands —


def block(language: str, number: int = 0) -> str:
    return [str(one) for one in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)][number]


@pytest.fixture
async def door(
    store: Store, connectors: Connectors, settings: HubSettings, app: Simulator
) -> AsyncIterator[tuple[str, Account, Intake]]:
    values = {**app.accounts()[0].settings, "token_allowed": True, "api_token": "a-fixed-token-of-tests"}
    read = registry.plain(registry.read_settings("api", values))
    account = await store.accounts.add(
        channel="api", name=NAME, settings=read, secret_names=registry.secret_names("api")
    )
    site = web.Application()
    site.add_routes(Receiver(store, connectors, settings).routes())
    async with TestServer(site) as server:
        url = f"http://127.0.0.1:{server.port}/in/api/{account.key}"
        await app.attach({NAME: url})
        yield url, account, Intake(store, connectors, settings)


async def run(*command: str, stdin: bytes = b"", **environment: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
    )  # fmt: skip
    output, _ = await process.communicate(stdin)
    assert process.returncode == 0
    return output


@pytest.mark.parametrize("number", [0, 1])
async def test_the_readmes_curl_lines_work_at_the_door(
    number: int, door: tuple[str, Account, Intake], store: Store
) -> None:
    url, _, intake = door
    environment: Mapping[str, Any] = {"DOOR": url, "SECRET": SECRET, "TOKEN": "a-fixed-token-of-tests"}
    first = orjson.loads(await run("bash", "-ec", block("bash", number), **environment))
    again = orjson.loads(await run("bash", "-ec", block("bash", number), **environment))
    assert first == again
    assert first == {"ok": True, "id": f"m-{number + 1}", "event": first["event"]}
    await intake.drain()
    stored = [doc async for doc in store.db["messages"].find()]
    assert [doc["external_id"] for doc in stored] == [f"m-{number + 1}"]
    async for doc in store.db["raw_events"].find():
        assert "a-fixed-token-of-tests" not in repr(doc)


async def test_the_door_names_the_wrong_field(
    door: tuple[str, Account, Intake], http: aiohttp.ClientSession
) -> None:
    body = orjson.dumps({**MESSAGE, "txt": "hello"})
    headers = signing.sign(SECRET, body, datetime.now(UTC))
    async with http.post(door[0], data=body, headers=headers) as answer:
        told = orjson.loads(await answer.read())
    assert (answer.status, list(told["fields"])) == (422, ["txt"])


def signed_now(body: bytes) -> dict[str, str]:
    return dict(signing.sign(SECRET, body, datetime.fromtimestamp(time.time(), UTC)))


def test_the_readmes_python_example_agrees() -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    body = '{"text":"你好"}'.encode()
    assert names["genuine"](SECRET, signed_now(body), body)
    assert not names["genuine"](SECRET, signed_now(body), body + b" ")


@pytest.mark.skipif(NODE is None, reason="Node is not installed")
async def test_the_readmes_node_example_agrees() -> None:
    body = '{"text":"你好"}'
    headers = {name.lower(): value for name, value in signed_now(body.encode()).items()}
    script = block("js") + (
        f"console.log(genuine({json.dumps(SECRET)}, {json.dumps(headers)}, Buffer.from({json.dumps(body)})),"
        f" genuine({json.dumps(SECRET)}, {json.dumps(headers)}, Buffer.from('x')));"
    )
    assert await run(str(NODE), "-", stdin=script.encode()) == b"true false\n"


def test_openapi_refers_only_to_what_it_holds() -> None:
    shown = {"paths": openapi.paths("http://h.test"), "webhooks": openapi.webhooks()}
    parts = openapi.components()
    wanted = set(re.findall(r"#/components/schemas/(\w+)", json.dumps([shown, parts])))
    assert wanted <= set(parts["schemas"])
    assert set(shown["paths"]) == {"/in/api/{key}", "/in/api/{key}/receipts", "/in/api/{key}/edits"}
    message = parts["schemas"]["ApiMessage"]
    assert set(message["properties"]) == set(bodies.ApiMessage.model_fields)
    assert message["required"] == ["id", "sender"]
    assert message["additionalProperties"] is False
    for path in shown["paths"].values():
        for security in path["post"]["security"]:
            assert set(security) <= set(parts["securitySchemes"])
    for name in bodies.ApiMessage.model_fields:
        assert f"`{name}`" in README


# — the whole way —


async def test_a_users_words_come_in_and_change_and_go(
    app: Simulator, door: tuple[str, Account, Intake], store: Store
) -> None:
    _, _, intake = door
    person = app.chats.people[0]
    await app.chats.speak(person, Spoken(kind="text", text="我的订单呢？"))
    await app.chats.speak(
        person, Spoken(kind="image", filename="a.png", content_type="image/png", content=b"\x89PNG\r\n\x1a\n")
    )
    await intake.drain()
    await app.chats.speak(person, Spoken(kind="correct", text="图片说明"))
    await intake.drain()
    stored = [doc async for doc in store.db["messages"].find().sort("_id", 1)]
    assert [doc["sender"]["name"] for doc in stored] == ["王芳", "王芳"]
    assert stored[0]["text"] == "我的订单呢？"
    assert stored[1]["attachments"][0]["filename"] == "a.png"
    assert stored[1]["text"] == "图片说明"
    assert await store.db["tickets"].count_documents({}) == 1
    assert [line.author for line in app.chats.lines(person.id)] == ["customer", "customer", "customer"]
    await app.chats.speak(person, Spoken(kind="recall"))
    assert app.chats.lines(person.id)[-1].recalled
    await intake.drain()
    recalled = await store.db["messages"].find_one({"external_id": stored[1]["external_id"]})
    assert recalled is not None
    assert recalled["extra"]["recalled_at"]
    await app.chats.speak(person, Spoken(kind="recall"))
    assert app.chats.lines(person.id)[-1].author == "system"


async def test_an_agents_answer_is_delivered_and_read(
    app: Simulator, door: tuple[str, Account, Intake], store: Store, connectors: Connectors, settings: HubSettings,
    eventually: Callable[..., Awaitable[Any]],
) -> None:  # fmt: skip
    _, _, intake = door
    person = app.chats.people[1]
    await app.chats.speak(person, Spoken(kind="text", text="Can I change the address?"))
    await intake.drain()
    (ticket,) = [doc async for doc in store.db["tickets"].find()]
    request = ReplyRequest(
        ticket_id=ticket["_id"], actor=ActorDoc(kind="user", id="anna", name="Anna"), text="Yes, until tonight.",
        seen_inbound_id=ticket["last_inbound_id"],
    )  # fmt: skip
    worker = asyncio.create_task(OutboundWorker(store, connectors, settings).run())
    try:
        answer = await Submit(store, connectors, settings).reply(request)

        async def read() -> bool:
            await intake.drain()
            delivery = (await store.messages.get(answer["_id"]))["delivery"]
            return delivery is not None and delivery["state"] == "read"

        assert await eventually(read)
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    (got,) = app.replies
    assert got["to"] == [{"id": person.id, "name": person.name}]
    assert got["ticket_number"] == ticket["number"]
    assert (await store.messages.get(answer["_id"]))["aliases"] == ["app-1"]
    assert app.chats.lines(person.id)[-1].text == "Yes, until tonight."


async def test_receipts_come_back_out_of_order(
    app: Simulator, door: tuple[str, Account, Intake], store: Store, http: aiohttp.ClientSession,
    eventually: Callable[..., Awaitable[Any]],
) -> None:  # fmt: skip
    await channel(http, **app.accounts()[0].settings).send(reply())

    async def both() -> list[Any]:
        found = [doc async for doc in store.db["raw_events"].find({"tail": "receipts"}).sort("_id", 1)]
        return found if len(found) == 2 else []

    events = await eventually(both)
    told = [orjson.loads(doc["body"]) for doc in events]
    assert [(one["message_id"], one["status"]) for one in told] == [(reply().id, "read"), ("app-1", "delivered")]


async def test_a_user_hears_when_the_desk_takes_nothing(app: Simulator) -> None:
    person = app.chats.invent("陈晨")
    await app.chats.speak(person, Spoken(kind="text", text="hello?"))
    await app.attach({NAME: "http://127.0.0.1:1/in/api/x"})
    await app.chats.speak(person, Spoken(kind="text", text="hello?"))
    assert [line.author for line in app.chats.lines(person.id)] == ["customer", "system"] * 2

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict

from omnihub.connectors import registry
from omnihub.connectors.registry import Connectors
from omnihub.connectors.webform.sample import Sample
from omnihub.model.account import Account
from omnihub.settings import Server, Settings
from omnihub.store.store import Store
from omnihub.webhooks.receive import Receiver, client_address
from tests.conftest import Eventually
from tests.mailbox import mail
from tests.webhooks.conftest import PUSH, Door

SHOP = "https://shop.example.test"


async def add_form(store: Store, **settings: Any) -> Account:
    values = registry.plain(registry.read_settings("webform", {"allowed_origins": [SHOP], **settings}))
    return await store.accounts.add(
        channel="webform", name="Form", settings=values, secret_names=registry.secret_names("webform")
    )


@pytest.fixture
async def form(door: Door, connectors: Connectors) -> Sample:
    door.account = await add_form(door.store)
    return Sample(await connectors.of(door.account))


async def submit(door: Door, form: Sample, number: int = 1, **headers: str) -> tuple[int, Mapping[str, str], Any]:
    request = form.genuine(number)
    headers = {**request.headers, **headers}
    async with door.http.post(door.path, data=request.body, headers=headers) as answer:
        return answer.status, answer.headers, await answer.json(content_type=None)


async def refused(door: Door) -> int:
    health = await door.store.accounts.health()
    return int(health.get(door.account.id, {}).get("counts", {}).get("refused", 0))


# — who is there —


@pytest.mark.parametrize("path", ["/in/email/unknown", "/in/pigeon/unknown", "/in/email/%00", "/in/email/ü/tail"])
async def test_an_unknown_address_is_nowhere(door: Door, path: str) -> None:
    async with door.http.post(path, data=b"x", headers=PUSH) as answer:
        assert answer.status == 404
        assert (await answer.json(content_type=None))["code"] == "not_found"


async def test_a_key_belongs_to_its_channel(door: Door) -> None:
    async with door.http.post(f"/in/webform/{door.account.key}", data=b"x", headers=PUSH) as answer:
        assert answer.status == 404


async def test_a_disabled_account_is_nowhere_and_comes_back(door: Door) -> None:
    await door.store.accounts.change(door.account.id, enabled=False)
    assert await door.push(mail("anna@customer.test")) == 404
    assert await door.raw_events() == []
    await door.store.accounts.change(door.account.id, enabled=True)
    assert await door.push(mail("anna@customer.test")) == 200


async def test_a_removed_account_is_nowhere(door: Door) -> None:
    await door.store.accounts.remove(door.account.id)
    assert await door.push(mail("anna@customer.test")) == 404


async def test_refusals_speak_the_callers_language(door: Door) -> None:
    headers = {"Accept-Language": "zh-CN,zh;q=0.9"}
    async with door.http.post("/in/email/unknown", headers=headers) as answer:
        assert (await answer.json(content_type=None))["title"] == "此地址不存在。"


@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(door: Door, method: str) -> None:
    async with door.http.request(method, door.path, headers=PUSH) as answer:
        assert answer.status == 405
        assert "POST" in answer.headers["Allow"]


async def test_a_mailbox_shows_nothing(door: Door) -> None:
    async with door.http.get(door.path, headers=PUSH) as answer:
        assert answer.status == 404


# — what is refused —


async def test_a_forged_call_is_counted_and_not_stored(door: Door) -> None:
    for headers in ({}, {"Authorization": "Bearer guess"}, {"Authorization": "push-secret-for-tests"}):
        assert await door.push(mail("anna@customer.test"), headers) == 401
    assert await refused(door) == 3
    assert await door.raw_events() == []
    assert await door.store.db["blobs"].count_documents({}) == 0


async def test_an_announced_flood_is_refused_before_it_is_read(door: Door) -> None:
    limit = registry.manifest("email").door.max_body_bytes
    host, port = door.http.server.host, door.http.server.port
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"POST {door.path} HTTP/1.1\r\nHost: hub\r\nAuthorization: {PUSH['Authorization']}\r\n"
        f"Content-Length: {limit + 1}\r\n\r\n".encode()
    )
    assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"413"
    writer.close()
    await writer.wait_closed()
    assert await door.raw_events() == []


async def test_a_small_body_that_unfolds_to_a_large_one_is_refused(
    door: Door, form: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress(b"message=" + b"a" * 40_000_000)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    async with door.http.post(door.path, data=packed, headers=headers) as answer:
        assert answer.status == 413
    assert await door.raw_events() == []


async def test_too_many_at_once_are_sent_away_until_the_window_ends(door: Door, connectors: Connectors) -> None:
    door.account = await add_form(door.store, per_ip_minute=3, per_form_minute=1000)
    form = Sample(await connectors.of(door.account))
    answers = [await submit(door, form, number) for number in range(8)]
    statuses = [status for status, _, _ in answers]
    # A new minute may begin in between; then a few more pass.
    assert statuses[:3] == [200, 200, 200]
    assert 429 in statuses
    _, headers, told = answers[statuses.index(429)]
    assert 1 <= int(headers["Retry-After"]) <= 60
    assert told["code"] == "too_often"
    assert len(await door.raw_events()) == statuses.count(200)


async def test_what_is_held_in_memory_is_bounded(
    store: Store, connectors: Connectors, settings: Settings, door: Door, eventually: Eventually
) -> None:
    limit = 1_048_576
    bounded = settings.model_copy(update={"server": Server(max_inflight_bytes=limit)})
    app = web.Application()
    receiver = Receiver(store, connectors, bounded)
    app.add_routes(receiver.routes())
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"X-Filling: " + b"a" * (limit - 100_000)
        await go_on.wait()
        yield b"\r\n\r\nfirst\r\n"

    async with TestClient(TestServer(app)) as http:

        async def post(body: Any) -> tuple[int, str]:
            async with http.post(door.path, data=body, headers=PUSH) as answer:
                return answer.status, answer.headers.get("Retry-After", "")

        first = asyncio.create_task(post(slowly()))
        await eventually(lambda: asyncio.sleep(0, receiver._inflight > limit - 200_000))
        second = b"X-Filling: " + b"b" * 200_000 + b"\r\n\r\nsecond\r\n"
        assert await post(second) == (503, "2")
        go_on.set()
        assert (await first)[0] == 200
        assert await post(second) == (200, "")


# — what is kept —


async def test_secrets_of_the_call_are_never_journaled(door: Door) -> None:
    body = mail("anna@customer.test", mid="a@c")
    headers = {**PUSH, "Cookie": "session=a-cookie", "Proxy-Authorization": "Basic a-proxy", "X-Kept": "kept"}
    assert await door.push(body, headers) == 200
    assert (
        await door.push(body, {"X-Kept": "kept"}, params={"secret": "push-secret-for-tests", "from": "pipe"})
        == 200
    )
    for event in await door.raw_events():
        assert bytes(event["body"]) == body
        assert "push-secret" not in repr(event)
        assert "a-cookie" not in repr(event)
        assert "a-proxy" not in repr(event)
        assert ["x-kept", "kept"] in event["headers"]
    assert [event["query"] for event in await door.raw_events()] == [[], [["from", "pipe"]]]


@pytest.mark.parametrize("size", [262_144, 262_145, 3_000_000])
async def test_large_bodies_are_kept_byte_for_byte(door: Door, size: int) -> None:
    head = mail("anna@customer.test", mid="a@c", text="attached\n")
    body = head + bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    assert await door.push(io.BytesIO(body)) == 200
    (event,) = await door.raw_events()
    assert ("blob" in event) == (size > 262_144)
    (kept,) = await door.store.journal.load([event["_id"]])
    assert kept.request.body == body
    await door.intake.drain()
    assert await door.store.db["messages"].count_documents({"external_id": "a@c"}) == 1


async def test_concurrent_calls_share_their_writes(door: Door) -> None:
    posts = 200

    async def inserts() -> int:
        status = await door.store.db.client.admin.command("serverStatus")
        return int(status["metrics"]["commands"]["insert"]["total"])

    before = await inserts()
    bodies = [mail("anna@customer.test", mid=f"{number}@c") for number in range(posts)]
    assert set(await asyncio.gather(*(door.push(body) for body in bodies))) == {200}
    commands = await inserts() - before
    assert commands < posts / 4, commands
    kept = [bytes(event["body"]) for event in await door.raw_events()]
    assert sorted(kept) == sorted(bodies)
    await door.intake.drain()
    assert await door.store.db["messages"].count_documents({}) == posts
    assert await door.store.db["contacts"].count_documents({}) == 1


# — forms —


async def test_a_repeat_is_answered_with_the_same_reference(door: Door, form: Sample) -> None:
    request = form.genuine(1)

    async def post() -> tuple[int, Any]:
        async with door.http.post(door.path, data=request.body, headers=dict(request.headers)) as answer:
            return answer.status, await answer.json()

    answers = [await post(), *(await asyncio.gather(*(post() for _ in range(5))))]
    assert {status for status, _ in answers} == {200}
    assert len({told["reference"] for _, told in answers}) == 1
    assert len(await door.raw_events()) == 1


async def test_the_idempotency_key_may_be_a_header(door: Door, form: Sample) -> None:
    request = form.genuine(1)
    fields = dict(pair.split("=", 1) for pair in request.body.decode().split("&"))
    del fields["_key"]
    body = "&".join(f"{name}={value}" for name, value in fields.items())
    headers = {**request.headers, "Idempotency-Key": "an-order-4711"}
    for _ in range(3):
        async with door.http.post(door.path, data=body, headers=headers) as answer:
            assert answer.status == 200
    assert len(await door.raw_events()) == 1


async def test_only_the_exact_origin_is_let_in(door: Door, form: Sample) -> None:
    status, headers, _ = await submit(door, form, 1, Origin=SHOP)
    assert (status, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (200, SHOP, "Origin")
    status, headers, _ = await submit(door, form, 2, Origin="https://evil.example.test")
    assert status == 401
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Vary"] == "Origin"  # or a cache would show one website's answer to another
    status, headers, _ = await submit(door, form, 3)
    assert status == 200
    assert "Access-Control-Allow-Origin" not in headers


async def test_a_refusal_can_be_read_by_the_website_it_is_meant_for(door: Door, form: Sample) -> None:
    body = urlencode({"message": ""})
    headers = {"Origin": SHOP, "Content-Type": "application/x-www-form-urlencoded"}
    async with door.http.post(door.path, data=body, headers=headers) as answer:
        assert answer.status == 401
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP


async def test_a_browser_may_ask_beforehand(door: Door, form: Sample) -> None:
    asking = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    async with door.http.options(door.path, headers=asking) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
    async with door.http.options(door.path, headers={**asking, "Origin": "https://evil.example.test"}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_mailbox_has_no_cors(door: Door) -> None:
    async with door.http.options(door.path, headers={"Origin": SHOP}) as answer:
        assert "Access-Control-Allow-Origin" not in answer.headers


# — who calls —


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "caller"),
    [
        ("192.0.2.1", "", [], "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", [], "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "", ["10.0.0.0/8"], "10.0.0.1"),
        ("::1", "2001:db8::7", ["::1"], "2001:db8::7"),
        ("", "203.0.113.9", ["10.0.0.0/8"], ""),
        ("10.0.0.1", "not an address", ["10.0.0.0/8"], "not an address"),
        ("10.0.0.1", "203.0.113.9,,", ["10.0.0.0/8"], "203.0.113.9"),
    ],
)
def test_only_our_own_proxies_are_believed(peer: str, forwarded: str, trusted: list[str], caller: str) -> None:
    assert client_address(peer, forwarded, trusted) == caller


@pytest.mark.parametrize(
    ("trusted", "forwarded", "remote"),
    [
        ([], ["203.0.113.9"], "127.0.0.1"),
        (["127.0.0.0/8"], ["203.0.113.9"], "203.0.113.9"),
        (["127.0.0.0/8"], ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),  # a line of the caller's own
    ],
)
async def test_the_journal_names_who_called(
    door: Door,
    store: Store,
    connectors: Connectors,
    settings: Settings,
    trusted: list[str],
    forwarded: list[str],
    remote: str,
) -> None:
    behind = settings.model_copy(update={"server": Server(trusted_proxies=trusted)})
    app = web.Application()
    app.add_routes(Receiver(store, connectors, behind).routes())
    async with TestClient(TestServer(app)) as http:
        headers = CIMultiDict(PUSH)
        for line in forwarded:
            headers.add("X-Forwarded-For", line)
        async with http.post(door.path, data=mail("anna@customer.test"), headers=headers) as answer:
            assert answer.status == 200
    (event,) = await door.raw_events()
    assert event["remote"] == remote

"""The simulator is as strict as the platform: deadlines, repeats, modes, quotas, tokens, files."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest
from aiohttp import web
from wechat_world import JPEG, Platform, connector, event, platform
from wechat_world import request as raw_request

from omnihub.connectors.reading import read_json, read_xml, text_of
from omnihub.connectors.simulation import Loopback, amr_note
from omnihub.connectors.wechat.connector import Connector
from omnihub.connectors.wechat.simulator import FAULT, NOT_FOLLOWED, NOT_SAVED
from omnihub.connectors.wechat.simulator_demo import AES_KEY, APP_ID, APP_SECRET, NAME, TOKEN
from omnihub.connectors.wechat_api.simulator_push import Pusher
from omnihub.model.inbound import InboundMessage, Receipt
from omnihub.model.raw import RawRequest

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """A hub's door that keeps what it was given, and answers as it is told. Every GET is echoed by the
    connector."""

    def __init__(self, hub: Connector) -> None:
        self.hub = hub
        self.requests: list[RawRequest] = []
        self.answer: Answer = self.success
        self._came = asyncio.Condition()

    async def success(self, request: web.Request) -> web.Response:
        return web.Response(text="success")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = raw_request(await request.read(), dict(request.query), request.method)
        if request.method == "GET":
            reply = self.hub.challenge(raw)
            assert reply is not None
            return web.Response(body=reply.body)
        self.hub.verify(raw)
        async with self._came:
            self.requests.append(raw)
            self._came.notify_all()
        return await self.answer(request)

    async def got(self, count: int) -> None:
        async with asyncio.timeout(10), self._came:
            await self._came.wait_for(lambda: len(self.requests) >= count)

    def read(self, number: int = -1) -> list[Any]:
        return list(self.hub.parse(event(self.requests[number])))


@asynccontextmanager
async def opened(hub: Connector) -> AsyncIterator[tuple[Door, str]]:
    door = Door(hub)
    app = web.Application()
    app.router.add_route("*", "/in", door.handle)
    server = Loopback(app)
    url = await server.start()
    try:
        yield door, f"{url}/in"
    finally:
        await server.stop()


@pytest.fixture
async def attached(tmp_path: Path) -> AsyncIterator[tuple[Platform, Door]]:
    async with platform(tmp_path) as world, opened(world.connector()) as (door, url):
        await world.simulator.attach({NAME: url, "another": "http://127.0.0.1:9/"})
        yield world, door


async def test_nothing_is_pushed_to_an_address_that_was_not_verified(tmp_path: Path) -> None:
    async with platform(tmp_path) as world:
        await world.says(world.li, "text", "有人吗")
        assert world.shown(world.li, "system") == [NOT_SAVED]
        async with opened(connector()) as (_, url):  # a hub with another token
            await world.simulator.attach({NAME: url})
        assert world.simulator.pusher.url == ""


@pytest.mark.parametrize("mode", ["safe", "compatible", "plain"])
async def test_every_mode_is_pushed_and_read(tmp_path: Path, mode: Literal["safe", "compatible", "plain"]) -> None:
    async with platform(tmp_path, mode=mode) as world, opened(world.connector()) as (door, url):
        await world.simulator.attach({NAME: url})
        await world.says(world.li, "text", "你好")
        ((message,), fields) = (door.read(), read_xml(door.requests[0].body))
        assert message.text == "你好"
        assert ("Encrypt" in fields) is (mode != "plain")
        assert ("Content" in fields) is (mode != "safe")
        assert world.shown(world.li, "system") == []


async def test_all_that_a_customer_can_do_is_read(attached: tuple[Platform, Door]) -> None:
    world, door = attached
    await world.says(world.li, "image", content=JPEG, content_type="image/jpeg")
    await world.says(world.li, "voice", "听得见吗")
    await world.says(world.li, "video")
    await world.says(world.li, "location")
    for action in ("unfollow", "follow", "menu", "scan", "accept", "tomorrow"):
        await world.says(world.li, action)
    read = [one for number in range(len(door.requests)) for one in door.read(number)]
    assert [(one.kind, one.extra.get("notice", "")) for one in read] == [
        ("message", ""), ("message", ""), ("message", ""), ("message", ""), ("notice", "unfollowed"),
        ("notice", "followed"), ("notice", "menu_clicked"), ("notice", "scanned"),
        ("notice", "subscribe_messages_chosen"), ("unsupported", ""),
    ]  # fmt: skip
    assert [one.reachable for one in read[4:6]] == [False, True]
    hub = world.connector()
    fetched = [await hub.fetch(one.media[0]) for one in read[:3]]
    assert fetched[0].content == JPEG
    assert fetched[1].content == amr_note()
    assert fetched[2].content[4:8] == b"ftyp"
    assert read[1].text == "听得见吗"
    assert "南京西路" in read[3].text


async def test_who_does_not_follow_cannot_write(attached: tuple[Platform, Door]) -> None:
    world, door = attached
    await world.says(world.li, "unfollow")
    await world.says(world.li, "text", "在吗")
    assert world.shown(world.li, "system") == [NOT_FOLLOWED]
    assert len(door.requests) == 1


async def test_a_choice_of_a_menu_comes_back_with_its_id(attached: tuple[Platform, Door]) -> None:
    world, door = attached
    await world.says(world.li, "text", "?")
    choices = [{"id": "101", "content": "满意"}]
    body = {"touser": world.li.id, "msgtype": "msgmenu", "msgmenu": {"head_content": "?", "list": choices}}
    assert (await call(world, "/cgi-bin/message/custom/send", body))["errcode"] == 0
    await world.says(world.li, "text", "满意")
    (message,) = door.read()
    assert (message.text, message.extra) == ("满意", {"menu_id": "101"})


async def test_an_invented_customer_can_write_at_once(attached: tuple[Platform, Door]) -> None:
    world, door = attached
    person = world.simulator.chats.invent("周伯通")
    assert world.simulator.chats.invent("周伯通").id != person.id
    await world.says(person, "text", "新来的")
    (message,) = door.read()
    assert message.sender.key == f"wechat:{APP_ID}:{person.id}"


# — the deadline, the repeats, the fault —


async def test_without_an_answer_it_comes_three_times_with_the_same_id(tmp_path: Path) -> None:
    async with platform(tmp_path, deadline=0.2) as world, opened(world.connector()) as (door, url):
        await world.simulator.attach({NAME: url})
        silent = asyncio.Event()

        async def never(request: web.Request) -> web.Response:
            await silent.wait()
            return web.Response(text="success")

        door.answer = never
        await world.says(world.li, "text", "有人吗")
        assert [attempt.status for attempt in world.simulator.outcomes[-1].attempts] == [0, 0, 0]
        silent.set()
        assert world.shown(world.li, "system") == [FAULT]
        assert len({one.body for one in door.requests}) == 3  # sealed anew each time
        assert len({door.hub.source_key(one) for one in door.requests}) == 1
        assert len({door.read(number)[0].external_id for number in range(3)}) == 1


async def test_an_answer_at_the_second_time_is_enough(attached: tuple[Platform, Door]) -> None:
    world, door = attached
    statuses = iter([503, 200])

    async def once_away(request: web.Request) -> web.Response:
        return web.Response(status=next(statuses), text="success")

    door.answer = once_away
    await world.says(world.li, "text", "你好")
    assert [attempt.status for attempt in world.simulator.outcomes[-1].attempts] == [503, 200]
    assert world.shown(world.li, "system") == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"success", False),
        (b"", False),
        (b"SUCCESS", True),
        (b'"success"', True),
        (b"<html>welcome</html>", True),
        (b'{"ok":true}', True),
        (b"<xml><Encrypt>AAAA</Encrypt></xml>", True),
    ],
)
async def test_anything_but_success_is_a_fault(attached: tuple[Platform, Door], body: bytes, fault: bool) -> None:
    world, door = attached

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    door.answer = answer
    await world.says(world.li, "text", "你好")
    assert world.shown(world.li, "system") == ([FAULT] if fault else [])
    assert len(door.requests) == 1


async def test_an_encrypted_success_is_a_fault(attached: tuple[Platform, Door]) -> None:
    world, door = attached

    async def answer(request: web.Request) -> web.Response:
        pusher = Pusher(appid=APP_ID, token=TOKEN, aes_key=AES_KEY)
        return web.Response(body=pusher.envelope({"FromUserName": "success"})[1])

    door.answer = answer
    await world.says(world.li, "text", "你好")
    assert world.shown(world.li, "system") == [FAULT]


# — late results —


@pytest.mark.parametrize(("blocked", "status"), [(False, "delivered"), (True, "failed")])
async def test_the_result_of_a_template_message_comes_later(
    attached: tuple[Platform, Door], blocked: bool, status: str
) -> None:
    world, door = attached
    world.simulator.followers[world.li.id].blocked = blocked
    data = {"character_string1": {"value": "SO-1"}, "thing2": {"value": "到货"}}
    template_id = world.simulator.accounts()[0].settings["prepared_messages"][0]["template_id"]
    body = {"touser": world.li.id, "template_id": template_id, "data": data}
    answer = await call(world, "/cgi-bin/message/template/send", body)
    assert door.requests == []
    await door.got(1)
    (receipt,) = door.read()
    assert isinstance(receipt, Receipt)
    assert (receipt.external_id, receipt.status) == (f"template:{answer['msgid']}", status)


async def test_the_result_of_a_subscribe_message_comes_later(attached: tuple[Platform, Door]) -> None:
    world, door = attached
    await world.says(world.li, "accept")
    template_id = world.simulator.accounts()[0].settings["prepared_messages"][1]["template_id"]
    data = {"thing1": {"value": "清洗"}, "time2": {"value": "10:00"}}
    body = {"touser": world.li.id, "template_id": template_id, "data": data}
    assert await call(world, "/cgi-bin/message/subscribe/bizsend", body) == {"errcode": 0, "errmsg": "ok"}
    await door.got(2)
    notice, receipt = door.read()
    assert isinstance(notice, InboundMessage)
    assert notice.extra["notice"] == "subscribe_message_result"
    assert receipt.status == "delivered"


# — the API —


async def call(world: Platform, path: str, body: Any, token: str | None = None) -> dict[str, Any]:
    given = world.simulator.desk.tokens.stable(APP_ID, APP_SECRET, False)[0] if token is None else token
    query = {"access_token": given} if given else {}
    async with world.http.post(world.simulator.url + path, params=query, json=body) as answer:
        assert answer.status == 200
        return read_json(await answer.read())


async def stable(world: Platform, **more: Any) -> dict[str, Any]:
    body = {"grant_type": "client_credential", "appid": APP_ID, "secret": APP_SECRET, **more}
    async with world.http.post(f"{world.simulator.url}/cgi-bin/stable_token", json=body) as answer:
        return read_json(await answer.read())


async def plain_token(world: Platform, **more: str) -> dict[str, Any]:
    query = {"grant_type": "client_credential", "appid": APP_ID, "secret": APP_SECRET, **more}
    async with world.http.get(f"{world.simulator.url}/cgi-bin/token", params=query) as answer:
        return read_json(await answer.read())


async def works(world: Platform, token: str) -> int:
    body = {"touser": world.li.id, "command": "CancelTyping"}
    return int((await call(world, "/cgi-bin/message/custom/typing", body, token))["errcode"])


async def test_stable_tokens_are_the_same_while_good_and_apart_from_the_others(world_only: Platform) -> None:
    world = world_only
    first, second = await stable(world), await stable(world)
    assert first["access_token"] == second["access_token"]
    assert len(first["access_token"]) <= 512
    plain = (await plain_token(world))["access_token"]
    assert plain != first["access_token"]
    assert [await works(world, token) for token in (first["access_token"], plain)] == [0, 0]
    newer = (await plain_token(world))["access_token"]
    assert [await works(world, token) for token in (plain, newer)] == [0, 0]  # for five minutes, both
    world.clock.at += 301
    assert [await works(world, t) for t in (plain, newer, first["access_token"])] == [42001, 0, 0]
    forced = (await stable(world, force_refresh=True))["access_token"]
    assert [await works(world, token) for token in (first["access_token"], forced)] == [42001, 0]
    assert (await stable(world, force_refresh=True))["errcode"] == 45011
    world.clock.at += 7200
    assert (await stable(world))["access_token"] != forced


async def test_forcing_has_a_daily_limit(world_only: Platform) -> None:
    for _ in range(20):
        assert "access_token" in await stable(world_only, force_refresh=True)
        world_only.clock.at += 31
    assert (await stable(world_only, force_refresh=True))["errcode"] == 45009


async def test_errors_are_told_in_the_platforms_shape(world_only: Platform) -> None:
    world = world_only
    send, li = "/cgi-bin/message/custom/send", world.li.id
    text = {"touser": li, "msgtype": "text", "text": {"content": "hi"}}
    told = {
        "no token": await call(world, send, text, token=""),
        "bogus token": await call(world, send, text, token="bogus"),
        "no window": await call(world, send, text),
        "stranger": await call(world, send, text | {"touser": "oStranger"}),
        "no type": await call(world, send, {"touser": li}),
        "unknown type": await call(world, send, {"touser": li, "msgtype": "file", "file": {}}),
        "empty": await call(world, send, {"touser": li, "msgtype": "text", "text": {"content": ""}}),
        "no object": await call(world, send, ["?"]),
        "two articles": await call(world, send, {"touser": li, "msgtype": "news", "news": {"articles": [{}, {}]}}),
        "lost file": await call(world, send, {"touser": li, "msgtype": "image", "image": {"media_id": "x"}}),
        "command": await call(world, "/cgi-bin/message/custom/typing", {"touser": li, "command": "Dance"}),
        "wrong secret": await stable(world, secret="guess"),
        "wrong appid": await plain_token(world, appid="wx0", grant_type="?"),
        "wrong grant": await plain_token(world, grant_type="?"),
    }
    assert {name: answer["errcode"] for name, answer in told.items()} == {
        "no token": 41001, "bogus token": 40001, "no window": 45015, "stranger": 40003, "no type": 40008,
        "unknown type": 40008, "empty": 44004, "no object": 47001, "two articles": 45008, "lost file": 40007,
        "command": 45072, "wrong secret": 40125, "wrong appid": 40013, "wrong grant": 40002,
    }  # fmt: skip
    assert [name for name, answer in told.items() if " rid: " not in answer["errmsg"]] == []


async def test_a_moment_after_a_menu_click_allows_three(attached: tuple[Platform, Door]) -> None:
    world, _ = attached
    text = {"touser": world.li.id, "msgtype": "text", "text": {"content": "hi"}}
    await world.says(world.li, "menu")
    codes = [(await call(world, "/cgi-bin/message/custom/send", text))["errcode"] for _ in range(4)]
    assert codes == [0, 0, 0, 45047]
    world.clock.at += 61
    assert (await call(world, "/cgi-bin/message/custom/send", text))["errcode"] == 45015
    await world.says(world.li, "text", "在吗")
    await world.says(world.li, "scan")
    codes = [(await call(world, "/cgi-bin/message/custom/send", text))["errcode"] for _ in range(9)]
    assert codes == [0] * 8 + [45047]


async def test_uploads_are_checked(world_only: Platform) -> None:
    async def upload(kind: str, content: bytes) -> int:
        token = (await stable(world_only))["access_token"]
        form = aiohttp.FormData()
        form.add_field("media", io.BytesIO(content), filename="a.bin", content_type="application/octet-stream")
        url = f"{world_only.simulator.url}/cgi-bin/media/upload"
        async with world_only.http.post(url, params={"access_token": token, "type": kind}, data=form) as answer:
            return int(text_of(read_json(await answer.read()), "errcode") or 0)

    assert await upload("image", JPEG) == 0
    assert await upload("image", b"GIF89a") == 40005
    assert await upload("image", JPEG + bytes(2 * 1024 * 1024)) == 45001
    assert await upload("voice", JPEG) == 40005
    assert await upload("thumb", JPEG + bytes(70_000)) == 45001
    assert await upload("image", b"") == 44001
    assert await upload("file", JPEG) == 40004


@pytest.fixture
async def world_only(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform(tmp_path) as running:
        yield running

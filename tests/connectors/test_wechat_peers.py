"""Programs that others wrote for the real platform, against our simulator: WeRoBot as a receiver of its pushes,
wechatpy as a client of its API."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
import requests
from wechat_world import JPEG, platform
from wechatpy import WeChatClient
from wechatpy.exceptions import WeChatClientException
from werobot import WeRoBot

from omnihub.connectors.wechat.simulator import FAULT
from omnihub.connectors.wechat.simulator_demo import AES_KEY, APP_ID, APP_SECRET, NAME, TOKEN


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@contextmanager
def serving(robot: WeRoBot) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, robot.wsgi, WSGIServer, Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def robot_of(aes_key: str = AES_KEY, token: str = TOKEN) -> tuple[WeRoBot, list[Any]]:
    robot = WeRoBot(token=token, logger=logging.getLogger("werobot.test"))
    robot.config.update(TOKEN=token, APP_ID=APP_ID, ENCODING_AES_KEY=aes_key, SESSION_STORAGE=False)
    heard: list[Any] = []

    def hear(message: Any) -> str:
        heard.append(message)
        return f"收到 {len(message.content)} 个字" if message.type == "text" else ""

    robot.add_handler(hear)
    return robot, heard


async def test_werobot_takes_our_pushes_and_answers_sealed(tmp_path: Path) -> None:
    robot, heard = robot_of()
    with serving(robot) as url:
        async with platform(tmp_path) as world:
            await world.simulator.attach({NAME: url})
            assert world.simulator.pusher.url == url
            await world.says(world.li, "text", "水管漏了 ]]> <b>")
            await world.says(world.li, "voice", "听写")
            await world.says(world.li, "location")
            await world.says(world.li, "image", content=JPEG)
            await world.says(world.li, "scan")
            await world.says(world.li, "unfollow")
            await world.says(world.li, "follow")
            assert world.shown(world.li, "desk") == ["收到 12 个字"]
            assert world.shown(world.li, "system") == []
    assert [message.type for message in heard] == [
        "text", "voice", "location", "image", "scan_event", "unsubscribe_event", "subscribe_event",
    ]  # fmt: skip
    text, voice, place, picture, scan = heard[:5]
    assert (text.source, text.content) == (world.li.id, "水管漏了 ]]> <b>")
    assert voice.recognition == "听写"
    assert place.location == (31.224361, 121.46917)
    assert picture.img.startswith("http://127.0.0.1:")
    assert scan.key == "1001"
    assert len({message.message_id for message in heard[:4]}) == 4


async def test_werobot_refuses_what_another_platform_would_push(tmp_path: Path) -> None:
    robot, heard = robot_of(token="anotherToken")
    with serving(robot) as url:
        async with platform(tmp_path) as world:
            await world.simulator.attach({NAME: url})
            assert world.simulator.pusher.url == ""
            world.simulator.pusher.url = url
            await world.says(world.li, "text", "?")
            assert {attempt.status for attempt in world.simulator.outcomes[-1].attempts} == {403}
            assert world.shown(world.li, "system") == [FAULT]
    assert heard == []


class Session(requests.Session):
    """Every call with a limit, and to our host in place of the platform's."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def request(self, method: Any, url: Any, *args: Any, **more: Any) -> requests.Response:
        more["timeout"] = more.get("timeout") or (3, 8)
        return super().request(method, url.replace("https://api.weixin.qq.com", self._base_url), *args, **more)


async def test_wechatpy_is_served_as_by_the_platform(tmp_path: Path) -> None:
    async with platform(tmp_path) as world:
        await world.says(world.li, "text", "在吗")
        with Session(world.simulator.url) as session:
            client = WeChatClient(APP_ID, APP_SECRET, auto_retry=False)
            client._http.close()
            client._http = session
            await asyncio.wait_for(asyncio.to_thread(_talk, client, world.li.id), 20)
        assert world.shown(world.li, "desk") == ["您好", "image", "订单状态更新\n订单号：SO-9\n状态：已发货"]


def _talk(client: WeChatClient, openid: str) -> None:
    assert client.message.send_text(openid, "您好") == {"errcode": 0, "errmsg": "ok"}
    media_id = client.media.upload("image", ("a.jpg", JPEG, "image/jpeg"))["media_id"]
    client.message.send_image(openid, media_id)
    assert client.media.download(media_id).content == JPEG
    assert client.user.get(openid)["remark"] == "李晓梅"
    data = {"character_string1": {"value": "SO-9"}, "thing2": {"value": "已发货"}}
    template_id = "nGlzWxQ2mT8sYb4RkE0pVh7JcUa5DoLi3FqMw1ZxKtA"
    assert client.message.send_template(openid, template_id, data)["msgid"] > 0
    with pytest.raises(WeChatClientException) as refused:
        client.message.send_text("oStranger", "?")
    assert refused.value.errcode == 40003
    with pytest.raises(WeChatClientException) as gone:
        client.media.download("no-such-media")
    assert gone.value.errcode == 40007

"""Against others who wrote the same protocol: known answers, wechatpy's envelope, the official SDK."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from dingtalk_world import QUICK, MemoryDesk, connected, listening, person, said, simulated
from test_dingtalk_fixtures import CLIENT, KEYS, TOKEN, made, sealed
from wechatpy.enterprise.crypto import WeChatCrypto

from omnihub.connectors.dingtalk.door import header_signature
from omnihub.connectors.dingtalk.simulator_state import CLIENT_ID, CLIENT_SECRET, EVENT_AES_KEY, EVENT_TOKEN
from omnihub.connectors.dingtalk.simulator_stream import Gateway
from omnihub.connectors.sealed import Envelope
from omnihub.model.raw import RawRequest

Eventually = Callable[..., Awaitable[Any]]

# The platform's own example of an event's answer, and a header signature made by two other programs.
EVENT: dict[str, str] = {
    "token": "123456",
    "aes": "1234567890123456789012345678901234567890123",
    "owner": "dingsnotzck6pm5veliw",
    "timestamp": "1614767836",
    "nonce": "A7Co0cJLMzIDtMMI",
    "msg_signature": "9a95a004dd16f5c307e849b994173f76aa26e5eb",
    "encrypt": "YvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA==",
}


def test_the_robots_header_signature() -> None:
    made_elsewhere = "DJrE6qdyVGCQz9z5r2MDuNcNAhwYnuAkyj13cx169CA="
    assert header_signature("1577262236757", "this is a secret") == made_elsewhere


def test_the_platforms_own_envelope() -> None:
    envelope = Envelope(token=EVENT["token"], keys=(EVENT["aes"],), owner=EVENT["owner"])
    opened = envelope.open(EVENT["encrypt"], EVENT["msg_signature"], EVENT["timestamp"], EVENT["nonce"])
    assert (opened.plain, opened.tail) == (b"success", EVENT["owner"])


def wechatpys(token: str = TOKEN, key: str = KEYS["present"], owner: str = CLIENT) -> WeChatCrypto:
    return WeChatCrypto(token, key, owner)


def read_by_wechatpy(crypto: WeChatCrypto, body: bytes) -> str:
    """The answer to an event, as its receiver reads it."""
    answer = json.loads(body)
    given = (answer["msg_signature"], answer["timeStamp"], answer["nonce"])
    plain = crypto.decrypt_message({"Encrypt": answer["encrypt"]}, *given)
    return plain.decode() if isinstance(plain, bytes) else str(plain)


def asked_by_wechatpy(event: dict[str, Any]) -> RawRequest:
    import xmltodict  # what wechatpy makes is XML around the same envelope

    wrapped = xmltodict.parse(wechatpys().encrypt_message(json.dumps(event), "nonce1", "1795163400000"))["xml"]
    request = sealed({"json": event})
    return replace(
        request,
        body=json.dumps({"encrypt": wrapped["Encrypt"]}).encode(),
        query={"msg_signature": wrapped["MsgSignature"], "timestamp": "1795163400000", "nonce": "nonce1"},
    )


def test_an_address_check_by_wechatpy_is_answered_so_that_wechatpy_reads_it() -> None:
    answer = made().challenge(asked_by_wechatpy({"EventType": "check_url"}))
    assert answer is not None
    assert answer.content_type == "application/json"
    assert read_by_wechatpy(wechatpys(), answer.body) == "success"


def test_an_event_by_wechatpy_is_taken() -> None:
    connector = made()
    request = asked_by_wechatpy({"EventType": "user_add_org", "UserId": ["a"], "CorpId": "c"})
    assert connector.challenge(request) is None
    connector.verify(request)
    answer = connector.acknowledge(request, "01e")
    assert read_by_wechatpy(wechatpys(), answer.body) == "success"


def test_an_answer_is_sealed_with_the_key_that_opened_the_question() -> None:
    answer = made().acknowledge(sealed({"json": {"EventType": "x"}, "key": "previous"}), "01e")
    assert read_by_wechatpy(wechatpys(key=KEYS["previous"]), answer.body) == "success"


def test_the_simulators_events_are_read_by_wechatpy() -> None:
    envelope = Envelope(token=EVENT_TOKEN, keys=(EVENT_AES_KEY,), owner=CLIENT_ID)
    text = envelope.seal(b'{"EventType":"check_url"}')
    given = envelope.sign(text, "1", "n")
    crypto = wechatpys(EVENT_TOKEN, EVENT_AES_KEY, CLIENT_ID)
    assert json.loads(crypto.decrypt_message({"Encrypt": text}, given, "1", "n")) == {"EventType": "check_url"}


# — the official SDK as a client of the simulated platform —

SDK = """
import json, sys
import websockets, websockets.exceptions
import dingtalk_stream
from dingtalk_stream import AckMessage

class Echo(dingtalk_stream.ChatbotHandler):
    async def process(self, callback):
        message = dingtalk_stream.ChatbotMessage.from_dict(callback.data)
        texts = message.get_text_list()
        answered = self.reply_text("SDK: " + texts[0].strip(), message)
        print(json.dumps({"text": texts, "staff": message.sender_staff_id, "answered": answered}), flush=True)
        return AckMessage.STATUS_OK, "OK"

class Events(dingtalk_stream.EventHandler):
    async def process(self, event):
        print(json.dumps({"event": event.headers.event_type, "data": event.data}), flush=True)
        return AckMessage.STATUS_OK, "OK"

client = dingtalk_stream.DingTalkStreamClient(dingtalk_stream.Credential(*sys.argv[1:3]))
client.register_callback_handler(dingtalk_stream.ChatbotMessage.TOPIC, Echo())
client.register_all_event_handler(Events())
client.start_forever()
"""


@asynccontextmanager
async def official_sdk(url: str, secret: str = CLIENT_SECRET) -> AsyncIterator[asyncio.StreamReader]:
    environment = {**os.environ, "DINGTALK_OPENAPI_ENDPOINT": url, "NO_PROXY": "*", "no_proxy": "*"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-c", SDK, CLIENT_ID, secret,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.kill()
        await process.communicate()


async def next_line(output: asyncio.StreamReader) -> Any:
    async with asyncio.timeout(20):
        return json.loads(await output.readline())


async def pinged(gateway: Gateway) -> bool:
    return gateway.pongs > 0


async def test_the_official_sdk_talks_to_the_simulator(tmp_path: Path, eventually: Eventually) -> None:
    rules = replace(QUICK, redeliver_seconds=(10, 10))
    async with simulated(tmp_path, rules) as simulator, official_sdk(simulator.url) as output:
        gateway, wang = simulator.gateway, person(simulator, "group-wang.lei")
        async with asyncio.timeout(20):
            await gateway.wait_connected()
        message = await simulator.hand_over(wang, simulator.payload(wang, said("打印机坏了")))
        assert message is not None
        seen = await next_line(output)
        assert seen == {"text": [" 打印机坏了"], "staff": "wang.lei", "answered": {"errcode": 0, "errmsg": "ok"}}
        assert simulator.chats.lines("group-li.na")[-1].text == "@王磊 SDK: 打印机坏了"
        event = await gateway.deliver(
            "EVENT", {"topic": "*", "eventType": "user_add_org", "eventId": "e"}, {"a": 1}
        )
        assert await next_line(output) == {"event": "user_add_org", "data": {"a": 1}}
        async with asyncio.timeout(10):
            await message.taken.wait()
            await event.taken.wait()
        await gateway.send_away(gateway.staying[0])
        async with asyncio.timeout(10):
            await gateway.wait_connected()
        again = await simulator.hand_over(wang, simulator.payload(wang, said("换了连接")))
        assert again is not None
        assert (await next_line(output))["text"] == [" 换了连接"]
        assert gateway.opened == 2
        await eventually(lambda: pinged(gateway))


async def test_the_sdk_and_our_client_share_the_messages(tmp_path: Path) -> None:
    """Both speak the same protocol to the same gateway: each message goes to one of them, and none is lost."""
    desk = MemoryDesk()
    rules = replace(QUICK, redeliver_seconds=(10, 10))
    async with (
        simulated(tmp_path, rules) as simulator,
        official_sdk(simulator.url) as output,
        connected(simulator, stream_connections=1) as connector,
        listening(connector, desk),
    ):
        async with asyncio.timeout(20):
            await simulator.gateway.wait_connected(2)
        chen = person(simulator, "chen.xiaowen")
        deliveries = [await simulator.hand_over(chen, simulator.payload(chen, said(f"{n}"))) for n in range(24)]
        async with asyncio.timeout(20):
            for delivery in deliveries:
                assert delivery is not None
                await delivery.taken.wait()
        theirs = [await next_line(output) for _ in range(24 - len(desk.requests))]
    assert 0 < len(theirs) < 24
    assert len(theirs) + len(desk.requests) == 24

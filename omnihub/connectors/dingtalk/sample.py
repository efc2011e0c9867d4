import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import orjson
from aiohttp import web

from omnihub.connectors.dingtalk.connector import Connector
from omnihub.connectors.dingtalk.door import header_signature
from omnihub.connectors.dingtalk.people import member_key
from omnihub.connectors.dingtalk.simulator import Simulator
from omnihub.connectors.dingtalk.simulator_state import CLIENT_ID, CLIENT_SECRET, CORP_ID
from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.connectors.sealed import Envelope
from omnihub.connectors.simulation import Loopback
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

STAFF = "chen.xiaowen"
CUSTOMER = member_key(CORP_ID, STAFF)
TOKEN, AES_KEY = "event-token-of-the-sample", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "previous_client_secret": "the-client-secret-before",
        "event_token": TOKEN,
        "event_aes_key": AES_KEY,
        "previous_event_aes_key": AES_KEY[::-1],
        "mode": "http",
    }
    patience: ClassVar = {
        "omnihub.connectors.dingtalk.api.SECONDS": 0.3,
        "omnihub.connectors.dingtalk.sending.SEND_SECONDS": 0.3,
    }
    refusal_words = "staffId.notExisted"

    def genuine(self, number: int) -> RawRequest:
        return self._signed(self._said(number))

    def said(self, number: int) -> Said:
        return Said(sender=CUSTOMER, words=f"第 {number} 个问题")

    def forged(self) -> Sequence[RawRequest]:
        good = self.genuine(1)
        hours_ago = str(round((good.received_at.timestamp() - 3 * 3600) * 1000))
        stale = {"timestamp": hours_ago, "sign": header_signature(hours_ago, CLIENT_SECRET)}
        return [
            replace(good, headers={}),
            replace(good, headers={**good.headers, "sign": "a-guess"}),
            replace(good, headers={**good.headers, "timestamp": "1"}),
            replace(
                good, headers={**good.headers, "sign": header_signature(good.headers["timestamp"], "a-guess")}
            ),
            replace(good, headers=stale),
            replace(self._event({"EventType": "user_add_org"}), query={"timestamp": "1", "nonce": "1"}),
            self._event({"EventType": "check_url"}, owner="somebody-else"),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        deep = b"[" * 5_000 + b"]" * 5_000
        bodies = [b"", b" ", b"{", b"[]", b"{}", b"\xff\xfe", b'{"a":' + deep + b"}", b'{"msgtype":"text"}']
        return [replace(self.genuine(1), body=body) for body in bodies]

    def unknown_type(self) -> RawRequest:
        words = self.said(1).words
        said = {**self._said(1), "msgtype": "hologram", "content": {"projection": words}}
        said.pop("text")
        return self._signed(said)

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        if mood in ("takes", "refuses"):
            simulator = Simulator(folder)
            await simulator.start()
            try:
                yield {"api_url": simulator.url, "oapi_url": simulator.url}
            finally:
                await simulator.stop()
            return
        over = asyncio.Event()
        loopback = Loopback(_quiet(mood, over))
        try:
            url = await loopback.start()
            yield {"api_url": url, "oapi_url": url}
        finally:
            over.set()
            await loopback.stop()

    def outgoing(self, mood: Mood) -> Outgoing:
        staff = "nobody.knows" if mood == "refuses" else STAFF
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=staff,
            to=(Handle(key=member_key(CORP_ID, staff)),),
            text="马上处理。",
            created_at=self.connector.toolbox.now(),
        )

    def _said(self, number: int) -> dict[str, Any]:
        return {
            "conversationId": "cidSample==",
            "conversationType": "1",
            "msgId": f"msgSample{number}==",
            "senderId": "$:LWCP_v1:$sample",
            "senderNick": "陈晓雯",
            "senderStaffId": STAFF,
            "senderCorpId": CORP_ID,
            "chatbotCorpId": CORP_ID,
            "robotCode": CLIENT_ID,
            "createAt": 1_763_630_000_000 + number,
            "sessionWebhook": "https://oapi.dingtalk.com/robot/sendBySession?session=sample",
            "sessionWebhookExpiredTime": 1_763_635_400_000,
            "msgtype": "text",
            "text": {"content": f" {self.said(number).words}"},
        }

    def _signed(self, said: Mapping[str, Any]) -> RawRequest:
        now = self.connector.toolbox.now()
        timestamp = str(round(now.timestamp() * 1000))
        headers = {
            "content-type": "application/json; charset=utf-8",
            "timestamp": timestamp,
            "sign": header_signature(timestamp, CLIENT_SECRET),
        }
        return RawRequest(source="webhook", body=orjson.dumps(dict(said)), received_at=now, headers=headers)

    def _event(self, event: Mapping[str, Any], owner: str = CLIENT_ID) -> RawRequest:
        envelope = Envelope(token=TOKEN, keys=(AES_KEY,), owner=owner)
        sealed = envelope.seal(orjson.dumps(dict(event)))
        query = {"timestamp": "1763630000000", "nonce": "n", "msg_signature": ""}
        query["msg_signature"] = envelope.sign(sealed, query["timestamp"], query["nonce"])
        body = orjson.dumps({"encrypt": sealed})
        now = self.connector.toolbox.now()
        return RawRequest(source="webhook", tail="events", body=body, received_at=now, query=query)


def _quiet(mood: Mood, over: asyncio.Event) -> web.Application:
    """silent: not even the token is given. mute: it is, and then nothing more."""

    async def answer(request: web.Request) -> web.Response:
        if mood == "mute" and request.path.endswith("/accessToken"):
            return web.json_response({"accessToken": "token-of-the-sample", "expireIn": 7200})
        await request.read()
        await over.wait()
        return web.Response(status=503)

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", answer)])
    return app

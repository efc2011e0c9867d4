import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import orjson

from omnihub.connectors import sealed
from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.connectors.simulation import Spoken
from omnihub.connectors.wechat_api.people import handle
from omnihub.connectors.wechat_api.pushes import Format
from omnihub.connectors.wechat_api.simulator_push import Pusher, to_xml
from omnihub.connectors.wechat_miniprogram.connector import Connector
from omnihub.connectors.wechat_miniprogram.parsing import HANDLES
from omnihub.connectors.wechat_miniprogram.simulator import Simulator
from omnihub.connectors.wechat_miniprogram.simulator_demo import APP_ID, APP_SECRET, PEOPLE
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

APPID = "wx2b3c4d5e6f708192"
TOKEN = "miniSample2026"
AES_KEY = "SampleMiniEncodingAESKeyOfForty3LettersHere"
OLD_KEY = "TheMiniEncodingAESKeyBeforeThePresentOne000"
OPENID = "oMiniSample0000000000Customer"
ACCOUNT = "gh_1a2b3c4d5e6f"
_STRANGER = "oNobodyEverHeardOfThisOpenid111"
_TIME = 1_790_000_000


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "app_id": APPID,
        "app_secret": "app-secret-of-the-mini-sample",
        "token": TOKEN,
        "aes_key": AES_KEY,
        "previous_aes_key": OLD_KEY,
    }
    patience: ClassVar = {
        "omnihub.connectors.wechat_api.api.SEND_SECONDS": 1.0,
        "omnihub.connectors.wechat_api.api.TOKEN_SECONDS": 1.0,
    }
    refusal_words = "40003 invalid openid"

    def genuine(self, number: int) -> RawRequest:
        """In JSON and in XML by turns; every other id is no number."""
        return self.pushed(text_push(number), format="xml" if number % 2 == 0 else "json")

    def said(self, number: int) -> Said:
        return Said(sender=f"{HANDLES}:{APPID}:{OPENID}", words=f"question number {number}")

    def forged(self) -> Sequence[RawRequest]:
        genuine, plain = self.genuine(1), orjson.dumps(text_push(1))
        query = dict(genuine.query)
        unencrypted = {name: query[name] for name in ("signature", "timestamp", "nonce", "openid")}
        return [
            self.raw({}, plain),
            self.raw(unencrypted, plain),
            self.raw(unencrypted | {"encrypt_type": "raw"}, to_xml(text_push(1))),
            self.raw(query | {"msg_signature": ""}, genuine.body),
            self.raw(query | {"msg_signature": query["signature"]}, genuine.body),
            self.raw(query | {"timestamp": "1"}, genuine.body),
            self.raw(query, self.genuine(3).body),
            self.pushed(text_push(1), appid="wx9999999999999999"),
            self.pushed(text_push(1), token="a-guessed-token"),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        query = dict(self.genuine(1).query)
        envelope = self.envelope()
        cipher_text = envelope.seal(orjson.dumps(text_push(1)))
        deep = b'{"a":' * 200 + b"1" + b"}" * 200
        bomb = b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><xml><Content>&b;</Content></xml>'
        other_key = sealed.Envelope(token=TOKEN, keys=("Z" * 43,), owner=APPID)
        return [
            self.raw(query, b"{"),
            self.raw(query, b'{"ToUserName":"gh_1"}'),
            self.raw(query, deep),
            self.wrapped("AAAA"),
            self.wrapped(cipher_text[:-8]),
            self.wrapped(envelope.seal(b"[]")),
            self.wrapped(envelope.seal(b'{"MsgType":"text","Content":"\xff"}')),
            self.wrapped(envelope.seal(deep)),
            self.wrapped(envelope.seal(bomb)),
            self.wrapped(other_key.seal(orjson.dumps(text_push(1)))),
        ]

    def unknown_type(self) -> RawRequest:
        return self.pushed(text_push(1) | {"MsgType": "of_tomorrow"})

    def pushed(
        self, fields: Mapping[str, Any], *, format: Format = "json", appid: str = APPID, token: str = TOKEN
    ) -> RawRequest:
        """As the platform hands it over in safe mode."""
        pusher = Pusher(appid=appid, token=token, aes_key=AES_KEY, format=format, clock=lambda: float(_TIME))
        return self.raw(*pusher.envelope(fields))

    def wrapped(self, cipher_text: str) -> RawRequest:
        """With a good signature, whatever stands in it."""
        timestamp, nonce = str(_TIME), "415670741"
        query = {"timestamp": timestamp, "nonce": nonce, "encrypt_type": "aes"}
        query["msg_signature"] = self.envelope().sign(cipher_text, timestamp, nonce)
        return self.raw(query, orjson.dumps({"ToUserName": ACCOUNT, "Encrypt": cipher_text}))

    def envelope(self) -> sealed.Envelope:
        return sealed.Envelope(token=TOKEN, keys=(AES_KEY,), owner=APPID)

    def raw(self, query: Mapping[str, str], body: bytes) -> RawRequest:
        headers = {"content-type": "application/json" if body[:1] == b"{" else "text/xml"}
        now = self.connector.toolbox.now()
        return RawRequest(source="webhook", body=body, received_at=now, query=query, headers=headers)

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        if mood == "silent":
            server = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
            try:
                yield {"base_url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}
            finally:
                server.close()
                await server.wait_closed()
            return
        simulator = Simulator(folder)
        await simulator.start()
        try:
            await simulator.hear(PEOPLE[0], Spoken(kind="text", text="你好"))
            simulator.desk.mute = mood == "mute"
            yield {"base_url": simulator.url, "app_id": APP_ID, "app_secret": APP_SECRET}
        finally:
            await simulator.stop()

    def outgoing(self, mood: Mood) -> Outgoing:
        openid = _STRANGER if mood == "refuses" else PEOPLE[0].id
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=openid,
            to=(handle(HANDLES, self.connector.settings.app_id, openid),),
            text="您的订单明天送达。",
            created_at=self.connector.toolbox.now(),
        )


def text_push(number: int) -> dict[str, Any]:
    message_id: int | str = 24_537_653_432_179_000 + number
    if number % 2:
        message_id = f"49d72d6700000000000000000000{number:04d}_{_TIME}"
    return {
        "ToUserName": ACCOUNT, "FromUserName": OPENID, "CreateTime": _TIME + number, "MsgType": "text",
        "Content": f"你好，this is question number {number}.", "MsgId": message_id,
    }  # fmt: skip


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()

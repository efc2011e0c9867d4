import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from omnihub.connectors import sealed
from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.connectors.simulation import Spoken
from omnihub.connectors.wechat.connector import Connector
from omnihub.connectors.wechat.simulator import Simulator
from omnihub.connectors.wechat.simulator_demo import APP_ID, APP_SECRET
from omnihub.connectors.wechat_api.people import handle
from omnihub.connectors.wechat_api.simulator_push import Pusher, to_xml
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

APPID = "wx0a1b2c3d4e5f6071"
TOKEN = "sampleToken2026"
AES_KEY = "SampleEncodingAESKeyOfForty3LettersAndDigit"
OLD_KEY = "TheEncodingAESKeyThatWasUsedBeforeThatOne00"
OPENID = "oSample0000000000000000Customer"
ACCOUNT = "gh_0f1e2d3c4b5a"
STRANGER = "oNobodyEverHeardOfThisOpenid000"
_SENT_TO = "oQx7k5Demo0000000000LiXiaomei"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "app_id": APPID,
        "app_secret": "app-secret-of-the-sample",
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
        return self.pushed(_text(number))

    def said(self, number: int) -> Said:
        return Said(sender=f"wechat:{APPID}:{OPENID}", words=f"question number {number}")

    def forged(self) -> Sequence[RawRequest]:
        genuine = self.genuine(1)
        query = dict(genuine.query)
        unencrypted = {name: query[name] for name in ("signature", "timestamp", "nonce", "openid")}
        return [
            self._raw({}, to_xml(_text(1))),
            self._raw(unencrypted, to_xml(_text(1))),
            self._raw(unencrypted | {"encrypt_type": "raw"}, to_xml(_text(1))),
            self._raw(query | {"msg_signature": ""}, genuine.body),
            self._raw(query | {"msg_signature": query["signature"]}, genuine.body),
            self._raw(query | {"nonce": "1"}, genuine.body),
            self._raw(query, self.genuine(2).body),
            self.pushed(_text(1), appid="wx9999999999999999"),
            self.pushed(_text(1), token="a-guessed-token"),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        query = dict(self.genuine(1).query)
        envelope = self._envelope()
        bomb = b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>'
        cipher_text = envelope.seal(to_xml(_text(1)))
        deep = b'{"a":' * 200 + b"1" + b"}" * 200
        return [
            self._raw(query, b"<xml>"),
            self._raw(query, bomb),
            self._raw(query, b"<xml><ToUserName>gh_1</ToUserName></xml>"),
            self._raw(query, deep),
            self.wrapped("AAAA"),
            self.wrapped(cipher_text[:-8]),
            self.wrapped(cipher_text[: len(cipher_text) // 64 * 64 - 64]),
            self.wrapped(envelope.seal(b"this is no XML")),
            self.wrapped(envelope.seal(b"\xff\xfe\x00 is no text")),
            self.wrapped(envelope.seal(deep)),
            self.wrapped(sealed.Envelope(token=TOKEN, keys=("Z" * 43,), owner=APPID).seal(to_xml(_text(1)))),
        ]

    def unknown_type(self) -> RawRequest:
        return self.pushed(_text(1) | {"MsgType": "of_tomorrow"})

    def pushed(self, fields: Mapping[str, Any], *, appid: str = APPID, token: str = TOKEN) -> RawRequest:
        """As the platform hands it over in safe mode."""
        pusher = Pusher(appid=appid, token=token, aes_key=AES_KEY, clock=lambda: 1_790_000_000.0)
        return self._raw(*pusher.envelope(fields))

    def wrapped(self, cipher_text: str) -> RawRequest:
        """With a good signature, whatever stands in it."""
        timestamp, nonce = "1790000000", "486452656"
        query = {"timestamp": timestamp, "nonce": nonce, "encrypt_type": "aes"}
        query["msg_signature"] = self._envelope().sign(cipher_text, timestamp, nonce)
        return self._raw(query, to_xml({"ToUserName": ACCOUNT, "Encrypt": cipher_text}))

    def _envelope(self) -> sealed.Envelope:
        return sealed.Envelope(token=TOKEN, keys=(AES_KEY,), owner=APPID)

    def _raw(self, query: Mapping[str, str], body: bytes) -> RawRequest:
        return RawRequest(
            source="webhook", body=body, received_at=self.connector.toolbox.now(), query=query,
            headers={"content-type": "text/xml"},
        )  # fmt: skip

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        if mood == "silent":
            server = await asyncio.start_server(_say_nothing, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            try:
                yield {"base_url": f"http://127.0.0.1:{port}"}
            finally:
                server.close()
                await server.wait_closed()
            return
        simulator = Simulator(folder)
        await simulator.start()
        try:
            person = simulator.chats.person(_SENT_TO)
            assert person is not None
            await simulator.hear(person, Spoken(kind="text", text="你好"))
            simulator.desk.mute = mood == "mute"
            yield {"base_url": simulator.url, "app_id": APP_ID, "app_secret": APP_SECRET}
        finally:
            await simulator.stop()

    def outgoing(self, mood: Mood) -> Outgoing:
        openid = STRANGER if mood == "refuses" else _SENT_TO
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=openid,
            to=(handle("wechat", self.connector.settings.app_id, openid),),
            text="已为您安排，明天上门。",
            created_at=self.connector.toolbox.now(),
        )


def _text(number: int) -> dict[str, Any]:
    return {
        "ToUserName": ACCOUNT, "FromUserName": OPENID, "CreateTime": 1_790_000_000 + number, "MsgType": "text",
        "Content": f"你好，this is question number {number}.", "MsgId": 24_537_653_432_178_000 + number,
    }  # fmt: skip


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import orjson

from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.connectors.telegram.connector import Connector
from omnihub.connectors.telegram.simulator import TOKEN, Simulator
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

CUSTOMER = 5_000_000_101
_HEADER = "x-telegram-bot-api-secret-token"
_SENT_AT = 1_794_994_200


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {"bot_token": TOKEN, "mode": "webhook"}
    patience: ClassVar = {
        "omnihub.connectors.telegram.api.CALL_SECONDS": 0.5,
        "omnihub.connectors.telegram.sending.CHAT_SECONDS": 0.0,
    }
    refusal_words = "Forbidden: bot was blocked by the user"

    def genuine(self, number: int) -> RawRequest:
        return self._pushed(orjson.dumps(self._update(number, {"text": f"This is question number {number}."})))

    def said(self, number: int) -> Said:
        return Said(sender=f"telegram:{CUSTOMER}", words=f"question number {number}")

    def forged(self) -> Sequence[RawRequest]:
        real = self.genuine(1)
        secret = real.headers[_HEADER]
        return [
            replace(real, headers={}),
            replace(real, headers={_HEADER: ""}),
            replace(real, headers={_HEADER: secret[:-1]}),
            replace(real, headers={_HEADER: secret.upper()}),
            replace(real, headers={_HEADER: "\udcff"}),
            replace(real, headers={"authorization": f"Bearer {secret}"}, query={"secret_token": secret}),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        deep = b'{"update_id":1,"message":' + b"[" * 60 + b"]" * 60 + b"}"
        bodies = (b"{", b"[]", b"\xff\xfe{}", b'{"message":{}}', b'{"update_id":"1"}', b'{"update_id":true}', deep)
        return [self._pushed(body) for body in bodies]

    def unknown_type(self) -> RawRequest:
        update = self._update(1, {"text": "This is question number 1."})
        update["message_of_tomorrow"] = update.pop("message")
        return self._pushed(orjson.dumps(update))

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        if mood == "silent":
            with socket.socket() as nobody:  # bound, but it listens to nobody
                nobody.bind(("127.0.0.1", 0))
                yield _led(f"http://127.0.0.1:{nobody.getsockname()[1]}")
            return
        simulator = Simulator(folder, mute=mood == "mute")
        for person in simulator.chats.people[:3]:
            simulator.place(person)
        if mood == "refuses":
            simulator.bot.blocked.add(CUSTOMER)
        await simulator.start()
        try:
            yield _led(simulator.url)
        finally:
            await simulator.stop()

    def outgoing(self, mood: Mood) -> Outgoing:
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=str(CUSTOMER),
            to=(Handle(key=f"telegram:{CUSTOMER}"),),
            text="It is on its way.",
            created_at=self.connector.toolbox.now(),
        )

    def _update(self, number: int, content: Mapping[str, Any]) -> dict[str, Any]:
        person = {"id": CUSTOMER, "is_bot": False, "first_name": "Maria", "last_name": "Petrova"}
        chat = {"id": CUSTOMER, "type": "private", "first_name": "Maria", "last_name": "Petrova"}
        message = {"message_id": number, "from": person, "chat": chat, "date": _SENT_AT + number, **content}
        return {"update_id": 100_000 + number, "message": message}

    def _pushed(self, body: bytes) -> RawRequest:
        headers = {"content-type": "application/json", _HEADER: self.connector.secret}
        return RawRequest(source="webhook", body=body, received_at=self.connector.toolbox.now(), headers=headers)


def _led(url: str) -> Mapping[str, Any]:
    return {"api_url": url, "file_url": f"{url}/file"}

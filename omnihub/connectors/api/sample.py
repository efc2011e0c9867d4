import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import orjson

from omnihub.connectors.api import signing
from omnihub.connectors.api.connector import Connector
from omnihub.connectors.api.reading import handle_key
from omnihub.connectors.api.simulator import DELETED, DELETED_WORDS, SECRET, Simulator
from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

TOKEN = "fixed-token-of-the-sample"
OLD_SECRET = "secret-of-last-year-of-the-sample"
CUSTOMER = "u-1001"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "signing_secret": SECRET,
        "previous_signing_secret": OLD_SECRET,
        "token_allowed": True,
        "api_token": TOKEN,
        "reply_url": "https://app.example.test/replies",
    }
    patience: ClassVar = {"omnihub.connectors.api.connector.ANSWER_SECONDS": 0.3}
    refusal_words = DELETED_WORDS

    def genuine(self, number: int) -> RawRequest:
        """Signed with the present secret, signed with the one before, and with the fixed token."""
        request = self.signed(self._message(number), OLD_SECRET if number % 3 == 2 else SECRET)
        return replace(request, headers=_bearer(TOKEN)) if number % 3 == 0 else request

    def said(self, number: int) -> Said:
        return Said(sender=handle_key(self.connector.account.id, CUSTOMER), words=f"question number {number}")

    def forged(self) -> Sequence[RawRequest]:
        good = self.genuine(1)
        return [
            replace(good, headers={}),
            replace(good, body=good.body + b" "),
            self.signed(self._message(1), "a guessed secret"),
            self.signed(self._message(1), SECRET, late=timedelta(minutes=6)),
            self.signed(self._message(1), SECRET, late=timedelta(minutes=-6)),
            replace(good, headers={**good.headers, "x-omnihub-timestamp": "soon"}),
            replace(good, headers={**good.headers, "x-omnihub-signature": "v1=\udcff"}),
            replace(good, headers=_bearer("a-guessed-token")),
            replace(good, headers={"authorization": f"Basic {TOKEN}"}),
            replace(good, headers={**good.headers, **_bearer(TOKEN), "x-omnihub-signature": "v1=guess"}),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        bodies = (b"", b"{", b'"text"', b"[]", b'{"id": "m-1"}', b"[" * 3000, b'{"text": "\xff"}')
        empty = {**self._message(1), "text": " "}
        return [self._raw(body) for body in bodies] + [self.signed(empty), self.signed({**empty, "txt": "hello"})]

    def unknown_type(self) -> RawRequest:
        return self.signed({**self._message(1), "kind": "of_tomorrow"})

    def signed(
        self, body: Mapping[str, Any], secret: str = SECRET, *, tail: str = "", late: timedelta = timedelta()
    ) -> RawRequest:
        return self._raw(orjson.dumps(body), secret, tail=tail, late=late)

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        if mood == "silent":
            yield {"reply_url": f"http://127.0.0.1:{_closed_port()}/", "allow_private_address": True}
            return
        simulator = Simulator(folder, mute=mood == "mute", clock=self.connector.toolbox.now)
        await simulator.start()
        try:
            yield simulator.accounts()[0].settings
        finally:
            await simulator.stop()

    def outgoing(self, mood: Mood) -> Outgoing:
        person = DELETED if mood == "refuses" else CUSTOMER
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=person,
            to=(Handle(key=handle_key(self.connector.account.id, person), name="王芳"),),
            text="It is on its way. / 已经寄出。",
            created_at=self.connector.toolbox.now(),
        )

    def _message(self, number: int) -> dict[str, Any]:
        return {
            "id": f"m-{number}",
            "sender": {"id": CUSTOMER, "name": "王芳"},
            "text": f"This is question number {number}.",
        }

    def _raw(
        self, body: bytes, secret: str = SECRET, *, tail: str = "", late: timedelta = timedelta()
    ) -> RawRequest:
        now = self.connector.toolbox.now()
        headers = {name.lower(): value for name, value in signing.sign(secret, body, now - late).items()}
        headers["content-type"] = "application/json"
        return RawRequest(source="webhook", body=body, received_at=now, headers=headers, tail=tail)


def _bearer(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}"}


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

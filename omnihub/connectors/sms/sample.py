import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.connectors.sms.connector import Connector
from omnihub.connectors.sms.signature import SIGNATURE, Key, sign
from omnihub.connectors.sms.simulator import Simulator
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

TOKEN = "auth-token-of-the-sample"
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
NUMBER = "+12025550143"
CUSTOMER = "+12025550117"
_FORM = "application/x-www-form-urlencoded; charset=UTF-8"


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "account_sid": ACCOUNT,
        "auth_token": TOKEN,
        "previous_auth_token": "previous-token-of-the-sample",
        "shared_key_secret": "shared-key-of-the-sample",
        "from_numbers": [NUMBER],
    }
    patience: ClassVar = {"omnihub.connectors.sms.api.SEND_SECONDS": 0.3}
    refusal_words = "Attempt to send to unsubscribed recipient"

    def genuine(self, number: int) -> RawRequest:
        return self._signed(self._message(number))

    def said(self, number: int) -> Said:
        return Said(sender=f"phone:{CUSTOMER}", words=f"question number {number} +1 & 100%")

    def forged(self) -> Sequence[RawRequest]:
        pairs = self._message(1)
        genuine = self._signed(pairs)
        unsigned = {name: value for name, value in genuine.headers.items() if name != SIGNATURE}
        door = self.connector.door
        elsewhere = dict(sign(Key(secret=TOKEN), f"{door}x", pairs))
        shared = Key(secret="shared-key-of-the-sample", algorithm="HMAC_SHA256", id="any")
        confused = Key(secret=TOKEN, algorithm="HMAC_SHA256", id="any")
        return [
            replace(genuine, headers=unsigned),
            self._signed(pairs, Key(secret="a guess")),
            self._signed(pairs, Key(secret="")),
            replace(genuine, headers={**genuine.headers, **elsewhere}),
            replace(genuine, body=genuine.body + b"&Extra=1"),
            replace(genuine, query={"injected": "1"}),
            # Not allowed by these settings: another algorithm, with whichever secret.
            self._signed(pairs, shared),
            self._signed(pairs, confused),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        """Signed, but about nothing."""
        return [
            self._signed([]),
            self._signed([("Body", "words of nobody")]),
            self._signed([("MessageStatus", "sent"), ("AccountSid", ACCOUNT)], tail="status"),
            replace(self._signed(self._message(1)), body=b"Body=%FF%FE"),
            replace(self._signed(self._message(1)), headers={"content-type": "application/json"}, body=b"{}"),
        ]

    def unknown_type(self) -> RawRequest:
        pairs = [
            ("AccountSid", ACCOUNT), ("EventType", "of-tomorrow"), ("From", CUSTOMER), ("To", NUMBER),
            ("Content", self.said(1).words),
        ]  # fmt: skip
        return self._signed(pairs)

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        if mood in ("takes", "refuses"):
            simulator = Simulator(folder, callback_pause=0)
            await simulator.start()
            if mood == "refuses":
                simulator.twilio.opted_out.add((CUSTOMER, NUMBER))
            try:
                yield simulator.settings()
            finally:
                await simulator.stop()
            return
        server = await asyncio.start_server(_take_and_say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            if mood == "silent":  # nobody is there any more
                server.close()
                await server.wait_closed()
            yield {"api_base_url": f"http://127.0.0.1:{port}"}
        finally:
            server.close()
            await server.wait_closed()

    def outgoing(self, mood: Mood) -> Outgoing:
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key=CUSTOMER,
            to=(Handle(key=f"phone:{CUSTOMER}"),),
            text="It is on its way.",
            answering={"number": NUMBER, "channel": "sms"},
            created_at=self.connector.toolbox.now(),
        )

    def _message(self, number: int) -> list[tuple[str, str]]:
        sid = f"SM{number:032x}"
        return [
            ("ToCountry", "US"), ("ToCity", ""), ("SmsMessageSid", sid), ("NumMedia", "0"), ("SmsSid", sid),
            ("SmsStatus", "received"), ("Body", f"This is question number {number} +1 & 100% 🙂 "),
            ("To", NUMBER), ("NumSegments", "1"), ("MessageSid", sid), ("AccountSid", ACCOUNT),
            ("From", CUSTOMER), ("ApiVersion", "2010-04-01"),
        ]  # fmt: skip

    def _signed(
        self, pairs: Sequence[tuple[str, str]], key: Key | None = None, tail: str = ""
    ) -> RawRequest:  # fmt: skip
        url = f"{self.connector.door}/{tail}" if tail else self.connector.door
        headers = {"content-type": _FORM, **dict(sign(key or Key(secret=TOKEN), url, pairs))}
        return RawRequest(
            source="webhook", body=urlencode(pairs).encode(), received_at=self.connector.toolbox.now(),
            tail=tail, headers=headers,
        )  # fmt: skip


async def _take_and_say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()

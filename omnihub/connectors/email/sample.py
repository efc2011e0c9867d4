import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from omnihub.connectors.email.connector import Connector
from omnihub.connectors.email.simulator import Simulator
from omnihub.connectors.sampling import ChannelSample, Mood, Said
from omnihub.model.inbound import Handle
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawRequest

SECRET = "push-secret-of-the-sample"
CUSTOMER = "ann.sample@customer.test"


def _dkim_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


class Sample(ChannelSample[Connector]):
    settings: ClassVar = {
        "address": "desk@demo.omnihub.test",
        "receive": False,
        "append_sent": False,
        "password": "password-of-the-sample",
        "smtp_host": "127.0.0.1",
        "smtp_port": 1,
        "smtp_security": "none",
        "smtp_password": "smtp-password-of-the-sample",
        "push_secret": SECRET,
        "oauth_client_secret": "oauth-client-secret-of-the-sample",
        "oauth_refresh_token": "oauth-refresh-token-of-the-sample",
        "dkim_selector": "sample",
        "dkim_private_key": _dkim_key(),
    }
    patience: ClassVar = {
        "omnihub.connectors.email.smtp.COMMAND_TIMEOUT": 0.3,
        "omnihub.connectors.email.smtp.BODY_TIMEOUT": 0.3,
    }
    refusal_words = "550 5.1.1 <gone@customer.test>: there is no such mailbox here"

    def genuine(self, number: int) -> RawRequest:
        return self._pushed(self._mail(number).as_bytes())

    def said(self, number: int) -> Said:
        return Said(sender=f"email:{CUSTOMER}", words=f"question number {number}")

    def forged(self) -> Sequence[RawRequest]:
        body = self._mail(1).as_bytes()
        return [
            self._pushed(body, authorization=""),
            self._pushed(body, authorization="Bearer a-guess"),
            self._pushed(body, authorization=f"Basic {SECRET}"),
            self._pushed(body, authorization="", query={"secret": "a-guess"}),
            self._pushed(body, authorization="Bearer \udcff"),
        ]

    def unreadable(self) -> Sequence[RawRequest]:
        return [self._pushed(b""), self._pushed(b" \r\n\t\r\n")]

    def unknown_type(self) -> RawRequest:
        """Mail has no events, but contents of a kind that nobody has heard of."""
        mail = self._mail(1)
        mail.replace_header("Content-Type", "application/x-of-tomorrow; version=9")
        return self._pushed(mail.as_bytes())

    @asynccontextmanager
    async def provider(self, mood: Mood, folder: Path) -> AsyncIterator[Mapping[str, Any]]:
        if mood in ("takes", "refuses"):
            simulator = Simulator(folder)
            await simulator.start()
            try:
                yield {"smtp_port": simulator.smtp_port, "password": "demo", "smtp_password": ""}
            finally:
                await simulator.stop()
            return
        talk = _say_nothing if mood == "silent" else _take_and_say_nothing
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        try:
            yield {"smtp_port": server.sockets[0].getsockname()[1]}
        finally:
            server.close()
            await server.wait_closed()

    def outgoing(self, mood: Mood) -> Outgoing:
        to = "gone@customer.test" if mood == "refuses" else CUSTOMER
        return Outgoing(
            id="01k0000000000000000000sample",
            conversation_id="01k000000000000000000thread",
            ticket_number=1001,
            thread_key="1@customer.test",
            to=(Handle(key=f"email:{to}"),),
            subject="Re: a question",
            text="It is on its way.",
            created_at=self.connector.toolbox.now(),
        )

    def _mail(self, number: int) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = f"Ann Sample <{CUSTOMER}>"
        mail["To"] = "desk@demo.omnihub.test"
        mail["Subject"] = f"Question {number}"
        mail["Message-ID"] = f"<question-{number}@customer.test>"
        mail["Date"] = format_datetime(self.connector.toolbox.now())
        mail.set_content(f"This is question number {number}.\n")
        return mail

    def _pushed(
        self, body: bytes, *, authorization: str = f"Bearer {SECRET}", query: Mapping[str, str] | None = None
    ) -> RawRequest:
        headers = {"content-type": "message/rfc822"} | ({"authorization": authorization} if authorization else {})
        now = self.connector.toolbox.now()
        return RawRequest(source="webhook", body=body, received_at=now, headers=headers, query=query or {})


async def _say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()


async def _take_and_say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A mail server up to the end of the body, which it never confirms."""
    writer.write(b"220 mail.customer.test ESMTP\r\n")
    while line := await reader.readline():
        writer.write(b"354 go on\r\n" if line.strip().upper() == b"DATA" else b"250 OK\r\n")
        if line.strip().upper() == b"DATA":
            await reader.readuntil(b"\r\n.\r\n")
            break
    await reader.read(-1)
    writer.close()

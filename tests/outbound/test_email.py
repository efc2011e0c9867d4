import asyncio
import email
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from outbound_world import ANNA, World

from omnihub.connectors.registry import Connectors
from omnihub.outbound.submit import ReplyRequest, Submit
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.threading import ReplyTokens


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        self.unwanted: set[str] = set()
        self.port = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unwanted:
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=default)
        self.mails.append((list(envelope.rcpt_tos), cast("EmailMessage", mail)))
        return "250 2.0.0 queued as 1"


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    handler = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(handler), "127.0.0.1", 0)
    handler.port = server.sockets[0].getsockname()[1]
    yield handler
    server.close()
    await server.wait_closed()


async def test_an_answer_arrives_in_the_customers_mailbox_and_threads(
    world: World, connectors: Connectors, settings: Settings, mailbox: Mailbox, eventually: Any
) -> None:
    account = await world.store.accounts.add(
        channel="email",
        name="Support",
        settings={
            "provider": "custom",
            "address": "support@example.test",
            "receive": False,
            "smtp_host": "127.0.0.1",
            "smtp_port": mailbox.port,
            "smtp_security": "none",
            "plus_addressing": True,
            "append_sent": False,
        },
        secret_names=frozenset(),
    )
    world.submit = Submit(world.store, connectors, settings)
    world.connectors = connectors  # type: ignore[assignment]
    ticket, conversation, first = await world.case(account, "email:carla@example.com")
    mailbox.unwanted = {"gone@example.com"}
    message = await world.submit.reply(
        ReplyRequest(
            ticket_id=ticket["_id"],
            actor=ANNA,
            text="We send a new one.",
            seen_inbound_id=first["_id"],
            cc=("gone@example.com",),
        )
    )
    assert message["delivery"]
    assert (message["delivery"]["due"] - message["delivery"]["updated_at"]).total_seconds() == 10
    await world.set(message, {"delivery.due": now()})

    async def sent() -> Any:
        stored = await world.store.messages.get(message["_id"])
        return stored if stored["sent_at"] else None

    async with world.worker():
        stored = await eventually(sent)

    [(recipients, mail)] = mailbox.mails
    assert recipients == ["carla@example.com"]
    assert stored["delivery"]["refused"] == {"gone@example.com": "550 5.1.1 no such user here"}
    assert "queued as 1" in stored["delivery"]["words"]
    assert mail["Message-ID"] == f"<{message['external_id']}>"
    assert mail["In-Reply-To"] == f"<{first['external_id']}>"
    assert mail["Subject"] == f"Re: Broken kettle [#{ticket['number']}]"
    token = mail["Reply-To"].addresses[0].username.partition("+")[2]
    assert ReplyTokens(world.store.vault.sign).read(token) == conversation["_id"]
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert text.startswith("We send a new one.")
    assert "> It broke." in text

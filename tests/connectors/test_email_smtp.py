import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import dkim
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dovecot import free_port
from email_desk import connector, mail, now, outgoing

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.email import pool
from omnihub.connectors.email.connector import Connector
from omnihub.connectors.email.parsing import parse_mail
from omnihub.connectors.email.smtp import aliases
from omnihub.model.errors import Refused, TryLater, Uncertain, Unreadable, Unverified
from omnihub.model.inbound import Handle, InboundMessage
from omnihub.model.raw import RawEvent, RawRequest


class Server:
    """A real SMTP server whose answers a test may change. `taken` are the envelopes it accepted."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.bodies_begun = 0
        self.connections = 0
        self.refuse: dict[str, str] = {}
        self.data_answer = "250 2.0.0 Ok: queued as 4D2F"
        self.mail_answer = ""
        self.drop_after_data = False
        self.drop_at_rcpt = 0
        self.logins: list[tuple[str, bytes]] = []
        self.port = 0
        self.talks: list[SMTP] = []

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((mechanism, data.password))
        return AuthResult(success=data.password == "pässword".encode(), handled=False)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.mail_answer:
            return self.mail_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any
    ) -> str:
        if self.drop_at_rcpt:
            self.drop_at_rcpt -= 1
            assert server.transport
            server.transport.close()
            return "250 OK"
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.bodies_begun += 1
        if self.drop_after_data:
            assert server.transport
            server.transport.close()
        else:
            self.taken.append(envelope)
        return self.data_answer

    def protocol(self) -> SMTP:
        self.connections += 1
        loop = asyncio.get_running_loop()
        talk = SMTP(
            self,
            hostname="mail.test",
            loop=loop,
            authenticator=self.authenticate,
            auth_require_tls=False,
            data_size_limit=200_000,
        )
        self.talks.append(talk)
        return talk

    def hang_up(self) -> None:
        for talk in self.talks:
            if talk.transport:
                talk.transport.close()

    def last(self) -> bytes:
        content = self.taken[-1].original_content
        assert content is not None
        return content


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.get_running_loop().create_server(made.protocol, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    yield made
    listening.close()
    made.hang_up()
    await listening.wait_closed()


@pytest.fixture
async def account(server: Server) -> AsyncIterator[Callable[..., Connector]]:
    made: list[Connector] = []
    async with aiohttp.ClientSession() as http:
        toolbox = Toolbox(http=http, public_url="", sign=lambda purpose, data: b"", now=now)

        def make(**changes: Any) -> Connector:
            values = {
                "address": "desk@example.test",
                "receive": False,
                "append_sent": False,
                "smtp_host": "127.0.0.1",
                "smtp_port": server.port,
                "smtp_security": "none",
            }
            made.append(connector(values | changes, toolbox))
            return made[-1]

        yield make
        for one in made:
            await one.close()


Make = Callable[..., Connector]


async def test_mail_is_handed_over_and_the_connection_used_again(server: Server, account: Make) -> None:
    sender = account()
    for _ in range(3):
        result = await sender.send(outgoing())
    assert result.external_id == outgoing().external_id
    assert result.words == "2.0.0 Ok: queued as 4D2F"
    assert server.connections == 1
    assert [envelope.mail_from for envelope in server.taken] == ["desk@example.test"] * 3
    assert parse_mail(server.last()).message_id == outgoing().external_id


async def test_every_attempt_sends_the_same_bytes(server: Server, account: Make) -> None:
    sender = account()
    server.data_answer = "451 4.3.0 try again"
    with pytest.raises(TryLater):
        await sender.send(outgoing())
    server.data_answer = "250 OK"
    await sender.send(outgoing())
    first, second = (envelope.original_content for envelope in server.taken)
    assert first == second


async def test_bcc_is_in_the_envelope_only(server: Server, account: Make) -> None:
    await account().send(outgoing(bcc=(Handle(key="email:boss@example.test"),)))
    assert server.taken[0].rcpt_tos == ["anna@customer.test", "boss@example.test"]
    assert b"boss" not in server.last()


async def test_automatic_mail_has_the_null_sender(server: Server, account: Make) -> None:
    await account().send(outgoing(automatic=True))
    assert server.taken[0].mail_from in ("", "<>")


async def test_a_part_of_the_recipients_refused(server: Server, account: Make) -> None:
    server.refuse = {"gone@customer.test": "550 5.1.1 no such user"}
    result = await account().send(outgoing(cc=(Handle(key="email:gone@customer.test"),)))
    assert result.refused == {"gone@customer.test": "550 5.1.1 no such user"}
    assert server.taken[0].rcpt_tos == ["anna@customer.test"]


@pytest.mark.parametrize(
    ("answer", "expected"), [("550 5.1.1 no such user", Refused), ("451 4.7.1 greylisted", TryLater)]
)
async def test_all_recipients_refused(
    server: Server, account: Make, answer: str, expected: type[Exception]
) -> None:
    server.refuse = {"anna@customer.test": answer}
    sender = account()
    with pytest.raises(expected, match=answer[4:]):
        await sender.send(outgoing())
    server.refuse = {}
    await sender.send(outgoing())
    assert server.connections == 1  # a refusal does not spoil the connection


async def test_while_one_recipient_may_still_be_taken_it_is_tried_again(server: Server, account: Make) -> None:
    server.refuse = {"anna@customer.test": "451 later", "gone@customer.test": "550 never"}
    with pytest.raises(TryLater):
        await account().send(outgoing(cc=(Handle(key="email:gone@customer.test"),)))


@pytest.mark.parametrize(("answer", "expected"), [("554 5.7.1 spam", Refused), ("452 4.2.2 full", TryLater)])
async def test_body_refused(server: Server, account: Make, answer: str, expected: type[Exception]) -> None:
    server.data_answer = answer
    with pytest.raises(expected, match=answer[4:]):
        await account().send(outgoing())


async def test_sender_refused(server: Server, account: Make) -> None:
    server.mail_answer = "553 5.7.1 you are not desk@example.test"
    with pytest.raises(Refused, match="you are not"):
        await account().send(outgoing())


async def test_too_large_is_refused_before_it_is_sent(server: Server, account: Make) -> None:
    with pytest.raises(Refused, match="552"):
        await account().send(outgoing(text="0123456789\n" * 30_000))
    assert server.bodies_begun == 0


async def test_connection_lost_after_the_body_is_uncertain_and_not_repeated(server: Server, account: Make) -> None:
    server.drop_after_data = True
    with pytest.raises(Uncertain):
        await account().send(outgoing())
    assert server.bodies_begun == 1


async def test_connection_lost_before_the_body_on_a_used_line_is_tried_once_more(
    server: Server, account: Make
) -> None:
    sender = account()
    await sender.send(outgoing())
    server.drop_at_rcpt = 1
    await sender.send(outgoing())
    assert (server.connections, len(server.taken)) == (2, 2)
    server.drop_at_rcpt = 5
    with pytest.raises(TryLater):
        await sender.send(outgoing())


async def test_a_line_that_died_at_rest_is_replaced(
    server: Server, account: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "FRESH", 0.0)
    sender = account()
    await sender.send(outgoing())
    server.hang_up()
    await sender.send(outgoing())
    assert (server.connections, len(server.taken)) == (2, 2)


async def test_never_more_connections_than_allowed(server: Server, account: Make) -> None:
    sender = account(smtp_connections=2)
    await asyncio.gather(*(sender.send(outgoing(id=f"m{number}")) for number in range(10)))
    assert len(server.taken) == 10
    assert server.connections <= 2


async def test_nobody_listens(account: Make) -> None:
    with pytest.raises(TryLater, match="cannot reach"):
        await account(smtp_port=free_port()).send(outgoing())


async def test_sign_in(server: Server, account: Make) -> None:
    await account(password="pässword").send(outgoing())
    assert server.logins[-1][1] == "pässword".encode()
    with pytest.raises(TryLater, match="535") as caught:
        await account(password="wrong").send(outgoing())
    assert caught.value.after


async def test_a_line_that_is_only_a_dot_survives(server: Server, account: Make) -> None:
    text = "one\n.\n..two\n.three"
    await account().send(outgoing(text=text))
    assert parse_mail(server.last()).text.strip() == text


@asynccontextmanager
async def cut_short(answer: bytes) -> AsyncIterator[int]:
    """A server that greets and then says only `answer`."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()


@pytest.mark.parametrize("answer", [b"", b"421 busy\r\n", b"nonsense\r\n", b"554 go away\r\n"])
async def test_a_greeting_that_is_none_is_worth_another_try(account: Make, answer: bytes) -> None:
    async with cut_short(answer) as port:
        with pytest.raises(TryLater):
            await account(smtp_port=port).send(outgoing())


async def test_dkim_signature_verifies(server: Server, account: Make) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    asked: list[bytes] = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    signer = account(dkim_selector="s1", dkim_private_key=pem.decode())
    await signer.send(outgoing(subject="水壶坏了", text="请发照片。\n.\n谢谢"))
    assert dkim.verify(server.last(), dnsfunc=dns)
    assert asked == [b"s1._domainkey.example.test."]
    assert not dkim.verify(server.last().replace(b"Subject:", b"Subject: x", 1), dnsfunc=dns)


@pytest.mark.parametrize(
    ("words", "host", "expected"),
    [
        (
            "Ok 0100018b2c3d4e5f-01234567-89ab-cdef-0123-456789abcdef-000000",
            "email-smtp.eu-west-1.amazonaws.com",
            (
                "0100018b2c3d4e5f-01234567-89ab-cdef-0123-456789abcdef-000000",
                "0100018b2c3d4e5f-01234567-89ab-cdef-0123-456789abcdef-000000@eu-west-1.amazonses.com",
            ),
        ),
        (
            "2.0.0 OK <AB12@XY.prod.example.test> [Hostname=XY]",
            "smtp.office365.com",
            ("AB12@XY.prod.example.test",),
        ),
        ("2.0.0 Ok: queued as 4D2F", "smtp.example.test", ()),
    ],
)
def test_ids_that_the_provider_gave(words: str, host: str, expected: tuple[str, ...]) -> None:
    assert aliases(words, host) == expected


def pushed(body: bytes = b"", **changes: Any) -> RawRequest:
    return RawRequest(**({"source": "webhook", "body": body or mail(), "received_at": now()} | changes))


async def test_push_door_opens_only_for_the_secret(account: Make) -> None:
    door = account(push_secret="s3cret")
    door.verify(pushed(headers={"authorization": "Bearer s3cret"}))
    door.verify(pushed(query={"secret": "s3cret"}))
    for forged in ({}, {"query": {"secret": "wrong"}}, {"headers": {"Authorization": "Basic s3cret"}}):
        with pytest.raises(Unverified):
            door.verify(pushed(**forged))
    with pytest.raises(Unreadable):
        door.verify(pushed(b" \r\n", query={"secret": "s3cret"}))
    with pytest.raises(Unverified):
        account().verify(pushed(query={"secret": ""}))


def parsed(reader: Connector, raw: bytes, **meta: Any) -> InboundMessage:
    request = pushed(raw, meta=meta)
    found = reader.parse(RawEvent(id="e1", account_id="a1", request=request))[0]
    assert isinstance(found, InboundMessage)
    return found


async def test_what_a_mail_says_about_where_it_belongs(account: Make) -> None:
    raw = (
        b"Delivered-To: desk+first@example.test\r\nFrom: Anna <Anna@Customer.test>\r\nTo: desk@example.test\r\n"
        b"Cc: bob@customer.test\r\nReply-To: other@customer.test\r\nMessage-ID: <m@customer.test>\r\n"
        b"Subject: Re: kettle [#1042]\r\nReferences: <old@x.test> <oh.second.01kb@example.test>\r\n"
        b"In-Reply-To: <oh.second.01kb@example.test>\r\n\r\nHi\r\n"
    )
    message = parsed(account(), raw, internal_date="2026-11-22T10:00:00+00:00")
    assert message.sender.key == "email:anna@customer.test"
    assert [handle.key for handle in message.reply_to] == ["email:other@customer.test"]
    assert [(one.handle.key, one.role) for one in message.participants] == [
        ("email:anna@customer.test", "from"),
        ("email:bob@customer.test", "cc"),
    ]
    evidence = message.evidence
    assert evidence.tokens == ("first", "second")
    assert evidence.references == ("old@x.test", "oh.second.01kb@example.test")
    assert evidence.ticket_numbers == (1042,)
    assert message.thread_key == message.external_id == "m@customer.test"
    assert message.sent_at is not None


async def test_a_reused_message_id_is_told_apart(account: Make) -> None:
    one, other = (parsed(account(), mail(subject, "same@scanner.test")) for subject in ("page 1", "page 2"))
    assert one.external_id == other.external_id
    assert one.fingerprint != other.fingerprint


async def test_mail_without_sender_or_id(account: Make) -> None:
    message = parsed(account(), b"Subject: who\r\n\r\nHi\r\n")
    assert message.sender.key == "email:unknown@invalid"
    assert message.external_id.startswith("sha256:")
    assert any(problem.startswith("no_sender") for problem in message.problems)


async def test_own_mail_is_a_loop_or_a_copy_from_sent(account: Make) -> None:
    raw = mail(sender="desk+t@example.test")
    loop, copy = parsed(account(), raw), parsed(account(), raw, role="sent")
    assert (loop.direction, loop.silent) == ("inbound", True)
    assert (copy.direction, copy.silent) == ("outbound", True)
    assert not loop.participants

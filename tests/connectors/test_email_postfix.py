import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from certificates import HERE, Authority
from dovecot import PASSWORD, wait_for_port
from email_desk import Listening, MemoryDesk, connector, now, outgoing
from postfix import ANNA, BOB, DESK, GONE, Postfix, PostOffice, missing

from omnihub.connectors.contract import Toolbox
from omnihub.connectors.email.connector import Connector
from omnihub.connectors.email.parsing import ParsedMail, parse_mail
from omnihub.connectors.email.settings import Settings
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import Handle, InboundMessage, Receipt
from omnihub.model.outgoing import Outgoing
from omnihub.model.raw import RawEvent

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@dataclass(slots=True)
class World:
    """The desk's mailbox and customers' ones, with a real mail server between them."""

    office: PostOffice
    postfix: Postfix
    authority: Authority
    http: aiohttp.ClientSession
    made: list[Connector]

    def settings(self, address: str = DESK, **changes: Any) -> dict[str, Any]:
        values = {"address": address, "password": PASSWORD, "append_sent": False, "plus_addressing": True}
        values |= {"imap_host": "127.0.0.1", "imap_port": self.office.port, "imap_security": "none"}
        values |= {"smtp_host": "localhost", "smtp_port": self.postfix.port, "smtp_security": "starttls"}
        return values | {"certificate_authority": self.authority.pem, "start_from": "all"} | changes

    def account(self, address: str = DESK, **changes: Any) -> Connector:
        toolbox = Toolbox(http=self.http, public_url="", sign=lambda purpose, data: b"", now=now)
        self.made.append(connector(self.settings(address, **changes), toolbox))
        return self.made[-1]

    async def letters(self, address: str, count: int = 1) -> list[bytes]:
        """What arrives in the mailbox, read over IMAP by our own listener."""
        desk = MemoryDesk()
        async with Listening(Settings.model_validate(self.settings(address)), desk):
            await desk.until_mails(count)
        return [request.body for request in desk.requests]

    async def events(self, count: int = 1) -> list[InboundMessage | Receipt]:
        """What the desk makes of the mails that arrived for it."""
        desk = MemoryDesk()
        account = self.account()
        async with Listening(account.settings, desk):
            await desk.until_mails(count)
        raws = [RawEvent(id=f"e{at}", account_id="a1", request=one) for at, one in enumerate(desk.requests)]
        return [event for raw in raws for event in account.parse(raw)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    root = Path(tempfile.mkdtemp(prefix="pf"))  # short: unix socket paths end at 108 bytes
    root.chmod(0o755)
    for name in ("d", "p"):
        (root / name).mkdir()
    office = PostOffice(root / "d")
    authority = Authority(root)
    postfix = Postfix(root / "p", office, authority.issue(*HERE))
    await office.start()
    try:
        await asyncio.gather(wait_for_port(office.lmtp_port), wait_for_port(office.auth_port))
        await postfix.start()
        async with aiohttp.ClientSession() as http:
            made = World(office, postfix, authority, http, [])
            yield made
            for one in made.made:
                await one.close()
    finally:
        await postfix.stop()
        await office.stop()
        shutil.rmtree(root)


def to(*addresses: str, **changes: Any) -> Outgoing:
    first, *others = (Handle(key=f"email:{address}") for address in addresses)
    return outgoing(to=(first,), cc=tuple(others), **changes)


async def test_a_reply_reaches_the_customer_and_the_answer_finds_its_token(world: World) -> None:
    references = tuple(f"{number}.{'x' * 60}@customer.test" for number in range(12))
    sent = to(ANNA, subject="水壶坏了", text="请发照片。\n.\nThank you", references=references)
    result = await world.account().send(sent)
    assert "queued as" in result.words
    [raw] = await world.letters(ANNA)
    reply: ParsedMail = parse_mail(raw)
    assert (reply.message_id, reply.references, reply.in_reply_to) == (
        result.external_id,
        references,
        references[-1:],
    )
    assert reply.subject == "Re: 水壶坏了 [#1042]"
    assert "请发照片。\n.\nThank you" in reply.text
    assert b"TLS" in raw  # Postfix notes in Received how the mail came
    assert b"Authenticated sender: desk@example.test" in raw

    [back] = reply.reply_to
    assert back.address == "desk+t0ken@example.test"
    answer = outgoing(to=(Handle(key=f"email:{back.address}"),), token="", ticket_number=None, references=())
    # Another program, which dropped every threading header: only the address brings the token back.
    await world.account(ANNA, plus_addressing=False).send(answer)
    [message] = await world.events()
    assert isinstance(message, InboundMessage)
    assert message.evidence.tokens == ("t0ken",)
    assert (message.evidence.references, message.sender.key) == ((), f"email:{ANNA}")
    assert not message.silent


async def test_an_unknown_mailbox_comes_back_as_a_receipt_of_our_message(world: World) -> None:
    result = await world.account().send(to(GONE))
    message, receipt = await world.events()
    assert isinstance(receipt, Receipt)
    assert (receipt.external_id, receipt.status, receipt.recipient) == (result.external_id, "failed", GONE)
    assert (receipt.code, "User doesn't exist" in receipt.words) == ("5.1.1", True)
    assert isinstance(message, InboundMessage)
    assert message.silent
    assert message.kind == "bounce"
    assert message.evidence.tokens == ("t0ken",)


async def test_automatic_mail_that_cannot_be_delivered_makes_no_report(world: World) -> None:
    """Its sender is the null one, so that nothing can come back and start a loop."""
    account = world.account()
    await account.send(to(GONE, automatic=True))
    await account.send(to(ANNA))
    await account.send(to(GONE, id="second", external_id="oh.t0ken.second@example.test"))
    found = [event.external_id for event in await world.events() if isinstance(event, Receipt)]
    assert found == ["oh.t0ken.second@example.test"]


async def test_refused_for_now_and_for_good_with_the_servers_words(world: World) -> None:
    account = world.account()
    with pytest.raises(TryLater, match=r"451 4\.7\.1 .*come back in five minutes"):
        await account.send(to("later@customer.test"))
    with pytest.raises(Refused, match=r"550 5\.7\.1 .*do not want your mail"):
        await account.send(to("never@customer.test"))
    with pytest.raises(Refused, match=r"nobody@elsewhere\.test: 5\d\d .*no outside world"):
        await account.send(to("never@customer.test", "nobody@elsewhere.test"))
    await account.send(to(ANNA))  # the connection is as good as before


async def test_a_part_of_the_recipients_is_refused(world: World) -> None:
    result = await world.account().send(to(ANNA, BOB, "never@customer.test"))
    assert list(result.refused) == ["never@customer.test"]
    assert "We do not want your mail" in result.refused["never@customer.test"]
    for address in (ANNA, BOB):
        [raw] = await world.letters(address)
        assert parse_mail(raw).message_id == result.external_id


async def test_check_against_a_real_mail_server(world: World) -> None:
    assert {finding.name for finding in await world.account().check() if not finding.ok} == set()
    wrong = [finding for finding in await world.account(smtp_password="wrong").check() if not finding.ok]
    assert [finding.name for finding in wrong] == ["smtp_login"]
    assert "535 5.7.8" in wrong[0].detail
    assert wrong[0].remedy

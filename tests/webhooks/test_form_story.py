import asyncio
import re
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from omnihub.connectors import registry
from omnihub.connectors.email.simulator import DESK, Simulator
from omnihub.connectors.registry import Connectors
from omnihub.connectors.webform.sample import Sample
from omnihub.model.account import AccountPolicy
from omnihub.outbound.errands import ConfirmationErrands, ErrandRunner
from omnihub.outbound.submit import Submit
from omnihub.outbound.worker import OutboundWorker
from omnihub.settings import Settings
from tests.conftest import Eventually
from tests.webhooks.conftest import Door
from tests.webhooks.test_receive import add_form

CUSTOMER = "ann@example.test"


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path)
    await simulator.start()
    yield simulator
    await simulator.stop()


async def test_a_form_is_confirmed_by_mail_and_the_answer_joins_its_ticket(
    door: Door, connectors: Connectors, settings: Settings, provider: Simulator, eventually: Eventually
) -> None:
    store = door.store
    (demo,) = provider.accounts()
    values = registry.plain(
        registry.read_settings(
            "email", {**demo.settings, "receive": False, "push_secret": "push-secret-for-tests"}
        )
    )
    desk = await store.accounts.add(
        channel="email", name="Desk", settings=values, secret_names=registry.secret_names("email"),
        policy=AccountPolicy(undo_seconds=0),
    )  # fmt: skip
    form = await add_form(store)
    form = await store.accounts.change(form.id, policy=AccountPolicy(reply_via=desk.id))
    submit = Submit(store, connectors, settings)
    sending = asyncio.create_task(OutboundWorker(store, connectors, settings).run())

    door.account = form
    sample = Sample(await connectors.of(form))
    request = sample.genuine(1)
    async with door.http.post(door.path, data=request.body, headers=dict(request.headers)) as answer:
        assert answer.status == 200
    await door.intake.drain()
    (ticket,) = [doc async for doc in store.db["tickets"].find()]
    assert await ErrandRunner(store, {"confirmation": ConfirmationErrands(submit)}).run_due() == 1

    async def arrived() -> list[bytes]:
        return [one.raw() for one in provider.store.mailbox(CUSTOMER).inbox.mails]

    (raw,) = await eventually(arrived)
    confirmation = message_from_bytes(raw, policy=policy.default)
    assert isinstance(confirmation, EmailMessage)
    body = confirmation.get_body(("plain",))
    assert body is not None
    assert f"#{ticket['number']}" in confirmation["Subject"]
    assert f"#{ticket['number']}" in body.get_content()
    assert confirmation["Auto-Submitted"] == "auto-replied"
    assert confirmation["To"] == CUSTOMER
    assert re.match(r"Hello Ann", body.get_content())
    before = [doc async for doc in store.db["contacts"].find({"merged_into": None})]

    reply = EmailMessage()
    reply["From"] = f"Ann Sample <{CUSTOMER}>"
    reply["To"] = confirmation["Reply-To"] or DESK
    reply["Subject"] = f"Re: {confirmation['Subject']}"
    reply["Message-ID"] = "<answer@example.test>"
    reply["In-Reply-To"] = reply["References"] = confirmation["Message-ID"]
    reply.set_content("One more thing.\n")
    door.account = desk
    assert await door.push(reply.as_bytes()) == 200
    await door.intake.drain()

    message = await store.db["messages"].find_one({"external_id": "answer@example.test"})
    assert message is not None
    assert message["ticket_id"] == ticket["_id"], message["placement"]
    assert await store.db["tickets"].count_documents({}) == 1
    contacts = [doc async for doc in store.db["contacts"].find({"merged_into": None})]
    assert len(before) == len(contacts) == 1
    assert set(contacts[0]["identities"]) == {f"webform:{form.id}:{CUSTOMER}", f"email:{CUSTOMER}"}

    # The confirmation confirms once, however often the form is handed over, and the answer is not confirmed.
    async with door.http.post(
        f"/in/webform/{form.key}", data=request.body, headers=dict(request.headers)
    ) as answer:
        assert answer.status == 200
    await door.intake.drain()
    assert await ErrandRunner(store, {"confirmation": ConfirmationErrands(submit)}).run_due() == 0
    assert len(await arrived()) == 1
    sending.cancel()
    await asyncio.wait([sending])

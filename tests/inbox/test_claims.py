"""Addresses that somebody typed: nobody's until their owner answers."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.registry import Connectors
from omnihub.connectors.webform.proof import StartTokens
from omnihub.model.account import Account, AccountPolicy
from omnihub.model.documents import ActorDoc
from omnihub.model.ids import new_id
from omnihub.model.raw import RawRequest
from omnihub.outbound.errands import ConfirmationErrands, ErrandRunner
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store
from tests.mailbox import Placed, PostOffice, mail, open_post_office

BEA = ActorDoc(kind="user", id="bea", name="Bea")
VICTIM = "victim@customer.test"


@dataclass(slots=True, frozen=True, kw_only=True)
class Front:
    """A form whose answers go out through a mailbox."""

    post: PostOffice
    form: Account
    toolbox: Toolbox
    submit: Submit

    async def fill(self, address: str, text: str = "Tell me everything.") -> Placed:
        start = StartTokens(self.toolbox.sign, self.form.id).issue(now() - timedelta(minutes=1))
        fields = {"_start": start, "_key": new_id(), "name": "Typed", "email": address, "message": text}
        request = RawRequest(
            source="webhook",
            body=urlencode(fields).encode(),
            received_at=now(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
        await self.post.store.journal.append(self.form.id, request)
        await self.post.intake.drain()
        await ErrandRunner(self.post.store, {"confirmation": ConfirmationErrands(self.submit)}).run_due()
        return await self.post.look()

    async def confirmations(self) -> list[dict[str, Any]]:
        found = self.post.store.db["messages"].find({"automatic": True}).sort("_id", 1)
        return [doc async for doc in found]


async def open_front(
    store: Store, connectors: Connectors, settings: Settings, toolbox: Toolbox, **policy: Any
) -> Front:
    post = await open_post_office(store, connectors, settings)
    values = registry.plain(registry.read_settings("webform", {"title": "Contact us"}))
    form = await store.accounts.add(
        channel="webform",
        name="form",
        settings=values,
        secret_names=registry.secret_names("webform"),
        policy=AccountPolicy(reply_via=post.account.id, **policy),
    )
    return Front(post=post, form=form, toolbox=toolbox, submit=Submit(store, connectors, settings))


@pytest.fixture
async def front(store: Store, connectors: Connectors, settings: Settings, toolbox: Toolbox) -> Front:
    return await open_front(store, connectors, settings, toolbox)


def answer(to: dict[str, Any], sender: str, mid: str, **given: Any) -> bytes:
    return mail(sender, mid=mid, refs=[to["external_id"]], subject=f"Re: {to['subject']}", **given)


async def test_a_typed_address_gives_nothing_of_its_owner(front: Front) -> None:
    first = await front.post.deliver(mail(VICTIM, mid="a@c", text="My secret.\n"))
    victim = first.messages["a@c"]["contact_id"]
    await front.fill(VICTIM)
    [told] = await front.confirmations()
    assert told["contact_id"] != victim
    assert told["ticket_id"] != first.ticket("a@c")["_id"]
    assert [p["key"] for p in told["to"]] == [f"email:{VICTIM}"]
    assert "secret" not in told["text"]
    assert first.ticket("a@c")["subject"] not in told["subject"]


async def test_an_answer_of_the_owner_brings_the_two_together(front: Front) -> None:
    first = await front.post.deliver(mail(VICTIM, mid="a@c"))
    victim = first.messages["a@c"]["contact_id"]
    await front.fill(VICTIM)
    [told] = await front.confirmations()
    placed = await front.post.deliver(answer(told, VICTIM, "b@c"))
    assert placed.messages["b@c"]["contact_id"] == victim
    assert placed.messages["b@c"]["ticket_id"] == told["ticket_id"]
    claimant = await front.post.store.contacts.get(told["contact_id"])
    assert claimant["merged_into"] == victim
    assert placed.tickets[told["ticket_id"]]["contact_id"] == victim


async def test_an_unknown_address_becomes_the_claimants_by_its_answer(front: Front) -> None:
    await front.fill(VICTIM)
    [told] = await front.confirmations()
    placed = await front.post.deliver(answer(told, VICTIM, "b@c"))
    assert placed.messages["b@c"]["contact_id"] == told["contact_id"]
    identities = (await front.post.store.contacts.get(told["contact_id"]))["identities"]
    assert f"email:{VICTIM}" in identities


async def test_an_absence_note_of_the_owner_proves_nothing(front: Front) -> None:
    first = await front.post.deliver(mail(VICTIM, mid="a@c"))
    await front.fill(VICTIM)
    [told] = await front.confirmations()
    away = answer(told, VICTIM, "b@c", headers=[("Auto-Submitted", "auto-replied")])
    placed = await front.post.deliver(away)
    assert placed.messages["b@c"]["ticket_id"] == told["ticket_id"]
    claimant = await front.post.store.contacts.get(told["contact_id"])
    assert claimant["merged_into"] is None
    assert claimant["_id"] != first.messages["a@c"]["contact_id"]


async def test_a_stranger_with_the_forwarded_confirmation_proves_nothing(front: Front) -> None:
    await front.post.deliver(mail(VICTIM, mid="a@c"))
    await front.fill(VICTIM)
    [told] = await front.confirmations()
    placed = await front.post.deliver(answer(told, "mallory@stranger.test", "m@s"))
    assert placed.messages["m@s"]["contact_id"] != told["contact_id"]
    assert (await front.post.store.contacts.get(told["contact_id"]))["merged_into"] is None


@pytest.mark.parametrize("policy", ["join", "suggest"])
async def test_a_form_that_joins_open_tickets_never_joins_by_a_typed_address(
    store: Store, connectors: Connectors, settings: Settings, toolbox: Toolbox, policy: str
) -> None:
    front = await open_front(store, connectors, settings, toolbox, cross_channel=policy)
    await front.fill(VICTIM)
    [told] = await front.confirmations()
    placed = await front.post.deliver(answer(told, VICTIM, "b@c"), mail(VICTIM, mid="c@c"))
    own = placed.ticket("c@c")
    later = await front.fill(VICTIM, "Pay to another account.")
    typed = next(m for m in later.messages.values() if "another account" in m["text"])
    assert typed["ticket_id"] != own["_id"]
    assert later.tickets[typed["ticket_id"]]["suggested_ticket_id"]


async def test_confirmations_to_one_address_are_capped(front: Front, settings: Settings) -> None:
    for _ in range(settings.tickets.auto_replies_per_hour + 2):
        await front.fill(VICTIM)
    assert len(await front.confirmations()) == settings.tickets.auto_replies_per_hour


async def test_an_answer_to_a_form_goes_to_what_that_very_form_gave(front: Front) -> None:
    placed = await front.fill("one@customer.test")
    [ticket] = [t for t in placed.tickets.values() if not t["merged_into"]]
    request = ReplyRequest(ticket_id=ticket["_id"], actor=BEA, text="Yes.", seen_inbound_id=None, force=True)
    sent = await front.submit.reply(request)
    assert [p["key"] for p in sent["to"]] == ["email:one@customer.test"]

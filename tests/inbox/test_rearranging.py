from typing import Any

import pytest

from omnihub.connectors.registry import Connectors
from omnihub.inbox.contacts import ContactDesk
from omnihub.inbox.rearranging import Rearranging
from omnihub.model.documents import ActorDoc
from omnihub.model.errors import Conflict, Invalid
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.mailbox import Placed, PostOffice, mail, open_post_office

BEA = ActorDoc(kind="user", id="bea", name="Bea")


@pytest.fixture
async def post(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return await open_post_office(store, connectors, settings)


@pytest.fixture
async def rearranging(store: Store, settings: Settings) -> Rearranging:
    return Rearranging(store, settings)


def shape(placed: Placed) -> Any:
    """What a ticket shows of itself, without what a change rightly leaves behind."""
    kept = ("number", "subject", "status", "merged_into", "message_count", "last_message", "channels", "links")
    tickets = {t["_id"]: {name: t[name] for name in kept} for t in placed.tickets.values()}  # type: ignore[literal-required]
    return tickets, {m["_id"]: (m["ticket_id"], m["conversation_id"]) for m in placed.messages.values()}


async def test_merge_and_undo(post: PostOffice, rearranging: Rearranging) -> None:
    before = await post.deliver(mail("anna@customer.test", mid="a@c"), mail("anna@customer.test", mid="b@c"))
    one, two = before.ticket("a@c")["_id"], before.ticket("b@c")["_id"]
    merged, operation = await rearranging.merge(one, two, BEA, "the same question")
    assert merged["message_count"] == 2
    after = await post.deliver(mail("anna@customer.test", mid="c@c", refs=["a@c"]))
    assert after.messages["c@c"]["ticket_id"] == two
    await rearranging.undo(operation["_id"], BEA)
    undone = await post.look()
    assert undone.messages["c@c"]["ticket_id"] == one  # what came since goes with its conversation
    assert undone.tickets[one]["message_count"] == 2
    assert undone.tickets[two]["message_count"] == 1
    with pytest.raises(Conflict):
        await rearranging.undo(operation["_id"], BEA)


async def test_a_merge_undone_at_once_leaves_everything_as_it_was(
    post: PostOffice, rearranging: Rearranging
) -> None:
    before = await post.deliver(mail("anna@customer.test", mid="a@c"), mail("bob@customer.test", mid="b@c"))
    _, operation = await rearranging.merge(
        before.ticket("a@c")["_id"], before.ticket("b@c")["_id"], BEA, "the same"
    )
    await rearranging.undo(operation["_id"], BEA)
    assert shape(await post.look()) == shape(before)


async def test_nobody_merges_a_ticket_with_itself_or_a_merged_one(
    post: PostOffice, rearranging: Rearranging
) -> None:
    placed = await post.deliver(mail("anna@customer.test", mid="a@c"), mail("bob@customer.test", mid="b@c"))
    one, two = placed.ticket("a@c")["_id"], placed.ticket("b@c")["_id"]
    with pytest.raises(Conflict):
        await rearranging.merge(one, one, BEA, "")
    await rearranging.merge(one, two, BEA, "")
    with pytest.raises(Conflict):
        await rearranging.merge(two, one, BEA, "")


async def test_split_keeps_later_answers_apart_and_undo_brings_them_back(
    post: PostOffice, rearranging: Rearranging
) -> None:
    before = await post.deliver(
        mail("anna@customer.test", mid="a@c"),
        mail("anna@customer.test", mid="b@c", refs=["a@c"], subject="Another matter"),
    )
    ticket_id = before.ticket("a@c")["_id"]
    fresh, operation = await rearranging.split(
        ticket_id, [before.messages["b@c"]["_id"]], BEA, reason="another matter"
    )
    assert fresh["subject"] == "Another matter"
    assert fresh["number"] == 1002
    later = await post.deliver(
        mail("anna@customer.test", mid="c@c", refs=["a@c", "b@c"]),
        mail("anna@customer.test", mid="d@c", refs=["a@c"]),
    )
    assert later.messages["c@c"]["ticket_id"] == fresh["_id"]
    assert later.messages["d@c"]["ticket_id"] == ticket_id
    await rearranging.undo(operation["_id"], BEA)
    undone = await post.look()
    assert undone.same("a@c", "b@c", "c@c", "d@c")
    assert undone.tickets[fresh["_id"]]["merged_into"] == ticket_id


async def test_split_needs_messages_of_the_ticket_and_leaves_one(
    post: PostOffice, rearranging: Rearranging
) -> None:
    placed = await post.deliver(mail("anna@customer.test", mid="a@c"), mail("bob@customer.test", mid="b@c"))
    ticket_id = placed.ticket("a@c")["_id"]
    for wrong in ([], ["nothing"], [placed.messages["b@c"]["_id"]], [placed.messages["a@c"]["_id"]]):
        with pytest.raises(Invalid):
            await rearranging.split(ticket_id, wrong, BEA)


async def test_move_and_undo(post: PostOffice, rearranging: Rearranging) -> None:
    before = await post.deliver(mail("anna@customer.test", mid="a@c"), mail("bob@customer.test", mid="b@c"))
    conversation_id = before.messages["a@c"]["conversation_id"]
    into, operation = await rearranging.move(conversation_id, before.ticket("b@c")["_id"], BEA, "belongs here")
    assert into["message_count"] == 2
    assert (await post.look()).ticket("a@c")["_id"] == into["_id"]
    await rearranging.undo(operation["_id"], BEA)
    assert shape(await post.look()) == shape(before)


async def test_contacts_merge_and_part_again_and_answers_go_where_they_came_from(post: PostOffice) -> None:
    before = await post.deliver(
        mail("Anna <anna@customer.test>", mid="a@c"), mail("A. Li <anna@private.test>", mid="b@p")
    )
    one, two = (before.messages[m]["contact_id"] for m in ("a@c", "b@p"))
    contact, operation = await ContactDesk(post.store).merge(two, one, BEA, "she said so on the phone")
    assert set(contact["identities"]) == {"email:anna@customer.test", "email:anna@private.test"}
    later = await post.deliver(mail("anna@private.test", mid="c@p"))
    assert later.messages["c@p"]["contact_id"] == one
    assert later.messages["c@p"]["sender"]["key"] == "email:anna@private.test"
    await Rearranging(post.store, post.intake._settings).undo(operation["_id"], BEA)
    apart = await post.deliver(mail("anna@private.test", mid="d@p"))
    assert apart.messages["d@p"]["contact_id"] == two
    assert apart.tickets[apart.messages["b@p"]["ticket_id"]]["contact_id"] == two

import itertools

import pytest

from omnihub.connectors.registry import Connectors
from omnihub.settings import Settings
from omnihub.store.store import Store
from omnihub.threading import ReplyTokens
from tests.mailbox import PostOffice, add_mailbox, mail, open_post_office


@pytest.fixture
async def post(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return await open_post_office(store, connectors, settings)


async def test_a_first_mail_opens_a_ticket_and_says_why(post: PostOffice) -> None:
    placed = await post.deliver(mail("Anna <anna@customer.test>", mid="a@c"))
    ticket = placed.ticket("a@c")
    assert ticket["number"] == 1001
    assert ticket["status"] == "new"
    assert ticket["subject"] == "A question"
    assert ticket["contact_name"] == "Anna"
    assert ticket["last_inbound_id"] == placed.messages["a@c"]["_id"]
    assert placed.messages["a@c"]["placement"]["rule"] == "new"
    assert placed.messages["a@c"]["placement"]["reason"]


async def test_the_same_mail_again_changes_nothing(post: PostOffice) -> None:
    raw = mail("anna@customer.test", mid="a@c")
    before = await post.deliver(raw)
    after = await post.deliver(raw, raw)
    assert after == before


async def test_another_mail_under_a_used_id_is_kept(post: PostOffice) -> None:
    first = mail("anna@customer.test", mid="fixed@broken", subject="One")
    second = mail("anna@customer.test", mid="fixed@broken", subject="Two")
    placed = await post.deliver(first, second, second)
    assert sorted(m["subject"] for m in placed.messages.values()) == ["One", "Two"]


async def test_a_reply_joins_by_reference(post: PostOffice) -> None:
    placed = await post.deliver(
        mail("anna@customer.test", mid="a@c"), mail("anna@customer.test", mid="b@c", refs=["a@c"])
    )
    assert placed.same("a@c", "b@c")
    assert placed.messages["b@c"]["placement"]["rule"] == "reference"
    assert placed.ticket("a@c")["message_count"] == 2


async def test_who_was_forwarded_a_mail_joins_unconfirmed(post: PostOffice) -> None:
    placed = await post.deliver(
        mail("anna@customer.test", mid="a@c"), mail("bob@elsewhere.test", mid="b@e", refs=["a@c"])
    )
    assert placed.same("a@c", "b@e")
    conversation = await post.store.conversations.get(placed.messages["a@c"]["conversation_id"])
    confirmed = {p["key"]: p["confirmed"] for p in conversation["participants"]}
    assert confirmed == {"email:anna@customer.test": True, "email:bob@elsewhere.test": False}


async def test_answers_to_a_newsletter_stay_apart(post: PostOffice) -> None:
    newsletter = mail(
        "news@shop.test", mid="n@s", headers=[("List-Id", "<news.shop.test>"), ("Precedence", "bulk")]
    )
    placed = await post.deliver(
        newsletter,
        mail("anna@customer.test", mid="a@c", refs=["n@s"]),
        mail("bob@customer.test", mid="b@c", refs=["n@s"]),
        mail("anna@customer.test", mid="a2@c", refs=["n@s", "a@c"]),
    )
    assert not placed.same("a@c", "b@c")
    assert not placed.same("a@c", "n@s")
    assert placed.same("a@c", "a2@c")
    assert "many people" in placed.messages["a@c"]["placement"]["reason"]


async def test_answers_to_a_campaign_that_nobody_has_seen_stay_apart(post: PostOffice) -> None:
    placed = await post.deliver(
        mail("anna@customer.test", mid="a@c", refs=["campaign@us"]),
        mail("bob@customer.test", mid="b@c", refs=["campaign@us"]),
        mail("anna@customer.test", mid="a2@c", refs=["campaign@us"]),
    )
    assert not placed.same("a@c", "b@c")
    assert placed.same("a@c", "a2@c")


THREAD = {
    "a": mail("anna@customer.test", mid="a@c", cc="bob@customer.test"),
    "b": mail("bob@customer.test", mid="b@c", refs=["a@c"]),
    "c": mail("anna@customer.test", mid="c@c", refs=["a@c", "b@c"]),
    "x": mail("xena@stranger.test", mid="x@s", subject="Something else"),
}


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
@pytest.mark.parametrize("one_by_one", [True, False])
async def test_arrival_order_does_not_matter(post: PostOffice, order: tuple[str, ...], one_by_one: bool) -> None:
    raws = [THREAD["x"], *(THREAD[name] for name in order)]
    if one_by_one:
        for raw in raws:
            placed = await post.deliver(raw)
    else:
        placed = await post.deliver(*raws)
    assert placed.same("a@c", "b@c", "c@c")
    assert not placed.same("a@c", "x@s")
    alive = [t for t in placed.tickets.values() if not t["merged_into"]]
    assert sorted(t["message_count"] for t in alive) == [1, 3]


async def test_a_late_link_joins_two_tickets_and_can_be_undone(post: PostOffice) -> None:
    from omnihub.inbox.rearranging import Rearranging
    from omnihub.store.events import SYSTEM

    await post.deliver(mail("anna@customer.test", mid="b@c", refs=["a@c"]))
    apart = await post.deliver(mail("bob@customer.test", mid="d@c", refs=["a@c"]))
    assert not apart.same("b@c", "d@c")
    joined = await post.deliver(mail("anna@customer.test", mid="a@c", cc="bob@customer.test"))
    assert joined.same("a@c", "b@c", "d@c")
    assert joined.messages["a@c"]["placement"]["rule"] == "late_link"
    operations = await post.store.operations.of_ticket(joined.ticket("a@c")["_id"])
    rearranging = Rearranging(post.store, post.intake._settings)
    await rearranging.undo(operations[0]["_id"], SYSTEM)
    undone = await post.look()
    assert len({undone.messages[m]["ticket_id"] for m in ("a@c", "b@c", "d@c")}) == 2
    again = await post.deliver(mail("anna@customer.test", mid="e@c", refs=["a@c"]))
    assert len({again.messages[m]["ticket_id"] for m in ("a@c", "b@c", "d@c")}) == 2


async def test_a_subject_number_joins_only_who_takes_part(post: PostOffice) -> None:
    placed = await post.deliver(
        mail("anna@customer.test", mid="a@c"),
        mail("anna@customer.test", mid="b@c", subject="Re: [#1001] my order"),
        mail("mallory@stranger.test", mid="m@s", subject="Re: [#1001] my order"),
    )
    assert placed.ticket("b@c")["number"] == 1001
    assert placed.messages["b@c"]["placement"]["rule"] == "ticket_number"
    stranger = placed.ticket("m@s")
    assert stranger["number"] != 1001
    assert "#1001" in placed.messages["m@s"]["placement"]["reason"]
    assert [link["number"] for link in stranger["links"]] == [1001]


async def test_a_reply_token_joins_and_a_forged_one_does_not(post: PostOffice) -> None:
    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    conversation_id = first.messages["a@c"]["conversation_id"]
    token = ReplyTokens(post.store.vault.sign).issue(conversation_id)
    forged = token[:-1] + ("a" if token[-1] != "a" else "b")
    placed = await post.deliver(
        mail("anna@private.test", mid="t@c", to=f"desk+{token}@example.test"),
        mail("mallory@stranger.test", mid="f@c", to=f"desk+{forged}@example.test"),
    )
    assert placed.same("a@c", "t@c")
    assert placed.messages["t@c"]["placement"]["rule"] == "reply_token"
    assert not placed.same("a@c", "f@c")


async def test_a_mail_to_two_mailboxes_is_one_ticket(post: PostOffice) -> None:
    other = await add_mailbox(post.store, "sales@example.test")
    raw = mail("anna@customer.test", mid="a@c", to="desk@example.test, sales@example.test")
    await post.deliver(raw)
    await post.deliver(raw, account=other)
    docs = [doc async for doc in post.store.db["messages"].find({"external_id": "a@c"})]
    assert len(docs) == 2
    assert len({doc["ticket_id"] for doc in docs}) == 1
    assert {doc["placement"]["rule"] for doc in docs} == {"new", "same_mail"}


async def test_stray_automatic_mail_gathers_in_one_place(post: PostOffice) -> None:
    raws = [
        mail("robot@loop.test", mid=f"{n}@l", subject=f"Auto {n}", headers=[("Auto-Submitted", "auto-replied")])
        for n in range(5)
    ]
    placed = await post.deliver(*raws)
    assert len(placed.tickets) == 1
    assert all(m["silent"] for m in placed.messages.values())


async def test_an_auto_reply_does_not_reopen(post: PostOffice) -> None:
    from omnihub.inbox.tickets import TicketDesk
    from omnihub.store.events import SYSTEM

    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    ticket_id = first.ticket("a@c")["_id"]
    await TicketDesk(post.store).update(ticket_id, SYSTEM, status="resolved")
    auto = mail("anna@customer.test", mid="o@c", refs=["a@c"], headers=[("Auto-Submitted", "auto-replied")])
    assert (await post.deliver(auto)).tickets[ticket_id]["status"] == "resolved"
    again = await post.deliver(mail("anna@customer.test", mid="b@c", refs=["a@c"]))
    assert again.tickets[ticket_id]["status"] == "open"


async def test_a_long_closed_ticket_is_followed_by_a_new_one(post: PostOffice) -> None:
    from datetime import timedelta

    from omnihub.store.database import now

    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    old = first.ticket("a@c")
    long_ago = {"status": "closed", "bucket": "closed", "resolved_at": now() - timedelta(days=30)}
    await post.store.db["tickets"].update_one({"_id": old["_id"]}, {"$set": long_ago})
    placed = await post.deliver(mail("anna@customer.test", mid="b@c", refs=["a@c"]))
    fresh = placed.ticket("b@c")
    assert fresh["_id"] != old["_id"]
    assert [(link["number"], link["kind"]) for link in fresh["links"]] == [(old["number"], "follows")]
    third = await post.deliver(mail("anna@customer.test", mid="c@c", refs=["a@c", "b@c"]))
    assert third.ticket("c@c")["_id"] == fresh["_id"]


async def test_what_we_sent_from_another_program_brings_answers_together(post: PostOffice) -> None:
    from omnihub.model.raw import RawRequest
    from omnihub.store.database import now

    await post.deliver(mail("anna@customer.test", mid="b@c", refs=["ours@us"]))
    sent = mail("desk@example.test", mid="ours@us", to="anna@customer.test")
    await post.store.journal.append(
        post.account.id, RawRequest(source="import", body=sent, received_at=now()), silent=True
    )
    await post.intake.drain()
    placed = await post.look()
    assert placed.same("ours@us", "b@c")
    assert placed.messages["ours@us"]["direction"] == "outbound"

"""What a hostile sender, a broken program or bad luck may do to intake, and what must not follow from it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import OperationFailure

from omnihub.connectors.registry import Connectors
from omnihub.inbox.intake import Intake
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.tickets import TicketDesk
from omnihub.model.documents import ActorDoc
from omnihub.model.raw import RawRequest
from omnihub.outbound.request import ReplyRequest
from omnihub.outbound.submit import Submit
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.store import Store
from omnihub.threading import ReplyTokens
from tests.mailbox import PostOffice, add_mailbox, mail, open_post_office

BEA = ActorDoc(kind="user", id="bea", name="Bea")


@pytest.fixture
async def post(store: Store, connectors: Connectors, settings: Settings) -> PostOffice:
    return await open_post_office(store, connectors, settings)


@pytest.fixture
def desk(store: Store) -> TicketDesk:
    return TicketDesk(store)


@pytest.fixture
def rearranging(store: Store, settings: Settings) -> Rearranging:
    return Rearranging(store, settings)


@pytest.fixture
def submit(store: Store, connectors: Connectors, settings: Settings) -> Submit:
    return Submit(store, connectors, settings)


async def subjects(post: PostOffice) -> list[str]:
    return sorted(m["subject"] for m in (await post.look()).messages.values() if m["direction"] == "inbound")


# — ids —


async def test_a_used_id_in_later_batches_loses_and_doubles_nothing(post: PostOffice) -> None:
    for subject in ("One", "Two", "Two", "One"):
        await post.deliver(mail("anna@customer.test", mid="fixed@broken", subject=subject))
    assert await subjects(post) == ["One", "Two"]
    assert await post.store.journal.dead() == []


async def test_mails_without_a_date_under_a_fixed_id_are_all_kept(post: PostOffice) -> None:
    for text in ("Pump 1 is hot.\n", "Pump 2 is hot.\n", "Pump 2 is hot.\n"):
        await post.deliver(mail("pump@plant.test", mid="alarm@plant", subject="Alarm", text=text, date=None))
    texts = sorted(m["text"].strip() for m in (await post.look()).messages.values())
    assert texts == ["Pump 1 is hot.", "Pump 2 is hot."]


async def test_a_customer_who_reuses_the_id_of_our_answer_is_heard(post: PostOffice, submit: Submit) -> None:
    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    answer = await reply(submit, post, first.ticket("a@c")["_id"])
    await post.deliver(mail("anna@customer.test", mid=answer, subject="Sent with the same id"))
    assert "Sent with the same id" in await subjects(post)


async def test_a_sharp_in_an_id_names_no_other_message(post: PostOffice) -> None:
    placed = await post.deliver(
        mail("anna@customer.test", mid="plain#1@c"), mail("anna@customer.test", mid="b@c", refs=["plain"])
    )
    assert not placed.same("plain#1@c", "b@c")


async def test_answers_to_a_renamed_mail_find_it_in_a_later_batch(post: PostOffice) -> None:
    await post.deliver(mail("anna@customer.test", mid="fixed@broken", subject="One"))
    await post.deliver(mail("bob@customer.test", mid="fixed@broken", subject="Two"))
    placed = await post.deliver(mail("bob@customer.test", mid="b@c", refs=["fixed@broken"], subject="Re: Two"))
    two = next(m for m in placed.messages.values() if m["subject"] == "Two")
    assert placed.messages["b@c"]["conversation_id"] == two["conversation_id"]
    assert len({m["ticket_id"] for m in placed.messages.values()}) == 2


async def test_a_mail_that_refers_to_itself_or_in_a_circle_is_one_thread(post: PostOffice) -> None:
    placed = await post.deliver(
        mail("anna@customer.test", mid="self@c", refs=["self@c"], subject="Self"),
        mail("anna@customer.test", mid="x@c", refs=["y@c"]),
        mail("anna@customer.test", mid="y@c", refs=["z@c"]),
        mail("anna@customer.test", mid="z@c", refs=["x@c"]),
    )
    assert placed.same("x@c", "y@c", "z@c")
    assert not placed.same("self@c", "x@c")


async def test_references_of_any_length_do_not_stop_the_batch(post: PostOffice) -> None:
    """All of them at once are more than the database takes in one query."""
    raws = []
    for n in range(60):
        references = "\r\n ".join(f"<{'r' * 900}{n}.{r}@c>" for r in range(200))
        raws.append(f"References: {references}\r\n".encode() + mail("mallory@stranger.test", mid=f"m{n}@s"))
    placed = await post.deliver(*raws, mail("anna@customer.test", mid="a@c"))
    assert "a@c" in placed.messages
    assert len(placed.messages) == 61


# — who may join what —


async def reply(submit: Submit, post: PostOffice, ticket_id: str, text: str = "An answer.") -> str:
    """Returns the answer's Message-ID."""
    ticket = await post.store.tickets.get(ticket_id)
    request = ReplyRequest(
        ticket_id=ticket_id, actor=BEA, text=text, seen_inbound_id=ticket["last_inbound_id"], force=True
    )
    return (await submit.reply(request))["external_id"]


async def test_one_strangers_mail_never_joins_two_customers(post: PostOffice) -> None:
    await post.deliver(mail("anna@customer.test", mid="a@c"), mail("bob@customer.test", mid="b@c"))
    placed = await post.deliver(mail("mallory@stranger.test", mid="m@s", refs=["a@c", "b@c"]))
    assert not placed.same("a@c", "b@c")


async def test_a_customer_cannot_draw_anothers_conversation_into_her_own(post: PostOffice) -> None:
    await post.deliver(mail("anna@customer.test", mid="a@c"), mail("mallory@stranger.test", mid="m@s"))
    placed = await post.deliver(mail("mallory@stranger.test", mid="m2@s", refs=["a@c", "m@s"]))
    assert placed.same("m@s", "m2@s")
    assert not placed.same("a@c", "m@s")


async def test_a_sender_with_one_id_for_all_mails_keeps_her_tickets_apart(post: PostOffice) -> None:
    for subject in ("One", "Two"):
        await post.deliver(mail("anna@customer.test", mid="fixed@broken", subject=subject))
    await post.deliver(mail("anna@customer.test", mid="b@c", refs=["fixed@broken"]))
    assert len({m["ticket_id"] for m in (await post.look()).messages.values()}) == 2


async def test_whoever_answered_before_the_mail_itself_came_is_marked_too(post: PostOffice) -> None:
    await post.deliver(mail("mallory@stranger.test", mid="m@s", refs=["a@c"]))
    placed = await post.deliver(mail("anna@customer.test", mid="a@c"))
    assert placed.same("a@c", "m@s")
    conversation = await post.store.conversations.get(placed.messages["a@c"]["conversation_id"])
    confirmed = {p["key"]: p["confirmed"] for p in conversation["participants"]}
    assert confirmed == {"email:anna@customer.test": True, "email:mallory@stranger.test": False}


async def test_a_token_leads_to_where_the_answer_it_came_with_is_now(
    post: PostOffice, submit: Submit, rearranging: Rearranging
) -> None:
    first = await post.deliver(
        mail("anna@customer.test", mid="a@c"), mail("anna@customer.test", mid="b@c", refs=["a@c"])
    )
    ticket_id = first.ticket("a@c")["_id"]
    answer = await reply(submit, post, ticket_id)
    placed = await post.look()
    moved = [placed.messages["b@c"]["_id"], placed.messages[answer]["_id"]]
    fresh, _ = await rearranging.split(ticket_id, moved, BEA, reason="another matter")
    later = await post.deliver(mail("anna@customer.test", mid="c@c", refs=["a@c", "b@c", answer]))
    assert later.messages["c@c"]["ticket_id"] == fresh["_id"]


# — time —


async def test_a_date_in_the_future_does_not_stand_above_everything(post: PostOffice) -> None:
    ahead = datetime.now(UTC) + timedelta(days=300)
    placed = await post.deliver(mail("anna@customer.test", mid="a@c", date=ahead), silent=True)
    assert placed.messages["a@c"]["at"] <= now()


async def test_history_joins_the_ticket_of_its_time_and_wakes_nobody(post: PostOffice, desk: TicketDesk) -> None:
    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    old = first.ticket("a@c")["_id"]
    past = {"status": "closed", "bucket": "closed", "resolved_at": now() - timedelta(days=30)}
    await post.store.db["tickets"].update_one({"_id": old}, {"$set": past})
    then = now() - timedelta(days=31)
    placed = await post.deliver(mail("anna@customer.test", mid="b@c", refs=["a@c"], date=then), silent=True)
    assert placed.messages["b@c"]["ticket_id"] == old
    assert placed.tickets[old]["status"] == "closed"
    assert placed.tickets[old]["last_inbound_id"] == placed.messages["a@c"]["_id"]


async def test_history_does_not_wake_a_sleeping_ticket(post: PostOffice, desk: TicketDesk) -> None:
    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    ticket_id = first.ticket("a@c")["_id"]
    await desk.snooze(ticket_id, BEA, now() + timedelta(days=1))
    placed = await post.deliver(mail("anna@customer.test", mid="b@c", refs=["a@c"]), silent=True)
    assert placed.tickets[ticket_id]["snoozed_until"] is not None
    received = [e async for e in post.store.db["events"].find({"type": "message.received"})]
    assert [e["data"]["silent"] for e in received] == [False, True]


async def test_an_imported_thread_that_we_answered_has_nobody_waiting(post: PostOffice) -> None:
    day = datetime(2025, 3, 1, tzinfo=UTC)
    ours = mail("desk@example.test", mid="o@us", to="anna@customer.test", refs=["a@c"], date=day + timedelta(1))
    for raw in (mail("anna@customer.test", mid="a@c", date=day), ours):
        request = RawRequest(source="import", body=raw, received_at=now())
        await post.store.journal.append(post.account.id, request, silent=True)
    await post.intake.drain()
    placed = await post.look()
    assert placed.same("a@c", "o@us")
    assert placed.ticket("a@c")["waiting_since"] is None


# — what lies asleep or was merged —


async def test_a_snoozed_ticket_that_was_merged_lets_the_others_wake(
    post: PostOffice, desk: TicketDesk, rearranging: Rearranging
) -> None:
    placed = await post.deliver(*(mail("anna@customer.test", mid=f"{n}@c") for n in range(3)))
    one, two, three = (placed.ticket(f"{n}@c")["_id"] for n in range(3))
    await desk.snooze(one, BEA, now() + timedelta(days=1))
    await desk.snooze(three, BEA, now() + timedelta(days=1))
    await rearranging.merge(one, two, BEA, "the same")
    past = {"snoozed_until": now() - timedelta(seconds=1)}
    await post.store.db["tickets"].update_many({"snoozed_until": {"$ne": None}}, {"$set": past})
    assert await desk.wake_due() == 1
    assert (await post.store.tickets.get(three))["snoozed_until"] is None


# — the journal —


async def test_a_lost_blob_is_a_dead_letter_and_holds_back_nobody(post: PostOffice) -> None:
    large = mail("anna@customer.test", mid="large@c", text="x" * 300_000)
    request = RawRequest(source="test", body=large, received_at=now())
    entry = await post.store.journal.append(post.account.id, request)
    await post.store.db["blobs"].delete_many({})
    placed = await post.deliver(mail("anna@customer.test", mid="a@c"))
    assert list(placed.messages) == ["a@c"]
    dead = await post.store.journal.dead()
    assert [letter.event.id for letter in dead] == [entry.id]
    assert "no longer stored" in dead[0].error


async def test_a_removed_account_leaves_dead_letters_and_a_disabled_one_is_still_read(post: PostOffice) -> None:
    other = await add_mailbox(post.store, "sales@example.test")
    await post.store.accounts.change(post.account.id, enabled=False)
    placed = await post.deliver(mail("anna@customer.test", mid="a@c"))
    assert list(placed.messages) == ["a@c"]
    request = RawRequest(source="test", body=mail("anna@customer.test", mid="b@c"), received_at=now())
    await post.store.journal.append(other.id, request)
    await post.store.accounts.remove(other.id)
    await asyncio.wait_for(post.intake.drain(), timeout=10)
    assert [letter.error for letter in await post.store.journal.dead()] == ["this account does not exist"]


async def test_bytes_of_no_charset_are_kept(post: PostOffice) -> None:
    raw = mail("anna@customer.test", mid="a@c").replace(b"A question", b"=?utf-8?q?=ED=A0=80?= \xff\xed\xa0\x80")
    raw = raw.replace(b"Hello", b"\xed\xa0\x80\xff\x00")
    placed = await post.deliver(raw)
    assert list(placed.messages) == ["a@c"]


async def test_a_mail_with_thousands_of_attachments_is_one_message(post: PostOffice) -> None:
    part = b'--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename="%d.txt"\r\n\r\n%d\r\n'
    head = b'From: anna@customer.test\r\nMessage-ID: <a@c>\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    raw = head + b"".join(part % (n, n) for n in range(5000)) + b"--b--\r\n"
    placed = await post.deliver(raw)
    assert placed.messages["a@c"]["attachments"]


async def test_two_intakes_racing_on_one_thread_make_one_conversation(
    post: PostOffice, connectors: Connectors, settings: Settings
) -> None:
    raws = [mail("anna@customer.test", mid=f"{n}@c", refs=["root@c"]) for n in range(12)]
    raws.append(mail("anna@customer.test", mid="root@c"))
    requests = [RawRequest(source="test", body=raw, received_at=now()) for raw in raws]
    ids = [entry.id for entry in await post.store.journal.append_many(post.account.id, requests)]
    intakes = [Intake(post.store, connectors, settings) for _ in range(len(ids))]
    shares = [await post.store.journal.load([one]) for one in ids]
    await asyncio.gather(*(i.process(share) for i, share in zip(intakes, shares, strict=True)))
    await post.intake.drain()
    placed = await post.look()
    assert len(placed.messages) == 13
    assert placed.same(*placed.messages)
    assert len([t for t in placed.tickets.values() if not t["merged_into"]]) == 1


# — bounces —


def bounce(of: str, mid: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    return (
        "From: MAILER-DAEMON@relay.test\r\nTo: desk@example.test\r\nSubject: Undelivered\r\n"
        f"Message-ID: <{mid}>\r\nAuto-Submitted: auto-replied\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.test\r\n\r\n"
        f"Final-Recipient: rfc822; anna@customer.test\r\nAction: {action}\r\nStatus: {status}\r\n"
        "Diagnostic-Code: smtp; 550 no such user\r\n\r\n"
        "--b\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        f"Message-ID: <{of}>\r\nFrom: desk@example.test\r\n\r\n--b--\r\n"
    ).encode()


@pytest.mark.parametrize("status", ["pending", "resolved", "closed"])
async def test_a_bounce_reaches_its_ticket_and_puts_it_before_the_agents(
    post: PostOffice, submit: Submit, desk: TicketDesk, status: str
) -> None:
    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    ticket_id = first.ticket("a@c")["_id"]
    answer = await reply(submit, post, ticket_id)
    sent = {"delivery.state": "sent"}
    await post.store.db["messages"].update_one({"external_id": answer}, {"$set": sent})
    await desk.update(ticket_id, BEA, status=status)  # type: ignore[arg-type]
    delayed = await post.deliver(bounce(answer, "delay@r", "delayed", "4.4.7"))
    assert delayed.tickets[ticket_id]["status"] == status
    assert delayed.tickets[ticket_id]["undelivered"] == 0
    placed = await post.deliver(bounce(answer, "bounce@r"))
    assert placed.messages["bounce@r"]["ticket_id"] == ticket_id
    assert placed.tickets[ticket_id]["status"] == "open"
    assert placed.tickets[ticket_id]["undelivered"] == 1
    delivery = placed.messages[answer]["delivery"]
    assert delivery
    assert (delivery["state"], "550" in delivery["words"]) == ("failed", True)


async def test_a_bounce_wakes_a_snoozed_ticket(post: PostOffice, submit: Submit, desk: TicketDesk) -> None:
    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    ticket_id = first.ticket("a@c")["_id"]
    answer = await reply(submit, post, ticket_id)
    await post.store.db["messages"].update_one({"external_id": answer}, {"$set": {"delivery.state": "sent"}})
    await desk.snooze(ticket_id, BEA, now() + timedelta(days=1))
    placed = await post.deliver(bounce(answer, "bounce@r"))
    assert placed.tickets[ticket_id]["snoozed_until"] is None


async def test_a_late_delivery_report_takes_the_alarm_back(post: PostOffice, submit: Submit) -> None:
    first = await post.deliver(mail("anna@customer.test", mid="a@c"))
    answer = await reply(submit, post, first.ticket("a@c")["_id"])
    await post.store.db["messages"].update_one({"external_id": answer}, {"$set": {"delivery.state": "sent"}})
    await post.deliver(bounce(answer, "bounce@r"))
    placed = await post.deliver(bounce(answer, "ok@r", "delivered", "2.0.0"))
    assert placed.ticket("a@c")["undelivered"] == 0


async def test_a_stray_token_of_nothing_is_harmless(post: PostOffice) -> None:
    token = ReplyTokens(post.store.vault.sign).issue("0" * 26)
    placed = await post.deliver(mail("anna@customer.test", mid="a@c", to=f"desk+{token}@example.test"))
    assert placed.messages["a@c"]["placement"]["rule"] == "new"


async def test_automatic_answers_of_one_sender_gather_over_many_batches(post: PostOffice) -> None:
    for n in range(3):
        away = mail("anna@customer.test", mid=f"{n}@c", headers=[("Auto-Submitted", "auto-replied")])
        placed = await post.deliver(away)
    assert placed.same("0@c", "1@c", "2@c")
    assert await post.store.journal.dead() == []


async def test_ever_new_copies_do_not_outgrow_a_conversation(post: PostOffice) -> None:
    for n in range(4):
        cc = ", ".join(f"p{n}-{m}@crowd.test" for m in range(300))
        await post.deliver(mail("anna@customer.test", mid=f"{n}@c", cc=cc, refs=["0@c"] if n else []))
    placed = await post.deliver(mail("late@crowd.test", mid="late@c", refs=["0@c"]))
    conversation = await post.store.conversations.get(placed.messages["late@c"]["conversation_id"])
    keys = [p["key"] for p in conversation["participants"]]
    assert len(keys) == 501
    assert keys[-1] == "email:late@crowd.test"


async def test_what_the_database_refuses_for_good_holds_back_nobody(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omnihub.inbox import intake as module

    whole = module.take_in

    def refused_for_poison(item, *args):  # type: ignore[no-untyped-def]
        if item.message.subject == "poison":
            raise OperationFailure("this will never be taken", 2)
        return whole(item, *args)

    monkeypatch.setattr(module, "take_in", refused_for_poison)
    raws = [mail("anna@customer.test", mid=f"{n}@c", subject="poison" if n == 2 else "good") for n in range(5)]
    placed = await asyncio.wait_for(post.deliver(*raws), timeout=30)
    assert sorted(placed.messages) == ["0@c", "1@c", "3@c", "4@c"]
    assert ["never be taken" in letter.error for letter in await post.store.journal.dead()] == [True]

import asyncio
from datetime import timedelta

import pytest
from outbound_scripted import Provider, manifest
from outbound_world import ANNA, BEN, World

from omnihub.connectors.contract import Capabilities, ReplyWindow
from omnihub.model.account import Account
from omnihub.model.documents import MessageDoc
from omnihub.model.errors import Conflict, Invalid, NotFound, Refused, StaleView, WindowClosed
from omnihub.outbound.submit import ReplyRequest
from omnihub.store.attachments import NewAttachment
from omnihub.store.database import now

CANNOT_SEND = manifest(capabilities=Capabilities(send=False))


async def test_a_reply_is_queued_with_everything_that_belongs_to_it(world: World) -> None:
    account, _ = await world.account(Provider(manifest=manifest(undo_seconds=10)), policy={"undo_seconds": None})
    ticket, conversation, first = await world.case(account)

    message = await world.reply(ticket, "We send a new one.", cc=("boss@example.com",))

    stored = await world.store.messages.get(message["_id"])
    assert stored == message
    assert stored["external_id"] == f"{message['_id']}@hub.example.test"
    assert stored["wire"] == {"boundary": message["_id"][-6:]}
    assert stored["sender"] == {"key": "", "name": "Anna", "user_id": "anna"}
    assert [p["key"] for p in stored["to"]] == [first["sender"]["key"]]
    assert [p["key"] for p in stored["cc"]] == ["email:boss@example.com"]
    assert stored["answering_id"] == first["_id"]
    assert stored["refs"] == [first["external_id"]]
    assert stored["delivery"]
    assert stored["delivery"]["state"] == "queued"
    wait = stored["delivery"]["due"] - stored["delivery"]["updated_at"]
    assert wait == timedelta(seconds=10)
    people = (await world.store.conversations.get(conversation["_id"]))["participants"]
    assert [p["key"] for p in people] == [first["sender"]["key"], "email:boss@example.com"]


async def test_a_reply_makes_its_mark_on_the_ticket_and_its_trail(world: World) -> None:
    account, _ = await world.account()
    ticket, _, first = await world.case(account)
    assert ticket["waiting_since"] == first["at"]

    message = await world.reply(ticket, "We send\na new one.", status="resolved")

    after = await world.store.tickets.get(ticket["_id"])
    assert after["last_message"] == {
        "id": message["_id"],
        "direction": "outbound",
        "channel": "scripted",
        "preview": "We send a new one.",
        "author": "Anna",
        "at": message["at"],
    }
    assert after["last_message_at"] == message["at"]
    assert after["message_count"] == 2
    assert after["waiting_since"] is None
    assert after["status"] == "resolved"
    assert after["resolved_at"] == message["at"]
    assert after["bucket"] == "resolved"  # type: ignore[typeddict-item]
    assert after["assignee_id"] == "anna"
    trail = {event["type"]: event for event in await world.events(ticket)}
    assert set(trail) == {"message.queued", "ticket.status", "ticket.claimed"}
    assert trail["message.queued"]["message_id"] == message["_id"]
    assert trail["ticket.status"]["data"] == {"from": "new", "to": "resolved"}
    assert all(event["actor"] == ANNA for event in trail.values())


async def test_a_new_ticket_opens_by_its_answer_and_keeps_its_owner(world: World) -> None:
    account, _ = await world.account()
    ticket, _, _ = await world.case(account)
    await world.reply(ticket, "one")
    await world.reply(ticket, "two", actor=BEN, seen_message_id=(await _last_message(world, ticket["_id"])))
    after = await world.store.tickets.get(ticket["_id"])
    assert (after["status"], after["assignee_id"], after["message_count"]) == ("open", "anna", 3)


async def _last_message(world: World, ticket_id: str) -> str:
    last = (await world.store.tickets.get(ticket_id))["last_message"]
    assert last
    return last["id"]


async def test_times_grow_strictly_within_a_conversation(world: World) -> None:
    account, _ = await world.account()
    ahead = now() + timedelta(minutes=5)
    ticket, _, first = await world.case(account, at=ahead)
    messages = [await world.reply(ticket, f"{n}") for n in range(3)]
    assert [first["at"], *(m["at"] for m in messages)] == [ahead + timedelta(milliseconds=n) for n in range(4)]


class TestAddressee:
    async def test_is_who_wrote_the_answered_message_and_not_the_last_one(self, world: World) -> None:
        account, _ = await world.account()
        ticket, conversation, first = await world.case(account, "email:carla@example.com")
        await world.says(ticket, conversation, "And I?", key="email:dora@example.com")
        message = await world.reply(ticket, "Carla!", answering_id=first["_id"])
        assert [p["key"] for p in message["to"]] == ["email:carla@example.com"]
        message = await world.reply(ticket, "Dora!")
        assert [p["key"] for p in message["to"]] == ["email:dora@example.com"]

    async def test_is_where_they_asked_for_answers_unless_that_is_us(self, world: World) -> None:
        account, _ = await world.account(Provider(own=frozenset({"email:desk@example.test"})))
        ticket, conversation, _ = await world.case(
            account, extra={"reply_to": [{"key": "email:office@example.com", "name": "Office"}]}
        )
        message = await world.reply(ticket, "hello")
        assert [(p["key"], p["name"]) for p in message["to"]] == [("email:office@example.com", "Office")]
        ours = {"reply_to": [{"key": "email:desk@example.test", "name": ""}]}
        await world.says(ticket, conversation, "again", key="email:carla@example.com", extra=ours)
        message = await world.reply(ticket, "hello")
        assert [p["key"] for p in message["to"]] == ["email:carla@example.com"]

    async def test_is_never_this_account_itself(self, world: World) -> None:
        account, _ = await world.account(Provider(own=frozenset({"email:desk@example.test"})))
        ticket, _, _ = await world.case(account, "email:desk@example.test")
        with pytest.raises(Refused, match="itself"):
            await world.reply(ticket, "hello")

    async def test_passes_over_bounces(self, world: World) -> None:
        account, _ = await world.account()
        ticket, conversation, first = await world.case(account)
        await world.says(ticket, conversation, "550", key="email:mailer-daemon@example.com", kind="bounce")
        message = await world.reply(ticket, "hello")
        assert message["answering_id"] == first["_id"]

    async def test_of_two_people_in_one_ticket_is_never_mixed_up(self, world: World) -> None:
        account, _ = await world.account()
        ticket, conversation, first = await world.case(account)
        other = await world.conversation(ticket | {"contact_id": "dora"}, account, "email:dora@example.com")  # type: ignore[arg-type]
        await world.says(ticket, other, "I have the same.")
        with pytest.raises(Invalid) as caught:
            await world.reply(ticket, "hello", conversation_id=other["_id"], answering_id=first["_id"])
        assert "answering_id" in caught.value.fields
        message = await world.reply(ticket, "hello", conversation_id=conversation["_id"])
        assert message["to"][0]["key"] == first["sender"]["key"]


class TestGuard:
    async def test_stops_an_answer_to_an_outdated_view_and_names_what_came(self, world: World) -> None:
        account, _ = await world.account()
        ticket, conversation, first = await world.case(account)
        second = await world.says(ticket, conversation, "Forget it, it works.")
        third = await world.says(ticket, conversation, "No, it does not.")
        with pytest.raises(StaleView) as caught:
            await world.reply(ticket, "hello", seen_inbound_id=first["_id"])
        assert list(caught.value.message_ids) == [second["_id"], third["_id"]]
        assert await world.events(ticket) == []
        assert (await world.reply(ticket, "hello", seen_inbound_id=first["_id"], force=True))["text"] == "hello"

    async def test_stops_a_view_of_nothing(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, first = await world.case(account)
        for seen in (None, "gone"):
            with pytest.raises(StaleView) as caught:
                await world.reply(ticket, "hello", seen_inbound_id=seen)
            assert list(caught.value.message_ids) == [first["_id"]]

    async def test_of_two_agents_answering_at_once_lets_one_through(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, _ = await world.case(account)
        agents = [{"kind": "user", "id": f"u{n}", "name": f"U{n}"} for n in range(8)]
        results = await asyncio.gather(
            *(world.reply(ticket, "hello", actor=agent) for agent in agents), return_exceptions=True
        )
        through = [one for one in results if isinstance(one, dict)]
        stopped = [one for one in results if isinstance(one, StaleView)]
        assert (len(through), len(stopped)) == (1, 7)
        assert all(list(one.message_ids) == [through[0]["_id"]] for one in stopped)
        assert (await world.store.tickets.get(ticket["_id"]))["message_count"] == 2

    async def test_lets_a_colleagues_seen_answer_be_followed_up(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, _ = await world.case(account)
        answer = await world.reply(ticket, "one")
        with pytest.raises(StaleView):
            await world.reply(ticket, "two", actor=BEN)
        await world.reply(ticket, "two", actor=BEN, seen_message_id=answer["_id"])

    async def test_races_with_intake_safely(self, world: World) -> None:
        account, _ = await world.account()
        ticket, conversation, first = await world.case(account)
        answer, word = await asyncio.gather(
            world.submit.reply(_request(ticket["_id"], first["_id"])),
            world.says(ticket, conversation, "Wait!"),
            return_exceptions=True,
        )
        if isinstance(answer, StaleView):
            assert not isinstance(word, BaseException)
            assert list(answer.message_ids) == [word["_id"]]
        else:
            assert not isinstance(answer, BaseException)
        assert (await world.store.tickets.get(ticket["_id"]))["last_inbound_id"] == word["_id"]  # type: ignore[index]


def _request(ticket_id: str, seen: str) -> ReplyRequest:
    return ReplyRequest(ticket_id=ticket_id, actor=ANNA, text="hello", seen_inbound_id=seen)


class TestReplyVia:
    async def desk(self, world: World) -> tuple[Account, Account]:
        mail, _ = await world.account(
            Provider(own=frozenset({"email:desk@example.test"})), channel="email", name="Mail"
        )
        form, _ = await world.account(
            Provider(manifest=CANNOT_SEND), channel="form", name="Form", policy={"reply_via": mail.id}
        )
        return mail, form

    async def test_carries_the_answer_to_the_address_given(self, world: World) -> None:
        mail, form = await self.desk(world)
        ticket, source, first = await world.case(
            form, "form:f1:s1", extra={"contact_email": "email:carla@example.com"}
        )

        message = await world.reply(ticket, "hello")

        assert (message["account_id"], message["channel"]) == (mail.id, "email")
        assert [p["key"] for p in message["to"]] == ["email:carla@example.com"]
        assert message["answering_id"] == first["_id"]
        assert message["refs"] == []
        conversation = await world.store.conversations.get(message["conversation_id"])
        assert conversation["ticket_id"] == ticket["_id"]
        assert conversation["contact_id"] == source["contact_id"]
        assert conversation["thread_key"] == message["external_id"]
        after = await world.store.tickets.get(ticket["_id"])
        assert after["account_ids"] == [form.id, mail.id]
        assert after["channels"] == ["form", "email"]

    async def test_keeps_to_one_conversation(self, world: World) -> None:
        _, form = await self.desk(world)
        ticket, source, _ = await world.case(form, "form:f1:s2", claims=("email:carla@example.com",))
        first, second = [await world.reply(ticket, text, conversation_id=source["_id"]) for text in ("one", "two")]
        assert first["conversation_id"] == second["conversation_id"]
        assert second["refs"] == [first["external_id"]]
        assert second["at"] > first["at"]

    async def test_without_an_address_says_so(self, world: World) -> None:
        _, form = await self.desk(world)
        ticket, _, _ = await world.case(form, "form:f1:s3")
        with pytest.raises(Refused, match="left no address for Mail"):
            await world.reply(ticket, "hello")
        [option] = await world.options.of(ticket)
        assert option["can_reply"] is False
        assert "left no address" in option["reason"]

    async def test_without_a_carrier_says_so(self, world: World) -> None:
        form, _ = await world.account(Provider(manifest=CANNOT_SEND), name="Form")
        ticket, _, _ = await world.case(form, "form:f1:s4", claims=("email:carla@example.com",))
        with pytest.raises(Refused, match="Form cannot send"):
            await world.reply(ticket, "hello")

    async def test_is_what_the_composer_offers(self, world: World) -> None:
        mail, form = await self.desk(world)
        ticket, source, _ = await world.case(form, "form:f1:s5", claims=("email:carla@example.com",))
        [option] = await world.options.of(ticket)
        assert option["conversation_id"] == source["_id"]
        assert (option["account_id"], option["account_name"], option["channel"]) == (mail.id, "Mail", "email")
        assert option["can_reply"] is True
        assert option["to"] == [{"key": "email:carla@example.com", "name": "Carla"}]
        assert option["capabilities"]["cc"] is True


class TestWindow:
    rule = manifest(reply_window=ReplyWindow(hours=48, messages=2))

    async def test_counts_answers_since_the_customers_last_word(self, world: World) -> None:
        account, _ = await world.account(Provider(manifest=self.rule))
        ticket, conversation, first = await world.case(account)
        await world.reply(ticket, "one")
        taken_back = await world.reply(ticket, "two")
        await world.submit.cancel(taken_back["_id"], ANNA)
        [option] = await world.options.of(ticket)
        until = (first["at"] + timedelta(hours=48)).isoformat()
        assert option["window"] == {"until": until, "left": 1, "allowed": 2, "gone": False}
        await world.reply(ticket, "three")
        with pytest.raises(WindowClosed, match="all 2 answers"):
            await world.reply(ticket, "four")
        await world.says(ticket, conversation, "Thanks")
        await world.reply(ticket, "four")

    async def test_closes_with_time(self, world: World) -> None:
        account, _ = await world.account(Provider(manifest=self.rule))
        ticket, _, _ = await world.case(account, at=now() - timedelta(hours=49))
        with pytest.raises(WindowClosed, match="the reply window closed"):
            await world.reply(ticket, "hello")
        [option] = await world.options.of(ticket)
        assert (option["can_reply"], option["reason"][:23]) == (False, "the reply window closed")


class TestWhatDoesNotFit:
    async def test_is_refused_by_field(self, world: World) -> None:
        account, _ = await world.account(Provider(manifest=manifest(text_limit=5, capabilities=Capabilities())))
        ticket, _, _ = await world.case(account)
        [ref] = await world.store.attachments.store(
            [NewAttachment(id="a1", filename="a.txt", content_type="text/plain", content=b"x")]
        )
        for given, field in (
            ({"text": " "}, "text"),
            ({"text": "longer"}, "text"),
            ({"text": "ok", "cc": ("a@example.com",)}, "cc"),
            ({"text": "ok", "attachment_ids": (ref["id"],)}, "attachment_ids"),
        ):
            with pytest.raises(Invalid) as caught:
                await world.reply(ticket, **given)  # type: ignore[arg-type]
            assert list(caught.value.fields) == [field]

    async def test_an_address_must_be_one(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, _ = await world.case(account)
        for wrong in ("", "a b@example.com", "a@example.com\r\nBcc: x"):
            with pytest.raises(Invalid):
                await world.reply(ticket, "hello", bcc=(wrong,))

    async def test_html_is_made_safe_and_gives_the_text(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, _ = await world.case(account)
        html = '<p onclick="x()">Dear <b>Carla</b>,</p><p>2 &lt; 3<br>bye</p><script>x()</script><img src="cid:1">'
        message = await world.reply(ticket, "", html=html)
        assert message["html"] == '<p>Dear <b>Carla</b>,</p><p>2 &lt; 3<br>bye</p><img src="cid:1">'
        assert message["text"] == "Dear Carla,\n2 < 3\nbye"

    async def test_unknown_and_merged_tickets_take_nothing(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, _ = await world.case(account)
        await world.store.db["tickets"].update_one({"_id": ticket["_id"]}, {"$set": {"merged_into": "other"}})
        with pytest.raises(Conflict, match="merged"):
            await world.reply(ticket, "hello")
        with pytest.raises(NotFound):
            await world.submit.reply(_request("nowhere", "x"))


class TestTakingBack:
    async def test_lets_the_customer_wait_again(self, world: World) -> None:
        account, _ = await world.account(policy={"undo_seconds": 60})
        ticket, _, first = await world.case(account)
        message = await world.reply(ticket, "oops")
        taken = await world.submit.cancel(message["_id"], ANNA)
        assert await world.state(taken) == "cancelled"
        assert (await world.store.tickets.get(ticket["_id"]))["waiting_since"] == first["at"]
        last = (await world.events(ticket))[-1]
        assert (last["type"], last["data"]["state"], last["actor"]) == ("message.delivery", "cancelled", ANNA)
        with pytest.raises(Conflict):
            await world.submit.cancel(message["_id"], ANNA)

    async def test_counts_only_where_nothing_else_answered(self, world: World) -> None:
        account, _ = await world.account(policy={"undo_seconds": 60})
        ticket, _, _ = await world.case(account)
        await world.reply(ticket, "kept")
        message = await world.reply(ticket, "oops")
        await world.submit.cancel(message["_id"], ANNA)
        assert (await world.store.tickets.get(ticket["_id"]))["waiting_since"] is None

    async def test_is_for_our_messages_only(self, world: World) -> None:
        account, _ = await world.account()
        _, _, first = await world.case(account)
        for change in (world.submit.cancel, world.submit.resend):
            with pytest.raises(Conflict):
                await change(first["_id"], ANNA)
        with pytest.raises(NotFound):
            await world.submit.cancel("nothing", ANNA)


class TestAutomatic:
    async def confirm(self, world: World, ticket_id: str, account_id: str, key: str) -> MessageDoc | None:
        return await world.submit.automatic(
            ticket_id=ticket_id,
            account_id=account_id,
            to_key=key,
            subject="Received",
            text="Thanks",
            contact_id="c",
        )

    async def test_answers_nobody_and_is_capped_per_handle(self, world: World) -> None:
        account, _ = await world.account()
        ticket, conversation, first = await world.case(account)
        key = first["sender"]["key"]
        sent = await asyncio.gather(*(self.confirm(world, ticket["_id"], account.id, key) for _ in range(12)))
        kept = [message for message in sent if message]
        assert len(kept) == world.settings.tickets.auto_replies_per_hour
        assert {m["conversation_id"] for m in kept} == {conversation["_id"]}
        assert all(m["automatic"] and m["sender"] == {"key": "", "name": "omnihub", "user_id": None} for m in kept)
        after = await world.store.tickets.get(ticket["_id"])
        assert (after["status"], after["waiting_since"]) == ("new", first["at"])
        assert await self.confirm(world, ticket["_id"], account.id, "email:other@example.com") is not None

    async def test_cap_survives_a_flushed_redis(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, first = await world.case(account)
        for _ in range(world.settings.tickets.auto_replies_per_hour):
            assert await self.confirm(world, ticket["_id"], account.id, first["sender"]["key"])
        await world.store.redis.flushall()
        assert await self.confirm(world, ticket["_id"], account.id, first["sender"]["key"]) is None

    async def test_never_goes_to_any_account_of_ours(self, world: World) -> None:
        account, _ = await world.account()
        await world.account(Provider(own=frozenset({"email:sales@example.test"})))
        ticket, _, _ = await world.case(account)
        assert await self.confirm(world, ticket["_id"], account.id, "email:sales@example.test") is None

    async def test_takes_the_carriers_way(self, world: World) -> None:
        mail, _ = await world.account(channel="email")
        form, _ = await world.account(
            Provider(manifest=CANNOT_SEND), channel="form", policy={"reply_via": mail.id}
        )
        ticket, _, _ = await world.case(form, "form:f:1")
        message = await self.confirm(world, ticket["_id"], form.id, "email:carla@example.com")
        assert message
        assert message["account_id"] == mail.id
        assert message["subject"] == "Received"
        lonely, _ = await world.account(Provider(manifest=CANNOT_SEND))
        assert await self.confirm(world, ticket["_id"], lonely.id, "email:dora@example.com") is None

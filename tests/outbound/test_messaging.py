"""What messaging channels ask of the way out: parts, links, windows, templates, other ways, second thoughts."""

from datetime import timedelta
from typing import Any

import pytest
from outbound_scripted import Provider, manifest
from outbound_world import ANNA, World

from omnihub.connectors.contract import Capabilities, MediaRule, ReplyWindow, Template, TemplateField
from omnihub.model.errors import Conflict, Invalid, Refused, Uncertain, WindowClosed
from omnihub.model.outgoing import TemplateUse
from omnihub.outbound.gestures import Gestures
from omnihub.outbound.window import window_of
from omnihub.store.attachments import NewAttachment
from omnihub.store.database import now

CHAT = Capabilities(attachments=True, one_part=True, typing=True, recall_hours=24)
PICTURES = [MediaRule(kind="image", types=["image/*"], max_bytes=1000)]
RULE = ReplyWindow(hours=48, messages=5)


def chat(**changes: Any) -> Provider:
    return Provider(
        manifest=manifest(**{"capabilities": CHAT, "media": PICTURES, "conversation": "contact", **changes})
    )


async def files(world: World, *named: tuple[str, str, int]) -> tuple[str, ...]:
    new = [
        NewAttachment(id=f"f-{name}", filename=name, content_type=kind, content=bytes(size))
        for name, kind, size in named
    ]
    return tuple(ref["id"] for ref in await world.store.attachments.store(new))


class TestParts:
    async def test_text_and_files_go_out_one_after_the_other(self, world: World) -> None:
        account, provider = await world.account(chat())
        ticket, _, _ = await world.case(account)
        attached = await files(world, ("a.png", "image/png", 10), ("b.png", "image/png", 20))
        await world.reply(ticket, "Look:", attachment_ids=attached)
        await world.deliver()
        assert [(one.text, [f.filename for f in one.attachments]) for one in provider.sent] == [
            ("Look:", []),
            ("", ["a.png"]),
            ("", ["b.png"]),
        ]
        after = await world.store.tickets.get(ticket["_id"])
        assert after["message_count"] == ticket["message_count"] + 3

    async def test_are_taken_back_together(self, world: World) -> None:
        account, provider = await world.account(chat(), policy={"undo_seconds": 60})
        ticket, _, _ = await world.case(account)
        first = await world.reply(ticket, "Look:", attachment_ids=await files(world, ("a.png", "image/png", 10)))
        await world.submit.cancel(first["_id"], ANNA)
        states = await world.store.db["messages"].distinct("delivery.state", {"direction": "outbound"})
        assert states == ["cancelled"]
        assert provider.sent == []

    async def test_count_against_the_window_together(self, world: World) -> None:
        account, _ = await world.account(chat(reply_window=ReplyWindow(hours=1, messages=2)))
        ticket, _, _ = await world.case(account)
        attached = await files(world, ("a.png", "image/png", 10), ("b.png", "image/png", 20))
        with pytest.raises(WindowClosed, match="goes out as 3 messages, and only 2"):
            await world.reply(ticket, "Look:", attachment_ids=attached)


class TestWhatTheChannelDoesNotCarry:
    async def test_is_named(self, world: World) -> None:
        account, _ = await world.account(chat())
        ticket, _, _ = await world.case(account)
        attached = await files(
            world, ("a.png", "image/png", 10), ("b.png", "image/png", 2000), ("c.pdf", "application/pdf", 5)
        )
        with pytest.raises(Invalid, match=r"does not carry b\.png, c\.pdf") as refused:
            await world.reply(ticket, "Look:", attachment_ids=attached)
        assert refused.value.details["not_carried"] == list(attached[1:])

    async def test_goes_as_a_link_where_the_agent_agrees(self, world: World) -> None:
        account, provider = await world.account(chat())
        ticket, _, _ = await world.case(account)
        attached = await files(world, ("a.png", "image/png", 10), ("手册.pdf", "application/pdf", 5))
        await world.reply(ticket, "Look:", attachment_ids=attached, as_links=True)
        await world.deliver()
        text, picture = provider.sent
        line = text.text.splitlines()[1]
        assert line.startswith("手册.pdf: http")
        token = line.split("/shared/")[1].split("/")[0]
        links = world.store.file_links
        assert links.read(token, now()) == attached[1]
        assert [one.filename for one in picture.attachments] == ["a.png"]

    @pytest.mark.parametrize(
        ("unit", "text", "size"), [("bytes", "你好", 6), ("utf16", "😀", 2), ("characters", "你好", 2)]
    )
    async def test_texts_are_measured_as_the_provider_does(
        self, world: World, unit: str, text: str, size: int
    ) -> None:
        account, _ = await world.account(chat(text_limit=size, text_unit=unit))
        ticket, _, _ = await world.case(account)
        await world.reply(ticket, text)
        with pytest.raises(Invalid, match=f"is {size + 1} "):
            await world.reply(ticket, text + "!", force=True)


class TestLinks:
    async def test_end(self, world: World) -> None:
        links = world.store.file_links
        url = links.url("f1", "a.png", now(), timedelta(days=1))
        token = url.split("/shared/")[1].split("/")[0]
        assert links.read(token, now()) == "f1"
        with pytest.raises(Exception, match="expired"):
            links.read(token, now() + timedelta(days=2))

    @pytest.mark.parametrize("token", ["", "AAAA", "é", "A" * 40, "../../etc"])
    async def test_cannot_be_guessed(self, world: World, token: str) -> None:
        with pytest.raises(Exception, match="no such file"):
            world.store.file_links.read(token, now())


class TestWindows:
    async def test_a_pressed_menu_opens_a_small_one(self, world: World) -> None:
        account, _ = await world.account(chat(reply_window=RULE))
        long_ago = now() - timedelta(hours=60)
        ticket, conversation, _ = await world.case(account, at=long_ago)
        with pytest.raises(WindowClosed):
            await world.reply(ticket, "late")
        pressed = {"kind": "notice", "silent": True, "extra": {"allowance": {"seconds": 60, "messages": 1}}}
        await world.says(ticket, conversation, "Pressed a menu", **pressed)
        await world.reply(ticket, "just in time", force=True)
        with pytest.raises(WindowClosed):
            await world.reply(ticket, "too many", force=True)

    async def test_who_left_cannot_be_written_to_until_they_are_back(self, world: World) -> None:
        account, provider = await world.account(chat(reply_window=RULE))
        ticket, conversation, _ = await world.case(account)
        notice = {"kind": "notice", "silent": True}
        await world.says(ticket, conversation, "Unfollowed", extra={"reachable": False}, **notice)
        with pytest.raises(WindowClosed, match="has left"):
            await world.reply(ticket, "hello", force=True)
        [option] = await world.options.of(ticket)
        assert not option["can_reply"]
        assert option["window"] is not None
        assert option["window"]["gone"]
        provider.templates = (BOOKED,)
        booked = TemplateUse(id="booked", values={"name": "Mr Li", "day": "Monday"})
        with pytest.raises(WindowClosed, match="has left"):
            await world.reply(ticket, "", force=True, template=booked)
        await world.says(ticket, conversation, "I am back")
        await world.reply(ticket, "hello", force=True)

    async def test_many_deeds_after_the_last_message_do_not_hide_it(self, world: World) -> None:
        account, _ = await world.account(chat(reply_window=RULE))
        ticket, conversation, first = await world.case(account)
        for _ in range(51):
            await world.says(ticket, conversation, "Opened a page", kind="notice", silent=True)
        told = {"last_inbound_id": first["_id"]}
        await world.store.db["conversations"].update_one({"_id": conversation["_id"]}, {"$set": told})
        await world.store.db["tickets"].update_one({"_id": ticket["_id"]}, {"$set": told})
        await world.reply(ticket, "hello")

    async def test_begin_when_the_customer_wrote_and_not_when_we_heard(self, world: World) -> None:
        account, _ = await world.account(chat(reply_window=RULE))
        ticket, _, _ = await world.case(account, sent_at=now() - timedelta(hours=49))
        with pytest.raises(WindowClosed):
            await world.reply(ticket, "late")

    async def test_that_closed_meanwhile_let_nothing_be_sent_again(self, world: World) -> None:
        account, provider = await world.account(chat(reply_window=ReplyWindow(hours=48, messages=1)))
        provider.answers["hello"] = [Refused("45015 out of time")]
        ticket, _, first = await world.case(account)
        message = await world.reply(ticket, "hello")
        await world.deliver()
        assert await world.state(message) == "failed"
        await world.set(first, {"at": now() - timedelta(hours=50)})
        with pytest.raises(WindowClosed):
            await world.submit.resend(message["_id"], ANNA)
        assert await world.state(message) == "failed"
        await world.set(first, {"at": now() - timedelta(hours=1)})
        await world.submit.resend(message["_id"], ANNA)
        await world.deliver()
        assert provider.texts() == ["hello"]

    async def test_do_not_count_an_uncertain_message_against_itself(self, world: World) -> None:
        account, provider = await world.account(chat(reply_window=ReplyWindow(hours=48, messages=1)))
        provider.answers["hello"] = [Uncertain("no answer")]
        ticket, _, _ = await world.case(account)
        message = await world.reply(ticket, "hello")
        await world.deliver()
        assert await world.state(message) == "uncertain"
        await world.submit.resend(message["_id"], ANNA)
        await world.deliver()
        assert await world.state(message) == "sent"

    async def test_without_a_rule_only_leaving_closes(self, world: World) -> None:
        account, _ = await world.account(chat())
        ticket, conversation, first = await world.case(account)
        assert window_of(None, [first], now()) is None
        left = await world.says(ticket, conversation, "Blocked", kind="notice", extra={"reachable": False})
        found = window_of(None, [first, left], now())
        assert found is not None
        assert found.gone


BOOKED = Template(
    id="booked",
    name="Visit booked",
    text="{name} comes on {day}.",
    fields=(TemplateField(key="name", label="Who"), TemplateField(key="day", label="When")),
)


class TestTemplates:
    async def test_go_out_when_the_window_is_closed(self, world: World) -> None:
        account, provider = await world.account(chat(reply_window=RULE))
        provider.templates = (BOOKED,)
        ticket, _, _ = await world.case(account, at=now() - timedelta(hours=60))
        [option] = await world.options.of(ticket)
        assert [one["id"] for one in option["templates"]] == ["booked"]
        values = {"name": "Mr Li", "day": "Monday"}
        await world.reply(ticket, "", template=TemplateUse(id="booked", values=values))
        await world.deliver()
        [sent] = provider.sent
        assert sent.text == "Mr Li comes on Monday."
        assert sent.template == TemplateUse(id="booked", values=values)

    async def test_stand_alone_so_that_nothing_written_beside_them_is_lost(self, world: World) -> None:
        account, provider = await world.account(chat())
        provider.templates = (BOOKED,)
        ticket, _, _ = await world.case(account)
        used = TemplateUse(id="booked", values={"name": "Mr Li", "day": "Monday"})
        with pytest.raises(Invalid, match="goes out alone"):
            await world.reply(ticket, "And bring the key.", template=used)
        attached = await files(world, ("a.png", "image/png", 10))
        with pytest.raises(Invalid, match="goes out alone"):
            await world.reply(ticket, "", template=used, attachment_ids=attached)

    async def test_need_every_blank(self, world: World) -> None:
        account, provider = await world.account(chat())
        provider.templates = (BOOKED,)
        ticket, _, _ = await world.case(account)
        with pytest.raises(Invalid) as refused:
            await world.reply(ticket, "", template=TemplateUse(id="booked", values={"name": "Mr Li"}))
        assert set(refused.value.fields) == {"template.values.day"}
        with pytest.raises(Invalid, match="no such template"):
            await world.reply(ticket, "", template=TemplateUse(id="other"))


class TestOtherWays:
    async def test_are_offered_and_taken_only_when_asked(self, world: World) -> None:
        wechat, first = await world.account(chat(reply_window=RULE), name="WeChat")
        sms, second = await world.account(chat(), name="SMS")
        second.reachable = ("phone:",)
        ticket, _, _ = await world.case(wechat, "spoken:ann", at=now() - timedelta(hours=60))
        await world.own(ticket, "phone:+8613800000000")
        with pytest.raises(WindowClosed):
            await world.reply(ticket, "hello")
        [other] = await world.options.elsewhere(ticket)
        assert (other["account_name"], other["to"][0]["key"]) == ("SMS", "phone:+8613800000000")
        await world.reply(ticket, "hello", account_id=sms.id, to_key="phone:+8613800000000")
        await world.deliver()
        assert (first.sent, second.texts()) == ([], ["hello"])
        assert second.sent[0].thread_key == "+8613800000000"
        after = await world.store.tickets.get(ticket["_id"])
        assert set(after["account_ids"]) == {wechat.id, sms.id}

    async def test_lead_to_nobody_else(self, world: World) -> None:
        wechat, _ = await world.account(chat(), name="WeChat")
        sms, provider = await world.account(chat(), name="SMS")
        ticket, _, _ = await world.case(wechat, "spoken:ann")
        provider.reachable = ("phone:",)
        with pytest.raises(Invalid, match="no handle of the customer"):
            await world.reply(ticket, "hello", account_id=sms.id, to_key="phone:+8613999999999")
        with pytest.raises(Refused, match="cannot write to"):
            await world.reply(ticket, "hello", account_id=sms.id, to_key="spoken:ann")


class TestSecondThoughts:
    async def test_what_has_gone_out_is_taken_back(self, world: World) -> None:
        account, provider = await world.account(chat())
        ticket, _, _ = await world.case(account)
        message = await world.reply(ticket, "wrong price")
        await world.deliver()
        gestures = Gestures(world.store, world.connectors)
        recalled = await gestures.recall(message["_id"], ANNA)
        assert recalled["extra"]["recalled_at"]
        assert [one.id for one in provider.recalled] == [message["_id"]]
        with pytest.raises(Conflict):
            await gestures.recall(message["_id"], ANNA)

    async def test_but_not_for_ever(self, world: World) -> None:
        account, _ = await world.account(chat())
        ticket, _, _ = await world.case(account)
        message = await world.reply(ticket, "wrong price")
        await world.deliver()
        old = {"delivery.sent_at": now() - timedelta(hours=25)}
        await world.store.db["messages"].update_one({"_id": message["_id"]}, {"$set": old})
        with pytest.raises(Conflict, match="24 hours"):
            await Gestures(world.store, world.connectors).recall(message["_id"], ANNA)

    async def test_that_somebody_writes_is_shown_at_a_pace(self, world: World) -> None:
        account, provider = await world.account(chat())
        ticket, _, _ = await world.case(account)
        gestures = Gestures(world.store, world.connectors)
        assert await gestures.typing(ticket["_id"], "", ANNA)
        assert not await gestures.typing(ticket["_id"], "", ANNA)
        assert len(provider.typed) == 1


class TestAnswering:
    async def test_carries_what_the_question_brought_along(self, world: World) -> None:
        account, provider = await world.account(chat())
        ticket, conversation, _ = await world.case(account, wire={"session": "s1"})
        second = await world.says(ticket, conversation, "More", wire={"session": "s2"})
        await world.reply(ticket, "hello")
        await world.deliver()
        [sent] = provider.sent
        assert sent.answering == {"session": "s2"}
        assert sent.answered_id == second["external_id"]

"""What messaging channels bring beyond mail: lent files, albums, edits, notices, people known under several
handles."""

from datetime import timedelta

import pytest

from omnihub.connectors.contract import Toolbox
from omnihub.inbox.rearranging import Rearranging
from omnihub.model.documents import ActorDoc
from omnihub.model.errors import Refused, TryLater
from omnihub.model.inbound import Allowance, Amendment, Evidence, FetchedMedia, LentMedia, Profile
from omnihub.outbound.composing import Composer
from omnihub.outbound.options import Options
from omnihub.outbound.request import ReplyRequest
from omnihub.settings import Progress, Settings
from omnihub.store.database import now
from omnihub.store.store import Store
from tests.inbox.spoken import Desk, said

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
BEA = ActorDoc(kind="user", id="bea", name="Bea")


@pytest.fixture
def desk(store: Store, toolbox: Toolbox, settings: Settings) -> Desk:
    return Desk(store, toolbox, settings)


def picture(name: str = "p1") -> LentMedia:
    return LentMedia(ref={"id": name}, content_type="image/png", label="image")


class TestLentFiles:
    async def test_have_their_place_at_once_and_their_bytes_afterwards(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [FetchedMedia(content=PNG)]
        await desk.hand_over(account, [said("m1", "", media=(picture(),))])
        [place] = (await desk.message("m1"))["attachments"]
        assert (place["state"], place["content_type"]) == ("fetching", "image/png")
        await desk.errands.run_due()
        [file] = (await desk.message("m1"))["attachments"]
        assert "state" not in file
        assert (file["id"], file["filename"], file["size"]) == (place["id"], "image.png", len(PNG))
        _, digest = await desk.store.attachments.find(file["id"])
        assert await desk.store.attachments.blobs.get(digest) == PNG
        [told] = await desk.events("message.media")
        assert told["message_id"] == (await desk.message("m1"))["_id"]

    async def test_are_fetched_again_when_the_provider_is_busy(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [TryLater("busy"), FetchedMedia(content=PNG)]
        await desk.hand_over(account, [said("m1", "", media=(picture(),))])
        await desk.errands.run_due()
        [place] = (await desk.message("m1"))["attachments"]
        assert place["state"] == "fetching"
        await desk.store.db["errands"].update_many({}, {"$set": {"due": now()}})
        await desk.errands.run_due()
        [file] = (await desk.message("m1"))["attachments"]
        assert "state" not in file

    async def test_that_are_gone_say_so_in_the_providers_words(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [Refused("40007 invalid media_id")]
        await desk.hand_over(account, [said("m1", "", media=(picture(),))])
        await desk.errands.run_due()
        [lost] = (await desk.message("m1"))["attachments"]
        assert (lost["state"], lost["problem"]) == ("lost", "40007 invalid media_id")

    async def test_are_fetched_once_however_often_the_message_comes(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [FetchedMedia(content=PNG)]
        message = said("m1", "", media=(picture(),))
        await desk.hand_over(account, [message], [message])
        await desk.errands.run_due()
        await desk.replay()
        assert await desk.errands.run_due() == 0
        [file] = (await desk.message("m1"))["attachments"]
        assert "state" not in file


class TestAlbums:
    parts = (
        said("a1", "Our roof", part_of="album:7", media=(picture("p1"),)),
        said("a2", "", part_of="album:7", media=(picture("p2"),)),
        said("a3", "It leaks", part_of="album:7", media=(picture("p3"),)),
    )

    async def check(self, desk: Desk) -> None:
        [album] = await desk.messages()
        assert len(album["attachments"]) == 3
        assert {*album["text"].split("\n")} == {"Our roof", "It leaks"}
        await desk.errands.run_due()
        [album] = await desk.messages()
        assert [one.get("state") for one in album["attachments"]] == [None] * 3
        [ticket] = await desk.tickets()
        assert ticket["message_count"] == 1

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
    @pytest.mark.parametrize("at_once", [True, False])
    async def test_are_one_message(self, desk: Desk, order: tuple[int, ...], at_once: bool) -> None:
        account = await desk.account()
        desk.platform(account).files |= {f"p{n}": [FetchedMedia(content=PNG)] for n in (1, 2, 3)}
        batches = [[self.parts[n]] for n in order]
        if at_once:
            await desk.hand_over(account, *batches)
        else:
            for batch in batches:
                await desk.hand_over(account, batch)
        await desk.hand_over(account, *batches)  # and all of it again
        await desk.replay()
        await self.check(desk)


class TestEdits:
    async def test_show_the_new_words_and_keep_the_old(self, desk: Desk) -> None:
        account = await desk.account()
        at = now()
        await desk.hand_over(account, [said("m1", "It is brocken")])
        better = said("m1", "It is broken")
        await desk.hand_over(account, [Amendment(external_id="m1", kind="edited", at=at, message=better)])
        message = await desk.message("m1")
        assert (message["text"], message["extra"]["edits"][0]["text"]) == ("It is broken", "It is brocken")
        assert len(await desk.events("message.edited")) == 1
        [ticket] = await desk.tickets()
        assert ticket["last_message"] is not None
        assert ticket["last_message"]["preview"] == "It is broken"

    async def test_an_older_one_that_comes_late_changes_nothing(self, desk: Desk) -> None:
        account = await desk.account()
        at = now()
        second = Amendment(external_id="m1", kind="edited", at=at, message=said("m1", "third"))
        first = Amendment(
            external_id="m1", kind="edited", at=at - timedelta(minutes=1), message=said("m1", "second")
        )
        await desk.hand_over(account, [said("m1", "first")])
        await desk.hand_over(account, [second], [first])
        await desk.replay()
        message = await desk.message("m1")
        assert message["text"] == "third"
        assert len(message["extra"]["edits"]) == 1

    async def test_come_in_any_order(self, desk: Desk) -> None:
        account = await desk.account()
        at = now()
        second = Amendment(external_id="m1", kind="edited", at=at, message=said("m1", "third"))
        first = Amendment(
            external_id="m1", kind="edited", at=at - timedelta(minutes=1), message=said("m1", "second")
        )
        await desk.hand_over(account, [second])
        await desk.hand_over(account, [first])
        await desk.hand_over(account, [said("m1", "first")])
        await desk.replay()
        [message] = await desk.messages()
        assert message["text"] == "third"
        assert await desk.events("message.edited") == []

    async def test_back_to_the_first_words_are_the_last_word(self, desk: Desk) -> None:
        account = await desk.account()
        at = now()
        back = Amendment(external_id="m1", kind="edited", at=at, message=said("m1", "first"))
        earlier = Amendment(
            external_id="m1", kind="edited", at=at - timedelta(minutes=1), message=said("m1", "second")
        )
        await desk.hand_over(account, [said("m1", "first")])
        await desk.hand_over(account, [back])
        await desk.hand_over(account, [earlier])
        assert (await desk.message("m1"))["text"] == "first"

    async def test_show_all_that_was_said_where_a_channel_quotes_nothing(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "old")])
        new = said("m1", "new", visible_text="")
        await desk.hand_over(account, [Amendment(external_id="m1", kind="edited", at=now(), message=new)])
        assert (await desk.message("m1"))["visible_text"] == "new"

    async def test_that_are_larger_than_a_document_are_cut_as_any_message(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "old")])
        new = said("m1", "x" * 17_000_000)
        await desk.hand_over(account, [Amendment(external_id="m1", kind="edited", at=now(), message=new)])
        for number in range(1, 18):
            new = said("m1", f"{number}" + "x" * 1_000_000)
            at = now() + timedelta(seconds=number)
            await desk.hand_over(account, [Amendment(external_id="m1", kind="edited", at=at, message=new)])
        assert (await desk.message("m1"))["text"].startswith("17xxx")
        assert (await desk.store.journal.counts())["dead"] == 0

    async def test_of_one_picture_leave_the_albums_other_words(self, desk: Desk) -> None:
        account = await desk.account()
        parts = [said("a1", "Our roof", part_of="album:7"), said("a2", "leaks", part_of="album:7")]
        await desk.hand_over(account, parts)
        emptied = said("a2", "", part_of="album:7")
        await desk.hand_over(account, [Amendment(external_id="a2", kind="edited", at=now(), message=emptied)])
        assert "Our roof" in (await desk.message("a1"))["text"]
        better = said("a2", "leaks badly", part_of="album:7")
        at = now() + timedelta(seconds=1)
        await desk.hand_over(account, [Amendment(external_id="a2", kind="edited", at=at, message=better)])
        text = (await desk.message("a1"))["text"]
        assert "Our roof" in text
        assert "leaks badly" in text

    async def test_find_the_message_that_they_are_of_under_an_id_used_twice(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "of the old bot", fingerprint="1")])
        await desk.hand_over(account, [said("m1", "of the new bot", fingerprint="2")])
        for number, text in (("1", "old, edited"), ("2", "new, edited")):
            new = said("m1", text, fingerprint=number)
            await desk.hand_over(account, [Amendment(external_id="m1", kind="edited", at=now(), message=new)])
        assert {one["text"] for one in await desk.messages()} == {"old, edited", "new, edited"}

    async def test_change_nothing_that_we_are_to_send(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1")])
        [ticket] = await desk.tickets()
        answer = await desk.submit.reply(
            ReplyRequest(ticket_id=ticket["_id"], actor=BEA, text="10 yuan", seen_inbound_id=None, force=True)
        )
        await desk.store.db["messages"].update_one({"_id": answer["_id"]}, {"$set": {"external_id": "o1"}})
        new = said("o1", "0 yuan")
        await desk.hand_over(account, [Amendment(external_id="o1", kind="edited", at=now(), message=new)])
        assert (await desk.store.messages.get(answer["_id"]))["text"] == "10 yuan"

    async def test_of_what_was_never_seen_are_the_message(self, desk: Desk) -> None:
        account = await desk.account()
        edited = Amendment(external_id="m1", kind="edited", at=now(), message=said("m1", "new"))
        await desk.hand_over(account, [edited])
        await desk.hand_over(account, [said("m1", "old")])
        [message] = await desk.messages()
        assert message["text"] == "new"

    async def test_a_recalled_message_is_marked_once(self, desk: Desk) -> None:
        account = await desk.account()
        recalled = Amendment(external_id="m1", kind="recalled", at=now())
        await desk.hand_over(account, [said("m1", "secret")], [recalled], [recalled])
        message = await desk.message("m1")
        assert message["extra"]["recalled_at"]
        assert message["text"] == "secret"
        assert len(await desk.events("message.recalled")) == 1


def followed(external_id: str, **given: object) -> object:
    return said(external_id, "Followed the account", kind="notice", extra={"notice": "followed"}, **given)


class TestNotices:
    async def test_open_no_ticket(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [followed("n1")], [followed("n1")])  # type: ignore[list-item]
        assert await desk.tickets() == []
        [notice] = await desk.messages()
        assert (notice["ticket_id"], notice["conversation_id"]) == ("", "")
        assert (await desk.store.journal.counts())["dead"] == 0

    async def test_stand_in_the_exchange_and_call_nobody(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "Hello")])
        [before] = await desk.tickets()
        await desk.hand_over(account, [followed("n1", allowance=Allowance(seconds=60, messages=3))])  # type: ignore[list-item]
        [after] = await desk.tickets()
        notice = await desk.message("n1")
        assert (notice["ticket_id"], notice["silent"]) == (after["_id"], True)
        assert notice["extra"]["allowance"] == {"seconds": 60, "messages": 3}
        assert after["last_inbound_id"] == before["last_inbound_id"]
        assert after["last_message"] == before["last_message"]
        await desk.replay()
        assert len(await desk.messages()) == 2

    async def test_without_an_exchange_can_be_answered(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [followed("n1")])  # type: ignore[list-item]
        refers = Evidence(references=("n1",), message_id="m1")
        await desk.hand_over(account, [said("m1", "Hello", evidence=refers)])
        await desk.hand_over(account, [Amendment(external_id="n1", kind="recalled", at=now())])
        assert (await desk.store.journal.counts())["dead"] == 0
        assert len(await desk.tickets()) == 1


class TestPeople:
    async def test_whom_the_platform_knows_as_one_are_one(self, desk: Desk) -> None:
        first, second = await desk.account("A"), await desk.account("B")
        union = {"proven": ("spoken-union:u1",)}
        await desk.hand_over(first, [said("m1", who="ann", sender=union)])
        await desk.hand_over(second, [said("m2", who="ann-b", sender=union)])
        [contact] = await desk.contacts()
        assert set(contact["identities"]) == {"spoken:ann", "spoken-union:u1", "spoken:ann-b"}
        identities = await desk.store.contacts.identities(["spoken:ann-b"])
        assert "spoken-union:u1" in identities["spoken:ann-b"]["evidence"]

    async def test_who_turn_out_to_be_one_are_joined_and_can_be_parted(
        self, desk: Desk, settings: Settings
    ) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", who="ann")], [said("m2", who="bob")])
        assert len(await desk.contacts()) == 2
        await desk.hand_over(account, [said("m3", who="ann", sender={"proven": ("phone:+8613800000000",)})])
        await desk.hand_over(account, [said("m4", who="bob", sender={"proven": ("phone:+8613800000000",)})])
        [contact] = await desk.contacts()
        assert contact["name"] == "Ann"
        [operation] = [doc async for doc in desk.store.db["operations"].find()]
        assert "phone:+8613800000000" in operation["reason"]
        # Each is still answered where they wrote.
        [ann, bob] = await desk.tickets()
        for ticket, key in ((ann, "spoken:ann"), (bob, "spoken:bob")):
            [option] = await Options(desk.store, desk.connectors).of(ticket)
            assert [person["key"] for person in option["to"]] == [key]
        await Rearranging(desk.store, settings).undo(operation["_id"], BEA)
        assert len(await desk.contacts()) == 2

    async def test_vouched_for_by_several_handles_are_known_by_each(self, desk: Desk) -> None:
        account = await desk.account()
        both = ("spoken-union:u1", "phone:+8613800000000")
        await desk.hand_over(account, [said("m1", who="ann", sender={"proven": both})])
        [contact] = await desk.contacts()
        assert set(contact["identities"]) == {"spoken:ann", *both}

    @pytest.mark.parametrize("writes", ["ann", "bob", "cat"])
    async def test_three_who_turn_out_to_be_one_are_joined(self, desk: Desk, writes: str) -> None:
        account = await desk.account()
        for who in ("ann", "bob", "cat"):
            await desk.hand_over(account, [said(f"m-{who}", who=who, sender={"proven": (f"phone:{who}",)})])
        others = tuple(f"phone:{who}" for who in ("ann", "bob", "cat") if who != writes)
        for proven in (others, others[::-1]):
            again = said(f"again-{proven[0]}", who=writes, sender={"proven": proven})
            await desk.hand_over(account, [again])
        assert (await desk.store.journal.counts())["dead"] == 0
        [contact] = await desk.contacts()
        assert contact["name"] == "Ann"
        found = await desk.store.contacts.identities([f"spoken:{who}" for who in ("ann", "bob", "cat")])
        assert {one["contact_id"] for one in found.values()} == {contact["_id"]}

    async def test_two_proofs_in_one_hand_over_join_all(self, desk: Desk) -> None:
        account = await desk.account()
        for who in ("ann", "bob", "cat"):
            await desk.hand_over(account, [said(f"m-{who}", who=who, sender={"proven": (f"phone:{who}",)})])
        await desk.hand_over(
            account,
            [
                said("x1", who="bob", sender={"proven": ("phone:ann",)}),
                said("x2", who="cat", sender={"proven": ("phone:bob",)}),
            ],
        )
        assert (await desk.store.journal.counts())["dead"] == 0
        assert len(await desk.contacts()) == 1

    async def test_a_profile_that_joins_leaves_no_handle_with_who_is_gone(self, desk: Desk) -> None:
        first, second = await desk.account("A"), await desk.account("B")
        desk.platform(second).profiles["spoken:w1"] = Profile(proven=("spoken-union:u1", "phone:+8613800000000"))
        await desk.hand_over(first, [said("m1", who="ann", sender={"proven": ("spoken-union:u1",)})])
        await desk.hand_over(second, [said("m2", who="w1")])
        await desk.errands.run_due()
        [contact] = await desk.contacts()
        [phone] = (await desk.store.contacts.identities(["phone:+8613800000000"])).values()
        assert phone["contact_id"] == contact["_id"]
        assert "phone:+8613800000000" in contact["identities"]

    async def test_who_were_joined_are_answered_by_either_way(self, desk: Desk) -> None:
        first, second = await desk.account("A"), await desk.account("B", cross_channel="join")
        await desk.hand_over(first, [said("m1", who="ann", sender={"proven": ("phone:1",)})])
        await desk.hand_over(second, [said("m2", who="w1")])
        await desk.hand_over(second, [said("m3", who="w1", sender={"proven": ("phone:1",)})])
        [elder, younger] = await desk.tickets()
        await Rearranging(desk.store, Settings()).merge(younger["_id"], elder["_id"], BEA, "the same")
        heard, other = await desk.message("m2"), await desk.message("m1")
        answer = await desk.submit.reply(
            ReplyRequest(
                ticket_id=elder["_id"],
                actor=BEA,
                text="Hi",
                seen_inbound_id=None,
                force=True,
                answering_id=heard["_id"],
                conversation_id=other["conversation_id"],
            )
        )
        assert [person["key"] for person in answer["to"]] == ["spoken:ann"]

    async def test_get_the_name_and_picture_that_the_platform_tells(self, desk: Desk) -> None:
        account = await desk.account()
        told = Profile(name="王芳", avatar=PNG, proven=("spoken-union:u9",), claims=("email:wang@example.test",))
        desk.platform(account).profiles["spoken:o123"] = told
        await desk.hand_over(account, [said("m1", who="o123", sender={"name": ""})])
        await desk.errands.run_due()
        [contact] = await desk.contacts()
        assert contact["name"] == "王芳"
        assert "spoken-union:u9" in contact["identities"]
        assert "email:wang@example.test" not in contact["identities"]
        identities = await desk.store.contacts.identities(["spoken:o123"])
        assert identities["spoken:o123"]["claims"] == ["email:wang@example.test"]
        ref, _ = await desk.store.attachments.find(contact["avatar_id"])
        assert ref["content_type"] == "image/png"
        [ticket] = await desk.tickets()
        assert ticket["contact_name"] == "王芳"

    async def test_a_profile_joins_who_wrote_elsewhere(self, desk: Desk) -> None:
        first, second = await desk.account("A"), await desk.account("B", cross_channel="suggest")
        desk.platform(second).profiles["spoken:w1"] = Profile(proven=("spoken-union:u1",))
        await desk.hand_over(first, [said("m1", who="ann", sender={"proven": ("spoken-union:u1",)})])
        await desk.hand_over(second, [said("m2", who="w1")])
        assert len(await desk.contacts()) == 2
        await desk.errands.run_due()
        [contact] = await desk.contacts()
        assert contact["name"] == "Ann"
        earlier, later = await desk.tickets()
        assert later["suggested_ticket_id"] == earlier["_id"]

    async def test_a_name_given_by_an_agent_stays(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).profiles["spoken:o123"] = Profile(name="cool_cat_7")
        await desk.hand_over(account, [said("m1", who="o123", sender={"name": ""})])
        [contact] = await desk.contacts()
        await desk.store.transaction(
            lambda session: desk.store.contacts.change(contact["_id"], {"name": "Ms Wang"}, session)
        )
        await desk.errands.run_due()
        assert (await desk.contacts())[0]["name"] == "Ms Wang"


class TestProgress:
    async def test_is_told_in_the_channel_without_an_agent(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "空调不制冷")])
        [ticket] = await desk.tickets()
        await desk.submit._store.transaction(
            lambda session: desk.store.tickets.change(ticket["_id"], {"waiting_since": None}, session)
        )
        await desk.hand_over(account, [said("m2", " 进度？ ")])
        await desk.errands.run_due()
        [answer] = [one for one in await desk.messages() if one["direction"] == "outbound"]
        assert answer["automatic"]
        assert f"#{ticket['number']} 空调不制冷" in answer["text"]
        assert "等待处理" in answer["text"]
        assert [person["key"] for person in answer["to"]] == ["spoken:ann"]
        [after] = await desk.tickets()
        assert after["waiting_since"] is None
        assert after["last_inbound_id"] == ticket["last_inbound_id"]

    async def test_is_told_once_in_the_language_asked(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "My kettle broke")])
        asked = said("m2", "STATUS")
        await desk.hand_over(account, [asked], [asked])
        await desk.errands.run_due()
        await desk.replay()
        await desk.errands.run_due()
        [answer] = [one for one in await desk.messages() if one["direction"] == "outbound"]
        assert answer["text"].startswith("How your requests stand:")

    @pytest.mark.parametrize("text", ["进度怎么样了，师傅几点到？", "What is the status of my order?"])
    async def test_a_real_question_is_for_an_agent(self, desk: Desk, text: str) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "Hello")], [said("m2", text)])
        await desk.errands.run_due()
        assert all(one["direction"] == "inbound" for one in await desk.messages())
        assert not (await desk.message("m2"))["silent"]

    async def test_a_stranger_gets_an_agent(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "查询")])
        assert not (await desk.message("m1"))["silent"]
        assert len(await desk.tickets()) == 1

    async def test_in_a_group_is_told_of_the_groups_own_matter_only(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "My private debt", who="ann")])
        await desk.hand_over(account, [said("g1", "Our lift is broken", who="bob", thread_key="room")])
        await desk.hand_over(account, [said("g2", "It is", who="ann", thread_key="room")])
        await desk.hand_over(account, [said("g3", "status", who="ann", thread_key="room")])
        await desk.errands.run_due()
        [answer] = [one for one in await desk.messages() if one["direction"] == "outbound"]
        asked = await desk.message("g3")
        assert answer["conversation_id"] == asked["conversation_id"]
        [ticket] = [one for one in await desk.tickets() if one["_id"] == asked["ticket_id"]]
        assert f"#{ticket['number']}: " in answer["text"]
        assert answer["text"].count("#") == 1
        assert "debt" not in answer["text"]

    async def test_is_told_where_it_was_asked_and_to_that_very_message(
        self, desk: Desk, settings: Settings
    ) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "My private debt", who="ann", wire={"session": "1"})])
        await desk.hand_over(account, [said("g1", "Our lift is broken", who="ann", thread_key="room")])
        private, group = await desk.tickets()
        await Rearranging(desk.store, settings).merge(group["_id"], private["_id"], BEA, "the same")
        await desk.hand_over(account, [said("m2", "status", who="ann", wire={"session": "2"})])
        await desk.errands.run_due()
        [answer] = [one for one in await desk.messages() if one["direction"] == "outbound"]
        asked = await desk.message("m2")
        assert answer["conversation_id"] == asked["conversation_id"]
        outgoing = await Composer(desk.store).load(answer)
        assert (outgoing.thread_key, outgoing.answering) == ("ann", {"session": "2"})
        assert outgoing.quoted is None

    async def test_that_cannot_be_told_calls_an_agent(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "My kettle broke")])
        await desk.store.db["tickets"].update_many({}, {"$set": {"status": "resolved", "waiting_since": None}})
        for number in range(4):  # one more than may be answered within an hour
            await desk.hand_over(account, [said(f"s{number}", "status")])
            await desk.errands.run_due()
        assert len([one for one in await desk.messages() if one["direction"] == "outbound"]) == 3
        assert (await desk.message("s2"))["silent"]
        asked = await desk.message("s3")
        assert not asked["silent"]
        [ticket] = await desk.tickets()
        assert (ticket["status"], ticket["last_inbound_id"]) == ("open", asked["_id"])
        assert ticket["waiting_since"] == asked["at"]
        [told] = [one for one in await desk.events("message.received") if one["message_id"] == asked["_id"]][1:]
        assert told["data"]["silent"] is False

    async def test_is_not_told_to_who_is_not_confirmed(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "My secret", thread_key="t")])
        people = {"participants.0.confirmed": False}
        await desk.store.db["conversations"].update_many({}, {"$set": people})
        await desk.hand_over(account, [said("m2", "status", thread_key="t")])
        assert not (await desk.message("m2"))["silent"]

    async def test_can_be_switched_off(self, store: Store, toolbox: Toolbox, settings: Settings) -> None:
        desk = Desk(store, toolbox, settings.model_copy(update={"progress": Progress(enabled=False)}))
        account = await desk.account()
        await desk.hand_over(account, [said("m1", "Hello")], [said("m2", "status")])
        assert not (await desk.message("m2"))["silent"]


class TestWeakMatches:
    async def test_are_only_suggested(self, desk: Desk) -> None:
        account = await desk.account()
        await desk.hand_over(account, [said("m1", who="ann")])
        await desk.hand_over(account, [said("m2", who="form-7", sender={"claims": ("spoken:ann",)})])
        first, second = await desk.tickets()
        assert second["suggested_ticket_id"] == first["_id"]
        assert len(await desk.contacts()) == 2
        assert f"#{first['number']}" in (await desk.message("m2"))["placement"]["reason"]


class TestAcrossChannels:
    @pytest.mark.parametrize(("policy", "tickets"), [("join", 1), ("suggest", 2), ("separate", 2)])
    async def test_an_open_ticket_is_joined_suggested_or_left_alone(
        self, desk: Desk, policy: str, tickets: int
    ) -> None:
        first, second = await desk.account("A"), await desk.account("B", cross_channel=policy)
        union = {"proven": ("spoken-union:u1",)}
        await desk.hand_over(first, [said("m1", who="ann", sender=union)])
        await desk.hand_over(second, [said("m2", who="ann-b", sender=union)])
        found = await desk.tickets()
        assert len(found) == tickets
        suggested = found[0]["_id"] if policy == "suggest" else None
        assert found[-1]["suggested_ticket_id"] == suggested
        if policy == "join":
            assert set(found[0]["account_ids"]) == {first.id, second.id}
            await desk.submit.reply(
                ReplyRequest(ticket_id=found[0]["_id"], actor=BEA, text="Hi", seen_inbound_id=None, force=True)
            )
            answer = (await desk.messages())[-1]
            assert (answer["account_id"], answer["to"][0]["key"]) == (second.id, "spoken:ann-b")


class TestSubjects:
    async def test_a_ticket_that_began_with_a_picture_is_called_by_the_first_words(self, desk: Desk) -> None:
        account = await desk.account()
        desk.platform(account).files["p1"] = [FetchedMedia(content=PNG)]
        await desk.hand_over(account, [said("m1", "", media=(picture(),))])
        await desk.hand_over(account, [said("m2", "The screen is broken")], [said("m3", "Can you help?")])
        [ticket] = await desk.tickets()
        assert ticket["subject"] == "The screen is broken"

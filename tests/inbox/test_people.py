"""Who somebody is: handles that a platform vouches for, names, and what only may be."""

import pytest

from omnihub.inbox.rearranging import Rearranging
from omnihub.model.inbound import FetchedMedia, Profile
from omnihub.outbound.options import Options
from omnihub.outbound.request import ReplyRequest
from omnihub.settings import Settings
from tests.inbox.spoken import BEA, PNG, Desk, picture, said


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

"""A customer who asks how things stand."""

import pytest

from omnihub.connectors.contract import Toolbox
from omnihub.inbox.rearranging import Rearranging
from omnihub.outbound.composing import Composer
from omnihub.settings import Progress, Settings
from omnihub.store.store import Store
from tests.inbox.spoken import BEA, Desk, said


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

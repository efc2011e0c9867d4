"""What people change, take back, or do without writing."""

from datetime import timedelta

from omnihub.model.inbound import Allowance, Amendment, Evidence
from omnihub.outbound.request import ReplyRequest
from omnihub.store.database import now
from tests.inbox.spoken import BEA, Desk, said


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

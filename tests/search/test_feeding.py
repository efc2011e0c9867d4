"""What is stored is found a moment later, and whatever becomes of it is followed."""

import asyncio
import os
import signal
from datetime import timedelta

import pytest

from omnihub.inbox.contacts import ContactDesk
from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.tickets import TicketDesk
from omnihub.model.inbound import Amendment, FetchedMedia
from omnihub.search.asking import Question, search
from omnihub.search.feeder import LEASE, Feeder
from omnihub.settings import Settings
from omnihub.store.database import now
from omnihub.store.search_changes import ChangeFeed
from omnihub.store.store import Store
from tests.conftest import Eventually
from tests.inbox.spoken import BEA, PNG, Desk, picture, said
from tests.search.conftest import Find


async def test_words_of_both_languages_are_found(
    desk: Desk, feeding: Feeder, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    chinese = "您好，我昨天买的蓝牙耳机充不进电，麻烦申请退款，联系王小明确认一下"
    await desk.hand_over(
        account,
        [said("m1", chinese, who="wang")],
        [said("m2", "My headphones do not charge. Refunds to anna@example.com, please", who="ann")],
        [said("m3", "订单号SF20240588123，电话 138-0013-8000", who="li")],
    )
    one, two, three = [(await desk.message(name))["_id"] for name in ("m1", "m2", "m3")]
    await eventually(lambda: find("退款"))
    for words in (
        "退款",
        "申请退款",
        "退款申请",
        "蓝牙 耳机",
        "王小明",
        "小明",
        "充不进电",
        "蓝牙耳机充不进电",
    ):
        assert await find(words) == [one], words
    await eventually(lambda: find("refund"))
    for words in (
        "refund",
        "REFUND headph",
        "anna@example.com",
        "example.com",
        "charge refunds",
        '"do not charge"',
    ):
        assert await find(words) == [two], words
    for words in ("13800138000", "0013", "8000", "138-0013-8000", "SF20240588123", "sf2024", "订单号", "88123"):
        assert await find(words) == [three], words
    for words in ("退货", "明确", "refund 退款", '"not do charge"', "99999", "zzz", "，。"):
        assert await find(words) == [], words


async def test_an_edit_a_recall_and_a_lent_file_are_followed(
    desk: Desk, feeding: Feeder, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    desk.platform(account).files["p1"] = [FetchedMedia(content=PNG, filename="发票 invoice-2026.png")]
    await desk.hand_over(account, [said("m1", "blue kettle"), said("m2", "with a picture", media=(picture(),))])
    message = (await desk.message("m1"))["_id"]
    await eventually(lambda: find("kettle"))
    edited = Amendment(external_id="m1", kind="edited", at=now(), message=said("m1", "green teapot"))
    await desk.hand_over(account, [edited])
    assert await eventually(lambda: find("teapot")) == [message]
    assert await find("kettle") == []
    await desk.hand_over(account, [Amendment(external_id="m1", kind="recalled", at=now())])

    async def is_gone() -> bool:
        return await find("teapot") == []

    await eventually(is_gone)
    await desk.errands.run_due()
    assert await eventually(lambda: find("发票", kind="files")) == [(await desk.message("m2"))["_id"]]
    assert (
        await find("invoice", kind="files") == await find("2026", kind="files") == await find("票", kind="files")
    )


async def test_a_message_is_shown_in_the_ticket_where_it_is_now(
    desk: Desk, feeding: Feeder, store: Store, settings: Settings, eventually: Eventually
) -> None:
    account = await desk.account()
    await desk.hand_over(account, [said("a1", "a rare pelican", who="ann")], [said("b1", "hello", who="ben")])
    first, second = await desk.tickets()

    async def place() -> str:
        answer = await search(store, Question(words="pelican", kinds=("messages",)))
        return next((hit.ticket["_id"] for hit in answer.groups[0].hits if hit.ticket), "")

    async def is_in(ticket: str) -> bool:
        return await place() == ticket

    await eventually(lambda: is_in(first["_id"]))
    rearranging = Rearranging(store, settings)
    _, merge = await rearranging.merge(first["_id"], second["_id"], BEA, "the same")
    await eventually(lambda: is_in(second["_id"]))

    async def by_number() -> list[int]:
        answer = await search(store, Question(words=f"#{first['number']}", kinds=("tickets",)))
        return [hit.ticket["number"] for hit in answer.groups[0].hits if hit.ticket]

    async def leads_on() -> bool:
        return await by_number() == [second["number"]]

    await eventually(leads_on)
    await rearranging.undo(merge["_id"], BEA)
    await eventually(lambda: is_in(first["_id"]))


async def test_tickets_and_contacts_are_found_by_what_they_are_called(
    desk: Desk, feeding: Feeder, store: Store, settings: Settings, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    await desk.hand_over(
        account,
        [said("a1", "x", who="+8613912345678", subject="打印机卡纸", sender={"name": "欧阳明月"})],
        [said("b1", "y", who="ben", sender={"name": "Benoît Dupré"})],
    )
    one, _ = await desk.tickets()
    contacts = {contact["name"]: contact["_id"] for contact in await desk.contacts()}
    await eventually(lambda: find("欧阳", kind="contacts"))
    for words in ("欧阳", "明月", "月", "欧阳明月", "1391234", "5678", "345678"):
        assert await find(words, kind="contacts") == [contacts["欧阳明月"]], words
    for words in ("dupre", "Benoit", "ben"):
        assert await find(words, kind="contacts") == [contacts["Benoît Dupré"]], words
    await eventually(lambda: find("打印机", kind="tickets"))
    for words in ("打印机", "卡纸", "欧阳明月", "欧阳 打印机", str(one["number"]), f"#{one['number']}"):
        assert await find(words, kind="tickets") == [one["_id"]], words
    await TicketDesk(store).update(one["_id"], BEA, subject="扫描仪", tags=["urgent-case"])
    await eventually(lambda: find("扫描仪", kind="tickets"))
    assert await find("urgent-case", kind="tickets") == [one["_id"]]
    assert await find("卡纸", kind="tickets") == []
    await ContactDesk(store).rename(contacts["欧阳明月"], "Luna", BEA)
    await eventually(lambda: find("luna", kind="contacts"))
    assert await find("欧阳", kind="contacts") == []
    await eventually(lambda: find("luna", kind="tickets"))


async def test_what_happened_while_nobody_fed_is_caught_up_with(
    desk: Desk, store: Store, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    await fed_once(store, eventually)
    await desk.hand_over(account, [said("m1", "written in the night")])
    assert await find("night") == []
    async with fed(store):
        await eventually(lambda: find("night"))


async def test_when_the_database_forgot_its_changes_the_trails_tell_them(
    desk: Desk, store: Store, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    await desk.hand_over(account, [said("m1", "an old sentence")])
    await fed_once(store, eventually)
    assert await find("sentence")
    await desk.hand_over(account, [said("m2", "a new one"), said("x", "another", who="bob")])
    await desk.hand_over(account, [Amendment(external_id="m1", kind="recalled", at=now())])
    await store.search_state.save(cursor="8263F5A2B4000000012B0229296E04", beat=now() - timedelta(seconds=5))
    async with fed(store):
        await eventually(lambda: find("new"))

        async def is_gone() -> bool:
            return await find("sentence") == []

        await eventually(is_gone)
        await eventually(lambda: find("another"))
    assert (await store.search_state.load()).rebuild.turn == 1  # type: ignore[union-attr]


async def test_a_rebuild_finds_what_no_change_told_and_forgets_what_is_gone(
    desk: Desk, store: Store, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    await desk.hand_over(account, [said(f"m{n}", f"sentence number{n}x") for n in range(1, 30)])
    await fed_once(store, eventually)
    await store.db["messages"].delete_one({"external_id": "m7"})
    await store.db["search"].delete_many({"_id": {"$ne": f"m:{(await desk.message('m8'))['_id']}"}})
    await store.db["search"].insert_one(
        {"_id": "m:lost", "kind": "m", "order": 1, "ticket_id": "", "turn": 1, "tokens": ["lost"]}
    )
    turn = await store.search_state.ask_for_rebuild()
    async with fed(store):
        await eventually(lambda: rebuilt(store, turn))
    assert len(await find("sentence")) == 28
    assert await store.db["search"].find_one({"_id": "m:lost"}) is None
    assert await find("number7x") == []


async def test_one_feeds_and_another_takes_over(
    desk: Desk, store: Store, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    assert await store.leases.take(LEASE, "somebody:else", 2.5)
    async with fed(store), fed(store):
        await desk.hand_over(account, [said("m1", "who feeds whom")])
        await eventually(lambda: find("feeds"))


async def test_a_cutter_that_is_killed_is_replaced(
    desk: Desk, feeding: Feeder, find: Find, eventually: Eventually
) -> None:
    account = await desk.account()
    await desk.hand_over(account, [said("m1", "第一条消息")])
    await eventually(lambda: find("消息"))
    assert feeding._cutter.pid is not None
    os.kill(feeding._cutter.pid, signal.SIGKILL)
    await desk.hand_over(account, [said("m2", "第二条记录")])
    await eventually(lambda: find("记录"))


async def test_every_change_comes_once_in_one_portion(desk: Desk, store: Store) -> None:
    feed = ChangeFeed(store.db)
    await feed.open(None)
    account = await desk.account()
    await desk.hand_over(account, [said(f"m{n}", f"n {n}", who=f"w{n}") for n in range(20)])
    seen = await feed.take(1000)
    assert sorted(seen.ids) == ["contacts", "messages", "tickets"]
    assert len(seen.ids["messages"]) == len(seen.ids["tickets"]) == 20
    assert seen.count == 60
    assert (await feed.take(1000)).count == 0
    await feed.close()


class fed:
    """While this runs, somebody feeds."""

    def __init__(self, store: Store) -> None:
        self._feeder = Feeder(store)

    async def __aenter__(self) -> Feeder:
        self._task = asyncio.create_task(self._feeder.run())
        return self._feeder

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        assert self._task.cancelled()


async def rebuilt(store: Store, turn: int) -> bool:
    found = (await store.search_state.load()).rebuild
    return found is not None and found.turn == turn and found.is_over


async def fed_once(store: Store, eventually: Eventually) -> None:
    async with fed(store):
        await eventually(lambda: rebuilt(store, 1))


@pytest.mark.parametrize("texts", [["plain"], ["退款", "", "half \ud83d pair 退款"]])
async def test_the_cutter_answers_each_text(texts: list[str]) -> None:
    from omnihub.search.cutter import Cutter

    cutter = Cutter()
    found = await cutter.tokens(texts)
    assert len(found) == len(texts)
    assert all(bool(tokens) == bool(text) for text, tokens in zip(texts, found, strict=True))
    await cutter.rest()

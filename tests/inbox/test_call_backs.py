"""Who called in vain is to be called back, once, until somebody has talked with them."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from omnihub.inbox.intake import Intake
from omnihub.model.account import Account, CallPolicy
from omnihub.model.documents import CallBackDoc
from omnihub.model.errors import Conflict, NotFound
from omnihub.model.inbound import Amendment
from omnihub.settings import Settings
from tests.inbox.ringing import ANN, BOB, Ringing, at, call_backs, later
from tests.inbox.spoken import BEA, Desk


async def line(desk: Desk, name: str = "Line", **policy: Any) -> Account:
    return await desk.account(name, calls=CallPolicy(**policy))


async def only(desk: Desk) -> CallBackDoc:
    [found] = await call_backs(desk)
    return found


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("missed", "missed"),
        ("no_answer", "missed"),
        ("failed", "missed"),
        ("abandoned", "abandoned"),
        ("busy", "busy"),
        ("voicemail", "voicemail"),
    ],
)
async def test_a_call_in_vain_is_to_be_called_back(desk: Desk, outcome: str, reason: str) -> None:
    account = await line(desk, call_back_minutes=45)
    await desk.hand_over(account, [Ringing("a").rings()])
    assert await call_backs(desk) == []
    await desk.hand_over(account, [Ringing("a").lost(outcome)])
    message = await desk.message("call:a")
    known = await only(desk)
    assert known == CallBackDoc(
        _id=known["_id"],
        account_id=account.id,
        number=f"phone:{ANN}",
        contact_id=message["contact_id"],
        ticket_id=message["ticket_id"],
        message_ids=[message["_id"]],
        calls=1,
        reason=reason,  # type: ignore[typeddict-item]
        state="open",
        due=at(45.5),
        first_at=at(0.5),
        last_at=at(0.5),
        done_at=None,
        done_by=None,
        how="",
    )
    [added] = await desk.events("call_back.added")
    assert (added["ticket_id"], added["message_id"]) == (message["ticket_id"], message["_id"])
    assert added["data"] == {"number": ANN, "reason": reason, "due": at(45.5)}


@pytest.mark.parametrize(
    "told",
    [
        Ringing("a").rings(),
        Ringing("a").talks(),
        Ringing("a").answered(),
        Ringing("a").lost("rejected"),
        Ringing("a", direction="out").lost("no_answer"),
        Ringing("a", direction="out").lost("busy"),
        Ringing("a", number="anonymous").lost(),
        Ringing("a", number="22").lost(),
    ],
)
async def test_who_was_heard_or_cannot_be_called_is_not(desk: Desk, told: Amendment) -> None:
    await desk.hand_over(await line(desk), [told])
    assert len(await desk.messages()) == 1
    assert await call_backs(desk) == []


async def test_a_line_may_do_without(desk: Desk) -> None:
    await desk.hand_over(await line(desk, call_back_minutes=0), [Ringing("a").lost()])
    assert await call_backs(desk) == []


async def test_one_number_is_one_task_however_often_it_calls(desk: Desk) -> None:
    """Also beyond the time within which calls are taken for repeated ones: nobody is called back twice."""
    account = await line(desk, repeat_minutes=10, missed="separate")
    calls = [Ringing("a"), Ringing("b", 5), Ringing("c", 500)]
    for call in calls:
        await desk.hand_over(account, [call.rings()], [call.lost("busy" if call.id == "b" else "missed")])
    await desk.hand_over(account, [Ringing("x", 6, BOB).lost()])
    ann, bob = await call_backs(desk)
    ids = [(await desk.message(f"call:{call.id}"))["_id"] for call in calls]
    assert (ann["calls"], ann["message_ids"], ann["due"]) == (3, ids, at(60.5))
    assert (ann["first_at"], ann["last_at"], ann["reason"]) == (at(0.5), at(500.5), "missed")
    assert ann["ticket_id"] == (await desk.message("call:c"))["ticket_id"]
    assert (bob["number"], bob["calls"]) == (f"phone:{BOB}", 1)
    assert len(await desk.events("call_back.added")) == 2


async def test_a_call_counts_once_whatever_else_is_told_of_it(desk: Desk) -> None:
    account = await line(desk)
    first, second = Ringing("a"), Ringing("b", 5)
    await desk.hand_over(account, [first.lost()], [second.lost()])
    await desk.hand_over(account, [later(first.lost("abandoned"), 7)], [later(second.lost("abandoned"), 7)])
    await desk.replay()
    known = await only(desk)
    assert (known["calls"], len(known["message_ids"]), known["reason"]) == (2, 2, "abandoned")
    await desk.store.call_backs.finish(known["_id"], BEA, "closed")
    await desk.hand_over(account, [later(second.lost("busy"), 8)])
    assert (await only(desk))["state"] == "done"


@pytest.mark.parametrize("answered", [Ringing("t", 10).talks(), Ringing("t", 10, direction="out").answered()])
async def test_it_ends_once_somebody_talks_with_them(desk: Desk, answered: Amendment) -> None:
    account = await line(desk)
    await desk.hand_over(account, [Ringing("a").lost()], [Ringing("b", 5).lost()])
    await desk.hand_over(account, [Ringing("c", 7, direction="out").lost("no_answer")])
    assert (await only(desk))["state"] == "open"
    await desk.hand_over(account, [answered])
    known = await only(desk)
    assert (known["state"], known["how"], known["done_by"]) == ("done", "answered", None)
    assert known["done_at"] is not None
    [done] = await desk.events("call_back.done")
    assert done["data"] == {"number": ANN, "how": "answered"}
    assert done["message_id"] == (await desk.message("call:b"))["_id"]
    await desk.hand_over(account, [Ringing("d", 20).lost()])
    assert [one["state"] for one in await call_backs(desk)] == ["done", "open"]


async def test_talking_with_another_number_ends_nothing(desk: Desk) -> None:
    account = await line(desk)
    await desk.hand_over(account, [Ringing("a").lost()], [Ringing("b", 5, BOB).answered()])
    assert (await only(desk))["state"] == "open"


@pytest.mark.parametrize(("direction", "state"), [("in", "open"), ("out", "done")])
async def test_of_another_line_only_our_own_call_ends_it(desk: Desk, direction: str, state: str) -> None:
    """Whoever gets through to the shop is still waited for at the workshop."""
    account, other = await line(desk), await line(desk, "Other")
    talk = Ringing("b", 5, direction=direction)
    await desk.hand_over(account, [Ringing("a").lost()])
    await desk.hand_over(other, [talk.answered()])
    assert (await only(desk))["state"] == state
    await desk.store.db["call_backs"].delete_many({})
    await desk.hand_over(account, [Ringing("late", 1).lost()])
    assert [one["state"] for one in await call_backs(desk)] == (["open"] if state == "open" else [])


def history(number: str) -> list[Amendment]:
    return [
        Ringing(f"{number}a", 0, number).lost(),
        Ringing(f"{number}b", 10, number).lost(),
        Ringing(f"{number}t", 20, number).answered(),
        Ringing(f"{number}c", 30, number).lost(),
    ]


async def test_any_order_comes_to_the_same(desk: Desk) -> None:
    account = await line(desk)
    orders = list(itertools.permutations(range(4)))
    numbers = [f"+49309018{n:02}" for n in range(len(orders))]
    for step in range(4):
        told = (history(number)[order[step]] for number, order in zip(numbers, orders, strict=True))
        await desk.hand_over(account, *[[one] for one in told])
    await desk.replay()
    left = {one["number"]: one for one in await call_backs(desk) if one["state"] == "open"}
    for number, order in zip(numbers, orders, strict=True):
        known = left.pop(f"phone:{number}")
        times = (known["first_at"], known["last_at"], known["due"])
        assert (known["calls"], times) == (1, (at(30.5), at(30.5), at(90.5))), order
        assert known["message_ids"] == [(await desk.message(f"call:{number}c"))["_id"]], order
    assert left == {}


@pytest.mark.parametrize("at_once", [True, False])
async def test_those_before_a_talk_are_done_with(desk: Desk, at_once: bool) -> None:
    account = await line(desk)
    for tens, order in enumerate(itertools.permutations(range(3))):
        told = [[history(f"+49309018{tens}0")[number]] for number in order]
        for some in [told] if at_once else [[one] for one in told]:
            await desk.hand_over(account, *some)
    assert len(await desk.messages()) == 18
    assert [one for one in await call_backs(desk) if one["state"] == "open"] == []


async def test_one_that_turns_out_answered_is_not_called_back(desk: Desk) -> None:
    account = await line(desk)
    call = Ringing("a")
    await desk.hand_over(account, [call.lost()])
    await desk.hand_over(account, [later(call.answered(), 4)])
    known = await only(desk)
    assert (known["state"], known["how"]) == ("done", "answered")


async def test_of_several_only_the_answered_one_is_taken_out(desk: Desk) -> None:
    account = await line(desk)
    first, second = Ringing("a"), Ringing("b", 10)
    await desk.hand_over(account, [first.lost()], [second.lost("busy")])
    await desk.hand_over(account, [later(first.answered(), 4)])
    known = await only(desk)
    assert (known["state"], known["calls"], known["first_at"], known["due"]) == ("open", 1, at(10.5), at(70.5))


async def test_a_call_out_of_hours_is_marked_once_and_for_all(desk: Desk) -> None:
    zone = "Asia/Shanghai"
    begun = at(0)
    day = (begun + timedelta(hours=8)).strftime("%a")
    account = await line(desk, opening_hours=f"{day} 00:00-24:00", time_zone=zone)
    closed = Ringing("a", 24 * 60 - 3 * 24 * 60)
    await desk.hand_over(account, [closed.rings()])
    assert "out_of_hours" not in (await desk.message("call:a"))["extra"]
    await desk.hand_over(account, [closed.lost("abandoned")])
    assert (await desk.message("call:a"))["extra"]["out_of_hours"] is True
    assert (await only(desk))["reason"] == "out_of_hours"
    *_, updated = await desk.events("message.updated")
    assert updated["data"]["out_of_hours"] is True
    policy = CallPolicy(opening_hours="", time_zone=zone)
    from dataclasses import replace

    await desk.store.accounts.change(account.id, policy=replace(account.policy, calls=policy))
    account = await desk.store.accounts.get(account.id)
    await desk.hand_over(account, [later(closed.lost("abandoned"), 9)])
    assert (await desk.message("call:a"))["extra"]["out_of_hours"] is True
    assert (await only(desk))["reason"] == "out_of_hours"
    await desk.hand_over(account, [later(closed.answered(), 10)])
    assert not (await desk.message("call:a"))["extra"]["out_of_hours"]


async def test_within_hours_or_answered_it_is_not_marked(desk: Desk) -> None:
    day = at(0).strftime("%a")
    account = await line(desk, opening_hours=f"{day} 00:00-24:00")
    closed = 3 * 24 * 60
    await desk.hand_over(account, [Ringing("a").lost()], [Ringing("b", closed).answered()])
    assert [m["extra"].get("out_of_hours") for m in await desk.messages()] == [None, None]


async def test_hours_that_cannot_be_read_stop_no_call(desk: Desk) -> None:
    account = await line(desk, opening_hours="whenever", time_zone="Nowhere/At_all")
    await desk.hand_over(account, [Ringing("a").lost()])
    assert (await only(desk))["reason"] == "missed"


async def test_workers_side_by_side_open_one_and_leave_none_open_that_was_answered(
    desk: Desk, settings: Settings
) -> None:
    """What decides about one number goes one after the other, whoever takes it in."""
    account = await line(desk, missed="separate")
    intakes = [Intake(desk.store, desk.connectors, settings) for _ in range(4)]
    numbers = [f"+49309018{n:02}" for n in range(12)]
    told: list[Amendment] = []
    for number in numbers:
        told += [Ringing(f"{number}-{n}", n, number).lost() for n in range(3)]
        told.append(Ringing(f"{number}-out", 9, number, direction="out").answered())
        told.append(Ringing(f"{number}-last", 20, number).lost())
    bodies = [f"side {n}".encode() for n in range(len(told))]
    events = [await desk.journal(account, body, [one]) for body, one in zip(bodies, told, strict=True)]
    shares = [[*events[n::4], *events[(n + 1) % 4 :: 4]] for n in range(4)]  # each is taken in twice
    await asyncio.gather(
        *(one.process([event]) for one, share in zip(intakes, shares, strict=True) for event in share)
    )
    assert await desk.store.db["raw_events"].count_documents({"state": "done"}) == len(told)
    open_ones = [one for one in await call_backs(desk) if one["state"] == "open"]
    assert sorted(one["number"] for one in open_ones) == sorted(f"phone:{number}" for number in numbers)
    assert {one["calls"] for one in open_ones} == {1}
    for one in open_ones:
        assert one["message_ids"] == [(await desk.message(f"call:{one['number'][6:]}-last"))["_id"]]


async def test_a_talk_that_is_taken_in_at_the_same_moment_is_not_overlooked(
    desk: Desk, settings: Settings
) -> None:
    """Neither transaction sees the other's call, and they write in different conversations."""
    line_in, line_out = await line(desk, "In"), await line(desk, "Out")
    numbers = [f"+49309018{n:02}" for n in range(20)]
    for account in (line_in, line_out):
        await desk.hand_over(
            account, *[[Ringing(f"{account.id}{number}", -60, number).answered()] for number in numbers]
        )
    intakes = [Intake(desk.store, desk.connectors, settings) for _ in range(2)]
    for number in numbers:
        lost, talk = Ringing(f"{number}-in", 0, number), Ringing(f"{number}-out", 9, number, direction="out")
        events = [
            await desk.journal(line_in, f"in {number}".encode(), [lost.lost()]),
            await desk.journal(line_out, f"out {number}".encode(), [talk.answered()]),
        ]
        await asyncio.gather(*(one.process([event]) for one, event in zip(intakes, events, strict=True)))
    assert [one for one in await call_backs(desk) if one["state"] == "open"] == []


# — what the API asks of the store —


async def test_pages_run_by_what_is_due_and_by_what_was_done_last(desk: Desk) -> None:
    account = await line(desk)
    for number in range(5):
        await desk.hand_over(account, [Ringing(f"c{number}", -number, f"+49309018{number:02}").lost()])
    store = desk.store.call_backs
    assert await store.open_count() == 5
    first, cursor = await store.page("open", "", 2)
    second, cursor = await store.page("open", cursor or "", 2)
    third, cursor = await store.page("open", cursor or "", 2)
    assert [one["due"] for one in (*first, *second, *third)] == [at(60.5 - n) for n in (4, 3, 2, 1, 0)]
    assert cursor is None
    for one in (third[0], first[0]):
        done = await store.finish(one["_id"], BEA, "closed")
        assert done is not None
        assert (done["state"], done["how"], done["done_by"]) == ("done", "closed", BEA)
    assert await store.finish(first[0]["_id"], BEA, "closed") is None
    page, _ = await store.page("done", "", 1)
    rest, _ = await store.page("done", (await store.page("done", "", 1))[1] or "", 1)
    assert [one["_id"] for one in (*page, *rest)] == [first[0]["_id"], third[0]["_id"]]
    assert await store.open_count() == 3


async def test_one_is_opened_again_unless_another_is_open(desk: Desk) -> None:
    account = await line(desk)
    await desk.hand_over(account, [Ringing("a").lost()])
    first = await only(desk)
    store = desk.store.call_backs
    await store.finish(first["_id"], BEA, "closed")
    opened = await store.reopen(first["_id"])
    assert (opened["state"], opened["done_at"], opened["done_by"], opened["how"]) == ("open", None, None, "")
    assert await store.reopen(first["_id"]) == opened
    await store.finish(first["_id"], BEA, "closed")
    await desk.hand_over(account, [Ringing("b", 9).lost()])
    with pytest.raises(Conflict):
        await store.reopen(first["_id"])
    with pytest.raises(NotFound):
        await store.reopen("none")


async def test_lists_and_lookups_read_by_index(desk: Desk) -> None:
    account = await line(desk)
    for number in range(30):
        await desk.hand_over(account, [Ringing(f"c{number}", number, f"+49309018{number:02}").lost()])
    found = desk.store.db["call_backs"]
    some = (await call_backs(desk))[0]
    for query, order in (
        ({"state": "open"}, [("due", 1), ("_id", 1)]),
        ({"state": "done"}, [("done_at", -1), ("_id", -1)]),
        ({"number": some["number"], "state": "open"}, None),
        ({"message_ids": some["message_ids"][0]}, None),
    ):
        asked = found.find(query).sort(order) if order else found.find(query)
        plan = str((await asked.explain())["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert "COLLSCAN" not in plan
        assert "'SORT'" not in plan

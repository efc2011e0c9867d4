"""Where a call that nobody took ends up, and what it does to the ticket there."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from omnihub.inbox.rearranging import Rearranging
from omnihub.inbox.tickets import TicketDesk
from omnihub.model.account import Account, CallPolicy
from omnihub.model.documents import TicketDoc
from omnihub.model.inbound import Amendment
from omnihub.settings import Settings
from omnihub.store.database import now
from tests.inbox.ringing import ANN, BOB, Ringing, at, later
from tests.inbox.spoken import BEA, Desk, said


async def own_tickets(desk: Desk, **policy: Any) -> Account:
    return await desk.account(calls=CallPolicy(missed="separate", **policy))


async def ticket_of(desk: Desk, call_id: str) -> TicketDoc:
    message = await desk.message(f"call:{call_id}")
    return await desk.store.tickets.get(message["ticket_id"])


async def living(desk: Desk) -> list[TicketDoc]:
    return [one for one in await desk.tickets() if not one["merged_into"]]


async def resolve(desk: Desk, ticket: TicketDoc, *, days_ago: int = 0) -> None:
    await TicketDesk(desk.store).update(ticket["_id"], BEA, status="resolved")
    ended = {"$set": {"resolved_at": now() - timedelta(days=days_ago)}}
    await desk.store.db["tickets"].update_one({"_id": ticket["_id"]}, ended)


async def test_a_call_rings_in_no_ticket_that_ended_long_ago(desk: Desk) -> None:
    account = await desk.account()
    await desk.hand_over(account, [Ringing("a").lost()])
    old = await ticket_of(desk, "a")
    await resolve(desk, old, days_ago=15)
    await desk.hand_over(account, [Ringing("b", 5).rings()])
    fresh = await ticket_of(desk, "b")
    assert fresh["_id"] != old["_id"]
    assert [(link["number"], link["kind"]) for link in fresh["links"]] == [(old["number"], "follows")]
    assert (await ticket_of(desk, "a"))["status"] == "resolved"


@pytest.mark.parametrize("beforehand", [True, False])
async def test_a_missed_call_reopens_as_a_written_message_does(desk: Desk, beforehand: bool) -> None:
    account = await desk.account()
    await desk.hand_over(account, [Ringing("a").answered()])
    await resolve(desk, await ticket_of(desk, "a"))
    second = Ringing("b", 30)
    if beforehand:
        await desk.hand_over(account, [second.rings()])
        assert (await ticket_of(desk, "b"))["status"] == "resolved"
    await desk.hand_over(account, [second.lost()])
    ticket = await ticket_of(desk, "b")
    message = await desk.message("call:b")
    assert (ticket["status"], ticket["resolved_at"], ticket["message_count"]) == ("open", None, 2)
    assert (ticket["waiting_since"], ticket["last_inbound_id"]) == (at(30.5), message["_id"])
    [told] = await desk.events("ticket.reopened")
    assert (told["actor"]["kind"], told["data"]) == ("contact", {"from": "resolved", "to": "open"})
    # More news of it, or the same again, opens nothing that an agent has ended since.
    await resolve(desk, ticket)
    await desk.hand_over(account, [later(second.lost(), 9)])
    await desk.replay()
    assert (await ticket_of(desk, "b"))["status"] == "resolved"


async def test_a_missed_call_wakes_what_was_snoozed_and_an_answered_one_does_not(desk: Desk) -> None:
    account = await desk.account()
    tickets = TicketDesk(desk.store)
    await desk.hand_over(account, [Ringing("a").answered()])
    ticket = await ticket_of(desk, "a")
    until = now() + timedelta(days=1)
    await tickets.snooze(ticket["_id"], BEA, until)
    await desk.hand_over(account, [Ringing("b", 10).rings()], [Ringing("b", 10).answered()])
    assert (await ticket_of(desk, "b"))["snoozed_until"] == until
    await desk.hand_over(account, [Ringing("c", 20).rings()], [Ringing("c", 20).lost()])
    assert (await ticket_of(desk, "c"))["snoozed_until"] is None


async def test_the_ticket_of_a_call_is_named_after_who_called_until_somebody_names_it(desk: Desk) -> None:
    account = await desk.account()
    await desk.hand_over(account, [Ringing("a").rings()])
    await desk.hand_over(account, [Ringing("a").lost(waited_seconds=30)])
    [ticket] = await desk.tickets()
    assert ticket["subject"] == f"☎ {ANN}"
    await TicketDesk(desk.store).update(ticket["_id"], BEA, subject="Door lock")
    await desk.hand_over(account, [later(Ringing("a").lost(waited_seconds=31), 9)])
    assert (await ticket_of(desk, "a"))["subject"] == "Door lock"


@pytest.mark.parametrize("outcome", ["missed", "abandoned", "busy", "voicemail", "no_answer"])
async def test_a_missed_call_gets_a_ticket_of_its_own(desk: Desk, outcome: str) -> None:
    account = await own_tickets(desk, repeat_minutes=60)
    await desk.hand_over(account, [Ringing("a").answered()])
    await desk.hand_over(account, [Ringing("b", 30).rings()])
    assert (await ticket_of(desk, "b"))["_id"] == (await ticket_of(desk, "a"))["_id"]
    await desk.hand_over(account, [Ringing("b", 30).lost(outcome)])
    talk, own = await ticket_of(desk, "a"), await ticket_of(desk, "b")
    assert (talk["message_count"], own["message_count"]) == (1, 1)
    assert (talk["waiting_since"], own["waiting_since"]) == (None, at(30.5))
    assert (own["status"], own["links"][0]["kind"], own["links"][0]["number"]) == (
        "new",
        "split_from",
        talk["number"],
    )
    message = await desk.message("call:b")
    assert (message["placement"]["rule"], message["placement"]["data"]["number"]) == (
        "missed_call",
        talk["number"],
    )
    for ticket in (talk, own):
        [told] = [e for e in await desk.events("ticket.split") if e["ticket_id"] == ticket["_id"]]
        assert told["data"]["from"] == talk["number"]
        assert told["data"]["to"] == own["number"]
    *_, updated = await desk.events("message.updated")
    assert (updated["ticket_id"], updated["data"]["silent"]) == (own["_id"], False)
    # Who is called back is answered there.
    await desk.hand_over(account, [Ringing("c", 40, direction="out").answered()])
    assert (await ticket_of(desk, "c"))["_id"] == own["_id"]


async def test_a_call_that_began_its_ticket_stays_there(desk: Desk) -> None:
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("a").rings()])
    await desk.hand_over(account, [Ringing("a").lost()])
    [ticket] = await desk.tickets()
    assert (ticket["message_count"], ticket["waiting_since"]) == (1, at(0.5))
    assert await desk.events("ticket.split") == []


@pytest.mark.parametrize(("minute", "together"), [(50, True), (70, False)])
async def test_a_repeated_one_joins_the_earlier_for_a_time(desk: Desk, minute: int, together: bool) -> None:
    account = await own_tickets(desk, repeat_minutes=60)
    first, second = Ringing("a"), Ringing("b", minute)
    for told in (first.rings(), first.lost(), second.rings(), second.lost()):
        await desk.hand_over(account, [told])
    assert len(await living(desk)) == (1 if together else 2)
    assert ((await ticket_of(desk, "b"))["_id"] == (await ticket_of(desk, "a"))["_id"]) is together


async def test_a_repeated_one_joins_nothing_that_has_ended(desk: Desk) -> None:
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("a").lost()])
    await resolve(desk, await ticket_of(desk, "a"))
    await desk.hand_over(account, [Ringing("b", 5).rings()], [Ringing("b", 5).lost()])
    first, second = await ticket_of(desk, "a"), await ticket_of(desk, "b")
    assert (first["status"], second["status"]) == ("resolved", "new")


async def test_by_default_repeated_ones_stay_together(desk: Desk) -> None:
    account = await desk.account()
    for number, minute in enumerate((0, 5, 10)):
        call = Ringing(f"c{number}", minute)
        await desk.hand_over(account, [call.rings()], [call.lost()])
    [ticket] = await desk.tickets()
    assert (ticket["message_count"], ticket["waiting_since"]) == (3, at(0.5))


@pytest.mark.parametrize("ringing", [True, False])
async def test_two_lost_calls_of_one_number_in_one_batch_share_a_ticket_of_their_own(
    desk: Desk, ringing: bool
) -> None:
    account = await own_tickets(desk)
    await desk.hand_over(account, [said("m", "I called", who=ANN, sender={"key": f"phone:{ANN}"})])
    a, b = Ringing("a", 1), Ringing("b", 2)
    begun = [[a.rings()], [b.rings()]] if ringing else []
    await desk.hand_over(account, *begun, [a.lost()], [b.lost()])
    written = (await desk.message("m"))["ticket_id"]
    assert (await ticket_of(desk, "a"))["_id"] == (await ticket_of(desk, "b"))["_id"] != written
    assert len(await living(desk)) == 2


async def test_two_numbers_never_share_one(desk: Desk) -> None:
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("a").lost()], [Ringing("b", 1, BOB).lost()])
    assert (await ticket_of(desk, "a"))["_id"] != (await ticket_of(desk, "b"))["_id"]


TWO = (Ringing("a", 1), Ringing("b", 2))
NEWS = [TWO[0].rings(), TWO[0].lost(), TWO[1].rings(), TWO[1].lost()]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::3])
async def test_in_whatever_order_they_are_told(desk: Desk, order: Sequence[int]) -> None:
    """Both end in one ticket apart from the talk before; replays change nothing of it."""
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("talk", -60).answered()])
    for number in order:
        await desk.hand_over(account, [NEWS[number]])
    placed = [(m["external_id"], m["ticket_id"], m["conversation_id"]) for m in await desk.messages()]
    by_call = {name: ticket for name, ticket, _ in placed}
    assert by_call["call:a"] == by_call["call:b"] != by_call["call:talk"]
    trail = await desk.store.db["events"].count_documents({})
    await desk.replay()
    await desk.hand_over(account, *[[one] for one in NEWS])
    assert [(m["external_id"], m["ticket_id"], m["conversation_id"]) for m in await desk.messages()] == placed
    assert await desk.store.db["events"].count_documents({}) == trail


async def test_one_that_turns_out_answered_comes_back(desk: Desk) -> None:
    """Of a webhook the hang-up may overtake the answer."""
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("talk", -60).answered()])
    call = Ringing("a")
    before = await ticket_of(desk, "talk")
    await desk.hand_over(account, [call.rings()], [call.lost()])
    apart = await ticket_of(desk, "a")
    assert apart["_id"] != before["_id"]
    await desk.hand_over(account, [later(call.answered(), 4)])
    assert [one["_id"] for one in await living(desk)] == [before["_id"]]
    assert (await ticket_of(desk, "a"))["waiting_since"] is None
    assert (await desk.message("call:a"))["placement"]["rule"] == "thread"
    # The exchange goes on where it was.
    await desk.hand_over(account, [Ringing("b", 9).rings()])
    assert (await ticket_of(desk, "b"))["_id"] == before["_id"]


async def test_what_an_agent_moved_since_stays_where_it_is(desk: Desk, settings: Settings) -> None:
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("talk", -60).answered()], [said("m", "Hello")])
    call = Ringing("a")
    await desk.hand_over(account, [call.rings()], [call.lost()])
    other = (await desk.message("m"))["ticket_id"]
    rearranging = Rearranging(desk.store, settings)
    await rearranging.move((await desk.message("call:a"))["conversation_id"], other, BEA, "the same door")
    await desk.hand_over(account, [later(call.answered(), 4)])
    assert (await ticket_of(desk, "a"))["_id"] == other


@pytest.mark.parametrize("alone", [True, False])
async def test_an_agent_can_undo_it(desk: Desk, settings: Settings, alone: bool) -> None:
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("talk", -60).answered()])
    await desk.hand_over(account, [Ringing("a").rings()], [Ringing("a").lost()])
    before, apart = await ticket_of(desk, "talk"), await ticket_of(desk, "a")
    if not alone:
        await desk.hand_over(account, [Ringing("b", 1).rings()], [Ringing("b", 1).lost()])
    [operation] = await desk.store.operations.of_ticket(apart["_id"])
    await Rearranging(desk.store, settings).undo(operation["_id"], BEA)
    assert {one["_id"] for one in await living(desk)} == {before["_id"]}
    assert (await ticket_of(desk, "a"))["_id"] == before["_id"]
    await desk.hand_over(account, [Ringing("c", 600).rings()])
    assert (await ticket_of(desk, "c"))["_id"] == before["_id"]


async def test_history_moves_and_wakes_nothing(desk: Desk) -> None:
    account = await own_tickets(desk)
    await desk.hand_over(account, [Ringing("talk", -60).answered()])
    await resolve(desk, await ticket_of(desk, "talk"))
    old: list[Amendment] = [Ringing("a").rings(), Ringing("a").lost()]
    await desk.hand_over(account, *[[one] for one in old], silent=True)
    [ticket] = await desk.tickets()
    assert (ticket["status"], ticket["message_count"], ticket["waiting_since"]) == ("resolved", 2, None)
    assert await desk.store.db["call_backs"].count_documents({}) == 0

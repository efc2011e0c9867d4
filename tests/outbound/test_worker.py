import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from outbound_scripted import Provider, ScriptedConnectors, manifest, never
from outbound_world import ANNA, World

from omnihub.connectors.contract import Toolbox
from omnihub.model.errors import Conflict, Refused, TryLater, Uncertain
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.outbound.worker import DISABLED, OutboundWorker
from omnihub.settings import Settings
from omnihub.store.attachments import NewAttachment
from omnihub.store.database import now
from omnihub.threading import ReplyTokens


def rules(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"outbound": settings.outbound.model_copy(update=changes)})


async def reached(world: World, message: Any, state: str, eventually: Any) -> dict[str, Any]:
    async def look() -> Any:
        stored = await world.store.messages.get(message["_id"])
        return stored if stored["delivery"] and stored["delivery"]["state"] == state else None

    return await eventually(look)  # type: ignore[no-any-return]


async def test_the_connector_gets_all_that_it_needs(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, conversation, first = await world.case(account, visible_html="<p>It broke.</p>")
    earlier = await world.reply(ticket, "one")
    [ref] = await world.store.attachments.store(
        [NewAttachment(id="file-1", filename="a.png", content_type="image/png", content=b"bytes", content_id="c1")]
    )
    message = await world.reply(
        ticket, "two", html="<b>two</b>", attachment_ids=(ref["id"],), bcc=("b@example.com",)
    )
    async with world.worker():
        stored = await reached(world, message, "sent", eventually)
    outgoing = provider.sent[1]
    assert outgoing.external_id == message["external_id"]
    assert outgoing.wire == message["wire"]
    assert outgoing.ticket_number == ticket["number"]
    assert outgoing.thread_key == conversation["thread_key"]
    assert ReplyTokens(world.store.vault.sign).read(outgoing.token) == conversation["_id"]
    assert outgoing.references == (earlier["external_id"], first["external_id"])
    assert outgoing.quoted
    assert (outgoing.quoted.sender, outgoing.quoted.text, outgoing.quoted.html) == (
        "Carla",
        "It broke.",
        "<p>It broke.</p>",
    )
    assert (outgoing.subject, outgoing.text, outgoing.html) == ("Broken kettle", "two", "<b>two</b>")
    assert (outgoing.author, outgoing.created_at, outgoing.automatic) == ("Anna", message["at"], False)
    assert [h.key for h in outgoing.bcc] == ["email:b@example.com"]
    assert [(a.filename, a.content, a.content_id) for a in outgoing.attachments] == [("a.png", b"bytes", "c1")]
    assert stored["sent_at"] == stored["delivery"]["sent_at"]
    assert stored["delivery"]["attempts"] == 1
    assert stored["delivery"]["words"] == "250 taken"


async def test_names_and_partial_refusals_are_kept_and_told(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    provider.answers["one"] = [
        SendResult(
            external_id="theirs", aliases=("alias@ses",), refused={"boss@example.com": "550 no"}, words="250"
        )
    ]
    message = await world.reply(ticket, "one", cc=("boss@example.com",))
    async with world.worker():
        stored = await reached(world, message, "sent", eventually)
    assert (stored["external_id"], stored["aliases"]) == ("theirs", ["alias@ses"])
    assert stored["delivery"]["refused"] == {"boss@example.com": "550 no"}
    told = (await world.events(ticket))[-1]
    assert told["type"] == "message.delivery"
    assert told["data"] == {"state": "sent", "words": "250", "refused": {"boss@example.com": "550 no"}}


async def test_an_id_that_is_taken_does_not_stop_the_message(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, conversation, _ = await world.case(account)
    await world.says(ticket, conversation, "our own echo", external_id="theirs")
    provider.answers["one"] = [SendResult(external_id="theirs")]
    message = await world.reply(ticket, "one")
    async with world.worker():
        stored = await reached(world, message, "sent", eventually)
    assert stored["aliases"] == ["theirs"]


async def test_order_holds_behind_a_head_that_must_wait(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    other, _, _ = await world.case(account)
    provider.answers["one"] = [TryLater("451 busy"), TryLater("451 busy")]
    one, two, three = [await world.reply(ticket, text) for text in ("one", "two", "three")]
    elsewhere = await world.reply(other, "elsewhere")
    async with world.worker():
        await reached(world, elsewhere, "sent", eventually)
        for attempt in (1, 2):
            await eventually(lambda n=attempt: _waits(world, one, n))
            assert provider.texts() == ["elsewhere"]
            await world.make_due(one)
        await reached(world, three, "sent", eventually)
    assert provider.texts() == ["elsewhere", "one", "two", "three"]
    assert [await world.state(m) for m in (one, two, three)] == ["sent"] * 3


async def _waits(world: World, message: Any, attempts: int) -> bool:
    delivery = (await world.store.messages.get(message["_id"]))["delivery"]
    return bool(delivery and delivery["state"] == "queued" and delivery["attempts"] == attempts)


async def test_a_failed_head_lets_the_next_one_go(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    provider.answers["one"] = [Refused("550 5.1.1 no such user")]
    one, two = await world.reply(ticket, "one"), await world.reply(ticket, "two")
    async with world.worker():
        await reached(world, two, "sent", eventually)
    stored = await world.store.messages.get(one["_id"])
    assert stored["delivery"]
    assert (stored["delivery"]["state"], stored["delivery"]["words"]) == ("failed", "550 5.1.1 no such user")
    assert (await world.store.tickets.get(ticket["_id"]))["undelivered"] == 1
    told = [e["data"] for e in await world.events(ticket) if e["message_id"] == one["_id"]]
    assert told[-1] == {"state": "failed", "words": "550 5.1.1 no such user"}


async def test_two_workers_send_each_message_once_and_in_order(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    cases = [await world.case(account) for _ in range(6)]

    async def yields(message: Outgoing) -> SendResult:
        await asyncio.sleep(0)
        return SendResult()

    texts = [[f"{c}-{n}" for n in range(5)] for c in range(len(cases))]
    provider.answers = {text: [yields] * 9 for row in texts for text in row}
    async with world.worker(), world.worker():
        for column in zip(*texts, strict=True):
            await asyncio.gather(*(world.reply(case[0], text) for case, text in zip(cases, column, strict=True)))
        last = [(await world.store.messages.thread(case[1]["_id"], 1))[0] for case in cases]
        for message in last:
            await reached(world, message, "sent", eventually)
    assert Counter(provider.texts()) == Counter(text for row in texts for text in row)
    for row in texts:
        assert [text for text in provider.texts() if text in row] == row


async def test_a_stuck_account_holds_nobody_else(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr("omnihub.outbound.worker._STOP_SECONDS", 0.1)
    stuck, deaf = await world.account()
    lively, provider = await world.account()
    for n in range(settings.outbound.per_account + 3):
        ticket, _, _ = await world.case(stuck)
        deaf.answers[f"stuck {n}"] = [never]
        await world.reply(ticket, f"stuck {n}")
    async with world.worker(rules(settings, send_timeout_seconds=60)):

        async def all_in() -> bool:
            return deaf.running == settings.outbound.per_account

        await eventually(all_in)
        for n in range(3):
            ticket, _, _ = await world.case(lively)
            await reached(world, await world.reply(ticket, f"lively {n}"), "sent", eventually)
        worker_limit = deaf.most_at_once
    assert len(provider.sent) == 3
    assert worker_limit == settings.outbound.per_account
    assert len(deaf.asked) == settings.outbound.per_account


class TestUnknownOutcome:
    async def test_no_answer_in_time_is_uncertain(self, world: World, settings: Settings, eventually: Any) -> None:
        account, provider = await world.account()
        ticket, _, _ = await world.case(account)
        provider.answers["one"] = [never]
        message = await world.reply(ticket, "one")
        async with world.worker(rules(settings, send_timeout_seconds=0.05)):
            stored = await reached(world, message, "uncertain", eventually)
            await reached(world, await world.reply(ticket, "two"), "sent", eventually)
        assert "did not answer within 0.05 seconds" in stored["delivery"]["words"]
        assert provider.asked.count("one") == 1
        assert (await world.store.tickets.get(ticket["_id"]))["undelivered"] == 1

    @pytest.mark.parametrize("error", [Uncertain("the line broke"), KeyError("a bug")])
    async def test_is_asked_about_and_not_repeated(self, world: World, error: Exception, eventually: Any) -> None:
        account, provider = await world.account()
        ticket, _, _ = await world.case(account)
        provider.answers["one"] = [error]
        message = await world.reply(ticket, "one")
        async with world.worker():
            await reached(world, message, "uncertain", eventually)
        assert provider.asked == ["one"]

    async def test_is_repeated_where_that_is_harmless(self, world: World, eventually: Any) -> None:
        account, provider = await world.account(Provider(manifest=manifest(repeat_is_harmless=True)))
        ticket, _, _ = await world.case(account)
        provider.answers["one"] = [Uncertain("the line broke")]
        message = await world.reply(ticket, "one")
        async with world.worker():
            await eventually(lambda: _waits(world, message, 1))
            await world.make_due(message)
            await reached(world, message, "sent", eventually)
        assert {m.external_id for m in provider.sent} == {message["external_id"]}

    async def test_of_a_vanished_sender_is_found_when_its_lease_ends(self, world: World, eventually: Any) -> None:
        harmless = await world.account(Provider(manifest=manifest(repeat_is_harmless=True)))
        plain = await world.account()
        for (account, _), state in ((plain, "uncertain"), (harmless, "queued")):
            ticket, _, _ = await world.case(account)
            message = await world.reply(ticket, "one")
            assert await world.store.outbox.start(message["_id"], -1)
            async with world.worker():
                stored = await reached(world, message, state, eventually)
            assert "before it could say" in stored["delivery"]["words"]
            assert (await world.store.tickets.get(ticket["_id"]))["undelivered"] == (state == "uncertain")


class TestStopping:
    async def test_lets_running_sends_finish(self, world: World, eventually: Any) -> None:
        account, provider = await world.account()
        ticket, _, _ = await world.case(account)
        began, finish = asyncio.Event(), asyncio.Event()

        async def slowly(message: Outgoing) -> SendResult:
            began.set()
            await finish.wait()
            return SendResult()

        provider.answers["one"] = [slowly]
        message = await world.reply(ticket, "one")
        behind = await world.reply(ticket, "two")
        async with world.worker():
            await began.wait()
            asyncio.get_running_loop().call_later(0.05, finish.set)
        assert await world.state(message) == "sent"
        assert await world.state(behind) == "queued"

    async def test_calls_the_rest_uncertain(
        self, world: World, monkeypatch: pytest.MonkeyPatch, eventually: Any
    ) -> None:
        monkeypatch.setattr("omnihub.outbound.worker._STOP_SECONDS", 0.05)
        account, provider = await world.account()
        ticket, _, _ = await world.case(account)
        began = asyncio.Event()

        async def forever(message: Outgoing) -> SendResult:
            began.set()
            return await never(message)

        provider.answers["one"] = [forever]
        message = await world.reply(ticket, "one")
        async with world.worker():
            await began.wait()
        await reached(world, message, "uncertain", eventually)


class TestTakingBack:
    async def test_works_until_the_undo_time_is_over(self, world: World, eventually: Any) -> None:
        account, provider = await world.account(policy={"undo_seconds": 1})
        ticket, _, _ = await world.case(account)
        async with world.worker():
            taken, kept = await world.reply(ticket, "taken"), await world.reply(ticket, "kept")
            await world.submit.cancel(taken["_id"], ANNA)
            stored = await reached(world, kept, "sent", eventually)
        assert provider.texts() == ["kept"]
        assert stored["sent_at"] - stored["at"] >= timedelta(seconds=0.9)

    async def test_races_with_sending_and_exactly_one_wins(self, world: World) -> None:
        account, _ = await world.account()
        ticket, _, _ = await world.case(account)
        winners = Counter[str]()
        for n in range(12):
            message = await world.reply(ticket, f"{n}")
            started, cancelled = await asyncio.gather(
                world.store.outbox.start(message["_id"], 60),
                world.submit.cancel(message["_id"], ANNA),
                return_exceptions=True,
            )
            assert (started is not None) == isinstance(cancelled, Conflict)
            winner = "sending" if started else "cancelled"
            winners[winner] += 1
            assert await world.state(message) == winner
        assert sum(winners.values()) == 12


class TestAgain:
    async def test_resend_goes_out_under_the_same_id(self, world: World, eventually: Any) -> None:
        account, provider = await world.account()
        ticket, _, _ = await world.case(account)
        provider.answers["one"] = [Refused("550 full")]
        message = await world.reply(ticket, "one")
        async with world.worker():
            await reached(world, message, "failed", eventually)
            await world.submit.resend(message["_id"], ANNA)
            stored = await reached(world, message, "sent", eventually)
        assert provider.sent[0].external_id == message["external_id"]
        assert stored["delivery"]["attempts"] == 1
        assert (await world.store.tickets.get(ticket["_id"]))["undelivered"] == 0
        states = [e["data"]["state"] for e in await world.events(ticket) if e["type"] == "message.delivery"]
        assert states == ["failed", "queued", "sent"]
        with pytest.raises(Conflict):
            await world.submit.resend(message["_id"], ANNA)

    @pytest.mark.parametrize(("sent", "state"), [(True, "sent"), (False, "failed")])
    async def test_settle_takes_the_agents_word(
        self, world: World, sent: bool, state: str, eventually: Any
    ) -> None:
        account, provider = await world.account()
        ticket, _, _ = await world.case(account)
        provider.answers["one"] = [Uncertain("?")]
        message = await world.reply(ticket, "one")
        with pytest.raises(Conflict):
            await world.submit.settle(message["_id"], ANNA, sent)
        async with world.worker():
            await reached(world, message, "uncertain", eventually)
        settled = await world.submit.settle(message["_id"], ANNA, sent)
        assert settled["delivery"]
        assert (settled["delivery"]["state"], settled["delivery"]["sent_at"] is not None) == (state, sent)
        assert (await world.store.tickets.get(ticket["_id"]))["undelivered"] == (not sent)


async def test_a_disabled_account_waits_and_says_so(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    await world.store.accounts.change(account.id, enabled=False)
    [option] = await world.options.of(ticket)
    assert (option["can_reply"], "disabled" in option["reason"]) == (True, True)
    message = await world.reply(ticket, "one")

    async def waits() -> bool:
        delivery = (await world.store.messages.get(message["_id"]))["delivery"]
        return bool(delivery and delivery["words"] == DISABLED)

    async with world.worker():
        await eventually(waits)
        assert (await world.state(message), provider.asked) == ("queued", [])
        await world.store.accounts.change(account.id, enabled=True)
        await reached(world, message, "sent", eventually)


async def test_a_removed_account_fails_its_messages(world: World, eventually: Any) -> None:
    account, _ = await world.account()
    ticket, _, _ = await world.case(account)
    message = await world.reply(ticket, "one")
    await world.store.accounts.remove(account.id)
    async with world.worker():
        stored = await reached(world, message, "failed", eventually)
    assert stored["delivery"]["words"] == "the account was removed"


async def test_a_lost_file_fails_the_message_in_words(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    [ref] = await world.store.attachments.store(
        [NewAttachment(id="gone", filename="a", content_type="", content=b"lost bytes")]
    )
    message = await world.reply(ticket, "one", attachment_ids=(ref["id"],))
    await world.store.db["blobs"].delete_many({})
    async with world.worker():
        stored = await reached(world, message, "failed", eventually)
    assert "no longer stored" in stored["delivery"]["words"]
    assert provider.asked == []


async def test_a_flushed_redis_loses_nothing(world: World, eventually: Any) -> None:
    account, provider = await world.account(policy={"undo_seconds": 1})
    messages = [await world.reply((await world.case(account))[0], f"{n}") for n in range(3)]
    async with world.worker():
        await world.store.redis.flushall()
        for message in messages:
            await reached(world, message, "sent", eventually)
    assert sorted(provider.texts()) == ["0", "1", "2"]


async def test_the_providers_pace_is_kept(world: World, eventually: Any) -> None:
    account, provider = await world.account(Provider(manifest=manifest(sends_per_second=2)))
    messages = [await world.reply((await world.case(account))[0], f"{n}") for n in range(5)]
    async with world.worker():
        stored = [await reached(world, message, "sent", eventually) for message in messages]
    per_second = Counter(int(one["delivery"]["sent_at"].timestamp()) for one in stored)
    assert len(provider.sent) == 5
    assert len(per_second) >= 2


async def test_giving_up_counts_from_queueing_and_anew_from_a_resend(world: World, eventually: Any) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    provider.answers["one"] = [TryLater("451 busy"), TryLater("451 busy")]
    message = await world.reply(ticket, "one")
    await world.set(message, {"extra.queued_at": now() - timedelta(hours=25)})
    async with world.worker():
        stored = await reached(world, message, "failed", eventually)
        assert stored["delivery"]["words"] == "given up after 1 attempts; the last said: 451 busy"
        await world.submit.resend(message["_id"], ANNA)
        await eventually(lambda: _waits(world, message, 1))


async def test_many_blocked_conversations_starve_nobody(
    world: World, toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr("omnihub.outbound.worker._PAGE", 2)
    account, provider = await world.account()
    for n in range(3):
        ticket, _, _ = await world.case(account)
        provider.answers[f"head {n}"] = [TryLater("busy")]
        await world.reply(ticket, f"head {n}")
        for k in range(3):
            await world.reply(ticket, f"behind {n}.{k}")
    ticket, _, _ = await world.case(account)
    last = await world.reply(ticket, "free")
    async with world.worker():
        await reached(world, last, "sent", eventually)
    assert provider.texts() == ["free"]
    assert isinstance(world.connectors, ScriptedConnectors)


@pytest.mark.parametrize("steps", range(6))
async def test_a_ring_at_the_very_moment_of_stopping_does_not_keep_the_worker(world: World, steps: int) -> None:
    worker = OutboundWorker(world.store, world.connectors, world.settings)
    resting = asyncio.create_task(worker._sleep(3600))
    await asyncio.sleep(0)
    worker._wake.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    if resting.cancel():
        with pytest.raises(asyncio.CancelledError):
            await resting

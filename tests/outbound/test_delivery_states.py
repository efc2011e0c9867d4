"""Agents, workers and providers knock at a delivery's doors in any order; a model says what each may do."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outbound_scripted import never
from outbound_world import ANNA, World

from omnihub.model.errors import Conflict, Refused, TryLater, Uncertain
from omnihub.model.outgoing import Outgoing, SendResult
from omnihub.outbound.sending import Sending
from omnihub.store.database import Session

TRY = {"ok": "sent", "refused": "failed", "later": "queued", "unknown": "uncertain"}
ANSWERS: dict[str, Any] = {
    "ok": SendResult(words="250"),
    "refused": Refused("550"),
    "later": TryLater("451"),
    "unknown": Uncertain("?"),
}
ALLOWED = {
    **{name: ({"queued"}, state) for name, state in TRY.items()},
    "vanish": ({"queued"}, "uncertain"),
    "cancel": ({"queued"}, "cancelled"),
    "resend": ({"failed", "uncertain", "cancelled"}, "queued"),
    "settle_sent": ({"uncertain"}, "sent"),
    "settle_failed": ({"uncertain"}, "failed"),
    "delivered": ({"queued", "sending", "uncertain", "sent", "failed"}, "delivered"),
    "bounced": ({"queued", "sending", "uncertain", "sent"}, "failed"),
}


class Doors:
    def __init__(self, world: World, message: Any, connector: Any, provider: Any) -> None:
        self.world, self.message, self.connector, self.provider = world, message, connector, provider
        self.sending = Sending(world.store, world.settings.outbound)

    async def knock(self, name: str) -> None:
        message_id = self.message["_id"]
        if name in TRY or name == "vanish":
            await self._attempt(name)
        elif name in ("delivered", "bounced"):
            await self._report("failed" if name == "bounced" else name)
        else:
            submit = self.world.submit
            agents = {
                "cancel": lambda: submit.cancel(message_id, ANNA),
                "resend": lambda: submit.resend(message_id, ANNA),
                "settle_sent": lambda: submit.settle(message_id, ANNA, True),
                "settle_failed": lambda: submit.settle(message_id, ANNA, False),
            }
            await agents[name]()

    async def _attempt(self, name: str) -> None:
        if await self.world.state(self.message) == "queued":
            await self.world.make_due(self.message)
        if name == "vanish":
            started = await self.world.store.outbox.start(self.message["_id"], -1)
            if started:
                await self.sending.recover(started, harmless=False)
            return
        self.provider.answers["one"] = [ANSWERS[name]]
        await self.sending.send(await self.world.store.messages.get(self.message["_id"]), self.connector)

    async def _report(self, state: str) -> None:
        async def work(session: Session) -> None:
            message = self.message
            await self.world.store.outbox.report(message["account_id"], message["external_id"], state, "", session)

        await self.world.store.transaction(work)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(ALLOWED)), min_size=1, max_size=8))
async def test_only_allowed_changes_happen_and_each_is_told_once(world: World, knocks: list[str]) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    message = await world.reply(ticket, "one")
    doors = Doors(world, message, await world.connectors.of(account), provider)
    state, told = "queued", 0
    for name in knocks:
        allowed, after = ALLOWED[name]
        asked = len(provider.asked)
        try:
            await doors.knock(name)
        except Conflict:
            assert state not in allowed
        if state in allowed:
            state, told = after, told + (name not in ("delivered", "bounced"))
        assert await world.state(message) == state
        assert len(provider.asked) - asked <= (name in TRY)
    lost = (await world.store.tickets.get(ticket["_id"]))["undelivered"]
    if "bounced" not in knocks and "delivered" not in knocks:  # those are counted by the room that hears them
        assert lost == (state in ("failed", "uncertain"))
    events = Counter(event["type"] for event in await world.events(ticket))
    assert events["message.delivery"] == told


async def test_a_late_outcome_never_overrules_a_newer_attempt(world: World) -> None:
    account, provider = await world.account()
    ticket, _, _ = await world.case(account)
    began = asyncio.Event()

    async def forever(outgoing: Outgoing) -> SendResult:
        began.set()
        return await never(outgoing)

    provider.answers["one"] = [forever]
    message = await world.reply(ticket, "one")
    sending = Sending(world.store, world.settings.outbound)
    slow = asyncio.create_task(sending.send(message, await world.connectors.of(account)))
    await began.wait()
    held = await world.store.messages.get(message["_id"])
    assert held["delivery"]
    assert held["delivery"]["lease_until"]
    newer = held["delivery"]["lease_until"] + timedelta(seconds=1)
    await world.set(message, {"delivery.lease_until": newer})
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    assert await world.state(message) == "sending"

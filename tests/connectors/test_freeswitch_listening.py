"""Following a FreeSWITCH over a real socket: its simulator tears frames, breaks lines and restarts."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.freeswitch import line, listening
from omnihub.connectors.freeswitch import simulator_calls as calls
from omnihub.connectors.freeswitch.connector import Connector
from omnihub.connectors.freeswitch.course import House
from omnihub.connectors.freeswitch.notes import note_of
from omnihub.connectors.freeswitch.simulator import Simulator
from omnihub.connectors.freeswitch.simulator_switch import Script, Switch
from omnihub.connectors.freeswitch.switchboard import Switchboard
from omnihub.connectors.freeswitch.wire import Event
from omnihub.connectors.registry import Connectors
from omnihub.connectors.telephony.call import Call, from_json
from omnihub.inbox.intake import Intake
from omnihub.inbox.listeners import AccountDesk
from omnihub.model.account import Account
from omnihub.model.inbound import Amendment
from omnihub.model.raw import RawEvent, RawRequest
from omnihub.settings import Settings as HubSettings
from omnihub.store.store import Store
from tests.conftest import Eventually

NOW = datetime(2026, 11, 22, 9, 40, tzinfo=UTC)
HOUSE = House(extensions=re.compile(r"[*#]?\d{2,5}"), outside_contexts=frozenset({"public"}))
SCRIPTS: Mapping[str, Callable[[Switch], Script]] = {
    "answered": partial(calls.answered, recording="/var/lib/freeswitch/recordings/a.wav"),
    "missed": calls.missed,
    "group": calls.group,
    "queue": calls.queue_answered,
    "abandoned": calls.queue_left,
    "held": calls.held,
    "blind": calls.blind,
    "attended": calls.attended,
    "parked": calls.parked,
    "voicemail": calls.voicemail,
    "outgoing": calls.outgoing,
    "click": calls.click_to_call,
}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"FIRST_PAUSE": 0.01, "LONGEST_PAUSE": 0.02, "DOUBT_SECONDS": 0.05}.items():
        monkeypatch.setattr(listening, name, seconds)


@pytest.fixture
async def switch(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path)
    await simulator.start()
    yield simulator
    await simulator.stop()


class MemoryDesk:
    """A journal that says when something came, and that may be away."""

    def __init__(self) -> None:
        self.requests: list[RawRequest] = []
        self.cursors: dict[str, Mapping[str, Any]] = {}
        self.health: list[tuple[bool, str]] = []
        self.failures = 0
        self._changed = asyncio.Condition()

    async def journal(self, requests: Sequence[RawRequest], *, silent: bool = False) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the journal is away")
        self.requests += requests
        await self._tell()

    async def known(self, external_ids: Sequence[str]) -> set[str]:
        return set()

    async def rung(self, seconds: float) -> Sequence[RawRequest]:
        return ()

    async def load_cursor(self, name: str) -> Mapping[str, Any] | None:
        return self.cursors.get(name)

    async def save_cursor(self, name: str, value: Mapping[str, Any]) -> None:
        self.cursors[name] = json.loads(json.dumps(value))

    async def report(self, *, ok: bool, detail: str = "", counts: Mapping[str, int] | None = None) -> None:
        self.health.append((ok, detail))
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, look: Callable[[], bool], seconds: float = 10) -> None:
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(look)
        except TimeoutError:
            pytest.fail(f"did not happen; the calls are {self.calls}, the health is {self.health[-3:]}")

    @property
    def calls(self) -> dict[str, Call]:
        """As each was told last, by sequence."""
        told = sorted((from_json(json.loads(one.body)) for one in self.requests), key=lambda call: call.sequence)
        return {call.id: replace(call, sequence=0) for call in told}


def truth(switch: Simulator) -> dict[str, Call]:
    """What somebody tells who heard everything."""
    board = Switchboard(HOUSE)
    for headers in switch.log:
        note = note_of(Event(fields=headers))
        if note is not None:
            board.take(note, NOW)
    return {call.id: replace(call, sequence=0) for call in board.changed(NOW)}


def connector_to(switch: Simulator, **changed: Any) -> Connector:
    (demo,) = switch.accounts()
    values = registry.plain(registry.read_settings("freeswitch", {**demo.settings, **changed}))
    account = Account(id="01a", key="k", channel="freeswitch", name="Desk", enabled=True, settings=values)
    moment = switch.switch
    toolbox = Toolbox(
        http=cast("Any", None), public_url="http://hub.test", sign=lambda _, data: data,
        now=lambda: datetime.fromtimestamp(moment.now / 1_000_000, UTC),
    )  # fmt: skip
    return cast("Connector", registry.connect(account, toolbox))


@asynccontextmanager
async def listening_to(switch: Simulator, desk: MemoryDesk, **changed: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(connector_to(switch, **changed).listen(desk))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def caught_up(switch: Simulator, desk: MemoryDesk) -> None:
    expected = truth(switch)
    await desk.until(lambda: desk.calls == expected)


async def resumed(switch: Simulator, desk: MemoryDesk) -> None:
    healthy = sum(ok for ok, _ in desk.health)
    switch.lets_nobody_in = False
    await desk.until(lambda: sum(ok for ok, _ in desk.health) > healthy)


async def cut(switch: Simulator) -> None:
    switch.lets_nobody_in = True
    await switch.drop()


# — the calls of a day —


@pytest.mark.parametrize("torn_every", [0, 1, 7])
async def test_every_call_is_told_as_it_went(switch: Simulator, torn_every: int) -> None:
    switch.torn_every = torn_every
    desk = MemoryDesk()
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        for _ in switch.steps([script(switch.switch) for script in SCRIPTS.values()], apart=0.7):
            await caught_up(switch, desk)
        await caught_up(switch, desk)
    assert len(desk.calls) == len(SCRIPTS)
    assert all(call.state == "ended" for call in desk.calls.values())
    assert len({request.source_key for request in desk.requests}) == len(desk.requests)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_line_cut_at_every_step_leaves_the_same_call(switch: Simulator, name: str) -> None:
    desk = MemoryDesk()
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        for _ in switch.steps([SCRIPTS[name](switch.switch)]):
            await caught_up(switch, desk)
            await cut(switch)
            await resumed(switch, desk)
        await caught_up(switch, desk)
    (call,) = desk.calls.values()
    assert call.state == "ended"


@pytest.mark.parametrize("name", SCRIPTS)
async def test_what_happens_while_the_line_is_cut_leaves_no_call_open(switch: Simulator, name: str) -> None:
    desk = MemoryDesk()
    unseen = 0
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        steps = sum(1 for _ in SCRIPTS[name](Switch(lambda _: None)))
        for lost in range(1, steps + 1):
            for number, _ in enumerate(switch.steps([SCRIPTS[name](switch.switch)])):
                if number == lost:
                    await resumed(switch, desk)
                elif number == lost - 1:
                    await cut(switch)
            if switch.lets_nobody_in:
                unseen += 1
                await resumed(switch, desk)
        expected = truth(switch)
        await desk.until(
            lambda: (
                desk.calls.keys() == expected.keys() and all(call.state == "ended" for call in desk.calls.values())
            )
        )
    for call_id, call in desk.calls.items():
        whole = expected[call_id]
        assert (call.direction, call.customer) == (whole.direction, whole.customer)
        # Only where the end itself went unheard may it be told otherwise.
        assert call.outcome == whole.outcome or not call.cause
    assert unseen == 1


async def test_two_hundred_calls_at_once_lose_none(switch: Simulator) -> None:
    switch.torn_every = 1400
    desk = MemoryDesk()
    names = ["answered", "missed", "queue", "abandoned", "attended", "outgoing", "parked", "blind"]

    def script(number: int) -> Script:
        return SCRIPTS[names[number % len(names)]](switch.switch)

    async with listening_to(switch, desk):
        await resumed(switch, desk)
        for number, _ in enumerate(switch.steps([script(number) for number in range(200)], apart=0.3)):
            if number % 25 == 0:
                await asyncio.sleep(0)
            if number == 400:
                await cut(switch)
                await resumed(switch, desk)
        await caught_up(switch, desk)
    assert len(desk.calls) == 200
    assert {call.state for call in desk.calls.values()} == {"ended"}
    by_outcome = [call.outcome for call in desk.calls.values()]
    assert (by_outcome.count("answered"), by_outcome.count("missed"), by_outcome.count("abandoned")) == (
        150,
        25,
        25,
    )


# — breaks and restarts —


async def test_a_restart_of_freeswitch_ends_its_calls(switch: Simulator) -> None:
    desk = MemoryDesk()
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        talking, ringing = calls.answered(switch.switch), calls.missed(switch.switch, "+4930900166")
        for script in (talking, talking, talking, ringing, ringing):
            switch.switch.step(next(script))
        await caught_up(switch, desk)
        heard = switch.switch.now
        await cut(switch)
        switch.switch.restart()
        switch.switch.step(120)
        await resumed(switch, desk)
        await desk.until(lambda: all(call.state == "ended" for call in desk.calls.values()))
        switch.play([calls.answered(switch.switch, "+4930900177")])
        await desk.until(lambda: len(desk.calls) == 3 and all(c.state == "ended" for c in desk.calls.values()))
    by_customer = {call.customer: call for call in desk.calls.values()}
    assert by_customer["+4930900155"].outcome == "answered"
    assert by_customer["+4930900166"].outcome == "missed"
    assert by_customer["+4930900177"].talked_seconds == 65
    # The last that anybody heard, not the moment when the line came back.
    assert by_customer["+4930900155"].ended_at == datetime.fromtimestamp(heard / 1_000_000, UTC)


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_restart_of_ours_at_every_step_leaves_the_same_call(switch: Simulator, name: str) -> None:
    desk = MemoryDesk()
    steps = iter(switch.steps([SCRIPTS[name](switch.switch)]))
    going_on = True
    while going_on:
        async with listening_to(switch, desk):
            await resumed(switch, desk)
            going_on = next(steps, False) is None
            await caught_up(switch, desk)
    (call,) = desk.calls.values()
    assert call.state == "ended"


async def test_a_call_that_ended_while_we_were_down_is_ended(switch: Simulator) -> None:
    desk = MemoryDesk()
    script = calls.answered(switch.switch)
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        for _ in range(3):
            switch.switch.step(next(script))
        await caught_up(switch, desk)
    for _ in script:
        pass
    async with listening_to(switch, desk):
        await desk.until(lambda: all(call.state == "ended" for call in desk.calls.values()))
    (call,) = desk.calls.values()
    assert (call.outcome, call.answered_by, call.customer_name) == ("answered", "1001", "Anna Weber")


async def test_an_end_that_was_never_told_is_found_by_looking(
    switch: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "LOOK_SECONDS", 0.05)
    desk = MemoryDesk()
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        script = calls.missed(switch.switch)
        next(script)
        await desk.until(lambda: len(desk.calls) == 1)
        switch.switch.channels.clear()
        await desk.until(lambda: [call.state for call in desk.calls.values()] == ["ended"])


async def test_the_journal_may_be_away_for_a_while(switch: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_JOURNAL_PAUSES", (0.01,))
    desk = MemoryDesk()
    desk.failures = 3
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        switch.play([calls.answered(switch.switch)])
        await caught_up(switch, desk)
    assert desk.failures == 0


async def test_what_was_kept_and_cannot_be_read_is_left(switch: Simulator) -> None:
    desk = MemoryDesk()
    desk.cursors["calls"] = {"kept": "no such thing"}
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        switch.play([calls.missed(switch.switch)])
        await caught_up(switch, desk)


# — being let in —


async def test_events_after_custom_are_subclasses(switch: Simulator) -> None:
    """So that everything else has to come before it."""
    desk = MemoryDesk()
    async with listening_to(switch, desk):
        await resumed(switch, desk)
        (socket,) = switch._sockets
        wanted = [{"Event-Name": name} for name in line.EVENTS if name not in ("CUSTOM", "callcenter::info")]
        assert "HEARTBEAT" in line.EVENTS
        assert all(socket.wants(event) for event in wanted)
        assert socket.wants({"Event-Name": "CUSTOM", "Event-Subclass": "callcenter::info"})
        assert not socket.wants({"Event-Name": "CUSTOM", "Event-Subclass": "sofia::register"})


@pytest.mark.parametrize(
    ("trouble", "words"),
    [("password", "refused the password"), ("nobody", "lets this address not in"), ("mute", "does not answer")],
)
async def test_what_is_wrong_stands_in_the_health_line(
    switch: Simulator, monkeypatch: pytest.MonkeyPatch, trouble: str, words: str
) -> None:
    monkeypatch.setattr(line, "ANSWER_SECONDS", 0.2)
    desk = MemoryDesk()
    switch.lets_nobody_in = trouble == "nobody"
    switch.is_mute = trouble == "mute"
    changed = {"password": "a wrong one"} if trouble == "password" else {}
    async with listening_to(switch, desk, **changed):
        await desk.until(lambda: bool(desk.health))
    ok, detail = desk.health[0]
    assert not ok
    assert words in detail
    assert "a wrong one" not in detail


async def test_a_user_of_the_directory_signs_in(switch: Simulator) -> None:
    desk = MemoryDesk()
    async with listening_to(switch, desk, user="desk@example.test"):
        await resumed(switch, desk)


async def test_the_test_connection_says_what_to_do(switch: Simulator) -> None:
    good = await connector_to(switch).check()
    assert [finding.ok for finding in good] == [True] * 5
    (wrong,) = await connector_to(switch, password="a wrong one").check()
    assert not wrong.ok
    assert "event_socket.conf.xml" in wrong.remedy
    switch.lets_nobody_in = True
    (shut,) = await connector_to(switch).check()
    assert "inbound-acl" in shut.remedy
    port = switch.port
    await switch.stop()
    (away,) = await connector_to(switch, port=port).check()
    assert (away.name, away.ok) == ("Connect", False)


# — lines —

RECORDINGS = {"recordings_url": "https://recordings.example.test", "consent_notice": "We record."}


@pytest.mark.parametrize(
    ("line", "consent", "files"),
    [
        ({}, {"notice": "We record.", "version": "3"}, 1),
        ({"consent_notice": "Wir zeichnen auf."}, {"notice": "Wir zeichnen auf.", "version": ""}, 1),
        ({"record": False}, None, 0),
    ],
)
async def test_each_line_is_recorded_as_it_says(
    switch: Simulator, line: Mapping[str, Any], consent: Mapping[str, str] | None, files: int
) -> None:
    changed = {**RECORDINGS, "consent_version": "3", "lines": [{"line": "030 555100", **line}]}
    desk = MemoryDesk()
    async with listening_to(switch, desk, **changed):
        await resumed(switch, desk)
        recording = "/var/lib/freeswitch/recordings/a.wav"
        switch.play([calls.answered(switch.switch, recording=recording)])
        await desk.until(lambda: any(call.state == "ended" for call in desk.calls.values()))
    connector = connector_to(switch, **changed)
    (told,) = connector.parse(RawEvent(id="e", account_id="01a", request=desk.requests[-1]))
    assert isinstance(told, Amendment)
    assert told.message is not None
    assert (told.message.extra["call"]["consent"], len(told.message.media)) == (consent, files)
    assert told.message.extra["call"]["recording"] == (recording if files else "")


# — the whole way —


async def test_calls_become_messages_of_the_inbox(
    switch: Simulator, store: Store, connectors: Connectors, settings: HubSettings, eventually: Eventually
) -> None:
    (demo,) = switch.accounts()
    values = registry.plain(registry.read_settings("freeswitch", dict(demo.settings)))
    account = await store.accounts.add(
        channel="freeswitch", name="Desk", settings=values, secret_names=registry.secret_names("freeswitch")
    )
    connector = await connectors.of(account)
    task = asyncio.create_task(connector.listen(AccountDesk(store, account)))
    intake = Intake(store, connectors, settings)

    async def messages() -> list[Mapping[str, Any]]:
        await intake.drain()
        found = [doc async for doc in store.db["messages"].find().sort("_id", 1)]
        return found if len(found) == 3 and all(m["extra"]["call"]["state"] == "ended" for m in found) else []

    try:

        async def followed() -> bool:
            return switch.followers == 1

        await eventually(followed)
        switch.play(
            [
                calls.internal(switch.switch),
                calls.missed(switch.switch),
                calls.answered(switch.switch, "+4930900166"),
                calls.missed(switch.switch, "anonymous"),
            ]
        )
        hidden, missed, answered = sorted(await eventually(messages), key=lambda m: str(m["sender"]["key"]))
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    call_id = hidden["extra"]["call"]["id"]
    assert hidden["sender"]["key"] == f"freeswitch:{account.id}:anonymous-{call_id}"
    assert await store.db["identities"].count_documents({}) == 3
    assert (missed["sender"]["key"], missed["silent"]) == ("phone:+4930900155", False)
    assert (answered["sender"]["key"], answered["silent"]) == ("phone:+4930900166", True)
    assert "talked 1 min 05 s" in answered["text"]

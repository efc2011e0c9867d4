import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import wecom_reading as reading
from aiohttp import web
from wecom_kf_desk import Crash, MemoryDesk

from omnihub.connectors.contract import Connector
from omnihub.connectors.simulation import Person, Spoken, amr_note
from omnihub.connectors.wecom_api.people import customer, employee
from omnihub.connectors.wecom_api.platform import CORP_ID, Complaint
from omnihub.connectors.wecom_kf.sending import msgid_for
from omnihub.connectors.wecom_kf.simulator import NAME, OPEN_KFID, SERVICER, Simulator
from omnihub.model.errors import Refused, TryLater, Uncertain, WindowClosed
from omnihub.model.inbound import Amendment, InboundMessage, Receipt
from omnihub.model.outgoing import Outgoing, OutgoingAttachment
from omnihub.model.raw import RawRequest

CURSOR = f"kf:{OPEN_KFID}"


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def simulator(tmp_path: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, clock=clock.seconds, pause_seconds=0, **getattr(request, "param", {}))
    await simulator.start()
    yield simulator
    await simulator.stop()


Connect = Callable[..., Connector]


@pytest.fixture
async def connect(simulator: Simulator, clock: Clock) -> AsyncIterator[Connect]:
    async with aiohttp.ClientSession() as http:

        def make(created_at: datetime | None = None, **changed: Any) -> Connector:
            (account,) = simulator.accounts()
            values = {**account.settings, "welcome_text": "", "poll_seconds": 3600, **changed}
            made = reading.connected("wecom_kf", http, {"created_at": created_at}, **values)
            return type(made)(made.account, made.settings, replace(made.toolbox, now=clock.now))

        yield make


@asynccontextmanager
async def door(simulator: Simulator, connector: Connector, desk: MemoryDesk) -> AsyncIterator[None]:
    """The hub's door, as far as a bell needs it."""

    async def handle(call: web.Request) -> web.Response:
        query = dict(call.query)
        raw = RawRequest(
            source="webhook", body=await call.read(), received_at=reading.AT, method=call.method, query=query
        )
        answer = connector.challenge(raw)
        if answer is None:
            connector.verify(raw)
            assert connector.parse(reading.event_of(raw)) == ()
            await desk.bells.put(raw)
            answer = connector.acknowledge(raw, "01event")
        return web.Response(status=answer.status, body=answer.body)

    app = web.Application()
    app.router.add_route("*", "/door", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        await simulator.attach({NAME: f"http://{host}:{port}/door"})
        assert simulator.platform.door_fault == ""
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def listening(connector: Connector, desk: MemoryDesk) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(connector.listen(desk))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Crash):
            await task


def person(simulator: Simulator) -> Person:
    return simulator.chats.people[0]


def texts(desk: MemoryDesk, connector: Connector) -> list[str]:
    return [one.text for one in desk.read(connector) if isinstance(one, InboundMessage) and one.kind == "message"]


async def say(simulator: Simulator, *words: str) -> None:
    for text in words:
        await simulator.chats.speak(person(simulator), Spoken(kind="text", text=text))


def outgoing(simulator: Simulator, text: str = "", number: int = 1, **more: Any) -> Outgoing:
    who = person(simulator).id
    return Outgoing(
        id=f"01k0000000000000000000m{number:03d}", conversation_id="01conversation", ticket_number=1,
        thread_key=f"{OPEN_KFID}/{who}", to=(customer(CORP_ID, who),), text=text,
        created_at=datetime(2026, 11, 20, tzinfo=UTC), **more,
    )  # fmt: skip


def prepared(connector: Connector, message: Outgoing) -> Outgoing:
    return replace(message, external_id=connector.prepare(message).external_id)


def desk_lines(simulator: Simulator) -> list[str]:
    return [line.text for line in simulator.chats.lines(person(simulator).id) if line.author == "desk"]


# — pulling —


@pytest.mark.parametrize("simulator", [{}, {"bells": 3}, {"page": 2}, {"empty_pages": False}], indirect=True)
async def test_what_customers_write_is_pulled_when_the_bell_rings(simulator: Simulator, connect: Connect) -> None:
    connector, desk = connect(), MemoryDesk()
    async with door(simulator, connector, desk), listening(connector, desk):
        await say(simulator, "一", "二", "三", "四", "五")
        await desk.until(lambda: len(desk.kept) == 5)
        assert texts(desk, connector) == ["一", "二", "三", "四", "五"]
        await desk.until(lambda: desk.cursors.get(CURSOR, {}).get("cursor") == "5")
    assert simulator.most_pulls == 1
    assert all(ok for ok, _ in desk.reports)


async def test_what_no_bell_announced_is_found_at_the_start(simulator: Simulator, connect: Connect) -> None:
    await say(simulator, "before the hub was there")
    connector, desk = connect(), MemoryDesk()
    async with listening(connector, desk):
        await desk.until(lambda: len(desk.kept) == 1 and desk.waits)
    assert texts(desk, connector) == ["before the hub was there"]
    assert simulator.platform.calls["/cgi-bin/kf/sync_msg"] == 2  # the page, and the empty one before it


async def test_what_no_bell_announced_is_found_while_running(
    simulator: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector, desk = connect(), MemoryDesk()
    monkeypatch.setattr(connector, "settings", connector.settings.model_copy(update={"poll_seconds": 0.2}))
    async with listening(connector, desk):
        await desk.until(lambda: desk.waits)
        await say(simulator, "no bell rang")
        await desk.until(lambda: len(desk.kept) == 1)


@pytest.mark.parametrize("simulator", [{"empty_pages": False}], indirect=True)
async def test_a_crash_between_journal_and_cursor_loses_and_doubles_nothing(
    simulator: Simulator, connect: Connect
) -> None:
    await say(simulator, "一", "二")
    connector, desk = connect(), MemoryDesk()
    desk.crash_before_saving = True
    with pytest.raises(Crash):
        await connector.listen(desk)
    assert len(desk.kept) == 2
    assert desk.cursors == {}
    await say(simulator, "三")
    async with listening(connect(), desk):
        await desk.until(lambda: len(desk.kept) == 3 and CURSOR in desk.cursors)
    assert texts(desk, connector) == ["一", "二", "三"]
    assert desk.order[:3] == ["journal", "journal", "cursor"]


async def test_an_expired_bell_token_is_done_without(simulator: Simulator, connect: Connect, clock: Clock) -> None:
    connector, desk = connect(), MemoryDesk()
    async with door(simulator, connector, desk):
        await say(simulator, "rung long ago")
        clock.forward(minutes=11)
        async with listening(connector, desk):
            await desk.until(lambda: len(desk.kept) == 1)
            await desk.until(lambda: desk.bells.empty() and len(desk.reports) >= 3)
    assert texts(desk, connector) == ["rung long ago"]
    assert all(ok for ok, _ in desk.reports)


@pytest.mark.parametrize("simulator", [{"untokened_per_minute": 0}], indirect=True)
async def test_the_limit_without_a_token_is_told_and_waited_for(simulator: Simulator, connect: Connect) -> None:
    connector, desk = connect(), MemoryDesk()
    async with door(simulator, connector, desk), listening(connector, desk):
        await desk.until(lambda: any(not ok for ok, _ in desk.reports))
        assert "45009" in desk.reports[-1][1]
        assert simulator.platform.calls["/cgi-bin/kf/sync_msg"] == 1
        await say(simulator, "with a bell it goes")  # whose token lets pull
        await desk.until(lambda: len(desk.kept) == 1 and desk.reports[-1] == (True, ""))


async def test_a_wrong_secret_is_told_and_tried_again(simulator: Simulator, connect: Connect) -> None:
    connector, desk = connect(secret="not-the-secret"), MemoryDesk()
    async with listening(connector, desk):
        await desk.until(lambda: desk.reports and desk.waits)
    assert desk.reports[0][0] is False
    assert "40001" in desk.reports[0][1]
    assert desk.waits[0] <= 2  # seconds until it is tried again


async def test_only_the_chosen_kf_accounts_are_pulled(simulator: Simulator, connect: Connect) -> None:
    connector, desk = connect(open_kfids=["wkSomeOther"]), MemoryDesk()
    async with door(simulator, connector, desk), listening(connector, desk):
        await say(simulator, "not for us")
        await desk.until(lambda: desk.bells.empty() and len(desk.waits) >= 2)
    assert desk.kept == {}
    assert "95000" in desk.reports[-1][1]


async def test_what_was_said_before_the_account_is_history(
    simulator: Simulator, connect: Connect, clock: Clock
) -> None:
    await say(simulator, "yesterday")
    clock.forward(hours=20)
    connector, desk = connect(created_at=clock.now()), MemoryDesk()
    async with door(simulator, connector, desk), listening(connector, desk):
        await desk.until(lambda: len(desk.kept) == 1)
        await say(simulator, "today")
        await desk.until(lambda: len(desk.kept) == 2)
    yesterday, today = desk.kept
    assert desk.silent == {yesterday}
    assert today not in desk.silent


async def test_files_recalls_and_colleagues_are_pulled_too(simulator: Simulator, connect: Connect) -> None:
    connector, desk, who = connect(), MemoryDesk(), person(simulator)
    async with door(simulator, connector, desk), listening(connector, desk):
        voice = Spoken(kind="voice", filename="v.amr", content_type="audio/amr", content=amr_note())
        await simulator.chats.speak(who, voice)
        await simulator.chats.speak(who, Spoken(kind="recall"))
        await simulator.say_as_servicer(who, "我来处理")
        await desk.until(lambda: len(desk.kept) == 4)
    heard, recalled, taken, colleague = desk.read(connector)
    assert isinstance(heard, InboundMessage)
    fetched = await connector.fetch(heard.media[0])
    assert (fetched.content, fetched.filename) == (amr_note(), "v.amr")
    assert isinstance(recalled, Amendment)
    assert (recalled.external_id, recalled.kind) == (heard.external_id, "recalled")
    assert isinstance(taken, InboundMessage)
    assert taken.kind == "notice"
    assert isinstance(colleague, InboundMessage)
    assert (colleague.direction, colleague.sender.key) == ("outbound", f"wecom:{CORP_ID}:{SERVICER}")


# — the welcome —


async def test_a_customer_who_opens_the_chat_is_welcomed_once(simulator: Simulator, connect: Connect) -> None:
    connector, desk = connect(welcome_text="您好！"), MemoryDesk()
    async with door(simulator, connector, desk), listening(connector, desk):
        await simulator.chats.speak(person(simulator), Spoken(kind="open"))
        assert await simulator.chats.wait(lambda: desk_lines(simulator) == ["您好！"], 10)
        await desk.until(lambda: len(desk.kept) == 1 and desk.reports[-1] == (True, ""))
        assert "welcome_code" in next(iter(desk.kept.values())).body.decode()
        await say(simulator, "hello")
        await desk.until(lambda: len(desk.kept) == 2)
    assert desk_lines(simulator) == ["您好！"]


async def test_a_welcome_that_is_refused_holds_up_nothing(simulator: Simulator, connect: Connect) -> None:
    connector, desk = connect(welcome_text="您好！"), MemoryDesk()
    async with door(simulator, connector, desk), listening(connector, desk):
        used = simulator.event(person(simulator).id, "enter_session", scene="", welcome_code="CODEused")
        await simulator.tell(used, person(simulator).id)
        await desk.until(lambda: desk.reports and "welcome" in desk.reports[-1][1])
        assert desk.reports[-1][0] is True
        assert "40058" in desk.reports[-1][1]
        await say(simulator, "hello")
        await desk.until(lambda: len(desk.kept) == 2)


async def test_a_welcome_that_comes_too_late_is_not_tried(
    simulator: Simulator, connect: Connect, clock: Clock
) -> None:
    await simulator.chats.speak(person(simulator), Spoken(kind="open"))
    clock.forward(minutes=1)
    connector, desk = connect(welcome_text="您好！"), MemoryDesk()
    async with listening(connector, desk):
        await desk.until(lambda: len(desk.kept) == 1 and desk.waits)
    assert "/cgi-bin/kf/send_msg_on_event" not in simulator.platform.calls


# — sending —


async def test_an_answer_carries_our_id_and_claims_the_session(simulator: Simulator, connect: Connect) -> None:
    connector, who = connect(), person(simulator).id
    await say(simulator, "hello")
    assert simulator.session(who).state == 0
    message = prepared(connector, outgoing(simulator, "您好 😀"))
    result = await connector.send(message)
    assert result.external_id == message.external_id == "01k0000000000000000000m001"
    assert desk_lines(simulator) == ["您好 😀"]
    assert simulator.session(who).state == 1
    await connector.send(prepared(connector, outgoing(simulator, "more", 2)))
    assert simulator.platform.calls["/cgi-bin/kf/service_state/get"] == 1


@pytest.mark.parametrize("simulator", [{"repeats": "same"}, {"repeats": "error"}], indirect=True)
async def test_a_repeated_message_goes_out_once(
    simulator: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = connect()
    await say(simulator, "hello")
    message = prepared(connector, outgoing(simulator, "once"))
    simulator.platform.mute = {"/cgi-bin/kf/send_msg"}
    monkeypatch.setattr("omnihub.connectors.wecom_api.api.CALL_SECONDS", 0.3)
    with pytest.raises(Uncertain):
        await connector.send(message)
    simulator.platform.mute = set()
    assert (await connector.send(message)).external_id == message.external_id
    assert desk_lines(simulator) == ["once"]
    assert simulator.session(person(simulator).id).sent_since == 1


def test_our_ids_are_always_of_the_right_form() -> None:
    assert msgid_for("01k0000000000000000000m001") == "01k0000000000000000000m001"
    for odd in ("x" * 33, "with space", "", "名"):
        assert len(msgid_for(odd)) == 32
        assert msgid_for(odd).isalnum()
        assert msgid_for(odd) == msgid_for(odd)


async def test_the_platform_refuses_an_id_that_is_too_long(simulator: Simulator, connect: Connect) -> None:
    await say(simulator, "hello")
    body = {"touser": person(simulator).id, "open_kfid": OPEN_KFID, "msgid": "x" * 33, "msgtype": "text"}
    with pytest.raises(Complaint, match="msgid"):
        await simulator._send(body)


async def test_five_answers_to_one_message(simulator: Simulator, connect: Connect) -> None:
    connector = connect()
    await say(simulator, "hello")
    for number in range(5):
        await connector.send(prepared(connector, outgoing(simulator, f"{number}", number)))
    with pytest.raises(WindowClosed, match="95001"):
        await connector.send(prepared(connector, outgoing(simulator, "sixth", 6)))
    await say(simulator, "and now?")
    await connector.send(prepared(connector, outgoing(simulator, "sixth", 6)))
    assert len(desk_lines(simulator)) == 6


async def test_after_48_hours_nothing_goes(simulator: Simulator, connect: Connect, clock: Clock) -> None:
    connector = connect()
    await say(simulator, "hello")
    clock.forward(hours=49)
    with pytest.raises(WindowClosed, match="95002"):
        await connector.send(prepared(connector, outgoing(simulator, "late")))


def test_the_window_is_as_the_settings_say() -> None:
    rule = reading.connected("wecom_kf", window_hours=24, window_messages=3).reply_window()
    assert rule is not None
    assert (rule.hours, rule.messages) == (24, 3)


async def test_a_colleague_who_attends_to_the_customer_blocks_and_is_named(
    simulator: Simulator, connect: Connect
) -> None:
    connector = connect()
    await say(simulator, "hello")
    await simulator.say_as_servicer(person(simulator), "我来处理")
    with pytest.raises(Refused, match=f"95018.*{SERVICER} attends") as refused:
        await connector.send(prepared(connector, outgoing(simulator, "from the hub")))
    assert not isinstance(refused.value, WindowClosed)
    simulator.session(person(simulator).id).state = 2
    with pytest.raises(Refused, match="queue"):
        await connector.send(prepared(connector, outgoing(simulator, "from the hub")))
    simulator.session(person(simulator).id).state = 4
    with pytest.raises(WindowClosed, match=r"95013.*next message"):
        await connector.send(prepared(connector, outgoing(simulator, "from the hub")))


async def test_illegal_moves_of_a_session_are_refused(simulator: Simulator, connect: Connect) -> None:
    connector = connect()
    session = simulator.session(person(simulator).id)
    await say(simulator, "hello")
    session.state = 3
    body = {"open_kfid": OPEN_KFID, "external_userid": person(simulator).id, "service_state": 1}
    with pytest.raises(Complaint, match="not allow to trans"):
        await simulator._move(body)
    with pytest.raises(Refused):
        await connector.send(prepared(connector, outgoing(simulator, "x")))
    assert session.state == 3


async def test_success_is_not_delivery(simulator: Simulator, connect: Connect) -> None:
    connector, desk = connect(), MemoryDesk()
    async with door(simulator, connector, desk), listening(connector, desk):
        await say(simulator, "hello")
        await simulator.chats.speak(person(simulator), Spoken(kind="reject"))
        message = prepared(connector, outgoing(simulator, "unwanted"))
        await connector.send(message)
        await desk.until(lambda: any(isinstance(one, Receipt) for one in desk.read(connector)))
    (receipt,) = (one for one in desk.read(connector) if isinstance(one, Receipt))
    assert (receipt.external_id, receipt.status, receipt.code) == (message.external_id, "failed", "10")
    assert "用户拒收" in receipt.words
    assert desk_lines(simulator) == []


async def test_files_go_out(simulator: Simulator, connect: Connect) -> None:
    connector = connect()
    await say(simulator, "send me the manual")
    manual = OutgoingAttachment(filename="说明书.pdf", content_type="application/pdf", content=b"%PDF-1.7 manual")
    await connector.send(prepared(connector, outgoing(simulator, attachments=(manual,))))
    line = simulator.chats.lines(person(simulator).id)[-1]
    assert (line.kind, line.filename, line.media) == ("file", "说明书.pdf", b"%PDF-1.7 manual")


async def test_what_cannot_be_sent_is_refused_here(simulator: Simulator, connect: Connect) -> None:
    connector = connect()
    await say(simulator, "hello")
    with pytest.raises(Refused, match="2049 bytes"):
        await connector.send(outgoing(simulator, "好" * 683))
    with pytest.raises(Refused, match="employee"):
        await connector.send(replace(outgoing(simulator, "x"), to=(employee(CORP_ID, "LiNa"),)))
    with pytest.raises(Refused, match="another customer"):
        await connector.send(replace(outgoing(simulator, "x"), thread_key=f"{OPEN_KFID}/wmSomebodyElse"))
    with pytest.raises(Refused, match="no customer"):
        await connector.send(replace(outgoing(simulator, "x"), thread_key="wmNobody"))
    assert desk_lines(simulator) == []


async def test_nothing_goes_where_the_provider_is_away(simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(TryLater):
        await connect(base_url="http://127.0.0.1:1").send(outgoing(simulator, "x"))


# — who, and whether it works —


async def test_who_a_customer_is(simulator: Simulator, connect: Connect, clock: Clock) -> None:
    connector, who = connect(), person(simulator)
    await say(simulator, "hello")
    profile = await connector.profile(customer(CORP_ID, who.id))
    assert profile is not None
    assert profile.name == who.name
    assert profile.proven == (f"wechat-union:o6demo{who.id[-9:]}",)
    clock.forward(hours=49)
    assert await connector.profile(customer(CORP_ID, who.id)) is None
    assert await connector.profile(customer("wwsomebodyelse0001", who.id)) is None


async def test_the_connection_test_gives_the_link(connect: Connect) -> None:
    credentials, account = await connect().check()
    assert credentials.ok
    assert account.ok
    assert OPEN_KFID in account.name
    assert "https://work.weixin.qq.com/kf/" in account.detail
    _, unknown = await connect(open_kfids=["wkSomeOther"]).check()
    assert not unknown.ok
    assert "微信客服" in unknown.remedy


async def test_a_welcome_code_is_good_once_and_for_20_seconds(simulator: Simulator, clock: Clock) -> None:
    said = {"msgtype": "text", "text": {"content": "您好"}}
    await simulator.chats.speak(person(simulator), Spoken(kind="open"))
    (code,) = simulator.session(person(simulator).id).welcomes
    await simulator._send_on_event({"code": code, **said})
    with pytest.raises(Complaint):
        await simulator._send_on_event({"code": code, **said})
    await simulator.chats.speak(person(simulator), Spoken(kind="open"))
    (second,) = simulator.session(person(simulator).id).welcomes
    clock.forward(seconds=21)
    with pytest.raises(Complaint):
        await simulator._send_on_event({"code": second, **said})
    await say(simulator, "hello")
    await simulator.chats.speak(person(simulator), Spoken(kind="open"))
    assert simulator.session(person(simulator).id).welcomes == {}

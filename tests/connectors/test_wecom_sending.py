import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import wecom_reading as reading
from aiohttp import web

from omnihub.connectors.contract import Connector
from omnihub.connectors.simulation import Spoken, amr_note
from omnihub.connectors.wecom.sending import Pace, Repeats
from omnihub.connectors.wecom.simulator import AGENT_ID, NAME, OUTSIDER, Simulator
from omnihub.connectors.wecom_api.people import employee
from omnihub.connectors.wecom_api.platform import CORP_ID
from omnihub.connectors.wecom_api.profiles import email_claims, phone_key
from omnihub.model.errors import Refused, TryLater, Uncertain
from omnihub.model.inbound import LentMedia
from omnihub.model.outgoing import Outgoing, OutgoingAttachment
from omnihub.model.raw import RawRequest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)


@dataclass(slots=True)
class Clock:
    at: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 9, 30, tzinfo=UTC))

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
async def simulator(tmp_path: Path, clock: Clock) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, clock=clock.seconds, pause_seconds=0)
    await simulator.start()
    yield simulator
    await simulator.stop()


Connect = Callable[..., Connector]


@pytest.fixture
async def connect(simulator: Simulator, clock: Clock) -> AsyncIterator[Connect]:
    async with aiohttp.ClientSession() as http:

        def make(**changed: Any) -> Connector:
            (account,) = simulator.accounts()
            made = reading.connected("wecom", http, **{**account.settings, **changed})
            return type(made)(made.account, made.settings, replace(made.toolbox, now=clock.now))

        yield make


def outgoing(text: str = "", *to: str, number: int = 1, **more: Any) -> Outgoing:
    return Outgoing(
        id=f"01k00000000000000000000m{number:03d}", conversation_id="01conversation", ticket_number=1,
        thread_key=to[0] if to else "LiNa", to=tuple(employee(CORP_ID, one) for one in to or ("LiNa",)),
        text=text, created_at=datetime(2026, 11, 20, tzinfo=UTC), **more,
    )  # fmt: skip


def file(filename: str, content_type: str, content: bytes) -> tuple[OutgoingAttachment, ...]:
    return (OutgoingAttachment(filename=filename, content_type=content_type, content=content),)


def seen(simulator: Simulator, person: str = "LiNa") -> list[tuple[str, str]]:
    return [(line.author, line.text or line.filename) for line in simulator.chats.lines(person)]


async def test_a_text_arrives_and_has_the_providers_id(simulator: Simulator, connect: Connect) -> None:
    result = await connect().send(outgoing("马上到，3 楼 😀"))
    assert result.external_id.startswith("sim")
    assert result.refused == {}
    assert seen(simulator) == [("desk", "马上到，3 楼 😀")]


async def test_who_is_unknown_is_named_and_the_others_get_it(simulator: Simulator, connect: Connect) -> None:
    result = await connect().send(outgoing("Hello", "LiNa", "NobodyHere"))
    key = f"wecom:{CORP_ID}:NobodyHere"
    assert dict(result.refused) == {key: "invaliduser: nobodyhere"}
    assert seen(simulator) == [("desk", "Hello")]


async def test_where_all_are_unknown_the_provider_refuses(connect: Connect) -> None:
    with pytest.raises(Refused, match="81013"):
        await connect().send(outgoing("Hello", "NobodyHere", "NorHere"))


async def test_another_apps_number_is_refused(connect: Connect) -> None:
    with pytest.raises(Refused, match="301002"):
        await connect(agent_id=AGENT_ID + 1).send(outgoing("Hello"))


async def test_a_text_that_would_be_cut_off_is_refused_here(simulator: Simulator, connect: Connect) -> None:
    await connect().send(outgoing("好" * 682 + "ab"))
    with pytest.raises(Refused, match="2049 bytes"):
        await connect().send(outgoing("好" * 683))
    assert len(seen(simulator)) == 1


async def test_the_platform_cuts_off_without_a_word(simulator: Simulator) -> None:
    body = {"touser": "LiNa", "agentid": AGENT_ID, "msgtype": "text", "text": {"content": "好" * 700}}
    assert (await simulator._send(body))["invaliduser"] == ""
    assert seen(simulator) == [("desk", "好" * 682)]


async def test_beyond_the_rate_we_wait_and_nothing_is_dropped(
    simulator: Simulator, connect: Connect, clock: Clock
) -> None:
    connector = connect(per_member_minute=30)
    for number in range(30):
        await connector.send(outgoing(f"answer {number}", number=number))
    with pytest.raises(TryLater) as later:
        await connector.send(outgoing("one more", number=31))
    assert later.value.after is not None
    assert 59 < later.value.after <= 60
    await connector.send(outgoing("to somebody else", "ZhangWei", number=32))
    clock.forward(seconds=61)
    await connector.send(outgoing("one more", number=31))
    assert simulator.dropped == 0
    assert len(seen(simulator)) == 31


async def test_the_platform_drops_what_exceeds_the_rate(simulator: Simulator) -> None:
    body = {"touser": "LiNa", "agentid": AGENT_ID, "msgtype": "text", "text": {"content": "x"}}
    answers = [await simulator._send(body) for _ in range(33)]
    assert all(answer["msgid"] for answer in answers)
    assert (len(seen(simulator)), simulator.dropped) == (30, 3)


def test_the_hours_rate_is_kept_too() -> None:
    pace, at = Pace(30), datetime(2026, 11, 20, tzinfo=UTC)
    for number in range(1000):
        pace.take(["LiNa"], at + timedelta(seconds=3 * number))
    with pytest.raises(TryLater):
        pace.take(["LiNa"], at + timedelta(seconds=3003))
    pace.take(["LiNa"], at + timedelta(hours=1, seconds=1))


async def test_a_repeat_is_dropped_but_not_a_second_message_of_the_same_words(
    simulator: Simulator, connect: Connect, clock: Clock
) -> None:
    connector = connect()
    await connector.send(outgoing("OK", number=1))
    await connector.send(outgoing("OK", number=1))  # again, after an unknown outcome
    assert len(seen(simulator)) == 1
    await connector.send(outgoing("OK", number=2))
    assert len(seen(simulator)) == 2


def test_only_a_repeat_is_to_be_dropped() -> None:
    repeats, at = Repeats(300), datetime(2026, 11, 20, tzinfo=UTC)
    assert repeats.check_for("m1", "OK", at)
    assert repeats.check_for("m1", "OK", at)
    assert not repeats.check_for("m2", "OK", at)
    assert repeats.check_for("m3", "OK", at + timedelta(seconds=301))
    assert not Repeats(0).check_for("m1", "OK", at)


CARRIED: Mapping[str, tuple[str, bytes]] = {
    "image": ("image/png", PNG), "voice": ("audio/amr", amr_note()), "video": ("video/mp4", bytes(900)),
    "file": ("application/pdf", b"%PDF-1.7 " + bytes(90)),
}  # fmt: skip


@pytest.mark.parametrize("kind", CARRIED)
async def test_a_file_arrives_under_its_name(simulator: Simulator, connect: Connect, kind: str) -> None:
    content_type, content = CARRIED[kind]
    name = '说明 "v2".bin'
    await connect().send(outgoing(attachments=file(name, content_type, content)))
    (line,) = simulator.chats.lines("LiNa")
    assert (line.kind, line.media, line.filename) == (kind, content, "说明 'v2'.bin")


async def test_a_large_picture_goes_as_a_file(simulator: Simulator, connect: Connect) -> None:
    await connect().send(outgoing(attachments=file("plan.png", "image/png", PNG + bytes(6_000_000))))
    (line,) = simulator.chats.lines("LiNa")
    assert line.kind == "file"


async def test_a_file_is_sent_whole_although_the_token_was_stale(simulator: Simulator, connect: Connect) -> None:
    connector, content = connect(), PNG + bytes(3_000_000)
    await connector.send(outgoing("one", number=1))
    simulator.platform.expire_token()
    await connector.send(outgoing(attachments=file("plan.png", "image/png", content), number=2))
    assert simulator.chats.lines("LiNa")[-1].media == content


async def test_files_that_cannot_be_carried_are_refused(simulator: Simulator, connect: Connect) -> None:
    with pytest.raises(Refused, match="carries no file"):
        await connect().send(outgoing(attachments=file("film.bin", "video/x-raw", bytes(20_971_521))))
    with pytest.raises(Refused, match="40006"):
        await connect().send(outgoing(attachments=file("tiny.txt", "text/plain", b"12345")))
    assert seen(simulator) == []


@pytest.mark.parametrize("size", [1000, 20_971_521, 45_000_000])
async def test_a_customers_file_is_fetched_whole(simulator: Simulator, connect: Connect, size: int) -> None:
    content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    media_id = simulator.platform.keep("file", "报告.pdf", "application/pdf", content)
    fetched = await connect().fetch(LentMedia(ref={"media_id": media_id}))
    assert fetched.content == content
    assert (fetched.filename, fetched.content_type) == ("报告.pdf", "application/pdf")


async def test_a_file_that_reads_like_an_error_is_a_file(simulator: Simulator, connect: Connect) -> None:
    said = b'{"errcode": 40007, "errmsg": "a file of the customer"}'
    media_id = simulator.platform.keep("file", "x.json", "application/json", said)
    assert (await connect().fetch(LentMedia(ref={"media_id": media_id}))).content == said


async def test_a_file_that_is_gone_is_refused(connect: Connect) -> None:
    with pytest.raises(Refused, match="40007"):
        await connect().fetch(LentMedia(ref={"media_id": "gone"}))
    with pytest.raises(Refused):
        await connect().fetch(LentMedia(ref={}))


async def test_an_expired_token_is_renewed_once(simulator: Simulator, connect: Connect) -> None:
    connector = connect()
    await connector.send(outgoing("one", number=1))
    simulator.platform.expire_token()
    await connector.send(outgoing("two", number=2))
    media_id = simulator.platform.keep("image", "a.jpg", "image/jpeg", b"123456789")
    simulator.platform.expire_token()
    assert (await connector.fetch(LentMedia(ref={"media_id": media_id}))).content == b"123456789"
    assert len(seen(simulator)) == 2
    assert simulator.platform.calls["/cgi-bin/gettoken"] == 3


async def test_a_message_is_taken_back_within_a_day(simulator: Simulator, connect: Connect, clock: Clock) -> None:
    connector = connect()
    sent = [await connector.send(outgoing(f"wrong {number}", number=number)) for number in (1, 2)]
    await connector.recall(outgoing(external_id=sent[0].external_id))
    assert [line.recalled for line in simulator.chats.lines("LiNa")] == [True, False]
    clock.forward(hours=25)
    with pytest.raises(Refused, match="40058"):
        await connector.recall(outgoing(external_id=sent[1].external_id))
    with pytest.raises(Refused):
        await connector.recall(outgoing(external_id="out:01k"))


async def test_who_an_employee_is(simulator: Simulator, connect: Connect) -> None:
    connector = connect()
    profile = await connector.profile(employee(CORP_ID, "ZhangWei"))
    assert profile is not None
    assert profile.name == "张伟"
    assert profile.proven[0].startswith("phone:+86138")
    assert await connector.profile(employee(CORP_ID, "NobodyHere")) is None
    assert await connector.profile(employee(CORP_ID, OUTSIDER)) is None
    assert await connector.profile(employee("wwsomebodyelse0001", "ZhangWei")) is None


def test_only_whole_phone_numbers_are_proven() -> None:
    assert phone_key("138 0013-8000") == "phone:+8613800138000"
    assert phone_key("+85251234567") == "phone:+85251234567"
    assert [phone_key(mobile) for mobile in ("", "12345", "138****8000", "++1")] == ["", "", "", ""]


def test_an_address_of_the_companys_book_is_only_a_claim() -> None:
    read = {"email": " Li.Na@Example.test ", "biz_mail": "li.na@corp.example.test"}
    assert email_claims(read) == ("email:li.na@example.test", "email:li.na@corp.example.test")
    assert email_claims({"email": "none", "biz_mail": None}) == ()


async def test_the_connection_test_finds_what_is_wrong(simulator: Simulator, connect: Connect) -> None:
    assert [finding.ok for finding in await connect().check()] == [True, True]
    (wrong,) = await connect(secret="not-the-secret").check()
    assert "40001" in wrong.detail
    assert "Secret" in wrong.remedy
    (_, other_app) = await connect(agent_id=7).check()
    assert "301002" in other_app.detail
    assert "AgentId" in other_app.remedy
    (away,) = await connect(base_url="http://127.0.0.1:1").check()
    assert "reaches" in away.remedy


async def test_an_unknown_outcome_is_uncertain(
    simulator: Simulator, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnihub.connectors.wecom_api.api.CALL_SECONDS", 0.3)
    simulator.platform.mute = {"/cgi-bin/message/send"}
    with pytest.raises(Uncertain):
        await connect().send(outgoing("Hello"))
    assert seen(simulator) == [("desk", "Hello")]


# — the simulator's own strictness —


async def test_a_door_that_answers_wrongly_is_not_saved(simulator: Simulator) -> None:
    await simulator.attach({NAME: f"{simulator.platform.url}/cgi-bin/nowhere"})
    assert simulator.platform.door == ""
    assert "openapi" in simulator.platform.door_fault
    (person, *_) = simulator.chats.people
    await simulator.chats.speak(person, Spoken(kind="text", text="Hello?"))
    assert [line.author for line in simulator.chats.lines(person.id)] == ["customer", "system"]


def test_an_app_may_write_first_to_its_own_people() -> None:
    connector = reading.connected("wecom")
    assert connector.reaches(employee(CORP_ID, "LiNa"))
    assert not connector.reaches(employee("wwsomebodyelse0001", "LiNa"))


@asynccontextmanager
async def answering(handle: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/door", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/door"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("answers", [[500, 401, 200], [204, 200, 200], [500, 500, 500, 200]])
async def test_whatever_is_no_200_is_delivered_again(simulator: Simulator, answers: list[int]) -> None:
    left, read = list(answers), []

    async def handle(call: web.Request) -> web.Response:
        read.append(read_inner(call, await call.read()))
        return web.Response(status=left.pop(0))

    async with answering(handle) as url:
        simulator.platform.door = url
        (person, *_) = simulator.chats.people
        await simulator.chats.speak(person, Spoken(kind="text", text="Hello?"))
    expected = answers.index(200) + 1 if 200 in answers[:3] else 3
    assert len(read) == expected
    assert len(set(read)) == 1  # sealed anew, but saying the same
    assert [line.author for line in simulator.chats.lines(person.id)][1:] == (
        [] if 200 in answers[:3] else ["system"]
    )


def read_inner(call: web.Request, body: bytes) -> str:
    request = RawRequest(source="webhook", body=body, received_at=reading.AT, query=dict(call.query))
    connector = reading.connected("wecom")
    connector.verify(request)
    return connector.source_key(request)


async def test_the_url_check_has_its_deadline(tmp_path: Path) -> None:
    simulator, late = Simulator(tmp_path, check_seconds=0.2), asyncio.Event()

    async def handle(call: web.Request) -> web.Response:
        await late.wait()
        return web.Response(body=b"too late")

    await simulator.start()
    try:
        async with answering(handle) as url:
            await simulator.attach({NAME: url})
            late.set()
        assert "TimeoutError" in simulator.platform.door_fault
    finally:
        await simulator.stop()

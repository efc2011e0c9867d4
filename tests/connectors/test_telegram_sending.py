"""What goes out, and what Telegram says to it."""

import asyncio
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from telegram_desk import MARIA, World, connector, led, outgoing, world

from omnihub.connectors.simulation import Loopback
from omnihub.connectors.telegram import api as timing
from omnihub.connectors.telegram import sending
from omnihub.connectors.telegram.connector import Connector
from omnihub.connectors.telegram.sending import Pace
from omnihub.connectors.telegram.simulator import GROUP_ID, TOKEN
from omnihub.connectors.telegram.simulator_bot import Rates
from omnihub.connectors.telegram.simulator_opus import opus_note
from omnihub.model.errors import OmnihubError, Refused, TryLater, Uncertain
from omnihub.model.inbound import Handle, LentMedia
from omnihub.model.outgoing import OutgoingAttachment

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
FILES = {
    "image": OutgoingAttachment(filename="hinge.png", content_type="image/png", content=PNG),
    "voice": OutgoingAttachment(filename="note.ogg", content_type="audio/ogg", content=opus_note()),
    "video": OutgoingAttachment(filename="clip.mp4", content_type="video/mp4", content=b"\0\0\0\x18ftyp"),
    "document": OutgoingAttachment(filename='发票 "7".pdf', content_type="application/pdf", content=b"%PDF-1.7"),
}


def shown(there: World, chat: int = MARIA) -> Any:
    return there.simulator.chats.lines(str(chat))[-1]


@pytest.fixture(autouse=True)
def hurry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.function is not test_a_chat_gets_one_message_a_second:
        monkeypatch.setattr(sending, "CHAT_SECONDS", 0.0)


async def test_a_text_arrives_as_it_is(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        text = "好的 <b>ok</b> & *done* 🚚\n" + "x" * 100
        sent = await there.connector.send(outgoing(text))
        assert sent.external_id == f"{MARIA}:1"
        assert (shown(there).author, shown(there).kind, shown(there).text) == ("desk", "text", text)


@pytest.mark.parametrize("kind", FILES)
async def test_files_go_as_what_they_are(tmp_path: Path, kind: str) -> None:
    async with world(tmp_path) as there:
        sent = await there.connector.send(outgoing("", FILES[kind]))
        line = shown(there)
        assert sent.external_id == f"{MARIA}:1"
        assert (line.kind, line.media) == (kind, FILES[kind].content)
        if kind == "document":
            assert line.filename == "发票 _7_.pdf"


async def test_a_large_file_is_carried_whole(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        content = bytes(range(256)) * 12_000
        await there.connector.send(
            outgoing("", OutgoingAttachment(filename="a.bin", content_type="x/y", content=content))
        )
        assert shown(there).media == content


async def test_a_picture_that_cannot_be_shown_goes_as_a_file(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        broken = OutgoingAttachment(filename="a.jpg", content_type="image/jpeg", content=b"not a picture")
        await there.connector.send(outgoing("", broken))
        assert (shown(there).kind, shown(there).filename) == ("document", "a.jpg")


async def test_an_answer_in_a_group_points_at_the_question(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        group = there.simulator.chats.people[3]
        asked = await there.simulator.say(group, text="When do you open?")
        wire = {"chat_id": GROUP_ID, "message_id": asked["message_id"]}
        sent = await there.connector.send(outgoing("At nine.", chat=GROUP_ID, answering=wire))
        kept = there.simulator.bot.messages[GROUP_ID, int(sent.external_id.rpartition(":")[2])].fields
        assert kept["reply_to_message"]["message_id"] == asked["message_id"]
        assert not there.simulator.chats.lines(str(MARIA))
        gone = {"chat_id": GROUP_ID, "message_id": 999}
        await there.connector.send(outgoing("Still an answer.", chat=GROUP_ID, answering=gone))
        assert shown(there, GROUP_ID).text == "Still an answer."


async def test_in_a_private_chat_nothing_is_quoted(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        asked = await there.simulator.say(there.simulator.chats.people[0], text="Hello?")
        wire = {"chat_id": MARIA, "message_id": asked["message_id"]}
        sent = await there.connector.send(outgoing("Hello.", answering=wire))
        kept = there.simulator.bot.messages[MARIA, int(sent.external_id.rpartition(":")[2])].fields
        assert "reply_to_message" not in kept


async def test_a_private_answer_goes_to_its_person_alone(tmp_path: Path) -> None:
    """Whatever the conversation is called, the person who is addressed gets it."""
    async with world(tmp_path) as there:
        other = MARIA + 1
        await there.connector.send(outgoing("For you.", chat=MARIA, to=other))
        assert shown(there, other).text == "For you."
        assert not there.simulator.chats.lines(str(MARIA))
        lost = replace(outgoing("Nobody."), thread_key="no number", to=(Handle(key="email:a@b.test"),))
        with pytest.raises(Refused):
            await there.connector.send(lost)


async def test_a_group_that_moved_is_followed(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        new = await there.simulator.upgrade_group(there.simulator.chats.people[3])
        for number in range(2):
            sent = await there.connector.send(outgoing(f"after {number}", chat=GROUP_ID))
            assert sent.external_id.startswith(f"{new}:")


REFUSALS: Mapping[str, tuple[Callable[[World], Any], str]] = {
    "blocked": (lambda there: there.simulator.bot.blocked.add(MARIA), "Forbidden: bot was blocked by the user"),
    "stranger": (lambda there: there.simulator.bot.chats.pop(MARIA), "Bad Request: chat not found"),
    "kicked": (
        lambda there: there.simulator.bot.kicked.add(MARIA),
        "Forbidden: bot was kicked from the group chat",
    ),
}  # fmt: skip


@pytest.mark.parametrize("why", REFUSALS)
async def test_refusals_keep_telegrams_words(tmp_path: Path, why: str) -> None:
    async with world(tmp_path) as there:
        prepare, words = REFUSALS[why]
        prepare(there)
        with pytest.raises(Refused) as refused:
            await there.connector.send(outgoing("hello"))
        assert str(refused.value) == words


async def test_too_long_and_empty_texts_are_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.connector.send(outgoing("🚚" * 2048))
        for text, words in (("🚚" * 2048 + "x", "message is too long"), ("  ", "text is empty")):
            with pytest.raises(Refused, match=words):
                await there.connector.send(outgoing(text))


async def test_too_many_at_once_come_again_when_telegram_says(tmp_path: Path) -> None:
    async with world(tmp_path, rates=Rates(chat=(1, 7.0))) as there:
        await there.connector.send(outgoing("one"))
        with pytest.raises(TryLater) as later:
            await there.again().send(outgoing("two"))
        assert later.value.after == 7


async def test_a_chat_gets_one_message_a_second() -> None:
    pace, loop = Pace(), asyncio.get_running_loop()
    start = loop.time()
    await asyncio.gather(pace.turn(1), pace.turn(2), pace.turn(1))
    assert 0.95 < loop.time() - start < 1.9
    waiting = [asyncio.ensure_future(pace.turn(1)) for _ in range(3)]
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert any(isinstance(one, TryLater) and one.after and one.after > 1 for one in done)


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[Connector]:
    """A provider that answers every call in one way."""
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    loopback = Loopback(app)
    url = await loopback.start()
    try:
        async with aiohttp.ClientSession() as http:
            yield connector(http, api_url=url, file_url=f"{url}/file")
    finally:
        await loopback.stop()


def _says(status: int, body: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if isinstance(body, str):
            return web.Response(status=status, text=body.replace("{url}", str(request.url)))
        return web.json_response(body, status=status)

    return answer


def _no(code: int, words: str = "said so", **parameters: Any) -> dict[str, Any]:
    return {
        "ok": False,
        "error_code": code,
        "description": words,
        **({"parameters": parameters} if parameters else {}),
    }


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, _no(429, retry_after=9), TryLater),
        (429, "slow down", TryLater),
        (401, _no(401), Refused),
        (404, "<html>{url} not found</html>", Refused),
        (403, _no(403), Refused),
        (400, _no(400), Refused),
        (409, _no(409), TryLater),
        (413, "Request Entity Too Large", Refused),
        (500, _no(500), Uncertain),
        (502, "<html>bad gateway {url}</html>", Uncertain),
        (503, "no", TryLater),
        (200, "<html>a captive portal</html>", Uncertain),
        (200, {"ok": True, "result": {"message_id": "?"}}, Uncertain),
        (200, {"ok": True, "result": 7}, Uncertain),
        (200, {"ok": True}, Uncertain),
        (200, [], Uncertain),
        (200, _no(400), Refused),
        (302, "", Refused),
    ],
)  # fmt: skip
async def test_every_answer_has_a_meaning(status: int, body: Any, kind: type[OmnihubError]) -> None:
    async with answering(_says(status, body)) as one:
        for message in (outgoing("hello"), outgoing("", FILES["image"], to=MARIA + 1)):
            with pytest.raises(OmnihubError) as error:
                await one.send(message)
            assert type(error.value) is kind
            assert_tells_no_token(error.value)
        if body == _no(429, retry_after=9):
            assert isinstance(error.value, TryLater)
            assert error.value.after == 9


def assert_tells_no_token(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error)
    while error.__cause__ is not None:
        error = error.__cause__
        told += repr(error)
    assert TOKEN not in told
    assert TOKEN.partition(":")[2] not in told
    assert "/bot7000000001" not in told


async def test_silence_after_the_hand_over_is_uncertain_and_before_it_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(timing, "CALL_SECONDS", 0.3)
    monkeypatch.setattr(timing, "UPLOAD_SECONDS", 0.3)
    async with world(tmp_path, mute=True) as there:
        for message in (outgoing("hello"), outgoing("", FILES["voice"], to=MARIA + 1)):
            with pytest.raises(Uncertain) as error:
                await there.connector.send(message)
            assert_tells_no_token(error.value)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with aiohttp.ClientSession() as http:
            away = connector(http, api_url=url, file_url=url)
            for call in (
                away.send(outgoing("x")),
                away.fetch(LentMedia(ref={"file_id": "a"})),
                away.recall(outgoing(external_id="1:2")),
            ):
                with pytest.raises(TryLater) as later:
                    await call
                assert_tells_no_token(later.value)


async def test_nothing_prints_the_token(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.connector.send(outgoing("hello"))
        for one in (there.connector, vars(there.connector), there.connector._api, there.connector._sender):
            assert TOKEN.partition(":")[2] not in repr(one)


# — files that Telegram lends —


async def test_files_are_fetched_with_the_names_of_the_message(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        stored = there.simulator.bot.keep_file(b"%PDF", "documents", "")
        media = LentMedia(ref={"file_id": stored["file_id"]}, filename="发票.pdf", content_type="application/pdf")
        fetched = await there.connector.fetch(media)
        assert (fetched.content, fetched.filename, fetched.content_type) == (
            b"%PDF",
            "发票.pdf",
            "application/pdf",
        )


async def test_files_that_cannot_be_fetched_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(tmp_path) as there:
        huge = there.simulator.bot.keep_file(b"x", "videos", ".mp4", size=21 * 1024 * 1024)
        refs = {
            "larger than the 20 MB": LentMedia(ref={"file_id": huge["file_id"]}, size=huge["file_size"]),
            "Bad Request: file is too big": LentMedia(ref={"file_id": huge["file_id"]}),
            "Bad Request: wrong file_id": LentMedia(ref={"file_id": "gone"}),
            "which file": LentMedia(ref={}),
        }
        for words, media in refs.items():
            with pytest.raises(Refused, match=words) as refused:
                await there.connector.fetch(media)
            assert_tells_no_token(refused.value)
        monkeypatch.setattr(timing, "LARGEST_FILE", 10)
        longer = there.simulator.bot.keep_file(b"x" * 11, "documents", "")
        with pytest.raises(Refused) as refused:
            await there.connector.fetch(LentMedia(ref={"file_id": longer["file_id"]}))
        assert_tells_no_token(refused.value)


async def test_an_odd_path_leads_nowhere_else(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)
        if request.path.endswith("getFile"):
            return web.json_response({"ok": True, "result": {"file_path": "//evil.test/a b?c#d"}})
        return web.Response(status=404, text=str(request.url))

    async with answering(answer) as one:
        with pytest.raises(TryLater) as later:
            await one.fetch(LentMedia(ref={"file_id": "a"}))
        assert_tells_no_token(later.value)
    assert asked[1] == f"/file/bot{TOKEN}/evil.test/a%20b%3Fc%23d"


# — taking back, typing, who it is —


async def test_a_message_is_taken_back_within_two_days(tmp_path: Path) -> None:
    clock = [1_794_989_400.0]
    async with world(tmp_path, clock=lambda: clock[0]) as there:
        sent = await there.connector.send(outgoing("a mistake"))
        await there.connector.recall(outgoing(external_id=sent.external_id))
        assert shown(there).recalled
        await there.connector.recall(outgoing(external_id=sent.external_id))  # gone is gone
        late = await there.connector.send(outgoing("too late"))
        clock[0] += 49 * 3600
        with pytest.raises(Refused, match="can't be deleted"):
            await there.connector.recall(outgoing(external_id=late.external_id))
        with pytest.raises(Refused):
            await there.connector.recall(outgoing(external_id="out:1"))


async def test_the_customer_sees_that_somebody_types(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        await there.connector.typing(outgoing())
        assert there.simulator.methods.actions == [(MARIA, "typing")]


async def test_who_it_is(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        stored = there.simulator.bot.keep_file(PNG, "photos", ".jpg")
        there.simulator.bot.avatars[MARIA] = stored["file_id"]
        profile = await there.connector.profile(Handle(key=f"telegram:{MARIA}"))
        assert profile is not None
        assert (profile.name, profile.avatar) == ("Maria Petrova", PNG)
        plain = await there.connector.profile(Handle(key=f"telegram:{MARIA + 1}"))
        assert plain is not None
        assert (plain.name, plain.avatar) == ("李雷", b"")
        for key in ("telegram:1", "telegram:unknown", f"telegram:{GROUP_ID}", "email:a@b.test"):
            assert await there.connector.profile(Handle(key=key)) is None


async def test_the_admins_test_says_what_is_wrong(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        found = await there.again(bot_username="omnihub_demo_bot").check()
        assert [(one.name, one.ok) for one in found] == [
            ("Bot token", True), ("Arrival", True), ("Groups", True), ("User name", True),
        ]  # fmt: skip
        assert found[0].detail == "Demo desk (@omnihub_demo_bot)"
        wrong = await there.again(mode="webhook", bot_username="somebody_else").check()
        assert [(one.name, one.ok, bool(one.remedy)) for one in wrong if not one.ok] == [
            ("Arrival", False, True), ("User name", False, True),
        ]  # fmt: skip
        values = {**led(there.simulator), "bot_token": "7000000001:AA" + "x" * 33}
        (dead,) = await connector(there.http, **values).check()
        assert not dead.ok
        assert dead.detail.startswith("Unauthorized")
        assert "xxx" not in dead.detail

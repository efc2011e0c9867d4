"""How updates arrive: nothing is lost and nothing comes twice, whatever breaks in between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from telegram_desk import NOW, KeepingDesk, World, connector, led, listening, world

from omnihub.connectors.simulation import Loopback, Spoken
from omnihub.connectors.telegram import listening as timing
from omnihub.connectors.telegram.connector import Connector
from omnihub.connectors.telegram.simulator_methods import Asked
from omnihub.connectors.telegram.simulator_webhook import Patience
from omnihub.connectors.telegram.updates import ALLOWED_UPDATES
from omnihub.model.errors import OmnihubError
from omnihub.model.inbound import InboundMessage
from omnihub.model.raw import RawRequest

QUICK = Patience(deadline=2.0, first_pause=0.02, longest_pause=0.1)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("_FIRST_PAUSE", 0.02), ("_LAST_PAUSE", 0.1), ("LOOK_SECONDS", 0.05)):
        monkeypatch.setattr(timing, name, seconds)


@dataclass(slots=True)
class Door:
    """The hub's door as far as a webhook sees it: verifies, keeps, answers. `answers`: what it says first."""

    connector: Connector
    desk: KeepingDesk
    answers: list[web.Response] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        raw = RawRequest(source="webhook", body=await request.read(), received_at=NOW, headers=headers)
        try:
            self.connector.verify(raw)
        except OmnihubError:
            self.calls.append(401)
            return web.Response(status=401)
        if self.answers:
            answer = self.answers.pop(0)
            self.calls.append(answer.status)
            return answer
        key = self.connector.source_key(raw)
        kept = RawRequest(source="webhook", body=raw.body, received_at=NOW, source_key=key)
        await self.desk.journal([kept])
        self.calls.append(200)
        return web.Response()


@asynccontextmanager
async def pushed(there: World, desk: KeepingDesk) -> AsyncIterator[tuple[Connector, Door]]:
    """A door on loopback, and the connector in webhook mode that registers it."""
    app = web.Application()
    loopback = Loopback(app)
    door = Door(there.connector, desk)
    app.router.add_post("/in/telegram/a-key", door.handle)
    url = await loopback.start()
    one = connector(there.http, mode="webhook", public_url=url, **led(there.simulator))
    door.connector = one
    try:
        yield one, door
    finally:
        await loopback.stop()


async def speak(there: World, who: int, text: str) -> None:
    person = there.simulator.chats.people[who]
    await there.simulator.say(person, text=text)


# — polling —


async def test_what_waits_and_what_comes_is_fetched_once(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        await speak(there, 0, "before")
        async with listening(there.connector, desk):
            await desk.until(lambda: len(desk.kept) == 1)
            for number in range(5):
                await speak(there, number % 3, f"later {number}")
            await desk.until(lambda: len(desk.kept) == 6)
            await desk.until(lambda: not there.simulator.bot.pending)
        assert desk.texts(there.connector) == ["before", *(f"later {number}" for number in range(5))]
        assert desk.handed_over == 6
        assert desk.health[-1][0]
        assert there.simulator.bot.allowed == set(ALLOWED_UPDATES)


async def test_a_restart_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        said: list[str] = []
        for turn in range(6):
            async with listening(there.again(), desk):
                for number in range(3):
                    said.append(f"{turn}.{number}")
                    await speak(there, number, said[-1])
                if turn % 2:  # the other turns are cut off wherever they are
                    await desk.until(lambda: len(desk.kept) == len(said))
        async with listening(there.again(), desk):
            await desk.until(lambda: len(desk.kept) == len(said))
        assert sorted(desk.texts(there.connector)) == sorted(said)


async def test_what_could_not_be_journaled_is_not_confirmed(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk(failures=1)
        await speak(there, 0, "must not be lost")
        with pytest.raises(ConnectionError):
            await there.connector.listen(desk)
        assert not desk.cursors
        assert len(there.simulator.bot.pending) == 1
        async with listening(there.connector, desk):
            await desk.until(lambda: len(desk.kept) == 1)


async def test_lower_ids_after_a_quiet_week_are_fetched(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        async with listening(there.connector, desk):
            await speak(there, 0, "in the old week")
            await desk.until(lambda: desk.kept and not there.simulator.bot.pending)
            await desk.until(lambda: desk.health[-1][0])
            # The next poll without an offset hangs there already.
            there.simulator.bot.quiet_week()
            await speak(there, 0, "in the new week")
            await desk.until(lambda: len(desk.kept) == 2)
        old = desk.cursors["updates"]
        # Down for more than a day, and the ids began anew meanwhile.
        there.simulator.bot.quiet_week()
        await speak(there, 1, "while it was down")
        desk.cursors["updates"] = {**old, "offset": 900_000_000, "at": (NOW - timedelta(days=8)).isoformat()}
        async with listening(there.again(), desk):
            await desk.until(lambda: len(desk.kept) == 3)
        assert desk.texts(there.connector) == ["in the old week", "in the new week", "while it was down"]


@pytest.mark.parametrize(
    "cursor", [{}, {"offset": "x"}, {"at": 5, "offset": 1}, {"at": "2026-11-20", "offset": 10**9}]
)
async def test_a_broken_cursor_hides_nothing(tmp_path: Path, cursor: dict[str, Any]) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk(cursors={"updates": cursor})
        await speak(there, 0, "hello")
        async with listening(there.connector, desk):
            await desk.until(lambda: len(desk.kept) == 1)


async def test_another_poller_is_named_and_outlived(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        async with listening(there.connector, desk):
            await desk.until(lambda: there.simulator.methods.polled_at)
            url = f"{there.simulator.url}/bot{there.simulator.bot.token}/getUpdates"
            async with there.http.get(url, params={"timeout": "0"}) as answer:
                assert answer.status == 200
            await desk.until(
                lambda: any("another program uses this bot" in detail for _, detail, _ in desk.health)
            )
            await speak(there, 0, "still here")
            await desk.until(lambda: len(desk.kept) == 1)
            await desk.until(lambda: desk.health[-1][0])


async def test_a_dead_token_is_said_in_words(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        dead = connector(there.http, **{**led(there.simulator), "bot_token": "7000000001:AA" + "x" * 33})
        async with listening(dead, desk):
            await desk.until(lambda: desk.health)
        ok, words, _ = desk.health[0]
        assert not ok
        assert words.startswith("Unauthorized (Telegram does not know this bot token")
        assert "x" * 20 not in words


# — webhook —


async def test_a_webhook_is_registered_and_answers_arrive(tmp_path: Path) -> None:
    async with world(tmp_path, patience=QUICK) as there:
        desk = KeepingDesk()
        async with pushed(there, desk) as (one, door), listening(one, desk):
            await desk.until(lambda: there.simulator.pusher.url and desk.health)
            assert there.simulator.pusher.info()["allowed_updates"] == sorted(ALLOWED_UPDATES)
            await speak(there, 0, "by webhook")
            await desk.until(lambda: len(desk.kept) == 1)
            assert desk.texts(one) == ["by webhook"]
            assert door.calls == [200]
            assert all(ok for ok, _, _ in desk.health)


async def test_a_failing_door_is_tried_again_and_others_do_not_wait(tmp_path: Path) -> None:
    """The first repeat comes at once; another chat is delivered meanwhile."""
    async with world(tmp_path, patience=QUICK, clock=NOW.timestamp) as there:
        desk = KeepingDesk()
        async with pushed(there, desk) as (one, door), listening(one, desk):
            await desk.until(lambda: there.simulator.pusher.url)
            door.answers = [web.Response(status=503), web.Response(status=500), web.Response(status=503)]
            await speak(there, 0, "first")
            await speak(there, 0, "second")
            await speak(there, 1, "other chat")
            await desk.until(lambda: len(desk.kept) == 3)
            assert sorted(door.calls) == [200, 200, 200, 500, 503, 503]
            texts = desk.texts(one)
            assert texts.index("first") < texts.index("second")


async def test_a_door_that_stays_shut_shows_in_the_health_and_to_the_customer(tmp_path: Path) -> None:
    async with world(tmp_path, patience=QUICK, clock=NOW.timestamp) as there:
        desk = KeepingDesk()
        async with pushed(there, desk) as (one, door), listening(one, desk):
            await desk.until(lambda: there.simulator.pusher.url)
            door.answers = [web.Response(status=502) for _ in range(300)]
            maria = there.simulator.chats.people[0]
            await there.simulator.chats.speak(maria, Spoken(kind="text", text="anybody there?"))
            assert "502 Bad Gateway" in there.simulator.chats.lines(maria.id)[-1].text
            await desk.until(lambda: not desk.health[-1][0])
            _, words, counts = desk.health[-1]
            assert (
                words == "Telegram could not deliver: Wrong response from the webhook: 502 Bad Gateway; 1 waiting"
            )
            assert counts == {"waiting": 1}
            door.answers.clear()
            await desk.until(lambda: len(desk.kept) == 1)
            await desk.until(lambda: desk.health[-1][0])


async def test_a_webhook_that_somebody_changed_is_registered_again(tmp_path: Path) -> None:
    async with world(tmp_path, patience=QUICK) as there:
        desk = KeepingDesk()
        async with pushed(there, desk) as (one, _), listening(one, desk):
            await desk.until(lambda: there.simulator.pusher.url and desk.health)
            ours = there.simulator.pusher.url
            await there.simulator.pusher.set("http://127.0.0.1:9/elsewhere", "")
            await desk.until(lambda: "somebody else had changed the webhook" in desk.health[-1][1])
            assert there.simulator.pusher.url == ours
            await speak(there, 0, "back again")
            await desk.until(lambda: len(desk.kept) == 1)


async def test_an_address_that_telegram_does_not_call_is_said_in_its_words(tmp_path: Path) -> None:
    async with world(tmp_path, any_address=False) as there:
        desk = KeepingDesk()
        async with pushed(there, desk) as (one, _), listening(one, desk):
            await desk.until(lambda: desk.health)
        assert desk.health[0][:2] == (
            False,
            "Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
        )


async def test_switching_between_webhook_and_polling_loses_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, patience=QUICK) as there:
        desk = KeepingDesk()
        async with pushed(there, desk) as (hooked, door):
            async with listening(hooked, desk):
                await desk.until(lambda: there.simulator.pusher.url)
                await speak(there, 0, "pushed")
                await desk.until(lambda: len(desk.kept) == 1)
                door.answers = [web.Response(status=500) for _ in range(100)]
                await speak(there, 0, "stuck")
            async with listening(there.connector, desk):  # removes the webhook, fetches what waits
                await desk.until(lambda: len(desk.kept) == 2)
                assert not there.simulator.pusher.url
                await speak(there, 1, "polled")
                await desk.until(lambda: len(desk.kept) == 3)
            await speak(there, 1, "in between")
            door.answers.clear()
            async with listening(hooked, desk):
                await desk.until(lambda: len(desk.kept) == 4)
        # What was polled may be pushed once more, under the same name: it is kept once.
        assert desk.texts(hooked) == ["pushed", "stuck", "polled", "in between"]


async def test_a_webhook_set_behind_the_pollers_back_is_removed(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        async with listening(there.connector, desk):
            await desk.until(lambda: there.simulator.methods.polled_at)
            asked = Asked(values={"url": "http://127.0.0.1:9/elsewhere"})
            await there.simulator.methods.set_webhook(asked)
            await desk.until(lambda: any("webhook is active" in detail for _, detail, _ in desk.health))
            await speak(there, 0, "found its way")
            await desk.until(lambda: len(desk.kept) == 1)


# — the people of the simulator —


async def test_everything_that_people_do_is_understood(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        chats = there.simulator.chats
        doings = [
            Spoken(kind="text", text="hello"),
            Spoken(kind="voice"),
            *(Spoken(kind=a.key) for a in chats.actions),
        ]
        doings += [
            Spoken(kind="image", filename="a.png", content_type="image/png", content=b"\x89PNG"),
            Spoken(kind="video", filename="a.mp4", content_type="video/mp4", content=b"mp4"),
            Spoken(kind="file", text="see", filename="a.pdf", content_type="application/pdf", content=b"%PDF"),
        ]
        async with listening(there.connector, desk):
            for person in (chats.people[0], chats.people[3], chats.invent("Nadia Ali")):
                for doing in doings:
                    await chats.speak(person, doing)
            await desk.until(lambda: len(desk.kept) == 3 * len(doings))
        read = desk.read(there.connector)
        assert len(read) == 3 * len(doings)
        messages = [one for one in read if isinstance(one, InboundMessage)]
        assert not [one for one in messages if one.kind == "unsupported"]
        assert {one.extra["notice"] for one in messages if one.kind == "notice"} >= {
            "start",
            "blocked",
            "unblocked",
        }
        assert len(read) - len(messages) == 3  # edits
        for message in messages:
            for media in message.media:
                fetched = await there.connector.fetch(media)
                assert fetched.content
                assert fetched.content_type == media.content_type


async def test_listening_is_stopped_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as there:
        desk = KeepingDesk()
        async with listening(there.connector, desk) as task:
            await desk.until(lambda: there.simulator.methods.polled_at)
            assert not task.done()
            task.cancel()
            async with asyncio.timeout(1):
                await asyncio.wait([task])

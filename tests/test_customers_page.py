import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp.test_utils import TestServer

from omnihub.connectors.contract import DemoAccount, Words
from omnihub.connectors.simulation import Person
from omnihub.customers.performance import Performance, roles
from omnihub.customers.stories import STORIES
from omnihub.demo import Demo, Joined
from omnihub.model.account import Account
from tests.customers_cast import PEOPLE, Cast, served

LI, ANNA, WANG = PEOPLE
MARK = {"X-Customers-Page": "1"}
SECONDS = 10.0


class Browser:
    """What the page's own script does."""

    def __init__(self, server: TestServer, http: aiohttp.ClientSession) -> None:
        self._server = server
        self.http = http

    def at(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        return self._server.make_url(f"/demo/{path}").with_query(query or {})

    async def get(self, path: str, **query: str) -> tuple[int, Mapping[str, str], bytes]:
        async with self.http.get(self.at(path, query), allow_redirects=False) as answer:
            return answer.status, answer.headers, await answer.read()

    async def post(
        self, path: str, given: Any = None, *, body: bytes | None = None, **query: str
    ) -> tuple[int, Any]:
        content = orjson.dumps(given) if body is None else body
        async with self.http.post(self.at(path, query), data=content, headers=MARK) as answer:
            read = await answer.read()
            return answer.status, orjson.loads(read) if answer.content_type == "application/json" else read

    @asynccontextmanager
    async def line(self, **query: str) -> AsyncIterator["Line"]:
        async with self.http.get(self.at("events", query)) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/event-stream"
            yield Line(answer)


class Line:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, wanted: str) -> Any:
        """The next event of this name."""
        async with asyncio.timeout(SECONDS):
            while True:
                text = (await self._answer.content.readuntil(b"\n\n")).decode()
                fields = dict(row.split(": ", 1) for row in text.strip().splitlines() if not row.startswith(":"))
                if fields.get("event") == wanted:
                    return orjson.loads(fields["data"])

    async def lines(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.next("lines"))["lines"]
        return found

    async def ended(self) -> bool:
        async with asyncio.timeout(SECONDS):
            await self._answer.content.read()
        return self._answer.content.at_eof()


@pytest.fixture
def cast() -> Cast:
    return Cast()


@pytest.fixture
async def browser(cast: Cast) -> AsyncIterator[Browser]:
    async with served(cast) as server, aiohttp.ClientSession() as http:
        yield Browser(server, http)


def chat(person: Person = LI) -> dict[str, str]:
    return {"channel": "pigeon", "person": person.id}


# — the page —


async def test_the_page_brings_all_it_needs_and_lets_nothing_else_in(browser: Browser) -> None:
    status, headers, page = await browser.get("")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"http://" not in page
    assert b"https://" not in page
    for name in ("customers.js", "customers.css", "chat.js", "mark.svg"):
        status, headers, content = await browser.get(f"static/{name}")
        assert (status, bool(content)) == (200, True)
        assert headers["Content-Type"].startswith(("text/", "application/javascript", "image/svg"))


@pytest.mark.parametrize("name", ["..%2Fpage.py", "nothing.js", "%00"])
async def test_no_other_file_is_given_away(browser: Browser, name: str) -> None:
    async with browser.http.get(f"{browser.at('static')}/{name}") as answer:
        assert answer.status == 404


async def test_the_address_without_its_slash_leads_there_and_other_pages_stay(browser: Browser) -> None:
    async with browser.http.get(str(browser.at("")).rstrip("/"), allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/demo/")
    assert (await browser.get("letters/"))[2] == b"the mailbox"


async def test_channels_are_told_with_their_customers_and_what_these_can_do(browser: Browser, cast: Cast) -> None:
    await cast.chats.show(LI.id, "desk", "text", "x" * 500)
    told = orjson.loads((await browser.get("channels"))[2])
    (channel,) = told["channels"]
    assert (channel["key"], channel["icon"], channel["account"]) == ("pigeon", "wechat", "Demo 飞鸽")
    assert channel["label"] == {"en": "Pigeon post", "zh": "飞鸽"}
    assert channel["kinds"] == ["text", "image", "voice", "video", "file"]
    assert [action["zh"] for action in channel["actions"]] == ["关注", "营业时间"]
    li, anna, _ = channel["people"]
    assert (li["name"], li["answered"], len(li["last"]["text"])) == ("李伟", 1, 80)
    assert (anna["last"], anna["answered"]) == (None, 0)
    (other,) = told["others"]
    assert (other["key"], other["path"]) == ("letters", "/demo/letters/")
    assert told["performance"]["state"] == "idle"


# — writing and being answered —


async def test_what_a_customer_writes_and_is_answered_arrives_at_once(browser: Browser, cast: Cast) -> None:
    async with browser.line(**chat()) as line:
        assert await line.lines() == []
        assert (await browser.post("say", {**chat(), "kind": "text", "text": "你好 <b>水壶</b>"}))[0] == 202
        assert (await line.next("people"))["people"][0]["last"]["text"] == "你好 <b>水壶</b>"
        (written,) = await line.lines()
        assert (written["author"], written["text"], written["file"]) == ("customer", "你好 <b>水壶</b>", None)
        await cast.chats.show(LI.id, "desk", "text", "马上来")
        (answer,) = await line.lines()
        assert (answer["author"], answer["text"], answer["number"]) == ("desk", "马上来", 2)
    assert [(person.name, spoken.text) for person, spoken in cast.heard] == [("李伟", "你好 <b>水壶</b>")]


async def test_a_page_that_comes_back_is_told_everything(browser: Browser, cast: Cast) -> None:
    for words in ("one", "two"):
        await cast.chats.show(LI.id, "desk", "text", words)
    for _ in range(2):
        async with browser.line(**chat()) as line:
            told = await line.next("lines")
            assert (told["whole"], [one["text"] for one in told["lines"]]) == (True, ["one", "two"])


async def test_a_page_hears_of_other_chats_what_their_list_shows(browser: Browser, cast: Cast) -> None:
    async with browser.line(**chat(LI)) as line:
        await line.next("people")
        await cast.chats.show(ANNA.id, "desk", "text", "for Anna")
        told = (await line.next("people"))["people"]
        assert [(one["name"], one["answered"]) for one in told] == [("李伟", 0), ("Anna Berg", 1), ("王芳", 0)]


async def test_what_was_taken_back_is_gone_from_the_page(browser: Browser, cast: Cast) -> None:
    wrong = await cast.chats.show(LI.id, "desk", "image", "the wrong one", content_type="image/png", media=b"png")
    async with browser.line(**chat()) as line:
        await line.lines()
        await cast.chats.recall(wrong)
        (told,) = await line.lines()
        assert (told["recalled"], told["text"], told["file"]) == (True, "", None)
    assert (await browser.get("file", **chat(), number="1"))[0] == 404


@pytest.mark.parametrize(
    "query",
    [{"channel": "pigeon", "person": "nobody"}, {"channel": "owl", "person": LI.id}, {"channel": "pigeon"}],
)
async def test_a_chat_that_is_not_there_is_not_found(browser: Browser, query: dict[str, str]) -> None:
    assert (await browser.get("events", **query))[0] == 404
    assert (await browser.post("say", {**query, "kind": "text", "text": "x"}))[0] == 404
    assert (await browser.post("send", body=b"x", name="a.png", **query))[0] == 404


async def test_other_websites_cannot_write(browser: Browser, cast: Cast) -> None:
    for path in ("say", "people", "performance", "send?channel=pigeon&person=o-wang&name=a.png"):
        body = orjson.dumps({**chat(), "kind": "text", "text": "x", "name": "x", "do": "start"})
        async with browser.http.post(f"{browser.at('')}{path}", data=body) as answer:
            assert answer.status == 403
    assert len(cast.chats.people) == 3
    assert cast.heard == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("say", b"", 400),
        ("say", b"\xff{", 400),
        ("say", b"[1]", 400),
        ("say", orjson.dumps({**chat(), "kind": "text", "text": " \n"}), 422),
        ("say", orjson.dumps({**chat(), "kind": "text", "text": 7}), 422),
        ("say", orjson.dumps({**chat(), "kind": "text", "text": "x" * 20_001}), 422),
        ("say", orjson.dumps({**chat(), "kind": "jump"}), 422),
        ("say", orjson.dumps({**chat(), "kind": ["text"]}), 422),
        ("people", orjson.dumps({"channel": "pigeon", "name": "  "}), 400),
        ("people", orjson.dumps({"channel": "owl", "name": "Ola"}), 404),
        ("performance", orjson.dumps({"do": "dance"}), 400),
    ],
)
async def test_what_makes_no_sense_is_refused(
    browser: Browser, cast: Cast, path: str, body: bytes, status: int
) -> None:
    assert (await browser.post(path, body=body))[0] == status
    assert cast.heard == []


async def test_a_customer_is_invented(browser: Browser, cast: Cast) -> None:
    async with browser.line() as line:
        await line.next("people")
        status, person = await browser.post(
            "people", {"channel": "pigeon", "name": "  Ola \n Nordmann " + "x" * 99}
        )
        assert (status, person["name"]) == (200, ("Ola Nordmann " + "x" * 99)[:40])
        assert (await line.next("people"))["people"][-1]["id"] == person["id"]
    given = {"channel": "pigeon", "person": person["id"], "kind": "text", "text": "Hi"}
    assert (await browser.post("say", given))[0] == 202
    assert [one.name for one, _ in await cast.hears(1)] == [person["name"]]


async def test_a_platform_that_fails_says_so_in_the_chat(browser: Browser, cast: Cast) -> None:
    cast.trouble = RuntimeError("no <such> token")
    async with browser.line(**chat()) as line:
        await line.lines()
        assert (await browser.post("say", {**chat(), "kind": "text", "text": "x"}))[0] == 202
        (told,) = await line.lines()
        assert told["author"] == "system"
        assert "no <such> token" in told["text"]


# — files, voices and the channel's own actions —


@pytest.mark.parametrize(
    ("name", "content_type", "kind"),
    [
        ("照片.png", "image/png", "image"),
        ("a.mp4", "video/mp4", "video"),
        ("a.ogg", "audio/ogg", "voice"),
        ("报价.pdf", "application/pdf", "file"),
        ("a.jpg", "application/octet-stream", "image"),
        ("../../etc/passwd", "", "file"),
    ],
)
async def test_a_file_is_sent_as_what_it_is(
    browser: Browser, cast: Cast, name: str, content_type: str, kind: str
) -> None:
    url = browser.at("send", {**chat(), "name": name})
    async with browser.http.post(url, data=b"content", headers={**MARK, "Content-Type": content_type}) as answer:
        assert answer.status == 202
    ((person, spoken),) = await cast.hears(1)
    assert (person, spoken.kind, spoken.content, spoken.filename) == (LI, kind, b"content", Path(name).name)
    if content_type.startswith(("image", "video")):
        assert spoken.content_type == content_type


async def test_what_a_channel_does_not_carry_is_refused() -> None:
    narrow = Cast(kinds=("text", "image"))
    async with served(narrow) as server, aiohttp.ClientSession() as http:
        browser = Browser(server, http)
        assert (await browser.post("send", body=b"%PDF", name="a.pdf", **chat()))[0] == 422
        assert (await browser.post("say", {**chat(), "kind": "voice"}))[0] == 422
        assert (await browser.post("send", body=b"", name="a.png", **chat()))[0] == 422
        assert (await browser.post("send", body=b"png", name="a.png", **chat()))[0] == 202
        assert [spoken.kind for _, spoken in await narrow.hears(1)] == ["image"]


@pytest.mark.parametrize(
    ("content_type", "served_as", "place"),
    [
        ("image/png", "image/png", "inline"),
        ("audio/amr", "audio/amr", "inline"),
        ("text/html", "application/octet-stream", "attachment"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
    ],
)
async def test_a_file_is_opened_only_where_that_is_harmless(
    browser: Browser, cast: Cast, content_type: str, served_as: str, place: str
) -> None:
    await cast.chats.show(
        LI.id, "desk", "file", filename='a"\r\nX: y.html', content_type=content_type, media=b"<script>"
    )
    status, headers, content = await browser.get("file", **chat(), number="1")
    assert (status, content) == (200, b"<script>")
    assert headers["Content-Type"] == served_as
    assert headers["Content-Disposition"].startswith(f"{place}; ")
    assert "sandbox" in headers["Content-Security-Policy"]
    assert "X" not in headers
    for number in ("2", "x", ""):
        assert (await browser.get("file", **chat(), number=number))[0] == 404
    assert (await browser.get("file", **chat(ANNA), number="1"))[0] == 404


async def test_a_voice_note_and_an_action_reach_the_platform(browser: Browser, cast: Cast) -> None:
    for kind in ("voice", "subscribe"):
        assert (await browser.post("say", {**chat(), "kind": kind}))[0] == 202
    (_, voice), (_, action) = await cast.hears(2)
    assert (voice.kind, voice.content_type, voice.content[:4]) == ("voice", "audio/wav", b"RIFF")
    assert (action.kind, action.text, action.content) == ("subscribe", "", b"")


# — customers who write by themselves —


def told_by(cast: Cast) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for person, spoken in cast.heard:
        found.setdefault(person.name, []).append(spoken.text or spoken.kind)
    return found


async def test_customers_of_every_channel_write_and_write_back_when_they_are_answered() -> None:
    full, narrow = Cast(), Cast(key="sms", kinds=("text",), label=Words(en="SMS", zh="短信"))
    async with served(full, narrow) as server, aiohttp.ClientSession() as http:
        browser = Browser(server, http)
        async with browser.line() as line:
            assert (await line.next("performance"))["state"] == "idle"
            status, begun = await browser.post("performance", {"do": "start"})
            assert (status, begun["state"], begun["said"]) == (200, "writing", 0)
            while (progress := await line.next("performance"))["state"] == "writing":
                assert progress["said"] <= begun["total"]
        assert (progress["state"], progress["said"], progress["waiting"]) == ("waiting", begun["total"], 6)
        assert sum(len(cast.heard) for cast in (full, narrow)) == begun["total"]
        assert {spoken.kind for _, spoken in narrow.heard} == {"text"}

        by_person = told_by(full)
        assert by_person.keys() == {"李伟", "Anna Berg", "王芳"}
        story = next(one for one in STORIES if one.parts[-1] == by_person["Anna Berg"][-1])
        assert story.language == "en"
        before = len(full.heard)
        await full.chats.show(ANNA.id, "system", "text", "the platform says something")
        await full.chats.show(ANNA.id, "desk", "text", "Here is the answer.")
        await full.hears(before + 1)
        assert [(person, spoken.text) for person, spoken in full.heard[before:]] == [(ANNA, story.answers[0])]


async def test_customers_stop_when_they_are_told_to() -> None:
    cast = Cast()
    async with served(cast, pace=1000) as server, aiohttp.ClientSession() as http:
        browser = Browser(server, http)
        assert (await browser.post("performance", {"do": "start"}))[1]["state"] == "writing"
        assert (await browser.post("performance", {"do": "start"}))[1]["state"] == "writing"
        assert (await browser.post("performance", {"do": "stop"}))[1]["state"] == "idle"
        assert (await browser.post("performance", {"do": "stop"}))[1]["state"] == "idle"
    assert cast.heard == []


async def test_nobody_is_left_when_the_page_ends() -> None:
    cast = Cast()
    async with aiohttp.ClientSession() as http:
        async with served(cast, pace=1000) as server:
            browser = Browser(server, http)
            await browser.post("performance", {"do": "start"})
            answer = await http.get(browser.at("events", chat()))
            line = Line(answer)
            await line.lines()
        assert await line.ended()
    assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


async def test_customers_without_a_platform_are_no_obstacle() -> None:
    cast = Cast(trouble=RuntimeError("down"))
    performance = Performance({"pigeon": cast.chats}, pace=0)
    await performance.start()
    assert await performance.wait(lambda: performance.progress.state == "waiting", SECONDS)
    await performance.stop()
    assert all(line.author == "system" for line in cast.chats.lines(LI.id))


def test_stories_differ_between_people_and_between_turns() -> None:
    casts = {key: Cast(key=key).chats for key in ("a", "b", "c")}
    first, second = roles(casts, 0), roles(casts, 1)
    assert [role.channel for role in first] == ["a", "b", "c"] * 3
    chinese = [role.story for role in first if role.person is not ANNA]
    assert {story.language for story in chinese} == {"zh"}
    assert len({story.parts for story in chinese}) == 6
    assert first[0].story is not second[0].story


def test_every_story_asks_something_and_goes_on_after_an_answer() -> None:
    assert {story.language for story in STORIES} == {"en", "zh"}
    assert all(story.parts and story.answers and isinstance(story.parts[-1], str) for story in STORIES)
    assert len({story.parts for story in STORIES}) == len(STORIES)


# — what the demo tells its simulators —


class Platform:
    def __init__(self, cast: Cast, trouble: Exception | None = None) -> None:
        self.chats = cast.chats
        self.doors: Mapping[str, str] = {}
        self._trouble = trouble

    async def attach(self, doors: Mapping[str, str]) -> None:
        if self._trouble:
            raise self._trouble
        self.doors = doors

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def accounts(self) -> list[DemoAccount]:
        return []

    def pages(self) -> None:
        return None


def joined(channel: str, platform: Platform) -> Joined:
    account = Account(
        id=f"01{channel}", key=f"key-{channel}", channel=channel, name="Demo", enabled=True, demo=True
    )
    return Joined(
        channel=channel,
        simulator=platform,
        wanted=DemoAccount(name=f"Demo {channel}", settings={}),
        account=account,
    )


async def test_platforms_learn_their_doors_and_one_that_fails_hurts_no_other() -> None:
    good, bad = Platform(Cast()), Platform(Cast(), ConnectionError("refused"))
    demo = Demo(joined=[joined("owl", bad), joined("pigeon", good)])
    await demo.attach("http://127.0.0.1:8080")
    assert good.doors == {"Demo pigeon": "http://127.0.0.1:8080/in/pigeon/key-pigeon"}
    assert good.chats.lines(LI.id) == []
    (line,) = bad.chats.lines(WANG.id)
    assert line.author == "system"
    assert "refused" in line.text

"""The telephones of the customers' page by HTTP, at the demo's exchange, and the desk they belong to."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from omnihub.connectors import registry
from omnihub.connectors.asterisk.simulator import Simulator
from omnihub.customers.page import make_page
from omnihub.customers.telephones import TelephoneChannel
from omnihub.demo import demo_channels
from omnihub.settings import Settings
from omnihub.store.store import Store

MARK = {"X-Customers-Page": "1"}
LENA = "+493023125042"
SECONDS = 10.0


class Browser:
    def __init__(self, server: TestServer, http: aiohttp.ClientSession) -> None:
        self._server = server
        self._http = http

    async def load(self) -> Any:
        async with self._http.get(self._server.make_url("/demo/channels")) as answer:
            return (await answer.json())["telephones"][0]

    async def post(self, path: str, **given: str) -> int:
        return await self.post_as(MARK, path, given)

    async def post_as(self, headers: Mapping[str, str], path: str, given: Mapping[str, str]) -> int:
        body = orjson.dumps({"channel": "asterisk", **given})
        async with self._http.post(self._server.make_url(f"/demo/{path}"), data=body, headers=headers) as answer:
            return answer.status

    @asynccontextmanager
    async def line(self) -> AsyncIterator["Line"]:
        async with self._http.get(self._server.make_url("/demo/events")) as answer:
            yield Line(answer)


class Line:
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def until(self, **wanted: str) -> Any:
        """The telephones' states by their names, once they are as wanted: desk_101, Lena."""
        async with asyncio.timeout(SECONDS):
            while True:
                text = (await self._answer.content.readuntil(b"\n\n")).decode()
                fields = dict(row.split(": ", 1) for row in text.strip().splitlines() if not row.startswith(":"))
                if fields.get("event") != "telephones":
                    continue
                told = orjson.loads(fields["data"])
                states = {f"desk_{one['extension']}": one["handset"]["state"] for one in told["desk"]}
                states |= {one["name"].split()[0]: one["handset"]["state"] for one in told["people"]}
                if all(states.get(name) == state for name, state in wanted.items()):
                    return told


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    simulator = Simulator(tmp_path)
    await simulator.start()
    channel = TelephoneChannel(
        manifest=registry.manifest("asterisk"), account="Demo PBX", telephones=simulator.telephones()
    )
    app = web.Application()
    app.add_subapp("/demo/", make_page([], telephones=[channel]))
    server = TestServer(app)
    async with server, aiohttp.ClientSession() as http:
        yield Browser(server, http)
    await simulator.stop()


async def test_the_page_learns_which_telephones_there_are(browser: Browser) -> None:
    told = await browser.load()
    assert (told["key"], told["icon"], told["account"]) == ("asterisk", "phone", "Demo PBX")
    assert [one["number"] for one in told["lines"]] == ["700", "701"]
    assert all(one["en"] and one["zh"] for one in told["lines"])
    assert [one["extension"] for one in told["desk"]] == ["101", "102"]
    assert len(told["people"]) == 3
    assert {one["handset"]["state"] for one in (*told["desk"], *told["people"])} == {"idle"}


async def test_a_call_is_seen_live_at_both_ends(browser: Browser) -> None:
    async with browser.line() as line:
        await line.until(Lena="idle")
        assert await browser.post("ring", person=LENA, line="700") == 204
        told = await line.until(Lena="queued", desk_101="rings", desk_102="rings")
        assert told["desk"][0]["handset"]["other"] == LENA
        assert await browser.post("press", telephone="101", key="answer") == 204
        told = await line.until(Lena="talking", desk_101="talking", desk_102="idle")
        assert told["people"][1]["handset"]["since"]
        assert await browser.post("press", telephone="101", key="transfer", to="102") == 204
        await line.until(Lena="dialling", desk_101="idle", desk_102="rings")
        assert await browser.post("press", telephone=LENA, key="hang_up") == 204
        told = await line.until(Lena="idle", desk_102="idle")
        assert told["people"][1]["last_call"]["ending"] == "answered"


async def test_an_anonymous_caller_shows_no_number_at_the_desk(browser: Browser) -> None:
    assert await browser.post("ring", person=LENA, line="701", anonymous="yes") == 204
    told = await browser.load()
    assert (told["desk"][0]["handset"]["state"], told["desk"][0]["handset"]["other"]) == ("rings", "")


async def test_somebody_new_gets_a_number_of_their_own(browser: Browser) -> None:
    async with browser.line() as line:
        await line.until()
        assert [await browser.post("people", name=name) for name in ("Robin", "Kim", " ")] == [200, 200, 400]
        told = await line.until(Kim="idle")
    numbers = [one["id"] for one in told["people"]]
    assert len(set(numbers)) == 5
    assert await browser.post("ring", person=numbers[-1], line="701") == 204


@pytest.mark.parametrize(
    ("path", "given", "status"),
    [
        ("ring", {"person": LENA, "line": "999"}, 409),
        ("ring", {"person": "+49000", "line": "700"}, 404),
        ("ring", {"channel": "pigeon", "person": LENA, "line": "700"}, 404),
        ("press", {"telephone": "101", "key": "answer"}, 409),
        ("press", {"telephone": "101", "key": "explode"}, 404),
        ("press", {"telephone": "109", "key": "answer"}, 404),
        ("press", {"telephone": LENA, "key": "transfer", "to": "101"}, 409),
    ],
)
async def test_what_makes_no_sense_is_refused(
    browser: Browser, path: str, given: dict[str, str], status: int
) -> None:
    before = await browser.load()
    assert await browser.post(path, **given) == status
    assert await browser.load() == before


async def test_other_websites_cannot_telephone(browser: Browser) -> None:
    assert await browser.post_as({}, "ring", {"person": LENA, "line": "700"}) == 403
    assert await browser.post_as({}, "press", {"telephone": "101", "key": "answer"}) == 403


# — whose telephones they are —


async def admin(store: Store, name: str) -> str:
    user = await store.users.add(email=f"{name}@desk.test", name=name, role="admin", password_hash="")
    return user["_id"]


async def extensions(store: Store, user_id: str) -> list[str]:
    return (await store.users.get(user_id)).get("extensions", [])


async def test_the_first_admin_gets_the_first_telephone_of_the_desk(store: Store, settings: Settings) -> None:
    first, second = await admin(store, "first"), await admin(store, "second")
    for _ in range(2):
        async with demo_channels(store, settings) as demo:
            await demo.attach("http://127.0.0.1:1")
        assert (await extensions(store, first), await extensions(store, second)) == (["101"], [])


async def test_telephones_that_are_somebodys_stay_theirs(store: Store, settings: Settings) -> None:
    first, second = await admin(store, "first"), await admin(store, "second")
    await store.users.change(second, {"extensions": ["102"]})
    async with demo_channels(store, settings) as demo:
        await demo.attach("http://127.0.0.1:1")
        [account] = [one.account for one in demo.joined if one.channel == "asterisk"]
        for language in ("en", "zh"):
            assert any("701" in note for note in demo.notes(account, "", language))
    assert (await extensions(store, first), await extensions(store, second)) == ([], ["102"])

"""Search as a program or the web app asks for it, and how the hub says that its index is fed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from omnihub.search.feeder import Feeder
from omnihub.store.store import Store
from tests.conftest import Eventually
from tests.mailbox import PostOffice, mail
from tests.unified_view.browser import Browser


@pytest.fixture
async def fed(store: Store) -> AsyncIterator[None]:
    running = asyncio.create_task(Feeder(store).run())
    yield
    running.cancel()
    await asyncio.wait([running])


async def found(agent: Browser, query: str, kind: str) -> Any:
    answer = await agent.get(f"/search?{query}")
    assert answer.status == 200, answer.content
    groups = {group["kind"]: group for group in answer.json["groups"]}
    return groups[kind]["items"]


async def test_hits_show_where_the_words_are(
    agent: Browser, post: PostOffice, fed: None, eventually: Eventually
) -> None:
    text = "你好，我的打印机坏了，想申请退款。 Order 4711-0815."
    raw = mail("Lin Wei <lin@example.cn>", mid="1@x", subject="Broken printer", text=text)
    placed = await post.deliver(raw, mail("Bo <bo@example.test>", mid="2@x", subject="Hi", text="Hello"))
    ticket = placed.ticket("1@x")

    hit = (await eventually(lambda: found(agent, "q=申请退款", "messages")))[0]
    assert hit["ticket"]["number"] == ticket["number"]
    assert hit["message"]["sender"]["name"] == "Lin Wei"
    assert [part["text"] for part in hit["message"]["excerpt"] if part["hit"]] == ["申请退款"]

    (hit,) = await found(agent, "q=PRINTER", "tickets")
    assert hit["title"] == [{"text": "Broken ", "hit": False}, {"text": "printer", "hit": True}]
    (hit,) = await found(agent, "q=lin@example.cn", "contacts")
    assert hit["contact"]["identities"][0]["key"] == "email:lin@example.cn"
    (hit,) = await found(agent, "q=lin", "contacts")
    assert hit["title"] == [{"text": "Lin", "hit": True}, {"text": " Wei", "hit": False}]

    answer = (await agent.get("/search?q=4711&in=messages&sort=best")).json
    assert [group["kind"] for group in answer["groups"]] == ["messages"]
    assert answer["groups"][0]["count"] == 1
    assert answer["words"] == ["4711"]
    assert not answer["rebuilding"]


async def test_filters_leave_contacts_out(
    agent: Browser, post: PostOffice, fed: None, eventually: Eventually
) -> None:
    await post.deliver(mail("Ann <ann@example.test>", mid="1@x", subject="Pelican", text="A pelican"))
    await eventually(lambda: found(agent, "q=pelican", "messages"))
    kinds = [group["kind"] for group in (await agent.get("/search?q=pelican&channel=email")).json["groups"]]
    assert kinds == ["tickets", "messages", "files"]
    assert await found(agent, "q=pelican&channel=sms", "messages") == []
    assert len(await found(agent, "q=pelican&view=unassigned&status=new", "messages")) == 1
    assert await found(agent, "q=pelican&view=mine", "messages") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=%20", "q"),
        (f"q={'x' * 201}", "q"),
        ("q=a&in=nothing", "in"),
        ("q=a&limit=51", "limit"),
        ("q=a&sort=oldest", "sort"),
        ("q=a&cursor=7", "cursor"),
        ("q=a&in=messages&cursor=x", "cursor"),
        ("q=a&colour=red", "colour"),
    ],
)
async def test_what_cannot_be_asked_is_said(agent: Browser, query: str, field: str) -> None:
    answer = await agent.get(f"/search?{query}")
    assert answer.status == 422
    assert field in answer.problem["fields"]


async def test_the_state_of_the_index_is_shown(
    agent: Browser, store: Store, fed: None, eventually: Eventually
) -> None:
    async def is_up() -> bool:
        search = (await agent.get("/status")).json["search"]
        return bool(search["fed"] and search["rebuild"] is None and search["lag_seconds"] < 5)

    await eventually(is_up)
    text = (await agent.get("/../../metrics")).content.decode()
    assert "omnihub_search_lag_seconds 0.0" in text


async def test_an_index_that_nobody_feeds_says_so(agent: Browser, store: Store) -> None:
    search = (await agent.get("/status")).json["search"]
    assert search == {"fed": False, "lag_seconds": 0.0, "rebuild": None}
    await store.search_state.ask_for_rebuild()
    assert (await agent.get("/status")).json["search"]["rebuild"] == {"done": 0, "total": 0}
    assert (await agent.get("/search?q=a")).json["rebuilding"]

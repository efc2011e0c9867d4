"""What callers are told when something is wrong: always problem+json, in their language, never a stack trace."""

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest
from pymongo.errors import ServerSelectionTimeoutError
from yarl import URL

from omnihub.unified_view import words
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.conftest import StartHub


async def test_every_problem_has_words_in_both_languages() -> None:
    for code, entry in words.CATALOGUE.items():
        assert 400 <= entry.status < 600, code
        assert all(entry.en)
        assert all(entry.zh)
        assert all("\u4e00" <= text[0] <= "\u9fff" or text[0].isascii() for text in entry.zh)


LANGUAGES = {
    "zh-CN": "未找到",
    "zh-Hans-CN,zh;q=0.9,en;q=0.8": "未找到",
    "en-US,zh;q=0.5": "Not found",
    "fr, de;q=0.9": "Not found",
    "zh;q=nonsense, en": "Not found",
    ",;q=;;": "Not found",
}


async def test_a_problem_speaks_the_callers_language(agent: Browser) -> None:
    for accept, title in LANGUAGES.items():
        answer = await agent.get("/tickets/999999", headers={"Accept-Language": accept})
        assert answer.status == 404
        assert answer.problem["title"] == title, accept
        assert answer.problem["type"] == "/problems/not_found"


async def test_without_a_wish_the_profile_decides(hub: Hub) -> None:
    lin = await hub.browser("agent", locale="zh-CN")
    answer = await lin.get("/tickets/999999")
    assert answer.problem["detail"] == "该工单不存在"
    answer = await lin.get("/tickets/999999", headers={"Accept-Language": "en"})
    assert answer.problem["detail"] == "this ticket does not exist"


async def test_each_wrong_field_is_named(admin: Browser) -> None:
    body = {"email": "no address", "role": "boss", "password": "short", "nickname": "x"}
    answer = await admin.post("/users", body)
    assert answer.status == 422
    assert answer.problem["code"] == "invalid"
    assert set(answer.problem["fields"]) == {"email", "name", "role", "password", "nickname"}
    chinese = await admin.post("/users", body, headers={"Accept-Language": "zh"})
    assert chinese.problem["fields"]["name"] == "必填"
    assert chinese.problem["fields"]["password"] == "至少需要 10 个字符"


async def test_a_channels_settings_are_checked_in_the_callers_language(admin: Browser) -> None:
    body = {"channel": "webform", "name": "Form", "settings": {"max_files": 99, "title": 5}}
    answer = await admin.post("/accounts", body, headers={"Accept-Language": "zh-CN"})
    assert answer.status == 422
    assert answer.problem["fields"] == {"max_files": "不能大于 20", "title": "必须是文本"}


HOSTILE_BODIES: tuple[tuple[bytes, int], ...] = (
    (b"", 422),
    (b"{", 400),
    (b"[1, 2]", 422),
    (b'"text"', 422),
    (b"null", 422),
    (b"[" * 100_000 + b"]" * 100_000, 400),
    (b'{"name": ' + b'{"a":' * 2000 + b"1" + b"}" * 2000 + b"}", 400),
    (b'{"name": "\\ud800"}', 400),
    (b'{"name": "\xff\xfe"}', 400),
    (b'{"name": NaN}', 400),
    (b'{"name": 1e400}', 400),
    (b'{"name": {"$gt": ""}}', 422),
    (b'{"name": "x", "member_ids": [' + b'"a",' * 5000 + b'"a"]}', 422),
    (b'{"name": "' + b"x" * 5_000_000 + b'"}', 413),
)


async def test_a_hostile_body_is_refused(admin: Browser) -> None:
    for body, status in HOSTILE_BODIES:
        answer = await admin.call("POST", "/teams", body)
        assert answer.status == status, (body[:40], answer.content[:300])
        assert answer.problem["code"]


async def test_a_body_without_end_is_cut_off(admin: Browser) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        for _ in range(80):
            yield b" " * 65_536

    url = admin.hub.server.make_url("/api/v1/teams")
    headers = {"X-CSRF-Token": admin.csrf, "Content-Type": "application/json"}
    # The connection may be closed while we are still sending.
    with contextlib.suppress(aiohttp.ClientConnectionError):
        async with admin.http.post(url, data=endless(), headers=headers) as response:
            assert response.status == 413
    assert (await admin.get("/session")).status == 200


HOSTILE_QUERIES = (
    "limit=0", "limit=9999", "limit=x", "cursor=!!", "cursor=W10", "status=any%00", "sort=_id", "nonsense=1",
    "view[$ne]=x", "limit=99999999999999999999999", "cursor=" + "A" * 700, "spam=perhaps",
)  # fmt: skip


async def test_a_hostile_query_is_refused(agent: Browser) -> None:
    for query in HOSTILE_QUERIES:
        answer = await agent.get(f"/tickets?{query}")
        assert answer.status == 422, (query, answer.content)
        assert answer.problem["fields"]


async def test_a_hostile_path_finds_nothing(agent: Browser) -> None:
    for wanted in ("%00", "%ff", "..%2f..%2fetc", "%7B$gt:1%7D", "9" * 40, "x" * 3000, "%231"):
        url = URL(f"{agent.hub.server.make_url('/api/v1/tickets')}/{wanted}", encoded=True)
        async with agent.http.get(url) as response:
            assert response.status in (404, 400), wanted


async def test_a_wrong_method_names_the_right_ones(agent: Browser) -> None:
    answer = await agent.call("DELETE", "/tickets")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET,HEAD" or "GET" in answer.headers["Allow"]
    assert answer.problem["code"] == "method_not_allowed"


async def test_a_form_cannot_stand_in_for_json(agent: Browser) -> None:
    answer = await agent.call(
        "PATCH", "/me", b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status == 415


async def test_a_fault_of_ours_shows_a_number_and_nothing_else(
    agent: Browser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(agent.hub.deps.store.users, "teams", broken)
    answer = await agent.get("/teams")
    assert answer.status == 500
    number = answer.problem["details"]["id"]
    assert number in answer.problem["detail"]
    assert b"secret detail" not in answer.content
    assert number in capsys.readouterr().out


async def test_unknown_addresses_are_pages_of_the_app_or_problems(
    hub: Hub, start: StartHub, tmp_path: Path
) -> None:
    visitor = hub.visitor()
    page = await visitor.http.get(hub.server.make_url("/tickets/1001"))
    assert (page.status, page.content_type) == (200, "text/html")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    asset = await visitor.http.get(hub.server.make_url("/assets/index-abc123.js"))
    assert "immutable" in asset.headers["Cache-Control"]
    assert asset.headers["ETag"]
    repeat = await visitor.http.get(asset.url, headers={"If-None-Match": asset.headers["ETag"]})
    assert repeat.status == 304
    assert (await visitor.http.get(hub.server.make_url("/assets/gone-000.js"))).status == 404
    assert (await visitor.get("/api/v1/nothing")).problem["code"] == "not_found"
    assert (await visitor.post("/api/v1/nothing")).problem["code"] == "not_found"
    unbuilt = await start(static=tmp_path / "nowhere")
    page = await visitor.http.get(unbuilt.server.make_url("/"))
    assert page.status == 503
    assert "make web" in await page.text()


async def test_no_file_outside_the_web_app_is_served(hub: Hub) -> None:
    root = str(hub.server.make_url("/")).rstrip("/")
    visitor = hub.visitor()
    for path in ("/..%2f..%2fpages.py", "/%2e%2e/pages.py", "/assets/..%5c..%5cx", "/%00", "/" + "a" * 4000):
        async with visitor.http.get(URL(root + path, encoded=True)) as page:
            assert page.status in (200, 400, 404), path
            assert "import" not in await page.text()


async def test_the_engines_and_figures_can_be_watched(hub: Hub, agent: Browser) -> None:
    for path in ("/healthz", "/readyz"):
        async with agent.http.get(hub.server.make_url(path)) as answer:
            assert answer.status == 200
    await agent.get("/tickets")
    async with agent.http.get(hub.server.make_url("/metrics")) as answer:
        text = await answer.text()
    assert 'omnihub_http_requests_total{method="GET",route="/api/v1/tickets",status="200"} 1.0' in text
    assert "omnihub_live_clients 0.0" in text
    forwarded = {"X-Forwarded-For": "198.51.100.7"}
    async with hub.visitor().http.get(hub.server.make_url("/metrics"), headers=forwarded) as answer:
        assert answer.status == 401
    status = (await agent.get("/status")).json
    assert status["engines"] == {"mongodb": "ok", "redis": "ok"}
    assert status["demo"] is False


async def test_large_answers_are_compressed(agent: Browser) -> None:
    answer = await agent.get("/api/v1/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.json["openapi"] == "3.1.0"


async def test_a_database_that_is_away_is_said_to_be(agent: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise ServerSelectionTimeoutError("no primary")

    monkeypatch.setattr(agent.hub.deps.store.sessions, "find", away)
    answer = await asyncio.wait_for(agent.get("/tickets"), 5)
    assert (answer.status, answer.problem["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"]

"""The log of calls as a table."""

import csv
import io
from typing import Any

import aiohttp
import pytest

from omnihub.model.ids import new_id
from omnihub.unified_view import call_export
from tests.unified_view.browser import Answer, Browser, Hub
from tests.unified_view.telephone import Switchboard, call, missed


def rows_of(answer: Answer) -> list[list[str]]:
    assert answer.status == 200
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def test_a_table_for_spreadsheets(phones: Hub, switchboard: Switchboard) -> None:
    account = await switchboard.account()
    [message, _] = await switchboard.tell(
        account, call("a", queue="sales", agents=("101", "102")), missed("b", customer="", line="")
    )
    browser = await phones.browser()
    note = {"disposition": "order", "note": 'Two, "blue"\nand one red'}
    await browser.put(f"/calls/{message['_id']}/wrap-up", note)
    answer = await browser.get("/calls/export")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="calls-20')
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content.startswith(b"\xef\xbb\xbfBegan (UTC),Direction,Number,")
    titles, hidden, row = rows_of(answer)
    ticket = await switchboard.store.tickets.get(message["ticket_id"])
    assert dict(zip(titles, row, strict=True)) == {
        "Began (UTC)": "2026-11-20 09:00:00",
        "Direction": "in",
        "Number": "+4930123456",
        "Name": "Ann",
        "State": "ended",
        "Outcome": "answered",
        "Answered (UTC)": "2026-11-20 09:00:05",
        "Ended (UTC)": "2026-11-20 09:01:05",
        "Waited (s)": "5",
        "Talked (s)": "60",
        "Answered by": "101",
        "Rang at": "101, 102",
        "Queue": "sales",
        "Line": "+493099990",
        "Account": "Hotline",
        "Ticket": str(ticket["number"]),
        "Disposition": "order",
        "Note": 'Two, "blue"\nand one red',
        "Summed up by": "The agent",
        "Recordings": "",
    }
    assert (hidden[2], hidden[5], hidden[6]) == ("", "missed", "")


async def test_its_titles_are_in_the_readers_language(phones: Hub) -> None:
    chinese = await phones.browser(locale="zh-CN")
    [titles] = rows_of(await chinese.get("/calls/export"))
    assert titles[:4] == ["开始时间 (UTC)", "方向", "号码", "姓名"]
    [titles] = rows_of(await chinese.get("/calls/export", headers={"Accept-Language": "en"}))
    assert titles[0] == "Began (UTC)"


async def test_it_is_chosen_as_the_list_is(phones: Hub, switchboard: Switchboard) -> None:
    account = await switchboard.account()
    await switchboard.tell(account, call("a"), missed("b"), call("c", agents=("102",), answered_by="102"))
    browser = await phones.browser("readonly")
    assert len(rows_of(await browser.get("/calls/export?outcome=answered&extension=102"))) == 2
    assert len(rows_of(await browser.get("/calls/export?outcome=failed"))) == 1
    assert (await browser.get("/calls/export?limit=5")).status == 422
    assert (await browser.get("/calls/export?number=12")).status == 422
    assert (await phones.visitor().get("/calls/export")).status == 401


FORMULAS = {
    "=1+1": "'=1+1",
    "+1+1": "'+1+1",
    "-1": "'-1",
    "@SUM(1)": "'@SUM(1)",
    "\tx": "'\tx",
    "\rx": "'\rx",
    "+4930123456": "+4930123456",
    "+49 30": "'+49 30",
    "+": "'+",
    "": "",
    "a=1": "a=1",
    "张三": "张三",
}


def test_what_would_run_as_a_formula_is_only_text() -> None:
    assert {text: call_export.safe(text) for text in FORMULAS} == FORMULAS


async def test_a_caller_cannot_write_formulas(phones: Hub, switchboard: Switchboard) -> None:
    trick = '=HYPERLINK("http://example.test")'
    await switchboard.tell(
        await switchboard.account(), call("a", customer_name=trick, queue="@x", customer="+1=2", agents=("=9",))
    )
    _, row = rows_of(await (await phones.browser()).get("/calls/export"))
    assert not [cell for cell in row if cell[:1] in tuple("=@-+") and not cell[1:].isdigit()]
    assert f"'{trick}" in row


async def many(switchboard: Switchboard, count: int, **extra: Any) -> None:
    """Copies of one call, as intake would take minutes."""
    [message] = await switchboard.tell(await switchboard.account(), call("first"))
    copies = [
        {**message, "_id": new_id(), "external_id": f"call:{n}", **extra, "fingerprint": str(n)}
        for n in range(count)
    ]
    for one in copies:
        one["extra"] = {**message["extra"], "call": {**message["extra"]["call"], "queue": one["fingerprint"]}}
    await switchboard.store.db["messages"].insert_many(copies)


async def test_of_very_many_none_is_left_out(
    phones: Hub, switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await many(switchboard, 1_200)
    browser = await phones.browser()
    _, *rows = rows_of(await browser.get("/calls/export"))
    assert [row[12] for row in rows] == [*(str(n) for n in reversed(range(1_200))), ""]
    monkeypatch.setattr(call_export, "MOST_ROWS", 700)
    assert len(rows_of(await browser.get("/calls/export"))) == 701


@pytest.mark.own_database
async def test_a_table_that_breaks_off_does_not_pass_for_a_whole_one(
    phones: Hub, switchboard: Switchboard
) -> None:
    wrap_up = {"disposition": "", "note": "x" * 5_000, "user_id": "", "name": "", "at": None}
    await many(switchboard, 6_000, wrap_up=wrap_up)
    browser: Browser = await phones.browser()
    url = phones.server.make_url("/api/v1/calls/export")
    async with browser.http.get(url) as response:
        assert response.status == 200
        await response.content.readexactly(100)
        # The next batch is asked for by this index.
        await switchboard.store.db["messages"].drop_index("calls_by_time")
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


@pytest.mark.own_database
async def test_what_cannot_be_looked_for_is_a_problem(phones: Hub, switchboard: Switchboard) -> None:
    await switchboard.store.db["messages"].drop_index("calls_by_time")
    answer = await (await phones.browser()).get("/calls/export")
    assert (answer.status, answer.problem["code"]) == (500, "internal")

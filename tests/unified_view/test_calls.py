"""The log of calls: what is found in it, and how agents sum a call up."""

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omnihub.model.account import DISPOSITIONS, CallPolicy
from omnihub.store import call_log
from omnihub.store.call_log import CallFilter
from omnihub.store.store import Store
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.telephone import BEGAN, Switchboard, call, going_on, missed


async def found(browser: Browser, **params: Any) -> list[str]:
    answer = await browser.get("/calls", params=params)
    assert answer.status == 200, answer.content
    return [row["message"]["extra"]["call"]["id"] for row in answer.json["items"]]


LOG = (
    call("a", queue="sales"),
    missed("b", customer="+4930777888", agents=("102", "103"), queue="sales"),
    call("c", direction="out", customer="+8613812345678", agents=("103",), answered_by="103"),
    going_on("d", "talking", customer="+4930777888", agents=("101",)),
    going_on("e", "queued", customer="", agents=(), queue="support"),
    call("f", customer="4711", agents=("105",), answered_by="104"),
)
WANTED: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "fedcba"),
    ({"state": "active"}, "ed"),
    ({"state": "ended"}, "fcba"),
    ({"outcome": "missed"}, "b"),
    ({"outcome": "answered", "state": "ended"}, "fca"),
    ({"direction": "out"}, "c"),
    ({"direction": "in", "state": "active"}, "ed"),
    ({"number": "+4930777888"}, "db"),
    ({"number": "+49 30 777-888"}, "db"),
    ({"number": "7888"}, "db"),
    ({"number": "030 777888"}, "db"),
    ({"number": "13812345678"}, "c"),
    ({"number": "4711"}, "f"),
    ({"number": "+4711"}, ""),
    ({"extension": "103"}, "cb"),
    ({"extension": "104"}, "f"),
    ({"extension": "103", "direction": "out"}, "c"),
    ({"extension": "101", "state": "active"}, "d"),
    ({"extension": "101", "number": "3456"}, "a"),
    ({"queue": "sales"}, "ba"),
    ({"queue": "sales", "outcome": "missed", "extension": "102"}, "b"),
    ({"account_id": "somewhere else"}, ""),
    ({"outcome": "failed"}, ""),
)


async def test_calls_are_found_by_all_that_is_asked_of_them(phones: Hub, switchboard: Switchboard) -> None:
    account = await switchboard.account()
    for one in LOG:
        await switchboard.tell(account, one)
    browser = await phones.browser("readonly")
    for params, ids in WANTED:
        assert "".join(await found(browser, **params)) == ids, params
        assert "".join(await found(browser, **{"account_id": account.id, **params})) == ids, params


async def test_calls_are_found_by_their_time(phones: Hub, switchboard: Switchboard) -> None:
    account = await switchboard.account()
    times = [(await switchboard.tell(account, call(name)))[0]["at"] for name in "abc"]
    browser = await phones.browser()
    second = times[1].isoformat()
    assert await found(browser, since=second) == ["c", "b"]
    assert await found(browser, until=second) == ["a"]
    assert await found(browser, since=second, until=times[2].isoformat()) == ["b"]
    assert (await browser.get("/calls?since=2026-11-20T09:00:00")).problem["fields"] == {
        "since": "needs a time zone, such as a Z at the end"
    }


async def test_a_plus_sign_that_was_not_escaped_is_understood(phones: Hub, switchboard: Switchboard) -> None:
    await switchboard.tell(await switchboard.account(), call("a"))
    answer = await (await phones.browser()).get("/calls?number=+4930123456")
    assert len(answer.json["items"]) == 1


@pytest.mark.parametrize("number", ["456", "+49", "abc", "00", "-/-"])
async def test_a_shorter_piece_of_a_number_is_refused(phones: Hub, number: str) -> None:
    browser = await phones.browser()
    refused = await browser.get("/calls", params={"number": number})
    assert (refused.status, list(refused.problem["fields"])) == (422, ["number"])
    chinese = await browser.get("/calls", params={"number": number}, headers={"Accept-Language": "zh"})
    assert chinese.problem["fields"] == {"number": "至少需要号码的后四位"}


@pytest.mark.parametrize("wanted", [{}, {"extension": "101"}, {"number": "3456"}, {"number": "+4930123456"}])
async def test_pages_leave_nothing_out(phones: Hub, switchboard: Switchboard, wanted: dict[str, str]) -> None:
    account = await switchboard.account()
    await switchboard.tell(account, *(call(f"{n:02}") for n in range(11)))
    browser, cursor, seen = await phones.browser(), "", []
    while True:
        page = (await browser.get("/calls", params={**wanted, "limit": 3, "cursor": cursor})).json
        seen += [row["message"]["extra"]["call"]["id"] for row in page["items"]]
        if page["next"] is None:
            break
        cursor = page["next"]
        await switchboard.tell(account, call(f"late {len(seen)}"))
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 11


VALUES: dict[str, tuple[Any, ...]] = {
    "state": ("any", "active", "ended"),
    "outcome": ("", "missed"),
    "direction": ("", "out"),
    "account_id": ("", "a"),
    "number": ("", "3456", "+4930123456"),
    "extension": ("", "101"),
    "queue": ("", "sales"),
    "since": (None, BEGAN),
}


def stages(plan: dict[str, Any]) -> set[str]:
    inner = [plan[name] for name in ("inputStage", "queryPlan") if name in plan] + plan.get("inputStages", [])
    return {plan.get("stage", "")}.union(*(stages(one) for one in inner))


async def test_every_choice_is_an_index_scan_in_order(store: Store, switchboard: Switchboard) -> None:
    account = await switchboard.account()
    await switchboard.tell(account, *(call(f"{n}", outcome=("answered", "missed")[n % 2]) for n in range(20)))
    chosen = [dict(zip(VALUES, values, strict=True)) for values in itertools.product(*VALUES.values())]
    assert len(chosen) == 576
    for given, place in itertools.product(chosen[::5], (None, (BEGAN + timedelta(days=900), "x"))):
        wanted = CallFilter(**given)
        query = store.db["messages"].find(call_log._query(wanted, place)).sort(call_log._NEWEST).limit(50)
        if index := call_log._index_of(wanted):
            query = query.hint(index)
        plan = (await query.explain())["queryPlanner"]["winningPlan"]
        assert not stages(plan) & {"COLLSCAN", "SORT"}, (given, place, plan)
        assert stages(plan) & {"IXSCAN", "EOF"}, (given, plan)


async def test_what_is_asked_beside_the_time_is_found_among_the_keys(
    store: Store, switchboard: Switchboard
) -> None:
    account = await switchboard.account()
    await switchboard.tell(account, *(call(f"{n}") for n in range(30)), missed("last", customer="+4930555777"))
    choices = (
        {"outcome": "missed"},
        {"number": "5777"},
        {"number": "5777", "direction": "in", "outcome": "missed", "state": "ended"},
        {"queue": "none"},
        {"account_id": "none"},
        {"direction": "out"},
        {"number": "99999"},
    )
    for given in choices:
        wanted = CallFilter(**given)  # type: ignore[arg-type]
        query = store.db["messages"].find(call_log._query(wanted, None)).sort(call_log._NEWEST).limit(50)
        stats = (await query.hint(call_log._index_of(wanted)).explain())["executionStats"]
        branches = 2 if "number" in given else 1
        assert stats["nReturned"] <= 1, given
        assert stats["totalDocsExamined"] <= branches * stats["nReturned"], given


async def test_a_row_shows_the_caller_and_the_ticket(phones: Hub, switchboard: Switchboard) -> None:
    [message] = await switchboard.tell(await switchboard.account(), call("a"))
    browser = await phones.browser()
    [row] = (await browser.get("/calls")).json["items"]
    assert (row["contact_name"], row["ticket"]["id"]) == ("Ann", message["ticket_id"])
    assert "told" not in row["message"]["extra"]
    await browser.patch(f"/contacts/{message['contact_id']}", {"name": "Ann Smith"})
    [row] = (await browser.get("/calls")).json["items"]
    assert row["contact_name"] == "Ann Smith"


async def test_which_version_told_what_is_shown_nowhere(phones: Hub, switchboard: Switchboard) -> None:
    account = await switchboard.account()
    [message] = await switchboard.tell(account, going_on("a"))
    await switchboard.tell(account, call("a", sequence=2))
    assert "told" in (await switchboard.store.messages.get(message["_id"]))["extra"]
    browser = await phones.browser()
    for path in ("/calls", f"/tickets/{message['ticket_id']}/timeline"):
        assert b'"told"' not in (await browser.get(path)).content


# — summing up —


async def test_a_call_is_summed_up(phones: Hub, switchboard: Switchboard) -> None:
    [message] = await switchboard.tell(await switchboard.account(), call("a"))
    browser = await phones.browser("agent")
    path = f"/calls/{message['_id']}/wrap-up"
    shown = (await browser.put(path, {"disposition": "follow_up", "note": " Wants a quote. "})).json
    said = {"disposition": "follow_up", "note": "Wants a quote.", "user_id": browser.user["_id"]}
    assert shown["wrap_up"] == {**said, "name": "The agent", "at": shown["wrap_up"]["at"]}
    again = (await browser.put(path, {"disposition": "follow_up", "note": "Wants a quote."})).json
    assert again["wrap_up"] == shown["wrap_up"]
    [told] = await switchboard.events("call.wrapped_up")
    assert told["data"] == {"disposition": "follow_up", "note": "Wants a quote."}
    assert (told["message_id"], told["ticket_id"], told["actor"]["id"]) == (
        message["_id"],
        message["ticket_id"],
        browser.user["_id"],
    )
    colleague = await phones.browser("agent")
    assert (await colleague.put(path, {"note": ""})).json["wrap_up"]["user_id"] == colleague.user["_id"]
    items = (await browser.get(f"/tickets/{message['ticket_id']}/timeline")).json["items"]
    assert [one["event"]["type"] for one in items if one["kind"] == "event"].count("call.wrapped_up") == 2
    await switchboard.tell(await switchboard.store.accounts.get(message["account_id"]), call("a", sequence=9))
    assert (await browser.get("/calls")).json["items"][0]["message"]["wrap_up"]["note"] == ""


async def test_only_the_accounts_dispositions_are_taken(phones: Hub, switchboard: Switchboard) -> None:
    account = await switchboard.account(calls=CallPolicy(dispositions=("sold", "not sold")))
    [message] = await switchboard.tell(account, call("a"))
    browser = await phones.browser("agent")
    path = f"/calls/{message['_id']}/wrap-up"
    refused = await browser.put(path, {"disposition": "resolved", "note": ""})
    assert (refused.status, list(refused.problem["fields"])) == (422, ["disposition"])
    listed = await browser.get(f"/calls/dispositions?account_id={account.id}")
    assert listed.json["items"] == ["sold", "not sold"]
    assert (await browser.get("/calls/dispositions")).json["items"] == list(DISPOSITIONS)
    assert (await browser.get("/calls/dispositions?account_id=none")).status == 404
    assert (await browser.put(path, {"disposition": "sold", "note": ""})).status == 200
    policy = (await switchboard.store.accounts.get(account.id)).policy
    assert policy.calls.dispositions == ("sold", "not sold")
    withdrawn = replace(policy, calls=CallPolicy(dispositions=("not sold",)))
    await switchboard.store.accounts.change(account.id, policy=withdrawn)
    assert (await browser.put(path, {"disposition": "sold", "note": "still"})).status == 200
    await browser.put(path, {"disposition": "not sold", "note": ""})
    assert (await browser.put(path, {"disposition": "sold", "note": ""})).status == 422


async def test_who_may_sum_up_and_what(phones: Hub, switchboard: Switchboard) -> None:
    [message] = await switchboard.tell(await switchboard.account(), call("a"))
    body = {"disposition": "", "note": "x"}
    path = f"/calls/{message['_id']}/wrap-up"
    assert (await phones.visitor().put(path, body)).status == 401
    assert (await (await phones.browser("readonly")).put(path, body)).problem["code"] == "forbidden"
    assert (await (await phones.program("read")).put(path, body)).problem["code"] == "scope_missing"
    browser = await phones.browser("agent")
    no_proof = await browser.put(path, body, headers={"X-CSRF-Token": "wrong"})
    assert no_proof.problem["code"] == "csrf"
    assert (await browser.put(path, {**body, "note": "x" * 5001})).status == 422
    assert (await browser.put("/calls/nothing/wrap-up", body)).status == 404
    note = await browser.post(f"/tickets/{message['ticket_id']}/notes", {"text": "a note"})
    assert (await browser.put(f"/calls/{note.json['id']}/wrap-up", body)).status == 404
    assert await switchboard.events("call.wrapped_up") == []

"""Whom to call back, and who has."""

from datetime import timedelta
from typing import Any

from omnihub.model.documents import CallBackDoc, MessageDoc
from omnihub.model.ids import new_id
from omnihub.store.database import now
from omnihub.store.store import Store
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.telephone import Switchboard, missed


async def task(store: Store, message: MessageDoc, minutes: int, **given: Any) -> str:
    """As intake notes it."""
    at = now()
    noted = CallBackDoc(
        _id=new_id(),
        account_id=message["account_id"],
        number=message["sender"]["key"],
        contact_id=message["contact_id"],
        ticket_id=message["ticket_id"],
        message_ids=["earlier", message["_id"]],
        calls=2,
        reason="missed",
        state="open",
        due=at + timedelta(minutes=minutes),
        first_at=at,
        last_at=at,
        done_at=None,
        done_by=None,
        how="",
    )
    await store.transaction(lambda session: store.call_backs.add({**noted, **given}, session))  # type: ignore[typeddict-item]
    return noted["_id"]


async def three(switchboard: Switchboard) -> tuple[list[str], MessageDoc]:
    """Due in 30, 10 and 20 minutes."""
    await switchboard.store.db["call_backs"].delete_many({})
    account = await switchboard.account("Unwatched")
    ids = []
    for number, minutes in (("+4930111111", 30), ("+4930222222", 10), ("+4930333333", 20)):
        [message] = await switchboard.tell(account, missed(number[1:], customer=number))
        await switchboard.store.db["call_backs"].delete_many({"number": f"phone:{number}"})
        ids.append(await task(switchboard.store, message, minutes))
    return ids, message


async def listed(browser: Browser, query: str = "") -> list[str]:
    return [one["id"] for one in (await browser.get(f"/call-backs{query}")).json["items"]]


async def test_who_is_due_first_comes_first(phones: Hub, switchboard: Switchboard) -> None:
    (late, soon, later), message = await three(switchboard)
    browser = await phones.browser("readonly")
    page = (await browser.get("/call-backs?limit=2")).json
    assert ([one["id"] for one in page["items"]], page["open"]) == ([soon, later], 3)
    assert await listed(browser, f"?limit=2&cursor={page['next']}") == [late]
    assert await listed(browser, "?state=done") == []
    [_, shown, _] = (await browser.get("/call-backs")).json["items"]
    assert {name: shown[name] for name in ("number", "contact_name", "calls", "reason", "state", "how")} == {
        "number": "+4930333333",
        "contact_name": "Ann",
        "calls": 2,
        "reason": "missed",
        "state": "open",
        "how": "",
    }
    assert (shown["ticket"]["id"], shown["done_by"], shown["done_at"]) == (message["ticket_id"], None, None)


async def test_one_is_closed_and_opened_again(phones: Hub, switchboard: Switchboard) -> None:
    (late, soon, later), message = await three(switchboard)
    browser = await phones.browser("agent")
    done = (await browser.post(f"/call-backs/{later}/done")).json
    assert (done["state"], done["how"], done["done_by"]) == ("done", "closed", "The agent")
    colleague = await phones.browser("supervisor")
    assert (await colleague.post(f"/call-backs/{later}/done")).json == done
    [told] = await switchboard.events("call_back.done")
    assert told["data"] == {"number": "+4930333333", "how": "closed"}
    assert (told["ticket_id"], told["message_id"]) == (message["ticket_id"], message["_id"])
    await browser.post(f"/call-backs/{soon}/done")
    page = (await browser.get("/call-backs?state=done")).json
    assert ([one["id"] for one in page["items"]], page["open"]) == ([soon, later], 1)
    opened = (await browser.post(f"/call-backs/{later}/reopen")).json
    assert (opened["state"], opened["how"], opened["done_by"], opened["done_at"]) == ("open", "", None, None)
    assert (await browser.post(f"/call-backs/{later}/reopen")).json == opened
    again = [one for one in await switchboard.events("call_back.added") if one["actor"]["kind"] == "user"]
    assert [one["data"]["number"] for one in again] == ["+4930333333"]
    assert again[0]["data"].keys() == {"number", "reason", "due"}
    assert await listed(browser) == [later, late]


async def test_a_number_is_to_be_called_back_once(phones: Hub, switchboard: Switchboard) -> None:
    (_, _, later), message = await three(switchboard)
    browser = await phones.browser("agent")
    await browser.post(f"/call-backs/{later}/done")
    await task(switchboard.store, message, 5)
    refused = await browser.post(f"/call-backs/{later}/reopen", headers={"Accept-Language": "zh"})
    assert (refused.status, refused.problem["code"]) == (409, "conflict")
    assert refused.problem["detail"] == "该号码已有待回拨任务"


async def test_who_may_close_one(phones: Hub, switchboard: Switchboard) -> None:
    (_, _, later), _ = await three(switchboard)
    reader, program = await phones.browser("readonly"), await phones.program("read")
    agent = await phones.browser("agent")
    for what in ("done", "reopen"):
        path = f"/call-backs/{later}/{what}"
        assert (await phones.visitor().post(path)).status == 401
        assert (await reader.post(path)).problem["code"] == "forbidden"
        assert (await program.post(path)).problem["code"] == "scope_missing"
        assert (await agent.post(path, headers={"X-CSRF-Token": ""})).problem["code"] == "csrf"
        assert (await agent.post(f"/call-backs/none/{what}")).status == 404
    assert (await phones.visitor().get("/call-backs")).status == 401
    assert (await agent.get("/call-backs?state=lost")).status == 422
    assert await switchboard.events("call_back.done") == []

"""Agents place calls: their own telephone rings first."""

import asyncio
from typing import Any

import pytest

from omnihub.model.errors import Invalid, Refused, TryLater, Uncertain
from omnihub.model.ids import new_id
from omnihub.outbound.calling import dialable
from tests.conftest import Eventually
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.telephone import MUTE, Switchboard, call, going_on, missed


@pytest.fixture
async def agent(phones: Hub) -> Browser:
    return await person(phones)


async def person(phones: Hub, role: Any = "agent", extensions: tuple[str, ...] = ("101", "Bea-mobile")) -> Browser:
    browser = await phones.browser(role)
    await phones.deps.store.users.change(browser.user["_id"], {"extensions": list(extensions)})
    return browser


async def test_a_call_is_placed(switchboard: Switchboard, agent: Browser) -> None:
    account = await switchboard.account()
    exchange = switchboard.exchange(account)
    placed = await agent.post("/calls", {"account_id": account.id, "number": "030 / 12 34 56"})
    assert placed.json == {"call_id": exchange.orders[0][2], "picked_up": True, "words": ""}
    exchange.answers.append("nobody picked up")
    body = {"account_id": account.id, "number": "+49 30 123456", "extension": "Bea-mobile"}
    again = (await agent.post("/calls", body)).json
    assert (again["picked_up"], again["words"]) == (False, "nobody picked up")
    assert [order[:2] for order in exchange.orders] == [("101", "+4930123456"), ("Bea-mobile", "+4930123456")]
    assert await switchboard.events("call.dialled") == []
    assert await switchboard.conversations() == []


NUMBERS = {
    ("030 123456", "DE"): "+4930123456",
    ("+86 138 1234 5678", "DE"): "+8613812345678",
    ("138 1234 5678", "CN"): "+8613812345678",
    ("0049 30 123456", "DE"): "+4930123456",
    ("0049 30 123456", ""): "+4930123456",
    ("101", "DE"): "101",
    (" 4711 ", ""): "4711",
    ("110", "DE"): "110",
}


@pytest.mark.parametrize(("typed", "region"), NUMBERS)
def test_a_number_becomes_one_that_can_be_dialled(typed: str, region: str) -> None:
    assert dialable(typed, region) == NUMBERS[typed, region]


@pytest.mark.parametrize(
    ("typed", "region", "why"),
    [
        ("030 123456", "", "country code"),
        ("*21*0301234#", "DE", "no telephone number"),
        ("1", "DE", "no telephone number"),
        ("hello", "DE", "no telephone number"),
        ("101\r\nAction: Logoff", "DE", "no telephone number"),
        ("anonymous", "", "no telephone number"),
        ("+49", "DE", "no telephone number"),
        ("１０１", "DE", "no telephone number"),
        ("", "DE", "no telephone number"),
    ],
)
def test_what_cannot_be_dialled_is_refused_with_a_reason(typed: str, region: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        dialable(typed, region)
    assert why in refused.value.fields["number"]


async def test_what_is_wrong_is_told_by_its_field(phones: Hub, switchboard: Switchboard, agent: Browser) -> None:
    account = await switchboard.account()
    body = {"account_id": account.id, "number": "+4930123456"}

    async def wrong(browser: Browser, **changes: str) -> list[str]:
        refused = await browser.post("/calls", {**body, **changes})
        assert refused.status == 422, refused.content
        return list(refused.problem["fields"])

    assert await wrong(agent, number="not a number") == ["number"]
    assert await wrong(agent, extension="102") == ["extension"]
    assert await wrong(await phones.browser(), number="+4930123456") == ["extension"]
    assert await wrong(agent, number="") == ["number"]
    mute = await switchboard.account("Mute")
    switchboard.exchange(mute).manifest = MUTE
    assert await wrong(agent, account_id=mute.id) == ["account_id"]
    await switchboard.store.accounts.change(account.id, enabled=False)
    assert await wrong(agent) == ["account_id"]
    assert (await agent.post("/calls", {**body, "account_id": "none"})).status == 404
    chinese = await agent.post("/calls", {**body, "account_id": mute.id}, headers={"Accept-Language": "zh"})
    assert chinese.problem["fields"] == {"account_id": "无法拨打电话"}
    assert switchboard.exchange(account).orders == []


async def test_who_may_call(phones: Hub, switchboard: Switchboard) -> None:
    account = await switchboard.account()
    body = {"account_id": account.id, "number": "+4930123456"}
    assert (await phones.visitor().post("/calls", body)).status == 401
    assert (await (await person(phones, "readonly")).post("/calls", body)).problem["code"] == "forbidden"
    assert (await (await phones.program("read")).post("/calls", body)).problem["code"] == "scope_missing"
    agent = await person(phones)
    assert (await agent.post("/calls", body, headers={"X-CSRF-Token": "?"})).problem["code"] == "csrf"
    assert switchboard.exchange(account).orders == []
    for role in ("agent", "supervisor", "admin"):
        assert (await (await person(phones, role)).post("/calls", body)).status == 200


async def test_the_lines_that_can_call(phones: Hub, switchboard: Switchboard, agent: Browser) -> None:
    hotline, mute = await switchboard.account(), await switchboard.account("Mute")
    closed = await switchboard.account("Closed")
    switchboard.exchange(mute).manifest = MUTE
    await switchboard.store.accounts.change(closed.id, enabled=False)
    shown = (await agent.get("/calls/lines")).json
    assert shown["items"] == [{"account_id": hotline.id, "name": "Hotline", "channel": "telephone"}]
    assert shown["extensions"] == ["101", "Bea-mobile"]
    assert (await (await phones.browser("readonly")).get("/calls/lines")).json["extensions"] == []


# — where the call is shown —


async def a_ticket(switchboard: Switchboard, number: str = "+4930999888") -> str:
    other = await switchboard.account("Other")
    [message] = await switchboard.tell(other, missed(new_id(), customer=number))
    return message["ticket_id"]


async def test_it_stands_in_the_ticket_it_was_placed_from(switchboard: Switchboard, agent: Browser) -> None:
    ticket_id = await a_ticket(switchboard)
    account = await switchboard.account()
    body = {"account_id": account.id, "number": "030 123456", "ticket_id": ticket_id}
    placed = (await agent.post("/calls", body)).json
    told = call(placed["call_id"], direction="out", customer="0049 30 123456")
    [message] = await switchboard.tell(account, told)
    assert message["ticket_id"] == ticket_id
    [event] = await switchboard.events("call.dialled")
    assert (event["ticket_id"], event["actor"]["id"]) == (ticket_id, agent.user["_id"])
    assert event["data"] == {
        "number": "+4930123456",
        "extension": "101",
        "account_id": account.id,
        "call_id": placed["call_id"],
        "picked_up": True,
        "words": "",
    }
    [back] = await switchboard.tell(account, missed("back"))
    assert back["ticket_id"] == ticket_id
    assert (await agent.post("/calls", {"account_id": account.id, "number": "+4930123456"})).status == 200
    assert [one["ticket_id"] for one in await switchboard.events("call.dialled")] == [ticket_id] * 2


async def test_an_internal_number_stands_there_too(switchboard: Switchboard, agent: Browser) -> None:
    ticket_id = await a_ticket(switchboard)
    account = await switchboard.account()
    body = {"account_id": account.id, "number": "4711", "ticket_id": ticket_id}
    placed = (await agent.post("/calls", body)).json
    [message] = await switchboard.tell(account, call(placed["call_id"], direction="out", customer="4711"))
    assert message["ticket_id"] == ticket_id


async def test_the_number_leaves_another_ticket_for_this_one(switchboard: Switchboard, agent: Browser) -> None:
    account = await switchboard.account()
    [earlier, ongoing] = await switchboard.tell(account, missed("earlier"), going_on("on"))
    ticket_id = await a_ticket(switchboard)
    body = {"account_id": account.id, "number": "+4930123456", "ticket_id": ticket_id}
    placed = (await agent.post("/calls", body)).json
    [message] = await switchboard.tell(account, call(placed["call_id"], direction="out"))
    [over] = await switchboard.tell(account, call("on", sequence=2))
    assert message["ticket_id"] == ticket_id
    assert message["contact_id"] == earlier["contact_id"]
    assert over["ticket_id"] == ongoing["ticket_id"] == earlier["ticket_id"] != ticket_id
    # And back again, into the conversation that it had there.
    await agent.post("/calls", {**body, "ticket_id": earlier["ticket_id"]})
    [again] = await switchboard.tell(account, call("again"))
    assert again["conversation_id"] == earlier["conversation_id"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refused("the exchange says no"), 409, "refused"),
        (TryLater("the exchange is away", after=3), 503, "try_later"),
        (Invalid("no such telephone", {"extension": "unknown"}), 422, "invalid"),
    ],
)
async def test_what_was_not_placed_leaves_nothing(
    switchboard: Switchboard, agent: Browser, error: Exception, status: int, code: str
) -> None:
    account = await switchboard.account()
    [earlier] = await switchboard.tell(account, missed("earlier"))
    ticket_id = await a_ticket(switchboard)
    before = await switchboard.conversations()
    switchboard.exchange(account).answers += [error, error]
    for number in ("+4930123456", "+4930555444"):
        body = {"account_id": account.id, "number": number, "ticket_id": ticket_id}
        refused = await agent.post("/calls", body)
        assert (refused.status, refused.problem["code"]) == (status, code)
        assert refused.problem["detail"] == str(error)
    assert await switchboard.conversations() == before
    assert await switchboard.events("call.dialled") == []
    [later] = await switchboard.tell(account, missed("later"))
    assert later["conversation_id"] == earlier["conversation_id"]


async def test_what_a_call_came_into_meanwhile_stays(switchboard: Switchboard, agent: Browser) -> None:
    account = await switchboard.account()
    ticket_id = await a_ticket(switchboard)
    exchange = switchboard.exchange(account)
    exchange.picks_up = asyncio.Event()
    exchange.answers.append(Refused("too late"))
    body = {"account_id": account.id, "number": "+4930123456", "ticket_id": ticket_id}
    asked = asyncio.create_task(agent.post("/calls", body))
    await exchange.rings.wait()
    [message] = await switchboard.tell(account, missed("meanwhile"))
    exchange.picks_up.set()
    assert (await asked).status == 409
    assert message["ticket_id"] == ticket_id
    [current] = [one for one in await switchboard.conversations() if one["_id"] == message["conversation_id"]]
    assert current["open"]


async def test_silence_after_the_order_is_told_as_such(switchboard: Switchboard, agent: Browser) -> None:
    account = await switchboard.account()
    ticket_id = await a_ticket(switchboard)
    switchboard.exchange(account).answers.append(Uncertain("the exchange fell silent"))
    body = {"account_id": account.id, "number": "+4930123456", "ticket_id": ticket_id}
    answer = await agent.post("/calls", body)
    assert (answer.status, answer.problem["code"]) == (502, "uncertain")
    [event] = await switchboard.events("call.dialled")
    assert (event["data"]["picked_up"], event["data"]["words"]) == (False, "the exchange fell silent")
    [message] = await switchboard.tell(account, call("perhaps", direction="out"))
    assert message["ticket_id"] == ticket_id


async def test_a_browser_that_goes_away_leaves_no_half_call(
    phones: Hub, switchboard: Switchboard, agent: Browser, eventually: Eventually
) -> None:
    account = await switchboard.account()
    ticket_id = await a_ticket(switchboard)
    exchange = switchboard.exchange(account)
    exchange.picks_up = asyncio.Event()
    body = {"account_id": account.id, "number": "+4930123456", "ticket_id": ticket_id}
    url = phones.server.make_url("/api/v1/calls")
    asked = asyncio.create_task(agent.http.post(url, json=body, headers={"X-CSRF-Token": agent.csrf}))
    await exchange.rings.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    # While it rings nothing is locked.
    [message] = await switchboard.tell(account, going_on(exchange.orders[0][2], direction="out"))
    assert message["ticket_id"] == ticket_id
    exchange.picks_up.set()
    [event] = await eventually(lambda: switchboard.events("call.dialled"))
    assert event["data"]["picked_up"] is True


async def test_a_hub_that_stops_waits_for_no_telephone(
    phones: Hub, switchboard: Switchboard, agent: Browser
) -> None:
    account = await switchboard.account()
    exchange = switchboard.exchange(account)
    exchange.picks_up = asyncio.Event()
    body = {"account_id": account.id, "number": "+4930123456", "ticket_id": await a_ticket(switchboard)}
    asked = asyncio.create_task(agent.post("/calls", body))
    await exchange.rings.wait()
    async with asyncio.timeout(30):
        await phones.server.close()
    assert (await asked).problem["code"] == "uncertain"
    [event] = await switchboard.events("call.dialled")
    assert event["data"]["words"] == "the hub was stopped while the telephone rang"


async def test_the_same_order_is_placed_once(switchboard: Switchboard, agent: Browser) -> None:
    account = await switchboard.account()
    body = {"account_id": account.id, "number": "+4930123456"}
    key = {"Idempotency-Key": "click"}
    first = await agent.post("/calls", body, headers=key)
    again = await agent.post("/calls", body, headers=key)
    assert again.json == first.json
    assert len(switchboard.exchange(account).orders) == 1


async def test_a_ticket_that_is_gone_is_refused_before_anything_rings(
    switchboard: Switchboard, agent: Browser
) -> None:
    account = await switchboard.account()
    first, second = await a_ticket(switchboard), await a_ticket(switchboard, "+4930999777")
    await agent.post(f"/tickets/{first}/merge", {"into": second})
    body = {"account_id": account.id, "number": "+4930123456"}
    assert (await agent.post("/calls", {**body, "ticket_id": first})).problem["code"] == "conflict"
    assert (await agent.post("/calls", {**body, "ticket_id": "none"})).status == 404
    assert switchboard.exchange(account).orders == []


async def test_two_tickets_at_once_leave_one_open_conversation(
    phones: Hub, switchboard: Switchboard, agent: Browser
) -> None:
    account = await switchboard.account()
    tickets = [await a_ticket(switchboard, f"+493099977{n}") for n in range(4)]
    people = [await person(phones) for _ in tickets]
    answers = await asyncio.gather(
        *(
            one.post("/calls", {"account_id": account.id, "number": "+4930123456", "ticket_id": ticket})
            for one, ticket in zip(people, tickets, strict=True)
        )
    )
    assert [answer.status for answer in answers] == [200] * 4
    theirs = [one for one in await switchboard.conversations() if one["thread_key"] == "+4930123456"]
    assert len([one for one in theirs if one["open"]]) == 1
    assert {one["ticket_id"] for one in theirs} == set(tickets)

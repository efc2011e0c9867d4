"""Whose number it is: one who owns it, others who say so, and nobody merged."""

from typing import Any

import pytest

from omnihub.store.contacts import Contacts
from omnihub.store.database import now
from omnihub.store.store import Store
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.telephone import Switchboard, call

NUMBER = "+4930123456"


async def person(hub: Hub, name: str, key: str, *claims: str) -> str:
    """By way of a form's identity, which may claim a number."""
    store, at = hub.deps.store, now()
    contact_id = f"contact-{name}"
    contact: Any = {"_id": contact_id, "name": name, "identities": [key], "merged_into": None}
    identity: Any = {"_id": key, "contact_id": contact_id, "channel": key.partition(":")[0], "name": name}
    await store.transaction(
        lambda session: store.contacts.save(
            [{**contact, "created_at": at, "updated_at": at}],
            [{**identity, "claims": list(claims), "evidence": "", "created_at": at}],
            session,
        )
    )
    return contact_id


async def owners(browser: Browser, number: str = NUMBER) -> Any:
    answer = await browser.get("/contacts/by-number", params={"number": number})
    assert answer.status == 200, answer.content
    return answer.json


async def test_the_owner_and_all_who_claim_it_are_offered(phones: Hub, switchboard: Switchboard) -> None:
    [message] = await switchboard.tell(await switchboard.account(), call("a"))
    browser = await phones.browser("readonly")
    await person(phones, "Bob", "webform:bob", f"phone:{NUMBER}")
    await person(phones, "Cem", "email:cem@customer.test", "phone:+4930777777", f"phone:{NUMBER}")
    await person(phones, "Dan", "email:dan@customer.test", "phone:+4930777777")
    found = await owners(browser)
    assert (found["number"], found["owner"]) == (NUMBER, {"id": message["contact_id"], "name": "Ann"})
    rows = [(one["name"], one["known_by"], one["identities"]) for one in found["candidates"]]
    assert rows[0] == ("Ann", "identity", [NUMBER])
    assert sorted(rows[1:]) == [("Bob", "claim", ["bob"]), ("Cem", "claim", ["cem@customer.test"])]
    owner = found["candidates"][0]
    assert (owner["open_tickets"], owner["last_ticket"]["id"]) == (1, message["ticket_id"])
    assert owner["last_at"] == owner["last_ticket"]["last_message_at"]
    bob = next(one for one in found["candidates"] if one["name"] == "Bob")
    assert (bob["open_tickets"], bob["last_ticket"], bob["last_at"]) == (0, None, None)
    assert await phones.deps.store.db["operations"].count_documents({}) == 0


async def test_who_was_merged_is_offered_as_who_they_are_now(phones: Hub, switchboard: Switchboard) -> None:
    [message] = await switchboard.tell(await switchboard.account(), call("a"))
    agent = await phones.browser("agent")
    bob = await person(phones, "Bob", "webform:bob", f"phone:{NUMBER}")
    merged = await agent.post(f"/contacts/{message['contact_id']}/merge", {"into": bob, "reason": "the same"})
    assert merged.status == 200
    found = await owners(agent)
    assert found["owner"] == {"id": bob, "name": "Bob"}
    assert [(one["id"], one["known_by"]) for one in found["candidates"]] == [(bob, "identity")]
    assert sorted(found["candidates"][0]["identities"]) == [NUMBER, "bob"]


@pytest.mark.parametrize("number", ["+4930555555", "4711", "anonymous", "+", "+4930123456789012345"])
async def test_nobody_is_offered_for_a_number_that_nobody_has(phones: Hub, number: str) -> None:
    found = await owners(await phones.browser(), number)
    assert found == {"number": number, "owner": None, "candidates": []}


async def test_it_is_found_however_it_is_written(phones: Hub, switchboard: Switchboard) -> None:
    [message] = await switchboard.tell(await switchboard.account(), call("a"))
    browser = await phones.browser()
    for written in (NUMBER, "+49 30 123456", " 4930123456"):
        assert (await owners(browser, written))["owner"]["id"] == message["contact_id"], written
    assert (await browser.get("/contacts/by-number?number=+4930123456")).json["owner"] is not None
    assert (await browser.get("/contacts/by-number")).status == 422
    assert (await phones.visitor().get("/contacts/by-number?number=1")).status == 401


async def test_claims_are_found_by_an_index(store: Store) -> None:
    query = {"claims": "phone:+1", "claims.0": {"$exists": True}}
    plan = await store.db["identities"].find(query).explain()
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
    assert await Contacts(store.db).claimants("phone:+1", 5) == []

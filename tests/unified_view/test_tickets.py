import asyncio
from datetime import timedelta

import orjson
import pytest

from omnihub.store.database import now
from tests.mailbox import Placed, PostOffice, mail
from tests.unified_view.browser import Browser, Hub


async def three_mails(post: PostOffice) -> Placed:
    return await post.deliver(
        mail("Anna <anna@customer.test>", mid="a@c", subject="First"),
        mail("Bob <bob@customer.test>", mid="b@c", subject="Second"),
        mail("Anna <anna@customer.test>", mid="c@c", subject="Re: First", refs=["a@c"]),
    )


async def test_the_inbox_lists_what_came_in(post: PostOffice, agent: Browser) -> None:
    await three_mails(post)
    tickets = (await agent.get("/tickets?view=unassigned")).json["items"]
    assert {ticket["contact_name"] for ticket in tickets} == {"Anna", "Bob"}
    assert tickets[0]["created_at"].endswith("Z")
    assert "bucket" not in tickets[0]
    counts = (await agent.get("/tickets/counts")).json
    assert (counts["mine"], counts["unassigned"], counts["all"]) == (0, 2, 2)
    assert counts["by_status"]["new"] == 2


async def test_a_ticket_is_found_by_id_and_by_number(post: PostOffice, agent: Browser) -> None:
    ticket = (await three_mails(post)).ticket("a@c")
    by_number = (await agent.get(f"/tickets/{ticket['number']}")).json
    assert (await agent.get(f"/tickets/{ticket['_id']}")).json == by_number
    (conversation,) = by_number["conversations"]
    assert conversation["account_name"] == "desk@example.test"
    assert "lease_owner" not in conversation
    assert by_number["contact"]["identities"][0]["key"] == "email:anna@customer.test"


async def test_pages_stay_right_while_mail_comes_in(post: PostOffice, agent: Browser) -> None:
    placed = await post.deliver(*(mail(f"{n}@customer.test", mid=f"{n}@c") for n in range(7)))
    seen: list[str] = []
    cursor = ""
    for turn in range(10):
        page = (await agent.get(f"/tickets?limit=3&cursor={cursor}")).json
        seen += [ticket["id"] for ticket in page["items"]]
        await post.deliver(mail(f"late-{turn}@customer.test", mid=f"late-{turn}@c"))
        cursor = page["next"]
        if not cursor:
            break
    assert len(seen) == len(set(seen))
    assert set(placed.tickets) <= set(seen)


LISTS = (
    "/tickets?view=mine", "/tickets?view=unassigned", "/tickets", "/tickets?status=open", "/tickets?status=any",
    "/tickets?team_id=x", "/tickets?tag=x", "/tickets?channel=email", "/tickets?sort=waiting_since",
    "/tickets?sort=created_at", "/tickets?spam=1", "/tickets?status=snoozed", "/tickets/counts", "/contacts",
    "/contacts?q=anna", "/dead-letters", "/outbox",
)  # fmt: skip


@pytest.mark.own_database
async def test_every_list_is_an_index_scan(post: PostOffice, hub: Hub, agent: Browser) -> None:
    await three_mails(post)
    ticket = next(iter((await post.look()).tickets.values()))
    supervisor = await hub.browser("supervisor")
    db = hub.deps.store.db.db
    await db.command("profile", 2)
    for path in (
        *LISTS,
        f"/tickets?contact_id={ticket['contact_id']}",
        f"/tickets?account_id={post.account.id}",
        f"/tickets/{ticket['_id']}",
        f"/tickets/{ticket['_id']}/timeline",
    ):
        assert (await supervisor.get(path)).status == 200, path
        assert (await agent.get(path)).status in (200, 403), path
    await db.command("profile", 0)
    plans = [
        (entry["ns"], entry.get("planSummary", ""), entry["command"])
        async for entry in db["system.profile"].find({"op": {"$in": ["query", "command"]}})
    ]
    lists = (
        "tickets",
        "messages",
        "events",
        "contacts",
        "identities",
        "conversations",
        "raw_events",
        "operations",
    )
    scans = [plan for plan in plans if plan[0].rpartition(".")[2] in lists]
    assert len(scans) > 40
    assert [plan for plan in scans if "COLLSCAN" in plan[1]] == []


async def test_the_timeline_pages_back_without_gap_or_double(post: PostOffice, agent: Browser) -> None:
    ticket = (await three_mails(post)).ticket("a@c")
    for n in range(5):
        await agent.post(f"/tickets/{ticket['_id']}/notes", {"text": f"Note {n}"})
        await agent.patch(f"/tickets/{ticket['_id']}", {"priority": ("high", "low")[n % 2]})
    whole = (await agent.get(f"/tickets/{ticket['_id']}/timeline?limit=200")).json
    assert whole["next"] is None
    pages: list[dict] = []  # type: ignore[type-arg]
    cursor = ""
    while cursor is not None:
        page = (await agent.get(f"/tickets/{ticket['_id']}/timeline?limit=3&cursor={cursor}")).json
        pages = page["items"] + pages
        cursor = page["next"]
    assert pages == whole["items"]
    kinds = [item.get("event", {}).get("type") or item["message"]["direction"] for item in pages]
    assert kinds.count("inbound") == 2
    assert kinds.count("note") == 5
    assert kinds.count("ticket.priority") == 5
    assert "message.received" not in kinds
    assert "wire" not in next(item for item in pages if item["kind"] == "message")["message"]


async def test_of_two_agents_one_gets_the_ticket(post: PostOffice, hub: Hub) -> None:
    ticket = (await three_mails(post)).ticket("a@c")
    anna, ben = await hub.browser("agent"), await hub.browser("agent")
    answers = await asyncio.gather(*(one.post(f"/tickets/{ticket['_id']}/claim") for one in (anna, ben)))
    assert sorted(answer.status for answer in answers) == [200, 409]
    winner = next(answer.json["assignee_id"] for answer in answers if answer.status == 200)
    problem = next(answer.problem for answer in answers if answer.status == 409)
    assert problem["code"] == "already_claimed"
    assert problem["details"]["assignee"] == winner


async def test_what_agents_do_with_a_ticket(post: PostOffice, hub: Hub, agent: Browser) -> None:
    ticket = (await three_mails(post)).ticket("a@c")
    path = f"/tickets/{ticket['_id']}"
    other = await hub.user("agent")
    changed = (await agent.patch(path, {"status": "pending", "tags": ["vip", " vip "], "subject": "Order"})).json
    assert (changed["status"], changed["tags"], changed["subject"]) == ("pending", ["vip"], "Order")
    unknown = await agent.post(f"{path}/assign", {"assignee_id": "nobody", "team_id": "none"})
    assert set(unknown.problem["fields"]) == {"assignee_id", "team_id"}
    assert (await agent.post(f"{path}/assign", {"assignee_id": other["_id"]})).json["assignee_id"] == other["_id"]
    assert (await agent.post(f"{path}/transfer", {"assignee_id": agent.user["_id"]})).status == 422
    handover = {
        "assignee_id": agent.user["_id"],
        "team_id": None,
        "reason": "knows Anna",
        "note": "Calls back at 3",
    }
    assert (await agent.post(f"{path}/transfer", handover)).json["assignee_id"] == agent.user["_id"]
    until = (now() + timedelta(hours=1)).isoformat()
    assert (await agent.post(f"{path}/snooze", {"until": until})).json["snoozed_until"]
    assert (await agent.post(f"{path}/snooze", {"until": "2020-01-01T00:00:00Z"})).status == 422
    assert (await agent.post(f"{path}/snooze", {"until": "2030-01-01T00:00:00"})).status == 422
    assert (await agent.post(f"{path}/wake")).json["snoozed_until"] is None
    assert (await agent.post(f"{path}/spam", {"spam": True})).json["spam"] is True
    assert [t["id"] for t in (await agent.get("/tickets?spam=1")).json["items"]] == [ticket["_id"]]
    assert (await agent.post(f"{path}/spam", {"spam": False})).json["spam"] is False


async def test_merge_split_and_move_can_be_taken_back(post: PostOffice, agent: Browser) -> None:
    placed = await three_mails(post)
    first, second = placed.ticket("a@c"), placed.ticket("b@c")
    body = {"into": first["number"], "reason": "same order"}
    merged = (await agent.post(f"/tickets/{second['_id']}/merge", body)).json
    assert merged["ticket"]["id"] == first["_id"]
    assert "before" not in merged["operation"]
    undone = (await agent.post(f"/operations/{merged['operation']['id']}/undo")).json["operation"]
    assert undone["undone_at"]
    split = {"message_ids": [placed.messages["c@c"]["_id"]], "subject": "Another matter"}
    new = (await agent.post(f"/tickets/{first['_id']}/split", split)).json
    assert new["ticket"]["id"] != first["_id"]
    detail = (await agent.get(f"/tickets/{new['ticket']['id']}")).json
    move = {"conversation_id": detail["conversations"][0]["id"], "to": second["_id"]}
    wrong = await agent.post(f"/tickets/{first['_id']}/move", move)
    assert list(wrong.problem["fields"]) == ["conversation_id"]
    moved = (await agent.post(f"/tickets/{new['ticket']['id']}/move", move)).json
    assert moved["ticket"]["id"] == second["_id"]
    assert (await agent.post(f"/operations/{moved['operation']['id']}/undo")).status == 200
    assert (await agent.post(f"/operations/{moved['operation']['id']}/undo")).status == 409


async def test_contacts_are_found_renamed_and_merged(post: PostOffice, agent: Browser) -> None:
    await three_mails(post)
    (anna,) = (await agent.get("/contacts?q=ann")).json["items"]
    (bob,) = (await agent.get("/contacts?q=bob@customer")).json["items"]
    assert "words" not in anna
    renamed = (await agent.patch(f"/contacts/{anna['id']}", {"name": "Anna Schmidt"})).json
    assert renamed["name"] == "Anna Schmidt"
    done = (await agent.post(f"/contacts/{bob['id']}/merge", {"into": anna["id"], "reason": "married"})).json
    assert len(done["contact"]["identities"]) == 2
    assert len(done["contact"]["other_tickets"]) == 2
    assert (await agent.post(f"/operations/{done['operation']['id']}/undo")).status == 200
    assert len((await agent.get(f"/contacts/{anna['id']}")).json["identities"]) == 1


async def test_the_original_is_given_back_byte_for_byte(post: PostOffice, agent: Browser) -> None:
    raw = mail("anna@customer.test", mid="a@c")
    message = (await post.deliver(raw)).messages["a@c"]
    answer = await agent.get(f"/messages/{message['_id']}/raw")
    assert answer.content == raw
    assert answer.headers["Content-Type"] == "message/rfc822"
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{message["_id"]}.eml"')
    note = (await agent.post(f"/tickets/{message['ticket_id']}/notes", {"text": "x"})).json
    assert (await agent.get(f"/messages/{note['id']}/raw")).status == 404


async def test_a_newcomer_is_confirmed_by_an_agent(post: PostOffice, agent: Browser) -> None:
    ticket = (await three_mails(post)).ticket("a@c")
    detail = (await agent.get(f"/tickets/{ticket['_id']}")).json
    path = f"/conversations/{detail['conversations'][0]['id']}/participants/confirm"
    answer = await agent.post(path, {"key": "email:anna@customer.test"})
    assert all(person["confirmed"] for person in answer.json["participants"])
    assert (await agent.post(path, {"key": "email:nobody@customer.test"})).status == 404
    assert orjson.loads(answer.content)["ticket_id"] == ticket["_id"]

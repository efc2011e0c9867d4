"""Recordings: heard by those who may, and never unseen."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from omnihub.model.documents import MessageDoc
from omnihub.store import accesses
from omnihub.store.database import now
from omnihub.store.store import Store
from tests.unified_view.browser import Browser, Hub
from tests.unified_view.telephone import RECORDING, Switchboard, call


@pytest.fixture
async def recorded(switchboard: Switchboard) -> MessageDoc:
    [message] = await switchboard.tell(await switchboard.account(), call("a", recording="2026/a.wav"))
    assert [(one["label"], one.get("state")) for one in message["attachments"]] == [("recording", None)]
    return message


def path_of(message: MessageDoc) -> str:
    return f"/attachments/{message['attachments'][0]['id']}?inline=1"


async def noted(hub: Hub, message: MessageDoc) -> list[dict[str, Any]]:
    supervisor = await hub.browser("supervisor")
    items: list[dict[str, Any]] = (await supervisor.get(f"/calls/{message['_id']}/recording-accesses")).json[
        "items"
    ]
    return items


async def test_a_recording_is_played_in_pieces_and_noted_once(phones: Hub, recorded: MessageDoc) -> None:
    browser = await phones.browser("agent")
    answers = await asyncio.gather(
        *(browser.get(path_of(recorded), headers={"Range": f"bytes={n * 100}-{n * 100 + 99}"}) for n in range(8))
    )
    assert [answer.status for answer in answers] == [206] * 8
    assert b"".join(answer.content for answer in answers) == RECORDING[:800]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert answers[0].headers["Content-Disposition"].startswith("inline;")
    assert (await browser.get(path_of(recorded))).content == RECORDING
    [access] = await noted(phones, recorded)
    assert (access["user_id"], access["name"], access["requests"]) == (browser.user["_id"], "The agent", 9)
    assert access["at"] <= access["last_at"]


async def test_an_answer_that_the_browser_has_kept_is_noted_too(phones: Hub, recorded: MessageDoc) -> None:
    browser = await phones.browser("agent")
    etag = (await browser.get(path_of(recorded))).headers["ETag"]
    assert (await browser.get(path_of(recorded), headers={"If-None-Match": etag})).status == 304
    assert [one["requests"] for one in await noted(phones, recorded)] == [2]


async def test_everybody_who_listens_is_named(phones: Hub, recorded: MessageDoc) -> None:
    people = [await phones.browser(role) for role in ("agent", "supervisor", "admin")]
    for browser in people:
        assert (await browser.get(path_of(recorded))).status == 200
    program = await phones.program("read")
    assert (await program.get(path_of(recorded))).status == 200
    heard = [one["user_id"] for one in await noted(phones, recorded)]
    assert heard == [one.user["_id"] for one in [program, *reversed(people)]]


async def test_who_only_reads_does_not_listen(phones: Hub, recorded: MessageDoc) -> None:
    reader: Browser = await phones.browser("readonly")
    for headers in ({}, {"Range": "bytes=0-1"}, {"If-None-Match": '"x"'}):
        assert (await reader.get(path_of(recorded), headers=headers)).problem["code"] == "forbidden"
    program = await phones.program("read", role="readonly")
    assert (await program.get(path_of(recorded))).problem["code"] == "forbidden"
    assert (await phones.visitor().get(path_of(recorded))).status == 401
    assert await noted(phones, recorded) == []


async def test_who_listened_is_for_supervisors(phones: Hub, recorded: MessageDoc) -> None:
    path = f"/calls/{recorded['_id']}/recording-accesses"
    for role in ("readonly", "agent"):
        assert (await (await phones.browser(role)).get(path)).problem["code"] == "forbidden"
    assert (await phones.visitor().get(path)).status == 401
    admin = await phones.browser("admin")
    assert (await admin.get(path)).json == {"items": []}
    assert (await admin.get("/calls/none/recording-accesses")).status == 404


@pytest.mark.own_database
async def test_nobody_listens_where_it_cannot_be_noted(phones: Hub, recorded: MessageDoc, store: Store) -> None:
    await store.db.db.command("collMod", "accesses", validator={"never": {"$exists": True}})
    with pytest.raises(OperationFailure):
        await store.accesses.note(attachment_id="a", message_id="m", ticket_id="t", user_id="u", name="n")
    answer = await (await phones.browser("agent")).get(path_of(recorded))
    assert answer.status == 500
    assert RECORDING[:16] not in answer.content


async def test_another_file_is_for_everybody_and_noted_nowhere(phones: Hub, store: Store) -> None:
    from omnihub.store.attachments import NewAttachment

    await store.attachments.store(
        [NewAttachment(id="f", filename="a.wav", content_type="audio/wav", content=b"x")]
    )
    answer = await (await phones.browser("readonly")).get("/attachments/f")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "private, max-age=31536000, immutable")
    assert await store.db["accesses"].count_documents({}) == 0


async def test_a_later_sitting_is_another_access(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = now()
    listener = {"message_id": "m", "ticket_id": "t", "user_id": "u", "name": "U"}
    for minutes in (0, 1, 9, 11, 20, 22):
        monkeypatch.setattr(accesses, "now", lambda minutes=minutes: begun + timedelta(minutes=minutes))
        await asyncio.gather(*(store.accesses.note(attachment_id="a", **listener) for _ in range(3)))
    await store.accesses.note(attachment_id="b", **listener)
    found = await store.accesses.of_message("m")
    assert sorted((one["attachment_id"], one["requests"]) for one in found) == [
        ("a", 3),
        ("a", 6),
        ("a", 9),
        ("b", 1),
    ]


async def test_what_is_looked_for_has_an_index(store: Store) -> None:
    looks = (
        ("messages", {"kind": "call", "attachments.id": "a"}),
        ("accesses", {"message_id": "m"}),
        ("accesses", {"attachment_id": "a", "user_id": "u", "at": {"$gt": now()}}),
    )
    for name, query in looks:
        plan = str((await store.db[name].find(query).explain())["queryPlanner"]["winningPlan"])
        assert "COLLSCAN" not in plan, query

"""Recordings are kept as long as their account says, and go without leaving a broken player behind."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from omnihub.inbox.recordings import Recordings
from omnihub.model.account import Account, AccountPolicy, CallPolicy
from omnihub.model.documents import AttachmentRef
from omnihub.model.errors import NotFound
from omnihub.model.inbound import FetchedMedia, LentMedia
from omnihub.store.attachments import NewAttachment
from omnihub.store.database import now
from tests.inbox.ringing import Ringing, later
from tests.inbox.spoken import Desk, said

WAV = b"RIFF....WAVEfmt "
DAY = 24 * 60


async def recorded(desk: Desk, account: Account, days: Mapping[str, int], content: bytes = b"") -> None:
    """A call so many days old, with a recording of its own bytes unless `content` is given."""
    for name, ago in days.items():
        bytes_of = content or WAV + name.encode() * 200_000
        desk.platform(account).files[name] = [FetchedMedia(content=bytes_of, content_type="audio/wav")]
        lent = LentMedia(ref={"id": name}, filename=f"{name}.wav", label="recording")
        ended = Ringing(name, -ago * DAY).answered()
        assert ended.message is not None
        await desk.hand_over(account, [replace(ended, message=replace(ended.message, media=(lent,)))])
    await desk.errands.run_due()


async def place(desk: Desk, name: str) -> AttachmentRef:
    [found] = (await desk.message(f"call:{name}"))["attachments"]
    return found


async def forget_now(desk: Desk) -> None:
    """As if the hour in which the same bytes may be given another name were over."""
    long_ago = now() - timedelta(hours=2)
    await desk.store.db["blobs"].update_many({}, {"$set": {"at": long_ago}})
    await desk.store.db["errands"].update_many({"kind": "forget"}, {"$set": {"due": long_ago}})
    await desk.errands.run_due()


async def blobs(desk: Desk) -> tuple[int, int]:
    """Entries, and files in GridFS."""
    db = desk.store.db
    return await db["blobs"].count_documents({}), await db["blobs.files"].count_documents({})


async def keeping(desk: Desk, days: int, name: str = "Line") -> Account:
    return await desk.account(name, calls=CallPolicy(recording_days=days))


async def test_old_ones_go_and_the_message_says_why(desk: Desk) -> None:
    account = await keeping(desk, 30)
    await recorded(desk, account, {"old": 31, "young": 20})
    was = await place(desk, "old")
    assert await Recordings(desk.store).retire() == 1
    gone, kept = await place(desk, "old"), await place(desk, "young")
    problem = "deleted after 30 days, as the account's policy says"
    assert gone == {**was, "state": "lost", "problem": problem}
    assert "state" not in kept
    with pytest.raises(NotFound):
        await desk.store.attachments.find(gone["id"])
    message = await desk.message("call:old")
    [told] = await desk.events("recording.deleted")
    assert (told["ticket_id"], told["message_id"]) == (message["ticket_id"], message["_id"])
    assert told["data"] == {"attachment_id": gone["id"], "filename": "old.wav", "days": 30}
    assert await blobs(desk) == (2, 2)
    await forget_now(desk)
    assert await blobs(desk) == (1, 1)
    _, digest = await desk.store.attachments.find(kept["id"])
    assert (await desk.store.blobs.get(digest)).startswith(WAV)


async def test_again_changes_nothing_and_replays_bring_nothing_back(desk: Desk) -> None:
    account = await keeping(desk, 30)
    await recorded(desk, account, {"old": 31})
    await Recordings(desk.store).retire()
    await forget_now(desk)
    assert await Recordings(desk.store).retire() == 0
    await desk.replay()
    await desk.hand_over(account, [later(Ringing("old", -31 * DAY).answered(), 9)])
    await desk.errands.run_due()
    assert (await place(desk, "old")).get("state") == "lost"
    assert len(await desk.events("recording.deleted")) == 1
    assert await blobs(desk) == (0, 0)


async def test_bytes_that_another_file_has_stay(desk: Desk) -> None:
    """The same announcement, recorded twice."""
    account, other = await keeping(desk, 30), await keeping(desk, 0, "Other")
    content = WAV + b"nobody there" * 50_000
    await recorded(desk, account, {"old": 31}, content)
    await recorded(desk, other, {"for ever": 400}, content)
    assert await Recordings(desk.store).retire() == 1
    await forget_now(desk)
    kept, digest = await desk.store.attachments.find((await place(desk, "for ever"))["id"])
    assert await desk.store.blobs.get(digest) == content
    assert kept["label"] == "recording"


async def test_bytes_that_are_being_stored_again_stay(desk: Desk) -> None:
    account = await keeping(desk, 30)
    content = WAV + b"x" * 400_000
    await recorded(desk, account, {"old": 31}, content)
    await Recordings(desk.store).retire()
    await desk.store.db["errands"].update_many({}, {"$set": {"due": now()}})
    [digest] = await desk.store.blobs.put([content])  # somebody is about to name it
    await desk.errands.run_due()
    assert await desk.store.blobs.get(digest) == content


async def test_bytes_whose_entry_went_first_go_too(desk: Desk) -> None:
    """Whoever removed them was ended in between."""
    account = await keeping(desk, 30)
    await recorded(desk, account, {"old": 31})
    await Recordings(desk.store).retire()
    await desk.store.db["blobs"].delete_many({})
    await desk.store.db["blobs.files"].update_many({}, {"$set": {"uploadDate": now() - timedelta(hours=2)}})
    await forget_now(desk)
    assert await desk.store.db["blobs.files"].count_documents({}) == 0
    assert await desk.store.db["blobs.chunks"].count_documents({}) == 0


async def test_nothing_but_recordings_goes(desk: Desk) -> None:
    account = await keeping(desk, 1)
    desk.platform(account).files["p"] = [FetchedMedia(content=WAV, content_type="audio/wav")]
    lent = LentMedia(ref={"id": "p"}, filename="voice.wav", label="voice")
    await desk.hand_over(account, [said("m", "hello", media=(lent,))])
    await desk.errands.run_due()
    old = NewAttachment(id="letter", filename="f.txt", content_type="text/plain", content=b"f", label="recording")
    await desk.store.attachments.store([old], owner=account.id)
    await desk.store.db["attachments"].update_many({}, {"$set": {"at": now() - timedelta(days=9)}})
    assert await Recordings(desk.store).retire() == 0


async def test_a_removed_account_still_keeps_to_its_word(desk: Desk) -> None:
    account = await keeping(desk, 30)
    await recorded(desk, account, {"old": 31})
    await desk.store.accounts.remove(account.id)
    assert await Recordings(desk.store).retire() == 1


async def test_a_longer_time_or_none_keeps_them(desk: Desk) -> None:
    account = await keeping(desk, 30)
    await recorded(desk, account, {"old": 31})
    for days in (40, 0):
        await desk.store.accounts.change(account.id, policy=AccountPolicy(calls=CallPolicy(recording_days=days)))
        assert await Recordings(desk.store).retire() == 0


async def test_several_processes_delete_each_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omnihub.inbox.recordings._BATCH", 4)
    account = await keeping(desk, 30)
    await recorded(desk, account, {f"r{n}": 31 + n for n in range(10)})
    rooms = [Recordings(desk.store) for _ in range(3)]
    counted: list[int] = await asyncio.gather(*(one.retire() for one in rooms))
    assert sorted(counted) == [0, 0, 10]
    assert len(await desk.events("recording.deleted")) == 10
    assert await desk.store.db["leases"].count_documents({"_id": "recordings"}) == 0


async def test_while_somebody_else_does_it_nobody_does(desk: Desk) -> None:
    account = await keeping(desk, 30)
    await recorded(desk, account, {"old": 31})
    assert await desk.store.leases.take("recordings", "somebody", 60)
    assert await Recordings(desk.store).retire() == 0
    assert await desk.store.leases.take("recordings", "somebody", 60)


async def test_what_is_old_is_found_by_index(desk: Desk) -> None:
    account = await keeping(desk, 30)
    await recorded(desk, account, {"old": 31})
    query: dict[str, Any] = {"owner": account.id, "recorded_at": {"$lt": now()}}
    asked = desk.store.db["attachments"].find(query).sort("recorded_at", 1)
    plan = str((await asked.explain())["queryPlanner"]["winningPlan"])
    assert "owner_1_recorded_at_1" in plan
    assert "'SORT'" not in plan

"""A call is a message that goes on: one card, however many updates come, in whatever order."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from omnihub.connectors.contract import Toolbox
from omnihub.model.inbound import Amendment, FetchedMedia, InboundMessage, LentMedia
from omnihub.settings import Settings
from omnihub.store.call_log import CallFilter
from omnihub.store.store import Store
from tests.inbox.ringing import ANN, Ringing, at
from tests.inbox.spoken import Desk, said


@pytest.fixture
def desk(store: Store, toolbox: Toolbox, settings: Settings) -> Desk:
    return Desk(store, toolbox, settings)


def call(state: str, *, silent: bool = True, **given: Any) -> InboundMessage:
    return said("call-1", state, kind="call", silent=silent, extra={"call": {"state": state}}, **given)


def update(sequence: int, message: InboundMessage) -> Amendment:
    return Amendment(external_id="call-1", kind="updated", sequence=sequence, message=message)


async def test_its_last_state_counts_whatever_comes_late(desk: Desk) -> None:
    account = await desk.account()
    await desk.hand_over(account, [update(1, call("ringing"))])
    await desk.hand_over(account, [update(3, call("ended"))], [update(2, call("talking"))])
    await desk.replay()
    [message] = await desk.messages()
    assert (message["kind"], message["extra"]["call"]["state"], message["extra"]["sequence"]) == (
        "call",
        "ended",
        3,
    )


async def test_a_missed_one_calls_an_agent(desk: Desk) -> None:
    account = await desk.account()
    await desk.hand_over(account, [update(1, call("ringing"))])
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] is None
    await desk.hand_over(account, [update(2, call("missed", silent=False))])
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] is not None
    assert ticket["last_inbound_id"] == (await desk.messages())[0]["_id"]


async def test_a_recording_comes_with_a_later_update(desk: Desk) -> None:
    account = await desk.account()
    desk.platform(account).files["r1"] = [FetchedMedia(content=b"RIFF....WAVEfmt ", content_type="audio/wav")]
    ended = call("ended", media=(LentMedia(ref={"id": "r1"}, filename="call.wav", label="recording"),))
    await desk.hand_over(account, [update(1, call("ringing"))])
    await desk.hand_over(account, [update(2, ended)], [update(2, ended)])
    await desk.errands.run_due()
    await desk.replay()
    [message] = await desk.messages()
    assert [(one["filename"], one.get("state")) for one in message["attachments"]] == [("call.wav", None)]


BEGAN = {"id": "1", "direction": "in", "customer": "+4930123456", "agents": ["21", "22"], "state": "ringing",
         "started_at": "2026-11-20T09:00:00+00:00"}  # fmt: skip
PICKED_UP = {"id": "1", "direction": "in", "state": "talking", "answered_by": "22",
             "answered_at": "2026-11-20T09:00:12+00:00"}  # fmt: skip
OVER = {"id": "1", "direction": "in", "state": "ended", "ended_at": "2026-11-20T09:03:17+00:00",
        "cause": "normalClearing"}  # fmt: skip
PARTS: list[tuple[int, Mapping[str, object]]] = [(10, BEGAN), (20, PICKED_UP), (30, OVER)]


def part(sequence: int, told: Mapping[str, object]) -> Amendment:
    """A version that tells nothing but what happened at its moment."""
    silent = sequence < 30
    return update(sequence, said("call-1", f"part {sequence}", kind="call", silent=silent, extra={"call": told}))


@pytest.mark.parametrize("order", list(itertools.permutations(PARTS)))
async def test_versions_that_tell_a_part_complete_one_another(desk: Desk, order: Sequence[Any]) -> None:
    account = await desk.account()
    for sequence, told in order:
        await desk.hand_over(account, [part(sequence, told)])
    await desk.hand_over(account, *[[part(sequence, told)] for sequence, told in order])
    [message] = await desk.messages()
    call = message["extra"]["call"]
    assert {**BEGAN, **PICKED_UP, **OVER}.items() <= call.items()
    assert (call["outcome"], call["waited_seconds"], call["talked_seconds"]) == ("answered", 12, 185)
    assert message["silent"] is True
    assert "answered by 22 after 12 s, talked 3 min 05 s" in message["text"]
    assert message["text"] == message["visible_text"]
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] is None


@pytest.mark.parametrize("order", [[10, 30], [30, 10]])
async def test_a_call_that_nobody_took_is_missed(desk: Desk, order: Sequence[int]) -> None:
    account = await desk.account()
    for sequence in order:
        await desk.hand_over(account, [part(sequence, dict(PARTS)[sequence])])
    [message] = await desk.messages()
    call = message["extra"]["call"]
    assert (call["outcome"], call["waited_seconds"], message["silent"]) == ("missed", 197, False)
    assert message["text"].startswith("Missed call from ")
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] is not None


async def test_a_late_part_takes_nothing_back(desk: Desk) -> None:
    account = await desk.account()
    await desk.hand_over(account, [part(30, OVER)], [part(20, {**PICKED_UP, "cause": "none yet"})])
    [message] = await desk.messages()
    call = message["extra"]["call"]
    assert (call["state"], call["cause"], call["answered_by"]) == ("ended", "normalClearing", "22")
    assert message["extra"]["sequence"] == 30


async def test_a_recording_that_comes_out_of_order_is_fetched(desk: Desk) -> None:
    account = await desk.account()
    desk.platform(account).files["r1"] = [FetchedMedia(content=b"RIFF....WAVEfmt ", content_type="audio/wav")]
    lent = LentMedia(ref={"id": "r1"}, filename="call.wav", label="recording")
    await desk.hand_over(account, [update(40, call("ended"))], [update(35, call("ended", media=(lent,)))])
    await desk.errands.run_due()
    await desk.replay()
    [message] = await desk.messages()
    assert [(one["filename"], one.get("state")) for one in message["attachments"]] == [("call.wav", None)]


async def test_whoever_watches_is_told_at_once(desk: Desk) -> None:
    account = await desk.account()
    ringing = said(
        "call-1",
        "Call",
        kind="call",
        silent=True,
        extra={"call": {"id": "c1", "state": "ringing", "agents": ["101"]}},
    )
    await desk.hand_over(account, [update(1, ringing)])
    await desk.hand_over(account, [update(2, call("talking"))])
    [received] = await desk.events("message.received")
    *_, updated = await desk.events("message.updated")
    assert (received["data"]["call"]["state"], received["data"]["call"]["agents"]) == ("ringing", ["101"])
    assert updated["data"]["call"]["state"] == "talking"


async def test_the_log_is_a_page_by_index(desk: Desk) -> None:
    account = await desk.account()
    await desk.hand_over(account, [update(1, call("ringing"))], [said("m1", "no call")])
    states: Mapping[Any, int] = {"active": 1, "ended": 0, "any": 1}
    for state, count in states.items():
        page, following = await desk.store.call_log.page(CallFilter(state=state), "", 50)
        assert (len(page), following) == (count, None)


async def test_whoever_watches_is_told_the_whole_by_every_part(desk: Desk) -> None:
    account = await desk.account()
    for sequence, told in (PARTS[0], PARTS[2], PARTS[1]):
        await desk.hand_over(account, [part(sequence, told)])
    shown = [event["data"]["call"] for event in await desk.events("message.updated")]
    assert [(one["state"], one["agents"], one["answered_by"]) for one in shown] == [
        ("ringing", ["21", "22"], None),
        ("ended", ["21", "22"], None),
        ("ended", ["21", "22"], "22"),
    ]
    assert [one["outcome"] for one in shown[1:]] == ["missed", "answered"]


async def test_a_call_is_followed_from_the_queue_to_the_talk(desk: Desk) -> None:
    account = await desk.account()
    call = Ringing("q")
    news = (
        call.told(1, state="queued", queue="support", position=2),
        call.told(2, state="ringing", queue="support", position=1, agents=("21", "22")),
        call.told(3, state="queued", queue="support", position=1, agents=("21", "22")),
        call.told(4, state="talking", queue="support", agents=("21", "22"), outcome="answered",
                  answered_by="22", answered_at=at(1)),
    )  # fmt: skip
    for one in news:
        await desk.hand_over(account, [one])
    await desk.hand_over(account, [news[1]])
    seen = [event["data"]["call"] for event in await desk.events("message.updated")]
    assert [(one["state"], one["position"], one["outcome"]) for one in seen] == [
        ("queued", 2, ""),
        ("ringing", 1, ""),
        ("queued", 1, ""),
        ("talking", 0, "answered"),
    ]
    message = await desk.message("call:q")
    told = message["extra"]["call"]
    assert (told["queue"], told["agents"], told["answered_by"]) == ("support", ["21", "22"], "22")
    assert (message["text"], message["silent"]) == (f"Call from {ANN}, talking with 22", True)


async def test_the_received_comes_before_the_updated(desk: Desk) -> None:
    """In the order of the feed, or whoever watches would take the older news for the newer."""
    account = await desk.account()
    await desk.hand_over(account, [Ringing("a").lost()])
    fed = [doc["type"] async for doc in desk.store.db["events"].find().sort("$natural", 1)]
    ordered = [one for one in fed if one in ("ticket.created", "message.received", "message.updated")]
    assert ordered == ["ticket.created", "message.received", "message.updated"]


async def test_a_second_recording_is_kept_beside_the_first(desk: Desk) -> None:
    """Of a call that was handed over each part may be recorded by itself."""
    account = await desk.account()
    for name, content in (("r1", b"one"), ("r2", b"two")):
        wav = FetchedMedia(content=b"RIFF....WAVEfmt " + content, content_type="audio/wav")
        desk.platform(account).files[name] = [wav]
    for sequence, name in ((5, "r1"), (6, "r2"), (7, "r1")):
        lent = LentMedia(ref={"id": name}, filename=f"{name}.wav", label="recording")
        ended = Ringing("a").told(sequence, state="ended", outcome="answered", answered_at=at(0.5))
        assert ended.message is not None
        await desk.hand_over(account, [replace(ended, message=replace(ended.message, media=(lent,)))])
        await desk.errands.run_due()
    await desk.replay()
    message = await desk.message("call:a")
    assert [(one["filename"], one.get("state")) for one in message["attachments"]] == [
        ("r1.wav", None),
        ("r2.wav", None),
    ]
    contents = [await desk.store.attachments.find(one["id"]) for one in message["attachments"]]
    assert [(await desk.store.blobs.get(digest))[-3:] for _, digest in contents] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("answer", "served"),
    [
        (Ringing("b", 10).talks(), True),
        (Ringing("b", 10).answered(), True),
        (Ringing("b", 10, direction="out").talks(), True),
        (Ringing("b", 10, direction="out").answered(), True),
        (Ringing("b", 10).rings(), False),
        (Ringing("b", 10, direction="out").rings(), False),
        (Ringing("b", 10, direction="out").lost("no_answer"), False),
        (Ringing("b", 10, direction="out").lost("busy"), False),
        (Ringing("b", 10, direction="out").lost("failed"), False),
        (Ringing("b", 10).lost("rejected"), False),
        (Ringing("b", 10).lost("voicemail"), False),
        # Told of afterwards, but it was before.
        (Ringing("b", -10).answered(), False),
    ],
)
async def test_only_who_was_talked_with_waits_no_more(desk: Desk, answer: Amendment, served: bool) -> None:
    account = await desk.account()
    await desk.hand_over(account, [Ringing("a").lost()])
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] == at(0.5)
    await desk.hand_over(account, [answer])
    await desk.replay()
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] == (None if served else at(0.5))
    await desk.hand_over(account, [Ringing("c", 20).lost()])
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] == at(20.5 if served else 0.5)


async def test_a_call_that_was_answered_serves_who_wrote_before(desk: Desk) -> None:
    account = await desk.account()
    person: Any = {"who": ANN, "sender": {"key": f"phone:{ANN}"}}
    await desk.hand_over(account, [said("m1", "Please call me", **person)])
    written = (await desk.message("m1"))["at"]
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] == written
    minutes = (written - at(0)).total_seconds() / 60
    call = Ringing("b", minutes + 1, direction="out")
    await desk.hand_over(account, [call.rings()])
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] == written
    await desk.hand_over(account, [call.answered()])
    [ticket] = await desk.tickets()
    assert ticket["waiting_since"] is None


async def test_an_end_that_knows_nothing_else_is_a_missed_call_at_once(desk: Desk) -> None:
    """Where all that arrives is the hang-up, and whoever tells it does not know what it means."""
    account = await desk.account()
    told = said("call-1", "Call ended", kind="call", silent=True, extra={"call": OVER})
    await desk.hand_over(account, [update(30, told)])
    [message] = await desk.messages()
    assert (message["extra"]["call"]["outcome"], message["silent"]) == ("missed", False)
    assert message["text"].startswith("Missed call from ")

"""A call is a message that goes on: one card, however many updates come, in whatever order."""

import pytest

from omnihub.connectors.contract import Toolbox
from omnihub.model.inbound import Amendment, FetchedMedia, InboundMessage, LentMedia
from omnihub.settings import Settings
from omnihub.store.store import Store
from tests.inbox.spoken import Desk, said


@pytest.fixture
def desk(store: Store, toolbox: Toolbox, settings: Settings) -> Desk:
    return Desk(store, toolbox, settings)


def call(state: str, *, silent: bool = True, **given: object) -> InboundMessage:
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

"""Click-to-call over the event socket, and recordings from the web server beside it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import encode_basic_auth, web

from omnihub.connectors import registry
from omnihub.connectors.contract import Dialled, Toolbox
from omnihub.connectors.freeswitch import calling, line
from omnihub.connectors.freeswitch.connector import Connector
from omnihub.connectors.freeswitch.recordings import relative
from omnihub.connectors.freeswitch.simulator import Simulator
from omnihub.connectors.simulation import Loopback
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, Refused, TryLater, Uncertain
from omnihub.model.inbound import LentMedia
from tests.connectors.telephony_dialling import HOSTILE

CALL_ID = "5b2f7a52-0000-4000-8000-000000000001"
NUMBER = "+49 (30) 900-155"


@pytest.fixture
async def switch(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, torn_every=3)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def connected(switch: Simulator, http: aiohttp.ClientSession, **changed: object) -> Connector:
    (demo,) = switch.accounts()
    read = registry.read_settings("freeswitch", {**demo.settings, **changed})
    account = Account(id="01a", key="k", channel="freeswitch", name="Desk", enabled=True)
    toolbox = Toolbox(
        http=http, public_url="http://hub.test", sign=lambda _, data: data, now=lambda: datetime.now(UTC)
    )
    made = registry.connector_type("freeswitch")(account, read, toolbox)
    assert isinstance(made, Connector)
    return made


# — dialling —


async def test_the_agent_is_rung_and_the_call_bears_our_id(switch: Simulator, http: aiohttp.ClientSession) -> None:
    connector = connected(switch, http, dial_prefix="9", caller_id="+4930555100")
    assert connector.manifest.capabilities.calls
    done = await connector.dial("1001", NUMBER, call_id=CALL_ID)
    assert done == Dialled(call_id=CALL_ID, picked_up=True)
    assert switch.asked == [
        f"originate {{origination_uuid={CALL_ID},omnihub_customer=+4930900155,"
        "origination_caller_id_number=+4930900155,effective_caller_id_number=+4930555100,"
        "ignore_early_media=true,originate_timeout=30}user/1001 9+4930900155 XML default"
    ]
    await connector.dial("1001", "1002", call_id="inside")
    assert switch.asked[-1].endswith("user/1001 1002 XML default")
    assert {one["Unique-ID"] for one in switch.log if one["Event-Name"] == "CHANNEL_CREATE"} > {CALL_ID}


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("NO_ANSWER", "the agent's telephone was not picked up (NO_ANSWER)"),
        ("CALL_REJECTED", "the agent's telephone was not picked up (CALL_REJECTED)"),
        ("USER_BUSY", "the agent's telephone is busy (USER_BUSY)"),
        ("USER_NOT_REGISTERED", "there is no such telephone, or it is not connected (USER_NOT_REGISTERED)"),
    ],
)
async def test_an_agent_who_is_away_is_no_fault(
    switch: Simulator, http: aiohttp.ClientSession, cause: str, words: str
) -> None:
    switch.picks_up, switch.why_not = False, cause
    done = await connected(switch, http).dial("1001", NUMBER, call_id=CALL_ID)
    assert done == Dialled(call_id=CALL_ID, picked_up=False, words=words)


async def test_two_jobs_at_once_are_told_apart(switch: Simulator, http: aiohttp.ClientSession) -> None:
    """Each socket hears the ends of all jobs."""
    connector = connected(switch, http)
    ids = [f"{CALL_ID[:-1]}{n}" for n in range(8)]
    done = await asyncio.gather(*(connector.dial("1001", NUMBER, call_id=one) for one in ids))
    assert [one.call_id for one in done] == ids


async def test_a_refusal_shows_the_words_of_freeswitch(switch: Simulator, http: aiohttp.ClientSession) -> None:
    connector = connected(switch, http, phone_address="loopback/{extension}")
    with pytest.raises(Refused, match="DESTINATION_OUT_OF_ORDER"):
        await connector.dial("1001", NUMBER, call_id=CALL_ID)


async def test_a_job_that_never_ends_is_uncertain(
    switch: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "SPARE_SECONDS", -4.8)
    monkeypatch.setattr(switch, "start_job", lambda job, words: switch.switch.job("another", words, "+OK another"))
    with pytest.raises(Uncertain):
        await connected(switch, http, ring_seconds=5).dial("1001", NUMBER, call_id=CALL_ID)


async def test_a_line_that_breaks_after_the_hand_over_is_uncertain(
    switch: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(job: str, words: str) -> None:
        for socket in switch._sockets:
            socket.writer.transport.abort()

    monkeypatch.setattr(switch, "start_job", break_off)
    with pytest.raises(Uncertain):
        await connected(switch, http).dial("1001", NUMBER, call_id=CALL_ID)


async def test_who_cannot_be_reached_was_not_asked(
    switch: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "ANSWER_SECONDS", 0.2)
    connector = connected(switch, http)
    switch.is_mute = True
    with pytest.raises(TryLater):
        await connector.dial("1001", NUMBER, call_id=CALL_ID)
    await switch.stop()
    with pytest.raises(TryLater):
        await connector.dial("1001", NUMBER, call_id=CALL_ID)
    assert switch.asked == []


async def test_nothing_but_telephones_and_numbers_can_be_called(
    switch: Simulator, http: aiohttp.ClientSession
) -> None:
    connector = connected(switch, http)
    for wrong in HOSTILE:
        asked = {"extension": "1001", "number": NUMBER, "call_id": CALL_ID, **wrong}
        with pytest.raises(Invalid) as refused:
            await connector.dial(asked["extension"], asked["number"], call_id=asked["call_id"])
        assert set(refused.value.fields) == set(wrong)
    assert (switch.asked, switch.log) == ([], [])


# — recordings —


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/rec/2026/a.wav", "2026/a.wav"), ("2026/a.wav", "2026/a.wav"), ("/rec", ""), ("/rec/../etc/x", ""),
        ("/record/a.wav", ""), ("../a.wav", ""), ("", ""), ("/rec//./a.wav", "a.wav"),
    ],
)  # fmt: skip
def test_only_what_is_in_the_folder_is_lent(path: str, inner: str) -> None:
    assert relative(path, "/rec") == inner


@pytest.fixture
async def recordings() -> AsyncIterator[Loopback]:
    async def serve(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != encode_basic_auth("desk", "a password"):
            return web.Response(status=401)
        if request.path != "/rec/2026/a b.wav":
            return web.Response(status=404)
        return web.Response(body=b"RIFF" + bytes(2000), content_type="audio/wav")

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    loopback = Loopback(app)
    await loopback.start()
    yield loopback
    await loopback.stop()


async def test_a_recording_is_fetched(
    switch: Simulator, http: aiohttp.ClientSession, recordings: Loopback
) -> None:
    signed = {
        "recordings_url": f"{recordings.url}/rec",
        "recordings_user": "desk",
        "recordings_password": "a password",
    }
    connector = connected(switch, http, **signed)
    fetched = await connector.fetch(LentMedia(ref={"path": "2026/a b.wav"}))
    assert (fetched.content[:4], len(fetched.content), fetched.content_type) == (b"RIFF", 2004, "audio/wav")
    with pytest.raises(TryLater, match="404"):
        await connector.fetch(LentMedia(ref={"path": "2026/not-yet.wav"}))
    with pytest.raises(Refused):
        await connector.fetch(LentMedia(ref={"path": "../secret.wav"}))
    with pytest.raises(Refused, match="401"):
        await connected(switch, http, recordings_url=f"{recordings.url}/rec").fetch(
            LentMedia(ref={"path": "a.wav"})
        )
    with pytest.raises(Refused, match="no web address"):
        await connected(switch, http).fetch(LentMedia(ref={"path": "a.wav"}))


# — settings —


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "two\nlines"), ("password", ""), ("host", "a host"), ("extensions", "("), ("port", 0),
        ("phone_address", "user/1001"), ("phone_address", "user/{extension}\nbgapi"), ("dial_context", "a b"),
        ("recordings_url", "ftp://x/y"), ("recordings_path", "/rec\n"), ("region", "germany"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(name: str, value: object) -> None:
    with pytest.raises(Invalid):
        registry.read_settings("freeswitch", {"host": "h", "password": "a password", name: value})

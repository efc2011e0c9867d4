"""Click-to-call over the event socket, and recordings from the web server beside it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import encode_basic_auth, web
from hypothesis import given
from hypothesis import strategies as st

from omnihub.connectors import registry
from omnihub.connectors.contract import Toolbox
from omnihub.connectors.freeswitch import calling, line
from omnihub.connectors.freeswitch.connector import Connector
from omnihub.connectors.freeswitch.recordings import relative
from omnihub.connectors.freeswitch.settings import Settings
from omnihub.connectors.freeswitch.simulator import Simulator
from omnihub.connectors.simulation import Loopback
from omnihub.model.account import Account
from omnihub.model.errors import Invalid, Refused, TryLater, Uncertain
from omnihub.model.inbound import LentMedia

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


# — click-to-call —


async def test_the_agent_is_rung_and_the_call_bears_our_id(switch: Simulator, http: aiohttp.ClientSession) -> None:
    connector = connected(switch, http, dial_prefix="9", caller_id="+4930555100")
    done = await connector.originate("1001", NUMBER, call_id=CALL_ID)
    assert (done.call_id, done.agent_answered) == (CALL_ID, True)
    assert switch.asked == [
        f"originate {{origination_uuid={CALL_ID},omnihub_customer=+4930900155,"
        "origination_caller_id_number=+4930900155,effective_caller_id_number=+4930555100,"
        "ignore_early_media=true,originate_timeout=30}user/1001 9+4930900155 XML default"
    ]
    assert {one["Unique-ID"] for one in switch.log if one["Event-Name"] == "CHANNEL_CREATE"} > {CALL_ID}


async def test_a_call_without_an_id_gets_one_of_its_own(switch: Simulator, http: aiohttp.ClientSession) -> None:
    connector = connected(switch, http)
    first, second = [await connector.originate("1001", NUMBER) for _ in range(2)]
    assert first.call_id != second.call_id


async def test_an_agent_who_is_away_is_no_fault(switch: Simulator, http: aiohttp.ClientSession) -> None:
    switch.picks_up = False
    done = await connected(switch, http).originate("1001", NUMBER, call_id=CALL_ID)
    assert (done.call_id, done.agent_answered, done.reason) == (CALL_ID, False, "NO_ANSWER")


async def test_two_jobs_at_once_are_told_apart(switch: Simulator, http: aiohttp.ClientSession) -> None:
    """Each socket hears the ends of all jobs."""
    connector = connected(switch, http)
    ids = [f"{CALL_ID[:-1]}{n}" for n in range(8)]
    done = await asyncio.gather(*(connector.originate("1001", NUMBER, call_id=one) for one in ids))
    assert [one.call_id for one in done] == ids


async def test_a_refusal_shows_the_words_of_freeswitch(switch: Simulator, http: aiohttp.ClientSession) -> None:
    connector = connected(switch, http, phone_address="loopback/{extension}")
    with pytest.raises(Refused, match="DESTINATION_OUT_OF_ORDER"):
        await connector.originate("1001", NUMBER, call_id=CALL_ID)


async def test_a_job_that_never_ends_is_uncertain(
    switch: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "SPARE_SECONDS", 0.2)
    monkeypatch.setattr(switch, "start_job", lambda job, words: switch.switch.job("another", words, "+OK another"))
    connector = connected(switch, http)
    call = calling.wanted(connector.settings, "1001", NUMBER, context="", caller_id="", call_id=CALL_ID)
    impatient = calling.Wanted(**{name: getattr(call, name) for name in call.__slots__} | {"seconds": 0})
    with pytest.raises(Uncertain):
        await calling.originate(connector.settings.server, impatient)


async def test_a_line_that_breaks_after_the_hand_over_is_uncertain(
    switch: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(job: str, words: str) -> None:
        for socket in switch._sockets:
            socket.writer.transport.abort()

    monkeypatch.setattr(switch, "start_job", break_off)
    with pytest.raises(Uncertain):
        await connected(switch, http).originate("1001", NUMBER, call_id=CALL_ID)


async def test_who_cannot_be_reached_was_not_asked(
    switch: Simulator, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "ANSWER_SECONDS", 0.2)
    connector = connected(switch, http)
    switch.is_mute = True
    with pytest.raises(TryLater):
        await connector.originate("1001", NUMBER, call_id=CALL_ID)
    await switch.stop()
    with pytest.raises(TryLater):
        await connector.originate("1001", NUMBER, call_id=CALL_ID)
    assert switch.asked == []


SETTINGS = Settings.model_validate({"host": "h", "password": "p"})
HARMLESS = st.from_regex(r"\+?[0-9]{3,12}", fullmatch=True)
HARM = st.sampled_from(
    ["\n", "\r\n\r\n", "'", ",", "{", "}", "[", "|", "<", "&", "$", " ", "${", "%0a", "电", "^^"]
)


@given(HARMLESS, HARM, HARMLESS, st.sampled_from(["channel", "exten", "context", "caller_id", "call_id"]))
def test_nothing_but_a_number_is_dialled(before: str, harm: str, after: str, where: str) -> None:
    given_values = {
        "channel": "1001",
        "exten": "0301234",
        "context": "default",
        "caller_id": "030",
        "call_id": CALL_ID,
    }
    value = f"{before}{harm}{after}"
    given_values[where] = value
    if where == "exten" and harm == " ":
        return
    with pytest.raises(Invalid):
        calling.wanted(
            SETTINGS, given_values["channel"], given_values["exten"], context=given_values["context"],
            caller_id=given_values["caller_id"], call_id=given_values["call_id"],
        )  # fmt: skip


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

"""Recordings and the connection test."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from omnihub.connectors.asterisk.connector import Connector
from omnihub.connectors.asterisk.simulator import Simulator
from omnihub.connectors.registry import read_settings
from omnihub.connectors.simulation import Loopback
from omnihub.connectors.telephony.call import Call, Consent
from omnihub.model.errors import OmnihubError, Refused, TryLater
from omnihub.model.inbound import Amendment, LentMedia
from omnihub.model.raw import RawEvent
from omnihub.store.database import now
from tests.connectors.asterisk_desk import MemoryDesk, connector_to, listening


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def pbx(tmp_path: Path) -> AsyncIterator[Simulator]:
    simulator = Simulator(tmp_path, agents_pick_up=False)
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
def connector(pbx: Simulator, http: aiohttp.ClientSession) -> Connector:
    return connector_to(pbx, http, ring_seconds=5)


# — the connection test —


async def test_all_is_well(pbx: Simulator, connector: Connector) -> None:
    findings = await connector.check()
    assert [(one.name, one.ok) for one in findings] == [
        (name, True)
        for name in (
            "Connection", "Login", "Version", "Show channels", "Show queues", "Click-to-call", "Events",
            "Recordings",
        )
    ]  # fmt: skip
    assert {"Asterisk Call Manager/11.0.0", "Asterisk 22.10.1"} <= {one.detail for one in findings}


@pytest.mark.parametrize("login", ["challenge", "plain"])
async def test_both_ways_to_log_in(pbx: Simulator, http: aiohttp.ClientSession, login: str) -> None:
    assert all(one.ok for one in await connector_to(pbx, http, login=login).check())


async def test_every_fault_has_a_remedy(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    wrong_secret = await connector_to(pbx, http, secret="another-secret", login="plain").check()
    assert [(one.name, one.detail) for one in wrong_secret if not one.ok] == [("Login", "Authentication failed")]
    other = Loopback(web.Application())
    url = await other.start()
    try:
        elsewhere = await connector_to(pbx, http, port=int(url.rpartition(":")[2])).check()
    finally:
        await other.stop()
    await pbx.stop()
    away = await connector_to(pbx, http).check()
    for findings in (wrong_secret, elsewhere, away):
        assert any(not one.ok for one in findings)
        assert all(one.remedy for one in findings if not one.ok)


async def test_a_user_without_rights(
    pbx: Simulator, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omnihub.connectors.asterisk.simulator._COMMANDS", ("Ping", "CoreShowChannels"))
    findings = {one.name: one for one in await connector.check()}
    assert findings["Show channels"].ok
    assert not findings["Click-to-call"].ok
    assert "originate" in findings["Click-to-call"].remedy


# — recordings —


def lent(name: object, minutes_ago: float = 60) -> LentMedia:
    return LentMedia(ref={"recording": name, "ended_at": (now() - timedelta(minutes=minutes_ago)).timestamp()})


async def test_a_recording_of_a_call_is_fetched(pbx: Simulator, connector: Connector, tmp_path: Path) -> None:
    desk = MemoryDesk()
    async with listening(connector, desk):
        call_id = await pbx.ring("+8613900139000")
        await pbx.answer("101")
        await pbx.hang_up()
        await desk.call(call_id, state="ended")
    [*_, last] = desk.requests
    [amendment] = connector.parse(RawEvent(id="e", account_id="acc", request=last))
    assert isinstance(amendment, Amendment)
    assert amendment.message is not None
    [media] = amendment.message.media
    assert (media.label, media.filename, media.content_type) == ("recording", f"{call_id}.wav", "audio/wav")
    fetched = await connector.fetch(media)
    assert fetched.content.startswith(b"RIFF")


async def recorded(pbx: Simulator, connector: Connector) -> tuple[Call, Amendment]:
    desk = MemoryDesk()
    async with listening(connector, desk):
        call_id = await pbx.ring("+8613900139000")
        await pbx.answer("101")
        await pbx.hang_up()
        call = await desk.call(call_id, state="ended")
    [amendment] = connector.parse(RawEvent(id="e", account_id="acc", request=desk.requests[-1]))
    assert isinstance(amendment, Amendment)
    return call, amendment


@pytest.mark.parametrize(
    ("line", "consent"),
    [
        ({}, Consent(notice="We record.", version="3")),
        ({"consent_notice": "本线路录音。", "consent_version": "4"}, Consent(notice="本线路录音。", version="4")),
        ({"consent_version": "5"}, Consent(notice="We record.", version="5")),
    ],
)
async def test_the_notice_is_kept_with_the_call(
    pbx: Simulator, http: aiohttp.ClientSession, line: dict[str, str], consent: Consent
) -> None:
    lines = [{"line": "700", **line}]
    connector = connector_to(pbx, http, lines=lines, consent_notice="We record.", consent_version="3")
    call, amendment = await recorded(pbx, connector)
    assert call.consent == consent
    assert amendment.message is not None
    told = amendment.message.extra["call"]["consent"]
    assert (told, len(amendment.message.media)) == ({"notice": consent.notice, "version": consent.version}, 1)


async def test_a_line_that_is_not_recorded(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    off = [{"line": "700", "record": False}]
    call, amendment = await recorded(pbx, connector_to(pbx, http, lines=off, consent_notice="We record."))
    assert (call.recording, call.consent) == ("", None)
    assert amendment.message is not None
    assert (amendment.message.media, amendment.message.extra["call"]["consent"]) == ((), None)


async def test_what_was_journaled_before_is_not_fetched_either(
    pbx: Simulator, http: aiohttp.ClientSession
) -> None:
    """The line was switched off between the call and its reading."""
    desk = MemoryDesk()
    async with listening(connector_to(pbx, http, consent_notice="We record."), desk):
        call_id = await pbx.ring("+8613900139000")
        await pbx.answer("101")
        await pbx.hang_up()
        assert (await desk.call(call_id, state="ended")).recording
    connector = connector_to(pbx, http, lines=[{"line": "700", "record": False}])
    [amendment] = connector.parse(RawEvent(id="e", account_id="acc", request=desk.requests[-1]))
    assert isinstance(amendment, Amendment)
    assert amendment.message is not None
    assert amendment.message.media == ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "recordings" / "2026").mkdir(parents=True, exist_ok=True)
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (tmp_path / "recordings" / "2026" / "a.wav").write_bytes(b"RIFF")
    (tmp_path / "recordings" / "link.wav").symlink_to(tmp_path / "secret.wav")
    return tmp_path


@pytest.mark.parametrize(
    "name",
    ["../secret.wav", "2026/../../secret.wav", "/etc/passwd", "link.wav", "a\0b", "..\\secret.wav", "", None, 7,
     "https://evil.example.test/a.wav", ".", "2026"],
)  # fmt: skip
async def test_no_name_leads_out_of_the_folder(connector: Connector, folder: Path, name: object) -> None:
    with pytest.raises(Refused):
        await connector.fetch(lent(name))


async def test_a_file_that_is_not_there_yet_is_asked_for_again(connector: Connector, folder: Path) -> None:
    assert (await connector.fetch(lent("2026/a.wav"))).content == b"RIFF"
    with pytest.raises(TryLater):
        await connector.fetch(lent("2026/b.wav", minutes_ago=1))
    with pytest.raises(Refused):
        await connector.fetch(lent("2026/b.wav", minutes_ago=60))


async def test_recordings_of_a_web_server(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    asked: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.path, request.headers.get("Authorization", "")))
        return web.Response(body=b"RIFF") if request.path == "/monitor/2026/a b.wav" else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    server = Loopback(app)
    url = await server.start()
    try:
        connector = connector_to(
            pbx, http, recordings="web", recording_url=f"{url}/monitor/", recording_username="u",
            recording_password="pw",
        )  # fmt: skip
        assert (await connector.fetch(lent("2026/a b.wav"))).content == b"RIFF"
        with pytest.raises(Refused):
            await connector.fetch(lent("gone.wav"))
        with pytest.raises(Refused):
            await connector.fetch(lent("../a b.wav"))
    finally:
        await server.stop()
    with pytest.raises(TryLater):
        await connector.fetch(lent("2026/a b.wav"))
    assert asked == [
        ("/monitor/2026/a b.wav", aiohttp.encode_basic_auth("u", "pw")),
        ("/monitor/gone.wav", aiohttp.encode_basic_auth("u", "pw")),
    ]


async def test_without_a_place_for_recordings_none_is_told(pbx: Simulator, http: aiohttp.ClientSession) -> None:
    with pytest.raises(Refused):
        await connector_to(pbx, http, recordings="none").fetch(lent("a.wav"))


# — settings —


@pytest.mark.parametrize(
    "wrong",
    [
        {"internal_numbers": ["("]},
        {"internal_numbers": []},
        {"recordings": "folder"},
        {"recordings": "folder", "recording_folder": "relative"},
        {"recordings": "web"},
        {"recording_url": "file:///etc/"},
        {"recording_url": "https://x.example.test/?a=b"},
        {"username": "a\r\nb"},
        {"caller_id": "a\nb"},
        {"agent_channel": "PJSIP/101"},
        {"recording_name": "../{uniqueid}.wav"},
        {"region": "China"},
        {"host": "a b"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    given = {"host": "192.0.2.10", "username": "omnihub", "secret": "long-enough"}
    read_settings("asterisk", given)
    with pytest.raises(OmnihubError):
        read_settings("asterisk", {**given, **wrong})
